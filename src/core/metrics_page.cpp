// See metrics_page.hpp. Names and labels are described in docs/operations.md.
#include "core/metrics_page.hpp"

#include "core/openmetrics.hpp"

namespace hc::core {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<Duration, 19> kReceiptBounds{
    milliseconds(100), milliseconds(250), milliseconds(500), seconds(1),      seconds(2) + milliseconds(500),
    seconds(5),        seconds(10),       seconds(25),       seconds(50),     seconds(100),
    seconds(250),      seconds(500),      seconds(1000),     seconds(2500),   seconds(5000),
    seconds(10'000),   seconds(25'000),   seconds(50'000),   seconds(100'000)};

constexpr std::array<Duration, 12> kTimerBounds{milliseconds(1),    milliseconds(2) + Duration(500),
                                                milliseconds(5),    milliseconds(10),
                                                milliseconds(25),   milliseconds(50),
                                                milliseconds(100),  milliseconds(250),
                                                milliseconds(1000), seconds(10),
                                                seconds(100),       seconds(1000)};

constexpr std::array<std::string_view, 4> kOutcomes{"delivered", "exhausted", "expired", "canceled"};
constexpr std::array<std::string_view, 5> kReceiptResults{"applied", "buffered", "parked", "unmatched", "dropped"};
constexpr std::array<std::string_view, 3> kBreakerWords{"closed", "open", "half_open"};

std::uint64_t one_if(bool condition) { return condition ? 1 : 0; }

void write_cascades(const MetricsPage &page, OpenMetrics &out) {
    out.family("hermes_build", MetricType::info, "Version of the library.");
    out.info(std::array{Label{"version", page.version}});
    out.family("hermes_cascades_started", MetricType::counter, "Cascades started.");
    out.counter({}, page.started);
    out.family("hermes_cascades_ended", MetricType::counter, "Cascades ended, by outcome.");
    for (std::size_t i = 0; i < kOutcomes.size(); ++i)
        out.counter(std::array{Label{"outcome", kOutcomes[i]}}, page.ended[i]);
    out.family("hermes_signals", MetricType::counter, "Signals taken by signal_cascade and signal_cascades.");
    out.counter({}, page.signals);
    out.family("hermes_sends_claimed", MetricType::counter, "Sends claimed by dispatchers.");
    out.counter({}, page.sends_claimed);
    out.family("hermes_sends_recorded", MetricType::counter, "Sends whose answer was recorded.");
    out.counter({}, page.sends_recorded);
    out.family("hermes_receipts", MetricType::counter, "Receipts, by what became of them at first.");
    for (std::size_t i = 0; i < kReceiptResults.size(); ++i)
        out.counter(std::array{Label{"result", kReceiptResults[i]}}, page.receipts[i]);
    out.family("hermes_receipts_parked", MetricType::gauge,
               "Receipts that were not understood and wait for an operator.");
    out.gauge({}, page.receipts_parked);
    out.family("hermes_receipts_waiting", MetricType::gauge, "Receipts whose attempt is not known.");
    out.gauge({}, page.receipts_waiting);
}

void write_work(const MetricsPage &page, OpenMetrics &out) {
    out.family("hermes_webhooks", MetricType::counter, "Tries of webhooks, by result.");
    out.counter(std::array{Label{"result", "delivered"}}, page.webhooks_delivered);
    out.counter(std::array{Label{"result", "failed"}}, page.webhooks_failed);
    out.family("hermes_dead_letters", MetricType::counter, "Tasks given up.");
    out.counter({}, page.dead_letters);
    out.family("hermes_worker_errors", MetricType::counter, "Errors of background workers.");
    out.counter({}, page.worker_errors);
    out.family("hermes_timer_lateness_seconds", MetricType::histogram, "How late timers fired.", "seconds");
    out.histogram({}, page.timer_lateness, page.timer_lateness_sum, kTimerBounds);
    out.family("hermes_timer_lateness_max_seconds", MetricType::gauge, "The latest timer since the server started.",
               "seconds");
    out.gauge({}, std::chrono::duration<double>(page.timer_lateness_max).count());
    out.family("hermes_queue_oldest_seconds", MetricType::gauge,
               "How long the first task waits that is due and not claimed.", "seconds");
    for (const QueueMetrics &q : page.queues) {
        const std::array all{Label{"queue", q.queue}, Label{"provider", q.provider}, Label{"lane", q.lane}};
        out.gauge(q.provider.empty() ? Labels(all).first(1) : Labels(all),
                  std::chrono::duration<double>(q.oldest).count());
    }
    out.family("hermes_workers", MetricType::gauge, "Background workers of this database.");
    for (const WorkerMetrics &w : page.workers)
        out.gauge(std::array{Label{"role", w.role}, Label{"state", w.state}}, w.count);
    out.family("hermes_outbound_open", MetricType::gauge,
               "1 while requests may leave: neither the restore fence nor hermes.outbound holds them.");
    out.gauge({}, one_if(page.outbound_open && page.outbound_enabled));
}

void write_workflows(const MetricsPage &page, OpenMetrics &out) {
    for (std::size_t i = 0; i < kWorkflowCounts; ++i) {
        const auto &[name, help] = words_of(static_cast<WorkflowCount>(i));
        out.family(std::string("hermes_") + name, MetricType::counter, help);
        out.counter({}, page.workflow[i]);
    }
}

template <class Write>
void write_providers(const MetricsPage &page, OpenMetrics &, Write write) {
    for (const ProviderMetrics &p : page.providers)
        write(p, std::array{Label{"provider", p.provider}, Label{"channel", p.channel}});
}

void write_all_providers(const MetricsPage &page, OpenMetrics &out) {
    out.family("hermes_breaker_state", MetricType::stateset, "Circuit breaker of the provider.");
    write_providers(page, out, [&out](const ProviderMetrics &p, const auto &labels) {
        out.state(labels, kBreakerWords,
                  p.breaker == BreakerPhase::closed ? 0
                  : p.breaker == BreakerPhase::open ? 1
                                                    : 2);
    });
    out.family("hermes_provider_throttled", MetricType::gauge, "1 while the provider has asked to be left alone.");
    write_providers(page, out,
                    [&out](const ProviderMetrics &p, const auto &labels) { out.gauge(labels, one_if(p.throttled)); });
    out.family("hermes_provider_in_flight", MetricType::gauge, "Requests under way.");
    write_providers(page, out, [&out](const ProviderMetrics &p, const auto &labels) {
        out.gauge(labels, static_cast<std::uint64_t>(p.in_flight > 0 ? p.in_flight : 0));
    });
    out.family("hermes_provider_answers", MetricType::counter,
               "Answers of the provider, as its breaker counts them; throttled: 429.");
    write_providers(page, out, [&out](const ProviderMetrics &p, const auto &labels) {
        const auto result = [&](std::string_view word, std::uint64_t n) {
            out.counter(std::array{labels[0], labels[1], Label{"result", word}}, n);
        };
        result("accepted", p.accepted);
        result("failed", p.failed);
        result("throttled", p.refused);
    });
}

std::array<Label, 3> labels_of(const SeriesMetrics &s) {
    return {Label{"tenant", s.tenant}, Label{"channel", s.channel}, Label{"provider", s.provider}};
}

void write_series(const MetricsPage &page, OpenMetrics &out) {
    out.family("hermes_messages", MetricType::counter,
               "Messages by tenant, channel and provider: what became of them.");
    for (const SeriesMetrics &s : page.series) {
        const auto l = labels_of(s);
        for (std::size_t i = 0; i < kDeliveryCounts; ++i)
            out.counter(std::array{l[0], l[1], l[2], Label{"result", to_string(static_cast<DeliveryCount>(i))}},
                        s.counters.count(static_cast<DeliveryCount>(i)));
    }
    out.family("hermes_message_states", MetricType::counter, "Attempts that came to a state.");
    for (const SeriesMetrics &s : page.series) {
        const auto l = labels_of(s);
        for (int i = 0; i < kReceiptStates; ++i)
            out.counter(std::array{l[0], l[1], l[2], Label{"state", to_string(static_cast<ReceiptState>(i))}},
                        s.counters.state(static_cast<ReceiptState>(i)));
    }
    out.family("hermes_receipt_latency_seconds", MetricType::histogram,
               "From the answer that took a message to its first final receipt.", "seconds");
    for (const SeriesMetrics &s : page.series)
        out.histogram(labels_of(s), s.counters.latency(), s.counters.latency_sum(), kReceiptBounds);
    out.family("hermes_metric_series", MetricType::gauge,
               "Series of (tenant, channel, provider) in use, in all databases.");
    out.gauge({}, page.series_used);
    out.family("hermes_metric_series_limit", MetricType::gauge, "hermes.max_metric_series.");
    out.gauge({}, page.series_limit);
    out.family("hermes_metric_series_folded", MetricType::counter,
               "Counts that found no series of their own and went to tenant, channel and provider *.");
    out.counter({}, page.series_folded);
}

} // namespace

std::string render_metrics(const MetricsPage &page) {
    OpenMetrics out;
    write_cascades(page, out);
    write_work(page, out);
    write_workflows(page, out);
    write_all_providers(page, out);
    write_series(page, out);
    return out.finish();
}

} // namespace hc::core
