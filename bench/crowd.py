"""The same rates with hardly anything in the tables and with two million cascades that wait for a receipt; what the crowd
costs while nothing happens, and its size."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from cluster import wait_for

if TYPE_CHECKING:
    from workloads import Bench

PEAK_DAY = 22_000_000  # messages
ROUNDS = ("full cascade, sandbox", "full cascade, HTTP", "start, 32 clients", "set-based start", "claim and record", "set-based receipts")


class Rate(NamedTuple):
    value: float
    at: float


def run(bench: Bench) -> None:
    alone = _rates(bench)
    waiting = bench.plan.crowd
    _compact(bench)
    before = bench.sizes()
    figures = bench.count("bench_waiting", bench.cluster.generate("set-starts", rule="bench_waiting", count=waiting, size=1000))
    _recorded(bench, int(figures["count"]))
    bench.bytes_waiting(before)
    bench.idle()
    _project(bench)
    beside = _rates(bench)
    for name in ROUNDS:
        for rates, what, workload, against in ((alone, "alone", "with few cascades waiting", ""),
                                               (beside, f"{waiting:,} waiting", "the same with so many that wait for a receipt",
                                                f"{name}, alone")):
            bench.add(f"{name}, {what}", rates[name].value, "/s", workload, against)
            bench.rows[-1].at = rates[name].at
    bench.cluster.generate("receipts", rule="bench_waiting", count=2**31, size=1000, id_prefix="sandbox-")


def _compact(bench: Bench) -> None:
    """No room is left by the rates alone in which the crowd could hide."""
    bench.cluster.run("VACUUM hermes.workflow, hermes.timer, hermes.task, hermes.attempt")
    for table in ("workflow", "timer", "task", "attempt"):
        bench.cluster.run(f"REINDEX TABLE hermes.{table}")


def _recorded(bench: Bench, count: int) -> float:
    """So many sends a second, until all their answers are recorded, with the start of the workers where they are off."""
    began = time.monotonic()
    bench.cluster.set_workers(True)
    wait_for("the answers", lambda: not bench.cluster.value("SELECT EXISTS (SELECT FROM hermes.task WHERE kind = 1)"), 600, 0.05)
    return count / (time.monotonic() - began)


def _rates(bench: Bench) -> dict[str, Rate]:
    rates: dict[str, Rate] = {}

    def note(name: str, rate: float) -> None:
        rates[name] = Rate(rate, bench.elapsed())

    bench.raw_again()
    for key, rule, name in (("crowd", "bench_sandbox", ROUNDS[0]), ("crowd_http", "bench_http", ROUNDS[1])):
        options: dict[str, Any] = {"id_prefix": "sandbox-"} if rule == "bench_sandbox" else {}
        note(name, bench.generate_whole(key, rule, **options)["rate"])
    bench.raw_again()
    bench.cluster.set_workers(False)
    starts = bench.count("bench_sandbox", bench.cluster.generate("starts", rule="bench_sandbox", clients=32, seconds=bench.plan.seconds))
    note(ROUNDS[2], starts["rate"])
    sets = bench.count("bench_sandbox", bench.cluster.generate("set-starts", rule="bench_sandbox", count=bench.plan.waiting, size=1000))
    note(ROUNDS[3], sets["rate"])
    note(ROUNDS[4], _recorded(bench, int(starts["count"]) + int(sets["count"])))
    note(ROUNDS[5], bench.cluster.generate("receipts", rule="bench_sandbox", count=2**31, size=1000, id_prefix="sandbox-")["rate"])
    bench.raw_again()
    return rates


def _project(bench: Bench) -> None:
    size = bench.details["waiting"]
    each = size["workflow"] + size["timer"] + size["task"] + size["attempt"]
    bench.add(f"disk for {PEAK_DAY:,} waiting, messages included", each * PEAK_DAY / 2**30, "GiB", f"{each:.0f} bytes each, measured with "
              f"{size['count']:,}; a day of messages, none answered")
