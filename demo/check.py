"""Compares what happened with what the mix promised; each difference is one line of text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from load import Started
from mix import Planned
from peers import Peer

STATUS = "SELECT id::text, hermes.cascade_status(id) FROM unnest(%s::uuid[]) AS id"


@dataclass
class Evidence:
    """Everything the three sides know after the run."""

    status: dict[str, dict[str, Any]]  # by cascade
    requests: dict[str, list[dict[str, Any]]]  # provider's log by cascade
    webhooks: dict[str, list[dict[str, Any]]]  # tenant's records by cascade
    dlrs: list[dict[str, Any]]
    simulator: dict[str, Any]  # statistics
    application: dict[str, Any]


def gather(dsn: str, started: Started, simulator: Peer, application: Peer) -> Evidence:
    with psycopg.connect(dsn, autocommit=True) as connection:
        status = dict(connection.execute(STATUS, (list(started.ids.values()),)).fetchall())
    return Evidence(status, _grouped(simulator.get("/log")), _grouped(application.get("/webhooks")),
                    application.get("/dlrs"), simulator.get("/stats"), application.get("/stats"))


def _grouped(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    result: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        result[record["cascade"]].append(record)
    return result


def problems(planned: Sequence[Planned], started: Started, evidence: Evidence) -> list[str]:
    found = [f"a session failed: {text}" for text in started.problems]
    for item in planned:
        cascade = started.ids.get(item.key)
        if cascade is None:
            found.append(f"{item.key} ({item.kind.name}): not started")
            continue
        for text in _cascade_problems(item, cascade, evidence):
            found.append(f"{item.key} {cascade} ({item.kind.name}): {text}")
    if len(set(started.ids.values())) != len(started.ids):
        found.append("two keys got the same cascade")
    found += _global_problems(started, evidence)
    return found


def _cascade_problems(item: Planned, cascade: str, evidence: Evidence) -> Iterator[str]:
    kind, status = item.kind, evidence.status.get(cascade)
    if status is None:
        yield "no status"
        return
    if status["status"] != "CLOSED" or status["outcome"] is None:
        yield f"no outcome: {status['status']} in step {status.get('step')}"
    elif status["outcome"] != kind.outcome:
        yield f"outcome {status['outcome']}, expected {kind.outcome}"
    if kind.outcome == "DELIVERED" and status["channel"] != kind.channel:
        yield f"channel {status['channel']}, expected {kind.channel}"
    if status.get("corrected_outcome") != kind.corrected:
        yield f"corrected to {status.get('corrected_outcome')}, expected {kind.corrected}"
    yield from _contact_problems(kind.contacts, evidence.requests.get(cascade, []))
    yield from _webhook_problems(item, evidence.webhooks.get(cascade, []))


def _contact_problems(expected: tuple[str, ...], requests: list[dict[str, Any]]) -> Iterator[str]:
    taken = Counter(request["channel"] for request in requests if request["effect"])
    if taken != Counter(expected):
        yield f"providers took {dict(taken)}, expected {dict(Counter(expected))}"


def _webhook_problems(item: Planned, webhooks: list[dict[str, Any]]) -> Iterator[str]:
    if any(not webhook["verified"] for webhook in webhooks):
        yield "a webhook without a valid signature"
    effective = [webhook["body"] for webhook in webhooks if webhook["processed"]]
    effective.sort(key=lambda body: int(body["data"].get("sequence", 0)))
    types = [body["type"] for body in effective]
    if types != item.webhook_types():
        yield f"webhooks {types}, expected {item.webhook_types()}"
    for body in effective:
        if body["data"].get("key") != item.key:
            yield f"webhook with key {body['data'].get('key')}"


def _global_problems(started: Started, evidence: Evidence) -> Iterator[str]:
    simulator, application = evidence.simulator, evidence.application
    for name, meaning in (("refs_sent_twice", "an attempt was sent twice with effect"),
                          ("refs_with_two_keys", "an attempt was repeated with another idempotency key"),
                          ("keys_with_two_bodies", "an idempotency key came back with another body")):
        for subject in simulator[name]:
            yield f"{meaning}: {subject}"
    for cascade in started.rolled_back:
        if evidence.requests.get(cascade):
            yield f"a rolled back start was sent: {cascade}"
    strangers = set(evidence.requests) - set(started.ids.values()) - set(started.rolled_back)
    if strangers:
        yield f"the provider saw cascades that nobody started: {sorted(strangers)[:3]}"
    for result in ("unknown", "refused", "unmatched"):
        if application["dlr_results"].get(result):
            yield f"{application['dlr_results'][result]} receipts had the result {result}"
    if application["unverified"]:
        yield f"{application['unverified']} webhooks without a valid signature"
