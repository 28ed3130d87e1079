#!/usr/bin/python3
"""What a tenant gets and what it cannot reach, M9, M10 and M12 of the messaging model: webhooks, one final status, isolation."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections import Counter
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import TOKEN, WEBHOOK_SECRET, World, check, equal, free_port, main, never, wait_until
from receiver import Hook, Receiver

NEW_SECRET = "whsec_" + base64.b64encode(b"the secret of the first rotation").decode()
NEWEST_SECRET = "whsec_" + base64.b64encode(b"the secret of the next rotation.").decode()
NO_CASCADE, NOT_ALLOWED = "WF001", "42501"
ROLES = ("m12_a", "m12_b")


class Peers:
    """Made by `prepare`."""

    receiver: Receiver


def endpoint(world: World, tenant: str, name: str | None = None, **options: Any) -> int:
    url = f"{Peers.receiver.url}/{name or tenant}"
    return int(world.value("SELECT hermes.create_endpoint(%s, %s, %s)", tenant, url, Jsonb({"secret": "webhook"} | options)))


def report_state(world: World, cascade: str, state: str) -> None:
    wait_until(lambda: world.status(cascade)["report"]["state"] == state, what=f"report state {state}")


def reported(world: World, tenant: str, count: int = 1) -> tuple[str, list[Hook]]:
    """A delivered cascade, once its report has come so many times."""
    cascade = world.start(rule="quick", tenant=tenant)
    return cascade, wait_hooks(cascade, count)


def wait_hooks(cascade: str, count: int) -> list[Hook]:
    wait_until(lambda: len(Peers.receiver.of(cascade)) >= count, what=f"webhook {count} of {cascade}")
    return Peers.receiver.of(cascade)


# ---- M9 ----


def m9_life_of_an_endpoint(world: World) -> None:
    """M9 one endpoint from first report to replay: signature, rotation, retries, dead letter, 410, replay of one and of a range"""
    id_ = endpoint(world, "m9", retry=["200ms", "400ms"])
    since = world.value("SELECT clock_timestamp()")
    first, (hook,) = reported(world, "m9")
    check(hook.signed_by(WEBHOOK_SECRET) and hook.signatures == 1, "one signature by the secret")
    equal((hook.type, hook.sequence, hook.body["data"]["cascade_id"]), ("message.delivered", 1, first), "report")

    world.sql("SELECT hermes.set_secret('m9_new', %s)", NEW_SECRET)
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'm9_new', '1 hour')", id_)
    _, (hook,) = reported(world, "m9")
    equal([hook.signed_by(secret) for secret in (WEBHOOK_SECRET, NEW_SECRET)], [True, True], "both secrets sign")
    equal(hook.signatures, 2, "signatures during the rotation")
    world.sql("SELECT hermes.set_secret('m9_newest', %s)", NEWEST_SECRET)
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'm9_newest', '0')", id_)
    _, (hook,) = reported(world, "m9")
    equal([hook.signed_by(secret) for secret in (WEBHOOK_SECRET, NEW_SECRET, NEWEST_SECRET)], [False, False, True],
          "without a time of both, only the new secret signs")

    Peers.receiver.script("m9", 500, 503)
    retried, hooks = reported(world, "m9", 3)
    equal([hook.answer for hook in hooks], [500, 503, 204], "answers")
    for hook, after, gap in zip(hooks, hooks[1:], (0.2, 0.4)):
        check(0.9 * gap <= after.time - hook.time <= gap + 1.5, f"tried again after {after.time - hook.time:.3f} s")
    equal(len({(hook.id, hook.raw) for hook in hooks}), 1, "ids and bodies of the tries")
    check(all(hook.signed_by(NEWEST_SECRET) for hook in hooks), "each try is signed with its own timestamp")

    Peers.receiver.script("m9", 500, 500, 500)
    dead, _ = reported(world, "m9", 3)
    report_state(world, dead, "dead")
    letter = world.value("SELECT id FROM hermes.dead_letters WHERE cascade_id = %s", dead)
    world.sql("SELECT hermes.retry_dead_letter(%s)", letter)
    equal(len({(hook.id, hook.raw) for hook in wait_hooks(dead, 4)}), 1, "id and body of the dead letter")
    report_state(world, dead, "delivered")

    Peers.receiver.script("m9", 410)
    gone, _ = reported(world, "m9")
    report_state(world, gone, "dead")
    enabled = "SELECT enabled FROM hermes.endpoints WHERE id = %s"
    equal(world.value(enabled, id_), False, "enabled after a 410")
    missed = world.start(rule="quick", tenant="m9")
    world.ends(missed, "DELIVERED")
    world.sql("SELECT hermes.enable_endpoint(%s)", id_)
    later, _ = reported(world, "m9")
    equal(Peers.receiver.of(missed), [], "reports while it was disabled")
    report_state(world, later, "delivered")

    equal(world.value("SELECT hermes.replay_webhook(%s)", later), 1, "reports of one cascade put again")
    again = wait_hooks(later, 2)
    equal(len({(hook.id, hook.raw) for hook in again}), 1, "the replay is the same report")
    until = world.value("SELECT clock_timestamp()")
    equal(world.value("SELECT hermes.replay_webhooks(%s, %s, %s, true)", id_, since, until), 1, "dead reports put again")
    wait_hooks(gone, 2)
    report_state(world, gone, "delivered")
    before = {cascade: len(Peers.receiver.of(cascade)) for cascade in (first, retried, dead, gone, missed, later)}
    equal(world.value("SELECT hermes.replay_webhooks(%s, %s, %s)", id_, since, until), 8, "reports of the time put again")
    for cascade, count in before.items():
        equal(len({(hook.id, hook.raw) for hook in wait_hooks(cascade, count + 1)}), 1, "the same report")


def m9_filter_and_sequence(world: World) -> None:
    """M9 each endpoint gets the events it asked for; the sequence in the payload orders the reports of a message"""
    endpoint(world, "m9_some", "m9_failures", events=["message.failed", "message.status_corrected"])
    endpoint(world, "m9_some", "m9_all")
    delivered = world.start(tenant="m9_some")
    world.ends(delivered, "DELIVERED", "email")
    failed = world.start({"email": "reject", "sms": "reject", "push": "undeliverable"}, tenant="m9_some")
    world.ends(failed, "EXHAUSTED")
    wait_hooks(failed, 2)
    equal(world.signal(failed, status="delivered", attempt=3), "corrected", "late success")
    wait_hooks(failed, 4)
    told = {(hook.name, hook.type, hook.sequence, hook.body["data"]["outcome"]) for hook in Peers.receiver.of(failed)}
    equal(told, {(name, *report) for name in ("m9_failures", "m9_all") for report in (
        ("message.failed", 1, "EXHAUSTED"), ("message.status_corrected", 2, "DELIVERED"))}, "reports")
    equal(len({hook.id for hook in Peers.receiver.of(failed)}), 4, "webhook ids")
    equal([(hook.name, hook.type) for hook in wait_hooks(delivered, 1)], [("m9_all", "message.delivered")], "reports")


def m9_rate(world: World) -> None:
    """M9 an endpoint's rate is kept, and neither it nor a dead endpoint holds up another"""
    endpoint(world, "m9_slow", rate={"per_second": 10, "burst": 2})
    world.sql("SELECT hermes.create_endpoint('m9_dead', %s)", f"http://127.0.0.1:{free_port()}/")
    endpoint(world, "m9_quick")
    for tenant in ("m9_slow", "m9_dead"):
        world.start_many("quick", 25, tenant)
    _, (hook,) = reported(world, "m9_quick")
    slow = [hook.time for hook in Peers.receiver.hooks if hook.name == "m9_slow"]
    check(len(slow) < 20, "nothing waited, so nothing was shown")
    wait_until(lambda: sum(hook.name == "m9_slow" for hook in Peers.receiver.hooks) == 25, what="25 reports")
    slow = [hook.time for hook in Peers.receiver.hooks if hook.name == "m9_slow"]
    check(slow[-1] - slow[0] >= 1.8, f"25 reports in {slow[-1] - slow[0]:.3f} s at 10 a second and a burst of 2")


def m9_crowd(world: World) -> None:
    """M9 a host that hangs, with more endpoints than there are slots, does not hold up the endpoints of other hosts"""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)  # nobody ever answers here
    port = listener.getsockname()[1]
    endpoint(world, "m9_other")
    reported(world, "m9_other")
    for number in range(6):
        for path in range(64):
            world.sql("SELECT hermes.create_endpoint(%s, %s, '{\"timeout\": \"20s\"}')", f"m9_crowd_{number}",
                      f"http://127.0.0.1:{port}/{path}")
    for number in range(6):
        world.start_many("quick", 3, f"m9_crowd_{number}")
    dispatcher = "SELECT in_flight FROM hermes.workers WHERE role = 'dispatcher'"
    wait_until(lambda: world.value(dispatcher) >= 100, what="many requests under way")
    begin = time.monotonic()
    reported(world, "m9_other")
    took, under_way = time.monotonic() - begin, world.value(dispatcher)
    print(f"# {under_way} requests hang; a report to another host took {took:.3f} s", flush=True)
    check(under_way >= 100, "they hung no more, so nothing was shown")
    check(took < 5, f"a report to another host took {took:.3f} s")
    for (id_,) in world.sql("SELECT id FROM hermes.endpoints WHERE tenant LIKE 'm9_crowd%%'"):
        world.sql("SELECT hermes.drop_endpoint(%s)", id_)
    listener.close()  # ends the requests


# ---- M10 ----


def m10_once(world: World) -> None:
    """M10 one final status however many receipts, timers and cancels race for it, and one event for each correction"""
    endpoint(world, "m10")
    world.account("m10", "push")
    step = {"channel": "push", "providers": ["m10"], "timeout": "1s", "retry": {"maximum_attempts": 1}}
    world.rule("m10_race", step)
    cascades = world.start_many("m10_race", 60, "m10")
    timers = "SELECT count(*), min(due) - interval '100 ms' FROM hermes.timers WHERE tenant = 'm10'"
    wait_until(lambda: world.sql(timers)[0][0] == len(cascades), what="all answers")
    due = world.sql(timers)[0][1]

    def race(number: int) -> None:
        with world.connect() as session:
            session.execute("SELECT hermes.signal_cascade(%s, 'none')", (cascades[number],))  # the session is warm then
            session.execute("SELECT pg_sleep(extract(epoch FROM %s - clock_timestamp()))", (due,))  # the timers fire meanwhile
            for place, cascade in enumerate(cascades):
                status = ("delivered", "undeliverable", "failed", None)[(number + place) % 4]
                if status is None:
                    session.execute("SELECT hermes.cancel_cascade(%s)", (cascade,))
                else:
                    session.execute("SELECT hermes.signal_cascade(%s, 'dlr', %s)",
                                    (cascade, Jsonb({"status": status, "attempt": 1})))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = {"DELIVERED": "message.delivered", "EXHAUSTED": "message.failed", "CANCELED": "message.canceled"}
    outcomes: Counter[str] = Counter()
    for cascade in cascades:
        status = world.closed(cascade)
        outcomes[status["outcome"]] += 1
        expected = [(1, final[status["outcome"]], status["outcome"])]
        if status["corrected_outcome"]:
            expected.append((2, "message.status_corrected", status["corrected_outcome"]))
        hooks = sorted(wait_hooks(cascade, len(expected)), key=lambda hook: hook.sequence)
        equal([(hook.sequence, hook.type, hook.body["data"]["outcome"]) for hook in hooks], expected, "reports")
        equal(len({hook.id for hook in hooks}), len(hooks), "ids of the reports")
        equal(world.history(cascade).count("CascadeCompleted"), 1, "ends in the history")
        equal(status.get("corrected_outcome"), None if status["outcome"] == "DELIVERED" else "DELIVERED", "correction")
    fired = sum("TimerFired" in world.history(cascade) for cascade in cascades)
    print(f"# {dict(outcomes)}; {fired} by the timer", flush=True)
    check(len(outcomes) >= 2, f"all ended {outcomes}, so no race was shown")
    again = {cascade: world.signal(cascade, status="delivered", attempt=1) for cascade in cascades}
    equal(set(again.values()), {"duplicate"}, "results of one receipt more")
    _, hooks = reported(world, "m10")
    equal(len(hooks), 1, "a later report came alone")
    counts = {cascade: 1 + bool(world.status(cascade)["corrected_outcome"]) for cascade in cascades}
    equal({cascade: len(Peers.receiver.of(cascade)) for cascade in cascades}, counts, "reports after all")


# ---- M12 ----


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
    endpoint(world, "m12_b", headers={"X-Token": "header-of-m12-b"})
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
    Peers.receiver = Receiver()
    world.peers.append(Peers.receiver)  # type: ignore[arg-type]  # stopped with the others
    world.account("quick")
    for role in ROLES:
        world.sql(f"CREATE ROLE {role} LOGIN IN ROLE hermes_app")
        world.sql("SELECT hermes.grant_tenant(%s, %s)", role, role)
    endpoint(world, "probe")
    reported(world, "probe")


if __name__ == "__main__":
    main(prepare, m9_life_of_an_endpoint, m9_filter_and_sequence, m9_rate, m9_crowd, m10_once, m12_secrets, m12_isolation,
         m12_addresses, m12_body_dropped)
