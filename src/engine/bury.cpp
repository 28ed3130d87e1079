// Tasks that are given up. See dispatch.hpp.
#include "engine/advance.hpp"
#include "engine/dispatch.hpp"
#include "engine/executor.hpp"
#include "pg/wake.hpp"
#include "pg/xact.hpp"
#include "store/executions.hpp"

namespace hc::engine {

namespace {

// The execution's row, locked before its task (lock order), and whose it is.
struct Holder {
    bool held = false; // by somebody else
    std::optional<std::string> tenant;
};
Holder lock_execution(const core::WorkflowId &id) {
    if (const auto open = store::lock_open({id}, store::LockWait::skip); !open.empty()) {
        const store::OpenRow &row = open.front();
        if (row.continued) { // the timer that the newest events stand in may be the one to go
            store::update_open_histories({{row.place, row.history}});
        }
        return {false, row.tenant};
    }
    if (const auto closed = store::lock_closed({id}, store::LockWait::skip); !closed.empty()) {
        return {false, closed.front().tenant};
    }
    return {!store::existing_open({id}).empty() || !store::read_closed({id}).empty(), std::nullopt};
}

// The cascade itself may be what cannot be processed: its dead letter stands, whatever becomes of the answer.
void advance_quietly(const Item &item) {
    pg::Failure failure;
    pg::subtransaction::run([&] { engine::advance({&item, 1}, store::LockWait::skip); }, failure);
}

} // namespace

bool bury(const store::TaskKey &key, const std::string &error) {
    const Holder holder = lock_execution(key.workflow_id);
    if (holder.held) {
        return false;
    }
    const std::optional<store::BuriedRow> buried = store::bury_task(key, holder.tenant, error, pg::now());
    if (!buried) {
        return true;
    }
    pg::count(pg::Count::dead_letters);
    if (buried->kind == static_cast<std::int16_t>(store::Kind::send)) {
        core::SendAnswer answer;
        answer.attempt = static_cast<std::uint16_t>(buried->attempt);
        answer.task = static_cast<std::uint32_t>(key.number);
        answer.verdict = core::SendVerdict::ambiguous;
        answer.kind = core::FailureKind::soft;
        answer.reason = error;
        advance_quietly({key.workflow_id, answer});
    } else if (buried->kind == static_cast<std::int16_t>(store::Kind::condition)) {
        advance_quietly({key.workflow_id, failure_of(store::Kind::condition, key.number, error)});
    }
    return true;
}

} // namespace hc::engine
