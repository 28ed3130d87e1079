#!/usr/bin/python3
"""kill -9 under load: dispatcher, supervisor, postmaster. Clients reconnect and retry by key; afterwards every cascade
has one outcome, every committed start was sent, and a repeated send carries the key of the first."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg
from psycopg.types.json import Jsonb

from crashes import kill_server
from harness import TENANT, World, check, equal, main, message, wait_until

SESSIONS = 3
CASCADES = 240  # a scenario
KILL_AFTER = 80  # starts
MIX = ({}, {}, {"email": {"delay": 0.2}}, {"email": "undeliverable"}, {"email": ["error_taken"]}, {"email": "no_dlr"})
EXPECTED = ("email", "email", "email", "sms", "email", "sms")


@dataclass
class Load:
    """Client sessions that start cascades by key until each key is committed."""

    world: World
    prefix: str
    committed: dict[int, str] = field(default_factory=dict)
    disconnects: int = 0
    problems: list[str] = field(default_factory=list)

    def run(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._session, args=(first,), daemon=True) for first in range(SESSIONS)]
        for thread in threads:
            thread.start()
        return threads

    def _session(self, first: int) -> None:
        connection: psycopg.Connection | None = None
        end = time.monotonic() + 90
        for number in range(first, CASCADES, SESSIONS):
            body = Jsonb(message(MIX[number % len(MIX)]))
            while number not in self.committed:
                try:
                    connection = connection or self.world.connect()
                    row = connection.execute("SELECT hermes.start_cascade('crash', %s, %s, %s)::text",
                                             (body, f"{self.prefix}-{number}", TENANT)).fetchone()
                    assert row is not None
                    self.committed[number] = row[0]
                except psycopg.OperationalError as problem:
                    self.disconnects += 1
                    connection = None
                    if time.monotonic() > end:
                        self.problems.append(str(problem))
                        return
                    time.sleep(0.05)  # the pause of a client between two tries
                except Exception as problem:  # noqa: BLE001 (told by the scenario)
                    self.problems.append(repr(problem))
                    return
            time.sleep(0.01)  # a stream, not a burst: the kill must find work under way
        if connection is not None:
            connection.close()


def under_load(world: World, prefix: str, kill: object) -> None:
    load = Load(world, prefix)
    threads = load.run()
    wait_until(lambda: len(load.committed) >= KILL_AFTER or load.problems, what="some starts")
    assert callable(kill)
    kill()
    for thread in threads:
        thread.join(100)
    equal(load.problems, [], "problems of the clients")
    equal(len(load.committed), CASCADES, "committed starts")
    check(load.disconnects > 0, "no client noticed the crash, so nothing was shown")
    judge(world, load)


def reports_with_effect(world: World, ids: list[str]) -> Counter[str]:
    known = set(ids)
    return Counter(webhook["cascade"] for webhook in world.application.get("/webhooks")
                   if webhook["processed"] and webhook["cascade"] in known and webhook["body"]["type"] == "message.delivered")


def judge(world: World, load: Load) -> None:
    ids = list(load.committed.values())
    open_ones = "SELECT count(*) FROM hermes.cascades WHERE cascade_id = ANY (%s::uuid[]) AND status = 'RUNNING'"
    wait_until(lambda: world.value(open_ones, ids) == 0, 60, "the end of all cascades", interval=0.2)
    status = dict(world.sql("SELECT id::text, hermes.cascade_status(id) FROM unnest(%s::uuid[]) AS id", ids))
    ends = dict(world.sql("""SELECT id::text, count(*) FROM unnest(%s::uuid[]) AS id, hermes.cascade_history(id)
                             WHERE event_type = 'CascadeCompleted' GROUP BY 1""", ids))
    requested = {request["cascade"] for request in world.simulator.get("/log")}
    for number, cascade in load.committed.items():
        expected = ("DELIVERED", EXPECTED[number % len(EXPECTED)])
        equal((status[cascade]["outcome"], status[cascade]["channel"]), expected, f"end of {cascade}")
        equal(ends[cascade], 1, f"completions of {cascade}")
        check(cascade in requested, f"no request of the committed {cascade}")
    wait_until(lambda: reports_with_effect(world, ids) >= Counter(ids), 60, "all reports", interval=0.2)
    equal(reports_with_effect(world, ids), Counter(ids), "reports with an effect, one a cascade")
    equal(len(set(load.committed.values())), CASCADES, "cascades of as many keys")
    known = world.value("SELECT count(*) FROM hermes.cascades WHERE key LIKE %s", f"{load.prefix}-%")
    equal(known, CASCADES, "cascades with these keys")
    stats = world.simulator.get("/stats")
    for name in ("refs_sent_twice", "refs_with_two_keys", "keys_with_two_bodies"):
        equal(stats[name], [], name)
    results = Counter(dlr["result"] for dlr in world.application.get("/dlrs"))
    equal({name: results[name] for name in ("unknown", "refused")}, {"unknown": 0, "refused": 0}, "results of receipts")


def dispatcher(world: World) -> None:
    """kill -9 of a dispatcher under load: one outcome each, nothing lost, same keys"""
    pid = world.worker_pid("dispatcher")
    under_load(world, "dispatcher", lambda: world.kill(pid))
    check(world.worker_pid("dispatcher") != pid, "no new dispatcher")


def supervisor(world: World) -> None:
    """kill -9 of the supervisor under load: one outcome each, nothing lost, same keys"""
    pid = world.worker_pid("supervisor")
    under_load(world, "supervisor", lambda: world.kill(pid))
    check(world.worker_pid("supervisor") != pid, "no new supervisor")


def postmaster(world: World) -> None:
    """kill -9 of the postmaster under load, then a restart: one outcome each, nothing lost, same keys"""
    under_load(world, "postmaster", lambda: kill_server(world))


def asynchronous_commit(world: World) -> None:
    """a start committed asynchronously is on disk before its request leaves: kill -9 then forgets nothing"""
    world.set_guc("wal_writer_delay", "10s")
    world.set_guc("synchronous_commit", "off")
    world.ends(world.start({}, "crash"), "DELIVERED", "email")  # by now the workers have the setting
    cascade = world.start({"email": ["hang", "accept"]}, "crash")
    world.wait_requests(cascade, 1)
    kill_server(world)
    world.ends(cascade, "DELIVERED", "email")
    equal({request["key"] for request in world.requests(cascade)}, {world.requests(cascade)[0]["key"]}, "keys")


def prepare(world: World) -> None:
    """a rule with room for a restart: a timer that fires late must not change the expected channel"""
    world.rule("crash", {"channel": "email", "timeout": "8s"}, {"channel": "sms", "timeout": "20s"})
    world.ends(world.start({}, "crash"), "DELIVERED", "email")


if __name__ == "__main__":
    main(prepare, dispatcher, supervisor, postmaster, asynchronous_commit)
