"""End-to-end harness: a private cluster, the provider simulator and the tenant application as real processes; TAP out.

A test file defines scenarios, functions of one World whose first docstring line is the TAP name, and ends with
`main(first, second, ...)`. Arguments of a test file select scenarios by a part of their function name; one named
`prepare` always runs.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

from peers import Cluster, Peer, free_port, private_folder, start_application, start_simulator, wait_until  # noqa: E402

# No fallback poll comes to the help of a wake-up that was missed: it would be a failure by time-out. What was written
# outlives a killed process without fsync; recovery and every commit are faster.
SETTINGS = ("hermes.allow_private_addresses=on", "hermes.fallback_poll=60s", "fsync=off")
TENANT = "e2e"
CHANNELS = ("email", "sms", "push")
TOKEN = "e2e-token-93b1f07c"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"end to end tests use this secret").decode()
DRIVER_ROLE = "e2e_app"
STEP_TIMEOUT = 15.0  # for things that should take a moment

__all__ = ["TENANT", "TOKEN", "WEBHOOK_SECRET", "World", "check", "equal", "free_port", "main", "never", "wait_until"]


def check(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def equal(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, expected {expected!r}")


def never(condition: Callable[[], object], seconds: float, what: str) -> None:
    """The condition stays false for the whole time; for the absence of an effect nothing else can show."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            raise AssertionError(f"happened, but must not: {what}: {value!r}")
        time.sleep(0.02)


class World:
    """Cluster, simulator and application of one test file, with the verbs its scenarios use."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        self.folder = private_folder("hermes_e2e")
        self.cluster = Cluster(self.folder / "pg", [*SETTINGS, *settings])
        self.peers: list[Peer] = []
        self._session: psycopg.Connection[Any] | None = None

    # ---- life ----

    def build(self) -> None:
        self.cluster.start()
        self.application = start_application(self.folder, self.cluster.dsn(), [WEBHOOK_SECRET])
        self.peers.append(self.application)
        self.simulator = start_simulator(self.folder, f"{self.application.url}/dlr")
        self.peers.append(self.simulator)
        self.sql(f"CREATE ROLE {DRIVER_ROLE} LOGIN IN ROLE hermes_app")
        self.sql("SELECT hermes.grant_tenant(%s, %s)", DRIVER_ROLE, TENANT)
        self.sql("SELECT hermes.set_secret('provider_token', %s)", TOKEN)
        self.sql("SELECT hermes.set_secret('webhook', %s)", WEBHOOK_SECRET)
        for channel in CHANNELS:
            self.provider(channel, channel)
        self.endpoint(TENANT)
        self.rule("cascade", *CHANNELS)

    def end(self) -> None:
        if self._session is not None:
            self._session.close()
        for peer in reversed(self.peers):
            peer.stop()
        if self.cluster.folder.exists():
            self.cluster.stop("--remove")
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- SQL ----

    def connect(self, user: str = "postgres", autocommit: bool = True) -> psycopg.Connection[Any]:
        return psycopg.connect(self.cluster.dsn(user), autocommit=autocommit)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """One autocommitted statement on a kept session, which is renewed after the server broke it."""
        if self._session is None or self._session.closed:
            self._session = self.connect()
        cursor = self._session.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *parameters: Any) -> Any:
        return self.sql(statement, *parameters)[0][0]

    def set_guc(self, name: str, value: str) -> None:
        """ALTER SYSTEM and reload; returns when sessions see it."""
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

        def seen() -> bool:
            with self.connect() as fresh:
                row = fresh.execute("SELECT current_setting(%s)", (name,)).fetchone()
                return row is not None and row[0] == value

        wait_until(seen, what=f"{name} = {value}")

    # ---- configuration ----

    def provider_config(self, channel: str, url: str | None = None, **changes: Any) -> dict[str, Any]:
        config: dict[str, Any] = {
            "kind": "http", "channel": channel,
            "request": {
                "method": "POST", "url": url or f"{self.simulator.url}/{channel}/messages",
                "headers": {"Authorization": "Bearer {{secret.provider_token}}"},
                "body": {"to": "{{message.to?}}", "text": "{{message.text?}}", "ref": "{{attempt.id}}",
                         "behaviour": f"{{{{message.behaviour.{channel}?}}}}"}},
            "idempotency_header": "Idempotency-Key",
            "response": {"ok": {"status": [202]}, "message_id": {"path": "$.id"}},
            "timeout": "1s", "connect_timeout": "1s", "concurrency": 32}
        config.update(changes)
        return {name: value for name, value in config.items() if value is not None}

    def provider(self, name: str, channel: str, url: str | None = None, **changes: Any) -> None:
        self.sql("SELECT hermes.create_provider(%s, %s)", name, Jsonb(self.provider_config(channel, url, **changes)))

    def account(self, name: str, channel: str = "email", **changes: Any) -> None:
        """A provider whose requests the simulator tells from others of its channel, and a rule of its name that ends with
        the provider's answer."""
        self.provider(name, channel, self.account_url(name, channel), **changes)
        self.rule(name, {"channel": channel, "providers": [name], "success_on": "accepted"})
        self.plan(name, "no_dlr")

    def account_url(self, name: str, channel: str = "email") -> str:
        return f"{self.simulator.url}/{channel}/messages?account={name}"

    def plan(self, account: str, behaviour: Any) -> None:
        """What the simulator does with messages at this account that say nothing themselves."""
        self.simulator.post("/plan", {"account": account, "behaviour": behaviour})

    def alter_account(self, name: str, channel: str = "email", **changes: Any) -> None:
        config = self.provider_config(channel, self.account_url(name, channel), **changes)
        self.sql("SELECT hermes.alter_provider(%s, %s)", name, Jsonb(config))

    def provider_status(self, name: str) -> dict[str, Any]:
        return dict(self.value("SELECT to_jsonb(p) FROM hermes.providers_status AS p WHERE provider = %s", name))

    def endpoint(self, tenant: str, name: str = "", **options: Any) -> int:
        url = f"{self.application.url}/webhook" + (f"/{name}" if name else "")
        return int(self.value("SELECT hermes.create_endpoint(%s, %s, %s)", tenant, url,
                              Jsonb({"secret": "webhook"} | options)))

    def rule(self, name: str, *steps: str | dict[str, Any], **options: Any) -> None:
        """Steps are channel names or objects; a step without providers uses the one named as its channel."""
        full = []
        for step in steps:
            given = {"channel": step} if isinstance(step, str) else step
            full.append({"providers": [given["channel"]], "timeout": "1s",
                         "retry": {"initial_interval": "100ms", "maximum_attempts": 2, "jitter": 0}} | given)
        self.sql("SELECT hermes.create_cascade_rule(%s, %s)", name, Jsonb({"steps": full} | options))

    # ---- cascades ----

    def start(self, behaviour: dict[str, Any] | None = None, rule: str = "cascade", key: str | None = None,
              tenant: str = TENANT, session: psycopg.Connection[Any] | None = None, **options: Any) -> str:
        parameters = (rule, Jsonb(message(behaviour)), key, tenant, Jsonb(options))
        statement = "SELECT hermes.start_cascade(%s, %s, %s, %s, %s)::text"
        if session is None:
            return str(self.value(statement, *parameters))
        row = session.execute(statement, parameters).fetchone()
        assert row is not None
        return str(row[0])

    def start_many(self, rule: str, count: int, tenant: str = TENANT,
                   session: psycopg.Connection[Any] | None = None, **options: Any) -> list[str]:
        """One call; the recipient is the tenant."""
        body = Jsonb({"to": tenant, "text": "hello"})
        statement = "SELECT id::text FROM hermes.start_cascades(%s, array_fill(%s::jsonb, ARRAY[%s]), NULL, %s, %s) AS id"
        parameters = (rule, body, count, tenant, Jsonb(options))
        rows = self.sql(statement, *parameters) if session is None else session.execute(statement, parameters).fetchall()
        return [row[0] for row in rows]

    def status(self, cascade: str) -> dict[str, Any]:
        return dict(self.value("SELECT hermes.cascade_status(%s)", cascade))

    def signal(self, cascade: str, **payload: Any) -> str:
        return str(self.value("SELECT hermes.signal_cascade(%s, 'dlr', %s)::text", cascade, Jsonb(payload)))

    def closed(self, cascade: str, timeout: float = STEP_TIMEOUT) -> dict[str, Any]:
        """The status once the cascade has ended."""
        wait_until(lambda: self.status(cascade)["status"] == "CLOSED", timeout, f"the end of {cascade}")
        return self.status(cascade)

    def ends(self, cascade: str, outcome: str, channel: str | None = None,
             timeout: float = STEP_TIMEOUT) -> dict[str, Any]:
        status = self.closed(cascade, timeout)
        equal(status["outcome"], outcome, "outcome")
        if channel is not None:
            equal(status["channel"], channel, f"deciding channel of {self.history(cascade)}")
        return status

    def attempt(self, cascade: str, number: int) -> dict[str, Any]:
        found = [attempt for attempt in self.status(cascade)["attempts"] if attempt["attempt"] == number]
        check(found, f"no attempt {number}")
        return dict(found[0])

    def wait_attempt(self, cascade: str, number: int, **members: Any) -> dict[str, Any]:
        """Waits until the attempt has these members."""
        def reached() -> dict[str, Any] | None:
            attempt = self.attempt(cascade, number)
            return attempt if all(attempt.get(name) == value for name, value in members.items()) else None

        return wait_until(reached, what=f"attempt {number} of {cascade} with {members}")

    def history(self, cascade: str) -> list[str]:
        rows = self.sql("SELECT event_type FROM hermes.cascade_history(%s) ORDER BY event_id", cascade)
        return [row[0] for row in rows]

    # ---- what the peers saw ----

    def requests(self, cascade: str, channel: str | None = None) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self.simulator.get(f"/log?cascade={cascade}")
        return [request for request in log if channel in (None, request["channel"])]

    def at(self, account: str) -> list[dict[str, Any]]:
        """All requests at an account, oldest first."""
        found: list[dict[str, Any]] = self.simulator.get(f"/log?account={account}")
        return found

    def in_flight(self, account: str, channel: str = "email") -> int:
        return int(self.simulator.get("/stats")["in_flight"].get(f"{channel}/{account}", 0))

    def wait_requests(self, cascade: str, count: int, channel: str | None = None) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.requests(cascade, channel)) >= count, what=f"{count} requests of {cascade}")
        return self.requests(cascade, channel)

    def contacts(self, cascade: str) -> list[str]:
        """Channels whose provider took the message, in order."""
        return [request["channel"] for request in self.requests(cascade) if request["effect"]]

    def webhooks(self, cascade: str, name: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.application.get(f"/webhooks?cascade={cascade}")
        return [webhook for webhook in found if name in (None, webhook["name"])]

    def wait_report(self, cascade: str, kind: str, timeout: float = STEP_TIMEOUT) -> dict[str, Any]:
        """Body of the one effective webhook of this type."""
        def received() -> list[dict[str, Any]]:
            return [webhook["body"] for webhook in self.webhooks(cascade)
                    if webhook["processed"] and webhook["body"]["type"] == kind]

        wait_until(received, timeout, f"{kind} of {cascade}")
        equal(len(received()), 1, f"effective webhooks {kind}")
        return received()[0]

    def wait_dlrs(self, cascade: str, count: int) -> list[str]:
        """Results of the receipts, in order of arrival, once so many were handled."""
        wait_until(lambda: len(self.dlr_results(cascade)) >= count and all(self.dlr_results(cascade)),
                   what=f"{count} handled receipts of {cascade}")
        return self.dlr_results(cascade)

    def dlr_results(self, cascade: str) -> list[str]:
        return [dlr["result"] for dlr in self.application.get(f"/dlrs?cascade={cascade}")]

    # ---- processes ----

    def last_active(self, kind: str) -> Any:
        """When the worker last went to sleep: a later value shows that something woke it."""
        rows = self.sql("SELECT state_change FROM pg_stat_activity WHERE backend_type LIKE %s AND state = 'idle'",
                        f"%hermes%{kind}%")
        return rows[0][0] if rows else None

    def worker_pid(self, kind: str) -> int:
        """Process id of one worker by the word in its backend type: launcher, supervisor or dispatcher."""
        def running() -> int:
            rows = self.sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE %s ORDER BY pid",
                            f"%hermes%{kind}%")
            return int(rows[0][0]) if rows else 0

        return wait_until(running, what=f"a {kind}")

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    @contextmanager
    def transaction(self, user: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """A session of its own with an open transaction; the scenario ends it."""
        connection = self.connect(user, autocommit=False)
        try:
            yield connection
        finally:
            connection.close()


def message(behaviour: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"to": f"user-{uuid.uuid4().hex[:12]}", "text": "hello", "behaviour": behaviour or {}}


Scenario = Callable[[World], None]


def main(*scenarios: Scenario, settings: Sequence[str] = ()) -> None:
    wanted = sys.argv[1:]
    chosen = [scenario for scenario in scenarios
              if not wanted or scenario.__name__ == "prepare" or any(word in scenario.__name__ for word in wanted)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"1..{len(chosen)}", flush=True)
    world = World(settings)
    failed = 0
    try:
        world.build()
        for number, scenario in enumerate(chosen, 1):
            failed += not _run(world, number, scenario)
    except Exception:  # noqa: BLE001 (told as TAP)
        failed += 1
        _diagnose(traceback.format_exc())
        print("Bail out! the cluster or its peers did not start", flush=True)
    finally:
        try:
            if failed:
                _diagnose(_tail(world))
        finally:
            world.end()
    sys.exit(1 if failed else 0)


def _run(world: World, number: int, scenario: Scenario) -> bool:
    name = (scenario.__doc__ or scenario.__name__).splitlines()[0].rstrip(".")
    begin = time.monotonic()
    try:
        scenario(world)
    except Exception:  # noqa: BLE001 (told as TAP)
        print(f"not ok {number} - {name}", flush=True)
        _diagnose(traceback.format_exc())
        return False
    print(f"ok {number} - {name} # {time.monotonic() - begin:.1f} s", flush=True)
    return True


def _diagnose(text: str) -> None:
    for line in text.rstrip().splitlines():
        print(f"# {line}", flush=True)


def _tail(world: World) -> str:
    try:
        return "end of the server log:\n" + "\n".join(world.cluster.log_text().splitlines()[-40:])
    except OSError:
        return "no server log"
