// See receipts.hpp.
#include "engine/receipts.hpp"

#include "core/crypto.hpp"
#include "core/dlr.hpp"
#include "core/error.hpp"
#include "engine/advance.hpp"
#include "engine/definitions.hpp"
#include "engine/suppression.hpp"
#include "pg/wake.hpp"
#include "store/receipts.hpp"

#include <algorithm>

namespace hc::engine {

namespace {

// A receipt whose attempt is known by look-up: the attempt number is the look-up's, not the payload's.
core::Input addressed(core::Input input, const store::AttemptRow &attempt, const std::string &provider_message_id) {
    if (auto *receipt = std::get_if<core::ReceiptInput>(&input)) {
        receipt->attempt = static_cast<std::uint16_t>(attempt.attempt);
        receipt->provider_message_id = provider_message_id;
    }
    return input;
}

// Empty: the account declares no conversions, or its connector is gone, which must not hold up an answer.
std::string normal_id_of(const Provider &provider, std::string_view id, core::IdSide side) {
    const std::shared_ptr<const core::Connector> connector =
        provider.receipts.connector.empty() ? nullptr : definitions().find_connector(provider.receipts.connector);
    return connector ? core::normal_id(id, connector->id_conversions, provider.receipts.options.id_base, side)
                     : std::string();
}

ReceiptEffects::Attempt effect_attempt(const store::AttemptRow &attempt) {
    return {attempt.workflow_id, static_cast<std::uint16_t>(attempt.attempt)};
}

// A receipt out of the inbox: found by the account's hash, so its id may be written in another way than the answer's.
core::Input waited(const store::InboxRow &row, const store::AttemptRow &attempt) {
    core::Input input = addressed(core::parse_dlr(row.payload, {}), attempt, row.provider_message_id);
    Definitions &defs = definitions();
    const Provider *provider = defs.provider(row.provider);
    auto *receipt = std::get_if<core::ReceiptInput>(&input);
    if (receipt != nullptr && provider != nullptr) {
        receipt->providers = defs.providers_of_name(provider->name);
        receipt->more_ids = {row.provider_message_id};
    }
    return input;
}

} // namespace

std::int64_t attempt_hash(std::int32_t provider, std::string_view provider_message_id) {
    return static_cast<std::int64_t>(core::hash64(std::to_string(provider), provider_message_id));
}

std::vector<std::int64_t> attempt_hashes(std::int32_t provider, std::string_view provider_message_id,
                                         core::IdSide side) {
    std::vector<std::int64_t> hashes{attempt_hash(provider, provider_message_id)};
    Definitions &defs = definitions();
    const Provider *known = defs.provider(provider);
    const std::string normal = known != nullptr ? normal_id_of(*known, provider_message_id, side) : std::string();
    if (!normal.empty()) {
        hashes.push_back(attempt_hash(provider, normal));
    }
    return hashes;
}

void name_part(core::ReceiptInput &receipt, const core::State &state) {
    if (receipt.more_ids.empty() || receipt.attempt == 0 || receipt.attempt > state.attempts.size()) {
        return;
    }
    const core::AttemptState &attempt = state.attempts[receipt.attempt - 1U];
    const Provider *provider = attempt.parts.empty() ? nullptr : definitions().provider(attempt.provider);
    if (provider == nullptr) {
        return;
    }
    const std::string normal = normal_id_of(*provider, receipt.more_ids.front(), core::IdSide::receipt);
    for (const core::PartState &part : attempt.parts) {
        if (!normal.empty() && normal_id_of(*provider, part.provider_message_id, core::IdSide::answer) == normal) {
            receipt.more_ids.push_back(part.provider_message_id);
        }
    }
}

void check_receipt_privilege(Oid user) {
    if (!definitions().tenant_allowed(user, "*")) {
        throw Error(sqlstate::insufficient_privilege, "permission denied to apply receipts of a provider",
                    "A provider's receipts may belong to any tenant.",
                    "An administrator can grant all tenants with hermes.grant_tenant(role, '*').");
    }
}

void keep_waiting_receipts(const std::vector<WaitingReceipt> &receipts) {
    if (receipts.empty()) {
        return;
    }
    std::vector<store::InboxRow> rows;
    rows.reserve(receipts.size());
    for (const WaitingReceipt &receipt : receipts) {
        rows.push_back({0, receipt.hash, receipt.provider, receipt.provider_message_id, receipt.payload});
    }
    const std::vector<std::int64_t> ids = store::insert_waiting_receipts(rows, pg::now());
    // Looks again after our commit: the attempt may be stored by a transaction that did not see this receipt.
    std::vector<store::Task> tasks;
    tasks.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        core::WorkflowId holder{}; // rematch tasks belong to no cascade: the number of the key names the inbox row
        std::memcpy(holder.bytes.data() + 8, &ids[i], sizeof ids[i]);
        tasks.push_back({holder, store::kRematchNumber, store::Kind::rematch, pg::kTimerQueue, pg::now(), 0, 0,
                         std::to_string(rows[i].hash)});
    }
    store::insert_tasks(tasks);
    pg::count(pg::Count::receipts_buffered, static_cast<std::uint32_t>(rows.size()));
}

core::SignalResult apply_receipt(const std::string &provider, const std::string &provider_message_id,
                                 const std::string &payload_json, Oid user) {
    check_name(provider_message_id, "provider message id");
    check_receipt_privilege(user);
    const std::vector<std::int32_t> providers = definitions().providers_of_name(provider);
    core::Input input = core::parse_dlr(payload_json, {});
    const core::DlrEffect effect = core::parse_dlr_effect(payload_json);
    std::vector<std::int64_t> hashes;
    hashes.reserve(providers.size());
    for (const std::int32_t id : providers) {
        hashes.push_back(attempt_hash(id, provider_message_id));
    }
    for (const store::AttemptRow &attempt : store::find_attempts(hashes)) {
        const Item item{attempt.workflow_id, addressed(input, attempt, provider_message_id)};
        ReceiptEffects effects;
        effects.add(0, effect_attempt(attempt), *definitions().provider(providers.front()), effect);
        effects.look_up();
        const ItemResult result = engine::advance({&item, 1}, store::LockWait::wait, user).front();
        if (result.status == ItemStatus::done) {
            pg::count(pg::Count::receipts_applied);
            effects.apply(pg::now(), [&result](std::size_t) { return result.result != core::SignalResult::duplicate; });
            return result.result;
        }
    }
    if (std::holds_alternative<core::ParkInput>(input)) {
        store::insert_parked_receipt(
            {hashes.front(), providers.front(), provider_message_id, {}, payload_json, "unknown_status"}, pg::now());
        pg::count(pg::Count::receipts_parked);
        return core::SignalResult::parked;
    }
    keep_waiting_receipts({{hashes.front(), providers.front(), provider_message_id, payload_json}});
    return core::SignalResult::buffered;
}

bool rematch(const std::vector<std::int64_t> &hashes) {
    const std::vector<store::InboxRow> waiting = store::lock_waiting_receipts(hashes);
    if (waiting.empty()) {
        return true;
    }
    std::vector<Item> items;
    std::vector<std::int64_t> inbox_ids;
    ReceiptEffects effects;
    const std::vector<store::AttemptRow> attempts = store::find_attempts(hashes);
    for (const store::InboxRow &row : waiting) {
        const auto attempt = std::find_if(attempts.begin(), attempts.end(),
                                          [&](const store::AttemptRow &a) { return a.hash == row.hash; });
        if (attempt != attempts.end()) { // the payload was parsed before it was stored
            if (const Provider *account = definitions().provider(row.provider)) {
                effects.add(items.size(), effect_attempt(*attempt), *account, core::parse_dlr_effect(row.payload));
            }
            items.push_back({attempt->workflow_id, waited(row, *attempt)});
            inbox_ids.push_back(row.id);
        }
    }
    effects.look_up();
    const std::vector<ItemResult> results = engine::advance(items, store::LockWait::skip);
    effects.apply(pg::now(), [&results](std::size_t i) {
        return results[i].status == ItemStatus::done && results[i].result != core::SignalResult::duplicate;
    });
    std::vector<std::int64_t> applied;
    bool all = true;
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].status == ItemStatus::locked) {
            all = false;
        } else {
            applied.push_back(inbox_ids[i]);
        }
    }
    store::delete_receipts(applied);
    return all;
}

} // namespace hc::engine
