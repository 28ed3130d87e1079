// See schedule_verbs.hpp. Runs in callers' backends.
#include "engine/schedule_verbs.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/pauses.hpp"
#include "engine/schedules.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_executions.hpp"
#include "pg/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::Time;
using OptionalText = std::optional<std::string>;
using OptionalTime = std::optional<Time>;

constexpr std::size_t kMaxName = 200; // a nominal time is put behind it
constexpr std::size_t kMaxBackfills = 100;
constexpr int kRoundsBeforeChange = 20;
constexpr std::int32_t kMaxPreview = 1000;
constexpr int kMaxLooks = 100; // of a preview, where nothing comes for long

void check_schedule_name(const ScheduleName &name) {
    check_name(name.id, "schedule id");
    if (name.id.size() > kMaxName) {
        throw Error(sqlstate::invalid_parameter, "invalid schedule id", fmt::format("It has {} bytes.", name.id.size()),
                    fmt::format("At most {} bytes are allowed.", kMaxName));
    }
}

store::ScheduleRow lock(Oid user, const ScheduleName &name) {
    check_tenant_of(user, name.tenant);
    std::optional<store::ScheduleRow> row = store::lock_schedule(name.tenant, name.id);
    if (!row) {
        throw Error(sqlstate::undefined_object, fmt::format("schedule \"{}\" does not exist", name.id),
                    name.tenant ? fmt::format("The tenant is \"{}\".", *name.tenant) : std::string());
    }
    return *std::move(row);
}

// What it starts exists, and its owner may.
void check_action(const std::string &owner, const std::string &json, const OptionalText &tenant) {
    const core::ScheduleAction action = core::parse_schedule_action(json);
    check_may_start(owner, action, tenant);
    if (action.kind == core::ActionKind::workflow) {
        (void)current_workflow_type(action.target);
    } else {
        (void)definitions().current_rule(action.target);
    }
}

void apply(const core::ScheduleOptions &options, store::ScheduleRow &row) {
    if (options.overlap) {
        row.overlap = core::to_string(*options.overlap);
    }
    if (options.catchup_window) {
        row.catchup_us = options.catchup_window->count();
    }
    row.pause_on_failure = options.pause_on_failure.value_or(row.pause_on_failure);
    if (options.limits_actions) {
        row.remaining = options.remaining_actions;
    }
}

// Under the schedule as it is: what has come goes to its starts, and so does a time whose jitter has begun.
void collect_before_change(Schedule &schedule, Time now) {
    OptionalTime next = now;
    for (int round = 0; round < kRoundsBeforeChange && next && *next <= now; ++round) {
        next = collect_starts(schedule, now);
    }
    if (!core::takes_actions(situation_of(schedule.row))) {
        return;
    }
    const auto coming =
        core::next_occurrence(schedule.spec, schedule.zone, core::to_string(schedule.row.id), schedule.row.cursor);
    if (coming.occurrence && coming.occurrence->nominal <= now) {
        const auto [nominal, actual] = *coming.occurrence;
        store::insert_schedule_starts(schedule.row.id, {{nominal, actual, std::nullopt, false, 0, actual}});
    }
    schedule.row.cursor = std::max(schedule.row.cursor, now);
}

// The next time under the schedule as it is now, for the views; the supervisor looks at once. False: nothing comes.
bool set_next_time(Schedule &schedule, Time now) {
    const auto next =
        core::next_occurrence(schedule.spec, schedule.zone, core::to_string(schedule.row.id), schedule.row.cursor);
    schedule.row.next_time = next.occurrence ? OptionalTime(next.occurrence->actual) : std::nullopt;
    schedule.row.updated_at = now;
    return next.occurrence || next.looked_until;
}

void set_next_time_or_tell(Schedule &schedule, Time now) {
    if (!set_next_time(schedule, now)) {
        pg::notice(fmt::format("schedule \"{}\" has no time to come", schedule.row.name),
                   "It acts by trigger_schedule and backfill_schedule only.");
    }
}

OptionalText checked_overlap(const OptionalText &word) {
    if (word) {
        (void)core::parse_overlap(*word);
    }
    return word;
}

void check_note(const OptionalText &note) {
    if (note) {
        check_name(*note, "note");
    }
}

} // namespace

std::int32_t create_schedule(Oid user, const ScheduleName &name, const std::string &spec, const std::string &action,
                             const std::string &options_json) {
    check_tenant_of(user, name.tenant);
    check_schedule_name(name);
    const core::ScheduleOptions options = core::parse_schedule_options(options_json);
    const Time now = pg::now();
    store::ScheduleRow row;
    row.id = new_execution_id(name.tenant, name.id);
    row.tenant = name.tenant;
    row.name = name.id;
    row.owner = pg::role_name(user);
    row.overlap = core::to_string(core::Overlap::skip);
    row.catchup_us = core::ScheduleSituation{.remaining = {}}.catchup_window.count();
    row.paused = options.paused.value_or(false);
    row.note = options.note;
    row.cursor = now;
    row.spec.text = spec;
    row.action.text = action;
    apply(options, row);
    Schedule schedule = read_schedule(std::move(row));
    check_action(schedule.row.owner, action, name.tenant);
    set_next_time_or_tell(schedule, now);
    if (!store::insert_schedule(schedule.row)) {
        throw Error(sqlstate::duplicate_object, fmt::format("schedule \"{}\" already exists", name.id), {},
                    "See hermes.alter_schedule.");
    }
    store::put_schedule_timer(schedule.row.id, now);
    return schedule.row.version;
}

std::int32_t alter_schedule(Oid user, const ScheduleName &name, const ScheduleChange &change) {
    Schedule schedule = read_schedule(lock(user, name));
    store::ScheduleRow &row = schedule.row;
    if (change.expected_version && *change.expected_version != row.version) {
        throw Error(sqlstate::not_prerequisite, fmt::format("schedule \"{}\" was changed meanwhile", name.id),
                    fmt::format("Its version is {}, not {}.", row.version, *change.expected_version),
                    "Read it again, and decide anew.");
    }
    const core::ScheduleOptions options = core::parse_schedule_options(change.options.value_or("{}"));
    if (options.paused || options.note) {
        throw Error(sqlstate::invalid_parameter, "invalid schedule options", "$: paused and note cannot be altered.",
                    "Use hermes.pause_schedule and hermes.resume_schedule.");
    }
    const Time now = pg::now();
    collect_before_change(schedule, now);
    row.spec.text = change.spec.value_or(row.spec.text);
    row.action.text = change.action.value_or(row.action.text);
    apply(options, row);
    schedule = read_schedule(std::move(schedule.row));
    if (change.action) {
        check_action(row.owner, row.action.text, row.tenant);
    }
    row.cursor = std::max(row.cursor, now); // nothing is done for times before now
    ++row.version;
    set_next_time_or_tell(schedule, now);
    store::update_schedule(row);
    store::update_schedule_documents(row);
    store::put_schedule_timer(row.id, now);
    return row.version;
}

void drop_schedule(Oid user, const ScheduleName &name) { store::delete_schedule(lock(user, name).id); }

bool pause_schedule(Oid user, const ScheduleName &name, bool paused, const OptionalText &note) {
    check_note(note);
    Schedule schedule = read_schedule(lock(user, name));
    store::ScheduleRow &row = schedule.row;
    const bool changed = row.paused != paused;
    const Time now = pg::now();
    if (changed) {
        collect_before_change(schedule, now); // while it was paused: nothing
        row.cursor = std::max(row.cursor, now);
        row.paused = paused;
        set_next_time(schedule, now);
    }
    row.note = note ? note : row.note;
    store::update_schedule(row);
    store::put_schedule_timer(row.id, now);
    return changed;
}

std::string trigger_schedule(Oid user, const ScheduleName &name, const OptionalText &overlap) {
    const store::ScheduleRow row = lock(user, name);
    const core::ScheduleAction action = core::parse_schedule_action(row.action.text);
    if (store::schedule_starts(row.id).size() >= core::kMaxBufferedStarts) {
        throw Error(sqlstate::limit_exceeded, fmt::format("too many starts of schedule \"{}\" wait", name.id),
                    fmt::format("At most {} wait.", core::kMaxBufferedStarts), "Try again later.");
    }
    const Time now = pg::now();
    store::insert_schedule_starts(row.id, {{now, now, checked_overlap(overlap), true, 0, now}});
    store::put_schedule_timer(row.id, now);
    return core::name_of_start(action.name.empty() ? row.name : action.name, now);
}

void backfill_schedule(Oid user, const ScheduleName &name, Time since, Time until, const OptionalText &overlap) {
    if (until < since || until == core::kNever) {
        throw Error(sqlstate::invalid_parameter, "invalid range of a backfill", {},
                    "It must end, and not before it begins.");
    }
    const store::ScheduleRow row = lock(user, name);
    const std::vector<store::BackfillRow> others = store::schedule_backfills(row.id);
    if (others.size() >= kMaxBackfills) {
        throw Error(sqlstate::limit_exceeded,
                    fmt::format("too many backfills of schedule \"{}\" are under way", name.id),
                    fmt::format("At most {} may be.", kMaxBackfills), "Try again later.");
    }
    const std::int32_t number = others.empty() ? 1 : others.back().number + 1;
    store::insert_backfill(row.id, {number, since - core::Duration(1), until, checked_overlap(overlap)});
    store::put_schedule_timer(row.id, pg::now());
}

std::vector<Time> schedule_times(const std::string &json, Time since, std::int32_t count) {
    if (count < 1 || count > kMaxPreview) {
        throw Error(sqlstate::invalid_parameter, "invalid count", {},
                    fmt::format("Ask for 1 to {} times.", kMaxPreview));
    }
    const core::ScheduleSpec spec = core::parse_schedule_spec(json);
    const core::ZoneOffset zone = zone_clock(spec.time_zone);
    std::vector<Time> times;
    for (int looks = 0; times.size() < static_cast<std::size_t>(count) && looks < kMaxLooks;) {
        const core::NextTime next = core::next_time(spec, zone, since);
        if (next.time) {
            times.push_back(*next.time);
        } else if (!next.looked_until) {
            break;
        } else {
            ++looks;
        }
        since = next.time ? *next.time : *next.looked_until;
    }
    return times;
}

} // namespace hc::engine
