// Updates of executions (hermes.execution_update). All functions run inside an SPI scope, as the extension owner, each
// statement with a snapshot of its own.
#pragma once

#include "core/id.hpp"
#include "core/workflow_updates.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct NewUpdate {
    core::WorkflowId execution_id;
    std::string update_id, name;
    core::Time admitted_at{};
    core::UpdateStage stage{};
    std::string content; // JSON: arguments of an admitted one, outcome of one that has one; empty: neither
};
// False: there is one of this id. Waits for one whose sender has not committed.
bool insert_update(const NewUpdate &update);

struct UpdateRow {
    std::string name;
    std::int16_t stage = 0;
    std::optional<core::WorkflowId> moved_to;
    std::optional<pg::json_text> content; // the outcome, when there is one
    std::int64_t xmin = 0;                // of the row's writer
    auto fields() { return std::tie(name, stage, moved_to, content, xmin); }
};
std::optional<UpdateRow> find_update(const core::WorkflowId &execution, const std::string &update_id);

struct UpdateCounts {
    std::int64_t in_flight = 0, rejected = 0, all = 0; // all: but for rejected ones
    auto fields() { return std::tie(in_flight, rejected, all); }
};
UpdateCounts count_updates(const core::WorkflowId &execution);

struct AdmittedUpdate {
    std::string update_id, name;
    pg::json_text arguments;
    auto fields() { return std::tie(update_id, name, arguments); }
};
std::vector<AdmittedUpdate> admitted_updates(const core::WorkflowId &execution); // in order of admission

// `content` empty: none any more.
void set_update_stage(const core::WorkflowId &execution, const std::string &update_id, core::UpdateStage stage,
                      const std::string &content);
// Admitted ones go on with the next execution.
void move_updates(const core::WorkflowId &from, const core::WorkflowId &to);
// Whoever waits for it waits for the one of the same id there.
void forward_update(const core::WorkflowId &from, const std::string &update_id, const core::WorkflowId &to);
void forget_old_rejections(const core::WorkflowId &execution); // but for the newest kMaxRejectedUpdates

// ---- of who waits ----

struct OpenRunRow {
    std::optional<std::string> tenant;
    bool written_here = false; // set by find_open_run()
    std::int64_t xmin = 0;
    auto fields() { return std::tie(tenant, xmin); }
};
// written_here: the current transaction has started it, or brought it something: it cannot close before the commit.
std::optional<OpenRunRow> find_open_run(const core::WorkflowId &id);

struct ClosedRunRow {
    std::int16_t status = 0;
    std::optional<std::string> tenant;
    pg::bytes history;
    auto fields() { return std::tie(status, tenant, history); }
};
std::optional<ClosedRunRow> find_closed_run(const core::WorkflowId &id);

std::optional<core::WorkflowId> newest_of_workflow_id(const core::WorkflowId &hash);

} // namespace hc::store
