#!/usr/bin/python3
"""Which provider of a channel is used, S3 of the messaging model: by price, by what was delivered of late, by weight."""

from __future__ import annotations

from collections import Counter
from typing import Any

from accounts import used
from harness import World, check, equal, main, wait_until

ONCE = {"retry": {"maximum_attempts": 1}}


def pair(world: World, name: str, **changes: Any) -> tuple[str, str]:
    """Two accounts of the sms channel whose messages arrive, and a rule for each way to choose; the dear one comes first in
    its list."""
    dear, cheap = f"{name}_dear", f"{name}_cheap"
    for account, price in ((dear, 0.08), (cheap, 0.03)):
        world.account(account, "sms", cost={"per_part": price}, **changes)
        world.plan(account, "accept")
    for choose in ("position", "least_cost", "best_delivery"):
        world.rule(f"{name}_{choose}", {"channel": "sms", "providers": [dear, cheap], "choose": choose} | ONCE)
    return dear, cheap


def delivered_by(world: World, rule: str, count: int) -> Counter[tuple[str, ...]]:
    """Starts so many; how often each sequence of providers was used until one delivered."""
    cascades = world.start_many(rule, count)
    for cascade in cascades:
        world.ends(cascade, "DELIVERED", "sms")
    return Counter(tuple(used(world, cascade)) for cascade in cascades)


def share(world: World, account: str) -> float | None:
    found = world.provider_status(account)["delivered_share"]
    return None if found is None else float(found)


def s3_price_then_delivery(world: World) -> None:
    """S3 the cheaper of two providers gets the traffic; when its messages no longer arrive, best_delivery turns to the other"""
    dear, cheap = pair(world, "turn")
    equal(delivered_by(world, "turn_position", 10), {(dear,): 10}, "by position")
    equal(delivered_by(world, "turn_least_cost", 40), {(cheap,): 40}, "by price")
    equal((len(world.at(dear)), len(world.at(cheap))), (10, 40), "requests")
    equal((share(world, dear), share(world, cheap)), (None, 1.0), "shares: nothing follows from 10 messages")
    both = delivered_by(world, "turn_best_delivery", 60)
    check(min(both[dear,], both[cheap,]) >= 10, f"as good as each other, they share: {both}")
    equal(share(world, dear), 1.0, "share")

    world.plan(cheap, "failed")
    equal(delivered_by(world, "turn_least_cost", 20), {(cheap, dear): 20}, "by price: the other one comes second")
    wait_until(lambda: (share(world, cheap) or 0) < 0.9, what="a worse share")
    before = len(world.at(cheap))
    equal(delivered_by(world, "turn_best_delivery", 60), {(dear,): 60}, "by delivery")
    equal(len(world.at(cheap)), before, "requests at the one that delivers badly")

    world.plan(cheap, "accept")  # it recovers, and gets its part again once that shows
    while (share(world, cheap) or 0) < 0.98:
        delivered_by(world, "turn_least_cost", 250)
    check(delivered_by(world, "turn_best_delivery", 60)[cheap,] >= 10, "the one that recovered is used again")


def s3_whose_fault(world: World) -> None:
    """S3 numbers that do not exist and messages that nobody wants are no fault of the provider that says so"""
    dear, cheap = pair(world, "fault")
    equal(delivered_by(world, "fault_least_cost", 25), {(cheap,): 25}, "by price")
    rejected = {"receipts": [{"status": "rejected", "error_code": "21610"}]}
    for behaviour in ("undeliverable", rejected, "reject"):
        world.plan(cheap, behaviour)
        for cascade in world.start_many("fault_least_cost", 30):
            world.ends(cascade, "EXHAUSTED")
            equal(used(world, cascade), [cheap], "no other provider is tried")
    equal(share(world, cheap), 1.0, "share")
    world.plan(cheap, "accept")
    check(delivered_by(world, "fault_best_delivery", 60)[cheap,] >= 10, "it is chosen as before")
    world.plan(cheap, {"answer": "reject", "status": 401})  # this is between the account and us
    equal(delivered_by(world, "fault_least_cost", 8), {(cheap, dear): 8}, "by price")
    wait_until(lambda: (share(world, cheap) or 0) < 0.97, what="a worse share")


def s3_out(world: World) -> None:
    """S3 neither price nor deliveries bring traffic to a provider that is out; a new price holds for the next message"""
    dear, cheap = pair(world, "out", breaker={"consecutive_failures": 3, "failure_percent": 0, "open_for": "60s"})
    equal(delivered_by(world, "out_least_cost", 25), {(cheap,): 25}, "by price")
    world.sql("SELECT hermes.pause_provider(%s)", cheap)
    for choose in ("least_cost", "best_delivery"):
        equal(delivered_by(world, f"out_{choose}", 10), {(dear,): 10}, f"by {choose}, while the other is paused")
    world.sql("SELECT hermes.resume_provider(%s)", cheap)
    world.alter_account(cheap, "sms", cost={"per_part": 0.09})
    equal(delivered_by(world, "out_least_cost", 10), {(dear,): 10}, "by the new price")
    world.plan(dear, {"answer": "error", "status": 503})
    for _ in range(3):
        equal(delivered_by(world, "out_least_cost", 1), {(dear, cheap): 1}, "the cheaper one fails")
    wait_until(lambda: world.provider_status(dear)["breaker"] == "open", what="an open breaker")
    equal(delivered_by(world, "out_least_cost", 10), {(cheap,): 10}, "while its breaker is open")


if __name__ == "__main__":
    main(s3_price_then_delivery, s3_whose_fault, s3_out)
