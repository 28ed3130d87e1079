// See query.hpp.
#include "engine/query.hpp"

#include "core/cascade.hpp"
#include "core/dry_run.hpp"
#include "core/error.hpp"
#include "core/gates.hpp"
#include "core/report.hpp"
#include "engine/definitions.hpp"
#include "engine/pauses.hpp"
#include "engine/signal.hpp"
#include "store/executions.hpp"
#include "store/tasks.hpp"
#include "store/timers.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

struct Found {
    std::int32_t rule_id = 0;
    std::optional<std::string> tenant, key;
    std::optional<core::Time> reported_at;
    std::string history;
    bool closed = false;
};

Found find(const core::WorkflowId &id, Oid user) {
    Found found;
    if (std::vector<store::OpenRow> open = store::read_open({id}); !open.empty()) {
        store::OpenRow &row = open.front();
        found = {row.rule_id, row.tenant, row.key, std::nullopt, std::move(row.history.data), false};
    } else if (std::vector<store::ClosedRow> closed = store::read_closed({id}); !closed.empty()) {
        store::ClosedRow &row = closed.front();
        found = {row.rule_id, row.tenant, row.key, row.reported_at, std::move(row.history.data), true};
    } else {
        throw_not_found(id);
    }
    if (!definitions().tenant_allowed(user, found.tenant)) {
        throw_not_found(id);
    }
    return found;
}

void add_report_state(const core::WorkflowId &id, const Found &found, const core::State &state,
                      core::StatusFacts &facts) {
    facts.reported_at = found.reported_at;
    facts.report_state = found.reported_at ? "delivered" : "none";
    if (state.reports == 0) {
        return;
    }
    for (const store::OutstandingRow &row : store::outstanding_reports(id)) {
        facts.report_state = "pending";
        facts.report_failed_tries = static_cast<std::uint32_t>(row.tries);
        facts.report_error = row.last_error.value_or("");
    }
    if (facts.report_state != "pending" && store::has_dead_report(id)) {
        facts.report_state = "dead";
    }
}

// The message of an open cascade; an ended one has none any more.
std::optional<std::string> read_message(const core::WorkflowId &id) {
    std::vector<store::SendRow> rows = store::read_for_send({id}, true);
    return rows.empty() ? std::nullopt : std::optional(std::move(rows.front().message.text));
}

// By the configuration and the message as they are now; nothing of it is stored.
void add_costs(const core::WorkflowId &id, const core::State &state, core::StatusFacts &facts) {
    std::optional<std::optional<std::string>> message;
    for (const core::AttemptState &attempt : state.attempts) {
        const Provider *provider = definitions().provider(attempt.provider);
        std::optional<core::Micros> cost;
        if (attempt.taken && provider != nullptr && provider->config) {
            const core::CostSettings &settings = provider->config->cost;
            if (settings.per_part != 0 && !message) {
                message = read_message(id);
            }
            if (settings.per_part != 0 && *message) {
                cost = core::estimate_cost(settings, **message);
            } else if (settings.per_part == 0 && settings.per_message != 0) {
                cost = settings.per_message;
            }
        }
        facts.estimated_costs.push_back(cost);
    }
}

} // namespace

std::string cascade_status(const core::WorkflowId &id, Oid user) {
    Definitions &defs = definitions();
    const Found found = find(id, user);
    const core::State state = core::replay(core::decode_events(found.history));
    const RuleVersion &rule = defs.rule(found.rule_id);
    core::StatusFacts facts;
    facts.id = id;
    facts.rule = rule.name;
    facts.rule_version = rule.version;
    facts.tenant = found.tenant;
    facts.key = found.key;
    for (const core::Step &step : rule.rule.steps) {
        facts.channels.push_back(step.channel);
    }
    for (const core::AttemptState &attempt : state.attempts) {
        const Provider *provider = defs.provider(attempt.provider);
        facts.provider_names.push_back(provider != nullptr ? provider->name : "");
    }
    add_report_state(id, found, state, facts);
    add_costs(id, state, facts);
    return core::status_json(state, facts);
}

std::vector<core::HistoryEvent> cascade_history(const core::WorkflowId &id, Oid user) {
    return core::decode_events(find(id, user).history);
}

namespace {

std::vector<core::HistoryEvent> run_dry(const RuleVersion &rule, const std::string &message_json,
                                        const std::string &script_json) {
    const core::DryRunScript script = core::parse_dry_run_script(script_json);
    core::StartInput start;
    start.time_zone = time_zone_of(rule.rule, message_json);
    core::Surroundings around;
    around.zone = zone_clock(start.time_zone);
    return core::dry_run(rule.program, script, start, pg::now(), around);
}

} // namespace

std::vector<core::HistoryEvent> dry_run(const std::string &rule_name, const std::string &message_json,
                                        const std::string &script_json) {
    return run_dry(definitions().current_rule(rule_name), message_json, script_json);
}

std::vector<core::HistoryEvent> dry_run_rule(const std::string &rule_json, const std::string &message_json,
                                             const std::string &script_json) {
    return run_dry(definitions().provisional_rule(rule_json), message_json, script_json);
}

namespace {

// A timer that was given up, if the state of its cascade still names it: else something else has moved the cascade on.
void put_timer_back(const store::OpenRow &row, std::int32_t number) {
    const core::State state = core::replay(core::decode_events(row.history.data));
    if (state.timer_task != static_cast<std::uint32_t>(number) || (row.timer && row.timer->number == number)) {
        return;
    }
    if (row.timer) { // put back before, and named no more
        store::delete_seen_timers({{row.id, row.timer->place}});
    }
    store::insert_timers({{row.id, number, pg::now()}});
}

} // namespace

void retry_dead_letter(std::int64_t id) {
    const std::optional<core::WorkflowId> of_timer = store::find_dead_timer(id);
    std::vector<store::OpenRow> open;
    if (of_timer) { // before the letter, by the lock order
        open = store::lock_open({*of_timer}, store::LockWait::wait);
    }
    const std::optional<store::DeadLetterRow> letter = store::take_dead_letter(id);
    const bool just_come = letter && !of_timer && letter->kind == static_cast<std::int16_t>(store::Kind::timer);
    if (!letter || just_come) {
        throw Error(sqlstate::undefined_object, fmt::format("dead letter {} does not exist", id));
    }
    if (letter->kind == static_cast<std::int16_t>(store::Kind::send)) {
        throw Error(sqlstate::not_prerequisite, fmt::format("dead letter {} is a send", id),
                    "Its cascade has gone on without it.", "Start a new cascade for the message.");
    }
    if (letter->kind == static_cast<std::int16_t>(store::Kind::timer)) {
        if (!open.empty()) {
            put_timer_back(open.front(), letter->number);
        }
        return;
    }
    store::insert_tasks({store::Task{letter->workflow_id, letter->number, static_cast<store::Kind>(letter->kind),
                                     letter->queue, pg::now(), letter->attempt, letter->target, letter->detail}});
}

} // namespace hc::engine
