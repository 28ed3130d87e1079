"""The workloads of a run, in their order, and the rows they make."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import statistics
import time
from collections.abc import Iterator
from typing import Any

import conditions
import crowd
import functions
import latencies
import messaging
from cluster import Cluster, wait_for
from messaging import RAW1, RAW32
from report import Row
from sampling import Profile

PAYLOAD = "x" * 300
INSERT = f"INSERT INTO bench.raw_insert (payload) VALUES ('{PAYLOAD}');\n"
INSERT_UPDATE = (f"BEGIN;\nINSERT INTO bench.raw_insert (payload) VALUES ('{PAYLOAD}') RETURNING id \\gset\n"
                 "UPDATE bench.raw_insert SET state = 1 WHERE id = :id;\nEND;\n")
SIZES = """SELECT pg_total_relation_size('hermes.workflow'), pg_total_relation_size('hermes.timer'), pg_total_relation_size('hermes.task'),
       (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'hermes.attempt'::regclass)"""


LATENCY_ROUNDS = 5

SECTIONS = ("waiting", "cascades", "latencies", "messaging", "functions", "conditions")
MORE_SECTIONS = ("crowd", "steady")  # only when asked for: six minutes, half an hour


def times(figures: dict[str, Any]) -> str:
    return (f"p50 {figures['p50_ms']:.3f} ms, p99 {figures['p99_ms']:.3f} ms; "
            f"server {figures['cpu_us']:.0f} us of processor each")


@dataclasses.dataclass
class Plan:
    seconds: float = 4
    whole_seconds: float = 8
    waiting: int = 100_000
    crowd: int = 2_000_000
    latency: int = 25_000
    first_bytes: int = 400
    timer_seconds: float = 3
    idle_seconds: float = 10
    otps: int = 400
    campaign: int = 100_000
    receipts: int = 50_000  # each way
    receipts_a_call: int = 5000
    reports: int = 20_000
    dead_reports: int = 20_000
    report_samples: int = 400
    functions: int = 10_000
    reactions: int = 400
    replays: int = 40
    offered_seconds: float = 10
    snapshot_seconds: float = 120
    steady_minutes: float = 30
    perf_folder: pathlib.Path | None = None
    sections: tuple[str, ...] = SECTIONS

    @staticmethod
    def quick() -> Plan:
        return Plan(seconds=1, whole_seconds=2, waiting=4000, crowd=8000, latency=200, first_bytes=40, timer_seconds=1, idle_seconds=2, otps=60,
                    campaign=8000, receipts=2000, receipts_a_call=1000, reports=1000, dead_reports=2000, report_samples=40,
                    functions=1000, reactions=40, replays=2, offered_seconds=2, snapshot_seconds=4, steady_minutes=0.2)


class Bench:
    def __init__(self, cluster: Cluster, plan: Plan) -> None:
        self.cluster = cluster
        self.plan = plan
        self.rows: list[Row] = []
        self.details: dict[str, Any] = {}
        self.ended = 0
        self._expected: dict[str, int] = {}
        self._raw32: list[tuple[float, float]] = []  # when, how many a second
        self.buried = 0  # reports of an endpoint that was meant to be dead
        self._began = time.monotonic()

    # ------------------------------------------------------------ frame
    def run(self) -> None:
        self._prepare()
        self._raw()
        for name, section in {"waiting": self._waiting_set, "cascades": self._cascades, "latencies": self._latencies,
                              "messaging": lambda: messaging.run(self), "functions": lambda: functions.run(self),
                              "conditions": lambda: conditions.run(self), "crowd": lambda: crowd.run(self),
                              "steady": lambda: conditions.steady(self)}.items():
            if name in self.plan.sections:
                section()
                self.raw_again()
        self._verify()
        self._fill_ratios()

    def _cascades(self) -> None:
        self.whole("sandbox", "full cascade, sandbox, receipt by client", "bench_sandbox", wal=True, id_prefix="sandbox-")
        self.raw_again()
        self.whole("self", "full cascade, sandbox, receipt by provider", "bench_self", counter="cascades_delivered",
                    signals=0)
        self.raw_again()
        self.whole("http", "full cascade, HTTP", "bench_http")
        self.raw_again()
        self._webhooks()

    def _latencies(self) -> None:
        latencies.first_byte(self)
        latencies.timers(self)

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def _progress(self, text: str) -> None:
        print(f"[{self.elapsed():5.0f} s] {text}", flush=True)

    def add(self, name: str, value: float, unit: str, workload: str, against: str = "", note: str = "") -> None:
        self.rows.append(Row(name, value, unit, workload, None, against, note, self.elapsed()))
        self._progress(f"{name}: {value:,.4g} {unit}{'  (' + note + ')' if note else ''}")

    @contextlib.contextmanager
    def _profiled(self, name: str) -> Iterator[None]:
        if self.plan.perf_folder is None:
            yield
            return
        self.plan.perf_folder.mkdir(parents=True, exist_ok=True)
        pids = [self.cluster.postmaster] + [row[0] for row in self.cluster.rows("SELECT pid FROM hermes.workers")]
        with Profile(self.cluster.dsn, self.plan.perf_folder, name, pids) as profile:
            yield
        self.details.setdefault("waits", {})[name] = profile.waits()

    @contextlib.contextmanager
    def measured(self, figures: dict[str, Any]) -> Iterator[None]:
        """Adds the processor seconds of the server's processes, by kind, to what the workload fills in."""
        before, began = self.cluster.processor_seconds(), time.monotonic()
        yield
        after, seconds = self.cluster.processor_seconds(), time.monotonic() - began
        figures["wall"] = seconds
        figures["cores"] = {name: (after[name] - before[name]) / seconds for name in after}
        figures["cpu_us"] = sum(after[name] - before[name] for name in after) / figures["count"] * 1e6

    def rule(self, name: str, steps: list[dict[str, Any]], **options: str) -> None:
        self.cluster.run("SELECT hermes.create_cascade_rule(%s, %s)", name, json.dumps({"steps": steps} | options))

    def expect(self, rule: str, count: int) -> None:
        """So many cascades more of this rule will have ended DELIVERED."""
        if count:
            self._expected[rule] = self._expected.get(rule, 0) + count

    def receive(self, **options: Any) -> dict[str, Any]:
        return self.cluster.generate("receive", id_prefix="sandbox-", **options)

    def outbound(self, on: bool) -> None:
        self.cluster.set("hermes.outbound", "on" if on else "off")

    def http_provider(self, name: str, url: str, concurrency: int = 64) -> None:
        self.cluster.run("SELECT hermes.create_provider(%s, %s)", name, json.dumps({
            "kind": "http", "channel": "sms", "concurrency": concurrency, "idempotency_header": "Idempotency-Key",
            "request": {"url": url + "/messages",
                        "body": {"to": "{{message.to}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"}},
            "response": {"message_id": {"path": "$.id"}}}))

    def _prepare(self) -> None:
        assert self.cluster.sink is not None
        run = self.cluster.run
        run("CREATE SCHEMA bench")
        run("CREATE TABLE bench.raw_insert (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state int NOT NULL DEFAULT 0, "
            "payload text NOT NULL) WITH (fillfactor = 90)")
        run("SELECT hermes.create_provider('bench_silent', %s)", json.dumps(
            {"kind": "sandbox", "channel": "push", "script": [{"answer": "accepted", "receipts": []}]}))
        run("SELECT hermes.create_provider('bench_prompt', %s)", json.dumps({"kind": "sandbox", "channel": "push", "script": [
            {"answer": "accepted", "receipts": [{"status": "delivered", "after": "0s"}]}]}))
        self.http_provider("bench_sink", f"http://127.0.0.1:{self.cluster.sink.port}")
        run("SELECT hermes.set_secret('bench_webhook', 'whsec_' || encode(decode(repeat('5a', 24), 'hex'), 'base64'))")
        silent = {"channel": "push", "providers": ["bench_silent"], "timeout": "1h"}
        for name in ("bench_waiting", "bench_sandbox"):
            self.rule(name, [silent])
        self.rule("bench_self", [{"channel": "push", "providers": ["bench_prompt"], "timeout": "1h"}])
        for name in ("bench_http", "bench_webhook"):
            self.rule(name, [{"channel": "sms", "providers": ["bench_sink"], "timeout": "1h"}])
        self.rule("bench_timer", [dict(silent, timeout="1500ms"),
                                   {"channel": "push", "providers": ["bench_prompt"], "timeout": "1h"}])
        wait_for("the workers", lambda: self.cluster.value("SELECT count(*) FROM hermes.workers WHERE state = 'running'") == 2)
        wait_for("today's partition", lambda: self.cluster.value(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'hermes.closed'::regclass") > 1)

    def count(self, rule: str, figures: dict[str, Any]) -> dict[str, Any]:
        self.expect(rule, int(figures["count"]))
        return figures

    # ------------------------------------------------------------ raw
    def _raw(self) -> None:
        seconds = self.plan.seconds
        self._pgbench("warm-up", INSERT, 8, 1)
        one = self.raw_alone()
        self.add(RAW1, one["rate"], "/s", "pgbench, prepared, one INSERT of 300 bytes a transaction", RAW32, times(one))
        self.raw_again()
        self.rows.append(Row(RAW32, 0, "/s", "the same with 32 clients; median of several times in the run"))
        update = self._pgbench("insert_update32", INSERT_UPDATE, 32, seconds)
        self.add("raw insert and update, 32 clients", update["rate"], "/s",
                  "pgbench: BEGIN, INSERT, UPDATE of that row, END", RAW32, times(update))

    def _pgbench(self, name: str, script: str, clients: int, seconds: float) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        with self.measured(figures):
            figures.update(self.cluster.pgbench(name, script, clients, seconds))
        return figures

    def raw_alone(self) -> dict[str, Any]:
        """What latencies are compared with, measured beside them."""
        self.details["raw1"] = self._pgbench("insert1", INSERT, 1, self.plan.seconds / 2)
        return self.details["raw1"]

    def raw_again(self) -> None:
        """The speed of the machine just now: rates measured between two of these are compared with both."""
        began = time.monotonic()
        figures = self._pgbench("insert32", INSERT, 32, self.plan.seconds)
        self._raw32.append(((began + time.monotonic()) / 2 - self._began, figures["rate"]))
        self._progress(f"{RAW32}: {figures['rate']:,.0f} /s ({times(figures)})")

    # ------------------------------------------------------------ starts, then the same cascades as the waiting set
    def _waiting_set(self) -> None:
        self.cluster.set_workers(False)
        before = self.sizes()
        call = "start_cascade, prepared, 300-byte message, workers off: the call and its commit alone"
        for clients, keys in ((1, False), (32, False), (32, True)):
            name = f"start{', key' if keys else ''}, {clients} client{'s' if clients > 1 else ''}"
            options = {"keys": f"k{clients}"} if keys else {}
            figures: dict[str, Any] = {}
            with self.measured(figures), self._profiled(f"start{clients}{'key' if keys else ''}"):
                figures.update(self.count("bench_waiting", self.cluster.generate(
                    "starts", rule="bench_waiting", clients=clients, seconds=self.plan.seconds, **options)))
            self.add(name, figures["rate"], "/s", call + (", with an idempotency key" if keys else ""), RAW32,
                      times(figures))
        with self._profiled("set_starts"):
            figures = self.count("bench_waiting", self.cluster.generate(
                "set-starts", rule="bench_waiting", count=self.plan.waiting, size=1000))
        self.add("set-based start, one session", figures["rate"], "cascades/s",
                  "start_cascades, arrays of 1,000 messages, workers off", RAW32)
        self._drain()
        self.bytes_waiting(before)
        self._latency()  # before a checkpoint, after which the first change of each page would log an image of it
        self.idle()
        with self._profiled("receipts"):
            figures = self.cluster.generate("receipts", rule="bench_waiting", count=2**31, size=1000, id_prefix="sandbox-")
        self.add("set-based receipts, one session", figures["rate"], "cascades/s",
                  "signal_cascades, arrays of 1,000 final receipts on waiting cascades; each ends and is archived", RAW32)
        self.cluster.run("VACUUM (ANALYZE) hermes.workflow, hermes.timer, hermes.task")

    def _drain(self) -> None:
        waiting = self._expected["bench_waiting"]
        base = self.cluster.counter("sends_recorded")
        before = self.cluster.processor_seconds()
        with self._profiled("drain"):
            self.cluster.set_workers(True)
            began = time.monotonic()
            wait_for("the answers of the waiting set",
                     lambda: self.cluster.counter("sends_recorded") - base >= waiting, 240, 0.1)
            seconds = time.monotonic() - began
        after = self.cluster.processor_seconds()
        self.add("claim and record, backlog", waiting / seconds, "cascades/s",
                  f"dispatchers, as many as come by themselves, take {waiting:,} started cascades of the sandbox provider from its queue", RAW32,
                  f"dispatcher {(after['dispatcher'] - before['dispatcher']) / seconds:.2f} cores")

    def sizes(self) -> list[int]:
        return [int(x) for x in self.cluster.rows(SIZES)[0]]

    def bytes_waiting(self, before: list[int]) -> None:
        self.cluster.run("VACUUM hermes.task")
        after = self.sizes()
        count, payload, history = self.cluster.rows(
            "SELECT count(*), sum(pg_column_size(message) + coalesce(pg_column_size(key), 0)), avg(pg_column_size(history)) "
            "FROM hermes.workflow")[0]
        workflow, timer, task, attempt = (b - a for a, b in zip(before, after))
        self.details["waiting"] = {"count": count, "workflow": workflow / count, "timer": timer / count, "task": task / count,
                                   "attempt": attempt / count,
                                   "payload": int(payload) / count, "history": float(history)}
        self.add("disk per waiting cascade", (workflow + timer + task + attempt - int(payload)) / count, "bytes",
                  f"growth of tables and indexes of workflow, timer, task, attempt with {count:,} waiting, less message and key, "
                  "after a vacuum of task, which autovacuum does within the minute",
                  note=f"workflow {(workflow - int(payload)) / count:.0f} (history {history:.0f}), "
                       f"timer {timer / count:.0f}, task {task / count:.0f}, attempt {attempt / count:.0f}; message and key {int(payload) / count:.0f}")

    def idle(self) -> None:
        self.cluster.run("VACUUM (ANALYZE) hermes.workflow, hermes.timer, hermes.task, hermes.attempt, bench.raw_insert")
        self.cluster.run("CHECKPOINT")
        wait_for("the end of autovacuum", lambda: self.cluster.value(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'") == 0, 60, 0.5)
        wait_for("the end of helpers", lambda: self.cluster.value(
            "SELECT count(*) FROM hermes.workers WHERE role = 'dispatcher'") == 1, 60, 0.5)
        before = self.cluster.processor_seconds()
        time.sleep(self.plan.idle_seconds)
        after = self.cluster.processor_seconds()
        used = {name: (after[name] - before[name]) / self.plan.idle_seconds for name in after}
        self.add("idle, whole cluster", sum(used.values()), "cores",
                  f"processor time of all server processes over {self.plan.idle_seconds:g} s with the same waiting, no client",
                  note=", ".join(f"{name} {value:.4f}" for name, value in used.items()))

    def _latency(self) -> None:
        """In turns with what it is compared with: a disk may have seconds in which one flush in a hundred takes ten times as long."""
        rounds = []
        for _ in range(LATENCY_ROUNDS):
            raw = self.raw_alone()
            rounds.append((raw, self.cluster.generate("latency", rule="bench_waiting", count=self.plan.latency // LATENCY_ROUNDS,
                                                      id_prefix="sandbox-")))
        workload = (f"signal_cascade of a final receipt, one at a time, to its answer after the commit (outcome stored); median of {LATENCY_ROUNDS} "
                    "turns, each beside the insert it is compared with")
        for p in ("p50", "p99"):
            self.add(f"receipt to outcome, {p}", statistics.median(figures[f"{p}_ms"] for _, figures in rounds), "ms", workload, f"{RAW1}, {p}",
                     "raw " + ", ".join(f"{raw[f'{p}_ms']:.3f}" for raw, _ in rounds))
            self.rows[-1].ratio = statistics.median(figures[f"{p}_ms"] / raw[f"{p}_ms"] for raw, figures in rounds)

    # ------------------------------------------------------------ whole cascades
    def generate_whole(self, key: str, rule: str, **options: Any) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        with self.measured(figures), self._profiled(key):
            figures.update(self.count(rule, self.cluster.generate(
                "cascades", rule=rule, **({"clients": 64, "seconds": self.plan.whole_seconds} | options))))
        figures["cores"]["client"] = figures["client_cpu"] / figures["wall"]
        self.details[key] = figures
        return figures

    def add_whole(self, name: str, figures: dict[str, Any], workload: str) -> None:
        cores = ", ".join(f"{k} {v:.2f}" for k, v in figures["cores"].items())
        self.add(name, figures["rate"], "cascades/s", workload, RAW32,
                  f"p50 {figures['whole_p50_ms']:.1f} ms, early receipts {figures['early_receipts']}; server {figures['cpu_us']:.0f} us "
                  f"of processor each; cores: {cores}")

    def whole(self, key: str, name: str, rule: str, wal: bool = False, text: str = "", **options: Any) -> None:
        texts = {
            "sandbox": "64 in flight, a connection each, after a second of warm-up: start call; sandbox claimed and recorded; as many receipts as "
                       "hermes.stats.sends_recorded has grown (read each ms) sent by signal_cascade with the provider's message id",
            "self": "64 in flight: start call; sandbox claimed and recorded; its receipt (after 0 s) applied by the supervisor",
            "http": "the first, with real HTTP to nginx on loopback (POST, JSON, answer 200 with an id)",
            "https": "the same over TLS",
        }
        start = self.cluster.lsn()
        figures = self.generate_whole(key, rule, **options)
        end = self.cluster.lsn()
        self.add_whole(name, figures, text or texts.get(key, texts["sandbox"]))
        if wal:
            self._add_wal(figures["count"], self.cluster.wal(start, end))

    def _add_wal(self, count: int, wal: dict[str, Any]) -> None:
        types = sorted(wal["types"].items(), key=lambda item: -item[1][1])
        self.details["wal"] = {"cascades": count, **{k: v for k, v in wal.items() if k != "types"}, "by_type": [
            {"type": name, "records": records / count, "bytes": size / count} for name, (records, size) in types[:20]]}
        self.add("WAL per full cascade", wal["bytes"] / count, "bytes", "pg_waldump --stats over that run, images apart",
                  note=f"{wal['records'] / count:.1f} records; full-page images {wal['image_bytes'] / count:.0f} bytes more")
        self.add("commits per full cascade", wal["commits"] / count, "commits", "commit records in the same WAL")

    def _webhooks(self) -> None:
        assert self.cluster.sink is not None
        endpoint = self.cluster.value("SELECT hermes.create_endpoint(NULL, %s, '{\"secret\": \"bench_webhook\"}')",
                                      f"http://127.0.0.1:{self.cluster.sink.port}/webhook")
        base = self.cluster.counter("webhooks_delivered")
        start = self.cluster.lsn()
        figures = self.generate_whole("webhook", "bench_webhook")
        wait_for("the reports", lambda: self.cluster.counter("webhooks_delivered") - base >= figures["count"], 60)
        # the generator's clock is this one; its connections and its warm-up are no part of the rate
        figures["rate"] = figures["warm_done"] / (time.monotonic() - figures["warm_at"])
        wal = self.cluster.wal(start, self.cluster.lsn())
        figures["wal_bytes"] = wal["bytes"] / figures["count"]
        self.add_whole("full cascade, HTTP and tenant webhook", figures,
                        "the same, and each outcome reported by a signed POST to nginx; to the last report delivered")
        self.add("WAL per full cascade, report included", figures["wal_bytes"], "bytes", "pg_waldump --stats over that run")
        self.cluster.run("SELECT hermes.drop_endpoint(%s)", endpoint)

    # ------------------------------------------------------------ end
    def _verify(self) -> None:
        """Every cascade counted ended DELIVERED, once; none is left open."""
        ended: dict[str, int] = {}
        for rule, outcome, count in self.cluster.rows(
                "SELECT r.name, c.outcome, count(DISTINCT c.id) FROM hermes.closed c "
                "JOIN hermes.rule_version r ON r.id = c.rule_id GROUP BY 1, 2"):
            if outcome != 1:
                raise RuntimeError(f"{count} cascades of rule {rule} ended with outcome {outcome}")
            ended[rule] = count
        if ended != self._expected:
            raise RuntimeError(f"cascades counted: {self._expected}, ended DELIVERED: {ended}")
        left = self.cluster.value("SELECT count(*) FROM hermes.workflow")
        errors = self.cluster.counter("worker_errors") + self.cluster.counter("dead_letters") - self.buried
        if left or errors:
            raise RuntimeError(f"{left} cascades are still open, {errors} worker errors and dead letters")
        self.ended = sum(ended.values())

    def _raw_at(self, at: float) -> float:
        """The rate of raw inserts at that time, between the measurements before and after it: the machine's speed drifts."""
        before = max((raw for raw in self._raw32 if raw[0] <= at), default=self._raw32[0])
        after = min((raw for raw in self._raw32 if raw[0] > at), default=before)
        share = (at - before[0]) / (after[0] - before[0]) if after[0] > before[0] else 0
        return before[1] + share * (after[1] - before[1])

    def _fill_ratios(self) -> None:
        self.details["raw32"] = self._raw32
        rows = {row.name: row for row in self.rows}
        rows[RAW32].value = statistics.median(rate for _, rate in self._raw32)
        rows[RAW32].note = "each: " + ", ".join(f"{rate:,.0f}" for _, rate in self._raw32)
        for row in self.rows:
            if row.ratio is None and row.against == RAW32:
                row.ratio = row.value / self._raw_at(row.at)
            elif row.ratio is None and row.against in rows:
                other = rows[row.against]
                row.ratio = (row.value / self._raw_at(row.at)) / (other.value / self._raw_at(other.at))
