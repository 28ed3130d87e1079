// See executor.hpp.
#include "workers/executor.hpp"

#include "core/dispatcher_plan.hpp"
#include "core/sql_failure.hpp"
#include "engine/definitions.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "workers/workers.hpp"

namespace hc::workers {

namespace {

constexpr auto kLockedRetry = std::chrono::milliseconds(5);
constexpr auto kRecordAfter = std::chrono::milliseconds(100); // a result waits no longer for others
constexpr auto kShortBatch = std::chrono::milliseconds(50), kLongBatch = std::chrono::milliseconds(250);
constexpr auto kLogEvery = std::chrono::seconds(10);
constexpr auto kHelpAfter = std::chrono::milliseconds(50); // of a queue that stays full

// A transaction as the extension's owner. The role of the process may have set anything for its sessions.
class OwnerTransaction {
public:
    explicit OwnerTransaction(const char *activity) : transaction_(activity) {
        identity_.emplace(engine::definitions().owner().role);
    }
    void force_local_flush() { transaction_.force_local_flush(); }
    void commit() {
        path_.finish();
        identity_.reset();
        transaction_.commit();
    }

private:
    Transaction transaction_;
    pg::search_path_scope path_;
    std::optional<pg::user_scope> identity_;
};

} // namespace

Executor::Executor(std::int32_t slot) : slot_(pg::slot_of_argument(slot)) {}

// The role may have been dropped, or given rights that user SQL must not have.
void Executor::check_role() {
    if (checked_ == pg::definition_generation()) {
        return;
    }
    OwnerTransaction transaction("checking the role");
    const std::uint64_t generation = pg::definition_generation();
    const engine::RoleCheck check = engine::check_executor_role(core::role_of_queue(queue_));
    unfit_ = !check.reason.empty() || check.user != slot_.executor.user.load();
    transaction.commit();
    checked_ = generation;
}

// Covers what no latch told: PREPARE TRANSACTION, a dead worker's claims.
void Executor::rescan() {
    const Clock::time_point now = Clock::now();
    if (now >= last_rescan_ + std::chrono::milliseconds(pg::guc::fallback_poll_ms)) {
        pg::give_executor_due(core::from_unix_micros(0));
        last_rescan_ = now;
    }
}

bool Executor::due() const {
    const Clock::time_point now = Clock::now();
    return backoff_.passed(now) && now >= claim_not_before_ && pg::my_database()->outbound_open.load() != 0 &&
           answered_.size() < static_cast<std::size_t>(pg::guc::batch_size) && pg::peek_executor_due() <= pg::now();
}

void Executor::claim() {
    const core::Time from = pg::take_executor_due();
    engine::SqlClaim claim;
    try {
        OwnerTransaction transaction("claiming tasks");
        transaction.force_local_flush();
        engine::ClaimRequest request;
        request.queue = queue_;
        request.from = from;
        request.now = pg::now();
        request.owner = slot_.incarnation.load();
        request.limit = std::min(claim_limit_, pg::guc::batch_size);
        request.newest = pg::newest_incarnation();
        request.live = pg::live_incarnations();
        claim = engine::claim_sql(request);
        transaction.commit();
    } catch (...) {
        pg::give_executor_due(from);
        throw;
    }
    if (claim.resume) {
        pg::give_executor_due(*claim.resume);
        if (core::held_by_others(claim.claimed, claim.resume, pg::now())) {
            claim_not_before_ = Clock::now() + kLockedRetry;
        }
    }
    if (claim.more && pg::guc::executors_per_role > 1 && Clock::now() >= busy_since_ + kHelpAfter) {
        pg::ask_for_help();
    }
    std::move(claim.tasks.begin(), claim.tasks.end(), std::back_inserter(tasks_));
    burials_.insert(burials_.end(), claim.burials.begin(), claim.burials.end());
}

// A claim is to hold what can be run in moments: what it holds, no other executor of the role can take.
void Executor::run_claimed() {
    const Clock::time_point begin = Clock::now();
    const bool full = tasks_.size() >= static_cast<std::size_t>(claim_limit_);
    last_record_ = begin;
    while (!tasks_.empty() && !pg::shutdown_requested()) {
        if (tasks_.front().suspect) { // whatever it does, it does to nobody else
            record();
            give_back(1);
        }
        if (!run_first()) {
            return;
        }
        tasks_.pop_front();
        slot_.in_flight.store(static_cast<std::uint32_t>(tasks_.size()), std::memory_order_relaxed);
        if (Clock::now() >= last_record_ + kRecordAfter) {
            record();
        }
        if (pg::flush_is_due()) {
            pg::flush_commits();
        }
    }
    const Clock::duration took = Clock::now() - begin;
    if (took > kLongBatch) {
        claim_limit_ = std::max(1, claim_limit_ / 2);
    } else if (full && took < kShortBatch) {
        claim_limit_ = std::min(2 * claim_limit_, pg::guc::batch_size);
    }
}

// False: the worker is to end, and the task is to be run another time.
bool Executor::run_first() {
    const engine::SqlTask &task = tasks_.front();
    if (task.kind == store::Kind::turn) {
        return run_turn(task);
    }
    std::optional<core::Input> input = run_task(task);
    if (input) {
        answered_.push_back({{task.key, std::move(*input)}, {}});
    }
    return input.has_value();
}

bool Executor::run_turn(const engine::SqlTask &task) {
    last_work_ = Clock::now();
    pg::Failure failure;
    auto end = WorkflowTurns::End::done;
    bool good = false;
    do {
        check_role();
        if (unfit_) {
            return false;
        }
        good = pg::iterate(
            "workflow task",
            [&] {
                try {
                    end = turns_.run(task, queue_, checked_);
                } catch (const ExtensionGone &) { // and with it the execution
                    pg::abort_worker_transaction();
                    end = WorkflowTurns::End::done;
                }
            },
            failure);
    } while (good && end == WorkflowTurns::End::stale && !pg::shutdown_requested());
    pg::reset_session();
    if (turns_.ran_steps()) {
        pg::discard_session_state();
    }
    slot_.batches.fetch_add(1, std::memory_order_relaxed);
    if (!good) {
        slot_.errors.fetch_add(1, std::memory_order_relaxed);
        if (!pg::is_cancel_or_shutdown(failure) || !pg::shutdown_requested()) {
            put_off(task, failure);
            return true;
        }
        return false;
    }
    if (end == WorkflowTurns::End::held) {
        put_off(task, failure);
    }
    slot_.tasks.fetch_add(1, std::memory_order_relaxed);
    return end != WorkflowTurns::End::stale;
}

// A turn of which nothing stands: by an error, later and later; because somebody else holds the execution, soon.
void Executor::put_off(const engine::SqlTask &task, const pg::Failure &failure) {
    const std::string reason = std::string(failure.sqlstate) + ": " + failure.message;
    pg::Failure second;
    pg::iterate(
        "putting a workflow task off",
        [&] {
            OwnerTransaction transaction("putting a workflow task off");
            if (failure.kind == pg::Failure::Kind::none) {
                engine::release_turn(task, queue_);
            } else {
                engine::put_off_turn(task.key, 1, reason);
            }
            transaction.commit();
        },
        second);
}

// nullopt: the worker is to end, and the task is to be run another time.
std::optional<core::Input> Executor::run_task(const engine::SqlTask &task) {
    last_work_ = Clock::now();
    pg::UserSqlFrame frame;
    frame.task = {task.key.workflow_id, task.key.number, static_cast<std::int16_t>(task.kind)};
    frame.timeout = task.timeout;
    frame.activity = "evaluating the condition of a cascade step"; // the only kind yet
    pg::Failure failure;
    pg::UserSqlEnd end{};
    do {
        check_role();
        if (unfit_) {
            return std::nullopt;
        }
        frame.generation = checked_;
        end = pg::run_user_sql(
            frame, [&] { condition_holds_ = conditions_.holds(task.condition); }, failure);
    } while (end == pg::UserSqlEnd::stale && !pg::shutdown_requested());
    pg::reset_session();
    if (end == pg::UserSqlEnd::stale || end == pg::UserSqlEnd::stopped) {
        return std::nullopt;
    }
    return answer_of(task, end, failure);
}

core::Input Executor::answer_of(const engine::SqlTask &task, pg::UserSqlEnd end, const pg::Failure &failure) {
    if (end == pg::UserSqlEnd::timed_out) {
        return engine::failure_of(task.kind, task.key.number, "timeout");
    }
    if (end == pg::UserSqlEnd::failed) {
        log_failure(task, failure);
        const std::string reason = core::short_sql_failure(failure.sqlstate, failure.message);
        return engine::failure_of(task.kind, task.key.number, reason);
    }
    core::ConditionAnswer answer;
    answer.task = static_cast<std::uint32_t>(task.key.number);
    answer.verdict = condition_holds_ ? core::ConditionVerdict::yes : core::ConditionVerdict::no;
    return answer;
}

// The history gets only what a tenant may see; the whole error is for the operator, now and then.
void Executor::log_failure(const engine::SqlTask &task, const pg::Failure &failure) {
    const Clock::time_point now = Clock::now();
    if (last_logged_ == Clock::time_point{} || now >= last_logged_ + kLogEvery) {
        last_logged_ = now;
        const std::string what = fmt::format("condition of step {} of cascade {}", task.condition.step + 1,
                                             core::to_string(task.key.workflow_id));
        pg::log_failure(failure, what.c_str());
    }
}

void Executor::record_batch(const std::vector<Answered> &batch) {
    std::vector<engine::SqlAnswer> answers;
    answers.reserve(batch.size());
    for (const Answered &answered : batch) {
        answers.push_back(answered.answer);
    }
    OwnerTransaction transaction("recording results");
    const std::vector<std::size_t> locked = engine::record_sql(answers);
    transaction.commit();
    slot_.batches.fetch_add(1, std::memory_order_relaxed);
    slot_.tasks.fetch_add(batch.size() - locked.size(), std::memory_order_relaxed);
    for (const std::size_t i : locked) {
        answered_.push_back({batch[i].answer, Clock::now() + kLockedRetry});
    }
}

// Records the batch; a member that cannot be recorded is found by halving and buried, its neighbours are not held up.
void Executor::record_split(std::vector<Answered> batch) {
    pg::Failure failure;
    if (pg::iterate(
            "recording results", [&] { record_batch(batch); }, failure)) {
        return;
    }
    slot_.errors.fetch_add(1, std::memory_order_relaxed);
    if (transient(failure)) {
        for (Answered &answered : batch) {
            answered_.push_back({std::move(answered.answer), Clock::now() + std::chrono::seconds(1)});
        }
        return;
    }
    if (batch.size() == 1) {
        burials_.push_back(
            {batch.front().answer.key, std::string("the result could not be recorded: ") + failure.sqlstate});
        return;
    }
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    record_split({std::make_move_iterator(batch.begin()), std::make_move_iterator(middle)});
    record_split({std::make_move_iterator(middle), std::make_move_iterator(batch.end())});
}

void Executor::record() {
    bury_given_up();
    const Clock::time_point now = Clock::now();
    last_record_ = now;
    std::vector<Answered> batch, later;
    for (Answered &answered : answered_) {
        const bool full = batch.size() >= static_cast<std::size_t>(pg::guc::batch_size);
        (full || answered.not_before > now ? later : batch).push_back(std::move(answered));
    }
    answered_ = std::move(later);
    if (!batch.empty()) {
        record_split(std::move(batch));
    }
}

// Tasks given up, each in a transaction of its own; what is held by somebody else stays on the list.
void Executor::bury_given_up() {
    std::vector<engine::Burial> burials = std::exchange(burials_, {});
    for (engine::Burial &burial : burials) {
        pg::Failure failure;
        bool done = false;
        pg::iterate(
            "burying a task",
            [&] {
                OwnerTransaction transaction("burying a task");
                done = engine::bury(burial.key, burial.reason);
                transaction.commit();
            },
            failure);
        if (!done) {
            burials_.push_back(std::move(burial));
        }
    }
}

void Executor::pass() {
    extension_.look();
    check_role();
    if (unfit_) {
        return;
    }
    pg::executor_is_ready();
    rescan();
    record();
    if (tasks_.empty() && due()) {
        report_idleness();
        claim();
    }
    if (!tasks_.empty() && backoff_.passed(Clock::now())) {
        run_claimed();
        pg::flush_commits();
        record();
    }
}

// Claimed tasks but for the first few: other executors, or the supervisor, take them at once, and the claim does not
// count. What cannot be given back stays here.
void Executor::give_back(std::size_t keep) {
    std::vector<store::TaskKey> keys;
    for (std::size_t i = keep; i < tasks_.size(); ++i) {
        keys.push_back(tasks_[i].key);
    }
    if (keys.empty()) {
        return;
    }
    pg::Failure failure;
    const bool good = pg::iterate(
        "giving tasks back",
        [&] {
            try {
                OwnerTransaction transaction("giving tasks back");
                engine::give_back_sql(keys, queue_);
                transaction.commit();
            } catch (const ExtensionGone &) { // and with it the tasks
                pg::abort_worker_transaction();
            }
        },
        failure);
    if (good) {
        tasks_.resize(keep);
    }
}

void Executor::drain() {
    slot_.state = static_cast<std::uint32_t>(pg::WorkerState::draining);
    give_back(0);
    pg::flush_commits();
    tasks_.clear(); // else they are claimed anew when this process is gone
    const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(pg::guc::drain_timeout_ms);
    pg::WaitSet wait_set(-1);
    while (!done() && Clock::now() < deadline) {
        pg::process_interrupts();
        record();
        if (!done()) {
            wait_set.wait(5);
        }
    }
}

bool Executor::idle_too_long() const {
    return done() && Clock::now() >= last_work_ + std::chrono::milliseconds(pg::guc::executor_idle_timeout_ms);
}

// What waits in the queue is work as well.
void Executor::report_idleness() {
    const bool idle = done() && !due();
    if (idle || busy_since_ == Clock::time_point{}) {
        busy_since_ = idle ? Clock::time_point{} : Clock::now();
    }
    pg::report_executor_idle(idle);
}

long Executor::wait_milliseconds() const {
    if (!answered_.empty() || !burials_.empty()) {
        return 5;
    }
    const Clock::time_point now = Clock::now();
    long wait = std::min(pg::guc::fallback_poll_ms, std::max(1, pg::guc::executor_idle_timeout_ms));
    const auto until = [now, wait](Clock::time_point t) {
        return std::clamp<long>(std::chrono::ceil<std::chrono::milliseconds>(t - now).count(), 0, wait);
    };
    if (pg::my_database()->outbound_open.load() == 0) {
        return wait; // the supervisor wakes us when the fence opens
    }
    if (!backoff_.passed(now)) {
        return until(backoff_.until());
    }
    if (!tasks_.empty()) {
        return 0;
    }
    return std::max(until(claim_not_before_), milliseconds_until(pg::peek_executor_due(), pg::now(), wait));
}

void Executor::run() {
    pg::begin_worker(&slot_, pg::database_of_argument(), true);
    if (pg::my_database() == nullptr) {
        return;
    }
    queue_ = slot_.executor.queue.load();
    last_work_ = Clock::now();
    pg::WaitSet wait_set(-1);
    pg::Failure failure;
    bool gone = false, over = false;
    while (!over) {
        const bool good = pg::iterate(
            "executor",
            [&] {
                try {
                    pg::process_interrupts();
                    if (!pg::shutdown_requested()) {
                        pass();
                    }
                } catch (const ExtensionGone &) {
                    pg::abort_worker_transaction();
                    gone = true;
                }
            },
            failure);
        if (!good) {
            slot_.errors.fetch_add(1, std::memory_order_relaxed);
            pg::my_database()->counters.worker_errors.fetch_add(1, std::memory_order_relaxed);
            backoff_.failed(Clock::now());
        }
        over = gone || unfit_ || pg::shutdown_requested() || idle_too_long();
        if (!over) {
            report_idleness();
            pg::report_idle("waiting for tasks");
            wait_set.wait(wait_milliseconds());
        }
    }
    if (!gone) {
        drain();
    }
}

void run_executor(std::int32_t slot) { Executor(slot).run(); }

} // namespace hc::workers
