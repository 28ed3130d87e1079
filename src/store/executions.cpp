// See executions.hpp. Statements on hermes.closed are planned for each execution: the ids prune the partitions, so only
// the partitions concerned are locked.
#include "store/executions.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>

namespace hc::store {

using core::Time;
using core::WorkflowId;
using Text = std::optional<std::string>;
using Ids = std::vector<WorkflowId>;

namespace {

struct IdRow {
    WorkflowId id;
    auto fields() { return std::tie(id); }
};

// Statements over partitions prune by a range of constants, which an array of ids is not.
struct Range {
    WorkflowId low, high;
};
Range range_of(const Ids &ids) {
    Range r{ids.front(), ids.front()};
    for (const WorkflowId &id : ids) {
        r.low = id < r.low ? id : r.low;
        r.high = r.high < id ? id : r.high;
    }
    return r;
}

} // namespace

std::vector<KeyRow> insert_keys(const Ids &hashes, const Ids &ids, const std::vector<std::int64_t> &fingerprints) {
    constinit static pg::table_insert<WorkflowId, WorkflowId, std::int64_t> insert(
        "execution_key", {"hash", "workflow_id", "fingerprint"});
    const std::vector<bool> inserted =
        insert.run_if_new(hashes.size(), [&](std::size_t i) { return std::tie(hashes[i], ids[i], fingerprints[i]); });
    std::vector<KeyRow> rows;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        if (inserted[i]) {
            rows.push_back({hashes[i], ids[i], fingerprints[i]});
        }
    }
    return rows;
}

std::vector<KeyRow> find_keys(const Ids &hashes) {
    constinit static pg::statement<KeyRow(Ids)> find(
        "SELECT hash, workflow_id, fingerprint FROM hermes.execution_key WHERE hash = ANY ($1)");
    return find.query(hashes);
}

void insert_open(const std::vector<NewOpenRow> &rows) {
    constinit static pg::table_insert<WorkflowId, std::int32_t, Text, Text, pg::bytes, pg::jsonb_view> insert(
        "workflow", {"id", "rule_id", "tenant", "key", "history", "message"});
    insert.run(rows.size(), [&rows](std::size_t i) {
        const NewOpenRow &row = rows[i];
        return std::tie(row.id, row.rule_id, *row.tenant, *row.key, row.history, row.message);
    });
}

namespace {

struct TimerRow {
    WorkflowId workflow_id;
    std::int32_t number = 0;
    std::optional<std::int32_t> history_at;
    std::optional<pg::bytes> history;
    auto fields() { return std::tie(workflow_id, number, history_at, history); }
};

// The timers of locked rows, and the events that stand in them. Seen after the lock, as the rows are.
void add_timers(std::vector<OpenRow> &rows) {
    if (rows.empty()) {
        return;
    }
    constinit static pg::table_find<TimerRow, WorkflowId> find("timer",
                                                               {"workflow_id", "number", "history_at", "history"});
    std::vector<pg::RowPlace> places;
    const std::vector<TimerRow> timers = find.run(
        rows.size(), [&rows](std::size_t i) { return std::tie(rows[i].id); }, pg::RowLock::newest, pg::IfLocked::wait,
        &places);
    auto row = rows.begin(); // timers come in the order of the rows
    for (std::size_t i = 0; i < timers.size(); ++i) {
        const TimerRow &timer = timers[i];
        while (row->id != timer.workflow_id) {
            ++row;
        }
        row->timer = {timer.number, places[i]};
        row->continued = timer.history && timer.history_at == static_cast<std::int32_t>(row->history.data.size());
        if (row->continued) {
            row->history.data += timer.history->data;
        }
    }
}

} // namespace

std::vector<OpenRow> lock_open(const Ids &ids, LockWait mode) {
    constinit static pg::table_find<OpenRow, WorkflowId> find("workflow",
                                                              {"id", "rule_id", "tenant", "key", "history"});
    std::vector<pg::RowPlace> places;
    std::vector<OpenRow> rows = find.run(
        ids.size(), [&ids](std::size_t i) { return std::tie(ids[i]); }, pg::RowLock::no_key_update, if_locked(mode),
        &places);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].place = places[i];
    }
    add_timers(rows);
    return rows;
}

std::vector<OpenRow> read_open(const Ids &ids) {
    constinit static pg::statement<OpenRow(Ids)> find(
        "SELECT id, rule_id, tenant, key, history FROM hermes.open_cascades WHERE id = ANY ($1)");
    return find.query(ids, true);
}

Ids existing_open(const Ids &ids) {
    constinit static pg::statement<IdRow(Ids)> find("SELECT id FROM hermes.workflow WHERE id = ANY ($1)");
    Ids result;
    for (const IdRow &row : find.query(ids)) {
        result.push_back(row.id);
    }
    return result;
}

std::vector<SendRow> read_for_send(const Ids &ids, bool read_only) {
    constinit static pg::statement<SendRow(Ids)> find(
        "SELECT id, rule_id, tenant, key, history, message FROM hermes.open_cascades WHERE id = ANY ($1)");
    return find.query(ids, read_only);
}

std::vector<OwnerRow> find_owners(const Ids &ids) {
    if (ids.empty()) {
        return {};
    }
    constinit static pg::statement<OwnerRow(Ids, WorkflowId, WorkflowId)> find(
        "SELECT id, tenant FROM hermes.workflow WHERE id = ANY ($1) UNION ALL "
        "SELECT id, tenant FROM hermes.closed WHERE id = ANY ($1) AND id >= $2 AND id <= $3",
        pg::Plan::custom);
    const Range r = range_of(ids);
    return find.query(ids, r.low, r.high);
}

void update_open_histories(const std::vector<OpenHistory> &rows) {
    constinit static pg::table_update<pg::bytes> update("workflow", {"history"});
    update.run(
        rows.size(), [&rows](std::size_t i) { return rows[i].place; },
        [&rows](std::size_t i) { return std::tie(rows[i].history); });
}

void close_open(const std::vector<Closing> &rows) {
    if (rows.empty()) {
        return;
    }
    constinit static pg::table_delete<WorkflowId> remove("workflow");
    constinit static pg::table_insert<WorkflowId, Time, std::int32_t, std::int16_t, Text, Text, pg::bytes> insert(
        "closed", {"id", "closed_at", "rule_id", "outcome", "tenant", "key", "history"});
    std::vector<pg::RowPlace> places;
    for (const Closing &row : rows) {
        if (row.open) {
            places.push_back(*row.open);
        }
    }
    remove.at(places.size(), [&places](std::size_t i) { return places[i]; });
    insert.run(rows.size(), [&rows](std::size_t i) {
        const Closing &row = rows[i];
        return std::tie(row.id, row.closed_at, row.rule_id, row.outcome, row.tenant, row.key, row.history);
    });
}

namespace {

constexpr std::array<const char *, 6> kClosedColumns{"id", "rule_id", "tenant", "key", "reported_at", "history"};

} // namespace

std::vector<ClosedRow> lock_closed(const Ids &ids, LockWait mode) {
    constinit static pg::table_find<ClosedRow, WorkflowId> find("closed", kClosedColumns);
    return find.run(
        ids.size(), [&ids](std::size_t i) { return std::tie(ids[i]); }, pg::RowLock::no_key_update, if_locked(mode));
}

std::vector<ClosedRow> read_closed(const Ids &ids) {
    constinit static pg::table_find<ClosedRow, WorkflowId> find("closed", kClosedColumns);
    return find.run(
        ids.size(), [&ids](std::size_t i) { return std::tie(ids[i]); }, pg::RowLock::none, pg::IfLocked::wait, nullptr,
        true);
}

void append_closed_history(const WorkflowId &id, const pg::bytes &events) {
    constinit static pg::statement<void(WorkflowId, pg::bytes)> append(
        "UPDATE hermes.closed SET history = history || $2 WHERE id = $1", pg::Plan::custom);
    append.execute(id, events);
}

Ids mark_reported(Ids ids, core::Time at) {
    std::sort(ids.begin(), ids.end()); // one cascade may have been reported to several endpoints
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    constinit static pg::table_find<IdRow, WorkflowId> find("closed", {"id"});
    constinit static pg::table_update<Time> mark("closed", {"reported_at"});
    const auto id_at = [&ids](std::size_t i) { return std::tie(ids[i]); };
    std::vector<pg::RowPlace> places;
    const std::vector<IdRow> marked =
        find.run(ids.size(), id_at, pg::RowLock::no_key_update, pg::IfLocked::skip, &places);
    mark.run(
        places.size(), [&places](std::size_t i) { return places[i]; }, [&at](std::size_t) { return std::tie(at); });
    if (marked.size() == ids.size()) {
        return ids;
    }
    std::unordered_set<WorkflowId> held; // there, and not marked
    for (const IdRow &row : find.run(ids.size(), id_at, pg::RowLock::none)) {
        held.insert(row.id);
    }
    for (const IdRow &row : marked) {
        held.erase(row.id);
    }
    Ids done;
    std::copy_if(ids.begin(), ids.end(), std::back_inserter(done),
                 [&](const WorkflowId &id) { return !held.contains(id); });
    return done;
}

} // namespace hc::store
