// See activity_control.hpp. Runs in callers' backends.
#include "engine/activity_control.hpp"

#include "core/error.hpp"
#include "engine/activities.hpp"
#include "engine/definitions.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::Activity;
using core::ActivityState;
using core::WorkflowId;
using store::ActivityRow;

[[noreturn]] void refuse(const std::string &why) { throw Error(sqlstate::not_prerequisite, why); }

ActivityState waiting_state(const Activity &activity, core::Time now) {
    return activity.due > now ? ActivityState::backing_off : ActivityState::scheduled;
}

void write(ActivityRow &row, const Activity &activity) {
    put_activity(row, activity);
    store::update_activity(row);
    renew_send(row);
}

} // namespace

void pause_activity(const WorkflowId &id, const std::string &activity_id, Oid user) {
    ActivityRow row = lock_activity_by_id(id, activity_id, user);
    Activity activity = activity_of(row);
    if (activity.state == ActivityState::paused || activity.pause_requested) {
        refuse("activity is already paused");
    }
    if (activity.cancel_requested || activity.reset_requested) {
        refuse(activity.cancel_requested ? "activity was asked to cancel" : "activity is to be reset");
    }
    if (activity.state == ActivityState::started) {
        activity.pause_requested = true;
    } else {
        activity.state = ActivityState::paused;
    }
    write(row, activity);
}

void resume_activity(const WorkflowId &id, const std::string &activity_id, Oid user) {
    ActivityRow row = lock_activity_by_id(id, activity_id, user);
    Activity activity = activity_of(row);
    if (activity.state == ActivityState::paused) {
        activity.state = waiting_state(activity, pg::now());
    } else if (activity.pause_requested) {
        activity.pause_requested = false;
    } else {
        refuse("activity is not paused");
    }
    write(row, activity);
}

void reset_activity(const WorkflowId &id, const std::string &activity_id, const std::string &options_json, Oid user) {
    const core::ActivityReset reset = core::parse_activity_reset(options_json);
    ActivityRow row = lock_activity_by_id(id, activity_id, user);
    Activity activity = activity_of(row);
    if (activity.cancel_requested || activity.reset_requested) {
        refuse(activity.cancel_requested ? "activity was asked to cancel" : "activity is to be reset already");
    }
    if (reset.drop_heartbeat) {
        row.flags |= store::kDropHeartbeat;
    }
    if (activity.state == ActivityState::started) {
        activity.reset_requested = true;
        activity.pause_requested = activity.pause_requested && reset.keep_paused;
    } else {
        activity.attempt = 1;
        activity.due = pg::now();
        if (activity.state != ActivityState::paused || !reset.keep_paused) {
            activity.state = ActivityState::scheduled;
        }
    }
    write(row, activity);
}

void update_activity_options(const WorkflowId &id, const std::string &activity_id, const std::string &options_json,
                             Oid user) {
    ActivityRow row = lock_activity_by_id(id, activity_id, user);
    const core::ActivityOptions before = core::parse_activity_options(row.options);
    const core::ActivityOptions options = core::normalized(core::updated_options(before, options_json), std::nullopt);
    row.options = core::activity_options_json(options);
    row.priority = static_cast<std::int16_t>(options.priority);
    if (row.queue_id > 0) { // no provider, no fake
        row.queue_id = store::activity_queue(options.queue);
    }
    write(row, core::with_options(before, options, activity_of(row), row.last_failure.value_or(""), pg::now()));
}

void alter_activity_queue(const std::string &name, const std::string &options_json) {
    check_name(name, "queue");
    const core::ActivityQueueOptions options = core::parse_activity_queue(options_json);
    store::set_activity_rate(store::activity_queue(name), options.rate, options.burst);
}

void pause_activity_queue(const std::string &name) {
    check_name(name, "queue");
    store::pause_activity_queue(store::activity_queue(name), pg::now());
}

void resume_activity_queue(const std::string &name) {
    const std::optional<store::ActivityQueueRow> queue = store::find_activity_queue(name);
    if (!queue) {
        throw Error(sqlstate::undefined_object, fmt::format("queue \"{}\" does not exist", name));
    }
    store::pause_activity_queue(queue->id, std::nullopt);
}

} // namespace hc::engine
