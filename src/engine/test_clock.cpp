// See test_clock.hpp. Runs in backends, and its first part in workers.
#include "engine/test_clock.hpp"

#include "core/error.hpp"
#include "core/workflow_options.hpp"
#include "pg/clock.hpp"
#include "pg/guc.hpp"
#include "pg/values.hpp"
#include "store/test_clock.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

using Clock = std::chrono::steady_clock; // of the timeouts: real time

constexpr long kLookEvery = 2; // milliseconds
constexpr const char *kActiveTransaction = "25001";

void check_wait(core::Duration wait, const char *what) {
    if (wait < core::Duration::zero() || wait > core::kLongestWait) {
        throw Error(sqlstate::invalid_parameter, fmt::format("invalid {}", what),
                    "It must be between 0 and 100 years.");
    }
}

void check_test_database() {
    check_test_mode();
    if (!pg::guc::workers) {
        throw Error(sqlstate::not_prerequisite, "no workers run in this database", {}, "See hermes.workers.");
    }
    if (!pg::may_wait_for_workers()) {
        throw Error(kActiveTransaction, "workers cannot be waited for in this transaction",
                    "They see what is committed, and this transaction has written, or keeps its first snapshot.",
                    "Commit first, and call it in a statement of its own.");
    }
}

// Waits until nothing is due. The time of what is due next; kNever: nothing. nullopt: the time is over.
std::optional<core::Time> wait_until_settled(Clock::time_point until) {
    for (;;) {
        const core::Time now = pg::now();
        const std::optional<store::DueRow> first = store::first_due(now);
        if ((!first || first->counts_from > now) && pg::has_supervisor()) {
            return first ? first->due : core::kNever;
        }
        if (Clock::now() >= until) {
            return std::nullopt;
        }
        pg::pause_verb(kLookEvery);
    }
}

[[noreturn]] void throw_not_done(core::Duration timeout) {
    const core::Time now = pg::now();
    const std::optional<store::DueRow> due = store::first_due(now);
    const std::optional<store::OverdueRow> first = store::first_overdue(now);
    const std::string what = first ? fmt::format("{} tasks are due; the first is of {}, kind {}{}{}.", due->tasks,
                                                 core::to_string(first->id), first->kind, first->last_error ? ": " : "",
                                                 first->last_error.value_or(""))
                                   : std::string("There is always more that is due, or no worker runs here.");
    throw Error(
        sqlstate::not_prerequisite,
        fmt::format("what is due was not done within {} s", std::chrono::ceil<std::chrono::seconds>(timeout).count()),
        what, "See hermes.workflow_tasks, hermes.tasks and hermes.workers. The clock stays where it is.");
}

void move_clock_to(core::Time to, Clock::time_point until) {
    while (pg::now() < to) {
        pg::ask_for_time(to);
        if (Clock::now() >= until) {
            throw Error(sqlstate::not_prerequisite, "the clock was not moved in time",
                        "The supervisor of this database keeps the time before it comes, and has not done so yet.",
                        "See hermes.workers. The clock moves when it has.");
        }
        pg::pause_verb(kLookEvery);
    }
}

} // namespace

void follow_clock() {
    if (!pg::clock_is_known()) {
        pg::set_clock(core::Duration(store::read_test_clock().value_or(-1)));
    }
}

void save_clock(core::Duration ahead) { store::save_test_clock(ahead.count()); }

void set_test_mode(bool marked) {
    if (!marked) {
        if (!store::delete_test_clock()) {
            throw Error(sqlstate::not_prerequisite, "the clock of this database has been moved", {},
                        "Drop the database, and create another one.");
        }
        return;
    }
    if (!store::read_test_clock() && store::has_work()) {
        throw Error(sqlstate::not_prerequisite, "this database has cascades or executions", {},
                    "Mark a database for tests before anything is started in it.");
    }
    store::insert_test_clock();
}

void check_test_mode() {
    if (!store::read_test_clock()) {
        throw Error(sqlstate::not_prerequisite, "this database is not for tests", {},
                    "Its owner can mark a database in which nothing was started yet: SELECT hermes.test_mode(true).");
    }
}

core::Time test_advance(core::Duration by, core::Duration timeout) {
    check_wait(by, "interval");
    check_wait(timeout, "timeout");
    check_test_database();
    const Clock::time_point until = Clock::now() + timeout;
    std::optional<core::Time> target; // from when all that was begun before waits
    for (;;) {
        const std::optional<core::Time> next = wait_until_settled(until);
        if (!next) {
            throw_not_done(timeout);
        }
        target = target ? target : pg::now() + by;
        if (*next > *target && pg::now() >= *target) {
            return pg::now();
        }
        move_clock_to(std::min(*next, *target), until);
    }
}

bool test_settle(core::Duration timeout) {
    check_wait(timeout, "timeout");
    check_test_database();
    return wait_until_settled(Clock::now() + timeout).has_value();
}

} // namespace hc::engine
