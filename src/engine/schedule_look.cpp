// See schedule_look.hpp. Runs in the supervisor.
#include "engine/schedule_look.hpp"

#include "core/error.hpp"
#include "engine/advance.hpp"
#include "engine/schedules.hpp"
#include "engine/start.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_verbs.hpp"
#include "pg/catalog.hpp"
#include "pg/jsonb.hpp"
#include "pg/wake.hpp"
#include "pg/xact.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ActionKind;
using core::Time;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;
using OptionalTime = std::optional<Time>;

constexpr std::size_t kTimesAtOnce = 1000; // looked at in one transaction
constexpr int kStartsAtOnce = 40;          // each in a subtransaction
constexpr std::int32_t kRunsAtOnce = 200;
constexpr auto kLookAtCascades = std::chrono::seconds(1);   // while a start waits for the end of one
constexpr auto kLookAtExecutions = std::chrono::minutes(1); // their end calls us; this is a net under it
constexpr auto kHeldRetry = std::chrono::milliseconds(20);

// One look at a schedule that is locked.
class Look {
public:
    Look(store::ScheduleRow row, Time now)
        : schedule_(read_schedule(std::move(row))), row_(schedule_.row),
          action_(core::parse_schedule_action(row_.action.text)), now_(now) {}

    void run() {
        store::delete_schedule_calls(row_.id);
        follow_runs();
        const OptionalTime next = collect_starts(schedule_, now_);
        row_.next_time = next && *next > now_ ? next : std::nullopt;
        again(next);
        fill_from_backfills();
        act();
        store::prune_schedule_runs(row_.id);
        store::update_schedule(row_);
        store::put_schedule_timer(row_.id, again_);
    }

private:
    void again(OptionalTime t) {
        if (t) {
            again_ = std::min(again_.value_or(*t), *t);
        }
    }

    // ---- what it has started ----

    void follow_runs() {
        std::vector<store::ScheduleRunState> ended;
        do {
            ended = store::unended_schedule_runs(row_.id, false, kRunsAtOnce);
            for (const store::ScheduleRunState &state : ended) {
                note_end(state);
            }
        } while (ended.size() == kRunsAtOnce);
    }

    void note_end(const store::ScheduleRunState &state) {
        const bool cascade = state.run.kind == static_cast<std::int16_t>(ActionKind::cascade);
        const WorkflowId id = state.current.value_or(state.run.execution_id);
        const std::optional<store::EndRow> end =
            cascade ? store::find_cascade_end(state.run.hash) : store::find_execution_end(id);
        std::string word = "Unknown"; // its history is not kept any more
        bool failed = false;
        if (end && cascade) {
            const auto outcome = static_cast<core::Outcome>(end->status);
            word = core::to_string(outcome);
            failed = outcome == core::Outcome::exhausted || outcome == core::Outcome::expired;
        } else if (end) {
            const auto status = static_cast<core::ExecutionStatus>(end->status);
            word = core::to_string(status);
            failed = status == core::ExecutionStatus::failed || status == core::ExecutionStatus::timed_out;
        }
        store::end_schedule_run(row_.id, state.run.nominal, word, end ? end->closed_at : now_);
        if (failed && row_.pause_on_failure && !row_.paused) {
            row_.paused = true;
            row_.note = fmt::format("paused because {} has ended: {}", state.run.name, word);
        }
    }

    // Asks what runs to end, each execution once.
    void ask_to_end(bool terminate) {
        for (const store::ScheduleRunState &state : open_) {
            const WorkflowId id = state.current.value_or(state.run.hash);
            const std::string asked = fmt::format("{}:{}", terminate ? "terminate" : "cancel", core::to_string(id));
            if (state.run.asked == asked) {
                continue;
            }
            const std::string reason = fmt::format("schedule {} starts the next one", row_.name);
            const bool done = state.run.kind == static_cast<std::int16_t>(ActionKind::cascade)
                                  ? end_cascade(id, reason, terminate)
                                  : end_execution(id, reason, terminate);
            if (done) {
                store::mark_schedule_run(row_.id, state.run.nominal, asked);
            } else {
                again(now_ + kHeldRetry);
            }
        }
    }

    static bool end_execution(const WorkflowId &id, const std::string &reason, bool terminate) {
        const std::optional<store::BriefRow> held = store::share_execution(id, store::LockWait::skip);
        if (held) {
            bring(id, held->type_id, terminate ? store::Kind::terminate : store::Kind::cancel,
                  nlohmann::json{{"reason", reason}}.dump());
        }
        return held.has_value();
    }

    static bool end_cascade(const WorkflowId &id, const std::string &reason, bool terminate) {
        const Item item{id, core::CancelInput{reason, terminate}};
        return advance({&item, 1}, store::LockWait::skip).front().status != ItemStatus::locked;
    }

    // ---- starts ----

    void fill_from_backfills() {
        std::size_t waiting = store::schedule_starts(row_.id).size();
        for (store::BackfillRow &backfill : store::schedule_backfills(row_.id)) {
            std::vector<store::ScheduleStartRow> starts;
            bool over = false;
            for (std::size_t n = 0; n < kTimesAtOnce && waiting + starts.size() < core::kMaxBufferedStarts; ++n) {
                const core::NextTime next = core::next_time(schedule_.spec, schedule_.zone, backfill.cursor);
                const OptionalTime reached = next.time ? next.time : next.looked_until;
                over = !reached || *reached > backfill.until;
                if (over) {
                    break;
                }
                backfill.cursor = *reached;
                if (next.time) {
                    starts.push_back({*reached, now_, backfill.overlap, true, 0, now_});
                }
            }
            store::insert_schedule_starts(row_.id, starts);
            waiting += starts.size();
            if (over) {
                store::delete_backfill(row_.id, backfill.number);
            } else {
                store::move_backfill(row_.id, backfill.number, backfill.cursor);
                backfills_wait_ = true;
            }
        }
    }

    void act() {
        const std::vector<store::ScheduleStartRow> rows = store::schedule_starts(row_.id);
        if (rows.empty()) {
            watch_failures();
            return;
        }
        open_ = store::unended_schedule_runs(row_.id, true, kRunsAtOnce);
        std::vector<core::PendingStart> starts;
        for (const store::ScheduleStartRow &row : rows) {
            starts.push_back({row.nominal, row.actual,
                              row.overlap ? std::optional(core::parse_overlap(*row.overlap)) : std::nullopt, row.manual,
                              row.retry_at});
        }
        core::ScheduleSituation situation = situation_of(row_);
        situation.running = !open_.empty();
        const core::StartDecision decision = core::decide_starts(starts, situation, now_);
        again(decision.look_at);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            apply(decision.fates[i], rows[i]);
        }
        store::delete_schedule_starts(row_.id, gone_);
        if (decision.cancel_running || decision.terminate_running) {
            ask_to_end(decision.terminate_running);
        }
        if (backfills_wait_ && !gone_.empty()) {
            again(now_); // there is room again
        }
        if (gone_.size() != rows.size()) {
            watch_ends();
        }
        watch_failures();
    }

    void apply(core::StartFate fate, const store::ScheduleStartRow &start) {
        switch (fate) {
        case core::StartFate::wait:
            return;
        case core::StartFate::start:
            if (started_ == kStartsAtOnce) {
                again(now_);
            } else {
                try_start(start);
            }
            return;
        case core::StartFate::skip:
            ++row_.skipped;
            break;
        case core::StartFate::miss:
            ++row_.missed;
            pg::count(core::WorkflowCount::schedule_missed);
            break;
        }
        gone_.push_back(start.nominal);
    }

    void try_start(const store::ScheduleStartRow &start) {
        ++started_;
        pg::Failure failure;
        const bool good = pg::subtransaction::run([&] { begin(start); }, failure);
        if (!good) {
            ++row_.errors;
            pg::count(core::WorkflowCount::schedule_errors);
            const Time retry_at = now_ + core::start_retry_delay(start.tries + 1);
            store::put_off_schedule_start(row_.id, start.nominal, start.tries + 1, retry_at, failure.message);
            again(retry_at);
            return;
        }
        gone_.push_back(start.nominal);
        ++row_.actions;
        pg::count(core::WorkflowCount::schedule_starts);
        if (!start.manual && row_.remaining) {
            --*row_.remaining;
        }
    }

    void begin(const store::ScheduleStartRow &start) {
        check_may_start(row_.owner, action_, row_.tenant);
        store::ScheduleRunRow run;
        run.nominal = start.nominal;
        run.kind = static_cast<std::int16_t>(action_.kind);
        run.name = core::name_of_start(action_.name.empty() ? row_.name : action_.name, start.nominal);
        const pg::jsonb_view payload = pg::jsonb_of(store::schedule_payload(row_.id));
        const Oid owner = pg::role_oid(row_.owner);
        if (action_.kind == ActionKind::cascade) {
            StartRequest request{action_.target, {payload}, {run.name}, row_.tenant, action_.options_json};
            run.execution_id = run.hash = start_cascades(request, owner).front();
        } else {
            run.hash = hash_of_workflow_id(row_.tenant, run.name);
            run.execution_id = start_execution(run, payload, owner);
        }
        store::insert_schedule_run(row_.id, run, now_);
    }

    // One that was started before, by whomever, is done.
    WorkflowId start_execution(const store::ScheduleRunRow &run, pg::jsonb_view input, Oid owner) {
        nlohmann::json options = nlohmann::json::parse(action_.options_json);
        options["reuse_policy"] = "reject_duplicate";
        try {
            return start_workflow({action_.target, input, run.name, row_.tenant, options.dump(), {}}, owner);
        } catch (const Error &e) {
            const auto current = store::find_current_execution(run.hash);
            if (e.sqlstate() != std::string_view(sqlstate::already_started) || !current) {
                throw;
            }
            return *current;
        }
    }

    // ---- when to look again ----

    static bool is_cascade(const store::ScheduleRunState &state) {
        return state.run.kind == static_cast<std::int16_t>(ActionKind::cascade);
    }

    // Starts wait for an end: that of an execution calls us.
    void watch_ends() {
        const bool cascades =
            action_.kind == ActionKind::cascade || std::any_of(open_.begin(), open_.end(), is_cascade);
        again(now_ + (cascades ? Time::duration(kLookAtCascades) : Time::duration(kLookAtExecutions)));
    }

    // A cascade's failure is to pause it.
    void watch_failures() {
        if (row_.pause_on_failure && !row_.paused && action_.kind == ActionKind::cascade &&
            !store::unended_schedule_runs(row_.id, true, 1).empty()) {
            again(now_ + kLookAtCascades);
        }
    }

    Schedule schedule_;
    store::ScheduleRow &row_;
    core::ScheduleAction action_;
    Time now_;
    OptionalTime again_;
    std::vector<store::ScheduleRunState> open_;
    std::vector<Time> gone_; // starts that wait no more
    int started_ = 0;
    bool backfills_wait_ = false;
};

} // namespace

bool run_schedule(const WorkflowId &id, Time now) {
    std::optional<store::ScheduleRow> row = store::lock_schedule(id);
    if (!row) {
        const bool held = store::schedule_exists(id);
        if (!held) {
            store::delete_schedule_calls(id);
            store::put_schedule_timer(id, std::nullopt);
        }
        return !held;
    }
    Look(std::move(*row), now).run();
    return true;
}

void put_off_schedule(const WorkflowId &id, Time due) {
    if (store::lock_schedule(id)) {
        store::delete_schedule_calls(id);
        store::put_schedule_timer(id, due);
    }
}

} // namespace hc::engine
