#!/usr/bin/python3
"""The tenant's webhooks: signature, rotation, retry, limits, disabled endpoints, dead letters, replays, isolation."""

from __future__ import annotations

import re
import time
from typing import Any

from psycopg.types.json import Jsonb

from harness import WEBHOOK_SECRET, World, check, equal, free_port, main, wait_until

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
    tenant_with_endpoint(world, "hanging", timeout="1s", retry=["200ms"])
    world.application.post("/script", {"name": "hanging", "answers": ["hang"]})
    cascade = world.start(tenant="hanging")
    world.wait_report(cascade, "message.delivered")
    equal([webhook["answer"] for webhook in world.webhooks(cascade)], [0, 204], "answers")


def retry_after(world: World) -> None:
    """a receiver's 429 with Retry-After is honoured, where the schedule would be earlier"""
    tenant_with_endpoint(world, "busy", retry=["200ms"])
    world.application.post("/script", {"name": "busy", "answers": [{"status": 429, "retry_after": 2}]})
    cascade = world.start(tenant="busy")
    world.wait_report(cascade, "message.delivered")
    first, second = world.webhooks(cascade)
    check(second["time"] - first["time"] >= 1.95, f"retried after {second['time'] - first['time']:.3f} s")


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


def script(world: World, name: str, *answers: Any, then: Any = 204) -> None:
    world.application.post("/script", {"name": name, "answers": list(answers), "then": then})


def endpoint_row(world: World, endpoint: int) -> dict[str, Any]:
    row: dict[str, Any] = world.value("SELECT to_jsonb(e) FROM hermes.endpoints AS e WHERE id = %s", endpoint)
    return row


def tries(world: World, cascade: str) -> list[tuple[Any, ...]]:
    return world.sql("SELECT try, result, http_status, error FROM hermes.delivery_log WHERE cascade_id = %s ORDER BY at",
                     cascade)


def delivered(world: World, tenant: str) -> str:
    """A cascade whose report was delivered."""
    cascade = world.start(tenant=tenant)
    world.wait_report(cascade, "message.delivered")
    wait_until(lambda: world.status(cascade)["report"]["state"] == "delivered", what="report state delivered")
    return cascade


def rotation(world: World) -> None:
    """while a secret rotates both secrets sign; after that only the new one does"""
    endpoint = tenant_with_endpoint(world, "rotating", retry=["100ms"])
    world.sql("SELECT hermes.set_secret('rotated', hermes.generate_webhook_secret())")
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'rotated', '1 hour')", endpoint)
    webhook = world.webhooks(delivered(world, "rotating"))[0]
    equal((webhook["signatures"], webhook["verified"]), (2, True), "signatures, one of them by the old secret")

    world.sql("SELECT hermes.set_secret('back', %s)", WEBHOOK_SECRET)
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'back', '1 second')", endpoint)
    time.sleep(1.1)
    webhook = world.webhooks(delivered(world, "rotating"))[0]
    equal((webhook["signatures"], webhook["verified"]), (1, True), "signatures after the old secret has ended")
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'rotated', '0')", endpoint)
    cascade = world.start(tenant="rotating")
    webhook = wait_until(lambda: world.webhooks(cascade), what="a webhook")[0]
    equal((webhook["signatures"], webhook["verified"]), (1, False), "signature by the new secret alone")


def own_schedule(world: World) -> None:
    """an endpoint's own retry schedule is kept, then the report is dead; the log has every try"""
    tenant_with_endpoint(world, "patient", retry=["200ms", "400ms"])
    script(world, "patient", 500, 503, then=500)
    cascade = world.start(tenant="patient")
    wait_until(lambda: world.status(cascade)["report"]["state"] == "dead", what="report state dead")
    seen = world.webhooks(cascade)
    equal([webhook["answer"] for webhook in seen], [500, 503, 500], "answers")
    for wanted, first, second in zip((0.2, 0.4), seen, seen[1:]):
        gap = second["time"] - first["time"]
        check(0.9 * wanted <= gap <= wanted + 1.0, f"retried after {gap:.3f} s, not {wanted} s")
    equal(tries(world, cascade), [(1, "failed", 500, "http_500"), (2, "failed", 503, "http_503"),
                                  (3, "dead", 500, "http_500")], "delivery log")


def log_levels(world: World) -> None:
    """hermes.delivery_log decides what is logged: failures (default), all, off"""
    tenant_with_endpoint(world, "logged", retry=["100ms"])
    equal(tries(world, delivered(world, "logged")), [], "rows of a delivered report")
    world.set_guc("hermes.delivery_log", "all")
    equal(tries(world, delivered(world, "logged")), [(1, "delivered", 204, None)], "rows with all")
    world.set_guc("hermes.delivery_log", "off")
    script(world, "logged", 500)
    equal(tries(world, delivered(world, "logged")), [], "rows with off")
    world.set_guc("hermes.delivery_log", "failures")


def long_failure(world: World) -> None:
    """an endpoint that fails for long enough is disabled; enabled again, its dead reports are replayed"""
    endpoint = tenant_with_endpoint(world, "sick", retry=["300ms"] * 20, disable_after="1s")
    script(world, "sick", then=500)
    first = world.start(tenant="sick")
    wait_until(lambda: endpoint_row(world, endpoint)["failing_since"], what="failing_since")
    equal(endpoint_row(world, endpoint)["enabled"], True, "enabled at first")
    wait_until(lambda: not endpoint_row(world, endpoint)["enabled"], what="a disabled endpoint")
    row = endpoint_row(world, endpoint)
    check(row["disabled_reason"].startswith("all deliveries failed since "), f"reason {row['disabled_reason']}")
    equal(row["last_error"], "http_500", "last error")
    wait_until(lambda: world.status(first)["report"]["state"] == "dead", what="its report among the dead")
    count = len(world.webhooks(first))
    second = world.start(tenant="sick")
    world.ends(second, "DELIVERED", "email")

    script(world, "sick")
    world.sql("SELECT hermes.enable_endpoint(%s)", endpoint)
    replay = "SELECT hermes.replay_webhooks(%s, now() - interval '1 hour', now(), failed_only => %s)"
    equal(world.value(replay, endpoint, True), 1, "dead reports put")
    world.wait_report(first, "message.delivered")
    equal(len(world.webhooks(first)), count + 1, "requests")
    equal(dead_letters(world, first), [], "dead letters left")
    equal(world.value(replay, endpoint, False), 2, "reports of the time, that of the disabled time among them")
    world.wait_report(second, "message.delivered")
    wait_until(lambda: endpoint_row(world, endpoint)["failing_since"] is None, what="failing_since cleared")


def failure_ends(world: World) -> None:
    """a success ends the time of failure"""
    endpoint = tenant_with_endpoint(world, "shaky", retry=["500ms", "500ms"])
    script(world, "shaky", 500)
    cascade = world.start(tenant="shaky")
    wait_until(lambda: endpoint_row(world, endpoint)["failing_since"], what="failing_since")
    equal(endpoint_row(world, endpoint)["pending"], 1, "reports that wait")
    world.wait_report(cascade, "message.delivered")
    wait_until(lambda: endpoint_row(world, endpoint)["failing_since"] is None, what="failing_since cleared")
    check(endpoint_row(world, endpoint)["last_delivery_at"] is not None, "last delivery")
    equal(endpoint_row(world, endpoint)["pending"], 0, "reports that wait")


def receiver_control(world: World) -> None:
    """webhook-delivery: abort-message ends the retries of a report, disable ends the endpoint"""
    endpoint = tenant_with_endpoint(world, "master", retry=["100ms"] * 5)
    script(world, "master", {"status": 500, "control": "abort-message"})
    cascade = world.start(tenant="master")
    wait_until(lambda: world.status(cascade)["report"]["state"] == "dead", what="report state dead")
    equal(len(world.webhooks(cascade)), 1, "requests after abort-message")
    equal(endpoint_row(world, endpoint)["enabled"], True, "enabled")
    script(world, "master", {"status": 200, "control": "disable"})
    delivered(world, "master")
    wait_until(lambda: not endpoint_row(world, endpoint)["enabled"], what="a disabled endpoint")
    check("webhook-delivery" in endpoint_row(world, endpoint)["disabled_reason"], "reason")


def throttled(world: World) -> None:
    """Retry-After holds back all reports of the endpoint, not only the one it answered; others go on"""
    tenant_with_endpoint(world, "full")
    tenant_with_endpoint(world, "beside")
    script(world, "full", {"status": 503, "retry_after": 3})
    first = world.start(tenant="full")
    wait_until(lambda: world.webhooks(first), what="a webhook")
    begin = time.time()
    others = [world.start(tenant="full") for _ in range(5)]
    delivered(world, "beside")
    check(time.time() - begin < 2.0, "another endpoint was held back")
    for cascade in others:
        world.wait_report(cascade, "message.delivered")
        gap = world.webhooks(cascade)[0]["time"] - world.webhooks(first)[0]["time"]
        check(gap >= 2.8, f"sent {gap:.3f} s after the endpoint asked for 3 s")


def own_rate(world: World) -> None:
    """an endpoint's rate is kept, and holds up no other endpoint"""
    tenant_with_endpoint(world, "slow", rate={"per_second": 10, "burst": 2})
    tenant_with_endpoint(world, "fast")
    slow = [world.start(tenant="slow") for _ in range(22)]
    begin = time.time()
    delivered(world, "fast")
    check(time.time() - begin < 1.5, "another endpoint was held up")
    for cascade in slow:
        world.wait_report(cascade, "message.delivered")
    times = sorted(world.webhooks(cascade)[0]["time"] for cascade in slow)
    check(1.8 <= times[-1] - times[0] <= 6.0, f"22 reports in {times[-1] - times[0]:.3f} s at 10 a second")


def corrected(world: World, tenant: str) -> str:
    """A cascade with two reports: delivered, then corrected by a late failure."""
    cascade = delivered(world, tenant)
    equal(world.signal(cascade, status="undeliverable", attempt=1, timestamp="2099-01-01T00:00:00Z"), "corrected",
          "late failure")
    world.wait_report(cascade, "message.status_corrected")
    return cascade


def replay_one(world: World) -> None:
    """a replayed report has the same id and the same body as at first; one sequence may be chosen"""
    endpoint = tenant_with_endpoint(world, "again")
    cascade = corrected(world, "again")
    wait_until(lambda: not world.sql("SELECT FROM hermes.deliveries WHERE cascade_id = %s", cascade), what="no task")
    before = world.webhooks(cascade)
    equal([webhook["body"]["data"]["sequence"] for webhook in before], [1, 2], "sequence numbers")
    equal(world.signal(cascade, status="sent", attempt=1), "stale", "late receipt")  # what comes later does not change what was reported
    equal(world.value("SELECT hermes.replay_webhook(%s)", cascade), 2, "reports put")
    wait_until(lambda: len(world.webhooks(cascade)) >= 4, what="two repetitions")
    after = sorted(world.webhooks(cascade)[2:4], key=lambda webhook: str(webhook["id"]))
    equal([(webhook["id"], webhook["body"]) for webhook in after],
          [(webhook["id"], webhook["body"]) for webhook in before], "ids and bodies")
    check(not any(webhook["processed"] for webhook in after), "a receiver that knows ids did it twice")
    wait_until(lambda: not world.sql("SELECT FROM hermes.deliveries WHERE cascade_id = %s", cascade), what="no task")
    count = len(world.webhooks(cascade))
    equal(world.value("SELECT hermes.replay_webhook(%s, 2, %s)", cascade, endpoint), 1, "reports put")
    wait_until(lambda: len(world.webhooks(cascade)) == count + 1, what="one repetition")
    equal(world.webhooks(cascade)[-1]["id"], before[1]["id"], "id of the second report")


def replay_range(world: World) -> None:
    """the reports of a time are replayed, nothing before or after it"""
    endpoint = tenant_with_endpoint(world, "range")
    early = delivered(world, "range")
    since = world.value("SELECT clock_timestamp()")
    inside = [delivered(world, "range") for _ in range(3)]
    until = world.value("SELECT clock_timestamp()")
    late = delivered(world, "range")
    equal(world.value("SELECT hermes.replay_webhooks(%s, %s, %s)", endpoint, since, until), 3, "reports put")
    for cascade in inside:
        wait_until(lambda c=cascade: len(world.webhooks(c)) == 2, what="a repetition")  # type: ignore[misc]
    equal([len(world.webhooks(cascade)) for cascade in (early, late)], [1, 1], "requests outside of the time")


def dead_backlog(world: World) -> None:
    """30,000 reports that wait for a dead endpoint hold up nobody else's; disabled, they become dead letters"""
    dead = int(world.value("SELECT hermes.create_endpoint('ghost', %s)", f"http://127.0.0.1:{free_port()}/"))
    tenant_with_endpoint(world, "lively")
    world.sql("SELECT hermes.create_provider('quiet', %s)", Jsonb({"kind": "sandbox", "channel": "quiet"}))
    world.rule("quiet", {"channel": "quiet", "success_on": "accepted"})
    world.start_many("quiet", 30_000, "ghost")
    times = []
    while True:
        begin = time.monotonic()
        world.wait_report(world.start(tenant="lively"), "message.delivered")
        times.append(time.monotonic() - begin)
        moved = world.value("SELECT count(*) FROM hermes.task WHERE queue <> 2 AND target = %s AND kind = 3", dead)
        if moved >= 27_000 and len(times) >= 20:
            break
    print(f"# {len(times)} reports of another tenant meanwhile: median {sorted(times)[len(times) // 2]:.3f} s, "
          f"slowest {max(times):.3f} s", flush=True)
    check(max(times) < 3.0, f"another tenant's report took {max(times):.3f} s")
    row = endpoint_row(world, dead)
    equal((row["pending"], row["enabled"]), (1000, True), "pending, counted to 1000")
    check(row["failing_since"] is not None, "failing_since")
    world.sql("SELECT hermes.drop_endpoint(%s)", dead)
    wait_until(lambda: world.value("SELECT count(*) FROM hermes.task WHERE target = %s AND kind = 3", dead) == 0, 60.0,
               "no task of the dropped endpoint")
    check(world.value("SELECT count(*) FROM hermes.dead_letters WHERE target = %s", dead) >= 27_000, "dead letters")


def drained(world: World) -> None:
    """what a dispatcher had at hand goes back when it stops, and is sent by the next one"""
    tenant_with_endpoint(world, "bottleneck", rate={"per_second": 2, "burst": 2})
    cascades = [world.start(tenant="bottleneck") for _ in range(8)]
    for cascade in cascades:
        world.closed(cascade)
    world.cluster.stop()
    world.cluster.start()
    for cascade in cascades:
        world.wait_report(cascade, "message.delivered")
    equal([len(world.webhooks(cascade)) for cascade in cascades], [1] * 8, "requests")


if __name__ == "__main__":
    main(signed, wrong_secret, retried, hanging_receiver, retry_after, gone, selected_events, two_endpoints, rotation,
         own_schedule, log_levels, long_failure, failure_ends, receiver_control, throttled, own_rate, replay_one,
         replay_range, dead_backlog, drained)
