// Cascade rules: parsing and validation; any process.
#include "core/rule.hpp"

#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/rule_words.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr Duration kMinDuration = std::chrono::milliseconds(1);
constexpr Duration kMaxDuration = std::chrono::days(365);
constexpr std::size_t kMaxProviders = 32;
constexpr std::size_t kMaxProviderNameBytes = 255;
constexpr std::size_t kMaxNonRetryable = 64;
constexpr std::size_t kMaxReasonTextBytes = 256;
constexpr std::int64_t kMaxRetryAttempts = 100;
constexpr double kMaxCoefficient = 1000;

constexpr JsonDocumentRules kDocument{"invalid cascade rule", kMaxRuleBytes, kMaxRuleDepth};

constexpr std::size_t kMaxZoneBytes = 63;
constexpr Duration kMaxConditionTimeout = std::chrono::seconds(30);

constexpr std::int64_t kMaxCostOfCascade = 1'000'000;

constexpr std::array<std::string_view, 13> kRuleKeys{
    "steps",  "validity", "late_success", "late_failure", "priority",  "window",        "time_zone",
    "run_as", "category", "frequency",    "max_cost",     "max_parts", "webhook_events"};
constexpr std::array<std::string_view, 2> kGroupKeys{"parallel", "mode"};
constexpr std::array<std::string_view, 16> kStepKeys{"channel",           "providers",        "choose",  "success_on",
                                                     "timeout",           "dispatch_timeout", "retry",   "on_ambiguous",
                                                     "on_unknown",        "revocable",        "window",  "condition",
                                                     "condition_timeout", "address",          "skip_if", "max_parts"};
constexpr std::array<std::string_view, 6> kRetryKeys{
    "initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts", "jitter", "non_retryable"};

constexpr std::array<JsonWord<Choose>, 3> kChoose{
    {{"position", Choose::position}, {"least_cost", Choose::least_cost}, {"best_delivery", Choose::best_delivery}}};
constexpr std::array<JsonWord<SuccessOn>, 4> kSuccessOn{{{"accepted", SuccessOn::accepted},
                                                         {"sent", SuccessOn::sent},
                                                         {"delivered", SuccessOn::delivered},
                                                         {"read", SuccessOn::read}}};
constexpr std::array<JsonWord<OnAmbiguous>, 4> kOnAmbiguous{{{"auto", OnAmbiguous::automatic},
                                                             {"retry", OnAmbiguous::retry},
                                                             {"wait_for_dlr", OnAmbiguous::wait_for_dlr},
                                                             {"next_channel", OnAmbiguous::next_channel}}};
constexpr std::array<JsonWord<OnUnknown>, 3> kOnUnknown{
    {{"wait", OnUnknown::wait}, {"success", OnUnknown::success}, {"failure", OnUnknown::failure}}};
constexpr std::array<JsonWord<LateSuccess>, 2> kLateSuccess{
    {{"complete", LateSuccess::complete}, {"ignore", LateSuccess::ignore}}};
constexpr std::array<JsonWord<LateFailure>, 2> kLateFailure{
    {{"notify", LateFailure::notify}, {"ignore", LateFailure::ignore}}};

constexpr std::array<JsonWord<GroupMode>, 2> kGroupMode{{{"any", GroupMode::any}, {"all", GroupMode::all}}};

RetryPolicy read_retry(const JsonNode &node) {
    const JsonObject object(node, kRetryKeys);
    RetryPolicy policy;
    if (auto n = object.find("initial_interval"))
        policy.initial_interval = n->duration(kMinDuration, kMaxDuration);
    if (auto n = object.find("backoff_coefficient"))
        policy.backoff_coefficient = n->number(1, kMaxCoefficient);
    if (auto n = object.find("maximum_interval"))
        policy.maximum_interval = n->duration(kMinDuration, kMaxDuration);
    if (auto n = object.find("maximum_attempts"))
        policy.maximum_attempts = static_cast<std::int32_t>(n->integer(0, kMaxRetryAttempts));
    if (auto n = object.find("jitter"))
        policy.jitter = n->number(0, 1);
    if (auto n = object.find("non_retryable"))
        policy.non_retryable = n->distinct_texts(kMaxNonRetryable, kMaxReasonTextBytes);
    if (const auto reason = validate(policy))
        node.fail(*reason,
                  "maximum_interval must not be below initial_interval, and a \"TemporalTimeout:\" reason must end in "
                  "StartToClose, ScheduleToStart, ScheduleToClose or Heartbeat.");
    return policy;
}

// `false` takes away the window of the rule.
std::optional<SendWindow> read_window(const JsonNode &node, bool may_be_false) {
    if (may_be_false && node.value().is_boolean() && !node.boolean())
        return std::nullopt;
    return read_send_window(node);
}

Step read_step(const JsonNode &node, const Rule &rule) {
    const JsonObject object(node, kStepKeys);
    Step step;
    step.window = rule.window;
    step.channel = object.require("channel").name();
    step.revocable = step.channel == "email";
    if (auto n = object.find("providers"))
        step.providers = n->distinct_texts(kMaxProviders, kMaxProviderNameBytes);
    if (auto n = object.find("choose"))
        step.choose = n->word(kChoose);
    if (auto n = object.find("success_on"))
        step.success_on = n->word(kSuccessOn);
    if (auto n = object.find("timeout"))
        step.timeout = n->duration(kMinDuration, kMaxDuration);
    if (auto n = object.find("dispatch_timeout"))
        step.dispatch_timeout = n->duration(kMinDuration, kMaxDuration);
    if (auto n = object.find("retry"))
        step.retry = read_retry(*n);
    if (auto n = object.find("on_ambiguous"))
        step.on_ambiguous = n->word(kOnAmbiguous);
    if (auto n = object.find("on_unknown"))
        step.on_unknown = n->word(kOnUnknown);
    if (auto n = object.find("revocable"))
        step.revocable = n->boolean();
    if (auto n = object.find("window"))
        step.window = read_window(*n, true);
    if (auto n = object.find("condition"))
        step.condition = n->text(kMaxConditionBytes);
    if (auto n = object.find("condition_timeout"))
        step.condition_timeout = n->duration(kMinDuration, kMaxConditionTimeout);
    if (auto n = object.find("address"))
        step.address = read_message_path(*n);
    if (auto n = object.find("skip_if"))
        step.skip_if = read_skip_conditions(*n);
    if (auto n = object.find("max_parts"))
        step.max_parts = read_max_parts(*n);
    return step;
}

// An element of "steps": a step, or several that run at once.
void read_element(const JsonNode &node, Rule &rule) {
    const std::size_t first = rule.steps.size();
    GroupMode mode = GroupMode::any;
    if (node.value().is_object() && node.value().contains("parallel")) {
        const JsonObject object(node, kGroupKeys);
        for (const JsonNode &step : object.require("parallel").items(kMaxSteps))
            rule.steps.push_back(read_step(step, rule));
        if (auto n = object.find("mode"))
            mode = n->word(kGroupMode);
    } else {
        rule.steps.push_back(read_step(node, rule));
    }
    if (rule.steps.size() > kMaxSteps)
        node.fail_limit(fmt::format("is step {} or more", kMaxSteps + 1),
                        fmt::format("At most {} steps are allowed, those of parallel elements counted.", kMaxSteps));
    for (std::size_t i = first; i < rule.steps.size(); ++i) {
        rule.steps[i].joins = i > first;
        rule.steps[i].mode = mode;
    }
}

void read_gates(const JsonObject &object, Rule &rule) {
    if (auto n = object.find("category"))
        rule.category = n->name();
    if (auto n = object.find("frequency"))
        rule.frequency = read_frequency(*n);
    if (auto n = object.find("max_cost"))
        rule.max_cost = read_amount(*n, kMaxCostOfCascade);
    if (auto n = object.find("max_parts"))
        rule.max_parts = read_max_parts(*n);
}

// A name, or where the message has one.
void read_time_zone(const JsonNode &node, Rule &rule) {
    static constexpr std::array<std::string_view, 2> kKeys{"path", "default"};
    if (!node.value().is_object()) {
        rule.time_zone = node.text(kMaxZoneBytes);
        return;
    }
    const JsonObject object(node, kKeys);
    const JsonNode path = object.require("path");
    rule.time_zone_path = path.text(kMaxJsonPathBytes);
    if (!parse_json_path(rule.time_zone_path))
        path.fail("is not a JSON path", "Write a path such as \"$.recipient.time_zone\".");
    if (auto n = object.find("default"))
        rule.time_zone = n->text(kMaxZoneBytes);
}

} // namespace

Rule parse_rule(std::string_view json) {
    const nlohmann::json document = parse_json_document(json, kDocument);
    const JsonObject object(JsonNode(document, "$", kDocument.message), kRuleKeys);
    Rule rule;
    if (auto n = object.find("window"))
        rule.window = read_window(*n, false);
    for (const JsonNode &element : object.require("steps").items(kMaxSteps))
        read_element(element, rule);
    if (auto n = object.find("time_zone"))
        read_time_zone(*n, rule);
    if (auto n = object.find("run_as"))
        rule.run_as = n->text(kMaxZoneBytes);
    read_gates(object, rule);
    if (auto n = object.find("validity"))
        rule.validity = n->duration(kMinDuration, kMaxDuration);
    if (auto n = object.find("late_success"))
        rule.late_success = n->word(kLateSuccess);
    if (auto n = object.find("late_failure"))
        rule.late_failure = n->word(kLateFailure);
    if (auto n = object.find("priority"))
        rule.priority = n->word(kPriorityWords);
    if (auto n = object.find("webhook_events"))
        rule.webhook_events = read_webhook_events(*n);
    return rule;
}

bool report_wanted(const Rule &rule, std::string_view type) {
    if (rule.webhook_events.empty())
        return !type.starts_with("message.step_");
    return std::find(rule.webhook_events.begin(), rule.webhook_events.end(), type) != rule.webhook_events.end();
}

Group group_of(const Rule &rule, std::size_t step) {
    Group group{step, step + 1};
    while (group.first > 0 && rule.steps[group.first].joins)
        --group.first;
    while (group.end < rule.steps.size() && rule.steps[group.end].joins)
        ++group.end;
    return group;
}

std::string_view to_string(Priority p) {
    for (const JsonWord<Priority> &word : kPriorityWords) {
        if (word.value == p)
            return word.word;
    }
    return {};
}

int success_rank(SuccessOn s) {
    switch (s) {
    case SuccessOn::accepted:
        return rank(ReceiptState::accepted);
    case SuccessOn::sent:
        return rank(ReceiptState::sent);
    case SuccessOn::delivered:
        return rank(ReceiptState::delivered);
    case SuccessOn::read:
        return rank(ReceiptState::read);
    }
    return rank(ReceiptState::read);
}

} // namespace hc::core
