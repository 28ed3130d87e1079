// Verbs on webhook endpoints: rotation of secrets, enabling, replays. See webhooks.hpp. Runs in callers' backends.
#include "core/cascade.hpp"
#include "core/error.hpp"
#include "core/report.hpp"
#include "engine/advance.hpp"
#include "engine/definitions.hpp"
#include "engine/signal.hpp"
#include "engine/webhooks.hpp"
#include "pg/wake.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

constexpr core::Duration kMaxKeepOld = std::chrono::days(365);

[[noreturn]] void missing_endpoint(std::int32_t id) {
    throw Error(sqlstate::undefined_object, fmt::format("endpoint \"{}\" does not exist", id), {},
                "Endpoints are listed in hermes.endpoints.");
}

const Endpoint &enabled_endpoint(std::int32_t id) {
    const Endpoint *endpoint = definitions().endpoint(id);
    if (endpoint == nullptr) {
        missing_endpoint(id);
    }
    if (!endpoint->enabled) {
        throw Error(sqlstate::not_prerequisite, fmt::format("endpoint \"{}\" is disabled", id),
                    "Nothing is sent to a disabled endpoint.", "Enable it with hermes.enable_endpoint first.");
    }
    return *endpoint;
}

// What a replay of one cascade puts.
class Replay {
public:
    explicit Replay(core::Time now) : now_(now) {}

    // Reports of this history to the endpoint; `any_event`: also those that its filter leaves out.
    void add(const Subject &subject, const std::vector<core::State> &states, const Endpoint &endpoint, bool any_event,
             std::optional<std::int32_t> sequence) {
        for (const core::State &state : states) {
            if (sequence && state.reports != static_cast<std::uint32_t>(*sequence)) {
                continue;
            }
            const std::string_view type = core::report_type(state);
            const bool wanted = report_wanted(endpoint, type) && core::report_wanted(subject.rule->rule, type);
            if (any_event || wanted) {
                put(subject.id, static_cast<std::int32_t>(state.reports), endpoint.id, report_body(subject, state));
            }
        }
    }

    void put(const core::WorkflowId &id, std::int32_t sequence, std::int32_t endpoint, std::string body) {
        tasks_.push_back({id, store::report_number(static_cast<std::uint32_t>(sequence), endpoint), store::Kind::report,
                          pg::replay_queue(endpoint), now_, sequence, endpoint, std::move(body)});
    }

    std::uint64_t write() { return store::put_replays(tasks_); }

private:
    core::Time now_;
    std::vector<store::Task> tasks_;
};

} // namespace

void rotate_endpoint_secret(std::int32_t id, const std::string &new_secret, core::Duration keep_old) {
    if (keep_old < core::Duration::zero() || keep_old > kMaxKeepOld) {
        throw Error(sqlstate::invalid_parameter, "invalid argument \"keep_old\"", "It must be between 0 and 365 days.",
                    "With 0 the old secret signs no longer at once.");
    }
    check_webhook_secret(new_secret);
    const std::optional<pg::json_text> options = store::lock_endpoint_options(id);
    if (!options) {
        missing_endpoint(id);
    }
    if (core::parse_endpoint_options(options->text).secret_name == new_secret) {
        throw Error(sqlstate::invalid_parameter,
                    fmt::format("endpoint \"{}\" has the secret \"{}\" already", id, new_secret), {},
                    "Store the new secret under a name of its own with hermes.set_secret.");
    }
    const std::optional<core::Time> until =
        keep_old > core::Duration::zero() ? std::optional(pg::now() + keep_old) : std::nullopt;
    store::set_endpoint_options(id, core::rotate_endpoint_secret(options->text, new_secret, until));
    pg::invalidate_definitions();
}

void enable_endpoint(std::int32_t id) {
    if (!store::enable_endpoint(id)) {
        missing_endpoint(id);
    }
    pg::invalidate_definitions();
}

std::int32_t replay_webhook(const core::WorkflowId &cascade, std::optional<std::int32_t> sequence,
                            std::optional<std::int32_t> endpoint, Oid user) {
    Definitions &defs = definitions();
    Subject subject{cascade, nullptr, std::nullopt, std::nullopt};
    std::vector<core::State> states;
    if (const auto closed = store::read_closed({cascade}); !closed.empty()) {
        const store::ClosedRow &row = closed.front();
        subject = {cascade, &defs.rule(row.rule_id), row.tenant, row.key};
        states = core::states_at_reports(core::decode_events(row.history.data));
    } else if (const auto open = store::read_open({cascade}); !open.empty()) { // has made no report yet
        subject.tenant = open.front().tenant;
    } else {
        throw_not_found(cascade);
    }
    if (!defs.tenant_allowed(user, subject.tenant)) {
        throw_not_found(cascade);
    }
    const std::uint32_t made = states.empty() ? 0 : states.back().reports;
    if (sequence && (*sequence < 1 || static_cast<std::uint32_t>(*sequence) > made)) {
        throw Error(sqlstate::invalid_parameter, fmt::format("cascade has no report {}", *sequence),
                    fmt::format("It has made {} so far.", made));
    }
    Replay replay(pg::now());
    if (endpoint) {
        const Endpoint &only = enabled_endpoint(*endpoint);
        if (only.tenant != subject.tenant) {
            throw Error(sqlstate::invalid_parameter,
                        fmt::format("endpoint \"{}\" belongs to another tenant", *endpoint),
                        "Reports go to endpoints of the cascade's tenant only.");
        }
        replay.add(subject, states, only, true, sequence);
    } else {
        for (const Endpoint &each : defs.endpoints(subject.tenant)) {
            replay.add(subject, states, each, false, sequence);
        }
    }
    return static_cast<std::int32_t>(replay.write());
}

Replayed replay_webhooks(std::int32_t endpoint, core::Time since, core::Time until, bool failed_only) {
    Definitions &defs = definitions();
    const Endpoint target = enabled_endpoint(endpoint); // a copy: definitions may be loaded below
    const core::Time now = pg::now();
    until = std::min(until, now + std::chrono::seconds(1)); // nothing ends in the future
    Replayed result;
    if (until <= since) {
        return result;
    }
    Replay replay(now);
    if (failed_only) {
        const std::vector<store::DeadReportRow> rows = store::dead_reports(endpoint, since, until, kMaxReplays);
        for (const store::DeadReportRow &row : rows) {
            replay.put(row.workflow_id, row.sequence, endpoint, row.detail.value_or(""));
        }
        if (rows.size() >= static_cast<std::size_t>(kMaxReplays)) {
            result.rest = rows.back().made;
        }
    } else {
        const std::vector<store::EndedRow> rows = store::ended_between(target.tenant, since, until, kMaxReplays);
        for (const store::EndedRow &row : rows) {
            replay.add({row.id, &defs.rule(row.rule_id), target.tenant, row.key},
                       core::states_at_reports(core::decode_events(row.history.data)), target, false, std::nullopt);
        }
        if (rows.size() >= static_cast<std::size_t>(kMaxReplays)) {
            result.rest = rows.back().closed_at;
        }
    }
    result.put = static_cast<std::int64_t>(replay.write());
    return result;
}

} // namespace hc::engine
