#!/usr/bin/python3
"""Provider simulator: a messaging provider with scripted behaviour, one real process speaking HTTP.

POST /<channel>/messages[?account=]  {"to", "text", "ref", "behaviour"?}  answered as scripted (behaviour.py)
POST /plan      {"channel"?, "account"?, "to"?, "behaviour"}  for messages that carry no behaviour; the newest match wins
POST /release   requests that hang are dropped now              POST /settings {"dlr_url"?}
POST /reset     forgets requests, keys and plans
GET  /log?ref=&cascade=&channel=&account=   every request, oldest first     GET /stats     GET /health

A repeated Idempotency-Key of a taken message gets the first answer and is not sent again. Delivery reports are posted
as {"ref", "id", "channel", "status", "timestamp", "error_code"} and retried until a 2xx.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import secrets
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from behaviour import BadBehaviour, Behaviour, Receipt, parse_behaviour
from serving import serve

HANG_SECONDS = 120.0
DLR_RETRY_SECONDS = 0.2
DLR_GIVE_UP_SECONDS = 300.0
FLOOD_CHUNKS = 256  # of 64 kB
UUID_LENGTH = 36


@dataclass
class Request:
    """One request as it was received and answered."""

    number: int
    time: float
    channel: str
    ref: str
    cascade: str
    key: str | None
    to: str | None
    body_digest: str
    authorization: str | None
    user_agent: str | None
    account: str = ""  # one channel may be served for several accounts
    nth: int = 0  # of this cascade on this channel, repeats of a taken key left out
    answer: str = ""
    status: int = 0  # 0: no answer was given
    effect: bool = False  # this request made the message go out
    repeat: bool = False  # answered from an earlier request with this key
    message_id: str = ""
    sent_bytes: int = 0


@dataclass
class Taken:
    """A message that went out."""

    message_id: str
    ref: str
    body_digest: str


@dataclass
class DlrCounts:
    scheduled: int = 0
    posted: int = 0
    acknowledged: int = 0
    given_up: int = 0


@dataclass
class Books:
    """Everything the simulator remembers; replaced as a whole by a reset."""

    requests: list[Request] = field(default_factory=list)
    taken: dict[tuple[str, str], Taken] = field(default_factory=dict)  # by channel and key
    nth: Counter[tuple[str, str]] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)  # by ref
    two_bodies: set[str] = field(default_factory=set)  # keys that came with a second, different body
    plans: list[dict[str, Any]] = field(default_factory=list)
    in_flight: Counter[str] = field(default_factory=Counter)  # by channel, and by channel/account
    max_in_flight: Counter[str] = field(default_factory=Counter)
    dlrs: DlrCounts = field(default_factory=DlrCounts)


class Simulator:
    def __init__(self, channels: list[str], dlr_url: str | None) -> None:
        self.channels = channels
        self.dlr_url = dlr_url
        self.books = Books()
        self.session: ClientSession | None = None
        self.posting: set[asyncio.Task[None]] = set()
        self.released = asyncio.Event()  # replaced by each release

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        app.cleanup_ctx.append(self._client_session)
        app.add_routes([
            web.post("/{channel}/messages", self.handle_send), web.get("/elsewhere", self.handle_elsewhere),
            web.post("/elsewhere", self.handle_elsewhere), web.post("/plan", self.handle_plan),
            web.post("/release", self.handle_release), web.post("/reset", self.handle_reset),
            web.post("/settings", self.handle_settings), web.get("/log", self.handle_log), web.get("/stats", self.handle_stats),
            web.get("/health", self.handle_health),
        ])
        return app

    async def _client_session(self, _: web.Application):  # type: ignore[no-untyped-def]
        async with ClientSession(timeout=ClientTimeout(total=15), connector=TCPConnector(limit=32)) as session:
            self.session = session
            yield
            for task in self.posting:
                task.cancel()

    # ---- sending ----

    async def handle_send(self, http: web.Request) -> web.StreamResponse:
        channel = http.match_info["channel"]
        if channel not in self.channels:
            raise web.HTTPNotFound(text="no such channel\n")
        received = time.time()
        raw = await http.read()
        try:
            body = json.loads(raw)
            ref = str(body["ref"])
        except (ValueError, TypeError, KeyError):
            return web.json_response({"error": "a JSON object with ref is expected"}, status=422)
        books = self.books
        request = self._record(http, books, channel, ref, body, raw, received)
        names = [channel] + ([f"{channel}/{request.account}"] if request.account else [])
        for name in names:
            books.in_flight[name] += 1
            books.max_in_flight[name] = max(books.max_in_flight[name], books.in_flight[name])
        try:
            return await self._answer(http, books, request, body)
        except BadBehaviour as problem:
            request.status = 422
            return web.json_response({"error": str(problem)}, status=422)
        finally:
            for name in names:
                books.in_flight[name] -= 1

    @staticmethod
    def _record(http: web.Request, books: Books, channel: str, ref: str, body: dict[str, Any], raw: bytes,
                received: float) -> Request:
        request = Request(number=len(books.requests) + 1, time=received, channel=channel, ref=ref,
                          cascade=ref[:UUID_LENGTH], key=http.headers.get("Idempotency-Key"), to=body.get("to"),
                          body_digest=hashlib.sha256(raw).hexdigest()[:16],
                          authorization=http.headers.get("Authorization"), user_agent=http.headers.get("User-Agent"),
                          account=http.query.get("account", ""))
        books.requests.append(request)
        return request

    async def _answer(self, http: web.Request, books: Books, request: Request,
                      body: dict[str, Any]) -> web.StreamResponse:
        earlier = books.taken.get((request.channel, request.key)) if request.key else None
        if earlier is not None:
            if earlier.body_digest != request.body_digest:
                books.two_bodies.add(str(request.key))
            request.repeat, request.message_id = True, earlier.message_id
            return self._accepted(request, 202)

        books.nth[request.cascade, request.channel] += 1
        request.nth = books.nth[request.cascade, request.channel]
        behaviour = parse_behaviour(self._script(books, request, body), request.nth)
        request.answer = behaviour.answer
        posting: list[asyncio.Task[None]] = []
        if behaviour.taken:
            posting = self._take(books, request, behaviour)
        if behaviour.receipts_first:
            await asyncio.gather(*posting)
        if behaviour.delay > 0:
            await asyncio.sleep(behaviour.delay)
        return await self._react(http, request, behaviour)

    @staticmethod
    def _script(books: Books, request: Request, body: dict[str, Any]) -> Any:
        if body.get("behaviour") is not None:
            return body["behaviour"]
        for plan in reversed(books.plans):
            if all(plan.get(name, getattr(request, name)) == getattr(request, name)
                   for name in ("channel", "account", "to")):
                return plan["behaviour"]
        return None

    def _take(self, books: Books, request: Request, behaviour: Behaviour) -> list[asyncio.Task[None]]:
        """The message goes out, before any answer: a repeat of the key finds it even while this request waits."""
        request.message_id = f"{request.channel}-{secrets.token_hex(8)}"
        request.effect = True
        books.effects[request.ref] += 1
        if request.key:
            books.taken[request.channel, request.key] = Taken(request.message_id, request.ref, request.body_digest)
        return [self._schedule(books, request, receipt, behaviour.dlr_url or self.dlr_url)
                for receipt in behaviour.receipts]

    async def _react(self, http: web.Request, request: Request, behaviour: Behaviour) -> web.StreamResponse:
        if behaviour.answer == "accept":
            return self._accepted(request, behaviour.status)
        if behaviour.answer == "hang":
            await self._hang(http)
            return web.Response(status=504)
        if behaviour.answer == "drop":
            if http.transport is not None:
                http.transport.abort()
            return web.Response(status=500)
        if behaviour.answer == "flood":
            return await self._flood(http, request, behaviour.status)
        headers = {}
        if behaviour.retry_after is not None:
            headers["Retry-After"] = f"{behaviour.retry_after:g}"
        if behaviour.answer == "redirect":
            headers["Location"] = str(http.url.with_path("/elsewhere"))
        request.status = behaviour.status
        return web.json_response({"error": behaviour.answer, "code": behaviour.code}, status=behaviour.status,
                                 headers=headers)

    @staticmethod
    def _accepted(request: Request, status: int) -> web.Response:
        request.status = status
        return web.json_response({"id": request.message_id, "status": "queued"}, status=status,
                                 headers={"X-Message-Id": request.message_id})

    async def _hang(self, http: web.Request) -> None:
        """Never answers; ends when the client has gone, or by a release."""
        end, released = time.monotonic() + HANG_SECONDS, self.released
        while time.monotonic() < end and http.transport is not None and not http.transport.is_closing():
            if released.is_set():
                http.transport.abort()
                return
            await asyncio.sleep(0.05)

    @staticmethod
    async def _flood(http: web.Request, request: Request, status: int) -> web.StreamResponse:
        """A body far above any cap; counts what the client let through."""
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        request.status = status
        chunk = b" " * 65536
        try:
            await response.prepare(http)
            for _ in range(FLOOD_CHUNKS):
                await response.write(chunk)
                request.sent_bytes += len(chunk)
        except ConnectionError:
            pass
        return response

    async def handle_elsewhere(self, http: web.Request) -> web.Response:
        """Where redirects point; nobody should come here."""
        self.books.requests.append(Request(
            number=len(self.books.requests) + 1, time=time.time(), channel="elsewhere", ref="", cascade="", key=None,
            to=None, body_digest="", authorization=http.headers.get("Authorization"),
            user_agent=http.headers.get("User-Agent"), status=200))
        return web.json_response({"id": "elsewhere"})

    # ---- delivery reports ----

    def _schedule(self, books: Books, request: Request, receipt: Receipt, url: str | None) -> asyncio.Task[None]:
        task = asyncio.create_task(self._report(books, request.ref, request.channel, request.message_id, receipt, url))
        self.posting.add(task)
        task.add_done_callback(self.posting.discard)
        return task

    async def _report(self, books: Books, ref: str, channel: str, message_id: str, receipt: Receipt,
                      url: str | None) -> None:
        if url is None:
            return
        books.dlrs.scheduled += receipt.copies
        if receipt.after > 0:
            await asyncio.sleep(receipt.after)
        report: dict[str, Any] = {"ref": ref, "id": message_id, "channel": channel, "status": receipt.status,
                                  "timestamp": datetime.now(timezone.utc).isoformat(),
                                  "error_code": receipt.error_code}
        if receipt.failure_kind is not None:
            report["failure_kind"] = receipt.failure_kind
        await asyncio.gather(*(self._post(books, url, report) for _ in range(receipt.copies)))

    async def _post(self, books: Books, url: str, report: dict[str, Any]) -> None:
        assert self.session is not None
        end = time.monotonic() + DLR_GIVE_UP_SECONDS
        while time.monotonic() < end:
            books.dlrs.posted += 1
            try:
                async with self.session.post(url, json=report) as response:
                    if 200 <= response.status < 300:
                        books.dlrs.acknowledged += 1
                        return
            except (ClientError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(DLR_RETRY_SECONDS)
        books.dlrs.given_up += 1

    # ---- control ----

    async def handle_plan(self, http: web.Request) -> web.Response:
        plan = await http.json()
        try:
            parse_behaviour(plan["behaviour"], 1)
        except (BadBehaviour, KeyError, TypeError) as problem:
            return web.json_response({"error": str(problem)}, status=422)
        self.books.plans.append(plan)
        return web.json_response({"plans": len(self.books.plans)})

    async def handle_settings(self, http: web.Request) -> web.Response:
        self.dlr_url = (await http.json()).get("dlr_url", self.dlr_url)
        return web.json_response({"dlr_url": self.dlr_url})

    async def handle_release(self, _: web.Request) -> web.Response:
        self.released.set()
        self.released = asyncio.Event()
        return web.json_response({})

    async def handle_reset(self, _: web.Request) -> web.Response:
        for task in self.posting:
            task.cancel()
        self.books = Books()
        return web.json_response({})

    async def handle_log(self, http: web.Request) -> web.Response:
        wanted = {name: value for name, value in http.query.items() if name in ("ref", "cascade", "channel", "account", "key")}
        found = [asdict(request) for request in self.books.requests
                 if all(getattr(request, name) == value for name, value in wanted.items())]
        return web.json_response(found)

    async def handle_stats(self, _: web.Request) -> web.Response:
        books = self.books
        keys_by_ref: dict[str, set[str | None]] = {}
        for request in books.requests:
            keys_by_ref.setdefault(request.ref, set()).add(request.key)
        return web.json_response({
            "requests": len(books.requests),
            "effects": sum(books.effects.values()),
            "repeats": sum(request.repeat for request in books.requests),
            "answers": dict(Counter(str(request.status) for request in books.requests)),
            "refs_sent_twice": sorted(ref for ref, count in books.effects.items() if count > 1),
            "refs_with_two_keys": sorted(ref for ref, keys in keys_by_ref.items() if ref and len(keys) > 1),
            "keys_with_two_bodies": sorted(books.two_bodies),
            "in_flight": dict(books.in_flight), "max_in_flight": dict(books.max_in_flight),
            "dlrs": asdict(books.dlrs),
        })

    async def handle_health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


def main() -> None:
    parser = argparse.ArgumentParser(description="messaging provider with scripted behaviour")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--port-file", help="the port is written here once it accepts connections")
    parser.add_argument("--dlr-url", help="delivery reports are posted here; without it none are")
    parser.add_argument("--channels", default="email,sms,push,newsletter", help="comma separated")
    arguments = parser.parse_args()
    simulator = Simulator(arguments.channels.split(","), arguments.dlr_url)
    asyncio.run(serve(simulator.application(), arguments.host, arguments.port, arguments.port_file))


if __name__ == "__main__":
    main()
