// SQL functions of sql/install/54_schedules.sql: argument checks, then one engine call.
#include "engine/maintenance.hpp"
#include "engine/schedule_verbs.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"

using namespace hc;

namespace {

engine::ScheduleName name_of(const pg::Arguments &args, int tenant) {
    return {args.text(0, "id"), args.optional_text(tenant)};
}

std::optional<std::string> optional_json(const pg::Arguments &args, int i, const char *name) {
    return args.is_null(i) ? std::nullopt : std::optional(args.json(i, name));
}

pg::Return pause(const pg::Arguments &args, bool paused) {
    const engine::ScheduleName name = name_of(args, 2);
    engine::Verb verb;
    const bool changed = engine::pause_schedule(verb.user(), name, paused, args.optional_text(1));
    verb.finish();
    return pg::make_bool(changed);
}

} // namespace

HC_FUNCTION(hc_create_schedule) {
    const engine::ScheduleName name = name_of(args, 4);
    const std::string spec = args.json(1, "spec"), action = args.json(2, "action"), options = args.json(3, "options");
    engine::Verb verb;
    const std::int32_t version = engine::create_schedule(verb.user(), name, spec, action, options);
    verb.finish();
    return pg::make_int32(version);
}

HC_FUNCTION(hc_alter_schedule) {
    const engine::ScheduleName name = name_of(args, 4);
    engine::ScheduleChange change{optional_json(args, 1, "spec"), optional_json(args, 2, "action"),
                                  optional_json(args, 3, "options"), std::nullopt};
    if (!args.is_null(5)) {
        change.expected_version = args.integer(5, "expected_version");
    }
    engine::Verb verb;
    const std::int32_t version = engine::alter_schedule(verb.user(), name, change);
    verb.finish();
    return pg::make_int32(version);
}

HC_FUNCTION(hc_drop_schedule) {
    const engine::ScheduleName name = name_of(args, 1);
    engine::Verb verb;
    engine::drop_schedule(verb.user(), name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_pause_schedule) { return pause(args, true); }

HC_FUNCTION(hc_resume_schedule) { return pause(args, false); }

HC_FUNCTION(hc_trigger_schedule) {
    const engine::ScheduleName name = name_of(args, 2);
    engine::Verb verb;
    const std::string start = engine::trigger_schedule(verb.user(), name, args.optional_text(1));
    verb.finish();
    return pg::make_text(start);
}

HC_FUNCTION(hc_backfill_schedule) {
    const engine::ScheduleName name = name_of(args, 4);
    const core::Time since = args.timestamptz(1, "since"), until = args.timestamptz(2, "until");
    engine::Verb verb;
    engine::backfill_schedule(verb.user(), name, since, until, args.optional_text(3));
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_schedule_times) {
    const std::string spec = args.json(0, "spec");
    const core::Time since = args.timestamptz(1, "since");
    const std::int32_t count = args.integer(2, "count");
    pg::ResultSet rows(args);
    for (const core::Time t : engine::schedule_times(spec, since, count)) {
        rows.add(t);
    }
    return rows.done();
}

HC_FUNCTION(hc_maintain) {
    engine::Verb verb;
    const std::int32_t count = engine::maintain();
    verb.finish();
    return pg::make_int32(count);
}

HC_FUNCTION(hc_schedule_maintenance) {
    engine::Verb verb;
    const std::optional<std::int64_t> job = engine::schedule_maintenance(args.optional_text(0));
    verb.finish();
    return job ? pg::make_int64(*job) : pg::make_null();
}
