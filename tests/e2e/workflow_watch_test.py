#!/usr/bin/python3
"""Durable functions that wait for conditions on tables: woken by changes of every kind, and only by those."""

from __future__ import annotations

import psycopg

from harness import World, check, equal, main, never, wait_until
from workflows import ROLE, define, effects, ends, events, prepare as prepare_role, start, status, wait_event

WAKES = 5.0  # far below the minute after which it looks by itself


def prepare(world: World) -> None:
    """a role runs workflow functions over watched tables"""
    prepare_role(world)
    world.sql("CREATE TABLE app.stock (item text PRIMARY KEY, amount int NOT NULL)")
    world.sql("CREATE TABLE app.other (item text)")
    world.sql("CREATE TABLE app.city (id int PRIMARY KEY)")
    world.sql("CREATE TABLE app.street (id int, city int REFERENCES app.city ON DELETE CASCADE ON UPDATE CASCADE)")
    world.sql("CREATE TABLE app.log (at int, what text) PARTITION BY RANGE (at)")
    world.sql("CREATE TABLE app.log_1 PARTITION OF app.log FOR VALUES FROM (0) TO (100)")
    world.sql("CREATE TABLE app.log_2 PARTITION OF app.log FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (at)")
    world.sql("CREATE TABLE app.log_2a PARTITION OF app.log_2 FOR VALUES FROM (100) TO (150)")
    world.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA app TO {ROLE}")
    for table in ("stock", "street", "log"):
        check(world.value(f"SELECT hermes.watch_table('app.{table}')"), f"{table} is watched now")
        check(not world.value(f"SELECT hermes.watch_table('app.{table}')"), f"{table} was watched")
    define(world, "until", """
    IF hermes.wait_until(input->>'condition', (input->>'tables')::regclass[], input, (input->>'timeout')::interval) THEN
        PERFORM app.mark('met', input->>'run');
        RETURN 'true';
    END IF;
    RETURN 'false';""")


def until(world: World, run: str, condition: str, tables: str, timeout: str | None = None) -> str:
    """An execution that waits, once it does."""
    execution = start(world, "until", {"run": run, "condition": condition, "tables": tables, "timeout": timeout})
    wait_event(world, execution, "ConditionAwaited")
    return execution


def woken(world: World, run: str, condition: str, table: str, *changes: str) -> None:
    """Waits; every change but the last leaves it waiting, the last one wakes it."""
    execution = until(world, run, condition, f"{{{table}}}")
    for change in changes:
        equal(status(world, execution)["status"], "Running", f"status before {change}")
        world.sql(change)
    ends(world, execution, timeout=WAKES)
    equal(effects(world, run), ["met"], "effects")


def at_once(world: World) -> None:
    """a condition that holds is not waited for; it is expression or query, sees its arguments, and NULL does not hold"""
    world.sql("INSERT INTO app.stock VALUES ('apple', 3)")
    for n, condition in enumerate(("EXISTS (SELECT FROM app.stock WHERE item = 'apple')", "SELECT amount > 2 FROM app.stock WHERE item = 'apple' -- more",
                                   "$1->>'run' = 'a2'")):
        execution = start(world, "until", {"run": f"a{n}", "condition": condition, "tables": "{app.stock}"})
        ends(world, execution)
        equal(events(world, execution)[1:3], ["ConditionAwaited", "ConditionMet"], "events")
    execution = until(world, "a9", "NULL", "{app.stock}", "200 ms")
    equal(ends(world, execution)["result"], False, "result after the timeout")
    equal(world.sql("SELECT attributes - 'due' FROM hermes.workflow_history(%s) WHERE event_type = 'ConditionAwaited'", execution),
          [({"command": 1, "tables": ["app.stock"]},)], "event")


def statements(world: World) -> None:
    """INSERT, UPDATE, DELETE, TRUNCATE, MERGE-like upserts and COPY wake; a rolled back change does not, nor does another table"""
    one = "EXISTS (SELECT FROM app.stock WHERE item = 'pear' AND amount = {})"
    woken(world, "insert", one.format(1), "app.stock", "INSERT INTO app.other VALUES ('x')", "INSERT INTO app.stock VALUES ('pear', 1)")
    woken(world, "update", one.format(2), "app.stock", "UPDATE app.stock SET amount = 2 WHERE item = 'pear'")
    woken(world, "upsert", one.format(3), "app.stock", "INSERT INTO app.stock VALUES ('pear', 3) ON CONFLICT (item) DO UPDATE SET amount = excluded.amount")
    woken(world, "delete", "NOT EXISTS (SELECT FROM app.stock WHERE item = 'pear')", "app.stock", "DELETE FROM app.stock WHERE item = 'pear'")
    woken(world, "truncate", "NOT EXISTS (SELECT FROM app.stock)", "app.stock", "TRUNCATE app.stock")
    execution = until(world, "copy", "EXISTS (SELECT FROM app.stock WHERE item = 'plum')", "{app.stock}")
    with world.connect() as session, session.cursor() as cursor:
        with cursor.copy("COPY app.stock FROM STDIN") as copy:
            copy.write_row(("plum", 1))
    ends(world, execution, timeout=WAKES)
    execution = until(world, "rollback", "EXISTS (SELECT FROM app.stock WHERE item = 'fig')", "{app.stock}")
    session = world.connect(autocommit=False)
    session.execute("INSERT INTO app.stock VALUES ('fig', 1)")
    session.rollback()
    session.execute("SAVEPOINT a")
    session.execute("INSERT INTO app.stock VALUES ('fig', 1)")
    session.execute("ROLLBACK TO a")
    session.commit()
    never(lambda: status(world, execution)["closed_at"], 0.3, "an end")
    session.execute("SET session_replication_role = replica")  # the trigger fires always
    session.execute("INSERT INTO app.stock VALUES ('fig', 1)")
    session.commit()
    session.close()
    ends(world, execution, timeout=WAKES)


def keys_and_partitions(world: World) -> None:
    """cascaded foreign keys wake; so do writes to partitions by their own name, through the parent, and between them"""
    world.sql("INSERT INTO app.city VALUES (1), (2)")
    world.sql("INSERT INTO app.street VALUES (10, 1), (20, 2)")
    woken(world, "fk update", "EXISTS (SELECT FROM app.street WHERE city = 3)", "app.street", "UPDATE app.city SET id = 3 WHERE id = 1")
    woken(world, "fk delete", "NOT EXISTS (SELECT FROM app.street WHERE city = 2)", "app.street", "DELETE FROM app.city WHERE id = 2")
    found = "EXISTS (SELECT FROM app.log WHERE what = '{}')"
    woken(world, "through", found.format("a"), "app.log", "INSERT INTO app.log VALUES (1, 'a')")
    woken(world, "direct", found.format("b"), "app.log", "INSERT INTO app.log_1 VALUES (2, 'b')")
    woken(world, "deep", found.format("c"), "app.log", "INSERT INTO app.log_2a VALUES (120, 'c')")
    woken(world, "of a partition", "EXISTS (SELECT FROM app.log_2a WHERE what = 'd')", "app.log_2a", "INSERT INTO app.log VALUES (121, 'd')")
    woken(world, "moved", "EXISTS (SELECT FROM app.log_1 WHERE what = 'd')", "app.log", "UPDATE app.log SET at = 3 WHERE what = 'd'")
    woken(world, "truncated", "NOT EXISTS (SELECT FROM app.log_1)", "app.log", "TRUNCATE app.log_1")
    world.sql("CREATE TABLE app.log_2b PARTITION OF app.log_2 FOR VALUES FROM (150) TO (200)")
    check(world.value("SELECT hermes.watch_table('app.log')"), "the new partition is watched")
    woken(world, "new partition", found.format("e"), "app.log", "INSERT INTO app.log_2b VALUES (160, 'e')")


def refusals(world: World) -> None:
    """a table that is not watched fails the turn, with a hint; watching it heals; conditions cannot write"""
    execution = start(world, "until", {"run": "r1", "condition": "EXISTS (SELECT FROM app.other WHERE item = 'now')", "tables": "{app.other}"})
    wait_until(lambda: status(world, execution).get("last_failure"), what="the failed turn")
    check("55000" in status(world, execution)["last_failure"] and "is not watched" in status(world, execution)["last_failure"], str(status(world, execution)))
    hint = world.value("SELECT attributes->'failure'->>'hint' FROM hermes.workflow_history(%s) WHERE event_type = 'WorkflowTaskFailed'", execution)
    equal(hint, "Its owner calls hermes.watch_table('app.other') once.", "hint")
    world.sql("SELECT hermes.watch_table('app.other')")
    wait_event(world, execution, "ConditionAwaited")
    world.sql("INSERT INTO app.other VALUES ('now')")
    ends(world, execution, timeout=WAKES)
    for n, condition in enumerate(("(WITH x AS (INSERT INTO app.effect (run) VALUES ('evil') RETURNING 1) SELECT true)", "hermes.set_secret('a', 'b') IS NULL", "7", "no_such_column")):
        bad = start(world, "until", {"run": f"bad{n}", "condition": condition, "tables": "{app.other}"})
        wait_until(lambda bad=bad: status(world, bad).get("last_failure"), what="the failed turn")
        world.sql("SELECT hermes.terminate_workflow(%s)", bad)
    equal(world.value("SELECT count(*) FROM app.effect WHERE run = 'evil'"), 0, "effects of conditions")
    for table, code in (("app.log_1", "42809"), ("hermes.workflows", "42809")):
        try:
            world.sql(f"SELECT hermes.watch_table('{table}')")
            check(False, f"{table} was watched")
        except psycopg.Error as problem:
            equal(problem.sqlstate, code, f"error of {table}")


def many(world: World) -> None:
    """many wait for one table: a change wakes them all, each of them takes its own part; nothing of them is left"""
    executions = [until(world, f"m{n}", f"(SELECT count(*) FROM app.stock WHERE item LIKE 'm%') > {n}", "{app.stock,app.other}") for n in range(25)]
    equal(world.value("SELECT count(*) FROM hermes.condition_waiter"), 50, "waiters")
    for n in range(25):
        world.sql("INSERT INTO app.stock VALUES (%s, 1)", f"m{n}")
    for execution in executions:
        ends(world, execution, timeout=10)
    stopped = until(world, "stopped", "false", "{app.stock}")
    world.sql("SELECT hermes.cancel_workflow(%s)", stopped)
    ends(world, stopped, "Canceled")
    ended = until(world, "ended", "false", "{app.stock}")
    world.sql("SELECT hermes.terminate_workflow(%s)", ended)
    equal(world.value("SELECT count(*) FROM hermes.condition_waiter"), 0, "waiters left")
    equal(world.value("SELECT count(*) FROM hermes.task"), 0, "tasks left")


def races(world: World) -> None:
    """changes that commit while the waits begin: none is missed"""
    for round_number in range(20):
        session = world.connect(autocommit=False)
        session.execute("INSERT INTO app.stock VALUES (%s, 1)", (f"race{round_number}",))
        execution = start(world, "until", {"run": f"race{round_number}", "condition": f"EXISTS (SELECT FROM app.stock WHERE item = 'race{round_number}')",
                                           "tables": "{app.stock}"})
        if round_number % 4 == 0:
            wait_event(world, execution, "ConditionAwaited")
        session.commit()
        session.close()
        ends(world, execution, timeout=WAKES)


def quiet(world: World) -> None:
    """waiting costs nothing while nothing changes, and a busy table that nobody waits for costs its writer no wake-up"""
    executions = [until(world, f"q{n}", "EXISTS (SELECT FROM app.stock WHERE item = 'quiet')", "{app.stock}") for n in range(5)]
    def work() -> tuple[object, ...]:
        return tuple(world.sql("SELECT sum(tasks)::bigint, sum(batches)::bigint FROM hermes.workers WHERE role = 'executor'")[0])

    before = work()
    for n in range(50):
        world.sql("INSERT INTO app.other VALUES (%s)", str(n))
    never(lambda: work() != before, 0.5, "a turn")
    world.sql("INSERT INTO app.stock VALUES ('quiet', 1)")
    for execution in executions:
        ends(world, execution, timeout=WAKES)


def looks_again(world: World) -> None:
    """what no trigger tells is seen by the look of each minute; after unwatch_table, too; a paused one looks when it goes on"""
    execution = until(world, "look", "EXISTS (SELECT FROM app.stock WHERE item = 'silent')", "{app.stock}")
    due = "SELECT extract(epoch FROM due - now()) FROM hermes.workflow_tasks WHERE execution_id = %s AND kind = 'look_again'"
    check(55 < float(world.value(due, execution)) <= 60, f"the next look is in {world.value(due, execution)} s")
    check(world.value("SELECT hermes.unwatch_table('app.stock')"), "unwatched")
    check(not world.value("SELECT hermes.unwatch_table('app.stock')"), "unwatched already")
    equal(world.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'app.stock'::regclass AND NOT tgisinternal"), 0, "triggers left")
    world.sql("INSERT INTO app.stock VALUES ('silent', 1)")
    never(lambda: status(world, execution)["closed_at"], 0.3, "an end")
    world.sql("UPDATE hermes.task SET due = now() WHERE workflow_id = %s AND kind = 17", execution)  # the minute is over
    world.sql("SELECT hermes.signal_workflow(%s, 'knock')", execution)
    ends(world, execution, timeout=WAKES)
    world.sql("SELECT hermes.watch_table('app.stock')")
    execution = until(world, "paused", "EXISTS (SELECT FROM app.stock WHERE item = 'awake')", "{app.stock}")
    world.sql("SELECT hermes.pause_workflow(%s)", execution)
    world.sql("INSERT INTO app.stock VALUES ('awake', 1)")
    never(lambda: effects(world, "paused"), 0.3, "an effect while paused")
    world.sql("SELECT hermes.resume_workflow(%s)", execution)
    ends(world, execution, timeout=WAKES)


def restart(world: World) -> None:
    """after a restart of the server changes wake those who waited before it"""
    execution = until(world, "restart", "EXISTS (SELECT FROM app.stock WHERE item = 'later')", "{app.stock}")
    world.cluster.stop()
    world.cluster.start()
    wait_until(lambda: world.value("SELECT true"), what="a session after the restart")
    world.sql("INSERT INTO app.stock VALUES ('later', 1)")
    ends(world, execution, timeout=20)


if __name__ == "__main__":
    main(prepare, at_once, statements, keys_and_partitions, refusals, many, races, quiet, looks_again, restart)
