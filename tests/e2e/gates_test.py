#!/usr/bin/python3
"""Gates before a send leaves: skip conditions (M13), costs (S4), frequency (S5), parts (S7).

What must not be sent is looked for where it would have arrived: at the providers' HTTP APIs.
"""

from __future__ import annotations

from collections import Counter

from harness import TENANT, World, equal, free_port, main, wait_until
from native_peers import Answer, sendgrid, sendgrid_event, twilio
from recipients import MAIL, SMS, Cascade, Peers, Person, account, prepare, results


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
    main(prepare, nothing_is_asked, m13_skip_conditions, m13_all_skipped, s4_cost_of_a_cascade, s4_cost_of_a_day, s5_frequency,
         s5_repetitions, s5_crash, s7_parts)
