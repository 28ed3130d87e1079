// See user_turn.hpp: what runs in the backend of a caller. Bodies are replayed there under a timeout of their own,
// which cancels and cannot end the process, since that is the caller's session.
#include "pg/user_turn.hpp"

#include "core/error.hpp"
#include "pg/boundary.hpp"
#include "pg/memory.hpp"
#include "pg/user_level.hpp"
#include "pg/xact.hpp"

#include <csignal>

namespace hc::pg {

namespace {

constexpr int kTickMs = 50;

TimeoutId g_timer = MAX_TIMEOUTS; // registered in this process
volatile sig_atomic_t g_over = 0;

void on_tick() {
    g_over = 1;
    QueryCancelPending = true; // again and again: code may catch it
    InterruptPending = true;
    SetLatch(MyLatch);
}

void start_timer(core::Duration timeout) {
    const int ms = static_cast<int>(
        std::clamp<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count(), 1, INT_MAX / 2));
    g_over = 0;
    call([ms] {
        if (g_timer == MAX_TIMEOUTS) {
            g_timer = RegisterTimeout(USER_TIMEOUT, on_tick);
        }
        enable_timeout_every(g_timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms), kTickMs);
    });
}

bool end_timer() noexcept {
    if (g_timer == MAX_TIMEOUTS) {
        return false;
    }
    disable_timeout(g_timer, false);
    if (g_over != 0) {
        QueryCancelPending = false; // meant for what has ended
    }
    return g_over != 0;
}

struct Ids {
    const pg_uuid_t *ids;
    std::uint64_t count;
};

Ids select_ids(const std::string &query, const std::string &key, const std::vector<core::WorkflowId> &ids) {
    Oid types[] = {TEXTOID, UUIDARRAYOID};
    Datum values[] = {param_of<std::string>::make(key).datum, param_of<std::vector<core::WorkflowId>>::make(ids).datum};
    const int code = SPI_execute_with_args(query.c_str(), 2, types, values, nullptr, true, 0);
    if (code != SPI_OK_SELECT) {
        elog(ERROR, "statement failed: %s", SPI_result_code_string(code));
    }
    auto *found = static_cast<pg_uuid_t *>(detail::allocate(sizeof(pg_uuid_t) * (SPI_processed + 1)));
    for (std::uint64_t i = 0; i < SPI_processed; ++i) {
        bool is_null = false;
        const Datum datum = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);
        if (is_null) {
            elog(ERROR, "id is null");
        }
        found[i] = *DatumGetUUIDP(datum);
    }
    return {found, SPI_processed};
}

} // namespace

// Of an error of PostgreSQL detail and hint stand in its data only, which is about to go.
static void keep_words(Failure &failure) {
    if (const ErrorData *data = std::exchange(failure.data, nullptr); data != nullptr) {
        strlcpy(failure.detail, data->detail != nullptr ? data->detail : "", sizeof(failure.detail));
        strlcpy(failure.hint, data->hint != nullptr ? data->hint : "", sizeof(failure.hint));
    }
}

UserSqlEnd replay_body_within(const std::string &statement, const std::string &input, core::Duration timeout,
                              std::optional<std::string> &result, Failure &failure) {
    failure = Failure{};
    result.reset();
    auto body = [&] {
        spi_scope spi;
        start_timer(timeout);
        const char *text = call([&]() -> const char * {
            SPIPlanPtr plan = detail::prepare_user_statement(statement);
            detail::execute_user_statement(plan, input, 1);
            return detail::first_jsonb();
        });
        if (text != nullptr) {
            result = text;
        }
        spi.finish();
    };
    bool good = false, timed_out = false;
    Failure broken;
    auto whole = [&] {
        const detail::Level level = detail::begin_level(nullptr, true);
        good = detail::run_captured(body, failure);
        timed_out = end_timer();
        detail::end_level(level, false);
    };
    { // thousands may be called in one statement, and most of them end by an error
        const context_scope memory("replay of a workflow function");
        if (!detail::run_captured(whole, broken)) {
            keep_words(broken);
        }
        keep_words(failure);
    }
    if (broken.kind != Failure::Kind::none) {
        rethrow(broken);
    }
    if (timed_out) {
        return UserSqlEnd::timed_out;
    }
    call([] { CHECK_FOR_INTERRUPTS(); });
    return good ? UserSqlEnd::done : UserSqlEnd::failed;
}

std::vector<core::WorkflowId> read_ids(const std::string &query, const std::string &key,
                                       const std::vector<core::WorkflowId> &ids) {
    std::vector<core::WorkflowId> found;
    Failure failure;
    const detail::Level level = detail::begin_level(nullptr, true);
    auto body = [&] {
        spi_scope spi;
        const Ids plain = call([&]() -> Ids { return select_ids(query, key, ids); });
        found.resize(plain.count);
        for (std::uint64_t i = 0; i < plain.count; ++i) {
            std::memcpy(found[i].bytes.data(), plain.ids[i].data, UUID_LEN);
        }
        spi.finish();
    };
    const bool good = detail::run_captured(body, failure);
    detail::end_level(level, false);
    if (!good) {
        rethrow(failure);
    }
    return found;
}

} // namespace hc::pg
