// Claiming. See dispatch.hpp; recording is in record.cpp. Runs in dispatchers.
#include "engine/dispatch.hpp"

#include "core/cascade.hpp"
#include "core/error.hpp"
#include "engine/activity_sends.hpp"
#include "engine/definitions.hpp"
#include "engine/pauses.hpp"
#include "pg/fairness.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/executions.hpp"

#include <algorithm>
#include <unordered_map>

namespace hc::engine {

namespace {

using core::WorkflowId;

// An answer that needs no request.
core::SandboxStep immediate(const Send &send, core::SendVerdict verdict, core::FailureKind kind,
                            const std::string &reason) {
    core::SandboxStep step;
    step.answer.attempt = send.attempt;
    step.answer.task = static_cast<std::uint32_t>(send.key.number);
    step.answer.verdict = verdict;
    step.answer.kind = kind;
    step.answer.reason = reason;
    return step;
}

core::SandboxStep refused(const Send &send, const std::string &reason) {
    return immediate(send, core::SendVerdict::next_provider, core::FailureKind::config, reason);
}

core::TemplateValues template_values(const store::SendRow &row, const RuleVersion &rule, const core::State &state,
                                     const core::AttemptState &attempt, const Provider &provider) {
    core::TemplateValues values;
    values.message_json = row.message.text;
    values.cascade_id = core::to_string(row.id);
    values.cascade_key = row.key.value_or("");
    values.tenant = row.tenant.value_or("");
    values.attempt = attempt.number;
    values.step = attempt.step;
    values.step_timeout = rule.rule.steps.at(attempt.step).timeout;
    values.expires = state.expires;
    values.now = pg::now();
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

// Runs what may fail for one send alone: it is refused then. Recording the refusal of a cascade that does not decode
// fails, and buries the task.
template <class Body>
void guarded(Send &send, Body body) {
    try {
        body();
    } catch (const Error &e) {
        send.leaves = false;
        send.immediate = refused(send, e.detail().empty() ? e.message() : e.detail());
    }
}

// What becomes of a claimed send.
enum class Course : std::uint8_t {
    answered, // it needs no request
    waits,    // for its provider
    drafted,  // it leaves if the gates let it
};

// Sorts the claimed sends of a queue.
class Sorting {
public:
    Sorting(const ClaimRequest &request, BatchSurroundings &around) : request_(request), around_(around) {}

    Course sort(Send &send, Draft &draft);

private:
    Course decide(Send &send, const Draft &draft);

    const ClaimRequest &request_;
    BatchSurroundings &around_;
};

Course Sorting::sort(Send &send, Draft &draft) {
    Course course = Course::answered;
    guarded(send, [&] {
        draft.state = core::replay(core::decode_events(draft.row->history.data));
        const std::vector<core::AttemptState> &attempts = draft.state.attempts; // numbered from 1, without a gap
        const bool known = send.attempt >= 1 && send.attempt <= attempts.size();
        if (!known || draft.attempt_state().task != static_cast<std::uint32_t>(send.key.number)) {
            send.immediate = refused(send, "attempt is not waited for"); // the cascade has gone on without it
            return;
        }
        course = decide(send, draft);
    });
    return course;
}

Course Sorting::decide(Send &send, const Draft &draft) {
    Definitions &defs = definitions();
    const Provider *provider = defs.provider(send.provider);
    if (provider == nullptr || provider->config == nullptr) {
        send.immediate = refused(send, "provider is not available");
        return Course::answered;
    }
    const RuleVersion &rule = defs.rule(draft.row->rule_id);
    const core::AttemptState &attempt = draft.attempt_state();
    const bool paused = defs.paused(send.provider);
    if ((paused || request_.open_until) &&
        core::has_alternative(rule.program, draft.state, attempt, around_.unavailable())) {
        send.immediate = refused(send, paused ? "provider_paused" : "provider_unavailable");
        return Course::answered;
    }
    if (!core::may_send(rule.program, draft.state, attempt, request_.now,
                        around_.of(rule, draft.row->tenant, draft.state))) {
        send.immediate = immediate(send, core::SendVerdict::not_now, core::FailureKind::none, "not_now");
        return Course::answered;
    }
    return request_.open_until ? Course::waits : Course::drafted;
}

void render(Send &send, const Draft &draft) {
    Definitions &defs = definitions();
    const store::SendRow &row = *draft.row;
    const core::State &state = draft.state;
    const core::AttemptState &attempt = draft.attempt_state();
    const Provider &provider = *defs.provider(send.provider); // decide() has seen it
    send.leaves = true;
    send.config = provider.config;
    if (provider.config->kind == core::ProviderKind::sandbox) {
        send.immediate = core::sandbox_step(*provider.config, row.message.text, nth_at_provider(state, attempt));
        send.immediate.answer.attempt = send.attempt;
        send.immediate.answer.task = static_cast<std::uint32_t>(send.key.number);
        if (send.immediate.answer.provider_message_id.empty()) {
            send.immediate.answer.provider_message_id = "sandbox-" + core::attempt_reference(row.id, send.attempt);
        }
        return;
    }
    send.request = provider.request->render(template_values(row, defs.rule(row.rule_id), state, attempt, provider));
    if (!send.config->has_response && !send.config->receipts.connector.empty()) {
        send.connector = defs.connector_of(provider);
    }
}

std::optional<core::Time> smallest_due(std::span<const store::ClaimedTask> tasks) {
    const auto least =
        std::min_element(tasks.begin(), tasks.end(), [](const auto &a, const auto &b) { return a.due < b.due; });
    return least == tasks.end() ? std::nullopt : std::optional(least->due);
}

// What was handed over, up to the limit; the rest is put back.
std::vector<store::ClaimedTask> take_handed(const ClaimRequest &request, Claim &claim) {
    if (!request.handed_from) {
        return {};
    }
    std::vector<store::ClaimedTask> tasks = store::read_handed(request.queue, request.handed(), request.owner);
    keep_handed(tasks, request, claim);
    const auto limit = static_cast<std::size_t>(request.limit);
    if (tasks.size() > limit) {
        const std::span<const store::ClaimedTask> rest = std::span(tasks).subspan(limit);
        claim.resume = smallest_due(rest);
        std::vector<store::TaskKey> keys;
        for (const store::ClaimedTask &task : rest) {
            keys.push_back({task.workflow_id, task.number});
        }
        store::put_back_sends(keys, std::nullopt);
        tasks.resize(limit);
    }
    return tasks;
}

// What was handed over goes first: it is here already.
std::vector<store::ClaimedTask> take_tasks(const ClaimRequest &request, Claim &claim) {
    std::vector<store::ClaimedTask> tasks = take_handed(request, claim);
    const std::size_t handed = tasks.size();
    const auto limit = request.limit - static_cast<std::int32_t>(handed);
    const bool due = request.from <= request.now;
    if (due && limit > 0) {
        std::vector<store::ClaimedTask> claimed = store::claim_due(
            request.queue, request.from, request.now, {request.live, request.newest}, request.owner, limit);
        std::move(claimed.begin(), claimed.end(), std::back_inserter(tasks));
    }
    claim.claimed = tasks.size();
    claim.more = tasks.size() >= static_cast<std::size_t>(request.limit);
    std::optional<core::Time> left = request.from; // smallest due time
    if (claim.more) {                              // not before the first of a full batch
        left = smallest_due(std::span(tasks).subspan(handed)).value_or(request.from);
    } else if (due) {
        left = store::next_due(request.queue, request.from, {request.live, request.newest});
    }
    claim.resume = std::min(claim.resume.value_or(core::kNever), left.value_or(core::kNever));
    return tasks;
}

bool poison(const store::ClaimedTask &task) { return task.claims > pg::guc::max_claims; }

} // namespace

Claim claim_sends(const ClaimRequest &request) {
    Claim claim;
    const std::vector<store::ClaimedTask> tasks = take_tasks(request, claim);
    std::vector<WorkflowId> ids;
    std::vector<store::ClaimedTask> activities;
    core::Time served{};
    for (const store::ClaimedTask &task : tasks) {
        if (task.kind == static_cast<std::int16_t>(store::Kind::activity_send)) {
            activities.push_back(task);
        } else {
            ids.push_back(task.workflow_id);
        }
        served = std::max(served, task.due);
    }
    if (!tasks.empty() && pg::lane_of_queue(request.queue) != pg::Lane::delayed) {
        pg::fair_served(request.queue, served);
    }
    std::unordered_map<WorkflowId, std::shared_ptr<const store::SendRow>> rows;
    if (!ids.empty()) {
        for (store::SendRow &row : store::read_for_send(ids)) {
            const WorkflowId id = row.id;
            rows.emplace(id, std::make_shared<const store::SendRow>(std::move(row)));
        }
    }
    BatchSurroundings around;
    Sorting sorting(request, around);
    std::vector<store::TaskKey> waiting;
    for (const store::ClaimedTask &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        if (task.kind == static_cast<std::int16_t>(store::Kind::activity_send)) {
            continue;
        }
        const auto row = rows.find(task.workflow_id);
        if (poison(task) || row == rows.end()) {
            claim.burials.push_back(
                {key, row == rows.end() ? "cascade does not exist" : "claimed too often without an answer"});
            continue;
        }
        Send send;
        send.key = key;
        send.queue = request.queue;
        send.provider = task.target;
        send.attempt = static_cast<std::uint16_t>(task.attempt);
        Draft draft{claim.sends.size(), row->second, {}, send.attempt, send.provider, task.claims == 1};
        const Course course = sorting.sort(send, draft);
        if (course == Course::waits) {
            waiting.push_back(key);
            continue;
        }
        if (course == Course::drafted) {
            claim.drafts.push_back(std::move(draft));
        }
        claim.sends.push_back(std::move(send));
    }
    if (!activities.empty()) {
        claim_activity_sends(request, activities, claim, waiting);
    }
    if (!waiting.empty()) {
        const core::Time until = request.open_until.value_or(request.now);
        store::put_back_sends(waiting, until);
        claim.resume = std::min(claim.resume.value_or(core::kNever), until);
    }
    pg::count(pg::Count::sends_claimed, static_cast<std::uint32_t>(tasks.size()));
    return claim;
}

Claim put_back_handed(ClaimRequest request) {
    request.limit = 0;
    Claim claim;
    take_handed(request, claim);
    return claim;
}

void finish_claims(std::span<Claim> claims) {
    Gates gates(pg::now());
    std::vector<std::pair<Send *, const Draft *>> drafted;
    for (Claim &claim : claims) {
        for (const Draft &draft : claim.drafts) {
            Send &send = claim.sends.at(draft.send);
            guarded(send, [&] {
                gates.add(draft);
                drafted.emplace_back(&send, &draft);
            });
        }
    }
    gates.look_up();
    for (std::size_t i = 0; i < drafted.size(); ++i) {
        Send &send = *drafted[i].first;
        if (const std::string reason = gates.pass(i); !reason.empty()) {
            send.immediate = immediate(send, core::SendVerdict::skip, core::FailureKind::policy, reason);
            continue;
        }
        guarded(send, [&] { render(send, *drafted[i].second); });
        if (!send.leaves) {
            gates.undo(i);
            continue;
        }
        send.toll = gates.toll(i);
        send.addressee = gates.addressee(i);
    }
    gates.write();
    for (Claim &claim : claims) {
        claim.drafts.clear();
    }
}

} // namespace hc::engine
