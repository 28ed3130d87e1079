"""What the provider simulator is told to do with a message: parsed from the JSON a message or a plan carries.

A behaviour is a preset word, an object with the fields below, or a list of these: the n-th request for one cascade on
one channel takes entry n, and the last entry repeats.

    answer          accept | reject | throttle | error | hang | drop | redirect | flood
    status, code    HTTP status and error code, where the answer has one
    retry_after     seconds, sent as Retry-After
    delay           seconds before the answer
    taken           error, hang, drop, flood: the message is sent although the sender is not told so
    receipts        [{"status", "after", "error_code", "failure_kind", "copies"}], posted once the message is taken
    receipts_first  post the receipts and wait for their 2xx before answering the send
    dlr_url         where to post the receipts of this message instead of the configured handler
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

ANSWERS = ("accept", "reject", "throttle", "error", "hang", "drop", "redirect", "flood")
DEFAULT_STATUS = {"accept": 202, "reject": 400, "throttle": 429, "error": 500, "redirect": 302, "flood": 202}

PRESETS: dict[str, dict[str, Any]] = {
    "accept": {},
    "no_dlr": {"receipts": []},
    "failed": {"receipts": [{"status": "failed", "error_code": "30003"}]},
    "undeliverable": {"receipts": [{"status": "undeliverable", "error_code": "30005"}]},
    "sent_then_delivered": {"receipts": [{"status": "sent"}, {"status": "delivered", "after": 0.1}]},
    "duplicate_dlr": {"receipts": [{"status": "delivered", "copies": 3}]},
    "dlr_first": {"receipts_first": True},
    "reject": {"answer": "reject", "code": "invalid_recipient"},
    "throttle": {"answer": "throttle", "retry_after": 1},
    "error": {"answer": "error"},
    "error_taken": {"answer": "error", "taken": True},
    "hang": {"answer": "hang"},
    "hang_taken": {"answer": "hang", "taken": True},
    "drop": {"answer": "drop"},
    "drop_taken": {"answer": "drop", "taken": True},
    "redirect": {"answer": "redirect"},
    "flood": {"answer": "flood", "taken": True},
}


class BadBehaviour(ValueError):
    """The JSON is no behaviour; the sender of the script is told so with a 422."""


@dataclass(frozen=True)
class Receipt:
    """One delivery report to post; `copies` above 1 posts the identical report again."""

    status: str = "delivered"
    after: float = 0.0
    error_code: str | None = None
    failure_kind: str | None = None
    copies: int = 1


@dataclass(frozen=True)
class Behaviour:
    """One scripted reaction to one request."""

    answer: str = "accept"
    status: int = 0
    code: str | None = None
    retry_after: float | None = None
    delay: float = 0.0
    taken: bool = False
    receipts: tuple[Receipt, ...] = (Receipt(),)
    receipts_first: bool = False
    dlr_url: str | None = None


def parse_behaviour(value: Any, nth: int) -> Behaviour:
    """The reaction to the n-th (1-based) request of a cascade on a channel; None means accept and deliver."""
    if isinstance(value, list):
        if not value:
            raise BadBehaviour("an empty list of behaviours")
        value = value[min(nth, len(value)) - 1]
    if value is None:
        value = {}
    if isinstance(value, str):
        if value not in PRESETS:
            raise BadBehaviour(f"unknown behaviour {value!r}")
        value = PRESETS[value]
    if not isinstance(value, dict):
        raise BadBehaviour("a behaviour is a word, an object or a list of these")
    return _from_object(value)


def _from_object(value: dict[str, Any]) -> Behaviour:
    _check_keys(value, Behaviour)
    members = dict(value)
    if "receipts" in members:
        for receipt in members["receipts"]:
            _check_keys(receipt, Receipt)
        members["receipts"] = tuple(Receipt(**receipt) for receipt in members["receipts"])
    answer = members.get("answer", "accept")
    if answer not in ANSWERS:
        raise BadBehaviour(f"unknown answer {answer!r}")
    members.setdefault("status", DEFAULT_STATUS.get(answer, 0))
    if answer == "accept":
        members["taken"] = True
    return Behaviour(**members)


def _check_keys(value: Any, kind: type) -> None:
    if not isinstance(value, dict):
        raise BadBehaviour(f"a {kind.__name__.lower()} is an object")
    unknown = set(value) - {field.name for field in fields(kind)}
    if unknown:
        raise BadBehaviour(f"unknown member {sorted(unknown)[0]!r}")
