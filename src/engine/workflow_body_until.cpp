// Waiting until a condition on tables is met. See workflow_body.hpp.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/user_turn.hpp"
#include "pg/values.hpp"
#include "store/condition_waiters.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hc::engine {

namespace {

using core::CallAnswer;
using core::Command;
using core::CommandKind;
using core::ExecutionEventType;

constexpr std::size_t kMaxTables = 32;
constexpr std::size_t kMaxCondition = 10'000;

} // namespace

// The slots are marked and counted before the condition is looked at, in each pass.
void WorkflowBody::watch(std::span<const Oid> tables, bool known) {
    watched_.clear();
    for (const Oid table : tables) {
        watched_.push_back(pg::begin_watch(table, known));
    }
}

bool WorkflowBody::wait_until(const std::string &condition, std::span<const Oid> tables, const std::string &arguments,
                              std::optional<core::Duration> timeout) {
    if (condition.empty() || condition.size() > kMaxCondition) {
        throw Error(sqlstate::invalid_parameter, "invalid condition",
                    fmt::format("It must have 1 to {} bytes.", kMaxCondition));
    }
    if (tables.size() > kMaxTables) {
        throw Error(sqlstate::invalid_parameter, "invalid tables", fmt::format("At most {} are allowed.", kMaxTables));
    }
    const Command command{CommandKind::wait_until, "", core::hash64(condition, arguments)};
    const std::string query = store::condition_query(condition);
    const auto met = [&](std::uint32_t number) {
        if (!pg::condition_holds(query, arguments)) {
            return false;
        }
        replay_.add(
            {.type = ExecutionEventType::condition_met, .time = pg::now(), .command = number, .payload = "true"});
        return true;
    };
    CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_record();
        watch(tables, false);
        nlohmann::json names = nlohmann::json::array();
        for (const pg::WatchedTable &table : watched_) {
            names.push_back(pg::relation_name(table.relation));
        }
        core::ExecutionEvent event{.type = ExecutionEventType::condition_awaited, .time = pg::now()};
        if (timeout) {
            event.due = event.time + checked_wait(*timeout, "timeout");
        }
        event.hash = command.hash;
        event.payload = names.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        replay_.record(std::move(event));
        met(replay_.command() + 1);
        answer = replay_.call(command);
    } else if (answer.kind == CallAnswer::Kind::pending && !for_query_) {
        watch(tables, true);
        if (met(replay_.command())) {
            answer = replay_.call_again(command);
        }
    }
    const bool holds = finish(answer).has_value();
    watched_.clear(); // it waits no more
    return holds;
}

} // namespace hc::engine
