// The one function that moves cascades: load and lock, decide for each, write everything. Batch first: a single signal
// is a batch of one, a dispatcher's 200 answers are a batch of 200 with one statement a table.
#pragma once

#include "core/cascade.hpp"
#include "core/id.hpp"
#include "engine/definitions.hpp"
#include "store/executions.hpp"
#include "store/tasks.hpp"
#include "store/timers.hpp"

#include <span>
#include <vector>

namespace hc::engine {

struct Item {
    core::WorkflowId id;
    core::Input input;
};

enum class ItemStatus : std::uint8_t {
    done,
    locked,  // LockWait::skip only: somebody holds the execution; try again in a few ms
    unknown, // no such cascade
};

struct ItemResult {
    ItemStatus status = ItemStatus::unknown;
    core::SignalResult result = core::SignalResult::ignored;
};

// Who acts: rows of tenants the user may not act for count as unknown. InvalidOid: a worker, all tenants.
std::vector<ItemResult> advance(std::span<const Item> items, store::LockWait mode, Oid user = InvalidOid);

// Changes to tasks and timers.
struct TaskChanges {
    std::vector<store::Task> puts;
    std::vector<store::TaskKey> drops;
    std::vector<store::Timer> timers;
    std::vector<store::SeenTimer> timer_drops;
};

// Rows of a batch; shared with start.
struct Writes {
    std::vector<store::OpenHistory> histories;
    std::vector<store::Closing> closing;
    TaskChanges tasks;
    void add(TaskChanges &&changes);
    void write(); // lock order: workflow, closed, timer, task
};

// What a decision means for the tasks, the counters and the reports of an execution.
struct Subject {
    core::WorkflowId id;
    const RuleVersion *rule = nullptr;
    std::optional<std::string> tenant, key;
};
// `state` is the one after the decision: it knows the priority.
void collect_tasks(const Subject &subject, const core::State &state, const core::Decision &decision,
                   TaskChanges &changes);
// Reports of a decision: those about steps, then that of the outcome.
void collect_reports(const Subject &subject, const core::State &state, const core::Decision &decision,
                     TaskChanges &changes);
std::string report_body(const Subject &subject, const core::State &state); // the same whenever it is made
// Whether an endpoint wants a report of this type that its rule wants.
bool report_wanted(const Endpoint &endpoint, std::string_view type);
void count_outcome(core::Outcome outcome);

} // namespace hc::engine
