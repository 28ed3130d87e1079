"""Rates and costs of durable functions: steps, steps with a commit each, an activity with a signal and a timer; the time from
a signal to the next step's commit; what replay costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg

from cluster import wait_for
from messaging import RAW1, RAW32

if TYPE_CHECKING:
    from workloads import Bench

ROLE = "bench_functions"
STEP = "'INSERT INTO bench.effect (payload) VALUES ($1->>''text'')', input"
BODIES = {
    # PL/pgSQL evaluates an assignment without a statement around it, and starts the executor for a PERFORM
    "three_steps": f"FOR i IN 1..3 LOOP answer := hermes.step('s' || i, {STEP}); END LOOP;",
    "three_performs": f"FOR i IN 1..3 LOOP PERFORM hermes.step('s' || i, {STEP}); END LOOP;",
    "three_commits": f"FOR i IN 1..3 LOOP PERFORM hermes.step('s' || i, {STEP}, '{{\"commit_first\": true}}'); END LOOP;",
    "activity_signal_timer": "answer := hermes.execute_activity('bench', input, '{\"queue\": \"bench\", \"start_to_close\": \"5m\"}'); "
                             "answer := hermes.wait_signal('go', '1 hour'); PERFORM hermes.sleep('1 ms');",
    # the second step begins just after the commit of the first
    "reacts": "answer := hermes.wait_signal('go'); PERFORM hermes.step('first', 'INSERT INTO bench.effect (payload) VALUES ($1::text)'); "
              "PERFORM hermes.step('second', 'INSERT INTO bench.reaction (at) VALUES (clock_timestamp())', '{}', '{\"commit_first\": true}');",
    # built without a suspension; ends in a wait, so that a query replays all of it
    "long": "PERFORM hermes.set_query_result('nothing', 'null'); FOR i IN 1..(input->>'n')::int LOOP answer := hermes.side_effect(input->'text'); END LOOP; answer := hermes.wait_signal('never');",
}


def run(bench: Bench) -> None:
    prepare(bench.cluster.run)
    _rate(bench, "three_steps", "durable function, three SQL steps",
          "three INSERTs of 300 bytes in one function, in one transaction, by assignment", 4 * bench.plan.functions)
    bench.raw_again()
    _rate(bench, "three_performs", "durable function, three SQL steps by PERFORM", "the same, each step by PERFORM", 2 * bench.plan.functions)
    bench.raw_again()
    _rate(bench, "three_commits", "durable function, three SQL steps, a commit each", "the same, each step in a transaction of its own", bench.plan.functions)
    _activity(bench)
    _reaction(bench)
    _replay(bench)


def prepare(sql: Callable[..., object]) -> None:
    """The role, the tables and the functions; `sql(text, values...)` runs a statement."""
    sql(f"CREATE ROLE {ROLE} LOGIN IN ROLE hermes_app")
    sql(f"GRANT USAGE ON SCHEMA bench TO {ROLE}")
    sql("CREATE TABLE bench.effect (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL)")
    sql("CREATE TABLE bench.reaction (at timestamptz NOT NULL)")
    sql(f"GRANT INSERT ON bench.effect, bench.reaction TO {ROLE}")
    for name, body in BODIES.items():
        sql(f"CREATE FUNCTION bench.{name}(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE answer jsonb; BEGIN {body} RETURN NULL; END $$")
        sql("SELECT hermes.register_workflow(%s, %s::regprocedure, %s)", name, f"bench.{name}(jsonb)", f'{{"run_as": "{ROLE}"}}')


def _start(bench: Bench, name: str, count: int) -> None:
    """In transactions of a thousand, as fast as they go."""
    for at in range(0, count, 1000):
        bench.cluster.run("SELECT count(hermes.start_workflow(%s, jsonb_build_object('text', repeat('x', 300)))) FROM generate_series(1, %s)",
                          name, min(1000, count - at))


def _wait_closed(bench: Bench, name: str) -> None:
    wait_for(f"the end of {name}", lambda: not bench.cluster.value("SELECT EXISTS (SELECT FROM hermes.execution)"), 240, 0.05)


def _check(bench: Bench, name: str, count: int) -> None:
    completed = bench.cluster.value("SELECT count(*) FROM hermes.workflows WHERE workflow_type = %s AND status = 'Completed'", name)
    if completed != count:
        raise RuntimeError(f"{completed} of {count} executions of {name} completed")


def _rate(bench: Bench, name: str, title: str, workload: str, count: int) -> None:
    _start(bench, name, 50)  # the executor is there
    _wait_closed(bench, name)
    figures: dict[str, Any] = {"count": count}
    with bench.measured(figures):
        began = time.monotonic()
        _start(bench, name, count)
        _wait_closed(bench, name)
        seconds = time.monotonic() - began
    _check(bench, name, count + 50)
    bench.add(title, count / seconds, "executions/s", f"{workload}; from the first start to the last close, starts in transactions of 1,000",
              RAW32, f"server {figures['cpu_us']:.0f} us of processor each")


def _activity(bench: Bench) -> None:
    count = bench.plan.functions
    name = "activity_signal_timer"
    began = time.monotonic()
    for at in range(0, count, 1000):
        bench.cluster.run("SELECT count(hermes.signal_workflow(hermes.start_workflow(%s, jsonb_build_object('text', repeat('x', 300))), 'go')) "
                          "FROM generate_series(1, %s)", name, min(1000, count - at))
    done = 0
    deadline = time.monotonic() + 240
    while done < count:
        done += int(bench.cluster.value("SELECT count(hermes.complete_task(token, '{\"done\": true}')) FROM hermes.poll_tasks('bench', 'bench', 500)"))
        if time.monotonic() > deadline:
            raise RuntimeError(f"{done} of {count} activities came")
    _wait_closed(bench, name)
    seconds = time.monotonic() - began
    _check(bench, name, count)
    bench.add("durable function, activity, signal and timer", count / seconds, "executions/s",
              "an activity polled and answered 500 a call by one worker, a signal that was sent before it was waited for, a timer of 1 ms", RAW32)


def _reaction(bench: Bench) -> None:
    raw = bench.raw_alone()
    samples = []
    with psycopg.connect(bench.cluster.dsn, autocommit=True) as client:
        for _ in range(bench.plan.reactions):
            execution = client.execute("SELECT hermes.start_workflow('reacts')").fetchone()[0]  # type: ignore[index]
            wait_for("the wait", lambda: client.execute("SELECT count(*) FROM hermes.workflow_history(%s)", (execution,)).fetchone()[0] == 2, 30, 0.0005)
            sent = client.execute("SELECT clock_timestamp(), hermes.signal_workflow(%s, 'go')", (execution,)).fetchone()[0]  # type: ignore[index]
            wait_for("the reaction", lambda: client.execute("SELECT count(*) FROM hermes.execution").fetchone()[0] == 0, 30, 0.0005)
            row = client.execute("DELETE FROM bench.reaction RETURNING at").fetchone()
            samples.append((row[0] - sent).total_seconds() * 1000)  # type: ignore[index]
    cuts = statistics.quantiles(samples, n=100)
    for word, value in (("p50", cuts[49]), ("p99", cuts[98])):
        bench.add(f"signal to the next step's commit, {word}", value, "ms",
                  "from the call of signal_workflow, its commit included, to the begin of the transaction after the step's, one at a time", f"{RAW1}, {word}")
        bench.rows[-1].ratio = value / raw[f"{word}_ms"]


def _replay(bench: Bench) -> None:
    """query_workflow replays the whole history in the caller's backend; the cost of an empty one is taken off."""
    def cost(events: int) -> float:
        execution = bench.cluster.value("SELECT hermes.start_workflow('long', jsonb_build_object('n', %s::int, 'text', repeat('y', 198)))::text", events)
        wait_for("the history", lambda: bench.cluster.value("SELECT count(*) FROM hermes.workflow_history(%s)", execution) == events + 2, 60, 0.05)
        best = float("inf")
        for _ in range(bench.plan.replays):
            began = time.perf_counter()
            bench.cluster.value("SELECT hermes.query_workflow(%s, 'nothing')", execution)
            best = min(best, time.perf_counter() - began)
        bench.cluster.run("SELECT hermes.terminate_workflow(%s)", execution)
        return best

    empty = cost(0)
    for events in (100, 1000, 10000):
        bench.add(f"replay, {events:,} events", (cost(events) - empty) / events * 1e6, "us/event",
                  f"query_workflow of a function that assigns results of 200 bytes; best of {bench.plan.replays}, less that of a history without any")
