// Executor: runs SQL of users, as one role for life. It is connected as that role and never switches to another; only
// in transactions in which no SQL of users runs it acts as the extension's owner: to claim tasks and to record what
// came of them. In between, each condition has a transaction of its own, read-only, with a timeout, and always rolled
// back; a turn of a workflow function is one transaction with what the engine writes of it (workflow_turns.hpp).
#pragma once

#include "engine/executor.hpp"
#include "pg/bgworker.hpp"
#include "pg/user_sql.hpp"
#include "workers/session.hpp"
#include "workers/workflow_turns.hpp"

#include <deque>
#include <optional>
#include <vector>

namespace hc::workers {

class Executor {
public:
    explicit Executor(std::int32_t slot);
    void run();

private:
    // An answer to record; not_before: its cascade was held by somebody else.
    struct Answered {
        engine::SqlAnswer answer;
        Clock::time_point not_before{};
    };

    void pass();
    void check_role();
    void rescan();
    bool due() const;
    void claim();
    void run_claimed();
    bool run_first();
    bool run_turn(const engine::SqlTask &task);
    void put_off(const engine::SqlTask &task, const pg::Failure &failure);
    std::optional<core::Input> run_task(const engine::SqlTask &task);
    core::Input answer_of(const engine::SqlTask &task, pg::UserSqlEnd end, const pg::Failure &failure);
    void log_failure(const engine::SqlTask &task, const pg::Failure &failure);
    void record();
    void record_batch(const std::vector<Answered> &batch);
    void record_split(std::vector<Answered> batch);
    void bury_given_up();
    void give_back(std::size_t keep);
    void drain();
    bool done() const { return tasks_.empty() && answered_.empty() && burials_.empty(); }
    void report_idleness();
    bool idle_too_long() const;
    long wait_milliseconds() const;

    pg::WorkerSlot &slot_;
    std::int32_t queue_ = 0;
    std::deque<engine::SqlTask> tasks_; // claimed, not run yet
    std::vector<Answered> answered_;
    std::vector<engine::Burial> burials_;
    store::Conditions conditions_;
    WorkflowTurns turns_;
    bool condition_holds_ = false; // the last one
    std::int32_t claim_limit_ = 1; // tasks of one claim: as many as run within moments
    bool unfit_ = false;           // the role may not run SQL any more
    std::uint64_t checked_ = 0;    // generation of definitions at the last look at the role
    Clock::time_point last_record_{}, last_work_{}, last_rescan_{}, claim_not_before_{}, last_logged_{};
    Clock::time_point busy_since_{}; // without a moment of idleness
    ExtensionWatch extension_;
    Backoff backoff_;
};

} // namespace hc::workers
