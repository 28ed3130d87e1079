#!/usr/bin/python3
"""Conditions of steps end to end, S6 of the messaging model: business tables decide over real HTTP which channels a cascade
uses."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from harness import TENANT, World, check, equal, main, wait_until

ROLE = "e2e_conditions"


def prepare(world: World) -> None:
    """a role that reads the business tables runs the SQL of the tenant"""
    world.sql(f"CREATE ROLE {ROLE} LOGIN")
    world.sql("CREATE TABLE customers (address text PRIMARY KEY, wants text[] NOT NULL, paid boolean NOT NULL DEFAULT true)")
    world.sql(f"GRANT SELECT ON customers TO {ROLE}")
    world.sql("SELECT hermes.set_tenant_role(%s, %s)", TENANT, ROLE)
    wants = "(SELECT channel = ANY (c.wants) FROM customers c WHERE c.address = message ->> 'to')"
    world.rule("wanted", *({"channel": channel, "condition": wants} for channel in ("email", "sms", "push")))


def customer(world: World, cascade_rule: str, wants: list[str], behaviour: dict[str, Any] | None = None) -> str:
    """Starts a cascade in the transaction that stores the customer whom its conditions look for."""
    with world.transaction() as session:
        row = session.execute("SELECT 'customer-' || gen_random_uuid()").fetchone()
        assert row is not None
        session.execute("INSERT INTO customers VALUES (%s, %s)", (row[0], wants))
        found = session.execute(
            "SELECT hermes.start_cascade(%s, jsonb_build_object('to', %s::text, 'text', 'hello', 'behaviour', %s::jsonb), "
            "NULL, %s)::text", (cascade_rule, row[0], Jsonb(behaviour or {}), TENANT)).fetchone()
        assert found is not None
        session.commit()
        return str(found[0])


def verdicts(world: World, cascade: str) -> list[str]:
    rows = world.sql("SELECT attributes ->> 'verdict' FROM hermes.cascade_history(%s) "
                     "WHERE event_type = 'ConditionEvaluated' ORDER BY event_id", cascade)
    return [row[0] for row in rows]


def chosen_channels(world: World) -> None:
    """S6 steps whose condition does not hold are skipped, and nothing of them is sent"""
    cascade = customer(world, "wanted", ["push"])
    world.ends(cascade, "DELIVERED", "push")
    equal(world.contacts(cascade), ["push"], "contacts")
    equal(verdicts(world, cascade), ["no", "no", "yes"], "verdicts")
    equal(world.wait_report(cascade, "message.delivered")["data"]["step"], 3, "reported step")


def failover(world: World) -> None:
    """S6 a condition stands for its step alone: a failed send goes on to the next one that holds"""
    cascade = customer(world, "wanted", ["email", "push"], {"email": "undeliverable"})
    world.ends(cascade, "DELIVERED", "push")
    equal(world.contacts(cascade), ["email", "push"], "contacts")
    equal(verdicts(world, cascade), ["yes", "no", "yes"], "verdicts")


def none_wanted(world: World) -> None:
    """S6 when no condition holds the cascade is exhausted, and the tenant is told"""
    cascade = customer(world, "wanted", [])
    status = world.ends(cascade, "EXHAUSTED")
    equal(status["attempts"], [], "attempts")
    equal(world.wait_report(cascade, "message.failed")["data"]["outcome"], "EXHAUSTED", "reported outcome")


def evaluated_late(world: World) -> None:
    """S6 a condition is evaluated when its step starts: what changed meanwhile counts"""
    world.rule("still_unpaid", "email", {
        "channel": "sms", "condition": "NOT (SELECT paid FROM customers WHERE address = message ->> 'to')"})
    for pays, outcome in ((True, "EXHAUSTED"), (False, "DELIVERED")):
        cascade = customer(world, "still_unpaid", [], {"email": "no_dlr"})
        world.wait_attempt(cascade, 1, phase="answered")
        world.sql("UPDATE customers SET paid = %s WHERE address = "
                  "(SELECT message ->> 'to' FROM hermes.workflow WHERE id = %s)", pays, cascade)
        world.ends(cascade, outcome)


def sees_attempts(world: World) -> None:
    """S6 a condition sees what became of the attempts before it"""
    world.rule("after_bounce", "email", {
        "channel": "sms", "condition": "attempts -> -1 ->> 'failure_kind' = 'hard' AND attempts -> 0 ->> 'channel' = 'email'"})
    world.ends(customer(world, "after_bounce", [], {"email": "undeliverable"}), "DELIVERED", "sms")
    world.ends(customer(world, "after_bounce", [], {"email": "no_dlr"}), "EXHAUSTED")


def many(world: World) -> None:
    """S6 a thousand cascades with conditions end once each, by one executor or, where the queue stays full, two"""
    world.sql("SELECT hermes.create_provider('bulk', %s)", Jsonb({
        "kind": "sandbox", "channel": "bulk",
        "script": [{"answer": "accepted", "receipts": [{"status": "delivered", "after": "1ms"}]}]}))
    world.rule("bulk", {"channel": "bulk", "condition": "(message ->> 'n')::int % 2 = 0"},
               {"channel": "bulk", "condition": "(message ->> 'n')::int % 3 = 0"})
    world.sql("SELECT count(*) FROM hermes.start_cascades('bulk', ARRAY(SELECT jsonb_build_object('n', n) "
              "FROM generate_series(1, 1000) n), ARRAY(SELECT 'bulk-' || n FROM generate_series(1, 1000) n), %s)", TENANT)
    wait_until(lambda: world.value("SELECT count(*) FROM hermes.workflow") == 0, 30, "the end of all")
    rows = world.sql("SELECT outcome, step, count(*) FROM hermes.cascades WHERE key LIKE 'bulk-%%' GROUP BY 1, 2 ORDER BY 1, 2")
    equal(rows, [("DELIVERED", 1, 500), ("DELIVERED", 2, 167), ("EXHAUSTED", 2, 333)], "outcomes")
    workers = world.sql("SELECT database_role, errors FROM hermes.workers WHERE role = 'executor'")
    check(len(workers) in (1, 2) and set(workers) == {(ROLE, 0)}, f"executors: {workers}")
    check(world.value("SELECT count(*) FROM hermes.dead_letters") == 0, "there are dead letters")


if __name__ == "__main__":
    main(prepare, chosen_channels, failover, none_wanted, evaluated_late, sees_attempts, many)
