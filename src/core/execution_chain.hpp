// What the runs of one execution have in common: a run that continues as new, or is retried, hands it to the next. It
// stands in the started event; a run that has nothing of it stores nothing.
#pragma once

#include "core/execution_events.hpp"
#include "core/id.hpp"
#include "core/retry_policy.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

struct ExecutionChain {
    std::int32_t attempt = 1;                    // of the retry
    std::string first_execution_id{};            // empty: it is the first
    std::optional<Duration> execution_timeout{}; // of the whole chain, as the start gave it; not stored
    std::optional<Time> expires{};               // that is, until then
    std::optional<Duration> run_timeout{};       // as the start gave it; without, that of the type
    std::optional<RetryPolicy> retry{};          // likewise

    // Of the run after this one, whose id is `id`.
    ExecutionChain next(std::string_view id, std::int32_t next_attempt) const;
};
std::string chain_json(const ExecutionChain &chain); // empty: there is nothing to store
ExecutionChain chain_of(const ExecutionEvent &started);

// Whether this close has another run after it, which stands for the execution from then on.
bool has_next_run(const ExecutionEvent &close);
std::optional<WorkflowId> next_run_of(const ExecutionEvent &close);

// The run that ends like this, is it retried? retry_policy_not_set for ends that never are. An execution whose cancel
// was requested ends.
NextRetry retry_of_run(const ExecutionEvent &end, const RetryPolicy *policy, const ExecutionChain &chain,
                       bool cancel_requested, Time now);

} // namespace hc::core
