// Reports to tenant webhooks, in a dispatcher's transactions: claim, record. No I/O here.
#pragma once

#include "core/endpoint_config.hpp"
#include "engine/dispatch.hpp"
#include "store/endpoints.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

// A claimed report.
struct Report {
    store::TaskKey key;
    core::Time due{};
    std::int32_t endpoint = 0;
    std::uint32_t failed_tries = 0;
    std::int16_t sequence = 0;
    std::string event; // type of the body
    std::string id;    // webhook-id, the same on every try
    std::string url;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers; // signature not included: signed when sent
    std::vector<std::string> keys;                            // signing keys, newest first
    core::Duration timeout{};
    std::uint32_t concurrency = core::kDefaultEndpointConcurrency;
    std::optional<core::WebhookRate> rate;
    std::string failure; // not empty: cannot be sent, and why
};

struct ReportClaim {
    std::vector<Report> reports;
    std::vector<Burial> burials;
    std::vector<store::EndpointQueueRow> moved; // to queues of endpoints that have no room
    std::size_t claimed = 0;                    // as in Claim, as the next ones
    bool more = false;
    std::optional<core::Time> resume, handed;
};

// From the common queue. What an endpoint has no room for moves to its own queue, so that it hides nobody's reports
// behind it, however much it is.
ReportClaim claim_reports(const ClaimRequest &request, store::Rooms rooms);
// From the queue of one endpoint; of a disabled or dropped one everything goes to the dead letters, a part a call.
ReportClaim claim_endpoint_queue(const ClaimRequest &request);

struct RecordedReport {
    store::TaskKey key;
    std::int32_t endpoint = 0;
    std::uint32_t failed_tries = 0;
    std::int16_t sequence = 0;
    std::string event;
    core::WebhookAnswer answer;
    std::optional<std::int32_t> duration_ms; // none: no request was made
    bool unsendable = false;                 // buried at once
};
// Returns the indexes of those whose cascade is held by somebody else: try again in a few ms.
std::vector<std::size_t> record_reports(const std::vector<RecordedReport> &answers, core::Time now);

// ---- verbs ----

void rotate_endpoint_secret(std::int32_t id, const std::string &new_secret, core::Duration keep_old);
void enable_endpoint(std::int32_t id);

// Reports of a cascade made again, as they were at first; without `sequence` all of them, without `endpoint` to every
// endpoint that wants them. Returns how many were put.
std::int32_t replay_webhook(const core::WorkflowId &cascade, std::optional<std::int32_t> sequence,
                            std::optional<std::int32_t> endpoint, Oid user);

inline constexpr std::int32_t kMaxReplays = 10'000; // cascades, or dead letters, of one call
// Reports of the cascades that ended in [since, until), or only those that are dead letters.
struct Replayed {
    std::int64_t put = 0;
    std::optional<core::Time> rest; // the cap was reached: what is left begins here
};
Replayed replay_webhooks(std::int32_t endpoint, core::Time since, core::Time until, bool failed_only);

} // namespace hc::engine
