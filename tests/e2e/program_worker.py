#!/usr/bin/python3
"""A client of the protocol of outside programs (docs/protocol.md), small enough to read: programs are generators that
yield what they wait for. Each event of the history is fed alone, and the program is run until it can go no further.

program_worker.py DSN QUEUE NAME [seconds it thinks]"""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Generator

import psycopg
from psycopg.types.json import Jsonb

Program = Generator[tuple[str, Any], Any, Any]


class Failed(Exception):
    pass


class Canceled(Exception):
    pass


class Run:
    """One pass of a program over a history."""

    def __init__(self, program: Callable[["Run", Any], Program], task: dict[str, Any]) -> None:
        self.new: list[dict[str, Any]] = []  # commands that the history does not have
        self.issued = 0
        self.ends: dict[int, dict[str, Any]] = {}
        self.signals: dict[str, list[Any]] = {}
        self.updates: list[dict[str, Any]] = []
        self.canceled = False
        self.closed = False
        self.events = task["history"]["events"]
        self.recorded = max([event.get("command", 0) for event in self.events], default=0)
        self.body = program(self, task["history"]["input"])
        self.waits: tuple[str, Any] | None = None
        self.value: Any = None
        for event in self.events:
            self.feed(event)
            self.go()
        for update in task["updates"]:
            self.new.append({"type": "accept_update", "update_id": update["update_id"]})
            self.updates.append(update)
            self.go()

    def command(self, kind: str, **fields: Any) -> int:
        self.issued += 1
        if self.issued > self.recorded:
            self.new.append({"type": kind, "command": self.issued} | fields)
        return self.issued

    def answer(self, kind: str, **fields: Any) -> None:
        self.closed = True
        self.new.append({"type": kind} | fields)

    def feed(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind in ("TimerFired", "ActivityTaskCompleted", "ActivityTaskFailed", "ActivityTaskTimedOut", "ActivityTaskCanceled",
                    "ChildWorkflowExecutionCompleted", "ChildWorkflowExecutionFailed", "StartChildWorkflowExecutionFailed"):
            self.ends.setdefault(event["command"], event)
        elif kind == "WorkflowExecutionSignaled":
            self.signals.setdefault(event["name"], []).append(event.get("payload"))
        elif kind == "WorkflowExecutionUpdateAccepted":
            self.updates.append({"update_id": event["text"], "name": event["name"], "args": event.get("payload")})
        elif kind == "WorkflowExecutionCancelRequested":
            self.canceled = True

    def ready(self) -> bool:
        """Whether what the program waits for is there; its value."""
        if self.waits is None:
            return True
        kind, what = self.waits
        if self.canceled and kind != "shielded":
            raise Canceled
        if kind in ("end", "shielded") and what in self.ends:
            event = self.ends[what]
            if event["type"].endswith(("Failed", "TimedOut", "Canceled")):
                raise Failed(event["payload"]["message"])
            self.value = event.get("payload")
            return True
        if kind == "signal" and self.signals.get(what):
            self.value = self.signals[what].pop(0)
            return True
        if kind == "update" and self.updates:
            self.value = self.updates.pop(0)
            return True
        return False

    def go(self) -> None:
        while not self.closed:
            try:
                try:
                    if not self.ready():
                        return
                    self.waits = self.body.send(self.value)
                except (Failed, Canceled) as error:
                    self.canceled = False
                    self.waits = self.body.throw(error)
                self.value = None
            except StopIteration as end:
                self.answer("complete_workflow", result=end.value)
            except Canceled:
                self.answer("cancel_workflow")
            except Failed as error:
                self.answer("fail_workflow", failure={"message": str(error)})


def order(run: Run, data: Any) -> Program:
    """an activity, a timer, a signal, a marker, a child"""
    handle = run.command("start_activity", activity="work", input=data["amount"], options={"queue": data["queue"], "start_to_close": "1m"})
    squared = yield "end", handle
    yield "end", run.command("start_timer", duration="50ms")
    run.command("record_marker", name="squared", value=squared)
    run.new.append({"type": "set_query_result", "name": "squared", "value": squared})
    paid = yield "signal", "paid"
    child = yield "end", run.command("start_child", workflow_type="counter", input={"to": 2})
    return {"squared": squared, "paid": paid, "child": child}


def counter(run: Run, data: Any) -> Program:
    """timers, one after the other"""
    for _ in range(data["to"]):
        yield "end", run.command("start_timer", duration="5ms")
    return data["to"]


def cart(run: Run, _: Any) -> Program:
    """takes updates until check_out"""
    items = 0
    while True:
        update = yield "update", None
        if update["name"] == "add":
            items += update["args"]["n"]
        run.command("complete_update", update_id=update["update_id"], result=items)
        if update["name"] == "check_out":
            return items


PROGRAMS: dict[str, Callable[[Run, Any], Program]] = {"order": order, "counter": counter, "cart": cart}


def work(connection: psycopg.Connection, queue: str, name: str, thinks: float) -> bool:
    rows = connection.execute("SELECT to_jsonb(t) FROM hermes.poll_workflow_tasks(%s, %s, 3, '2 seconds') t", (queue, name)).fetchall()
    connection.commit()  # the tasks are this worker's, and no transaction is open while it thinks
    for (task,) in rows:
        time.sleep(thinks)
        commands = Run(PROGRAMS[task["workflow_type"]], task).new
        try:
            connection.execute("SELECT hermes.complete_workflow_task(%s, %s)", (task["token"], Jsonb(commands)))
            connection.commit()
        except psycopg.Error as error:
            connection.rollback()
            if error.sqlstate != "WF025":  # another worker has it by now
                raise
    return bool(rows)


def main(dsn: str, queue: str, name: str, thinks: str = "0") -> None:
    while True:
        try:
            with psycopg.connect(dsn) as connection:
                while True:
                    if not work(connection, queue, name, float(thinks)):
                        time.sleep(0.02)
        except psycopg.OperationalError:
            time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
