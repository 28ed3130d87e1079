// SQL of users, run by an executor: as the role that the process is connected as, in a read-only transaction of its own
// that is always rolled back, under a timeout that the worker keeps. Nothing is left in the session for the next one.
#pragma once

#include "pg/bgworker.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/executor_state.hpp"
#include "pg/values.hpp"

#include <unordered_map>

namespace hc::pg {

enum class UserSqlEnd : std::uint8_t {
    done,      // the body came to its end in time
    failed,    // it raised an error
    timed_out, // whatever it did afterwards
    stopped,   // by a shutdown of this worker: it is to be run another time
    stale,     // not run: definitions or roles have changed since the generation given
};

struct UserSqlFrame {
    RunningTask task;
    core::Duration timeout{};
    std::uint64_t generation = 0; // pg::definition_generation() when the role was looked at
    const char *activity = "";    // shown in pg_stat_activity
};

namespace detail {
void begin_user_sql(const UserSqlFrame &frame);
void start_guard(core::Duration timeout);
bool end_guard() noexcept; // true: the time was over
void end_user_sql(MemoryContext home) noexcept;
} // namespace detail

// Runs the body inside pg's error boundary with SPI connected. A body that goes on after it was canceled is canceled
// again and again for half a second; then this process ends, and its task is reported as lost.
template <class Body>
UserSqlEnd run_user_sql(const UserSqlFrame &frame, Body body, Failure &failure) {
    failure = Failure{};
    MemoryContext home = CurrentMemoryContext;
    bool stale = false;
    auto guarded = [&] {
        detail::begin_user_sql(frame);
        stale = definition_generation() != frame.generation;
        if (!stale) {
            detail::start_guard(frame.timeout);
            body();
        }
    };
    const bool good = detail::run_captured(guarded, failure);
    const bool timed_out = detail::end_guard();
    detail::end_user_sql(home);
    if (timed_out) {
        return UserSqlEnd::timed_out;
    }
    if (good) {
        return stale ? UserSqlEnd::stale : UserSqlEnd::done;
    }
    return shutdown_requested() && is_cancel_or_shutdown(failure) ? UserSqlEnd::stopped : UserSqlEnd::failed;
}

// Makes the session as a new one is. Rolling back has undone settings, temporary objects and cursors; this is the rest.
// Outside of a transaction.
void reset_session();

// Statements whose text is only known at run time, prepared once and kept, in run_user_sql.
class UserPlans {
public:
    // `text` is prepared when the key is new or had another text.
    SPIPlanPtr find(std::int64_t key, const std::string &text, std::span<const Oid> types);
    // One boolean; nullopt: NULL.
    std::optional<bool> evaluate(std::int64_t key, const std::string &text, std::span<const Oid> types,
                                 const Param *params);

private:
    struct Kept {
        std::string text;
        SPIPlanPtr plan = nullptr;
    };
    void forget(Kept &kept);

    std::unordered_map<std::int64_t, Kept> kept_;
};

} // namespace hc::pg
