// See suppression.hpp.
#include "store/suppression.hpp"

#include "pg/catalog.hpp"

#include <algorithm>
#include <array>

namespace hc::store {

using core::WorkflowId;
using Ids = std::vector<WorkflowId>;
using Texts = std::vector<std::string>;
using OptionalTexts = std::vector<std::optional<std::string>>;

namespace {

constexpr std::array<const char *, 3> kSources{"verb", "receipt", "answer"};

struct ChangedRow {
    std::int64_t n = 0; // ordinal of the parameter, from 1
    auto fields() { return std::tie(n); }
};

std::vector<bool> changed(std::size_t size, const std::vector<ChangedRow> &rows) {
    std::vector<bool> result(size, false);
    for (const ChangedRow &row : rows) {
        result.at(static_cast<std::size_t>(row.n - 1)) = true;
    }
    return result;
}

} // namespace

std::vector<bool> insert_suppressions(const std::vector<SuppressionEntry> &entries, core::Time now) {
    if (entries.empty()) {
        return {};
    }
    constinit static pg::statement<ChangedRow(Ids, OptionalTexts, Texts, Texts, Texts, Texts, Texts,
                                              std::vector<std::optional<WorkflowId>>, core::Time)>
        insert(
            "WITH missing AS MATERIALIZED (SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY "
            "AS u (hash, tenant, channel, address, category, reason, source, cascade_id, n) "
            "WHERE NOT EXISTS (SELECT FROM hermes.suppression s WHERE s.hash = u.hash AND s.reason = u.reason)), "
            "done AS (INSERT INTO hermes.suppression (hash, tenant, channel, address, category, reason, source, "
            "cascade_id, created_at) SELECT hash, tenant, channel, address, category, reason, source, cascade_id, $9 "
            "FROM missing) SELECT n FROM missing");
    Ids hashes;
    OptionalTexts tenants;
    Texts channels, addresses, categories, reasons, sources;
    std::vector<std::optional<WorkflowId>> cascades;
    for (const SuppressionEntry &entry : entries) {
        hashes.push_back(entry.hash);
        tenants.push_back(entry.tenant);
        channels.push_back(entry.channel);
        addresses.push_back(entry.address);
        categories.push_back(entry.category);
        reasons.emplace_back(core::to_string(entry.reason));
        sources.emplace_back(kSources[static_cast<std::size_t>(entry.source)]);
        cascades.push_back(entry.cascade);
    }
    return changed(entries.size(),
                   insert.query(hashes, tenants, channels, addresses, categories, reasons, sources, cascades, now));
}

std::vector<bool> delete_suppressions(const std::vector<SuppressionKey> &keys, bool skip_locked) {
    if (keys.empty()) {
        return {};
    }
    constinit static pg::statement<ChangedRow(Ids, OptionalTexts)> wait(
        "WITH locked AS MATERIALIZED (SELECT s.id, u.n FROM unnest($1, $2) WITH ORDINALITY AS u (hash, reason, n) "
        "JOIN hermes.suppression s ON s.hash = u.hash AND (u.reason IS NULL OR s.reason = u.reason) "
        "ORDER BY s.id FOR UPDATE OF s), "
        "gone AS (DELETE FROM hermes.suppression s USING locked l WHERE s.id = l.id) SELECT DISTINCT n FROM locked");
    constinit static pg::statement<ChangedRow(Ids, OptionalTexts)> skip(
        "WITH locked AS MATERIALIZED (SELECT s.id, u.n FROM unnest($1, $2) WITH ORDINALITY AS u (hash, reason, n) "
        "JOIN hermes.suppression s ON s.hash = u.hash AND (u.reason IS NULL OR s.reason = u.reason) "
        "ORDER BY s.id FOR UPDATE OF s SKIP LOCKED), "
        "gone AS (DELETE FROM hermes.suppression s USING locked l WHERE s.id = l.id) SELECT DISTINCT n FROM locked");
    Ids hashes;
    OptionalTexts reasons;
    for (const SuppressionKey &key : keys) {
        hashes.push_back(key.hash);
        reasons.push_back(key.reason ? std::optional(std::string(core::to_string(*key.reason))) : std::nullopt);
    }
    return changed(keys.size(), skip_locked ? skip.query(hashes, reasons) : wait.query(hashes, reasons));
}

std::vector<SuppressionRow> find_suppressions(const Ids &hashes, bool read_only) {
    constinit static pg::statement<SuppressionRow(Ids)> find(
        "SELECT hash, reason, category <> '' FROM hermes.suppression WHERE hash = ANY ($1)");
    return find.query(hashes, read_only);
}

bool any_suppressions() { return pg::may_have_rows("suppression"); }

} // namespace hc::store
