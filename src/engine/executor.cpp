// See executor.hpp. Runs in executors and the supervisor.
#include "engine/executor.hpp"

#include "core/error.hpp"
#include "core/executor_queue.hpp"
#include "core/report.hpp"
#include "engine/advance.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/executions.hpp"

#include <algorithm>
#include <unordered_map>

namespace hc::engine {

namespace {

using Rows = std::unordered_map<core::WorkflowId, store::SendRow>;

Rows read_cascades(const std::vector<store::ClaimedTask> &tasks) {
    std::vector<core::WorkflowId> ids;
    ids.reserve(tasks.size());
    for (const store::ClaimedTask &task : tasks) {
        if (!store::is_of_function(task.kind)) {
            ids.push_back(task.workflow_id);
        }
    }
    Rows rows;
    if (!ids.empty()) {
        for (store::SendRow &row : store::read_for_send(ids)) {
            const core::WorkflowId id = row.id;
            rows.emplace(id, std::move(row));
        }
    }
    return rows;
}

std::string attempts_of(const core::State &state, const core::Rule &rule) {
    core::StatusFacts facts;
    for (const core::Step &step : rule.steps) {
        facts.channels.push_back(step.channel);
    }
    for (const core::AttemptState &attempt : state.attempts) {
        const Provider *provider = definitions().provider(attempt.provider);
        facts.provider_names.push_back(provider != nullptr ? provider->name : "");
    }
    return core::attempts_json(state, facts);
}

// The step whose condition the task is; nullopt: the cascade has gone on without it.
std::optional<std::uint16_t> step_of(const core::State &state, std::int32_t number) {
    for (const core::Branch &branch : state.branches) {
        if (branch.condition_task == static_cast<std::uint32_t>(number)) {
            return branch.step;
        }
    }
    return std::nullopt;
}

std::optional<SqlTask> load_condition(const store::ClaimedTask &task, store::SendRow &row) {
    const RuleVersion &rule = definitions().rule(row.rule_id);
    const core::State state = core::replay(core::decode_events(row.history.data));
    const std::optional<std::uint16_t> number = step_of(state, task.number);
    if (!number) {
        return std::nullopt;
    }
    const core::Step &step = rule.rule.steps.at(*number);
    SqlTask loaded{{task.workflow_id, task.number}, store::Kind::condition, task.claims > 1, {}, {}, {}};
    loaded.timeout = step.condition_timeout.value_or(std::chrono::milliseconds(pg::guc::condition_timeout_ms));
    store::Condition &condition = loaded.condition;
    condition.rule_id = row.rule_id;
    condition.step = *number;
    condition.expression = step.condition;
    condition.id = row.id;
    condition.key = row.key;
    condition.tenant = row.tenant;
    condition.channel = step.channel;
    condition.message_json = std::move(row.message.text);
    condition.attempts_json = attempts_of(state, rule.rule);
    return loaded;
}

// Where a task of a cascade belongs now.
std::int32_t queue_now(const store::SendRow &row) {
    return sql_queue(row.tenant, definitions().rule(row.rule_id).rule);
}

void add(store::Requeues &moves, const store::ClaimedTask &task, std::int32_t queue) {
    moves.keys.push_back({task.workflow_id, task.number});
    moves.queues.push_back(queue);
    moves.dues.push_back(task.due);
}

} // namespace

// One turn takes everything that has come for an execution. One that its executor died of again and again is put off:
// an execution does not fail by that.
static void add_turn(SqlClaim &claim, const store::ClaimedTask &task) {
    const store::TaskKey key{task.workflow_id, task.number};
    if (task.claims > pg::guc::max_claims) {
        put_off_turn(key, static_cast<std::uint32_t>(task.tries) + 1, "claimed too often without an end");
        return;
    }
    SqlTask *known = nullptr;
    for (SqlTask &other : claim.tasks) {
        known = other.kind == store::Kind::turn && other.key.workflow_id == task.workflow_id ? &other : known;
    }
    if (known == nullptr) {
        known = &claim.tasks.emplace_back(SqlTask{key, store::Kind::turn, false, {}, {}, {}});
    } else {
        known->others.push_back(task.number);
    }
    known->suspect = known->suspect || task.claims > 1;
}

SqlClaim claim_sql(const ClaimRequest &request) {
    SqlClaim claim;
    const store::Alive alive{request.live, request.newest};
    const std::vector<store::ClaimedTask> tasks =
        store::claim_due(request.queue, request.from, request.now, alive, request.owner, request.limit);
    Rows rows = read_cascades(tasks);
    store::Requeues moves;
    std::vector<store::TaskKey> leftovers;
    core::Time smallest = core::kNever;
    for (const store::ClaimedTask &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        smallest = std::min(smallest, task.due);
        if (store::is_of_function(task.kind)) {
            add_turn(claim, task);
            continue;
        }
        const auto row = rows.find(task.workflow_id);
        try {
            if (row == rows.end() || task.claims > pg::guc::max_claims) {
                claim.burials.push_back(
                    {key, row == rows.end() ? "cascade does not exist" : "claimed too often without an answer"});
            } else if (const std::int32_t queue = queue_now(row->second); queue != request.queue) {
                add(moves, task, queue);
            } else if (std::optional<SqlTask> loaded = load_condition(task, row->second)) {
                claim.tasks.push_back(std::move(*loaded));
            } else {
                leftovers.push_back(key);
            }
        } catch (const Error &e) { // its history or rule does not decode
            claim.burials.push_back({key, e.message()});
        }
    }
    store::requeue_tasks(moves, true);
    store::delete_tasks(leftovers);
    claim.claimed = static_cast<std::uint32_t>(tasks.size());
    claim.more = tasks.size() >= static_cast<std::size_t>(request.limit);
    // what is left of a full claim is not due before the first of it
    claim.resume = claim.more ? std::optional(smallest) : store::next_due(request.queue, request.from, alive);
    return claim;
}

core::Input failure_of(store::Kind /*kind*/, std::int32_t number, const std::string &reason) {
    core::ConditionAnswer answer;
    answer.task = static_cast<std::uint32_t>(number);
    answer.verdict = core::ConditionVerdict::failed;
    answer.reason = reason;
    return answer;
}

std::vector<std::size_t> record_sql(const std::vector<SqlAnswer> &answers) {
    std::vector<Item> items;
    items.reserve(answers.size());
    for (const SqlAnswer &answer : answers) {
        items.push_back({answer.key.workflow_id, answer.input});
    }
    const std::vector<ItemResult> results = engine::advance(items, store::LockWait::skip);
    std::vector<std::size_t> locked;
    std::vector<store::TaskKey> leftovers;
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].status == ItemStatus::locked) {
            locked.push_back(i);
            continue;
        }
        if (results[i].status == ItemStatus::unknown || results[i].result != core::SignalResult::applied) {
            // the cascade has moved on: nothing names this task any more
            leftovers.push_back(answers[i].key);
            continue;
        }
        const auto *condition = std::get_if<core::ConditionAnswer>(&answers[i].input);
        const bool failed = condition != nullptr && condition->verdict == core::ConditionVerdict::failed;
        pg::count(failed ? pg::Count::conditions_failed : pg::Count::conditions_evaluated);
    }
    store::delete_tasks(leftovers);
    return locked;
}

void give_back_sql(const std::vector<store::TaskKey> &keys, std::int32_t queue) {
    const core::Time now = pg::now();
    store::release_tasks(keys, now);
    if (!keys.empty()) {
        pg::note_task(queue, now);
    }
}

void release_turn(const SqlTask &task, std::int32_t queue) {
    constexpr auto kHeldRetry = std::chrono::milliseconds(5);
    const core::Time due = pg::now() + kHeldRetry;
    std::vector<store::TaskKey> keys{task.key};
    for (const std::int32_t number : task.others) {
        keys.push_back({task.key.workflow_id, number});
    }
    store::release_tasks(keys, due);
    pg::note_task(queue, due);
}

std::vector<store::ExecutorQueueRow> waiting_sql_queues() {
    constexpr std::int32_t kMost = 10000;
    const std::int64_t newest = pg::newest_incarnation(); // before the list
    return store::executor_queues({pg::live_incarnations(), newest}, kMost);
}

Settled settle_unrunnable(std::int32_t queue, const std::string &reason, std::int32_t limit,
                          std::vector<store::TaskKey> &read) {
    Settled settled;
    read.clear();
    const std::vector<store::ClaimedTask> tasks = store::read_due(queue, core::from_unix_micros(0), pg::now(), limit);
    const Rows rows = read_cascades(tasks);
    store::Requeues moves;
    std::vector<SqlAnswer> answers;
    for (const store::ClaimedTask &task : tasks) {
        read.push_back({task.workflow_id, task.number});
        if (store::is_of_function(task.kind)) {
            put_off_turn(read.back(), static_cast<std::uint32_t>(task.tries) + 1, reason);
            continue;
        }
        const auto row = rows.find(task.workflow_id);
        if (const std::int32_t now = row != rows.end() ? queue_now(row->second) : queue; now != queue) {
            add(moves, task, now);
        } else {
            const auto kind = static_cast<store::Kind>(task.kind);
            answers.push_back({{task.workflow_id, task.number}, failure_of(kind, task.number, reason)});
        }
    }
    store::requeue_tasks(moves, false);
    settled.locked = !record_sql(answers).empty();
    settled.tasks = static_cast<std::uint32_t>(tasks.size());
    if (settled.tasks < static_cast<std::uint32_t>(limit)) { // what is due still was passed over
        const std::int64_t newest = pg::newest_incarnation();
        const auto next = store::next_due(queue, core::from_unix_micros(0), {pg::live_incarnations(), newest});
        settled.locked = settled.locked || (next && *next <= pg::now());
    }
    return settled;
}

} // namespace hc::engine
