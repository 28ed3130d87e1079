#!/usr/bin/python3
"""Turns of workflows and answers of providers wait for the disk together, so others can see them before they are there. What a
verb has told of an execution or a cascade is there after a kill -9 of the server all the same, and what nobody was told of is done
anew, each effect once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import psycopg

from crashes import EVERY_POINT, kill_server, through_restarts
from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, prepare as prepare_role

ROUNDS = 12 if EVERY_POINT else 5
EXECUTIONS = 400  # a round
TOLD = 60         # then the kill
CASCADES = 150    # a round: one claim takes them all, some handed over, so that no other one flushes their answers
CASCADE_ASKERS = (
    "SELECT hermes.cascade_status(%s) ->> 'status' = 'CLOSED'",
    "SELECT EXISTS (SELECT FROM hermes.cascade_history(%s) WHERE event_type = 'CascadeCompleted')",
)
ASKERS = (
    "SELECT hermes.workflow_status(%s) ->> 'status' = 'Completed'",
    "SELECT hermes.workflow_result(%s, '10 s') = '\"done\"'",
    "SELECT EXISTS (SELECT FROM hermes.workflow_history(%s) WHERE event_type = 'WorkflowExecutionCompleted')",
    "SELECT hermes.query_workflow(%s, 'state') = '\"done\"'",
)


@dataclass
class Asker:
    """A session that asks for one execution after the other, and remembers which it was told to have ended."""

    world: World
    question: str
    executions: list[str]
    told: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        try:
            with self.world.connect() as session:
                for execution in self.executions:
                    while not session.execute(self.question, (execution,)).fetchall()[0][0]:
                        pass
                    self.told.append(execution)
        except psycopg.OperationalError:
            pass  # the kill
        except Exception as problem:  # noqa: BLE001 (told by the scenario)
            self.problems.append(repr(problem))


def prepare(world: World) -> None:
    """a function of three steps; turns may wait for the disk for a second"""
    prepare_role(world)
    step = "'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', $1->>''what'')', input || jsonb_build_object('what', i)"
    define(world, "told", f"""
    PERFORM hermes.set_query_result('state', '"open"');
    FOR i IN 1..3 LOOP
        PERFORM hermes.step('s' || i, {step});
    END LOOP;
    PERFORM hermes.set_query_result('state', '"done"');
    RETURN '"done"';""")
    world.sql(f"GRANT USAGE ON SCHEMA app TO {ROLE}")
    world.set_guc("hermes.turn_flush_delay", "1s")
    world.set_guc("wal_writer_delay", "10s")  # nobody else is quick to flush


def told_until_killed(world: World, questions: tuple[str, ...], executions: list[str]) -> list[str]:
    """What the sessions that ask were told to have ended before the server was killed; the workers stay off."""
    askers = [Asker(world, question, executions) for question in questions]
    threads = [threading.Thread(target=asker.run, daemon=True) for asker in askers]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(len(asker.told) >= TOLD or asker.problems for asker in askers), 30, "some ends that were told", interval=0.001)
    world.sql("ALTER SYSTEM SET hermes.workers = off")  # from the restart on
    kill_server(world)
    for thread in threads:
        thread.join(30)
    equal([asker.problems for asker in askers], [[]] * len(askers), "problems of those who asked")
    return sorted({execution for asker in askers for execution in asker.told})


def one_round(world: World, number: int) -> int:
    runs = [f"{number}-{i}" for i in range(EXECUTIONS)]
    executions = [row[0] for row in world.sql(
        "SELECT hermes.start_workflow('told', jsonb_build_object('run', run))::text FROM unnest(%s::text[]) run", runs)]
    told = told_until_killed(world, ASKERS, executions)
    ended = through_restarts(lambda: world.sql(
        "SELECT e FROM unnest(%s::text[]) e WHERE hermes.workflow_status(e::uuid) ->> 'closed_at' IS NOT NULL", told))
    equal(sorted(row[0] for row in ended), told, "ends that were told before the kill")
    world.set_guc("hermes.workers", "on")
    wait_until(lambda: world.value("SELECT count(*) FROM hermes.execution") == 0, 60, "the end of all")
    equal(world.sql("SELECT run, array_agg(what ORDER BY id) FROM app.effect WHERE run = ANY (%s) GROUP BY run "
                    "HAVING array_agg(what ORDER BY id) <> '{1,2,3}'", runs), [], "effects that are not there once and in order")
    equal(world.value("SELECT count(DISTINCT run) FROM app.effect WHERE run = ANY (%s)", runs), EXECUTIONS, "executions with effects")
    return EXECUTIONS - len(told)


def told(world: World) -> None:
    """what was told before a kill stands after it; the others end as well, each effect once"""
    others = [one_round(world, number) for number in range(ROUNDS)]
    check(any(others), "every execution had been told before the kill, so nothing was shown")


def one_round_of_cascades(world: World) -> int:
    cascades = [row[0] for row in world.sql("SELECT hermes.start_cascade('told', '{}')::text FROM generate_series(1, %s)", CASCADES)]
    told = told_until_killed(world, CASCADE_ASKERS, cascades)
    ended = through_restarts(lambda: world.sql(
        "SELECT c FROM unnest(%s::text[]) c WHERE hermes.cascade_status(c::uuid) ->> 'status' = 'CLOSED'", told))
    equal(sorted(row[0] for row in ended), told, "ends that were told before the kill")
    world.set_guc("hermes.workers", "on")
    wait_until(lambda: world.value("SELECT count(*) FROM hermes.workflow") == 0, 60, "the end of all")
    ends = world.sql("SELECT s ->> 'outcome', jsonb_array_length(s -> 'attempts'), count(*) FROM unnest(%s::uuid[]) c, "
                     "hermes.cascade_status(c) s GROUP BY 1, 2", cascades)
    equal(ends, [("DELIVERED", 1, CASCADES)], "outcomes and attempts")
    return CASCADES - len(told)


def told_of_cascades(world: World) -> None:
    """what was told of a cascade before a kill stands after it; the others end as well"""
    world.sql("SELECT hermes.create_provider('quick', '{\"kind\": \"sandbox\", \"channel\": \"email\"}')")
    world.rule("told", {"channel": "email", "providers": ["quick"], "success_on": "accepted"})
    others = []
    for _ in range(ROUNDS):
        # after a crash a claim of sandbox sends would wait for the disk
        world.cluster.stop()
        world.cluster.start()
        through_restarts(lambda: world.value("SELECT true"))
        others.append(one_round_of_cascades(world))
    check(any(others), "every cascade had been told before the kill, so nothing was shown")


if __name__ == "__main__":
    main(prepare, told, told_of_cascades)
