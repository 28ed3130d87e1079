// See delivery_metrics.hpp.
#include "core/delivery_metrics.hpp"

#include <algorithm>

namespace hc::core {

namespace {

DeliveryCount failure_count(FailureKind kind) {
    switch (kind) {
    case FailureKind::hard:
        return DeliveryCount::failed_hard;
    case FailureKind::policy:
        return DeliveryCount::failed_policy;
    case FailureKind::config:
        return DeliveryCount::failed_config;
    case FailureKind::none:
    case FailureKind::soft:
        break;
    }
    return DeliveryCount::failed_soft;
}

std::optional<Time> answered_in(std::span<const HistoryEvent> events, std::uint16_t attempt) {
    const auto found = std::find_if(events.rbegin(), events.rend(), [attempt](const HistoryEvent &e) {
        return e.type == EventType::send_completed && e.attempt == attempt;
    });
    return found == events.rend() ? std::nullopt : std::optional(found->time);
}

class DecisionCounter {
public:
    DecisionCounter(std::span<const ReceiptState> before, const State &state, std::span<const HistoryEvent> events,
                    std::span<const std::span<const HistoryEvent>> earlier)
        : before_(before), state_(state), events_(events), earlier_(earlier) {}

    std::vector<CounterDelta> run() {
        for (const HistoryEvent &event : events_)
            take(event);
        for (const AttemptState &attempt : state_.attempts)
            compare(attempt);
        return std::move(deltas_);
    }

private:
    void add(std::uint16_t attempt, std::size_t counter, std::uint64_t n = 1) {
        deltas_.push_back({attempt, static_cast<std::uint16_t>(counter), n});
    }
    void add(std::uint16_t attempt, DeliveryCount what) { add(attempt, static_cast<std::size_t>(what)); }
    std::optional<ReceiptState> before(std::uint16_t attempt) const {
        return attempt <= before_.size() ? std::optional(before_[attempt - 1U]) : std::nullopt;
    }

    void take(const HistoryEvent &event);
    void compare(const AttemptState &attempt);
    void add_latency(std::uint16_t attempt);

    std::span<const ReceiptState> before_;
    const State &state_;
    std::span<const HistoryEvent> events_;
    std::span<const std::span<const HistoryEvent>> earlier_;
    bool timer_ = false; // this decision is one of a timer
    std::vector<CounterDelta> deltas_;
};

void DecisionCounter::take(const HistoryEvent &event) {
    switch (event.type) {
    case EventType::send_completed:
        return add(event.attempt, DeliveryCount::accepted);
    case EventType::send_ambiguous:
        return add(event.attempt, DeliveryCount::ambiguous);
    case EventType::send_retry:
        return add(event.attempt, DeliveryCount::retried);
    case EventType::timer_fired:
        timer_ = true;
        return;
    case EventType::step_failed:
    case EventType::cascade_completed: { // what the timer ended was waiting for its newest attempt
        const auto newest = static_cast<std::uint16_t>(before_.size());
        if (timer_ && newest != 0 && !is_final(before_[newest - 1U]))
            add(newest, DeliveryCount::timed_out);
        timer_ = false;
        return;
    }
    default:
        return;
    }
}

// A new attempt was nothing before and has come to queued; states passed within one decision are not told apart.
void DecisionCounter::compare(const AttemptState &attempt) {
    const std::optional<ReceiptState> old = before(attempt.number);
    const ReceiptState now = attempt.receipt.state;
    if (!old)
        add(attempt.number, kStateCounters + static_cast<std::size_t>(ReceiptState::queued));
    const ReceiptState was = old.value_or(ReceiptState::queued);
    if (is_final(now))
        add_latency(attempt.number);
    if (was == now)
        return;
    add(attempt.number, kStateCounters + static_cast<std::size_t>(now));
    if (is_success(now) && !is_success(was))
        add(attempt.number, DeliveryCount::delivered);
    if (is_failure(now) && !is_failure(was))
        add(attempt.number, failure_count(attempt.receipt.kind));
    if (is_final(was) && is_success(was) != is_success(now))
        add(attempt.number, DeliveryCount::corrected);
}

// Once an attempt: by the decision after which it has both its answer and a final receipt.
void DecisionCounter::add_latency(std::uint16_t attempt) {
    const bool final_before = before(attempt) && is_final(*before(attempt));
    std::optional<Time> answered = answered_in(events_, attempt);
    if (!answered && final_before)
        return;
    for (std::size_t i = 0; !answered && i < earlier_.size(); ++i)
        answered = answered_in(earlier_[i], attempt);
    if (!answered)
        return;
    const Duration waited = std::max(Duration::zero(), events_.back().time - *answered);
    add(attempt, kLatencyCounters + latency_bucket(waited));
    if (waited.count() > 0)
        add(attempt, kLatencySum, static_cast<std::uint64_t>(waited.count()));
}

} // namespace

std::string_view to_string(DeliveryCount c) {
    static constexpr std::array<std::string_view, kDeliveryCounts> kNames{
        "accepted",    "ambiguous",   "retried",       "timed_out",     "delivered",
        "failed_soft", "failed_hard", "failed_policy", "failed_config", "corrected"};
    return kNames[static_cast<std::size_t>(c)];
}

std::vector<CounterDelta> count_decision(std::span<const ReceiptState> before, const State &state,
                                         std::span<const HistoryEvent> events,
                                         std::span<const std::span<const HistoryEvent>> earlier) {
    if (events.empty())
        return {};
    return DecisionCounter(before, state, events, earlier).run();
}

} // namespace hc::core
