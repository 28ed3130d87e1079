// SQL functions behind the views: summaries of histories, workers, counters, ids.
#include "pg/monitor.hpp"
#include "core/cascade.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"
#include "pg/provider_state.hpp"

using namespace hc;

namespace {

std::optional<std::string_view> outcome_or_null(core::Outcome outcome) {
    return outcome == core::Outcome::none ? std::nullopt : std::optional<std::string_view>(core::to_string(outcome));
}

} // namespace

HC_FUNCTION(hc_summarize_history) {
    const core::State state = core::replay(core::decode_events(args.bytea(0, "history")));
    pg::ResultSet rows(args);
    const std::optional<core::Time> closed_at = state.closed_p() ? std::optional(state.closed) : std::nullopt;
    const std::optional<core::Time> next_timer = state.closed_p() ? std::nullopt : state.timer_due;
    rows.add(outcome_or_null(state.outcome), outcome_or_null(state.corrected),
             static_cast<std::int32_t>(core::shown_step(state) + 1), static_cast<std::int32_t>(state.attempts.size()),
             state.started, closed_at, next_timer, static_cast<std::int32_t>(state.reports));
    return rows.done();
}

HC_FUNCTION(hc_first_id_at) { return pg::make_uuid(core::first_id_at(args.timestamptz(0, "at"))); }

HC_FUNCTION(hc_time_of_id) { return pg::make_timestamptz(core::time_of(args.uuid(0, "id"))); }

HC_FUNCTION(hc_worker_slots) {
    pg::ResultSet rows(args);
    for (const pg::WorkerInfo &worker : pg::worker_infos()) {
        rows.add(std::string_view(worker.role), worker.pid, std::string_view(worker.state), worker.incarnation,
                 worker.started_at, worker.batches, worker.tasks, worker.errors, worker.in_flight,
                 worker.database_role);
    }
    return rows.done();
}

HC_FUNCTION(hc_provider_states) {
    pg::ResultSet rows(args);
    const core::Time now = pg::now();
    const auto later = [now](core::Time t) { return t > now ? std::optional(t) : std::nullopt; };
    for (const pg::ProviderSnapshot &p : pg::provider_snapshots()) {
        const bool open = p.phase == core::BreakerPhase::open;
        const bool failed = !p.last_failure.empty();
        rows.add(p.provider, p.in_flight, core::to_string(p.phase), open ? std::optional(p.open_until) : std::nullopt,
                 later(p.throttled_until), p.accepted, p.failed, p.refused,
                 static_cast<std::int32_t>(p.consecutive_failures),
                 failed ? std::optional(p.last_failure_at) : std::nullopt,
                 failed ? std::optional(p.last_failure) : std::nullopt);
    }
    return rows.done();
}

HC_FUNCTION(hc_statistics) {
    pg::ResultSet rows(args);
    for (const pg::Statistic &statistic : pg::statistics()) {
        rows.add(std::string_view(statistic.name), statistic.value);
    }
    return rows.done();
}
