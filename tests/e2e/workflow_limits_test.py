#!/usr/bin/python3
"""Limits of histories: functions are told in time, operators are warned, an execution at a limit waits."""

from __future__ import annotations

from harness import World, check, equal, main, wait_until
from workflows import define, ends, prepare, signal, start, status


def rows(world: World, execution: str) -> dict[str, tuple[str, str, str]]:
    return {row[0]: row[1:] for row in world.sql("SELECT subject, state, detail, hint FROM hermes.explain_workflow(%s)", execution)}


def suggested(world: World) -> None:
    """a function continues as new when it is suggested, by events or by bytes; the same in a replay"""
    define(world, "many", """
    LOOP
        FOR i IN 1..(input->>'at_once')::int LOOP
            PERFORM hermes.side_effect(to_jsonb(repeat('x', (input->>'bytes')::int)));
            n := n + 1;
        END LOOP;
        EXIT WHEN (hermes.info()->>'continue_as_new_suggested')::boolean;
    END LOOP;
    answer := hermes.info();
    PERFORM hermes.wait_signal('go');
    IF input ? 'next' THEN
        PERFORM hermes.continue_as_new(input - 'next' || '{"at_once": 5000, "bytes": 1}');
    END IF;
    RETURN jsonb_build_object('n', n, 'info', answer);""", declare="n int := 0;")
    for at_once, size, made in ((500, 1, 4500), (1, 100_000, 42)):
        execution = start(world, "many", {"at_once": at_once, "bytes": size})
        wait_until(lambda: status(world, execution)["events"] == made + 2, 30, f"{made} effects")  # pylint: disable=cell-var-from-loop
        signal(world, execution, "go", {})
        result = ends(world, execution)["result"]
        equal((result["n"], result["info"]["events"], result["info"]["attempt"]), (made, made + 1, 1), "effects and events")
        check(result["info"]["bytes"] >= made * size, f"bytes {result}")
    execution = start(world, "many", {"at_once": 500, "bytes": 1, "next": True}, "chain")
    signal(world, execution, "go", {})
    ends(world, execution, "ContinuedAsNew", 30)
    newest = str(world.value("SELECT execution_id::text FROM hermes.workflows WHERE workflow_id = 'chain' AND status = 'Running'"))
    signal(world, newest, "go", {})
    equal(ends(world, newest)["result"]["n"], 5000, "a short history again")


def warned(world: World) -> None:
    """past a fifth of the limit it is in the log once, and explained; at the limit it waits, with the reason"""
    define(world, "long", """
    FOR i IN 1..(input->>'n')::int LOOP
        PERFORM hermes.side_effect('1');
    END LOOP;
    PERFORM hermes.wait_signal('go');
    FOR i IN 1..(input->>'more')::int LOOP
        PERFORM hermes.side_effect('1');
    END LOOP;
    RETURN NULL;""", task_timeout="2m")
    small, large = start(world, "long", {"n": 9_000, "more": 0}), start(world, "long", {"n": 10_000, "more": 45_000})
    wait_until(lambda: 'signal "go"' in rows(world, large) and 'signal "go"' in rows(world, small), 60, "both wait")
    check("history" not in rows(world, small), "the small one")
    equal(rows(world, large)["history"][:2], ("large", "10002 of 50000 events, 0 of 50 MiB"), "the large one")
    log = world.cluster.log_text()
    equal(log.count(f"history of workflow execution {large} (long) has 10002 events"), 1, "lines of the log")
    check(f"history of workflow execution {small}" not in log, "the small one in the log")
    signal(world, large, "go", {})
    wait_until(lambda: rows(world, large).get("turn", ("",))[0] == "failed", 120, "a failed turn")
    found = rows(world, large)["turn"]
    check("54000: history of the execution is too long" in found[1] and "limit" in found[2], f"turn: {found}")
    equal(status(world, large)["status"], "Running", "it waits")
    world.sql("SELECT hermes.terminate_workflow(%s)", large)
    signal(world, small, "go", {})
    ends(world, small)


if __name__ == "__main__":
    main(prepare, suggested, warned)
