#!/usr/bin/python3
"""The demo: a private cluster, a provider and a tenant as separate processes, and a thousand cascades over them.

Exit status 0 only when every cascade had the expected outcome, told to the tenant once by a signed webhook.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import check
import report
from load import ROLLED_BACK, Load, Started
from mix import INTERESTING, Planned, plan
from peers import Cluster, Peer, private_folder, start_application, start_simulator
from setup_sql import APP_ROLE, WEBHOOK_SECRET, configure

SETTINGS = ("hermes.allow_private_addresses=on", "hermes.dispatchers=1")
LIMIT_SECONDS = 50.0
MAX_PROBLEMS_SHOWN = 20


class Stage:
    """What runs, and how to end it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(folder / "pg", SETTINGS)
        self.peers: list[Peer] = []

    def build(self) -> tuple[Peer, Peer]:
        self.cluster.start()
        application = start_application(self.folder, self.cluster.dsn(APP_ROLE), [WEBHOOK_SECRET])
        self.peers.append(application)
        simulator = start_simulator(self.folder, f"{application.url}/dlr")
        self.peers.append(simulator)
        configure(self.cluster.dsn(), simulator.url, application.url)
        return simulator, application

    def stop(self) -> None:
        for peer in reversed(self.peers):
            peer.stop()
        if (self.cluster.folder / "data").exists():
            self.cluster.stop("--remove")
        shutil.rmtree(self.folder, ignore_errors=True)


class Progress:
    """A line that is rewritten on a terminal, and a line a second elsewhere."""

    def __init__(self) -> None:
        self.tty = sys.stdout.isatty()
        self.begin = time.monotonic()
        self.next = self.begin

    def show(self, text: str, last: bool = False) -> None:
        now = time.monotonic()
        if now < self.next and not last:
            return
        self.next = now + (0.1 if self.tty else 1.0)
        line = f"{now - self.begin:5.1f} s  {text}"
        if self.tty:
            print(f"\r\x1b[K{line}", end="\n" if last else "", flush=True)
        else:
            print(line, flush=True)


def run(dsn: str, planned: Sequence[Planned], simulator: Peer, application: Peer) -> Started:
    """Starts everything and returns when the tenant has been told of every end and all receipts are in."""
    load, progress = Load(dsn, planned), Progress()
    expected = sum(len(item.webhook_types()) for item in planned)
    end = time.monotonic() + LIMIT_SECONDS
    load.start()
    try:
        while True:
            sent, told = simulator.get("/stats"), application.get("/stats")
            receipts = sent["dlrs"]
            done = (not load.running() and told["processed"] >= expected
                    and receipts["acknowledged"] >= receipts["scheduled"])
            over = done or time.monotonic() > end
            progress.show(f"started {len(load.started.ids)}/{len(planned)}  sent {sent['effects']}  "
                          f"receipts {receipts['acknowledged']}/{receipts['scheduled']}  "
                          f"webhooks {told['processed']}/{expected}", last=over)
            if over:
                return load.started
            time.sleep(0.1)
    finally:
        load.end()


def section(title: str, lines: Sequence[str]) -> None:
    print(f"\n{title}")
    for line in lines:
        print(f"  {line}")


def tell(stage: Stage, planned: Sequence[Planned], started: Started, evidence: check.Evidence) -> None:
    dsn = stage.cluster.dsn()
    section("Outcomes", report.outcomes(planned, started, evidence))
    interesting = [started.ids[item.key] for item in planned if item.kind.name == INTERESTING and item.key in started.ids]
    if interesting:
        shown = interesting[len(interesting) // 2]  # the first ones start the sessions, too
        section(f"One history: {INTERESTING} ({shown})", report.timeline(dsn, shown, evidence.status[shown]))
    section("Latencies", report.latencies(dsn, planned, started, evidence))
    section("Webhooks at the tenant", report.webhooks(evidence))
    section("At the provider", report.provider(evidence))
    section("hermes.providers_status", report.providers(dsn))


def verdict(found: Sequence[str], count: int) -> int:
    if not found:
        print(f"\nOK: {count} cascades, each with its expected outcome; "
              f"{ROLLED_BACK} rolled back starts left nothing and sent nothing")
        return 0
    section(f"FAILED: {len(found)} problems", found[:MAX_PROBLEMS_SHOWN])
    return 1


def tell_how_to_go_on(stage: Stage) -> None:
    server = f"scripts/server {{}} --dir {stage.cluster.folder}"
    pids = " ".join(str(peer.process.pid) for peer in stage.peers)
    section("Still running (--keep); from the folder of the repository:", [
        f"connect   {server.format('psql')}      or: psql '{stage.cluster.dsn()}'",
        *(f"{peer.name:<20} {peer.url}/stats   pid {peer.process.pid}" for peer in stage.peers),
        f"stop      kill {pids}; {server.format('stop')} --remove; rm -r {stage.folder}"])


def terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="a thousand cascades email -> sms -> push on real HTTP")
    parser.add_argument("--count", type=int, default=1200, help="cascades to start (at least 100)")
    parser.add_argument("--keep", action="store_true", help="leave the cluster and the peers running")
    arguments = parser.parse_args()
    if arguments.count < 100:
        parser.error("--count must be at least 100")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminate)
    planned = plan(arguments.count)
    stage, kept = Stage(private_folder("hermes_demo")), False
    try:
        print("starting a private cluster, a provider and a tenant application ...", flush=True)
        simulator, application = stage.build()
        section(f"{len(planned)} cascades, most of them email -> sms -> push; what their providers will do:",
                report.kinds(planned))
        print(flush=True)
        started = run(stage.cluster.dsn(APP_ROLE), planned, simulator, application)
        evidence = check.gather(stage.cluster.dsn(APP_ROLE), started, simulator, application)
        tell(stage, planned, started, evidence)
        status = verdict(check.problems(planned, started, evidence), len(planned))
        kept = arguments.keep
        if kept:
            tell_how_to_go_on(stage)
        else:
            print("Everything is stopped and removed now. demo/run --keep leaves it running, to look around;\n"
                  "it then prints how to connect and how to stop.")
        return status
    except KeyboardInterrupt:
        print("\ninterrupted: stopping what was started", file=sys.stderr)
        return 130
    finally:
        if not kept:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            stage.stop()


if __name__ == "__main__":
    sys.exit(main())
