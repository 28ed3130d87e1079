// See delivery_stats.hpp. Counting runs wherever cascades move; reading in backends, also on a standby.
#include "engine/delivery_stats.hpp"

#include "core/error.hpp"
#include "core/metrics_page.hpp"
#include "engine/definitions.hpp"
#include "pg/deliveries.hpp"
#include "pg/guc.hpp"
#include "pg/monitor.hpp"
#include "pg/provider_state.hpp"
#include "pg/series.hpp"
#include "pg/wake.hpp"
#include "store/backlog.hpp"

#include <algorithm>
#include <map>

namespace hc::engine {

void AttemptsBefore::note(const core::State &state) {
    states.clear();
    ends.clear();
    for (const core::AttemptState &attempt : state.attempts) {
        states.push_back(attempt.receipt.state);
        ends.push_back(core::delivery_end(attempt));
    }
}

void count_deliveries(const Subject &subject, const AttemptsBefore &before, const core::State &state,
                      std::span<const core::HistoryEvent> events,
                      std::span<const std::span<const core::HistoryEvent>> earlier) {
    std::uint16_t attempt = 0;
    pg::SeriesIndex series = pg::kNoSeries;
    for (const core::CounterDelta &delta : core::count_decision(before.states, state, events, earlier)) {
        if (delta.attempt != attempt) {
            attempt = delta.attempt;
            const core::AttemptState &a = state.attempts.at(attempt - 1U);
            series = pg::series_of(subject.tenant, subject.rule->rule.steps.at(a.step).channel, a.provider);
        }
        pg::count_series(series, delta.counter, delta.n);
    }
    for (const core::DeliveryChange &change : core::delivery_changes(before.ends, state)) {
        pg::note_delivery(change);
    }
}

std::vector<DeliveryStats> delivery_stats(Oid user) {
    Definitions &defs = definitions();
    std::vector<DeliveryStats> stats;
    for (pg::SeriesSnapshot &s : pg::series_snapshots()) {
        if (defs.tenant_allowed(user, s.other ? std::optional<std::string>("*") : s.tenant)) {
            stats.push_back({s.other, std::move(s.tenant), std::move(s.channel), s.provider, s.counters});
        }
    }
    return stats;
}

namespace {

std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)); }

constexpr std::array<const char *, pg::kLanes> kLaneNames{"otp", "transactional", "delayed", "marketing"};

void read_counters(core::MetricsPage &page) {
    std::map<std::string_view, std::uint64_t> all;
    for (const pg::Statistic &statistic : pg::statistics()) {
        all.emplace(statistic.name, unsigned_of(statistic.value));
    }
    page.started = all["cascades_started"];
    page.ended = {all["cascades_delivered"], all["cascades_exhausted"], all["cascades_expired"],
                  all["cascades_canceled"]};
    page.sends_claimed = all["sends_claimed"];
    page.sends_recorded = all["sends_recorded"];
    page.signals = all["signals"];
    page.receipts = {all["receipts_applied"], all["receipts_buffered"], all["receipts_parked"],
                     all["receipts_unmatched"], all["receipts_dropped"]};
    page.webhooks_delivered = all["webhooks_delivered"];
    page.webhooks_failed = all["webhooks_failed"];
    page.dead_letters = all["dead_letters"];
    page.worker_errors = all["worker_errors"];
    page.series_folded = all["metric_series_folded"];
    for (std::size_t i = 0; i < core::kWorkflowCounts; ++i) {
        page.workflow[i] = all[core::words_of(static_cast<core::WorkflowCount>(i)).name];
    }
    const pg::TimerLateness late = pg::timer_lateness();
    page.timer_lateness = late.buckets;
    page.timer_lateness_sum = late.sum;
    page.timer_lateness_max = late.max;
    const pg::SeriesUse use = pg::series_use();
    page.series_used = use.used;
    page.series_limit = use.limit;
}

void read_series(core::MetricsPage &page, Oid user) {
    Definitions &defs = definitions();
    for (DeliveryStats &stats : delivery_stats(user)) {
        if (stats.other) {
            page.series.push_back({"*", "*", "*", stats.counters});
            continue;
        }
        const Provider *provider = defs.provider(stats.provider);
        page.series.push_back({stats.tenant.value_or(""), std::move(stats.channel),
                               provider != nullptr ? provider->name : std::to_string(stats.provider), stats.counters});
    }
}

// Two series of one name (a provider dropped and created again) would be one sample twice: they are added up.
void merge_series(core::MetricsPage &page) {
    std::map<std::array<std::string, 3>, core::SeriesMetrics> merged;
    for (core::SeriesMetrics &s : page.series) {
        const auto [it, first] = merged.try_emplace({s.tenant, s.channel, s.provider}, s);
        for (std::size_t i = 0; !first && i < core::kSeriesCounters; ++i) {
            it->second.counters.values[i] += s.counters.values[i];
        }
    }
    page.series.clear();
    for (auto &[key, series] : merged) {
        page.series.push_back(std::move(series));
    }
}

void read_providers(core::MetricsPage &page, core::Time now) {
    std::map<std::int32_t, pg::ProviderSnapshot> snapshots;
    for (pg::ProviderSnapshot &snapshot : pg::provider_snapshots()) {
        snapshots.emplace(snapshot.provider, std::move(snapshot));
    }
    for (const Provider &provider : definitions().providers()) {
        if (provider.config == nullptr) {
            continue;
        }
        const pg::ProviderSnapshot &s = snapshots[provider.id]; // of one never used: all zero
        page.providers.push_back({provider.name, provider.config->channel, s.phase, s.throttled_until > now,
                                  s.in_flight, unsigned_of(s.accepted), unsigned_of(s.failed), unsigned_of(s.refused)});
    }
}

// Since when a task waits. The due time of a send is its place among the tenants, often long past: its history knows.
core::Time waiting_since(const store::BacklogRow &row) {
    if (row.queue < pg::kFirstProviderQueue || !row.history) {
        return row.due;
    }
    try {
        for (const core::HistoryEvent &event : core::decode_events(*row.history)) {
            if (event.due && event.task == static_cast<std::uint32_t>(row.number)) {
                return *event.due;
            }
        }
    } catch (const Error &) { // a history that does not decode is no reason to show nothing
    }
    return row.due;
}

void read_queues(core::MetricsPage &page, core::Time now) {
    std::vector<std::int32_t> queues{pg::kTimerQueue, pg::kWebhookQueue};
    page.queues.push_back({"timers", {}, {}, {}});
    page.queues.push_back({"reports", {}, {}, {}});
    for (const Provider &provider : definitions().providers()) {
        for (std::int32_t lane = 0; lane < pg::kLanes && provider.config != nullptr; ++lane) {
            queues.push_back(pg::queue_of_provider(provider.id, static_cast<pg::Lane>(lane)));
            page.queues.push_back({"sends", provider.name, kLaneNames[static_cast<std::size_t>(lane)], {}});
        }
    }
    for (const store::BacklogRow &row : store::first_due(queues, now)) {
        const auto at = static_cast<std::size_t>(std::find(queues.begin(), queues.end(), row.queue) - queues.begin());
        if (at < page.queues.size()) {
            page.queues[at].oldest = std::max(core::Duration::zero(), now - waiting_since(row));
        }
    }
    page.queues.push_back({"endpoints", {}, {}, {}});
    if (const std::optional<core::Time> since = store::oldest_of_endpoints(now)) {
        page.queues.back().oldest = std::max(core::Duration::zero(), now - *since);
    }
}

void read_workers(core::MetricsPage &page) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> count;
    for (const char *role : {"supervisor", "dispatcher"}) {
        count[{role, "running"}] = 0;
    }
    for (const pg::WorkerInfo &worker : pg::worker_infos()) {
        ++count[{worker.role, worker.state}];
    }
    for (const auto &[key, n] : count) {
        page.workers.push_back({key.first, key.second, n});
    }
    const pg::DatabaseSlot *database = pg::my_database();
    page.outbound_open = database != nullptr && database->outbound_open.load() != 0;
    page.outbound_enabled = pg::guc::outbound;
}

} // namespace

std::string metrics(Oid user) {
    const core::Time now = pg::now();
    core::MetricsPage page;
    page.version = HC_VERSION;
    read_counters(page);
    read_series(page, user);
    merge_series(page);
    read_providers(page, now);
    read_queues(page, now);
    read_workers(page);
    const store::InboxCounts inbox = store::count_inbox();
    page.receipts_parked = unsigned_of(inbox.parked);
    page.receipts_waiting = unsigned_of(inbox.waiting);
    return core::render_metrics(page);
}

} // namespace hc::engine
