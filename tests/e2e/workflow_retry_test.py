#!/usr/bin/python3
"""Durable functions whose runs are retried, and whose runs and executions have a timeout."""

from __future__ import annotations

from typing import Any

from harness import World, check, equal, main, wait_until
from workflows import define, effects, ends, events, prepare as prepare_role, signal, start, status, wait_event


def prepare(world: World) -> None:
    """a role runs workflow functions over its business tables"""
    prepare_role(world)
    # marks its attempt; fails as often as it is told
    define(world, "flaky", """
    tries := (hermes.step('try', 'INSERT INTO app.effect (run, what) SELECT $1->>''run'', ''try '' || count(*) + 1 FROM app.effect WHERE run = $1->>''run'' RETURNING what', input)->>'what');
    IF input ? 'sleep' THEN
        PERFORM hermes.sleep((input->>'sleep')::interval);
    END IF;
    IF substr(tries, 5)::int <= (input->>'fail')::int THEN
        RAISE EXCEPTION 'not yet: %', tries USING ERRCODE = coalesce(input->>'code', 'K0001');
    END IF;
    RETURN jsonb_build_object('tries', tries);""", declare="tries text;")


def runs(world: World, first: str) -> list[dict[str, Any]]:
    """The runs of an execution, from the first to the newest."""
    found = [status(world, first)]
    while "next_execution_id" in found[-1]:
        found.append(status(world, found[-1]["next_execution_id"]))
    return found


def last_ends(world: World, first: str, word: str, timeout: float = 20) -> list[dict[str, Any]]:
    wait_until(lambda: runs(world, first)[-1]["status"] != "Running", timeout, f"the end of the last run of {first}")
    found = runs(world, first)
    equal(found[-1]["status"], word, f"status of {found}")
    return found


def retry_state(world: World, execution: str) -> Any:
    return world.value("SELECT attributes->>'retry_state' FROM hermes.workflow_history(%s) ORDER BY event_id DESC LIMIT 1", execution)


def retried(world: World) -> None:
    """a run that fails is followed by others with its input and workflow id, until one completes; intervals grow"""
    first = start(world, "flaky", {"run": "r1", "fail": 3}, "retried", retry={"initial_interval": "100ms", "coefficient": 3})
    found = last_ends(world, first, "Completed")
    equal([run["status"] for run in found], ["Failed", "Failed", "Failed", "Completed"], "statuses")
    equal([run.get("attempt", 1) for run in found], [1, 2, 3, 4], "attempts")
    equal({run["first_execution_id"] for run in found[1:]}, {first}, "first execution")
    equal({run["workflow_id"] for run in found}, {"retried"}, "workflow ids")
    equal(found[-1]["result"], {"tries": "try 4"}, "result")
    equal(effects(world, "r1"), ["try 1", "try 2", "try 3", "try 4"], "effects")
    equal(found[0]["failure"]["sqlstate"], "K0001", "failure of the first")
    equal([retry_state(world, run["execution_id"]) for run in found[:3]], ["InProgress"] * 3, "retry states")
    gaps = world.sql("""SELECT extract(epoch FROM b.event_time - a.closed_at) FROM hermes.workflows a, hermes.workflow_history(%s) b
                        WHERE a.execution_id = %s AND b.event_type = 'StepCompleted'""", found[3]["execution_id"], found[2]["execution_id"])
    check(float(gaps[0][0]) >= 0.9, f"the third interval is {gaps}")


def limits(world: World) -> None:
    """attempts end; what is not to be tried again is not; without a policy nothing is; a type may have one"""
    policy = {"initial_interval": "50ms", "max_attempts": 2}
    found = last_ends(world, start(world, "flaky", {"run": "l1", "fail": 9}, retry=policy), "Failed")
    equal((len(found), retry_state(world, found[1]["execution_id"])), (2, "MaximumAttemptsReached"), "runs")
    found = last_ends(world, start(world, "flaky", {"run": "l2", "fail": 9}, retry=policy | {"non_retryable": ["K0001"]}), "Failed")
    equal((len(found), retry_state(world, found[0]["execution_id"])), (1, "NonRetryableFailure"), "runs")
    found = last_ends(world, start(world, "flaky", {"run": "l3", "fail": 9, "code": "K0999"}, retry=policy | {"non_retryable": ["K0"]}), "Failed")
    equal(len(found), 1, "runs, class not retryable")
    found = last_ends(world, start(world, "flaky", {"run": "l4", "fail": 9}), "Failed")
    equal((len(found), retry_state(world, found[0]["execution_id"])), (1, None), "runs without a policy")
    define(world, "flaky_type", """
    PERFORM app.mark('try', input->>'run');
    RAISE EXCEPTION 'no' USING ERRCODE = 'K0001';""", retry={"initial_interval": "50ms", "max_attempts": 3})
    found = last_ends(world, start(world, "flaky_type", {"run": "l5"}), "Failed")
    equal((len(found), effects(world, "l5")), (3, ["try"] * 3), "runs of a type with a policy")
    found = last_ends(world, start(world, "flaky_type", {"run": "l6"}, retry={"max_attempts": 1}), "Failed")
    equal(len(found), 1, "the policy of the start counts")


def run_timeouts(world: World) -> None:
    """a run that runs out of time is retried, each run with its own timeout; it goes on to the runs of continue_as_new"""
    first = start(world, "flaky", {"run": "t1", "fail": 0, "sleep": "1 hour"}, run_timeout="300ms", retry={"initial_interval": "50ms", "max_attempts": 3})
    found = last_ends(world, first, "TimedOut")
    equal([run["status"] for run in found], ["TimedOut"] * 3, "statuses")
    equal(effects(world, "t1"), ["try 1", "try 2", "try 3"], "effects")
    define(world, "long_loop", """
    IF (input->>'n')::int = 0 THEN
        PERFORM hermes.sleep('1 hour');
    END IF;
    PERFORM hermes.continue_as_new(input || jsonb_build_object('n', (input->>'n')::int - 1));""")
    found = last_ends(world, start(world, "long_loop", {"n": 2}, run_timeout="300ms"), "TimedOut")
    equal([run["status"] for run in found], ["ContinuedAsNew", "ContinuedAsNew", "TimedOut"], "statuses")


def execution_timeouts(world: World) -> None:
    """the timeout of an execution is over all of its runs: retries and continue_as_new"""
    first = start(world, "flaky", {"run": "e1", "fail": 99}, execution_timeout="700ms", retry={"initial_interval": "200ms", "coefficient": 1})
    found = last_ends(world, first, "Failed")
    check(2 <= len(found) <= 4, f"runs: {len(found)}")
    equal(retry_state(world, found[-1]["execution_id"]), "Timeout", "state of the last")
    equal({run["expires_at"] for run in found}, {found[0]["expires_at"]}, "expirations")
    first = start(world, "flaky", {"run": "e2", "fail": 0, "sleep": "1 hour"}, execution_timeout="500ms", run_timeout="200ms",
                  retry={"initial_interval": "50ms", "coefficient": 1})
    found = last_ends(world, first, "TimedOut")
    check(len(found) in (2, 3), f"runs: {len(found)}")
    define(world, "endless", "PERFORM hermes.sleep('100 ms'); PERFORM hermes.continue_as_new(input);", execution_timeout="600ms")
    found = last_ends(world, start(world, "endless"), "TimedOut")
    check(len(found) >= 3, f"runs: {len(found)}")
    equal({run["expires_at"] for run in found}, {found[0]["expires_at"]}, "expirations")


def children(world: World) -> None:
    """a parent is told of the last run only; a child that is between two runs is ended with its parent"""
    define(world, "parent", """
    answer := hermes.execute_child('flaky', input, NULL, '{"retry": {"initial_interval": "50ms", "max_attempts": 3}}');
    RETURN answer;""")
    found = ends(world, start(world, "parent", {"run": "c1", "fail": 2}))
    equal(found["result"], {"tries": "try 3"}, "result")
    equal(effects(world, "c1"), ["try 1", "try 2", "try 3"], "effects")
    found = ends(world, start(world, "parent", {"run": "c2", "fail": 9}), "Failed")
    equal(effects(world, "c2"), ["try 1", "try 2", "try 3"], "effects")
    equal(found["failure"]["message"], "not yet: try 3", "failure")
    define(world, "leaves", """
    PERFORM hermes.start_child('flaky', input, NULL, '{"retry": {"initial_interval": "50ms"}}');
    answer := hermes.wait_signal('end');
    RETURN NULL;""")
    parent = start(world, "leaves", {"run": "c3", "fail": 1, "sleep": "300 ms"})
    child = str(wait_until(lambda: world.value("SELECT max(attributes->>'execution_id') FROM hermes.workflow_history(%s)", parent), what="the child"))
    wait_until(lambda: status(world, child)["status"] == "Failed", what="the first run")
    signal(world, parent, "end")
    ends(world, parent)
    last_ends(world, child, "Terminated")


def signals_and_cancels(world: World) -> None:
    """signals that were not taken go to the next run and do not make it come early; one whose cancel was asked for ends"""
    define(world, "takes", """
    answer := hermes.wait_signal('a');
    PERFORM app.mark('got ' || answer::text, input->>'run');
    IF answer::text = '1' THEN
        RAISE EXCEPTION 'again' USING ERRCODE = 'K0001';
    END IF;
    RETURN answer;""")
    first = start(world, "takes", {"run": "s1"}, "signals", retry={"initial_interval": "700ms"})
    wait_event(world, first, "SignalAwaited")
    with world.transaction() as session:
        for value in ("1", "2"):
            session.execute("SELECT hermes.signal_workflow(%s, 'a', %s)", (first, value))
        session.commit()
    wait_until(lambda: status(world, first)["status"] == "Failed", what="the first run")
    second = runs(world, first)[1]["execution_id"]
    signal(world, second, "a", 3)
    found = last_ends(world, first, "Completed")
    equal(found[1]["result"], 2, "result")
    equal(effects(world, "s1"), ["got 1", "got 2"], "effects")
    waited = world.value("SELECT extract(epoch FROM b.closed_at - a.closed_at) FROM hermes.workflows a, hermes.workflows b "
                         "WHERE a.execution_id = %s AND b.execution_id = %s", first, second)
    check(float(waited) >= 0.7, f"the second run came after {waited} s")
    define(world, "fails_when_canceled", """
    BEGIN
        PERFORM hermes.sleep('1 hour');
    EXCEPTION WHEN SQLSTATE 'WF020' THEN
        RAISE EXCEPTION 'cannot clean up' USING ERRCODE = 'K0001';
    END;""", retry={})
    execution = start(world, "fails_when_canceled")
    wait_event(world, execution, "TimerStarted")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    found = last_ends(world, execution, "Failed")
    equal((len(found), retry_state(world, execution)), (1, "CancelRequested"), "runs")
    between = start(world, "flaky", {"run": "s2", "fail": 9}, retry={"initial_interval": "1h", "max_interval": "1h"})
    wait_until(lambda: len(runs(world, between)) == 2, what="the second run")
    second = runs(world, between)[1]["execution_id"]
    world.sql("SELECT hermes.cancel_workflow(%s)", second)  # does not wait for the hour
    ends(world, second, "Canceled")
    third = start(world, "flaky", {"run": "s3", "fail": 9}, retry={"initial_interval": "1h", "max_interval": "1h"})
    wait_until(lambda: len(runs(world, third)) == 2, what="the second run")
    world.sql("SELECT hermes.terminate_workflow(%s)", runs(world, third)[1]["execution_id"])
    last_ends(world, third, "Terminated")
    equal(events(world, runs(world, third)[1]["execution_id"]), ["WorkflowExecutionStarted", "WorkflowExecutionTerminated"], "events")


if __name__ == "__main__":
    main(prepare, retried, limits, run_timeouts, execution_timeouts, children, signals_and_cancels)
