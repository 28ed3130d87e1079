#!/usr/bin/python3
"""The suppression list, fed by receipts and answers, M7 of the messaging model.

What must not be sent is looked for where it would have arrived: at the providers' HTTP APIs.
"""

from __future__ import annotations

import itertools
import secrets

from harness import TENANT, World, check, equal, main, wait_until
from native_peers import Answer, Row, sendgrid, sendgrid_event, twilio
from recipients import Cascade, Peers, Person, prepare, results, rows

STOP, UNKNOWN_NUMBER = "21610", "30005"


def suppressed(world: World, channel: str, address: str, category: str = "", tenant: str | None = TENANT) -> bool:
    return bool(world.value("SELECT hermes.is_suppressed(%s, %s, %s, %s)", tenant, channel, address, category))


def m7_first_entry(world: World) -> None:
    """M7 the very first entry of the list holds back what is claimed after its commit, and nothing before"""
    person = Person()
    equal(world.value("SELECT count(*) FROM hermes.suppressions"), 0, "entries")
    with world.transaction() as open_transaction:
        open_transaction.execute("SELECT hermes.suppress(%s, 'sms', %s)", (TENANT, person.phone))
        Cascade(world, "plain", person).ends_by_text()
        open_transaction.commit()
    later = Cascade(world, "plain", person)
    later.ends_by_mail(2, "suppressed_manual")
    equal(person.texts(), 1, "texts")
    check(world.value("SELECT hermes.unsuppress(%s, 'sms', %s)", TENANT, person.phone), "was suppressed")
    Cascade(world, "plain", person).ends_by_text()


def m7_opt_out(world: World) -> None:
    """M7 an opt-out told by a receipt of step 1 suppresses the next cascade's step 1: step 2 is used, nothing reaches the provider"""
    person = Person()
    first = Cascade(world, "plain", person)
    sid = first.wait_answered(1)
    equal(rows("tw", twilio(sid, "undelivered", STOP, To=person.phone)),
          [Row(first.id, 1, "rejected", "policy", "applied")], "rows")
    check(suppressed(world, "sms", person.phone), "the receipt's transaction has suppressed the number")
    first.ends_by_mail(2)
    before = person.texts()
    for notation in (person.phone, person.phone.replace("+", "00"), f"{person.phone[:5]} - {person.phone[5:]}"):
        later = Cascade(world, "plain", person, to={"sms": notation, "email": person.mail})
        later.ends_by_mail(2, "suppressed_opt_out")
        attempt = world.attempt(later.id, 1)
        equal((attempt["state"], attempt["reason"], attempt.get("estimated_cost")), ("canceled", "suppressed_opt_out", None),
              "the attempt that was not sent")
    equal(person.texts(), before, "texts")
    entry = world.sql("SELECT tenant, channel, address, category, reason, source, cascade_id::text FROM hermes.suppressions "
                      "WHERE address = %s", person.phone)
    equal(entry, [(TENANT, "sms", person.phone, "", "opt_out", "receipt", first.id)], "the entry")
    # other tenants are not concerned, nor other channels, nor other people
    Cascade(world, "plain", person, tenant=None).ends_by_text()
    check(not suppressed(world, "email", person.mail), "mail is not suppressed")


def m7_hard_failure(world: World) -> None:
    """M7 a number that a receipt without a recipient calls unknown is the message's; other addresses of the person are used"""
    person = Person()
    first = Cascade(world, "plain", person)
    receipt = twilio(first.wait_answered(1), "undelivered", UNKNOWN_NUMBER)
    receipt.body = receipt.body.replace("To=%2B15005550006", "Ignored=1")
    equal(results("tw", receipt), ["applied"], "result")
    first.ends_by_mail(2)
    Cascade(world, "plain", person).ends_by_mail(2, "suppressed_invalid_address")
    equal(person.texts(), 1, "texts")
    Cascade(world, "plain", person, priority="otp").ends_by_mail(2, "suppressed_invalid_address")
    equal(person.texts(), 1, "texts, also with an OTP")


def m7_side_effects(world: World) -> None:
    """M7 unsubscribing, complaining and coming back are no states of the message: the list changes, the cascade does not"""
    person = Person()
    first = Cascade(world, "mail_news", person)
    message_id = first.wait_answered(1)

    def event(name: str) -> list[Row]:
        return rows("sg", sendgrid(sendgrid_event(message_id, name, email=person.mail.upper())))

    equal(event("unsubscribe"), [Row(first.id, 1, None, None, "applied")], "rows")
    equal(event("unsubscribe"), [Row(first.id, 1, None, None, "duplicate")], "rows of a repetition")
    equal(world.attempt(first.id, 1)["state"], "accepted", "state")
    check(suppressed(world, "email", person.mail, "newsletter"), "the newsletter is suppressed")
    check(not suppressed(world, "email", person.mail), "other mail is not")
    second = Cascade(world, "mail_news", person)  # the mail is skipped, the text goes out
    results("tw", twilio(second.wait_answered(2), "delivered", To=person.phone))
    world.ends(second.id, "DELIVERED", "sms")
    equal(second.skipped(), [(1, "suppressed_opt_out")], "skipped")
    equal(person.mails(), 1, "mails")
    for rule, priority in (("mail_first", None), ("mail_news", "otp")):  # another category; an OTP
        other = Cascade(world, rule, person, priority=priority)
        results("sg", sendgrid(sendgrid_event(other.wait_answered(1), "delivered", email=person.mail)))
        world.ends(other.id, "DELIVERED", "email")
    equal(event("group_resubscribe"), [Row(first.id, 1, None, None, "applied")], "rows")
    check(not suppressed(world, "email", person.mail, "newsletter"), "and back")
    equal(event("spamreport"), [Row(first.id, 1, None, None, "applied")], "rows")
    for priority in (None, "otp"):
        last = Cascade(world, "mail_first", person, priority=priority)
        results("tw", twilio(last.wait_answered(2), "delivered", To=person.phone))
        equal(last.skipped(), [(1, "suppressed_complaint")], "skipped")
    equal(person.mails(), 3, "mails")
    equal(results("sg", sendgrid(sendgrid_event(message_id, "delivered"))), ["applied"], "the message goes on as ever")
    world.ends(first.id, "DELIVERED", "email")


def m7_early_receipt(world: World) -> None:
    """M7 an opt-out that comes before its attempt is stored takes effect with it"""
    person = Person()
    sid = "SM" + secrets.token_hex(16)
    Peers.providers.script("tw", person.phone, [
        Answer(ids=[sid], first=lambda _: [twilio(sid, "undelivered", STOP, To=person.phone)])])
    first = Cascade(world, "plain", person)
    first.ends_by_mail(2)
    with Peers.handler.lock:
        early = [post.rows[0].result for post in Peers.handler.posts if post.provider == "tw"][-1]
    equal(early, "buffered", "result")
    wait_until(lambda: suppressed(world, "sms", person.phone), what="the opt-out")
    Cascade(world, "plain", person).ends_by_mail(2, "suppressed_opt_out")
    equal(person.texts(), 1, "texts")


def m7_answer(world: World) -> None:
    """M7 what the answer to a send says of the address counts as a receipt does"""
    person = Person()
    Peers.providers.script("tw", person.phone, [
        Answer(400, {"code": int(STOP), "message": "unsubscribed recipient", "status": 400})])
    first = Cascade(world, "plain", person)
    first.ends_by_mail(2)
    equal(world.sql("SELECT reason, source, cascade_id::text FROM hermes.suppressions WHERE address = %s", person.phone),
          [("opt_out", "answer", first.id)], "the entry")
    Cascade(world, "plain", person).ends_by_mail(2, "suppressed_opt_out")
    equal(person.texts(), 1, "texts")


def m7_every_tenant(world: World) -> None:
    """M7 an entry for every tenant holds back each of them; verbs for many addresses take effect at their commit"""
    people = [Person() for _ in range(20)]
    added = world.value("SELECT hermes.suppress_many('*', 'sms', %s, reason => 'complaint')", [p.phone for p in people])
    equal(added, len(people), "added")
    for person, tenant in zip(people, itertools.cycle([TENANT, None, "another"])):
        Cascade(world, "plain", person, tenant=tenant).ends_by_mail(2, "suppressed_complaint")
    equal(sum(person.texts() for person in people), 0, "texts")


if __name__ == "__main__":
    main(prepare, m7_first_entry, m7_opt_out, m7_hard_failure, m7_side_effects, m7_early_receipt, m7_answer, m7_every_tenant)
