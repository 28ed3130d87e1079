// See workflow_turns.hpp. Runs in executors.
#include "workers/workflow_turns.hpp"

#include "core/error.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_handlers.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"

namespace hc::workers {

namespace {

using core::ExecutionEventType;
using core::WorkflowFailure;

constexpr auto kLongestTurn = std::chrono::seconds(5); // then it is committed, and goes on in another
constexpr auto kTransientRetry = std::chrono::milliseconds(50);

// Acts as the extension's owner, in a transaction that otherwise belongs to the role of the process.
class AsOwner {
public:
    AsOwner() { identity_.emplace(engine::definitions().owner().role); }
    void finish() {
        path_.finish();
        identity_.reset();
    }

private:
    pg::search_path_scope path_{pg::PinPath::before_sql};
    std::optional<pg::user_scope> identity_;
};

template <class Body>
auto as_owner(Body body) {
    AsOwner owner;
    auto result = body();
    owner.finish();
    return result;
}

std::size_t max_bytes() { return pg::guc::max_message_bytes(); }

// Of an error of PostgreSQL the detail stands in its data only.
WorkflowFailure failure_of(const pg::Failure &failure) {
    const auto text = [](const char *value, const char *own) { return std::string(value != nullptr ? value : own); };
    const ErrorData *data = failure.data;
    return {failure.sqlstate, failure.message, text(data != nullptr ? data->detail : nullptr, failure.detail),
            text(data != nullptr ? data->hint : nullptr, failure.hint)};
}

} // namespace

WorkflowTurns::End WorkflowTurns::run(const engine::SqlTask &task, std::int32_t queue, std::uint64_t generation) {
    ran_steps_ = false;
    Transaction transaction("workflow task");
    if (pg::definition_generation() != generation) {
        transaction.commit();
        return End::stale;
    }
    const pg::RunningTask running{task.key.workflow_id, task.key.number, static_cast<std::int16_t>(task.kind)};
    engine::WorkflowTurn turn;
    const auto begin = as_owner([&] { return turn.begin(task.key.workflow_id, queue); });
    if (begin != engine::WorkflowTurn::Begin::ready) {
        transaction.commit();
        return begin == engine::WorkflowTurn::Begin::held ? End::held : End::done;
    }
    const bool ends = turn.terminated() || turn.timed_out(); // also of one that is paused
    const Clock::time_point until = Clock::now() + kLongestTurn;
    Next next = !ends && as_owner([&] { return turn.rest(); }) ? Next::over : Next::again;
    while (next == Next::again) {
        if (Clock::now() >= until) {
            as_owner([&] { return turn.go_on_soon(), true; });
            break;
        }
        next = call(turn, running);
    }
    if (next == Next::stopped) {
        as_owner([&] { return turn.go_on_soon(), true; });
    }
    if (!turn.failed()) {
        pg::count(core::WorkflowCount::turns);
    }
    transaction.commit_unflushed();
    pg::end_watch(turn.watched());
    return next == Next::stopped ? End::stopped : End::done;
}

// One call of the function, and what follows from how it ends.
WorkflowTurns::Next WorkflowTurns::call(engine::WorkflowTurn &turn, const pg::RunningTask &task) {
    if (turn.terminated()) {
        return close(turn, {.type = ExecutionEventType::workflow_execution_terminated, .text = turn.reason()});
    }
    if (turn.timed_out()) {
        return close(turn, {.type = ExecutionEventType::workflow_execution_timed_out});
    }
    const auto function = as_owner([&] {
        engine::search_attribute_types(); // the function may set some
        return engine::registered_function(turn.type());
    });
    if (const auto *problem = std::get_if<core::WorkflowFailure>(&function)) {
        return fail(turn, *problem);
    }
    if (const core::ExecutionUse &use = turn.replay().use();
        use.events > core::kMaxExecutionEvents || use.bytes > core::kMaxExecutionBytes + max_bytes()) {
        return fail(turn, {sqlstate::limit_exceeded, "history of the execution is too long", "", ""});
    }
    const core::ExecutionChain chain = core::chain_of(turn.replay().events().front());
    engine::WorkflowBody body(turn.replay(), false,
                              chain.run_timeout ? chain.run_timeout : turn.type().options.run_timeout);
    body.restart();
    const pg::UserCall user_call{task, turn.type().options.task_timeout, turn.type().statement.c_str(),
                                 &body.suspended()};
    std::optional<std::string> result;
    pg::Failure failure;
    pg::UserSqlEnd end{};
    {
        const engine::RunningBody running(body);
        end = pg::call_body(user_call, std::get<Oid>(function), turn.input(), result, failure);
    }
    turn.watch(body.take_watched());
    if (body.has_requests() && as_owner([&] { return turn.carry_out(body.take_requests()); })) {
        return Next::again; // the function is to know what has ended at once
    }
    if (end == pg::UserSqlEnd::timed_out) {
        return fail(turn, {sqlstate::query_canceled, "workflow function ran into its task_timeout", "", ""});
    }
    if (end == pg::UserSqlEnd::stopped) {
        return Next::stopped;
    }
    if (!body.nondeterminism().empty()) {
        return fail(turn, {sqlstate::nondeterminism, "workflow function does not follow its history",
                           body.nondeterminism(), ""});
    }
    if (body.wrong_command()) {
        return fail(turn, *body.wrong_command());
    }
    if (body.exhausted()) {
        return fail(turn, failure_of(failure));
    }
    if (body.suspended()) {
        if (const std::optional<engine::StepRequest> step = body.take_step()) {
            return run_step(turn, *step, task);
        }
        if (body.next_input()) {
            return continue_as_new(turn, *body.next_input());
        }
        return offer_updates(turn, body, task);
    }
    return end == pg::UserSqlEnd::done ? returned(turn, result) : failed(turn, body, failure);
}

// The function waits. When it waits for an update, the first one that its validator lets pass ends that.
WorkflowTurns::Next WorkflowTurns::offer_updates(engine::WorkflowTurn &turn, const engine::WorkflowBody &body,
                                                 const pg::RunningTask &task) {
    const std::string state = turn.replay().pending_update() != nullptr ? body.query_results() : "";
    while (const auto update = as_owner([&] { return turn.next_update(); })) {
        const std::string &validator = turn.type().options.updates.at(update->name);
        const std::string activity = "validator of update " + update->name;
        const pg::UserCall user_call{task, turn.type().options.task_timeout, activity.c_str()};
        pg::Failure failure;
        pg::UserSqlEnd end = pg::UserSqlEnd::done;
        if (!validator.empty()) {
            end = pg::run_check(validators_, user_call, engine::handler_statement(validator), update->arguments.text,
                                state, failure);
        }
        if (end == pg::UserSqlEnd::stopped) {
            return Next::stopped;
        }
        if (end == pg::UserSqlEnd::done) {
            as_owner([&] { return turn.accept_update(*update), true; });
            return Next::again;
        }
        const WorkflowFailure reason =
            end == pg::UserSqlEnd::timed_out
                ? WorkflowFailure{sqlstate::query_canceled, "validator ran into the task_timeout", "", ""}
                : failure_of(failure);
        as_owner([&] { return turn.reject_update(*update, reason), true; });
    }
    as_owner([&] { return turn.wait(), true; });
    return Next::over;
}

WorkflowTurns::Next WorkflowTurns::run_step(engine::WorkflowTurn &turn, const engine::StepRequest &step,
                                            const pg::RunningTask &task) {
    if (step.commit_first && ran_steps_) {
        as_owner([&] { return turn.go_on_soon(), true; });
        return Next::over;
    }
    if (step.commit_first) {
        pg::flush_commits(); // what came before it is to outlive a crash whatever the step does
    }
    ran_steps_ = true;
    const std::string activity = "step " + step.name;
    const pg::UserCall user_call{task, turn.type().options.step_timeout, activity.c_str()};
    std::optional<std::string> row;
    pg::Failure failure;
    const pg::UserSqlEnd end =
        pg::run_step(plans_, user_call, step.statement, step.arguments, max_bytes(), row, failure);
    core::ExecutionEvent event{.type = ExecutionEventType::step_completed, .hash = step.hash, .name = step.name};
    switch (end) {
    case pg::UserSqlEnd::done:
        event.payload = row.value_or("");
        break;
    case pg::UserSqlEnd::timed_out:
        event.type = ExecutionEventType::step_failed;
        event.payload = core::failure_json({sqlstate::query_canceled, "step ran into its step_timeout", "", ""});
        break;
    case pg::UserSqlEnd::failed:
        if (core::is_transient(failure.sqlstate)) {
            const std::string reason = step.name + ": " + failure.message;
            as_owner(
                [&] { return turn.try_again(kTransientRetry * (1 << std::min(turn.failures(), 8U)), reason), true; });
            return Next::over;
        }
        event.type = ExecutionEventType::step_failed;
        event.payload = core::failure_json(failure_of(failure));
        break;
    default:
        return Next::stopped;
    }
    event.time = pg::now();
    turn.replay().record(std::move(event));
    return Next::again;
}

WorkflowTurns::Next WorkflowTurns::returned(engine::WorkflowTurn &turn, const std::optional<std::string> &result) {
    try {
        turn.replay().check_end();
    } catch (const core::Nondeterminism &e) {
        return fail(turn, {sqlstate::nondeterminism, "workflow function does not follow its history", e.what(), ""});
    }
    if (result && result->size() > max_bytes()) {
        return fail(turn, {sqlstate::limit_exceeded, "result of the workflow function is too large", "", ""});
    }
    return close(turn, {.type = ExecutionEventType::workflow_execution_completed, .payload = result.value_or("")});
}

WorkflowTurns::Next WorkflowTurns::failed(engine::WorkflowTurn &turn, const engine::WorkflowBody &body,
                                          const pg::Failure &failure) {
    const bool raised = body.raised(failure.sqlstate, failure.message);
    if (raised && std::string_view(failure.sqlstate) == sqlstate::canceled && turn.replay().cancel_requested()) {
        return close(turn, {.type = ExecutionEventType::workflow_execution_canceled});
    }
    if (raised || core::is_application_error(failure.sqlstate)) {
        return close(turn, {.type = ExecutionEventType::workflow_execution_failed,
                            .payload = core::failure_json(failure_of(failure))});
    }
    return fail(turn, failure_of(failure));
}

WorkflowTurns::Next WorkflowTurns::close(engine::WorkflowTurn &turn, core::ExecutionEvent end) {
    core::Duration wait_for{};
    const bool closed = as_owner([&] { return turn.close(std::move(end), wait_for); });
    return closed ? Next::over : put_off(turn, wait_for);
}

WorkflowTurns::Next WorkflowTurns::continue_as_new(engine::WorkflowTurn &turn, const std::string &input) {
    core::Duration wait_for{};
    const bool closed = as_owner([&] { return turn.continue_as_new(input, wait_for); });
    return closed ? Next::over : put_off(turn, wait_for);
}

// A close that could not be: something has come, or may be about to.
WorkflowTurns::Next WorkflowTurns::put_off(engine::WorkflowTurn &turn, core::Duration wait_for) {
    if (wait_for == core::Duration::zero()) {
        return Next::again;
    }
    as_owner([&] { return turn.try_again(wait_for, "something is about to be brought to it"), true; });
    return Next::over;
}

WorkflowTurns::Next WorkflowTurns::fail(engine::WorkflowTurn &turn, const WorkflowFailure &failure) {
    as_owner([&] { return turn.fail(failure), true; });
    return Next::over;
}

} // namespace hc::workers
