// The shapes that redact() tells apart: each function looks at the beginning of a text and gives the length of what it
// found, 0 for nothing. Private to the core. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace hc::core::patterns {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
inline bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
inline bool is_alpha(char c) { return is_lower(c) || is_upper(c); }
inline bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }

std::size_t uuid(std::string_view text);     // with "-<n>", "-r<n>-e<n>"
std::size_t iso_time(std::string_view text); // a date, with or without its time
std::size_t ipv4(std::string_view text);     // four numbers up to 255, not all of two digits (a phone number)
std::size_t kept(std::string_view text);     // one of the three

struct Number {
    std::size_t length = 0; // of digits and what separates them, ending with a digit
    std::size_t first = 0;  // to the end of the first group of digits
    std::size_t digits = 0, groups = 0;
};
Number number(std::string_view text); // ends where something kept begins

bool is_word_char(char c);
std::size_t
word(std::string_view text); // letters, digits and what stands in tokens; ends where something kept or a URL begins
bool token_like(std::string_view text);             // long, and not made of plain words
std::size_t scheme(std::string_view text);          // "https://"
std::size_t query(std::string_view text);           // "?name=..." to the end of the URL
std::size_t credential_word(std::string_view text); // "Bearer ", "Basic ", "Digest " before something secret
bool secret_name(std::string_view name);            // password, access_token, ...
bool authorization_name(std::string_view name);     // its value goes to the end of the line

} // namespace hc::core::patterns
