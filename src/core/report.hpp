// The body of an outcome report (tenant webhook): Standard Webhooks payload shape, thin, under 4 kB.
#pragma once

#include "core/cascade.hpp"
#include "core/id.hpp"
#include "core/money.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

struct ReportFacts {
    WorkflowId id;
    std::optional<std::string> tenant, key;
    std::string rule;
    std::string channel;  // of the deciding step; empty: none
    std::string provider; // name, of the deciding attempt; empty: none
};

// {"type": .., "timestamp": .., "data": {...}} for report number state.reports. Stored once and sent unchanged on every
// try.
std::string report_json(const State &state, const ReportFacts &facts);

// The type of a body made by report_json; empty: not one.
std::string_view report_type_of(std::string_view body);

// The states that report_json was given, in order of their sequence: a report is a function of the history up to it, so
// it can be made again, byte for byte. Throws hc::Error WF004 like replay.
std::vector<State> states_at_reports(std::span<const HistoryEvent> events);

// "<cascade id>-r<sequence>-e<endpoint>": the webhook-id, the same on every try.
std::string report_id(const WorkflowId &id, std::uint32_t sequence, std::int32_t endpoint);

// cascade_status: the whole state as a JSON object (times in ISO 8601, steps counted from 1).
struct StatusFacts {
    WorkflowId id;
    std::string rule;
    std::int32_t rule_version = 0;
    std::optional<std::string> tenant, key;
    std::vector<std::string> channels;                  // one a step
    std::vector<std::string> provider_names;            // one an attempt
    std::vector<std::optional<Micros>> estimated_costs; // likewise, of those that were sent
    std::string report_state;                           // none | pending | delivered | dead
    std::uint32_t report_failed_tries = 0;
    std::optional<Time> reported_at;
    std::string report_error;
};
std::string status_json(const State &state, const StatusFacts &facts);
// Its member `attempts`; of the facts only the names are needed.
std::string attempts_json(const State &state, const StatusFacts &facts);

} // namespace hc::core
