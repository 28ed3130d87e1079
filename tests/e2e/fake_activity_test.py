#!/usr/bin/python3
"""Fake activities: in a database for tests workflow functions get the answers of their activities without a worker."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main
from workflows import define, ends, events, prepare, start, status


def fake(world: World, answers: Any, name: str = "work") -> None:
    world.sql("SELECT hermes.fake_activity(%s, %s)", name, Jsonb(answers))


def settle(world: World) -> None:
    check(world.value("SELECT hermes.test_settle()"), "it settles")


def history(world: World, execution: str, event: str) -> dict[str, Any]:
    return dict(world.value("SELECT attributes FROM hermes.workflow_history(%s) WHERE event_type = %s", execution, event))


def refused(world: World) -> None:
    """any other database has none"""
    for call in ("fake_activity('work', '{\"result\": 1}')", "drop_fake_activity('work')"):
        try:
            world.sql(f"SELECT hermes.{call}")
        except psycopg.Error as error:
            equal(error.sqlstate, "55000", call)
            check("hermes.test_mode(true)" in (error.diag.message_hint or ""), f"its hint: {error.diag.message_hint}")
        else:
            raise AssertionError(f"{call} worked")
    world.sql("SELECT hermes.test_mode(true)")
    define(world, "outside", "RETURN hermes.execute_activity('work', coalesce(input->'give', 'null'), coalesce(input->'options', '{\"start_to_close\": \"1m\"}'));")


def results(world: World) -> None:
    """a result, whatever its digits; the same for each; another one after it was replaced"""
    world.sql("SELECT hermes.fake_activity('work', '{\"result\": {\"n\": 12345678901234567890.25}}')")
    executions = [start(world, "outside", {"give": i}) for i in range(20)]
    settle(world)
    for execution in executions:
        equal(world.value("SELECT (hermes.workflow_status(%s) -> 'result')::text", execution), '{"n": 12345678901234567890.25}', "result")
    equal(history(world, executions[3], "ActivityTaskStarted")["worker"], "fake", "the worker")
    fake(world, {"result": None})
    last = start(world, "outside")
    settle(world)
    equal((status(world, last)["status"], status(world, last).get("result")), ("Completed", None), "null")


def script(world: World) -> None:
    """fails twice, then works: retries with their back-offs, as time goes by; a later activity begins with the first answer again"""
    fake(world, [{"failure": {"message": "busy", "type": "Busy"}}, {"failure": {"message": "busy"}}, {"result": "at last"}])
    options = {"start_to_close": "1m", "retry": {"initial_interval": "10m", "coefficient": 2}}
    for _ in range(2):
        execution = start(world, "outside", {"options": options})
        settle(world)
        equal(world.sql("SELECT state, attempt, last_failure->>'message', worker FROM hermes.activities WHERE execution_id = %s", execution),
              [("backing_off", 2, "busy", None)], "after the first")
        world.value("SELECT hermes.test_advance('11 minutes')")
        equal(status(world, execution)["status"], "Running", "after the second")
        world.value("SELECT hermes.test_advance('20 minutes')")
        equal((status(world, execution)["status"], status(world, execution)["result"]), ("Completed", "at last"), "after the third")
        equal(history(world, execution, "ActivityTaskStarted")["attempt"]["number"], 3, "attempt")


def failures(world: World) -> None:
    """a failure is final when it says so, and has its SQLSTATE"""
    fake(world, {"failure": {"message": "card declined", "sqlstate": "K0001", "non_retryable": True, "details": {"card": 4}}})
    execution = start(world, "outside")
    settle(world)
    failure = ends(world, execution, "Failed")["failure"]
    equal((failure["sqlstate"], failure["message"]), ("K0001", "card declined"), "failure")


def functions(world: World) -> None:
    """a function gets the input, as the role that has made the fake, and cannot write; what it raises is a failure"""
    world.sql("CREATE ROLE e2e_tester LOGIN IN ROLE hermes_admin")
    world.sql("GRANT USAGE ON SCHEMA app TO e2e_tester")
    world.sql("CREATE TABLE app.seen (n int)")
    world.sql("GRANT SELECT, INSERT ON app.seen TO e2e_tester")
    world.sql("""CREATE FUNCTION app.answer(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN
        IF input->>'do' = 'write' THEN
            INSERT INTO app.seen VALUES (1);
        ELSIF input->>'do' = 'raise' THEN
            RAISE EXCEPTION 'no %', input->>'n' USING ERRCODE = 'K0002';
        ELSIF input->>'do' = 'role' THEN
            SET ROLE postgres;
        ELSIF input->>'do' = 'loop' THEN
            PERFORM pg_sleep(100);
        END IF;
        RETURN jsonb_build_object('doubled', (input->>'n')::int * 2, 'by', current_user, 'seen', (SELECT count(*) FROM app.seen));
    END $$""")
    world.sql("SET ROLE e2e_tester")
    fake(world, {"function": "app.answer(jsonb)"})
    world.sql("RESET ROLE")
    once = {"start_to_close": "1m", "retry": {"max_attempts": 1}}
    good = start(world, "outside", {"give": {"n": 21}})
    raising, writing, acting = (start(world, "outside", {"give": {"do": what, "n": 3}, "options": once}) for what in ("raise", "write", "role"))
    looping = start(world, "outside", {"give": {"do": "loop", "n": 3}, "options": once})
    settle(world)
    equal(status(world, good)["result"], {"doubled": 42, "by": "e2e_tester", "seen": 0}, "result")
    equal([ends(world, execution, "Failed")["failure"]["sqlstate"] for execution in (raising, writing, acting, looping)], ["K0002", "25006", "42501", "57014"],
          "SQLSTATEs of what it may not")
    equal(ends(world, raising, "Failed")["failure"]["message"], "no 3", "message")
    equal(world.value("SELECT count(*) FROM app.seen"), 0, "rows written")
    world.sql("DROP FUNCTION app.answer(jsonb)")
    gone = start(world, "outside", {"give": {"n": 1}, "options": once})
    settle(world)
    equal(ends(world, gone, "Failed")["failure"]["sqlstate"], "42883", "a function that was dropped")
    world.sql("DROP OWNED BY e2e_tester")
    world.sql("DROP ROLE e2e_tester")
    gone = start(world, "outside", {"give": {"n": 1}, "options": once})
    settle(world)
    equal(ends(world, gone, "Failed")["failure"]["sqlstate"], "42704", "a role that was dropped")


def delays(world: World) -> None:
    """an answer takes its time by the clock of the test; a timeout may come first, and a cancel"""
    fake(world, {"result": "slow", "delay": "2h"})
    patient = start(world, "outside", {"options": {"start_to_close": "3h"}})
    hasty = start(world, "outside", {"options": {"start_to_close": "1h", "retry": {"max_attempts": 1}}})
    canceled = start(world, "outside", {"options": {"start_to_close": "3h"}})
    settle(world)
    equal(world.sql("SELECT DISTINCT state, worker FROM hermes.activities WHERE execution_id = %s", patient), [("started", "fake")], "under way")
    world.sql("SELECT hermes.cancel_workflow(%s)", canceled)
    settle(world)
    ends(world, canceled, "Canceled")
    world.value("SELECT hermes.test_advance('90 minutes')")
    equal(status(world, patient)["status"], "Running", "before its time")
    equal(ends(world, hasty, "Failed")["failure"]["sqlstate"], "WF024", "the hasty one")
    world.value("SELECT hermes.test_advance('1 hour')")
    equal(ends(world, patient)["result"], "slow", "the patient one")
    equal(world.value("SELECT (%s::timestamptz - %s::timestamptz) BETWEEN '2 hours' AND '2 hours 1 minute'", status(world, patient)["closed_at"],
                      status(world, patient)["started_at"]), True, "its time")
    equal(world.value("SELECT count(*) FROM hermes.activity"), 0, "activities that are left")


def providers(world: World) -> None:
    """nothing is sent for a faked type of a provider; workers do not get what is faked; after the fake is gone they do"""
    world.sql("SELECT hermes.create_provider('nowhere', '{\"channel\": \"http\", \"kind\": \"http\", \"request\": {\"url\": \"http://127.0.0.1:9/\"}}')")
    world.sql("SELECT hermes.register_activity('ask', '{\"kind\": \"http\", \"provider\": \"nowhere\", \"start_to_close\": \"1m\"}')")
    define(world, "asks", "RETURN hermes.execute_activity('ask', '{}');")
    fake(world, {"result": {"status": 200}}, "ask")
    execution = start(world, "asks")
    settle(world)
    equal(ends(world, execution)["result"], {"status": 200}, "result")
    check(not any("Sent" in event for event in events(world, execution)), f"events: {events(world, execution)}")
    fake(world, [{"failure": {"message": "not now"}}])
    execution = start(world, "outside", {"give": 5, "options": {"start_to_close": "1m", "queue": "real", "retry": {"initial_interval": "1h"}}})
    settle(world)
    world.sql("SELECT hermes.drop_fake_activity('work')")
    world.value("SELECT hermes.test_advance('61 minutes')")
    equal(world.value("SELECT count(*) FROM hermes.poll_tasks('default')"), 0, "tasks of another queue")
    [(token, attempt, given)] = world.sql("SELECT token, attempt, input FROM hermes.poll_tasks('real')")
    equal((attempt, given), (2, 5), "the attempt after")
    world.sql("SELECT hermes.complete_task(%s, '\"real\"')", token)
    settle(world)
    equal(ends(world, execution)["result"], "real", "result of a worker")


if __name__ == "__main__":
    main(prepare, refused, results, script, failures, functions, delays, providers)
