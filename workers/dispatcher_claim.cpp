// Claiming: which queues have something due, how much each may take, and sending it off. See dispatcher.hpp.
#include "core/address.hpp"
#include "core/error.hpp"
#include "core/redact.hpp"
#include "engine/definitions.hpp"
#include "engine/provider_health.hpp"
#include "pg/guc.hpp"
#include "pg/provider_state.hpp"
#include "pg/wake.hpp"
#include "workers/dispatcher.hpp"

namespace hc::workers {

namespace {

constexpr auto kLimitedRetry = std::chrono::milliseconds(200); // a limit may have been raised meanwhile
constexpr auto kLockedRetry = std::chrono::milliseconds(5);

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
            if (not_before_[static_cast<std::size_t>(index)] <= clock && pg::peek_bound(index) <= now) {
                end = index + 1;
            }
        }
        for (int index = first; index < end; ++index) {
            if (pg::peek_bound(index) <= now) {
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

std::int32_t Dispatcher::load_key(std::int32_t queue) {
    return queue < pg::kReservedQueues ? queue : pg::queue_of_provider(pg::provider_of_queue(queue), pg::Lane::otp);
}

std::int32_t Dispatcher::capacity_of(std::int32_t queue) const {
    const engine::Provider *provider = engine::definitions().provider(pg::provider_of_queue(queue));
    // a dropped provider's sends are refused at once; a sandbox needs no connection
    const bool http =
        provider != nullptr && provider->config != nullptr && provider->config->kind == core::ProviderKind::http;
    if (!http) {
        return pg::guc::batch_size;
    }
    const std::int32_t slots = std::max<std::int32_t>(1, static_cast<std::int32_t>(provider->config->concurrency) /
                                                             std::max(1, pg::guc::dispatchers));
    if (held()) {
        return 0;
    }
    const pg::Lane lane = pg::lane_of_queue(queue);
    const auto count = [](const auto &load, const auto &key) {
        const auto it = load.find(key);
        return it != load.end() ? it->second : 0;
    };
    const std::int32_t key = load_key(queue);
    const std::int32_t own = share_of_lane(slots, lane) - count(load_, key) - count(claimed_, key);
    const std::string destination = core::destination_of(provider->config->url);
    const std::int32_t at_host =
        share_of_lane(HostLoad::cap(), lane) - hosts_.of(destination) - count(claimed_hosts_, destination);
    return std::min({pg::guc::batch_size, own, at_host});
}

engine::ClaimRequest Dispatcher::claim_request() const {
    engine::ClaimRequest request;
    request.now = pg::now();
    request.owner = slot_.incarnation.load();
    request.newest = pg::newest_incarnation();
    request.live = pg::live_incarnations();
    return request;
}

void Dispatcher::claim_queue(std::int32_t queue, core::Time from, std::int32_t limit, Claims &claims,
                             std::optional<core::Time> open_until) {
    engine::ClaimRequest request = claim_request();
    request.queue = queue;
    request.from = from;
    request.limit = limit;
    request.open_until = open_until;
    claims.claims.push_back(engine::claim_sends(request));
    const engine::Claim &claim = claims.claims.back();
    const engine::Provider *provider = engine::definitions().provider(pg::provider_of_queue(queue));
    if (claim.drafts.size() + claim.activities != 0 && provider->config->kind == core::ProviderKind::http) {
        const auto drafted = static_cast<std::int32_t>(claim.drafts.size() + claim.activities);
        claimed_[load_key(queue)] += drafted;
        claimed_hosts_[core::destination_of(provider->config->url)] += drafted;
    }
    if (!claim.sends.empty()) {
        first_group_ = ((pg::bound_index(queue) - pg::kReservedQueues) / pg::kLanes + 1) % kGroups;
    }
}

// Claims of a provider's queue what its limits grant; false: nothing now, not_before tells when again.
bool Dispatcher::claim_provider(std::int32_t queue, core::Time from, std::int32_t limit, Claims &claims,
                                Clock::time_point &not_before) {
    const engine::Provider *provider = engine::definitions().provider(pg::provider_of_queue(queue));
    if (provider == nullptr || provider->config == nullptr) {
        claim_queue(queue, from, limit, claims);
        return true;
    }
    const core::Time now = pg::now();
    pg::Admission leave = pg::admit_sends(provider->id, provider->config->limits, now, limit);
    if (leave.granted == 0 && !leave.open) {
        not_before = Clock::now() + std::clamp<core::Duration>(leave.until - now, kLockedRetry, kLimitedRetry);
        return false;
    }
    if (leave.open) {
        claim_queue(queue, from, limit, claims, leave.until);
        return true;
    }
    claim_queue(queue, from, static_cast<std::int32_t>(leave.granted), claims);
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
    std::vector<std::int32_t> queues;
    for (const engine::Provider &provider : engine::definitions().providers()) {
        for (std::int32_t lane = 0; lane < pg::kLanes; ++lane) {
            const std::int32_t queue = pg::queue_of_provider(provider.id, static_cast<pg::Lane>(lane));
            if (pg::bound_index(queue) == index) {
                queues.push_back(queue);
            }
        }
    }
    const core::Time from = pg::take_bound(index);
    claims.taken.push_back({index, from, core::kNever});
    core::Time resume = core::kNever;
    Clock::time_point &not_before = not_before_[static_cast<std::size_t>(index)];
    if (queues.empty() &&
        from != core::from_unix_micros(0)) { // a provider so new that its invalidation has not come yet
        resume = from;
        not_before = Clock::now() + kLockedRetry;
    }
    for (const std::int32_t queue : queues) {
        const std::int32_t limit = capacity_of(queue);
        if (limit <= 0) { // a completion, a reload or the next rescan makes room
            resume = std::min(resume, from);
            const bool alone = held() || queues.size() == 1; // nobody else waits behind this bound
            not_before = Clock::now() + std::chrono::milliseconds(alone ? 200 : 2);
            continue;
        }
        if (!claim_provider(queue, from, limit, claims, not_before)) {
            resume = std::min(resume, from);
            continue;
        }
        const engine::Claim &claim = claims.claims.back();
        resume = std::min(resume, claim.resume.value_or(core::kNever));
        if (!claim.more && claim.resume && *claim.resume <= pg::now()) { // due, but a caller holds it
            not_before = Clock::now() + kLockedRetry;
        }
    }
    claims.taken.back().resume = resume;
}

void Dispatcher::claim_taken(const std::vector<int> &due, Claims &claims) {
    claimed_.clear();
    claimed_hosts_.clear();
    try {
        Transaction transaction("claiming tasks");
        transaction.force_local_flush();
        for (const int index : due) {
            claim_bound(index, claims);
        }
        if (!held()) {
            webhooks_.claim(claim_request());
        }
        finish(claims);
        transaction.commit();
    } catch (...) {
        webhooks_.not_claimed();
        for (const Taken &t : claims.taken) {
            pg::give_bound(t.index, t.from);
        }
        throw;
    }
    webhooks_.claimed();
    bool more = false;
    for (const Taken &t : claims.taken) {
        if (t.resume != core::kNever) {
            pg::give_bound(t.index, t.resume);
            more = more || t.resume <= pg::now();
        }
    }
    if (more && pg::guc::dispatchers > 1) { // another one may have room, and may have found the bound taken
        pg::wake_dispatchers();
    }
}

void Dispatcher::claim_due_work() {
    const Clock::time_point now = Clock::now();
    if (!backoff_.passed(now) ||
        pg::my_database()->outbound_open.load() == 0) { // the restore fence holds sandboxes as well
        return;
    }
    // covers what no latch told: PREPARE TRANSACTION, a dead worker's claims
    if (now >= last_rescan_ + std::chrono::milliseconds(pg::guc::fallback_poll_ms)) {
        for (int index = 0; index < pg::kQueueBounds; ++index) {
            if (served(index)) {
                pg::give_bound(index, core::from_unix_micros(0));
            }
        }
        webhooks_.rescan();
        last_rescan_ = now;
    }
    const std::vector<int> due = due_bounds();
    if (due.empty() && (held() || !webhooks_.due(pg::now()))) {
        return;
    }
    Claims claims;
    claim_taken(due, claims);
    for (engine::Claim &claim : claims.claims) {
        launch(std::move(claim));
    }
    const std::vector<engine::Burial> burials = webhooks_.take_burials();
    burials_.insert(burials_.end(), burials.begin(), burials.end());
}

void Dispatcher::launch(engine::Claim claim) {
    for (engine::Send &send : claim.sends) {
        launch(std::move(send));
    }
    burials_.insert(burials_.end(), claim.burials.begin(), claim.burials.end());
    slot_.in_flight.store(in_flight(), std::memory_order_relaxed);
}

void Dispatcher::note_health(const engine::Send &send, const core::SendAnswer &answer) {
    const core::Time now = pg::now();
    pg::note_answer(send.provider, send.config->limits, engine::health_result(answer), send.ticket, now,
                    engine::throttled_until(answer, now), core::redact(answer.reason));
}

void Dispatcher::launch(engine::Send send) {
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
    ++load_[load_key(send.queue)];
    pg::count_in_flight(send.provider, 1);
    const std::int32_t queue = send.queue;
    std::string destination = core::destination_of(request.url);
    hosts_.begin(destination);
    in_flight_.emplace(request.tag, InFlight{queue, std::move(send), std::move(destination)});
    client_->submit(std::move(request));
}

void Dispatcher::ended(const InFlight &flight) {
    --load_[load_key(flight.queue)];
    room_again(flight.queue);
    if (hosts_.end(flight.destination)) {
        not_before_.fill({}); // other providers may have waited for the host
    }
}

} // namespace hc::workers
