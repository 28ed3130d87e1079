// Claiming: which queues have something due, how much each may take, and sending it off. See dispatcher.hpp.
#include "core/address.hpp"
#include "core/error.hpp"
#include "core/redact.hpp"
#include "engine/definitions.hpp"
#include "engine/provider_health.hpp"
#include "pg/dispatchers.hpp"
#include "pg/guc.hpp"
#include "pg/handover.hpp"
#include "pg/provider_state.hpp"
#include "pg/request_slots.hpp"
#include "pg/wake.hpp"
#include "workers/dispatcher.hpp"

#include "core/dispatcher_plan.hpp"
#include <algorithm>

namespace hc::workers {

namespace {

constexpr auto kLimitedRetry = std::chrono::milliseconds(200); // a limit may have been raised meanwhile
constexpr auto kLockedRetry = std::chrono::milliseconds(5);
constexpr auto kCrowdedRetry = std::chrono::milliseconds(2); // other queues wait behind the same bound
constexpr auto kSharedRetry = std::chrono::milliseconds(20); // slots that another dispatcher may give back

// Bounds of providers stand together, one for each lane.
constexpr int kGroups = (pg::kQueueBounds - pg::kReservedQueues) / pg::kLanes;
static_assert(pg::kReservedQueues + kGroups * pg::kLanes == pg::kQueueBounds);

// Slots that a lane may fill: some are kept for what comes with a higher priority.
std::int32_t share_of_lane(std::int32_t slots, pg::Lane lane) {
    switch (lane) {
    case pg::Lane::otp:
        return slots;
    case pg::Lane::transactional:
    case pg::Lane::delayed:
        return std::max(1, slots - slots / 8);
    case pg::Lane::marketing:
        break;
    }
    return std::max(1, slots - slots / 4);
}

// Whether bytes leave for what was claimed: the answers of sandboxes, and of sends that are not made, come from here.
bool leaves(const engine::Claim &claim) {
    return std::any_of(claim.sends.begin(), claim.sends.end(), [](const engine::Send &send) { return send.request; });
}

// Of providers.
std::vector<std::int32_t> queues_of_bound(int index) {
    std::vector<std::int32_t> queues;
    for (const engine::Provider &provider : engine::definitions().providers()) {
        for (std::int32_t lane = 0; lane < pg::kLanes; ++lane) {
            const std::int32_t queue = pg::queue_of_provider(provider.id, static_cast<pg::Lane>(lane));
            if (pg::bound_index(queue) == index) {
                queues.push_back(queue);
            }
        }
    }
    return queues;
}

bool handed_over(int index) { return pg::peek_handed(index) != core::kNever; }

bool served(int index) { return index >= pg::kReservedQueues; } // of providers; webhooks look after theirs

} // namespace

// The lanes of a provider stand together, in the order of their priority. When one of them may try again, those before
// it try first: the token or the slot that has become free is theirs. Providers take turns, for they may share a host.
std::vector<int> Dispatcher::due_bounds() const {
    std::vector<int> due;
    const core::Time now = pg::now();
    const Clock::time_point clock = Clock::now();
    for (int i = 0; i < kGroups; ++i) {
        const int first = pg::kReservedQueues + (first_group_ + i) % kGroups * pg::kLanes;
        int end = first; // behind the last lane that may try again
        for (int index = first; index < first + pg::kLanes; ++index) {
            const bool may_try = not_before_[static_cast<std::size_t>(index)] <= clock && pg::peek_bound(index) <= now;
            if (may_try || handed_over(index)) {
                end = index + 1;
            }
        }
        for (int index = first; index < end; ++index) {
            if (pg::peek_bound(index) <= now || handed_over(index)) {
                due.push_back(index);
            }
        }
    }
    return due;
}

void Dispatcher::room_again(std::int32_t queue) {
    const std::int32_t provider = pg::provider_of_queue(queue);
    for (std::int32_t lane = 0; lane < pg::kLanes; ++lane) {
        not_before_[static_cast<std::size_t>(
            pg::bound_index(pg::queue_of_provider(provider, static_cast<pg::Lane>(lane))))] = {};
    }
}

// How many sends of the queue may be claimed now, with the slots for their requests.
std::int32_t Dispatcher::take_slots(std::int32_t queue, Slots &slots) const {
    const engine::Provider *provider = engine::definitions().provider(pg::provider_of_queue(queue));
    // a dropped provider's sends are refused at once; a sandbox needs no connection
    if (provider == nullptr || provider->config == nullptr || provider->config->kind != core::ProviderKind::http) {
        return pg::guc::batch_size;
    }
    if (held()) {
        return 0;
    }
    const pg::Lane lane = pg::lane_of_queue(queue);
    const std::int32_t of_provider = share_of_lane(static_cast<std::int32_t>(provider->config->concurrency), lane);
    const std::int32_t wanted = pg::take_provider_slots(provider->id, of_provider, pg::guc::batch_size);
    if (wanted == 0) {
        return 0;
    }
    slots = {provider->id, core::destination_of(provider->config->url), wanted};
    const std::int32_t of_host = share_of_lane(pg::guc::host_concurrency, lane);
    slots.count = pg::take_host_slots(slots.destination, of_host, wanted);
    pg::give_provider_slots(provider->id, wanted - slots.count);
    return slots.count;
}

// Gives back all but these.
void Dispatcher::keep_slots(Slots &slots, std::int32_t count) {
    if (slots.provider != 0) {
        pg::give_provider_slots(slots.provider, slots.count - count);
        pg::give_host_slots(slots.destination, slots.count - count);
        slots.count = count;
    }
}

engine::ClaimRequest Dispatcher::claim_request() const {
    engine::ClaimRequest request;
    request.now = pg::now();
    request.owner = slot_.incarnation.load();
    request.newest = pg::newest_incarnation();
    request.live = pg::live_incarnations();
    request.under_way = &under_way_;
    return request;
}

engine::ClaimRequest Dispatcher::claim_request(std::int32_t queue, const Taken &taken) const {
    engine::ClaimRequest request = claim_request();
    request.queue = queue;
    request.from = taken.from;
    if (taken.handed_from != core::kNever && pg::lane_of_queue(queue) != pg::Lane::delayed) { // due at once, that is
        request.handed_from = taken.handed_from;
    }
    return request;
}

void Dispatcher::claim_queue(std::int32_t queue, std::int32_t limit, Claims &claims,
                             std::optional<core::Time> open_until) {
    engine::ClaimRequest request = claim_request(queue, claims.taken.back());
    request.limit = limit;
    request.open_until = open_until;
    claims.claims.push_back(engine::claim_sends(request));
    if (!claims.claims.back().sends.empty()) {
        first_group_ = ((pg::bound_index(queue) - pg::kReservedQueues) / pg::kLanes + 1) % kGroups;
    }
}

// Claims of a provider's queue what its limits grant; false: nothing now, not_before tells when again.
bool Dispatcher::claim_provider(std::int32_t queue, std::int32_t limit, Claims &claims, Clock::time_point &not_before) {
    const engine::Provider *provider = engine::definitions().provider(pg::provider_of_queue(queue));
    if (provider == nullptr || provider->config == nullptr) {
        claim_queue(queue, limit, claims);
        return true;
    }
    const core::Time now = pg::now();
    pg::Admission leave = pg::admit_sends(provider->id, provider->config->limits, now, limit);
    if (leave.granted == 0 && !leave.open) {
        not_before = Clock::now() + std::clamp<core::Duration>(leave.until - now, kLockedRetry, kLimitedRetry);
        return false;
    }
    if (leave.open) {
        claim_queue(queue, limit, claims, leave.until);
        claims.taken.back().room = false;
        return true;
    }
    claim_queue(queue, static_cast<std::int32_t>(leave.granted), claims);
    const engine::Claim &claim = claims.claims.back();
    const auto drafted = static_cast<std::int64_t>(claim.drafts.size() + claim.activities);
    pg::give_back_sends(provider->id, provider->config->limits, leave, leave.granted - drafted, now);
    leave.granted = drafted;
    claims.leaves.push_back({claims.claims.size() - 1, provider->id, leave});
    return true;
}

// Which of the drafted sends leave; of the others the leave is given back as well.
void Dispatcher::finish(Claims &claims) {
    engine::finish_claims(claims.claims);
    const core::Time now = pg::now();
    for (const Leave &leave : claims.leaves) {
        std::int64_t used = 0;
        for (engine::Send &send : claims.claims[leave.claim].sends) {
            send.ticket = leave.leave.ticket;
            used += send.leaves ? 1 : 0;
        }
        const core::ProviderLimits &limits = engine::definitions().provider(leave.provider)->config->limits;
        pg::give_back_sends(leave.provider, limits, leave.leave, leave.leave.granted - used, now);
    }
}

// All queues of one bound: the bound is taken for all of them, and given back after the commit with the smallest due
// time that they still hold.
void Dispatcher::claim_bound(int index, Claims &claims) {
    const std::vector<std::int32_t> queues = queues_of_bound(index);
    const core::Time handed = pg::take_handed(index);
    claims.taken.push_back({index, pg::take_bound(index), core::kNever, handed, core::kNever, !queues.empty()});
    Clock::time_point &not_before = not_before_[static_cast<std::size_t>(index)];
    Taken &taken = claims.taken.back();
    for (const std::int32_t queue : queues) {
        if (claim_of_bound(queue, claims, not_before, queues.size() == 1)) {
            continue;
        }
        const engine::Claim put_back = engine::put_back_handed(claim_request(queue, taken));
        taken.resume = std::min({taken.resume, taken.from, put_back.resume.value_or(core::kNever)});
        taken.handed_rest = std::min(taken.handed_rest, put_back.handed.value_or(core::kNever));
        taken.room = false;
        claims.left = true;
    }
}

// One queue of the bound taken last; false: no room or no leave, not_before tells when again.
bool Dispatcher::claim_of_bound(std::int32_t queue, Claims &claims, Clock::time_point &not_before, bool alone) {
    Slots slots;
    const std::int32_t limit = take_slots(queue, slots);
    if (limit <= 0) { // a completion, a reload or the next rescan makes room
        const bool no_one_else = held() || (alone && dispatchers_ == 1); // waits or makes room
        not_before = Clock::now() + (no_one_else ? kLimitedRetry : alone ? kSharedRetry : kCrowdedRetry);
        return false;
    }
    claims.slots.push_back(slots); // given back if this fails
    if (!claim_provider(queue, limit, claims, not_before)) {
        keep_slots(claims.slots.back(), 0);
        claims.slots.pop_back();
        return false;
    }
    const engine::Claim &claim = claims.claims.back();
    keep_slots(claims.slots.back(), static_cast<std::int32_t>(claim.drafts.size() + claim.activities));
    Taken &taken = claims.taken.back();
    taken.resume = std::min(taken.resume, claim.resume.value_or(core::kNever));
    taken.handed_rest = std::min(taken.handed_rest, claim.handed.value_or(core::kNever));
    taken.room = taken.room && !claim.more && !claim.handed;
    const bool others_hold = core::held_by_others(claim.claimed, claim.resume, pg::now());
    claims.left = claims.left || claim.more || others_hold;
    if (others_hold) {
        not_before = Clock::now() + kLockedRetry;
    }
    return true;
}

void Dispatcher::claim_taken(const std::vector<int> &due, Claims &claims) {
    dispatchers_ = pg::count_dispatchers();
    try {
        Transaction transaction("claiming tasks");
        for (const int index : due) {
            claim_bound(index, claims);
        }
        if (serves_webhooks()) {
            webhooks_.claim(claim_request());
        }
        finish(claims);
        if (webhooks_.has_claimed() || std::any_of(claims.claims.begin(), claims.claims.end(), leaves) ||
            pg::server_has_crashed()) { // one of these may cause it each time: its claims have to be counted
            transaction.force_local_flush();
            transaction.commit();
        } else { // a crash may take it: all that follows from it is later in the WAL, and can be done anew
            transaction.commit_unflushed();
        }
    } catch (...) {
        webhooks_.not_claimed();
        for (Slots &slots : claims.slots) {
            keep_slots(slots, 0);
        }
        for (const Taken &t : claims.taken) {
            pg::give_bound(t.index, t.from);
            pg::give_handed(t.index, t.handed_from);
        }
        throw;
    }
    webhooks_.claimed();
    bool more = false;
    for (const Taken &t : claims.taken) {
        pg::set_room(t.index, t.room);
        pg::give_handed(t.index, t.handed_rest);
        if (t.resume != core::kNever) {
            pg::give_bound(t.index, t.resume);
            more = more || t.resume <= pg::now();
        }
    }
    if (more && dispatchers_ > 1) { // another one may have found the bound taken
        pg::wake_dispatchers();
    }
    look_for_help(claims.left);
}

void Dispatcher::look_for_help(bool more) {
    if (saturation_.look(more, Clock::now()) && dispatchers_ < pg::guc::max_dispatchers) {
        pg::ask_for_dispatcher();
    }
}

void Dispatcher::claim_due_work() {
    const Clock::time_point now = Clock::now();
    if (!backoff_.passed(now) ||
        pg::my_database()->outbound_open.load() == 0) { // the restore fence holds sandboxes as well
        pg::take_no_more();
        return;
    }
    // covers what no latch told: PREPARE TRANSACTION, a dead worker's claims
    if (now >= last_rescan_ + std::chrono::milliseconds(pg::guc::fallback_poll_ms)) {
        if (!helper_) {
            pg::become_receiver();
        }
        for (int index = 0; index < pg::kQueueBounds; ++index) {
            if (served(index)) {
                pg::give_bound(index, core::from_unix_micros(0));
                pg::give_handed(index, core::from_unix_micros(0));
            }
        }
        webhooks_.rescan();
        last_rescan_ = now;
    }
    if (!serves_webhooks()) {
        pg::set_room(pg::kWebhookQueue, false);
    }
    const std::vector<int> due = due_bounds();
    if (due.empty() && (!serves_webhooks() || !webhooks_.due(pg::now()))) {
        look_for_help(false);
        return;
    }
    Claims claims;
    claim_taken(due, claims);
    for (std::size_t i = 0; i < claims.claims.size(); ++i) {
        launch(std::move(claims.claims[i]), std::move(claims.slots[i]));
    }
    give_up(webhooks_.take_burials());
}

void Dispatcher::give_up(const std::vector<engine::Burial> &burials) {
    for (const engine::Burial &burial : burials) {
        under_way_.insert(burial.key);
        burials_.push_back(burial);
    }
}

// In a drain: what came since the last pass is for others to claim.
void Dispatcher::put_back_handed() {
    std::vector<Taken> given;
    pg::Failure failure;
    pg::iterate(
        "putting back what was handed over",
        [&] {
            for (int index = 0; index < pg::kQueueBounds; ++index) {
                if (const core::Time from = pg::take_handed(index); from != core::kNever) {
                    given.push_back({index, core::kNever, from, from, core::kNever, false});
                }
            }
            if (given.empty()) {
                return;
            }
            Transaction transaction("putting back what was handed over");
            for (const Taken &taken : given) {
                if (taken.index == pg::kWebhookQueue) { // no endpoint has room
                    engine::claim_reports(claim_request(pg::kWebhookQueue, taken), {});
                }
                for (const std::int32_t queue : queues_of_bound(taken.index)) {
                    engine::put_back_handed(claim_request(queue, taken));
                }
            }
            transaction.commit();
        },
        failure);
    for (const Taken &taken : given) {
        pg::give_bound(taken.index, taken.resume);
    }
    if (!given.empty()) {
        pg::wake_dispatchers();
    }
}

void Dispatcher::launch(engine::Claim claim, Slots slots) {
    const auto requests = std::count_if(claim.sends.begin(), claim.sends.end(),
                                        [](const engine::Send &send) { return send.request.has_value(); });
    keep_slots(slots, static_cast<std::int32_t>(requests));
    if (!claim.sends.empty()) {
        last_send_ = Clock::now();
    }
    for (engine::Send &send : claim.sends) {
        if (!send.activity) {
            under_way_.insert(send.key);
        }
        launch(std::move(send), slots.destination);
    }
    give_up(claim.burials);
    slot_.in_flight.store(in_flight(), std::memory_order_relaxed);
}

void Dispatcher::note_health(const engine::Send &send, const core::SendAnswer &answer) {
    const core::Time now = pg::now();
    pg::note_answer(send.provider, send.config->limits, engine::health_result(answer), send.ticket, now,
                    engine::throttled_until(answer, now), core::redact(answer.reason));
}

void Dispatcher::launch(engine::Send send, const std::string &destination) {
    if (!send.request) {
        if (send.leaves) {
            note_health(send, send.immediate.answer);
        }
        answered_.push_back({{send.key,
                              send.provider,
                              std::move(send.immediate.answer),
                              std::move(send.immediate.receipts),
                              std::move(send.toll),
                              std::move(send.addressee),
                              send.activity,
                              {},
                              pg::now()},
                             {}});
        return;
    }
    http::Request request;
    request.tag = next_tag_++;
    request.method = std::move(send.request->method);
    request.url = std::move(send.request->url);
    request.headers = std::move(send.request->headers);
    request.body = std::move(send.request->body);
    request.timeout =
        send.longest == core::Duration::zero() ? send.config->timeout : std::min(send.config->timeout, send.longest);
    request.connect_timeout = send.config->connect_timeout;
    request.max_response_bytes = send.config->max_response_bytes;
    send.request.reset();
    const std::int32_t queue = send.queue;
    in_flight_.emplace(request.tag, InFlight{queue, std::move(send), destination});
    client_->submit(std::move(request));
}

void Dispatcher::ended(const InFlight &flight) {
    room_again(flight.queue);
    if (flight.destination.empty()) {
        return;
    }
    const bool host_was_full = pg::host_load(flight.destination) >= pg::guc::host_concurrency;
    pg::give_provider_slots(flight.send.provider, 1);
    pg::give_host_slots(flight.destination, 1);
    if (host_was_full) {
        not_before_.fill({}); // other providers may have waited for the host
    }
}

} // namespace hc::workers
