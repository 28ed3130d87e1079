// What a schedule does and how: its action and its options, as documents.
#pragma once

#include "core/schedule_policy.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

// {"start_workflow": {"type": "report", "input": {}, "workflow_id": "daily-report", "options": {"run_timeout": "1h"}}}
// or
// {"start_cascade": {"rule": "welcome", "message": {"to": ".."}, "key": "digest", "options": {"priority":
// "marketing"}}}
//
// workflow_id, key: what the nominal time is put behind, default the schedule's id. options: of a workflow start_delay
// and run_timeout, of a cascade priority.
enum class ActionKind : std::uint8_t { workflow = 1, cascade = 2 };
struct ScheduleAction {
    ActionKind kind{};
    std::string target; // workflow type or rule
    std::string name;   // workflow_id or key; empty: the schedule's id
    std::string options_json = "{}";
};
ScheduleAction parse_schedule_action(std::string_view json); // throws 22023, 54000 with the JSON path

// {"overlap": "skip", "catchup_window": "365d", "pause_on_failure": false, "remaining_actions": null, "paused": false,
//  "note": ".."}; what is not given stays as it is, at first as here.
struct ScheduleOptions {
    std::optional<Overlap> overlap;
    std::optional<Duration> catchup_window;
    std::optional<bool> pause_on_failure;
    bool limits_actions = false; // remaining_actions is given
    std::optional<std::int64_t> remaining_actions;
    std::optional<bool> paused;
    std::optional<std::string> note;
};
ScheduleOptions parse_schedule_options(std::string_view json);

Overlap parse_overlap(std::string_view word); // throws 22023

// The id or key of a start: "<name>-<nominal time>".
std::string name_of_start(std::string_view name, Time nominal);

} // namespace hc::core
