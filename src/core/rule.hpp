// A cascade rule: the JSON document given to hermes.create_cascade_rule, parsed and validated.
//
//   { "steps": [ { "channel": "email",            required, [a-z0-9_-]{1,63}
//                  "providers": ["ses", "sg"],    optional: these providers in this order; default: all of the channel
//                  "choose": "position",          position (default) | least_cost | best_delivery: which of them first;
//                                                 but for position, "providers" is no order
//                  "success_on": "delivered",     accepted | sent | delivered (default) | read
//                  "timeout": "30s",              wait for the receipt, from the provider's answer; default 60s
//                  "dispatch_timeout": "5m",      optional: from the start of the step to the provider's answer
//                  "retry": { "initial_interval": "1s", "backoff_coefficient": 2, "maximum_interval": "100s",
//                             "maximum_attempts": 3, "jitter": 0.1, "non_retryable": ["reason"] },
//                  "on_ambiguous": "auto",        auto (default) | retry | wait_for_dlr | next_channel
//                  "on_unknown": "wait",          wait (default) | success | failure
//                  "revocable": false } ],        default true for channel "email", else false
//     "validity": "1h",                           optional: the whole cascade
//     "late_success": "complete",                 complete (default) | ignore
//     "late_failure": "notify",                   notify (default) | ignore
//     "priority": "transactional",                otp | transactional (default) | marketing; a start may say otherwise
//     "window": {"from": "08:00", "to": "20:00", "days": ["mon", "fri"], "outside": "hold"},   optional: see
//     SendWindow;
//                                                 a step may have one of its own, or false
//     "time_zone": "Europe/Berlin",               of the windows: a name, or {"path": "$.tz", "default": "UTC"}
//     "run_as": "reporting",                      optional: role that runs conditions of tenants that have none
//     "category": "newsletter",                   optional, [a-z0-9_-]{1,63}: what suppression and frequency tell apart
//     "frequency": {"max": 3, "per": "7d"},       optional: see Frequency
//     "max_cost": 0.20, "max_parts": 3,           optional: of all that the cascade sends; of a message over SMS
//     "webhook_events": ["message.delivered"] }   optional: default all outcomes; message.step_* only if named
//
// More keys of a step:
//     "condition": "message->>'plan' = 'gold'"    SQL expression, evaluated by an executor before the step; not true:
//                                                 the step is skipped
//     "condition_timeout": "1s"                   up to 30s; default hermes.condition_timeout
//     "address": "$.recipient.phone"              where the message has the address; default: see find_recipient
//     "skip_if": [{"path": "$.prefs.sms", "in": [false], "reason": "disabled"}]   see SkipCondition; up to 16
//     "max_parts": 3                              instead of the rule's, whatever the channel
//
// An element of steps may be several steps that run at once:
//     {"parallel": [ {step}, {step} ], "mode": "any"}   any (default): the first success ends the cascade and takes
//     back
//                                                 what has not left; all: each must succeed. When that can no longer
//                                                 be, and all of them are over, the next element starts.
// Steps are numbered through: the members of a parallel element count each.
//
// Durations are strings with units, or numbers of seconds. Unknown keys are errors. Limits: 1 to kMaxSteps steps,
// document at most kMaxRuleBytes, nesting at most kMaxRuleDepth, durations 1 ms to 365 days.
#pragma once

#include "core/gate_rules.hpp"
#include "core/money.hpp"
#include "core/receipt.hpp"
#include "core/retry.hpp"
#include "core/send_window.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxSteps = 32;
inline constexpr std::size_t kMaxRuleBytes = 64 * 1024;
inline constexpr std::size_t kMaxRuleDepth = 16;
inline constexpr std::size_t kMaxConditionBytes = 4096;

enum class Choose : std::uint8_t { position, least_cost, best_delivery };
enum class SuccessOn : std::uint8_t { accepted, sent, delivered, read };
enum class OnAmbiguous : std::uint8_t { automatic, retry, wait_for_dlr, next_channel };
enum class OnUnknown : std::uint8_t { wait, success, failure };
enum class LateSuccess : std::uint8_t { complete, ignore };
enum class LateFailure : std::uint8_t { notify, ignore };

// Class of a message at the claim: each provider has a queue of its own for each, so that a campaign never delays an
// OTP (M11). The order is that of the numbers in the history: 0 is the default.
enum class Priority : std::uint8_t { transactional, otp, marketing };
std::string_view to_string(Priority p);

enum class GroupMode : std::uint8_t { any, all };

struct Step {
    std::string channel;
    std::vector<std::string> providers; // empty: all enabled providers of the channel
    Choose choose = Choose::position;   // which of them is tried first
    SuccessOn success_on = SuccessOn::delivered;
    Duration timeout = std::chrono::seconds(60);
    std::optional<Duration> dispatch_timeout;
    RetryPolicy retry;
    OnAmbiguous on_ambiguous = OnAmbiguous::automatic;
    OnUnknown on_unknown = OnUnknown::wait;
    bool revocable = false;
    std::optional<SendWindow> window;
    std::string condition; // SQL; empty: none
    std::optional<Duration> condition_timeout;
    std::optional<JsonPath> address; // of the recipient in the message
    std::vector<SkipCondition> skip_if;
    std::optional<std::uint32_t> max_parts;
    bool joins = false;              // runs at once with the step before it: a further member of a "parallel" element
    GroupMode mode = GroupMode::any; // of its parallel element
};

struct Rule {
    std::vector<Step> steps;
    std::optional<Duration> validity;
    LateSuccess late_success = LateSuccess::complete;
    LateFailure late_failure = LateFailure::notify;
    Priority priority = Priority::transactional;
    std::optional<SendWindow> window; // of the steps that have none of their own
    std::string time_zone;            // of the windows; empty: UTC
    std::string time_zone_path;       // of the message's own; empty: it has none
    std::string run_as;               // empty: none
    std::string category;             // empty: none
    std::optional<Frequency> frequency;
    std::optional<Micros> max_cost;
    std::optional<std::uint32_t> max_parts;
    std::vector<std::string> webhook_events; // empty: all outcomes
};

// Whether a report of this type is wanted by a list of events: of a rule, or of an endpoint, which gets what the rule
// asks for.
bool report_wanted(const Rule &rule, std::string_view type);

// The steps that run at once with a step, itself included: [first, end).
struct Group {
    std::size_t first = 0, end = 0;
};
Group group_of(const Rule &rule, std::size_t step);

// Throws hc::Error (sqlstate 22023, or 54000 for a passed limit) whose detail starts with the JSON path, e.g.
// "$.steps[0].timeout: must be positive.", and whose hint names what is allowed.
Rule parse_rule(std::string_view json);

// Smallest rank that counts as success of a step.
int success_rank(SuccessOn s);

} // namespace hc::core
