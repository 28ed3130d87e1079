"""What a worked example has come to, told so that a run with a kill can be compared with one without."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from crashes import Client
from example_pages import Example
from harness import check, equal

# Nothing of an execution that has ended is left here.
OPEN_WORK = ("execution", "execution_chunk", "task", "activity", "condition_waiter", "execution_update", "program_task", "dead_letter")
# Here it leaves something: no more and no less than without a kill.
KEPT = ("execution_closed", "execution_current", "execution_attributes")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What comes from outside of the function comes in the order in which it was done.
FROM_OUTSIDE = ("ActivityTaskStarted", "ActivityTaskCompleted", "ChildWorkflowExecutionCompleted", "ChildWorkflowExecutionFailed")
EXECUTIONS = "SELECT execution_id::text, workflow_id, status FROM hermes.workflows ORDER BY workflow_id, started_at, execution_id"


def scrubbed(value: Any) -> Any:
    """Times and generated ids differ from run to run; everything else is compared."""
    if isinstance(value, dict):
        return {name: scrubbed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [scrubbed(member) for member in value]
    if isinstance(value, str):
        return "<time>" if TIME.fullmatch(value) else "<id>" if ID.fullmatch(value) else value
    return value


@dataclass
class Execution:
    status: str
    result: Any
    failure: Any
    failed_turns: int
    events: list[tuple[str, Any]]
    attempts: list[int]  # of its activities, by command


@dataclass
class Outcome:
    executions: dict[tuple[str, int], Execution]  # by workflow id and run
    unnamed: list[Execution]  # executions without a workflow id: children, which are alike
    rows: list[Any]
    effects: list[str]
    kept: dict[str, int]
    requests: int  # at the service
    extra_attempts: int

    def ends(self) -> dict[str, int]:
        """How many executions have ended with which status and result, or message of their failure."""
        return dict(Counter(f"{execution.status} {execution.failure['message'] if execution.failure else execution.result}"
                            for execution in [*self.executions.values(), *self.unnamed]))

    def must_be(self, reference: Outcome) -> None:
        for found, expected in zip(self.rows, reference.rows, strict=True):
            alike("business rows", found, expected)
        alike("effects", self.effects, reference.effects)
        equal(list(self.executions), list(reference.executions), "executions")
        for name, found in self.executions.items():
            self.must_be_execution(name, found, reference.executions[name])
        alike("executions without a workflow id", sorted(map(str, self.unnamed)), sorted(map(str, reference.unnamed)))
        equal(self.kept, reference.kept, "rows kept of what has ended")
        # HTTP is at least once: of a request that was under way nobody knows whether it was done. Not much more often, though:
        # two tools were under way at most, and a busy answer more costs one.
        check(reference.requests <= self.requests <= reference.requests + 3, f"{self.requests} requests, {reference.requests} without a kill")

    def must_be_execution(self, name: tuple[str, int], found: Execution, expected: Execution) -> None:
        for part in ("status", "result", "failure", "failed_turns"):
            equal(getattr(found, part), getattr(expected, part), f"{part} of {name}")
        alike(f"events of {name}", found.events, expected.events)
        equal(len(found.attempts), len(expected.attempts), f"activities of {name}")
        for number, reference in zip(found.attempts, expected.attempts):
            check(1 <= number <= reference + self.extra_attempts, f"attempts of {name}: {found.attempts}, {expected.attempts} without a kill")


def alike(what: str, found: Sequence[object], expected: Sequence[object]) -> None:
    """Long lists: only where they part is told."""
    for number, (one, other) in enumerate(zip_longest(found, expected), 1):
        equal(one, other, f"number {number} of the {what}")


def in_order(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What several activities or children, begun together, brought one after the other, by the number of their command."""
    ordered: list[tuple[str, Any]] = []
    start = 0
    for place, event in enumerate(events):
        if event[0] not in FROM_OUTSIDE:
            ordered[start:] = sorted(ordered[start:], key=lambda brought: brought[1]["command"])
            start = place + 1
        ordered.append(event)
    return ordered


def execution_of(client: Client, execution: str) -> Execution:
    status = client.sql("SELECT hermes.workflow_status(%s)", execution)[0][0]
    history = client.sql("SELECT event_type, attributes, event_time FROM hermes.workflow_history(%s) ORDER BY event_id", execution)
    times = [row[2] for row in history]
    equal(times, sorted(times), f"times of the events of {execution}")
    events = in_order([(kind, scrubbed(attributes)) for kind, attributes, _ in history])
    # How often an activity was tried is compared apart: an attempt that a kill interrupts may count.
    attempts = [event[1]["attempt"].pop("number") for event in events if event[0] == "ActivityTaskStarted"]
    return Execution(status["status"], scrubbed(status.get("result")), scrubbed(status.get("failure")), status.get("failed_turns", 0), events, attempts)


def outcome_of(client: Client, example: Example) -> Outcome:
    """Of an example whose executions have all ended."""
    def count(table: str) -> int:
        return int(client.sql(f"SELECT count(*) FROM hermes.{table}")[0][0])

    executions: dict[tuple[str, int], Execution] = {}
    unnamed: list[Execution] = []
    for execution, workflow_id, _ in client.sql(EXECUTIONS):
        found = execution_of(client, execution)
        if workflow_id:
            executions[workflow_id, sum(known == workflow_id for known, _ in executions)] = found
        else:
            unnamed.append(found)
    equal({table: count(table) for table in OPEN_WORK}, dict.fromkeys(OPEN_WORK, 0), "left")
    return Outcome(executions, unnamed, [client.sql(statement) for statement in example.rows],
                   [f"{what} #{number}" for what, number in client.sql("SELECT what, number FROM crash.effect ORDER BY what COLLATE \"C\", number")],
                   {table: count(table) for table in KEPT}, example.service.requests if example.service else 0, example.extra_attempts)
