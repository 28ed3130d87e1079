#!/usr/bin/python3
"""Dispatchers come with a backlog and go after it; caps of accounts and hosts are those of all of them together."""

from __future__ import annotations

import time

from psycopg.types.json import Jsonb

from accounts import cancel_all, prepare
from harness import TENANT, World, check, equal, main, wait_until

BACKLOG = 60_000
MOST = 15 * BACKLOG


def dispatchers(world: World) -> int:
    return int(world.value("SELECT count(*) FROM hermes.workers WHERE role = 'dispatcher'"))


def sent_by_each(world: World) -> list[int]:
    return [row[0] for row in world.sql("SELECT tasks::integer FROM hermes.workers WHERE role = 'dispatcher'")]


def more_of_a_backlog(world: World) -> int:
    world.sql("SELECT count(*) FROM hermes.start_cascades('quick', ARRAY(SELECT jsonb_build_object('to', "
              "'a' || i || '@example.com') FROM generate_series(1, %s) i), tenant => %s)", BACKLOG, TENANT)
    return BACKLOG


def grows_and_shrinks(world: World) -> None:
    """dispatchers grow with a backlog up to hermes.max_dispatchers, all of them send, and the helpers go when it is gone"""
    world.sql("SELECT hermes.create_provider('quick', %s)", Jsonb({"kind": "sandbox", "channel": "email"}))
    world.rule("quick", {"channel": "email", "providers": ["quick"], "success_on": "accepted"})
    equal(dispatchers(world), 1, "dispatchers without a backlog")
    world.set_guc("hermes.max_dispatchers", "3")
    try:
        begin = time.monotonic()
        started = more_of_a_backlog(world)
        ramp: list[tuple[float, int]] = []
        work: list[int] = []
        left = BACKLOG
        while left > 0:
            number = dispatchers(world)
            if not ramp or ramp[-1][1] != number:
                ramp.append((round(time.monotonic() - begin, 2), number))
            if number == 3:
                work = sent_by_each(world)
            elif left < BACKLOG and started < MOST:  # done faster than helpers come
                started += more_of_a_backlog(world)
            left = world.value("SELECT count(*) FROM hermes.workflow")
        print(f"# seconds and dispatchers: {ramp}", flush=True)
        equal(max(number for _, number in ramp), 3, "most dispatchers")
        check(len(work) == 3 and min(work) > 0, f"tasks of each while there were three: {work}")
        ends = world.sql("SELECT outcome, attempts, count(*) FROM hermes.cascades WHERE rule = 'quick' GROUP BY 1, 2")
        equal(ends, [("DELIVERED", 1, started)], "outcomes and attempts")
        wait_until(lambda: dispatchers(world) == 1, what="the end of the helpers", timeout=30)
    finally:
        world.set_guc("hermes.max_dispatchers", "2")


def not_for_a_slow_provider(world: World) -> None:
    """no dispatcher comes where a provider is the one that is slow"""
    world.account("slow", concurrency=4)
    world.plan("slow", {"delay": 0.1, "receipts": []})
    world.start_many("slow", 60)
    most = 0
    while len(world.at("slow")) < 60:
        most = max(most, dispatchers(world))
    equal(most, 1, "dispatchers")


def caps_of_all(world: World) -> None:
    """the caps of an account and of a host hold for all dispatchers together, and one alone may use them up"""
    world.account("capped", concurrency=5)
    world.plan("capped", {"delay": 0.2, "receipts": []})
    world.set_guc("hermes.dispatchers", "3")
    try:
        wait_until(lambda: dispatchers(world) == 3, what="three dispatchers")
        world.start_many("capped", 40, priority="otp")
        wait_until(lambda: len(world.at("capped")) == 40, what="all requests")
        equal(world.simulator.get("/stats")["max_in_flight"]["email/capped"], 5, "most under way of the account")
        world.alter_account("capped", concurrency=100)
        world.set_guc("hermes.host_concurrency", "8")
        under_way: list[int] = []
        world.start_many("capped", 60, priority="otp")
        while len(world.at("capped")) < 100:
            under_way.append(world.in_flight("capped"))
        equal(max(under_way), 8, "most under way at the host")
    finally:
        world.set_guc("hermes.host_concurrency", "256")
        world.set_guc("hermes.dispatchers", "1")
    wait_until(lambda: dispatchers(world) == 1, what="one dispatcher")


def given_back(world: World) -> None:
    """a dispatcher that ends with requests under way gives their slots back"""
    world.account("frozen", timeout="30s", concurrency=4, breaker=False)
    world.plan("frozen", "hang")
    world.set_guc("hermes.drain_timeout", "100ms")
    try:
        world.start_many("frozen", 12, priority="otp")
        wait_until(lambda: world.in_flight("frozen") == 4, what="all slots taken")
        equal(world.provider_status("frozen")["in_flight"], 4, "under way")
        pid = world.worker_pid("dispatcher")
        world.sql("SELECT pg_terminate_backend(%s)", pid)
        wait_until(lambda: world.worker_pid("dispatcher") not in (0, pid), what="another dispatcher")
        wait_until(lambda: len(world.at("frozen")) == 8, what="requests of the next one")  # the same four again or others
        equal(world.provider_status("frozen")["in_flight"], 4, "under way again")
    finally:
        world.set_guc("hermes.drain_timeout", "5s")
    cancel_all(world, "frozen")
    world.simulator.post("/release", {})


if __name__ == "__main__":
    main(prepare, grows_and_shrinks, not_for_a_slow_provider, caps_of_all, given_back)
