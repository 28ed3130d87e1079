// Claiming and recording reports. See webhooks.hpp. Runs in dispatchers.
#include "engine/webhooks.hpp"

#include "core/error.hpp"
#include "core/report.hpp"
#include "core/webhook.hpp"
#include "engine/definitions.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"
#include "pg/random.hpp"
#include "pg/wake.hpp"
#include "store/executions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

namespace hc::engine {

namespace {

constexpr std::int32_t kBurialsAtOnce = 1000;

void prepare(Report &report) {
    Definitions &defs = definitions();
    const Endpoint *endpoint = defs.endpoint(report.endpoint);
    if (endpoint == nullptr || !endpoint->enabled) {
        report.failure = endpoint == nullptr ? "endpoint was dropped" : "endpoint is disabled";
        return;
    }
    report.url = endpoint->url;
    report.timeout = endpoint->config.timeout;
    report.headers = endpoint->config.headers;
    report.concurrency = endpoint->config.concurrency;
    report.rate = endpoint->config.rate;
    const std::vector<std::string> names = core::signing_secrets(endpoint->config, pg::now());
    for (const std::string &name : names) {
        const std::optional<std::string> secret = defs.secret(name);
        if (const auto key = secret ? core::parse_webhook_secret(*secret) : std::nullopt) {
            report.keys.push_back(*key);
        } else if (&name == &names.front()) { // an old one that is gone signs no longer, that is all
            report.failure = "webhook secret is missing or malformed";
            return;
        }
    }
}

void take(const std::vector<store::ClaimedReport> &tasks, const ClaimRequest &request, ReportClaim &claim) {
    for (const store::ClaimedReport &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        if (task.queue != request.queue) {
            claim.moved.push_back({task.queue, task.due});
            continue;
        }
        if (task.claims > pg::guc::max_claims) {
            claim.burials.push_back({key, "claimed too often without an answer"});
            continue;
        }
        Report report;
        report.key = key;
        report.due = task.due;
        report.endpoint = task.endpoint;
        report.failed_tries = static_cast<std::uint32_t>(task.tries);
        report.sequence = task.sequence;
        report.id = core::report_id(task.workflow_id, static_cast<std::uint32_t>(task.sequence), task.endpoint);
        report.body = task.detail.value_or("");
        report.event = core::report_type_of(report.body);
        prepare(report);
        claim.reports.push_back(std::move(report));
    }
}

void take_claimed(const std::vector<store::ClaimedReport> &tasks, const ClaimRequest &request, ReportClaim &claim) {
    take(tasks, request, claim);
    claim.claimed += tasks.size();
    claim.more = tasks.size() >= static_cast<std::size_t>(request.limit);
    if (claim.more) {
        const auto low =
            std::min_element(tasks.begin(), tasks.end(), [](const auto &a, const auto &b) { return a.due < b.due; });
        claim.resume = low->due;
    } else {
        claim.resume = store::next_due(request.queue, request.from, {request.live, request.newest});
    }
}

// What was handed over, as far as its endpoints have room, which it takes; the rest goes to their queues.
void take_handed(const ClaimRequest &request, store::Rooms &rooms, ReportClaim &claim) {
    std::vector<store::ClaimedReport> tasks =
        store::read_handed_reports(request.queue, request.handed(), request.owner);
    keep_handed(tasks, request, claim);
    claim.claimed = tasks.size();
    std::unordered_map<std::int32_t, std::int32_t> room;
    for (std::size_t i = 0; i < rooms.endpoints.size(); ++i) {
        room.emplace(rooms.endpoints[i], rooms.rooms[i]);
    }
    std::vector<store::TaskKey> unwelcome;
    for (store::ClaimedReport &task : tasks) {
        if (--room.try_emplace(task.endpoint, rooms.others).first->second < 0) {
            task.queue = pg::waiting_queue(task.endpoint);
            unwelcome.push_back({task.workflow_id, task.number});
        }
    }
    store::put_back_reports(unwelcome);
    take(tasks, request, claim);
    rooms.endpoints.clear();
    rooms.rooms.clear();
    for (const auto &[endpoint, left] : room) {
        rooms.endpoints.push_back(endpoint);
        rooms.rooms.push_back(std::max(left, 0));
    }
}

} // namespace

ReportClaim claim_reports(const ClaimRequest &request, store::Rooms rooms) {
    ReportClaim claim;
    claim.resume = request.from;
    if (request.handed_from) {
        take_handed(request, rooms, claim);
    }
    if (request.from <= request.now) {
        take_claimed(store::claim_reports(request.queue, request.from, request.now, {request.live, request.newest},
                                          request.owner, request.limit, rooms),
                     request, claim);
    }
    for (const store::EndpointQueueRow &moved : claim.moved) {
        pg::note_task(moved.queue, moved.due);
    }
    return claim;
}

ReportClaim claim_endpoint_queue(const ClaimRequest &request) {
    ReportClaim claim;
    const Endpoint *endpoint = definitions().endpoint(pg::endpoint_of_queue(request.queue));
    if (endpoint != nullptr && endpoint->enabled) {
        const store::Rooms rooms{{}, {}, request.limit};
        take_claimed(store::claim_reports(request.queue, request.from, request.now, {request.live, request.newest},
                                          request.owner, request.limit, rooms),
                     request, claim);
        return claim;
    }
    const std::uint64_t buried = store::bury_endpoint_queue(
        request.queue, {request.live, request.newest},
        endpoint == nullptr ? "endpoint was dropped" : "endpoint is disabled", kBurialsAtOnce, request.now);
    pg::count(pg::Count::dead_letters, static_cast<std::uint32_t>(buried));
    claim.claimed = buried;
    claim.more = buried >= kBurialsAtOnce;
    if (claim.more) {
        claim.resume = request.from;
    }
    return claim;
}

namespace {

// What one batch of answers changes.
class Recording {
public:
    Recording(const std::vector<RecordedReport> &answers, core::Time now) : answers_(answers), now_(now) {}

    std::vector<std::size_t> run() {
        settle_delivered();
        for (const RecordedReport &report : answers_) {
            if (!delivered(report)) {
                note_failure(report);
            }
        }
        write();
        return std::move(locked_);
    }

private:
    static bool delivered(const RecordedReport &report) {
        return !report.unsendable && report.answer.verdict == core::WebhookVerdict::delivered;
    }
    void settle_delivered();
    void note_failure(const RecordedReport &report);
    void note_disable(const RecordedReport &report) {
        if (!report.answer.disable_reason.empty()) {
            disable_.emplace(report.endpoint, report.answer.disable_reason);
        }
    }
    void log(const RecordedReport &report, store::DeliveryResult result);
    void write();
    void write_endpoints();

    const std::vector<RecordedReport> &answers_;
    core::Time now_;
    std::vector<std::size_t> locked_;
    std::vector<store::TaskKey> done_;
    store::ReportRetries retries_;
    std::vector<store::TaskKey> buried_;
    std::vector<std::string> burial_errors_;
    std::map<std::int32_t, std::string> failing_, disable_; // by endpoint: last error, reason
    std::unordered_set<std::int32_t> working_;
    std::vector<store::DeliveryRow> rows_;
};

// Their cascades are marked first: closed stands before task in the lock order.
void Recording::settle_delivered() {
    std::vector<core::WorkflowId> ids;
    for (const RecordedReport &report : answers_) {
        if (delivered(report)) {
            ids.push_back(report.key.workflow_id);
        }
    }
    if (ids.empty()) {
        return;
    }
    const std::vector<core::WorkflowId> marked = store::mark_reported(ids, now_);
    const std::unordered_set<core::WorkflowId> settled(marked.begin(), marked.end());
    for (std::size_t i = 0; i < answers_.size(); ++i) {
        const RecordedReport &report = answers_[i];
        if (!delivered(report)) {
            continue;
        }
        if (!settled.contains(report.key.workflow_id)) {
            locked_.push_back(i);
            continue;
        }
        done_.push_back(report.key);
        working_.insert(report.endpoint);
        note_disable(report);
        log(report, store::DeliveryResult::delivered);
    }
}

void Recording::note_failure(const RecordedReport &report) {
    std::optional<core::Duration> delay;
    if (!report.unsendable) {
        failing_[report.endpoint] = report.answer.reason;
        note_disable(report);
    }
    const Endpoint *endpoint = definitions().endpoint(report.endpoint);
    if (!report.unsendable && report.answer.verdict == core::WebhookVerdict::retry && endpoint != nullptr) {
        delay = core::webhook_retry_delay(endpoint->config.retry, report.failed_tries + 1, pg::random01());
    }
    if (!delay) {
        const bool abort = report.answer.verdict == core::WebhookVerdict::abort;
        buried_.push_back(report.key);
        burial_errors_.push_back(abort ? "the receiver wants it no more: " + report.answer.reason
                                       : report.answer.reason);
        log(report, store::DeliveryResult::dead);
        return;
    }
    retries_.keys.push_back(report.key);
    retries_.queues.push_back(pg::waiting_queue(report.endpoint));
    retries_.dues.push_back(now_ + std::max(*delay, report.answer.retry_after.value_or(*delay)));
    retries_.errors.push_back(report.answer.reason);
    log(report, store::DeliveryResult::failed);
}

void Recording::log(const RecordedReport &report, store::DeliveryResult result) {
    const int wanted = pg::guc::delivery_log;
    if (wanted == pg::guc::kDeliveryLogOff ||
        (wanted == pg::guc::kDeliveryLogFailures && result == store::DeliveryResult::delivered)) {
        return;
    }
    const Endpoint *endpoint = definitions().endpoint(report.endpoint);
    store::DeliveryRow row;
    row.cascade = report.key.workflow_id;
    row.endpoint = report.endpoint;
    row.tenant = endpoint != nullptr ? endpoint->tenant : std::nullopt;
    row.event = report.event;
    row.sequence = report.sequence;
    row.attempt = static_cast<std::int16_t>(report.failed_tries + 1);
    if (report.answer.status != 0) {
        row.status = static_cast<std::int16_t>(report.answer.status);
    }
    row.result = static_cast<std::int16_t>(result);
    row.duration_ms = report.duration_ms;
    if (!report.answer.reason.empty()) {
        row.error = report.answer.reason;
    }
    rows_.push_back(std::move(row));
}

void Recording::write() {
    store::delete_tasks(done_);
    store::retry_reports(retries_);
    store::bury_reports(buried_, burial_errors_, now_);
    write_endpoints();
    store::insert_deliveries(rows_, now_);
    pg::count(pg::Count::webhooks_delivered, static_cast<std::uint32_t>(done_.size()));
    pg::count(pg::Count::webhooks_failed, static_cast<std::uint32_t>(buried_.size() + retries_.keys.size()));
    pg::count(pg::Count::dead_letters, static_cast<std::uint32_t>(buried_.size()));
}

// An endpoint that took something in this batch is not failing, whatever else it refused.
void Recording::write_endpoints() {
    store::note_deliveries({working_.begin(), working_.end()}, now_);
    std::vector<std::int32_t> failing;
    std::vector<std::string> errors;
    for (const auto &[endpoint, error] : failing_) {
        if (!working_.contains(endpoint)) {
            failing.push_back(endpoint);
            errors.push_back(error);
        }
    }
    store::note_failures(failing, errors, now_);
    if (!failing.empty()) {
        for (const store::FailingRow &row : store::failing_endpoints(failing)) {
            const Endpoint *endpoint = definitions().endpoint(row.id);
            if (endpoint != nullptr && now_ - row.since >= endpoint->config.disable_after) {
                disable_.emplace(row.id,
                                 fmt::format("all deliveries failed since {}", core::format_iso8601(row.since)));
            }
        }
    }
    for (const auto &[endpoint, reason] : disable_) {
        if (store::disable_endpoint(endpoint, reason)) {
            pg::invalidate_definitions();
        }
    }
}

} // namespace

std::vector<std::size_t> record_reports(const std::vector<RecordedReport> &answers, core::Time now) {
    return Recording(answers, now).run();
}

} // namespace hc::engine
