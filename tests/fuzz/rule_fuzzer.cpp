// Fuzzes the rule parser. Whatever the bytes, it accepts or throws hc::Error; a rule it accepts keeps the documented
// limits and survives being written out and read again.
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/rule.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>

namespace {

using namespace hc::core;

void require(bool condition) {
    if (!condition)
        std::abort();
}

const char *word(Choose v) {
    constexpr const char *kWords[] = {"position", "least_cost", "best_delivery"};
    return kWords[static_cast<int>(v)];
}

const char *word(SuccessOn v) {
    constexpr const char *kWords[] = {"accepted", "sent", "delivered", "read"};
    return kWords[static_cast<int>(v)];
}

const char *word(OnAmbiguous v) {
    constexpr const char *kWords[] = {"auto", "retry", "wait_for_dlr", "next_channel"};
    return kWords[static_cast<int>(v)];
}

const char *word(OnUnknown v) {
    constexpr const char *kWords[] = {"wait", "success", "failure"};
    return kWords[static_cast<int>(v)];
}

nlohmann::json retry_json(const RetryPolicy &retry) {
    nlohmann::json json{{"initial_interval", format_duration(retry.initial_interval)},
                        {"backoff_coefficient", retry.backoff_coefficient},
                        {"maximum_attempts", retry.maximum_attempts},
                        {"jitter", retry.jitter}};
    if (retry.maximum_interval != Duration::zero())
        json["maximum_interval"] = format_duration(retry.maximum_interval);
    if (!retry.non_retryable.empty())
        json["non_retryable"] = retry.non_retryable;
    return json;
}

nlohmann::json step_json(const Step &step) {
    nlohmann::json json{{"channel", step.channel},
                        {"choose", word(step.choose)},
                        {"success_on", word(step.success_on)},
                        {"timeout", format_duration(step.timeout)},
                        {"retry", retry_json(step.retry)},
                        {"on_ambiguous", word(step.on_ambiguous)},
                        {"on_unknown", word(step.on_unknown)},
                        {"revocable", step.revocable}};
    if (!step.providers.empty())
        json["providers"] = step.providers;
    if (step.dispatch_timeout)
        json["dispatch_timeout"] = format_duration(*step.dispatch_timeout);
    return json;
}

std::string write(const Rule &rule) {
    nlohmann::json json{{"late_success", rule.late_success == LateSuccess::complete ? "complete" : "ignore"},
                        {"late_failure", rule.late_failure == LateFailure::notify ? "notify" : "ignore"}};
    for (const Step &step : rule.steps)
        json["steps"].push_back(step_json(step));
    if (rule.validity)
        json["validity"] = format_duration(*rule.validity);
    if (!rule.webhook_events.empty())
        json["webhook_events"] = rule.webhook_events;
    return json.dump();
}

void check_limits(const Rule &rule) {
    require(!rule.steps.empty() && rule.steps.size() <= kMaxSteps);
    for (const Step &step : rule.steps) {
        require(!step.channel.empty() && step.channel.size() <= 63);
        require(step.timeout >= std::chrono::milliseconds(1) && step.timeout <= std::chrono::days(365));
        require(!validate(step.retry) && step.retry.maximum_attempts <= 100);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    Rule rule;
    try {
        rule = parse_rule(input);
    } catch (const hc::Error &e) {
        require(e.message() == "invalid cascade rule" && e.detail().starts_with('$') && !e.hint().empty());
        require(std::strcmp(e.sqlstate(), "22023") == 0 || std::strcmp(e.sqlstate(), "54000") == 0);
        return 0;
    }
    check_limits(rule);
    const std::string written = write(rule);
    if (written.size() <= kMaxRuleBytes) // the written form names every default and may be longer
        require(write(parse_rule(written)) == written);
    return 0;
}
