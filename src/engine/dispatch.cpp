// Claiming. See dispatch.hpp; recording is in record.cpp. Runs in dispatchers.
#include "engine/dispatch.hpp"

#include "core/cascade.hpp"
#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/provider_health.hpp"
#include "pg/fairness.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/executions.hpp"

#include <algorithm>
#include <unordered_map>

namespace hc::engine {

namespace {

using core::WorkflowId;

core::SandboxStep refused(std::uint16_t attempt, std::uint32_t task, const std::string &reason) {
    core::SandboxStep step;
    step.answer.attempt = attempt;
    step.answer.task = task;
    step.answer.verdict = core::SendVerdict::next_provider;
    step.answer.kind = core::FailureKind::config;
    step.answer.reason = reason;
    return step;
}

core::TemplateValues template_values(const store::SendRow &row, const RuleVersion &rule,
                                     const core::AttemptState &attempt, const Provider &provider) {
    core::TemplateValues values;
    values.message_json = row.message.text;
    values.cascade_id = core::to_string(row.id);
    values.cascade_key = row.key.value_or("");
    values.tenant = row.tenant.value_or("");
    values.attempt = attempt.number;
    values.step = attempt.step;
    values.channel = rule.rule.steps.at(attempt.step).channel;
    values.provider_name = provider.name;
    values.secret = [](std::string_view name) { return definitions().secret(std::string(name)); };
    return values;
}

std::uint32_t nth_at_provider(const core::State &state, const core::AttemptState &attempt) {
    return static_cast<std::uint32_t>(
        std::count_if(state.attempts.begin(), state.attempts.end(), [&](const core::AttemptState &a) {
            return a.provider == attempt.provider && a.number <= attempt.number;
        }));
}

// Fills the request, or the answer that needs none.
void prepare(Send &send, const store::ClaimedTask &task, const store::SendRow &row) {
    Definitions &defs = definitions();
    const auto number = static_cast<std::uint32_t>(task.number);
    const Provider *provider = defs.provider(task.target);
    if (provider == nullptr || provider->config == nullptr) {
        send.immediate = refused(send.attempt, number, "provider is not available");
        return;
    }
    try {
        const core::State state = core::replay(core::decode_events(row.history.data));
        const auto attempt = std::find_if(state.attempts.begin(), state.attempts.end(),
                                          [&](const core::AttemptState &a) { return a.number == send.attempt; });
        if (attempt == state.attempts.end() || attempt->task != number) { // the cascade has gone on without it
            send.immediate = refused(send.attempt, number, "attempt is not waited for");
            return;
        }
        send.leaves = true;
        send.config = provider->config;
        if (provider->config->kind == core::ProviderKind::sandbox) {
            send.immediate = core::sandbox_step(*provider->config, row.message.text, nth_at_provider(state, *attempt));
            send.immediate.answer.attempt = send.attempt;
            send.immediate.answer.task = number;
            if (send.immediate.answer.provider_message_id.empty()) {
                send.immediate.answer.provider_message_id = "sandbox-" + core::attempt_reference(row.id, send.attempt);
            }
            return;
        }
        send.request = provider->request->render(template_values(row, defs.rule(row.rule_id), *attempt, *provider));
        if (!send.config->has_response && !send.config->receipts.connector.empty()) {
            send.connector = defs.connector_of(*provider);
        }
    } catch (const Error &e) { // recording the refusal of a cascade that does not decode fails, and buries the task
        send.leaves = false;
        send.immediate = refused(send.attempt, number, e.detail().empty() ? e.message() : e.detail());
    }
}

void set_resume(Claim &claim, const ClaimRequest &request, std::size_t claimed, core::Time last_due) {
    claim.more = claimed >= static_cast<std::size_t>(request.limit);
    claim.resume = claim.more ? std::optional<core::Time>(last_due)
                              : store::next_due(request.queue, request.from, {request.live, request.newest});
}

core::Time last_due_of(const std::vector<store::ClaimedTask> &tasks, core::Time from) {
    // the smallest due time still unclaimed is not below the smallest one of a full batch
    core::Time low = tasks.empty() ? from : tasks.front().due;
    for (const store::ClaimedTask &task : tasks) {
        low = std::min(low, task.due);
    }
    return low;
}

// Whether a send of a provider that is out has somewhere else to go; what does not decode goes its way to the grave.
bool has_alternative(const store::ClaimedTask &task, const store::SendRow &row) {
    try {
        const core::State state = core::replay(core::decode_events(row.history.data));
        return core::has_alternative(definitions().rule(row.rule_id).program, state, task.target,
                                     unavailable_providers());
    } catch (const Error &) {
        return true;
    }
}

bool poison(const store::ClaimedTask &task) { return task.claims > pg::guc::max_claims; }

} // namespace

Claim claim_sends(const ClaimRequest &request) {
    Claim claim;
    const std::vector<store::ClaimedTask> tasks = store::claim_due(
        request.queue, request.from, request.now, {request.live, request.newest}, request.owner, request.limit);
    std::vector<WorkflowId> ids;
    core::Time served{};
    for (const store::ClaimedTask &task : tasks) {
        ids.push_back(task.workflow_id);
        served = std::max(served, task.due);
    }
    if (!tasks.empty() && pg::lane_of_queue(request.queue) != pg::Lane::delayed) {
        pg::fair_served(request.queue, served);
    }
    std::unordered_map<WorkflowId, store::SendRow> rows;
    if (!ids.empty()) {
        for (store::SendRow &row : store::read_for_send(ids)) {
            const WorkflowId id = row.id;
            rows.emplace(id, std::move(row));
        }
    }
    std::vector<store::TaskKey> waiting;
    for (const store::ClaimedTask &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        const auto row = rows.find(task.workflow_id);
        if (poison(task) || row == rows.end()) {
            claim.burials.push_back(
                {key, row == rows.end() ? "cascade does not exist" : "claimed too often without an answer"});
            continue;
        }
        if (request.open_until && !has_alternative(task, row->second)) {
            waiting.push_back(key);
            continue;
        }
        Send send;
        send.key = key;
        send.queue = request.queue;
        send.provider = task.target;
        send.attempt = static_cast<std::uint16_t>(task.attempt);
        if (request.open_until) {
            send.immediate = refused(send.attempt, static_cast<std::uint32_t>(task.number), "provider_unavailable");
        } else {
            prepare(send, task, row->second);
        }
        claim.sends.push_back(std::move(send));
    }
    store::release_tasks(waiting, request.open_until.value_or(request.now));
    pg::count(pg::Count::sends_claimed, static_cast<std::uint32_t>(tasks.size()));
    set_resume(claim, request, tasks.size(), last_due_of(tasks, request.from));
    return claim;
}

} // namespace hc::engine
