// See schedule_options.hpp. Pure.
#include "core/schedule_options.hpp"

#include "core/error.hpp"
#include "core/json_reader.hpp"
#include "core/schedule_spec.hpp"
#include "core/start_options.hpp"
#include "core/workflow_options.hpp"

#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

constexpr std::size_t kMaxName = 200;
constexpr std::size_t kMaxNote = 1000;
constexpr std::size_t kMaxActionBytes = 64UL * 1024 * 1024; // hermes.max_message_size is checked before
constexpr std::size_t kMaxActionDepth = 100;
constexpr Duration kShortestWindow = std::chrono::seconds(10);
constexpr const char *kInvalidAction = "invalid schedule action";

constexpr std::array<JsonWord<Overlap>, 6> kOverlaps{{{"skip", Overlap::skip},
                                                      {"buffer_one", Overlap::buffer_one},
                                                      {"buffer_all", Overlap::buffer_all},
                                                      {"cancel_other", Overlap::cancel_other},
                                                      {"terminate_other", Overlap::terminate_other},
                                                      {"allow_all", Overlap::allow_all}}};

// The options of a start: only these keys, and what the start itself would refuse.
std::string read_options(const JsonNode &node, std::span<const std::string_view> keys) {
    const JsonObject object(node, keys);
    return node.value().dump();
}

ScheduleAction read_workflow(const JsonNode &node) {
    static constexpr std::array<std::string_view, 4> kKeys{"type", "input", "workflow_id", "options"};
    static constexpr std::array<std::string_view, 2> kOptions{"start_delay", "run_timeout"};
    const JsonObject object(node, kKeys);
    ScheduleAction action{.kind = ActionKind::workflow, .target = object.require("type").text(kMaxName), .name = {}};
    if (const auto id = object.find("workflow_id"))
        action.name = id->text(kMaxName);
    if (const auto options = object.find("options")) {
        action.options_json = read_options(*options, kOptions);
        (void)parse_workflow_start_options(action.options_json);
    }
    return action;
}

ScheduleAction read_cascade(const JsonNode &node) {
    static constexpr std::array<std::string_view, 4> kKeys{"rule", "message", "key", "options"};
    static constexpr std::array<std::string_view, 1> kOptions{"priority"};
    const JsonObject object(node, kKeys);
    ScheduleAction action{.kind = ActionKind::cascade, .target = object.require("rule").text(kMaxName), .name = {}};
    if (const JsonNode message = object.require("message"); !message.value().is_object())
        message.fail_type("an object", "Example: {\"to\": \"+15550100\", \"text\": \"hello\"}.");
    if (const auto key = object.find("key"))
        action.name = key->text(kMaxName);
    if (const auto options = object.find("options")) {
        action.options_json = read_options(*options, kOptions);
        (void)parse_start_options(action.options_json, Time{});
    }
    return action;
}

} // namespace

ScheduleAction parse_schedule_action(std::string_view json) {
    static constexpr JsonDocumentRules kRules{kInvalidAction, kMaxActionBytes, kMaxActionDepth};
    static constexpr std::array<std::string_view, 2> kKeys{"start_workflow", "start_cascade"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonNode root(document, "$", kRules.message);
    const JsonObject object(root, kKeys);
    const auto workflow = object.find("start_workflow");
    const auto cascade = object.find("start_cascade");
    if (workflow.has_value() == cascade.has_value())
        root.fail("must have one action", "Give it either start_workflow or start_cascade.");
    return workflow ? read_workflow(*workflow) : read_cascade(*cascade);
}

ScheduleOptions parse_schedule_options(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid schedule options", 8192, 3};
    static constexpr std::array<std::string_view, 6> kKeys{"overlap",           "catchup_window", "pause_on_failure",
                                                           "remaining_actions", "paused",         "note"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    ScheduleOptions options;
    if (const auto overlap = object.find("overlap"))
        options.overlap = overlap->word(kOverlaps);
    if (const auto window = object.find("catchup_window"))
        options.catchup_window = window->duration(kShortestWindow, kLongestWait);
    if (const auto pause = object.find("pause_on_failure"))
        options.pause_on_failure = pause->boolean();
    if (const auto remaining = object.find("remaining_actions")) {
        options.limits_actions = true;
        if (!remaining->value().is_null())
            options.remaining_actions = remaining->integer(0, 1'000'000'000);
    }
    if (const auto paused = object.find("paused"))
        options.paused = paused->boolean();
    if (const auto note = object.find("note"))
        options.note = note->text(kMaxNote);
    return options;
}

Overlap parse_overlap(std::string_view word) {
    const nlohmann::json value(word);
    return JsonNode(value, "overlap", "invalid overlap policy").word(kOverlaps);
}

std::string_view to_string(Overlap overlap) { return kOverlaps[static_cast<std::size_t>(overlap)].word; }

std::string name_of_start(std::string_view name, Time nominal) {
    return std::string(name) + '-' + format_rfc3339(nominal);
}

} // namespace hc::core
