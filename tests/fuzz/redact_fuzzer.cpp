// Fuzzes redact(): whatever stands around them, a number, an address and a token are gone, the text hardly grows, and
// what was masked once is not masked again.
#include "core/redact.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using hc::core::redact;

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check_gone(std::string_view before, std::string_view planted, std::string_view after) {
    std::string text(before);
    text.append("\n").append(planted).append("\n").append(after);
    const std::string secret(planted.substr(0, planted.size() > 12 ? 12 : planted.size()));
    if (before.find(secret) == std::string_view::npos && after.find(secret) == std::string_view::npos)
        require(redact(text).find(secret) == std::string::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::string once = redact(input);
    require(once.size() <= 4 * size + 3); // "a@b" becomes "***@b"
    require(redact(once) == once);
    const std::string_view before = input.substr(0, size / 2);
    const std::string_view after = input.substr(size / 2);
    check_gone(before, "+4915112349876", after);
    check_gone(before, "zebulon.quux@example.org", after);
    check_gone(before, "740f4707bebcf74f9b7c25d48e3358945f6aa01d", after);
    require(hc::core::plain_code(input).size() <= 64);
    return 0;
}
