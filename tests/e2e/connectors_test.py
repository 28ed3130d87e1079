#!/usr/bin/python3
"""Connectors, S8 of the messaging model: what a word, a code, an id or a part means is told by tables, of a connector or of one
account, over real HTTP."""

from __future__ import annotations

import secrets
from typing import Any

from harness import World, check, equal, main
from native_peers import Answer, smpp, vonage
from recipients import MAIL, SMS, Cascade, Peers, Person, account, prepare, results, rows


def gateway(world: World, name: str, position: int, **receipts: Any) -> None:
    """An account at an SMSC behind an HTTP gateway, with a rule of its name that goes on by mail."""
    account(world, name, "gateway", "sms", "smpp", position, receipts=receipts)
    world.rule(name, SMS | {"providers": [name]}, MAIL)


def sent(world: World, name: str, *ids: str) -> tuple[Cascade, str]:
    """A cascade whose text was taken under this id, or one of its own."""
    person = Person()
    if ids:
        Peers.providers.script(name, person.phone, [Answer(ids=ids)])
    cascade = Cascade(world, name, person)
    return cascade, cascade.wait_answered(1)


def s8_error_codes(world: World) -> None:
    """S8 the error codes of SMSCs are each one's own: a code means what its account says, and without a word of it nothing"""
    gateway(world, "codes_a", 21, connector_err_map={"001": ["hard", "unknown_subscriber"], "069": ["soft", "queue_full"]})
    gateway(world, "codes_b", 22, connector_err_map={"001": ["soft", "absent"], "069": ["policy", "blocked"]})
    gateway(world, "codes_c", 23)
    meanings = {("codes_a", "001"): ("undeliverable", "hard", "unknown_subscriber"), ("codes_a", "069"): ("failed", "soft", "queue_full"),
                ("codes_b", "001"): ("failed", "soft", "absent"), ("codes_b", "069"): ("rejected", "policy", "blocked"),
                ("codes_c", "001"): ("failed", "soft", "unspecified"), ("codes_a", "002"): ("failed", "soft", "unspecified")}
    for (name, code), (state, kind, reason) in meanings.items():
        cascade, message_id = sent(world, name)
        (row,) = rows(name, smpp(f"id:{message_id} sub:001 dlvrd:000 stat:UNDELIV err:{code} text:"))
        equal((row.state, row.kind, row.result), (state, kind, "applied"), f"{code} of {name}")
        check(reason in world.attempt(cascade.id, 1)["reason"], f"reason {world.attempt(cascade.id, 1)['reason']}")
        cascade.ends_by_mail(2)


def s8_accepted_by_operator(world: World) -> None:
    """S8 ACCEPTD is the end where the account says so, and only progress elsewhere"""
    gateway(world, "final", 24, connector_status_map={"ACCEPTD": "delivered"})
    gateway(world, "progress", 25)
    cascade, message_id = sent(world, "final")
    equal(results("final", smpp(f"id:{message_id} stat:ACCEPTD err:000")), ["applied"], "result")
    world.ends(cascade.id, "DELIVERED", "sms")
    cascade, message_id = sent(world, "progress")
    equal(results("progress", smpp(f"id:{message_id} stat:ACCEPTD err:000")), ["applied"], "result")
    equal((world.status(cascade.id)["status"], world.attempt(cascade.id, 1)["state"]), ("RUNNING", "sent"), "state")
    equal(results("progress", smpp(f"id:{message_id} stat:DELIVRD err:000")), ["applied"], "result")
    world.ends(cascade.id, "DELIVERED", "sms")


def s8_id_base(world: World) -> None:
    """S8 ids are hex in the answer and decimal in the receipt where the account says so, and never by a guess"""
    gateway(world, "hex_dec", 26, connector_id_base={"answer": "hex", "receipt": "dec"})
    gateway(world, "dec_hex", 27, connector_id_base={"answer": "dec", "receipt": "hex"})
    gateway(world, "as_is", 28)
    number = (1 << 28) + secrets.randbelow(1 << 28)
    writings = {"hex_dec": (f"{number:X}", f"{number}"), "dec_hex": (f"{number}", f"{number:08x}")}
    for name, (answered, reported) in writings.items():
        cascade, _ = sent(world, name, answered)
        equal(results(name, smpp(f"id:{reported} stat:DELIVRD err:000")), ["applied"], f"{reported} for {answered}")
        world.ends(cascade.id, "DELIVERED", "sms")
    cascade, message_id = sent(world, "as_is", f"{number:X}")
    equal(results("as_is", smpp(f"id:{number} stat:DELIVRD err:000")), ["buffered"], "another text is another id")
    equal(results("as_is", smpp(f"id:{message_id} stat:DELIVRD err:000")), ["applied"], "the same text")
    world.ends(cascade.id, "DELIVERED", "sms")


def s8_parts(world: World) -> None:
    """S8 whether a message has arrived with one part or with all of them is the account's to say"""
    for position, mode in enumerate(("all", "any", "provider"), 31):
        name = f"parts_{mode}"
        account(world, name, "vonage", "sms", "vonage_sms", position, receipts={"part_mode": mode})
        world.rule(name, SMS | {"providers": [name]}, MAIL)
        ids = [secrets.token_hex(8).upper() for _ in range(2)]
        cascade, _ = sent(world, name, *ids)
        equal(results(name, vonage(ids[1], "delivered")), ["buffered" if mode == "provider" else "applied"], "the second part")
        equal(world.status(cascade.id)["status"], "CLOSED" if mode == "any" else "RUNNING", f"after one part, mode {mode}")
        equal(results(name, vonage(ids[0], "delivered")), ["applied"], f"the first part, mode {mode}")
        world.ends(cascade.id, "DELIVERED", "sms")


def s8_dates(world: World) -> None:
    """S8 dates are read in the form of the connector and in the zone of the account; what is later by them counts"""
    gateway(world, "dates", 29)
    for later, earlier in (("2601011202", "2601011201"), ("260101120002", "260101120001"),
                           ("20260101120002", "20260101120001"), ("2026-01-01T12:00:02Z", "2026-01-01T13:00:01+01:00")):
        cascade, message_id = sent(world, "dates")
        text = "id:{} sub:001 dlvrd:000 submit date:2601011200 done date:{} stat:{} err:000 text:"
        equal(results("dates", smpp(text.format(message_id, later, "ENROUTE"))), ["applied"], f"at {later}")
        equal(results("dates", smpp(text.format(message_id, earlier, "BUFFRED"))), ["stale"], f"at {earlier}")
        equal(world.attempt(cascade.id, 1)["state"], "sent", "state")
        equal(results("dates", smpp(text.format(message_id, later, "DELIVRD"))), ["applied"], f"at {later}")
        world.ends(cascade.id, "DELIVERED", "sms")
    for name, position, zone, utc in (("in_berlin", 33, "Europe/Berlin", "11:00"), ("in_kolkata", 34, "Asia/Kolkata", "06:30"),
                                      ("in_utc", 35, None, "12:00")):
        gateway(world, name, position, **({"connector_time_zone": zone} if zone else {}))
        cascade, message_id = sent(world, name)
        equal(results(name, smpp(f"id:{message_id} done date:2601021200 stat:ENROUTE err:000")), ["applied"], "result")
        equal(results(name, smpp(f"id:{message_id} done date:2026-01-02T{utc}:01Z stat:BUFFRED err:000")), ["applied"], "a second later")
        equal(results(name, smpp(f"id:{message_id} done date:2601021200 stat:DELIVRD err:000")), ["applied"], "result")
        times = world.sql("SELECT attributes ->> 'provider_time' FROM hermes.cascade_history(%s) WHERE event_type = 'ReceiptRecorded' "
                          "ORDER BY event_id", cascade.id)
        minute = f"2026-01-02T{utc}"
        equal([row[0] for row in times], [f"{minute}:00.000000Z", f"{minute}:01.000000Z", f"{minute}:00.000000Z"], f"times of {name}")


if __name__ == "__main__":
    main(prepare, s8_error_codes, s8_accepted_by_operator, s8_id_base, s8_parts, s8_dates)
