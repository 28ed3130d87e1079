// pg::call: the only way from C++ into PostgreSQL functions that may raise. One sigsetjmp frame turns a PostgreSQL
// error (longjmp) into a C++ exception pg::error before it could jump over a C++ object.
//
// Rules: the lambda holds PostgreSQL calls and plain data only; it throws nothing and owns nothing that needs a
// destructor. An error caught without a subtransaction may only be cleaned up after and passed on.
#pragma once

#include "pg/error.hpp"

namespace hc::pg {

namespace detail {

// Puts PostgreSQL's error stacks back on every way out of the frame. Constructed before sigsetjmp, so that no jump
// skips it.
class ErrorStackScope {
public:
    ErrorStackScope() noexcept : exceptions_(PG_exception_stack), contexts_(error_context_stack) {}
    ~ErrorStackScope() { restore(); }
    ErrorStackScope(const ErrorStackScope &) = delete;
    ErrorStackScope &operator=(const ErrorStackScope &) = delete;
    void restore() const noexcept {
        PG_exception_stack = exceptions_;
        error_context_stack = contexts_;
    }

private:
    sigjmp_buf *exceptions_;
    ErrorContextCallback *contexts_;
};

// Copies the error just caught into the error home and throws it.
[[noreturn]] void throw_caught();

} // namespace detail

template <class F>
auto call(F fn) -> decltype(fn()) {
    using R = decltype(fn());
    static_assert(std::is_void_v<R> || std::is_trivially_copyable_v<R>, "a result must survive a jump");
    static_assert(std::is_trivially_destructible_v<F>, "a jump would skip the destructors of the captures");
    const detail::ErrorStackScope stacks;
    // An error drops all holds of interrupts; the C++ scopes that hold them resume them one by one while unwinding.
    const volatile uint32 holds = InterruptHoldoffCount;
    sigjmp_buf frame;
    if (sigsetjmp(frame, 0) == 0) {
        PG_exception_stack = &frame;
        return fn();
    }
    stacks.restore();
    InterruptHoldoffCount = holds;
    detail::throw_caught();
}

// As call(), for a call that may leave by an error which nobody wants to see: false when `dropped(sqlstate)` says so of
// what it raised; nothing is copied then, and no C++ exception is thrown.
template <class F, class Dropped>
bool call_unless(F fn, Dropped dropped) {
    static_assert(std::is_trivially_destructible_v<F>, "a jump would skip the destructors of the captures");
    const detail::ErrorStackScope stacks;
    const volatile uint32 holds = InterruptHoldoffCount;
    sigjmp_buf frame;
    if (sigsetjmp(frame, 0) == 0) {
        PG_exception_stack = &frame;
        fn();
        return true;
    }
    stacks.restore();
    InterruptHoldoffCount = holds;
    if (!dropped(geterrcode())) {
        detail::throw_caught();
    }
    MemoryContextSwitchTo(error_home());
    FlushErrorState();
    return false;
}

// CHECK_FOR_INTERRUPTS: a cancel becomes pg::error; a termination ends the process without unwinding.
void check_interrupts();

} // namespace hc::pg
