#!/usr/bin/python3
"""What a tenant is told, M9 and M10 of the messaging model: webhooks from the first try to the replay, one final status."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections import Counter

from psycopg.types.json import Jsonb

from harness import WEBHOOK_SECRET, World, check, equal, free_port, main, wait_until
from tenant_hooks import Peers, endpoint, report_state, reported, start_receiver, wait_hooks

NEW_SECRET = "whsec_" + base64.b64encode(b"the secret of the first rotation").decode()
NEWEST_SECRET = "whsec_" + base64.b64encode(b"the secret of the next rotation.").decode()


# ---- M9 ----


def m9_life_of_an_endpoint(world: World) -> None:
    """M9 one endpoint from first report to replay: signature, rotation, retries, dead letter, 410, replay of one and of a range"""
    id_ = endpoint(world, "m9", retry=["200ms", "400ms"])
    since = world.value("SELECT clock_timestamp()")
    first, (hook,) = reported(world, "m9")
    check(hook.signed_by(WEBHOOK_SECRET) and hook.signatures == 1, "one signature by the secret")
    equal((hook.type, hook.sequence, hook.body["data"]["cascade_id"]), ("message.delivered", 1, first), "report")

    world.sql("SELECT hermes.set_secret('m9_new', %s)", NEW_SECRET)
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'm9_new', '1 hour')", id_)
    _, (hook,) = reported(world, "m9")
    equal([hook.signed_by(secret) for secret in (WEBHOOK_SECRET, NEW_SECRET)], [True, True], "both secrets sign")
    equal(hook.signatures, 2, "signatures during the rotation")
    world.sql("SELECT hermes.set_secret('m9_newest', %s)", NEWEST_SECRET)
    world.sql("SELECT hermes.rotate_endpoint_secret(%s, 'm9_newest', '0')", id_)
    _, (hook,) = reported(world, "m9")
    equal([hook.signed_by(secret) for secret in (WEBHOOK_SECRET, NEW_SECRET, NEWEST_SECRET)], [False, False, True],
          "without a time of both, only the new secret signs")

    Peers.receiver.script("m9", 500, 503)
    retried, hooks = reported(world, "m9", 3)
    equal([hook.answer for hook in hooks], [500, 503, 204], "answers")
    for hook, after, gap in zip(hooks, hooks[1:], (0.2, 0.4)):
        check(0.9 * gap <= after.time - hook.time <= gap + 1.5, f"tried again after {after.time - hook.time:.3f} s")
    equal(len({(hook.id, hook.raw) for hook in hooks}), 1, "ids and bodies of the tries")
    check(all(hook.signed_by(NEWEST_SECRET) for hook in hooks), "each try is signed with its own timestamp")

    Peers.receiver.script("m9", 500, 500, 500)
    dead, _ = reported(world, "m9", 3)
    report_state(world, dead, "dead")
    letter = world.value("SELECT id FROM hermes.dead_letters WHERE cascade_id = %s", dead)
    world.sql("SELECT hermes.retry_dead_letter(%s)", letter)
    equal(len({(hook.id, hook.raw) for hook in wait_hooks(dead, 4)}), 1, "id and body of the dead letter")
    report_state(world, dead, "delivered")

    Peers.receiver.script("m9", 410)
    gone, _ = reported(world, "m9")
    report_state(world, gone, "dead")
    enabled = "SELECT enabled FROM hermes.endpoints WHERE id = %s"
    equal(world.value(enabled, id_), False, "enabled after a 410")
    missed = world.start(rule="quick", tenant="m9")
    world.ends(missed, "DELIVERED")
    world.sql("SELECT hermes.enable_endpoint(%s)", id_)
    later, _ = reported(world, "m9")
    equal(Peers.receiver.of(missed), [], "reports while it was disabled")
    report_state(world, later, "delivered")

    equal(world.value("SELECT hermes.replay_webhook(%s)", later), 1, "reports of one cascade put again")
    again = wait_hooks(later, 2)
    equal(len({(hook.id, hook.raw) for hook in again}), 1, "the replay is the same report")
    until = world.value("SELECT clock_timestamp()")
    equal(world.value("SELECT hermes.replay_webhooks(%s, %s, %s, true)", id_, since, until), 1, "dead reports put again")
    wait_hooks(gone, 2)
    report_state(world, gone, "delivered")
    before = {cascade: len(Peers.receiver.of(cascade)) for cascade in (first, retried, dead, gone, missed, later)}
    equal(world.value("SELECT hermes.replay_webhooks(%s, %s, %s)", id_, since, until), 8, "reports of the time put again")
    for cascade, count in before.items():
        equal(len({(hook.id, hook.raw) for hook in wait_hooks(cascade, count + 1)}), 1, "the same report")


def m9_filter_and_sequence(world: World) -> None:
    """M9 each endpoint gets the events it asked for; the sequence in the payload orders the reports of a message"""
    endpoint(world, "m9_some", "m9_failures", events=["message.failed", "message.status_corrected"])
    endpoint(world, "m9_some", "m9_all")
    delivered = world.start(tenant="m9_some")
    world.ends(delivered, "DELIVERED", "email")
    failed = world.start({"email": "reject", "sms": "reject", "push": "undeliverable"}, tenant="m9_some")
    world.ends(failed, "EXHAUSTED")
    wait_hooks(failed, 2)
    equal(world.signal(failed, status="delivered", attempt=3), "corrected", "late success")
    wait_hooks(failed, 4)
    told = {(hook.name, hook.type, hook.sequence, hook.body["data"]["outcome"]) for hook in Peers.receiver.of(failed)}
    equal(told, {(name, *report) for name in ("m9_failures", "m9_all") for report in (
        ("message.failed", 1, "EXHAUSTED"), ("message.status_corrected", 2, "DELIVERED"))}, "reports")
    equal(len({hook.id for hook in Peers.receiver.of(failed)}), 4, "webhook ids")
    equal([(hook.name, hook.type) for hook in wait_hooks(delivered, 1)], [("m9_all", "message.delivered")], "reports")


def m9_rate(world: World) -> None:
    """M9 an endpoint's rate is kept, and neither it nor a dead endpoint holds up another"""
    endpoint(world, "m9_slow", rate={"per_second": 10, "burst": 2})
    world.sql("SELECT hermes.create_endpoint('m9_dead', %s)", f"http://127.0.0.1:{free_port()}/")
    endpoint(world, "m9_quick")
    for tenant in ("m9_slow", "m9_dead"):
        world.start_many("quick", 25, tenant)
    _, (hook,) = reported(world, "m9_quick")
    slow = [hook.time for hook in Peers.receiver.hooks if hook.name == "m9_slow"]
    check(len(slow) < 20, "nothing waited, so nothing was shown")
    wait_until(lambda: sum(hook.name == "m9_slow" for hook in Peers.receiver.hooks) == 25, what="25 reports")
    slow = [hook.time for hook in Peers.receiver.hooks if hook.name == "m9_slow"]
    check(slow[-1] - slow[0] >= 1.8, f"25 reports in {slow[-1] - slow[0]:.3f} s at 10 a second and a burst of 2")


def m9_crowd(world: World) -> None:
    """M9 a host that hangs, with more endpoints than there are slots, does not hold up the endpoints of other hosts"""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)  # nobody ever answers here
    port = listener.getsockname()[1]
    endpoint(world, "m9_other")
    reported(world, "m9_other")
    for number in range(6):
        for path in range(64):
            world.sql("SELECT hermes.create_endpoint(%s, %s, '{\"timeout\": \"20s\"}')", f"m9_crowd_{number}",
                      f"http://127.0.0.1:{port}/{path}")
    for number in range(6):
        world.start_many("quick", 3, f"m9_crowd_{number}")
    dispatcher = "SELECT in_flight FROM hermes.workers WHERE role = 'dispatcher'"
    wait_until(lambda: world.value(dispatcher) >= 100, what="many requests under way")
    begin = time.monotonic()
    reported(world, "m9_other")
    took, under_way = time.monotonic() - begin, world.value(dispatcher)
    print(f"# {under_way} requests hang; a report to another host took {took:.3f} s", flush=True)
    check(under_way >= 100, "they hung no more, so nothing was shown")
    check(took < 5, f"a report to another host took {took:.3f} s")
    for (id_,) in world.sql("SELECT id FROM hermes.endpoints WHERE tenant LIKE 'm9_crowd%%'"):
        world.sql("SELECT hermes.drop_endpoint(%s)", id_)
    listener.close()  # ends the requests


# ---- M10 ----


def m10_once(world: World) -> None:
    """M10 one final status however many receipts, timers and cancels race for it, and one event for each correction"""
    endpoint(world, "m10")
    world.account("m10", "push")
    step = {"channel": "push", "providers": ["m10"], "timeout": "1s", "retry": {"maximum_attempts": 1}}
    world.rule("m10_race", step)
    cascades = world.start_many("m10_race", 60, "m10")
    timers = "SELECT count(*), min(due) - interval '100 ms' FROM hermes.timers WHERE tenant = 'm10'"
    wait_until(lambda: world.sql(timers)[0][0] == len(cascades), what="all answers")
    due = world.sql(timers)[0][1]

    def race(number: int) -> None:
        with world.connect() as session:
            session.execute("SELECT hermes.signal_cascade(%s, 'none')", (cascades[number],))  # the session is warm then
            session.execute("SELECT pg_sleep(extract(epoch FROM %s - clock_timestamp()))", (due,))  # the timers fire meanwhile
            for place, cascade in enumerate(cascades):
                status = ("delivered", "undeliverable", "failed", None)[(number + place) % 4]
                if status is None:
                    session.execute("SELECT hermes.cancel_cascade(%s)", (cascade,))
                else:
                    session.execute("SELECT hermes.signal_cascade(%s, 'dlr', %s)",
                                    (cascade, Jsonb({"status": status, "attempt": 1})))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = {"DELIVERED": "message.delivered", "EXHAUSTED": "message.failed", "CANCELED": "message.canceled"}
    outcomes: Counter[str] = Counter()
    for cascade in cascades:
        status = world.closed(cascade)
        outcomes[status["outcome"]] += 1
        expected = [(1, final[status["outcome"]], status["outcome"])]
        if status["corrected_outcome"]:
            expected.append((2, "message.status_corrected", status["corrected_outcome"]))
        hooks = sorted(wait_hooks(cascade, len(expected)), key=lambda hook: hook.sequence)
        equal([(hook.sequence, hook.type, hook.body["data"]["outcome"]) for hook in hooks], expected, "reports")
        equal(len({hook.id for hook in hooks}), len(hooks), "ids of the reports")
        equal(world.history(cascade).count("CascadeCompleted"), 1, "ends in the history")
        equal(status.get("corrected_outcome"), None if status["outcome"] == "DELIVERED" else "DELIVERED", "correction")
    fired = sum("TimerFired" in world.history(cascade) for cascade in cascades)
    print(f"# {dict(outcomes)}; {fired} by the timer", flush=True)
    check(len(outcomes) >= 2, f"all ended {outcomes}, so no race was shown")
    again = {cascade: world.signal(cascade, status="delivered", attempt=1) for cascade in cascades}
    equal(set(again.values()), {"duplicate"}, "results of one receipt more")
    _, hooks = reported(world, "m10")
    equal(len(hooks), 1, "a later report came alone")
    counts = {cascade: 1 + bool(world.status(cascade)["corrected_outcome"]) for cascade in cascades}
    equal({cascade: len(Peers.receiver.of(cascade)) for cascade in cascades}, counts, "reports after all")


def prepare(world: World) -> None:
    """a receiver of webhooks"""
    start_receiver(world)


if __name__ == "__main__":
    main(prepare, m9_life_of_an_endpoint, m9_filter_and_sequence, m9_rate, m9_crowd, m10_once)
