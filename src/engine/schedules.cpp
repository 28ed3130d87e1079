// See schedules.hpp. Runs in callers' backends and in the supervisor.
#include "engine/schedules.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/pauses.hpp"
#include "pg/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

using core::Time;
using OptionalText = std::optional<std::string>;
using OptionalTime = std::optional<Time>;

namespace {

constexpr std::size_t kTimesAtOnce = 1000; // looked at in one go

} // namespace

Schedule read_schedule(store::ScheduleRow row) {
    Schedule schedule{std::move(row), {}, {}};
    schedule.spec = core::parse_schedule_spec(schedule.row.spec.text);
    schedule.zone = zone_clock(schedule.spec.time_zone);
    return schedule;
}

core::ScheduleSituation situation_of(const store::ScheduleRow &row) {
    return {.overlap = core::parse_overlap(row.overlap),
            .catchup_window = core::Duration(row.catchup_us),
            .paused = row.paused,
            .remaining = row.remaining};
}

OptionalTime collect_starts(Schedule &schedule, Time now) {
    store::ScheduleRow &row = schedule.row;
    const std::size_t waiting = store::schedule_starts(row.id).size();
    const std::size_t room = core::kMaxBufferedStarts - std::min(waiting, core::kMaxBufferedStarts);
    const core::DueTimes due = core::collect_due(schedule.spec, schedule.zone, core::to_string(row.id), row.cursor,
                                                 situation_of(row), now, room, kTimesAtOnce);
    std::vector<store::ScheduleStartRow> starts;
    for (const core::Occurrence &o : due.starts) {
        starts.push_back({o.nominal, o.actual, std::nullopt, false, 0, o.actual});
    }
    store::insert_schedule_starts(row.id, starts);
    row.missed += due.missed;
    row.dropped += due.dropped;
    row.cursor = due.cursor;
    return due.next;
}

void check_may_start(const std::string &owner, const core::ScheduleAction &action, const OptionalText &tenant) {
    const Oid user = pg::role_oid(owner);
    if (!OidIsValid(user)) {
        throw Error(sqlstate::undefined_object, fmt::format("role \"{}\" does not exist", owner), {},
                    "Make the schedule again as another role.");
    }
    const bool cascade = action.kind == core::ActionKind::cascade;
    if (!store::may_start(owner, cascade) || !definitions().tenant_allowed(user, tenant)) {
        throw Error(sqlstate::insufficient_privilege,
                    fmt::format("role \"{}\" may not start {}", owner, cascade ? "cascades" : "workflows"),
                    tenant ? fmt::format("The tenant is \"{}\".", *tenant) : std::string(),
                    "It needs membership in hermes_app, and its tenant (hermes.grant_tenant).");
    }
}

} // namespace hc::engine
