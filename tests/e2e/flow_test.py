#!/usr/bin/python3
"""The flow of a cascade end to end: parallel steps, windows, delayed starts, holds, pauses, per-step reports, validity,
sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from psycopg.types.json import Jsonb

from harness import TENANT, World, check, equal, main, message, never, wait_until


def start_at(world: World, rule: str, when: datetime, **behaviour: object) -> str:
    return str(world.value("SELECT hermes.start_cascade(%s, %s, NULL, %s, %s)::text", rule, Jsonb(message(behaviour)),
                           TENANT, Jsonb({"send_at": when.isoformat()})))


def clock(world: World, minutes: int) -> str:
    """The time of the day, in UTC, so many minutes from now."""
    return str(world.value("SELECT to_char(now() AT TIME ZONE 'UTC' + make_interval(mins => %s), 'HH24:MI')", minutes))


def parallel_any(world: World) -> None:
    """S2 parallel steps: two channels at once, the first success ends the cascade and nothing further is sent"""
    steps = [{"channel": c, "providers": [c], "timeout": "5s"} for c in ("email", "sms")]
    world.sql("SELECT hermes.create_cascade_rule('any', %s)",
              Jsonb({"steps": [{"parallel": steps, "mode": "any"}, {"channel": "push", "providers": ["push"]}]}))
    cascade = world.start({"email": "no_dlr"}, "any")
    status = world.ends(cascade, "DELIVERED", "sms")
    equal(sorted(world.contacts(cascade)), ["email", "sms"], "contacts")
    equal(status["duplicate_contact"], True, "both were sent")
    first, second = world.requests(cascade)
    check(abs(first["time"] - second["time"]) < 1.0, "the second channel waited for the first")


def parallel_all(world: World) -> None:
    """S2 parallel steps, mode all: both must succeed, else the next step follows"""
    steps = [{"channel": c, "providers": [c], "timeout": "2s"} for c in ("email", "sms")]
    world.sql("SELECT hermes.create_cascade_rule('all', %s)",
              Jsonb({"steps": [{"parallel": steps, "mode": "all"}, {"channel": "push", "providers": ["push"]}]}))
    both = world.start({}, "all")
    world.ends(both, "DELIVERED")
    equal(sorted(world.contacts(both)), ["email", "sms"], "contacts")
    check("StepSucceeded" in world.history(both), "no StepSucceeded")
    one = world.start({"sms": "undeliverable"}, "all")
    world.ends(one, "DELIVERED", "push")


def send_at(world: World) -> None:
    """S14 send_at: nothing is sent before its time, and then it is"""
    when = datetime.now(timezone.utc) + timedelta(seconds=1.5)
    cascade = start_at(world, "cascade", when)
    world.ends(cascade, "DELIVERED", "email")
    sent = world.requests(cascade)[0]["time"]
    check(0 <= sent - when.timestamp() < 1.0, f"sent {sent - when.timestamp():.3f} s after its time")


def hold(world: World) -> None:
    """hold and release of one cascade: nothing leaves between, its deadlines wait"""
    world.rule("held", "email", "sms")
    with world.transaction() as session:
        cascade = world.start(rule="held", session=session)
        session.execute("SELECT hermes.hold_cascade(%s, 'check')", (cascade,))
        session.commit()
    wait_until(lambda: world.sql("SELECT 1 FROM hermes.tasks WHERE cascade_id = %s AND put_aside", cascade),
               what="the send is put aside")
    equal(world.requests(cascade), [], "requests while held")
    world.sql("SELECT hermes.release_cascade(%s)", cascade)
    world.ends(cascade, "DELIVERED", "email")


def pause_tenant(world: World) -> None:
    """S12 pause of a tenant: sends and timers wait, receipts are taken, others go on"""
    world.rule("paused", {"channel": "email", "timeout": "1s"}, "sms")
    running = world.start({"email": "no_dlr"}, "paused")
    world.wait_attempt(running, 1, phase="answered")
    world.sql("SELECT hermes.pause_tenant(%s, 'unpaid')", TENANT)
    waiting = world.start(rule="paused")
    other = str(world.value("SELECT hermes.start_cascade('paused', %s)::text", Jsonb(message({}))))
    world.ends(other, "DELIVERED", "email")
    wait_until(lambda: world.sql("SELECT 1 FROM hermes.tasks WHERE cascade_id = %s AND kind = 'timer' AND put_aside",
                                 running), what="the timer is put aside")
    equal(world.status(running)["step"], 1, "step of the running one")
    equal(world.requests(waiting), [], "requests of the waiting one")
    world.sql("SELECT hermes.resume_tenant(%s)", TENANT)
    world.ends(waiting, "DELIVERED", "email")
    world.ends(running, "DELIVERED", "sms")
    check("DeadlinesExtended" in world.history(running), "the deadline was not moved")


def pause_provider(world: World) -> None:
    """S12 pause of a provider: new attempts go elsewhere, those without an alternative wait"""
    world.provider("sms_spare", "sms", position=2)
    world.rule("spare", {"channel": "sms", "providers": ["sms", "sms_spare"]})
    world.rule("lone", {"channel": "sms", "providers": ["sms"]})
    world.sql("SELECT hermes.pause_provider('sms', 'maintenance')")
    moved = world.start(rule="spare")
    world.ends(moved, "DELIVERED", "sms")
    equal(world.attempt(moved, 1)["provider"], "sms_spare", "provider")
    stays = world.start(rule="lone")
    wait_until(lambda: world.sql("SELECT 1 FROM hermes.tasks WHERE cascade_id = %s AND put_aside", stays),
               what="the send is put aside")
    equal(world.requests(stays), [], "requests to the paused provider")
    world.sql("SELECT hermes.resume_provider('sms')")
    world.ends(stays, "DELIVERED", "sms")


def pause_rule(world: World) -> None:
    """S12 pause of a rule: a validity that ends meanwhile expires the cascade"""
    world.rule("rare", "email", validity="1500ms")
    world.sql("SELECT hermes.pause_cascade_rule('rare')")
    cascade = world.start(rule="rare")
    world.ends(cascade, "EXPIRED")
    equal(world.requests(cascade), [], "requests")
    world.sql("SELECT hermes.resume_cascade_rule('rare')")


def window(world: World) -> None:
    """S1 send windows: outside of it a step waits or is passed over, inside it is sent"""
    def windowed(name: str, start: int, end: int, outside: str) -> None:
        world.rule(name, {"channel": "email", "window": {"from": clock(world, start), "to": clock(world, end),
                                                         "outside": outside}}, "sms")

    windowed("open", -60, 60, "hold")
    windowed("closed", 60, 120, "hold")
    windowed("passed_over", 60, 120, "skip")
    world.ends(world.start(rule="open"), "DELIVERED", "email")
    world.ends(world.start(rule="passed_over"), "DELIVERED", "sms")
    held = world.start(rule="closed")
    due = world.value("SELECT due - now() FROM hermes.tasks WHERE cascade_id = %s AND kind = 'send'", held)
    check(timedelta(minutes=58) < due <= timedelta(minutes=60), f"due in {due}")
    never(lambda: world.requests(held), 0.3, "a request outside of the window")
    world.sql("SELECT hermes.cancel_cascade(%s)", held)


def step_reports(world: World) -> None:
    """M10 per-step events: a rule that asks for them reports each failed step, numbered with the outcome"""
    world.rule("told", "email", "sms", webhook_events=["message.step_failed", "message.delivered"])
    cascade = world.start({"email": "undeliverable"}, "told")
    failed = world.wait_report(cascade, "message.step_failed")["data"]
    equal((failed["step"], failed["channel"], failed["sequence"], failed["outcome"]), (1, "email", 1, None), "step report")
    delivered = world.wait_report(cascade, "message.delivered")["data"]
    equal((delivered["channel"], delivered["sequence"]), ("sms", 2), "outcome report")


def validity(world: World) -> None:
    """M3 the validity that is left is passed on to the provider, and no step starts after it"""
    config = world.provider_config("push")
    config["request"]["body"]["text"] = "ttl {{cascade.validity_seconds}}"
    world.sql("SELECT hermes.create_provider('push_ttl', %s)", Jsonb(config))
    world.rule("ttl", {"channel": "push", "providers": ["push_ttl"]}, validity="1h")
    cascade = world.start(rule="ttl")
    world.ends(cascade, "DELIVERED", "push")
    world.rule("short", {"channel": "email", "timeout": "5s"}, "sms", validity="1s")
    late = world.start({"email": "no_dlr"}, "short")
    world.ends(late, "EXPIRED")
    equal(world.contacts(late), ["email"], "contacts")


def sandbox(world: World) -> None:
    """S13 test mode: a sandbox provider plays the script of its message, attempt by attempt; nothing leaves but the reports"""
    arrives = [{"answer": "accepted", "receipts": [{"status": "sent"}, {"status": "delivered", "after": "20ms"}]}]
    for channel in ("email", "sms"):
        world.sql("SELECT hermes.create_provider(%s, %s)", f"play_{channel}",
                  Jsonb({"kind": "sandbox", "channel": channel, "position": 9, "script": arrives}))
    world.rule("played", {"channel": "email", "providers": ["play_email"]}, {"channel": "sms", "providers": ["play_sms"]})

    def receipt(status: str, **more: str) -> dict[str, object]:
        return {"answer": "accepted", "receipts": [{"status": status} | more]}

    silent = {"answer": "accepted", "receipts": []}
    plays: list[tuple[dict[str, object], str, list[tuple[str, str, int]]]] = [
        ({}, "DELIVERED", [("play_email", "delivered", 1)]),
        ({"sms": [receipt("failed")]}, "DELIVERED", [("play_email", "delivered", 1)]),  # of a channel that is not reached
        ({"email": [receipt("undeliverable", reason="550")]}, "DELIVERED",
         [("play_email", "undeliverable", 1), ("play_sms", "delivered", 1)]),
        ({"email": [receipt("failed"), receipt("delivered", after="50ms")]}, "DELIVERED",
         [("play_email", "failed", 1), ("play_email", "delivered", 1)]),
        ({"email": [silent], "sms": [{"answer": "next_channel", "reason": "21211"}]}, "EXHAUSTED",
         [("play_email", "accepted", 1), ("play_sms", "undeliverable", 1)]),
        ({"email": [{"answer": "retry_same", "retry_after": "0s"}]}, "DELIVERED",
         [("play_email", "failed", 2), ("play_sms", "delivered", 1)])]
    before = world.simulator.get("/stats")["requests"]
    started = [str(world.value("SELECT hermes.start_cascade('played', %s, NULL, %s)::text",
                               Jsonb({"to": "nobody", "sandbox": script}), TENANT)) for script, _, _ in plays]
    for cascade, (script, outcome, attempts) in zip(started, plays, strict=True):
        status = world.ends(cascade, outcome)
        found = [(attempt["provider"], attempt["state"], attempt["sends"]) for attempt in status["attempts"]]
        equal(found, attempts, f"attempts of {script}")
        report = world.wait_report(cascade, "message.delivered" if outcome == "DELIVERED" else "message.failed")["data"]
        equal((report["outcome"], report["provider"]), (outcome, attempts[-1][0] if outcome == "DELIVERED" else None), "report")
    equal(world.simulator.get("/stats")["requests"], before, "requests at providers")


if __name__ == "__main__":
    main(parallel_any, parallel_all, send_at, hold, pause_tenant, pause_provider, pause_rule, window, step_reports, validity,
         sandbox)
