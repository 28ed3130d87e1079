// See contacts.hpp.
#include "store/contacts.hpp"

#include <algorithm>

namespace hc::store {

using core::Contact;
using core::Duration;
using core::Time;
using core::WorkflowId;
using Ids = std::vector<WorkflowId>;
using Ints = std::vector<std::int32_t>;
using Longs = std::vector<std::int64_t>;
using Times = std::vector<Time>;
using Texts = std::vector<std::string>;

namespace {

// A row with one of its contacts, or with none.
struct ContactRow {
    WorkflowId hash;
    std::int32_t longest = 0; // seconds
    bool fresh = false;
    std::optional<Time> at;
    std::optional<std::int64_t> mark;
    auto fields() { return std::tie(hash, longest, fresh, at, mark); }
};

struct PrunedRow {
    WorkflowId last;
    auto fields() { return std::tie(last); }
};

std::int32_t seconds(Duration d) {
    return static_cast<std::int32_t>(std::chrono::ceil<std::chrono::seconds>(d).count());
}

// Rows of one hash stand together.
std::vector<Window> gather(const std::vector<ContactRow> &rows) {
    std::vector<Window> windows;
    for (const ContactRow &row : rows) {
        if (windows.empty() || windows.back().hash != row.hash) {
            windows.push_back({row.hash, std::chrono::seconds(row.longest), row.fresh, {}});
        }
        if (row.at && row.mark) {
            windows.back().contacts.push_back({*row.at, *row.mark});
        }
    }
    return windows;
}

} // namespace

std::vector<Window> lock_windows(const std::vector<WindowWanted> &wanted, Time now) {
    if (wanted.empty()) {
        return {};
    }
    constinit static pg::statement<ContactRow(Ids, Ints, Longs, Times, Time)> lock(
        "WITH locked AS (INSERT INTO hermes.recipient_contact AS c (hash, expires_at, longest, times, marks) "
        "SELECT u.hash, u.expires_at, u.longest, ARRAY[$5], ARRAY[u.mark] "
        "FROM unnest($1, $2, $3, $4) AS u (hash, longest, mark, expires_at) "
        "ON CONFLICT (hash) DO UPDATE SET longest = greatest(c.longest, excluded.longest), "
        "expires_at = greatest(c.expires_at, excluded.expires_at) "
        "RETURNING c.hash, c.longest, c.xmax = 0 AS fresh, c.times, c.marks) "
        "SELECT l.hash, l.longest, l.fresh, e.at, e.mark "
        "FROM locked l LEFT JOIN LATERAL unnest(l.times, l.marks) AS e (at, mark) ON true");
    Ids hashes;
    Ints longest;
    Longs marks;
    Times expires;
    for (const WindowWanted &w : wanted) {
        hashes.push_back(w.hash);
        longest.push_back(seconds(w.per));
        marks.push_back(w.mark);
        expires.push_back(now + w.per);
    }
    return gather(lock.query(hashes, longest, marks, expires, now));
}

std::vector<Window> lock_known_windows(const Ids &hashes) {
    if (hashes.empty()) {
        return {};
    }
    constinit static pg::statement<ContactRow(Ids)> lock(
        "WITH locked AS MATERIALIZED (SELECT hash, longest, times, marks FROM hermes.recipient_contact "
        "WHERE hash = ANY ($1) ORDER BY hash FOR UPDATE) SELECT l.hash, l.longest, false, e.at, e.mark "
        "FROM locked l LEFT JOIN LATERAL unnest(l.times, l.marks) AS e (at, mark) ON true");
    return gather(lock.query(hashes));
}

void write_windows(const std::vector<Window> &windows) {
    if (windows.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, std::vector<std::optional<Time>>,
                                        std::vector<std::optional<std::int64_t>>)>
        write("UPDATE hermes.recipient_contact c SET times = u.times, marks = u.marks FROM (SELECT e.hash, "
              "coalesce(array_agg(e.at ORDER BY e.n) FILTER (WHERE e.mark IS NOT NULL), '{}') AS times, "
              "coalesce(array_agg(e.mark ORDER BY e.n) FILTER (WHERE e.mark IS NOT NULL), '{}') AS marks "
              "FROM unnest($1, $2, $3) WITH ORDINALITY AS e (hash, at, mark, n) GROUP BY e.hash) u "
              "WHERE c.hash = u.hash");
    Ids hashes;
    std::vector<std::optional<Time>> times;
    std::vector<std::optional<std::int64_t>> marks;
    const auto add = [&](const WorkflowId &hash, std::optional<Time> at, std::optional<std::int64_t> mark) {
        hashes.push_back(hash);
        times.push_back(at);
        marks.push_back(mark);
    };
    for (const Window &window : windows) {
        if (window.contacts.empty()) {
            add(window.hash, std::nullopt, std::nullopt);
        }
        for (const Contact &contact : window.contacts) {
            add(window.hash, contact.at, contact.mark);
        }
    }
    write.execute(hashes, times, marks);
}

std::optional<WorkflowId> prune_windows(const WorkflowId &from, Time now, std::int32_t limit) {
    constinit static pg::statement<PrunedRow(WorkflowId, Time, std::int32_t)> prune(
        "WITH slice AS MATERIALIZED (SELECT hash, expires_at FROM hermes.recipient_contact WHERE hash > $1 "
        "ORDER BY hash LIMIT $3), expired AS MATERIALIZED (SELECT c.hash FROM slice s "
        "JOIN hermes.recipient_contact c ON c.hash = s.hash WHERE s.expires_at < $2 AND c.expires_at < $2 "
        "FOR UPDATE OF c SKIP LOCKED), "
        "gone AS (DELETE FROM hermes.recipient_contact c USING expired e WHERE c.hash = e.hash) "
        "SELECT s.hash FROM slice s ORDER BY s.hash DESC LIMIT 1");
    const std::optional<PrunedRow> last = prune.query_one(from, now, limit);
    return last ? std::optional(last->last) : std::nullopt;
}

// ---- spend ----

std::vector<Spend> add_spends(const std::vector<Spend> &amounts, Time day) {
    if (amounts.empty()) {
        return {};
    }
    constinit static pg::statement<Spend(Texts, Longs, Time)> add(
        "INSERT INTO hermes.spend AS s (tenant, day, micros) "
        "SELECT u.tenant, ($3 AT TIME ZONE 'UTC')::date, u.micros FROM unnest($1, $2) AS u (tenant, micros) "
        "ON CONFLICT (tenant, day) DO UPDATE SET micros = s.micros + excluded.micros RETURNING s.tenant, s.micros");
    Texts tenants;
    Longs micros;
    for (const Spend &amount : amounts) {
        tenants.push_back(amount.tenant);
        micros.push_back(amount.micros);
    }
    return add.query(tenants, micros, day);
}

void take_back_spends(const std::vector<Spend> &amounts, Time day) {
    if (amounts.empty()) {
        return;
    }
    constinit static pg::statement<void(Texts, Longs, Time)> take(
        "WITH amount AS (SELECT u.tenant, sum(u.micros) AS micros FROM unnest($1, $2) AS u (tenant, micros) "
        "GROUP BY u.tenant), locked AS MATERIALIZED (SELECT s.tenant, s.day FROM hermes.spend s "
        "WHERE s.tenant = ANY ($1) AND s.day = ($3 AT TIME ZONE 'UTC')::date ORDER BY s.tenant COLLATE \"C\" FOR "
        "UPDATE) "
        "UPDATE hermes.spend s SET micros = greatest(s.micros - a.micros, 0) FROM locked l "
        "JOIN amount a ON a.tenant = l.tenant WHERE s.tenant = l.tenant AND s.day = l.day");
    Texts tenants;
    Longs micros;
    for (const Spend &amount : amounts) {
        tenants.push_back(amount.tenant);
        micros.push_back(amount.micros);
    }
    take.execute(tenants, micros, day);
}

void delete_spends_before(Time day) {
    constinit static pg::statement<void(Time)> remove(
        "DELETE FROM hermes.spend WHERE day < ($1 AT TIME ZONE 'UTC')::date");
    remove.execute(day);
}

} // namespace hc::store
