// What a decision means for tasks, reports and counters. See advance.hpp.
#include "core/report.hpp"
#include "engine/advance.hpp"
#include "engine/definitions.hpp"
#include "engine/placement.hpp"
#include "pg/wake.hpp"

#include <algorithm>

namespace hc::engine {

namespace {

// Of a send or a condition.
store::Task make_task(const Subject &subject, core::Priority priority, const core::TaskPut &put) {
    store::Task task{.workflow_id = subject.id, .number = static_cast<std::int32_t>(put.number)};
    task.target = put.provider;
    if (put.kind == core::TaskKind::send) {
        const Place place = place_send(subject.tenant, priority, put);
        task.kind = store::Kind::send;
        task.queue = place.queue;
        task.due = place.due;
        task.attempt = put.attempt;
        task.may_be_handed = !definitions().tenant_limits(subject.tenant).cost_per_day; // its first claim pays
    } else {
        task.kind = store::Kind::condition;
        task.queue = sql_queue(subject.tenant, subject.rule->rule);
        task.due = put.due;
        task.attempt = put.step;
    }
    if (put.hold != core::TaskHold::none) {
        task.queue = -task.queue; // put aside
    }
    return task;
}

} // namespace

void collect_tasks(const Subject &subject, const core::State &state, const core::Decision &decision,
                   TaskChanges &changes) {
    for (const std::uint32_t dropped : decision.drops) {
        const auto number = static_cast<std::int32_t>(dropped);
        const auto is_it = [number](const auto &put) { return put.number == number; };
        // put and dropped within one batch: it never existed
        if (std::erase_if(changes.puts, is_it) == 0 && std::erase_if(changes.timers, is_it) == 0) {
            changes.drops.push_back({subject.id, number});
        }
    }
    for (const core::TaskPut &put : decision.puts) {
        if (put.kind == core::TaskKind::timer) {
            changes.timers.push_back({subject.id, static_cast<std::int32_t>(put.number), put.due,
                                      put.hold != core::TaskHold::none, std::nullopt});
        } else {
            changes.puts.push_back(make_task(subject, state.priority, put));
        }
    }
}

std::string report_body(const Subject &subject, const core::State &state) {
    core::ReportFacts facts{subject.id, subject.tenant, subject.key, subject.rule->name, {}, {}};
    const core::AttemptState *about = core::reported_attempt(state);
    if (about != nullptr) {
        const Provider *provider = definitions().provider(about->provider);
        facts.provider = provider != nullptr ? provider->name : "";
    }
    if (const std::optional<std::uint16_t> step = core::reported_step(state)) {
        facts.channel = subject.rule->rule.steps.at(*step).channel;
    }
    return core::report_json(state, facts);
}

bool report_wanted(const Endpoint &endpoint, std::string_view type) {
    const std::vector<std::string> &events = endpoint.config.events;
    return events.empty() || std::find(events.begin(), events.end(), type) != events.end();
}

namespace {

void collect_report(const Subject &subject, const core::State &state, TaskChanges &changes) {
    const std::vector<Endpoint> &endpoints = definitions().endpoints(subject.tenant);
    const std::string_view type = core::report_type(state);
    if (endpoints.empty() || !core::report_wanted(subject.rule->rule, type)) {
        return;
    }
    const std::string body = report_body(subject, state);
    for (const Endpoint &endpoint : endpoints) {
        if (!report_wanted(endpoint, type)) {
            continue;
        }
        changes.puts.push_back({subject.id, store::report_number(state.reports, endpoint.id), store::Kind::report,
                                pg::kWebhookQueue, state.last_event, static_cast<std::int32_t>(state.reports),
                                endpoint.id, body});
    }
}

} // namespace

void collect_reports(const Subject &subject, const core::State &state, const core::Decision &decision,
                     TaskChanges &changes) {
    for (const core::State &at : decision.step_reports) {
        collect_report(subject, at, changes);
    }
    if (decision.report) {
        collect_report(subject, state, changes);
    }
}

void count_outcome(core::Outcome outcome) {
    switch (outcome) {
    case core::Outcome::delivered:
        return pg::count(pg::Count::delivered);
    case core::Outcome::exhausted:
        return pg::count(pg::Count::exhausted);
    case core::Outcome::expired:
        return pg::count(pg::Count::expired);
    case core::Outcome::canceled:
        return pg::count(pg::Count::canceled);
    case core::Outcome::none:
        return;
    }
}

} // namespace hc::engine
