#!/usr/bin/python3
"""Bodies, numbers, addresses, tokens and secrets stay out of the server log, the histories and every error column, whatever a
provider echoes and however verbose the server is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, free_port, main, wait_until
from native_peers import Server

PHONE = "+4915112349876"
EMAIL = "zebulon.quux@example.org"
PUSH = "740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad"
BODY = "Dear Zebulon, the walrus password of today is 481516"
KEY = "quentin.key@example.org"  # a key is shown where cascades are shown, and nowhere else
SECRET = "sk_live_9f8e7d6c5b4a39281706"
HOOK = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
MESSAGE = {"to": PHONE, "email": EMAIL, "push": PUSH, "text": BODY}
# What must be nowhere. A part of each is enough to be found out.
PLANTED = {"phone number": "15112349876", "e-mail address": "zebulon.quux", "push token": PUSH[:24], "body": "walrus",
           "code in the body": "481516", "name in the body": "Zebulon", "secret": "9f8e7d6c5b4a", "webhook secret": HOOK[6:30]}
SETTINGS = ("log_min_messages=debug1", "log_error_verbosity=verbose", "log_min_error_statement=debug1", "hermes.delivery_log=all",
            "hermes.max_claims=2", "client_min_messages=debug1")


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, and says all it has heard."""

    def do_POST(self) -> None:  # noqa: N802 (name fixed by the library)
        heard = self.rfile.read(int(self.headers["Content-Length"])).decode()
        words = f"{heard} {self.headers.get('Authorization')} {self.path}"
        status = int(self.path.strip("/").split("/")[0].split("?")[0] or 400)
        answer = json.dumps({"status": words, "code": words, "error": {"code": f"21211: {words}", "message": words}}).encode()
        self.send_response(status, "walrus")
        for name in ("X-Error", "Retry-After", "Location", "webhook-delivery"):
            self.send_header(name, words.replace("\n", " ").encode("ascii", "replace").decode())
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def echo() -> Iterator[str]:
    server = Server(Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()


def define(world: World, name: str, url: str, **changes: Any) -> None:
    request = {"method": "POST", "url": url, "headers": {"Authorization": "Bearer {{secret.live}}"},
               "body": {"to": "{{message.to}}", "email": "{{message.email}}", "push": "{{message.push}}",
                        "text": "{{message.text}}", "ref": "{{attempt.id}}"}}
    config = {"kind": "http", "channel": name, "request": request, "timeout": "2s", "connect_timeout": "1s"} | changes
    world.sql("SELECT hermes.create_provider(%s, %s)", name, Jsonb(config))
    world.rule(name, {"channel": name, "timeout": "60s", "retry": {"initial_interval": "10ms", "maximum_attempts": 2, "jitter": 0}})


def run(world: World, rule: str, message: dict[str, Any] | None = None, key: str | None = None) -> str:
    """Parameters of a prepared statement, as an application should pass them."""
    return str(world.value("SELECT hermes.start_cascade(%s, %s, %s)::text", rule, Jsonb(message or MESSAGE), key))


def reasons(world: World, cascade: str) -> str:
    return str(world.value("SELECT string_agg(attributes ->> 'reason', ' ') FROM hermes.cascade_history(%s)", cascade))


def search(world: World) -> None:
    """Everywhere but where messages and payloads are kept on purpose."""
    places: dict[str, str] = {"server log": world.cluster.log_text()}
    for view in ("history", "cascades", "tasks", "timers", "deliveries", "dead_letters", "endpoints", "delivery_log",
                 "providers_status", "stats", "workers", "delivery_stats"):
        places[f"hermes.{view}"] = str(world.sql(f"SELECT * FROM hermes.{view}"))
    for table in ("dead_letter", "task", "delivery", "endpoint", "closed", "attempt", "execution_key", "fence"):
        places[f"table {table}"] = str(world.sql(f"SELECT t::text FROM hermes.{table} t"))
    places["cascade_status"] = str(world.sql("SELECT hermes.cascade_status(cascade_id) FROM hermes.cascades"))
    places["metrics"] = str(world.value("SELECT hermes.metrics()"))
    places["activity of workers"] = str(world.sql("SELECT * FROM pg_stat_activity WHERE backend_type LIKE 'hermes%'"))
    for place, text in places.items():
        for what, planted in PLANTED.items():
            at = text.find(planted)
            check(at < 0, f"{what} in {place}: ...{text[max(0, at - 300):at + 200]}...")
            # the same as bytes of a bytea
            check(planted.encode().hex() not in text, f"{what} in {place}, as bytes")


def prepare(world: World) -> None:
    """secrets, and the log is as verbose as it gets"""
    with world.connect() as session:  # a statement with a secret in it is the caller's: here it is a parameter
        session.execute("SELECT hermes.set_secret('live', %s), hermes.set_secret('hook', %s)", (SECRET, HOOK))
    equal(world.value("SHOW log_min_messages"), "debug1", "log_min_messages")


def answers(world: World) -> None:
    """a provider that echoes everything in its errors brings none of it into logs and histories"""
    world.sql("INSERT INTO hermes.connector (name, document) VALUES ('echo', %s)", Jsonb(
        {"response": {"elements": ["$"], "fields": {"status": ["$$.http_status"], "code": ["$.body.error.code"]}}}))
    world.sql("INSERT INTO hermes.connector_status (connector, answer, status, state, failure_kind, reason) VALUES "
              "('echo', true, '4xx', 'failed', 'hard', 'request_error')")
    with echo() as url:
        for status in (400, 401, 408, 422, 429, 500, 503, 302):
            define(world, f"plain{status}", f"{url}/{status}?key={{{{secret.live}}}}&to={{{{message.to}}}}")
            define(world, f"taught{status}", f"{url}/{status}/{{{{message.push}}}}", connector="echo")
        cascades = {rule: run(world, rule) for status in (400, 401, 422, 429, 503, 302)
                    for rule in (f"plain{status}", f"taught{status}")}
        unclear = [run(world, rule) for rule in ("plain408", "plain500", "taught500")]
        for cascade in cascades.values():
            world.closed(cascade, 60)
        for cascade in unclear:
            world.wait_attempt(cascade, 1, phase="ambiguous")
    check("request_error (21211)" in reasons(world, cascades["taught422"]), f"reason {reasons(world, cascades['taught422'])}")
    check("http_400" in reasons(world, cascades["plain400"]), f"reason {reasons(world, cascades['plain400'])}")
    define(world, "gone", f"http://127.0.0.1:{free_port()}/{{{{message.push}}}}?key={{{{secret.live}}}}")
    equal(world.closed(run(world, "gone"), 30)["outcome"], "EXHAUSTED", "outcome without a peer")
    search(world)


def requests(world: World) -> None:
    """nor does a request that cannot be made out of the message"""
    define(world, "odd", "http://127.0.0.1:1/", request={
        "method": "POST", "url": "http://127.0.0.1:1/", "headers": {"X-Text": "{{message.text}}"}, "body": {"to": "{{message.to}}"}})
    define(world, "lacking", "http://127.0.0.1:1/", request={"method": "POST", "url": "http://127.0.0.1:1/",
                                                             "body": {"x": "{{message.missing}}"}})
    world.sql("SELECT hermes.create_provider('played', %s)", Jsonb({"kind": "sandbox", "channel": "played"}))
    world.rule("played", "played")
    texts = {"text": f"{BODY}\n{PHONE}"}
    scripts: list[Any] = [[{"answer": f"{PHONE} {BODY}"}], [{PHONE: BODY}], {EMAIL: PUSH},
                          [{"answer": "next_channel", "reason": f"no route to {PHONE} <{EMAIL}> {PUSH}"}]]
    cascades = [run(world, "odd", MESSAGE | texts), run(world, "lacking")]
    cascades += [run(world, "played", MESSAGE | {"sandbox": {"played": script}}) for script in scripts]
    for cascade in cascades:
        world.closed(cascade, 30)
    check("no route to ***9876 <***@example.org> ***" in reasons(world, cascades[-1]), f"reason {reasons(world, cascades[-1])}")
    search(world)


def receipts(world: World) -> None:
    """nor do receipts, signals and cancellations"""
    rule = "waits"
    world.sql("SELECT hermes.create_provider('waits', %s)", Jsonb(
        {"kind": "sandbox", "channel": "waits", "script": [{"answer": "accepted", "receipts": []}]}))
    world.rule(rule, {"channel": "waits", "timeout": "1h"})
    words = f"21211: {PHONE} {EMAIL} {PUSH} said: {BODY}"
    cascade = run(world, rule)
    world.wait_attempt(cascade, 1, phase="answered")
    identity = str(world.attempt(cascade, 1)["provider_message_id"])
    world.signal(cascade, status="sent", attempt=1, error_code=words)
    world.signal(cascade, status=f"strange {PHONE}", attempt=1, text=BODY)
    world.sql("SELECT hermes.signal_cascade(%s, 'note', %s)", cascade, Jsonb({"to": PHONE, "mail": EMAIL, "push": PUSH}))
    payload = {"status": "undeliverable", "provider_message_id": identity, "error_code": words, "description": BODY}
    equal(world.value("SELECT result::text FROM hermes.receive_receipts('waits', %s, %s)", json.dumps(payload),
                      Jsonb({"Authorization": f"Bearer {SECRET}"})), "applied", "the receipt")
    canceled = run(world, rule)
    world.sql("SELECT hermes.cancel_cascade(%s, %s)", canceled, f"asked by {EMAIL}, {PHONE}, {PUSH}")
    for wrong in (f"{{\"status\": \"{BODY}", f"{PHONE} {BODY}"):
        fails(world, "22023", "SELECT * FROM hermes.receive_receipts('waits', %s)", wrong)
    world.sql("SELECT * FROM hermes.receive_receipts('waits', %s)", f"to={PHONE}&text={BODY}&status={BODY}")
    # kept on purpose, for who may read it: what was not understood
    check(BODY in str(world.sql("SELECT payload FROM hermes.receipts_parked")), "the parked receipt is not there as it came")
    search(world)


def fails(world: World, code: str, statement: str, *parameters: Any) -> psycopg.Error:
    try:
        with world.connect() as session:
            session.execute(statement, parameters or None)
    except psycopg.Error as error:
        equal(error.sqlstate, code, f"SQLSTATE of {statement}: {error}")
        return error
    raise AssertionError(f"{statement} did not fail")


def verbs(world: World) -> None:
    """nor do verbs that fail, though the statement is full of it"""
    message = json.dumps(MESSAGE).replace("'", "''")
    fails(world, "42704", f"SELECT hermes.start_cascade('nothing', '{message}', '{PHONE}')")
    fails(world, "22023", f"SELECT hermes.start_cascade('waits', '[{message}]')")
    fails(world, "WF001", "SELECT hermes.signal_cascade('00000000-0000-0000-0000-000000000000', 'dlr', "
                          f"'{{\"status\": \"sent\", \"text\": \"{BODY}\"}}')")
    fails(world, "22023", f"SELECT hermes.set_secret('', '{SECRET}')")
    fails(world, "42704", f"SELECT hermes.apply_receipt('{EMAIL}', '{PHONE}', '{{\"status\": \"sent\"}}')")
    fails(world, "22023", f"SELECT * FROM hermes.parse_receipts('hermes', '{BODY} {PHONE}', '{{}}', '{{\"{PHONE}\": 1}}')")
    with world.connect() as session:  # a NOTICE names the key
        for text in ("one", "two"):
            session.execute("SELECT hermes.start_cascade('waits', %s, %s)", (Jsonb(MESSAGE | {"text": text}), f"for {KEY}"))
        fails(world, "WF002", "SELECT hermes.start_cascade('waits', '{}', %s, options => '{\"on_conflict\": \"error\"}')",
              f"for {KEY}")
    log = world.cluster.log_text()
    check('key "for ***@example.org" was used before' in log and "quentin" not in log, "the NOTICE and the error in the log")
    # errors of PostgreSQL inside a verb quote the whole row
    world.sql("ALTER TABLE hermes.workflow ADD CONSTRAINT picky CHECK (key IS DISTINCT FROM 'picked') NOT VALID")
    failed = fails(world, "23514", f"SELECT hermes.start_cascade('waits', '{message}', 'picked')")
    check(failed.diag.message_detail is None, f"DETAIL: {failed.diag.message_detail}")
    check(failed.diag.constraint_name == "picky", "the constraint is not named")
    world.sql("ALTER TABLE hermes.workflow DROP CONSTRAINT picky")
    search(world)


def workers(world: World) -> None:
    """nor do errors inside the workers, though PostgreSQL and triggers put rows and values into them"""
    world.sql("""CREATE FUNCTION public.loud() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            cascade hermes.workflow;
        BEGIN
            SELECT * INTO cascade FROM hermes.workflow WHERE id = NEW.workflow_id;
            IF cascade.key = 'loud' THEN
                RAISE EXCEPTION USING MESSAGE = format('refused for %s <%s>', cascade.message ->> 'to', cascade.message ->> 'email'),
                    DETAIL = format('Token %s.', cascade.message ->> 'push'), ERRCODE = 'P0001';
            ELSIF cascade.key = 'cast' THEN
                PERFORM (cascade.message ->> 'text')::integer;
            ELSIF cascade.key = 'json' THEN
                PERFORM (cascade.message ->> 'text')::jsonb;
            END IF;
            RETURN NEW;
        END $$""")
    world.sql("CREATE TRIGGER loud BEFORE INSERT ON hermes.timer FOR EACH ROW EXECUTE FUNCTION public.loud()")
    world.sql("ALTER TABLE hermes.closed ADD CONSTRAINT quiet CHECK (key NOT LIKE 'row%') NOT VALID")
    world.rule("ends", {"channel": "waits", "success_on": "accepted"})
    try:
        cascades = {key: run(world, "waits", key=key) for key in ("loud", "cast", "json")}
        for key, cascade in cascades.items():
            wait_until(lambda c=cascade: world.value("SELECT count(*) FROM hermes.dead_letters WHERE cascade_id = %s", c) > 0,
                       60, f"the dead letter of {key}")
        run(world, "ends", key=f"row {KEY}")  # taken for an error of the moment: tried again
        wait_until(lambda: 'violates check constraint "quiet"' in world.cluster.log_text(), what="the refused row in the log")
    finally:
        world.sql("DROP TRIGGER loud ON hermes.timer")
        world.sql("ALTER TABLE hermes.closed DROP CONSTRAINT quiet")
    log = world.cluster.log_text()
    for told in ("refused for ***9876 <***@example.org>", 'invalid input syntax for type integer: "***"',
                 'violates check constraint "quiet"', "hermes_cascade: recording answers"):
        check(told in log, f"the log does not tell {told!r}")
    # a timer that fails is buried with the message of its error
    world.rule("late", {"channel": "waits", "timeout": "1s"})
    cascade = run(world, "late", key="late")
    world.wait_attempt(cascade, 1, phase="answered")
    world.sql("""CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no row for % <%> with %', OLD.message ->> 'to', OLD.message ->> 'email', OLD.message ->> 'push'; END $$""")
    world.sql("CREATE TRIGGER late BEFORE DELETE ON hermes.workflow FOR EACH ROW WHEN (OLD.key = 'late') EXECUTE FUNCTION public.late()")
    try:
        wait_until(lambda: world.value("SELECT count(*) FROM hermes.dead_letters WHERE cascade_id = %s AND kind = 'timer'", cascade) > 0,
                   60, "the dead letter of a timer")
    finally:
        world.sql("DROP TRIGGER late ON hermes.workflow")
    equal(world.value("SELECT error FROM hermes.dead_letters WHERE cascade_id = %s AND kind = 'timer'", cascade),
          "no row for ***9876 <***@example.org> with ***", "error of the dead letter")
    search(world)


def webhooks(world: World) -> None:
    """nor do webhooks, whose receivers echo what they get"""
    with echo() as url:
        world.sql("SELECT hermes.create_endpoint(NULL, %s, %s)", f"{url}/500?token={SECRET}",
                  Jsonb({"secret": "hook", "retry": ["1s"], "headers": {"X-Token": SECRET}}))
        try:
            cascade = run(world, "plain400")
            wait_until(lambda: world.value("SELECT count(*) FROM hermes.delivery_log WHERE cascade_id = %s AND result = 'dead'",
                                           cascade) > 0, 60, "a report that died")
            check(SECRET in str(world.sql("SELECT url FROM hermes.endpoints")), "the URL is the operator's own")
        finally:
            world.sql("DELETE FROM hermes.endpoint WHERE url LIKE '%/500?token=%'")
    search(world)


if __name__ == "__main__":
    main(prepare, answers, requests, receipts, verbs, workers, webhooks, settings=SETTINGS)
