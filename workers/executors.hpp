// The supervisor's part in user SQL: starts and ends executors as the queues of roles need them, answers tasks whose
// role cannot run them, so that their cascades go on, and tasks whose executor had to end itself.
#pragma once

#include "core/executor_plan.hpp"
#include "engine/executor.hpp"
#include "pg/executor_state.hpp"
#include "workers/session.hpp"

#include <map>
#include <string>
#include <vector>

namespace hc::workers {

class Executors {
public:
    // One look, when one is due; in no transaction, inside the supervisor's error handling. Errors leave what was to be
    // done for the next look.
    void pass();
    void rescan() noexcept;                          // look at all queues
    void look_again(Clock::duration after) noexcept; // not before
    long wait_milliseconds(long most) const;
    static void stop_all();

private:
    // A role that has had work.
    struct Role {
        Backoff backoff;       // of starts that failed
        int failed_starts = 0; // in a row
        core::Time served{};   // when an executor was started last
    };
    // A role with work and without an executor.
    struct Need {
        std::int32_t role = 0;
        Oid user = InvalidOid;
        std::string reason; // why it cannot run; empty: it may
    };

    void note_failed_starts();
    void answer_lost_tasks();
    bool answer_lost(const pg::RunningTask &task);
    void end_surplus();
    std::vector<Need> look(core::Time from);
    void serve(const std::vector<Need> &needs);
    void start(const Need &need);
    void settle(const Need &need);
    void split_settling(const pg::Failure &failure);
    std::string failure_of_starts(std::int32_t role) const;

    std::map<std::int32_t, Role> roles_;
    std::vector<pg::RunningTask> lost_;    // not answered yet
    std::vector<store::TaskKey> settling_; // of the last batch
    std::int32_t settle_limit_ = 1;
    Clock::time_point not_before_{};
};

} // namespace hc::workers
