// See retry_policy.hpp. Pure.
#include "core/retry_policy.hpp"

#include "core/duration.hpp"
#include "core/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace hc::core {

namespace {

constexpr std::size_t kMaxBytes = 16'384;
constexpr std::size_t kMaxDepth = 4;
constexpr std::size_t kMaxNonRetryable = 100;
constexpr std::size_t kMaxNameBytes = 200;
constexpr Duration kLongestInterval = std::chrono::days(36'500);
constexpr double kMaxCoefficient = 1e6;
constexpr std::size_t kSqlstate = 5;
constexpr std::size_t kSqlstateClass = 2;
constexpr double kNoJitter = 0.5;

constexpr std::array<std::string_view, 5> kKeys{"initial_interval", "coefficient", "max_interval", "max_attempts",
                                                "non_retryable"};

} // namespace

RetryPolicy default_retry_policy() {
    RetryPolicy policy;
    policy.maximum_attempts = 0;
    policy.jitter = 0;
    return policy;
}

RetryPolicy read_retry_policy(const JsonNode &node) {
    constexpr std::int64_t kAny = std::numeric_limits<std::int32_t>::max();
    const JsonObject object(node, kKeys);
    RetryPolicy policy = default_retry_policy();
    const auto attempts = object.find("max_attempts");
    if (attempts)
        policy.maximum_attempts = static_cast<std::int32_t>(attempts->integer(-kAny, kAny));
    if (policy.maximum_attempts == 1)
        return policy;
    if (const auto n = object.find("initial_interval"))
        policy.initial_interval = n->duration(Duration::zero(), kLongestInterval);
    if (const auto n = object.find("coefficient"))
        policy.backoff_coefficient = n->number(1, kMaxCoefficient);
    if (const auto n = object.find("max_interval")) {
        policy.maximum_interval = n->duration(Duration::zero(), kLongestInterval);
        if (policy.maximum_interval != Duration::zero() && policy.maximum_interval < policy.initial_interval)
            n->fail("must not be less than initial_interval", "Leave it out for 100 times initial_interval.");
    }
    if (policy.maximum_attempts < 0)
        attempts->fail("must not be negative", "0 is no limit.");
    if (const auto n = object.find("non_retryable"); n && !(n->value().is_array() && n->value().empty()))
        policy.non_retryable = n->distinct_texts(kMaxNonRetryable, kMaxNameBytes);
    if (const auto reason = validate(policy)) // what is left is a misspelt timeout
        object.find("non_retryable")
            ->fail("has an " + reason->substr(0, reason->rfind(" in ")),
                   "A name that begins with \"TemporalTimeout:\" ends in StartToClose, ScheduleToStart, "
                   "ScheduleToClose or Heartbeat.");
    return policy;
}

RetryPolicy parse_retry_policy(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid retry policy", kMaxBytes, kMaxDepth};
    const nlohmann::json document = parse_json_document(json, kRules);
    return read_retry_policy(JsonNode(document, "$", kRules.message));
}

std::string retry_policy_json(const RetryPolicy &policy) {
    nlohmann::ordered_json json{{"initial_interval", format_duration(policy.initial_interval)},
                                {"coefficient", policy.backoff_coefficient},
                                {"max_interval", format_duration(policy.maximum_interval)},
                                {"max_attempts", policy.maximum_attempts}};
    if (!policy.non_retryable.empty())
        json["non_retryable"] = policy.non_retryable;
    return json.dump();
}

bool is_non_retryable(const RetryPolicy &policy, const RetryFailure &failure) {
    const auto matches = [&failure](const std::string &listed) {
        return (!failure.type.empty() && listed == failure.type) ||
               (failure.sqlstate.size() == kSqlstate &&
                (listed == failure.sqlstate || listed == failure.sqlstate.substr(0, kSqlstateClass)));
    };
    return failure.non_retryable || std::any_of(policy.non_retryable.begin(), policy.non_retryable.end(), matches);
}

NextRetry decide_retry(RetriedThing thing, const RetryPolicy *policy, const RetryFailure &failure, std::int32_t attempt,
                       Time now, std::optional<Time> expires) {
    if (policy == nullptr)
        return {.state = RetryState::retry_policy_not_set, .interval = {}};
    if (is_non_retryable(*policy, failure))
        return {.state = RetryState::non_retryable_failure, .interval = {}};
    std::optional<Duration> delay = failure.next_retry_delay;
    if (delay && thing == RetriedThing::workflow)
        delay = std::min(*delay, maximum_interval(*policy));
    return next_retry(*policy, attempt, now, expires, delay, kNoJitter);
}

std::string_view to_string(RetryState state) {
    switch (state) {
    case RetryState::in_progress:
        return "InProgress";
    case RetryState::maximum_attempts_reached:
        return "MaximumAttemptsReached";
    case RetryState::timeout:
        return "Timeout";
    case RetryState::non_retryable_failure:
        return "NonRetryableFailure";
    case RetryState::retry_policy_not_set:
        return "RetryPolicyNotSet";
    case RetryState::cancel_requested:
        return "CancelRequested";
    }
    return "";
}

} // namespace hc::core
