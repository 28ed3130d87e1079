// Webhooks: claims of reports, the queues of single endpoints, endpoint state, delivery log, replays.
// All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "store/executions.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// ---- claims ----

struct ClaimedReport {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    std::int32_t queue = 0; // another than the one claimed from: moved there, not claimed
    core::Time due{};
    std::int16_t sequence = 0;
    std::int32_t endpoint = 0;
    std::int16_t claims = 0; // this claim included
    std::int16_t tries = 0;
    std::optional<std::string> detail;
    auto fields() { return std::tie(workflow_id, number, queue, due, sequence, endpoint, claims, tries, detail); }
};
// How many of an endpoint's reports are welcome; `others`: of each endpoint that is not named.
struct Rooms {
    std::vector<std::int32_t> endpoints, rooms;
    std::int32_t others = 0;
};
// Due reports of a queue in due order, like claim_due; those past the room of their endpoint move to its waiting queue.
std::vector<ClaimedReport> claim_reports(std::int32_t queue, core::Time from, core::Time until, const Alive &alive,
                                         std::int64_t owner, std::int32_t limit, const Rooms &rooms);
// Reports of a queue that this owner has, those under way included, by due time.
std::vector<ClaimedReport> read_handed_reports(std::int32_t queue, const HandedRange &range, std::int64_t owner);
// Claimed reports that are not sent now: to the waiting queues of their endpoints, not claimed, due as before.
void put_back_reports(const std::vector<TaskKey> &keys);

struct EndpointQueueRow {
    std::int32_t queue = 0;
    core::Time due{}; // smallest in the queue
    auto fields() { return std::tie(queue, due); }
};
std::vector<EndpointQueueRow> endpoint_queues(std::int32_t limit); // those that hold something

// ---- outcomes of tries ----

struct ReportRetries { // one entry a report in each vector
    std::vector<TaskKey> keys;
    std::vector<std::int32_t> queues;
    std::vector<core::Time> dues;
    std::vector<std::string> errors;
};
void retry_reports(const ReportRetries &retries);

// To the dead letters, without a look at their cascades. Returns how many there were.
std::uint64_t bury_reports(const std::vector<TaskKey> &keys, const std::vector<std::string> &errors, core::Time now);
std::uint64_t bury_endpoint_queue(std::int32_t queue, const Alive &alive, const std::string &error, std::int32_t limit,
                                  core::Time now);

// ---- state of endpoints: written when it changes, and once a minute while deliveries or failures go on ----

void note_deliveries(const std::vector<std::int32_t> &endpoints, core::Time now); // clears failing_since
void note_failures(const std::vector<std::int32_t> &endpoints, const std::vector<std::string> &errors, core::Time now);
struct FailingRow {
    std::int32_t id = 0;
    core::Time since{};
    auto fields() { return std::tie(id, since); }
};
std::vector<FailingRow> failing_endpoints(const std::vector<std::int32_t> &endpoints);
bool disable_endpoint(std::int32_t id, const std::string &reason); // false: it is, or somebody holds its row
bool enable_endpoint(std::int32_t id);                             // false: no such endpoint
std::optional<pg::json_text> lock_endpoint_options(std::int32_t id);
void set_endpoint_options(std::int32_t id, const std::string &options);

// ---- delivery log ----

struct DeliveryRow {
    core::WorkflowId cascade;
    std::int32_t endpoint = 0;
    std::optional<std::string> tenant;
    std::string event;
    std::int16_t sequence = 0;
    std::int16_t attempt = 0; // counted from 1
    std::optional<std::int16_t> status;
    std::int16_t result = 0; // DeliveryResult
    std::optional<std::int32_t> duration_ms;
    std::optional<std::string> error;
};
enum class DeliveryResult : std::int16_t { delivered = 1, failed = 2, dead = 3 };
void insert_deliveries(const std::vector<DeliveryRow> &rows, core::Time now);

// ---- replays ----

// Cascades of a tenant that ended in [since, until), oldest first; more than the limit only for equal times.
struct EndedRow {
    core::WorkflowId id;
    core::Time closed_at{};
    std::int32_t rule_id = 0;
    std::optional<std::string> key;
    pg::bytes history;
    auto fields() { return std::tie(id, closed_at, rule_id, key, history); }
};
std::vector<EndedRow> ended_between(const std::optional<std::string> &tenant, core::Time since, core::Time until,
                                    std::int32_t limit);
// Dead reports of an endpoint made in [since, until), oldest first; they stay dead letters.
struct DeadReportRow {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    std::int16_t sequence = 0;
    std::optional<std::string> detail;
    core::Time made{};
    auto fields() { return std::tie(workflow_id, number, sequence, detail, made); }
};
std::vector<DeadReportRow> dead_reports(std::int32_t endpoint, core::Time since, core::Time until, std::int32_t limit);
// Puts reports into their queues, due now; one that waits already is only brought forward, one under way is left alone.
// Their dead letters go. Returns how many were put or brought forward.
std::uint64_t put_replays(const std::vector<Task> &tasks);

} // namespace hc::store
