"""What the tests that kill processes share: which points are taken, kills, restarts, and clients that live through them.

HC_CRASH_POINTS=all kills at every point (make test-crash does); otherwise at a sample, drawn by HC_CRASH_SEED or anew."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import psycopg

from harness import World, check, wait_until

T = TypeVar("T")
EVERY_POINT = os.environ.get("HC_CRASH_POINTS") == "all"
SEED = os.environ.get("HC_CRASH_SEED") or str(random.randrange(1_000_000))
RESTART_SECONDS = 60


class Sessions(Protocol):
    """Whoever has a session, and a new one after the server broke it."""

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]: ...


class Client:
    """Sessions in one database of the world's cluster."""

    def __init__(self, world: World, database: str) -> None:
        self.world = world
        self.database = database
        self._session: psycopg.Connection[Any] | None = None

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.world.cluster.dsn(database=self.database), autocommit=True)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        if self._session is None or self._session.closed:
            self._session = self.connect()
        cursor = self._session.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def through_restarts(call: Callable[[], T], seconds: float = RESTART_SECONDS) -> T:
    """The call, repeated while the server is going down or coming up; any other error is the caller's."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except psycopg.OperationalError as problem:
            # psycopg counts class 55 and others among these: only lost sessions and refused ones are meant
            lost = problem.sqlstate is None or problem.sqlstate.startswith(("08", "57P"))
            if not lost or time.monotonic() > end:
                raise
        time.sleep(0.05)  # the pause of a client between two tries


def patiently(client: Sessions, statement: str, *parameters: object) -> Any:
    """The value of a statement that is repeated as a client does whose server restarts."""
    return through_restarts(lambda: client.sql(statement, *parameters))[0][0]


def kill_server(world: World) -> None:
    """kill -9 of the postmaster, and a start."""
    pid = world.cluster.postmaster_pid()
    world.kill(pid)

    def started() -> bool:
        # The shared memory of the killed server is in use until its last child has gone.
        world.cluster.start()
        return True

    wait_until(started, RESTART_SECONDS, "the restart", interval=0.3)
    check(world.cluster.postmaster_pid() != pid, "the server was not restarted")


def life_of(client: Sessions) -> tuple[Any, ...]:
    """(start of the server, process id of the supervisor of this database or nothing): another one after each restart."""
    return client.sql("SELECT pg_postmaster_start_time(), (SELECT min(pid) FROM pg_stat_activity WHERE datname = current_database() "
                      "AND backend_type LIKE %s)", "%hermes%supervisor%")[0]


def wait_restarted(client: Sessions, before: tuple[Any, ...]) -> None:
    """Until the server and the workers of the database run again."""
    def restarted() -> bool:
        try:
            now = life_of(client)
        except psycopg.OperationalError:
            return False
        return now != before and now[1] is not None

    wait_until(restarted, RESTART_SECONDS, "the restart", interval=0.05)


def stopped_executor(client: Sessions) -> int:
    """The executor of this database that waits for an advisory lock: in a trap."""
    def found() -> int:
        rows = client.sql("SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND NOT l.granted "
                          "AND a.datname = current_database() AND a.backend_type LIKE %s", "%hermes%")
        return int(rows[0][0]) if rows else 0

    return wait_until(found, 20, "an executor in the trap")


def chosen(whose: str, points: Sequence[T], sample: int) -> Sequence[T]:
    if EVERY_POINT or len(points) <= sample:
        return points
    print(f"# sample of {whose}: HC_CRASH_SEED={SEED}", flush=True)
    return random.Random(f"{whose} {SEED}").sample(points, sample)
