// See gates.hpp. Runs in dispatchers.
#include "engine/gates.hpp"

#include "store/suppression.hpp"

#include <algorithm>

namespace hc::engine {

namespace {

using core::WorkflowId;

const core::CostSettings &cost_settings(std::int32_t provider) {
    static const core::CostSettings kNone;
    const Provider *known = definitions().provider(provider);
    return known != nullptr && known->config ? known->config->cost : kNone;
}

std::string word_of(core::SuppressReason reason) { return "suppressed_" + std::string(core::to_string(reason)); }

} // namespace

void Gates::add(const Draft &draft) {
    Definitions &defs = definitions();
    const RuleVersion &rule = defs.rule(draft.row->rule_id);
    const core::AttemptState &attempt = draft.attempt_state();
    const core::TenantLimits &limits = defs.tenant_limits(draft.row->tenant);
    const std::string_view message = draft.row->message.text;
    Passage p;
    p.draft = &draft;
    p.rule = &rule;
    p.step = &rule.rule.steps.at(attempt.step);
    p.recipient = core::find_recipient(message, p.step->channel, p.step->address);
    p.cap = limits.cost_per_day;
    if (rule.rule.max_cost || p.cap) {
        p.cost = core::estimate_cost(cost_settings(draft.provider), message);
    }
    core::GateSubject subject{rule.rule, attempt.step, limits, cost_settings(draft.provider),
                              message,   p.recipient,  p.cost, 0};
    if (rule.rule.max_cost) {
        subject.sent = core::sent_cost(draft.state, attempt, now_, [message](std::int32_t provider) {
            return core::estimate_cost(cost_settings(provider), message);
        });
    }
    p.reason = core::refused_by_rule(subject);
    const bool known = p.recipient.state == core::AddressState::known;
    if (known && core::limits_frequency(rule.rule, draft.state.priority)) {
        p.window = core::recipient_hash(draft.row->tenant, p.step->channel, rule.rule.category, p.recipient.address);
        p.mark = core::contact_mark(draft.row->id, draft.attempt);
    }
    p.pays = p.cap && p.cost != 0 && core::pays(attempt, draft.first_claim);
    passages_.push_back(std::move(p));
}

void Gates::look_up() {
    look_up_suppressions();
    lock_windows();
    lock_purses();
}

// Entries of the tenant and of all tenants, of the category and of all categories.
void Gates::look_up_suppressions() {
    std::multimap<WorkflowId, std::size_t> wanted;
    for (std::size_t i = 0; i < passages_.size(); ++i) {
        const Passage &p = passages_[i];
        if (!p.reason.empty() || p.recipient.state != core::AddressState::known) {
            continue;
        }
        const std::string &category = p.rule->rule.category;
        for (const std::optional<std::string> &tenant : {p.draft->row->tenant, std::optional<std::string>("*")}) {
            wanted.emplace(core::recipient_hash(tenant, p.step->channel, "", p.recipient.address), i);
            if (!category.empty()) {
                wanted.emplace(core::recipient_hash(tenant, p.step->channel, category, p.recipient.address), i);
            }
        }
    }
    if (wanted.empty() || !store::any_suppressions()) {
        return;
    }
    std::vector<WorkflowId> hashes;
    for (const auto &[hash, i] : wanted) {
        if (hashes.empty() || hashes.back() != hash) {
            hashes.push_back(hash);
        }
    }
    std::map<std::size_t, std::vector<core::Suppression>> found;
    for (const store::SuppressionRow &row : store::find_suppressions(hashes)) {
        const std::optional<core::SuppressReason> reason = core::parse_suppress_reason(row.reason);
        const auto [first, last] = wanted.equal_range(row.hash);
        for (auto it = first; it != last && reason; ++it) {
            found[it->second].push_back({*reason, row.of_category});
        }
    }
    for (const auto &[i, entries] : found) {
        Passage &p = passages_[i];
        if (const auto reason = core::suppressed_by(entries, p.draft->state.priority)) {
            p.reason = word_of(*reason);
        }
    }
}

void Gates::lock_windows() {
    std::map<WorkflowId, store::WindowWanted> wanted;
    for (const Passage &p : passages_) {
        if (!p.reason.empty() || !p.window) {
            continue;
        }
        store::WindowWanted &w =
            wanted.try_emplace(*p.window, store::WindowWanted{*p.window, p.mark, {}}).first->second;
        w.per = std::max(w.per, p.rule->rule.frequency->per);
    }
    std::vector<store::WindowWanted> sorted;
    sorted.reserve(wanted.size());
    for (const auto &[hash, w] : wanted) {
        sorted.push_back(w);
    }
    for (store::Window &stored : store::lock_windows(sorted, now_)) {
        Window window{stored, std::move(stored)};
        if (window.now.fresh) {
            window.now.contacts.clear(); // its first send has not passed yet
        }
        windows_.emplace(window.now.hash, std::move(window));
    }
}

// All that is wanted is added at once, as if all of it could be sent; write() takes back the rest.
void Gates::lock_purses() {
    for (const Passage &p : passages_) {
        if (p.reason.empty() && p.pays) {
            Purse &purse = purses_[*p.draft->row->tenant];
            purse.wanted = core::add_amounts(purse.wanted, p.cost);
        }
    }
    std::vector<store::Spend> amounts;
    for (const auto &[tenant, purse] : purses_) {
        amounts.push_back({tenant, purse.wanted});
    }
    for (const store::Spend &sum : store::add_spends(amounts, now_)) {
        Purse &purse = purses_.at(sum.tenant);
        purse.stored = sum.micros;
        purse.spent = sum.micros - purse.wanted;
    }
}

bool Gates::take_place(Passage &p) {
    if (!p.window) {
        return true;
    }
    const core::Place place =
        core::take_place(windows_.at(*p.window).now.contacts, p.mark, now_, *p.rule->rule.frequency);
    p.placed = place == core::Place::taken;
    return place != core::Place::none;
}

bool Gates::pay(Passage &p) {
    if (!p.pays) {
        return true;
    }
    p.paid = core::take_amount(purses_.at(*p.draft->row->tenant).spent, p.cost, *p.cap);
    return p.paid;
}

std::string Gates::pass(std::size_t i) {
    Passage &p = passages_.at(i);
    if (!p.reason.empty()) {
        return p.reason;
    }
    if (!take_place(p)) {
        return "frequency_cap";
    }
    if (!pay(p)) {
        undo(i);
        return "cost_cap_tenant";
    }
    return {};
}

void Gates::undo(std::size_t i) {
    Passage &p = passages_.at(i);
    if (p.placed) {
        core::give_back_place(windows_.at(*p.window).now.contacts, p.mark);
    }
    if (p.paid) {
        purses_.at(*p.draft->row->tenant).spent -= p.cost;
    }
    p.placed = p.paid = false;
}

void Gates::write() {
    std::vector<store::Window> windows;
    for (auto &[hash, window] : windows_) {
        core::forget_contacts(window.now.contacts, now_, window.now.longest);
        if (window.now.contacts != window.stored.contacts) {
            windows.push_back(std::move(window.now));
        }
    }
    store::write_windows(windows);
    std::vector<store::Spend> excess;
    for (const auto &[tenant, purse] : purses_) {
        if (purse.spent != purse.stored) {
            excess.push_back({tenant, purse.stored - purse.spent});
        }
    }
    store::take_back_spends(excess, now_);
}

Toll Gates::toll(std::size_t i) const {
    const Passage &p = passages_.at(i);
    Toll toll;
    if (p.draft->attempt_state().taken) {
        return toll; // the request before it may have been taken: what it has paid is not given back
    }
    toll.window = p.window;
    toll.mark = p.mark;
    if (p.cap && p.cost != 0) {
        toll.tenant = *p.draft->row->tenant;
        toll.day = now_;
        toll.cost = p.cost;
    }
    return toll;
}

std::optional<Addressee> Gates::addressee(std::size_t i) const {
    const Passage &p = passages_.at(i);
    if (p.recipient.state != core::AddressState::known) {
        return std::nullopt;
    }
    return Addressee{p.draft->row->tenant, p.step->channel, p.recipient.address};
}

namespace {

void give_back_places(const std::vector<Toll> &tolls) {
    std::multimap<WorkflowId, std::int64_t> marks;
    std::vector<WorkflowId> hashes;
    for (const Toll &toll : tolls) {
        if (toll.window) {
            marks.emplace(*toll.window, toll.mark);
        }
    }
    for (const auto &[hash, mark] : marks) {
        if (hashes.empty() || hashes.back() != hash) {
            hashes.push_back(hash);
        }
    }
    std::vector<store::Window> changed;
    for (store::Window &window : store::lock_known_windows(hashes)) {
        const std::size_t before = window.contacts.size();
        const auto [first, last] = marks.equal_range(window.hash);
        for (auto it = first; it != last; ++it) {
            core::give_back_place(window.contacts, it->second);
        }
        if (window.contacts.size() != before) {
            changed.push_back(std::move(window));
        }
    }
    store::write_windows(changed);
}

void give_back_costs(const std::vector<Toll> &tolls) {
    std::map<core::Time, std::vector<store::Spend>> by_day; // at midnight there are two
    for (const Toll &toll : tolls) {
        if (toll.cost != 0) {
            by_day[std::chrono::floor<std::chrono::days>(toll.day)].push_back({toll.tenant, toll.cost});
        }
    }
    for (const auto &[day, amounts] : by_day) {
        store::take_back_spends(amounts, day);
    }
}

} // namespace

void give_back(const std::vector<Toll> &tolls) {
    give_back_places(tolls);
    give_back_costs(tolls);
}

} // namespace hc::engine
