"""Starts the demo's cascades from several database sessions: one by one beside business data, and by sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from mix import MAIN_RULE, Planned
from setup_sql import TENANT

SINGLE_SESSIONS = 4
SET_SESSIONS = 1
SET_SIZE = 50
ROLLED_BACK = 20
SINGLES_PER_SECOND = 25.0  # a session; a steady stream shows latencies, a flood would show queues

START = "SELECT hermes.start_cascade(%s, %s, %s, %s)"
START_SET = "SELECT hermes.start_cascades(%s, %s::jsonb[], %s, %s)"
CUSTOMER = "INSERT INTO public.customer (number, welcome) VALUES (%s, %s)"
CANCEL = "SELECT hermes.cancel_cascade(%s, 'changed my mind')"


@dataclass
class Started:
    """What the sessions noted; filled by several threads, each append is atomic."""

    ids: dict[str, str] = field(default_factory=dict)  # key -> cascade
    committed: dict[str, float] = field(default_factory=dict)  # cascade -> wall clock at the return of COMMIT
    single_calls: list[float] = field(default_factory=list)  # seconds of one start_cascade call
    set_calls: list[tuple[int, float]] = field(default_factory=list)  # size, seconds
    rolled_back: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Load:
    """Runs the sessions; `started` grows while they run."""

    def __init__(self, dsn: str, planned: Sequence[Planned]) -> None:
        self.dsn = dsn
        self.started = Started()
        self.stop = threading.Event()
        in_sets = [item for place, item in enumerate(planned) if place % 3 == 2 and _plain(item)]
        chosen = {item.key for item in in_sets}
        self.singles: SimpleQueue[Planned] = SimpleQueue()
        self.sets: SimpleQueue[list[Planned]] = SimpleQueue()
        for item in planned:
            if item.key not in chosen:
                self.singles.put(item)
        for first in range(0, len(in_sets), SET_SIZE):
            self.sets.put(in_sets[first:first + SET_SIZE])
        self.threads = [threading.Thread(target=self._session, args=(self._single_session,), daemon=True)
                        for _ in range(SINGLE_SESSIONS)]
        self.threads += [threading.Thread(target=self._session, args=(self._set_session,), daemon=True)
                         for _ in range(SET_SESSIONS)]
        self.threads.append(threading.Thread(target=self._session, args=(self._rollback_session,), daemon=True))

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def running(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _session(self, body: Any) -> None:
        try:
            with psycopg.connect(self.dsn) as connection:
                body(connection)
        except Exception as problem:  # noqa: BLE001 (told at the end; the demo fails by it)
            self.started.problems.append(f"{type(problem).__name__}: {problem}")

    def _single_session(self, connection: psycopg.Connection[Any]) -> None:
        due = time.monotonic()
        while not self.stop.is_set():
            try:
                item = self.singles.get_nowait()
            except Empty:
                return
            self._start_one(connection, item)
            due += 1.0 / SINGLES_PER_SECOND
            self.stop.wait(max(0.0, due - time.monotonic()))

    def _start_one(self, connection: psycopg.Connection[Any], item: Planned) -> None:
        """The customer's row and the cascade commit together."""
        begin = time.perf_counter()
        cascade = _value(connection, START, (item.kind.rule, Jsonb(item.message), item.key, TENANT))
        self.started.single_calls.append(time.perf_counter() - begin)
        connection.execute(CUSTOMER, (int(item.key.rsplit("-", 1)[1]), cascade))
        if item.kind.cancel:
            connection.execute(CANCEL, (cascade,))
        connection.commit()
        self._note(item, cascade)

    def _set_session(self, connection: psycopg.Connection[Any]) -> None:
        while not self.stop.is_set():
            try:
                items = self.sets.get_nowait()
            except Empty:
                return
            begin = time.perf_counter()
            rows = connection.execute(START_SET, (MAIN_RULE, [Jsonb(item.message) for item in items],
                                                  [item.key for item in items], TENANT)).fetchall()
            self.started.set_calls.append((len(items), time.perf_counter() - begin))
            connection.commit()
            for item, row in zip(items, rows, strict=True):
                self._note(item, str(row[0]))
            self.stop.wait(1.0)

    def _rollback_session(self, connection: psycopg.Connection[Any]) -> None:
        """Starts that never happened: no provider may see them."""
        for number in range(ROLLED_BACK):
            message = {"to": {"email": "nobody@example.org"}, "text": "must never leave"}
            cascade = _value(connection, START, (MAIN_RULE, Jsonb(message), f"rolled-back-{number}", TENANT))
            connection.rollback()
            self.started.rolled_back.append(cascade)

    def _note(self, item: Planned, cascade: str) -> None:
        self.started.committed[cascade] = time.time()
        self.started.ids[item.key] = cascade


def _plain(item: Planned) -> bool:
    return item.kind.rule == MAIN_RULE and not item.kind.cancel


def _value(connection: psycopg.Connection[Any], statement: str, parameters: tuple[Any, ...]) -> str:
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return str(row[0])
