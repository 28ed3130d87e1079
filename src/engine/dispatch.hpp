// What a dispatcher does in its transactions: claim sends, record answers (reports: webhooks.hpp). No I/O here:
// the dispatcher sends between the two. Claim and intent are one commit, flushed before the first byte leaves.
#pragma once

#include "core/provider_config.hpp"
#include "engine/gates.hpp"
#include "store/tasks.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hc::engine {

// A claimed send, ready to go: an HTTP request, or an answer that needs none (sandbox, or a send that cannot be made).
struct Send {
    store::TaskKey key;
    std::int32_t queue = 0;
    std::int32_t provider = 0;
    std::uint16_t attempt = 0;
    std::uint32_t ticket = 0; // of the provider's leave to send
    bool activity = false;    // of a workflow function; else an attempt of a cascade
    core::Duration longest{}; // the request may take, of an activity; zero: as the provider says
    bool leaves = false;      // a request, or a sandbox's answer to one
    std::shared_ptr<const core::ProviderConfig> config; // when it leaves
    std::shared_ptr<const core::Connector> connector;   // http only, when it reads the answers
    std::optional<core::RenderedRequest> request;       // http only
    core::SandboxStep immediate;                        // when there is no request
    Toll toll;                                          // when it leaves
    std::optional<Addressee> addressee;                 // when known
};

// A claimed task that is given up: buried in a transaction of its own.
struct Burial {
    store::TaskKey key;
    std::string reason;
};

struct Claim {
    std::vector<Send> sends;
    std::vector<Draft> drafts;  // of the sends that finish_claims() has to complete
    std::size_t activities = 0; // among the sends: those that leave
    std::vector<Burial> burials;
    std::size_t claimed = 0;          // of the queue, those included that are given back or up
    bool more = false;                // the queue may hold more that is due now
    std::optional<core::Time> resume; // where to scan from next time; nullopt: nothing known
    std::optional<core::Time> handed; // likewise, for what was handed over; nullopt: it was all of it
};

struct ClaimRequest {
    std::int32_t queue = 0;
    core::Time from{}, now{}; // later than now: nothing is to be claimed, only what was handed over
    std::int64_t owner = 0;
    std::int32_t limit = 0;
    std::vector<std::int64_t> live; // incarnations running now
    // The provider's breaker is open until then: sends that have somewhere else to go are refused, the others wait.
    std::optional<core::Time> open_until;
    std::int64_t newest = 0; // the newest incarnation when `live` was read: later ones are alive as well
    // Something may have been handed to this owner, due from there on; what it has under way is not meant. Sends for
    // which there is no room within `limit` are put back, reports for which their endpoints have none.
    std::optional<core::Time> handed_from;
    const store::TaskKeys *under_way = nullptr;

    // A look at the whole queue is not to read all of a backlog: what was handed over behind it comes as the backlog
    // goes.
    store::HandedRange handed() const {
        const auto most = static_cast<std::int64_t>(under_way->size()) + 1000;
        const bool whole = *handed_from == core::from_unix_micros(0);
        return {*handed_from, now, most, whole ? std::optional(most) : std::nullopt};
    }
};
// Of what the owner has: what has come since. `claim` learns whether there is more.
template <class Task, class Claim>
void keep_handed(std::vector<Task> &tasks, const ClaimRequest &request, Claim &claim) {
    if (static_cast<std::int64_t>(tasks.size()) == request.handed().most) {
        claim.handed = tasks.back().due;
    }
    std::erase_if(tasks, [&request](const Task &task) {
        return request.under_way->contains({task.workflow_id, task.number});
    });
}
// One queue. What is claimed is not ready to go yet.
Claim claim_sends(const ClaimRequest &request);
// For want of room: everybody may claim what was handed to this owner. Tells in `resume` and `handed` what is left.
Claim put_back_handed(ClaimRequest request);
// Once, after all claims of a transaction: gates, then requests. The last to lock anything.
void finish_claims(std::span<Claim> claims);

struct RecordedSend {
    store::TaskKey key;
    std::int32_t provider = 0;
    core::SendAnswer answer;
    std::vector<core::SandboxReceipt> receipts; // sandbox: what will be reported later
    Toll toll;
    std::optional<Addressee> addressee;
    bool activity = false;
    core::HttpAnswer http{}; // of an activity
    core::Time began{};      // likewise
};
// Records answers of cascades' attempts; returns the indexes of those whose cascade is held by somebody else: try again
// in a few ms. `recorded_hashes` gets the look-up hashes stored, for a rematch in a later transaction.
std::vector<std::size_t> record_sends(const std::vector<RecordedSend> &answers,
                                      std::vector<std::int64_t> &recorded_hashes);

// Records answers of activities; returns as record_sends().
std::vector<std::size_t> record_activities(const std::vector<RecordedSend> &answers);

// A task that cannot be processed: moved to the dead letters. A send's cascade goes on as after an ambiguous answer,
// because the request may have left; that of a condition as after one that failed. False: the cascade is held by
// somebody else, try again in a few ms.
bool bury(const store::TaskKey &key, const std::string &error);

} // namespace hc::engine
