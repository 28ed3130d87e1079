// The dispatcher's reports to tenant webhooks: what is claimed, what may start now, what goes back. One endpoint that
// is slow, limited or dead holds up nobody else.
//
//   common queue --claim--> at hand (claimed, in memory) --slot and token--> under way --> recorded
//        |                     |  too many, or paused
//        | no room             v
//        +-----------> waiting queue of the endpoint --claim, as it has room--> at hand ..
//        failed tries --^      replay queue of the endpoint: like it, but last
//
// While reports wait in an endpoint's own queue, its new ones join them: it is served in order of due time. A task is
// moved there once; the common queue holds only what nobody has looked at yet.
#pragma once

#include "core/endpoint_flow.hpp"
#include "engine/webhooks.hpp"
#include "http/client.hpp"
#include "workers/session.hpp"

#include <deque>
#include <map>
#include <unordered_map>

namespace hc::workers {

class Webhooks {
public:
    // `under_way`: of the dispatcher; gets what is claimed, loses what is put back
    explicit Webhooks(store::TaskKeys &under_way) : keys_(under_way) {}

    // ---- in the claim transaction ----
    bool due(core::Time now) const; // a claim is worth while
    void claim(const engine::ClaimRequest &request);
    bool has_claimed() const { return !claimed_.empty(); }
    void claimed();     // after its commit
    void not_claimed(); // it failed: gives the bounds back
    std::vector<engine::Burial> take_burials() { return std::exchange(burials_, {}); }

    // ---- outside any transaction ----
    void start(http::Client &client, std::uint64_t &next_tag, core::Time now); // what may start now
    bool end(http::Completion &completion, core::Time now);                    // false: not one of ours
    std::vector<engine::RecordedReport> take_answers() { return std::exchange(answers_, {}); }
    void again(std::vector<engine::RecordedReport> answers); // recorded another time
    bool answers() const { return !answers_.empty(); }
    std::size_t under_way() const { return under_way_.size(); }

    // ---- in a transaction of its own, when there is any ----
    bool excess() const { return !excess_.empty(); }
    void put_back();      // what an endpoint cannot take for now, to its own queue
    void put_back_done(); // after the commit
    void give_up_all();   // everything at hand is excess; for a drain

    void rescan(); // the whole queue once
    long wait_milliseconds(core::Time now, long most) const;

private:
    // One of the two queues of an endpoint, as far as is known.
    struct Side {
        core::Time from = core::kNever; // nothing in it is due before
        core::Time look = core::kNever; // when to look
    };
    struct Desk {
        core::EndpointFlow flow;
        std::deque<engine::Report> at_hand;
        Side waiting, replays;
        bool closed = false; // the receiver disabled it: nothing leaves until it is looked at again
        std::string crowded; // destination that had no room for the first report at hand; empty: it had
    };
    struct UnderWay {
        engine::Report report;
        core::Time began{};
    };

    static engine::RecordedReport answer_to(const engine::Report &report, core::WebhookAnswer answer);
    void add(engine::Report report);
    void found(std::int32_t queue, core::Time due);
    void claim_common(engine::ClaimRequest request);
    void scan_endpoint_queues();
    void claim_endpoint_queues(const engine::ClaimRequest &base);
    std::int32_t room_of(const Desk &desk, core::Time now) const;
    std::int32_t free_slots() const;
    bool host_takes(const std::string &destination) const;
    bool crowded(const Desk &desk) const { return !desk.crowded.empty() && !host_takes(desk.crowded); }
    bool may_start(Desk &desk, core::Time now);
    static Side &side_of(Desk &desk, std::int32_t queue);
    store::Rooms rooms(core::Time now) const;
    void trim(Desk &desk, core::Time now);
    void submit(http::Client &client, std::uint64_t tag, engine::Report report, core::Time now);
    void forget_idle(core::Time now);

    store::TaskKeys &keys_;
    std::map<std::int32_t, Desk> desks_; // endpoints with something at hand, under way, waiting or learned
    std::unordered_map<std::uint64_t, UnderWay> under_way_;
    std::vector<engine::Report> claimed_;
    std::vector<engine::Report> excess_;
    std::vector<engine::Burial> burials_;
    std::vector<engine::RecordedReport> answers_;
    std::size_t at_hand_ = 0;
    std::int32_t next_started_ = 0, next_claimed_ = 0; // endpoints where the last round ended
    std::int32_t common_limit_ = 0; // of one claim; grows while it finds little but what is to be moved
    bool common_taken_ = false, endpoints_taken_ = false;
    bool common_room_ = false;
    core::Time common_handed_ = core::kNever, common_handed_rest_ = core::kNever; // of what was handed over
    core::Time common_from_{}, common_resume_{}, endpoints_from_{}, endpoints_resume_{};
    Clock::time_point next_scan_{}; // a long scan is not made often
};

} // namespace hc::workers
