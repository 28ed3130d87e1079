// See activities.hpp.
#include "workers/activities.hpp"

#include "engine/activities.hpp"
#include "engine/fakes.hpp"
#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/fakes.hpp"

namespace hc::workers {

namespace {

constexpr auto kHeldRetry = std::chrono::milliseconds(50);
constexpr auto kHeldFakeRetry = std::chrono::milliseconds(5);
constexpr auto kFailedFakeRetry = std::chrono::seconds(1);
constexpr std::int32_t kFakesAtOnce = 100;

} // namespace

void Activities::rescan() {
    pg::give_bound(pg::kActivityQueue, core::from_unix_micros(0));
    pg::give_bound(pg::kFakeQueue, core::from_unix_micros(0));
}

void Activities::end_overdue() {
    const core::Time now = pg::now();
    if (Clock::now() < retry_at_ || pg::peek_bound(pg::kActivityQueue) > now) {
        return;
    }
    const core::Time from = pg::take_bound(pg::kActivityQueue);
    try {
        Transaction transaction("ending overdue activities");
        const engine::Overdue overdue = engine::end_overdue_activities(from, now, pg::guc::batch_size);
        transaction.commit();
        if (overdue.resume) {
            pg::give_bound(pg::kActivityQueue, *overdue.resume);
        }
        if (overdue.locked) {
            retry_at_ = Clock::now() + kHeldRetry;
        }
    } catch (...) {
        pg::give_bound(pg::kActivityQueue, from);
        throw;
    }
}

// Each in a transaction of its own: what a function of a user does to one is not done to others.
bool Activities::serve_fakes(const Attempt &attempt) {
    const core::Time now = pg::now();
    if (Clock::now() < retry_fakes_at_ || pg::peek_bound(pg::kFakeQueue) > now) {
        return true;
    }
    pg::take_bound(pg::kFakeQueue);
    std::vector<store::TaskKey> due;
    std::optional<core::Time> next;
    bool good = attempt("finding fake activities", [&] {
        Transaction transaction("finding fake activities");
        due = store::due_fakes(now, kFakesAtOnce);
        transaction.commit();
    });
    for (const store::TaskKey &key : due) {
        if (pg::shutdown_requested()) {
            return true;
        }
        bool served = false;
        const bool worked = attempt("answering a fake activity", [&] {
            Transaction transaction("answering a fake activity");
            served = engine::serve_fake(key, now);
            transaction.commit();
        });
        if (!worked || !served) {
            retry_fakes_at_ = Clock::now() + (worked ? Clock::duration(kHeldFakeRetry) : kFailedFakeRetry);
        }
    }
    good = good && attempt("finding fake activities", [&] {
               Transaction transaction("finding fake activities");
               next = store::next_fake();
               transaction.commit();
           });
    if (!good) {
        rescan();
    } else if (next) {
        pg::give_bound(pg::kFakeQueue, *next);
    }
    return good;
}

bool Activities::pass(const Attempt &attempt) {
    const bool ended = attempt("ending overdue activities", [this] { end_overdue(); });
    return serve_fakes(attempt) && ended;
}

long Activities::wait_milliseconds(long most) const {
    const Clock::time_point now = Clock::now();
    const auto wait = [&](std::int32_t queue, Clock::time_point retry_at) {
        return std::max<long>(milliseconds_until(pg::peek_bound(queue), pg::now(), most),
                              std::chrono::ceil<std::chrono::milliseconds>(retry_at - now).count());
    };
    return std::min({most, wait(pg::kActivityQueue, retry_at_), wait(pg::kFakeQueue, retry_fakes_at_)});
}

} // namespace hc::workers
