// See schedules.hpp.
#include "workers/schedules.hpp"

#include "engine/schedule_look.hpp"
#include "pg/bgworker.hpp"
#include "pg/wake.hpp"
#include "store/schedules.hpp"

namespace hc::workers {

namespace {

constexpr std::int32_t kAtOnce = 100;
constexpr auto kHeldRetry = std::chrono::milliseconds(20);
constexpr auto kFailedRetry = std::chrono::seconds(1);
constexpr auto kBadScheduleRetry = std::chrono::minutes(1);

} // namespace

void Schedules::rescan() { pg::give_bound(pg::kScheduleQueue, core::from_unix_micros(0)); }

// True: done with for now. One that fails holds up no other.
bool Schedules::look_at(const core::WorkflowId &id, const Attempt &attempt) {
    bool done = true;
    const bool good = attempt("running a schedule", [&] {
        Transaction transaction("running a schedule");
        done = engine::run_schedule(id, pg::now());
        transaction.commit();
    });
    if (!good) { // not by its action, which is tried in a subtransaction
        done = attempt("putting off a schedule", [&] {
            Transaction transaction("putting off a schedule");
            engine::put_off_schedule(id, pg::now() + kBadScheduleRetry);
            transaction.commit();
        });
    }
    return done;
}

void Schedules::pass(const Attempt &attempt) {
    const core::Time now = pg::now();
    if (Clock::now() < retry_at_ || pg::peek_bound(pg::kScheduleQueue) > now) {
        return;
    }
    const core::Time from = pg::take_bound(pg::kScheduleQueue);
    std::vector<core::WorkflowId> due;
    bool good = attempt("finding schedules", [&] {
        Transaction transaction("finding schedules");
        due = store::due_schedules(from, now, kAtOnce);
        transaction.commit();
    });
    for (const core::WorkflowId &id : due) {
        if (pg::shutdown_requested()) {
            return;
        }
        if (!look_at(id, attempt)) {
            retry_at_ = Clock::now() + kHeldRetry; // a caller holds it
        }
    }
    std::optional<core::Time> resume;
    good = good && attempt("finding schedules", [&] {
               Transaction transaction("finding schedules");
               resume = store::next_due(pg::kScheduleQueue, from, store::Alive{});
               transaction.commit();
           });
    if (!good) {
        pg::give_bound(pg::kScheduleQueue, from);
        retry_at_ = Clock::now() + kFailedRetry;
    } else if (resume) {
        pg::give_bound(pg::kScheduleQueue, *resume);
    }
}

long Schedules::wait_milliseconds(long most) const {
    const Clock::time_point now = Clock::now();
    if (now < retry_at_) {
        return std::min<long>(most, std::chrono::ceil<std::chrono::milliseconds>(retry_at_ - now).count());
    }
    return milliseconds_until(pg::peek_bound(pg::kScheduleQueue), pg::now(), most);
}

} // namespace hc::workers
