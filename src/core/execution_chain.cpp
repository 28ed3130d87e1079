// See execution_chain.hpp. Pure.
#include "core/execution_chain.hpp"

#include "core/duration.hpp"
#include "core/history.hpp"
#include "core/workflow_failure.hpp"

#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

using Type = ExecutionEventType;

// What a policy names to have no run tried again that has run out of time.
constexpr std::string_view kRunTimeout = "TemporalTimeout:StartToClose";

std::string text_of(const nlohmann::json &json, const char *key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
}

} // namespace

ExecutionChain ExecutionChain::next(std::string_view id, std::int32_t next_attempt) const {
    ExecutionChain chain = *this;
    chain.attempt = next_attempt;
    if (chain.first_execution_id.empty())
        chain.first_execution_id = id;
    return chain;
}

std::string chain_json(const ExecutionChain &chain) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    if (chain.attempt != 1)
        json["attempt"] = chain.attempt;
    if (!chain.first_execution_id.empty())
        json["first_execution_id"] = chain.first_execution_id;
    if (chain.expires)
        json["expires_at"] = format_iso8601(*chain.expires);
    if (chain.run_timeout)
        json["run_timeout"] = format_duration(*chain.run_timeout);
    if (chain.retry)
        json["retry"] = nlohmann::ordered_json::parse(retry_policy_json(*chain.retry));
    return json.empty() ? std::string() : json.dump();
}

ExecutionChain chain_of(const ExecutionEvent &started) {
    ExecutionChain chain;
    if (started.payload.empty())
        return chain;
    const nlohmann::json json = nlohmann::json::parse(started.payload, nullptr, false);
    if (!json.is_object())
        return chain;
    if (json.contains("attempt") && json["attempt"].is_number_integer())
        chain.attempt = json["attempt"].get<std::int32_t>();
    chain.first_execution_id = text_of(json, "first_execution_id");
    chain.expires = parse_iso8601(text_of(json, "expires_at"));
    chain.run_timeout = parse_duration(text_of(json, "run_timeout"));
    if (json.contains("retry"))
        chain.retry = parse_retry_policy(json["retry"].dump());
    return chain;
}

bool has_next_run(const ExecutionEvent &close) {
    return close.type == Type::workflow_execution_continued_as_new ||
           ((close.type == Type::workflow_execution_failed || close.type == Type::workflow_execution_timed_out) &&
            !close.text.empty());
}

std::optional<WorkflowId> next_run_of(const ExecutionEvent &close) {
    return has_next_run(close) ? parse_workflow_id(close.text) : std::nullopt;
}

NextRetry retry_of_run(const ExecutionEvent &end, const RetryPolicy *policy, const ExecutionChain &chain,
                       bool cancel_requested, Time now) {
    const bool failed = end.type == Type::workflow_execution_failed;
    if (policy == nullptr || (!failed && end.type != Type::workflow_execution_timed_out))
        return {.state = RetryState::retry_policy_not_set, .interval = {}};
    if (cancel_requested)
        return {.state = RetryState::cancel_requested, .interval = {}};
    const WorkflowFailure why = failed ? parse_failure(end.payload) : WorkflowFailure{};
    RetryFailure failure;
    failure.sqlstate = why.sqlstate;
    if (!failed)
        failure.type = kRunTimeout;
    return decide_retry(RetriedThing::workflow, policy, failure, chain.attempt, now, chain.expires);
}

} // namespace hc::core
