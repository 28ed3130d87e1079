#!/usr/bin/python3
"""Receipts end to end: order, duplicates, lateness, correction, and the failover they cause."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until


def happy_path(world: World) -> None:
    """a delivered receipt ends the cascade on its first channel, and the tenant is told once"""
    cascade = world.start(key="happy")
    status = world.ends(cascade, "DELIVERED", "email")
    equal(status["step"], 1, "step")
    equal(status["key"], "happy", "key")
    equal(status["duplicate_contact"], False, "duplicate contact")
    equal(world.contacts(cascade), ["email"], "contacts")
    report = world.wait_report(cascade, "message.delivered")["data"]
    expected = {"cascade_id": cascade, "key": "happy", "outcome": "DELIVERED", "channel": "email", "step": 1,
                "attempt": 1, "provider": "email", "state": "delivered", "sequence": 1,
                "provider_message_id": world.requests(cascade)[0]["message_id"]}
    equal({name: report.get(name) for name in expected}, expected, "report")
    wait_until(lambda: world.status(cascade)["report"]["state"] == "delivered", what="report state delivered")


def hard_failure(world: World) -> None:
    """an undeliverable receipt fails over to the next channel at once"""
    cascade = world.start({"email": "undeliverable"})
    world.ends(cascade, "DELIVERED", "sms")
    equal(world.contacts(cascade), ["email", "sms"], "contacts")
    first, second = world.requests(cascade)
    check(second["time"] - first["time"] < 0.9, "sms waited for the timer of the email step")
    equal(world.attempt(cascade, 1)["failure_kind"], "hard", "failure kind")


def timer(world: World) -> None:
    """no receipt within the timeout fails over by the durable timer"""
    cascade = world.start({"email": "no_dlr"})
    world.ends(cascade, "DELIVERED", "sms")
    first, second = world.requests(cascade)
    gap = second["time"] - first["time"]
    check(1.0 <= gap < 2.5, f"sms came {gap:.3f} s after email, the timeout is 1 s")
    check("TimerFired" in world.history(cascade), "no TimerFired in the history")


def exhausted(world: World) -> None:
    """after the last channel the outcome is EXHAUSTED and the tenant gets message.failed"""
    cascade = world.start({"email": "undeliverable", "sms": "no_dlr", "push": "undeliverable"})
    world.ends(cascade, "EXHAUSTED")
    equal(world.contacts(cascade), ["email", "sms", "push"], "contacts")
    equal(world.wait_report(cascade, "message.failed")["data"]["outcome"], "EXHAUSTED", "reported outcome")


def soft_failure(world: World) -> None:
    """a soft failure is a new attempt, then the next provider of the channel, then the next channel"""
    world.provider("email_b", "email", position=2)
    world.rule("two_providers", {"channel": "email", "providers": ["email", "email_b"]}, "sms")
    again = world.start({"email": ["failed", "accept"]}, "two_providers")
    world.ends(again, "DELIVERED", "email")
    keys = {request["key"] for request in world.requests(again)}
    equal(len(keys), 2, "idempotency keys of two attempts")

    cascade = world.start({"email": "failed"}, "two_providers")
    world.ends(cascade, "DELIVERED", "sms")
    providers = [attempt["provider"] for attempt in world.status(cascade)["attempts"]]
    check(providers[0] == "email" and "email_b" in providers and providers[-1] == "sms", f"providers {providers}")
    equal(providers, sorted(providers, key=["email", "email_b", "sms"].index), "order of providers")


def late_success(world: World) -> None:
    """a late success of step 1 completes the cascade while step 2 runs, with duplicate_contact"""
    cascade = world.start({"email": {"receipts": [{"status": "delivered", "after": 1.5}]}, "sms": "no_dlr"})
    status = world.ends(cascade, "DELIVERED", "email")
    equal(status["step"], 1, "step")
    equal(status["duplicate_contact"], True, "duplicate contact")
    equal(world.contacts(cascade), ["email", "sms"], "contacts")
    equal(world.wait_report(cascade, "message.delivered")["data"]["duplicate_contact"], True, "reported")


def late_failure(world: World) -> None:
    """a late failure of step 1 does not end step 2"""
    cascade = world.start({"email": {"receipts": [{"status": "undeliverable", "after": 1.3}]},
                           "sms": {"receipts": [{"status": "delivered", "after": 0.8}]}})
    world.ends(cascade, "DELIVERED", "sms")
    equal(world.attempt(cascade, 1)["state"], "undeliverable", "state of attempt 1")
    equal(world.contacts(cascade), ["email", "sms"], "contacts")


def scoped(world: World) -> None:
    """a failed receipt does not end a cascade as delivered; a late receipt of step 1, whatever it says, does not end step 2"""
    once = {"timeout": "30s", "retry": {"maximum_attempts": 1}}
    world.rule("scoped", {"channel": "email"} | once, {"channel": "sms"} | once, {"channel": "push"} | once,
               late_success="ignore")
    cascade = world.start({channel: "no_dlr" for channel in ("email", "sms", "push")}, "scoped")
    world.wait_attempt(cascade, 1, phase="answered")
    equal(world.signal(cascade, status="failed", attempt=1), "applied", "failed receipt of step 1")
    world.wait_attempt(cascade, 2, phase="answered")
    for status in ("sent", "failed", "undeliverable", "delivered", "read"):
        world.signal(cascade, status=status, attempt=1, timestamp="2099-01-01T00:00:00Z")
        now = world.status(cascade)
        equal((now["status"], now["step"]), ("RUNNING", 2), f"cascade after a late {status} of step 1")
    equal(world.attempt(cascade, 1)["state"], "read", "state of attempt 1: recorded all the same")
    equal(world.attempt(cascade, 2)["state"], "accepted", "state of attempt 2")
    equal(world.signal(cascade, status="undeliverable", attempt=2), "applied", "failed receipt of step 2")
    world.wait_attempt(cascade, 3, phase="answered")
    equal(world.signal(cascade, status="rejected", attempt=3), "applied", "failed receipt of step 3")
    world.ends(cascade, "EXHAUSTED")
    world.wait_report(cascade, "message.failed")
    equal(world.contacts(cascade), ["email", "sms", "push"], "contacts")


def duplicate(world: World) -> None:
    """a receipt posted three times takes effect once"""
    cascade = world.start({"email": "duplicate_dlr"})
    world.ends(cascade, "DELIVERED", "email")
    equal(sorted(world.wait_dlrs(cascade, 3)), ["applied", "duplicate", "duplicate"], "results")
    world.wait_report(cascade, "message.delivered")


def before_the_answer(world: World) -> None:
    """a receipt committed before the provider's answer is stored is not lost"""
    cascade = world.start({"email": {"receipts_first": True, "delay": 0.3}})
    world.ends(cascade, "DELIVERED", "email")
    equal(world.contacts(cascade), ["email"], "contacts")
    world.wait_report(cascade, "message.delivered")


def before_the_answer_by_provider_id(world: World) -> None:
    """a receipt that knows only the provider's id waits for the answer that stores it"""
    url = f"{world.application.url}/dlr/email"
    cascade = world.start({"email": {"receipts_first": True, "delay": 0.3, "dlr_url": url}})
    world.ends(cascade, "DELIVERED", "email")
    equal(world.dlr_results(cascade), ["buffered"], "results")


def by_provider_id(world: World) -> None:
    """apply_receipt finds the attempt by provider and message id, and only at that provider"""
    cascade = world.start({"email": "no_dlr"})
    attempt = world.wait_attempt(cascade, 1, phase="answered")
    message_id = attempt["provider_message_id"]
    statement = "SELECT hermes.apply_receipt(%s, %s, %s)::text"
    equal(world.value(statement, "sms", message_id, Jsonb({"status": "delivered"})), "buffered", "at another provider")
    equal(world.status(cascade)["status"], "RUNNING", "status after a foreign receipt")
    equal(world.value(statement, "email", message_id, Jsonb({"status": "delivered"})), "applied", "result")
    world.ends(cascade, "DELIVERED", "email")


def after_the_end(world: World) -> None:
    """a success after the end corrects the outcome and sends message.status_corrected"""
    cascade = world.start({"email": "undeliverable", "sms": "undeliverable",
                           "push": {"receipts": [{"status": "delivered", "after": 2.0}]}})
    world.ends(cascade, "EXHAUSTED")
    world.wait_report(cascade, "message.failed")
    corrected = world.wait_report(cascade, "message.status_corrected")["data"]
    equal((corrected["outcome"], corrected["sequence"]), ("DELIVERED", 2), "correction")
    status = world.status(cascade)
    equal((status["outcome"], status["corrected_outcome"]), ("EXHAUSTED", "DELIVERED"), "outcomes")


def bounce_after_the_end(world: World) -> None:
    """an asynchronous bounce of an email corrects DELIVERED; a late failure of an sms does not"""
    bounce = {"receipts": [{"status": "delivered"}, {"status": "undeliverable", "after": 0.5}]}
    cascade = world.start({"email": bounce})
    world.ends(cascade, "DELIVERED", "email")
    world.wait_report(cascade, "message.status_corrected")
    equal(world.status(cascade)["outcome"], "DELIVERED", "first outcome")

    stays = world.start({"email": "reject", "sms": bounce})
    world.ends(stays, "DELIVERED", "sms")
    equal(world.wait_dlrs(stays, 2), ["applied", "conflict"], "results")
    equal(world.status(stays)["corrected_outcome"], None, "corrected outcome")


def told_once(world: World) -> None:
    """what comes after the end and changes nothing is recorded, and the tenant is not told again"""
    read = world.start({"email": {"receipts": [{"status": "delivered"}, {"status": "read", "after": 0.4}]}})
    both = world.start({"email": {"receipts": [{"status": "delivered", "after": 1.6}]}})
    world.ends(read, "DELIVERED", "email")
    world.ends(both, "DELIVERED", "sms")
    world.wait_dlrs(read, 2)
    world.wait_dlrs(both, 2)
    wait_until(lambda: world.attempt(read, 1)["state"] == "read", what="the state read")
    wait_until(lambda: world.attempt(both, 1)["state"] == "delivered", what="the second success")
    world.wait_report(world.start(), "message.delivered")  # a later report: an earlier one would have come before
    for cascade in (read, both):
        equal([webhook["body"]["type"] for webhook in world.webhooks(cascade)], ["message.delivered"], "webhooks")
        equal(world.status(cascade)["corrected_outcome"], None, "corrected outcome")
        equal(world.history(cascade).count("CascadeCompleted"), 1, "completions")


def parked(world: World) -> None:
    """an unknown status word is parked and changes nothing"""
    cascade = world.start({"email": "no_dlr"})
    world.wait_attempt(cascade, 1, phase="answered")
    equal(world.signal(cascade, status="DELIVERED_TO_OPERATOR", attempt=1), "parked", "result")
    equal(world.signal(cascade, status="delivered", attempt=7), "unmatched", "result for an attempt that is not there")
    equal(world.signal(cascade, status="delivered", attempt=1), "applied", "result")
    world.ends(cascade, "DELIVERED", "email")


if __name__ == "__main__":
    main(happy_path, hard_failure, timer, exhausted, soft_failure, late_success, late_failure, scoped, duplicate,
         before_the_answer, before_the_answer_by_provider_id, by_provider_id, after_the_end,
         bounce_after_the_end, told_once, parked)
