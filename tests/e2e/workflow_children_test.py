#!/usr/bin/python3
"""Durable functions that start others, run several things at once, go on as new, and are signaled into being."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import define, effects, ends, events, prepare as prepare_role, signal, start, status, wait_event


def prepare(world: World) -> None:
    """a role runs workflow functions over its business tables"""
    prepare_role(world)
    define(world, "worker", """
    PERFORM app.mark('child ' || (input->>'n'), input->>'run');
    IF input ? 'fail' THEN
        RAISE EXCEPTION 'child % fails', input->>'n' USING ERRCODE = 'K0001';
    END IF;
    IF input ? 'wait' THEN
        answer := hermes.wait_signal('go');
    END IF;
    RETURN jsonb_build_object('n', (input->>'n')::int, 'got', answer);""")


def child_of(world: World, execution: str, number: int = 1) -> str:
    """The execution id of the nth child, once it is started."""
    def found() -> str | None:
        rows = world.sql("SELECT attributes->>'execution_id' FROM hermes.workflow_history(%s) WHERE event_type = 'ChildWorkflowExecutionStarted' "
                         "ORDER BY event_id", execution)
        return str(rows[number - 1][0]) if len(rows) >= number else None

    return str(wait_until(found, what=f"child {number} of {execution}"))


def one_child(world: World) -> None:
    """a child is started in its parent's commit, its result is the parent's; the steps of both are done once"""
    define(world, "parent", """
    PERFORM app.mark('before', input->>'run');
    answer := hermes.execute_child('worker', jsonb_build_object('n', 1, 'run', input->>'run'));
    PERFORM app.mark('after', input->>'run');
    RETURN answer;""")
    found = ends(world, start(world, "parent", {"run": "p1"}))
    equal(found["result"], {"n": 1, "got": None}, "result")
    equal(effects(world, "p1"), ["before", "child 1", "after"], "effects")
    equal(world.sql("SELECT count(*) FROM hermes.execution"), [(0,)], "open executions")


def fan_out(world: World) -> None:
    """many children at once: all are awaited, results in the order of the handles"""
    define(world, "fan", """
    FOR i IN 1..20 LOOP
        handles := handles || hermes.start_child('worker', jsonb_build_object('n', i, 'run', input->>'run'));
    END LOOP;
    answer := hermes.await_all(handles);
    RETURN (SELECT jsonb_agg(e->'n') FROM jsonb_array_elements(answer) e);""", declare="handles bigint[] := '{}';")
    found = ends(world, start(world, "fan", {"run": "f1"}))
    equal(found["result"], list(range(1, 21)), "results")
    equal(sorted(effects(world, "f1")), sorted(f"child {i}" for i in range(1, 21)), "effects")


def first_of(world: World) -> None:
    """a child races a timer: the one that is over first is told"""
    define(world, "race", """
    handles := ARRAY[hermes.start_child('worker', jsonb_build_object('n', 1, 'run', input->>'run', 'wait', true)), hermes.start_timer((input->>'patience')::interval)];
    first := hermes.await_any(handles);
    IF first = handles[2] THEN
        RETURN '"timer"';
    END IF;
    RETURN hermes.await(first);""", declare="handles bigint[]; first bigint;")
    impatient = start(world, "race", {"run": "r1", "patience": "100 ms"})
    equal(ends(world, impatient)["result"], "timer", "result")
    ends(world, child_of(world, impatient), "Terminated")  # its parent has closed
    patient = start(world, "race", {"run": "r2", "patience": "1 hour"})
    child = child_of(world, patient)
    wait_event(world, child, "SignalAwaited")
    signal(world, child, "go", "now")
    equal(ends(world, patient)["result"], {"n": 1, "got": "now"}, "result")
    equal(world.value("SELECT count(*) FROM hermes.task WHERE workflow_id = %s", patient), 0, "timers left")


def failing_children(world: World) -> None:
    """a child's failure is raised in its parent with its SQLSTATE; one that cannot be started, or is ended, too"""
    define(world, "careful", """
    BEGIN
        PERFORM hermes.execute_child(input->>'type', jsonb_build_object('n', 1, 'run', input->>'run') || (input->'child'), input->>'id');
    EXCEPTION WHEN OTHERS THEN
        RETURN jsonb_build_array(SQLSTATE, SQLERRM);
    END;
    RETURN '"no failure"';""")
    found = ends(world, start(world, "careful", {"type": "worker", "child": {"fail": True}, "run": "x1"}))
    equal(found["result"], ["K0001", "child 1 fails"], "failure")
    found = ends(world, start(world, "careful", {"type": "nothing", "child": {}, "run": "x2"}))
    equal(found["result"][0], "42704", f"{found}")
    taken = start(world, "worker", {"n": 5, "run": "x3", "wait": True}, workflow_id="taken")
    found = ends(world, start(world, "careful", {"type": "worker", "child": {}, "id": "taken", "run": "x3"}))
    equal(found["result"][0], "WF005", f"{found}")
    world.sql("SELECT hermes.terminate_workflow(%s)", taken)
    waiting = start(world, "careful", {"type": "worker", "child": {"wait": True}, "run": "x4"})
    child = child_of(world, waiting)
    wait_event(world, child, "SignalAwaited")
    world.sql("SELECT hermes.terminate_workflow(%s, 'by hand')", child)
    equal(ends(world, waiting)["result"][0], "WF022", "failure")
    # not handled, it is the parent's failure
    define(world, "careless", "RETURN hermes.execute_child('worker', input);")
    found = ends(world, start(world, "careless", {"n": 9, "fail": True, "run": "x5"}), "Failed")
    equal(found["failure"]["sqlstate"], "K0001", f"{found}")


def parent_close(world: World) -> None:
    """what becomes of a child when its parent closes first: terminated, asked to cancel, or left alone"""
    define(world, "leaves", """
    PERFORM hermes.start_child('worker', jsonb_build_object('n', 1, 'run', input->>'run', 'wait', true), NULL,
                               jsonb_build_object('parent_close_policy', input->>'policy'));
    PERFORM hermes.wait_signal('leave');
    RETURN NULL;""")
    for policy, end in (("terminate", "Terminated"), ("request_cancel", "Canceled"), ("abandon", None)):
        parent = start(world, "leaves", {"run": policy, "policy": policy})
        child = child_of(world, parent)
        wait_event(world, child, "SignalAwaited")
        signal(world, parent, "leave")
        ends(world, parent)
        if end is not None:
            ends(world, child, end)
        else:
            equal(status(world, child)["status"], "Running", "child that was left alone")
            signal(world, child, "go", 1)
            ends(world, child)
    # terminated by a client, too
    parent = start(world, "leaves", {"run": "t", "policy": "terminate"})
    child = child_of(world, parent)
    world.sql("SELECT hermes.terminate_workflow(%s)", parent)
    ends(world, child, "Terminated")
    # a run that another one follows has closed as well
    define(world, "follows", """
    IF NOT input ? 'second' THEN
        PERFORM hermes.start_child('worker', '{"n": 1, "run": "follows", "wait": true}');
        PERFORM hermes.wait_signal('leave');
        IF input ? 'fail' THEN
            RAISE EXCEPTION 'again' USING ERRCODE = 'K0001';
        END IF;
        PERFORM hermes.continue_as_new('{"second": true}');
    END IF;
    RETURN NULL;""")
    for data, end in (({}, "ContinuedAsNew"), ({"fail": True}, "Failed")):
        parent = start(world, "follows", data, retry={"initial_interval": "1h"})
        child = child_of(world, parent)
        wait_event(world, child, "SignalAwaited")
        signal(world, parent, "leave")
        ends(world, parent, end)
        ends(world, child, "Terminated")


def continued(world: World) -> None:
    """continue_as_new begins a fresh history under the same workflow id; signals that were not taken go with it"""
    define(world, "counter", """
    IF (input->>'n')::int >= 3 THEN
        RETURN jsonb_build_object('n', (input->>'n')::int, 'item', hermes.wait_signal('item'));
    END IF;
    PERFORM app.mark('run ' || (input->>'n'), input->>'run');
    PERFORM hermes.wait_signal('next');
    PERFORM hermes.continue_as_new(input || jsonb_build_object('n', (input->>'n')::int + 1));
    RETURN '"not reached"';""")
    first = start(world, "counter", {"n": 1, "run": "n1"}, workflow_id="counter-1")
    signal(world, first, "item", "kept")
    signal(world, first, "next")
    equal(ends(world, first, "ContinuedAsNew")["events"] > 3, True, "events of the first")

    def current() -> str:
        return str(world.value("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = 'counter-1' ORDER BY started_at DESC, execution_id DESC LIMIT 1"))

    wait_until(lambda: current() != first, what="the second run")
    second = current()
    equal(world.value("SELECT attributes->>'execution_id' FROM hermes.workflow_history(%s) WHERE event_type = 'WorkflowExecutionContinuedAsNew'", first), second,
          "the next one")
    signal(world, second, "next")
    ends(world, second, "ContinuedAsNew")
    wait_until(lambda: current() not in (first, second), what="the third run")
    equal(ends(world, current())["result"], {"n": 3, "item": "kept"}, "result")
    equal(effects(world, "n1"), ["run 1", "run 2"], "effects")
    # the parent of one that continues as new hears of its last run only
    define(world, "parent_of_counter", "RETURN hermes.execute_child('counter', input);")
    parent = start(world, "parent_of_counter", {"n": 2, "run": "n2"})
    child = child_of(world, parent)
    wait_event(world, child, "SignalAwaited")
    signal(world, child, "item", "first")
    signal(world, child, "next")
    equal(ends(world, parent)["result"], {"n": 3, "item": "first"}, "result of the last run")


def started_by_a_signal(world: World) -> None:
    """signal_with_start reaches the open execution of an id, or starts one: no signal is lost, whoever races"""
    define(world, "cart", """
    LOOP
        answer := hermes.wait_signal('add', '100 ms');
        EXIT WHEN answer IS NULL;
        PERFORM app.mark('item ' || (answer #>> '{}'), 'cart');
    END LOOP;
    RETURN NULL;""")
    with world.connect() as session:
        for item in range(60):
            session.execute("SELECT hermes.signal_with_start('cart', 'cart-7', 'add', %s)", (Jsonb(item),))
            if item % 20 == 19:
                wait_until(lambda: world.value("SELECT count(*) FROM hermes.workflows WHERE workflow_id = 'cart-7' AND status = 'Running'") == 0,
                           what="the end of the cart")
    wait_until(lambda: len(effects(world, "cart")) == 60, what="all items")
    equal(effects(world, "cart"), [f"item {item}" for item in range(60)], "items")
    check(world.value("SELECT count(*) FROM hermes.workflows WHERE workflow_id = 'cart-7'") >= 3, "executions")
    try:
        world.sql("SELECT hermes.signal_with_start('cart', 'cart-8', 'add', '1', '{}', NULL, '{\"conflict_policy\": \"fail\"}')")
        raise AssertionError("conflict_policy fail")
    except psycopg.Error as e:
        equal(e.sqlstate, "22023", "SQLSTATE")


def canceled_with_children(world: World) -> None:
    """a cancel is delivered in an await; the clean-up sees to what was started"""
    define(world, "saga", """
    child := hermes.start_child('worker', jsonb_build_object('n', 1, 'run', input->>'run', 'wait', true));
    BEGIN
        RETURN hermes.await(child);
    EXCEPTION WHEN SQLSTATE 'WF020' THEN
        PERFORM app.mark('compensate', input->>'run');
        RAISE;
    END;""", declare="child bigint;")
    execution = start(world, "saga", {"run": "s1"})
    child = child_of(world, execution)
    wait_event(world, child, "SignalAwaited")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    ends(world, execution, "Canceled")
    ends(world, child, "Terminated")
    equal(effects(world, "s1"), ["child 1", "compensate"], "effects")
    equal(events(world, execution)[-1], "WorkflowExecutionCanceled", "last event")


SCENARIOS: list[Any] = [prepare, one_child, fan_out, first_of, failing_children, parent_close, continued, started_by_a_signal, canceled_with_children]

if __name__ == "__main__":
    main(*SCENARIOS)
