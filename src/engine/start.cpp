// See start.hpp. Runs in callers' backends.
#include "engine/start.hpp"

#include "core/cascade.hpp"
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/start_options.hpp"
#include "engine/advance.hpp"
#include "engine/definitions.hpp"
#include "engine/delivery_stats.hpp"
#include "engine/pauses.hpp"
#include "engine/placement.hpp"
#include "pg/provider_state.hpp"
#include "pg/random.hpp"
#include "pg/wake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace hc::engine {

namespace {

using core::WorkflowId;

constexpr int kMaxKeyRounds = 100;

WorkflowId key_hash(const std::optional<std::string> &tenant, const std::string &key) {
    // a NULL tenant and an empty one cannot be confused: check_name refuses the empty tenant
    const core::Sha256 digest = core::sha256(tenant.value_or("") + '\x1f' + key);
    WorkflowId hash;
    std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
    return hash;
}

// The keyed part of a batch: which messages share a key, and which key is whose.
class Keys {
public:
    Keys(const StartRequest &request, const std::vector<WorkflowId> &proposed, bool error_on_conflict)
        : request_(request), ids_(proposed), error_on_conflict_(error_on_conflict) {}

    // Resolves every key to its cascade; `fresh[i]` stays true where message i is to be started.
    std::vector<WorkflowId> resolve(std::vector<bool> &fresh);

private:
    struct Entry {
        std::size_t first; // message that brings the key
        std::int64_t fingerprint;
    };
    void collect();
    std::int64_t fingerprint(std::size_t i) const;
    void insert_missing();
    void compare(const WorkflowId &hash, std::int64_t stored);

    const StartRequest &request_;
    std::vector<WorkflowId> ids_;
    bool error_on_conflict_;
    std::size_t conflicts_ = 0;
    std::vector<WorkflowId> hash_of_;                   // per message with a key
    std::unordered_map<WorkflowId, Entry> entries_;     // by hash
    std::unordered_map<WorkflowId, WorkflowId> owners_; // hash -> cascade
    std::unordered_map<WorkflowId, bool> inserted_;
};

std::int64_t Keys::fingerprint(std::size_t i) const {
    return static_cast<std::int64_t>(core::hash64(request_.rule, pg::jsonb_bytes(request_.messages[i])));
}

void Keys::collect() {
    hash_of_.resize(request_.messages.size());
    for (std::size_t i = 0; i < request_.messages.size(); ++i) {
        if (request_.keys[i]) {
            hash_of_[i] = key_hash(request_.tenant, *request_.keys[i]);
            entries_.try_emplace(hash_of_[i], Entry{i, fingerprint(i)});
        }
    }
}

// DO NOTHING, then a separate read with a new snapshot, in a loop: an inserter we waited for may have rolled back.
void Keys::insert_missing() {
    std::vector<WorkflowId> missing;
    for (const auto &[hash, entry] : entries_) {
        missing.push_back(hash);
    }
    std::sort(missing.begin(), missing.end()); // two batches lock in one order
    for (int round = 0; !missing.empty(); ++round) {
        if (round == kMaxKeyRounds) {
            throw Error("40001", "could not obtain an idempotency key", {},
                        "The transaction might succeed if retried.");
        }
        std::vector<WorkflowId> ids;
        std::vector<std::int64_t> fingerprints;
        for (const WorkflowId &hash : missing) {
            const Entry &entry = entries_.at(hash);
            ids.push_back(ids_[entry.first]);
            fingerprints.push_back(entry.fingerprint);
        }
        for (const store::KeyRow &row : store::insert_keys(missing, ids, fingerprints)) {
            owners_[row.hash] = row.workflow_id;
            inserted_[row.hash] = true;
        }
        std::erase_if(missing, [this](const WorkflowId &hash) { return owners_.contains(hash); });
        if (missing.empty()) {
            return;
        }
        for (const store::KeyRow &row : store::find_keys(missing)) {
            owners_[row.hash] = row.workflow_id;
            compare(row.hash, row.fingerprint);
        }
        std::erase_if(missing, [this](const WorkflowId &hash) { return owners_.contains(hash); });
    }
}

void Keys::compare(const WorkflowId &hash, std::int64_t stored) {
    const Entry &entry = entries_.at(hash);
    if (entry.fingerprint == stored) {
        return;
    }
    const std::string message =
        fmt::format("key \"{}\" was used before with another rule or message", *request_.keys[entry.first]);
    const std::string detail = fmt::format("It belongs to cascade {}.", core::to_string(owners_.at(hash)));
    if (error_on_conflict_) {
        throw Error(sqlstate::key_conflict, message, detail, "Use another key, or the cascade that has it.");
    }
    if (++conflicts_ == 1) { // of many, the first is told
        pg::notice(message, detail);
    }
}

std::vector<WorkflowId> Keys::resolve(std::vector<bool> &fresh) {
    collect();
    insert_missing();
    for (std::size_t i = 0; i < request_.messages.size(); ++i) {
        if (!request_.keys[i]) {
            continue;
        }
        const WorkflowId &hash = hash_of_[i];
        const Entry &entry = entries_.at(hash);
        fresh[i] = entry.first == i && inserted_.contains(hash);
        ids_[i] = owners_.at(hash);
        if (entry.first != i && entry.fingerprint != fingerprint(i)) {
            compare(hash, fingerprint(i));
        }
    }
    return std::move(ids_);
}

void check_request(const StartRequest &request, Oid user) {
    if (request.tenant) {
        check_tenant(*request.tenant);
    }
    if (!definitions().tenant_allowed(user, request.tenant)) {
        throw Error(sqlstate::insufficient_privilege,
                    fmt::format("permission denied for tenant \"{}\"", *request.tenant), {},
                    "An administrator can grant it with hermes.grant_tenant.");
    }
    for (const std::optional<std::string> &key : request.keys) {
        if (key) {
            check_name(*key, "key");
        }
    }
    for (const pg::jsonb_view &message : request.messages) {
        if (!pg::jsonb_is_object(message)) {
            throw Error(sqlstate::invalid_parameter, "message must be a JSON object", {},
                        "Example: {\"to\": \"+15550100\", \"text\": \"hello\"}.");
        }
    }
}

// A clear refusal instead of a backlog without end: what a tenant may start, and how much of it may wait.
// A key that names a cascade already asks for nothing.
void check_tenant_limits(const StartRequest &request, const RuleVersion &rule, core::Priority priority, core::Time now,
                         std::int64_t wanted) {
    if (wanted == 0) {
        return;
    }
    const core::TenantLimits &limits = definitions().tenant_limits(request.tenant);
    if (limits.max_backlog) {
        const std::int64_t most = *limits.max_backlog - wanted;
        const std::int64_t waiting = waiting_sends(rule, *request.tenant, priority, limits.weight, most);
        if (waiting > most) {
            throw Error(sqlstate::configured_limit, fmt::format("backlog of tenant \"{}\" is full", *request.tenant),
                        fmt::format("About {} sends wait, the limit is {}.", waiting, *limits.max_backlog),
                        "Try again later, or raise max_backlog with hermes.set_tenant_limits.");
        }
    }
    core::Time retry_at = now;
    if (limits.rate && !pg::take_tenant_tokens(tenant_hash(request.tenant), *limits.rate, now, wanted, retry_at)) {
        const bool too_many = retry_at == core::kNever;
        const auto wait = too_many ? 0 : std::chrono::ceil<std::chrono::milliseconds>(retry_at - now).count();
        throw Error(sqlstate::configured_limit, fmt::format("rate limit of tenant \"{}\" exceeded", *request.tenant),
                    fmt::format("{} cascades were to be started, the burst is {}.", wanted, limits.rate->burst),
                    too_many
                        ? std::string("Start fewer at once, or raise the burst with hermes.set_tenant_limits.")
                        : fmt::format("Try again in {} ms, or raise the rate with hermes.set_tenant_limits.", wait));
    }
}

// Rows of the new cascades. All start now with the same rule, so their first decision is one and the same, unless their
// providers are chosen by chance, or their time zones differ.
void insert_rows(const StartRequest &request, const RuleVersion &rule, core::StartInput input, core::Time now,
                 const std::vector<WorkflowId> &ids, const std::vector<bool> &fresh) {
    core::State state;
    core::Decision decision;
    pg::bytes history;
    BatchSurroundings around;
    const auto decide = [&](std::size_t i) {
        state = {};
        const bool own_zone = !rule.rule.time_zone_path.empty();
        input.time_zone = time_zone_of(rule.rule, own_zone ? pg::jsonb_text(request.messages[i]) : std::string());
        core::Surroundings surroundings = around.of(rule, request.tenant, state);
        surroundings.zone = zone_clock(input.time_zone);
        decision = core::decide(rule.program, state, input, now, surroundings);
        history = pg::bytes{core::encode_events(decision.events, std::nullopt)};
    };
    const bool alike = !core::first_choice_varies(rule.program) && rule.rule.time_zone_path.empty();
    bool decided = false;
    static const std::optional<std::string> kNoKey;
    std::vector<store::NewOpenRow> rows;
    rows.reserve(ids.size());
    std::uint32_t started = 0;
    Writes writes;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!fresh[i]) {
            continue;
        }
        ++started;
        if (!alike || !decided) {
            decide(i);
            decided = true;
        }
        const std::optional<std::string> &key = request.keys.empty() ? kNoKey : request.keys[i];
        const Subject subject{ids[i], &rule, request.tenant, key};
        TaskChanges changes;
        collect_tasks(subject, state, decision, changes);
        collect_reports(subject, state, decision, changes);
        count_deliveries(subject, {}, state, decision.events);
        if (decision.completed) { // a rule whose providers have all been dropped ends at once
            writes.closing.push_back({ids[i], state.closed, rule.id, static_cast<std::int16_t>(state.outcome),
                                      request.tenant, key, history, std::nullopt});
            count_outcome(state.outcome);
        } else {
            rows.push_back({ids[i], rule.id, &request.tenant, &key, history, request.messages[i]});
        }
        writes.add(std::move(changes));
    }
    store::insert_open(rows);
    writes.write();
    if (started != 0) {
        pg::count(pg::Count::started, started);
    }
}

} // namespace

std::vector<WorkflowId> start_cascades(const StartRequest &request, Oid user) {
    check_request(request, user);
    const core::Time now = pg::now();
    const core::StartOptions options = core::parse_start_options(request.options_json, now);
    const RuleVersion &rule = definitions().current_rule(request.rule);
    std::vector<WorkflowId> ids;
    ids.reserve(request.messages.size());
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        const bool keyed = !request.keys.empty() && request.keys[i];
        const std::uint16_t bucket = keyed ? core::bucket_of_key(request.tenant.value_or(""), *request.keys[i])
                                           : static_cast<std::uint16_t>(pg::random64() % core::kBuckets);
        ids.push_back(core::make_workflow_id(now, bucket, pg::random64()));
    }
    std::vector<bool> fresh(ids.size(), true);
    if (request.keys.empty()) {
        std::sort(ids.begin(), ids.end()); // in the order of the messages, which fills the pages of the indexes
    } else {
        ids = Keys(request, ids, options.error_on_conflict).resolve(fresh);
    }
    check_tenant_limits(request, rule, options.priority.value_or(rule.rule.priority), now,
                        std::count(fresh.begin(), fresh.end(), true));
    insert_rows(request, rule, {options.priority, options.send_at, {}}, now, ids, fresh);
    return ids;
}

} // namespace hc::engine
