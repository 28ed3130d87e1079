#!/usr/bin/python3
"""Durable functions end to end: ordinary PL/pgSQL, replayed from its history by an executor, over real waits and kills."""

from __future__ import annotations

import time

from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, effects, ends, events, prepare, restarted, signal, start, status, wait_event


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
        wait_until(lambda: "about to be brought" in (status(world, execution)["last_failure"] or ""), what="a close that was put off")
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


def acts_on_others(world: World) -> None:
    """a step signals and cancels other executions, and its own, with its commit; a step that fails has done neither; what is closed is told"""
    define(world, "listener", "RETURN hermes.wait_signal('news');")
    define(world, "speaker", """
    input := input || hermes.wait_signal('speak');
    BEGIN
        PERFORM hermes.step('lost', 'SELECT hermes.signal_workflow(($1->>''to'')::uuid, ''news'', ''1''), 1 / ($1->>''zero'')::int', input);
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    answer := hermes.step('tell', 'SELECT hermes.signal_workflow(($1->>''to'')::uuid, ''news'', ''2'') AS open, '
        'hermes.signal_workflow(($1->>''closed'')::uuid, ''news'') AS closed, hermes.cancel_workflow(($1->>''cancel'')::uuid) AS canceled, '
        'hermes.signal_workflow(($1->>''own'')::uuid, ''own'', ''3'') AS own', input);
    RETURN answer || jsonb_build_object('got', hermes.wait_signal('own'));""")
    to, closed, canceled = (start(world, "listener") for _ in range(3))
    signal(world, closed, "news")
    ends(world, closed)
    speaker = start(world, "speaker", {"to": to, "closed": closed, "cancel": canceled, "zero": 0})
    signal(world, speaker, "speak", {"own": speaker})
    equal(ends(world, speaker)["result"], {"open": "buffered", "closed": "closed", "canceled": "buffered", "own": "buffered", "got": 3}, "what it was told")
    equal(ends(world, to)["result"], 2, "signal")
    equal(events(world, to).count("WorkflowExecutionSignaled"), 1, "signals")
    ends(world, canceled, "Canceled")


def timers(world: World) -> None:
    """a timer of no time fires by an event; one that is negative, or longer than a hundred years, fails the turn, never the execution"""
    define(world, "waits_for", "PERFORM hermes.sleep('0 s'); PERFORM hermes.sleep((input->>'for')::interval); RETURN NULL;")
    for wrong in ("-1 s", "36501 days"):
        execution = start(world, "waits_for", {"for": wrong})
        wait_until(lambda: status(world, execution)["failed_turns"] > 0, what=f"a failed turn: {wrong}")  # pylint: disable=cell-var-from-loop
        check("22023" in status(world, execution)["last_failure"], status(world, execution)["last_failure"])
        equal(events(world, execution), ["WorkflowExecutionStarted", "TimerStarted", "TimerFired", "WorkflowTaskFailed"], "events")
        equal(status(world, execution)["status"], "Running", "status")
        world.sql("SELECT hermes.terminate_workflow(%s)", execution)
    ends(world, start(world, "waits_for", {"for": "0 s"}))


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


def assigned(world: World) -> None:
    """results of steps by assignment: of the step before, of each round of a loop, of a function within, past a failed one"""
    world.sql("CREATE FUNCTION app.taken(n int, run text) RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE row jsonb NOT NULL := '{}'; BEGIN "
              "IF n > 1 THEN row := app.taken(n - 1, run); END IF; "
              "row := row || hermes.step('take ' || n, 'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', ''take '' || ($1->>''n'')) RETURNING what', "
              "jsonb_build_object('run', run, 'n', n)); RETURN row; END $$")
    define(world, "assigns", """
    answer := hermes.step('zero', 'SELECT 0 AS n');
    FOR i IN 1..20 LOOP
        BEGIN
            answer := hermes.step('next ' || i, 'SELECT ($1->>''n'')::int + 1 AS n', answer);
            IF i % 5 = 0 THEN
                answer := hermes.step('fails ' || i, 'SELECT 1 / 0 AS n');
            END IF;
        EXCEPTION WHEN division_by_zero THEN
            answer := answer || jsonb_build_object('caught', i);
        END;
    END LOOP;
    answer := answer || app.taken(3, input->>'run') || jsonb_build_object('times', hermes.step('times', 'SELECT ($1->>''n'')::int * 2 AS n', answer));
    RETURN answer;""")
    found = ends(world, start(world, "assigns", {"run": "a1"}))
    equal(found["result"], {"n": 20, "caught": 20, "what": "take 3", "times": {"n": 40}}, "result")
    equal(effects(world, "a1"), ["take 1", "take 2", "take 3"], "effects")
    kinds = events(world, found["execution_id"])
    equal((kinds.count("StepCompleted"), kinds.count("StepFailed")), (25, 4), "steps")


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


def rolled_back_start(world: World) -> None:
    """a start or a signal in a transaction that rolls back leaves nothing"""
    define(world, "never", "PERFORM app.mark('never', input->>'run'); RETURN NULL;")
    with world.transaction() as session:
        session.execute("SELECT hermes.start_workflow('never', '{\"run\": \"b1\"}', 'back')")
        session.rollback()
    execution = start(world, "never", {"run": "b2"}, workflow_id="back")
    ends(world, execution)
    equal(effects(world, "b1"), [], "effects")


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


def large_values(world: World) -> None:
    """inputs, results of steps, recorded values and answers of a hundred kilobytes; beyond hermes.max_message_size a step fails"""
    define(world, "large", """
    answer := hermes.step('row', 'SELECT repeat(''r'', 100000) AS r');
    answer := answer || jsonb_build_object('s', hermes.side_effect(to_jsonb(repeat('s', 100000))), 'f', hermes.fetch('SELECT repeat(''f'', 100000) AS f'));
    BEGIN
        PERFORM hermes.step('too large', 'SELECT repeat(''r'', 300000) AS r');
    EXCEPTION WHEN program_limit_exceeded THEN
        answer := answer || jsonb_build_object('refused', true);
    END;
    RETURN answer - 'f' || jsonb_build_object('input', length(input->>'text'), 'f', length(answer->'f'->0->>'f'));""")
    found = ends(world, start(world, "large", {"text": "i" * 100000}))["result"]
    equal((len(found["r"]), len(found["s"]), found["f"], found["input"], found["refused"]), (100000, 100000, 100000, 100000, True), "sizes")


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
        wait_until(lambda: restarted(world, supervisor), what="the server")
    for run, execution in executions.items():
        ends(world, execution, timeout=60)
        equal(effects(world, run), [str(i) for i in range(1, 7)], f"effects of {execution}")


if __name__ == "__main__":
    main(prepare, steps, failing_step, waiting, buffered_signals, refuse_close, open_sender, cancel, acts_on_others, timers, swallowed, handled_blocks, assigned, recorded_values, rolled_back_start, long_history, large_values, kills)
