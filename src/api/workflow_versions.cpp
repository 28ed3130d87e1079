// SQL functions around versions of workflow functions: replay checks, moving executions, reset, export.
#include "engine/verb.hpp"
#include "engine/workflow_export.hpp"
#include "engine/workflow_moves.hpp"
#include "engine/workflow_replay.hpp"
#include "engine/workflow_reset.hpp"
#include "pg/function.hpp"
#include "store/workflow_selection.hpp"

using namespace hc;

namespace {

std::optional<std::string> unless_empty(const std::string &text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

template <class Number>
std::optional<Number> unless_zero(std::uint64_t number) {
    return number == 0 ? std::nullopt : std::optional(static_cast<Number>(number));
}

} // namespace

// Each execution is loaded in a verb of its own and replayed outside of it, so that one is in memory at a time.
HC_FUNCTION(hc_replay_check) {
    const auto function = static_cast<Oid>(args.integer(0, "function")); // regprocedure
    const std::string type = args.text(1, "type"), predicate = args.text(2, "predicate");
    const std::int32_t most = args.integer(3, "max_executions");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const engine::ReplayCheck check = engine::make_replay_check(verb.user(), function, type, predicate, most);
    verb.finish();
    for (const core::WorkflowId &id : store::select_executions(check.type, check.predicate, check.max_executions)) {
        engine::Verb load;
        const std::optional<engine::ReplaySubject> subject = engine::find_replay_subject(load.user(), id);
        load.finish();
        if (!subject || subject->workflow_type != check.type) { // closed and dropped meanwhile
            continue;
        }
        const core::ReplayVerdict verdict = engine::check_replay(check.function, *subject);
        rows.add(id, subject->workflow_id,
                 std::string(core::to_string(core::status_after(subject->events.back().type))), verdict.ok,
                 unless_empty(verdict.problem), unless_zero<std::int64_t>(verdict.event_id),
                 unless_zero<std::int32_t>(verdict.command));
    }
    return rows.done();
}

// The executions stay locked from the first verb that locks them to the end of the caller's transaction.
HC_FUNCTION(hc_move_workflows) {
    const std::string type = args.text(0, "type"), predicate = args.text(2, "predicate");
    const std::int32_t to_version = args.integer(1, "to_version");
    const std::string options = args.json(3, "options");
    engine::Verb verb;
    engine::WorkflowMove move(verb.user(), type, to_version, predicate, options);
    const std::vector<core::WorkflowId> candidates = move.candidates();
    verb.finish();
    const std::vector<core::WorkflowId> chosen = store::select_executions_of(candidates, type, predicate);
    engine::Verb lock;
    move.lock(chosen);
    lock.finish();
    for (std::size_t i = 0; i < move.size(); ++i) {
        engine::Verb load;
        const engine::ReplaySubject subject = move.load(i);
        load.finish();
        move.judge(i, engine::check_replay(move.function(), subject));
    }
    engine::Verb write;
    move.finish();
    write.finish();
    return pg::make_int32(static_cast<std::int32_t>(move.size()));
}

HC_FUNCTION(hc_reset_workflow) {
    engine::WorkflowReset request;
    request.id = args.uuid(0, "execution_id");
    if (!args.is_null(1)) {
        request.event_id = args.bigint(1, "event_id");
    }
    request.reason = args.optional_text(2);
    request.options_json = args.json(3, "options");
    engine::Verb verb;
    const core::WorkflowId next = engine::reset_workflow(request, verb.user());
    verb.finish();
    return pg::make_uuid(next);
}

HC_FUNCTION(hc_export_history) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    engine::Verb verb;
    const core::ExecutionDocument document = engine::export_history(id, verb.user());
    verb.finish();
    return pg::make_jsonb(core::execution_json(document));
}

HC_FUNCTION(hc_import_history) {
    const core::ExecutionDocument document = core::parse_execution_json(args.large_json(0, "history"));
    engine::Verb verb;
    engine::import_history(document, verb.user());
    verb.finish();
    return pg::make_uuid(document.id);
}

HC_FUNCTION(hc_replay_history) {
    const auto function = static_cast<Oid>(args.integer(0, "function")); // regprocedure
    const std::string history = args.large_json(1, "history");           // longer than any message
    const core::Duration timeout = args.interval(2, "timeout");
    pg::ResultSet rows(args);
    engine::check_replay_timeout(timeout);
    const engine::ReplaySubject subject = engine::subject_of(core::parse_execution_json(history));
    engine::Verb verb;
    const engine::ReplayFunction callable = engine::replay_function(verb.user(), function, timeout);
    verb.finish();
    const core::ReplayVerdict verdict = engine::check_replay(callable, subject);
    rows.add(verdict.ok, unless_empty(verdict.problem), unless_zero<std::int64_t>(verdict.event_id),
             unless_zero<std::int32_t>(verdict.command));
    return rows.done();
}
