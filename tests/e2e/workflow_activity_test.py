#!/usr/bin/python3
"""Activities of durable functions that external workers do: polled, answered, retried, timed out, paused, canceled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import define, effects, ends, events, prepare as prepare_role, restarted, start, status, wait_event

WORKER = "e2e_worker"


def prepare(world: World) -> None:
    """a worker role that polls, and a function that does one activity"""
    prepare_role(world)
    world.sql(f"CREATE ROLE {WORKER} LOGIN IN ROLE hermes_app")
    world.sql(f"GRANT USAGE ON SCHEMA app TO {WORKER}")
    world.sql(f"GRANT INSERT ON app.effect TO {WORKER}")
    define(world, "one", "RETURN hermes.execute_activity('work', input->'data', input->'options');")


def begin(world: World, queue: str, data: Any = None, workflow_id: str | None = None, **options: Any) -> str:
    return start(world, "one", {"data": data, "options": {"queue": queue, "start_to_close": "1m"} | options}, workflow_id)


def poll(world: World, queue: str, count: int = 1, lease: str | None = None, worker: str = "w1") -> list[dict[str, Any]]:
    rows = world.sql("SELECT to_jsonb(t) FROM hermes.poll_tasks(%s, %s, %s, %s::interval) t", queue, worker, count, lease)
    return [row[0] for row in rows]


def take(world: World, queue: str, lease: str | None = None) -> dict[str, Any]:
    return wait_until(lambda: poll(world, queue, lease=lease), what=f"a task of {queue}")[0]


def complete(world: World, task: dict[str, Any], result: Any = None) -> None:
    world.sql("SELECT hermes.complete_task(%s, %s)", task["token"], Jsonb(result))


def fail(world: World, task: dict[str, Any], **failure: Any) -> None:
    world.sql("SELECT hermes.fail_task(%s, %s)", task["token"], Jsonb({"message": "it failed"} | failure))


def stale(world: World, task: dict[str, Any]) -> None:
    try:
        complete(world, task)
    except psycopg.Error as e:
        equal(e.sqlstate, "WF025", "SQLSTATE")
        return
    raise AssertionError("a late answer was taken")


def pending(world: World, execution: str) -> dict[str, Any]:
    rows = world.sql("SELECT to_jsonb(a) FROM hermes.activities a WHERE execution_id = %s", execution)
    equal(len(rows), 1, "pending activities")
    return dict(rows[0][0])


def completes(world: World) -> None:
    """a task carries its input; its result is what the function gets; a second answer is refused"""
    execution = begin(world, "q_complete", {"amount": 30})
    task = take(world, "q_complete")
    equal((task["activity"], task["input"], task["attempt"], task["execution_id"]), ("work", {"amount": 30}, 1, execution), "task")
    complete(world, task, {"paid": True})
    equal(ends(world, execution)["result"], {"paid": True}, "result")
    stale(world, task)
    equal(events(world, execution), ["WorkflowExecutionStarted", "ActivityTaskScheduled", "ActivityTaskStarted", "ActivityTaskCompleted",
                                     "WorkflowExecutionCompleted"], "events")
    attributes = world.value("SELECT attributes FROM hermes.workflow_history(%s) WHERE event_type = 'ActivityTaskStarted'", execution)
    equal((attributes["worker"], attributes["attempt"]["number"]), ("w1", 1), "started")
    equal(world.sql("SELECT count(*) FROM hermes.activity"), [(0,)], "activities left")


def in_one_transaction(world: World) -> None:
    """poll, effect and answer in one transaction: rolled back, nothing has happened; committed, all has"""
    execution = begin(world, "q_once")
    wait_event(world, execution, "ActivityTaskScheduled")
    connection = world.connect(user=WORKER, autocommit=False)
    try:
        for outcome in ("rollback", "commit"):
            row = connection.execute("SELECT token FROM hermes.poll_tasks('q_once')").fetchone()
            check(row is not None, "no task")
            connection.execute("INSERT INTO app.effect (run, what) VALUES ('once', 'done')")
            connection.execute("SELECT hermes.complete_task(%s, '1')", (row[0],))
            getattr(connection, outcome)()
    finally:
        connection.close()
    equal(ends(world, execution)["result"], 1, "result")
    equal(effects(world, "once"), ["done"], "effects")


def retries(world: World) -> None:
    """a failed attempt is followed by another, with what the one before told; a stale token is refused"""
    execution = begin(world, "q_retry", retry={"initial_interval": "50ms", "max_attempts": 3})
    first = take(world, "q_retry")
    world.sql("SELECT hermes.heartbeat_task(%s, '{\"done\": 7}')", first["token"])
    fail(world, first, type="Busy")
    equal(pending(world, execution)["attempt"], 2, "attempt")
    second = take(world, "q_retry")
    equal((second["attempt"], second["heartbeat"], second["last_failure"]["type"]), (2, {"done": 7}, "Busy"), "second attempt")
    stale(world, first)
    fail(world, second)
    fail(world, take(world, "q_retry"), details={"code": 9})
    failure = ends(world, execution, "Failed")["failure"]
    equal((failure["sqlstate"], failure["message"]), ("WF023", "it failed"), "failure")
    equal(json.loads(failure["detail"]), {"type": "", "attempt": 3, "retry_state": "MaximumAttemptsReached", "details": {"code": 9}}, "detail")
    equal(events(world, execution).count("ActivityTaskStarted"), 1, "started events")


def not_retryable(world: World) -> None:
    """a failure that is not to be retried reaches the function at once, with its SQLSTATE, and may be handled"""
    define(world, "handles", """
    BEGIN
        answer := hermes.execute_activity('work', '{}', '{"queue": "q_final", "start_to_close": "1m"}');
    EXCEPTION WHEN SQLSTATE 'K0007' THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        RETURN jsonb_build_object('handled', SQLERRM, 'type', detail::jsonb->>'type');
    END;
    RETURN answer;""", declare="detail text;")
    execution = start(world, "handles")
    fail(world, take(world, "q_final"), sqlstate="K0007", type="CardError", non_retryable=True, message="declined")
    equal(ends(world, execution)["result"], {"handled": "declined", "type": "CardError"}, "result")


def start_to_close(world: World) -> None:
    """an attempt that takes too long is followed by another; the last one is a timeout of the function's"""
    execution = begin(world, "q_slow", start_to_close="200ms", retry={"initial_interval": "10ms", "max_attempts": 2})
    first = take(world, "q_slow")
    second = take(world, "q_slow")
    equal(second["attempt"], 2, "attempt")
    stale(world, first)
    failure = ends(world, execution, "Failed")["failure"]
    equal((failure["sqlstate"], failure["message"]), ("WF024", "activity timed out: StartToClose"), "failure")
    equal(events(world, execution)[-2:], ["ActivityTaskTimedOut", "WorkflowExecutionFailed"], "events")


def schedule_to_start(world: World) -> None:
    """nobody takes it in time: never retried"""
    failure = ends(world, begin(world, "q_nobody", schedule_to_start="100ms"), "Failed")["failure"]
    equal(failure["message"], "activity timed out: ScheduleToStart", "failure")


def schedule_to_close(world: World) -> None:
    """all attempts together take too long: the failure of the last one is the cause"""
    execution = begin(world, "q_all", schedule_to_close="600ms", retry={"initial_interval": "10ms", "coefficient": 1})
    fail(world, take(world, "q_all"), message="first")
    take(world, "q_all")
    failure = ends(world, execution, "Failed")["failure"]
    detail = json.loads(failure["detail"])
    check(detail["timeout"] in ("ScheduleToClose", "StartToClose"), f"timeout of {detail}")
    equal(failure["sqlstate"], "WF024", "failure")
    second = begin(world, "q_all2", schedule_to_close="2s", start_to_close="1s", retry={"initial_interval": "10s"})
    fail(world, take(world, "q_all2"), message="no time left")
    failure = ends(world, second, "Failed")["failure"]
    check(failure["message"].startswith("Not enough time"), failure["message"])
    equal(json.loads(failure["detail"])["cause"]["message"], "no time left", "cause")


def heartbeat(world: World) -> None:
    """a worker that is silent loses its task; one that tells that it lives keeps it"""
    execution = begin(world, "q_beat", heartbeat="400ms", retry={"initial_interval": "10ms"})
    task = take(world, "q_beat")
    for beat in range(5):
        world.sql("SELECT pg_sleep(0.2)")
        world.sql("SELECT hermes.heartbeat_task(%s, %s)", task["token"], Jsonb({"beat": beat}))
    equal(poll(world, "q_beat"), [], "tasks while it lives")
    again = take(world, "q_beat")
    equal((again["attempt"], again["heartbeat"]), (2, {"beat": 4}), "second attempt")
    complete(world, again)
    ends(world, execution)


def lease(world: World) -> None:
    """a lease of the worker's own is a heartbeat timeout"""
    execution = begin(world, "q_lease", retry={"initial_interval": "10ms"})
    first = take(world, "q_lease", lease="200 ms")
    second = take(world, "q_lease")
    equal(second["attempt"], 2, "attempt")
    stale(world, first)
    complete(world, second, "late but right")
    equal(ends(world, execution)["result"], "late but right", "result")


def two_workers(world: World) -> None:
    """two worker processes, one of them killed in the middle: every activity is done, each result once"""
    define(world, "many", """
    FOR i IN 1..40 LOOP
        handles := handles || hermes.start_activity('square', to_jsonb(i), '{"queue": "q_two", "start_to_close": "1s", "retry": {"initial_interval": "10ms"}}');
    END LOOP;
    RETURN hermes.await_all(handles);""", declare="handles bigint[] := '{}';")
    execution = start(world, "many")
    workers = [subprocess.Popen([sys.executable, str(Path(__file__).parent / "activity_worker.py"), world.cluster.dsn(WORKER), "q_two", name],
                                stdout=subprocess.PIPE, text=True) for name in ("a", "b")]
    try:
        def done(least: int) -> bool:
            return int(world.value("SELECT count(*) FROM app.effect WHERE run = 'two'")) >= least
        wait_until(lambda: done(5), what="some activities")
        workers[0].kill()
        equal(ends(world, execution, timeout=60)["result"], [i * i for i in range(1, 41)], "results")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    equal(sorted(int(what) for what in effects(world, "two")), [i * i for i in range(1, 41)], "effects")
    names = {row[0] for row in world.sql("SELECT DISTINCT attributes->>'worker' FROM hermes.workflow_history(%s) "
                                         "WHERE event_type = 'ActivityTaskStarted'", execution)}
    check("b" in names, f"workers {names}")


def priority_and_fairness(world: World) -> None:
    """priority goes first; keys of one priority take turns, by their weights"""
    define(world, "crowd", """
    FOR k, w, n IN VALUES ('big', 1, 6), ('small', 1, 2), ('heavy', 2, 4) LOOP
        FOR i IN 1..n LOOP
            handles := handles || hermes.start_activity('work', to_jsonb(k), jsonb_build_object('queue', 'q_fair', 'start_to_close', '1m',
                'fairness_key', k, 'fairness_weight', w));
        END LOOP;
    END LOOP;
    handles := handles || hermes.start_activity('work', '"urgent"', '{"queue": "q_fair", "start_to_close": "1m", "priority": 1}');
    RETURN hermes.await_all(handles);""", declare="handles bigint[] := '{}'; k text; w int; n int;")
    execution = start(world, "crowd")
    wait_event(world, execution, "ActivityTaskScheduled", 13)
    order = []
    while tasks := poll(world, "q_fair"):
        order.append(tasks[0]["input"])
        complete(world, tasks[0])
    equal(order[0], "urgent", "first")
    turn = order[1:9]
    check(turn.count("small") == 2 and turn.count("heavy") >= 3 and turn.count("big") <= 3, f"order {order}")
    ends(world, execution)


def rate_limit(world: World) -> None:
    """a queue hands out what its rate lets go, and nothing while it is paused"""
    world.sql("SELECT hermes.alter_activity_queue('q_rate', '{\"rate\": 0.001, \"burst\": 2}')")
    executions = [begin(world, "q_rate") for _ in range(3)]
    for execution in executions:
        wait_event(world, execution, "ActivityTaskScheduled")
    tasks = poll(world, "q_rate", 10)
    equal((len(tasks), poll(world, "q_rate", 10)), (2, []), "tasks of a burst")
    world.sql("SELECT hermes.alter_activity_queue('q_rate', '{}')")
    world.sql("SELECT hermes.pause_activity_queue('q_rate')")
    equal(poll(world, "q_rate", 10), [], "tasks of a paused queue")
    world.sql("SELECT hermes.resume_activity_queue('q_rate')")
    tasks += poll(world, "q_rate", 10)
    equal(len(tasks), 3, "tasks")
    for task in tasks:
        complete(world, task)
    for execution in executions:
        ends(world, execution)


def canceled_in_the_queue(world: World) -> None:
    """a cancel of the workflow ends an activity that no worker has"""
    execution = begin(world, "q_cancel1")
    wait_event(world, execution, "ActivityTaskScheduled")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    ends(world, execution, "Canceled")
    check("ActivityTaskCanceled" in events(world, execution), "event")
    equal(poll(world, "q_cancel1"), [], "tasks")


def canceled_at_work(world: World) -> None:
    """the worker is told by its heartbeat; the function waits for it when it wants to"""
    execution = begin(world, "q_cancel2", cancellation="wait", retry={"initial_interval": "10ms"})
    task = take(world, "q_cancel2")
    try:
        world.sql("SELECT hermes.cancel_task(%s)", task["token"])
        raise AssertionError("a cancel that nobody asked for was taken")
    except psycopg.Error as e:
        equal(e.sqlstate, "55000", "SQLSTATE")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    wait_until(lambda: world.value("SELECT cancel_requested FROM hermes.heartbeat_task(%s)", task["token"]), what="the request")
    equal(status(world, execution)["status"], "Running", "status")
    world.sql("SELECT hermes.cancel_task(%s, '\"cleaned up\"')", task["token"])
    ends(world, execution, "Canceled")


def abandoned(world: World) -> None:
    """an activity that is let be goes on after the cancel, and its late answer is refused once the workflow is over"""
    execution = begin(world, "q_cancel3", cancellation="abandon")
    task = take(world, "q_cancel3")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    ends(world, execution, "Canceled")
    stale(world, task)


def left_behind(world: World) -> None:
    """continue_as_new leaves activities and timers behind: they are over, and late answers are refused"""
    define(world, "moves_on", """
    IF NOT input ? 'second' THEN
        PERFORM hermes.start_activity('work', '1', '{"queue": "q_left", "start_to_close": "1m"}'), hermes.start_timer('1 hour'),
                hermes.start_activity('work', '2', '{"queue": "q_nobody_left", "start_to_close": "1m"}');
        PERFORM hermes.wait_signal('go');
        PERFORM hermes.continue_as_new('{"second": true}');
    END IF;
    RETURN '"moved on"';""")
    execution = start(world, "moves_on", workflow_id="moves-on")
    task = take(world, "q_left")
    world.sql("SELECT hermes.signal_workflow(%s, 'go')", execution)
    ends(world, execution, "ContinuedAsNew")
    stale(world, task)
    equal((poll(world, "q_nobody_left"), world.sql("SELECT count(*) FROM hermes.activity WHERE execution_id = %s", execution)), ([], [(0,)]), "activities")
    equal(world.sql("SELECT kind FROM hermes.workflow_tasks WHERE execution_id = %s", execution), [], "timers")
    newest = str(world.value("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = 'moves-on' ORDER BY execution_id DESC LIMIT 1"))
    equal(ends(world, newest)["result"], "moved on", "the next run")


def canceled_by_handle(world: World) -> None:
    """the function cancels one of what it has started, and goes on with the other"""
    define(world, "picks", """
    first := hermes.start_activity('work', '1', '{"queue": "q_pick", "start_to_close": "1m"}');
    second := hermes.start_activity('work', '2', '{"queue": "q_pick", "start_to_close": "1m"}');
    timer := hermes.start_timer('1 hour');
    PERFORM hermes.cancel(first);
    PERFORM hermes.cancel(timer);
    FOREACH handle IN ARRAY ARRAY[first, timer] LOOP
        BEGIN
            PERFORM hermes.await(handle);
        EXCEPTION WHEN SQLSTATE 'WF020' THEN
            answer := coalesce(answer, '[]') || to_jsonb(SQLERRM);
        END;
    END LOOP;
    RETURN answer || hermes.await(second);""", declare="first bigint; second bigint; timer bigint; handle bigint;")
    execution = start(world, "picks")
    task = take(world, "q_pick")
    equal(task["input"], 2, "what is left")
    complete(world, task, "two")
    equal(ends(world, execution)["result"], ["activity was canceled", "timer was canceled", "two"], "result")


def by_id(world: World) -> None:
    """completed by its id, also while it backs off"""
    execution = begin(world, "q_id", activity_id="charge-7", retry={"initial_interval": "1h"})
    task = take(world, "q_id")
    equal(task["activity_id"], "charge-7", "id")
    fail(world, task)
    equal(pending(world, execution)["state"], "backing_off", "state")
    world.sql("SELECT hermes.complete_activity(%s, 'charge-7', '\"by hand\"')", execution)
    equal(ends(world, execution)["result"], "by hand", "result")


def paused(world: World) -> None:
    """a paused activity is not handed out, and its timeouts do not pass; one at work may complete or waits after it"""
    execution = begin(world, "q_pause", activity_id="p", schedule_to_start="1s", retry={"initial_interval": "10ms"})
    wait_event(world, execution, "ActivityTaskScheduled")
    world.sql("SELECT hermes.pause_activity(%s, 'p')", execution)
    equal((poll(world, "q_pause"), pending(world, execution)["deadline"]), ([], None), "paused")
    world.sql("SELECT hermes.update_activity_options(%s, 'p', '{\"schedule_to_start\": null}')", execution)
    world.sql("SELECT hermes.resume_activity(%s, 'p')", execution)
    task = take(world, "q_pause")
    world.sql("SELECT hermes.pause_activity(%s, 'p')", execution)
    equal(world.value("SELECT pause_requested FROM hermes.heartbeat_task(%s)", task["token"]), True, "told")
    fail(world, task)
    equal((pending(world, execution)["state"], pending(world, execution)["attempt"]), ("paused", 2), "after the attempt")
    world.sql("SELECT hermes.reset_activity(%s, 'p')", execution)
    task = take(world, "q_pause")
    equal(task["attempt"], 1, "attempt after the reset")
    complete(world, task)
    ends(world, execution)


def wrong_options(world: World) -> None:
    """options that are wrong fail the turn, never the execution; corrected, it goes on"""
    define(world, "wrong", "RETURN hermes.execute_activity('work', '{}', '{\"queue\": \"q_wrong\"}');")
    execution = start(world, "wrong")
    wait_until(lambda: status(world, execution)["failed_turns"] > 0, what="a failed turn")
    check("22023" in status(world, execution)["last_failure"], status(world, execution)["last_failure"])
    equal(status(world, execution)["status"], "Running", "status")
    world.sql("SELECT hermes.register_activity('work', '{\"start_to_close\": \"1m\"}')")
    complete(world, take(world, "q_wrong"), 1)
    ends(world, execution)
    world.sql("SELECT hermes.drop_activity('work')")


def tenants(world: World) -> None:
    """a worker gets activities of its tenants only, and may not answer for others"""
    execution = str(world.value("SELECT hermes.start_workflow('one', %s, NULL, 'acme')::text",
                                Jsonb({"data": 1, "options": {"queue": "q_tenant", "start_to_close": "1m"}})))
    wait_event(world, execution, "ActivityTaskScheduled")
    connection = world.connect(user=WORKER)
    try:
        equal(connection.execute("SELECT * FROM hermes.poll_tasks('q_tenant')").fetchall(), [], "of another tenant")
        task = take(world, "q_tenant")
        try:
            connection.execute("SELECT hermes.complete_task(%s, '1')", (task["token"],))
            raise AssertionError("an answer for another tenant was taken")
        except psycopg.Error as e:
            equal(e.sqlstate, "WF025", "SQLSTATE")
    finally:
        connection.close()
    complete(world, task)
    ends(world, execution)


def kills(world: World) -> None:
    """kill -9 of the server's processes between schedule, poll and answer: each activity is answered once"""
    define(world, "kill_many", """
    FOR i IN 1..10 LOOP
        answer := hermes.execute_activity('square', to_jsonb(i), '{"queue": "q_kill", "start_to_close": "1m", "retry": {"initial_interval": "10ms"}}');
        PERFORM app.mark('got ' || (answer #>> '{}'), input->>'run');
    END LOOP;
    RETURN answer;""")
    execution = start(world, "kill_many", {"run": "killed"})
    for n in range(1, 11):
        if n in (3, 7):
            supervisor = world.worker_pid("supervisor")
            world.kill(world.worker_pid("executor"))
            wait_until(lambda: restarted(world, supervisor), 60, "the server")
        task = wait_until(lambda: safe_poll(world, "q_kill"), 60, f"task {n}")
        complete(world, task, n * n)
    equal(ends(world, execution, timeout=60)["result"], 100, "result")
    equal(effects(world, "killed"), [f"got {n * n}" for n in range(1, 11)], "effects")


def safe_poll(world: World, queue: str) -> dict[str, Any] | None:
    try:
        tasks = poll(world, queue)
    except psycopg.Error:
        return None  # the server restarts
    return tasks[0] if tasks else None


if __name__ == "__main__":
    main(prepare, completes, in_one_transaction, retries, not_retryable, start_to_close, schedule_to_start, schedule_to_close, heartbeat, lease,
         two_workers, priority_and_fairness, rate_limit, canceled_in_the_queue, canceled_at_work, abandoned, left_behind, canceled_by_handle, by_id, paused,
         wrong_options, tenants, kills)
