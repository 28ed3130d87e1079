// See plpgsql.hpp. Runs in executors, and in the backend of who queries.
#include "pg/plpgsql.hpp"

#include "pg/postgres.hpp"

#include <dlfcn.h>

extern "C" {
#include "plpgsql.h"
}

namespace hc::pg {

namespace {

using Callback = void (*)(void *);

// Whether the callback that tells where an error was is PL/pgSQL's, whose argument is the state of its function. It
// keeps that function to itself, so it is known by the library that it is in.
bool is_plpgsql(Callback callback) noexcept {
    constinit static Callback known = nullptr, other = nullptr; // nearly always the same two
    if (callback == known || callback == other) {
        return callback == known;
    }
    Dl_info where{};
    const bool found = dladdr(reinterpret_cast<void *>(callback), &where) != 0 && where.dli_fname != nullptr;
    const std::string_view file = found ? where.dli_fname : "";
    const bool is = file.substr(file.rfind('/') + 1) == "plpgsql" DLSUFFIX;
    (is ? known : other) = callback;
    return is;
}

} // namespace

void end_assignment() noexcept {
    const ErrorContextCallback *innermost = error_context_stack;
    if (innermost == nullptr || innermost->arg == nullptr || !is_plpgsql(innermost->callback)) {
        return;
    }
    const auto *state = static_cast<const PLpgSQL_execstate *>(innermost->arg);
    if (state->err_stmt == nullptr || state->err_text != nullptr || state->err_stmt->cmd_type != PLPGSQL_STMT_ASSIGN) {
        return;
    }
    reinterpret_cast<const PLpgSQL_stmt_assign *>(state->err_stmt)->expr->expr_simple_in_use = false;
}

} // namespace hc::pg
