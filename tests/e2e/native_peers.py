"""Two real HTTP peers that speak as providers do: their send APIs, scripted, and the handler that takes their receipts.

`Providers` answers sends in the words of the account's provider (Twilio, SendGrid, Vonage, WhatsApp, an HTTP gateway to an
SMSC), logs them, and posts receipts in the provider's own form. `ReceiptHandler` does what a receipt handler does: for each
post it calls hermes.receive_receipts with the body and the headers as they came, and answers 2xx after the commit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.types.json import Jsonb

RECEIVE = "SELECT ordinal, cascade_id::text, attempt, state, failure_kind, result::text FROM hermes.receive_receipts(%s, %s, %s, %s)"
UNAUTHENTICATED, UNREADABLE = "28000", "22"


class Server(ThreadingHTTPServer):
    """An HTTP server on a free port, served by threads of this process."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


# ---- the receipt handler ----


@dataclass
class Row:
    """One row of hermes.receive_receipts."""

    cascade: str | None
    attempt: int | None
    state: str | None
    kind: str | None
    result: str


@dataclass
class Post:
    """One post as it was handled."""

    provider: str
    status: int
    rows: list[Row] = field(default_factory=list)
    error: str = ""


class ReceiptHandler(Server):
    """POST or GET /<provider>: 200 after the commit, 401 for a bad signature, 400 for what cannot be read, else 503."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.posts: list[Post] = []
        super().__init__(_ReceiptRequest)

    def receive(self, provider: str, payload: str, headers: dict[str, str], options: dict[str, Any]) -> Post:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as session:
                rows = session.execute(RECEIVE, (provider, payload, Jsonb(headers), Jsonb(options))).fetchall()
            post = Post(provider, 200, [Row(*row[1:]) for row in rows])
        except psycopg.Error as problem:
            code = problem.sqlstate or ""
            status = 401 if code == UNAUTHENTICATED else 400 if code.startswith(UNREADABLE) else 503
            post = Post(provider, status, error=f"{code} {problem}".strip())
        with self.lock:
            self.posts.append(post)
        return post


class _ReceiptRequest(Handler):
    server: ReceiptHandler

    def do_POST(self) -> None:  # noqa: N802 (name fixed by the library)
        options: dict[str, Any] = {}
        if esm_class := self.headers.get("X-Esm-Class"):  # from the SMPP session in front of this handler
            options["esm_class"] = int(esm_class)
        self.take(self.body().decode(), options)

    def do_GET(self) -> None:  # noqa: N802
        self.take(urlsplit(self.path).query, {"method": "GET"})

    def take(self, payload: str, options: dict[str, Any]) -> None:
        post = self.server.receive(urlsplit(self.path).path.strip("/"), payload, dict(self.headers.items()), options)
        body = json.dumps([row.__dict__ for row in post.rows]).encode() if post.status == 200 else b""
        self.answer(post.status, body, {"Content-Type": "application/json"})


# ---- the providers ----


@dataclass
class Receipt:
    """A receipt as its provider posts it."""

    body: str
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    get: bool = False


@dataclass
class Answer:
    """One answer to a send; `ids` and the words of the account make the body where none is given."""

    status: int | None = None
    body: Any = None  # JSON value, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)
    ids: Sequence[str] = ()
    delay: float = 0.0
    hang: bool = False  # never answers, as long as the client waits
    first: Callable[[str], Sequence[Receipt]] | None = None  # by our reference: posted and acknowledged before the answer


@dataclass
class Send:
    """A send as it was received."""

    account: str
    time: float
    to: str
    reference: str
    body: dict[str, Any]
    headers: dict[str, str]
    ids: list[str]


@dataclass
class Account:
    """How a provider speaks: its answer to a send that it took."""

    accepted: Callable[[list[str]], tuple[int, Any, dict[str, str]]]
    make_id: Callable[[], str]


def _vonage_accepted(ids: list[str]) -> tuple[int, Any, dict[str, str]]:
    parts = [{"to": "15005550006", "message-id": part, "status": "0", "remaining-balance": "3.14"} for part in ids]
    return 200, {"message-count": str(len(parts)), "messages": parts}, {}


SPEECH = {
    "twilio": Account(lambda ids: (201, {"sid": ids[0], "status": "queued", "error_code": None}, {}),
                      lambda: "SM" + secrets.token_hex(16)),
    "sendgrid": Account(lambda ids: (202, b"", {"X-Message-Id": ids[0]}), lambda: secrets.token_urlsafe(16)),
    "vonage": Account(_vonage_accepted, lambda: secrets.token_hex(8).upper()),
    "whatsapp": Account(lambda ids: (200, {"messaging_product": "whatsapp", "messages": [{"id": ids[0]}]}, {}),
                        lambda: "wamid." + secrets.token_hex(12)),
    "gateway": Account(lambda ids: (200, {"command_status": 0, "message_id": ids[0]}, {}), lambda: secrets.token_hex(4)),
}


class Providers(Server):
    """POST /<account>: one endpoint an account. Scripts are found by the recipient, which a test uses once."""

    def __init__(self, receipts_url: str) -> None:
        self.receipts_url = receipts_url
        self.accounts: dict[str, Account] = {}
        self.scripts: dict[tuple[str, str], list[Answer]] = {}
        self.sends: list[Send] = []
        super().__init__(_SendRequest)

    def script(self, account: str, to: str, answers: Sequence[Answer]) -> None:
        with self.lock:
            self.scripts[account, to] = list(answers)

    def sent(self, to: str, account: str | None = None) -> list[Send]:
        with self.lock:
            return [send for send in self.sends if send.to == to and account in (None, send.account)]

    def take(self, account: str, to: str, reference: str, body: dict[str, Any],
             headers: dict[str, str]) -> tuple[Send, Answer]:
        """Logs a send and chooses its answer: the n-th send to a recipient takes entry n, the last one repeats."""
        with self.lock:
            script = self.scripts.get((account, to), [Answer()])
            nth = sum(send.account == account and send.to == to for send in self.sends)
            chosen = script[min(nth, len(script) - 1)]
            ids = list(chosen.ids) or [self.accounts[account].make_id()]
            send = Send(account, time.monotonic(), to, reference, body, headers, ids)
            self.sends.append(send)
        return send, chosen

    def post(self, account: str, receipt: Receipt) -> Post:
        """Posts a receipt to the handler and waits for its answer."""
        target = urlsplit(self.receipts_url)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        headers = dict(receipt.headers)
        if receipt.content_type:
            headers["Content-Type"] = receipt.content_type
        try:
            if receipt.get:
                connection.request("GET", f"/{account}?{receipt.body}", headers=headers)
            else:
                connection.request("POST", f"/{account}", receipt.body.encode(), headers)
            response = connection.getresponse()
            body = response.read()
            rows = [Row(**row) for row in json.loads(body)] if response.status == 200 else []
            return Post(account, response.status, rows)
        finally:
            connection.close()


class _SendRequest(Handler):
    server: Providers

    def do_POST(self) -> None:  # noqa: N802
        account = urlsplit(self.path).path.strip("/")
        raw = self.body().decode()
        is_form = "form" in (self.headers.get("Content-Type") or "")
        body: dict[str, Any] = dict(parse_qsl(raw)) if is_form else json.loads(raw)
        send, chosen = self.server.take(account, str(body.get("To") or body.get("to")), str(body.get("ref", "")), body,
                                        {name.lower(): value for name, value in self.headers.items()})
        for receipt in chosen.first(send.reference) if chosen.first else ():
            self.server.post(account, receipt)
        time.sleep(chosen.delay)
        if chosen.hang:
            self.hang()
            return
        status, reply, headers = self.server.accounts[account].accepted(send.ids)
        if chosen.body is not None:
            reply = chosen.body
        payload = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        content_type = {} if payload == b"" else {"Content-Type": "application/json"}
        self.answer(chosen.status or status, payload, content_type | headers | chosen.headers)

    def hang(self) -> None:
        """Until the client has gone."""
        self.connection.settimeout(60)
        try:
            self.connection.recv(1)
        except OSError:
            pass
        self.close_connection = True


# ---- receipts in the words of their providers ----


def twilio(sid: str, status: str, code: str | None = None, **more: str) -> Receipt:
    fields = {"MessageSid": sid, "MessageStatus": status, "To": "+15005550006", "AccountSid": "AC1"} | more
    if code is not None:
        fields["ErrorCode"] = code
    return Receipt(urlencode(fields), "application/x-www-form-urlencoded; charset=UTF-8")


def sendgrid_event(message_id: str, event: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "email": "user@example.com", "sg_event_id": secrets.token_urlsafe(12),
            "sg_message_id": f"{message_id}.filter0307p1las1-{secrets.token_hex(2)}", "timestamp": int(time.time())} | more


def sendgrid(*events: Any) -> Receipt:
    return Receipt(json.dumps(events), "application/json; charset=utf-8")


def vonage(part: str, status: str, code: str = "0", *, at: str | None = None, ref: str | None = None) -> Receipt:
    fields = {"msisdn": "15005550006", "to": "Acme", "network-code": "310004", "messageId": part, "price": "0.03",
              "status": status, "scts": "2601011200", "err-code": code}
    if at is not None:
        fields["message-timestamp"] = at
    if ref is not None:
        fields["client-ref"] = ref
    return Receipt(urlencode(fields), None, get=True)


def smpp(text: str, esm_class: int = 4) -> Receipt:
    return Receipt(text, "text/plain", {"X-Esm-Class": str(esm_class)})


def whatsapp(message_id: str, status: str, secret: str, code: int | None = None, ref: str | None = None) -> Receipt:
    """Signed as Meta does: HMAC of the body with the app secret."""
    entry: dict[str, Any] = {"id": message_id, "status": status, "timestamp": str(int(time.time())),
                             "recipient_id": "15005550006"}
    if code is not None:
        entry["errors"] = [{"code": code, "title": "refused"}]
    if ref is not None:
        entry["biz_opaque_callback_data"] = ref
    body = json.dumps({"object": "whatsapp_business_account", "entry": [
        {"id": "1", "changes": [{"field": "messages", "value": {"statuses": [entry]}}]}]})
    digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return Receipt(body, headers={"X-Hub-Signature-256": f"sha256={digest}"})


def basic(receipt: Receipt, credentials: str) -> Receipt:
    receipt.headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    return receipt


def twilio_signed(receipt: Receipt, url: str, token: str, get: bool) -> Receipt:
    """By POST over the URL and the sorted parameters, by GET over the URL with its query."""
    fields = parse_qsl(receipt.body)
    signed = f"{url}?{receipt.body}" if get else url + "".join(name + value for name, value in sorted(fields))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    headers = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
    return Receipt(receipt.body, None if get else receipt.content_type, headers, get)


def vonage_signed(receipt: Receipt, secret: str, get: bool) -> Receipt:
    """HMAC-SHA256 of the sorted parameters, itself a parameter."""
    fields = dict(parse_qsl(receipt.body)) | {"timestamp": str(int(time.time())), "nonce": secrets.token_hex(8)}
    signed = "".join(f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(fields.items()))
    fields["sig"] = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return Receipt(urlencode(fields), None if get else "application/x-www-form-urlencoded", get=get)
