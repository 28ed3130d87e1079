// What a tenant may be told about an error of SQL that was run for it.
#pragma once

#include <string>
#include <string_view>

namespace hc::core {

// "42P01: relation does not exist": SQLSTATE and the first words of the message. Values stand in quotes, behind a colon
// or are numbers, and are left out, as is the whole text of an error that a function raised itself (class P0).
std::string short_sql_failure(std::string_view sqlstate, std::string_view message);

} // namespace hc::core
