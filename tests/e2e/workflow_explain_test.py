#!/usr/bin/python3
"""What an execution waits for, as an operator is told."""

from __future__ import annotations

from typing import Any

import psycopg

from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, ends, prepare, signal, start, status


def explain(world: World, execution: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in world.sql("SELECT subject, state, detail, hint, since, due FROM hermes.explain_workflow(%s)", execution)]


def row(world: World, execution: str, subject: str) -> tuple[Any, ...]:
    found = [row for row in explain(world, execution) if row[0] == subject]
    check(len(found) == 1, f"{subject}: {explain(world, execution)}")
    return found[0]


def waits(world: World, execution: str, subject: str, state: str) -> tuple[Any, ...]:
    wait_until(lambda: any(row[:2] == (subject, state) for row in explain(world, execution)), 20, f"{subject} {state}: {explain(world, execution)}")
    return row(world, execution, subject)


def signals(world: World) -> None:
    """the signal, its timeout and the call that sends it; then how it ended"""
    define(world, "approval", "RETURN hermes.wait_signal('approved', '3 days');")
    execution = start(world, "approval", {}, "order-7")
    found = waits(world, execution, 'signal "approved"', "awaited")
    equal(world.value("SELECT %s::timestamptz - %s::timestamptz BETWEEN '71 hours' AND '73 hours'", found[5], found[4]), True, "its timeout")
    equal(row(world, execution, "execution")[1:3], ("Running", "approval version 1, 2 events, workflow id order-7"), "execution")
    world.sql(f"SELECT {found[3]}")
    ends(world, execution)
    equal([line[:2] for line in explain(world, execution)], [("execution", "Completed")], "after its end")


def failing(world: World) -> None:
    """a turn that fails: how often, how, when it is tried again; a function that is not the one of its history"""
    define(world, "broken", "PERFORM hermes.wait_signal('go'); PERFORM 1 / (input->>'n')::int; RETURN NULL;")
    execution = start(world, "broken", {"n": 0})
    waits(world, execution, 'signal "go"', "awaited")
    signal(world, execution, "go", {})
    found = waits(world, execution, "turn", "failed")
    check("22012" in found[2] and "times in a row" in found[2], f"detail: {found[2]}")
    check("Correct the function" in found[3] and found[4] is not None and found[5] is not None, f"hint: {found}")
    check(not any(line[0].startswith("signal") for line in explain(world, execution)), "the signal was taken")
    define(world, "broken", "PERFORM hermes.sleep('1 day'); RETURN NULL;", in_place=True)
    wait_until(lambda: "WF021" in (row(world, execution, "turn")[2] or ""), 30, "nondeterminism")
    check("replay_check" in row(world, execution, "turn")[3], f"hint: {row(world, execution, 'turn')}")
    world.sql("SELECT hermes.terminate_workflow(%s, 'enough')", execution)
    equal(explain(world, execution)[0][1], "Terminated", "state")
    check(explain(world, execution)[0][2].endswith("reason: enough"), f"{explain(world, execution)}")
    define(world, "raises", "RAISE EXCEPTION 'no stock' USING ERRCODE = 'K0001';")
    failed = start(world, "raises")
    ends(world, failed, "Failed")
    check("K0001: no stock" in explain(world, failed)[0][2], f"{explain(world, failed)}")


def several(world: World) -> None:
    """children, timers, activities and conditions, each with what can be done"""
    world.sql("CREATE TABLE app.explained (n int)")
    world.sql("GRANT SELECT ON app.explained TO " + ROLE)
    world.sql("SELECT hermes.watch_table('app.explained')")
    define(world, "child_waits", "RETURN hermes.wait_signal('end');")
    define(world, "several", """
    PERFORM hermes.start_child('child_waits', '{}'), hermes.start_timer('1 hour'),
            hermes.start_activity('outside', '1', '{"queue": "explain", "start_to_close": "1h", "activity_id": "a-1"}');
    PERFORM hermes.wait_until('EXISTS (SELECT FROM app.explained)', '{app.explained}', '{}', '2 days');
    RETURN hermes.wait_signal('end');""")
    execution = start(world, "several")
    found = waits(world, execution, "condition", "awaited")
    check("explained" in found[2] and found[5] is not None, f"condition: {found}")
    child = row(world, execution, 'child "child_waits"')
    equal(child[1], "Running", "child")
    check(any(line[0] == 'signal "end"' for line in world.sql(f"SELECT * FROM {child[3]}")), "the child explained by its hint")
    equal(row(world, execution, "timer")[1], "running", "timer")
    found = row(world, execution, 'activity "outside"')
    equal(found[1:3], ("scheduled", 'attempt 1, queue "explain"'), "activity")
    check("poll_tasks" in found[3], f"hint: {found[3]}")
    world.sql("SELECT hermes.pause_activity_queue('explain')")
    equal(row(world, execution, 'activity "outside"')[3], "hermes.resume_activity_queue('explain')", "hint of a paused queue")
    world.sql("SELECT hermes.resume_activity_queue('explain')")
    world.sql("SELECT hermes.fail_task(token, '{\"message\": \"busy\", \"next_retry_delay\": \"1h\"}') FROM hermes.poll_tasks('explain', 'w1')")
    found = row(world, execution, 'activity "outside"')
    equal(found[1:3], ("backing off", 'attempt 2, queue "explain", the one before failed: busy'), "backing off")
    world.sql(f"SELECT {found[3].split('by ')[-1]}")
    world.sql("SELECT FROM hermes.poll_tasks('explain', 'w1')")
    equal(row(world, execution, 'activity "outside"')[1:3], ("started", 'attempt 1, queue "explain", worker "w1", the one before failed: busy'), "started")
    world.sql("SELECT hermes.pause_activity(%s, 'a-1')", execution)
    world.sql("SELECT hermes.fail_activity(%s, 'a-1', '{\"message\": \"busy\"}')", execution)
    found = row(world, execution, 'activity "outside"')
    equal(found[1], "paused", "paused")
    world.sql(f"SELECT {found[3]}")
    world.sql("INSERT INTO app.explained VALUES (1)")
    waits(world, execution, 'signal "end"', "awaited")
    world.sql("SELECT hermes.terminate_workflow(%s)", execution)


def held(world: World) -> None:
    """pauses, of the execution, its type and its tenant; cancel requests; a role that cannot log in any more"""
    define(world, "held", "RETURN hermes.wait_signal('go');")
    execution = str(world.value("SELECT hermes.start_workflow('held', '{}', NULL, 'acme')::text"))
    waits(world, execution, 'signal "go"', "awaited")
    world.sql("SELECT hermes.pause_workflow(%s, 'looking')", execution)
    world.sql("SELECT hermes.pause_workflow_type('held', 'all')")
    world.sql("SELECT hermes.pause_tenant('acme')")
    equal(row(world, execution, "execution")[1], "Paused", "state")
    for subject, reason in (("pause", "reason: looking"), ("pause of the workflow type", "reason: all"), ("pause of the tenant", None)):
        found = row(world, execution, subject)
        equal(found[1:3], ("in force", reason), subject)
        world.sql(f"SELECT {found[3]}")
    check(not any("pause" in line[0] for line in explain(world, execution)), f"after the resumes: {explain(world, execution)}")
    world.sql("CREATE ROLE e2e_explained LOGIN IN ROLE hermes_app")
    world.sql("GRANT USAGE ON SCHEMA app TO e2e_explained")
    define(world, "locked_out", "RETURN hermes.wait_signal('go');", run_as="e2e_explained")
    execution = start(world, "locked_out")
    waits(world, execution, 'signal "go"', "awaited")
    world.sql("ALTER ROLE e2e_explained NOLOGIN")
    signal(world, execution, "go", {})
    found = waits(world, execution, "executor", "none can run")
    check("e2e_explained" in found[2], f"detail: {found[2]}")
    equal(row(world, execution, "signal")[1], "not taken yet", "the signal")
    world.sql("ALTER ROLE e2e_explained LOGIN")
    ends(world, execution, timeout=60)


def tenants(world: World) -> None:
    """another tenant's execution is one that does not exist"""
    execution = str(world.value("SELECT hermes.start_workflow('held', '{}', NULL, 'other')::text"))
    world.sql("CREATE ROLE e2e_reader LOGIN IN ROLE hermes_monitor")
    for role, known in (("e2e_reader", False), ("postgres", True)):
        with world.transaction(role) as session:
            try:
                session.execute("SELECT * FROM hermes.explain_workflow(%s)", (execution,))
            except psycopg.Error as error:
                equal((error.sqlstate, known), ("WF001", False), role)
            else:
                check(known, f"{role} is told")
    world.sql("SELECT hermes.cancel_workflow(%s, 'no more')", execution)
    ends(world, execution, "Canceled")
    equal(status(world, execution)["status"], "Canceled", "status")


if __name__ == "__main__":
    main(prepare, signals, failing, several, held, tenants)
