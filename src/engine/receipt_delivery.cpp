// See receipt_delivery.hpp.
#include "engine/receipt_delivery.hpp"

#include "core/dlr.hpp"
#include "core/error.hpp"
#include "core/receipt_ids.hpp"
#include "engine/advance.hpp"
#include "engine/receipts.hpp"
#include "engine/suppression.hpp"
#include "pg/wake.hpp"
#include "store/receipts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace hc::engine {

using core::CanonicalReceipt;
using core::Disposition;
using core::SignalResult;

namespace {

// The receipts of one call.
class Delivery {
public:
    Delivery(const Account &account, const std::vector<CanonicalReceipt> &receipts, Oid user)
        : account_(account), receipts_(receipts), user_(user), rows_(receipts.size()) {}

    std::vector<ReceivedReceipt> run() {
        look_up();
        for (std::size_t i = 0; i < receipts_.size(); ++i) {
            sort_out(i);
        }
        apply();
        return std::move(rows_);
    }

private:
    struct Target {
        ReceiptEffects::Attempt attempt;
        bool by_id = false; // of the provider
    };
    void look_up();
    void sort_out(std::size_t i);
    std::optional<Target> find_target(const CanonicalReceipt &receipt) const;
    bool address(std::size_t i);
    void take_side_effect(std::size_t i);
    void apply();
    void apply_effects();
    void keep_unmatched();
    void park(std::size_t i);

    const Account &account_;
    const std::vector<CanonicalReceipt> &receipts_;
    const Oid user_;
    std::vector<ReceivedReceipt> rows_;
    std::unordered_map<std::int64_t, store::AttemptRow> attempts_; // by look-up hash
    std::vector<Item> items_;
    std::vector<std::size_t> item_rows_;
    std::vector<std::size_t> unmatched_;
    ReceiptEffects effects_; // on addresses; tags: rows
};

// Look-up hashes of a receipt's id for each id of the account. Exact text first; where the two sides write numbers in
// different bases by declaration, the number first, because "10" is then another message than the answer's "10".
std::vector<std::int64_t> hashes_of(const Account &account, const CanonicalReceipt &receipt) {
    if (receipt.id_candidates.empty()) {
        return {};
    }
    const core::IdBase base = account.settings().options.id_base;
    std::vector<std::int64_t> exact, normal;
    for (const std::int32_t provider : account.ids) {
        const std::vector<std::int64_t> hashes =
            attempt_hashes(provider, receipt.id_candidates.front(), core::IdSide::receipt);
        exact.push_back(hashes.front());
        normal.insert(normal.end(), hashes.begin() + 1, hashes.end());
        for (std::size_t i = 1; base == core::IdBase::either && i < receipt.id_candidates.size(); ++i) {
            normal.push_back(attempt_hash(provider, receipt.id_candidates[i]));
        }
    }
    const bool number_first = base == core::IdBase::hex_in_answer || base == core::IdBase::hex_in_receipt;
    exact.insert(number_first ? exact.begin() : exact.end(), normal.begin(), normal.end());
    return exact;
}

void Delivery::look_up() {
    std::vector<std::int64_t> hashes;
    for (const CanonicalReceipt &receipt : receipts_) {
        if (receipt.disposition == Disposition::apply || !receipt.suppress.empty()) {
            const std::vector<std::int64_t> own = hashes_of(account_, receipt);
            hashes.insert(hashes.end(), own.begin(), own.end());
        }
    }
    std::sort(hashes.begin(), hashes.end());
    hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
    if (hashes.empty()) {
        return;
    }
    for (const store::AttemptRow &row : store::find_attempts(hashes)) {
        attempts_.emplace(row.hash, row); // newest first
    }
}

// The reference that the provider echoes; attempt 0: none, or none of ours.
core::AttemptReference own_reference(const CanonicalReceipt &receipt) {
    const auto found = receipt.client_ref ? core::parse_attempt_reference(*receipt.client_ref) : std::nullopt;
    const core::AttemptReference reference = found.value_or(core::AttemptReference{});
    return reference.attempt <= core::kMaxAttempts ? reference : core::AttemptReference{};
}

// By our own reference when the provider echoes it, else by its message id; the other way round where parts are
// reported on one by one, because an id tells the part.
std::optional<Delivery::Target> Delivery::find_target(const CanonicalReceipt &receipt) const {
    const core::AttemptReference ours = own_reference(receipt);
    std::optional<Target> by_reference;
    if (ours.attempt != 0) {
        by_reference = Target{{ours.id, static_cast<std::uint16_t>(ours.attempt)}, false};
    }
    if (by_reference && account_.part_mode() == core::PartMode::provider) {
        return by_reference;
    }
    for (const std::int64_t hash : hashes_of(account_, receipt)) {
        if (const auto row = attempts_.find(hash); row != attempts_.end()) {
            return Target{{row->second.workflow_id, static_cast<std::uint16_t>(row->second.attempt)}, true};
        }
    }
    return by_reference;
}

bool Delivery::address(std::size_t i) {
    const CanonicalReceipt &receipt = receipts_[i];
    const std::optional<Target> target = find_target(receipt);
    if (!target) {
        return false;
    }
    core::Input input = core::parse_dlr(core::dlr_json(receipt), {});
    auto &in = std::get<core::ReceiptInput>(input);
    in.providers = account_.ids;
    in.more_ids = receipt.id_candidates;
    in.attempt = target->attempt.number;
    in.part = !target->by_id && account_.part_mode() != core::PartMode::provider; // of an answer that is not there yet
    items_.push_back({target->attempt.cascade, std::move(input)});
    effects_.add(i, target->attempt, *account_.provider, {receipt.suppress, receipt.recipient});
    return true;
}

// Says nothing of a state. Of a message that is not known here (or not any more) it means the account as a whole.
void Delivery::take_side_effect(std::size_t i) {
    const CanonicalReceipt &receipt = receipts_[i];
    rows_[i].result = SignalResult::ignored;
    if (receipt.suppress.empty()) {
        return;
    }
    const std::optional<Target> target = find_target(receipt);
    const auto attempt = target ? std::optional(target->attempt) : std::nullopt;
    effects_.add(i, attempt, *account_.provider, {receipt.suppress, receipt.recipient});
}

void Delivery::sort_out(std::size_t i) {
    const CanonicalReceipt &receipt = receipts_[i];
    rows_[i].state = receipt.state;
    rows_[i].kind = receipt.kind;
    if (!receipt.engagement.empty()) {
        pg::count(pg::Count::engagements);
    }
    switch (receipt.disposition) {
    case Disposition::apply:
        if (address(i)) {
            item_rows_.push_back(i);
        } else {
            unmatched_.push_back(i);
        }
        return;
    case Disposition::park:
    case Disposition::reject:
        return park(i);
    case Disposition::side_effect_only:
        return take_side_effect(i);
    case Disposition::ignore:
        rows_[i].result = SignalResult::ignored;
        return;
    }
}

void Delivery::apply() {
    effects_.look_up(); // before a message goes with its cascade
    const std::vector<ItemResult> results = engine::advance(items_, store::LockWait::wait, user_);
    for (std::size_t k = 0; k < results.size(); ++k) {
        ReceivedReceipt &row = rows_[item_rows_[k]];
        if (results[k].status != ItemStatus::done) {
            row.result = SignalResult::unmatched; // a reference to a cascade that is no more
            pg::count(pg::Count::receipts_unmatched);
            continue;
        }
        row.cascade = items_[k].id;
        row.attempt = std::get<core::ReceiptInput>(items_[k].input).attempt;
        row.result = results[k].result;
    }
    pg::count(pg::Count::receipts_applied, static_cast<std::uint32_t>(results.size()));
    apply_effects();
    keep_unmatched();
}

// Not those of a repetition: meanwhile the recipient may have thought better of it.
void Delivery::apply_effects() {
    const auto wanted = [this](std::size_t i) {
        return rows_[i].result != SignalResult::duplicate && rows_[i].result != SignalResult::unmatched;
    };
    for (const ReceiptEffects::Done &done : effects_.apply(pg::now(), wanted)) {
        ReceivedReceipt &row = rows_[done.tag];
        if (receipts_[done.tag].disposition == Disposition::side_effect_only) {
            row.result = done.changed ? SignalResult::applied : SignalResult::duplicate;
            if (done.attempt) {
                row.cascade = done.attempt->cascade;
                row.attempt = done.attempt->number;
            }
        }
    }
}

void Delivery::keep_unmatched() {
    std::vector<WaitingReceipt> waiting;
    for (const std::size_t i : unmatched_) {
        const CanonicalReceipt &receipt = receipts_[i];
        rows_[i].result = SignalResult::unmatched;
        if (!receipt.correlation_id) { // a reference that is none of ours, and no id
            pg::count(pg::Count::receipts_unmatched);
            continue;
        }
        rows_[i].result = SignalResult::buffered;
        // in its normal form where there is one: the attempt will be stored under both
        const std::int64_t hash =
            attempt_hashes(account_.provider->id, receipt.id_candidates.front(), core::IdSide::receipt).back();
        waiting.push_back({hash, account_.provider->id, receipt.id_candidates.front(), core::dlr_json(receipt)});
    }
    keep_waiting_receipts(waiting);
}

void Delivery::park(std::size_t i) {
    rows_[i].result = SignalResult::parked;
    store::insert_parked_receipt(
        {0, account_.provider->id, receipts_[i].correlation_id, {}, receipts_[i].raw, receipts_[i].reason}, pg::now());
    pg::count(pg::Count::receipts_parked);
}

} // namespace

Account find_account(const std::string &name, Oid user) {
    check_receipt_privilege(user);
    Definitions &defs = definitions();
    Account account;
    account.ids = defs.providers_of_name(name);
    account.provider = defs.provider(account.ids.front());
    if (!account.provider->error.empty()) { // its secret is not known either
        throw Error(sqlstate::not_prerequisite, fmt::format("configuration of provider \"{}\" cannot be read", name),
                    account.provider->error, "Correct it with hermes.alter_provider.");
    }
    account.connector = defs.connector_of(*account.provider);
    return account;
}

std::vector<ReceivedReceipt> deliver(const Account &account, const std::vector<CanonicalReceipt> &receipts, Oid user) {
    return Delivery(account, receipts, user).run();
}

} // namespace hc::engine
