// Dispatcher: claims sends and reports, carries them out over HTTP, records the answers. No transaction is open while a
// request is: claim and intent (transaction 1, flushed) -> send -> record (transaction 2, batched).
#pragma once

#include "core/dispatcher_plan.hpp"
#include "engine/dispatch.hpp"
#include "http/client.hpp"
#include "pg/bgworker.hpp"
#include "pg/provider_state.hpp"
#include "workers/session.hpp"
#include "workers/webhooks.hpp"

#include <array>
#include <unordered_map>
#include <vector>

namespace hc::workers {

class Dispatcher {
public:
    explicit Dispatcher(std::int32_t slot);
    void run();

private:
    // A request on its way.
    struct InFlight {
        std::int32_t queue = 0;
        engine::Send send;
        std::string destination; // whose slot it holds; empty: none
    };
    // An answer to record; not_before: its cascade was held by somebody else.
    struct Answered {
        engine::RecordedSend send;
        Clock::time_point not_before{};
    };

    void pass();
    void reload();

    // claim
    void claim_due_work();
    std::vector<int> due_bounds() const;
    void room_again(std::int32_t queue);
    // A bound taken for a claim, and what is still waiting behind it.
    struct Taken {
        int index;
        core::Time from, resume;
        core::Time handed_from, handed_rest; // likewise, of what was handed over; kNever: nothing was
        bool room;                           // the queues have taken less than they could
    };
    // Leave that a provider gave for the drafts of a claim.
    struct Leave {
        std::size_t claim; // index
        std::int32_t provider;
        pg::Admission leave;
    };
    // Slots of requests taken for a claim; what it does not use goes back.
    struct Slots {
        std::int32_t provider = 0; // 0: its sends need none
        std::string destination;
        std::int32_t count = 0;
    };
    struct Claims {
        std::vector<engine::Claim> claims;
        std::vector<Slots> slots; // one a claim
        std::vector<Leave> leaves;
        std::vector<Taken> taken;
        bool left = false; // something due, but for what has come since the claim
    };
    void claim_bound(int index, Claims &claims);
    void claim_taken(const std::vector<int> &due, Claims &claims);
    bool claim_of_bound(std::int32_t queue, Claims &claims, Clock::time_point &not_before, bool alone);
    void claim_queue(std::int32_t queue, std::int32_t limit, Claims &claims,
                     std::optional<core::Time> open_until = std::nullopt);
    engine::ClaimRequest claim_request(std::int32_t queue, const Taken &taken) const;
    static void keep_slots(Slots &slots, std::int32_t count);
    static void finish(Claims &claims);
    engine::ClaimRequest claim_request() const;
    std::int32_t take_slots(std::int32_t queue, Slots &slots) const;
    void look_for_help(bool more);
    void ended(const InFlight &flight);
    bool claim_provider(std::int32_t queue, std::int32_t limit, Claims &claims, Clock::time_point &not_before);
    void note_health(const engine::Send &send, const core::SendAnswer &answer);
    void launch(engine::Claim claim, Slots slots);
    void give_up(const std::vector<engine::Burial> &burials);
    void launch(engine::Send send, const std::string &destination);

    // answers
    void collect();
    void record();
    void record_batch(std::vector<Answered> batch);
    void record_split(std::vector<Answered> batch);
    void record_report_batch(std::vector<engine::RecordedReport> batch);
    void rematch(const std::vector<std::int64_t> &hashes);
    void bury_given_up();
    void start_webhooks();
    void put_back_webhooks();
    void put_back_handed();
    std::uint32_t in_flight() const { return static_cast<std::uint32_t>(in_flight_.size() + webhooks_.under_way()); }
    bool serves_webhooks() const { return !helper_ && !held(); }
    bool rested() const; // a helper that nobody needs any more
    void drain();

    long wait_milliseconds();
    bool held() const;              // no HTTP may leave
    std::string idle_words() const; // what it waits for, for pg_stat_activity

    pg::WorkerSlot &slot_;
    std::unique_ptr<http::Client> client_;
    std::uint64_t next_tag_ = 1;
    std::unordered_map<std::uint64_t, InFlight> in_flight_;
    store::TaskKeys under_way_; // claimed and not recorded, buried or put back yet; not those of activities
    Webhooks webhooks_{under_way_};
    std::vector<Answered> answered_;
    std::vector<engine::Burial> burials_;
    std::vector<std::int64_t> rematch_later_;
    int first_group_ = 0;                                          // provider whose lanes are looked at first
    std::array<Clock::time_point, pg::kQueueBounds> not_before_{}; // bounds without room, leave or free tasks
    bool helper_ = false;                                          // there for a backlog of sends only
    int dispatchers_ = 1;                                          // as of the last claim
    core::Saturation saturation_;
    Clock::time_point last_send_{};
    Clock::time_point last_rescan_{};
    ExtensionWatch extension_;
    Backoff backoff_;
};

} // namespace hc::workers
