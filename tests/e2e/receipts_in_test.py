#!/usr/bin/python3
"""Receipts as providers post them, and answers as they give them: R1 to R12 and M1 to M5 of the messaging model.

Each receipt goes through a real HTTP handler that calls hermes.receive_receipts. No provider here has a "response" in its
configuration: its connector reads its answers.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from harness import TENANT, World, check, equal, main, never, wait_until
from native_peers import (SPEECH, Answer, Providers, Receipt, ReceiptHandler, Row, Send, basic, sendgrid, sendgrid_event,
                          smpp, twilio, twilio_signed, vonage, vonage_signed, whatsapp)

DLR_ROLE = "e2e_dlr"
APP_SECRET = "meta-app-secret"
CREDENTIALS = "dlr:pass word"
SMS: dict[str, Any] = {"channel": "sms", "providers": ["tw"], "timeout": "60s"}
PARTS = SMS | {"providers": ["vonage"]}
MAIL: dict[str, Any] = {"channel": "email", "providers": ["sg"], "timeout": "60s"}
CHAT: dict[str, Any] = {"channel": "chat", "providers": ["wa"], "timeout": "60s"}
ONCE = {"retry": {"maximum_attempts": 1}}


class Peers:
    """The two peers of this file, made by `prepare`."""

    handler: ReceiptHandler
    providers: Providers


class Cascade:
    """One cascade to a recipient of its own."""

    def __init__(self, world: World, rule: str, scripts: dict[str, Sequence[Answer]] | None = None,
                 key: str | None = None, to: str | None = None) -> None:
        self.world = world
        self.to = to or f"user-{secrets.token_hex(6)}"
        for account, answers in (scripts or {}).items():
            Peers.providers.script(account, self.to, answers)
        self.id = str(world.value("SELECT hermes.start_cascade(%s, %s, %s, %s)::text", rule,
                                  Jsonb({"to": self.to, "text": "hello"}), key, TENANT))

    def sent(self, account: str | None = None) -> list[Send]:
        return Peers.providers.sent(self.to, account)

    def wait_sent(self, account: str, count: int = 1) -> list[Send]:
        wait_until(lambda: len(self.sent(account)) >= count, what=f"send {count} of {self.id} at {account}")
        return self.sent(account)

    def accounts(self) -> list[str]:
        return [send.account for send in self.sent()]

    def answered(self, number: int = 1) -> str:
        """The provider's message id, once the answer is stored."""
        return str(self.world.wait_attempt(self.id, number, phase="answered")["provider_message_id"])

    def attempt(self, number: int = 1) -> dict[str, Any]:
        return self.world.attempt(self.id, number)

    def reference(self, number: int = 1) -> str:
        return f"{self.id}-{number}"

    def status(self) -> dict[str, Any]:
        return self.world.status(self.id)

    def check_running(self, why: str) -> None:
        equal(self.status()["status"], "RUNNING", f"status {why}")

    def ends(self, outcome: str, channel: str | None = None) -> dict[str, Any]:
        return self.world.ends(self.id, outcome, channel)

    def cancel(self) -> str:
        return str(self.world.value("SELECT hermes.cancel_cascade(%s)::text", self.id))

    def count(self, event: str) -> int:
        return self.world.history(self.id).count(event)


def rows(account: str, receipt: Receipt, status: int = 200) -> list[Row]:
    """Posts a receipt; the handler's rows."""
    post = Peers.providers.post(account, receipt)
    if post.status != status:
        with Peers.handler.lock:
            told = Peers.handler.posts[-1].error
        raise AssertionError(f"the handler answered {post.status}, expected {status}: {told}")
    return post.rows


def results(account: str, *receipts: Receipt) -> list[str]:
    return [row.result for receipt in receipts for row in rows(account, receipt)]


def of(*texts: str) -> list[str]:
    return list(texts)


def corrections(world: World, cascade: Cascade) -> list[str]:
    return [webhook["body"]["data"]["outcome"] for webhook in world.webhooks(cascade.id)
            if webhook["processed"] and webhook["body"]["type"] == "message.status_corrected"]


def waiting(world: World, message_id: str) -> int:
    return int(world.value("SELECT count(*) FROM hermes.receipt_inbox WHERE provider_message_id = %s", message_id))


def prepare(world: World) -> None:
    """the providers' APIs and the receipt handler serve HTTP"""
    world.sql(f"CREATE ROLE {DLR_ROLE} LOGIN IN ROLE hermes_app")
    world.sql("SELECT hermes.grant_tenant(%s, '*')", DLR_ROLE)
    world.sql("SELECT hermes.set_secret('meta', %s), hermes.set_secret('dlr_basic', %s)", APP_SECRET, CREDENTIALS)
    Peers.handler = ReceiptHandler(world.cluster.dsn(DLR_ROLE))
    Peers.providers = Providers(Peers.handler.url)
    world.peers += [Peers.handler, Peers.providers]  # type: ignore[list-item]  # stopped with the others
    account(world, "tw", "twilio", "sms", "twilio", 11)
    account(world, "tw_b", "twilio", "sms", "twilio", 12)
    account(world, "vonage", "vonage", "sms", "vonage_sms", 13)
    account(world, "vonage_any", "vonage", "sms", "vonage_sms", 14, receipts={"part_mode": "any"})
    account(world, "vonage_one", "vonage", "sms", "vonage_sms", 15, receipts={"part_mode": "provider"})
    account(world, "smsc", "gateway", "sms", "smpp", 16, receipts={
        "connector_id_base": {"answer": "hex", "receipt": "dec"}, "connector_err_map": {"001": ["hard", "unknown_subscriber"]}})
    account(world, "smsc_plain", "gateway", "sms", "smpp", 18)
    account(world, "sg", "sendgrid", "email", "sendgrid", 11)
    account(world, "wa", "whatsapp", "chat", "whatsapp", 1, receipts={"secret": "meta"})
    world.rule("sms", SMS | ONCE, MAIL)
    world.rule("mail", MAIL | ONCE)
    world.rule("mail_sms", MAIL, SMS)
    world.rule("parts", PARTS | ONCE, MAIL)
    world.rule("failures_twilio", SMS | {"providers": ["tw", "tw_b"]}, MAIL)
    cascade = Cascade(world, "sms")
    equal(results("tw", twilio(cascade.answered(), "delivered")), ["applied"], "result")
    cascade.ends("DELIVERED", "sms")


def account(world: World, name: str, speech: str, channel: str, connector: str, position: int, **changes: Any) -> None:
    Peers.providers.accounts[name] = SPEECH[speech]
    form = speech == "twilio"
    body = {"To" if form else "to": "{{message.to}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"}
    config = {"kind": "http", "channel": channel, "position": position, "connector": connector, "timeout": "3s",
              "connect_timeout": "5s", "request": {"url": f"{Peers.providers.url}/{name}",
                                                   "encoding": "form" if form else "json", "body": body}} | changes
    world.sql("SELECT hermes.create_provider(%s, %s)", name, Jsonb(config))


# ---- R1 to R12 ----


def r1_rank(world: World) -> None:
    """R1 receipts count by rank, whatever the order they come in; at equal rank the later one by the provider's clock"""
    world.rule("read", SMS | {"success_on": "read"})
    ranks = {"queued": 10, "sent": 20, "delivered": 50}
    for order in itertools.permutations(ranks):
        cascade = Cascade(world, "read")
        sid = cascade.answered()
        rank, expected = 10, []  # the answer said accepted
        for word in order:
            expected.append("applied" if ranks[word] > rank else "stale")
            rank = max(rank, ranks[word])
        equal(results("tw", *(twilio(sid, word) for word in order)), expected, f"results of {order}")
        equal(cascade.attempt()["state"], "delivered", f"state after {order}")
        cascade.check_running("before the read receipt")
        equal(results("tw", twilio(sid, "read")), ["applied"], "result of read")
        cascade.ends("DELIVERED", "sms")
    older, newer = ("buffered", "2026-01-01 12:00:00"), ("accepted", "2026-01-01 12:00:05")
    for order, expected in (((older, newer), of("applied", "applied")), ((newer, older), of("applied", "stale"))):
        cascade = Cascade(world, "parts")
        part = cascade.answered()
        equal(results("vonage", *(vonage(part, word, at=at) for word, at in order)), expected, f"results of {order}")
        equal(cascade.attempt()["state"], "sent", f"state after {order}")
        cascade.cancel()


def r2_duplicate(world: World) -> None:
    """R2 the same receipt again is acknowledged and does nothing, also when copies come at the same time"""
    cascade = Cascade(world, "sms")
    receipt = twilio(cascade.answered(), "delivered")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(results("tw", receipt))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(Counter(found), Counter(applied=1, duplicate=7), "results of eight copies")
    cascade.ends("DELIVERED", "sms")
    equal(results("tw", receipt), ["duplicate"], "result after the end")
    equal(cascade.count("CascadeCompleted"), 1, "completions")
    world.wait_report(cascade.id, "message.delivered")

    mail = Cascade(world, "mail")  # by the provider's own event id, whatever else it says
    message_id = mail.answered()
    event = sendgrid_event(message_id, "deferred", timestamp=1767225600, attempt=1)
    equal(results("sg", sendgrid(event, event | {"timestamp": 1767225999, "attempt": 2}), sendgrid(event)),
          ["applied", "duplicate", "duplicate"], "results of one event")
    equal(results("sg", sendgrid(sendgrid_event(message_id, "deferred", timestamp=1767226000))), ["applied"],
          "result of another event of the same word")
    mail.cancel()


def r3_correction(world: World) -> None:
    """R3 failed, then delivered is corrected; delivered, then failed is a conflict, unless the channel can revoke (email)"""
    cascade = Cascade(world, "sms")
    sid = cascade.answered()
    equal(rows("tw", twilio(sid, "undelivered", "30003"))[0].kind, "soft", "failure kind")
    cascade.wait_sent("sg")
    equal(results("tw", twilio(sid, "delivered")), ["corrected"], "failed, then delivered")
    status = cascade.ends("DELIVERED", "sms")
    equal(status["duplicate_contact"], True, "duplicate contact")
    equal(results("tw", twilio(sid, "undelivered", "30005")), ["conflict"], "delivered, then failed")
    equal(cascade.attempt()["state"], "delivered", "state after the conflict")
    equal(cascade.status()["corrected_outcome"], None, "corrected outcome after the conflict")

    mail = Cascade(world, "mail")
    message_id = mail.answered()
    equal(results("sg", sendgrid(sendgrid_event(message_id, "delivered"))), ["applied"], "delivered")
    mail.ends("DELIVERED", "email")
    bounce = sendgrid_event(message_id, "bounce", type="bounce", status="5.1.1", timestamp=int(time.time()) + 60)
    equal(results("sg", sendgrid(bounce)), ["corrected"], "delivered, then bounced")
    equal((mail.status()["outcome"], mail.status()["corrected_outcome"]), ("DELIVERED", "EXHAUSTED"), "outcomes")


def r4_early_by_id(world: World) -> None:
    """R4 receipts that know only the provider's id and come before the answer wait for it"""
    for _ in range(3):
        sid = "SM" + secrets.token_hex(16)
        seen = len(Peers.handler.posts)
        cascade = Cascade(world, "sms", {"tw": [Answer(ids=[sid], delay=0.2, first=lambda _, sid=sid: [
            twilio(sid, "sent"), twilio(sid, "delivered")])]})
        cascade.ends("DELIVERED", "sms")
        equal([row.result for post in Peers.handler.posts[seen:] for row in post.rows], ["buffered", "buffered"], "results")
        wait_until(lambda: cascade.count("ReceiptRecorded") == 2, what="both receipts in the history")
        wait_until(lambda sid=sid: waiting(world, sid) == 0, what="an empty inbox")
        equal(cascade.accounts(), ["tw"], "sends")
        world.wait_report(cascade.id, "message.delivered")


def r4_early_by_reference(world: World) -> None:
    """R4 with our reference in the receipt there is no race: it is applied before the answer"""
    seen = len(Peers.handler.posts)
    cascade = Cascade(world, "mail", {"sg": [Answer(delay=0.3, first=lambda reference: [
        sendgrid(sendgrid_event("not-known-yet", "delivered", attempt_id=reference))])]})
    cascade.ends("DELIVERED", "email")
    equal([row.result for post in Peers.handler.posts[seen:] for row in post.rows], ["applied"], "results")
    world.wait_attempt(cascade.id, 1, state="delivered")
    wait_until(lambda: "SendCompleted" in world.history(cascade.id), what="the late answer in the history")
    equal(len(cascade.sent()), 1, "sends")


def r4_mixed(world: World) -> None:
    """R4 one post with a receipt of a known message, one that is early and one of nobody: each is taken for what it is"""
    known = Cascade(world, "mail")
    known_id, early_id = known.answered(), "early-" + secrets.token_hex(6)
    early = Cascade(world, "mail", {"sg": [Answer(ids=[early_id], delay=0.3, first=lambda _: [sendgrid(
        sendgrid_event(known_id, "delivered"), sendgrid_event(early_id, "delivered"), sendgrid_event("nobody", "delivered"))])]})
    early.ends("DELIVERED", "email")
    known.ends("DELIVERED", "email")
    with Peers.handler.lock:
        posted = [[row.result for row in post.rows] for post in Peers.handler.posts[-1:]]
    equal(posted, [["applied", "buffered", "buffered"]], "results")
    equal(waiting(world, "nobody"), 1, "waiting receipts of nobody")


def r5_account(world: World) -> None:
    """R5 a receipt completes attempts of its own account only, by id and by reference, and ids are not guessed"""
    world.rule("sms_b", SMS | {"providers": ["tw_b"]})
    sid = "SM" + secrets.token_hex(16)
    cascade = Cascade(world, "sms", {"tw": [Answer(ids=[sid])]})
    other = Cascade(world, "sms_b", {"tw_b": [Answer(ids=[sid])]})  # the same id at another account
    cascade.answered()
    other.answered()
    (row,) = rows("tw_b", twilio(sid, "delivered"))
    equal((row.cascade, row.result), (other.id, "applied"), "the account's own message")
    other.ends("DELIVERED", "sms")
    cascade.check_running("after a receipt of another account")
    equal(results("tw_b", twilio(sid, "read", attempt_id=cascade.reference())), ["unmatched"], "reference at another account")
    equal(results("tw", twilio(sid.upper(), "delivered"), twilio(sid[:-1], "delivered"), twilio(sid + "0", "delivered")),
          ["buffered"] * 3, "ids that are not the same text")
    equal(cascade.attempt()["state"], "accepted", "state")
    equal(results("tw", twilio(sid, "delivered")), ["applied"], "result")
    cascade.ends("DELIVERED", "sms")


def r5_conversion(world: World) -> None:
    """R5 ids that the account writes in another base, or with zeros, are found by the declared conversion, exact text first"""
    world.rule("smsc", SMS | {"providers": ["smsc"]} | ONCE, MAIL)
    number = (1 << 24) + secrets.randbelow(1 << 24)
    cascade = Cascade(world, "smsc", {"smsc": [Answer(ids=[f"{number:010X}"])]})
    cascade.answered()
    equal(results("smsc", smpp(f"id:{number + 1} stat:DELIVRD err:000"), smpp(f"id:{number} stat:DELIVRD", esm_class=0)),
          ["buffered", "ignored"], "another number; a message of a person")
    equal(results("smsc", smpp(f"id:{number:010X} sub:001 dlvrd:000 stat:ENROUTE err:000 text:")), ["applied"], "the same text")
    cascade.check_running("before the decimal receipt")
    equal(results("smsc", smpp(f"id:{number:012d} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 "
                               "stat:DELIVRD err:000 text:hello")), ["applied"], "decimal with zeros")
    cascade.ends("DELIVERED", "sms")

    failed = Cascade(world, "smsc", {"smsc": [Answer(ids=[f"{number + 7:x}"])]})
    failed.answered()
    (row,) = rows("smsc", smpp(f"id:{number + 7} stat:UNDELIV err:001"))
    equal((row.state, row.kind, row.result), ("undeliverable", "hard", "applied"), "the account's own error code")
    failed.wait_sent("sg")


def r5_early_conversion(world: World) -> None:
    """R5 with R4: an early receipt in another spelling of the id finds the answer: other zeros, another base"""
    number = (1 << 24) + secrets.randbelow(1 << 24)
    for name, answered, reported in (("smsc_plain", f"{number:08X}", f"{number:012X}"), ("smsc", f"{number:08X}", f"{number:010d}")):
        world.rule("smsc_early", SMS | {"providers": [name]}, MAIL)
        cascade = Cascade(world, "smsc_early", {name: [Answer(ids=[answered], delay=0.2, first=lambda _, reported=reported: [
            smpp(f"id:{reported} stat:DELIVRD err:000")])]})
        cascade.ends("DELIVERED", "sms")
        equal(waiting(world, reported), 0, "receipts left in the inbox")


def r6_parked(world: World) -> None:
    """R6 an unknown word parks its receipt, the others of the post apply; once taught, it is read again"""
    one, two, three = (Cascade(world, "mail") for _ in range(3))
    ids = [cascade.answered() for cascade in (one, two, three)]
    word = "teleported-" + secrets.token_hex(3)
    post = sendgrid(sendgrid_event(ids[0], "delivered"), sendgrid_event(ids[1], word), 7, sendgrid_event(ids[2], "delivered"))
    equal(results("sg", post), ["applied", "parked", "parked", "applied"], "results")
    one.ends("DELIVERED", "email")
    three.ends("DELIVERED", "email")
    equal(two.attempt()["state"], "accepted", "state after a word that nobody knows")
    parked = world.sql("SELECT provider, reason, payload::jsonb ->> 'event' FROM hermes.receipts_parked WHERE "
                       "provider_message_id = %s", ids[1])
    equal(parked, [("sg", "unknown_status", word)], "parked")
    retry = "SELECT cascade_id::text, attempt, state, result::text FROM hermes.retry_parked_receipts('sg')"
    equal(world.sql(retry), [], "read again without being taught")
    world.sql("INSERT INTO hermes.connector_status (connector, status, state) VALUES ('sendgrid', %s, 'delivered')", word)
    equal(world.sql(retry), [(two.id, 1, "delivered", "applied")], "read again")
    two.ends("DELIVERED", "email")
    world.sql("DELETE FROM hermes.connector_status WHERE status = %s", word)


def r6_refused(world: World) -> None:
    """R6 what cannot be read and what is not signed is refused as a whole and changes nothing"""
    sms, chat_rule = Cascade(world, "sms"), "chat"
    world.rule(chat_rule, CHAT)
    chat = Cascade(world, chat_rule)
    sid, wamid = sms.answered(), chat.answered()
    before = world.value("SELECT count(*) FROM hermes.receipt_inbox")
    rows("tw", Receipt(f'{{"MessageSid": "{sid}", "MessageStatus": "delivered"', "application/json"), 400)
    rows("tw", Receipt("", "application/x-www-form-urlencoded"), 400)
    forged = whatsapp(wamid, "read", "another secret")
    rows("wa", forged, 401)
    rows("wa", Receipt(forged.body), 401)
    tampered = whatsapp(wamid, "sent", APP_SECRET)
    rows("wa", Receipt(tampered.body.replace("sent", "read"), headers=tampered.headers), 401)
    rows("nobody", twilio(sid, "delivered"), 503)
    equal(world.value("SELECT count(*) FROM hermes.receipt_inbox"), before, "rows in the inbox")
    equal([sms.attempt()["state"], chat.attempt()["state"]], ["accepted", "accepted"], "states")
    equal(results("wa", whatsapp(wamid, "delivered", APP_SECRET)), ["applied"], "the signed receipt")
    chat.ends("DELIVERED", "chat")
    equal(results("tw", twilio(sid, "delivered")), ["applied"], "the readable receipt")


def r7_thresholds(world: World) -> None:
    """R7 a step succeeds at its success_on and not before: accepted, sent, delivered, read"""
    words = ["sent", "delivered", "read"]
    for goal in ("accepted", *words):
        world.rule(f"on_{goal}", SMS | {"success_on": goal}, MAIL)
        cascade = Cascade(world, f"on_{goal}")
        sid = cascade.answered()
        for word in words[:words.index(goal) + 1] if goal != "accepted" else []:
            cascade.check_running(f"of a step with success_on {goal} before {word}")
            equal(results("tw", twilio(sid, word)), ["applied"], f"result of {word}")
        cascade.ends("DELIVERED", "sms")
        equal(world.wait_report(cascade.id, "message.delivered")["data"]["state"], goal, "reported state")
        equal(cascade.accounts(), ["tw"], "sends")


def r7_failures(world: World) -> None:
    """R7 hard and policy go to the next channel at once, soft after the attempts, config to the next provider"""
    world.rule("failures", SMS | {"providers": ["tw", "tw_b"], "retry": {"initial_interval": "100ms", "maximum_attempts": 2,
                                                                         "jitter": 0}}, MAIL)
    for code, kind, accounts in (("30005", "hard", ["tw", "sg"]), ("21610", "policy", ["tw", "sg"]),
                                 ("21606", "config", ["tw", "tw_b"])):
        cascade = Cascade(world, "failures")
        (row,) = rows("tw", twilio(cascade.answered(), "failed", code))
        equal((row.kind, row.result), (kind, "applied"), f"row of {code}")
        failed = time.monotonic()
        sends = cascade.wait_sent(accounts[1])
        check(sends[0].time - failed < 5, "the next send waited for a timer")
        equal(cascade.accounts(), accounts, f"sends after {code}")
        check(code in str(cascade.attempt()["reason"]), f"reason {cascade.attempt()['reason']}")
        cascade.cancel()
    soft = Cascade(world, "failures")
    for number, name in enumerate(("tw", "tw", "tw_b", "tw_b"), 1):
        equal(results(name, twilio(soft.answered(number), "undelivered", "30003")), ["applied"], f"attempt {number}")
    soft.wait_sent("sg")
    equal(soft.accounts(), ["tw", "tw", "tw_b", "tw_b", "sg"], "sends after soft failures")
    soft.cancel()


def r7_timer(world: World) -> None:
    """R7 deferred and unknown do not stop the timer"""
    world.rule("timer", PARTS | {"timeout": "2s"}, MAIL)
    for word, state in (("buffered", "deferred"), ("unknown", "unknown")):
        cascade = Cascade(world, "timer")
        part = cascade.answered()
        equal(results("vonage", vonage(part, word)), ["applied"], f"result of {word}")
        cascade.check_running(f"after {word}")
        equal(cascade.accounts(), ["vonage"], f"sends after {word}")
        (mail,) = cascade.wait_sent("sg")
        check(mail.time - cascade.sent("vonage")[0].time >= 1.9, "the next step did not wait for the timer")
        equal(cascade.attempt()["state"], state, "state")
        cascade.cancel()


def r7_unknown(world: World) -> None:
    """R7 on_unknown: success ends the step, failure goes on"""
    world.rule("unknown_success", PARTS | {"on_unknown": "success"}, MAIL)
    world.rule("unknown_failure", PARTS | {"on_unknown": "failure"} | ONCE, MAIL)
    success, failure = Cascade(world, "unknown_success"), Cascade(world, "unknown_failure")
    for cascade in (success, failure):
        equal(results("vonage", vonage(cascade.answered(), "unknown", "1")), ["applied"], "result")
    success.ends("DELIVERED", "sms")
    failure.wait_sent("sg")
    failure.cancel()


def r8_late(world: World) -> None:
    """R8 a late success of an earlier step ends the cascade, or is recorded only; a late failure is recorded only"""
    world.rule("late", SMS | {"timeout": "1s"}, MAIL)
    world.rule("late_ignored", SMS | {"timeout": "1s"}, MAIL, late_success="ignore")
    complete, ignore, failure = Cascade(world, "late"), Cascade(world, "late_ignored"), Cascade(world, "late")
    sids = {}
    for cascade in (complete, ignore, failure):
        sids[cascade.id] = cascade.answered()
        cascade.wait_sent("sg")
    equal(results("tw", twilio(sids[complete.id], "delivered")), ["applied"], "late success")
    status = complete.ends("DELIVERED", "sms")
    equal((status["step"], status["duplicate_contact"]), (1, True), "step and duplicate contact")
    equal(results("tw", twilio(sids[ignore.id], "delivered")), ["applied"], "late success that is ignored")
    equal(ignore.attempt()["state"], "delivered", "recorded state")
    equal(results("tw", twilio(sids[failure.id], "undelivered", "30005")), ["applied"], "late failure")
    equal(failure.attempt()["state"], "undeliverable", "recorded state")
    for cascade in (ignore, failure):
        cascade.check_running("after a late receipt")
        equal(results("sg", sendgrid(sendgrid_event(cascade.answered(2), "delivered"))), ["applied"], "the second step")
        cascade.ends("DELIVERED", "email")


def r9_after_the_end(world: World) -> None:
    """R9 a receipt after the end that changes the outcome corrects it, and the tenant is told; the first outcome stays"""
    world.rule("only_sms", SMS | {"timeout": "1s"} | ONCE)
    exhausted = Cascade(world, "only_sms")
    sid = exhausted.answered()
    exhausted.ends("EXHAUSTED")
    world.wait_report(exhausted.id, "message.failed")
    equal(results("tw", twilio(sid, "sent"), twilio(sid, "delivered")), ["applied", "corrected"], "results after the end")
    report = world.wait_report(exhausted.id, "message.status_corrected")["data"]
    equal((report["outcome"], report["channel"], report["attempt"], report["sequence"]), ("DELIVERED", "sms", 1, 2), "report")
    equal((exhausted.status()["outcome"], exhausted.status()["corrected_outcome"]), ("EXHAUSTED", "DELIVERED"), "outcomes")
    equal(results("tw", twilio(sid, "delivered"), twilio(sid, "read")), ["duplicate", "applied"], "what changes nothing more")

    mail = Cascade(world, "mail")
    message_id = mail.answered()
    equal(results("sg", sendgrid(sendgrid_event(message_id, "delivered"))), ["applied"], "delivered")
    world.wait_report(mail.id, "message.delivered")
    later = int(time.time()) + 60
    equal(results("sg", sendgrid(sendgrid_event(message_id, "bounce", status="5.1.1", timestamp=later))), ["corrected"], "bounce")
    equal(world.wait_report(mail.id, "message.status_corrected")["data"]["outcome"], "EXHAUSTED", "reported outcome")
    equal(corrections(world, exhausted), ["DELIVERED"], "corrections")


def r9_late_failure_ignored(world: World) -> None:
    """R9 late_failure ignore: an asynchronous bounce is recorded and nobody is told"""
    world.rule("quiet", MAIL, late_failure="ignore")
    mail = Cascade(world, "quiet")
    message_id = mail.answered()
    equal(results("sg", sendgrid(sendgrid_event(message_id, "delivered"))), ["applied"], "delivered")
    world.wait_report(mail.id, "message.delivered")
    later = int(time.time()) + 60
    equal(results("sg", sendgrid(sendgrid_event(message_id, "bounce", status="5.1.1", timestamp=later))), ["applied"], "bounce")
    equal(mail.attempt()["state"], "undeliverable", "state")
    equal(mail.status()["corrected_outcome"], None, "corrected outcome")
    loud = Cascade(world, "mail")  # a report that comes later: an earlier one would be there
    equal(results("sg", sendgrid(sendgrid_event(loud.answered(), "delivered"))), ["applied"], "delivered")
    world.wait_report(loud.id, "message.delivered")
    equal(corrections(world, mail), [], "corrections")


def parts_of(count: int) -> list[str]:
    return [secrets.token_hex(8).upper() for _ in range(count)]


def r10_all(world: World) -> None:
    """R10 mode all: the message is delivered when every part is, in any order, and each part counts once"""
    for order in ((0, 1, 2), (2, 0, 1)):
        ids = parts_of(3)
        cascade = Cascade(world, "parts", {"vonage": [Answer(ids=ids)]})
        cascade.answered()
        equal([part["provider_message_id"] for part in cascade.attempt().get("parts", [])] or ids, ids, "parts")
        for position in order[:2]:
            equal(results("vonage", vonage(ids[position], "accepted"), vonage(ids[position], "delivered")),
                  ["applied", "applied"], f"results of part {position}")
            equal(results("vonage", vonage(ids[position], "delivered")), ["duplicate"], "the same part again")
            cascade.check_running("with a part missing")
        equal(results("vonage", vonage(ids[order[2]], "delivered")), ["applied"], "the last part")
        cascade.ends("DELIVERED", "sms")
        equal(cascade.count("CascadeCompleted"), 1, "completions")
        equal(len(cascade.sent()), 1, "sends")


def r10_first_failure(world: World) -> None:
    """R10 mode all: the first part that fails for good fails the message; what the others say later changes nothing"""
    ids = parts_of(3)
    cascade = Cascade(world, "parts", {"vonage": [Answer(ids=ids)]})
    cascade.answered()
    equal(results("vonage", vonage(ids[0], "delivered"), vonage(ids[1], "rejected", "6")), ["applied", "applied"], "results")
    cascade.wait_sent("sg")
    equal((cascade.attempt()["state"], cascade.attempt()["failure_kind"]), ("rejected", "policy"), "state of the message")
    equal(results("vonage", vonage(ids[2], "delivered")), ["applied"], "the last part")
    equal(cascade.attempt()["state"], "rejected", "state of the message")
    cascade.check_running("with a part that was refused")
    equal(cascade.status()["step"], 2, "step")
    cascade.cancel()


def r10_any(world: World) -> None:
    """R10 mode any: one delivered part is enough; a failed one is not the end while others are out"""
    world.rule("parts_any", PARTS | {"providers": ["vonage_any"]} | ONCE, MAIL)
    ids = parts_of(3)
    cascade = Cascade(world, "parts_any", {"vonage_any": [Answer(ids=ids)]})
    cascade.answered()
    equal(results("vonage_any", vonage(ids[0], "failed", "8")), ["applied"], "a failed part")
    cascade.check_running("with two parts out")
    equal(cascade.accounts(), ["vonage_any"], "sends")
    equal(results("vonage_any", vonage(ids[2], "delivered")), ["applied"], "a delivered part")
    cascade.ends("DELIVERED", "sms")
    equal(rows("vonage_any", vonage(ids[1], "delivered"))[0].cascade, cascade.id, "cascade of the remaining part")

    failed = Cascade(world, "parts_any", {"vonage_any": [Answer(ids=parts_of(2))]})
    failed.answered()
    equal(results("vonage_any", *(vonage(part, "failed", "8") for part in failed.sent()[0].ids)), ["applied"] * 2, "results")
    failed.wait_sent("sg")
    failed.cancel()


def r10_provider(world: World) -> None:
    """R10 mode provider: the first id stands for the message"""
    world.rule("parts_provider", PARTS | {"providers": ["vonage_one"]}, MAIL)
    ids = parts_of(2)
    cascade = Cascade(world, "parts_provider", {"vonage_one": [Answer(ids=ids)]})
    cascade.answered()
    equal(results("vonage_one", vonage(ids[1], "delivered"), vonage(ids[0], "delivered")), ["buffered", "applied"], "results")
    cascade.ends("DELIVERED", "sms")


def r10_missing(world: World) -> None:
    """R10 a part that is not reported on in time: the timer takes the message to the next channel"""
    world.rule("parts_short", PARTS | {"timeout": "2s"} | ONCE, MAIL)
    ids = parts_of(2)
    cascade = Cascade(world, "parts_short", {"vonage": [Answer(ids=ids)]})
    cascade.answered()
    equal(results("vonage", vonage(ids[0], "delivered")), ["applied"], "one of two parts")
    cascade.wait_sent("sg")
    check(cascade.attempt()["state"] != "delivered", "half a message counts as delivered")
    equal(results("vonage", vonage(ids[1], "delivered")), ["applied"], "the late part")
    status = cascade.ends("DELIVERED", "sms")
    equal(status["duplicate_contact"], True, "duplicate contact")


def r10_early(world: World) -> None:
    """R10 with R4: parts that are reported before the answer count each, by id"""
    ids = parts_of(3)
    cascade = Cascade(world, "parts", {"vonage": [Answer(ids=ids, delay=0.2, first=lambda _: [
        vonage(ids[1], "delivered"), vonage(ids[0], "delivered")])]})
    wait_until(lambda: cascade.count("ReceiptRecorded") == 2, what="two early receipts")
    cascade.check_running("with a part missing")
    equal(results("vonage", vonage(ids[2], "delivered")), ["applied"], "the last part")
    cascade.ends("DELIVERED", "sms")


def r10_early_by_reference(world: World) -> None:
    """R10 with R4: what is reported before the answer with our reference is a part, or the message if it has one only"""
    ids = parts_of(2)
    cascade = Cascade(world, "parts", {"vonage": [Answer(ids=ids, delay=0.3, first=lambda reference: [
        vonage(ids[0], "delivered", ref=reference)])]})
    wait_until(lambda: "SendCompleted" in world.history(cascade.id), what="the answer in the history")
    cascade.check_running("with a part missing")
    equal(results("vonage", vonage(ids[1], "delivered", ref=cascade.reference())), ["applied"], "the last part")
    cascade.ends("DELIVERED", "sms")
    single = Cascade(world, "parts", {"vonage": [Answer(delay=0.3, first=lambda reference: [
        vonage("another-spelling", "delivered", ref=reference)])]})
    single.ends("DELIVERED", "sms")


def r10_by_reference(world: World) -> None:
    """R10 our reference names the attempt, the id the part: half a message is not delivered"""
    ids = parts_of(2)
    cascade = Cascade(world, "parts", {"vonage": [Answer(ids=ids)]})
    cascade.answered()
    equal(results("vonage", vonage(ids[1], "delivered", ref=cascade.reference())), ["applied"], "one part")
    cascade.check_running("with a part missing")
    equal(results("vonage", vonage(ids[0], "delivered", ref=cascade.reference())), ["applied"], "the other part")
    cascade.ends("DELIVERED", "sms")


def r10_converted_part(world: World) -> None:
    """R10 with R5: a part is found by the declared conversion, too, and is a part, not the message"""
    world.sql("INSERT INTO hermes.connector (name, document) SELECT 'own_parts', document || '{\"name\": \"own_parts\", "
              "\"id_conversions\": [\"strip_zeros\", \"lower\"]}' FROM hermes.connector WHERE name = 'vonage_sms' AND shipped")
    world.sql("INSERT INTO hermes.connector_status (connector, answer, status, qualifier, disposition, state) SELECT 'own_parts', "
              "answer, status, qualifier, disposition, state FROM hermes.connector_status WHERE connector = 'vonage_sms' "
              "AND status IN ('0', 'delivered')")
    account(world, "own_parts", "vonage", "sms", "own_parts", 19)
    world.rule("own_parts", SMS | {"providers": ["own_parts"]})
    ids = ["00" + part for part in parts_of(2)]
    cascade = Cascade(world, "own_parts", {"own_parts": [Answer(ids=ids)]})
    cascade.answered()
    equal(results("own_parts", vonage(ids[0].lstrip("0").lower(), "delivered")), ["applied"], "one part")
    cascade.check_running("with a part missing")
    equal(results("own_parts", vonage(ids[1].lower(), "delivered")), ["applied"], "the other part")
    cascade.ends("DELIVERED", "sms")


def r10_refused_part(world: World) -> None:
    """R10 an answer that refuses one part: the parts that were taken do not make the message delivered"""
    part = parts_of(1)[0]
    body = {"message-count": "2", "messages": [{"status": "0", "message-id": part},
                                               {"status": "9", "error-text": "Partner quota exceeded"}]}
    cascade = Cascade(world, "parts", {"vonage": [Answer(ids=[part], body=body)]})
    wait_until(lambda: cascade.attempt()["phase"] != "queued", what="the answer")
    rows("vonage", vonage(part, "delivered"))
    never(lambda: cascade.status()["outcome"] == "DELIVERED", 0.5, "a message with a refused part is delivered")
    cascade.cancel()


def r11_one_transaction(world: World) -> None:
    """R11 a post is one transaction: while one of its cascades is held nothing of it takes effect, and it comes again"""
    world.sql(f"ALTER ROLE {DLR_ROLE} SET lock_timeout = '300ms'")
    try:
        free, held = Cascade(world, "mail_sms"), Cascade(world, "mail_sms")
        ids = [free.answered(), held.answered()]
        post = sendgrid(sendgrid_event(ids[0], "delivered"), sendgrid_event("unknown-" + ids[0], "delivered"),
                        sendgrid_event(ids[0], "beamed"), sendgrid_event(ids[1], "bounce", status="5.1.1"))
        inbox = world.value("SELECT count(*) FROM hermes.receipt_inbox")
        with world.transaction() as session:
            session.execute("SELECT FROM hermes.workflow WHERE id = %s FOR UPDATE", (held.id,))
            rows("sg", post, 503)
            free.check_running("after a post that failed")
            equal(free.attempt()["state"], "accepted", "state of the free one")
            equal(world.value("SELECT count(*) FROM hermes.receipt_inbox"), inbox, "rows in the inbox")
        equal(results("sg", post), ["applied", "buffered", "parked", "applied"], "results of the repeat")
        free.ends("DELIVERED", "email")
        held.wait_sent("tw")
        held.cancel()
    finally:
        world.sql(f"ALTER ROLE {DLR_ROLE} RESET lock_timeout")


def r11_visible_at_commit(world: World) -> None:
    """R11 state, timer, next step and webhook of a post appear together, when it commits"""
    done, failed = Cascade(world, "mail_sms"), Cascade(world, "mail_sms")
    post = sendgrid(sendgrid_event(done.answered(), "delivered"), sendgrid_event(failed.answered(), "bounce", status="5.1.1"))
    timers = "SELECT count(*) FROM hermes.timers WHERE cascade_id = ANY (%s)"
    with world.transaction(DLR_ROLE) as session:
        found = session.execute("SELECT result::text FROM hermes.receive_receipts('sg', %s)", (post.body,)).fetchall()
        equal(found, [("applied",), ("applied",)], "results")
        never(lambda: failed.sent("tw") or world.webhooks(done.id), 0.5, "an effect before the commit")
        equal((done.status()["status"], failed.status()["step"]), ("RUNNING", 1), "what others see")
        equal(world.value(timers, [done.id, failed.id]), 2, "timers")
        session.commit()
    equal((done.status()["status"], failed.status()["step"]), ("CLOSED", 2), "what others see")
    equal(world.value(timers, [done.id]), 0, "timers of the one that ended")
    world.wait_report(done.id, "message.delivered")
    failed.wait_sent("tw")
    failed.cancel()


def r12_retention(world: World) -> None:
    """R12 the attempt is found for as long as its day is kept, seven days at least, after that no more"""
    kept = world.value("SELECT extract(epoch FROM current_setting('hermes.attempt_retention')::interval) / 86400")
    check(kept >= 7, f"hermes.attempt_retention is {kept} days")
    early, late = Cascade(world, "mail"), Cascade(world, "mail")
    ids = [early.answered(), late.answered()]
    for cascade in (early, late):
        cascade.cancel()
        cascade.ends("CANCELED")
    for cascade, days in ((early, 6), (late, 12)):  # as if they had been sent so long ago
        world.sql("SELECT hermes.create_day_partition('hermes.attempt', date_trunc('day', now() - %s * interval '1 day', 'UTC'))", days)
        equal(world.value("WITH moved AS (UPDATE hermes.attempt SET created_at = created_at - %s * interval '1 day' WHERE "
                          "workflow_id = %s RETURNING 1) SELECT count(*) FROM moved", days, cascade.id), 1, "look-up rows")
    equal(results("sg", sendgrid(sendgrid_event(ids[0], "deferred"), sendgrid_event(ids[1], "deferred"))),
          ["applied", "applied"], "while both days are kept")
    dropped = world.sql("SELECT hermes.drop_old_partitions('30 days', current_setting('hermes.attempt_retention')::interval, '7 days')")
    check(any("attempt" in name for (name,) in dropped), f"no day of attempts was dropped: {dropped}")
    equal(results("sg", sendgrid(sendgrid_event(ids[0], "delivered"), sendgrid_event(ids[1], "delivered"))),
          ["corrected", "buffered"], "once the older day is gone")


# ---- answers that the connector reads ----


def answer_opted_out(world: World) -> None:
    """Twilio's 400 with code 21610 is a policy: the next channel at once, and no second try"""
    refusal = Answer(400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400})
    cascade = Cascade(world, "failures_twilio", {"tw": [refusal]})
    (mail,) = cascade.wait_sent("sg")
    check(mail.time - cascade.sent("tw")[0].time < 5, "the next channel waited for a timer")
    attempt = cascade.attempt()
    equal((attempt["state"], attempt["failure_kind"], attempt["reason"]), ("rejected", "policy", "opted_out (21610)"), "attempt")
    equal(cascade.accounts(), ["tw", "sg"], "sends")
    cascade.cancel()


def answer_kinds(world: World) -> None:
    """Twilio's other refusals: hard, config and soft codes, and a throttle that says how long"""
    patience = Answer(429, {"code": 20429, "message": "Too Many Requests"}, {"Retry-After": "2"})
    for refusal, kind, accounts in (
            (Answer(400, {"code": 21211, "message": "Invalid 'To' Phone Number"}), "hard", ["tw", "sg"]),
            (Answer(400, {"code": 21606, "message": "From is not a valid number"}), "config", ["tw", "tw_b"]),
            (Answer(401, {"code": 20003, "message": "Authenticate"}), "config", ["tw", "tw_b"])):
        cascade = Cascade(world, "failures_twilio", {"tw": [refusal]})
        cascade.wait_sent(accounts[1])
        equal(cascade.accounts(), accounts, f"sends after {refusal.body}")
        equal(cascade.attempt()["failure_kind"], kind, f"failure kind of {refusal.body}")
        cascade.cancel()
    cascade = Cascade(world, "failures_twilio", {"tw": [patience, Answer()]})
    cascade.answered()
    first, second = cascade.sent("tw")
    check(1.9 <= second.time - first.time < 8, f"repeated after {second.time - first.time:.2f} s, Retry-After was 2 s")
    equal((cascade.attempt()["sends"], first.reference), (2, second.reference), "one attempt")
    cascade.cancel()


def answer_throttled(world: World) -> None:
    """Vonage's HTTP 200 with status 1 is a throttle: the same attempt again, and the id of the second answer counts"""
    world.rule("throttled", PARTS | {"retry": {"initial_interval": "200ms", "maximum_attempts": 3, "jitter": 0}}, MAIL)
    throttle = Answer(200, {"message-count": "1", "messages": [{"status": "1", "error-text": "Throughput Rate Exceeded"}]})
    cascade = Cascade(world, "throttled", {"vonage": [throttle, Answer()]})
    part = cascade.answered()
    equal((cascade.attempt()["sends"], cascade.accounts()), (2, ["vonage", "vonage"]), "sends")
    equal(part, cascade.sent()[1].ids[0], "message id")
    equal(results("vonage", vonage(part, "delivered")), ["applied"], "receipt")
    cascade.ends("DELIVERED", "sms")
    hopeless = Cascade(world, "throttled", {"vonage": [throttle]})
    hopeless.wait_sent("sg")
    equal(hopeless.accounts(), ["vonage"] * 3 + ["sg"], "sends when it never ends")
    equal(hopeless.attempt()["reason"], "rate_limited", "reason")
    hopeless.cancel()


def answer_refused_with_200(world: World) -> None:
    """Vonage's HTTP 200 that refuses is no success, also where accepted would be enough"""
    world.rule("accepted", PARTS | {"success_on": "accepted"} | ONCE, MAIL)
    refusal = Answer(200, {"message-count": "1", "messages": [{"status": "7", "error-text": "Number barred"}]})
    cascade = Cascade(world, "accepted", {"vonage": [refusal]})
    cascade.wait_sent("sg")
    equal((cascade.attempt()["failure_kind"], cascade.attempt()["reason"]), ("policy", "opted_out"), "attempt")
    cascade.cancel()


def answer_not_understood(world: World) -> None:
    """an answer that the connector does not know is not taken for a success"""
    world.rule("accepted_unknown", PARTS | {"success_on": "accepted", "timeout": "1s"} | ONCE, MAIL)
    for answer in (Answer(200, {"message-count": "1", "messages": [{"status": "4711", "error-text": "new"}]}),
                   Answer(200, b"<html>maintenance</html>")):
        cascade = Cascade(world, "accepted_unknown", {"vonage": [answer]})
        wait_until(lambda c=cascade: c.attempt()["phase"] != "queued", what="the answer")
        check(cascade.status()["outcome"] != "DELIVERED", f"delivered by an answer that nobody understands: {answer.body}")
        cascade.wait_sent("sg")
        cascade.cancel()


def answer_ambiguous(world: World) -> None:
    """500, 504 and no answer at all may hide a taken message: without a key the send is not repeated, its receipt counts"""
    world.rule("ambiguous", SMS | {"retry": {"initial_interval": "100ms", "maximum_attempts": 3}}, MAIL)
    taken_after_all(world, Answer(500, {"code": 20500, "message": "Internal Server Error"}), Answer(504, b""), Answer(hang=True))


def answer_408(world: World) -> None:
    """408 may hide a taken message, whatever the connector's table says of it"""
    world.rule("ambiguous", SMS | {"retry": {"initial_interval": "100ms", "maximum_attempts": 3}}, MAIL)
    taken_after_all(world, Answer(408, b""))


def taken_after_all(world: World, *answers: Answer) -> None:
    for answer in answers:
        cascade = Cascade(world, "ambiguous", {"tw": [answer]})
        world.wait_attempt(cascade.id, 1, phase="ambiguous")
        equal(cascade.accounts(), ["tw"], f"sends after {answer}")
        receipt = twilio("SM" + secrets.token_hex(16), "delivered", attempt_id=cascade.reference())
        equal(results("tw", receipt), ["applied"], "receipt with our reference")
        cascade.ends("DELIVERED", "sms")
        equal(cascade.accounts(), ["tw"], f"sends after {answer}")


def connector_deleted(world: World) -> None:
    """a connector that is deleted while a request is under way takes no answer with it, and other providers go on"""
    world.sql("INSERT INTO hermes.connector (name, document) SELECT 'own_twilio', document - 'name' FROM hermes.connector "
              "WHERE name = 'twilio' AND shipped")
    world.sql("INSERT INTO hermes.connector_status (connector, answer, status, state) VALUES ('own_twilio', true, '2xx', 'accepted'), "
              "('own_twilio', true, 'queued', 'accepted'), ('own_twilio', false, 'delivered', 'delivered')")
    account(world, "own", "twilio", "sms", "own_twilio", 17)
    world.rule("own", SMS | {"providers": ["own"], "success_on": "accepted"})
    cascade = Cascade(world, "own", {"own": [Answer(delay=1.5)]})
    cascade.wait_sent("own")
    world.sql("DELETE FROM hermes.connector WHERE name = 'own_twilio'")
    cascade.ends("DELIVERED", "sms")
    equal(world.value("SELECT count(*) FROM hermes.dead_letters WHERE cascade_id = %s", cascade.id), 0, "dead letters")
    other = Cascade(world, "sms")
    equal(results("tw", twilio(other.answered(), "delivered")), ["applied"], "receipt of another provider")
    other.ends("DELIVERED", "sms")
    world.sql("SELECT hermes.drop_provider('own')")


# ---- M1 to M5, where receipts matter ----


def m1_steps(world: World) -> None:
    """M1 each step has its own success_on, timeout and retries"""
    world.rule("m1", CHAT | {"success_on": "read", "timeout": "2s"},
               SMS | {"success_on": "delivered", "retry": {"initial_interval": "400ms", "backoff_coefficient": 3,
                                                           "maximum_attempts": 3, "jitter": 0}},
               MAIL | {"success_on": "sent"})
    cascade = Cascade(world, "m1")
    equal(results("wa", whatsapp(cascade.answered(), "delivered", APP_SECRET)), ["applied"], "delivered, but read is wanted")
    for number in (2, 3, 4):
        equal(results("tw", twilio(cascade.answered(number), "undelivered", "30003")), ["applied"], f"soft failure {number - 1}")
    message_id = cascade.answered(5)
    chat, *texts, _mail = cascade.sent()
    equal(cascade.accounts(), ["wa", "tw", "tw", "tw", "sg"], "sends")
    check(texts[0].time - chat.time >= 1.9, "the sms did not wait for the read receipt")
    gaps = [later.time - earlier.time for earlier, later in itertools.pairwise(texts)]
    check(0.35 <= gaps[0] and 1.15 <= gaps[1], f"back-off 0.4 s and 1.2 s, found {gaps}")
    equal(results("sg", sendgrid(sendgrid_event(message_id, "processed"))), ["applied"], "accepted, now with a time")
    cascade.check_running("of a step with success_on sent")
    equal(results("sg", sendgrid(sendgrid_event(message_id, "open"))), ["applied"], "read is more than sent")
    cascade.ends("DELIVERED", "email")


def m1_read_late(world: World) -> None:
    """M1 the read receipt that comes late ends the cascade on the earlier channel"""
    world.rule("m1_late", CHAT | {"success_on": "read", "timeout": "1s"}, MAIL)
    cascade = Cascade(world, "m1_late")
    wamid = cascade.answered()
    cascade.wait_sent("sg")
    equal(results("wa", whatsapp(wamid, "read", APP_SECRET, ref=cascade.reference())), ["applied"], "read")
    equal(cascade.ends("DELIVERED", "chat")["duplicate_contact"], True, "duplicate contact")


def m2_batch(world: World) -> None:
    """M2 one post of 300 receipts for 100 cascades, and its repetition: each result in its place"""
    cascades = [Cascade(world, "mail") for _ in range(100)]
    ids = [cascade.answered() for cascade in cascades]
    events = [sendgrid_event(message_id, word) for word in ("deferred", "processed", "delivered") for message_id in ids]
    found = rows("sg", sendgrid(*events))
    equal([Counter(row.result for row in found[begin:begin + 100]) for begin in (0, 100, 200)],
          [Counter(applied=100), Counter(stale=100), Counter(applied=100)], "results")
    check([row.cascade for row in found] == [cascade.id for cascade in cascades] * 3, "the rows are not in the order of the post")
    equal(Counter(row.result for row in rows("sg", sendgrid(*reversed(events)))), Counter(duplicate=300), "the repetition")
    for cascade in cascades:
        cascade.ends("DELIVERED", "email")


def m3_validity(world: World) -> None:
    """M3 after the validity no step starts, whatever receipts say; a success that comes after it corrects the outcome"""
    world.rule("valid", SMS | ONCE, MAIL, validity="2s")
    silent, failed = Cascade(world, "valid"), Cascade(world, "valid")
    sids = [silent.answered(), failed.answered()]
    begin = time.monotonic()
    silent.ends("EXPIRED")
    check(time.monotonic() - begin < 10, "the validity of 2 s did not end the cascade")
    failed.ends("EXPIRED")
    world.wait_report(failed.id, "message.expired")
    equal(results("tw", twilio(sids[1], "undelivered", "30005")), ["applied"], "a failure after the end")
    never(lambda: failed.sent("sg") or silent.sent("sg"), 0.5, "a step after the validity")
    equal(failed.status()["outcome"], "EXPIRED", "outcome")
    equal(results("tw", twilio(sids[0], "delivered")), ["corrected"], "a success after the end")
    equal(world.wait_report(silent.id, "message.status_corrected")["data"]["outcome"], "DELIVERED", "reported outcome")


def m3_before_the_timer(world: World) -> None:
    """M3 a failure that comes after the validity and before its timer has fired starts no step"""
    world.rule("valid_short", SMS | ONCE, MAIL, validity="3s")
    cascade = Cascade(world, "valid_short")
    sid = cascade.answered()
    world.set_guc("hermes.workers", "off")  # nobody fires timers
    try:
        wait_until(lambda: not world.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE '%%hermes%%supervisor%%'"),
                   what="the end of the supervisor")
        wait_until(lambda: world.value("SELECT now() > started_at + interval '3 seconds' FROM hermes.cascades WHERE cascade_id = %s",
                                       cascade.id), what="the end of the validity")
        if cascade.status()["status"] == "RUNNING":  # else the timer was faster than the setting
            equal(results("tw", twilio(sid, "undelivered", "30005")), ["applied"], "result")
        equal(cascade.ends("EXPIRED")["attempts"][0]["attempt"], 1, "attempt")
        equal(cascade.count("StepStarted"), 1, "steps")
    finally:
        world.set_guc("hermes.workers", "on")
    other = Cascade(world, "sms")
    equal(results("tw", twilio(other.answered(), "delivered")), ["applied"], "a receipt with workers again")


def m3_no_retry(world: World) -> None:
    """M3 a soft failure whose retry would be past the validity makes no further send"""
    world.rule("valid_retry", SMS | {"retry": {"initial_interval": "10s", "maximum_attempts": 5, "jitter": 0}}, validity="4s")
    cascade = Cascade(world, "valid_retry")
    equal(results("tw", twilio(cascade.answered(), "undelivered", "30003")), ["applied"], "soft failure")
    cascade.ends("EXHAUSTED")
    equal(cascade.accounts(), ["tw"], "sends")


def m4_cancel_in_flight(world: World) -> None:
    """M4 a cancel while the request is under way is best effort and says so; the receipt that follows corrects the outcome"""
    sid = "SM" + secrets.token_hex(16)
    cascade = Cascade(world, "sms", {"tw": [Answer(ids=[sid], delay=1.0)]})
    cascade.wait_sent("tw")
    equal(cascade.cancel(), "applied", "cancel")
    status = cascade.ends("CANCELED")
    equal(status["contacted"], True, "contacted")
    world.wait_report(cascade.id, "message.canceled")
    wait_until(lambda: "SendCompleted" in world.history(cascade.id), what="the late answer in the history")
    equal(results("tw", twilio(sid, "sent")), ["applied"], "progress after the cancel")
    equal(cascade.status()["corrected_outcome"], None, "corrected outcome")
    equal(results("tw", twilio(sid, "delivered")), ["corrected"], "delivered after the cancel")
    equal(world.wait_report(cascade.id, "message.status_corrected")["data"]["outcome"], "DELIVERED", "reported outcome")
    never(lambda: cascade.sent("sg"), 0.3, "a step after the cancel")
    equal(cascade.cancel(), "closed", "second cancel")


def m4_cancel_before_dispatch(world: World) -> None:
    """M4 a cancel before the request has left is certain: nobody is contacted, and a receipt finds nothing"""
    world.set_guc("hermes.outbound", "off")
    try:
        cascade = Cascade(world, "sms")
        equal(cascade.cancel(), "applied", "cancel")
        equal(cascade.ends("CANCELED")["contacted"], False, "contacted")
    finally:
        world.set_guc("hermes.outbound", "on")
    never(cascade.sent, 0.5, "a send of a canceled cascade")


def m5_submit(world: World) -> None:
    """M5 the same key is the same cascade: one send, and the receipt counts for all who submitted it"""
    key = "order-" + secrets.token_hex(6)
    first = Cascade(world, "sms", key=key)
    again = [Cascade(world, "sms", key=key, to=first.to) for _ in range(3)]
    equal({cascade.id for cascade in again}, {first.id}, "cascades of one key")
    sid = first.answered()
    equal(results("tw", twilio(sid, "delivered")), ["applied"], "receipt")
    first.ends("DELIVERED", "sms")
    equal(Cascade(world, "sms", key=key, to=first.to).id, first.id, "cascade of the key after the end")
    equal(len(first.sent()), 1, "sends")
    world.wait_report(first.id, "message.delivered")


def m5_ambiguous_policy(world: World) -> None:
    """M5 an ambiguous send: wait for the receipt, go on, or repeat with the same reference, as the step says"""
    world.rule("go_on", SMS | {"on_ambiguous": "next_channel"}, MAIL)
    world.rule("again", SMS | {"on_ambiguous": "retry", "retry": {"initial_interval": "100ms", "maximum_attempts": 2, "jitter": 0}}, MAIL)
    broken = Answer(502, b"")
    go_on = Cascade(world, "go_on", {"tw": [broken]})
    go_on.wait_sent("sg")
    equal(results("tw", twilio("SM" + secrets.token_hex(16), "delivered", attempt_id=go_on.reference())), ["corrected"],
          "the first send was taken after all")
    equal(go_on.ends("DELIVERED", "sms")["duplicate_contact"], True, "duplicate contact")
    again = Cascade(world, "again", {"tw": [broken, Answer()]})
    again.answered()
    first, second = again.sent("tw")
    equal(second.reference, first.reference, "reference of the repeat")
    again.cancel()


def m5_ambiguous_parts(world: World) -> None:
    """M5 the same where parts are reported one by one: a send without an answer is found by our reference"""
    world.rule("ambiguous_parts", PARTS | {"timeout": "20s"} | ONCE, MAIL)
    for answer in (Answer(hang=True), Answer(500, b"")):
        cascade = Cascade(world, "ambiguous_parts", {"vonage": [answer]})
        world.wait_attempt(cascade.id, 1, phase="ambiguous")
        equal(results("vonage", vonage(parts_of(1)[0], "delivered", ref=cascade.reference())), ["applied"], "receipt")
        cascade.ends("DELIVERED", "sms")
        equal(cascade.accounts(), ["vonage"], "sends")
    early = Cascade(world, "ambiguous_parts", {"vonage": [Answer(500, b"", delay=0.3, first=lambda reference: [
        vonage(parts_of(1)[0], "delivered", ref=reference)])]})
    early.ends("DELIVERED", "sms")
    equal(early.accounts(), ["vonage"], "sends")


def signed_by_password(world: World) -> None:
    """a provider without signatures can be bound to a user and a password"""
    account(world, "sg_basic", "sendgrid", "email", "sendgrid", 12, receipts={"secret": "dlr_basic", "signature": "basic"})
    world.rule("mail_basic", MAIL | {"providers": ["sg_basic"]})
    cascade = Cascade(world, "mail_basic")
    message_id = cascade.answered()
    rows("sg_basic", sendgrid(sendgrid_event(message_id, "delivered")), 401)
    rows("sg_basic", basic(sendgrid(sendgrid_event(message_id, "delivered")), "dlr:guess"), 401)
    equal(cascade.attempt()["state"], "accepted", "state")
    equal(results("sg_basic", basic(sendgrid(sendgrid_event(message_id, "delivered")), CREDENTIALS)), ["applied"], "result")
    cascade.ends("DELIVERED", "email")


def signed_by_post(world: World) -> None:
    """signatures over URL and parameters, Twilio's and Vonage's: posts"""
    signed_accounts(world)
    signed(world, "tw_signed", get=False)
    signed(world, "vonage_signed", get=False)


def signed_by_get(world: World) -> None:
    """signatures over URL and parameters, Twilio's and Vonage's: receipts in the query of a GET"""
    signed_accounts(world)
    signed(world, "vonage_signed", get=True)
    signed(world, "tw_signed", get=True)


SIGNED_URL, SIGNED_TOKEN = "https://dlr.example/receipts", "a-token-of-both"


def signed_accounts(world: World) -> None:
    if world.value("SELECT count(*) FROM hermes.provider WHERE name = 'tw_signed'"):
        return
    world.sql("SELECT hermes.set_secret('dlr_url', %s)", SIGNED_TOKEN)
    account(world, "tw_signed", "twilio", "sms", "twilio", 20, receipts={"secret": "dlr_url", "url": SIGNED_URL})
    account(world, "vonage_signed", "vonage", "sms", "vonage_sms", 21, receipts={"secret": "dlr_url"})
    for name in ("tw_signed", "vonage_signed"):
        world.rule(name, SMS | {"providers": [name]})


def signed(world: World, name: str, *, get: bool) -> None:
    """The receipt with one value changed and without its signature is refused, as it is it applies."""
    cascade = Cascade(world, name)
    message_id = cascade.answered()
    receipt = (twilio_signed(twilio(message_id, "delivered"), SIGNED_URL, SIGNED_TOKEN, get) if name == "tw_signed"
               else vonage_signed(vonage(message_id, "delivered"), SIGNED_TOKEN, get))
    rows(name, Receipt(receipt.body.split("&sig=")[0], receipt.content_type, get=get), 401)
    rows(name, Receipt(receipt.body.replace("delivered", "failed"), receipt.content_type, receipt.headers, get), 401)
    equal(cascade.attempt()["state"], "accepted", "state")
    equal(results(name, receipt), ["applied"], "result of the signed receipt")
    cascade.ends("DELIVERED", "sms")


if __name__ == "__main__":
    main(prepare, r1_rank, r2_duplicate, r3_correction, r4_early_by_id, r4_early_by_reference, r4_mixed, r5_account,
         r5_conversion, r5_early_conversion, r6_parked, r6_refused, r7_thresholds, r7_failures, r7_timer, r7_unknown, r8_late,
         r9_after_the_end, r9_late_failure_ignored, r10_all, r10_first_failure, r10_any, r10_provider, r10_missing,
         r10_early, r10_early_by_reference, r10_by_reference, r10_converted_part, r10_refused_part, r11_one_transaction, r11_visible_at_commit,
         r12_retention, answer_opted_out, answer_kinds, answer_throttled, answer_refused_with_200, answer_not_understood,
         answer_ambiguous, answer_408, connector_deleted, m1_steps, m1_read_late, m2_batch, m3_validity, m3_before_the_timer, m3_no_retry,
         m4_cancel_in_flight, m4_cancel_before_dispatch, m5_submit, m5_ambiguous_policy, m5_ambiguous_parts,
         signed_by_password, signed_by_post, signed_by_get)
