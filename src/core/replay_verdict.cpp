// See replay_verdict.hpp. Pure.
#include "core/replay_verdict.hpp"

#include "core/error.hpp"
#include "core/history.hpp"

#include <fmt/format.h>

namespace hc::core {

namespace {

using Type = ExecutionEventType;

constexpr std::size_t kMaxQuoted = 200; // bytes of a result in a problem

// Not "quoted": that name is taken by std for its own strings.
std::string in_short(std::string_view json) {
    const std::string_view cut = cut_utf8(json, kMaxQuoted);
    return json.empty() ? "NULL" : std::string(cut) + (cut.size() < json.size() ? ".." : "");
}

std::string words_of(const WorkflowFailure &failure) {
    return fmt::format("{}: {}{}", failure.sqlstate, failure.message,
                       failure.detail.empty() ? "" : fmt::format(" ({})", failure.detail));
}

std::string words_of(const BodyOutcome &outcome) {
    switch (outcome.end) {
    case BodyEnd::returned:
        return "returns";
    case BodyEnd::failed:
        return "fails with " + words_of(outcome.failure);
    case BodyEnd::waits:
        return "waits";
    case BodyEnd::asks:
        return "goes on with " + outcome.asked;
    case BodyEnd::continues:
        return "continues as new";
    case BodyEnd::timed_out:
        break;
    }
    return "runs into its task_timeout";
}

bool is_cancel(const BodyOutcome &outcome) {
    return outcome.raised_by_verb && outcome.failure.sqlstate == sqlstate::canceled;
}

// A fault of the code: it would fail its turn, again and again, never the execution.
bool is_fault(const BodyOutcome &outcome) {
    return outcome.end == BodyEnd::failed && !outcome.raised_by_verb && !is_application_error(outcome.failure.sqlstate);
}

// What is wrong with the end of a body that has ended the execution in the history; empty: nothing.
std::string why_not_the_end(const ExecutionEvent &end, const BodyOutcome &outcome) {
    const auto other = [&] {
        return fmt::format("the execution is {}, the function {}", to_string(status_after(end.type)),
                           words_of(outcome));
    };
    switch (end.type) {
    case Type::workflow_execution_completed:
        if (outcome.end != BodyEnd::returned)
            return other();
        if (outcome.result.value_or("") != end.payload)
            return fmt::format("the result is {}, the history has {}", in_short(outcome.result.value_or("")),
                               in_short(end.payload));
        return "";
    case Type::workflow_execution_failed: {
        if (outcome.end != BodyEnd::failed || is_cancel(outcome))
            return other();
        const WorkflowFailure recorded = parse_failure(end.payload);
        if (outcome.failure.sqlstate != recorded.sqlstate || outcome.failure.message != recorded.message)
            return fmt::format("the failure is {}, the history has {}", words_of(outcome.failure), words_of(recorded));
        return "";
    }
    case Type::workflow_execution_canceled:
        return outcome.end == BodyEnd::failed && is_cancel(outcome) ? "" : other();
    default:
        return outcome.end == BodyEnd::continues ? "" : other();
    }
}

} // namespace

ReplayVerdict judge_replay(const Replay &replay, const BodyOutcome &outcome) {
    const std::optional<RecordedCommand> next = replay.next_recorded();
    const auto problem = [&](std::string text) {
        return ReplayVerdict{false, std::move(text), next ? next->command : replay.command() + 1,
                             next ? next->event_id : 0};
    };
    if (!outcome.divergence.empty())
        return problem(outcome.divergence);
    if (outcome.end == BodyEnd::timed_out)
        return problem("the function runs into its task_timeout");
    if (is_fault(outcome))
        return problem("the function " + words_of(outcome));
    if (next)
        return problem(fmt::format("the function {}, the history goes on with command {}, {}", words_of(outcome),
                                   next->command, next->words));
    if (!replay.was_ended_by_body())
        return {};
    std::string text = why_not_the_end(replay.events().back(), outcome);
    if (text.empty())
        return {};
    // what it asks for beyond the history has a number, an end has none
    const std::uint32_t command = outcome.end == BodyEnd::asks ? replay.command() + 1 : 0;
    return {false, std::move(text), command, replay.events().size()};
}

} // namespace hc::core
