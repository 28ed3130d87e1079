// See report.hpp.
#include "core/report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string &text) { return text.empty() ? Json() : Json(text); }
Json text_or_null(const std::optional<std::string> &text) { return text ? Json(*text) : Json(); }
Json time_or_null(const std::optional<Time> &t) { return t ? Json(format_iso8601(*t)) : Json(); }
Json outcome_or_null(Outcome o) { return o == Outcome::none ? Json() : Json(std::string(to_string(o))); }

std::string_view phase_name(AttemptPhase phase) {
    switch (phase) {
    case AttemptPhase::queued:
        return "queued";
    case AttemptPhase::answered:
        return "answered";
    case AttemptPhase::ambiguous:
        return "ambiguous";
    case AttemptPhase::over:
        return "over";
    }
    return "over";
}

std::string dump(const Json &json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json attempt_json(const AttemptState &a, const StatusFacts &facts, std::size_t index) {
    Json json;
    json["attempt"] = a.number;
    json["step"] = a.step + 1;
    json["channel"] = a.step < facts.channels.size() ? Json(facts.channels[a.step]) : Json();
    json["provider"] = index < facts.provider_names.size() ? text_or_null(facts.provider_names[index]) : Json();
    json["phase"] = phase_name(a.phase);
    json["state"] = to_string(a.receipt.state);
    json["failure_kind"] = a.receipt.kind == FailureKind::none ? Json() : Json(std::string(to_string(a.receipt.kind)));
    json["reason"] = text_or_null(a.reason);
    json["sends"] = a.sends;
    json["provider_message_id"] = text_or_null(a.provider_message_id);
    json["receipt_time"] = time_or_null(a.receipt.time);
    if (index < facts.estimated_costs.size() && facts.estimated_costs[index])
        json["estimated_cost"] =
            static_cast<double>(*facts.estimated_costs[index]) / kMicrosPerUnit; // shown, not summed
    for (const PartState &part : a.parts)
        json["parts"].push_back(
            {{"provider_message_id", part.provider_message_id}, {"state", to_string(part.receipt.state)}});
    return json;
}

// Steps that run at once.
Json branches_json(const State &state, const StatusFacts &facts) {
    Json branches = Json::array();
    for (const Branch &b : state.branches) {
        Json json;
        json["step"] = b.step + 1;
        json["channel"] = b.step < facts.channels.size() ? Json(facts.channels[b.step]) : Json();
        json["status"] = b.succeeded ? "succeeded" : b.over ? "over" : "running";
        branches.push_back(std::move(json));
    }
    return branches;
}

Json attempts_of(const State &state, const StatusFacts &facts) {
    Json attempts = Json::array();
    for (std::size_t i = 0; i < state.attempts.size(); ++i)
        attempts.push_back(attempt_json(state.attempts[i], facts, i));
    return attempts;
}

Json report_state_json(const State &state, const StatusFacts &facts) {
    Json json;
    json["state"] = facts.report_state;
    json["sequence"] = state.reports;
    json["failed_tries"] = facts.report_failed_tries;
    json["reported_at"] = time_or_null(facts.reported_at);
    json["last_error"] = text_or_null(facts.report_error);
    return json;
}

} // namespace

std::string report_json(const State &state, const ReportFacts &facts) {
    const AttemptState *about = reported_attempt(state);
    const std::optional<std::uint16_t> step = reported_step(state);
    Json data;
    data["cascade_id"] = to_string(facts.id);
    data["key"] = text_or_null(facts.key);
    data["tenant"] = text_or_null(facts.tenant);
    data["rule"] = facts.rule;
    data["outcome"] = outcome_or_null(effective_outcome(state));
    if (state.corrected != Outcome::none) {
        data["previous_outcome"] = std::string(to_string(state.outcome));
    }
    data["channel"] = text_or_null(facts.channel);
    data["step"] = step ? Json(*step + 1) : Json();
    data["attempt"] = about != nullptr ? Json(about->number) : Json();
    data["provider"] = text_or_null(facts.provider);
    data["provider_message_id"] = about != nullptr ? text_or_null(about->provider_message_id) : Json();
    data["state"] = about != nullptr ? Json(std::string(to_string(about->receipt.state))) : Json();
    data["reason"] = text_or_null(is_of_step(state.report_kind) ? state.report_reason
                                  : state.attempts.empty()      ? std::string()
                                                                : state.attempts.back().reason);
    data["duplicate_contact"] = (state.flags & kFlagDuplicateContact) != 0;
    data["contacted"] = (state.flags & kFlagContacted) != 0 || effective_outcome(state) == Outcome::delivered;
    data["sequence"] = state.reports;
    Json json;
    json["type"] = report_type(state);
    json["timestamp"] = format_iso8601(state.last_event);
    json["data"] = std::move(data);
    return dump(json);
}

std::string_view report_type_of(std::string_view body) {
    constexpr std::string_view kBegin = R"({"type":")";
    if (!body.starts_with(kBegin))
        return {};
    body.remove_prefix(kBegin.size());
    return body.substr(0, std::min(body.find('"'), body.size()));
}

// A report about a step is made at its event. One about the outcome is made at the end of a decision, which is the
// event that it is about, but for receipts that had waited for the answer's message id: those follow it, with the time
// of the answer.
std::vector<State> states_at_reports(std::span<const HistoryEvent> events) {
    std::vector<State> states;
    State state;
    std::optional<Time> answered;
    for (std::size_t i = 0; i < events.size(); ++i) {
        apply(state, events[i]);
        if (events[i].type == EventType::send_completed)
            answered = events[i].time;
        const bool outcome =
            events[i].type == EventType::cascade_completed || events[i].type == EventType::outcome_corrected;
        const bool of_step = events[i].sequence &&
                             (events[i].type == EventType::step_failed || events[i].type == EventType::step_skipped ||
                              events[i].type == EventType::step_succeeded);
        if (of_step)
            states.push_back(state);
        if (!outcome)
            continue;
        while (answered == events[i].time && i + 1 < events.size() && events[i + 1].time == events[i].time)
            apply(state, events[++i]);
        states.push_back(state);
    }
    return states;
}

std::string report_id(const WorkflowId &id, std::uint32_t sequence, std::int32_t endpoint) {
    return fmt::format("{}-r{}-e{}", to_string(id), sequence, endpoint);
}

std::string attempts_json(const State &state, const StatusFacts &facts) { return dump(attempts_of(state, facts)); }

std::string status_json(const State &state, const StatusFacts &facts) {
    Json json;
    json["cascade_id"] = to_string(facts.id);
    json["rule"] = facts.rule;
    json["rule_version"] = facts.rule_version;
    json["tenant"] = text_or_null(facts.tenant);
    json["key"] = text_or_null(facts.key);
    json["status"] = state.closed_p() ? "CLOSED" : "RUNNING";
    json["outcome"] = outcome_or_null(state.outcome);
    json["corrected_outcome"] = outcome_or_null(state.corrected);
    const std::uint16_t step = shown_step(state);
    json["step"] = step + 1;
    json["channel"] = step < facts.channels.size() ? Json(facts.channels[step]) : Json();
    json["started_at"] = format_iso8601(state.started);
    json["starts_at"] = time_or_null(state.starts_at);
    json["expires_at"] = time_or_null(state.expires);
    json["held_since"] = time_or_null(state.held_since);
    json["closed_at"] = state.closed_p() ? Json(format_iso8601(state.closed)) : Json();
    if (state.branches.size() > 1)
        json["parallel"] = branches_json(state, facts);
    json["attempts"] = attempts_of(state, facts);
    json["next_timer"] = state.closed_p() || state.timer_due == kNever ? Json() : time_or_null(state.timer_due);
    json["duplicate_contact"] = (state.flags & kFlagDuplicateContact) != 0;
    json["contacted"] = (state.flags & kFlagContacted) != 0;
    json["terminated"] = (state.flags & kFlagTerminated) != 0;
    json["events"] = state.events;
    json["report"] = report_state_json(state, facts);
    return dump(json);
}

} // namespace hc::core
