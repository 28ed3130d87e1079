#!/usr/bin/python3
"""Resets to where activities and updates are under way, of functions and of programs outside of the database."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import define, ends, events, prepare, signal, start, status, wait_event

Task = dict[str, Any]


def reset(world: World, execution: str, event_id: int | None = None, **options: Any) -> str:
    return str(world.value("SELECT hermes.reset_workflow(%s, %s, NULL, %s)::text", execution, event_id, Jsonb(options)))


def take(world: World, queue: str) -> Task:
    rows = wait_until(lambda: world.sql("SELECT to_jsonb(t) FROM hermes.poll_tasks(%s) t", queue), what=f"a task of {queue}")
    return dict(rows[0][0])


def complete(world: World, task: Task, result: Any) -> None:
    world.sql("SELECT hermes.complete_task(%s, %s)", task["token"], Jsonb(result))


def stale(world: World, task: Task) -> None:
    try:
        complete(world, task, "late")
    except psycopg.Error as e:
        equal(e.sqlstate, "WF025", "SQLSTATE")
        return
    raise AssertionError("a late answer was taken")


def an_activity_at_work(world: World) -> None:
    """it is scheduled anew, with its input, from its first attempt; the answer of the old attempt is refused"""
    define(world, "works", "RETURN hermes.execute_activity('work', input->'n', '{\"queue\": \"q_work\", \"start_to_close\": \"1m\"}');")
    execution = start(world, "works", {"n": 7})
    first = take(world, "q_work")
    following = reset(world, execution)
    stale(world, first)
    second = take(world, "q_work")
    equal((second["execution_id"], second["input"], second["attempt"]), (following, 7, 1), "task")
    complete(world, second, 49)
    equal(ends(world, following)["result"], 49, "result")
    equal(events(world, following), ["WorkflowExecutionStarted", "ActivityTaskScheduled", "WorkflowExecutionOptionsUpdated", "ActivityTaskRescheduled",
                                     "ActivityTaskStarted", "ActivityTaskCompleted", "WorkflowExecutionCompleted"], "events")
    check(world.value("SELECT ok FROM hermes.replay_check('app.works(jsonb)', 'works', format('execution_id = %%L', %s::text))", following), "replays")


def an_activity_that_has_ended_since(world: World) -> None:
    """its end is no part of the kept history: it is done again; also of a closed execution, and once only"""
    define(world, "ended", "answer := hermes.execute_activity('work', input, '{\"queue\": \"q_ended\", \"start_to_close\": \"1m\"}');\n"
                           "PERFORM app.mark('got ' || (answer #>> '{}'), 'ended'); RETURN jsonb_build_array(answer, hermes.wait_signal('go', '0'));")
    execution = start(world, "ended")
    complete(world, take(world, "q_ended"), 1)
    equal(ends(world, execution)["result"], [1, None], "first")
    following = reset(world, execution, 2)
    task = take(world, "q_ended")
    signal(world, following, "other")  # another turn before its answer schedules nothing more
    wait_event(world, following, "WorkflowExecutionSignaled")
    complete(world, task, 2)
    equal(ends(world, following)["result"], [2, None], "second")
    equal(events(world, following).count("ActivityTaskRescheduled"), 1, "scheduled anew")
    # a reset of the reset, before and after it
    third = reset(world, following, 4)
    complete(world, take(world, "q_ended"), 3)
    equal(ends(world, third)["result"], [3, None], "third")


def one_that_was_asked_to_cancel(world: World) -> None:
    """an activity that the function had canceled there ends as canceled, without a worker"""
    define(world, "cancels", """
    handle := hermes.start_activity('work', '1', '{"queue": "q_cancels", "start_to_close": "1m"}');
    PERFORM hermes.wait_signal('now');
    PERFORM hermes.cancel(handle);
    BEGIN
        RETURN hermes.await(handle);
    EXCEPTION WHEN SQLSTATE 'WF020' THEN
        RETURN to_jsonb(SQLERRM);
    END;""", declare="handle bigint;")
    execution = start(world, "cancels")
    take(world, "q_cancels")
    signal(world, execution, "now")
    wait_event(world, execution, "ActivityTaskCancelRequested")
    following = reset(world, execution)
    equal(ends(world, following)["result"], "activity was canceled", "result")
    equal(world.sql("SELECT * FROM hermes.poll_tasks('q_cancels')"), [], "tasks")


def updates(world: World) -> None:
    """those accepted after the event are admitted anew, those before it stand; whoever waits is told of the new execution"""
    define(world, "sums", """
    LOOP
        u := hermes.wait_update(NULL, '1 hour');
        n := n + (u->'args'->>'n')::int;
        PERFORM hermes.set_query_result('n', to_jsonb(n));
        IF u->>'name' = 'keep' THEN CONTINUE; END IF;  -- completed never
        PERFORM hermes.complete_update(u->>'id', to_jsonb(n));
        EXIT WHEN n >= 100;
    END LOOP;
    RETURN to_jsonb(n);""", declare="u jsonb; n int := 0;", updates={"add": {}, "keep": {}})
    execution = start(world, "sums")
    def send(run: str, name: str, n: int, update: str) -> None:
        world.sql("SELECT hermes.update_workflow(%s, %s, %s, %s)", run, name, Jsonb({"n": n}), update)
    def stage(run: str, update: str) -> tuple[str, Any]:
        found = world.value("SELECT hermes.update_result(%s, %s, '0')", run, update)
        return found["stage"], found.get("result")
    send(execution, "add", 1, "u1")
    wait_event(world, execution, "WorkflowExecutionUpdateCompleted", 1)
    point = len(events(world, execution))
    send(execution, "add", 2, "u2")
    send(execution, "keep", 3, "u3")
    wait_event(world, execution, "WorkflowExecutionUpdateAccepted", 3)
    equal((stage(execution, "u2"), stage(execution, "u3")[0]), (("completed", 3), "accepted"), "before")
    following = reset(world, execution, point)
    wait_event(world, following, "WorkflowExecutionUpdateAccepted", 3)
    equal((stage(following, "u1"), stage(following, "u2")), (("completed", 1), ("completed", 3)), "after")
    equal(stage(execution, "u3")[0], "accepted", "of the old execution: it goes on as the new one")
    send(following, "add", 100, "u4")
    equal(ends(world, following)["result"], 106, "result")
    nothing = reset(world, following, point, reapply="none")
    wait_event(world, nothing, "WorkflowExecutionOptionsUpdated")
    equal(world.sql("SELECT update_id FROM hermes.execution_update WHERE execution_id = %s", nothing), [("u1",)], "updates that are not taken along")
    world.sql("SELECT hermes.terminate_workflow(%s)", nothing)


def outside(world: World) -> None:
    """of a program outside: a pending activity is scheduled anew, the end of another one counts"""
    world.sql("SELECT hermes.register_workflow_program('p_acts', '{\"task_queue\": \"p_acts\"}')")
    def poll() -> Task:
        return dict(wait_until(lambda: world.sql("SELECT to_jsonb(t) FROM hermes.poll_workflow_tasks('p_acts') t"), what="a workflow task")[0][0])
    def answer(task: Task, *commands: Task) -> None:
        check(world.value("SELECT outcome FROM hermes.complete_workflow_task(%s, %s)", task["token"], Jsonb(list(commands))) in ("completed", "closed"), "outcome")
    execution = start(world, "p_acts")
    activity = {"type": "start_activity", "activity": "a", "options": {"queue": "q_acts", "start_to_close": "1m"}}
    answer(poll(), activity | {"input": 1}, activity | {"input": 2})
    first, second = take(world, "q_acts"), take(world, "q_acts")
    complete(world, first, "one")
    answer(poll())
    following = reset(world, execution, 3)
    stale(world, second)
    task = take(world, "q_acts")
    equal((task["input"], task["execution_id"]), (2, following), "task")
    complete(world, task, "two")
    def both() -> Task | None:
        found = poll()
        ended = [event["payload"] for event in found["history"]["events"] if event["type"] == "ActivityTaskCompleted"]
        if sorted(ended) == ["one", "two"]:
            return found
        answer(found)
        return None
    answer(wait_until(both, what="both ends"), {"type": "complete_workflow"})
    ends(world, following)
    try:
        reset(world, following, 2)
        equal(status(world, following)["status"], "Completed", "status")
    except psycopg.Error as e:
        raise AssertionError(f"the ends are known: {e}") from e
    world.sql("SELECT hermes.terminate_workflow(execution_id) FROM hermes.workflows WHERE workflow_type = 'p_acts' AND status = 'Running'")


if __name__ == "__main__":
    main(prepare, an_activity_at_work, an_activity_that_has_ended_since, one_that_was_asked_to_cancel, updates, outside)
