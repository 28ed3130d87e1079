#!/usr/bin/python3
"""The peers themselves, without a database: a test that trusts a simulator must know that it does what it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import shutil
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import WEBHOOK_SECRET, check, equal, wait_until
from peers import Peer, private_folder, start_application, start_simulator


class Sink(ThreadingHTTPServer):
    """A delivery report handler that refuses its first posts."""

    def __init__(self, refuse: int = 0) -> None:
        self.refuse = refuse
        self.reports: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), SinkHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/dlr"

    def of(self, ref: str) -> list[dict[str, Any]]:
        with self.lock:
            return [report for report in self.reports if report["ref"] == ref]


class SinkHandler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:  # noqa: N802 (name fixed by the library)
        report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            refused, self.server.refuse = self.server.refuse > 0, max(0, self.server.refuse - 1)
            if not refused:
                self.server.reports.append(report | {"received": time.time()})
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def send(simulator: Peer, behaviour: Any, ref: str, key: str | None = None, channel: str = "email",
         timeout: float = 5.0, account: str = "") -> tuple[int, dict[str, str], dict[str, Any]]:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    body = json.dumps({"to": "a", "ref": ref, "behaviour": behaviour}).encode()
    request = urllib.request.Request(f"{simulator.url}/{channel}/messages?account={account}", body, headers)
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=timeout) as answer:
            return answer.status, dict(answer.headers), json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, dict(answer.headers), json.loads(answer.read() or b"{}")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def new_ref() -> str:
    return f"{uuid.uuid4()}-1"


def answers(simulator: Peer, _application: Peer, sink: Sink) -> None:
    """the simulator answers as scripted and takes a message only where told"""
    for behaviour, status, effect in (("accept", 202, True), ("reject", 400, False), ("throttle", 429, False),
                                      ("error", 500, False), ("error_taken", 500, True), ("redirect", 302, False)):
        ref = new_ref()
        found, headers, _ = send(simulator, behaviour, ref, ref)
        equal(found, status, f"status of {behaviour}")
        (request,) = simulator.get(f"/log?ref={ref}")
        equal((request["status"], request["effect"], request["key"]), (status, effect, ref), f"log of {behaviour}")
        if behaviour == "throttle":
            equal(headers["Retry-After"], "1", "Retry-After")
    ref = new_ref()
    send(simulator, None, ref)
    report = wait_until(lambda: sink.of(ref), what="the receipt")[0]
    equal((report["status"], report["channel"]), ("delivered", "email"), "receipt")
    equal(send(simulator, "nonsense", new_ref())[0], 422, "status of a bad behaviour")


def silence(simulator: Peer, _application: Peer, sink: Sink) -> None:
    """hang never answers, drop closes, and taken messages are reported all the same"""
    for behaviour in ("hang", "drop", "hang_taken", "drop_taken"):
        ref = new_ref()
        try:
            send(simulator, behaviour, ref, timeout=0.5)
        except (OSError, http.client.HTTPException):
            pass
        else:
            raise AssertionError(f"{behaviour} was answered")
        if behaviour.endswith("taken"):
            wait_until(lambda r=ref: sink.of(r), what=f"the receipt of {behaviour}")
    wait_until(lambda: simulator.get("/stats")["in_flight"]["email"] == 0, what="the end of hanging requests")


def key(simulator: Peer, _application: Peer, sink: Sink) -> None:
    """a repeated key gets the first answer and is not sent again; another body is noted"""
    ref = new_ref()
    equal(send(simulator, "error_taken", ref, ref)[0], 500, "first status")
    status, _, body = send(simulator, "error_taken", ref, ref)
    first, second = simulator.get(f"/log?ref={ref}")
    equal((status, body["id"], second["repeat"], second["effect"]), (202, first["message_id"], True, False), "repeat")
    wait_until(lambda: sink.of(ref), what="the receipt")
    equal(len(sink.of(ref)), 1, "receipts")
    send(simulator, "accept", ref, ref)
    equal(simulator.get("/stats")["keys_with_two_bodies"], [ref], "keys with two bodies")
    other = new_ref()
    send(simulator, None, other, "one")
    send(simulator, None, other, "two")
    stats = simulator.get("/stats")
    check(other in stats["refs_with_two_keys"] and other in stats["refs_sent_twice"], "two keys of one attempt")


def sequence(simulator: Peer, _application: Peer, _sink: Sink) -> None:
    """a list of behaviours is taken one a request and channel; a plan serves messages without one"""
    ref = new_ref()
    script = ["throttle", "error", "accept"]
    equal([send(simulator, script, ref, ref)[0] for _ in script], [429, 500, 202], "statuses")
    equal(send(simulator, script, ref, ref, "sms")[0], 429, "first status on another channel")
    simulator.post("/plan", {"channel": "push", "behaviour": "reject"})
    equal(send(simulator, None, new_ref(), channel="push")[0], 400, "status by plan")
    equal(send(simulator, None, new_ref(), channel="sms")[0], 202, "status on another channel")


def accounts(simulator: Peer, _application: Peer, _sink: Sink) -> None:
    """requests of an account are told apart, planned for and counted by themselves; a release ends those that hang"""
    simulator.post("/plan", {"account": "one", "behaviour": "hang"})
    ends: list[float] = []

    def hang() -> None:
        try:
            send(simulator, None, new_ref(), channel="email", timeout=20, account="one")
        except (OSError, http.client.HTTPException):
            ends.append(time.monotonic())

    threads = [threading.Thread(target=hang) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: simulator.get("/stats")["in_flight"].get("email/one", 0) == 3, what="three requests of the account")
    equal(send(simulator, None, new_ref(), account="two")[0], 202, "status at another account")
    equal(len(simulator.get("/log?account=two")), 1, "requests at the other account")
    simulator.post("/release", {})
    for thread in threads:
        thread.join(10)
    equal((len(ends), simulator.get("/stats")["in_flight"]["email/one"]), (3, 0), "requests that ended, that hang")
    equal(simulator.get("/stats")["max_in_flight"]["email/one"], 3, "most at once")


def receipts(simulator: Peer, _application: Peer, sink: Sink) -> None:
    """receipts come late, repeated, or before the answer, and are posted until acknowledged"""
    ref = new_ref()
    begin = time.time()
    send(simulator, {"receipts": [{"status": "sent"}, {"status": "delivered", "after": 0.6}]}, ref)
    wait_until(lambda: len(sink.of(ref)) == 2, what="two receipts")
    equal([report["status"] for report in sink.of(ref)], ["sent", "delivered"], "receipts")
    check(sink.of(ref)[1]["received"] - begin >= 0.6, "the late receipt was early")

    ref = new_ref()
    send(simulator, "duplicate_dlr", ref)
    wait_until(lambda: len(sink.of(ref)) == 3, what="three receipts")
    equal(len({report["timestamp"] for report in sink.of(ref)}), 1, "timestamps of copies")

    ref = new_ref()
    sink.refuse = 2
    send(simulator, "dlr_first", ref)
    answered = time.time()
    equal(len(sink.of(ref)), 1, "receipts before the answer")
    check(sink.of(ref)[0]["received"] <= answered, "the receipt came after the answer")


def webhooks(_simulator: Peer, application: Peer, _sink: Sink) -> None:
    """the application verifies, deduplicates and follows its script"""
    equal(post_webhook(application, "a", secret="whsec_" + "QUJD" * 8), 401, "wrong secret")
    equal(post_webhook(application, "a", age=600), 401, "old timestamp")
    equal(post_webhook(application, "a", signature=""), 401, "unsigned")
    application.post("/script", {"answers": [500, 410]})
    equal([post_webhook(application, "a") for _ in range(4)], [500, 410, 204, 204], "answers")
    equal(post_webhook(application, "b", prefix="v1a,AAAA v1,AAAA "), 204, "one of several signatures")
    found = application.get("/webhooks")
    equal([(w["id"], w["verified"], w["processed"]) for w in found if w["processed"]],
          [("a", True, True), ("b", True, True)], "effects")
    equal(application.get("/stats")["unverified"], 3, "unverified")


def post_webhook(application: Peer, name: str, secret: str = WEBHOOK_SECRET, age: int = 0, prefix: str = "",
                 signature: str | None = None) -> int:
    body, timestamp = b'{"type":"test","data":{}}', int(time.time()) - age
    signed = f"{name}.{timestamp}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    own = f"{prefix}v1,{base64.b64encode(digest.digest()).decode()}"
    headers = {"webhook-id": name, "webhook-timestamp": str(timestamp),
               "webhook-signature": own if signature is None else signature}
    try:
        request = urllib.request.Request(f"{application.url}/webhook", body, headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        return answer.code


def unreachable_database(_simulator: Peer, application: Peer, _sink: Sink) -> None:
    """a receipt that cannot be committed is not acknowledged"""
    try:
        application.post("/dlr", {"ref": new_ref(), "id": "x", "status": "delivered", "timestamp": "t"})
    except urllib.error.HTTPError as answer:
        equal(answer.code, 503, "status")
    else:
        raise AssertionError("acknowledged")


def main() -> int:
    scenarios = (answers, silence, key, sequence, accounts, receipts, webhooks, unreachable_database)
    folder, sink, failed = private_folder("hermes_peers"), Sink(), 0
    peers: list[Peer] = []
    print(f"1..{len(scenarios)}", flush=True)
    try:
        peers.append(start_application(folder, "host=127.0.0.1 port=1 connect_timeout=2", [WEBHOOK_SECRET]))
        peers.append(start_simulator(folder, sink.url))
        for number, scenario in enumerate(scenarios, 1):
            try:
                scenario(peers[1], peers[0], sink)
                print(f"ok {number} - {scenario.__doc__}", flush=True)
            except Exception:  # noqa: BLE001 (told as TAP)
                failed += 1
                print(f"not ok {number} - {scenario.__doc__}", flush=True)
                print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "), flush=True)
    finally:
        for peer in peers:
            peer.stop()
        sink.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
