// A PostgreSQL error on its way through C++ frames. It owns nothing but a pointer into the error home context, which
// PostgreSQL frees with the statement or the worker's iteration, so it copies without allocating.
#pragma once

#include "core/error.hpp"
#include "pg/postgres.hpp"

namespace hc::pg {

class error : public std::exception {
public:
    explicit error(ErrorData *data) noexcept : data_(data) {}

    const char *what() const noexcept override { return data_->message != nullptr ? data_->message : ""; }
    ErrorData *data() const noexcept { return data_; }
    int sqlerrcode() const noexcept { return data_->sqlerrcode; }

private:
    ErrorData *data_; // never null
};

// The context errors are copied to: that of the innermost boundary, which outlives a subtransaction's abort.
class error_home_scope {
public:
    error_home_scope() noexcept;
    explicit error_home_scope(MemoryContext home) noexcept;
    ~error_home_scope();
    error_home_scope(const error_home_scope &) = delete;
    error_home_scope &operator=(const error_home_scope &) = delete;

private:
    MemoryContext saved_;
};
MemoryContext error_home() noexcept;

// What a boundary keeps of an exception after leaving its handler: plain data only. sqlstate and message are filled for
// both kinds; data is the whole PostgreSQL error, and null once the memory it lives in is gone.
struct Failure {
    enum class Kind : std::uint8_t { none, postgres, own };
    Kind kind = Kind::none;
    ErrorData *data = nullptr;
    char sqlstate[6] = {};
    char message[1024] = {};
    char detail[1024] = {};
    char hint[512] = {};
};
static_assert(std::is_trivially_destructible_v<Failure>);

// Fills `failure` from the exception being handled. Call inside a catch block only. Never throws, never raises.
void capture_current_exception(Failure &failure) noexcept;
// From one that is known: without throwing it once more.
void capture(const error &e, Failure &failure) noexcept;
void capture(const Error &e, Failure &failure) noexcept;

// Raises the failure as a PostgreSQL error. Call from a frame without C++ objects.
[[noreturn]] void raise(const Failure &failure);

// Reports the failure at LOG with its original fields, prefixed by what failed. Guarded: never raises.
void log_failure(const Failure &failure, const char *what) noexcept;

// SQLSTATE of a failure as PostgreSQL's packed code.
int failure_code(const Failure &failure) noexcept;
bool is_cancel_or_shutdown(const Failure &failure) noexcept; // 57014, 57P01..57P03

} // namespace hc::pg
