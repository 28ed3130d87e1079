// Options of activities and their types. See activity.hpp. Pure.
#include "core/activity.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/json_reader.hpp"
#include "core/workflow_options.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxBytes = 16'384;
constexpr std::size_t kMaxDepth = 5;
constexpr std::size_t kMaxQueueName = 200;
constexpr std::int32_t kLastPriority = 5;
constexpr double kLeastWeight = 0.001;
constexpr double kMostWeight = 1000;
constexpr Duration kShortest = std::chrono::milliseconds(1);
constexpr Duration kMostGiven = std::chrono::days(3'650'000);

constexpr std::array<std::string_view, 13> kKeys{
    "schedule_to_start", "start_to_close", "schedule_to_close", "heartbeat",   "retry", "priority", "fairness_key",
    "fairness_weight",   "queue",          "cancellation",      "activity_id", "kind",  "provider"};
constexpr std::size_t kOfUpdate = 9;    // the first of them
constexpr std::size_t kOfType = 10;     // and kind, provider
constexpr std::size_t kOfActivity = 11; //

constexpr std::array<JsonWord<ActivityCancellation>, 3> kCancellations{
    {{"try_cancel", ActivityCancellation::try_cancel},
     {"wait", ActivityCancellation::wait},
     {"abandon", ActivityCancellation::abandon}}};

// Longer than the longest is the longest.
Duration timeout_of(const JsonNode &node) { return std::min(node.duration(kShortest, kMostGiven), kLongestWait); }

void read_timeout(const JsonObject &object, std::string_view key, std::optional<Duration> &timeout) {
    if (const auto node = object.find(key)) {
        timeout = node->value().is_null() ? std::nullopt : std::optional(timeout_of(*node));
    }
}

void read_options(const JsonObject &object, ActivityOptions &options) {
    read_timeout(object, "schedule_to_start", options.schedule_to_start);
    read_timeout(object, "start_to_close", options.start_to_close);
    read_timeout(object, "schedule_to_close", options.schedule_to_close);
    read_timeout(object, "heartbeat", options.heartbeat);
    if (const auto retry = object.find("retry"))
        options.retry = retry->value().is_null() ? default_retry_policy() : read_retry_policy(*retry);
    if (const auto priority = object.find("priority"))
        options.priority = static_cast<std::int32_t>(priority->integer(1, kLastPriority));
    if (const auto key = object.find("fairness_key"))
        options.fairness_key = key->text(kMaxFairnessKey);
    if (const auto weight = object.find("fairness_weight"))
        options.fairness_weight = weight->number(kLeastWeight, kMostWeight);
    if (const auto queue = object.find("queue"))
        options.queue = queue->text(kMaxQueueName);
    if (const auto cancellation = object.find("cancellation"))
        options.cancellation = cancellation->word(kCancellations);
    if (const auto id = object.find("activity_id"))
        options.activity_id = id->text(kMaxActivityId);
}

} // namespace

ActivityTypeOptions parse_activity_type(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid activity type", kMaxBytes, kMaxDepth};
    static constexpr std::array<JsonWord<ActivityKind>, 2> kKinds{
        {{"queue", ActivityKind::queue}, {"http", ActivityKind::http}}};
    static constexpr auto kTypeKeys = [] {
        std::array<std::string_view, kOfType + 2> keys{"kind", "provider"};
        std::copy_n(kKeys.begin(), kOfType, keys.begin() + 2);
        return keys;
    }();
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kTypeKeys);
    ActivityTypeOptions type;
    if (const auto kind = object.find("kind"))
        type.kind = kind->word(kKinds);
    read_options(object, type.defaults);
    const auto provider = object.find("provider");
    const bool http = type.kind == ActivityKind::http;
    if (http)
        type.provider = object.require("provider").name();
    else if (provider)
        provider->fail("is for activities of kind http", "Leave it out, or write \"kind\": \"http\".");
    if (const auto queue = object.find("queue"); http && queue)
        queue->fail("is for activities of kind queue", "Activities of kind http wait for their provider.");
    return type;
}

ActivityOptions parse_activity_options(std::string_view json, const ActivityTypeOptions &type) {
    ActivityOptions options = type.defaults;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid activity options", kMaxBytes, kMaxDepth};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), std::span(kKeys).first(kOfActivity));
    read_options(object, options);
    if (const auto queue = object.find("queue"); type.kind == ActivityKind::http && queue)
        queue->fail("is for activities of kind queue", "Activities of kind http wait for their provider.");
    return options;
}

ActivityOptions updated_options(const ActivityOptions &options, std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid activity options", kMaxBytes, kMaxDepth};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), std::span(kKeys).first(kOfUpdate));
    ActivityOptions updated = options;
    read_options(object, updated);
    return updated;
}

ActivityReset parse_activity_reset(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid reset options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 2> kResetKeys{"keep_paused", "reset_heartbeat"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kResetKeys);
    ActivityReset reset;
    if (const auto flag = object.find("keep_paused"))
        reset.keep_paused = flag->boolean();
    if (const auto flag = object.find("reset_heartbeat"))
        reset.drop_heartbeat = flag->boolean();
    return reset;
}

ActivityQueueOptions parse_activity_queue(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid queue options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 2> kQueueKeys{"rate", "burst"};
    constexpr double kMostRate = 1e6;
    constexpr std::int64_t kMostBurst = 1'000'000;
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kQueueKeys);
    ActivityQueueOptions options;
    if (const auto rate = object.find("rate"); rate && !rate->value().is_null())
        options.rate = rate->number(0, kMostRate);
    if (const auto burst = object.find("burst"); burst && !burst->value().is_null())
        options.burst = static_cast<std::int32_t>(burst->integer(1, kMostBurst));
    return options;
}

ActivityOptions normalized(ActivityOptions options, std::optional<Duration> run_timeout) {
    const auto cap = [](std::optional<Duration> &value, const std::optional<Duration> &most) {
        if (most)
            value = std::min(value.value_or(*most), *most);
    };
    if (!options.start_to_close && !options.schedule_to_close)
        throw Error(sqlstate::invalid_parameter, "invalid activity options",
                    "$ has neither start_to_close nor schedule_to_close.",
                    "Say how long one attempt may take, or all of them; for all activities of a type with "
                    "hermes.register_activity.");
    cap(options.schedule_to_close, run_timeout);
    cap(options.schedule_to_start, options.schedule_to_close);
    cap(options.start_to_close, options.schedule_to_close);
    if (options.heartbeat)
        cap(options.heartbeat, options.start_to_close);
    return options;
}

std::string activity_options_json(const ActivityOptions &options) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    const auto put = [&json](const char *key, const std::optional<Duration> &timeout) {
        if (timeout)
            json[key] = format_duration(*timeout);
    };
    put("schedule_to_start", options.schedule_to_start);
    put("start_to_close", options.start_to_close);
    put("schedule_to_close", options.schedule_to_close);
    put("heartbeat", options.heartbeat);
    json["retry"] = nlohmann::ordered_json::parse(retry_policy_json(options.retry));
    json["queue"] = options.queue;
    if (options.priority != kDefaultPriority)
        json["priority"] = options.priority;
    if (!options.fairness_key.empty())
        json["fairness_key"] = options.fairness_key;
    if (options.fairness_weight != 1.0)
        json["fairness_weight"] = options.fairness_weight;
    if (!options.activity_id.empty())
        json["activity_id"] = options.activity_id;
    if (options.cancellation != ActivityCancellation::try_cancel)
        json["cancellation"] = kCancellations[static_cast<std::size_t>(options.cancellation)].word;
    return json.dump();
}

} // namespace hc::core
