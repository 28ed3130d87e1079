#!/usr/bin/python3
"""The clock of a database for tests: days, months and a year go by in seconds, and no test has to sleep."""

from __future__ import annotations

import os
import signal as signals
import time
from typing import Any

import psycopg

from crashes import kill_server
from harness import World, check, equal, main, wait_until
from workflows import define, effects, ends, events, prepare, signal, start, status


def refused(world: World, statement: str, sqlstate: str, text: str = "") -> None:
    try:
        world.sql(statement)
    except psycopg.Error as error:
        equal(error.sqlstate, sqlstate, statement)
        check(text in str(error), f"{statement}: {error}")
    else:
        raise AssertionError(f"{statement} worked")


def advance(world: World, interval: str) -> Any:
    return world.value("SELECT hermes.test_advance(%s::interval)", interval)


def marked(world: World) -> None:
    """time moves only in a database that was marked for tests before anything was started in it"""
    refused(world, "SELECT hermes.test_advance('1 day')", "55000", "not for tests")
    refused(world, "SELECT hermes.test_settle()", "55000", "not for tests")
    define(world, "nothing", "RETURN NULL;")
    execution = start(world, "nothing")
    refused(world, "SELECT hermes.test_mode(true)", "55000", "has cascades or executions")
    ends(world, execution)
    refused(world, "SELECT hermes.test_mode(true)", "55000", "has cascades or executions")
    world.sql("DELETE FROM hermes.execution_closed")
    world.sql("SELECT hermes.test_mode(true)")
    world.sql("SELECT hermes.test_mode(false)")
    refused(world, "SELECT hermes.test_settle()", "55000", "not for tests")
    world.sql("SELECT hermes.test_mode(true)")
    world.sql("SELECT hermes.test_mode(true)")
    equal(world.value("SELECT hermes.test_settle()"), True, "nothing is due")


def timeout(world: World) -> None:
    """a wait of three days is over at once; its times are those of the clock"""
    define(world, "approval", """
    PERFORM app.mark('asked', input->>'run');
    answer := hermes.wait_signal('approved', '3 days');
    RETURN jsonb_build_object('got', answer, 'at', hermes.now());""")
    quiet, answered = start(world, "approval", {"run": "a1"}), start(world, "approval", {"run": "a2"})
    check(world.value("SELECT hermes.test_settle()"), "it settles")
    equal(effects(world, "a1"), ["asked"], "effects")
    began = time.monotonic()
    advance(world, "2 days 23 hours")
    equal(status(world, quiet)["status"], "Running", "an hour before")
    signal(world, answered, "approved", {"by": "ann"})
    advance(world, "2 hours")
    check(time.monotonic() - began < 10, f"it took {time.monotonic() - began} s")
    found = status(world, quiet)
    equal((found["status"], found["result"]["got"]), ("Completed", None), "its timeout")
    equal(world.value("SELECT (%s::timestamptz - %s::timestamptz) BETWEEN '3 days' AND '3 days 1 minute'", found["result"]["at"], found["started_at"]),
          True, f"hermes.now() after three days: {found}")
    equal(world.value("SELECT (%s::timestamptz - %s::timestamptz) BETWEEN '3 days' AND '3 days 1 minute'", found["closed_at"], found["started_at"]),
          True, "the time of its end")
    found = status(world, answered)
    equal((found["status"], found["result"]["got"]), ("Completed", {"by": "ann"}), "the one that was signaled")
    equal(world.value("SELECT (%s::timestamptz - %s::timestamptz) BETWEEN '2 days 23 hours' AND '2 days 23 hours 1 minute'", found["closed_at"],
                      found["started_at"]), True, "signaled an hour before")


def order(world: World) -> None:
    """what is due in a long time is done in the order in which it is due, one after the other"""
    define(world, "after", """
    PERFORM hermes.sleep((input->>'first')::interval);
    PERFORM app.mark(input->>'name', 'order');
    PERFORM hermes.sleep((input->>'then')::interval);
    PERFORM app.mark(input->>'name', 'order');
    RETURN NULL;""")
    for name, first, then in (("c", "3 days", "10 days"), ("a", "1 day", "5 days"), ("b", "2 days", "1 minute")):
        start(world, "after", {"name": name, "first": first, "then": then})
    world.value("SELECT hermes.test_settle()")
    advance(world, "30 days")
    equal(effects(world, "order"), ["a", "b", "b", "c", "a", "c"], "effects in their order")


def year(world: World) -> None:
    """a subscription is renewed twelve times in a year that takes seconds"""
    define(world, "subscription", """
    FOR month IN 1 .. (input->>'months')::int LOOP
        IF hermes.wait_signal('cancel', '30 days') IS NOT NULL THEN
            RETURN jsonb_build_object('renewals', month - 1, 'until', hermes.now());
        END IF;
        PERFORM app.mark('renewal ' || month, input->>'run');
    END LOOP;
    PERFORM hermes.continue_as_new(input);
    RETURN NULL;""", declare="month int;")
    execution = start(world, "subscription", {"run": "y1", "months": 6}, "subscription-1")
    began = time.monotonic()
    advance(world, "360 days 12 hours")
    equal(effects(world, "y1"), [f"renewal {month % 6 + 1}" for month in range(12)], "renewals of a year")
    newest = world.value("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = 'subscription-1' AND status = 'Running'")
    check(newest != execution, "two executions have ended")
    signal(world, newest, "cancel", {})
    check(world.value("SELECT hermes.test_settle()"), "it settles")
    equal(status(world, newest)["result"]["renewals"], 0, "renewals of the third")
    check(time.monotonic() - began < 30, f"it took {time.monotonic() - began} s")
    equal(world.value("SELECT hermes.test_advance('1 day') - now() > '360 days'"), True, "the server's clock stands apart")


def retries(world: World) -> None:
    """turns of failing code are tried again as time goes by, later and later"""
    world.sql("CREATE TABLE app.switch (works boolean)")
    world.sql("INSERT INTO app.switch VALUES (false)")
    world.sql("GRANT SELECT ON app.switch TO e2e_workflows")
    define(world, "flaky", "IF NOT (SELECT works FROM app.switch) THEN PERFORM 1 / 0; END IF; RETURN '\"fine\"';")
    execution = start(world, "flaky")
    world.value("SELECT hermes.test_settle()")
    equal(status(world, execution)["failed_turns"], 1, "failed turns")
    advance(world, "1 hour")
    failed = status(world, execution)["failed_turns"]
    check(12 <= failed <= 18, f"failed turns of an hour: {failed}")  # 1 + 2 + .. + 512 s, then every ten minutes
    world.sql("UPDATE app.switch SET works = true")
    advance(world, "10 minutes")
    equal(status(world, execution)["result"], "fine", "result")


def cascade(world: World) -> None:
    """timeouts of cascades obey the clock as well"""
    world.sql("SELECT hermes.create_provider('silent', '{\"kind\": \"sandbox\", \"channel\": \"pigeon\", \"script\": [{\"answer\": \"accepted\", \"receipts\": []}]}')")
    world.sql("SELECT hermes.create_cascade_rule('pigeons', '{\"steps\": [{\"channel\": \"pigeon\", \"timeout\": \"2d\"}]}')")
    identity = world.value("SELECT hermes.start_cascade('pigeons', '{\"to\": \"somebody\"}')::text")
    check(world.value("SELECT hermes.test_settle()"), "it settles")
    advance(world, "1 day")
    equal(world.value("SELECT status FROM hermes.cascades WHERE cascade_id = %s", identity), "RUNNING", "after a day")
    advance(world, "25 hours")
    equal(world.sql("SELECT status, outcome FROM hermes.cascades WHERE cascade_id = %s", identity), [("CLOSED", "EXHAUSTED")], "after two")


def waiting(world: World) -> None:
    """workers that do not come to an end are named; a transaction that has written cannot wait for them"""
    define(world, "slow", "PERFORM hermes.step('sleep', 'SELECT pg_sleep(1.5)'); PERFORM hermes.sleep('1 day'); RETURN NULL;")
    execution = start(world, "slow")
    equal(world.value("SELECT hermes.test_settle('200 ms')"), False, "while a step runs")
    refused(world, "SELECT hermes.test_advance('1 day', '200 ms')", "55000", "was not done within")
    equal(world.value("SELECT hermes.test_settle()"), True, "after it")
    equal(events(world, execution)[-1], "TimerStarted", "where it has come to")
    with world.transaction() as caller:
        caller.execute("SELECT hermes.signal_workflow(%s, 'x')", (execution,))
        for verb in ("test_advance('1 day')", "test_settle()"):
            try:
                with caller.transaction():
                    caller.execute(f"SELECT hermes.{verb}")
            except psycopg.Error as error:
                equal(error.sqlstate, "25001", verb)
            else:
                raise AssertionError(f"{verb} worked")
    for call, sqlstate in (("test_advance('-1 s')", "22023"), ("test_advance('102 years')", "22023"), ("test_advance(NULL)", "22004")):
        refused(world, f"SELECT hermes.{call}", sqlstate)
    refused(world, "SELECT hermes.test_mode(false)", "55000", "has been moved")


def start_again(world: World, *options: str) -> None:
    world.cluster.stop(*options)
    world.cluster.start()

    def answers() -> bool:
        try:
            return bool(world.value("SELECT true"))
        except psycopg.OperationalError:  # the session of before
            return False

    wait_until(answers, what="a session")


def restart(world: World) -> None:
    """the clock goes on from where it was after a restart and after a crash of the server"""
    define(world, "long", "PERFORM hermes.sleep('10 days'); RETURN to_jsonb(hermes.now());")
    execution = start(world, "long")
    before = advance(world, "6 days")
    start_again(world)
    check(advance(world, "0") >= before, "the clock after a restart")
    start_again(world, "--immediate")
    check(advance(world, "0") >= before, "the clock after a crash")
    equal(status(world, execution)["status"], "Running", "six days have gone by")
    advance(world, "5 days")
    equal(status(world, execution)["status"], "Completed", "eleven days have gone by")


def kept_first(world: World) -> None:
    """no time is told that a crash could take back: it is kept before it comes"""
    before = advance(world, "0")
    supervisor = world.worker_pid("supervisor")
    os.kill(supervisor, signals.SIGSTOP)
    try:
        refused(world, "SELECT hermes.test_advance('1 day', '200 ms')", "55000", "clock was not moved")
        equal(world.value("SELECT hermes.test_advance('0') - %s < '1 day'", before), True, "the clock without a supervisor")
    finally:
        os.kill(supervisor, signals.SIGCONT)
    told = advance(world, "2 days")
    kill_server(world)
    wait_until(lambda: bool(world.value("SELECT true")), what="a session")
    check(advance(world, "0") >= told, "the clock after a crash right after it was moved")


def activities(world: World) -> None:
    """an activity that nobody polls times out; one that backs off may be polled when its time has come"""
    define(world, "outside", "RETURN hermes.execute_activity('work', '1', input);")
    unwanted = start(world, "outside", {"queue": "clock_nobody", "schedule_to_close": "3d"})
    retried = start(world, "outside", {"queue": "clock", "start_to_close": "1m", "retry": {"initial_interval": "1d"}})
    check(world.value("SELECT hermes.test_settle()"), "it settles")
    world.sql("SELECT hermes.fail_task(token, '{\"message\": \"busy\"}') FROM hermes.poll_tasks('clock')")
    equal(world.sql("SELECT attempt FROM hermes.poll_tasks('clock')"), [], "tasks during the back-off")
    advance(world, "1 day 1 hour")
    equal(world.value("SELECT attempt FROM hermes.poll_tasks('clock')"), 2, "attempt")
    equal(status(world, unwanted)["status"], "Running", "before its time")
    advance(world, "3 days")
    equal(ends(world, unwanted, "Failed")["failure"]["sqlstate"], "WF024", "failure")
    equal(world.value("SELECT attempt FROM hermes.activities WHERE execution_id = %s", retried), 3, "attempt after its timeout")
    world.sql("SELECT hermes.terminate_workflow(%s)", retried)


if __name__ == "__main__":
    main(prepare, marked, timeout, order, year, retries, activities, cascade, waiting, restart, kept_first)
