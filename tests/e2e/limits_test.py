#!/usr/bin/python3
"""Limits, M6 of the messaging model: rates, fairness and caps of provider accounts and hosts; limits of tenants."""

from __future__ import annotations

import statistics
import time
from collections import Counter

import psycopg
from psycopg.types.json import Jsonb

from accounts import cancel_all, passed, prepare, seconds_until, seen
from harness import World, check, equal, main, wait_until

LIMIT_REACHED = "53400"


# ---- M6: rates, fairness, caps ----


def check_bucket(times: list[float], rate: float, burst: int, late: float = 0.5) -> None:
    """No stretch of time has more requests than the bucket grants, where each may have been on its way for a while."""
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            granted = burst + rate * (times[last] - begin + late)
            check(last - first + 1 <= granted, f"{last - first + 1} requests in {times[last] - begin:.3f} s, {granted:.0f} granted")


def m6_rate(world: World) -> None:
    """M6 a provider account's rate is kept as the provider sees it, burst and all, and holds up no other account"""
    world.account("rated", rate={"per_second": 20, "burst": 5})
    cascades = world.start_many("rated", 50)
    wait_until(lambda: len(world.at("rated")) >= 5, what="the burst")
    beside = world.start(rule="free")
    world.ends(beside, "DELIVERED", "email")
    check(len(world.at("rated")) < 45, "nothing waited any more, so nothing was shown")
    wait_until(lambda: len(world.at("rated")) == len(cascades), what="all requests")
    times = [request["time"] for request in world.at("rated")]
    check_bucket(times, 20, 5)
    check(times[-1] - times[0] <= 6.0, f"50 requests took {times[-1] - times[0]:.1f} s at 20 a second")
    equal(world.provider_status("rated")["throttled"], 0, "429s")


def m6_retry_after(world: World) -> None:
    """M6 a 429 with Retry-After holds back all sends of its provider account, and no other account"""
    world.account("held")
    first = world.start({"email": [{"answer": "throttle", "retry_after": 2}, "no_dlr"]}, "held")
    wait_until(lambda: world.provider_status("held")["throttled"] == 1, what="the 429")
    hold = seconds_until(world.provider_status("held")["throttled_until"])
    check(0.5 < hold <= 2.0, f"throttled for {hold:.3f} s more")
    others = world.start_many("held", 10)
    begin = time.monotonic()
    world.ends(world.start(rule="free"), "DELIVERED", "email")
    check(time.monotonic() - begin < hold, "another account was held back")
    for cascade in [first, *others]:
        world.ends(cascade, "DELIVERED", "email")
    refused, *rest = world.at("held")
    equal(len(rest), 11, "requests after the hold")
    check(rest[0]["time"] - refused["time"] >= 1.95, f"sent {rest[0]['time'] - refused['time']:.3f} s after a hold of 2 s")
    equal({request["key"] for request in world.requests(first)}, {f"{first}-1"}, "keys of the send that was held")
    equal([attempt["sends"] for attempt in world.status(first)["attempts"]], [2], "sends of one attempt")


def m6_fairness(world: World) -> None:
    """M6 a tenant with thousands of sends in line does not starve another that shares the provider"""
    world.account("shared", rate={"per_second": 200, "burst": 10})
    world.start_many("shared", 4000, "heavy")
    wait_until(lambda: len(world.at("shared")) >= 20, what="some sends of the heavy tenant")
    before_it, times = [], []
    for _ in range(20):
        before, begin = seen(world), time.time()
        cascade = world.start(rule="shared", tenant="light")
        before_it.append(passed(world, cascade, before))
        times.append(world.requests(cascade)[0]["time"] - begin)
    waiting = world.value("SELECT count(*) FROM hermes.cascades WHERE rule = 'shared' AND status = 'RUNNING'")
    print(f"# sends of the heavy tenant before one of the other: median {statistics.median(before_it):.0f}, most "
          f"{max(before_it)}; {statistics.median(times) * 1000:.0f} ms; {waiting} still wait", flush=True)
    check(waiting > 1000, "the backlog was gone, so nothing was shown")
    check(statistics.median(before_it) <= 60 and max(before_it) <= 200, f"sends that went before: {before_it}")
    cancel_all(world, "shared")


def m6_weights(world: World) -> None:
    """M6 tenants that wait for one provider share it by their weights"""
    world.account("parted", rate={"per_second": 1, "burst": 1})
    for tenant, weight in (("big", 30), ("small", 10)):
        world.sql("SELECT hermes.set_tenant_limits(%s, %s)", tenant, Jsonb({"weight": weight}))
        world.start_many("parted", 300, tenant)
    world.alter_account("parted", rate={"per_second": 400, "burst": 20})
    wait_until(lambda: len(world.at("parted")) >= 200, what="200 requests")
    shares = Counter(request["to"] for request in world.at("parted")[5:165])
    check(2.0 <= shares["big"] / shares["small"] <= 4.5, f"shares {shares} with weights of 3 to 1")
    cancel_all(world, "parted")


def m6_cap(world: World) -> None:
    """M6 a provider account never has more requests under way than its concurrency, whatever their priorities"""
    world.account("capped", concurrency=4)
    world.plan("capped", {"delay": 0.3, "receipts": []})
    with world.transaction() as session:  # all are there at once
        cascades = [cascade for priority in ("marketing", "transactional", "otp")
                    for cascade in world.start_many("capped", 8, session=session, priority=priority)]
        session.commit()
    for cascade in cascades:
        world.ends(cascade, "DELIVERED", "email")
    equal(world.simulator.get("/stats")["max_in_flight"]["email/capped"], 4, "most requests under way")


def m6_host(world: World) -> None:
    """M6 all accounts at one host and port share hermes.host_concurrency in turns; another host is not held up"""
    world.account("near_a")
    world.account("near_b")
    world.provider("far", "email", f"http://localhost:{world.simulator.port}/email/messages?account=far")
    world.rule("far", {"channel": "email", "providers": ["far"], "success_on": "accepted"})
    for account in ("near_a", "near_b"):
        world.plan(account, {"delay": 0.2, "receipts": []})
    world.set_guc("hermes.host_concurrency", "6")
    try:
        for account in ("near_a", "near_b"):
            world.start_many(account, 60, priority="otp")
        under_way: list[int] = []
        far = ""
        while len(world.at("near_a")) + len(world.at("near_b")) < 60:
            counts = world.simulator.get("/stats")["in_flight"]
            under_way.append(sum(counts.get(f"email/{account}", 0) for account in ("near_a", "near_b")))
            if len(under_way) == 5:
                far = world.start(rule="far")
        world.ends(far, "DELIVERED", "email")
        equal(max(under_way), 6, "most requests under way at the host")
        shares = len(world.at("near_a")), len(world.at("near_b"))
        check(min(shares) >= 10, f"requests of the two accounts: {shares}")
        check(world.requests(far)[0]["number"] < world.at("near_a")[-1]["number"], "the other host was held up")
    finally:
        world.set_guc("hermes.host_concurrency", "256")
    for account in ("near_a", "near_b"):
        cancel_all(world, account)


def m6_changed(world: World) -> None:
    """M6 rate and concurrency change at run time by alter_provider: sends that wait go by the new limits at once"""
    pid = world.worker_pid("dispatcher")
    world.account("tuned", rate={"per_second": 1, "burst": 1})
    waiting = world.start_many("tuned", 60)
    wait_until(lambda: world.at("tuned"), what="the first request")
    world.alter_account("tuned", rate={"per_second": 500, "burst": 100})
    begin = time.monotonic()
    for cascade in waiting:
        world.ends(cascade, "DELIVERED", "email")
    check(time.monotonic() - begin < 8.0, "60 sends took more than 8 s after the limit was raised to 500 a second")
    equal(world.provider_status("tuned")["rate"], {"per_second": 500, "burst": 100}, "rate shown")
    world.alter_account("tuned", concurrency=2)
    world.plan("tuned", {"delay": 0.2, "receipts": []})
    world.start_many("tuned", 10)
    under_way = []
    while len(world.at("tuned")) < 70:
        under_way.append(world.in_flight("tuned"))
    equal(max(under_way), 2, "most requests under way")
    equal(world.worker_pid("dispatcher"), pid, "process of the dispatcher")


def latencies(world: World, rule: str, count: int) -> list[float]:
    """Seconds from the call of start to the request at the provider, one after the other."""
    times = []
    for _ in range(count):
        begin = time.time()
        times.append(world.wait_requests(world.start(rule=rule), 1)[0]["time"] - begin)
    return sorted(times)


def m6_hanging_beside(world: World) -> None:
    """M6 a provider that hangs for 30 s with all its slots taken does not slow another one down"""
    world.account("frozen", timeout="30s", concurrency=32, breaker=False)
    world.plan("frozen", "hang")
    alone = latencies(world, "free", 60)
    world.start_many("frozen", 500, priority="otp")  # may fill all slots
    wait_until(lambda: world.in_flight("frozen") == 32, what="all slots taken")
    beside = latencies(world, "free", 60)
    equal(world.in_flight("frozen"), 32, "requests that still hang")
    middle, worst = (beside[place] / max(alone[place], 0.002) for place in (30, 54))
    print(f"# start to request, alone and beside: median {alone[30] * 1000:.1f} and {beside[30] * 1000:.1f} ms, "
          f"90% {alone[54] * 1000:.1f} and {beside[54] * 1000:.1f} ms; ratios {middle:.2f}, {worst:.2f}", flush=True)
    check(middle < 5 and worst < 20, f"ratios {middle:.2f} and {worst:.2f}")
    cancel_all(world, "frozen")
    world.simulator.post("/release", {})


# ---- limits of tenants ----


def refused(world: World, rule: str, count: int, tenant: str) -> psycopg.Error:
    """The error of a start that goes over a limit of its tenant."""
    known = world.value("SELECT count(*) FROM hermes.cascades WHERE tenant = %s", tenant)
    try:
        world.start_many(rule, count, tenant)
    except psycopg.Error as problem:
        equal(problem.sqlstate, LIMIT_REACHED, f"SQLSTATE of {problem}")
        equal(world.value("SELECT count(*) FROM hermes.cascades WHERE tenant = %s", tenant), known, "cascades left behind")
        return problem
    raise AssertionError("not refused")


def tenant_rate(world: World) -> None:
    """a start over the rate of its tenant is refused with 53400 and a hint when to try again; the limit changes at once"""
    world.sql("SELECT hermes.set_tenant_limits('metered', %s)", Jsonb({"rate": {"per_second": 2, "burst": 10}}))
    world.start_many("free", 10, "metered")
    problem = refused(world, "free", 3, "metered")
    check("rate limit of tenant \"metered\"" in str(problem), str(problem))
    check("Try again in " in str(problem.diag.message_hint), f"hint {problem.diag.message_hint}")
    world.start_many("free", 20, "unmetered")  # others are not held
    milliseconds = int(str(problem.diag.message_hint).split("Try again in ")[1].split(" ")[0])
    check(500 < milliseconds <= 1500, f"3 tokens at 2 a second in {milliseconds} ms")
    time.sleep(milliseconds / 1000)  # as the hint says
    world.start_many("free", 3, "metered")
    problem = refused(world, "free", 11, "metered")
    check("Start fewer at once" in str(problem.diag.message_hint), f"hint {problem.diag.message_hint}")
    world.sql("SELECT hermes.set_tenant_limits('metered', %s)", Jsonb({"rate": {"per_second": 1000, "burst": 1000}}))
    wait_until(lambda: world.start_many("free", 100, "metered"), 3.0, "starts at the raised rate")
    world.sql("SELECT hermes.set_tenant_limits('metered', NULL)")
    world.start_many("free", 1500, "metered")


def tenant_backlog(world: World) -> None:
    """a start over the backlog of its tenant is refused with 53400 and a hint; what was sent, canceled or rolled back makes room"""
    def rolled_back() -> bool:
        with world.transaction() as session:
            world.start_many("trickle", 50, "stuffed", session)
            session.rollback()
        return True

    world.account("trickle", rate={"per_second": 1, "burst": 1})
    world.sql("SELECT hermes.set_tenant_limits('stuffed', %s)", Jsonb({"max_backlog": 50}))
    world.start_many("trickle", 50, "stuffed")
    problem = refused(world, "trickle", 10, "stuffed")
    check("backlog of tenant \"stuffed\" is full" in str(problem), str(problem))
    check("the limit is 50" in str(problem.diag.message_detail), f"detail {problem.diag.message_detail}")
    check("max_backlog" in str(problem.diag.message_hint), f"hint {problem.diag.message_hint}")
    world.start_many("trickle", 60, "other")
    world.sql("SELECT hermes.set_tenant_limits('stuffed', %s)", Jsonb({"max_backlog": 70}))
    world.start_many("trickle", 10, "stuffed")
    cancel_all(world, "trickle")
    wait_until(lambda: world.start_many("trickle", 50, "stuffed"), what="room after a cancel")
    cancel_all(world, "trickle")
    wait_until(rolled_back, what="room after a cancel")
    wait_until(lambda: world.start_many("trickle", 50, "stuffed"), what="room after a rollback")
    world.alter_account("trickle")
    wait_until(lambda: world.start_many("trickle", 50, "stuffed"), what="room after the sends")


if __name__ == "__main__":
    main(prepare, m6_rate, m6_retry_after, m6_fairness, m6_weights, m6_cap, m6_host, m6_changed, m6_hanging_beside, tenant_rate,
         tenant_backlog)
