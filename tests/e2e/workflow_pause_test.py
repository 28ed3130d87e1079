#!/usr/bin/python3
"""Pausing durable functions: one execution, a type, a tenant."""

from __future__ import annotations

import psycopg

from harness import World, check, equal, main, never, wait_until
from workflows import define, effects, ends, events, prepare as prepare_role, signal, start, status, wait_event


def prepare(world: World) -> None:
    """a role runs workflow functions over its business tables"""
    prepare_role(world)
    define(world, "steady", """
    LOOP
        answer := hermes.wait_signal('go');
        PERFORM hermes.set_query_result('last', answer);
        PERFORM app.mark('got ' || answer::text, input->>'run');
        EXIT WHEN answer::text = '9';
    END LOOP;
    RETURN answer;""")


def pause(world: World, execution: str, reason: str | None = None, request_id: str | None = None) -> str:
    return str(world.value("SELECT hermes.pause_workflow(%s, %s, %s)::text", execution, reason, request_id))


def resume(world: World, execution: str) -> str:
    return str(world.value("SELECT hermes.resume_workflow(%s, 'on again')::text", execution))


def refused(world: World, statement: str, *parameters: object) -> str:
    try:
        world.sql(statement, *parameters)
    except psycopg.Error as problem:
        return str(problem.sqlstate)
    return ""


def one(world: World) -> None:
    """signals to a paused execution are recorded, and delivered in their order after; pausing twice is refused"""
    execution = start(world, "steady", {"run": "o1"})
    wait_event(world, execution, "SignalAwaited")
    signal(world, execution, "go", 1)
    wait_until(lambda: effects(world, "o1"), what="the first effect")
    equal(pause(world, execution, "bank is down", "p1"), "applied", "pause")
    equal(pause(world, execution, "bank is down", "p1"), "duplicate", "the same request")
    equal(refused(world, "SELECT hermes.pause_workflow(%s)", execution), "55000", "paused twice")
    equal(status(world, execution)["status"], "Paused", "status")
    equal(world.value("SELECT status FROM hermes.workflows WHERE execution_id = %s", execution), "Paused", "status in the view")
    for value in (2, 3):
        signal(world, execution, "go", value)
        wait_event(world, execution, "WorkflowExecutionSignaled", value)  # recorded
    never(lambda: len(effects(world, "o1")) > 1, 0.5, "an effect while paused")
    equal(world.value("SELECT hermes.query_workflow(%s, 'last')", execution), 2, "query: up to the step that is to come")
    equal(resume(world, execution), "applied", "resume")
    wait_until(lambda: len(effects(world, "o1")) == 3, what="the effects after")
    equal(effects(world, "o1"), ["got 1", "got 2", "got 3"], "effects")
    equal(refused(world, "SELECT hermes.resume_workflow(%s)", execution), "55000", "resumed twice")
    equal(world.value("SELECT status FROM hermes.workflows WHERE execution_id = %s", execution), "Running", "status in the view")
    signal(world, execution, "go", 9)
    ends(world, execution)
    equal((pause(world, execution), resume(world, execution)), ("closed", "closed"), "of a closed one")
    found = world.sql("SELECT event_type, attributes FROM hermes.workflow_history(%s) WHERE event_type LIKE '%%aused'", execution)
    equal(found, [("WorkflowExecutionPaused", {"reason": "bank is down", "request_id": "p1"}), ("WorkflowExecutionUnpaused", {"reason": "on again"})], "events")


def timers_and_cancel(world: World) -> None:
    """timers fire and cancel requests come while it is paused; the function learns of them after"""
    define(world, "sleeper", """
    PERFORM hermes.sleep('300 ms');
    PERFORM app.mark('slept', input->>'run');
    PERFORM hermes.sleep('1 hour');
    RETURN NULL;""")
    execution = start(world, "sleeper", {"run": "t1"})
    wait_event(world, execution, "TimerStarted")
    pause(world, execution)
    wait_event(world, execution, "TimerFired")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    wait_event(world, execution, "WorkflowExecutionCancelRequested")
    never(lambda: status(world, execution)["status"] != "Paused", 0.3, "an end")
    resume(world, execution)
    ends(world, execution, "Canceled")
    equal(effects(world, "t1"), [], "effects: the cancel came before the step")


def ends_while_paused(world: World) -> None:
    """a run timeout and terminate_workflow end a paused execution; a paused one is open for its workflow id"""
    execution = start(world, "steady", {"run": "e1"}, "mine", run_timeout="600ms")
    wait_event(world, execution, "SignalAwaited")
    pause(world, execution)
    equal(refused(world, "SELECT hermes.start_workflow('steady', '{}', 'mine')"), "WF005", "another one of its id")
    wait_until(lambda: status(world, execution)["status"] == "TimedOut", what="the timeout")
    execution = start(world, "steady", {"run": "e2"})
    pause(world, execution)
    equal(str(world.value("SELECT hermes.terminate_workflow(%s)::text", execution)), "applied", "terminate")
    equal(status(world, execution)["status"], "Terminated", "status")
    equal(world.value("SELECT count(*) FROM hermes.task"), 0, "tasks left")


def before_the_first_turn(world: World) -> None:
    """paused in the transaction of its start it does nothing; a start delay is kept; a pause that is rolled back is none"""
    with world.transaction() as session:
        row = session.execute("SELECT hermes.start_workflow('steady', '{\"run\": \"b1\"}')::text").fetchone()
        assert row is not None
        session.execute("SELECT hermes.pause_workflow(%s)", row)
        session.commit()
    execution = row[0]
    signal(world, execution, "go", 9)
    wait_event(world, execution, "WorkflowExecutionSignaled")
    equal(events(world, execution), ["WorkflowExecutionStarted", "WorkflowExecutionPaused", "WorkflowExecutionSignaled"], "events")
    resume(world, execution)
    ends(world, execution)
    later = start(world, "steady", {"run": "b2"}, start_delay="1h")
    pause(world, later)
    resume(world, later)
    equal([row[0] for row in world.sql("SELECT due > now() + interval '50 min' FROM hermes.workflow_tasks WHERE execution_id = %s", later)], [True], "its turn")
    world.sql("SELECT hermes.terminate_workflow(%s)", later)
    execution = start(world, "steady", {"run": "b3"})
    wait_event(world, execution, "SignalAwaited")
    session = world.connect(autocommit=False)
    session.execute("SELECT hermes.pause_workflow(%s)", (execution,))
    signal(world, execution, "go", 9)
    session.rollback()
    session.close()
    ends(world, execution)


def types(world: World) -> None:
    """a paused type: one row, no turns of any of its executions, also of those that are started later; others go on"""
    define(world, "other", "RETURN hermes.wait_signal('go');")
    running = [start(world, "steady", {"run": f"y{n}"}) for n in range(20)]
    for execution in running:
        wait_event(world, execution, "SignalAwaited")
    rows = ("SELECT array_agg(row ORDER BY row) FROM (SELECT ('execution', ctid, xmin)::text FROM hermes.execution UNION ALL "
            "SELECT ('task', ctid, xmin)::text FROM hermes.task) t (row)")
    before = world.value(rows)
    check(world.value("SELECT hermes.pause_workflow_type('steady', 'maintenance')"), "paused")
    check(not world.value("SELECT hermes.pause_workflow_type('steady')"), "paused already")
    equal(world.sql("SELECT scope, name, reason FROM hermes.pauses WHERE until IS NULL"), [("workflow_type", "steady", "maintenance")], "pauses")
    equal(world.value(rows), before, "rows of executions and tasks, which the pause has not written")
    late = start(world, "steady", {"run": "late"})
    for execution in [*running, late]:
        signal(world, execution, "go", 9)
    for execution in [*running, late]:
        wait_event(world, execution, "WorkflowExecutionSignaled")
    other = start(world, "other")
    signal(world, other, "go", 1)
    ends(world, other)
    never(lambda: world.value("SELECT count(*) FROM app.effect WHERE run LIKE 'y%%' OR run = 'late'"), 0.5, "an effect of the paused type")
    check(world.value("SELECT hermes.pause_workflow(%s) = 'applied'", late), "paused by itself, too")
    check(world.value("SELECT hermes.resume_workflow_type('steady')"), "resumed")
    check(not world.value("SELECT hermes.resume_workflow_type('steady')"), "resumed already")
    for execution in running:
        ends(world, execution)
    equal(status(world, late)["status"], "Paused", "one that is paused by itself stays so")
    resume(world, late)
    ends(world, late)
    equal(refused(world, "SELECT hermes.pause_workflow_type('nothing')"), "42704", "unknown type")
    equal(refused(world, "SELECT hermes.resume_workflow_type('nothing')"), "42704", "unknown type")


def tenants(world: World) -> None:
    """a paused tenant has its workflow functions paused as well"""
    execution = str(world.value("SELECT hermes.start_workflow('other', '{}', NULL, 'acme')::text"))
    wait_event(world, execution, "SignalAwaited")
    world.sql("SELECT hermes.pause_tenant('acme')")
    signal(world, execution, "go", 1)
    wait_event(world, execution, "WorkflowExecutionSignaled")
    never(lambda: status(world, execution)["closed_at"], 0.3, "an end")
    world.sql("SELECT hermes.resume_tenant('acme')")
    ends(world, execution)


if __name__ == "__main__":
    main(prepare, one, timers_and_cancel, ends_while_paused, before_the_first_turn, types, tenants)
