// Recording answers of sends. See dispatch.hpp. Runs in dispatchers.
#include "core/history.hpp"
#include "engine/advance.hpp"
#include "engine/dispatch.hpp"
#include "engine/receipts.hpp"
#include "engine/suppression.hpp"
#include "pg/wake.hpp"

#include <nlohmann/json.hpp>

namespace hc::engine {

namespace {

// Receipts a sandbox provider will report later: tasks on the timer queue whose detail is a dlr payload.
void put_sandbox_receipts(const RecordedSend &send, core::Time now, std::vector<store::Task> &puts) {
    if (send.answer.verdict != core::SendVerdict::accepted && send.answer.verdict != core::SendVerdict::ambiguous) {
        return; // surely not taken: nobody will report on it
    }
    std::int32_t number = store::kSandboxNumbers + send.key.number * 64; // a send task's number is used once
    for (const core::SandboxReceipt &receipt : send.receipts) {
        nlohmann::json dlr = {{"status", receipt.status}, {"attempt", send.answer.attempt}};
        if (!send.answer.provider_message_id.empty()) {
            dlr["provider_message_id"] = send.answer.provider_message_id;
        }
        if (!receipt.reason.empty()) {
            dlr["error_code"] = receipt.reason;
        }
        puts.push_back({send.key.workflow_id, number++, store::Kind::sandbox_receipt, pg::kTimerQueue,
                        now + receipt.after, send.answer.attempt, send.provider, dlr.dump()});
    }
}

void note_hashes(const RecordedSend &send, std::vector<std::int64_t> &hashes) {
    const auto note = [&](const std::string &id) {
        for (const std::int64_t hash : attempt_hashes(send.provider, id, core::IdSide::answer)) {
            hashes.push_back(hash);
        }
    };
    note(send.answer.provider_message_id);
    for (const std::string &id : send.answer.more_message_ids) {
        note(id);
    }
}

} // namespace

std::vector<std::size_t> record_sends(const std::vector<RecordedSend> &answers,
                                      std::vector<std::int64_t> &recorded_hashes) {
    std::vector<Item> items;
    items.reserve(answers.size());
    for (const RecordedSend &send : answers) {
        items.push_back({send.key.workflow_id, send.answer});
    }
    const std::vector<ItemResult> results = engine::advance(items, store::LockWait::skip);
    const core::Time now = pg::now();
    std::vector<std::size_t> locked;
    std::vector<store::Task> puts;
    std::vector<store::TaskKey> leftovers;
    std::uint32_t recorded = 0;
    std::uint32_t skipped = 0;
    std::vector<Toll> untaken;
    AddressEffects effects(store::SuppressSource::answer);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].status == ItemStatus::locked) {
            locked.push_back(i);
            continue;
        }
        if (results[i].result == core::SignalResult::ignored) { // it has moved on: nothing names this task any more
            leftovers.push_back(answers[i].key);
            continue;
        }
        ++recorded;
        skipped += answers[i].answer.verdict == core::SendVerdict::skip ? 1U : 0U;
        if (core::surely_not_taken(answers[i].answer)) {
            untaken.push_back(answers[i].toll);
        }
        if (!answers[i].answer.suppress.empty() && answers[i].addressee) {
            effects.add(*answers[i].addressee, opt_out_category(answers[i].provider), answers[i].answer.suppress,
                        answers[i].key.workflow_id);
        }
        put_sandbox_receipts(answers[i], now, puts);
        if (!answers[i].answer.provider_message_id.empty()) {
            note_hashes(answers[i], recorded_hashes);
        }
    }
    store::delete_tasks(leftovers);
    store::insert_tasks(puts);
    give_back(untaken);
    effects.apply(now);
    pg::count(pg::Count::sends_recorded, recorded);
    pg::count(pg::Count::sends_skipped, skipped);
    return locked;
}

} // namespace hc::engine
