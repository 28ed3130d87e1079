#!/usr/bin/python3
"""What a tenant cannot reach, M12 of the messaging model: secrets, other tenants, private addresses, bodies of the past."""

from __future__ import annotations

import base64
import json
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import TOKEN, WEBHOOK_SECRET, World, check, equal, free_port, main
from tenant_hooks import Peers, endpoint, report_state, start_receiver, wait_hooks

NEW_SECRET = "whsec_" + base64.b64encode(b"the secret of the first rotation").decode()
NO_CASCADE, NOT_ALLOWED = "WF001", "42501"
ROLES = ("m12_a", "m12_b")


def as_role(world: World, role: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with world.connect(role) as session:
        cursor = session.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def error_of(world: World, role: str, statement: str, *parameters: Any) -> str:
    """SQLSTATE of a statement that must fail."""
    try:
        rows = as_role(world, role, statement, *parameters)
    except psycopg.Error as problem:
        return problem.sqlstate or ""
    raise AssertionError(f"not refused: {statement}: {rows}")


def m12_secrets(world: World) -> None:
    """M12 an application role reads no secret, no provider and no endpoint of another, by table, view, function or error"""
    id_ = endpoint(world, "m12_b", headers={"X-Token": "header-of-m12-b"})
    world.sql("SELECT hermes.set_secret('m12_new', %s)", NEW_SECRET)
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'm12_new', '1 hour')", id_)
    role = ROLES[0]
    readable = [row[0] for row in as_role(world, role, """
        SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'hermes'::regnamespace
        AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege(c.oid, 'SELECT')""")]
    check("hermes.cascades" in readable and "hermes.secret" not in readable, f"readable: {readable}")
    for relation in readable:
        text = str(as_role(world, role, f"SELECT t::text FROM {relation} AS t"))
        for secret in (TOKEN, WEBHOOK_SECRET, NEW_SECRET, "header-of-m12-b", "m12_b"):
            check(secret not in text, f"{role} finds {secret[:12]}.. in {relation}")
    for table in ("secret", "provider", "endpoint", "workflow", "closed", "task", "dead_letter", "receipt_inbox"):
        equal(error_of(world, role, f"SELECT * FROM hermes.{table}"), NOT_ALLOWED, f"reading {table}")
    for call in ("set_secret('x', 'y')", "drop_secret('webhook')", "grant_tenant(current_user, 'm12_b')",
                 "create_provider('x', '{}')", "create_endpoint('m12_a', 'http://x/')", "confirm_restore()",
                 "generate_webhook_secret()", "set_tenant_limits('m12_a', NULL)"):
        equal(error_of(world, role, f"SELECT hermes.{call}"), NOT_ALLOWED, f"calling {call}")


def m12_isolation(world: World) -> None:
    """M12 a cascade of another tenant does not exist: not by id, not in views, not for signals, not by its key"""
    cascade = world.start({"email": "no_dlr"}, tenant="m12_b", key="order-1")
    world.wait_attempt(cascade, 1, phase="answered")
    owner, other = ROLES[1], ROLES[0]
    for call in ("cascade_status(%s)", "cascade_history(%s)", "cancel_cascade(%s)",
                 "signal_cascade(%s, 'dlr', '{\"status\": \"delivered\"}')"):
        equal(error_of(world, other, f"SELECT hermes.{call}", cascade), NO_CASCADE, f"{call} of another tenant")
    unknown = "01900000-0000-7000-8000-000000000000"
    texts = []
    for id_ in (cascade, unknown):
        try:
            as_role(world, other, "SELECT hermes.cascade_status(%s)", id_)
        except psycopg.Error as problem:
            texts.append(str(problem).replace(id_, "ID"))
    equal(texts[0], texts[1], "the message for another tenant's cascade and for one that is not there")
    equal(error_of(world, other, "SELECT hermes.start_cascade('cascade', '{}', NULL, 'm12_b')"), NOT_ALLOWED, "a start")
    equal(error_of(world, other, "SELECT * FROM hermes.receive_receipts('email', '{}')"), NOT_ALLOWED, "receipts")
    views = ("cascades", "history", "tasks", "timers", "deliveries", "dead_letters", "delivery_log")
    for view in views:
        equal(as_role(world, other, f"SELECT * FROM hermes.{view} WHERE cascade_id = %s", cascade), [], f"rows of {view}")
    check(as_role(world, owner, "SELECT * FROM hermes.history WHERE cascade_id = %s", cascade), "its owner sees it")
    own = as_role(world, other, "SELECT hermes.start_cascade('cascade', %s, 'order-1', 'm12_a')::text",
                  Jsonb({"to": "x", "text": "y", "behaviour": {"email": "no_dlr"}}))[0][0]
    check(own != cascade, "the same key of another tenant is another cascade")
    equal(as_role(world, owner, "SELECT hermes.signal_cascade(%s, 'dlr', '{\"status\": \"delivered\", \"attempt\": 1}')::text",
                  cascade), [("applied",)], "its owner may signal")
    world.ends(cascade, "DELIVERED", "email")
    for id_ in (cascade, own):
        world.sql("SELECT hermes.cancel_cascade(%s)", id_)
    equal(error_of(world, other, "SELECT hermes.cascade_status(%s)", cascade), NO_CASCADE, "status after the end")


def guarded_attempt(world: World, url: str) -> str:
    """How a send to this address ends, without the cascade's own ids."""
    world.sql("SELECT hermes.alter_provider('m12_probe', %s)", Jsonb(world.provider_config("email", url, breaker=False)))
    cascade = world.start(rule="m12_probe")
    status = world.ends(cascade, "EXHAUSTED")
    rows = world.sql("SELECT attributes FROM hermes.cascade_history(%s)", cascade)
    reasons = {attempt.get("reason") for attempt in status["attempts"]} | {row[0].get("reason") for row in rows}
    return str(sorted(str(reason) for reason in reasons if reason))


def m12_addresses(world: World) -> None:
    """M12 private addresses are refused after DNS, however they are written, and the reason tells nothing of what is there"""
    world.provider("m12_probe", "email")
    world.rule("m12_probe", {"channel": "email", "providers": ["m12_probe"]})
    port, closed = world.simulator.port, free_port()
    world.set_guc("hermes.allow_private_addresses", "off")
    try:
        seen = world.simulator.get("/stats")["requests"]
        hosts = ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
                 "169.254.169.254", "10.0.0.1", "0.0.0.0")
        reasons = {host: guarded_attempt(world, f"http://{host}:{port}/email/messages") for host in hosts}
        reasons["closed port"] = guarded_attempt(world, f"http://127.0.0.1:{closed}/email/messages")
        equal(len(set(reasons.values())), 1, f"reasons {reasons}")
        check("address" in reasons["localhost"], f"reason {reasons['localhost']}")
        equal(world.simulator.get("/stats")["requests"], seen, "requests at the simulator")

        world.sql("SELECT hermes.create_endpoint('m12_a', %s, '{\"retry\": [\"100ms\"]}')",
                  f"http://localhost:{Peers.receiver.server_port}/m12_a")
        sent = len(Peers.receiver.hooks)
        cascade = world.start(rule="m12_probe", tenant="m12_a")
        report_state(world, cascade, "dead")
        equal(len(Peers.receiver.hooks), sent, "webhooks at a private address")
    finally:
        world.set_guc("hermes.allow_private_addresses", "on")
    world.ends(world.start(), "DELIVERED", "email")


def places_of(world: World, text: str) -> list[str]:
    """Relations of the extension that hold a text, plain or as bytes."""
    relations = world.sql("""SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'hermes'::regnamespace
                             AND c.relkind IN ('r', 'p') AND NOT c.relispartition""")
    return [relation for (relation,) in relations
            if world.value(f"SELECT count(*) FROM {relation} AS t WHERE t::text LIKE %s OR t::text LIKE %s",
                           f"%{text}%", f"%{text.encode().hex()}%")]


def m12_body_dropped(world: World) -> None:
    """M12 the message is dropped when the cascade ends, whatever its outcome; ids, history and report stay without it"""
    marker = "secret-recipient-5511"
    body = {"to": marker, "text": f"text for {marker}"}
    outcomes = {"DELIVERED": {}, "EXHAUSTED": {"email": "reject", "sms": "reject", "push": "reject"},
                "CANCELED": {"email": "no_dlr"}}
    endpoint(world, "m12_body")
    for outcome, behaviour in outcomes.items():
        cascade = str(world.value("SELECT hermes.start_cascade('cascade', %s, NULL, 'm12_body')::text",
                                  Jsonb(body | {"behaviour": behaviour})))
        if outcome == "CANCELED":
            world.wait_attempt(cascade, 1, phase="answered")
            equal(places_of(world, marker), ["hermes.workflow"], "where the message is while the cascade runs")
            world.sql("SELECT hermes.cancel_cascade(%s)", cascade)
        world.ends(cascade, outcome)
        (hook,) = wait_hooks(cascade, 1)
        check(marker not in json.dumps(hook.body), "the report shows the message")
        check(world.history(cascade), "the history is gone")
        equal(places_of(world, marker), [], f"where the message is after {outcome}")


def prepare(world: World) -> None:
    """a receiver of webhooks, two tenants with a role each"""
    start_receiver(world)
    for role in ROLES:
        world.sql(f"CREATE ROLE {role} LOGIN IN ROLE hermes_app")
        world.sql("SELECT hermes.grant_tenant(%s, %s)", role, role)


if __name__ == "__main__":
    main(prepare, m12_secrets, m12_isolation, m12_addresses, m12_body_dropped)
