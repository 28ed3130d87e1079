// SQL functions behind the views: summaries of histories, workers, counters, ids.
#include "pg/monitor.hpp"
#include "core/cascade.hpp"
#include "engine/delivery_stats.hpp"
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
                 failed ? std::optional(p.last_failure) : std::nullopt,
                 core::delivery_share(core::delivery_counts(p.deliveries, now)));
    }
    return rows.done();
}

namespace {

// The states that attempts came to, with their numbers.
std::string states_json(const core::SeriesCounters &counters) {
    std::string json = "{";
    for (int i = 0; i < core::kReceiptStates; ++i) {
        const auto state = static_cast<core::ReceiptState>(i);
        if (counters.state(state) != 0) {
            json +=
                fmt::format("{}\"{}\": {}", json.size() > 1 ? ", " : "", core::to_string(state), counters.state(state));
        }
    }
    return json + "}";
}

} // namespace

HC_FUNCTION(hc_delivery_series) {
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<engine::DeliveryStats> stats = engine::delivery_stats(verb.user());
    verb.finish();
    for (const engine::DeliveryStats &s : stats) {
        using Count = core::DeliveryCount;
        const auto n = [&s](Count c) { return static_cast<std::int64_t>(s.counters.count(c)); };
        const auto ms = [&s](double q) -> std::optional<double> {
            const auto value = core::latency_quantile(s.counters.latency(), q);
            return value ? std::optional(static_cast<double>(value->count()) / 1000) : std::nullopt;
        };
        const auto unless_other = [&s](auto value) { return s.other ? std::nullopt : std::optional(value); };
        const std::string states = states_json(s.counters);
        rows.add(s.other ? std::optional<std::string>("*") : s.tenant, unless_other(std::string_view(s.channel)),
                 unless_other(s.provider), n(Count::accepted), n(Count::ambiguous), n(Count::retried),
                 n(Count::timed_out), n(Count::delivered), n(Count::failed_soft), n(Count::failed_hard),
                 n(Count::failed_policy), n(Count::failed_config), n(Count::corrected), pg::json_value{states},
                 static_cast<std::int64_t>(core::latency_total(s.counters.latency())), ms(0.5), ms(0.95), ms(0.99));
    }
    return rows.done();
}

HC_FUNCTION(hc_metrics) {
    engine::Verb verb;
    const std::string page = engine::metrics(verb.user());
    verb.finish();
    return pg::make_text(page);
}

HC_FUNCTION(hc_statistics) {
    pg::ResultSet rows(args);
    for (const pg::Statistic &statistic : pg::statistics()) {
        rows.add(std::string_view(statistic.name), statistic.value);
    }
    return rows.done();
}
