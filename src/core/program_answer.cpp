// Reads the answer of a program outside. See workflow_commands.hpp. Pure.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/history.hpp"
#include "core/json_reader.hpp"
#include "core/json_slices.hpp"
#include "core/workflow_commands.hpp"
#include "core/workflow_updates.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace hc::core {

namespace {

using Type = ProgramCommandType;
using Record = ExecutionEventType;

constexpr const char *kMessage = "invalid workflow command";

// Fields in words; one that ends in ? may be missing.
struct Shape {
    std::string_view word;
    Type type;
    bool counted; // it has a number
    std::string_view fields;
};
constexpr std::array<Shape, 18> kShapes{{
    {"start_activity", Type::start_activity, true, "activity input? options?"},
    {"start_timer", Type::start_timer, true, "duration"},
    {"start_child", Type::start_child, true, "workflow_type input? workflow_id? options?"},
    {"cancel_activity", Type::cancel_activity, true, "handle"},
    {"cancel_timer", Type::cancel_timer, true, "handle"},
    {"cancel_child", Type::cancel_child, true, "handle"},
    {"record_marker", Type::record_marker, true, "name? value"},
    {"record_version", Type::record_version, false, "change version"},
    {"set_attributes", Type::set_attributes, true, "attributes"},
    {"set_memo", Type::set_memo, true, "fields"},
    {"set_query_result", Type::set_query_result, false, "name value"},
    {"accept_update", Type::accept_update, false, "update_id"},
    {"reject_update", Type::reject_update, false, "update_id failure"},
    {"complete_update", Type::complete_update, true, "update_id result? failure?"},
    {"complete_workflow", Type::complete_workflow, false, "result?"},
    {"fail_workflow", Type::fail_workflow, false, "failure"},
    {"cancel_workflow", Type::cancel_workflow, false, ""},
    {"continue_as_new", Type::continue_as_new, false, "input"},
}};

using Fields = std::map<std::string, std::string_view, std::less<>>;

[[noreturn]] void fail(const std::string &path, const std::string &what) { JsonSlices::fail(kMessage, path, what); }

// Checks made elsewhere tell of a value; here it has a path.
template <class Check>
auto at(const std::string &path, Check check) {
    try {
        return check();
    } catch (const Error &e) {
        const std::string detail = e.detail().starts_with('$')
                                       ? path + e.detail().substr(1)
                                       : fmt::format("{}: {}. {}", path, e.message(), e.detail());
        throw Error(e.sqlstate(), kMessage, detail, e.hint());
    }
}

std::string list_of_types() {
    std::string list;
    for (const Shape &shape : kShapes)
        list += (list.empty() ? "" : ", ") + std::string(shape.word);
    return list;
}

void check_fields(const Shape &shape, const Fields &fields, const std::string &path) {
    std::string known = " type ";
    if (shape.counted)
        known += "command ";
    for (std::size_t from = 0; from < shape.fields.size();) {
        const std::size_t end = std::min(shape.fields.find(' ', from), shape.fields.size());
        std::string_view word = shape.fields.substr(from, end - from);
        const bool optional = word.ends_with('?');
        if (optional)
            word.remove_suffix(1);
        else if (!fields.contains(word))
            fail(path + "." + std::string(word), "is missing");
        known += std::string(word) + " ";
        from = end + 1;
    }
    for (const auto &[key, value] : fields)
        if (key.find(' ') != std::string::npos || known.find(" " + key + " ") == std::string::npos)
            fail(path + "." + std::string(cut_utf8(key, kMaxCommandName)),
                 fmt::format("is not known of {}", shape.word));
}

class Reader {
public:
    Reader(ProgramState state, const ProgramRules &rules) : state_(std::move(state)), rules_(rules) {}

    std::vector<ProgramCommand> read(std::string_view json) {
        JsonSlices(json, kMessage).each_element("$", [this](std::size_t i, std::string_view element) {
            if (i >= kMaxPendingCommands)
                throw Error(sqlstate::limit_exceeded, kMessage,
                            fmt::format("$: has more than {} commands.", kMaxPendingCommands));
            path_ = fmt::format("$[{}]", i);
            if (!commands_.empty() && commands_.back().closes())
                fail(path_, "comes after a command that closes the workflow");
            fields_.clear();
            JsonSlices(element, kMessage).each_member(path_, [this](const std::string &key, std::string_view value) {
                if (!fields_.emplace(key, value).second)
                    fail(path_of(key), "is there twice");
            });
            commands_.push_back(command());
        });
        return std::move(commands_);
    }

private:
    std::string path_of(std::string_view key) const { return path_ + "." + std::string(key); }
    bool has(std::string_view key) const { return fields_.contains(key); }
    std::string_view slice(std::string_view key) const { return fields_.find(key)->second; }
    std::string text(std::string_view key) const { return unquote_json(slice(key), kMessage, path_of(key)); }

    std::string name(std::string_view key, const char *what) const {
        std::string value = text(key);
        at(path_of(key), [&] { check_command_name(value, what); });
        return value;
    }

    std::string payload(std::string_view key, const char *missing) const {
        if (!has(key))
            return missing;
        at(path_of(key), [&] { check_payload(slice(key), "value", rules_.max_payload); });
        return std::string(slice(key));
    }

    std::string options() const { return has("options") ? std::string(slice("options")) : "{}"; }

    template <class Number>
    Number number(std::string_view key, Number low) const {
        const std::string_view digits = slice(key);
        Number value{};
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size() || value < low)
            fail(path_of(key), fmt::format("must be a whole number from {}", low));
        return value;
    }

    WorkflowFailure failure(std::string_view key) const {
        return at(path_of(key), [&] { return read_program_failure(slice(key)); });
    }

    ProgramCommand command();
    void number_of(ProgramCommand &command, const Shape &shape);
    void fill(ProgramCommand &command);
    void start_activity(ProgramCommand &command);
    void start_timer(ProgramCommand &command);
    void start_child(ProgramCommand &command);
    void cancel(ProgramCommand &command, Record begun, Record canceled, const char *what);
    void record_marker(ProgramCommand &command);
    void record_version(ProgramCommand &command);
    void change(ProgramCommand &command, bool memo);
    void set_query_result(ProgramCommand &command);
    void update(ProgramCommand &command);
    void complete_update(ProgramCommand &command);

    void note(Record recorded);

    ProgramState state_;
    const ProgramRules &rules_;
    std::vector<ProgramCommand> commands_;
    std::set<std::string> answered_; // updates that were accepted or rejected in this answer
    std::string path_;
    Fields fields_;
};

// What one command more uses up; the sizes of values are counted when it is recorded.
void Reader::note(Record recorded) {
    ++state_.use.events;
    state_.use.activities += recorded == Record::activity_scheduled ? 1 : 0;
    state_.use.children += recorded == Record::child_started ? 1 : 0;
}

ProgramCommand Reader::command() {
    if (!has("type"))
        fail(path_of("type"), "is missing");
    const std::string word = text("type");
    const auto *const shape =
        std::find_if(kShapes.begin(), kShapes.end(), [&word](const Shape &known) { return known.word == word; });
    if (shape == kShapes.end())
        throw Error(sqlstate::invalid_parameter, kMessage,
                    fmt::format("{}: no command is of this type.", path_of("type")),
                    fmt::format("There are {}.", list_of_types()));
    check_fields(*shape, fields_, path_);
    ProgramCommand command{.type = shape->type, .event = {}};
    number_of(command, *shape);
    fill(command);
    if (command.event.type != Record{} && !command.closes()) {
        at(path_, [this, &command] {
            check_history_room(state_.use);
            check_may_begin(state_.use, command.event.type);
        });
        note(command.event.type);
    }
    return command;
}

void Reader::number_of(ProgramCommand &command, const Shape &shape) {
    if (!shape.counted)
        return;
    command.number = ++state_.commands;
    if (has("command") && number<std::uint32_t>("command", 1) != command.number)
        throw Error(sqlstate::nondeterminism, kMessage,
                    fmt::format("{}: must be {}, the next one of the history.", path_of("command"), command.number),
                    "The program does something else than its history says.");
}

void Reader::fill(ProgramCommand &command) {
    switch (command.type) {
    case Type::start_activity:
        return start_activity(command);
    case Type::start_timer:
        return start_timer(command);
    case Type::start_child:
        return start_child(command);
    case Type::cancel_activity:
        return cancel(command, Record::activity_scheduled, Record::activity_cancel_requested, "an activity");
    case Type::cancel_timer:
        return cancel(command, Record::timer_started, Record::timer_canceled, "a timer");
    case Type::cancel_child:
        return cancel(command, Record::child_started, Record::child_cancel_requested, "a child");
    case Type::record_marker:
        return record_marker(command);
    case Type::record_version:
        return record_version(command);
    case Type::set_attributes:
        return change(command, false);
    case Type::set_memo:
        return change(command, true);
    case Type::set_query_result:
        return set_query_result(command);
    case Type::accept_update:
    case Type::reject_update:
        return update(command);
    case Type::complete_update:
        return complete_update(command);
    case Type::complete_workflow:
        command.event.type = Record::workflow_execution_completed;
        command.event.payload = payload("result", "");
        return;
    case Type::fail_workflow:
        command.event.type = Record::workflow_execution_failed;
        command.event.payload = failure_json(failure("failure"));
        return;
    case Type::cancel_workflow:
        command.event.type = Record::workflow_execution_canceled;
        return;
    case Type::continue_as_new:
        command.event.type = Record::workflow_execution_continued_as_new;
        command.input = payload("input", "{}");
        return;
    }
}

void Reader::start_activity(ProgramCommand &command) {
    command.event.type = Record::activity_scheduled;
    command.event.name = name("activity", "activity type");
    command.input = payload("input", "{}");
    const std::string given = options();
    command.activity = at(path_of("options"), [&] {
        return normalized(parse_activity_options(given, rules_.activity_type(command.event.name)), rules_.run_timeout);
    });
    const std::string &id = command.activity.activity_id;
    if (!id.empty() && !state_.activity_ids.emplace(id, command.number).second)
        fail(path_of("options.activity_id"), "is that of an activity that is open");
    command.event.hash = hash64(command.event.name, command.input);
    command.event.payload = given == "{}" ? "" : given;
    command.event.text = cancellation_word(command.activity.cancellation);
    state_.begun[command.number] = command.event.type;
}

void Reader::start_timer(ProgramCommand &command) {
    const nlohmann::json value = nlohmann::json::parse(slice("duration"), nullptr, false);
    command.duration = JsonNode(value, path_of("duration"), kMessage).duration(Duration::zero(), kLongestWait);
    command.event.type = Record::timer_started;
    command.event.kind = CommandKind::timer;
    state_.begun[command.number] = command.event.type;
}

void Reader::start_child(ProgramCommand &command) {
    command.event.type = Record::child_started;
    command.event.name = name("workflow_type", "workflow type");
    command.input = payload("input", "{}");
    if (has("workflow_id"))
        command.workflow_id = name("workflow_id", "workflow id");
    at(path_of("options"), [&] {
        std::string given = options();
        command.attributes = take_start_attributes(given, rules_.attributes, rules_.max_memo);
        command.child = parse_child_options(given);
    });
    command.event.hash = hash64(command.workflow_id.value_or(""), command.input);
    command.event.payload = std::string(to_string(command.child.parent_close));
    state_.begun[command.number] = command.event.type;
}

void Reader::cancel(ProgramCommand &command, Record begun, Record canceled, const char *what) {
    command.handle = number<std::uint32_t>("handle", 1);
    const auto it = state_.begun.find(command.handle);
    if (it == state_.begun.end() || it->second != begun)
        fail(path_of("handle"), fmt::format("must be the number of a command that started {}", what));
    command.event.type = canceled;
    command.event.kind = CommandKind::cancel;
    command.event.hash = command.handle;
    command.event.payload = fmt::to_string(command.handle);
}

void Reader::record_marker(ProgramCommand &command) {
    command.event.type = Record::marker_recorded;
    command.event.kind = CommandKind::side_effect;
    if (has("name"))
        command.event.name = name("name", "marker");
    command.event.payload = payload("value", "");
}

void Reader::record_version(ProgramCommand &command) {
    command.event.type = Record::marker_recorded;
    command.event.kind = CommandKind::version;
    command.event.name = name("change", "change");
    command.event.payload = fmt::to_string(number<std::int32_t>("version", -1));
    if (!state_.versions.insert(command.event.name).second)
        fail(path_of("change"), "has a version that is recorded already");
}

void Reader::change(ProgramCommand &command, bool memo) {
    const char *const key = memo ? "fields" : "attributes";
    command.event.type = memo ? Record::memo_modified : Record::search_attributes_upserted;
    command.event.payload = at(path_of(key), [&] {
        std::string checked =
            memo ? checked_memo(slice(key), "$") : checked_attributes(slice(key), rules_.attributes, "$");
        change_fields(memo ? state_.attributes.memo : state_.attributes.search, checked);
        check_attribute_limits(state_.attributes, rules_.max_memo);
        return checked;
    });
    command.event.hash = hash64(memo ? "memo" : "attributes", slice(key));
}

// One that has not changed leaves no event.
void Reader::set_query_result(ProgramCommand &command) {
    const std::string query = name("name", "query");
    std::string value = payload("value", "");
    std::string &known = state_.query_results[query];
    if (known == value)
        return;
    known = value;
    command.event = {.type = Record::marker_recorded,
                     .kind = CommandKind::set_query_result,
                     .name = query,
                     .payload = std::move(value)};
}

void Reader::update(ProgramCommand &command) {
    command.update_id = text("update_id");
    const auto it = std::find_if(rules_.updates.begin(), rules_.updates.end(),
                                 [&command](const ProgramUpdate &known) { return known.id == command.update_id; });
    if (it == rules_.updates.end())
        fail(path_of("update_id"), "must be that of an update that waits to be accepted");
    if (!answered_.insert(command.update_id).second)
        fail(path_of("update_id"), "is that of an update that was accepted or rejected before");
    if (command.type == Type::reject_update) {
        command.failure = failure("failure");
        return;
    }
    command.event = {
        .type = Record::update_accepted, .name = it->name, .payload = it->arguments, .text = command.update_id};
    state_.accepted.insert(command.update_id);
}

void Reader::complete_update(ProgramCommand &command) {
    command.update_id = text("update_id");
    if (state_.accepted.erase(command.update_id) == 0)
        fail(path_of("update_id"), "must be that of an update that was accepted and is not completed");
    if (has("result") == has("failure"))
        fail(path_, "must have a result or a failure");
    command.event = {.type = Record::update_completed,
                     .hash = hash64("update", command.update_id),
                     .payload = has("failure") ? outcome_of_failure(failure("failure"))
                                               : outcome_of_result(payload("result", "")),
                     .text = command.update_id};
}

} // namespace

std::vector<ProgramCommand> read_program_answer(std::string_view json, ProgramState state, const ProgramRules &rules) {
    if (json.size() > kMaxProgramAnswer)
        throw Error(sqlstate::limit_exceeded, kMessage,
                    fmt::format("$: must have at most {} bytes.", kMaxProgramAnswer));
    return Reader(std::move(state), rules).read(json);
}

} // namespace hc::core
