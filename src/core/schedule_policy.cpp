// See schedule_policy.hpp. Pure.
#include "core/schedule_policy.hpp"

#include <algorithm>

namespace hc::core {

DueTimes collect_due(const ScheduleSpec &spec, const ZoneOffset &zone, std::string_view seed, Time cursor,
                     const ScheduleSituation &situation, Time now, std::size_t room, std::size_t limit) {
    DueTimes due;
    due.cursor = cursor;
    if (!takes_actions(situation)) {
        due.cursor = std::max(cursor, now);
        return due;
    }
    for (std::size_t n = 0; n < limit; ++n) {
        const NextOccurrence next = next_occurrence(spec, zone, seed, due.cursor);
        if (!next.occurrence || next.occurrence->actual > now) {
            due.next = next.occurrence ? std::optional(next.occurrence->actual) : next.looked_until;
            if (!next.looked_until || *next.looked_until > now)
                return due;
            due.cursor = *next.looked_until; // excluded up to there
            continue;
        }
        due.cursor = next.occurrence->nominal;
        if (now - next.occurrence->actual > situation.catchup_window)
            ++due.missed;
        else if (due.starts.size() == room)
            ++due.dropped;
        else
            due.starts.push_back(*next.occurrence);
    }
    due.next = now;
    return due;
}

namespace {

class Decider {
public:
    Decider(std::span<const PendingStart> starts, const ScheduleSituation &situation, Time now)
        : starts_(starts), situation_(situation), now_(now), remaining_(situation.remaining) {
        decision_.fates.assign(starts.size(), StartFate::wait);
    }

    StartDecision run() {
        for (std::size_t i = 0; i < starts_.size(); ++i)
            look_at(i);
        if (next_ && due(*next_))
            set(*next_, StartFate::start);
        return std::move(decision_);
    }

private:
    void set(std::size_t i, StartFate fate) { decision_.fates[i] = fate; }

    void wait_until(Time t) { decision_.look_at = std::min(decision_.look_at.value_or(t), t); }

    bool due(std::size_t i) {
        if (starts_[i].retry_at > now_)
            wait_until(starts_[i].retry_at);
        return starts_[i].retry_at <= now_;
    }

    // Whether an action of its kind may be taken at all; takes one of the remaining.
    bool allowed(const PendingStart &start) {
        if (start.manual)
            return true;
        if (situation_.paused || remaining_.value_or(1) <= 0)
            return false;
        if (remaining_)
            --*remaining_;
        return true;
    }

    void look_at(std::size_t i) {
        const PendingStart &start = starts_[i];
        if (start.actual > now_)
            wait_until(start.actual);
        else if (now_ - start.actual > situation_.catchup_window)
            set(i, StartFate::miss);
        else
            place(i, start.overlap.value_or(situation_.overlap));
    }

    void place(std::size_t i, Overlap overlap) {
        const bool overlaps = overlap != Overlap::allow_all && (situation_.running || next_);
        if (overlaps && !replaces(overlap)) {
            buffer(i, overlap);
            return;
        }
        const bool replacing = next_ && overlap != Overlap::allow_all;
        if (replacing && remaining_ && !starts_[*next_].manual)
            ++*remaining_; // what that one would have taken
        if (!allowed(starts_[i])) {
            set(i, StartFate::skip);
        } else if (overlap == Overlap::allow_all) {
            if (due(i))
                set(i, StartFate::start);
        } else {
            if (replacing)
                set(*next_, StartFate::skip);
            next_ = i;
        }
    }

    // Nothing runs yet: it takes the place of the one that was to start.
    bool replaces(Overlap overlap) const {
        return !situation_.running && (overlap == Overlap::cancel_other || overlap == Overlap::terminate_other);
    }

    void buffer(std::size_t i, Overlap overlap) {
        const PendingStart &start = starts_[i];
        if (!start.manual && (situation_.paused || situation_.remaining.value_or(1) <= 0)) {
            set(i, StartFate::skip);
            return;
        }
        switch (overlap) {
        case Overlap::skip:
        case Overlap::allow_all: // does not come here
            set(i, StartFate::skip);
            return;
        case Overlap::buffer_one:
            if (buffered_) {
                set(i, StartFate::skip);
                return;
            }
            break;
        case Overlap::buffer_all:
            break;
        case Overlap::cancel_other:
        case Overlap::terminate_other:
            (overlap == Overlap::cancel_other ? decision_.cancel_running : decision_.terminate_running) = true;
            if (waits_for_end_) // it would be replaced when the running one has ended
                set(*waits_for_end_, StartFate::skip);
            waits_for_end_ = i;
            break;
        }
        buffered_ = true;
    }

    std::span<const PendingStart> starts_;
    const ScheduleSituation &situation_;
    Time now_;
    std::optional<std::int64_t> remaining_;
    StartDecision decision_;
    std::optional<std::size_t> next_;          // is to start, and nothing may overlap with it
    std::optional<std::size_t> waits_for_end_; // of those that end the running one
    bool buffered_ = false;
};

} // namespace

StartDecision decide_starts(std::span<const PendingStart> starts, const ScheduleSituation &situation, Time now) {
    return Decider(starts, situation, now).run();
}

Duration start_retry_delay(std::int32_t tries) {
    constexpr std::int32_t kDoublings = 6; // past a minute
    const std::int32_t doublings = std::clamp(tries - 1, 0, kDoublings);
    return std::min<Duration>(std::chrono::seconds(1LL << doublings), std::chrono::seconds(60));
}

} // namespace hc::core
