#!/usr/bin/python3
"""kill -9 at events of the worked examples in docs/examples: what their pages define, in the databases that they create.

Each run has its database to itself. The first one, without a kill, is the reference: every other one must end with its
results, histories, business rows and effects, and leave as little. Points are
    before, after    the effect of a step: triggers on the business tables stop it there, inside of its transaction;
    at               an event of the reference: the kill comes as soon as it is seen;
    asked, answered  a request at the service of the agent: the kill comes while it is held, or when it has been answered.
How a sample of them is drawn: crashes.py."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from crashes import Client, chosen, kill_server, life_of, stopped_executor, through_restarts, wait_restarted
from example_outcome import Outcome, outcome_of
from example_pages import Agent, Approval, Example, FanOut, OrderSaga, Subscription
from harness import World, equal, main, wait_until
from pages import Psql, definitions_of

SAMPLE = 2  # points of an example and victim
ALIKE = 5  # points of a kind at most: the first, the last, and what lies evenly between them
STRIKE_SECONDS = 60
# Stops a step before and after its effect while somebody holds the lock of that point, and lists the effects in their commits.
TRAP = """
CREATE SCHEMA crash;
CREATE TABLE crash.effect (what text, number int, PRIMARY KEY (what, number));
CREATE FUNCTION crash.trap() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    act text := concat_ws(' ', TG_OP, TG_TABLE_NAME, to_jsonb(NEW) ->> TG_ARGV[0]);
    n   int := 1 + (SELECT count(*) FROM crash.effect WHERE what = act);
BEGIN
    IF TG_WHEN = 'AFTER' THEN
        INSERT INTO crash.effect VALUES (act, n);
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(format('%s %s #%s', lower(TG_WHEN), act, n), 0));
    RETURN NEW;
END $$"""
TRIGGER = "CREATE TRIGGER crash_{when} {when} INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION crash.trap('{key}')"
# An execution is named by its workflow id and its place among the runs of that id; for those without one nobody waits.
EVENTS_OF = """SELECT count(*) FROM (SELECT execution_id FROM hermes.workflows WHERE workflow_id = %s
    ORDER BY started_at, execution_id OFFSET %s LIMIT 1) AS w, hermes.workflow_history(w.execution_id)"""


class Point(NamedTuple):
    when: str
    what: str  # an effect, a request, or a workflow id
    kind: str  # points of one kind are alike
    run: int = 0
    event: int = 0

    def __str__(self) -> str:
        return f"at event {self.event} of {self.what}, run {self.run} ({self.kind})" if self.when == "at" else f"{self.when} {self.what}"


# ---------------------------------------------------------------- points


def thinned(points: list[Point]) -> list[Point]:
    """Forty customers and nineteen months are alike."""
    kept: list[Point] = []
    for _, group in itertools.groupby(sorted(points, key=lambda point: (point.when, point.kind)), lambda point: (point.when, point.kind)):
        alike = list(group)
        places = {round(place * (len(alike) - 1) / (ALIKE - 1)) for place in range(ALIKE)}
        kept += [alike[place] for place in sorted(places)]
    return kept


def points_of(example: type[Example], reference: Outcome) -> list[Point]:
    effects = [(when, effect) for effect in reference.effects for when in ("before", "after")]
    effects += [("before", effect) for effect in example.refused]
    points = [Point(when, effect, " ".join(effect.split()[:2])) for when, effect in effects]
    for (workflow_id, run), execution in reference.executions.items():
        points += [Point("at", workflow_id, f"{workflow_id} {run} {event[0]}", run, number) for number, event in enumerate(execution.events, 1)]
    return thinned(points)


def plan_of(example: type[Example], reference: Outcome) -> dict[str, list[Point]]:
    """The points of each victim. A dispatcher has to do only with what is sent: it stands in no step."""
    points = points_of(example, reference)
    requests = [Point(when, f"#{number}", str(number)) for number in range(1, reference.requests + 1) for when in ("asked", "answered")]
    plan = {"executor": points, "postmaster": points + requests}
    if requests:
        plan["dispatcher"] = [point for point in points if point.when == "at"] + requests
    return plan


# ---------------------------------------------------------------- a database for one run


@contextmanager
def database_of(world: World, example: Example) -> Iterator[Client]:
    """The page's database, as the page makes it, with traps at its tables; its roles go with it."""
    definitions = [example.definition(statement) for statement in definitions_of(f"docs/examples/{example.page}.md")]
    words = " ".join(definitions).split()
    named = {kind: [name.rstrip(";") for create, what, name in zip(words, words[1:], words[2:]) if (create, what) == ("CREATE", kind)]
             for kind in ("DATABASE", "ROLE")}
    (database,) = named["DATABASE"]
    session = Psql(str(world.cluster.folder))
    client = Client(world, database)
    try:
        for statement in definitions:
            session.run(statement)
        client.sql(TRAP)
        for table, key in example.tables.items():
            for when in ("BEFORE", "AFTER"):
                client.sql(TRIGGER.format(when=when, table=table, key=key))
        yield client
    finally:
        session.close()
        client.close()
        wait_until(lambda: bool(world.sql("SELECT 1")), what="a session")  # the one of before may have gone with the server
        world.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for role in named["ROLE"]:
            world.sql(f"DROP ROLE IF EXISTS {role}")


# ---------------------------------------------------------------- kills


class Strike(threading.Thread):
    """Kills the victim when the point has come, while the client drives the example, and waits until the server is back."""

    def __init__(self, example: Example, client: Client, point: Point, victim: str) -> None:
        super().__init__(daemon=True)
        self.example, self.point, self.victim = example, point, victim
        self.world = client.world
        self.client = Client(client.world, client.database)
        self.problem: BaseException | None = None
        self.trap: psycopg.Connection | None = None
        if point.when in ("before", "after"):
            self.trap = self.client.connect()
            self.trap.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"{point.when} {point.what}",))
        if example.service is not None:
            example.service.stop_at = f"{point.when} {point.what}"

    def run(self) -> None:
        try:
            before = life_of(self.client)
            stopped = self.reach()
            self.kill(stopped)
            self.release()
            wait_restarted(self.client, before)
        except BaseException as problem:  # noqa: BLE001 (told by the thread that waits)
            self.problem = problem
        finally:
            self.release()
            self.client.close()

    def reach(self) -> int:
        """Waits for the point; an executor that stands there."""
        if self.trap is not None:
            return stopped_executor(self.client)
        if self.point.when == "at":
            wait_until(lambda: self.client.sql(EVENTS_OF, self.point.what, self.point.run)[0][0] >= self.point.event,
                       STRIKE_SECONDS, str(self.point), interval=0.002)
        elif self.example.service is not None:
            wait_until(self.example.service.reached.is_set, STRIKE_SECONDS, str(self.point), interval=0.001)
        return 0

    def kill(self, stopped: int) -> None:
        if self.victim == "postmaster":
            kill_server(self.world)
        else:
            self.world.kill(stopped or wait_until(self.worker, STRIKE_SECONDS, f"a running {self.victim}", interval=0.002))

    def worker(self) -> int:
        rows = self.client.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type LIKE %s", f"%hermes%{self.victim}%")
        return int(rows[0][0]) if rows else 0

    def release(self) -> None:
        if self.trap is not None:
            self.trap.close()
        if self.example.service is not None:
            self.example.service.released.set()


def run(world: World, make: type[Example], point: Point | None = None, victim: str = "") -> Outcome:
    """The example from its page to its end, with a kill at the point."""
    example = make()
    try:
        with database_of(world, example) as client:
            strike = Strike(example, client, point, victim) if point else None
            if strike:
                strike.start()
            try:
                example.drive(client)
            finally:
                if strike:
                    strike.join(2 * STRIKE_SECONDS)
                    strike.release()
            if strike and (strike.problem or strike.is_alive()):
                raise AssertionError(f"no kill: {strike.problem!r}")
            return through_restarts(lambda: outcome_of(client, example))  # the session may be of before the kill
    finally:
        if example.service is not None:
            example.service.close()


def crash(world: World, make: type[Example]) -> None:
    """A run without a kill, then one a point and victim; all that went wrong is told at the end."""
    reference = run(world, make)
    equal(reference.ends(), make.ends, "ends without a kill")
    problems: list[str] = []
    runs = 0
    for victim, points in plan_of(make, reference).items():
        for point in chosen(f"{make.__name__} {victim}", points, SAMPLE):
            runs += 1
            try:
                run(world, make, point, victim).must_be(reference)
            except Exception as problem:  # noqa: BLE001 (told below)
                problems.append(f"kill -9 of the {victim} {point}: {problem}")
    if problems:
        raise AssertionError(f"{len(problems)} of {runs} runs:\n" + "\n".join(problems))
    print(f"# {make.__name__}: {runs} runs with a kill", flush=True)


# ---------------------------------------------------------------- the examples


def order_saga(world: World) -> None:
    """order saga: killed at any point, its orders end as without it"""
    crash(world, OrderSaga)


def approval(world: World) -> None:
    """approval: killed at any point, its requests are decided as without it"""
    crash(world, Approval)


def fan_out(world: World) -> None:
    """fan-out: killed at any point, every customer is charged once or refused"""
    crash(world, FanOut)


def subscription(world: World) -> None:
    """subscription: killed at any point, each month has its invoice"""
    crash(world, Subscription)


def agent(world: World) -> None:
    """agent: killed at any point, also while a request is under way, it has its answer, once"""
    crash(world, Agent)


if __name__ == "__main__":
    main(order_saga, approval, fan_out, subscription, agent)
