// Schedules: their rows, the starts that wait, what they have started, their backfills, and when each is looked at.
// All functions run inside an SPI scope, as the extension owner. What hangs on a schedule is touched under its lock.
#pragma once

#include "store/executions.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct ScheduleRow {
    core::WorkflowId id;
    std::optional<std::string> tenant;
    std::string name, owner;
    std::int32_t version = 1;
    std::string overlap;
    std::int64_t catchup_us = 0;
    bool pause_on_failure = false, paused = false;
    std::optional<std::string> note;
    std::optional<std::int64_t> remaining;
    core::Time cursor{};
    std::optional<core::Time> next_time;
    std::int64_t actions = 0, missed = 0, skipped = 0, dropped = 0, errors = 0;
    core::Time updated_at{};
    pg::json_text spec, action;
    auto fields() {
        return std::tie(id, tenant, name, owner, version, overlap, catchup_us, pause_on_failure, paused, note,
                        remaining, cursor, next_time, actions, missed, skipped, dropped, errors, updated_at, spec,
                        action);
    }
};
bool insert_schedule(const ScheduleRow &row); // false: the tenant has one of this name
std::optional<ScheduleRow> lock_schedule(const std::optional<std::string> &tenant, const std::string &name); // waits
std::optional<ScheduleRow> lock_schedule(const core::WorkflowId &id); // SKIP LOCKED
bool schedule_exists(const core::WorkflowId &id);
void update_schedule(const ScheduleRow &row);             // all but spec and action
void update_schedule_documents(const ScheduleRow &row);   // spec and action
void delete_schedule(const core::WorkflowId &id);         // with all that hangs on it
std::string schedule_payload(const core::WorkflowId &id); // input or message, JSON text
bool may_start(const std::string &role, bool cascade);    // has EXECUTE on the verb

// ---- starts that wait ----

struct ScheduleStartRow {
    core::Time nominal{}, actual{};
    std::optional<std::string> overlap;
    bool manual = false;
    std::int32_t tries = 0;
    core::Time retry_at{};
    auto fields() { return std::tie(nominal, actual, overlap, manual, tries, retry_at); }
};
std::vector<ScheduleStartRow> schedule_starts(const core::WorkflowId &id); // by actual time
void insert_schedule_starts(const core::WorkflowId &id, const std::vector<ScheduleStartRow> &rows);
void delete_schedule_starts(const core::WorkflowId &id, const std::vector<core::Time> &nominals);
void put_off_schedule_start(const core::WorkflowId &id, core::Time nominal, std::int32_t tries, core::Time retry_at,
                            const std::string &error);

// ---- what was started ----

struct ScheduleRunRow {
    core::Time nominal{};
    std::int16_t kind = 0; // core::ActionKind
    core::WorkflowId hash;
    core::WorkflowId execution_id; // the first
    std::string name;
    std::optional<std::string> asked;
    auto fields() { return std::tie(nominal, kind, hash, execution_id, name, asked); }
};
void insert_schedule_run(const core::WorkflowId &schedule, const ScheduleRunRow &row, core::Time now);
struct ScheduleRunState {
    ScheduleRunRow run;
    std::optional<core::WorkflowId> current; // newest execution of its workflow id
    bool open = false;
    auto fields() { return std::tuple_cat(run.fields(), std::tie(current, open)); }
};
// Those whose end was not noted yet, newest first: the ones that are open, or the ones that have ended.
std::vector<ScheduleRunState> unended_schedule_runs(const core::WorkflowId &schedule, bool open, std::int32_t limit);
std::optional<core::WorkflowId> find_current_execution(const core::WorkflowId &hash);
void end_schedule_run(const core::WorkflowId &schedule, core::Time nominal, const std::string &status, core::Time at);
void mark_schedule_run(const core::WorkflowId &schedule, core::Time nominal, const std::string &asked);
void prune_schedule_runs(const core::WorkflowId &schedule); // the ten newest stay, and what is open
struct EndRow {
    std::int16_t status = 0; // outcome of a cascade
    core::Time closed_at{};
    auto fields() { return std::tie(status, closed_at); }
};
std::optional<EndRow> find_execution_end(const core::WorkflowId &execution);
std::optional<EndRow> find_cascade_end(const core::WorkflowId &cascade);
std::optional<core::WorkflowId> schedule_of_run(const core::WorkflowId &hash); // of one that has not ended yet

// ---- backfills ----

struct BackfillRow {
    std::int32_t number = 0;
    core::Time cursor{}, until{};
    std::optional<std::string> overlap;
    auto fields() { return std::tie(number, cursor, until, overlap); }
};
std::vector<BackfillRow> schedule_backfills(const core::WorkflowId &id);
void insert_backfill(const core::WorkflowId &id, const BackfillRow &row);
void move_backfill(const core::WorkflowId &id, std::int32_t number, core::Time cursor);
void delete_backfill(const core::WorkflowId &id, std::int32_t number);

// ---- when it is looked at: tasks of a queue of their own ----

inline constexpr std::int32_t kScheduleTimerNumber = 0;
void put_schedule_timer(const core::WorkflowId &id, std::optional<core::Time> due); // nullopt: none
void call_schedule(const core::WorkflowId &id, core::Time now); // it is to be looked at; waits for nobody
void delete_schedule_calls(const core::WorkflowId &id);
std::vector<core::WorkflowId> due_schedules(core::Time from, core::Time until, std::int32_t limit);

} // namespace hc::store
