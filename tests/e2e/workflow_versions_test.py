#!/usr/bin/python3
"""Versions of durable functions: replay checks, moving running executions, reset, exported histories."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, effects, ends, events, prepare, signal, start, status, wait_event


def refused(world: World, sqlstate: str, statement: str, *arguments: Any) -> psycopg.Error:
    try:
        world.sql(statement, *arguments)
    except psycopg.Error as e:
        equal(e.sqlstate, sqlstate, f"SQLSTATE of {e}")
        return e
    raise AssertionError(f"not refused: {statement}")


def replay(world: World, function: str, type_name: str, predicate: str = "true", most: int = 1000) -> dict[str, Any]:
    """problem by execution; None: it replays"""
    rows = world.sql("SELECT execution_id::text, ok, problem, event_id, command FROM hermes.replay_check(%s::regprocedure, %s, %s, %s)",
                     f"app.{function}(jsonb)", type_name, predicate, most)
    for row in rows:
        equal(row[1], row[2] is None, f"ok of {row}")
    return {row[0]: row[2] for row in rows}


ORDER = """
    PERFORM app.mark('reserve', input->>'run');
    answer := hermes.wait_signal('paid');
    PERFORM app.mark('ship', input->>'run');
    RETURN answer;"""


def replays(world: World) -> None:
    """a function is replayed against open and closed histories, and what it does otherwise is told with the place"""
    define(world, "orders", ORDER)
    opened, closed = start(world, "orders", {"run": "r-open"}), start(world, "orders", {"run": "r-closed"})
    for execution in (opened, closed):
        wait_event(world, execution, "SignalAwaited")
    signal(world, closed, "paid", {"sum": 7})
    ends(world, closed)
    ended = start(world, "orders", {"run": "r-terminated"})
    wait_event(world, ended, "SignalAwaited")
    world.sql("SELECT hermes.terminate_workflow(%s)", ended)
    history = world.sql("SELECT count(*) FROM hermes.execution_closed")
    equal(replay(world, "orders", "orders"), {opened: None, closed: None, ended: None}, "the function itself")

    def variant(body: str, **problems: str) -> None:
        define(world, "orders_next", body, register=False)
        expected = {opened: problems.get("opened"), closed: problems.get("closed"), ended: problems.get("opened")}
        equal(replay(world, "orders_next", "orders"), expected, body)

    variant(ORDER.replace("'reserve'", "'hold'"), opened='command 1 is step "mark hold", the history has step "mark reserve"',
            closed='command 1 is step "mark hold", the history has step "mark reserve"')
    variant(ORDER.replace("input->>'run'", "'x'", 1), opened='command 1, step "mark reserve", has other arguments than in the history',
            closed='command 1, step "mark reserve", has other arguments than in the history')
    # it ends earlier; after what an open one has come to, it may do anything
    variant("PERFORM app.mark('reserve', input->>'run'); RETURN '1';", opened='the function returns, the history goes on with command 2, wait_signal "paid"',
            closed='the function returns, the history goes on with command 2, wait_signal "paid"')
    variant("PERFORM app.mark('reserve', input->>'run'); answer := hermes.wait_signal('paid'); RETURN answer;",
            closed='the function returns, the history goes on with command 3, step "mark ship"')
    # it goes on
    variant(ORDER.replace("RETURN answer;", "PERFORM app.mark('thank', input->>'run'); RETURN answer;"),
            closed='the execution is Completed, the function goes on with step "mark thank"')
    variant(ORDER.replace("RETURN answer;", "PERFORM hermes.sleep('1 h'); RETURN answer;"), closed="the execution is Completed, the function goes on with sleep")
    # another end
    variant(ORDER.replace("RETURN answer;", "RETURN '1';"), closed='the result is 1, the history has {"sum": 7}')
    variant(ORDER.replace("RETURN answer;", "RAISE EXCEPTION 'no';"), closed="the execution is Completed, the function fails with P0001: no")
    variant(ORDER.replace("RETURN answer;", "PERFORM hermes.continue_as_new('{}'); RETURN answer;"), closed="the execution is Completed, the function continues as new")
    variant("PERFORM 1 / 0; " + ORDER, opened="the function fails with 22012: division by zero", closed="the function fails with 22012: division by zero")
    variant("INSERT INTO app.effect (run) VALUES ('x'); " + ORDER,
            opened="the function fails with 25006: cannot execute INSERT in a read-only transaction",
            closed="the function fails with 25006: cannot execute INSERT in a read-only transaction")
    # get_version lets both through, also after the last command; a range that leaves them out does not
    variant(ORDER.replace("RETURN answer;", "IF hermes.get_version('thanks', -1, 1) = 1 THEN PERFORM app.mark('thank', input->>'run'); END IF; RETURN answer;"))
    variant("IF hermes.get_version('thanks', 1, 1) = 1 THEN NULL; END IF; " + ORDER,
            opened='change "thanks" is not in the history, and version -1 is no longer supported',
            closed='change "thanks" is not in the history, and version -1 is no longer supported')
    equal(world.sql("SELECT count(*) FROM hermes.execution_closed"), history, "nothing is stored")
    equal(status(world, opened)["events"], 3, "nothing is recorded")
    equal(effects(world, "r-open"), ["reserve"], "nothing is done")
    row = world.sql("SELECT event_id, command, status, workflow_id FROM hermes.replay_check('app.orders_next(jsonb)', 'orders', %s)", f"execution_id = '{opened}'")
    equal(row, [(2, 1, "Running", None)], "where it diverged")
    equal(set(replay(world, "orders", "orders", "status = 'Terminated' AND version = 1")), {ended}, "a predicate")
    equal(len(replay(world, "orders", "orders", most=2)), 2, "at most so many")
    signal(world, opened, "paid")
    ends(world, opened)


def replays_of_other_ends(world: World) -> None:
    """failures, cancels and continuing as new are ends of the function too; those from outside are not"""
    body = "PERFORM hermes.wait_signal('go'); RAISE EXCEPTION 'no stock' USING DETAIL = 'item 7';"
    define(world, "ends_failed", body)
    define(world, "ends_canceled", "PERFORM hermes.wait_signal('go'); RETURN '1';")
    define(world, "ends_anew", "IF input ? 'last' THEN RETURN '1'; END IF; PERFORM hermes.wait_signal('go'); PERFORM hermes.continue_as_new('{\"last\": 1}');")
    for name in ("ends_failed", "ends_canceled", "ends_anew"):
        execution = start(world, name)
        wait_event(world, execution, "SignalAwaited")
        if name == "ends_canceled":
            world.sql("SELECT hermes.cancel_workflow(%s)", execution)
        else:
            signal(world, execution, "go")
        wait_until(lambda: status(world, execution)["status"] != "Running", what="the end")
        found = replay(world, name, name)
        check(execution in found and not any(found.values()), f"{name}: {found}")
    define(world, "ends_other", body.replace("no stock", "sold out"), register=False)
    equal(list(replay(world, "ends_other", "ends_failed").values()),
          ["the failure is P0001: sold out (item 7), the history has P0001: no stock (item 7)"], "another failure")
    equal(list(replay(world, "ends_canceled", "ends_failed").values()), ["the execution is Failed, the function returns"], "no failure")
    define(world, "ends_other", "BEGIN PERFORM hermes.wait_signal('go'); EXCEPTION WHEN SQLSTATE 'WF020' THEN NULL; END; RETURN '1';", register=False)
    equal(list(replay(world, "ends_other", "ends_canceled").values()), ["the execution is Canceled, the function returns"], "no cancel")
    equal(set(replay(world, "ends_canceled", "ends_anew").values()),
          {"the execution is ContinuedAsNew, the function returns", 'the execution is Completed, the function goes on with wait_signal "go"'}, "no continuing")


def replays_within_limits(world: World) -> None:
    """a function that does not end is stopped by the task_timeout and told; the others are looked at; the session's cancel ends all"""
    define(world, "hasty", "PERFORM hermes.wait_signal('go'); RETURN NULL;", task_timeout="200ms")
    slow, good = start(world, "hasty", {"slow": True}), start(world, "hasty")
    for execution in (slow, good):
        wait_event(world, execution, "SignalAwaited")
    define(world, "hasty_next", "WHILE input ? 'slow' LOOP BEGIN PERFORM pg_sleep(0.01); EXCEPTION WHEN query_canceled THEN answer := '1'; EXIT; END; END LOOP; "
           "PERFORM hermes.wait_signal('go'); RETURN NULL;", register=False)
    equal(replay(world, "hasty_next", "hasty"), {slow: "the function runs into its task_timeout", good: None}, "problems")
    define(world, "hasty_next", "WHILE input ? 'slow' LOOP NULL; END LOOP; PERFORM hermes.wait_signal('go'); RETURN NULL;", register=False)
    equal(replay(world, "hasty_next", "hasty"), {slow: "the function runs into its task_timeout", good: None}, "problems")
    with world.connect() as session:
        session.execute("SET statement_timeout = '100ms'")
        try:
            session.execute("SELECT * FROM hermes.replay_check('app.hasty_next(jsonb)', 'hasty')")
            raise AssertionError("not canceled")
        except psycopg.errors.QueryCanceled as e:
            check("statement timeout" in str(e), f"{e}")
    world.sql("SELECT hermes.terminate_workflow(unnest(%s::uuid[]))", [slow, good])


def replays_as_the_caller(world: World) -> None:
    """function and predicate run with the caller's rights, over the tenants that it may see"""
    world.sql("CREATE ROLE e2e_checker LOGIN IN ROLE hermes_app")
    world.sql("GRANT USAGE ON SCHEMA app TO e2e_checker")
    world.sql("SELECT hermes.grant_tenant('e2e_checker', 'acme')")
    define(world, "theirs", "RETURN '1';")
    mine = str(world.value("SELECT hermes.start_workflow('theirs', '{}', NULL, 'acme')::text"))
    others = str(world.value("SELECT hermes.start_workflow('theirs', '{}', NULL, 'other')::text"))
    for execution in (mine, others):
        ends(world, execution)
    with world.connect() as session:
        session.execute("SET ROLE e2e_checker")
        rows = session.execute("SELECT execution_id::text FROM hermes.replay_check('app.theirs(jsonb)', 'theirs')").fetchall()
        equal(rows, [(mine,)], "of the tenants of the role")
        for predicate in ("EXISTS (SELECT FROM hermes.execution)", "(SELECT count(*) FROM hermes.execution_closed) > 0"):
            try:
                session.execute("SELECT * FROM hermes.replay_check('app.theirs(jsonb)', 'theirs', %s)", (predicate,))
                raise AssertionError(f"evaluated: {predicate}")
            except psycopg.errors.InsufficientPrivilege:
                pass
        session.execute("RESET ROLE")
        session.execute("CREATE FUNCTION app.spoil() RETURNS boolean LANGUAGE sql AS $$ INSERT INTO app.effect (run) VALUES ('spoilt') RETURNING true $$")
        try:
            session.execute("SELECT * FROM hermes.replay_check('app.theirs(jsonb)', 'theirs', 'app.spoil()')")
            raise AssertionError("a predicate has written")
        except psycopg.errors.ReadOnlySqlTransaction:
            pass
        session.execute("REVOKE EXECUTE ON FUNCTION app.theirs(jsonb) FROM PUBLIC")
        session.execute("SET ROLE e2e_checker")
        try:
            session.execute("SELECT * FROM hermes.replay_check('app.theirs(jsonb)', 'theirs')")
            raise AssertionError("replayed a function that the role may not execute")
        except psycopg.errors.InsufficientPrivilege as e:
            check("may not execute" in str(e), f"{e}")
    for predicate in ("", "true; DROP TABLE x", "true) OR (true", "execution_id, true", "true ORDER BY 1"):
        refused(world, "22023", "SELECT * FROM hermes.replay_check('app.theirs(jsonb)', 'theirs', %s)", predicate)
    refused(world, "22023", "SELECT * FROM hermes.replay_check('app.theirs(jsonb)', 'theirs', 'true', 0)")
    refused(world, "22023", "SELECT * FROM hermes.replay_check('pg_catalog.now()', 'theirs')")
    refused(world, "42704", "SELECT * FROM hermes.replay_check('app.theirs(jsonb)', 'nothing')")
    equal(effects(world, "spoilt"), [], "effects")


def move(world: World, type_name: str, version: int, predicate: str = "true", **options: Any) -> int:
    return int(world.value("SELECT hermes.move_workflows(%s, %s, %s, %s)", type_name, version, predicate, Jsonb(options)))


def register(world: World, type_name: str, function: str, role: str = ROLE) -> int:
    return int(world.value("SELECT hermes.register_workflow(%s, %s::regprocedure, %s)", type_name, f"app.{function}(jsonb)", Jsonb({"run_as": role})))


def moves(world: World) -> None:
    """running executions go over to another version, all or none, after their replay; each has an event of it"""
    define(world, "mover_v1", ORDER, register=False)
    define(world, "mover_v2", ORDER.replace("'ship'", "'deliver'"), register=False)
    define(world, "mover_v3", ORDER.replace("'reserve'", "'hold'"), register=False)
    register(world, "mover", "mover_v1")
    running = [start(world, "mover", {"run": f"m{i}"}, workflow_id=f"m-{i}") for i in range(3)]
    for execution in running:
        wait_event(world, execution, "SignalAwaited")
    done = start(world, "mover", {"run": "m-done"})
    wait_event(world, done, "SignalAwaited")
    signal(world, done, "paid")
    ends(world, done)
    register(world, "mover", "mover_v2")
    register(world, "mover", "mover_v3")
    e = refused(world, "WF021", "SELECT hermes.move_workflows('mover', 3)")
    check('3 of 3 executions do not follow version 3 of workflow type "mover"' in str(e), f"{e}")
    check(all(f'{execution}: command 1 is step "mark hold", the history has step "mark reserve"' in (e.diag.message_detail or "") for execution in running), f"{e.diag.message_detail}")
    equal([status(world, execution)["version"] for execution in running], [1, 1, 1], "versions after a refusal")
    equal(move(world, "mover", 2, "workflow_id = 'm-0'", reason="a trial"), 1, "moved")
    equal([status(world, execution)["version"] for execution in running], [2, 1, 1], "versions after one was moved")
    equal(move(world, "mover", 2), 2, "moved")
    equal(move(world, "mover", 2), 0, "moved again")
    equal(world.value("SELECT attributes FROM hermes.workflow_history(%s) WHERE event_type = 'WorkflowExecutionOptionsUpdated'", running[0]),
          {"options": {"version": 2, "from_version": 1, "reason": "a trial"}}, "event")
    equal(status(world, done)["version"], 1, "a closed one stays what it was")
    for execution in running:
        signal(world, execution, "paid", 5)
        equal(ends(world, execution)["result"], 5, "result")
    equal(effects(world, "m0"), ["reserve", "deliver"], "effects")
    equal(set(replay(world, "mover_v2", "mover", "version = 2").values()), {None}, "the moved ones replay")
    refused(world, "42704", "SELECT hermes.move_workflows('mover', 9)")
    refused(world, "22023", "SELECT hermes.move_workflows('mover', 2, 'true; SELECT 1')")
    refused(world, "22023", "SELECT hermes.move_workflows('mover', 2, 'true', '{\"most\": 1}')")


def moves_of_parked(world: World) -> None:
    """executions that are parked by a mismatch or a fault go on at once with a version that they follow; too many are refused"""
    define(world, "parked_v1", "PERFORM hermes.wait_signal('go'); PERFORM 1 / 0; RETURN '1';", register=False)
    define(world, "parked_v2", "PERFORM hermes.wait_signal('go'); RETURN '2';", register=False)
    register(world, "parked", "parked_v1")
    parked = [start(world, "parked") for _ in range(2)]
    for execution in parked:
        signal(world, execution, "go")
        wait_until(lambda: status(world, execution)["failed_turns"] > 2, what="failed turns")
    register(world, "parked", "parked_v2")
    e = refused(world, "54000", "SELECT hermes.move_workflows('parked', 2, 'true', '{\"max_executions\": 1}')")
    check("selects 2" in (e.diag.message_detail or ""), f"{e.diag.message_detail}")
    equal(move(world, "parked", 2), 2, "moved")
    for execution in parked:
        equal(ends(world, execution, timeout=3)["result"], 2, "result")


def moves_wait_for_turns(world: World) -> None:
    """a turn that is under way is waited for, with all that it writes, and the execution is judged by it"""
    body = ("PERFORM hermes.side_effect(to_jsonb(repeat('x', 5000))); PERFORM hermes.wait_signal('begin'); PERFORM hermes.step('nap', 'SELECT pg_sleep(1.5)'); "
            "PERFORM hermes.side_effect(to_jsonb(repeat('x', 9000))); PERFORM hermes.wait_signal('go'); RETURN '%d';")
    define(world, "busy_v1", body % 1, register=False)
    define(world, "busy_v2", body % 2, register=False)
    register(world, "busy", "busy_v1")
    execution = start(world, "busy")
    wait_event(world, execution, "SignalAwaited")
    signal(world, execution, "begin")
    wait_until(lambda: world.value("SELECT count(*) FROM pg_stat_activity WHERE query = 'step nap'") == 1, what="the step")
    register(world, "busy", "busy_v2")
    equal(move(world, "busy", 2), 1, "moved")
    equal(events(world, execution), ["WorkflowExecutionStarted", "MarkerRecorded", "SignalAwaited", "WorkflowExecutionSignaled", "StepCompleted",
                                     "MarkerRecorded", "SignalAwaited", "WorkflowExecutionOptionsUpdated"], "events")
    equal(world.value("SELECT count(*) FROM hermes.execution_chunk WHERE execution_id = %s", execution), 1, "parts of its history")
    signal(world, execution, "go")
    equal(ends(world, execution)["result"], 2, "result")


def moves_to_another_role(world: World) -> None:
    """a version of another role runs as that one from then on, and so does what was brought in between"""
    world.sql("CREATE ROLE e2e_other LOGIN IN ROLE hermes_app")
    world.sql("GRANT USAGE ON SCHEMA app TO e2e_other")
    world.sql("GRANT SELECT, INSERT ON app.effect TO e2e_other")
    body = "PERFORM hermes.wait_signal('go'); PERFORM app.mark('done', input->>'run'); RETURN to_jsonb(hermes.step('who', 'SELECT current_user AS who') ->> 'who');"
    define(world, "roles_v1", body, register=False)
    define(world, "roles_v2", body, register=False)
    register(world, "roles", "roles_v1")
    first, second = start(world, "roles", {"run": "o1"}), start(world, "roles", {"run": "o2"})
    for execution in (first, second):
        wait_event(world, execution, "SignalAwaited")
    register(world, "roles", "roles_v2", "e2e_other")
    with world.connect(autocommit=False) as session:  # a signal that is sent to the old queue and committed after the move
        session.execute("SELECT hermes.signal_workflow(%s, 'go')", (second,))
        equal(move(world, "roles", 2), 2, "moved")
        session.commit()
    signal(world, first, "go")
    equal([ends(world, execution)["result"] for execution in (first, second)], ["e2e_other", "e2e_other"], "roles")
    equal(world.value("SELECT count(*) FROM app.effect WHERE run IN ('o1', 'o2') AND by = 'e2e_other'"), 2, "effects of the new role")


def reset(world: World, execution: str, event_id: int | None = None, reason: str | None = None, **options: Any) -> str:
    return str(world.value("SELECT hermes.reset_workflow(%s, %s, %s, %s)::text", execution, event_id, reason, Jsonb(options)))


def resets(world: World) -> None:
    """a new execution goes on from an event; the open one is terminated, later signals come again, steps after it run again"""
    define(world, "again", ORDER.replace("RETURN answer;", "RETURN answer || jsonb_build_object('more', hermes.wait_signal('more'));"))
    execution = start(world, "again", {"run": "a1"}, workflow_id="again-1")
    wait_event(world, execution, "SignalAwaited")
    signal(world, execution, "paid", {"n": 1}, "request-1")
    wait_event(world, execution, "SignalAwaited", 2)
    equal(effects(world, "a1"), ["reserve", "ship"], "effects")
    following = reset(world, execution, 3, "wrong address")
    old = ends(world, execution, "Terminated")
    equal(old["reset"], {"execution_id": following}, "where the old one leads to")
    wait_event(world, following, "SignalAwaited", 2)
    equal(events(world, following), ["WorkflowExecutionStarted", "StepCompleted", "SignalAwaited", "WorkflowExecutionOptionsUpdated",
                                     "WorkflowExecutionSignaled", "StepCompleted", "SignalAwaited"], "events")
    equal(world.value("SELECT attributes FROM hermes.workflow_history(%s) WHERE event_id = 4", following),
          {"options": {"reset_from": execution, "event_id": 3, "reason": "wrong address"}, "execution_id": execution}, "event of the reset")
    equal(effects(world, "a1"), ["reserve", "ship", "ship"], "what steps have done is not undone")
    equal(signal(world, following, "paid", {"n": 2}, "request-1"), "buffered", "its request id is known there, too")
    refused(world, "WF005", "SELECT hermes.start_workflow('again', '{}', 'again-1')")
    signal(world, following, "more", 7)
    equal(ends(world, following)["result"], {"n": 1, "more": 7}, "result")
    # of a closed one, without its signals; the closed one stays as it is
    third = reset(world, following, 3, reapply="none", request_id="r1")
    equal(reset(world, following, 3, request_id="r1"), third, "the same request")
    wait_event(world, third, "SignalAwaited")
    equal(status(world, following)["status"], "Completed", "a closed one")
    equal(events(world, third)[-1], "WorkflowExecutionOptionsUpdated", "it waits")
    # of one that is not the newest: the open one of the workflow id is ended
    fourth = reset(world, execution)
    ends(world, third, "Terminated")
    signal(world, fourth, "more", 8)
    equal(ends(world, fourth)["result"], {"n": 1, "more": 8}, "result")
    equal(world.sql("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = 'again-1' ORDER BY started_at"),
          [(execution,), (following,), (third,), (fourth,)], "executions of the workflow id")
    e = refused(world, "22023", "SELECT hermes.reset_workflow(%s, 7)", execution)
    check("is the end of the execution" in (e.diag.message_detail or "") and "6" in (e.diag.message_hint or ""), f"{e.diag.message_detail} {e.diag.message_hint}")
    refused(world, "22023", "SELECT hermes.reset_workflow(%s, 0)", execution)
    refused(world, "42704", "SELECT hermes.reset_workflow(%s, 1, NULL, '{\"version\": 9}')", execution)
    refused(world, "WF001", "SELECT hermes.reset_workflow('00000000-0000-7000-8000-000000000000')")


def resets_heal(world: World) -> None:
    """a failed execution goes on from before its failure, on another version; random numbers before the point are those of then"""
    body = ("answer := to_jsonb(hermes.uuid()); PERFORM hermes.step('key', 'SELECT 1', answer); PERFORM hermes.wait_signal('go'); %s "
            "RETURN jsonb_build_array(answer, hermes.uuid());")
    define(world, "healed_v1", body % "RAISE EXCEPTION 'broken';", register=False)
    define(world, "healed_v2", body % "", register=False)
    register(world, "healed", "healed_v1")
    failed = start(world, "healed")
    signal(world, failed, "go")
    ends(world, failed, "Failed")
    register(world, "healed", "healed_v2")
    healed = reset(world, failed, version=2)
    again = reset(world, failed, version=2)
    one, other = ends(world, healed)["result"], ends(world, again)["result"]
    equal(one[0], other[0], "drawn before the point")
    check(one[1] != other[1], "drawn after it")
    equal(set(replay(world, "healed_v2", "healed", "version = 2").values()), {None}, "they replay")
    ends(world, reset(world, healed, 3), "Completed")


def resets_with_time(world: World) -> None:
    """timers keep their due time, the run timeout begins anew"""
    define(world, "timed", "PERFORM hermes.start_timer('1 h'); PERFORM hermes.sleep('700 ms'); RETURN '1';", run_timeout="1h")
    execution = start(world, "timed")
    wait_event(world, execution, "TimerStarted", 2)
    due = world.sql("SELECT kind, due FROM hermes.workflow_tasks WHERE execution_id = %s AND kind = 'timer' ORDER BY due", execution)
    following = reset(world, execution)
    wait_until(lambda: len(world.sql("SELECT FROM hermes.workflow_tasks WHERE execution_id = %s", following)) == 3
               or status(world, following)["status"] != "Running", what="its timers")
    ends(world, following)
    equal(len(due), 2, "timers")
    hours = world.value("SELECT (h.attributes ->> 'due')::timestamptz = (g.attributes ->> 'due')::timestamptz FROM hermes.workflow_history(%s) h, "
                        "hermes.workflow_history(%s) g WHERE h.event_id = 2 AND g.event_id = 2", execution, following)
    check(hours, "the same due time")
    ends(world, reset(world, following, 2, run_timeout="100ms"), "TimedOut")


def resets_with_children(world: World) -> None:
    """children that were open at the point stay, and tell the new execution of their end; those after it meet their policy"""
    define(world, "kid", "RETURN coalesce(hermes.wait_signal('go'), '0');")
    define(world, "elder", "DECLARE a bigint; b bigint; BEGIN a := hermes.start_child('kid', '{}', 'kid-a-' || (input->>'n')); "
           "PERFORM hermes.wait_signal('next'); b := hermes.start_child('kid', '{}', 'kid-b-' || (input->>'n')); "
           "RETURN jsonb_build_array(hermes.await(a), hermes.await(b)); END;")

    def child(name: str) -> str:
        found = world.sql("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = %s AND status = 'Running'", name)
        return str(found[0][0]) if found else ""

    def begin(n: int) -> tuple[str, str]:
        elder = start(world, "elder", {"n": n})
        wait_until(lambda: child(f"kid-a-{n}") != "", what="the first child")
        signal(world, elder, "next")
        wait_until(lambda: child(f"kid-b-{n}") != "", what="the second child")
        return elder, child(f"kid-b-{n}")

    elder, second = begin(1)
    following = reset(world, elder, 3)
    ends(world, second, "Terminated")
    check(child("kid-a-1") != "", "the first child goes on")
    wait_until(lambda: child("kid-b-1") not in ("", second), what="another second child")
    signal(world, child("kid-a-1"), "go", 1)
    signal(world, child("kid-b-1"), "go", 2)
    equal(ends(world, following)["result"], [1, 2], "result")
    # one that has ended after the point is told again
    elder, second = begin(2)
    signal(world, child("kid-a-2"), "go", 3)
    wait_event(world, elder, "ChildWorkflowExecutionCompleted")
    following = reset(world, elder, 3)
    ends(world, second, "Terminated")
    wait_until(lambda: child("kid-b-2") != "", what="another second child")
    signal(world, child("kid-b-2"), "go", 4)
    equal(ends(world, following)["result"], [3, 4], "result")
    # one that the closed parent never heard of: terminated with it
    elder, second = begin(3)
    first = child("kid-a-3")
    world.sql("SELECT hermes.terminate_workflow(%s)", elder)
    ends(world, first, "Terminated")
    ends(world, second, "Terminated")
    equal(ends(world, reset(world, elder, 3), "Failed")["failure"]["sqlstate"], "WF022", "failure")
    # a child that is reset still answers its parent
    define(world, "asker", "RETURN hermes.execute_child('kid', '{}', 'kid-c');")
    asker = start(world, "asker")
    wait_until(lambda: child("kid-c") != "", what="the child")
    old = child("kid-c")
    new = reset(world, old)
    ends(world, old, "Terminated")
    signal(world, new, "go", 5)
    equal(ends(world, asker)["result"], 5, "result of the parent")
    # and meets the policy of the parent
    define(world, "leaver", "DECLARE a bigint; BEGIN a := hermes.start_child('kid', '{}', 'kid-d'); PERFORM hermes.wait_signal('leave'); RETURN NULL; END;")
    leaver = start(world, "leaver")
    wait_until(lambda: child("kid-d") != "", what="the child")
    new = reset(world, child("kid-d"))
    signal(world, leaver, "leave")
    ends(world, leaver)
    ends(world, new, "Terminated")


def changes(world: World) -> None:
    """a recorded version outside of the range parks with a diff; a change that is retired, or not asked for any more, goes on"""
    body = "%s PERFORM hermes.wait_signal('go'); RETURN '1';"
    define(world, "changing", body % "PERFORM hermes.get_version('fee', -1, 2);")
    retired, forgotten = start(world, "changing"), start(world, "changing")
    for execution in (retired, forgotten):
        wait_event(world, execution, "SignalAwaited")
    narrow = body % "PERFORM hermes.get_version('fee', 1, 1);"
    define(world, "changing_next", narrow, register=False)
    equal(set(replay(world, "changing_next", "changing").values()), {'change "fee" has version 2 in the history, the body supports 1 to 1'}, "problem")
    define(world, "changing", narrow, in_place=True)
    signal(world, retired, "go")
    wait_until(lambda: 'change "fee" has version 2 in the history, the body supports 1 to 1' in (status(world, retired)["last_failure"] or ""), what="the diff")
    define(world, "changing", body % "PERFORM hermes.get_version('fee', 2, 2);", in_place=True)
    equal(ends(world, retired, timeout=30)["result"], 1, "result")
    define(world, "changing", body % "", in_place=True)
    signal(world, forgotten, "go")
    equal(ends(world, forgotten)["result"], 1, "result")


def exports(world: World) -> None:
    """a history goes out as JSON and is replayed from there, without the execution"""
    define(world, "exported", ORDER)
    execution = start(world, "exported", {"run": "x1", "sum": 1})
    wait_event(world, execution, "SignalAwaited")
    signal(world, execution, "paid", {"sum": 7})
    ends(world, execution)
    history = world.value("SELECT hermes.export_history(%s)::text", execution)
    world.sql("DELETE FROM hermes.execution_closed WHERE id = %s", execution)

    def result(function: str) -> tuple[Any, ...]:
        return world.sql("SELECT * FROM hermes.replay_history(%s::regprocedure, %s::jsonb)", f"app.{function}(jsonb)", history)[0]

    equal(result("exported"), (True, None, None, None), "the function itself")
    define(world, "exported_next", ORDER.replace("'ship'", "'send'"), register=False)
    equal(result("exported_next"), (False, 'command 3 is step "mark send", the history has step "mark ship"', 5, 3), "another one")
    if world.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'pgtap'"):
        refused(world, "42883", "SELECT hermes.replays_ok('app.exported(jsonb)', %s::jsonb)", history)
        world.sql("CREATE EXTENSION pgtap")
        world.sql("SELECT no_plan()")
        lines = [row[0] for row in world.sql("SELECT hermes.replays_ok('app.exported(jsonb)', %s::jsonb, 'it replays')", history)]
        equal(lines, ["ok 1 - it replays"], "TAP")
        lines = [row[0] for row in world.sql("SELECT hermes.replays_ok('app.exported_next(jsonb)', %s::jsonb)", history)]
        check(lines[0].startswith("not ok 2 - app.exported_next(jsonb) replays ") and "mark send" in lines[-1], f"{lines}")


if __name__ == "__main__":
    main(prepare, replays, replays_of_other_ends, replays_within_limits, replays_as_the_caller, moves, moves_of_parked, moves_wait_for_turns,
         moves_to_another_role, resets, resets_heal, resets_with_time, resets_with_children, changes, exports)
