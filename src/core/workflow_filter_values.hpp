// Tokens of a workflow filter, and their values as a field compares them. Internal to the filter.
#pragma once

#include "core/workflow_filter.hpp"

#include <string>
#include <string_view>

namespace hc::core {

inline constexpr const char *kFilterMessage = "invalid workflow filter";

[[noreturn]] void fail_filter(std::size_t position, std::string_view what);       // 22023
[[noreturn]] void fail_filter_limit(std::size_t position, std::string_view what); // 54000

struct FilterToken {
    enum class Kind : std::uint8_t { end, word, name, text, number, symbol };
    Kind kind = Kind::end;
    std::string text;                     // without quotes; a word as it stands
    std::size_t position = 0;             // from 1, in characters
    bool is(std::string_view word) const; // a symbol, or a word in any case
};

class FilterLexer {
public:
    explicit FilterLexer(std::string_view text) : text_(text) {}
    FilterToken next();

private:
    FilterToken quoted(char quote);
    FilterToken number();
    FilterToken symbol();
    void advance(std::size_t bytes);
    std::string_view rest() const { return text_.substr(at_); }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t position_ = 1;
};

// The value of a token for a field; throws 22023 where it does not fit.
std::string filter_value(const FilterCondition &field, const FilterToken &token);

} // namespace hc::core
