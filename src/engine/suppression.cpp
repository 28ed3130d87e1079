// See suppression.hpp. Runs in callers' backends and in workers.
#include "engine/suppression.hpp"

#include "core/error.hpp"
#include "core/recipient.hpp"
#include "pg/wake.hpp"
#include "store/executions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

namespace hc::engine {

namespace {

using core::SuppressReason;
using core::WorkflowId;

constexpr const char *kEveryTenant = "*";

void check_word(const std::string &word, const char *what) {
    const bool good = !word.empty() && word.size() <= 63 &&
                      word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (!good) {
        throw Error(sqlstate::invalid_parameter, fmt::format("invalid {} \"{}\"", what, word.substr(0, 64)), {},
                    "It must have 1 to 63 characters out of a-z, 0-9, \"_\" and \"-\".");
    }
}

void check_scope(const SuppressionScope &scope, Oid user) {
    if (scope.tenant && *scope.tenant != kEveryTenant) {
        check_tenant(*scope.tenant);
    }
    if (!definitions().tenant_allowed(user, scope.tenant)) {
        throw Error(sqlstate::insufficient_privilege, fmt::format("permission denied for tenant \"{}\"", *scope.tenant),
                    {}, "An administrator can grant it with hermes.grant_tenant.");
    }
    check_word(scope.channel, "channel");
    if (!scope.category.empty()) {
        check_word(scope.category, "category");
    }
}

std::string checked_address(const SuppressionScope &scope, const std::string &given) {
    std::string address = core::normal_address(scope.channel, given);
    if (address.empty() || address.size() > core::kMaxAddressBytes) {
        throw Error(sqlstate::invalid_parameter, "invalid address",
                    fmt::format("It must have 1 to {} bytes that are not blank.", core::kMaxAddressBytes));
    }
    return address;
}

SuppressReason checked_reason(const std::string &word) {
    const std::optional<SuppressReason> reason = core::parse_suppress_reason(word);
    if (!reason) {
        throw Error(sqlstate::invalid_parameter, "invalid reason", {},
                    "Reasons are opt_out, invalid_address, complaint, manual.");
    }
    return *reason;
}

WorkflowId hash_of(const SuppressionScope &scope, const std::string &address) {
    return core::recipient_hash(scope.tenant, scope.channel, scope.category, address);
}

} // namespace

std::int64_t suppress(const SuppressionScope &scope, const std::vector<std::string> &addresses,
                      const std::string &reason_word, Oid user) {
    check_scope(scope, user);
    const SuppressReason reason = checked_reason(reason_word);
    std::map<WorkflowId, store::SuppressionEntry> entries; // each once
    for (const std::string &given : addresses) {
        const std::string address = checked_address(scope, given);
        const WorkflowId hash = hash_of(scope, address);
        entries.try_emplace(hash, store::SuppressionEntry{hash, scope.tenant, scope.channel, address, scope.category,
                                                          reason, store::SuppressSource::verb, std::nullopt});
    }
    std::vector<store::SuppressionEntry> rows;
    rows.reserve(entries.size());
    for (auto &[hash, entry] : entries) {
        rows.push_back(std::move(entry));
    }
    const std::vector<bool> added = store::insert_suppressions(rows, pg::now());
    const auto count = std::count(added.begin(), added.end(), true);
    pg::count(pg::Count::suppressions, static_cast<std::uint32_t>(count));
    return count;
}

bool unsuppress(const SuppressionScope &scope, const std::string &address, Oid user) {
    check_scope(scope, user);
    const WorkflowId hash = hash_of(scope, checked_address(scope, address));
    return store::delete_suppressions({{hash, std::nullopt}}, false).front();
}

bool is_suppressed(const SuppressionScope &scope, const std::string &given, Oid user) {
    check_scope(scope, user);
    const std::string address = checked_address(scope, given);
    std::vector<WorkflowId> hashes;
    for (const std::optional<std::string> &tenant : {scope.tenant, std::optional<std::string>(kEveryTenant)}) {
        hashes.push_back(core::recipient_hash(tenant, scope.channel, "", address));
        hashes.push_back(core::recipient_hash(tenant, scope.channel, scope.category, address));
    }
    return !store::find_suppressions(hashes, true).empty();
}

// ---- receipts and answers ----

void AddressEffects::add(const Addressee &addressee, const std::string &opt_out_category, const std::string &word,
                         const std::optional<WorkflowId> &cascade) {
    const bool clear = word == "clear_opt_out";
    const SuppressReason reason = clear ? SuppressReason::opt_out : core::parse_suppress_reason(word).value();
    const std::string category = reason == SuppressReason::opt_out ? opt_out_category : std::string();
    const WorkflowId hash = core::recipient_hash(addressee.tenant, addressee.channel, category, addressee.address);
    effects_.push_back(
        {{hash, addressee.tenant, addressee.channel, addressee.address, category, reason, source_, cascade}, clear});
}

std::vector<bool> AddressEffects::apply(core::Time now) {
    std::map<std::pair<WorkflowId, SuppressReason>, std::size_t>
        last; // of those that say the same at the end, the first
    for (std::size_t i = 0; i < effects_.size(); ++i) {
        const auto [at, fresh] = last.try_emplace({effects_[i].entry.hash, effects_[i].entry.reason}, i);
        if (!fresh && effects_[at->second].clear != effects_[i].clear) {
            at->second = i;
        }
    }
    std::vector<store::SuppressionEntry> entries;
    std::vector<store::SuppressionKey> keys;
    std::vector<std::size_t> inserted, deleted; // indexes of effects_
    for (const auto &[key, i] : last) {
        if (effects_[i].clear) {
            keys.push_back({key.first, key.second});
            deleted.push_back(i);
        } else {
            entries.push_back(effects_[i].entry);
            inserted.push_back(i);
        }
    }
    std::vector<bool> changed(effects_.size(), false);
    const auto note = [&changed](const std::vector<std::size_t> &indexes, const std::vector<bool> &done) {
        for (std::size_t k = 0; k < indexes.size(); ++k) {
            changed[indexes[k]] = done[k];
        }
        return static_cast<std::uint32_t>(std::count(done.begin(), done.end(), true));
    };
    note(deleted, store::delete_suppressions(keys, true));
    pg::count(pg::Count::suppressions, note(inserted, store::insert_suppressions(entries, now)));
    effects_.clear();
    return changed;
}

std::string opt_out_category(std::int32_t provider) {
    const Provider *known = definitions().provider(provider);
    return known != nullptr ? known->receipts.opt_out_category : std::string();
}

void ReceiptEffects::add(std::size_t tag, const std::optional<Attempt> &attempt, const Provider &account,
                         const core::DlrEffect &effect) {
    if (effect.suppress.empty() || account.channel.empty()) {
        return;
    }
    Told told{tag, attempt, &account, effect.suppress, {std::nullopt, account.channel, {}}};
    if (effect.recipient) {
        told.addressee.address = core::normal_address(account.channel, *effect.recipient);
    }
    told_.push_back(std::move(told));
}

void ReceiptEffects::look_up() {
    std::vector<WorkflowId> ids;
    for (const Told &told : told_) {
        if (told.attempt) {
            ids.push_back(told.attempt->cascade);
        }
    }
    std::unordered_map<WorkflowId, std::optional<std::string>> owners;
    for (store::OwnerRow &row : store::find_owners(ids)) {
        owners.emplace(row.id, std::move(row.tenant));
    }
    for (Told &told : told_) {
        const auto owner = told.attempt ? owners.find(told.attempt->cascade) : owners.end();
        if (owner != owners.end()) {
            told.addressee.tenant = owner->second;
        } else {
            const std::string &tenant = told.account->receipts.tenant;
            told.addressee.tenant = tenant.empty() ? kEveryTenant : tenant;
            told.attempt.reset();
        }
    }
    look_up_messages();
}

// Of those that name no recipient: the address in the message, as long as there is one.
void ReceiptEffects::look_up_messages() {
    std::vector<WorkflowId> ids;
    for (const Told &told : told_) {
        if (told.attempt && told.addressee.address.empty()) {
            ids.push_back(told.attempt->cascade);
        }
    }
    if (ids.empty()) {
        return;
    }
    std::unordered_map<WorkflowId, store::SendRow> rows;
    for (store::SendRow &row : store::read_for_send(ids)) {
        rows.emplace(row.id, std::move(row));
    }
    for (Told &told : told_) {
        const auto row = told.attempt && told.addressee.address.empty() ? rows.find(told.attempt->cascade) : rows.end();
        if (row == rows.end()) {
            continue;
        }
        const core::State state = core::replay(core::decode_events(row->second.history.data));
        if (told.attempt->number == 0 || told.attempt->number > state.attempts.size()) {
            continue;
        }
        const std::uint16_t step = state.attempts[told.attempt->number - 1U].step;
        const core::Step &of = definitions().rule(row->second.rule_id).rule.steps.at(step);
        told.addressee.address = core::find_recipient(row->second.message.text, of.channel, of.address).address;
    }
}

std::vector<ReceiptEffects::Done> ReceiptEffects::apply(core::Time now,
                                                        const std::function<bool(std::size_t)> &wanted) {
    AddressEffects effects(store::SuppressSource::receipt);
    std::vector<Done> done;
    for (const Told &told : told_) {
        const std::string &address = told.addressee.address;
        if (address.empty() || address.size() > core::kMaxAddressBytes || !wanted(told.tag)) {
            continue;
        }
        const std::optional<WorkflowId> cascade = told.attempt ? std::optional(told.attempt->cascade) : std::nullopt;
        effects.add(told.addressee, told.account->receipts.opt_out_category, told.word, cascade);
        done.push_back({told.tag, told.attempt, false});
    }
    const std::vector<bool> changed = effects.apply(now);
    for (std::size_t i = 0; i < done.size(); ++i) {
        done[i].changed = changed[i];
    }
    told_.clear();
    return done;
}

} // namespace hc::engine
