// What hermes.explain_workflow reads, beside the history. All functions run inside an SPI scope, as the extension
// owner, and read only.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct WaitingTaskRow {
    std::int16_t kind = 0;
    core::Time due{};
    bool claimed = false, put_aside = false;
    std::int16_t tries = 0;
    std::optional<std::string> last_error;
    auto fields() { return std::tie(kind, due, claimed, put_aside, tries, last_error); }
};
std::vector<WaitingTaskRow> waiting_tasks(const core::WorkflowId &id, std::int32_t limit); // in due order

struct WaitingActivityRow {
    std::int32_t number = 0;
    std::int16_t state = 0;
    std::int32_t attempt = 0;
    core::Time due{};
    std::optional<core::Time> started_at, deadline;
    std::string activity_id;
    std::optional<std::string> queue, provider, worker, last_failure; // the last one: its message
    bool queue_paused = false, cancel_requested = false;
    auto fields() {
        return std::tie(number, state, attempt, due, started_at, deadline, activity_id, queue, provider, worker,
                        last_failure, queue_paused, cancel_requested);
    }
};
std::optional<WaitingActivityRow> waiting_activity(const core::WorkflowId &id, std::int32_t number);

struct PauseInForceRow { // of the type or the tenant
    std::string scope;
    core::Time since{};
    std::optional<std::string> reason;
    auto fields() { return std::tie(scope, since, reason); }
};
std::vector<PauseInForceRow> pauses_in_force(const std::string &type, const std::optional<std::string> &tenant);

struct OpenUpdateRow {
    std::string update_id, name;
    core::Time admitted_at{};
    bool accepted = false;
    auto fields() { return std::tie(update_id, name, admitted_at, accepted); }
};
std::vector<OpenUpdateRow> open_updates(const core::WorkflowId &id, std::int32_t limit);

} // namespace hc::store
