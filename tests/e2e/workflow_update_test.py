#!/usr/bin/python3
"""Updates of durable functions end to end: validated, taken in order, awaited without a snapshot; results; queries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, effects, ends, events, prepare, signal, start, status, wait_event


def send(world: World, execution: str, name: str, args: Any = None, update_id: str | None = None) -> str:
    return str(world.value("SELECT hermes.update_workflow(%s, %s, %s, %s)", execution, name, Jsonb(args if args is not None else {}), update_id))


def outcome(world: World, execution: str, update_id: str, timeout: str = "15 s") -> dict[str, Any]:
    return dict(world.value("SELECT hermes.update_result(%s, %s, %s::interval)", execution, update_id, timeout))


def sqlstate_of(call: Callable[[], Any]) -> str:
    try:
        found = call()
    except psycopg.Error as e:
        return str(e.sqlstate)
    raise AssertionError(f"no error, but {found!r}")


class Waiter:
    """A statement in a session of its own, in a thread: what it gave, and how its backend looks meanwhile."""

    def __init__(self, world: World, statement: str, *parameters: Any) -> None:
        self.session = world.connect()
        self.pid = self.session.info.backend_pid
        self.rows: list[Any] = []
        self.error: psycopg.Error | None = None
        self.thread = threading.Thread(target=self.run, args=(statement, parameters))
        self.thread.start()

    def run(self, statement: str, parameters: tuple[Any, ...]) -> None:
        try:
            self.rows = self.session.execute(statement, parameters).fetchall()
        except psycopg.Error as e:
            self.error = e

    def waits(self, world: World) -> None:
        """It sleeps, and holds neither a snapshot nor a transaction id."""
        wait_until(lambda: world.sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Extension' "
                                     "AND backend_xmin IS NULL AND backend_xid IS NULL AND state = 'active'", self.pid), what="the wait")

    def end(self) -> Any:
        self.thread.join(20)
        check(not self.thread.is_alive(), "the wait ends")
        self.session.close()
        if self.error is not None:
            raise self.error
        return self.rows[0][0]


def prepare_carts(world: World) -> None:
    """a shopping cart that takes updates: items with a price, checked against what is in it"""
    world.sql("CREATE FUNCTION app.check_add_item(args jsonb, state jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
              "INSERT INTO app.validated (what) VALUES (args->>'sku'); "
              "EXCEPTION WHEN read_only_sql_transaction THEN "
              "IF NOT args ? 'sku' THEN RAISE EXCEPTION 'no sku' USING ERRCODE = 'K0001', HINT = 'Name one.'; END IF; "
              "IF jsonb_array_length(state->'items') >= 3 THEN RAISE EXCEPTION 'cart is full'; END IF; "
              "IF args->>'sku' = 'slow' THEN PERFORM pg_sleep(60); END IF; END $$")
    world.sql("CREATE TABLE app.validated (what text)")
    world.sql(f"GRANT INSERT ON app.validated TO {ROLE}")
    world.sql("CREATE FUNCTION app.cart_total(args jsonb, state jsonb) RETURNS jsonb LANGUAGE sql AS $$ "
              "SELECT jsonb_build_object('count', jsonb_array_length(state->'items'), 'currency', args->'currency') $$")
    define(world, "cart", """
    PERFORM hermes.set_query_result('items', items);
    LOOP
        item := hermes.wait_update();
        IF item->>'name' = 'check_out' THEN
            IF item->'args' ? 'forget' THEN
                RETURN items;
            END IF;
            PERFORM hermes.complete_update(item->>'id', items);
            RETURN items;
        ELSIF item->>'name' = 'renew' THEN
            PERFORM hermes.complete_update(item->>'id');
            PERFORM hermes.continue_as_new(jsonb_build_object('run', input->>'run', 'renewed', true));
        ELSIF item->'args' ? 'refuse' THEN
            PERFORM hermes.fail_update(item->>'id', 'sold out', 'K0002', 'None is left.');
            CONTINUE;
        END IF;
        PERFORM app.mark('item ' || (item->'args'->>'sku'), input->>'run');
        IF item->'args' ? 'pause' THEN
            PERFORM hermes.wait_signal('go on');
        END IF;
        items := items || (item->'args'->'sku');
        PERFORM hermes.set_query_result('items', items);
        PERFORM hermes.complete_update(item->>'id', jsonb_build_object('count', jsonb_array_length(items)));
    END LOOP;""", declare="item jsonb; items jsonb := '[]';", task_timeout="1s",
           updates={"add_item": {"validator": "app.check_add_item(jsonb, jsonb)"}, "check_out": {}, "renew": {}},
           queries={"total": "app.cart_total(jsonb, jsonb)"})


def validated(world: World) -> None:
    """updates are validated, taken in order, and answered; the function's steps are done once"""
    cart = start(world, "cart", {"run": "u1"})
    wait_event(world, cart, "MarkerRecorded")
    equal(outcome(world, cart, send(world, cart, "add_item", {"sku": "a"})), {"stage": "completed", "result": {"count": 1}}, "first")
    with world.transaction() as session:
        for n in range(2):
            session.execute("SELECT hermes.update_workflow(%s, 'add_item', %s, %s)", (cart, Jsonb({"sku": f"b{n}"}), f"b{n}"))
        session.commit()
    equal(outcome(world, cart, "b1"), {"stage": "completed", "result": {"count": 3}}, "second of two")
    equal(outcome(world, cart, "b0"), {"stage": "completed", "result": {"count": 2}}, "first of two")
    equal(effects(world, "u1"), ["item a", "item b0", "item b1"], "effects")
    kinds = events(world, cart)
    equal((kinds.count("WorkflowExecutionUpdateAccepted"), kinds.count("WorkflowExecutionUpdateCompleted")), (3, 3), "events")
    equal(world.value("SELECT hermes.query_workflow(%s, 'total', '{\"currency\": \"EUR\"}')", cart), {"count": 3, "currency": "EUR"}, "query with arguments")
    equal(outcome(world, cart, send(world, cart, "check_out"))["result"], ["a", "b0", "b1"], "last")
    equal(ends(world, cart)["result"], ["a", "b0", "b1"], "result")
    equal(world.value("SELECT count(*) FROM app.validated"), 0, "a validator writes nothing")
    equal(world.value("SELECT count(*) FROM hermes.task WHERE workflow_id = %s", cart), 0, "tasks left")


def rejected(world: World) -> None:
    """a rejection leaves no event in the history, and is not asked again by a replay; a failed one does"""
    cart = start(world, "cart", {"run": "r1"})
    wait_event(world, cart, "MarkerRecorded")
    before = events(world, cart)
    found = outcome(world, cart, send(world, cart, "add_item"))
    equal((found["stage"], found["failure"]["sqlstate"], found["failure"]["message"], found["failure"]["hint"]), ("rejected", "K0001", "no sku", "Name one."), "raised")
    found = outcome(world, cart, send(world, cart, "remove_item", {}, "never"))
    equal((found["stage"], found["failure"]["sqlstate"]), ("rejected", "42704"), "undeclared")
    check("add_item, check_out, renew" in found["failure"]["detail"], f"{found}")
    found = outcome(world, cart, send(world, cart, "add_item", {"sku": "slow"}))
    equal((found["stage"], found["failure"]["sqlstate"]), ("rejected", "57014"), "validator that takes too long")
    equal(events(world, cart), before, "history")
    equal(send(world, cart, "add_item", {"sku": "a"}, "never"), "never", "the id of a rejected one, again")
    equal(outcome(world, cart, "never", "0")["stage"], "rejected", "same outcome")
    found = outcome(world, cart, send(world, cart, "add_item", {"sku": "x", "refuse": True}))
    equal(found, {"stage": "completed", "failure": {"sqlstate": "K0002", "message": "sold out", "detail": "None is left."}}, "failed after acceptance")
    for sku in "abc":
        equal(outcome(world, cart, send(world, cart, "add_item", {"sku": sku}))["stage"], "completed", "added")
    equal(outcome(world, cart, send(world, cart, "add_item", {"sku": "d"}))["failure"]["message"], "cart is full", "validated against the state")
    # a validator corrected meanwhile stops no execution
    world.sql("CREATE FUNCTION app.lenient(args jsonb, state jsonb) RETURNS void LANGUAGE sql AS 'SELECT'")
    world.sql("ALTER FUNCTION app.check_add_item(jsonb, jsonb) RENAME TO strict")
    world.sql("ALTER FUNCTION app.lenient(jsonb, jsonb) RENAME TO check_add_item")
    try:
        equal(outcome(world, cart, send(world, cart, "add_item", {"sku": "d"}))["result"], {"count": 4}, "lenient")
    finally:
        world.sql("DROP FUNCTION app.check_add_item(jsonb, jsonb)")
        world.sql("ALTER FUNCTION app.strict(jsonb, jsonb) RENAME TO check_add_item")
    send(world, cart, "check_out")
    equal(ends(world, cart)["result"], ["a", "b", "c", "d"], "result")


def deduplicated(world: World) -> None:
    """the same update id again, also at the same time and after the end: one effect, the same outcome"""
    cart = start(world, "cart", {"run": "d1"})
    with world.transaction() as first:
        first.execute("SELECT hermes.update_workflow(%s, 'add_item', %s, 'once')", (cart, Jsonb({"sku": "a"})))
        second = Waiter(world, "SELECT hermes.update_workflow(%s, 'add_item', %s, 'once')", cart, Jsonb({"sku": "b"}))
        wait_until(lambda: world.sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", second.pid), what="the second sender")
        first.commit()
    equal(second.end(), "once", "attached")
    equal(outcome(world, cart, "once"), {"stage": "completed", "result": {"count": 1}}, "outcome")
    send(world, cart, "add_item", {"sku": "c"}, "once")
    equal(outcome(world, cart, send(world, cart, "check_out", {}, "out"))["result"], ["a"], "items")
    ends(world, cart)
    equal(send(world, cart, "add_item", {"sku": "z"}, "once"), "once", "after the end")
    equal(outcome(world, cart, "once", "0"), {"stage": "completed", "result": {"count": 1}}, "outcome after the end")
    equal(sqlstate_of(lambda: send(world, cart, "add_item", {"sku": "z"}, "new")), "55000", "a new one after the end")
    equal(effects(world, "d1"), ["item a"], "effects")


def awaited(world: World) -> None:
    """another session waits for the outcome: no snapshot is held, the commit wakes it"""
    cart = start(world, "cart", {"run": "w1"})
    update = send(world, cart, "add_item", {"sku": "a", "pause": True})
    wait_until(lambda: outcome(world, cart, update, "0")["stage"] == "accepted", what="its acceptance")
    waiter = Waiter(world, "SELECT hermes.update_result(%s, %s, '20 s')", cart, update)
    result = Waiter(world, "SELECT hermes.workflow_result(%s, '20 s')", cart)
    waiter.waits(world)
    result.waits(world)
    equal(outcome(world, cart, update, "50 ms"), {"stage": "accepted"}, "the stage at the timeout")
    signal(world, cart, "go on")
    equal(waiter.end(), {"stage": "completed", "result": {"count": 1}}, "awaited")
    # the procedure commits and waits
    with world.connect() as session:
        row = session.execute("CALL hermes.execute_update(%s, 'check_out', '{}', 'out', '15 s')", (cart,)).fetchone()
        equal(row, ({"update_id": "out", "stage": "completed", "result": ["a"]},), "of the procedure")
    equal(result.end(), ["a"], "result of the execution")
    equal(world.value("SELECT hermes.workflow_result(%s, '0')", cart), ["a"], "result that is there")
    # the wake-up, not the second look of each second, ends a wait
    fast = start(world, "cart", {"run": "w2"})
    wait_event(world, fast, "MarkerRecorded")
    took = []
    for n in range(5):
        waiter = Waiter(world, "SELECT hermes.update_result(%s, %s, '20 s')", fast, send(world, fast, "add_item", {"sku": "x", "pause": True, "n": n}))
        if n >= 3:
            equal(waiter.end()["stage"], "rejected", "full")
            continue
        waiter.waits(world)
        began = time.monotonic()
        signal(world, fast, "go on")
        equal(waiter.end()["stage"], "completed", "awaited")
        took.append(time.monotonic() - began)
    check(sorted(took)[1] < 0.5, f"wake-ups took {took}")
    # a waiting session is canceled like any other
    waiter = Waiter(world, "SELECT hermes.workflow_result(%s, '20 s')", fast)
    waiter.waits(world)
    world.sql("SELECT pg_cancel_backend(%s)", waiter.pid)
    equal(sqlstate_of(waiter.end), "57014", "canceled")
    world.sql("SELECT hermes.terminate_workflow(%s)", fast)


def closed_before(world: World) -> None:
    """an execution that closes does not wait for updates: accepted ones have failed, admitted ones are told so"""
    cart = start(world, "cart", {"run": "c1"})
    with world.transaction() as session:
        for name, update_id in (("check_out", "taken"), ("add_item", "late")):
            session.execute("SELECT hermes.update_workflow(%s, %s, '{\"forget\": true}', %s)", (cart, name, update_id))
        session.commit()
    ends(world, cart)
    found = outcome(world, cart, "taken")
    equal((found["stage"], found["failure"]["sqlstate"]), ("completed", "WF030"), "accepted")
    equal(found["failure"]["message"], "workflow update failed because the workflow completed before the update completed", "accepted")
    found = outcome(world, cart, "late")
    equal((found["stage"], found["failure"]["sqlstate"]), ("rejected", "WF030"), "admitted")
    # terminated, timed out, canceled: who waits is told
    for end in ("Terminated", "TimedOut", "Canceled"):
        options = {"run_timeout": "5s"} if end == "TimedOut" else {}
        cart = start(world, "cart", {"run": f"c-{end}"}, **options)
        taken, waiting = send(world, cart, "add_item", {"sku": "a", "pause": True}), send(world, cart, "add_item", {"sku": "b"})
        wait_until(lambda cart=cart, taken=taken: outcome(world, cart, taken, "0")["stage"] == "accepted", what="its acceptance")
        equal(outcome(world, cart, waiting, "0"), {"stage": "admitted"}, "the next one")
        waiter = Waiter(world, "SELECT hermes.update_result(%s, %s, '20 s')", cart, taken)
        result = Waiter(world, "SELECT hermes.workflow_result(%s, '20 s')", cart)
        result.waits(world)
        if end == "Terminated":
            world.sql("SELECT hermes.terminate_workflow(%s)", cart)
        elif end == "Canceled":
            world.sql("SELECT hermes.cancel_workflow(%s)", cart)
        equal(waiter.end()["failure"]["sqlstate"], "WF030", end)
        equal(sqlstate_of(result.end), "WF022", end)
        found = outcome(world, cart, waiting)
        equal((found["stage"], found["failure"]["sqlstate"]), ("rejected", "WF030"), "never taken")
        check(end in found["failure"]["detail"], f"{found}")
        ends(world, cart, end)


def continued(world: World) -> None:
    """admitted updates go on with the next run, in their order; updates and results follow"""
    first = start(world, "cart", {"run": "n1"}, workflow_id="cart-n1")
    with world.transaction() as session:
        for name, sku in (("add_item", "a"), ("renew", "r"), ("add_item", "b"), ("add_item", "c")):
            session.execute("SELECT hermes.update_workflow(%s, %s, %s, %s)", (first, name, Jsonb({"sku": sku}), sku))
        session.commit()
    result = Waiter(world, "SELECT hermes.workflow_result(%s, '20 s')", first)
    ends(world, first, "ContinuedAsNew")
    equal(outcome(world, first, "r")["stage"], "completed", "of the first run")
    equal(outcome(world, first, "c"), {"stage": "completed", "result": {"count": 2}}, "of the next run, asked at the first")
    second = str(world.value("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = 'cart-n1' AND status = 'Running'"))
    equal(outcome(world, second, "b"), {"stage": "completed", "result": {"count": 1}}, "asked at the next")
    equal(sqlstate_of(lambda: outcome(world, second, "a")), "42704", "of an earlier run")
    # sent to the first run again: known there; a new one reaches the last run
    equal(send(world, first, "add_item", {"sku": "z"}, "b"), "b", "known")
    equal(outcome(world, first, send(world, first, "add_item", {"sku": "d"}, "d")), {"stage": "completed", "result": {"count": 3}}, "new")
    send(world, first, "check_out")
    equal(result.end(), ["b", "c", "d"], "result of the last run, waited for at the first")
    equal(effects(world, "n1"), [f"item {sku}" for sku in "abcd"], "effects")


def in_flight(world: World) -> None:
    """ten are in flight at most; a retry of one of them is none more"""
    cart = start(world, "cart", {"run": "f1"})
    send(world, cart, "add_item", {"sku": "a", "pause": True}, "held")
    wait_until(lambda: outcome(world, cart, "held", "0")["stage"] == "accepted", what="its acceptance")
    for n in range(9):
        send(world, cart, "add_item", {"sku": "x", "refuse": True}, f"f{n}")
    try:
        send(world, cart, "add_item", {"sku": "x"})
        raise AssertionError("the eleventh")
    except psycopg.Error as e:
        equal(e.sqlstate, "54000", "SQLSTATE")
        check("update_result" in (e.diag.message_hint or ""), "hint")
    send(world, cart, "add_item", {"sku": "x"}, "f8")
    wait_until(lambda: status(world, cart)["waiting"] == [], what="the end of all wake-ups: it waits for a signal, and nobody has sent one")
    signal(world, cart, "go on")
    equal(outcome(world, cart, "f8")["failure"]["message"], "sold out", "the last of them")
    equal(outcome(world, cart, send(world, cart, "check_out"))["result"], ["a"], "items")


def started_by_an_update(world: World) -> None:
    """update_with_start reaches the open execution of an id, or starts one, whoever races"""
    ids: set[str] = set()

    def one(update_id: str, **options: Any) -> str:
        rows = world.sql("SELECT execution_id::text, update_id FROM hermes.update_with_start('cart', 'cart-s1', 'add_item', '{\"sku\": \"s\", \"refuse\": true}', "
                         "'{\"run\": \"s1\"}', NULL, %s)", Jsonb({"update_id": update_id} | options))
        equal(rows[0][1], update_id, "update id")
        return str(rows[0][0])

    for n in range(30):
        execution = one(f"s{n}")
        ids.add(execution)
        equal(outcome(world, execution, f"s{n}")["failure"]["message"], "sold out", f"update {n}")
        if n % 10 == 9:
            send(world, execution, "check_out")
            ends(world, execution)
    equal(len(ids), 3, "executions")
    # closed, and the update is known: nothing is started, its outcome is told
    equal(one("s29"), execution, "the closed one")
    check(one("s30") not in ids, "another one")
    # two at once: one execution
    senders = [Waiter(world, "SELECT execution_id::text FROM hermes.update_with_start('cart', 'cart-s2', 'add_item', '{\"sku\": \"s\", \"refuse\": true}')") for _ in range(6)]
    equal(len({sender.end() for sender in senders}), 1, "executions of six senders")


def named_and_timed(world: World) -> None:
    """a wait for one name leaves the others to later ones, and its timeout comes; what is not open cannot be completed"""
    define(world, "desk", """
    item := hermes.wait_update('open', '10 s');
    PERFORM hermes.complete_update(item->>'id', item->'args');
    log := log || (item->'name') || coalesce(hermes.wait_update('pay', '80 ms'), '"nobody pays"');
    item := hermes.wait_update(NULL, '10 s');
    PERFORM hermes.complete_update(item->>'id');
    BEGIN
        PERFORM hermes.complete_update(item->>'id');
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        log := log || to_jsonb(SQLERRM);
    END;
    RETURN log || (item->'name');""", declare="item jsonb; log jsonb := '[]';", updates={"open": {}, "pay": {}, "leave": {}})
    desk = start(world, "desk")
    wait_event(world, desk, "MarkerRecorded")
    send(world, desk, "leave", {}, "l1")
    equal(outcome(world, desk, send(world, desk, "open", [1, {"a": 12345678901234567890}])), {"stage": "completed", "result": [1, {"a": 12345678901234567890}]}, "open")
    equal(ends(world, desk)["result"], ["open", "nobody pays", 'workflow update "l1" is not open', "leave"], "result")
    equal(outcome(world, desk, "l1"), {"stage": "completed", "result": None}, "the one that waited")
    kinds = events(world, desk)
    equal((kinds.count("TimerFired"), kinds.count("WorkflowTaskFailed")), (1, 0), "events")
    # a cancel ends the wait
    desk = start(world, "desk")
    wait_event(world, desk, "MarkerRecorded")
    world.sql("SELECT hermes.cancel_workflow(%s)", desk)
    ends(world, desk, "Canceled")


def results(world: World) -> None:
    """the result of an execution, its failure with its SQLSTATE, and what is told at the timeout"""
    define(world, "ended", """
    IF input ? 'wait' THEN
        PERFORM hermes.wait_signal('go');
    END IF;
    IF input ? 'fail' THEN
        RAISE EXCEPTION 'no' USING ERRCODE = 'K0001', DETAIL = 'why';
    END IF;
    RETURN input->'result';""")
    equal(world.value("SELECT hermes.workflow_result(%s)", start(world, "ended", {"result": 12.5})), 12.5, "result")
    equal(world.value("SELECT hermes.workflow_result(%s)", start(world, "ended")), None, "no result")
    failed = start(world, "ended", {"fail": True})
    try:
        world.sql("SELECT hermes.workflow_result(%s)", failed)
        raise AssertionError("failed")
    except psycopg.Error as e:
        equal((e.sqlstate, e.diag.message_primary, e.diag.message_detail), ("K0001", "no", "why"), "failure")
    waiting = start(world, "ended", {"wait": True, "result": 1})
    equal(sqlstate_of(lambda: world.sql("SELECT hermes.workflow_result(%s, '30 ms')", waiting)), "WF031", "timeout")
    # many at once are all woken
    waiters = [Waiter(world, "SELECT hermes.workflow_result(%s, '20 s')", waiting) for _ in range(8)]
    for waiter in waiters:
        waiter.waits(world)
    signal(world, waiting, "go")
    equal([waiter.end() for waiter in waiters], [1] * 8, "results")


def _restarted(world: World, supervisor: int) -> bool:
    try:
        return world.worker_pid("supervisor") != supervisor
    except psycopg.Error:
        return False


def kills(world: World) -> None:
    """kill -9 of an executor in the middle: what was committed as sent is answered, each effect is there once"""
    carts = {f"kill-{n}": start(world, "cart", {"run": f"kill-{n}"}) for n in range(10)}
    for round_number in range(3):
        for cart in carts.values():
            send(world, cart, "add_item", {"sku": f"k{round_number}"}, f"k{round_number}")
        wait_until(lambda run=f"kill-{round_number}", sku=f"item k{round_number}": sku in effects(world, run), what="an effect")
        supervisor = world.worker_pid("supervisor")
        world.kill(world.worker_pid("executor"))
        wait_until(lambda supervisor=supervisor: _restarted(world, supervisor), what="the server")
    for run, cart in carts.items():
        for round_number in range(3):
            equal(outcome(world, cart, f"k{round_number}", "60 s")["result"], {"count": round_number + 1}, f"{run} {round_number}")
        equal(effects(world, run), [f"item k{n}" for n in range(3)], f"effects of {run}")


if __name__ == "__main__":
    main(prepare, prepare_carts, validated, rejected, deduplicated, awaited, closed_before, continued, in_flight, started_by_an_update, named_and_timed, results, kills)
