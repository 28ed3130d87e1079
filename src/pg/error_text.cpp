// See error_text.hpp. Runs in backends and workers, in the handler of an error: nothing in here raises.
#include "pg/error_text.hpp"

#include "core/history.hpp"
#include "core/redact.hpp"
#include "pg/error.hpp"

namespace hc::pg {

namespace {

char g_withheld[] = "error text withheld: out of memory";

char *keep(std::string_view text) noexcept {
    auto *copy = static_cast<char *>(MemoryContextAllocExtended(error_home(), text.size() + 1, MCXT_ALLOC_NO_OOM));
    if (copy == nullptr) {
        return g_withheld;
    }
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return copy;
}

template <class Change>
char *changed(char *text, Change change) noexcept {
    if (text == nullptr) {
        return nullptr;
    }
    try {
        const std::string after = change(std::string_view(text));
        return after == text ? text : keep(after);
    } catch (const std::exception &) { // no memory
        return g_withheld;
    }
}

// 'invalid input syntax for type integer: "all of a value"'
std::string without_value(std::string_view message) {
    constexpr std::string_view kBegin = ": \"";
    const std::size_t begin = message.find(kBegin);
    const std::size_t end = message.rfind('"');
    if (begin == std::string_view::npos || end < begin + kBegin.size()) {
        return core::redact(message);
    }
    std::string text(message.substr(0, begin + kBegin.size()));
    text.append("***").append(message.substr(end));
    return core::redact(text);
}

// Lines such as 'JSON data, line 1: {"text": ..' (in any language) and 'COPY orders, line 1: ..' quote data.
std::string without_data(std::string_view context) {
    std::string text;
    while (!context.empty()) {
        const std::size_t end = std::min(context.find('\n'), context.size());
        const std::string_view line = context.substr(0, end);
        context.remove_prefix(std::min(end + 1, context.size()));
        const bool json = line.substr(0, line.find('"')).find("JSON") != std::string_view::npos;
        if (!json && !line.starts_with("COPY ")) {
            text.append(text.empty() ? "" : "\n").append(core::redact(line));
        }
    }
    return text;
}

} // namespace

void clean(ErrorData &data) noexcept {
    const int category = ERRCODE_TO_CATEGORY(data.sqlerrcode);
    const bool of_data = category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION);
    const bool of_rows = category == ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION) &&
                         data.sqlerrcode != ERRCODE_UNIQUE_VIOLATION; // its keys are ids and names
    data.message = changed(data.message, of_data ? without_value : core::redact);
    data.detail = of_data || of_rows ? nullptr : changed(data.detail, core::redact);
    data.detail_log = nullptr; // a deadlock's holds the statements of other sessions
    data.context = changed(data.context, without_data);
    data.internalquery = changed(data.internalquery, core::redact);
}

bool context_has_parameters() noexcept { return log_parameter_max_length_on_error != 0; }

void copy_cut(char *to, std::size_t size, std::string_view from) noexcept {
    const std::string_view cut = core::cut_utf8(from, size - 1);
    std::memcpy(to, cut.data(), cut.size());
    to[cut.size()] = '\0';
}

void copy_clean(char *to, std::size_t size, std::string_view from) noexcept {
    try {
        copy_cut(to, size, core::redact(from));
    } catch (const std::exception &) {
        strlcpy(to, g_withheld, size);
    }
}

} // namespace hc::pg
