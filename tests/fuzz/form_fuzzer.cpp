// Fuzzes the form decoder. Whatever the bytes, the pairs keep their limit and are text that a database can store, and
// the cleaned pairs are those of the plain ones.
#include "core/form.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace hc::core;

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check_text(const std::string &text) {
    require(text.find('\0') == std::string::npos);
    require(replace_invalid_utf8(text) == text);
}

std::string without_nul(std::string text) {
    std::erase(text, '\0');
    return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    const auto bytes = parse_form_bytes(input);
    const auto pairs = parse_form(input);
    require(bytes.has_value() == pairs.has_value());
    if (!pairs)
        return 0;
    require(pairs->size() <= kMaxFormPairs && pairs->size() == bytes->size());
    std::size_t total = 0;
    for (std::size_t i = 0; i < pairs->size(); ++i) {
        const auto &[name, value] = (*pairs)[i];
        check_text(name);
        check_text(value);
        require(name == without_nul(replace_invalid_utf8((*bytes)[i].first)));
        require(value == without_nul(replace_invalid_utf8((*bytes)[i].second)));
        total += (*bytes)[i].first.size() + (*bytes)[i].second.size();
    }
    require(total <= size);
    return 0;
}
