// See user_sql.hpp. Runs in executors.
#include "pg/user_sql.hpp"

#include "pg/random.hpp"

#include <chrono>
#include <csignal>

namespace hc::pg {

namespace {

constexpr int kTickMs = 50;
constexpr int kPushes = 10;                  // cancels before the process ends itself
constexpr std::size_t kMaxPlans = 512;       // kept at once
using Monotonic = std::chrono::steady_clock; // no clock jump moves a timeout

// ---- the guard: a timer that ticks while user SQL runs ----

TimeoutId g_timer = MAX_TIMEOUTS; // registered in this process
Monotonic::time_point g_deadline;
volatile sig_atomic_t g_guarding = 0, g_timed_out = 0, g_pushes = 0;

// In a signal handler. The cancel is an ordinary one, which code may catch: so it comes again, and in the end the
// process goes down by FATAL, which nothing catches.
void on_tick() {
    const bool over = Monotonic::now() >= g_deadline;
    if (g_guarding != 0 && !PostmasterIsAlive()) { // nobody waits for the result
        ProcDiePending = true;
        InterruptPending = true;
        SetLatch(MyLatch);
        return;
    }
    if (g_guarding == 0 || (!over && !ShutdownRequestPending)) {
        return;
    }
    if (over) {
        g_timed_out = 1;
    }
    g_pushes = g_pushes + 1;
    if (g_pushes > kPushes) {
        if (over) {
            lose_running_task();
        }
        ProcDiePending = true;
    } else {
        QueryCancelPending = true;
    }
    InterruptPending = true;
    SetLatch(MyLatch);
}

} // namespace

namespace detail {

void begin_user_sql(const UserSqlFrame &frame) {
    g_timed_out = 0;
    set_running_task(frame.task);
    const char *activity = frame.activity;
    call([activity] {
        pgstat_report_activity(STATE_RUNNING, activity);
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        XactReadOnly = true; // before the first snapshot; it cannot be taken back after it
        PushActiveSnapshot(GetTransactionSnapshot());
        if (SPI_connect() != SPI_OK_CONNECT) {
            elog(ERROR, "SPI_connect failed");
        }
    });
}

void start_guard(core::Duration timeout) {
    const int ms = static_cast<int>(
        std::clamp<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count(), 1, INT_MAX / 2));
    g_deadline = Monotonic::now() + std::chrono::milliseconds(ms);
    g_timed_out = 0;
    g_pushes = 0;
    g_guarding = 1;
    call([ms] {
        if (g_timer == MAX_TIMEOUTS) {
            g_timer = RegisterTimeout(USER_TIMEOUT, on_tick);
        }
        const int first = ms < kTickMs ? ms : kTickMs;
        enable_timeout_every(g_timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), first), kTickMs);
    });
}

bool end_guard() noexcept {
    g_guarding = 0;
    if (g_timer != MAX_TIMEOUTS) {
        disable_timeout(g_timer, false);
    }
    QueryCancelPending = false; // meant for what has ended
    return g_timed_out != 0;
}

void end_user_sql(MemoryContext home) noexcept {
    abort_worker_transaction();
    MemoryContextSwitchTo(home);
}

} // namespace detail

void reset_session() {
    const double seed = 2 * random01() - 1;
    call([seed] {
        DropAllPreparedStatements();
        LockReleaseAll(USER_LOCKMETHOD, true); // advisory locks of the session
        ResetSequenceCaches();
        DirectFunctionCall1(setseed, Float8GetDatum(seed));
    });
}

void UserPlans::forget(Kept &kept) {
    if (SPIPlanPtr plan = std::exchange(kept.plan, nullptr); plan != nullptr) {
        call([plan] { SPI_freeplan(plan); });
    }
}

SPIPlanPtr UserPlans::find(std::int64_t key, const std::string &text, std::span<const Oid> types) {
    if (const auto it = kept_.find(key); it != kept_.end()) {
        if (it->second.text == text) {
            return it->second.plan;
        }
        forget(it->second);
        kept_.erase(it);
    }
    if (kept_.size() >= kMaxPlans) {
        for (auto &[other, kept] : kept_) {
            forget(kept);
        }
        kept_.clear();
    }
    Kept &kept = kept_[key];
    kept.text = text;
    try {
        kept.plan = call([&text, types] {
            SPIPlanPtr plan =
                SPI_prepare(text.c_str(), static_cast<int>(types.size()), const_cast<Oid *>(types.data()));
            if (plan == nullptr) {
                elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
            }
            if (SPI_keepplan(plan) != 0) {
                elog(ERROR, "could not keep a plan");
            }
            return plan;
        });
    } catch (...) {
        kept_.erase(key);
        throw;
    }
    return kept.plan;
}

std::optional<bool> UserPlans::evaluate(std::int64_t key, const std::string &text, std::span<const Oid> types,
                                        const Param *params) {
    SPIPlanPtr plan = find(key, text, types);
    struct Value {
        bool is_null, value;
    };
    const Value result = call([plan, params, types]() -> Value {
        Datum values[32];
        char nulls[32];
        const int count = static_cast<int>(types.size());
        if (count > static_cast<int>(lengthof(values))) {
            elog(ERROR, "too many parameters");
        }
        for (int i = 0; i < count; ++i) {
            values[i] = params[i].datum;
            nulls[i] = params[i].is_null ? 'n' : ' ';
        }
        const int code = SPI_execute_plan(plan, values, nulls, true, 2);
        if (code != SPI_OK_SELECT) {
            elog(ERROR, "statement failed: %s", SPI_result_code_string(code));
        }
        if (SPI_processed != 1) {
            ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION), errmsg("expression must return one row")));
        }
        bool is_null = false;
        const Datum datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
        return {is_null, !is_null && DatumGetBool(datum)};
    });
    return result.is_null ? std::nullopt : std::optional(result.value);
}

} // namespace hc::pg
