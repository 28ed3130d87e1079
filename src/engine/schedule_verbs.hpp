// Verbs of schedules, in the caller's transaction. What they ask for is done by the supervisor after the commit.
#pragma once

#include "core/time.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct ScheduleName {
    std::string id;
    std::optional<std::string> tenant;
};
std::int32_t create_schedule(Oid user, const ScheduleName &name, const std::string &spec, const std::string &action,
                             const std::string &options);
struct ScheduleChange {
    std::optional<std::string> spec, action, options; // JSON; nullopt: as it is
    std::optional<std::int32_t> expected_version;
};
std::int32_t alter_schedule(Oid user, const ScheduleName &name, const ScheduleChange &change);
void drop_schedule(Oid user, const ScheduleName &name);
bool pause_schedule(Oid user, const ScheduleName &name, bool paused, const std::optional<std::string> &note);
std::string trigger_schedule(Oid user, const ScheduleName &name, const std::optional<std::string> &overlap);
void backfill_schedule(Oid user, const ScheduleName &name, core::Time since, core::Time until,
                       const std::optional<std::string> &overlap);
std::vector<core::Time> schedule_times(const std::string &spec, core::Time since, std::int32_t count);

} // namespace hc::engine
