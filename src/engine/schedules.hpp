// Schedules: what verbs and the supervisor share.
#pragma once

#include "core/schedule_options.hpp"
#include "store/schedules.hpp"

#include <optional>
#include <string>

namespace hc::engine {

struct Schedule {
    store::ScheduleRow row;
    core::ScheduleSpec spec;
    core::ZoneOffset zone;
};
Schedule read_schedule(store::ScheduleRow row); // throws 22023 when its time zone exists no more
core::ScheduleSituation situation_of(const store::ScheduleRow &row);

// Times that have come since the last look become starts, as far as one go does it; returns when to look again,
// nullopt: nothing comes. Changes the row, and does not write it.
std::optional<core::Time> collect_starts(Schedule &schedule, core::Time now);

// Throws 42704 or 42501 when the role may not start the action (any more).
void check_may_start(const std::string &owner, const core::ScheduleAction &action,
                     const std::optional<std::string> &tenant);

} // namespace hc::engine
