// See programs.hpp.
#include "workers/programs.hpp"

#include "engine/workflow_programs.hpp"
#include "pg/bgworker.hpp"
#include "pg/wake.hpp"
#include "store/workflow_executions.hpp"
#include "store/workflow_programs.hpp"

namespace hc::workers {

namespace {

constexpr std::int32_t kAtOnce = 100;
constexpr auto kHeldRetry = std::chrono::milliseconds(20);
constexpr auto kFailedRetry = std::chrono::seconds(1);
constexpr auto kBadEndRetry = std::chrono::minutes(1);

bool end_one(const store::TaskKey &key, const Attempt &attempt) {
    bool done = true;
    const bool good = attempt("ending a workflow", [&] {
        Transaction transaction("ending a workflow");
        done = engine::end_program(key.workflow_id);
        transaction.commit();
    });
    if (!good) { // one that fails holds up no other
        done = attempt("putting off the end of a workflow", [&] {
            Transaction transaction("putting off the end of a workflow");
            store::put_off_execution_task(key, pg::now() + kBadEndRetry, "it could not be ended");
            transaction.commit();
        });
    }
    return done;
}

} // namespace

void Programs::rescan() { pg::give_bound(pg::kProgramEndQueue, core::from_unix_micros(0)); }

void Programs::pass(const Attempt &attempt) {
    const core::Time now = pg::now();
    if (Clock::now() < retry_at_ || pg::peek_bound(pg::kProgramEndQueue) > now) {
        return;
    }
    const core::Time from = pg::take_bound(pg::kProgramEndQueue);
    std::vector<store::TaskKey> due;
    bool good = attempt("finding workflows to end", [&] {
        Transaction transaction("finding workflows to end");
        due = store::due_program_ends(from, now, kAtOnce);
        transaction.commit();
    });
    for (const store::TaskKey &key : due) {
        if (pg::shutdown_requested()) {
            return;
        }
        if (!end_one(key, attempt)) {
            retry_at_ = Clock::now() + kHeldRetry;
        }
    }
    std::optional<core::Time> resume;
    good = good && attempt("finding workflows to end", [&] {
               Transaction transaction("finding workflows to end");
               resume = store::next_due(pg::kProgramEndQueue, from, store::Alive{});
               transaction.commit();
           });
    if (!good) {
        pg::give_bound(pg::kProgramEndQueue, from);
        retry_at_ = Clock::now() + kFailedRetry;
    } else if (resume) {
        pg::give_bound(pg::kProgramEndQueue, *resume);
    }
}

long Programs::wait_milliseconds(long most) const {
    const Clock::time_point now = Clock::now();
    if (now < retry_at_) {
        return std::min<long>(most, std::chrono::ceil<std::chrono::milliseconds>(retry_at_ - now).count());
    }
    return milliseconds_until(pg::peek_bound(pg::kProgramEndQueue), pg::now(), most);
}

} // namespace hc::workers
