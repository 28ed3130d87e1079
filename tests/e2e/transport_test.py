#!/usr/bin/python3
"""The way to the provider: throttling, ambiguity, dead peers, caps, the kill switch and the address guard."""

from __future__ import annotations

import time

from harness import TOKEN, World, check, equal, free_port, main, never, wait_until


WAITING_COMMITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type LIKE '%hermes%'"


def retry_after(world: World) -> None:
    """429 with Retry-After is honoured and the repeat carries the same key"""
    world.rule("patient", {"channel": "email", "timeout": "20s"}, "sms")
    cascade = world.start({"email": [{"answer": "throttle", "retry_after": 2}, "accept"]}, "patient")
    world.ends(cascade, "DELIVERED", "email")
    first, second = world.requests(cascade)
    gap = second["time"] - first["time"]
    check(1.95 <= gap < 4.0, f"repeated after {gap:.3f} s, Retry-After was 2 s")
    equal(second["key"], first["key"], "idempotency key of the repeat")
    equal(world.attempt(cascade, 1)["sends"], 2, "sends")


def error_taken(world: World) -> None:
    """500 of a message that was taken: the repeat has the same key and the recipient is contacted once"""
    receipts = [{"status": "delivered", "after": 0.6}]
    cascade = world.start({"email": {"answer": "error", "taken": True, "receipts": receipts}})
    world.ends(cascade, "DELIVERED", "email")
    requests = world.requests(cascade)
    equal(len(requests), 2, "requests")
    equal({request["key"] for request in requests}, {requests[0]["key"]}, "idempotency keys")
    equal([request["repeat"] for request in requests], [False, True], "answered from the key")
    equal(world.contacts(cascade), ["email"], "contacts")


def hang(world: World) -> None:
    """a provider that never answers is cut off at its timeout; with a key the request is repeated"""
    cascade = world.start({"email": ["hang", "accept"]})
    world.ends(cascade, "DELIVERED", "email")
    first, second = world.requests(cascade)
    check(second["time"] - first["time"] >= 0.95, "repeated before the timeout of 1 s")
    equal(second["key"], first["key"], "idempotency key of the repeat")
    history = world.history(cascade)
    check("SendAmbiguous" in history or "SendRetry" in history, "the history tells nothing of it")


def hang_without_key(world: World) -> None:
    """without an idempotency key an unanswered send is not repeated: its receipt is awaited, then the next channel"""
    world.provider("email_no_key", "email", idempotency_header=None)
    world.rule("no_key", {"channel": "email", "providers": ["email_no_key"]}, "sms")
    receipts = [{"status": "delivered", "after": 1.3}]
    taken = world.start({"email": {"answer": "hang", "taken": True, "receipts": receipts}}, "no_key")
    silent = world.start({"email": "hang"}, "no_key")
    world.ends(taken, "DELIVERED", "email")
    world.ends(silent, "DELIVERED", "sms")
    for cascade in (taken, silent):
        equal(len(world.requests(cascade, "email")), 1, "requests of an ambiguous send without a key")


def ambiguous_next_channel(world: World) -> None:
    """on_ambiguous next_channel goes on at once"""
    world.rule("go_on", {"channel": "email", "on_ambiguous": "next_channel", "timeout": "30s"}, "sms")
    cascade = world.start({"email": "drop"}, "go_on")
    world.ends(cascade, "DELIVERED", "sms", timeout=8)
    equal(len(world.requests(cascade, "email")), 1, "email requests")


def drop(world: World) -> None:
    """a connection closed without an answer is ambiguous: same key again, one contact"""
    cascade = world.start({"email": "drop_taken"})
    world.ends(cascade, "DELIVERED", "email")
    requests = world.requests(cascade)
    equal(len({request["key"] for request in requests}), 1, "idempotency keys")
    equal(world.contacts(cascade), ["email"], "contacts")


def refused(world: World) -> None:
    """a refused connection is retried as the same attempt, then the next provider takes over"""
    world.provider("email_dead", "email", f"http://127.0.0.1:{free_port()}/email/messages")
    world.rule("dead_first", {"channel": "email", "providers": ["email_dead", "email"]})
    cascade = world.start({}, "dead_first")
    status = world.ends(cascade, "DELIVERED", "email")
    dead, good = status["attempts"]
    equal((dead["provider"], dead["sends"]), ("email_dead", 2), "first attempt")
    equal((good["provider"], good["sends"]), ("email", 1), "second attempt")
    equal(len(world.requests(cascade)), 1, "requests at the provider that lives")


def unauthorised(world: World) -> None:
    """401 is our own fault: the next provider of the channel takes over"""
    world.provider("email_backup", "email", position=3,
                   request=world.provider_config("email")["request"] | {"body": {"ref": "{{attempt.id}}"}})
    world.rule("bad_token", {"channel": "email", "providers": ["email", "email_backup"]}, "sms")
    cascade = world.start({"email": {"answer": "reject", "status": 401}}, "bad_token")
    status = world.ends(cascade, "DELIVERED", "email")
    equal([attempt["provider"] for attempt in status["attempts"]], ["email", "email_backup"], "providers")
    equal(status["attempts"][0]["failure_kind"], "config", "failure kind")


def rejected(world: World) -> None:
    """a 400 of the provider goes to the next channel without a retry"""
    cascade = world.start({"email": "reject"})
    world.ends(cascade, "DELIVERED", "sms")
    equal(len(world.requests(cascade, "email")), 1, "email requests")


def redirect(world: World) -> None:
    """redirects are not followed"""
    cascade = world.start({"email": "redirect"})
    world.ends(cascade, "DELIVERED", "sms")
    equal(world.simulator.get("/log?channel=elsewhere"), [], "requests at the redirect's target")


def body_cap(world: World) -> None:
    """an endless answer is cut off and harms nothing"""
    cascade = world.start({"email": "flood"})
    world.closed(cascade)
    wait_until(lambda: world.simulator.get("/stats")["in_flight"]["email"] == 0, what="the end of the flood")
    let_through = max(request["sent_bytes"] for request in world.requests(cascade, "email"))
    check(let_through > 0, "nothing was sent, so nothing was shown")
    check(let_through < 12 << 20, f"{let_through} bytes of 16 MiB were let through")
    world.ends(world.start(), "DELIVERED", "email")


def intent_first(world: World) -> None:
    """no byte leaves before the claim is committed, and no transaction is open while a request is under way"""
    session = world.connect()
    session.execute("SET synchronous_commit = local")
    world.set_guc("synchronous_standby_names", "nobody")  # commits of others do not return
    try:
        cascade = world.start({"email": "hang"}, session=session)
        wait_until(lambda: world.value(WAITING_COMMITS) > 0, what="a worker in the commit of its claim")
        never(lambda: world.requests(cascade), 0.5, "a request before the end of the commit")
    finally:
        world.set_guc("synchronous_standby_names", "")
        session.close()
    world.wait_requests(cascade, 1)
    equal(world.value("SELECT count(*) FROM hermes.tasks WHERE cascade_id = %s AND claimed AND claims > 0", cascade), 1,
          "recorded claims")
    dispatcher = "SELECT xact_start FROM pg_stat_activity WHERE pid = %s"
    equal(world.value(dispatcher, world.worker_pid("dispatcher")), None, "transaction of the dispatcher")
    world.sql("SELECT hermes.cancel_cascade(%s)", cascade)


def kill_switch(world: World) -> None:
    """hermes.outbound = off by reload holds every request; on lets them go"""
    world.set_guc("hermes.outbound", "off")
    try:
        cascade = world.start()
        never(lambda: world.requests(cascade), 1.5, "a request with outbound off")
        equal(world.status(cascade)["status"], "RUNNING", "status while held")
    finally:
        world.set_guc("hermes.outbound", "on")
    world.ends(cascade, "DELIVERED", "email")
    equal(len(world.requests(cascade)), 1, "requests")


def address_guard(world: World) -> None:
    """a provider at a loopback address is refused when private addresses are not allowed"""
    world.set_guc("hermes.allow_private_addresses", "off")
    try:
        cascade = world.start()
        status = world.ends(cascade, "EXHAUSTED")
    finally:
        world.set_guc("hermes.allow_private_addresses", "on")
    equal(world.requests(cascade), [], "requests at the loopback provider")
    text = str(status["attempts"]) + str(world.sql("SELECT attributes FROM hermes.cascade_history(%s)", cascade))
    check("refused" not in text.lower() or "address" in text.lower(), f"the reason tells of the network: {text}")
    world.ends(world.start(), "DELIVERED", "email")


def secrets(world: World) -> None:
    """a secret reaches the provider's header and no view, history, statement list or log"""
    cascade = world.start({"email": "reject"})
    world.ends(cascade, "DELIVERED", "sms")
    equal({request["authorization"] for request in world.requests(cascade)}, {f"Bearer {TOKEN}"}, "authorization")
    relations = world.sql("""SELECT c.oid::regclass::text, c.relkind FROM pg_class c
                              WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')""")
    check(relations, "no relation in schema hermes")
    pattern, encoded = f"%{TOKEN}%", f"%{TOKEN.encode().hex()}%"
    for relation, kind in relations:
        found = world.value(f"SELECT count(*) FROM {relation} AS t WHERE t::text LIKE %s OR t::text LIKE %s",
                            pattern, encoded)
        if not found:
            continue
        check(kind != "v", f"view {relation} shows a secret")
        for role in ("hermes_app", "hermes_admin", "hermes_worker", "hermes_monitor"):
            readable = world.value("SELECT has_any_column_privilege(%s, %s, 'SELECT')", role, relation)
            check(not readable, f"{role} can read the secret in {relation}")
    shown = world.value("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE %s",
                        pattern)
    equal(shown, 0, "sessions showing the secret")
    history = world.sql("SELECT attributes::text FROM hermes.cascade_history(%s)", cascade)
    check(TOKEN not in str(history), "the history shows the secret")
    check(TOKEN not in world.cluster.log_text(), "the server log shows the secret")


if __name__ == "__main__":
    main(retry_after, error_taken, hang, hang_without_key, ambiguous_next_channel, drop, refused, unauthorised,
         rejected, redirect, body_cap, intent_first, kill_switch, address_guard, secrets)
