"""What the demo prints at its end: outcomes, one history as a timeline, latencies, webhooks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from check import Evidence
from load import Started
from mix import BULK_RULE, Planned

HISTORY = "SELECT event_time, event_type, attributes FROM hermes.cascade_history(%s) ORDER BY event_id"
PROVIDERS = "SELECT provider, breaker, accepted, failed, throttled FROM hermes.providers_status ORDER BY provider"
# What the timeline shows of an event, in this order.
SHOWN = ("step", "attempt", "task", "code", "state", "failure_kind", "result", "outcome", "due", "reason",
         "provider_message_id")
TIMERS = """SELECT id::text, h.event_time, h.event_type, h.attributes
              FROM unnest(%s::uuid[]) AS id, LATERAL hermes.cascade_history(id) AS h
             WHERE h.event_type IN ('TimerStarted', 'TimerFired') ORDER BY id, h.event_id"""


def outcomes(planned: Sequence[Planned], started: Started, evidence: Evidence) -> list[str]:
    expected: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for item in planned:
        expected[item.kind.outcome, item.kind.channel or "-"] += 1
        status = evidence.status.get(started.ids.get(item.key, ""), {})
        outcome = status.get("outcome") or "none"
        found[outcome, (status.get("channel") or "-") if outcome == "DELIVERED" else "-"] += 1
    lines = ["outcome      channel  expected     found"]
    for row in sorted(set(expected) | set(found)):
        mark = "" if expected[row] == found[row] else "   <-- differs"
        lines.append(f"{row[0]:<12} {row[1]:<8} {expected[row]:>8}  {found[row]:>8}{mark}")
    lines.append(f"{'all':<21} {sum(expected.values()):>8}  {sum(found.values()):>8}")
    return lines


def kinds(planned: Sequence[Planned]) -> list[str]:
    counts = Counter(item.kind.name for item in planned)
    return [f"{count:>6}  {name}" for name, count in counts.items()]


def timeline(dsn: str, cascade: str, status: dict[str, Any]) -> list[str]:
    """The history with times since the start, and channels and providers by name."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        events = connection.execute(HISTORY, (cascade,)).fetchall()
    if not events:
        return ["no history"]
    begin, attempts = events[0][0], status["attempts"]
    return [f"{(time - begin).total_seconds():>+9.3f} s  {kind:<16} {_words(attributes, attempts, begin)}".rstrip()
            for time, kind, attributes in events]


def _words(attributes: dict[str, Any], attempts: Sequence[dict[str, Any]], begin: datetime) -> str:
    shown = {name: attributes[name] for name in SHOWN if attributes.get(name) is not None}
    if "step" in shown:
        channels = {attempt["step"]: attempt["channel"] for attempt in attempts}
        shown["step"] = f"{shown['step']} ({channels.get(shown['step'], 'not sent')})"
    if "attempt" in shown and "provider_id" in attributes:
        shown["provider"] = attempts[shown["attempt"] - 1]["provider"]
    if "due" in shown:
        shown["due"] = f"{(_time(shown['due']) - begin).total_seconds():+.3f} s"
    return "  ".join(f"{name}={value}" for name, value in shown.items())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def latencies(dsn: str, planned: Sequence[Planned], started: Started, evidence: Evidence) -> list[str]:
    per_cascade = [seconds / size for size, seconds in started.set_calls]
    signals = [dlr["call_seconds"] for dlr in evidence.dlrs if dlr["result"] == "applied"]
    lines = ["                                                        n        p50        p99        max"]
    lines.append(_line("start_cascade, one call", started.single_calls))
    lines.append(_line("start_cascades, each of a set", per_cascade))
    held = {started.ids[item.key] for item in planned if item.kind.rule == BULK_RULE and item.key in started.ids}
    lines.append(_line("commit of the start -> request at the provider", _dispatch(started, evidence, held, False)))
    lines.append(_line("the same at the account that says 429, wait 1 s", _dispatch(started, evidence, held, True)))
    lines.append(_line("signal_cascade -> transition committed", signals))
    lines.append(_line("receipt at the handler -> webhook at the tenant", _reporting(evidence)))
    lines.append(_line("timer lateness", _lateness(dsn, started)))
    return lines


def _line(name: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{name:<50} {0:>7}"
    ordered = sorted(seconds)
    cells = "  ".join(f"{value * 1000:>6.1f} ms" for value in (_rank(ordered, 0.5), _rank(ordered, 0.99), ordered[-1]))
    return f"{name:<50} {len(ordered):>7}  {cells}"


def _rank(ordered: Sequence[float], share: float) -> float:
    """Nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _dispatch(started: Started, evidence: Evidence, chosen: set[str], among: bool) -> list[float]:
    """Both clocks are this machine's; the request may come before the client has seen its COMMIT return."""
    result = []
    for cascade, committed in started.committed.items():
        requests = evidence.requests.get(cascade)
        if requests and (cascade in chosen) == among:
            result.append(max(0.0, requests[0]["time"] - committed))
    return result


def _reporting(evidence: Evidence) -> list[float]:
    received = {}
    for dlr in evidence.dlrs:
        if dlr["result"] == "applied":
            received[dlr["cascade"]] = dlr["received"]
    result = []
    for cascade, webhooks in evidence.webhooks.items():
        first = webhooks[0]
        if len(webhooks) == 1 and first["body"].get("type") == "message.delivered" and cascade in received:
            result.append(first["time"] - received[cascade])
    return result


def _lateness(dsn: str, started: Started) -> list[float]:
    due: dict[tuple[str, Any], datetime] = {}
    result = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for cascade, time, kind, attributes in connection.execute(TIMERS, (list(started.ids.values()),)):
            name = (cascade, attributes.get("task"))
            if kind == "TimerStarted":
                due[name] = _time(attributes["due"])
            elif name in due:
                result.append((time - due[name]).total_seconds())
    return result


def webhooks(evidence: Evidence) -> list[str]:
    counts = evidence.application
    lines = [f"received {counts['webhooks']}, signature verified {counts['verified']}, "
             f"with effect {counts['processed']}, repeated {counts['verified'] - counts['processed']}"]
    lines += [f"{count:>6}  {name}" for name, count in sorted(counts["types"].items())]
    return lines


def provider(evidence: Evidence) -> list[str]:
    counts = evidence.simulator
    answers = ", ".join(f"{count} x {'no answer' if status == '0' else status}"
                        for status, count in sorted(counts["answers"].items()))
    dlrs = counts["dlrs"]
    return [f"requests {counts['requests']} ({answers}); messages taken {counts['effects']}, "
            f"repeats answered from their key {counts['repeats']}",
            f"receipts posted {dlrs['posted']}, acknowledged {dlrs['acknowledged']}; "
            + ", ".join(f"{name} {count}" for name, count in sorted(evidence.application["dlr_results"].items()))]


def providers(dsn: str) -> list[str]:
    """What the database knows of the provider accounts."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(PROVIDERS).fetchall()
    lines = [f"{'provider':<18} breaker    accepted    failed  throttled"]
    return lines + [f"{row[0]:<18} {row[1]:<8} {row[2]:>10} {row[3]:>9} {row[4]:>10}" for row in rows]
