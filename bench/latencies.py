"""From a commit to the first byte of its request, and from due times to timers that fire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster import free_port, wait_for
from messaging import RAW1

if TYPE_CHECKING:
    from workloads import Bench

LATENESS = """SELECT extract(epoch FROM fired.event_time - (started.attributes ->> 'due')::timestamptz) * 1000
FROM hermes.closed c JOIN hermes.rule_version r ON r.id = c.rule_id AND r.name = %s
     CROSS JOIN LATERAL hermes.decode_history(c.history) fired
     CROSS JOIN LATERAL hermes.decode_history(c.history) started
WHERE fired.event_type = 'TimerFired' AND started.event_type = 'TimerStarted'
  AND fired.attributes -> 'task' = started.attributes -> 'task' ORDER BY 1"""


def first_byte(bench: Bench) -> None:
    port = free_port()
    bench.http_provider("bench_first_byte", f"http://127.0.0.1:{port}")
    bench.rule("bench_first_byte", [{"channel": "sms", "providers": ["bench_first_byte"], "timeout": "1h"}])
    raw = bench.raw_alone()
    figures = bench.count("bench_first_byte", bench.cluster.generate(
        "first-byte", rule="bench_first_byte", count=bench.plan.first_bytes, port=port))
    bench.add("start to first byte, p50", figures["p50_ms"], "ms", "from the answer of start_cascade (committed) to the "
              "first byte of the request at a provider on a socket of the same client, 1 in flight", f"{RAW1}, p50",
              f"p99 {figures['p99_ms']:.2f} ms")
    bench.rows[-1].ratio = figures["p50_ms"] / raw["p50_ms"]


def timers(bench: Bench) -> None:
    base = bench.cluster.counter("cascades_delivered")
    figures = bench.count("bench_timer", bench.cluster.generate("paced", rule="bench_timer", rate=1000,
                                                              seconds=bench.plan.timer_seconds))
    wait_for("the timers", lambda: bench.cluster.counter("cascades_delivered") - base >= figures["count"], 60)
    late = [float(row[0]) for row in bench.cluster.rows(LATENESS, "bench_timer")]
    if len(late) != figures["count"]:
        raise RuntimeError(f"{figures['count']} timers were started, {len(late)} fired")
    workload = ("1,000 timers a second fall due; time of the TimerFired event less the due time, from the histories "
                "(the commit of the batch comes after that)")
    bench.add("timer lateness, p50", late[len(late) // 2], "ms", workload)
    bench.add("timer lateness, p99", late[int(len(late) * 0.99)], "ms", workload)
