// See workflow_commands.hpp. Pure.
#include "core/workflow_commands.hpp"

#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/json_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace hc::core {

// ---- of all kinds of program ----

void check_command_name(std::string_view name, const char *what) {
    if (name.empty() || name.size() > kMaxCommandName)
        throw Error(sqlstate::invalid_parameter, fmt::format("invalid {} name", what),
                    fmt::format("It must have 1 to {} bytes.", kMaxCommandName));
}

void check_payload(std::string_view payload, const char *what, std::size_t max_bytes) {
    if (payload.size() > max_bytes)
        throw Error(sqlstate::limit_exceeded, fmt::format("{} is too large", what),
                    fmt::format("At most {} bytes are recorded.", max_bytes), "See hermes.max_message_size.");
}

Duration checked_wait(Duration wait, const char *what) {
    if (wait < Duration::zero() || wait > kLongestWait)
        throw Error(sqlstate::invalid_parameter, fmt::format("invalid {}", what),
                    "It must be between 0 and 100 years.");
    return wait;
}

void check_sqlstate(std::string_view sqlstate) {
    const bool fits = sqlstate.size() == 5 && std::all_of(sqlstate.begin(), sqlstate.end(), [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                      });
    if (!fits || sqlstate == "00000")
        throw Error(sqlstate::invalid_parameter, "invalid SQLSTATE of a failure",
                    "It has five characters, digits and upper-case letters.");
}

void check_history_room(const ExecutionUse &use) {
    if (use.is_full())
        throw Error(sqlstate::limit_exceeded, "history of the execution is too long",
                    fmt::format("At most {} events and {} MiB are kept.", kMaxExecutionEvents,
                                kMaxExecutionBytes / 1024 / 1024),
                    "Go on with hermes.continue_as_new.");
}

void check_may_begin(const ExecutionUse &use, ExecutionEventType begins) {
    const auto check = [](std::size_t open, std::size_t limit, const char *what) {
        if (open >= limit)
            throw Error(sqlstate::limit_exceeded, fmt::format("execution has too many open {}", what),
                        fmt::format("It has {}; the limit is {}.", open, limit),
                        "Await some before the next ones are started.");
    };
    if (begins == ExecutionEventType::activity_scheduled)
        check(use.activities, kMaxOpenActivities, "activities");
    else if (begins == ExecutionEventType::child_started)
        check(use.children, kMaxOpenChildren, "children");
}

std::string cancellation_word(ActivityCancellation cancellation) {
    switch (cancellation) {
    case ActivityCancellation::wait:
        return std::string(kWaitCancellation);
    case ActivityCancellation::abandon:
        return "abandon";
    case ActivityCancellation::try_cancel:
        break;
    }
    return "";
}

// ---- what a history says ----

std::map<std::string, std::string> query_results_of(std::span<const ExecutionEvent> events) {
    std::map<std::string, std::string> results;
    for (const ExecutionEvent &event : events)
        if (event.type == ExecutionEventType::marker_recorded && event.kind == CommandKind::set_query_result)
            results[event.name] = event.payload;
    return results;
}

namespace {

using Record = ExecutionEventType;

constexpr const char *kDefaultSqlstate = "P0001";
constexpr std::size_t kMaxFailureBytes = 65'536;
constexpr std::size_t kMaxFailureText = 8192;

std::string activity_id_in(const std::string &options) {
    if (options.find("activity_id") == std::string::npos)
        return "";
    const nlohmann::json json = nlohmann::json::parse(options, nullptr, false);
    return json.is_object() ? json.value("activity_id", "") : "";
}

bool ends_activity(Record type) {
    return type == Record::activity_completed || type == Record::activity_failed ||
           type == Record::activity_timed_out || type == Record::activity_canceled;
}

} // namespace

ProgramState program_state(const Replay &replay) {
    const std::vector<ExecutionEvent> &events = replay.events();
    ProgramState state;
    state.use = replay.use();
    for (const ExecutionEvent &event : events) {
        state.commands = std::max(state.commands, event.command);
        if (event.type == Record::timer_started || event.type == Record::child_started) {
            state.begun[event.command] = event.type;
        } else if (event.type == Record::activity_scheduled) {
            state.begun[event.command] = event.type;
            if (std::string id = activity_id_in(event.payload); !id.empty())
                state.activity_ids[std::move(id)] = event.command;
        } else if (ends_activity(event.type)) {
            std::erase_if(state.activity_ids, [&event](const auto &entry) { return entry.second == event.command; });
        } else if (event.type == Record::marker_recorded && event.kind == CommandKind::version) {
            state.versions.insert(event.name);
        } else if (event.type == Record::update_accepted) {
            state.accepted.insert(event.text);
        } else if (event.type == Record::update_completed) {
            state.accepted.erase(event.text);
        }
    }
    state.query_results = query_results_of(events);
    state.attributes = attributes_after(events);
    return state;
}

// ---- what workers say ----

WorkflowFailure read_program_failure(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid failure", kMaxFailureBytes, 4};
    static constexpr std::array<std::string_view, 4> kKeys{"sqlstate", "message", "detail", "hint"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    WorkflowFailure failure{kDefaultSqlstate, object.require("message").text(kMaxFailureText), "", ""};
    if (const auto sqlstate = object.find("sqlstate"))
        failure.sqlstate = sqlstate->text(kMaxCommandName);
    if (const auto detail = object.find("detail"))
        failure.detail = detail->text(kMaxFailureText);
    if (const auto hint = object.find("hint"))
        failure.hint = hint->text(kMaxFailureText);
    check_sqlstate(failure.sqlstate);
    return failure;
}

bool wants_new_events_only(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid poll options", kMaxFailureBytes, 4};
    static constexpr std::array<std::string_view, 1> kKeys{"history"};
    static constexpr std::array<JsonWord<bool>, 2> kWords{{{"full", false}, {"new", true}}};
    const nlohmann::json document = parse_json_document(json, kRules);
    const auto history = JsonObject(JsonNode(document, "$", kRules.message), kKeys).find("history");
    return history && history->word(kWords);
}

} // namespace hc::core
