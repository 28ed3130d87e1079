// Reading JSON without making values of it: members and elements as slices of the text. For documents whose values must
// come out as they went in (numbers of any length). Checks the syntax of what it steps over as far as strings and
// brackets go; recursion-free. Private to src/core.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace hc::core {

class JsonSlices {
public:
    // `message` of every error (22023), whose detail begins with the path.
    JsonSlices(std::string_view text, const char *message) : text_(text), message_(message) {}

    // Calls for each member of the object, or each element of the array, that is the whole text.
    void each_member(const std::string &path, const std::function<void(const std::string &, std::string_view)> &visit);
    void each_element(const std::string &path, const std::function<void(std::size_t, std::string_view)> &visit);

    [[noreturn]] static void fail(const char *message, const std::string &path, const std::string &what);

private:
    void skip_space();
    bool take(char c); // after white space
    void expect(char c, const std::string &path);
    std::string_view string_slice(const std::string &path);
    std::string_view value_slice(const std::string &path);
    void check_end(const std::string &path);

    std::string_view text_;
    const char *message_;
    std::size_t at_ = 0;
};

// A JSON string without its quotes and escapes. Throws as above.
std::string unquote_json(std::string_view slice, const char *message, const std::string &path);

} // namespace hc::core
