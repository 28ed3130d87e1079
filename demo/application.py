#!/usr/bin/python3
"""The tenant's side: delivery report handler and webhook receiver, one real process.

POST /dlr                  {"ref", "id", "status", "timestamp", "error_code"} -> hermes.signal_cascade
POST /dlr/<provider>       the same by the provider's message id alone -> hermes.apply_receipt; 2xx after COMMIT
POST /webhook[/<name>]     Standard Webhooks receiver: verified, deduplicated by webhook-id
POST /script               {"name"?, "answers": [status | "hang" | {"status", "retry_after", "control"} ...], "then"?}:
                           the next answers, and the one of all later requests; control: header webhook-delivery
POST /reset                forgets what was received and the scripts
GET  /webhooks?cascade=&name=   GET /dlrs?cascade=   GET /stats   GET /health
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from aiohttp import web

from pool import Pool
from serving import serve
from webhook_verify import verify

SIGNAL = "SELECT hermes.signal_cascade(%s::uuid, 'dlr', %s::jsonb, %s)::text"
RECEIPT = "SELECT hermes.apply_receipt(%s, %s, %s::jsonb)::text"
UNKNOWN_CASCADE = "WF001"
INVALID_INPUT_CLASS = "22"  # data exceptions: the report can never be applied
HANG_SECONDS = 120.0
UUID_LENGTH = 36
COPIED_FIELDS = ("status", "timestamp", "error_code", "failure_kind", "sequence")


@dataclass
class Dlr:
    """A delivery report as it was handled."""

    cascade: str
    attempt: int | None
    status: str
    received: float
    committed: float = 0.0
    call_seconds: float = 0.0
    result: str = ""  # the enum of the database, or "unknown", "refused", "error"
    error: str = ""


@dataclass
class Webhook:
    """One request at the webhook receiver."""

    id: str
    name: str
    time: float
    timestamp: str
    verified: bool
    reason: str
    signatures: int  # in the header
    answer: int  # 0: hung
    processed: bool  # the first acknowledged request of its id: the one with an effect
    cascade: str
    body: dict[str, Any]


@dataclass
class Books:
    dlrs: list[Dlr] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)
    processed: set[str] = field(default_factory=set)  # webhook ids
    scripts: dict[str, list[Any]] = field(default_factory=dict)
    then: dict[str, Any] = field(default_factory=dict)


class Application:
    def __init__(self, pool: Pool, secrets: list[str]) -> None:
        self.pool = pool
        self.secrets = secrets
        self.books = Books()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        app.add_routes([
            web.post("/dlr", self.handle_dlr), web.post("/dlr/{provider}", self.handle_dlr_by_provider_id),
            web.post("/webhook", self.handle_webhook), web.post("/webhook/{name}", self.handle_webhook),
            web.post("/script", self.handle_script), web.post("/reset", self.handle_reset),
            web.get("/webhooks", self.handle_list_webhooks), web.get("/dlrs", self.handle_list_dlrs),
            web.get("/stats", self.handle_stats), web.get("/health", self.handle_health),
        ])
        app.on_cleanup.append(lambda _: self.pool.close())
        return app

    # ---- delivery reports ----

    async def handle_dlr(self, http: web.Request) -> web.Response:
        report = await http.json()
        ref = str(report["ref"])
        cascade, attempt = ref[:UUID_LENGTH], int(ref[UUID_LENGTH + 1:])
        payload = _payload(report) | {"attempt": attempt, "provider_message_id": report["id"]}
        signal_id = f"{report['id']}/{report['status']}/{report['timestamp']}"
        dlr = Dlr(cascade, attempt, report["status"], time.time())
        return await self._apply(dlr, SIGNAL, (cascade, json.dumps(payload), signal_id))

    async def handle_dlr_by_provider_id(self, http: web.Request) -> web.Response:
        report = await http.json()
        dlr = Dlr(str(report["ref"])[:UUID_LENGTH], None, report["status"], time.time())
        parameters = (http.match_info["provider"], report["id"], json.dumps(_payload(report)))
        return await self._apply(dlr, RECEIPT, parameters)

    async def _apply(self, dlr: Dlr, statement: str, parameters: tuple[Any, ...]) -> web.Response:
        """One autocommitted statement: when it returns, it is committed. Anything else makes the provider try again,
        but for a report that could never be applied: that is recorded and acknowledged."""
        self.books.dlrs.append(dlr)
        try:
            async with self.pool.connection() as connection:
                begin = time.perf_counter()
                row = await (await connection.execute(statement, parameters)).fetchone()
                dlr.call_seconds = time.perf_counter() - begin
            dlr.committed, dlr.result = time.time(), str(row[0]) if row else ""
            return web.json_response({"result": dlr.result})
        except psycopg.Error as problem:
            dlr.error = str(problem).strip()
            if problem.sqlstate == UNKNOWN_CASCADE:
                dlr.result = "unknown"
            elif problem.sqlstate and problem.sqlstate.startswith(INVALID_INPUT_CLASS):
                dlr.result = "refused"
            else:
                dlr.result = "error"
                return web.json_response({"error": "try again"}, status=503)
            return web.json_response({"result": dlr.result})

    # ---- webhooks ----

    async def handle_webhook(self, http: web.Request) -> web.Response:
        name = http.match_info.get("name", "")
        raw = await http.read()
        reason = verify(self.secrets, http.headers, raw, time.time())
        body = _parsed(raw)
        webhook_id = http.headers.get("webhook-id", "")
        status, headers, hang = self._next_answer(name)
        if reason:
            status, hang = 401, False
        acknowledged = 200 <= status < 300 and not hang
        self.books.webhooks.append(Webhook(
            id=webhook_id, name=name, time=time.time(), timestamp=http.headers.get("webhook-timestamp", ""),
            verified=not reason, reason=reason, answer=0 if hang else status,
            signatures=len(http.headers.get("webhook-signature", "").split()),
            processed=acknowledged and webhook_id not in self.books.processed,
            cascade=str((body.get("data") or {}).get("cascade_id", "")), body=body))
        if hang:
            await _hang(http)
        elif acknowledged:
            self.books.processed.add(webhook_id)
        return web.Response(status=status, headers=headers)

    def _next_answer(self, name: str) -> tuple[int, dict[str, str], bool]:
        script = self.books.scripts.get(name)
        answer = script.pop(0) if script else self.books.then.get(name, 204)
        if answer == "hang":
            return 504, {}, True
        if isinstance(answer, dict):
            headers = {"Retry-After": "retry_after", "webhook-delivery": "control"}
            found = {header: str(answer[key]) for header, key in headers.items() if key in answer}
            return int(answer["status"]), found, False
        return int(answer), {}, False

    # ---- control ----

    async def handle_script(self, http: web.Request) -> web.Response:
        script = await http.json()
        self.books.scripts[script.get("name", "")] = list(script["answers"])
        self.books.then[script.get("name", "")] = script.get("then", 204)
        return web.json_response({})

    async def handle_reset(self, _: web.Request) -> web.Response:
        self.books = Books()
        return web.json_response({})

    async def handle_list_webhooks(self, http: web.Request) -> web.Response:
        return web.json_response(_matching(self.books.webhooks, http, ("cascade", "name", "id")))

    async def handle_list_dlrs(self, http: web.Request) -> web.Response:
        return web.json_response(_matching(self.books.dlrs, http, ("cascade", "result")))

    async def handle_stats(self, _: web.Request) -> web.Response:
        books = self.books
        return web.json_response({
            "dlrs": len(books.dlrs),
            "dlr_results": dict(Counter(dlr.result for dlr in books.dlrs)),
            "webhooks": len(books.webhooks),
            "verified": sum(webhook.verified for webhook in books.webhooks),
            "unverified": sum(not webhook.verified for webhook in books.webhooks),
            "processed": sum(webhook.processed for webhook in books.webhooks),
            "types": dict(Counter(webhook.body.get("type", "") for webhook in books.webhooks if webhook.processed)),
        })

    async def handle_health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


def _payload(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in COPIED_FIELDS if report.get(name) is not None}


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _matching(records: list[Any], http: web.Request, names: tuple[str, ...]) -> list[dict[str, Any]]:
    wanted = {name: value for name, value in http.query.items() if name in names}
    return [asdict(record) for record in records
            if all(getattr(record, name) == value for name, value in wanted.items())]


async def _hang(http: web.Request) -> None:
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end and http.transport is not None and not http.transport.is_closing():
        await asyncio.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description="tenant application: delivery report handler and webhook receiver")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--port-file", help="the port is written here once it accepts connections")
    parser.add_argument("--database", required=True, help="connection string")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--webhook-secret", action="append", default=[], help="whsec_...; repeat while rotating")
    arguments = parser.parse_args()
    application = Application(Pool(arguments.database, arguments.connections), arguments.webhook_secret)
    asyncio.run(serve(application.application(), arguments.host, arguments.port, arguments.port_file))


if __name__ == "__main__":
    main()
