// What executors do in their transactions, and the supervisor for roles without one, as SQL functions that run in the
// caller's transaction. Declared by setup.cpp. Runs in backends.
#include "core/executor_queue.hpp"
#include "engine/executor.hpp"
#include "pg/function.hpp"
#include "pg/wake.hpp"
#include "worker.hpp"

using namespace hc;
using test_iso::Worker;

// (role's number, owner): cascades and tasks claimed; those given up are buried at once.
HC_FUNCTION(hc_test_iso_claim_sql) {
    pg::ResultSet rows(args);
    Worker worker;
    engine::ClaimRequest request;
    request.queue = core::executor_queue(args.integer(0, "role"));
    request.owner = args.bigint(1, "owner");
    request.live = {1, 2};
    request.newest = INT64_MAX; // `live` names all there are
    request.limit = 200;
    request.now = pg::now();
    request.from = core::from_unix_micros(0);
    const engine::SqlClaim claim = engine::claim_sql(request);
    for (const engine::Burial &burial : claim.burials) {
        engine::bury(burial.key, burial.reason);
    }
    worker.finish();
    for (const engine::SqlTask &task : claim.tasks) {
        rows.add(task.key.workflow_id, task.key.number);
    }
    return rows.done();
}

// (cascade, task, whether it holds): false when somebody else holds the cascade.
HC_FUNCTION(hc_test_iso_record_sql) {
    core::ConditionAnswer answer;
    answer.task = static_cast<std::uint32_t>(args.integer(1, "task"));
    answer.verdict = args.boolean(2, "holds") ? core::ConditionVerdict::yes : core::ConditionVerdict::no;
    const store::TaskKey key{args.uuid(0, "cascade"), args.integer(1, "task")};
    Worker worker;
    const std::vector<std::size_t> locked = engine::record_sql({{key, answer}});
    worker.finish();
    return pg::make_bool(locked.empty());
}

// (cascade, task, role's number): given back to its queue, not counted.
HC_FUNCTION(hc_test_iso_give_back_sql) {
    const store::TaskKey key{args.uuid(0, "cascade"), args.integer(1, "task")};
    const std::int32_t queue = core::executor_queue(args.integer(2, "role"));
    Worker worker;
    engine::give_back_sql({key}, queue);
    worker.finish();
    return pg::make_void();
}

// (role's number, reason): tasks looked at, and whether some were passed over because somebody holds their cascades.
HC_FUNCTION(hc_test_iso_settle_sql) {
    pg::ResultSet rows(args);
    const std::int32_t queue = core::executor_queue(args.integer(0, "role"));
    const std::string reason = args.text(1, "reason");
    Worker worker;
    std::vector<store::TaskKey> read;
    const engine::Settled settled = engine::settle_unrunnable(queue, reason, 200, read);
    worker.finish();
    rows.add(static_cast<std::int32_t>(settled.tasks), settled.locked);
    return rows.done();
}
