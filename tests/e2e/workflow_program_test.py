#!/usr/bin/python3
"""Programs outside of the database: their workflow tasks are polled, answered, refused, lost and found again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import define, ends, events, prepare as prepare_role, signal, start, status, wait_event

WORKER = "e2e_program_worker"
Task = dict[str, Any]


def prepare(world: World) -> None:
    """program types of one queue each, and the role of their workers"""
    prepare_role(world)
    world.sql(f"CREATE ROLE {WORKER} LOGIN IN ROLE hermes_app")
    world.sql(f"GRANT USAGE ON SCHEMA app TO {WORKER}")
    world.sql(f"GRANT INSERT ON app.effect TO {WORKER}")


def program(world: World, name: str, **options: Any) -> None:
    world.sql("SELECT hermes.register_workflow_program(%s, %s)", name, Jsonb({"task_queue": name} | options))


def poll(world: World, queue: str, count: int = 1, lease: str | None = None, worker: str = "w1", **options: Any) -> list[Task]:
    rows = world.sql("SELECT to_jsonb(t) FROM hermes.poll_workflow_tasks(%s, %s, %s, %s::interval, %s) t", queue, worker, count, lease, Jsonb(options))
    return [row[0] for row in rows]


def take(world: World, queue: str, **more: Any) -> Task:
    return wait_until(lambda: poll(world, queue, **more), what=f"a workflow task of {queue}")[0]


def answer(world: World, task: Task, *commands: Task) -> tuple[str, Any]:
    return world.sql("SELECT outcome, failure FROM hermes.complete_workflow_task(%s, %s)", task["token"], Jsonb(list(commands)))[0]


def taken(world: World, task: Task, *commands: Task) -> None:
    equal(answer(world, task, *commands), ("completed", None), "outcome")


def closes(world: World, task: Task, *commands: Task) -> None:
    equal(answer(world, task, *commands), ("closed", None), "outcome")


def stale(world: World, task: Task) -> None:
    try:
        answer(world, task)
    except psycopg.Error as e:
        equal(e.sqlstate, "WF025", "SQLSTATE")
        return
    raise AssertionError("a late answer was taken")


def kinds(task: Task) -> list[str]:
    return [event["type"] for event in task["history"]["events"]]


def history_in_commands_out(world: World) -> None:
    """the first task has the input; commands become events; what they lead to comes in the next task"""
    program(world, "p_first")
    execution = start(world, "p_first", {"n": 7}, "id-1")
    task = take(world, "p_first")
    equal((task["execution_id"], task["workflow_type"], task["version"], task["workflow_id"], task["attempt"], task["previous_event"], task["updates"]),
          (execution, "p_first", 1, "id-1", 1, 0, []), "task")
    equal((task["history"]["input"], kinds(task)), ({"n": 7}, ["WorkflowExecutionStarted"]), "history")
    equal(poll(world, "p_first"), [], "tasks while a worker has it")
    taken(world, task, {"type": "start_timer", "duration": "10ms"}, {"type": "record_marker", "name": "m", "value": {"x": 1.50}})
    stale(world, task)
    task = take(world, "p_first")
    equal((kinds(task)[1:], task["previous_event"]), (["TimerStarted", "MarkerRecorded", "TimerFired"], 1), "second task")
    closes(world, task, {"type": "complete_workflow", "result": {"ok": True}})
    equal(ends(world, execution)["result"], {"ok": True}, "result")
    stale(world, task)
    equal(world.sql("SELECT count(*) FROM hermes.program_task"), [(0,)], "rows left")


def only_new_events(world: World) -> None:
    """a worker that has completed the task before may get what is new alone; another one gets all"""
    program(world, "p_new")
    execution = start(world, "p_new")
    taken(world, take(world, "p_new", history="new"), {"type": "start_timer", "duration": "1h"})
    signal(world, execution, "a", 1)
    task = take(world, "p_new", history="new")
    equal([(event["event_id"], event["type"]) for event in task["history"]["events"]], [(2, "TimerStarted"), (3, "WorkflowExecutionSignaled")], "new events")
    taken(world, task)
    signal(world, execution, "b", 2)
    task = take(world, "p_new", worker="w2", history="new")
    equal((kinds(task)[0], task["previous_event"]), ("WorkflowExecutionStarted", 3), "history of another worker")
    closes(world, task, {"type": "complete_workflow"})


def refuses_to_close(world: World) -> None:
    """a signal that the worker has not seen: the close is refused, nothing of its answer is taken, the task is there again"""
    program(world, "p_refuse")
    execution = start(world, "p_refuse")
    task = take(world, "p_refuse")
    signal(world, execution, "late", 1)
    equal(answer(world, task, {"type": "start_timer", "duration": "1h"}, {"type": "complete_workflow"}), ("refused", None), "outcome")
    task = take(world, "p_refuse")
    equal((kinds(task), task["attempt"]), (["WorkflowExecutionStarted", "WorkflowExecutionSignaled"], 1), "task")
    signal(world, execution, "later", 2)
    taken(world, task, {"type": "start_timer", "duration": "1h"})
    task = take(world, "p_refuse")
    equal(kinds(task)[2:], ["TimerStarted", "WorkflowExecutionSignaled"], "a signal that came meanwhile stands after the commands")
    closes(world, task, {"type": "complete_workflow"})
    equal(ends(world, execution)["events"], 5, "events")


def a_close_waits_for_a_sender(world: World) -> None:
    """a sender that has not committed is waited for; its signal is seen"""
    program(world, "p_sender")
    execution = start(world, "p_sender")
    task = take(world, "p_sender")
    connection = world.connect(autocommit=False)
    try:
        connection.execute("SELECT hermes.signal_workflow(%s, 's')", (execution,))
        code = ("import sys, psycopg\nwith psycopg.connect(sys.argv[1]) as c:\n"
                "    print(c.execute('SELECT outcome FROM hermes.complete_workflow_task(%s, %s)', (sys.argv[2], '[{\"type\": \"complete_workflow\"}]')).fetchone()[0])")
        worker = subprocess.Popen([sys.executable, "-c", code, world.cluster.dsn(WORKER), task["token"]], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: world.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'", WORKER) == 1,
                   what="the worker waits")
        connection.commit()
        equal(worker.communicate(timeout=20)[0].strip(), "refused", "outcome")
    finally:
        connection.close()
    closes(world, take(world, "p_sender"), {"type": "complete_workflow"})


def wrong_commands(world: World) -> None:
    """an answer with a wrong command changes nothing; the task is there again later; the first failure of a row is an event"""
    program(world, "p_wrong")
    execution = start(world, "p_wrong")
    timer = {"type": "start_timer", "duration": "1h"}
    outcome, failure = answer(world, take(world, "p_wrong"), timer, {"type": "start_activity", "activity": "x"})
    equal((outcome, failure["sqlstate"], failure["message"]), ("failed", "22023", "invalid workflow command"), "first")
    check(failure["detail"].startswith("$[1].options has neither"), failure["detail"])
    equal(events(world, execution), ["WorkflowExecutionStarted", "WorkflowTaskFailed"], "events")
    equal(poll(world, "p_wrong"), [], "tasks during the back-off")
    task = take(world, "p_wrong")
    equal(task["attempt"], 2, "attempt")
    outcome, failure = answer(world, task, timer | {"command": 2})
    equal((outcome, failure["sqlstate"]), ("failed", "WF021"), "second")
    equal(events(world, execution).count("WorkflowTaskFailed"), 1, "failures in the history")
    signal(world, execution, "hurry")  # what is new does not wait for the back-off
    task = take(world, "p_wrong")
    equal((task["attempt"], kinds(task)[-1]), (3, "WorkflowExecutionSignaled"), "third")
    world.sql("SELECT hermes.fail_workflow_task(%s, '{\"message\": \"KeyError\"}')", task["token"])
    check("KeyError" in status(world, execution)["last_failure"], "failure")
    taken(world, take(world, "p_wrong"), timer | {"command": 1})
    equal(status(world, execution)["failed_turns"], 0, "failures in a row")
    world.sql("SELECT hermes.terminate_workflow(%s)", execution)


def lost_worker(world: World) -> None:
    """a worker that is silent loses its task to another one; its late answer is refused"""
    program(world, "p_lost")
    execution = start(world, "p_lost")
    first = take(world, "p_lost", lease="200 ms", worker="a")
    second = take(world, "p_lost", worker="b", lease="1 minute")
    equal((second["attempt"], kinds(second)), (2, ["WorkflowExecutionStarted", "WorkflowTaskFailed"]), "second attempt")
    stale(world, first)
    equal(world.sql("SELECT claimed, worker, tries FROM hermes.workflow_tasks WHERE execution_id = %s", execution), [(True, "b", 1)], "view")
    closes(world, second, {"type": "complete_workflow"})
    ends(world, execution)


def nothing_is_open_and_all_rolls_back(world: World) -> None:
    """what the worker writes with its answer is one commit with it"""
    program(world, "p_txn")
    execution = start(world, "p_txn")
    task = take(world, "p_txn", lease="1 minute")
    connection = world.connect(user=WORKER, autocommit=False)
    try:
        for outcome in ("rollback", "commit"):
            connection.execute("INSERT INTO app.effect (run, what) VALUES ('p_txn', 'done')")
            connection.execute("SELECT hermes.complete_workflow_task(%s, '[{\"type\": \"complete_workflow\"}]')", (task["token"],))
            getattr(connection, outcome)()
    finally:
        connection.close()
    ends(world, execution)
    equal(world.sql("SELECT count(*) FROM app.effect WHERE run = 'p_txn'"), [(1,)], "effects")


def activities_and_cancels(world: World) -> None:
    """an activity, a timer and a child are started and canceled by their handles; a cancel request is seen"""
    program(world, "p_cancel")
    program(world, "p_child")
    execution = start(world, "p_cancel")
    taken(world, take(world, "p_cancel"), {"type": "start_activity", "activity": "x", "options": {"queue": "p_cancel", "start_to_close": "1m"}},
          {"type": "start_timer", "duration": "1h"}, {"type": "start_child", "workflow_type": "p_child"},
          {"type": "start_child", "workflow_type": "no_such"})
    task = take(world, "p_cancel")
    equal(kinds(task)[-1], "StartChildWorkflowExecutionFailed", "what has failed at once comes at once")
    taken(world, task, {"type": "cancel_timer", "handle": 2}, {"type": "cancel_activity", "handle": 1}, {"type": "cancel_child", "handle": 3})
    task = take(world, "p_cancel")
    equal(kinds(task)[-4:], ["TimerCanceled", "ActivityTaskCancelRequested", "RequestCancelChildWorkflowExecution", "ActivityTaskCanceled"], "events")
    taken(world, task)
    child = take(world, "p_child")
    equal(kinds(child)[-1], "WorkflowExecutionCancelRequested", "of the child")
    closes(world, child, {"type": "cancel_workflow"})
    task = take(world, "p_cancel")
    equal((task["history"]["events"][-1]["type"], task["history"]["events"][-1]["text"]), ("ChildWorkflowExecutionFailed", "Canceled"), "end of the child")
    world.sql("SELECT hermes.cancel_workflow(%s, 'enough')", execution)
    equal(answer(world, task, {"type": "complete_workflow"})[0], "refused", "a cancel request is seen first")
    closes(world, take(world, "p_cancel"), {"type": "cancel_workflow"})
    ends(world, execution, "Canceled")


def ends_without_a_worker(world: World) -> None:
    """the run timeout, and the close of a parent, end an execution that nobody polls for"""
    program(world, "p_timeout", run_timeout="300ms")
    execution = start(world, "p_timeout")
    equal(ends(world, execution, "TimedOut")["status"], "TimedOut", "status")
    equal(poll(world, "p_timeout"), [], "tasks")
    program(world, "p_orphan")
    define(world, "p_parent", "PERFORM hermes.start_child('p_orphan'); RETURN hermes.wait_signal('go');")
    parent = start(world, "p_parent")
    task = take(world, "p_orphan")
    signal(world, parent, "go")
    ends(world, parent)
    ends(world, task["execution_id"], "Terminated")
    stale(world, task)


def parent_and_child(world: World) -> None:
    """a function awaits a child whose program is outside"""
    program(world, "p_square")
    define(world, "p_outer", "RETURN hermes.execute_child('p_square', input);")
    execution = start(world, "p_outer", {"n": 4})
    task = take(world, "p_square")
    closes(world, task, {"type": "complete_workflow", "result": task["history"]["input"]["n"] ** 2})
    equal(ends(world, execution)["result"], 16, "result")


def updates(world: World) -> None:
    """updates are offered with a task, accepted or rejected, and completed; their senders get the outcome"""
    program(world, "p_update", updates={"add": {}})
    execution = start(world, "p_update")
    taken(world, take(world, "p_update"))
    for name, update in (("add", "u1"), ("add", "u2"), ("other", "u3")):
        world.sql("SELECT hermes.update_workflow(%s, %s, '{\"n\": 1}', %s)", execution, name, update)
    task = take(world, "p_update")
    equal(task["updates"], [{"update_id": "u1", "name": "add", "args": {"n": 1}}, {"update_id": "u2", "name": "add", "args": {"n": 1}}], "offered")
    taken(world, task, {"type": "accept_update", "update_id": "u1"},
          {"type": "reject_update", "update_id": "u2", "failure": {"message": "full", "sqlstate": "K0001"}})
    def stage(update: str) -> tuple[str, Any]:
        found = world.value("SELECT hermes.update_result(%s, %s, '0')", execution, update)
        return found["stage"], found.get("result", found.get("failure", {}).get("message") if found.get("failure") else None)
    equal((stage("u1")[0], stage("u2"), stage("u3")[0]), ("accepted", ("rejected", "full"), "rejected"), "stages")
    signal(world, execution, "on")
    task = take(world, "p_update")
    equal((kinds(task)[1:], task["updates"]), (["WorkflowExecutionUpdateAccepted", "WorkflowExecutionSignaled"], []), "history")
    taken(world, task, {"type": "complete_update", "update_id": "u1", "result": 9})
    equal(stage("u1"), ("completed", 9), "outcome")
    world.sql("SELECT hermes.terminate_workflow(%s)", execution)


def queries(world: World) -> None:
    """a query gives what the program has set last, also after the end and through a function of the type"""
    world.sql("CREATE FUNCTION app.p_total(args jsonb, state jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb((state->>'items')::int * (args->>'price')::int) $$")
    program(world, "p_query", queries={"total": "app.p_total(jsonb, jsonb)"})
    execution = start(world, "p_query")
    taken(world, take(world, "p_query"), {"type": "set_query_result", "name": "items", "value": 2})
    equal(world.value("SELECT hermes.query_workflow(%s, 'items')", execution), 2, "answer")
    signal(world, execution, "more")
    closes(world, take(world, "p_query"), {"type": "set_query_result", "name": "items", "value": 3}, {"type": "complete_workflow"})
    equal(world.value("SELECT hermes.query_workflow(%s, 'total', '{\"price\": 5}')", execution), 15, "answer after the end")
    try:
        world.sql("SELECT hermes.query_workflow(%s, 'no')", execution)
        raise AssertionError("an unknown query was answered")
    except psycopg.Error as e:
        equal(e.sqlstate, "42704", "SQLSTATE")


def goes_on_as_new(world: World) -> None:
    """continue_as_new and a retry begin the next run with a task of its own; no signal comes twice"""
    program(world, "p_again", retry={"initial_interval": "10ms", "max_attempts": 2})
    execution = start(world, "p_again", {"n": 1})
    signal(world, execution, "seen")
    task = take(world, "p_again")
    equal(kinds(task)[-1], "WorkflowExecutionSignaled", "signal")
    closes(world, task, {"type": "continue_as_new", "input": {"n": 2}})
    task = take(world, "p_again")
    equal((task["history"]["input"], kinds(task)), ({"n": 2}, ["WorkflowExecutionStarted"]), "next run")
    closes(world, task, {"type": "fail_workflow", "failure": {"message": "no", "sqlstate": "K0001"}})
    task = take(world, "p_again")
    equal((task["history"]["input"], kinds(task)), ({"n": 2}, ["WorkflowExecutionStarted"]), "retry")
    closes(world, task, {"type": "fail_workflow", "failure": {"message": "no", "sqlstate": "K0001"}})
    equal(ends(world, task["execution_id"], "Failed")["failure"]["sqlstate"], "K0001", "failure")


def reset_and_pause(world: World) -> None:
    """a reset gives the worker the history up to the event; a paused one is not handed out"""
    program(world, "p_reset")
    execution = start(world, "p_reset")
    taken(world, take(world, "p_reset"), {"type": "record_marker", "value": 1}, {"type": "record_marker", "value": 2})
    signal(world, execution, "s", 7)
    closes(world, take(world, "p_reset"), {"type": "complete_workflow"})
    again = str(world.value("SELECT hermes.reset_workflow(%s, 2)::text", execution))
    task = take(world, "p_reset")
    equal((task["execution_id"], kinds(task)), (again, ["WorkflowExecutionStarted", "MarkerRecorded", "WorkflowExecutionOptionsUpdated",
                                                        "WorkflowExecutionSignaled"]), "history")
    taken(world, task, {"type": "record_marker", "value": 3, "command": 2})
    world.sql("SELECT hermes.pause_workflow(%s)", again)
    signal(world, again, "while paused")
    equal(poll(world, "p_reset"), [], "tasks of a paused one")
    world.sql("SELECT hermes.resume_workflow(%s)", again)
    check("WorkflowExecutionSignaled" in kinds(take(world, "p_reset")), "signal")
    world.sql("SELECT hermes.terminate_workflow(%s)", again)
    world.sql("SELECT hermes.pause_workflow_type('p_reset')")
    execution = start(world, "p_reset")
    equal(poll(world, "p_reset"), [], "tasks of a paused type")
    world.sql("SELECT hermes.resume_workflow_type('p_reset')")
    closes(world, take(world, "p_reset"), {"type": "complete_workflow"})
    ends(world, execution)


def tenants(world: World) -> None:
    """a worker gets executions of its tenants only, and may not answer for others"""
    program(world, "p_tenant")
    world.sql("SELECT hermes.start_workflow('p_tenant', '{}', NULL, 'acme')")
    connection = world.connect(user=WORKER)
    try:
        equal(connection.execute("SELECT * FROM hermes.poll_workflow_tasks('p_tenant')").fetchall(), [], "of another tenant")
        task = take(world, "p_tenant")
        try:
            connection.execute("SELECT hermes.complete_workflow_task(%s)", (task["token"],))
            raise AssertionError("an answer for another tenant was taken")
        except psycopg.Error as e:
            equal(e.sqlstate, "WF025", "SQLSTATE")
    finally:
        connection.close()
    closes(world, task, {"type": "complete_workflow"})


def two_pollers(world: World) -> None:
    """an open poll hides from another one what it has taken, and nothing else"""
    program(world, "p_polls")
    for _ in range(4):
        start(world, "p_polls")
    connection = world.connect(autocommit=False)
    try:
        mine = [row[0] for row in connection.execute("SELECT token FROM hermes.poll_workflow_tasks('p_polls', 'a', 2)").fetchall()]
        others = poll(world, "p_polls", 4, worker="b")
        equal((len(mine), len(others)), (2, 2), "tasks")
        connection.rollback()
        rest = poll(world, "p_polls", 4)
    finally:
        connection.close()
    equal(len(rest), 2, "tasks that were rolled back")
    for task in others + rest:
        closes(world, task, {"type": "complete_workflow"})


def worker_processes(world: World) -> None:
    """two workers in Python follow their histories, one of them is killed in the middle: all ends as it should, once"""
    for name in ("order", "counter", "cart"):
        world.sql("SELECT hermes.register_workflow_program(%s, '{\"task_queue\": \"programs\"}')", name)
    here = Path(__file__).parent
    world.sql(f"GRANT USAGE ON SCHEMA app TO {WORKER}")
    scripts = [("program_worker.py", "programs", "a", "0.05"), ("program_worker.py", "programs", "b", "0"), ("activity_worker.py", "numbers", "c")]
    workers = [subprocess.Popen([sys.executable, str(here / script), world.cluster.dsn(WORKER), *rest]) for script, *rest in scripts]
    try:
        orders = [start(world, "order", {"amount": n, "queue": "numbers"}) for n in range(1, 13)]
        cart = start(world, "cart")
        def marked() -> int:
            return sum("MarkerRecorded" in events(world, execution) for execution in orders)
        wait_until(lambda: marked() >= 3, 30, "some progress")
        workers[0].kill()
        for execution in orders:
            signal(world, execution, "paid", True)
        for n, execution in enumerate(orders, 1):
            equal(ends(world, execution, timeout=60)["result"], {"squared": n * n, "paid": True, "child": 2}, f"order {n}")
            equal(events(world, execution).count("ActivityTaskScheduled"), 1, "activities")
        equal(world.value("SELECT hermes.query_workflow(%s, 'squared')", orders[2]), 9, "query")
        for n in (2, 3):
            connection = world.connect()
            answer_of = connection.execute("CALL hermes.execute_update(%s, 'add', %s, NULL, '20 s')", (cart, Jsonb({"n": n}))).fetchone()
            connection.close()
            equal(answer_of[0]["stage"] if answer_of else None, "completed", "update")
        world.sql("SELECT hermes.update_workflow(%s, 'check_out')", cart)
        equal(ends(world, cart)["result"], 5, "cart")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    main(prepare, history_in_commands_out, only_new_events, refuses_to_close, a_close_waits_for_a_sender, wrong_commands, lost_worker,
         nothing_is_open_and_all_rolls_back, activities_and_cancels, ends_without_a_worker, parent_and_child, updates, queries, goes_on_as_new,
         reset_and_pause, tenants, two_pollers, worker_processes)
