#!/usr/bin/python3
"""Providers in trouble and under load, M8 and M11 of the messaging model: breakers, and priorities."""

from __future__ import annotations

import statistics
import time
from typing import Any

from accounts import cancel_all, passed, prepare, seconds_until, seen, used
from harness import World, check, equal, main, wait_until

BREAKER: dict[str, Any] = {"consecutive_failures": 3, "failure_percent": 0, "open_for": "1s", "max_open_for": "1s"}
ONCE = {"retry": {"maximum_attempts": 1}}
DOWN = {"answer": "error", "status": 503}


# ---- M8: breakers ----


def trip(world: World, name: str, behaviour: Any = None) -> None:
    """Three failures open the breaker; each cascade goes on to the next provider of its channel."""
    world.rule(f"{name}_or_free", {"channel": "email", "providers": [name, "free"], "success_on": "accepted"} | ONCE, "sms")
    world.plan(name, behaviour or DOWN)
    for _ in range(3):
        equal(world.provider_status(name)["breaker"], "closed", "breaker before the third failure")
        cascade = world.start(rule=f"{name}_or_free")
        world.ends(cascade, "DELIVERED", "email")
        equal(used(world, cascade), [name, "free"], "providers: the next provider before the next channel")
    wait_until(lambda: world.provider_status(name)["breaker"] == "open", what="an open breaker")


def m8_breaker(world: World) -> None:
    """M8 closed, open, half open, open again, half open, closed: a provider that fails for a while is spared, then taken back"""
    world.account("sick", breaker=BREAKER)
    trip(world, "sick")
    row = world.provider_status("sick")
    check(0 < seconds_until(row["open_until"]) <= 1.0, f"open until {row['open_until']}")
    equal((row["failed"], row["last_failure"]), (3, "http_503"), "failures and the last one")
    cascade = world.start(rule="sick_or_free")
    world.ends(cascade, "DELIVERED", "email")
    equal((used(world, cascade), len(world.at("sick"))), (["free"], 3), "providers, requests at the one left alone")

    for behaviour, after in (({"delay": 0.5} | DOWN, "open"), ({"delay": 0.5, "receipts": []}, "closed")):
        wait_until(lambda: seconds_until(world.provider_status("sick")["open_until"]) <= 0, what="the end of the opening")
        world.plan("sick", behaviour)
        before = len(world.at("sick"))
        probe = world.start(rule="sick_or_free")
        wait_until(lambda: world.provider_status("sick")["breaker"] == "half_open", what="a half open breaker")
        wait_until(lambda b=before: len(world.at("sick")) > b, what="the probe")  # type: ignore[misc]
        second = world.start(rule="sick_or_free")  # no second probe: it waits for what becomes of the first
        wait_until(lambda a=after: world.provider_status("sick")["breaker"] == a, what=f"breaker {after}")  # type: ignore[misc]
        world.ends(probe, "DELIVERED", "email")
        world.ends(second, "DELIVERED", "email")
        good = after == "closed"
        equal(used(world, probe), ["sick"] if good else ["sick", "free"], "providers of the probe")
        equal(used(world, second)[-1], "sick" if good else "free", "provider of the one that waited")
        equal(len(world.at("sick")) - before, 2 if good else 1, "requests while half open, and after")


def m8_nowhere_else(world: World) -> None:
    """M8 while the only provider is out: with a next channel that takes over at once, without one the send waits and is not lost"""
    world.account("lone", breaker=BREAKER)
    world.rule("lone_then_sms", {"channel": "email", "providers": ["lone"], "success_on": "accepted"}, "sms")
    trip(world, "lone")
    waits = world.start(rule="lone")
    goes_on = world.start(rule="lone_then_sms")
    world.ends(goes_on, "DELIVERED", "sms")
    equal(world.requests(goes_on, "email"), [], "email requests")
    equal(world.status(waits)["status"], "RUNNING", "status of the one that waits")
    world.plan("lone", "no_dlr")
    world.ends(waits, "DELIVERED", "email")
    equal((used(world, waits), len(world.requests(waits))), (["lone"], 1), "providers, requests")
    equal(world.provider_status("lone")["breaker"], "closed", "breaker")


def m8_config(world: World) -> None:
    """M8 failures that are our own fault count: a provider account that answers 401 is left alone, refused messages are not"""
    world.account("locked_out", breaker=BREAKER)
    trip(world, "locked_out", {"answer": "reject", "status": 401})
    equal(world.provider_status("locked_out")["last_failure"], "http_401", "last failure")
    world.account("strict", breaker=BREAKER)
    world.rule("strict_then_sms", {"channel": "email", "providers": ["strict"]}, "sms")
    world.plan("strict", "reject")  # 400: it says something of the message, not of the provider
    for _ in range(5):
        world.ends(world.start(rule="strict_then_sms"), "DELIVERED", "sms")
    equal((world.provider_status("strict")["breaker"], len(world.at("strict"))), ("closed", 5), "breaker, requests")


# ---- M11: priorities ----


def m11_otp(world: World) -> None:
    """M11 an OTP passes a campaign that has used up rate and slots of their provider"""
    world.account("busy", rate={"per_second": 40, "burst": 1}, concurrency=8)
    world.plan("busy", {"delay": 0.2, "receipts": []})
    world.start_many("busy", 1000, priority="marketing")
    wait_until(lambda: len(world.at("busy")) >= 10, what="the campaign")
    before_it, times = [], []
    for _ in range(8):
        before, begin = seen(world), time.time()
        otp = world.start(rule="busy", priority="otp")
        before_it.append(passed(world, otp, before))
        times.append(world.requests(otp)[0]["time"] - begin)
    print(f"# sends of the campaign before an OTP: {sorted(before_it)}; median {statistics.median(times) * 1000:.0f} ms",
          flush=True)
    check(statistics.median(before_it) <= 8 and max(before_it) <= 30, f"sends of a campaign before an OTP: {before_it}")
    cancel_all(world, "busy")


def m11_slots(world: World) -> None:
    """M11 the next slot of a provider with few of them is the OTP's, whatever waits for one"""
    world.account("narrow", concurrency=2)
    world.plan("narrow", {"delay": 0.2, "receipts": []})
    world.start_many("narrow", 100, priority="marketing")
    world.start_many("narrow", 100)
    wait_until(lambda: len(world.at("narrow")) >= 4, what="the campaign")
    before_it = []
    for _ in range(6):
        before = seen(world)
        before_it.append(passed(world, world.start(rule="narrow", priority="otp"), before))
    check(statistics.median(before_it) <= 2 and max(before_it) <= 6, f"other sends before an OTP: {before_it}")
    cancel_all(world, "narrow")


def m11_order(world: World) -> None:
    """M11 of what waits, OTPs leave first, then transactional messages, then marketing; the rule's priority is the default"""
    world.account("ordered", rate={"per_second": 1, "burst": 1})
    step = {"channel": "email", "providers": ["ordered"], "success_on": "accepted"}
    for priority in ("marketing", "transactional", "otp"):
        world.rule(f"ordered_{priority}", step, priority=priority)
    world.start_many("ordered", 3, "first")  # uses up the burst
    wait_until(lambda: world.at("ordered"), what="the first request")
    world.start_many("ordered_marketing", 20, "marketing")
    world.start_many("ordered_transactional", 20, "transactional")
    world.start_many("ordered_marketing", 10, "otp", priority="otp")
    world.start_many("ordered_otp", 10, "otp")
    world.alter_account("ordered", rate={"per_second": 50, "burst": 1})
    wait_until(lambda: len(world.at("ordered")) == 63, what="all requests")
    order = [request["to"] for request in world.at("ordered") if request["to"] != "first"]
    last = {name: max(place for place, to in enumerate(order) if to == name) for name in set(order)}
    check(last["otp"] < 25 and last["transactional"] < 45, f"order {order}")
    check(order.index("marketing") >= 35, f"order {order}")


if __name__ == "__main__":
    main(prepare, m8_breaker, m8_nowhere_else, m8_config, m11_otp, m11_slots, m11_order)
