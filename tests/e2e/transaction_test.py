#!/usr/bin/python3
"""Verbs in the caller's transaction: what commits is sent, what rolls back never leaves; cancel and validity."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import TENANT, World, check, equal, main, never, wait_until
from harness import message as plain_message

HELD = 300  # more than a batch of a worker
INSERT_SELECT = """INSERT INTO e2e_order (number, cascade)
  SELECT n, hermes.start_cascade('cascade', %s, 'order-' || n, %s) FROM generate_series(%s::int, %s::int) AS n
  RETURNING cascade::text"""


def nothing_left(world: World, cascade: str) -> None:
    """No trace in the database and none at the provider, once a later start has gone all the way."""
    world.ends(world.start(), "DELIVERED", "email")
    equal(world.requests(cascade), [], "requests of a start that was rolled back")
    try:
        world.status(cascade)
    except psycopg.Error as problem:
        equal(problem.sqlstate, "WF001", "SQLSTATE of an unknown cascade")
    else:
        raise AssertionError("a rolled back start has a status")


def rollback(world: World) -> None:
    """a rolled back start leaves nothing and sends nothing"""
    with world.transaction() as session:
        cascade = world.start(key="rolled back", session=session)
        session.rollback()
    nothing_left(world, cascade)
    again = world.start(key="rolled back")
    check(again != cascade, "the key of a rolled back start is taken")
    world.ends(again, "DELIVERED", "email")


def wakes_nobody(world: World) -> None:
    """a start that is rolled back, with its transaction or its savepoint, wakes no worker; a committed one does"""
    world.wait_report(world.start(), "message.delivered")
    asleep = quiet(world)
    for _ in range(10):
        with world.transaction() as session:
            world.start(session=session)
            session.rollback()
        with world.transaction() as session:
            session.execute("SAVEPOINT one")
            world.start(session=session)
            session.execute("ROLLBACK TO SAVEPOINT one")
            session.commit()
    never(lambda: world.last_active("dispatcher") != asleep, 0.3, "a dispatcher that was woken by a rollback")
    world.start()
    wait_until(lambda: world.last_active("dispatcher") not in (None, asleep), what="a dispatcher that is woken")


def quiet(world: World) -> Any:
    """Waits until the dispatcher sleeps: the same time in looks that are 0.2 s apart."""
    def same() -> Any:
        before = world.last_active("dispatcher")
        time.sleep(0.2)
        return before if before is not None and before == world.last_active("dispatcher") else None

    return wait_until(same, what="a dispatcher that sleeps")


def not_before_commit(world: World) -> None:
    """nothing leaves before the commit, and it leaves at once after it"""
    with world.transaction() as session:
        cascade = world.start(session=session)
        world.ends(world.start(), "DELIVERED", "email")
        equal(world.requests(cascade), [], "requests of an open transaction")
        session.commit()
    world.ends(cascade, "DELIVERED", "email", timeout=5)


def savepoint(world: World) -> None:
    """a start under a savepoint that rolls back is undone alone"""
    with world.transaction() as session:
        kept = world.start(session=session)
        session.execute("SAVEPOINT one")
        undone = world.start(session=session)
        session.execute("ROLLBACK TO SAVEPOINT one")
        session.execute("SAVEPOINT two")
        released = world.start(session=session)
        session.execute("RELEASE SAVEPOINT two")
        session.commit()
    world.ends(kept, "DELIVERED", "email")
    world.ends(released, "DELIVERED", "email")
    nothing_left(world, undone)


def trigger(world: World) -> None:
    """a trigger starts a cascade with the row it fired for"""
    world.sql("""CREATE FUNCTION e2e_welcome() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN
                     NEW.cascade := hermes.start_cascade('cascade', NEW.message, 'customer-' || NEW.number, 'e2e');
                     RETURN NEW;
                   END $$""")
    world.sql("CREATE TABLE e2e_customer (number int PRIMARY KEY, message jsonb, cascade uuid)")
    world.sql("CREATE TRIGGER welcome BEFORE INSERT ON e2e_customer FOR EACH ROW EXECUTE FUNCTION e2e_welcome()")
    insert = "INSERT INTO e2e_customer (number, message) VALUES (%s, %s) RETURNING cascade::text"
    cascade = world.value(insert, 1, Jsonb(plain_message()))
    world.ends(cascade, "DELIVERED", "email")
    with world.transaction() as session:
        row = session.execute(insert, (2, Jsonb(plain_message()))).fetchone()
        session.rollback()
    assert row is not None
    nothing_left(world, row[0])


def insert_select(world: World) -> None:
    """INSERT .. SELECT starts a cascade for every row; a failing statement starts none"""
    world.sql("CREATE TABLE e2e_order (number int PRIMARY KEY CHECK (number < 100), cascade uuid)")
    cascades = [row[0] for row in world.sql(INSERT_SELECT, Jsonb(plain_message()), TENANT, 1, 25)]
    equal(len(set(cascades)), 25, "cascades")
    for cascade in cascades:
        world.ends(cascade, "DELIVERED", "email")
    before = world.simulator.get("/stats")["requests"]
    try:
        world.sql(INSERT_SELECT, Jsonb(plain_message()), TENANT, 90, 110)
    except psycopg.errors.CheckViolation:
        pass
    else:
        raise AssertionError("the constraint did not stop the statement")
    world.ends(world.start(), "DELIVERED", "email")
    equal(world.simulator.get("/stats")["requests"], before + 1, "requests after the failed statement")


def start_and_signal(world: World) -> None:
    """start and signal in one transaction: the early receipt counts"""
    with world.transaction() as session:
        cascade = world.start({"email": "no_dlr"}, session=session)
        row = session.execute("SELECT hermes.signal_cascade(%s, 'dlr', %s)::text",
                              (cascade, Jsonb({"status": "delivered", "attempt": 1}))).fetchone()
        session.commit()
    check(row is not None and row[0] in ("applied", "buffered"), f"result {row}")
    world.ends(cascade, "DELIVERED", "email")
    world.wait_report(cascade, "message.delivered")


def signal_rolled_back(world: World) -> None:
    """a rolled back signal leaves the cascade as it was"""
    cascade = world.start({"email": {"receipts": [{"status": "delivered", "after": 0.8}]}})
    world.wait_attempt(cascade, 1, phase="answered")
    with world.transaction() as session:
        session.execute("SELECT hermes.signal_cascade(%s, 'dlr', %s)",
                        (cascade, Jsonb({"status": "undeliverable", "attempt": 1})))
        session.rollback()
    world.ends(cascade, "DELIVERED", "email")
    equal(world.contacts(cascade), ["email"], "contacts")


def held_by_a_caller(world: World) -> None:
    """a caller that holds 300 cascades stops nobody else's timer"""
    world.rule("held", {"channel": "email", "timeout": "4s"}, "sms")
    messages = [Jsonb(plain_message({"email": "no_dlr"})) for _ in range(HELD)]
    ids = [row[0] for row in world.sql("SELECT hermes.start_cascades('held', %s::jsonb[], NULL, %s)::text",
                                       messages, TENANT)]
    waiting = "SELECT count(*) FROM hermes.timers WHERE cascade_id = ANY (%s::uuid[])"
    wait_until(lambda: world.value(waiting, ids) == HELD, what="the timers of all")
    with world.transaction() as session:
        session.execute("SELECT hermes.signal_cascades(%s::uuid[], %s, %s::jsonb[])",
                        (ids, ["dlr"] * HELD, [Jsonb({"status": "sent", "attempt": 1})] * HELD))
        free = world.start({"email": "no_dlr"}, "held")
        world.ends(free, "DELIVERED", "sms", timeout=10)
        equal(world.value(waiting, ids), HELD, "timers of the cascades that are held")
        session.rollback()
    email, sms = world.requests(free)
    check(sms["time"] - email["time"] < 5.5, f"its timer of 4 s took {sms['time'] - email['time']:.3f} s")
    world.sql("SELECT hermes.cancel_cascade(id) FROM unnest(%s::uuid[]) AS id ORDER BY id", ids)


def prepared(world: World) -> None:
    """PREPARE TRANSACTION holds the start, COMMIT PREPARED lets it go, ROLLBACK PREPARED forgets it"""
    ids = {}
    for name in ("kept", "dropped"):
        with world.transaction() as session:
            ids[name] = world.start(session=session)
            session.execute(f"PREPARE TRANSACTION 'e2e_{name}'")
    world.ends(world.start(), "DELIVERED", "email")
    equal([world.requests(cascade) for cascade in ids.values()], [[], []], "requests of prepared transactions")
    world.set_guc("hermes.fallback_poll", "1s")  # the only way to notice it: COMMIT PREPARED runs no callback
    world.sql("COMMIT PREPARED 'e2e_kept'")
    world.sql("ROLLBACK PREPARED 'e2e_dropped'")
    world.ends(ids["kept"], "DELIVERED", "email")
    nothing_left(world, ids["dropped"])
    world.set_guc("hermes.fallback_poll", "1min")


def keys(world: World) -> None:
    """the same key gives the same cascade, single or set-based, and one contact"""
    cascade = world.start(key="once")
    equal(world.start(key="once"), cascade, "cascade of a repeated key")
    rows = world.sql("SELECT hermes.start_cascades('cascade', %s::jsonb[], %s, %s)::text",
                     [Jsonb(plain_message()) for _ in range(3)], ["twice", "once", "twice"], TENANT)
    first, second, third = (row[0] for row in rows)
    equal((second, third), (cascade, first), "cascades of repeated keys")
    for each in (cascade, first):
        world.ends(each, "DELIVERED", "email")
        equal(len(world.requests(each)), 1, "requests")


def cancel_before_dispatch(world: World) -> None:
    """canceled in the transaction that started it: nothing is sent, the tenant is told"""
    with world.transaction() as session:
        cascade = world.start(session=session)
        session.execute("SELECT hermes.cancel_cascade(%s, 'changed my mind')", (cascade,))
        session.commit()
    world.wait_report(cascade, "message.canceled")
    world.ends(cascade, "CANCELED")
    equal(world.requests(cascade), [], "requests")
    equal(world.value("SELECT hermes.cancel_cascade(%s)::text", cascade), "closed", "a second cancel")


def cancel_after_dispatch(world: World) -> None:
    """canceled after the send: no further step, and a late receipt is still told as a correction"""
    cascade = world.start({"email": {"receipts": [{"status": "delivered", "after": 0.8}]}})
    world.wait_attempt(cascade, 1, phase="answered")
    equal(world.value("SELECT hermes.cancel_cascade(%s, 'too late')::text", cascade), "applied", "result")
    world.ends(cascade, "CANCELED")
    world.wait_report(cascade, "message.canceled")
    world.wait_dlrs(cascade, 1)
    world.wait_report(cascade, "message.status_corrected")
    equal(world.contacts(cascade), ["email"], "contacts")


def terminate(world: World) -> None:
    """terminate ends a waiting cascade at once"""
    cascade = world.start({"email": "no_dlr"})
    world.wait_attempt(cascade, 1, phase="answered")
    equal(world.value("SELECT hermes.terminate_cascade(%s, 'operator')::text", cascade), "applied", "result")
    world.ends(cascade, "CANCELED", timeout=1)
    equal(world.contacts(cascade), ["email"], "contacts")


def validity(world: World) -> None:
    """a cascade whose validity ends is EXPIRED and starts no further step"""
    world.rule("short", {"channel": "email", "timeout": "30s"}, "sms", validity="1s")
    cascade = world.start({"email": "no_dlr"}, "short")
    world.ends(cascade, "EXPIRED", timeout=5)
    world.wait_report(cascade, "message.expired")
    equal(world.contacts(cascade), ["email"], "contacts")


def pinned_rule(world: World) -> None:
    """S9 a running cascade keeps its version of the rule"""
    world.rule("changing", "email", "sms")
    cascade = world.start({"email": "no_dlr"}, "changing")
    step = {"channel": "push", "providers": ["push"], "timeout": "1s"}
    version = world.value("SELECT hermes.alter_cascade_rule('changing', %s)", Jsonb({"steps": [step]}))
    equal(version, 2, "version")
    equal(world.ends(cascade, "DELIVERED", "sms")["rule_version"], 1, "version of the running cascade")
    equal(world.ends(world.start({}, "changing"), "DELIVERED", "push")["rule_version"], 2, "version of a new one")


if __name__ == "__main__":
    main(rollback, wakes_nobody, not_before_commit, savepoint, trigger, insert_select, start_and_signal,
         signal_rolled_back, held_by_a_caller, prepared, keys, cancel_before_dispatch, cancel_after_dispatch,
         terminate, validity, pinned_rule)
