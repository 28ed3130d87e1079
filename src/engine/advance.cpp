// See advance.hpp. Runs in callers' backends and in workers, inside one transaction and one SPI scope.
#include "engine/advance.hpp"

#include "core/error.hpp"
#include "core/receipt_ids.hpp"
#include "engine/definitions.hpp"
#include "engine/delivery_stats.hpp"
#include "engine/pauses.hpp"
#include "engine/receipts.hpp"
#include "pg/wake.hpp"
#include "store/receipts.hpp"

#include <algorithm>
#include <unordered_map>

namespace hc::engine {

namespace {

using core::WorkflowId;

// One execution of the batch, from load to write.
struct Execution {
    Subject subject;
    core::State state;
    std::vector<core::HistoryEvent> stored; // as loaded
    std::vector<core::HistoryEvent> events; // new ones
    TaskChanges tasks;
    std::optional<core::Time> last_stored; // time of the last stored event: base of the appended ones
    bool was_closed = false;
    // of an open one: its history as stored, whether the newest part of it stands in its timer, where its rows are
    std::string history;
    bool continued = false;
    pg::RowPlace place;
    std::optional<store::TimerPlace> timer;
};

class Batch {
public:
    Batch(std::span<const Item> items, store::LockWait mode, Oid user)
        : items_(items), mode_(mode), user_(user), results_(items.size()) {}

    std::vector<ItemResult> run() {
        load();
        for (std::size_t i = 0; i < items_.size(); ++i) {
            decide(i);
        }
        write();
        return std::move(results_);
    }

private:
    void load();
    void load_closed(std::vector<WorkflowId> missing);
    template <class Row>
    Execution *add(const Row &row);
    void decide(std::size_t i);
    void note_message_id(const WorkflowId &id, const core::AttemptState &attempt, const std::string &message_id);
    void note_effects(Execution &execution, const core::Input &input, const core::Decision &decision);
    void write_history(const WorkflowId &id, Execution &execution);
    void write();

    std::span<const Item> items_;
    store::LockWait mode_;
    Oid user_;
    core::Time now_ = pg::now();
    BatchSurroundings around_;
    std::vector<ItemResult> results_;
    std::unordered_map<WorkflowId, Execution> executions_;
    std::unordered_map<WorkflowId, bool> locked_;
    std::vector<store::AttemptRow> attempts_;
    std::vector<WorkflowId> order_; // executions in id order
    AttemptsBefore before_;         // a decision
    Writes writes_;
};

void Batch::load() {
    std::vector<WorkflowId> ids;
    ids.reserve(items_.size());
    for (const Item &item : items_) {
        ids.push_back(item.id);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    executions_.reserve(ids.size());
    order_.reserve(ids.size());
    for (store::OpenRow &row : store::lock_open(ids, mode_)) {
        if (Execution *execution = add(row)) {
            execution->history = std::move(row.history.data);
            execution->continued = row.continued;
            execution->place = row.place;
            execution->timer = row.timer;
        }
    }
    if (executions_.size() == ids.size()) {
        return;
    }
    std::erase_if(ids, [this](const WorkflowId &id) { return executions_.contains(id); });
    if (mode_ == store::LockWait::skip) {
        for (const WorkflowId &id : store::existing_open(ids)) {
            locked_[id] = true;
        }
        std::erase_if(ids, [this](const WorkflowId &id) { return locked_.contains(id); });
    }
    // Looked for twice: rows that move between partitions while the first statement waits are found by the second.
    for (int round = 0; round < 2 && !ids.empty(); ++round) {
        load_closed(ids);
        std::erase_if(ids, [this](const WorkflowId &id) { return executions_.contains(id) || locked_.contains(id); });
    }
}

void Batch::load_closed(std::vector<WorkflowId> missing) {
    for (const store::ClosedRow &row : store::lock_closed(missing, mode_)) {
        if (Execution *execution = add(row)) {
            execution->was_closed = true;
        }
    }
    if (mode_ == store::LockWait::skip) {
        std::erase_if(missing, [this](const WorkflowId &id) { return executions_.contains(id); });
        for (const store::ClosedRow &row :
             missing.empty() ? std::vector<store::ClosedRow>{} : store::read_closed(missing)) {
            locked_[row.id] = true;
        }
    }
}

// nullptr: of a tenant the user may not act for, which tells no more than an id that does not exist.
template <class Row>
Execution *Batch::add(const Row &row) {
    Definitions &defs = definitions();
    if (OidIsValid(user_) && !defs.tenant_allowed(user_, row.tenant)) {
        return nullptr;
    }
    std::vector<core::HistoryEvent> events = core::decode_events(row.history.data);
    Execution execution;
    execution.subject = Subject{row.id, &defs.rule(row.rule_id), row.tenant, row.key};
    execution.state = core::replay(events);
    execution.last_stored = events.empty() ? std::optional<core::Time>() : events.back().time;
    execution.stored = std::move(events);
    order_.push_back(row.id);
    return &executions_.emplace(row.id, std::move(execution)).first->second;
}

void Batch::decide(std::size_t i) {
    const Item &item = items_[i];
    const auto it = executions_.find(item.id);
    if (it == executions_.end()) {
        results_[i].status = locked_.contains(item.id) ? ItemStatus::locked : ItemStatus::unknown;
        return;
    }
    Execution &execution = it->second;
    core::Input input = item.input;
    if (auto *cancel = std::get_if<core::CancelInput>(&input); cancel != nullptr && !execution.state.closed_p()) {
        cancel->claimed = store::send_claimed(item.id);
    }
    if (auto *receipt = std::get_if<core::ReceiptInput>(&input)) {
        name_part(*receipt, execution.state);
    }
    before_.note(execution.state);
    const Subject &subject = execution.subject;
    core::Decision decision = core::decide(subject.rule->program, execution.state, input, now_,
                                           around_.of(*subject.rule, subject.tenant, execution.state));
    results_[i] = {ItemStatus::done, decision.result};
    note_effects(execution, input, decision);
    execution.events.insert(execution.events.end(), std::make_move_iterator(decision.events.begin()),
                            std::make_move_iterator(decision.events.end()));
}

void Batch::note_effects(Execution &execution, const core::Input &input, const core::Decision &decision) {
    collect_tasks(execution.subject, execution.state, decision, execution.tasks);
    count_deliveries(execution.subject, before_, execution.state, decision.events,
                     std::array<std::span<const core::HistoryEvent>, 2>{execution.events, execution.stored});
    collect_reports(execution.subject, execution.state, decision, execution.tasks);
    if (decision.completed) {
        count_outcome(execution.state.outcome);
    }
    for (const core::HistoryEvent &event : decision.events) {
        if (event.type == core::EventType::send_completed && !event.text.empty()) {
            const auto &attempts = execution.state.attempts;
            const auto attempt = std::find_if(attempts.begin(), attempts.end(),
                                              [&](const core::AttemptState &a) { return a.number == event.attempt; });
            if (attempt != attempts.end()) {
                note_message_id(execution.subject.id, *attempt, attempt->provider_message_id);
                for (std::size_t i = 1; i < attempt->parts.size(); ++i) {
                    note_message_id(execution.subject.id, *attempt, attempt->parts[i].provider_message_id);
                }
            }
        }
    }
    if (const auto *park = std::get_if<core::ParkInput>(&input);
        park != nullptr && decision.result == core::SignalResult::parked) {
        store::insert_parked_receipt(
            {static_cast<std::int64_t>(park->hash), {}, {}, execution.subject.id, park->raw, "unknown_status"}, now_);
        pg::count(pg::Count::receipts_parked);
    }
    if (std::holds_alternative<core::ReceiptInput>(input) && decision.result == core::SignalResult::unmatched) {
        pg::count(pg::Count::receipts_unmatched);
    }
}

// Look-up rows of a provider's message id: exact, and in the normal form where the account declares conversions.
void Batch::note_message_id(const WorkflowId &id, const core::AttemptState &attempt, const std::string &message_id) {
    for (const std::int64_t hash : attempt_hashes(attempt.provider, message_id, core::IdSide::answer)) {
        attempts_.push_back({hash, id, attempt.number});
    }
}

// The timer goes when the state names it no more, whatever stands in its place.
void drop_timer(Execution &execution) {
    const std::optional<store::TimerPlace> &timer = execution.timer;
    if (!timer) {
        return;
    }
    std::erase_if(execution.tasks.drops,
                  [&](const store::TaskKey &drop) { return drop.number == timer->number; }); // it is no task
    if (static_cast<std::uint32_t>(timer->number) != execution.state.timer_task) {
        execution.tasks.timer_drops.push_back({execution.subject.id, timer->place});
    }
}

constexpr std::size_t kMaxLaterHistory = 1024; // bytes: who looks for due timers passes over these rows

// Events beside which a timer is put go with it: the row, which holds the message, is not written. Once only: what
// comes next is written into the row, with them.
bool put_with_timer(Execution &execution, const std::string &events) {
    std::vector<store::Timer> &timers = execution.tasks.timers;
    if (execution.continued || timers.empty() || events.size() > kMaxLaterHistory) {
        return false;
    }
    timers.front().history = store::LaterHistory{static_cast<std::int32_t>(execution.history.size()), {events}};
    return true;
}

void Batch::write_history(const WorkflowId &id, Execution &execution) {
    pg::bytes encoded{core::encode_events(execution.events, execution.last_stored)};
    if (execution.was_closed) {
        store::append_closed_history(id, encoded);
        return;
    }
    const bool closes = execution.state.closed_p();
    if (!closes && put_with_timer(execution, encoded.data)) {
        return;
    }
    pg::bytes history{std::move(execution.history)};
    history.data += encoded.data;
    if (closes) {
        const Subject &subject = execution.subject;
        writes_.closing.push_back({id, execution.state.closed, subject.rule->id,
                                   static_cast<std::int16_t>(execution.state.outcome), subject.tenant, subject.key,
                                   std::move(history), execution.place});
    } else {
        writes_.histories.push_back({execution.place, std::move(history)});
    }
}

void Batch::write() {
    for (const WorkflowId &id : order_) {
        Execution &execution = executions_.at(id);
        if (!execution.events.empty()) {
            write_history(id, execution);
        }
        drop_timer(execution);
        writes_.add(std::move(execution.tasks));
    }
    writes_.write();
    store::insert_attempts(attempts_, now_);
}

} // namespace

void Writes::write() {
    store::update_open_histories(histories);
    store::close_open(closing);
    store::delete_seen_timers(tasks.timer_drops);
    store::insert_timers(tasks.timers);
    store::delete_tasks(tasks.drops);
    store::insert_tasks(tasks.puts);
}

void Writes::add(TaskChanges &&changes) {
    std::move(changes.puts.begin(), changes.puts.end(), std::back_inserter(tasks.puts));
    std::move(changes.timers.begin(), changes.timers.end(), std::back_inserter(tasks.timers));
    tasks.drops.insert(tasks.drops.end(), changes.drops.begin(), changes.drops.end());
    tasks.timer_drops.insert(tasks.timer_drops.end(), changes.timer_drops.begin(), changes.timer_drops.end());
}

std::vector<ItemResult> advance(std::span<const Item> items, store::LockWait mode, Oid user) {
    if (items.empty()) {
        return {};
    }
    return Batch(items, mode, user).run();
}

} // namespace hc::engine
