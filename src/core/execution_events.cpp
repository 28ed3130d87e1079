// Codec and words of execution histories. Pure; see execution_events.hpp.
#include "core/execution_events.hpp"

#include "core/byte_codec.hpp"
#include "core/history.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>

namespace hc::core {
namespace {

constexpr char kFormat = 1;

enum FieldBit : std::uint32_t {
    kCommand = 1U << 0,
    kKind = 1U << 1,
    kDue = 1U << 2,
    kHash = 1U << 3,
    kName = 1U << 4,
    kPayload = 1U << 5,
    kText = 1U << 6,
    kAllFields = (1U << 7) - 1,
};

std::uint32_t field_mask(const ExecutionEvent &e) {
    std::uint32_t mask = 0;
    const auto set = [&mask](bool present, std::uint32_t bit) { mask |= present ? bit : 0; };
    set(e.command != 0, kCommand);
    set(e.kind != CommandKind::none, kKind);
    set(e.due.has_value(), kDue);
    set(e.hash != 0, kHash);
    set(!e.name.empty(), kName);
    set(!e.payload.empty(), kPayload);
    set(!e.text.empty(), kText);
    return mask;
}

void write_event(ByteWriter &out, const ExecutionEvent &e, Time previous) {
    const std::uint32_t mask = field_mask(e);
    out.word(e.type);
    out.number(time_distance(previous, e.time));
    out.number(mask);
    if ((mask & kCommand) != 0)
        out.number(e.command);
    if ((mask & kKind) != 0)
        out.word(e.kind);
    if ((mask & kDue) != 0)
        out.number(zigzag(static_cast<std::int64_t>(time_distance(e.time, *e.due))));
    if ((mask & kHash) != 0)
        out.fixed64(e.hash);
    if ((mask & kName) != 0)
        out.bytes(e.name);
    if ((mask & kPayload) != 0)
        out.bytes(e.payload);
    if ((mask & kText) != 0)
        out.bytes(e.text);
}

void read_event(ByteReader &in, ExecutionEvent &e, Time previous) {
    e.type = in.word(kLastExecutionEventType);
    if (e.type == ExecutionEventType{})
        in.fail("has an event without a type");
    e.time = time_after(previous, in.number());
    const std::uint64_t mask = in.number();
    if (mask > kAllFields)
        in.fail("has a field that is not known");
    if ((mask & kCommand) != 0)
        e.command = in.ranged<std::uint32_t>(in.number());
    if ((mask & kKind) != 0)
        e.kind = in.word(kLastCommandKind);
    if ((mask & kDue) != 0)
        e.due = time_after(e.time, static_cast<std::uint64_t>(unzigzag(in.number())));
    if ((mask & kHash) != 0)
        e.hash = in.fixed64();
    if ((mask & kName) != 0)
        e.name = in.bytes();
    if ((mask & kPayload) != 0)
        e.payload = in.bytes();
    if ((mask & kText) != 0)
        e.text = in.bytes();
}

constexpr std::array<std::string_view, 40> kEventNames = {
    "",
    "WorkflowExecutionStarted",
    "WorkflowExecutionCompleted",
    "WorkflowExecutionFailed",
    "WorkflowExecutionTimedOut",
    "WorkflowExecutionCanceled",
    "WorkflowExecutionTerminated",
    "WorkflowTaskFailed",
    "StepCompleted",
    "StepFailed",
    "MarkerRecorded",
    "TimerStarted",
    "TimerFired",
    "SignalAwaited",
    "WorkflowExecutionSignaled",
    "WorkflowExecutionCancelRequested",
    "ChildWorkflowExecutionStarted",
    "StartChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionCompleted",
    "ChildWorkflowExecutionFailed",
    "WorkflowExecutionContinuedAsNew",
    "ActivityTaskScheduled",
    "ActivityTaskStarted",
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ActivityTaskCancelRequested",
    "ActivityTaskCanceled",
    "WorkflowExecutionUpdateAccepted",
    "WorkflowExecutionUpdateCompleted",
    "TimerCanceled",
    "ConditionAwaited",
    "ConditionMet",
    "UpsertWorkflowSearchAttributes",
    "WorkflowPropertiesModified",
    "WorkflowExecutionPaused",
    "WorkflowExecutionUnpaused",
    "WorkflowExecutionOptionsUpdated",
    "RequestCancelChildWorkflowExecution",
    "ActivityTaskRescheduled",
};
constexpr std::array<std::string_view, 7> kStatusNames = {"Running",  "Completed",  "Failed",        "TimedOut",
                                                          "Canceled", "Terminated", "ContinuedAsNew"};
constexpr std::array<std::string_view, 17> kCommandNames = {"",
                                                            "step",
                                                            "fetch",
                                                            "side_effect",
                                                            "version",
                                                            "sleep",
                                                            "wait_signal",
                                                            "timer",
                                                            "child",
                                                            "activity",
                                                            "wait_until",
                                                            "wait_update",
                                                            "complete_update",
                                                            "cancel",
                                                            "set_attributes",
                                                            "set_memo",
                                                            "set_query_result"};

template <typename Enum, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N> &names, Enum value) {
    const auto i = static_cast<std::size_t>(value);
    return i < N ? names[i] : std::string_view{};
}

const char *word_of_payload(ExecutionEventType type) {
    switch (type) {
    case ExecutionEventType::workflow_execution_failed:
    case ExecutionEventType::workflow_task_failed:
    case ExecutionEventType::step_failed:
    case ExecutionEventType::child_start_failed:
    case ExecutionEventType::child_failed:
    case ExecutionEventType::activity_failed:
    case ExecutionEventType::activity_timed_out:
    case ExecutionEventType::activity_canceled:
        return "failure";
    case ExecutionEventType::activity_scheduled:
        return "options";
    case ExecutionEventType::activity_started:
        return "attempt";
    case ExecutionEventType::activity_cancel_requested:
    case ExecutionEventType::timer_canceled:
    case ExecutionEventType::child_cancel_requested:
        return "canceled_command";
    case ExecutionEventType::workflow_execution_started:
        return "options";
    case ExecutionEventType::condition_awaited:
        return "tables";
    case ExecutionEventType::signal_received:
        return "payload";
    case ExecutionEventType::update_accepted:
        return "args";
    case ExecutionEventType::update_completed:
        return "outcome";
    case ExecutionEventType::workflow_execution_terminated:
        return "reset";
    case ExecutionEventType::workflow_execution_options_updated:
        return "options";
    case ExecutionEventType::search_attributes_upserted:
        return "search_attributes";
    case ExecutionEventType::memo_modified:
        return "memo";
    default:
        return "result";
    }
}

// The word under which the text of an event is shown.
const char *word_of_text(ExecutionEventType type) {
    switch (type) {
    case ExecutionEventType::signal_received:
        return "request_id";
    case ExecutionEventType::child_started:
    case ExecutionEventType::workflow_execution_continued_as_new:
    case ExecutionEventType::workflow_execution_failed:
    case ExecutionEventType::workflow_execution_timed_out:
    case ExecutionEventType::workflow_execution_options_updated:
        return "execution_id";
    case ExecutionEventType::child_failed:
        return "status";
    case ExecutionEventType::activity_scheduled:
        return "cancellation";
    case ExecutionEventType::activity_started:
        return "worker";
    case ExecutionEventType::activity_failed:
        return "retry_state";
    case ExecutionEventType::activity_timed_out:
        return "timeout";
    case ExecutionEventType::update_accepted:
    case ExecutionEventType::update_completed:
        return "update_id";
    default:
        return "reason";
    }
}

const char *word_of_name(ExecutionEventType type) {
    switch (type) {
    case ExecutionEventType::workflow_execution_started:
    case ExecutionEventType::child_started:
        return "workflow_type";
    case ExecutionEventType::activity_scheduled:
        return "activity_type";
    case ExecutionEventType::workflow_execution_failed:
    case ExecutionEventType::workflow_execution_timed_out:
        return "retry_state";
    case ExecutionEventType::workflow_execution_paused:
        return "request_id";
    case ExecutionEventType::signal_awaited:
    case ExecutionEventType::signal_received:
        return "signal";
    case ExecutionEventType::update_accepted:
        return "update";
    default:
        return "name";
    }
}

} // namespace

bool is_close(ExecutionEventType type) {
    return (type >= ExecutionEventType::workflow_execution_completed &&
            type <= ExecutionEventType::workflow_execution_terminated) ||
           type == ExecutionEventType::workflow_execution_continued_as_new;
}

ExecutionStatus status_after(ExecutionEventType close) {
    if (close == ExecutionEventType::workflow_execution_continued_as_new)
        return ExecutionStatus::continued;
    return is_close(close) ? static_cast<ExecutionStatus>(static_cast<std::uint8_t>(close) - 1)
                           : ExecutionStatus::running;
}

std::string encode_execution(std::span<const ExecutionEvent> events, std::optional<Time> base) {
    std::string out;
    if (!base)
        out.push_back(kFormat);
    ByteWriter writer(out);
    Time previous = base.value_or(kHistoryEpoch);
    for (const ExecutionEvent &e : events) {
        write_event(writer, e, previous);
        previous = e.time;
    }
    return out;
}

std::vector<ExecutionEvent> decode_execution(std::string_view bytes) {
    ByteReader reader(bytes, "workflow history");
    if (bytes.empty() || reader.byte() != static_cast<std::uint8_t>(kFormat))
        reader.fail("has a format that is not known");
    std::vector<ExecutionEvent> events;
    Time previous = kHistoryEpoch;
    while (!reader.at_end()) {
        ExecutionEvent &e = events.emplace_back();
        read_event(reader, e, previous);
        previous = e.time;
    }
    return events;
}

std::string_view to_string(ExecutionEventType t) { return name_of(kEventNames, t); }
std::string_view to_string(ExecutionStatus s) { return name_of(kStatusNames, s); }
std::string_view to_string(CommandKind k) { return name_of(kCommandNames, k); }

// Payloads go in as they are: numbers of jsonb have more digits than a double.
std::string execution_attributes_json(const ExecutionEvent &e) {
    std::string json = "{";
    const auto add = [&json](std::string_view word, std::string_view value) {
        json += fmt::format("{}\"{}\": {}", json.size() > 1 ? ", " : "", word, value);
    };
    const auto quoted = [](std::string_view text) {
        return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    };
    if (e.command != 0)
        add("command", fmt::to_string(e.command));
    if (e.kind != CommandKind::none)
        add("kind", quoted(to_string(e.kind)));
    if (!e.name.empty())
        add(word_of_name(e.type), quoted(e.name));
    if (e.due)
        add("due", quoted(format_iso8601(*e.due)));
    if (e.type == ExecutionEventType::child_started)
        add("parent_close_policy", quoted(e.payload));
    else if (!e.payload.empty())
        add(word_of_payload(e.type), e.payload);
    if (!e.text.empty())
        add(word_of_text(e.type), quoted(e.text));
    return json + "}";
}

} // namespace hc::core
