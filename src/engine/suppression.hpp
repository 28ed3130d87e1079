// The suppression list: its verbs, and what receipts and answers make of it, in the transaction that records them.
#pragma once

#include "core/dlr.hpp"
#include "engine/definitions.hpp"
#include "store/suppression.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

// ---- verbs ----

// Tenant "*": every tenant, for those who may act for all. Throw 42501, and 22023 for what is not an address, channel,
// category or reason.
struct SuppressionScope {
    std::optional<std::string> tenant;
    std::string channel, category; // category empty: all
};
// How many were not suppressed for this reason before.
std::int64_t suppress(const SuppressionScope &scope, const std::vector<std::string> &addresses,
                      const std::string &reason, Oid user);
bool unsuppress(const SuppressionScope &scope, const std::string &address, Oid user); // whether it was
// Whether a message of the category, other than an OTP, would be held back.
bool is_suppressed(const SuppressionScope &scope, const std::string &given, Oid user);

// ---- receipts and answers ----

// Whom a send is for.
struct Addressee {
    std::optional<std::string> tenant;
    std::string channel, address; // in the form compared
};

// Changes of the list, collected and made with two statements; of several about one entry the last counts.
class AddressEffects {
public:
    explicit AddressEffects(store::SuppressSource source) : source_(source) {}

    // `word`: opt_out | invalid_address | complaint | clear_opt_out. Opt-outs concern the category, the others all.
    void add(const Addressee &addressee, const std::string &opt_out_category, const std::string &word,
             const std::optional<core::WorkflowId> &cascade);
    std::vector<bool> apply(core::Time now); // for each added whether it changed the list; waits for nobody

private:
    struct Effect {
        store::SuppressionEntry entry;
        bool clear = false;
    };
    store::SuppressSource source_;
    std::vector<Effect> effects_;
};

std::string opt_out_category(std::int32_t provider);

// What receipts of an account say of addresses. Looked up before the receipts are applied, because with its end a
// cascade loses its message.
class ReceiptEffects {
public:
    struct Attempt {
        core::WorkflowId cascade;
        std::uint16_t number = 0;
    };
    // `tag`: the caller's. Without an attempt, or one of a cascade that is no more, the tenant of the account is meant.
    void add(std::size_t tag, const std::optional<Attempt> &attempt, const Provider &account,
             const core::DlrEffect &effect);
    void look_up();
    struct Done {
        std::size_t tag = 0;
        std::optional<Attempt> attempt;
        bool changed = false; // the list
    };
    // Applies those whose tag is wanted and whose address is known.
    std::vector<Done> apply(core::Time now, const std::function<bool(std::size_t)> &wanted);

private:
    struct Told {
        std::size_t tag = 0;
        std::optional<Attempt> attempt;
        const Provider *account = nullptr;
        std::string word;
        Addressee addressee; // address empty: not known (yet)
    };
    void look_up_messages();

    std::vector<Told> told_;
};

} // namespace hc::engine
