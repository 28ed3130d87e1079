// Entry points from PostgreSQL into C++: every C symbol and every callback of the extension goes through one of these.
//
//   function_boundary  SQL-callable functions: exceptions become errors with SQLSTATE, DETAIL and HINT
//   hook_boundary      hooks that may raise: same, without a result
//   quiet_boundary     callbacks that must not raise (commit, exit): exceptions are swallowed
//
// Each catch only fills a plain record, leaves the handler, and raises last, from a frame without C++ objects.
#pragma once

#include "pg/call.hpp"

namespace hc::pg {

namespace detail {

// Runs the body; true when it ended well. All C++ objects of the body are gone when it returns. A PostgreSQL error
// resets the count of held interrupts; who goes on after it (a swallowed error) must find it as it was.
template <class Body>
bool run_captured(Body &body, Failure &failure) noexcept {
    const error_home_scope home;
    const uint32 holds = InterruptHoldoffCount;
    try {
        body();
        return true;
    } catch (const error &e) {
        capture(e, failure);
    } catch (const Error &e) {
        capture(e, failure);
    } catch (...) {
        capture_current_exception(failure);
    }
    InterruptHoldoffCount = holds;
    return false;
}

} // namespace detail

template <class Body>
Datum function_boundary(Body body) {
    Datum result = 0;
    Failure failure;
    auto run = [&] { result = body(); };
    if (!detail::run_captured(run, failure)) {
        raise(failure);
    }
    return result;
}

template <class Body>
void hook_boundary(Body body) {
    Failure failure;
    if (!detail::run_captured(body, failure)) {
        raise(failure);
    }
}

template <class Body>
void quiet_boundary(Body body) noexcept {
    Failure failure;
    detail::run_captured(body, failure);
}

} // namespace hc::pg
