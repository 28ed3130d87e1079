// See activity_sends.hpp.
#include "engine/activity_sends.hpp"

#include "core/activity_http.hpp"
#include "core/error.hpp"
#include "engine/activities.hpp"
#include "engine/definitions.hpp"
#include "pg/guc.hpp"
#include "store/activities.hpp"
#include "store/executors.hpp"

#include <algorithm>

namespace hc::engine {

namespace {

core::SandboxStep answer_without_request(core::SendVerdict verdict, const std::string &reason) {
    core::SandboxStep step;
    step.answer.verdict = verdict;
    step.answer.reason = reason;
    return step;
}

// The same for every attempt, so that a receiver knows a repetition: {{attempt.id}} names execution and command.
core::TemplateValues template_values(const store::HttpActivityRow &row, const core::ActivityOptions &options,
                                     const Provider &provider) {
    core::TemplateValues values;
    values.message_json = row.input;
    values.cascade_id = core::to_string(row.execution_id);
    values.cascade_key = options.activity_id.empty() ? std::to_string(row.number) : options.activity_id;
    values.tenant = row.tenant.value_or("");
    values.attempt = static_cast<std::uint32_t>(row.number);
    values.step = static_cast<std::uint32_t>(row.attempt - 1);
    values.now = pg::now();
    values.channel = provider.channel;
    values.provider_name = provider.name;
    values.secret = [](std::string_view name) { return definitions().secret(std::string(name)); };
    return values;
}

void render(Send &send, const store::HttpActivityRow &row, const Provider &provider) {
    try {
        if (provider.config->kind == core::ProviderKind::sandbox) {
            send.immediate = core::sandbox_step(*provider.config, row.input, static_cast<std::uint32_t>(row.attempt));
        } else {
            const core::ActivityOptions options = core::parse_activity_options(row.options);
            send.longest = options.start_to_close.value_or(core::Duration::zero());
            send.request = provider.request->render(template_values(row, options, provider));
        }
        send.config = provider.config;
        send.leaves = true;
    } catch (const Error &e) { // for good: another attempt has the same input
        send.immediate =
            answer_without_request(core::SendVerdict::next_channel, e.detail().empty() ? e.message() : e.detail());
    }
}

} // namespace

void claim_activity_sends(const ClaimRequest &request, const std::vector<store::ClaimedTask> &tasks, Claim &claim,
                          std::vector<store::TaskKey> &waiting) {
    std::vector<store::TaskKey> keys;
    keys.reserve(tasks.size());
    for (const store::ClaimedTask &task : tasks) {
        keys.push_back({task.workflow_id, task.number});
    }
    const std::vector<store::HttpActivityRow> rows = store::read_activities(keys);
    std::vector<store::TaskKey> orphans;
    store::Requeues paused; // put aside until the provider is resumed
    for (const store::ClaimedTask &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        const auto row = std::find_if(rows.begin(), rows.end(), [&](const store::HttpActivityRow &r) {
            return r.execution_id == task.workflow_id && r.number == task.number;
        });
        if (row == rows.end()) {
            orphans.push_back(key);
            continue;
        }
        if (definitions().paused(task.target)) {
            paused.keys.push_back(key);
            paused.queues.push_back(-task.queue);
            paused.dues.push_back(task.due);
            continue;
        }
        if (request.open_until) {
            waiting.push_back(key);
            continue;
        }
        Send send;
        send.key = key;
        send.queue = request.queue;
        send.provider = task.target;
        send.activity = true;
        const Provider *provider = definitions().provider(task.target);
        if (provider == nullptr || provider->config == nullptr) {
            send.immediate = answer_without_request(core::SendVerdict::retry_same, "provider is not available");
        } else if (task.claims > pg::guc::max_claims) {
            send.immediate =
                answer_without_request(core::SendVerdict::ambiguous, "claimed too often without an answer");
        } else {
            render(send, *row, *provider);
        }
        claim.activities += send.leaves ? 1 : 0;
        claim.sends.push_back(std::move(send));
    }
    store::delete_tasks(orphans);
    store::requeue_tasks(paused, true);
}

std::vector<std::size_t> record_activities(const std::vector<RecordedSend> &answers) {
    std::vector<std::size_t> locked;
    const core::Time now = pg::now();
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const store::TaskKey &key = answers[i].key;
        std::optional<store::ActivityRow> row =
            store::lock_activity(key.workflow_id, key.number, store::LockWait::skip);
        if (!row) { // over meanwhile; or somebody has it in hand
            if (store::read_activities({key}).empty()) {
                store::delete_tasks({key});
            } else {
                locked.push_back(i);
            }
            continue;
        }
        row->started_at = answers[i].began;
        row->worker = "dispatcher";
        core::HttpActivityEnd end = core::end_of_http_activity(answers[i].answer, answers[i].http);
        AttemptResult result{};
        if (!end.failure) {
            result = complete_attempt(*row, end.result, store::LockWait::skip);
        } else {
            result = finish_attempt(
                *row,
                core::end_by_failure(core::parse_activity_options(row->options), activity_of(*row), *end.failure, now),
                store::LockWait::skip);
        }
        if (result == AttemptResult::execution_held) {
            locked.push_back(i);
        }
    }
    return locked;
}

} // namespace hc::engine
