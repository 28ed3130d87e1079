// Cascade rules: parsing and validation; any process.
#include "core/rule.hpp"

#include "core/error.hpp"
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

constexpr std::array<std::string_view, 6> kRuleKeys{"steps",        "validity", "late_success",
                                                    "late_failure", "priority", "webhook_events"};
constexpr std::array<std::string_view, 9> kStepKeys{"channel",      "providers",        "success_on",
                                                    "timeout",      "dispatch_timeout", "retry",
                                                    "on_ambiguous", "on_unknown",       "revocable"};
constexpr std::array<std::string_view, 6> kRetryKeys{
    "initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts", "jitter", "non_retryable"};

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

Step read_step(const JsonNode &node) {
    const JsonObject object(node, kStepKeys);
    Step step;
    step.channel = object.require("channel").name();
    step.revocable = step.channel == "email";
    if (auto n = object.find("providers"))
        step.providers = n->distinct_texts(kMaxProviders, kMaxProviderNameBytes);
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
    return step;
}

} // namespace

Rule parse_rule(std::string_view json) {
    const nlohmann::json document = parse_json_document(json, kDocument);
    const JsonObject object(JsonNode(document, "$", kDocument.message), kRuleKeys);
    Rule rule;
    for (const JsonNode &step : object.require("steps").items(kMaxSteps))
        rule.steps.push_back(read_step(step));
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
