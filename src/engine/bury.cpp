// Tasks that are given up. See dispatch.hpp.
#include "engine/advance.hpp"
#include "engine/dispatch.hpp"
#include "pg/wake.hpp"
#include "store/executions.hpp"

namespace hc::engine {

namespace {

std::optional<std::string> tenant_of(const core::WorkflowId &id) {
    if (const std::vector<store::OpenRow> open = store::read_open({id}); !open.empty()) {
        return open.front().tenant;
    }
    const std::vector<store::ClosedRow> closed = store::read_closed({id});
    return closed.empty() ? std::nullopt : closed.front().tenant;
}

} // namespace

void bury(const store::TaskKey &key, const std::string &error) {
    const std::optional<store::BuriedRow> buried = store::bury_task(key, tenant_of(key.workflow_id), error, pg::now());
    if (!buried) {
        return;
    }
    pg::count(pg::Count::dead_letters);
    if (buried->kind == static_cast<std::int16_t>(store::Kind::send)) {
        core::SendAnswer refused;
        refused.attempt = static_cast<std::uint16_t>(buried->attempt);
        refused.task = static_cast<std::uint32_t>(key.number);
        refused.verdict = core::SendVerdict::next_provider;
        refused.kind = core::FailureKind::config;
        refused.reason = error;
        const Item item{key.workflow_id, refused};
        engine::advance({&item, 1}, store::LockWait::wait);
    }
}

} // namespace hc::engine
