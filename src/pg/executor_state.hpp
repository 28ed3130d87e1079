// Executors in shared memory: which queue each serves and from when it is to look, who wants help, what was lost.
// A commit that puts a task lowers the bound of the executors of its queue; when there are none, kExecutorBound, the
// supervisor's. An executor that ends lowers kExecutorBound to "look at everything", so that nothing falls between.
#pragma once

#include "core/id.hpp"
#include "core/time.hpp"
#include "pg/shmem.hpp"

namespace hc::pg {

// ---- in every backend, at commit ----

// False: no executor of this database serves the queue.
bool wake_executors(std::int32_t queue, std::int64_t due) noexcept;
void wake_all_executors() noexcept; // of this database, to look at everything

// ---- in an executor ----

core::Time take_executor_due() noexcept;
void give_executor_due(core::Time due) noexcept;
core::Time peek_executor_due() noexcept;
void report_executor_idle(bool idle) noexcept;
void ask_for_help() noexcept;      // the queue stays full
void executor_is_ready() noexcept; // it could start: its end is no failed start any more

// The task whose SQL is running; it is lost when the process has to end itself.
struct RunningTask {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    std::int16_t kind = 0;
};
void set_running_task(const RunningTask &task) noexcept;
void lose_running_task() noexcept; // in a signal handler: at the end of this process the task is reported as lost

// ---- when a slot is given back, by whoever does it ----

void leave_executor_queue(WorkerSlot &slot, bool failed_start) noexcept;
bool start_failed() noexcept; // of this process, an executor

// ---- in the supervisor ----

struct ExecutorInfo {
    WorkerSlot *slot;
    std::int32_t role; // id
    Oid user;
    bool ending, idle, wants_help;
    core::Time since;
};
std::vector<ExecutorInfo> executors(); // of this database
void take_help_wanted() noexcept;      // forgets who wanted help
std::vector<RunningTask> take_lost_tasks();
std::vector<std::int32_t> take_failed_starts(); // ids of roles

} // namespace hc::pg
