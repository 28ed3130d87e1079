#!/usr/bin/python3
"""kill -9 at every event of an order saga: steps, a timer, a child, a signal, compensations. What comes out, and the
history, are as without the kill, and each effect is there once.

Of its points: crashes.py."""

from __future__ import annotations

import psycopg

from crashes import chosen, kill_server, life_of, patiently, stopped_executor, wait_restarted
from harness import World, equal, main, wait_until
from workflows import ROLE, define, effects, events, prepare as prepare_role, start, status

SAMPLE = 4
STEPS = ("reserve", "charge", "receipt", "ship", "refund", "release", "tell")
EVENTS = ("TimerStarted", "ChildWorkflowExecutionStarted", "SignalAwaited", "WorkflowExecutionSignaled")
POINTS = [f"{when} {step}" for step in STEPS for when in ("before", "after")] + [f"at {event}" for event in EVENTS]
EFFECTS = ["reserve", "charge", "receipt", "refund", "release", "tell"]
HISTORY = ["WorkflowExecutionStarted", "StepCompleted", "TimerStarted", "TimerFired", "ChildWorkflowExecutionStarted", "ChildWorkflowExecutionCompleted",
           "SignalAwaited", "WorkflowExecutionSignaled", "StepFailed", "StepCompleted", "StepCompleted", "StepCompleted", "WorkflowExecutionCompleted"]


def prepare(world: World) -> None:
    """an order saga whose steps can be stopped before and after their effect; without a kill it does what it should"""
    prepare_role(world)
    # waits while somebody holds the lock of this point
    world.sql("CREATE FUNCTION app.trap(point text) RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(hashtextextended(point, 0)) $$")
    world.sql("CREATE FUNCTION app.act(run text, what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM app.trap(run || ' before ' || what); "
              "INSERT INTO app.effect (run, what) VALUES (run, what); PERFORM app.trap(run || ' after ' || what); END $$")
    world.sql("CREATE FUNCTION app.refuse() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'no carrier' USING ERRCODE = 'K0001'; END $$")
    world.sql(f"GRANT USAGE ON SCHEMA app TO {ROLE}")

    def act(step: str) -> str:
        return f"'SELECT app.act($1->>''run'', ''{step}'')', input"

    define(world, "charging", f"""
    PERFORM hermes.step('charge', {act('charge')});
    PERFORM hermes.sleep('20 ms');
    PERFORM hermes.step('receipt', {act('receipt')});
    RETURN '"paid"';""")
    define(world, "ordering", f"""
    PERFORM hermes.step('reserve', {act('reserve')});
    PERFORM hermes.add_compensation('release', {act('release')});
    PERFORM hermes.sleep('50 ms');
    answer := hermes.execute_child('charging', input);
    PERFORM hermes.add_compensation('refund', {act('refund')});
    packed := hermes.wait_signal('packed');
    BEGIN
        PERFORM hermes.step('ship', 'SELECT app.act($1->>''run'', ''ship''), app.refuse()', input);
    EXCEPTION WHEN SQLSTATE 'K0001' THEN
        PERFORM hermes.compensate();
    END;
    PERFORM hermes.step('tell', {act('tell')});
    RETURN jsonb_build_object('child', answer, 'packed', packed);""", declare="packed jsonb;")
    run(world, "reference", "", world.kill)


def has_event(world: World, execution: str, kind: str) -> bool:
    return bool(patiently(world, "SELECT EXISTS (SELECT FROM hermes.workflow_history(%s) WHERE event_type = %s)", execution, kind))


def run(world: World, name: str, point: str, kill: object) -> None:
    """One execution, with a kill at the point; judged when it has ended."""
    assert callable(kill)
    trap = None
    if point.startswith(("before ", "after ")):
        trap = world.connect()
        trap.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"{name} {point}",))
    execution = start(world, "ordering", {"run": name})
    wanted = point.removeprefix("at ")
    early = trap is not None and point.split()[1] in ("reserve", "charge", "receipt")
    if early or wanted in EVENTS[:3]:
        strike(world, execution, wanted, trap, kill)
    wait_until(lambda: has_event(world, execution, "SignalAwaited"), 30, "the wait for the signal", interval=0.05)
    patiently(world, "SELECT hermes.signal_workflow(%s, 'packed', '7', 'once')::text", execution)
    if point and not early and wanted not in EVENTS[:3]:
        strike(world, execution, wanted, trap, kill)
    wait_until(lambda: patiently(world, "SELECT hermes.workflow_status(%s)->>'closed_at' IS NOT NULL", execution), 30, f"the end after a kill {point}: {events(world, execution)}", interval=0.05)
    equal(effects(world, name), EFFECTS, f"effects after a kill {point}")
    found = status(world, execution)
    equal((found["status"], found["result"]), ("Completed", {"child": "paid", "packed": 7}), f"end after a kill {point}")
    equal(events(world, execution), HISTORY, f"history after a kill {point}")
    equal(world.sql("SELECT (SELECT count(*) FROM hermes.execution), (SELECT count(*) FROM hermes.task WHERE kind >= 7)"), [(0, 0)], f"left after a kill {point}")


def strike(world: World, execution: str, event: str, trap: psycopg.Connection | None, kill: object) -> None:
    assert callable(kill)
    before = life_of(world)
    if trap is not None:
        victim = stopped_executor(world)
        kill(victim)
        trap.close()
    else:
        wait_until(lambda: has_event(world, execution, event), 30, event, interval=0.005)
        kill(world.worker_pid("executor"))

    wait_restarted(world, before)


def executor(world: World) -> None:
    """kill -9 of the executor at points of the saga: result, history and effects are those without a kill"""
    for point in chosen("executor", POINTS, SAMPLE):
        run(world, f"executor {point}", point, world.kill)


def postmaster(world: World) -> None:
    """kill -9 of the postmaster at points of the saga: result, history and effects are those without a kill"""
    for point in chosen("postmaster", POINTS, SAMPLE):
        run(world, f"postmaster {point}", point, lambda _victim: kill_server(world))


if __name__ == "__main__":
    main(prepare, executor, postmaster)
