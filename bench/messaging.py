"""Workloads of a messaging system: an OTP beside a campaign, receipts as providers post them, reports to webhooks."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cluster import free_port, wait_for

if TYPE_CHECKING:
    from workloads import Bench

RAW1, RAW32 = "raw insert, 1 client", "raw insert, 32 clients"


def run(bench: Bench) -> None:
    _otp(bench)
    _receipts(bench)
    _webhooks(bench)


# ------------------------------------------------------------ priorities


def _otp(bench: Bench) -> None:
    """The provider answers at once and has no rate: the campaign goes out as fast as the dispatcher can, and the OTPs pass it."""
    provider: dict[str, Any] = {
        "kind": "http", "channel": "otp", "concurrency": 64, "idempotency_header": "Idempotency-Key",
        "response": {"message_id": {"path": "$.id"}}}
    figures = {}
    for name, campaign in (("alone", 0), ("campaign", bench.plan.campaign)):
        port = free_port()
        body = {"to": "{{message.to}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"}
        bench.cluster.run("SELECT hermes.create_provider(%s, %s)", f"bench_otp_{name}", json.dumps(
            provider | {"request": {"url": f"http://127.0.0.1:{port}/messages", "body": body}}))
        step = {"channel": "otp", "providers": [f"bench_otp_{name}"], "success_on": "accepted"}
        bench.rule(f"bench_otp_{name}", [step], priority="otp")
        bench.rule(f"bench_marketing_{name}", [step], priority="marketing")
        figures[name] = bench.cluster.generate("otp", rule=f"bench_otp_{name}", count=bench.plan.otps, port=port,
                                               campaign=campaign, campaign_rule=f"bench_marketing_{name}")
        bench.expect(f"bench_otp_{name}", bench.plan.otps)
        bench.expect(f"bench_marketing_{name}", campaign)
    bench.details["otp"] = figures
    workload = ("one OTP each 2 to 7 ms: from the answer of start_cascade (committed) to the first byte of the request at a provider "
                "on a socket of the same client")
    for p in ("p50", "p99"):
        bench.add(f"OTP to first byte, no load, {p}", figures["alone"][f"{p}_ms"], "ms", workload, f"{RAW1}, {p}")
        bench.rows[-1].ratio = figures["alone"][f"{p}_ms"] / bench.details["raw1"][f"{p}_ms"]
    sent = figures["campaign"]
    for p in ("p50", "p99"):
        bench.add(f"OTP to first byte, beside a campaign, {p}", sent[f"{p}_ms"], "ms",
                  f"the same while {bench.plan.campaign:,} marketing messages go out at this provider, which has no rate and answers at once",
                  f"no load, {p}", f"{sent['left']:,} still in line at the end; {sent['campaign_rate']:,.0f} a second")
        bench.rows[-1].ratio = sent[f"{p}_ms"] / figures["alone"][f"{p}_ms"]


# ------------------------------------------------------------ receipts in


def _waiting(bench: Bench, rule: str, count: int) -> None:
    """Cascades whose send is answered, in wait of a receipt."""
    base = bench.cluster.counter("sends_recorded")
    bench.cluster.generate("set-starts", rule=rule, count=count, size=1000)
    bench.expect(rule, count)
    wait_for("the answers", lambda: bench.cluster.counter("sends_recorded") - base >= count, 240, 0.1)


def _receipts(bench: Bench) -> None:
    plan = bench.plan
    for name, connector in (("bench_mail", "sendgrid"), ("bench_texts", "twilio")):
        bench.cluster.run("SELECT hermes.create_provider(%s, %s)", name, json.dumps({
            "kind": "sandbox", "channel": name, "connector": connector, "script": [{"answer": "accepted", "receipts": []}]}))
        bench.rule(name, [{"channel": name, "timeout": "1h"}])
    _waiting(bench, "bench_mail", 2 * plan.receipts)
    for form, how in (("sendgrid-id", "by the provider's id"), ("sendgrid-reference", "by our reference")):
        figures = bench.receive(rule="bench_mail", provider="bench_mail", form=form, count=plan.receipts,
                                size=plan.receipts_a_call)
        bench.add(f"receive_receipts, {plan.receipts_a_call:,} a call, {how}", figures["rate"], "receipts/s",
                  "one session; a call is one JSON array of SendGrid events in one transaction, all final; each cascade ends and is archived",
                  RAW32, f"{figures['p50_ms']:,.0f} ms a call")
    singles = {1: plan.latency, 32: 5 * plan.latency // 32 * 32}
    _waiting(bench, "bench_texts", sum(singles.values()))
    for clients, count in singles.items():
        figures = bench.receive(rule="bench_texts", provider="bench_texts", form="twilio", count=count, size=1,
                                clients=clients)
        bench.add(f"receive_receipts, one a call, {clients} client{'s' if clients > 1 else ''}", figures["rate"], "receipts/s",
                  "one Twilio form a call and transaction, found by the provider's id, final; each cascade ends and is archived",
                  RAW1 if clients == 1 else RAW32, f"p50 {figures['p50_ms']:.3f} ms, p99 {figures['p99_ms']:.3f} ms")
        if clients == 1:
            bench.rows[-1].ratio = figures["rate"] / bench.details["raw1"]["rate"]
    bench.cluster.run("VACUUM (ANALYZE) hermes.workflow, hermes.timer, hermes.task")


# ------------------------------------------------------------ reports


class Receiver(ThreadingHTTPServer):
    """A tenant's webhook receiver in this process: when each report came."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        self.news = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Report)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait(self, cascade: str) -> float:
        with self.news:
            if not self.news.wait_for(lambda: cascade in self.came, 30):
                raise RuntimeError("a report did not come within 30 s")
            return self.came[cascade]


class _Report(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:  # noqa: N802 (name fixed by the library)
        at = time.monotonic()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        with self.server.news:
            self.server.came[body["data"]["cascade_id"]] = at
            self.server.news.notify_all()

    def log_message(self, *_: Any) -> None:
        pass


def _many(bench: Bench, tenant: str, count: int) -> None:
    """Cascades of a tenant that end as soon as the sandbox has answered: a report each."""
    base = bench.cluster.counter("cascades_delivered")
    bench.cluster.value("SELECT count(*) FROM hermes.start_cascades('bench_report', array_fill('{}'::jsonb, ARRAY[%s]), NULL, %s)",
                        count, tenant)
    bench.expect("bench_report", count)
    wait_for("the ends", lambda: bench.cluster.counter("cascades_delivered") - base >= count, 120)


def _report_latencies(bench: Bench, receiver: Receiver, count: int) -> list[float]:
    """Milliseconds from the commit of a start to its report at the tenant, one after the other, sorted."""
    times = []
    for _ in range(count):
        cascade = str(bench.cluster.value("SELECT hermes.start_cascade('bench_report', '{}', NULL, 'bench_lively')"))
        began = time.monotonic()
        times.append(max(0.0, receiver.wait(cascade) - began) * 1000)
    bench.expect("bench_report", count)
    return sorted(times[count // 20:])


def _webhooks(bench: Bench) -> None:
    assert bench.cluster.sink is not None
    run, plan = bench.cluster.run, bench.plan
    bench.rule("bench_report", [{"channel": "push", "providers": ["bench_silent"], "success_on": "accepted"}])
    run("SELECT hermes.create_endpoint('bench_healthy', %s, '{\"secret\": \"bench_webhook\"}')",
        f"http://127.0.0.1:{bench.cluster.sink.port}/webhook")
    bench.outbound(False)
    _many(bench, "bench_healthy", plan.reports)
    base = bench.cluster.counter("webhooks_delivered")
    bench.outbound(True)
    began = time.monotonic()
    wait_for("the reports", lambda: bench.cluster.counter("webhooks_delivered") - base >= plan.reports, 120, 0.005)
    bench.add("webhooks to one endpoint", plan.reports / (time.monotonic() - began), "reports/s",
              f"{plan.reports:,} reports in line for one healthy endpoint (nginx, 64 at once), signed; to the last one recorded as delivered",
              RAW32)
    _beside_dead(bench)


def _beside_dead(bench: Bench) -> None:
    plan, receiver = bench.plan, Receiver()
    bench.cluster.run("SELECT hermes.create_endpoint('bench_lively', %s, '{\"secret\": \"bench_webhook\"}')",
                      f"http://127.0.0.1:{receiver.server_port}/")
    alone = _report_latencies(bench, receiver, plan.report_samples)
    dead = bench.cluster.value("SELECT hermes.create_endpoint('bench_dead', %s)", f"http://127.0.0.1:{free_port()}/")
    _many(bench, "bench_dead", plan.dead_reports)
    beside = _report_latencies(bench, receiver, plan.report_samples)
    waiting = bench.cluster.value("SELECT count(*) FROM hermes.task WHERE target = %s AND kind = 3", dead)
    if waiting < plan.dead_reports // 2:
        raise RuntimeError(f"only {waiting} reports waited for the dead endpoint")
    workload = "from the answer of start_cascade (committed; a sandbox send follows) to the signed report at the tenant, one after the other"
    for p, share in (("p50", 0.5), ("p99", 0.99)):
        before, after = (values[int(len(values) * share)] for values in (alone, beside))
        bench.add(f"report to a tenant, {p}", before, "ms", workload, f"{RAW1}, {p}")
        bench.rows[-1].ratio = before / bench.details["raw1"][f"{p}_ms"]
        bench.add(f"report to a tenant, beside a dead endpoint, {p}", after, "ms",
                  f"the same while {plan.dead_reports:,} reports of another tenant wait for an endpoint that refuses connections",
                  f"without it, {p}", f"{waiting:,} waiting")
        bench.rows[-1].ratio = after / before
    base = bench.cluster.counter("dead_letters")
    bench.cluster.run("SELECT hermes.drop_endpoint(%s)", dead)
    wait_for("their burial", lambda: bench.cluster.value("SELECT count(*) FROM hermes.task WHERE kind = 3") == 0, 120, 0.1)
    bench.buried = bench.cluster.counter("dead_letters") - base
    receiver.shutdown()
    receiver.server_close()
