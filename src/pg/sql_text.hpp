// Syntax of SQL texts that users give, by the server's own parser.
#pragma once

#include <string>

namespace hc::pg {

// Why the text is not one value expression ("must not have parameters", the parser's message); empty when it is.
// Inside a transaction. Names and types are looked up when it runs, by the role that runs it.
std::string why_no_expression(const std::string &text);

} // namespace hc::pg
