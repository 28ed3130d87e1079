"""Full cascades under conditions that wear an engine out: over TLS, at a provider that answers late, of many tenants, while an
old snapshot is held, over half an hour."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import psycopg

from cluster import free_port
from sampling import Vacuums

if TYPE_CHECKING:
    from workloads import Bench

PEAK = 1157  # messages a second
LATENCY_SECONDS = 0.5
TENANTS = 1000
ONE_TENANT = "full cascade, one tenant"
NO_SNAPSHOT = "full cascade, no snapshot held"
FIRST_MINUTE = "full cascade, first minute"


def run(bench: Bench) -> None:
    _https(bench)
    _slow_provider(bench)
    _tenants(bench)
    _held_snapshot(bench)


def _https(bench: Bench) -> None:
    sink = bench.cluster.sink
    assert sink is not None
    bench.cluster.set("hermes.ca_file", str(sink.certificate))
    bench.http_provider("bench_tls", f"https://127.0.0.1:{sink.tls_port}")
    bench.rule("bench_tls", [{"channel": "sms", "providers": ["bench_tls"], "timeout": "1h"}])
    bench.whole("https", "full cascade, HTTPS", "bench_tls")


def _slow_provider(bench: Bench) -> None:
    """The offered load is that of the peak, so that many requests are under way; those that wait for more than one are a backlog."""
    port, seconds = free_port(), bench.plan.offered_seconds
    bench.cluster.set("hermes.host_concurrency", "1024")
    bench.http_provider("bench_late", f"http://127.0.0.1:{port}", concurrency=1000)
    bench.rule("bench_late", [{"channel": "sms", "providers": ["bench_late"], "timeout": "1h"}])
    figures: dict[str, Any] = {}
    with bench.measured(figures):
        figures.update(bench.count("bench_late", bench.cluster.generate(
            "offered", rule="bench_late", rate=PEAK, seconds=seconds, port=port, delay=LATENCY_SECONDS)))
    # the receipts come later, and are no part of the figure
    bench.cluster.generate("receipts", rule="bench_late", count=2**31, size=1000)
    bench.details["slow_provider"] = figures
    backlog = figures["waiting"] - PEAK * LATENCY_SECONDS
    bench.add("backlog at a slow provider", backlog, "messages",
              f"{PEAK:,} starts a second over {seconds:g} s at a provider that answers after {LATENCY_SECONDS * 1000:g} ms: at the last "
              f"start, those without a recorded answer, less the {PEAK * LATENCY_SECONDS:.0f} that must be under way",
              note=f"the last answer recorded {figures['rest_ms']:.0f} ms after the last start; "
                   f"server {sum(figures['cores'].values()):.2f} cores")


def _tenants(bench: Bench) -> None:
    """In turns, so that a drift of the machine meets both."""
    runs: dict[int, list[dict[str, Any]]] = {1: [], TENANTS: []}
    for tenants in (1, TENANTS, TENANTS, 1):
        runs[tenants].append(bench.generate_whole("tenants", "bench_sandbox", tenants=tenants, id_prefix="sandbox-"))
    for tenants, name in ((1, ONE_TENANT), (TENANTS, f"full cascade, {TENANTS:,} tenants mixed")):
        rate = statistics.mean(figures["rate"] for figures in runs[tenants])
        bench.add_whole(name, runs[tenants][-1] | {"rate": rate}, f"as the one with receipts by client, of {tenants:,} "
                        f"tenant{'s' if tenants > 1 else ''} in turn; mean of two runs, the two cases in turns")
    _against(bench, ONE_TENANT)


def _held_snapshot(bench: Bench) -> None:
    """Somebody's long query keeps every dead row from being removed."""
    seconds = bench.plan.snapshot_seconds
    bench.whole("no_snapshot", NO_SNAPSHOT, "bench_sandbox", id_prefix="sandbox-", seconds=seconds / 4)
    with psycopg.connect(bench.cluster.dsn) as analyst:
        analyst.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        analyst.execute("SELECT count(*) FROM hermes.workflow")
        name = f"full cascade, a snapshot held for {seconds:g} s"
        bench.whole("snapshot", name, "bench_sandbox", id_prefix="sandbox-", seconds=seconds,
                    text="the same, while a REPEATABLE READ transaction of another session that began before it stays open")
        _against(bench, NO_SNAPSHOT)
        bench.whole("snapshot_end", "full cascade, at the end of that", "bench_sandbox", id_prefix="sandbox-", seconds=max(1, seconds / 12))
        _against(bench, NO_SNAPSHOT)


def steady(bench: Bench) -> None:
    """Half an hour of what a platform does, with vacuum and retention on: the last minute against the first one."""
    minutes = bench.plan.steady_minutes
    minute = min(60.0, minutes * 60 / 4)
    with Vacuums(bench.cluster.dsn) as vacuums:
        bench.whole("steady_first", FIRST_MINUTE, "bench_sandbox", id_prefix="sandbox-", seconds=minute)
        bench.whole("steady", f"full cascade, over {minutes:g} minutes", "bench_sandbox", id_prefix="sandbox-", seconds=minutes * 60 - 2 * minute)
        _against(bench, FIRST_MINUTE)
        bench.whole("steady_last", "full cascade, last minute", "bench_sandbox", id_prefix="sandbox-", seconds=minute)
        _against(bench, FIRST_MINUTE)
    bench.details["vacuum"] = vacuums.tables()


def _against(bench: Bench, name: str) -> None:
    """The last row's ratio is to the row of this name."""
    bench.rows[-1].against = name
