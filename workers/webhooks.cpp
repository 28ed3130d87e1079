// See webhooks.hpp. Part of the dispatcher.
#include "workers/webhooks.hpp"

#include "core/dispatcher_plan.hpp"
#include "engine/definitions.hpp"
#include "pg/guc.hpp"
#include "pg/handover.hpp"
#include "pg/wake.hpp"

#include <algorithm>

namespace hc::workers {

namespace {

constexpr std::size_t kMostAtHand = 2048;     // claimed and not started
constexpr std::int32_t kQueuesAtOnce = 32;    // queues of endpoints claimed from in one transaction
constexpr std::int32_t kMostMoved = 2000;     // to queues of endpoints, in one transaction
constexpr std::int32_t kQueuesKnown = 20'000; // of one scan
constexpr std::int32_t kReplayShare = 4;      // replays get one part in four of what an endpoint takes
constexpr auto kLockedRetry = std::chrono::milliseconds(50);
constexpr auto kRefill = std::chrono::milliseconds(20);

} // namespace

// ---- claims ----

bool Webhooks::due(core::Time now) const {
    if (pg::peek_bound(pg::kWebhookQueue) <= now || pg::peek_handed(pg::kWebhookQueue) != core::kNever) {
        return true;
    }
    if (pg::peek_bound(pg::kEndpointBound) <= now && Clock::now() >= next_scan_) {
        return true;
    }
    return std::any_of(desks_.begin(), desks_.end(), [&](const auto &entry) {
        const Desk &desk = entry.second;
        return std::min(desk.waiting.look, desk.replays.look) <= now && room_of(desk, now) > 0;
    });
}

void Webhooks::claim(const engine::ClaimRequest &request) {
    common_taken_ = endpoints_taken_ = false;
    claimed_.clear();
    if (pg::peek_bound(pg::kEndpointBound) <= request.now && Clock::now() >= next_scan_) {
        scan_endpoint_queues();
    }
    common_handed_ = pg::take_handed(pg::kWebhookQueue);
    if (common_handed_ != core::kNever || pg::peek_bound(pg::kWebhookQueue) <= request.now) {
        claim_common(request);
    }
    claim_endpoint_queues(request);
}

// The bound of these queues is only the news that one of them holds something more: which, and from when on, is found
// by stepping from queue to queue over the index.
void Webhooks::scan_endpoint_queues() {
    endpoints_from_ = pg::take_bound(pg::kEndpointBound);
    endpoints_taken_ = true;
    const Clock::time_point begin = Clock::now();
    for (const store::EndpointQueueRow &row : store::endpoint_queues(kQueuesKnown)) {
        Side &side = side_of(desks_[pg::endpoint_of_queue(row.queue)], row.queue);
        side.from = row.due;
        side.look = row.due;
    }
    next_scan_ = Clock::now() + std::max<Clock::duration>(std::chrono::milliseconds(5), 10 * (Clock::now() - begin));
}

void Webhooks::claim_common(engine::ClaimRequest request) {
    common_from_ = pg::take_bound(pg::kWebhookQueue);
    common_taken_ = true;
    request.queue = pg::kWebhookQueue;
    request.from = common_from_;
    if (common_handed_ != core::kNever) {
        request.handed_from = common_handed_;
    }
    common_limit_ = std::max<std::int32_t>(common_limit_, pg::guc::batch_size);
    request.limit = common_limit_;
    engine::ReportClaim claim = engine::claim_reports(request, rooms(request.now));
    const bool moving = claim.more && claim.moved.size() > static_cast<std::size_t>(request.limit / 2);
    common_limit_ = moving ? std::max(request.limit, std::min(4 * request.limit, kMostMoved)) : 0;
    common_resume_ = claim.resume.value_or(core::kNever);
    common_handed_rest_ = claim.handed.value_or(core::kNever);
    common_room_ = !claim.more && !claim.handed && at_hand_ + claim.reports.size() < kMostAtHand / 2;
    if (core::held_by_others(claim.claimed, claim.resume, request.now)) {
        common_resume_ = request.now + kLockedRetry;
    }
    for (const store::EndpointQueueRow &moved : claim.moved) {
        found(moved.queue, moved.due);
    }
    claimed_.insert(claimed_.end(), std::make_move_iterator(claim.reports.begin()),
                    std::make_move_iterator(claim.reports.end()));
    burials_.insert(burials_.end(), claim.burials.begin(), claim.burials.end());
}

void Webhooks::claim_endpoint_queues(const engine::ClaimRequest &base) {
    std::int32_t claims = 0;
    auto it = desks_.upper_bound(next_claimed_);
    for (std::size_t i = 0; i < desks_.size() && claims < kQueuesAtOnce; ++i, ++it) {
        if (it == desks_.end()) {
            it = desks_.begin();
        }
        auto &[endpoint, desk] = *it;
        std::int32_t room = room_of(desk, base.now);
        for (const std::int32_t queue : {pg::waiting_queue(endpoint), pg::replay_queue(endpoint)}) {
            Side &side = side_of(desk, queue);
            const bool replay = pg::is_replay_queue(queue);
            const std::int32_t limit = std::min(replay ? (room + kReplayShare - 1) / kReplayShare : room,
                                                static_cast<std::int32_t>(pg::guc::batch_size));
            if (side.look > base.now || limit <= 0) {
                continue;
            }
            ++claims;
            next_claimed_ = endpoint;
            engine::ClaimRequest request = base;
            request.queue = queue;
            request.from = side.from;
            request.limit = limit;
            engine::ReportClaim claim = engine::claim_endpoint_queue(request);
            desk.closed = false;
            side.from = claim.resume.value_or(core::kNever);
            side.look = side.from;
            if (replay && claim.more) { // live reports come in between
                side.look = base.now + kRefill;
            } else if (core::held_by_others(claim.claimed, claim.resume, base.now)) {
                side.look = base.now + kLockedRetry;
            }
            room -= static_cast<std::int32_t>(claim.reports.size());
            claimed_.insert(claimed_.end(), std::make_move_iterator(claim.reports.begin()),
                            std::make_move_iterator(claim.reports.end()));
            burials_.insert(burials_.end(), claim.burials.begin(), claim.burials.end());
        }
    }
}

void Webhooks::claimed() {
    for (engine::Report &report : claimed_) {
        keys_.insert(report.key);
        add(std::move(report));
    }
    claimed_.clear();
    if (common_taken_ && common_resume_ != core::kNever) {
        pg::give_bound(pg::kWebhookQueue, common_resume_);
    }
    if (common_taken_) {
        pg::set_room(pg::kWebhookQueue, common_room_);
        pg::give_handed(pg::kWebhookQueue, common_handed_rest_);
    }
    if (endpoints_taken_) { // for the other dispatchers, and for a later look of ours
        core::Time rest = core::kNever;
        const core::Time now = pg::now();
        for (const auto &[endpoint, desk] : desks_) {
            for (const core::Time look : {desk.waiting.look, desk.replays.look}) {
                rest = look > now ? std::min(rest, look) : rest;
            }
        }
        if (rest != core::kNever) {
            pg::give_bound(pg::kEndpointBound, rest);
        }
    }
    common_taken_ = endpoints_taken_ = false;
}

void Webhooks::not_claimed() {
    if (common_taken_) {
        pg::give_bound(pg::kWebhookQueue, common_from_);
        pg::give_handed(pg::kWebhookQueue, common_handed_);
    }
    pg::give_bound(pg::kEndpointBound, core::from_unix_micros(0)); // what is known of them may be wrong
    common_taken_ = endpoints_taken_ = false;
    claimed_.clear();
}

void Webhooks::rescan() {
    pg::give_bound(pg::kWebhookQueue, core::from_unix_micros(0));
    pg::give_handed(pg::kWebhookQueue, core::from_unix_micros(0));
    pg::give_bound(pg::kEndpointBound, core::from_unix_micros(0));
}

Webhooks::Side &Webhooks::side_of(Desk &desk, std::int32_t queue) {
    return pg::is_replay_queue(queue) ? desk.replays : desk.waiting;
}

void Webhooks::found(std::int32_t queue, core::Time due) {
    Side &side = side_of(desks_[pg::endpoint_of_queue(queue)], queue);
    side.from = std::min(side.from, due);
    side.look = std::min(side.look, due);
}

std::int32_t Webhooks::room_of(const Desk &desk, core::Time now) const {
    if (at_hand_ >= kMostAtHand) {
        return 0;
    }
    if (desk.closed) { // its tasks are to be looked at: they go to the dead letters
        return 1;
    }
    if (crowded(desk)) {
        return 0;
    }
    return desk.flow.at_hand(now) - desk.flow.load() - static_cast<std::int32_t>(desk.at_hand.size());
}

store::Rooms Webhooks::rooms(core::Time now) const {
    store::Rooms rooms;
    rooms.others = at_hand_ >= kMostAtHand ? 0 : core::EndpointFlow::kReserve * core::EndpointFlow::kFirstWindow;
    for (const auto &[endpoint, desk] : desks_) {
        const bool behind = desk.closed || desk.waiting.look <= now;
        const std::int32_t room = behind ? 0 : std::max(0, room_of(desk, now));
        if (room < rooms.others) {
            rooms.endpoints.push_back(endpoint);
            rooms.rooms.push_back(room);
        }
    }
    return rooms;
}

// ---- at hand ----

void Webhooks::add(engine::Report report) {
    if (!report.failure.empty()) {
        core::WebhookAnswer answer;
        answer.verdict = core::WebhookVerdict::retry;
        answer.reason = report.failure;
        answers_.push_back(answer_to(report, std::move(answer)));
        answers_.back().unsendable = true;
        return;
    }
    Desk &desk = desks_[report.endpoint];
    desk.flow.set_limits(report.concurrency, report.rate, pg::guc::dispatchers);
    desk.at_hand.push_back(std::move(report));
    ++at_hand_;
}

// What the endpoint will not take soon goes back; the newest first.
void Webhooks::trim(Desk &desk, core::Time now) {
    std::int32_t most = desk.closed ? 0 : desk.flow.at_hand(now) - desk.flow.load();
    if (crowded(desk)) { // many endpoints may wait for the host: one report of each is enough
        most = std::min(most, 1);
    }
    while (!desk.at_hand.empty() && static_cast<std::int32_t>(desk.at_hand.size()) > most) {
        excess_.push_back(std::move(desk.at_hand.back()));
        desk.at_hand.pop_back();
        --at_hand_;
    }
}

void Webhooks::put_back() {
    std::vector<store::TaskKey> keys;
    for (const engine::Report &report : excess_) {
        keys.push_back(report.key);
    }
    store::put_back_reports(keys);
    for (const engine::Report &report : excess_) {
        pg::note_task(pg::waiting_queue(report.endpoint), report.due);
    }
}

void Webhooks::put_back_done() {
    for (const engine::Report &report : excess_) {
        keys_.erase(report.key);
        found(pg::waiting_queue(report.endpoint), report.due);
    }
    excess_.clear();
}

void Webhooks::give_up_all() {
    for (auto &[endpoint, desk] : desks_) {
        for (engine::Report &report : desk.at_hand) {
            excess_.push_back(std::move(report));
        }
        desk.at_hand.clear();
    }
    at_hand_ = 0;
}

long Webhooks::wait_milliseconds(core::Time now, long most) const {
    if (pg::peek_handed(pg::kWebhookQueue) != core::kNever) {
        return 0;
    }
    long wait = std::min(milliseconds_until(pg::peek_bound(pg::kWebhookQueue), now, most), most);
    const auto scan = std::chrono::ceil<std::chrono::milliseconds>(next_scan_ - Clock::now()).count();
    wait = std::min(wait, std::max<long>(scan, milliseconds_until(pg::peek_bound(pg::kEndpointBound), now, most)));
    const std::int32_t free = free_slots();
    for (const auto &[endpoint, desk] : desks_) {
        const core::Time open = desk.flow.open_at(now);
        if (crowded(desk)) {
            continue; // an end of a request makes room
        }
        if (!desk.at_hand.empty() && desk.flow.load() < free && open != core::kNever) {
            wait = std::min(wait, std::max(1L, milliseconds_until(open, now, most)));
        }
        const core::Time look = std::min(desk.waiting.look, desk.replays.look);
        if (look != core::kNever) {
            if (room_of(desk, now) > 0) {
                wait = std::min(wait, milliseconds_until(look, now, most));
            } else if (open != core::kNever) {
                wait = std::min(wait, std::max(1L, milliseconds_until(std::max(look, open), now, most)));
            }
        }
    }
    return wait;
}

} // namespace hc::workers
