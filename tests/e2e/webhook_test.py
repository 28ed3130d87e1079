#!/usr/bin/python3
"""The tenant's webhooks: signature, retry, disabled endpoints, dead letters."""

from __future__ import annotations

import re
import time
from typing import Any

from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until

WEBHOOK_ID = re.compile(r"[0-9a-f-]{36}-r\d+-e\d+")


def tenant_with_endpoint(world: World, name: str, **options: Any) -> int:
    """A tenant of its own whose endpoint is scripted under the tenant's name."""
    return world.endpoint(name, name, **options)


def signed(world: World) -> None:
    """every webhook carries a valid Standard Webhooks signature, id and timestamp"""
    cascade = world.start(key="signed")
    world.wait_report(cascade, "message.delivered")
    (webhook,) = world.webhooks(cascade)
    check(webhook["verified"], f"refused: {webhook['reason']}")
    check(WEBHOOK_ID.fullmatch(webhook["id"]), f"webhook-id {webhook['id']}")
    check(webhook["id"].startswith(f"{cascade}-r1-e"), f"webhook-id {webhook['id']}")
    check(abs(time.time() - int(webhook["timestamp"])) < 30, "timestamp")
    equal(set(webhook["body"]), {"type", "timestamp", "data"}, "members of the body")


def wrong_secret(world: World) -> None:
    """a receiver with another secret refuses, and the report stays pending"""
    world.sql("SELECT hermes.set_secret('other', %s)", "whsec_" + "QUJD" * 8)
    tenant_with_endpoint(world, "forged", secret="other")
    cascade = world.start(tenant="forged")
    world.ends(cascade, "DELIVERED", "email")
    webhook = wait_until(lambda: world.webhooks(cascade), what="a webhook")[0]
    equal((webhook["verified"], webhook["answer"], webhook["processed"]), (False, 401, False), "receiver's verdict")
    equal(world.status(cascade)["report"]["state"], "pending", "report state")


def retried(world: World) -> None:
    """a webhook answered 500 comes again after about 5 s: same id, fresh timestamp, one effect"""
    tenant_with_endpoint(world, "flaky")
    world.application.post("/script", {"name": "flaky", "answers": [500]})
    cascade = world.start(tenant="flaky")
    world.wait_report(cascade, "message.delivered")
    first, second = world.webhooks(cascade)
    gap = second["time"] - first["time"]
    check(4.0 <= gap <= 8.0, f"retried after {gap:.3f} s")
    equal(second["id"], first["id"], "webhook-id of the retry")
    check(int(second["timestamp"]) > int(first["timestamp"]), "the timestamp was not renewed")
    equal([first["processed"], second["processed"]], [False, True], "effects")


def hanging_receiver(world: World) -> None:
    """a receiver that hangs is cut off at the endpoint's timeout and tried again"""
    tenant_with_endpoint(world, "hanging", timeout="1s")
    world.application.post("/script", {"name": "hanging", "answers": ["hang"]})
    cascade = world.start(tenant="hanging")
    world.wait_report(cascade, "message.delivered")
    equal([webhook["answer"] for webhook in world.webhooks(cascade)], [0, 204], "answers")


def retry_after(world: World) -> None:
    """a receiver's 429 with Retry-After is honoured"""
    tenant_with_endpoint(world, "busy")
    world.application.post("/script", {"name": "busy", "answers": [{"status": 429, "retry_after": 7}]})
    cascade = world.start(tenant="busy")
    world.wait_report(cascade, "message.delivered")
    first, second = world.webhooks(cascade)
    check(second["time"] - first["time"] >= 6.9, f"retried after {second['time'] - first['time']:.3f} s")


def gone(world: World) -> None:
    """410 disables the endpoint; retry_dead_letter delivers its report once the endpoint is back"""
    endpoint = tenant_with_endpoint(world, "gone")
    world.application.post("/script", {"name": "gone", "answers": [410]})
    first = world.start(tenant="gone")
    wait_until(lambda: world.status(first)["report"]["state"] == "dead", what="report state dead")
    second = world.start(tenant="gone")
    world.ends(second, "DELIVERED", "email")
    marker = world.start()
    world.wait_report(marker, "message.delivered")
    equal(world.webhooks(second), [], "webhooks to a disabled endpoint")
    equal(len(world.webhooks(first)), 1, "requests before it was disabled")

    url = f"{world.application.url}/webhook/gone"
    world.sql("SELECT hermes.alter_endpoint(%s, %s, %s)", endpoint, url, Jsonb({"secret": "webhook"}))
    letters = dead_letters(world, first)
    equal(len(letters), 1, "dead letters of the cascade")
    world.sql("SELECT hermes.retry_dead_letter(%s)", letters[0])
    world.wait_report(first, "message.delivered")
    equal(len({webhook["id"] for webhook in world.webhooks(first)}), 1, "webhook ids")
    wait_until(lambda: world.status(first)["report"]["state"] == "delivered", what="report state delivered")
    equal(dead_letters(world, first), [], "dead letters left")


def dead_letters(world: World, cascade: str) -> list[int]:
    rows = world.sql("SELECT id FROM hermes.dead_letters AS d WHERE d::text LIKE %s", f"%{cascade}%")
    return [row[0] for row in rows]


def selected_events(world: World) -> None:
    """an endpoint gets only the events it asked for"""
    tenant_with_endpoint(world, "choosy", events=["message.failed"])
    delivered = world.start(tenant="choosy")
    world.ends(delivered, "DELIVERED", "email")
    failed = world.start({"email": "reject", "sms": "reject", "push": "reject"}, tenant="choosy")
    world.wait_report(failed, "message.failed")
    equal(world.webhooks(delivered), [], "webhooks that were not asked for")


def two_endpoints(world: World) -> None:
    """two endpoints of a tenant both get the report, each under its own id"""
    world.endpoint("pair", "pair_a")
    world.endpoint("pair", "pair_b")
    cascade = world.start(tenant="pair")
    wait_until(lambda: len(world.webhooks(cascade)) == 2, what="two webhooks")
    both = world.webhooks(cascade)
    equal({webhook["name"] for webhook in both}, {"pair_a", "pair_b"}, "receivers")
    equal(len({webhook["id"] for webhook in both}), 2, "webhook ids")


if __name__ == "__main__":
    main(signed, wrong_secret, retried, hanging_receiver, retry_after, gone, selected_events, two_endpoints)
