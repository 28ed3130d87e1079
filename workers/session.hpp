// What all workers share: the frame of a worker transaction and back-off after errors.
#pragma once

#include "core/time.hpp"
#include "pg/group_commit.hpp"
#include "pg/xact.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>

namespace hc::workers {

using Clock = std::chrono::steady_clock; // in-flight deadlines: no clock jump moves them

// The extension was dropped: the worker ends in peace.
class ExtensionGone : public std::exception {};

// A transaction that holds the extension against DROP EXTENSION and knows fresh definitions.
class Transaction {
public:
    explicit Transaction(const char *activity); // shown in pg_stat_activity; throws ExtensionGone
    void force_local_flush() { transaction_.force_local_flush(); }
    void commit() { transaction_.commit(); }
    void commit_unflushed() { pg::commit_unflushed(transaction_); }

private:
    pg::worker_transaction transaction_;
};

// Looks at the extension again after a CREATE or DROP EXTENSION committed; throws ExtensionGone.
class ExtensionWatch {
public:
    void look();

private:
    std::uint32_t seen_ = 0;
};

// Runs a piece of work with its errors caught and logged; false when it failed.
using Attempt = std::function<bool(const char *what, const std::function<void()> &body)>;

// 1 s doubling to 60 s, reset after five healthy minutes.
class Backoff {
public:
    void failed(Clock::time_point now) {
        delay_ = healthy_since_ + std::chrono::minutes(5) < now ? kFirst : std::min(delay_ * 2, kLast);
        until_ = now + delay_;
        healthy_since_ = until_;
    }
    bool passed(Clock::time_point now) const { return now >= until_; }
    Clock::time_point until() const { return until_; }

private:
    static constexpr std::chrono::milliseconds kFirst{1000}, kLast{60000};
    std::chrono::milliseconds delay_ = kFirst / 2;
    Clock::time_point until_{}, healthy_since_{};
};

// Errors of the moment: the same work may succeed later. Anything else is blamed on a member of the batch.
bool transient(const pg::Failure &failure) noexcept;

// Milliseconds from now until `t`, 0 to `most`, rounded up so that a timer is not looked at just before it is due.
long milliseconds_until(core::Time t, core::Time now, long most);

} // namespace hc::workers
