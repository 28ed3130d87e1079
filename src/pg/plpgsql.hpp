// What the extension asks of PL/pgSQL, which most workflow functions are written in.
#pragma once

namespace hc::pg {

// Before an error that ends a call of a function which the same transaction calls again. PL/pgSQL evaluates the right
// side of an assignment without a statement (some 2,000 instructions instead of 15,000), but not again in a transaction
// in which an error has left it: it takes the evaluation for unfinished. When the innermost code is such an assignment,
// it is told that nothing is. Safe for a function that the assignment calls itself, as every call of ours is here: what
// else the expression holds has been evaluated to its end or not begun, and variables are new in the next call.
void end_assignment() noexcept;

} // namespace hc::pg
