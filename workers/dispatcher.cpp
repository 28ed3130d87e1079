// The dispatcher's loop and its answers. Claiming is in dispatcher_claim.cpp. See dispatcher.hpp.
#include "workers/dispatcher.hpp"

#include "core/error.hpp"
#include "engine/receipts.hpp"
#include "pg/dispatchers.hpp"
#include "pg/guc.hpp"
#include "pg/handover.hpp"
#include "pg/request_slots.hpp"
#include "pg/wake.hpp"
#include "workers/workers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace hc::workers {

namespace {

constexpr auto kLockedRetry = std::chrono::milliseconds(5);
constexpr auto kHelpAfter = std::chrono::milliseconds(250); // of a backlog without rest
constexpr auto kHelperRest = std::chrono::seconds(5);       // a helper without work for so long ends
constexpr long kHelperLook = 500;                           // milliseconds, whether it shall

http::Limits limits_of_settings() {
    http::Limits limits;
    limits.allow_private = pg::guc::allow_private_addresses;
    try {
        limits.allowed = core::AddressList(pg::guc::allowed_addresses);
    } catch (const Error &) { // fewer addresses than meant, never more
        pg::log("hermes.allowed_addresses is malformed and taken as empty",
                "Write a comma-separated list of CIDR blocks.");
    }
    limits.ca_file = pg::guc::ca_file;
    limits.max_connections = 1024;
    return limits;
}

// Of a recorded batch: what somebody else held. The others are no longer under way.
template <class Item, class Key>
std::vector<Item> held_back(std::vector<Item> batch, const std::vector<std::size_t> &locked, store::TaskKeys &under_way,
                            Key key) {
    std::vector<bool> held(batch.size());
    for (const std::size_t i : locked) {
        held[i] = true;
    }
    std::vector<Item> rest;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (held[i]) {
            rest.push_back(std::move(batch[i]));
        } else {
            under_way.erase(std::invoke(key, batch[i]));
        }
    }
    return rest;
}

} // namespace

Dispatcher::Dispatcher(std::int32_t slot) : slot_(pg::slot_of_argument(slot)), saturation_(kHelpAfter, Clock::now()) {}

bool Dispatcher::held() const { return !pg::guc::outbound; }

void Dispatcher::reload() { client_->set_limits(limits_of_settings()); }

void Dispatcher::collect() {
    std::vector<http::Completion> done;
    client_->run(done);
    const core::Time now = pg::now();
    for (http::Completion &completion : done) {
        const auto it = in_flight_.find(completion.tag);
        if (it == in_flight_.end()) {
            webhooks_.end(completion, now);
            continue;
        }
        InFlight flight = std::move(it->second);
        in_flight_.erase(it);
        ended(flight);
        engine::Send &send = flight.send;
        core::SendAnswer answer = send.connector
                                      ? core::classify_answer(*send.config, *send.connector, completion.answer, now)
                                      : core::classify_answer(*send.config, completion.answer, now);
        note_health(send, answer);
        answer.attempt = send.attempt;
        answer.task = static_cast<std::uint32_t>(send.key.number);
        engine::RecordedSend recorded{send.key, send.provider,        std::move(answer),
                                      {},       std::move(send.toll), std::move(send.addressee)};
        if (send.activity) {
            recorded.activity = true;
            recorded.http = std::move(completion.answer);
            recorded.began = now - completion.elapsed;
        }
        answered_.push_back({std::move(recorded), {}});
    }
    slot_.in_flight.store(in_flight(), std::memory_order_relaxed);
}

// Tasks given up, each in a transaction of its own; what is held by somebody else stays on the list.
void Dispatcher::bury_given_up() {
    std::vector<engine::Burial> burials = std::exchange(burials_, {});
    for (engine::Burial &burial : burials) {
        pg::Failure failure;
        bool buried = false;
        const bool committed = pg::iterate(
            "burying a task",
            [&] {
                Transaction transaction("burying a task");
                buried = engine::bury(burial.key, burial.reason);
                transaction.commit();
            },
            failure);
        if (committed && buried) {
            under_way_.erase(burial.key);
        } else {
            burials_.push_back(std::move(burial));
        }
    }
}

void Dispatcher::record() {
    bury_given_up();
    if (webhooks_.answers()) {
        record_report_batch(webhooks_.take_answers());
    }
    const Clock::time_point now = Clock::now();
    std::vector<Answered> batch;
    std::vector<Answered> later;
    for (Answered &answer : answered_) {
        const bool full = batch.size() >= static_cast<std::size_t>(pg::guc::batch_size);
        (full || answer.not_before > now ? later : batch).push_back(std::move(answer));
    }
    answered_ = std::move(later);
    if (!batch.empty()) {
        record_split(std::move(batch));
    }
}

void Dispatcher::record_batch(std::vector<Answered> batch) {
    const auto middle =
        std::stable_partition(batch.begin(), batch.end(), [](const Answered &answer) { return !answer.send.activity; });
    const auto split = static_cast<std::size_t>(middle - batch.begin());
    std::vector<engine::RecordedSend> sends, activities;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        (i < split ? sends : activities).push_back(batch[i].send);
    }
    std::vector<std::int64_t> hashes;
    std::vector<std::size_t> locked;
    Transaction transaction(fmt::format("recording {} answers", batch.size()).c_str());
    if (!sends.empty()) {
        locked = engine::record_sends(sends, hashes);
    }
    if (!activities.empty()) {
        for (const std::size_t i : engine::record_activities(activities)) {
            locked.push_back(split + i);
        }
    }
    transaction.commit_unflushed();
    slot_.batches.fetch_add(1, std::memory_order_relaxed);
    slot_.tasks.fetch_add(batch.size() - locked.size(), std::memory_order_relaxed);
    const auto key = [](const Answered &answer) { return answer.send.key; };
    for (Answered &answer : held_back(std::move(batch), locked, under_way_, key)) {
        answered_.push_back({std::move(answer.send), Clock::now() + kLockedRetry});
    }
    rematch_later_.insert(rematch_later_.end(), hashes.begin(), hashes.end());
}

// Records the batch; a member that cannot be recorded is found by halving and buried, its neighbours are not held up.
void Dispatcher::record_split(std::vector<Answered> batch) {
    pg::Failure failure;
    const bool good = pg::iterate(
        "recording answers", [&] { record_batch(batch); }, failure);
    if (good) {
        return;
    }
    slot_.errors.fetch_add(1, std::memory_order_relaxed);
    if (transient(failure)) {
        for (Answered &answer : batch) {
            answered_.push_back({std::move(answer.send), Clock::now() + std::chrono::seconds(1)});
        }
        return;
    }
    if (batch.size() == 1 && batch.front().send.activity) { // what cannot be recorded is a failure that can
        engine::RecordedSend &send = batch.front().send;
        send.http = {};
        send.answer.verdict = core::SendVerdict::next_channel;
        send.answer.reason = std::string("the answer could not be recorded: ") + failure.sqlstate;
        answered_.push_back({std::move(send), Clock::now() + std::chrono::seconds(1)});
        return;
    }
    if (batch.size() == 1) {
        const std::string reason = std::string("the answer could not be recorded: ") + failure.sqlstate;
        burials_.push_back({batch.front().send.key, reason});
        return;
    }
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    record_split({std::make_move_iterator(batch.begin()), std::make_move_iterator(middle)});
    record_split({std::make_move_iterator(middle), std::make_move_iterator(batch.end())});
}

void Dispatcher::record_report_batch(std::vector<engine::RecordedReport> batch) {
    pg::Failure failure;
    const bool good = pg::iterate(
        "recording reports",
        [&] {
            Transaction transaction(fmt::format("recording {} reports", batch.size()).c_str());
            const std::vector<std::size_t> locked = engine::record_reports(batch, pg::now());
            transaction.commit_unflushed();
            slot_.batches.fetch_add(1, std::memory_order_relaxed);
            slot_.tasks.fetch_add(batch.size() - locked.size(), std::memory_order_relaxed);
            webhooks_.again(held_back(std::move(batch), locked, under_way_, &engine::RecordedReport::key));
        },
        failure);
    if (!good) { // recorded again in a while; the receiver knows a repetition by its webhook-id
        slot_.errors.fetch_add(1, std::memory_order_relaxed);
        backoff_.failed(Clock::now());
        webhooks_.again(std::move(batch));
    }
}

// Receipts that came before their attempt was stored: both sides look again after their commit.
void Dispatcher::rematch(const std::vector<std::int64_t> &hashes) {
    Transaction transaction("matching early receipts");
    const bool all = engine::rematch(hashes);
    transaction.commit();
    if (!all) {
        rematch_later_.insert(rematch_later_.end(), hashes.begin(), hashes.end());
    }
}

void Dispatcher::pass() {
    extension_.look();
    collect();
    record();
    if (!rematch_later_.empty()) {
        // lost when it fails: the rematch task of each waiting receipt looks again
        rematch(std::exchange(rematch_later_, {}));
    }
    if (webhooks_.excess()) {
        put_back_webhooks();
    }
    claim_due_work();
    start_webhooks();
    if (pg::flush_is_due()) { // of what was recorded, unless a claim has taken it along
        pg::flush_commits();
    }
}

// Reports at hand whose turn it is; none while the kill switch is off.
void Dispatcher::start_webhooks() {
    if (serves_webhooks() && pg::my_database()->outbound_open.load() != 0) {
        webhooks_.start(*client_, next_tag_, pg::now());
    }
    slot_.in_flight.store(in_flight(), std::memory_order_relaxed);
}

void Dispatcher::put_back_webhooks() {
    Transaction transaction("putting reports back");
    webhooks_.put_back();
    transaction.commit();
    webhooks_.put_back_done();
}

long Dispatcher::wait_milliseconds() {
    const Clock::time_point now = Clock::now();
    if (std::any_of(answered_.begin(), answered_.end(), [now](const Answered &a) { return a.not_before <= now; })) {
        return 0;
    }
    if (!answered_.empty() || webhooks_.answers() || webhooks_.excess() || !rematch_later_.empty() ||
        !burials_.empty()) {
        return 5;
    }
    long wait = helper_ ? std::min<long>(pg::guc::fallback_poll_ms, kHelperLook) : pg::guc::fallback_poll_ms;
    if (pg::my_database()->outbound_open.load() == 0) {
        return wait; // the supervisor wakes us when the fence opens
    }
    const core::Time wall = pg::now();
    for (int index = pg::kTimerQueue + 1; index < pg::kQueueBounds; ++index) {
        if (index < pg::kReservedQueues) {
            continue;
        }
        if (pg::peek_handed(index) != core::kNever) { // the last pass has left some
            return 0;
        }
        const long due = milliseconds_until(pg::peek_bound(index), wall, wait);
        const long earliest =
            not_before_[static_cast<std::size_t>(index)] > now
                ? std::chrono::ceil<std::chrono::milliseconds>(not_before_[static_cast<std::size_t>(index)] - now)
                      .count()
                : 0;
        wait = std::min(wait, std::max(due, earliest));
    }
    if (serves_webhooks()) {
        wait = std::min(wait, webhooks_.wait_milliseconds(wall, wait));
    }
    const long curl = client_->wait_milliseconds();
    return curl >= 0 ? std::min(wait, curl) : wait;
}

std::string Dispatcher::idle_words() const {
    if (in_flight() != 0) {
        return fmt::format("waiting for answers: {} in flight{}", in_flight(),
                           held() ? ", held by hermes.outbound" : "");
    }
    if (!backoff_.passed(Clock::now())) {
        return "waiting after an error";
    }
    if (pg::my_database()->outbound_open.load() == 0) {
        return "held by the restore fence";
    }
    return held() ? "held by hermes.outbound" : "waiting for work";
}

// SIGTERM: no new claims, a bounded grace for what is in flight, one last record. Claims not answered by then are
// taken over by the next incarnation with the same idempotency keys.
void Dispatcher::drain() {
    slot_.state = static_cast<std::uint32_t>(pg::WorkerState::draining);
    pg::take_no_more();
    const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(pg::guc::drain_timeout_ms);
    pg::WaitSet wait_set(client_->epoll_fd());
    webhooks_.give_up_all();
    put_back_handed();
    while ((in_flight() != 0 || !answered_.empty() || webhooks_.answers() || webhooks_.excess()) &&
           Clock::now() < deadline) {
        pg::process_interrupts();
        collect();
        record();
        pg::Failure failure;
        if (webhooks_.excess()) {
            pg::iterate(
                "putting reports back", [&] { put_back_webhooks(); }, failure);
        }
        put_back_handed();
        pg::report_idle(fmt::format("draining: {} in flight", in_flight()).c_str());
        const long curl = client_->wait_milliseconds();
        wait_set.wait(!answered_.empty() ? 1 : std::min(50L, curl >= 0 ? curl : 50L));
    }
    pg::flush_commits();
}

bool Dispatcher::rested() const {
    return helper_ && in_flight() == 0 && answered_.empty() && burials_.empty() && rematch_later_.empty() &&
           Clock::now() >= last_send_ + kHelperRest;
}

void Dispatcher::run() {
    pg::begin_worker(&slot_, pg::database_of_argument(), true);
    if (pg::my_database() == nullptr) {
        return;
    }
    helper_ = pg::is_helper();
    last_send_ = Clock::now();
    client_ = std::make_unique<http::Client>(limits_of_settings());
    pg::WaitSet wait_set(client_->epoll_fd());
    pg::Failure failure;
    bool gone = false;
    while (!pg::shutdown_requested() && !gone && !rested()) {
        const bool good = pg::iterate(
            "dispatcher",
            [&] {
                try {
                    if (pg::process_interrupts()) {
                        reload();
                    }
                    if (!pg::shutdown_requested()) {
                        pass();
                    }
                } catch (const ExtensionGone &) {
                    pg::abort_worker_transaction();
                    gone = true;
                }
            },
            failure);
        long wait = wait_milliseconds();
        if (!good) {
            slot_.errors.fetch_add(1, std::memory_order_relaxed);
            pg::my_database()->counters.worker_errors.fetch_add(1, std::memory_order_relaxed);
            backoff_.failed(Clock::now());
        }
        if (!backoff_.passed(Clock::now())) {
            wait = std::max<long>(wait, 100); // transfers go on meanwhile; claims wait for the back-off
        }
        if (!gone) {
            pg::report_idle(idle_words().c_str());
            const Clock::time_point begin = Clock::now();
            wait_set.wait(pg::milliseconds_until_flush(wait));
            saturation_.rested(Clock::now() - begin);
        }
    }
    if (!gone) {
        drain();
    }
}

void run_dispatcher(std::int32_t slot) { Dispatcher(slot).run(); }

} // namespace hc::workers
