"""The demo's deterministic mix of messages: what each provider will do, and how the cascade must therefore end.

Most go by the rule email -> sms -> push, each step waiting STEP_SECONDS for its receipt. Behaviours: see behaviour.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

STEP_SECONDS = 2.0
PROVIDER_SECONDS = 1.5  # time-out of one request
CHANNELS = ("email", "sms", "push")
BULK = "newsletter"  # a channel with an account of its own: 429 holds back the whole account, and must not hold others
MAIN_RULE = "welcome"
SHORT_RULE = "otp"  # the same with a validity of one second, and before everything else
BULK_RULE = "newsletter"  # one step, after everything else

LATE = [{"status": "delivered", "after": STEP_SECONDS + 1.0}]
# Its receipt comes after the repeat, which the provider must know by its idempotency key.
TAKEN_UNTOLD = {"answer": "error", "taken": True, "receipts": [{"status": "delivered", "after": 1.0}]}


@dataclass(frozen=True)
class Kind:
    """One kind of message of the mix."""

    name: str
    share: int  # of 1,000
    outcome: str
    channel: str | None  # that decided the outcome
    behaviour: dict[str, Any] = field(default_factory=dict)
    rule: str = MAIN_RULE
    corrected: str | None = None  # outcome after a receipt that comes when all is over
    cancel: bool = False  # canceled in the transaction that started it: nothing may be sent
    contacts: tuple[str, ...] = ()  # channels whose provider must have taken the message, once each attempt


KINDS: tuple[Kind, ...] = (
    Kind("email delivered", 560, "DELIVERED", "email", {}, contacts=("email",)),
    Kind("email: sent, then delivered", 30, "DELIVERED", "email", {"email": "sent_then_delivered"},
         contacts=("email",)),
    Kind("email: receipt twice more", 20, "DELIVERED", "email", {"email": "duplicate_dlr"}, contacts=("email",)),
    Kind("email: receipt before the answer", 20, "DELIVERED", "email", {"email": "dlr_first"}, contacts=("email",)),
    Kind("email: slow answer", 20, "DELIVERED", "email", {"email": {"delay": 0.7}}, contacts=("email",)),
    Kind("newsletter: 429, then accepted", 20, "DELIVERED", BULK, {BULK: ["throttle", "accept"]}, rule=BULK_RULE,
         contacts=(BULK,)),
    Kind("email: 500, then accepted", 20, "DELIVERED", "email", {"email": ["error", "accept"]}, contacts=("email",)),
    Kind("email: 500 although taken", 20, "DELIVERED", "email", {"email": TAKEN_UNTOLD}, contacts=("email",)),
    Kind("email: connection dropped once", 20, "DELIVERED", "email", {"email": ["drop", "accept"]},
         contacts=("email",)),
    Kind("email: hangs once", 10, "DELIVERED", "email", {"email": ["hang", "accept"]}, contacts=("email",)),
    Kind("email: soft failure, second attempt", 20, "DELIVERED", "email", {"email": ["failed", "accept"]},
         contacts=("email", "email")),
    Kind("email undeliverable -> sms", 80, "DELIVERED", "sms", {"email": "undeliverable"}, contacts=("email", "sms")),
    Kind("email refused (400) -> sms", 40, "DELIVERED", "sms", {"email": "reject"}, contacts=("sms",)),
    Kind("email silent -> timer -> sms", 40, "DELIVERED", "sms", {"email": "no_dlr"}, contacts=("email", "sms")),
    Kind("email undeliverable -> sms timer -> push", 25, "DELIVERED", "push",
         {"email": "undeliverable", "sms": "no_dlr"}, contacts=("email", "sms", "push")),
    Kind("email late success during sms", 15, "DELIVERED", "email", {"email": {"receipts": LATE}, "sms": "no_dlr"},
         contacts=("email", "sms")),
    Kind("all undeliverable", 10, "EXHAUSTED", None, {name: "undeliverable" for name in CHANNELS}, contacts=CHANNELS),
    Kind("all failed, late success of push", 10, "EXHAUSTED", None,
         {"email": "undeliverable", "sms": "undeliverable", "push": {"receipts": LATE}}, corrected="DELIVERED",
         contacts=CHANNELS),
    Kind("validity over before the receipt", 10, "EXPIRED", None, {"email": "no_dlr"}, rule=SHORT_RULE,
         contacts=("email",)),
    Kind("canceled before dispatch", 10, "CANCELED", None, cancel=True),
)
INTERESTING = "email undeliverable -> sms timer -> push"
REPORT_TYPES = {"DELIVERED": "message.delivered", "EXHAUSTED": "message.failed", "EXPIRED": "message.expired",
                "CANCELED": "message.canceled"}


@dataclass(frozen=True)
class Planned:
    """One message to start."""

    key: str
    kind: Kind
    message: dict[str, Any]

    def webhook_types(self) -> list[str]:
        """What the tenant must be told, in order."""
        first = [REPORT_TYPES[self.kind.outcome]]
        return first + ["message.status_corrected"] if self.kind.corrected else first


def plan(count: int) -> list[Planned]:
    """`count` messages, every kind at least once, the kinds spread evenly over the run; the same list every time."""
    kinds = list(_spread(count))
    return [Planned(f"demo-{number:05d}", kind, _message(number, kind)) for number, kind in enumerate(kinds, 1)]


def _spread(count: int) -> Iterator[Kind]:
    """Smooth weighted round robin: each kind gets its share, no kind comes in a lump."""
    credit = {kind.name: float(len(KINDS) - place) for place, kind in enumerate(KINDS)}
    missing = {kind.name for kind in KINDS}
    total = sum(kind.share for kind in KINDS)
    for number in range(count):
        for kind in KINDS:
            credit[kind.name] += kind.share
        candidates = [kind for kind in KINDS if kind.name in missing] if count - number <= len(missing) else list(KINDS)
        chosen = max(candidates, key=lambda kind: credit[kind.name])
        credit[chosen.name] -= total
        missing.discard(chosen.name)
        yield chosen


def _message(number: int, kind: Kind) -> dict[str, Any]:
    address = f"user{number}@example.org"
    return {"to": {"email": address, "sms": f"+1555{number:07d}", "push": f"device-{number}", BULK: address},
            "text": f"Welcome, user {number}", "behaviour": kind.behaviour}
