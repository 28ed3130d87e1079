#!/usr/bin/python3
"""Durable functions and their code: faults, changes, versions, ids, timeouts, rights."""

from __future__ import annotations

import threading
import time
from collections import Counter

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, effects, ends, events, prepare, signal, start, status, wait_event


def no_effect_in_the_body(world: World) -> None:
    """the body itself is read-only: an effect outside of a step fails the turn, and is healed by a correction"""
    define(world, "direct", "INSERT INTO app.effect (run, what) VALUES (input->>'run', 'direct'); RETURN '1';")
    execution = start(world, "direct", {"run": "n1"})
    wait_until(lambda: status(world, execution)["failed_turns"] > 0, what="the failed turn")
    check("read-only" in status(world, execution)["last_failure"], f"{status(world, execution)}")
    define(world, "direct", "PERFORM app.mark('by a step', input->>'run'); RETURN '2';", in_place=True)
    equal(ends(world, execution)["result"], 2, "result after the correction")
    equal(effects(world, "n1"), ["by a step"], "effects")
    equal(events(world, execution).count("WorkflowTaskFailed"), 1, "failed turns in the history")


def faults_of_code(world: World) -> None:
    """a fault of the code never fails the execution; RAISE EXCEPTION does"""
    define(world, "faulty", "PERFORM 1 / (input->>'n')::int; RETURN '1';")
    execution = start(world, "faulty", {"n": 0})
    wait_until(lambda: status(world, execution)["failed_turns"] >= 2, what="two failed turns")
    define(world, "faulty", "RETURN '3';", in_place=True)
    equal(ends(world, execution)["result"], 3, "result")
    define(world, "raises", "RAISE EXCEPTION 'no stock' USING DETAIL = 'item 7', ERRCODE = 'P0001';")
    found = ends(world, start(world, "raises"), "Failed")
    equal(found["failure"], {"sqlstate": "P0001", "message": "no stock", "detail": "item 7"}, "failure")


def changed_code(world: World) -> None:
    """a replaced function stops its executions with a hint; a mismatch parks them with a diff; get_version lets both go on"""
    define(world, "evolving", "PERFORM app.mark('a', input->>'run'); PERFORM hermes.wait_signal('go'); RETURN '\"old\"';")
    execution = start(world, "evolving", {"run": "g1"})
    wait_event(world, execution, "SignalAwaited")
    changed = ("PERFORM app.mark('b', input->>'run'); PERFORM hermes.wait_signal('go'); RETURN '\"wrong\"';")
    define(world, "evolving", changed, register=False)
    signal(world, execution, "go")
    wait_until(lambda: "not the one that was registered" in (status(world, execution)["last_failure"] or ""), what="the digest check")
    define(world, "evolving", changed, in_place=True)
    wait_until(lambda: 'command 1 is step "mark b", the history has step "mark a"' in (status(world, execution)["last_failure"] or ""),
               what="the diff")
    define(world, "evolving", """
    PERFORM app.mark('a', input->>'run');
    IF hermes.get_version('notice', -1, 1) = 1 THEN
        PERFORM app.mark('notice', input->>'run');
    END IF;
    PERFORM hermes.wait_signal('go');
    RETURN '"new"';""", in_place=True)
    equal(ends(world, execution, timeout=30)["result"], "new", "result")
    equal(effects(world, "g1"), ["a"], "effects of an execution from before the change")
    after = start(world, "evolving", {"run": "g2"})
    signal(world, after, "go")
    ends(world, after)
    equal(effects(world, "g2"), ["a", "notice"], "effects of one from after it")


def versions_beside(world: World) -> None:
    """running executions stay with the version they were started on"""
    define(world, "pinned_v1", "PERFORM hermes.wait_signal('go'); RETURN '1';", register=False)
    define(world, "pinned_v2", "PERFORM hermes.wait_signal('go'); RETURN '2';", register=False)
    for expected, function in ((1, "pinned_v1"), (2, "pinned_v2")):
        equal(world.value(f"SELECT hermes.register_workflow('pinned', 'app.{function}(jsonb)', %s)", Jsonb({"run_as": ROLE})), expected, "version")
        if expected == 1:
            old = start(world, "pinned")
            wait_event(world, old, "SignalAwaited")
    new = start(world, "pinned")
    signal(world, old, "go")
    signal(world, new, "go")
    equal([ends(world, old)["result"], ends(world, new)["result"]], [1, 2], "results")


def workflow_ids(world: World) -> None:
    """one open execution a workflow id; conflict and reuse policies, request ids"""
    define(world, "named", "RETURN hermes.wait_signal('go');")
    first = start(world, "named", workflow_id="order-1", request_id="r1")
    try:
        start(world, "named", workflow_id="order-1")
        raise AssertionError("a second open execution of one workflow id")
    except psycopg.Error as e:
        equal(e.sqlstate, "WF005", "SQLSTATE")
    equal(start(world, "named", workflow_id="order-1", request_id="r1"), first, "the same request")
    equal(start(world, "named", workflow_id="order-1", conflict_policy="use_existing"), first, "use_existing")
    second = start(world, "named", workflow_id="order-1", conflict_policy="terminate_existing")
    ends(world, first, "Terminated")
    signal(world, second, "go", 1)
    ends(world, second)
    for policy in ("reject_duplicate", "allow_duplicate_failed_only"):
        try:
            start(world, "named", workflow_id="order-1", reuse_policy=policy)
            raise AssertionError(f"started under {policy}")
        except psycopg.Error as e:
            equal(e.sqlstate, "WF005", f"SQLSTATE under {policy}")
    third = start(world, "named", workflow_id="order-1")
    check(third not in (first, second), "a new execution")
    world.sql("SELECT hermes.terminate_workflow(%s)", third)
    start(world, "named", workflow_id="order-1", reuse_policy="allow_duplicate_failed_only")
    # ten callers at once: one execution
    found: Counter[str] = Counter()

    def caller() -> None:
        with world.connect() as session:
            row = session.execute("SELECT hermes.start_workflow('named', '{}', 'order-2', NULL, '{\"conflict_policy\": \"use_existing\"}')::text").fetchone()
            assert row is not None
            found[row[0]] += 1

    callers = [threading.Thread(target=caller) for _ in range(10)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    equal(list(found.values()), [10], "executions")


def delays_and_timeouts(world: World) -> None:
    """start_delay holds the first turn, run_timeout ends an execution without its code, task_timeout fails a turn"""
    define(world, "slow", "PERFORM hermes.wait_signal('never'); RETURN NULL;", run_timeout="200ms")
    ends(world, start(world, "slow"), "TimedOut")
    define(world, "later", "RETURN to_jsonb(clock_timestamp());")
    begin = time.monotonic()
    ends(world, start(world, "later", start_delay="300ms"))
    check(time.monotonic() - begin >= 0.3, "start_delay")
    define(world, "asks", "RETURN hermes.wait_signal('go');")
    early = start(world, "asks", start_delay="1h")
    signal(world, early, "go", 7)
    equal(ends(world, early)["result"], 7, "a signal during the delay is taken at once")
    define(world, "spins", "LOOP NULL; END LOOP;", task_timeout="100ms")
    spins = start(world, "spins")
    wait_until(lambda: "task_timeout" in (status(world, spins)["last_failure"] or ""), what="the failed turn")
    world.sql("SELECT hermes.terminate_workflow(%s)", spins)
    define(world, "long_step", "PERFORM hermes.step('nap', 'SELECT pg_sleep(30)'); RETURN NULL;", step_timeout="100ms")
    found = ends(world, start(world, "long_step"), "Failed")
    equal(found["failure"]["sqlstate"], "57014", f"{found}")


def no_end(world: World) -> None:
    """a function that records without end fails its turn at the cap of its history, and waits"""
    define(world, "endless", "LOOP PERFORM hermes.side_effect('1'); END LOOP;")
    execution = start(world, "endless")
    wait_until(lambda: "history of the execution is too long" in (status(world, execution)["last_failure"] or ""), what="the failed turn")
    check(status(world, execution)["events"] <= 50_002, "events")
    world.sql("SELECT hermes.terminate_workflow(%s)", execution)


def lock_conflict(world: World) -> None:
    """a deadlock or a serialization failure of a step is tried again, and is no failure of the execution"""
    world.sql("CREATE TABLE app.flaky (tries int NOT NULL)")
    world.sql("CREATE SEQUENCE app.tries")
    world.sql(f"GRANT USAGE ON SEQUENCE app.tries TO {ROLE}")
    define(world, "flaky", """
    RETURN hermes.step('flaky', 'DO $do$ BEGIN IF nextval(''app.tries'') < 4 THEN RAISE EXCEPTION ''conflict'' USING ERRCODE = ''40001''; END IF; END $do$; SELECT 1 AS done');""")
    equal(ends(world, start(world, "flaky"))["result"], {"done": 1}, "result")
    equal(world.value("SELECT last_value FROM app.tries"), 4, "tries")


def no_privileges(world: World) -> None:
    """a function cannot become another role, nor reach the tables of the engine; its session is as new for the next one"""
    define(world, "climber", """
    BEGIN
        PERFORM hermes.step('role', 'SET ROLE hermes_admin');
    EXCEPTION WHEN OTHERS THEN
        answer := to_jsonb(SQLSTATE);
    END;
    BEGIN
        PERFORM hermes.step('tables', 'DELETE FROM hermes.execution');
    EXCEPTION WHEN insufficient_privilege THEN
        answer := jsonb_build_array(answer, 'denied');
    END;
    PERFORM hermes.step('leave', 'SET work_mem = ''64kB''; CREATE TEMP TABLE left_over (i int)');
    RETURN answer || to_jsonb(hermes.step('look', 'SELECT current_setting(''work_mem'') AS w, to_regclass(''left_over'') IS NOT NULL AS t'));""")
    found = ends(world, start(world, "climber"))
    equal(found["result"][1], "denied", f"{found}")
    equal(found["result"][2]["w"] != "64kB", True, "settings end with their step")
    define(world, "looker", "RETURN hermes.step('look', 'SELECT to_regclass(''left_over'') IS NULL AS clean');")
    equal(ends(world, start(world, "looker"))["result"], {"clean": True}, "session of the next execution")
    world.sql("REVOKE EXECUTE ON FUNCTION app.looker(jsonb) FROM PUBLIC")
    execution = start(world, "looker")
    wait_until(lambda: "permission denied for function looker" in (status(world, execution)["last_failure"] or ""), what="the denied call")
    world.sql(f"GRANT EXECUTE ON FUNCTION app.looker(jsonb) TO {ROLE}")
    equal(ends(world, execution)["result"], {"clean": True}, "result once it may be executed again")


if __name__ == "__main__":
    main(prepare, no_effect_in_the_body, faults_of_code, changed_code, versions_beside, workflow_ids, delays_and_timeouts, no_end, lock_conflict, no_privileges)
