#!/usr/bin/python3
"""Durable functions end to end: ordinary PL/pgSQL, replayed from its history by an executor, over real waits and kills."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until

ROLE = "e2e_workflows"


def define(world: World, name: str, body: str, declare: str = "", returns: str = "jsonb", register: bool = True, **options: Any) -> None:
    """A workflow function of this name in schema app, and the type of the same name."""
    world.sql(f"CREATE OR REPLACE FUNCTION app.{name}(input jsonb) RETURNS {returns} LANGUAGE plpgsql AS $body$\n"
              f"DECLARE\n    answer jsonb; {declare}\nBEGIN\n{body}\nEND\n$body$")
    if register:
        world.sql(f"SELECT hermes.register_workflow(%s, 'app.{name}(jsonb)', %s)", name, Jsonb({"run_as": ROLE} | options))


def start(world: World, name: str, data: Any = None, workflow_id: str | None = None, **options: Any) -> str:
    return str(world.value("SELECT hermes.start_workflow(%s, %s, %s, NULL, %s)::text", name, Jsonb(data or {}), workflow_id, Jsonb(options)))


def status(world: World, execution: str) -> dict[str, Any]:
    return dict(world.value("SELECT hermes.workflow_status(%s)", execution))


def ends(world: World, execution: str, word: str = "Completed", timeout: float = 20) -> dict[str, Any]:
    wait_until(lambda: status(world, execution)["status"] != "Running", timeout, f"the end of {execution}: {status(world, execution)}")
    found = status(world, execution)
    equal(found["status"], word, f"status of {found}")
    return found


def events(world: World, execution: str) -> list[str]:
    return [row[0] for row in world.sql("SELECT event_type FROM hermes.workflow_history(%s) ORDER BY event_id", execution)]


def wait_event(world: World, execution: str, kind: str, count: int = 1) -> None:
    wait_until(lambda: events(world, execution).count(kind) >= count, what=f"{kind} of {execution}")


def signal(world: World, execution: str, name: str, payload: Any = None, request_id: str | None = None) -> str:
    return str(world.value("SELECT hermes.signal_workflow(%s, %s, %s, %s)::text", execution, name, Jsonb(payload), request_id))


def effects(world: World, execution: str) -> list[str]:
    return [row[0] for row in world.sql("SELECT what FROM app.effect WHERE run = %s ORDER BY id", execution)]


def prepare(world: World) -> None:
    """a role runs workflow functions over its business tables"""
    world.sql(f"CREATE ROLE {ROLE} LOGIN IN ROLE hermes_app")
    world.sql("CREATE SCHEMA app")
    world.sql(f"GRANT USAGE ON SCHEMA app TO {ROLE}")
    world.sql("CREATE TABLE app.effect (id bigint GENERATED ALWAYS AS IDENTITY, run text, what text, by text DEFAULT current_user, "
              "xid bigint DEFAULT txid_current())")
    world.sql("CREATE TABLE app.account (id int PRIMARY KEY, balance numeric NOT NULL CHECK (balance >= 0))")
    world.sql(f"GRANT SELECT, INSERT, UPDATE ON app.effect, app.account TO {ROLE}")
    # a step that leaves a mark under the name of its key
    world.sql("CREATE FUNCTION app.mark(what text, run text) RETURNS void LANGUAGE sql AS $$ SELECT hermes.step('mark ' || what, "
              "'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', $1->>''what'')', jsonb_build_object('run', run, 'what', what)) $$")


def steps(world: World) -> None:
    """three SQL steps are done once each, as the role of the function"""
    world.sql("INSERT INTO app.account VALUES (1, 100), (2, 0)")
    define(world, "transfer", """
    answer := hermes.step('debit', 'UPDATE app.account SET balance = balance - ($1->>''amount'')::numeric WHERE id = 1 RETURNING balance', input);
    PERFORM hermes.step('credit', 'UPDATE app.account SET balance = balance + ($1->>''amount'')::numeric WHERE id = 2', input);
    PERFORM hermes.step('log', 'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', ''transfer'')', input);
    RETURN jsonb_build_object('left', answer->'balance');""")
    found = ends(world, start(world, "transfer", {"amount": 30.25, "run": "t1"}))
    equal(found["result"], {"left": 69.75}, "result")
    equal(world.sql("SELECT id, balance::float FROM app.account ORDER BY id"), [(1, 69.75), (2, 30.25)], "balances")
    equal(world.sql("SELECT by FROM app.effect WHERE run = 't1'"), [(ROLE,)], "who did it")
    equal(events(world, found["execution_id"]), ["WorkflowExecutionStarted", *["StepCompleted"] * 3, "WorkflowExecutionCompleted"], "events")


def failing_step(world: World) -> None:
    """a failing step leaves nothing, raises its error in the function, which may handle it; unhandled it fails the execution"""
    define(world, "overdraw", """
    PERFORM app.mark('before', input->>'run');
    BEGIN
        PERFORM hermes.step('debit', 'WITH w AS (INSERT INTO app.effect (run, what) VALUES ($1->>''run'', ''never'')) UPDATE app.account SET balance = balance - 1000000 WHERE id = 1', input);
    EXCEPTION WHEN check_violation THEN
        IF input ? 'handle' THEN
            PERFORM app.mark('handled', input->>'run');
            RETURN to_jsonb(SQLERRM);
        END IF;
        RAISE;
    END;
    RETURN NULL;""")
    found = ends(world, start(world, "overdraw", {"run": "o1", "handle": True}))
    check("account_balance_check" in found["result"], f"{found}")
    equal(effects(world, "o1"), ["before", "handled"], "effects")
    found = ends(world, start(world, "overdraw", {"run": "o2"}), "Failed")
    equal(found["failure"]["sqlstate"], "23514", f"failure of {found}")
    equal(effects(world, "o2"), ["before"], "effects")
    # deferred constraints belong to the step
    world.sql("CREATE TABLE app.child (id int REFERENCES app.account DEFERRABLE INITIALLY DEFERRED)")
    world.sql(f"GRANT INSERT ON app.child TO {ROLE}")
    define(world, "orphan", "PERFORM hermes.step('insert', 'INSERT INTO app.child VALUES (99)'); RETURN NULL;")
    equal(ends(world, start(world, "orphan"), "Failed")["failure"]["sqlstate"], "23503", "failure")


def waiting(world: World) -> None:
    """sleeps and signals: nothing runs meanwhile, effects before a wait are not done again"""
    define(world, "approval", """
    PERFORM app.mark('asked', input->>'run');
    PERFORM hermes.set_query_result('state', '"waiting"');
    answer := hermes.wait_signal('approved', '1 hour');
    PERFORM hermes.sleep('150 ms');
    PERFORM hermes.set_query_result('state', '"approved"');
    PERFORM app.mark('approved by ' || (answer->>'by'), input->>'run');
    RETURN answer;""")
    execution = start(world, "approval", {"run": "w1"})
    wait_event(world, execution, "SignalAwaited")
    equal(status(world, execution)["waiting"][0]["for"], "timer", "waits for its timeout")
    equal(world.value("SELECT hermes.query_workflow(%s, 'state')", execution), "waiting", "answer to a query")
    equal(signal(world, execution, "approved", {"by": "ann"}), "buffered", "signal")
    found = ends(world, execution)
    equal(found["result"], {"by": "ann"}, "result")
    equal(effects(world, "w1"), ["asked", "approved by ann"], "effects")
    equal(world.value("SELECT hermes.query_workflow(%s, 'state')", execution), "approved", "answer to a query after the end")
    equal(signal(world, execution, "approved"), "closed", "signal after the end")
    equal(world.value("SELECT count(*) FROM hermes.task WHERE workflow_id = %s", execution), 0, "tasks left")
    # the timeout comes first
    define(world, "impatient", "answer := hermes.wait_signal('never', '100 ms'); RETURN jsonb_build_object('got', answer);")
    equal(ends(world, start(world, "impatient"))["result"], {"got": None}, "result")


def buffered_signals(world: World) -> None:
    """signals before the wait, in order, with a request id once; those of a rolled back caller never"""
    define(world, "collect", """
    FOR i IN 1..4 LOOP
        answer := coalesce(answer, '[]') || hermes.wait_signal('item');
    END LOOP;
    RETURN answer;""")
    with world.transaction() as session:
        row = session.execute("SELECT hermes.start_workflow('collect')::text").fetchone()
        assert row is not None
        execution = row[0]
        for item, request in ((1, "a"), (2, None), (9, "a"), (3, "c")):
            session.execute("SELECT hermes.signal_workflow(%s, 'item', %s, %s)", (execution, Jsonb(item), request))
        session.execute("SAVEPOINT s")
        session.execute("SELECT hermes.signal_workflow(%s, 'item', '99')", (execution,))
        session.execute("ROLLBACK TO s")
        session.commit()
    wait_event(world, execution, "SignalAwaited", 4)
    signal(world, execution, "item", 9, "c")
    signal(world, execution, "item", 4)
    equal(ends(world, execution)["result"], [1, 2, 3, 4], "items")


def refuse_close(world: World) -> None:
    """an execution does not close over a signal: it is taken, or its sender is told that it is closed"""
    define(world, "drain", """
    LOOP
        answer := hermes.wait_signal('item', '20 ms');
        EXIT WHEN answer IS NULL;
        PERFORM app.mark('item ' || (answer #>> '{}'), input->>'run');
    END LOOP;
    RETURN NULL;""")
    for round_number in range(5):
        run = f"d{round_number}"
        execution = start(world, "drain", {"run": run})
        taken = []
        for item in range(200):
            if signal(world, execution, "item", item) == "closed":
                break
            taken.append(f"item {item}")
            time.sleep(0.004 * (item % 7))
        found = ends(world, execution)
        received = sum(1 for kind in events(world, execution) if kind == "WorkflowExecutionSignaled")
        equal(received, len(taken), "signals in the history")
        check(found["status"] == "Completed", "end")


def open_sender(world: World) -> None:
    """a sender that holds its transaction open keeps the execution from closing over its signal, and blocks no step"""
    define(world, "two", """
    PERFORM hermes.wait_signal('go');
    PERFORM app.mark('went', input->>'run');
    RETURN hermes.wait_signal('late', '50 ms');""")
    execution = start(world, "two", {"run": "s1"})
    wait_event(world, execution, "SignalAwaited")
    with world.transaction() as sender:
        sender.execute("SELECT hermes.signal_workflow(%s, 'other', '1')", (execution,))
        signal(world, execution, "go")
        wait_until(lambda: effects(world, "s1") == ["went"], what="the step beside the open sender")
        wait_event(world, execution, "TimerFired")
        time.sleep(0.1)
        equal(status(world, execution)["status"], "Running", "status while a sender is open")
        sender.commit()
    ends(world, execution)
    check("WorkflowExecutionSignaled" in events(world, execution)[-2:][0] or events(world, execution).count("WorkflowExecutionSignaled") == 2,
          "the late signal is in the history")


def cancel(world: World) -> None:
    """a cancel is delivered once, clean-up runs, and the execution ends Canceled; or the function goes on"""
    define(world, "work", """
    PERFORM app.mark('work', input->>'run');
    BEGIN
        PERFORM hermes.sleep('1 hour');
    EXCEPTION WHEN SQLSTATE 'WF020' THEN
        PERFORM app.mark('undo', input->>'run');
        PERFORM hermes.sleep('20 ms');
        PERFORM app.mark('undone', input->>'run');
        IF NOT input ? 'stay' THEN
            RAISE;
        END IF;
    END;
    RETURN '"stayed"';""")
    execution = start(world, "work", {"run": "c1"})
    wait_event(world, execution, "TimerStarted")
    equal(world.value("SELECT hermes.cancel_workflow(%s, 'not needed')::text", execution), "buffered", "cancel")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    equal(ends(world, execution, "Canceled")["cancel_requested"], True, "requested")
    equal(effects(world, "c1"), ["work", "undo", "undone"], "effects")
    equal(events(world, execution).count("WorkflowExecutionCancelRequested"), 1, "requests in the history")
    stays = start(world, "work", {"run": "c2", "stay": True})
    wait_event(world, stays, "TimerStarted")
    world.sql("SELECT hermes.cancel_workflow(%s)", stays)
    equal(ends(world, stays)["result"], "stayed", "result")
    terminated = start(world, "work", {"run": "c3"})
    wait_event(world, terminated, "TimerStarted")
    equal(world.value("SELECT hermes.terminate_workflow(%s, 'enough')::text", terminated), "applied", "terminate")
    ends(world, terminated, "Terminated")
    equal(effects(world, "c3"), ["work"], "effects")


def swallowed(world: World) -> None:
    """a function that catches its suspension gains nothing by it: what it does after has no consequence"""
    define(world, "catcher", """
    PERFORM app.mark('first', input->>'run');
    BEGIN
        answer := hermes.wait_signal('x');
    EXCEPTION WHEN query_canceled THEN
        BEGIN
            PERFORM app.mark('wrong', input->>'run');
        EXCEPTION WHEN query_canceled THEN
            RETURN '"wrong"';
        END;
    END;
    RETURN answer;""")
    execution = start(world, "catcher", {"run": "k1"})
    wait_event(world, execution, "SignalAwaited")
    signal(world, execution, "x", 7)
    equal(ends(world, execution)["result"], 7, "result")
    equal(effects(world, "k1"), ["first"], "effects")
    define(world, "stubborn", """
    LOOP
        BEGIN
            PERFORM hermes.wait_signal('x');
        EXCEPTION WHEN query_canceled THEN
            NULL;
        END;
    END LOOP;""")
    failing = start(world, "stubborn")
    wait_until(lambda: status(world, failing)["failed_turns"] > 0, what="the failed turn")
    check("does not let itself be suspended" in status(world, failing)["last_failure"], f"{status(world, failing)}")
    world.sql("SELECT hermes.terminate_workflow(%s)", failing)


def handled_blocks(world: World) -> None:
    """steps inside handled blocks and loops: each once, whatever the handlers catch, all in one commit"""
    define(world, "loops", """
    FOR i IN 1..5 LOOP
        BEGIN
            PERFORM app.mark('try ' || i, input->>'run');
            IF i % 2 = 0 THEN
                RAISE EXCEPTION 'even';
            END IF;
        EXCEPTION WHEN OTHERS THEN
            PERFORM app.mark('caught ' || i, input->>'run');
        END;
    END LOOP;
    RETURN NULL;""")
    ends(world, start(world, "loops", {"run": "h1"}))
    equal(effects(world, "h1"), ["try 1", "try 2", "caught 2", "try 3", "try 4", "caught 4", "try 5"], "effects")
    equal(world.sql("SELECT count(DISTINCT xid) FROM app.effect WHERE run = 'h1'"), [(1,)], "commits")


def recorded_values(world: World) -> None:
    """fetch, side_effect, now, random and uuid are the same in each replay"""
    define(world, "values", """
    answer := jsonb_build_object('rows', hermes.fetch('SELECT count(*) AS n FROM app.effect WHERE run = $1->>''run''', input),
        'side', hermes.side_effect(to_jsonb(clock_timestamp())), 'now', hermes.now(), 'random', hermes.random(), 'uuid', hermes.uuid());
    PERFORM hermes.step('keep', 'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', $1->>''values'')',
                        jsonb_build_object('run', input->>'run', 'values', answer::text));
    PERFORM hermes.sleep('50 ms');
    RETURN answer;""")
    found = ends(world, start(world, "values", {"run": "v1"}))
    equal(found["result"]["rows"], [{"n": 0}], "rows")
    equal(world.value("SELECT what::jsonb FROM app.effect WHERE run = 'v1'"), found["result"], "values of two replays")


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


def rolled_back_start(world: World) -> None:
    """a start or a signal in a transaction that rolls back leaves nothing"""
    define(world, "never", "PERFORM app.mark('never', input->>'run'); RETURN NULL;")
    with world.transaction() as session:
        session.execute("SELECT hermes.start_workflow('never', '{\"run\": \"b1\"}', 'back')")
        session.rollback()
    execution = start(world, "never", {"run": "b2"}, workflow_id="back")
    ends(world, execution)
    equal(effects(world, "b1"), [], "effects")


def delays_and_timeouts(world: World) -> None:
    """start_delay holds the first turn, run_timeout ends an execution without its code, task_timeout fails a turn"""
    define(world, "slow", "PERFORM hermes.wait_signal('never'); RETURN NULL;", run_timeout="200ms")
    ends(world, start(world, "slow"), "TimedOut")
    define(world, "later", "RETURN to_jsonb(clock_timestamp());")
    begin = time.monotonic()
    ends(world, start(world, "later", start_delay="300ms"))
    check(time.monotonic() - begin >= 0.3, "start_delay")
    define(world, "spins", "LOOP NULL; END LOOP;", task_timeout="100ms")
    spins = start(world, "spins")
    wait_until(lambda: "task_timeout" in (status(world, spins)["last_failure"] or ""), what="the failed turn")
    world.sql("SELECT hermes.terminate_workflow(%s)", spins)
    define(world, "long_step", "PERFORM hermes.step('nap', 'SELECT pg_sleep(30)'); RETURN NULL;", step_timeout="100ms")
    found = ends(world, start(world, "long_step"), "Failed")
    equal(found["failure"]["sqlstate"], "57014", f"{found}")


def lock_conflict(world: World) -> None:
    """a deadlock or a serialization failure of a step is tried again, and is no failure of the execution"""
    world.sql("CREATE TABLE app.flaky (tries int NOT NULL)")
    world.sql("CREATE SEQUENCE app.tries")
    world.sql(f"GRANT USAGE ON SEQUENCE app.tries TO {ROLE}")
    define(world, "flaky", """
    RETURN hermes.step('flaky', 'DO $do$ BEGIN IF nextval(''app.tries'') < 4 THEN RAISE EXCEPTION ''conflict'' USING ERRCODE = ''40001''; END IF; END $do$; SELECT 1 AS done');""")
    equal(ends(world, start(world, "flaky"))["result"], {"done": 1}, "result")
    equal(world.value("SELECT last_value FROM app.tries"), 4, "tries")


def kills(world: World) -> None:
    """kill -9 of an executor in the middle of turns: every execution ends, every effect is there once"""
    define(world, "chain", """
    FOR i IN 1..6 LOOP
        PERFORM app.mark(i::text, input->>'run');
        IF i % 2 = 0 THEN
            PERFORM hermes.sleep('300 ms');
        END IF;
    END LOOP;
    RETURN NULL;""")
    executions: dict[str, str] = {}
    for round_number in range(3):
        runs = [f"kill-{round_number}-{n}" for n in range(30)]
        executions |= {run: start(world, "chain", {"run": run}) for run in runs}
        wait_until(lambda: effects(world, runs[-1]), what="the first effects")
        supervisor = world.worker_pid("supervisor")
        world.kill(world.worker_pid("executor"))
        wait_until(lambda: _restarted(world, supervisor), what="the server")
    for run, execution in executions.items():
        ends(world, execution, timeout=60)
        equal(effects(world, run), [str(i) for i in range(1, 7)], f"effects of {execution}")


def _restarted(world: World, supervisor: int) -> bool:
    try:
        return world.worker_pid("supervisor") != supervisor
    except psycopg.Error:
        return False


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


def long_history(world: World) -> None:
    """a history of hundreds of events goes into parts, and replays"""
    define(world, "long", """
    FOR i IN 1..300 LOOP
        PERFORM hermes.side_effect(to_jsonb(repeat('x', 100)));
        IF i % 100 = 0 THEN
            PERFORM hermes.sleep('1 ms');
        END IF;
    END LOOP;
    RETURN '1';""")
    found = ends(world, start(world, "long"))
    equal(found["events"], 1 + 300 + 3 * 2 + 1, "events")
    equal(world.value("SELECT count(*) FROM hermes.execution_chunk"), 0, "parts left after the end")


if __name__ == "__main__":
    main(prepare, steps, failing_step, waiting, buffered_signals, refuse_close, open_sender, cancel, swallowed, handled_blocks, recorded_values,
         no_effect_in_the_body, faults_of_code, changed_code, versions_beside, workflow_ids, rolled_back_start, delays_and_timeouts, lock_conflict,
         no_privileges, long_history, kills)
