#!/usr/bin/python3
"""Gates before a send leaves: suppression fed by receipts (M7), skip conditions (M13), costs (S4), frequency (S5), parts (S7).

What must not be sent is looked for where it would have arrived: at the providers' HTTP APIs.
"""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from typing import Any

from psycopg.types.json import Jsonb

from harness import TENANT, World, check, equal, free_port, main, wait_until
from native_peers import SPEECH, Answer, Providers, Receipt, ReceiptHandler, Row, sendgrid, sendgrid_event, twilio

DLR_ROLE = "e2e_dlr"
SMS: dict[str, Any] = {"channel": "sms", "providers": ["tw"], "timeout": "60s", "retry": {"maximum_attempts": 1}}
MAIL: dict[str, Any] = {"channel": "email", "providers": ["sg"], "timeout": "60s", "retry": {"maximum_attempts": 1}}
STOP, UNKNOWN_NUMBER = "21610", "30005"
_numbers = itertools.count(1)


class Peers:
    """The two peers of this file, made by `prepare`."""

    handler: ReceiptHandler
    providers: Providers


class Person:
    """A recipient that no other scenario writes to."""

    def __init__(self) -> None:
        self.phone = f"+4917{next(_numbers):07d}"
        self.mail = f"{secrets.token_hex(6)}@example.com"

    def to(self) -> dict[str, str]:
        return {"sms": self.phone, "email": self.mail}

    def texts(self, account: str = "tw") -> int:
        return len(Peers.providers.sent(self.phone, account))

    def mails(self) -> int:
        return len(Peers.providers.sent(self.mail, "sg"))


class Cascade:
    def __init__(self, world: World, rule: str, person: Person, tenant: str | None = TENANT, to: Any = None,
                 priority: str | None = None, **message: Any) -> None:
        self.world = world
        self.person = person
        options = {} if priority is None else {"priority": priority}
        content = {"to": person.to() if to is None else to, "text": "hello"} | message
        self.id = str(world.value("SELECT hermes.start_cascade(%s, %s, NULL, %s, %s)::text", rule, Jsonb(content), tenant,
                                  Jsonb(options)))

    def wait_answered(self, number: int) -> str:
        """The provider's message id of an attempt, once its answer is stored."""
        def reached() -> str | None:
            attempts = {attempt["attempt"]: attempt for attempt in self.world.status(self.id)["attempts"]}
            answered = number in attempts and attempts[number]["phase"] == "answered"
            return str(attempts[number]["provider_message_id"]) if answered else None

        return str(wait_until(reached, what=f"the answer to attempt {number} of {self.id}"))

    def skipped(self) -> list[tuple[int, str]]:
        rows = self.world.sql("SELECT (attributes ->> 'step')::integer, attributes ->> 'reason' FROM hermes.cascade_history(%s) "
                              "WHERE event_type = 'StepSkipped' ORDER BY event_id", self.id)
        return [(row[0], row[1]) for row in rows]

    def ends_by_mail(self, number: int, *reasons: str) -> None:
        """The text was skipped for these reasons; the mail goes out as attempt `number`, and is delivered."""
        message_id = self.wait_answered(number)
        equal(self.skipped(), [(step, reason) for step, reason in enumerate(reasons, 1)], "skipped steps")
        results("sg", sendgrid(sendgrid_event(message_id, "delivered", email=self.person.mail)))
        self.world.ends(self.id, "DELIVERED", "email")

    def ends_by_text(self) -> None:
        results("tw", twilio(self.wait_answered(1), "delivered", To=self.person.phone))
        self.world.ends(self.id, "DELIVERED", "sms")
        equal(self.skipped(), [], "skipped steps")


def rows(account: str, receipt: Receipt) -> list[Row]:
    """Posts a receipt over HTTP; the handler's rows."""
    post = Peers.providers.post(account, receipt)
    equal(post.status, 200, "the handler's answer")
    return post.rows


def results(account: str, receipt: Receipt) -> list[str]:
    return [row.result for row in rows(account, receipt)]


def suppressed(world: World, channel: str, address: str, category: str = "", tenant: str | None = TENANT) -> bool:
    return bool(world.value("SELECT hermes.is_suppressed(%s, %s, %s, %s)", tenant, channel, address, category))


def account(world: World, name: str, speech: str, channel: str, connector: str, position: int, **changes: Any) -> None:
    Peers.providers.accounts[name] = SPEECH[speech]
    form = speech == "twilio"
    body = {"To" if form else "to": f"{{{{message.to.{channel}}}}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"}
    config = {"kind": "http", "channel": channel, "position": position, "connector": connector, "timeout": "5s",
              "connect_timeout": "5s", "request": {"url": f"{Peers.providers.url}/{name}",
                                                   "encoding": "form" if form else "json", "body": body}} | changes
    world.sql("SELECT hermes.create_provider(%s, %s)", name, Jsonb(config))


def prepare(world: World) -> None:
    """the providers' APIs and the receipt handler serve HTTP"""
    world.sql(f"CREATE ROLE {DLR_ROLE} LOGIN IN ROLE hermes_app")
    world.sql("SELECT hermes.grant_tenant(%s, '*')", DLR_ROLE)
    Peers.handler = ReceiptHandler(world.cluster.dsn(DLR_ROLE))
    Peers.providers = Providers(Peers.handler.url)
    world.peers += [Peers.handler, Peers.providers]  # type: ignore[list-item]  # stopped with the others
    account(world, "tw", "twilio", "sms", "twilio", 11, cost={"per_part": 0.075})
    account(world, "sg", "sendgrid", "email", "sendgrid", 11, cost={"per_message": 0.001},
            receipts={"opt_out_category": "newsletter"})
    world.rule("plain", SMS, MAIL)
    world.rule("news", SMS, MAIL, category="newsletter")
    world.rule("mail_first", MAIL, SMS)
    world.rule("mail_news", MAIL, SMS, category="newsletter")
    Cascade(world, "plain", Person()).ends_by_text()


def nothing_is_asked(world: World) -> None:
    """gates that nobody asks for run no statement"""
    def counts() -> dict[str, tuple[int, int]]:
        found = world.sql("SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0), n_tup_ins + n_tup_upd + n_tup_del "
                          "FROM pg_stat_user_tables WHERE schemaname = 'hermes'")
        return {name: (scans, writes) for name, scans, writes in found}

    tables = ("suppression", "recipient_contact", "spend")
    before = counts()
    for _ in range(20):
        Cascade(world, "plain", Person()).ends_by_text()
    wait_until(lambda: counts()["task"][1] >= before["task"][1] + 20 * 3, what="the statistics of the workers")
    equal(counts()["suppression"][0] - before["suppression"][0], 0, "scans of the suppression list")
    equal([counts()[table][1] for table in tables], [0, 0, 0], "rows written")


# ---- M7 ----


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


# ---- M13 ----


def m13_skip_conditions(world: World) -> None:
    """M13 no address, a condition of the message, a channel switched off: each a recorded reason, reported, at no cost"""
    events = {"webhook_events": ["message.step_skipped", "message.delivered"]}
    world.rule("conditions", SMS | {"skip_if": [
        {"path": "$.preferences.sms", "in": [False, "no"], "reason": "channel_disabled"},
        {"path": "$.consent", "absent": True, "reason": "no_consent"}, {"path": "$.muted"}]}, MAIL, **events)
    consent = {"consent": True}
    for message, reason in (({"preferences": {"sms": False}} | consent, "channel_disabled"),
                            ({"preferences": {"sms": "no"}} | consent, "channel_disabled"),
                            ({"preferences": {"sms": True}}, "no_consent"), ({"muted": 0} | consent, "skip_if")):
        person = Person()
        cascade = Cascade(world, "conditions", person, **message)
        cascade.ends_by_mail(2, reason)
        equal(person.texts(), 0, "texts")
        report = world.wait_report(cascade.id, "message.step_skipped")["data"]
        equal((report["reason"], report["channel"], report["step"]), (reason, "sms", 1), "report")
    person = Person()
    Cascade(world, "conditions", person, preferences={"sms": True}, muted=None, consent=1).ends_by_text()
    world.rule("addressed", SMS | {"address": "$.phones[0]"}, MAIL)
    for rule, message in (("plain", {"to": {"email": person.mail}}), ("plain", {"to": {"sms": "", "email": person.mail}}),
                          ("addressed", {"phones": []}), ("addressed", {"phones": [None]})):
        Cascade(world, rule, person, **message).ends_by_mail(2, "no_address")
    equal(person.texts(), 1, "texts")
    world.sql("SELECT hermes.set_tenant_limits('quiet', '{\"channels_off\": [\"sms\"]}')")
    Cascade(world, "plain", person, tenant="quiet").ends_by_mail(2, "channel_off")
    equal(person.texts(), 1, "texts")
    world.sql("SELECT hermes.set_tenant_limits('quiet', NULL)")
    Cascade(world, "plain", person, tenant="quiet").ends_by_text()


def m13_all_skipped(world: World) -> None:
    """M13 a cascade whose steps are all skipped ends EXHAUSTED, and nobody was contacted"""
    person = Person()
    before = world.value("SELECT value FROM hermes.stats WHERE name = 'sends_skipped'")
    cascade = Cascade(world, "plain", person, to={"push": "token"})
    status = world.ends(cascade.id, "EXHAUSTED")
    equal(cascade.skipped(), [(1, "no_address"), (2, "no_address")], "skipped")
    equal(status["contacted"], False, "contacted")
    equal((person.texts(), person.mails()), (0, 0), "requests")
    wait_until(lambda: world.value("SELECT value FROM hermes.stats WHERE name = 'sends_skipped'") == before + 2, what="the count")


# ---- S4 ----


def s4_cost_of_a_cascade(world: World) -> None:
    """S4 max_cost counts what was sent, by parts; what would pass it is skipped"""
    long_text = "x" * 400  # three parts
    world.rule("thrifty", SMS, MAIL, max_cost=0.20)
    person = Person()
    Cascade(world, "thrifty", person).ends_by_text()
    Cascade(world, "thrifty", person, text=long_text).ends_by_mail(2, "cost_cap")
    equal(person.texts(), 1, "texts")
    # two parts are sent and fail; the third attempt would be too much
    account(world, "tw_b", "twilio", "sms", "twilio", 12, cost={"per_part": 0.075})
    world.rule("twice", SMS, SMS | {"providers": ["tw_b"]}, MAIL, max_cost=0.20)
    person = Person()
    cascade = Cascade(world, "twice", person, text="y" * 200)
    results("tw", twilio(cascade.wait_answered(1), "undelivered", "30003", To=person.phone))
    message_id = cascade.wait_answered(3)
    equal(cascade.skipped(), [(2, "cost_cap")], "skipped")
    equal((person.texts("tw"), person.texts("tw_b")), (1, 0), "texts")
    costs = [attempt.get("estimated_cost") for attempt in world.status(cascade.id)["attempts"]]
    equal(costs, [0.15, None, 0.001], "estimated costs")
    results("sg", sendgrid(sendgrid_event(message_id, "delivered", email=person.mail)))
    world.ends(cascade.id, "DELIVERED", "email")
    # an attempt that was refused costs nothing
    person = Person()
    Peers.providers.script("tw", person.phone, [Answer(401, {"code": 20003, "status": 401})])
    cascade = Cascade(world, "twice", person, text="y" * 200)
    results("tw_b", twilio(cascade.wait_answered(2), "delivered", To=person.phone))
    world.ends(cascade.id, "DELIVERED", "sms")


def spent(world: World, tenant: str) -> float:
    found = world.sql("SELECT estimated_cost::float8 FROM hermes.tenant_spend WHERE tenant = %s", tenant)
    return float(sum(row[0] for row in found))


def s4_cost_of_a_day(world: World) -> None:
    """S4 cost_per_day of a tenant is kept to by all dispatchers together, and what surely was not sent is not counted"""
    world.set_guc("hermes.dispatchers", "2")
    world.sql("SELECT hermes.set_tenant_limits('spender', '{\"cost_per_day\": 0.75}')")
    world.rule("texts", SMS | {"success_on": "accepted"}, category="day")
    people = [Person() for _ in range(30)]
    cascades = [Cascade(world, "texts", person, tenant="spender") for person in people]
    outcomes = Counter(world.closed(cascade.id)["outcome"] for cascade in cascades)
    equal(outcomes, Counter(DELIVERED=10, EXHAUSTED=20), "outcomes")
    reasons = Counter(reason for cascade in cascades for reason in cascade.skipped())
    equal(reasons, Counter({(1, "cost_cap_tenant"): 20}), "skipped")
    equal(sum(person.texts() for person in people), 10, "texts")
    equal(spent(world, "spender"), 0.75, "spent")
    # an outage does not eat up the day
    world.sql("SELECT hermes.set_tenant_limits('unlucky', '{\"cost_per_day\": 0.1}')")
    account(world, "gone", "twilio", "sms", "twilio", 13, cost={"per_part": 0.075},
            request={"url": f"http://127.0.0.1:{free_port()}/", "body": {"to": "x"}}, breaker=False)
    world.rule("outage", SMS | {"providers": ["gone"], "retry": {"maximum_attempts": 2, "initial_interval": "10ms"}}, SMS)
    for nth in range(3):
        person = Person()
        cascade = Cascade(world, "outage", person, tenant="unlucky")
        wait_until(lambda: len(world.status(cascade.id)["attempts"]) == 2, what="the second step")
        if nth == 0:
            results("tw", twilio(cascade.wait_answered(2), "delivered", To=person.phone))
            world.ends(cascade.id, "DELIVERED", "sms")
        else:
            world.ends(cascade.id, "EXHAUSTED")
            equal(cascade.skipped(), [(1, "cost_cap_tenant"), (2, "cost_cap_tenant")], "skipped")
    equal(spent(world, "unlucky"), 0.075, "spent")
    world.set_guc("hermes.dispatchers", "1")


# ---- S5 ----


def s5_frequency(world: World) -> None:
    """S5 at most so many to one recipient and category, exactly, with several dispatchers; OTPs are exempt"""
    world.set_guc("hermes.dispatchers", "3")
    world.rule("capped", SMS | {"success_on": "accepted"}, category="offers", frequency={"max": 3, "per": "1h"})
    world.rule("capped_too", SMS | {"success_on": "accepted"}, category="offers", frequency={"max": 3, "per": "1h"})
    world.rule("elsewhere", SMS | {"success_on": "accepted"}, category="alerts", frequency={"max": 3, "per": "1h"})
    people = [Person() for _ in range(6)]
    cascades = [Cascade(world, rule, person) for _ in range(5) for person in people for rule in ("capped", "capped_too")]
    outcomes = Counter(world.closed(cascade.id)["outcome"] for cascade in cascades)
    equal(outcomes, Counter(DELIVERED=18, EXHAUSTED=42), "outcomes")
    equal([person.texts() for person in people], [3] * 6, "texts to each")
    reasons = Counter(reason for cascade in cascades for reason in cascade.skipped())
    equal(reasons, Counter({(1, "frequency_cap"): 42}), "skipped")
    person = people[0]
    for rule, tenant, priority in (("elsewhere", TENANT, None), ("capped", None, None), ("capped", TENANT, "otp")):
        world.ends(Cascade(world, rule, person, tenant=tenant, priority=priority).id, "DELIVERED", "sms")
    equal(person.texts(), 6, "texts in another category, of another tenant, with priority otp")
    world.ends(Cascade(world, "capped", person).id, "EXHAUSTED")
    world.rule("capped_otp", SMS | {"success_on": "accepted"}, category="offers",
               frequency={"max": 3, "per": "1h", "otp": True})
    world.ends(Cascade(world, "capped_otp", person, priority="otp").id, "EXHAUSTED")
    equal(person.texts(), 6, "texts")
    stored = world.value("SELECT count(*) FROM hermes.recipient_contact c WHERE c::text LIKE %s", f"%{person.phone[1:]}%")
    equal(stored, 0, "addresses stored")
    world.set_guc("hermes.dispatchers", "1")


def s5_repetitions(world: World) -> None:
    """S5 a repetition of an attempt does not count again; a send that was surely not taken gives its place back"""
    account(world, "tw_once", "twilio", "sms", "twilio", 14, timeout="300ms", idempotency_header="Idempotency-Key")
    step = SMS | {"providers": ["tw_once"], "success_on": "accepted", "retry": {"maximum_attempts": 3, "initial_interval": "10ms"}}
    world.rule("single", step, category="single", frequency={"max": 1, "per": "1h"})
    for first, requests in ((Answer(hang=True), 2), (Answer(503, {"status": 503}), 2)):
        person = Person()
        Peers.providers.script("tw_once", person.phone, [first, Answer()])
        world.ends(Cascade(world, "single", person).id, "DELIVERED", "sms")
        equal(person.texts("tw_once"), requests, "requests")
        keys = {send.headers["idempotency-key"] for send in Peers.providers.sent(person.phone, "tw_once")}
        equal(len(keys), 1, "idempotency keys")
        capped = Cascade(world, "single", person)
        world.ends(capped.id, "EXHAUSTED")
        equal(capped.skipped(), [(1, "frequency_cap")], "skipped")
    person = Person()
    Peers.providers.script("tw_once", person.phone, [Answer(401, {"code": 20003, "status": 401}), Answer()])
    refused = Cascade(world, "single", person)
    world.ends(refused.id, "EXHAUSTED")
    equal(refused.skipped(), [], "skipped")
    world.ends(Cascade(world, "single", person).id, "DELIVERED", "sms")
    world.ends(Cascade(world, "single", person).id, "EXHAUSTED")
    equal(person.texts("tw_once"), 2, "requests")


def s5_crash(world: World) -> None:
    """S5 a send whose dispatcher is killed goes out again on the place and at the cost it has: nothing is counted twice"""
    account(world, "tw_slow", "twilio", "sms", "twilio", 15, timeout="60s", idempotency_header="Idempotency-Key",
            cost={"per_message": 0.5})
    world.sql("SELECT hermes.set_tenant_limits('crashing', '{\"cost_per_day\": 0.6}')")
    world.rule("survivor", SMS | {"providers": ["tw_slow"], "success_on": "accepted"}, category="survivor",
               frequency={"max": 1, "per": "1h"})
    person = Person()
    Peers.providers.script("tw_slow", person.phone, [Answer(hang=True), Answer()])
    cascade = Cascade(world, "survivor", person, tenant="crashing")
    wait_until(lambda: person.texts("tw_slow") == 1, what="the first request")
    world.kill(world.worker_pid("dispatcher"))
    wait_until(lambda: person.texts("tw_slow") == 2, timeout=45, what="the request after the crash")
    world.ends(cascade.id, "DELIVERED", "sms")
    equal(len({send.headers["idempotency-key"] for send in Peers.providers.sent(person.phone, "tw_slow")}), 1, "keys")
    equal(spent(world, "crashing"), 0.5, "spent")
    capped = Cascade(world, "survivor", person, tenant="crashing")
    world.ends(capped.id, "EXHAUSTED")
    equal(capped.skipped(), [(1, "frequency_cap")], "skipped")


# ---- S7 ----


def s7_parts(world: World) -> None:
    """S7 a text of too many parts is not sent: 160 and 153 characters of GSM-7, 70 and 67 of UCS-2"""
    world.rule("short", SMS, MAIL, max_parts=2)
    for text, sent in (("x" * 306, True), ("x" * 307, False), ("\u2603" * 134, True), ("\u2603" * 135, False),
                       ("x" * 306 + "\u20ac", False), ("x" * 304 + "\u20ac", True)):
        person = Person()
        cascade = Cascade(world, "short", person, text=text)
        if sent:
            cascade.ends_by_text()
        else:
            cascade.ends_by_mail(2, "too_many_parts")
        equal(person.texts(), int(sent), "texts")


if __name__ == "__main__":
    main(prepare, nothing_is_asked, m7_first_entry, m7_opt_out, m7_hard_failure, m7_side_effects, m7_early_receipt, m7_answer, m7_every_tenant,
         m13_skip_conditions, m13_all_skipped, s4_cost_of_a_cascade, s4_cost_of_a_day, s5_frequency, s5_repetitions, s5_crash,
         s7_parts)
