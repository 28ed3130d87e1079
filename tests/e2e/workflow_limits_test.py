#!/usr/bin/python3
"""Limits of executions: functions are told in time, operators are warned, an execution at a limit waits."""

from __future__ import annotations

from harness import World, check, equal, main, wait_until
from workflows import define, ends, prepare, signal, start, status, wait_event


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
    equal(log.count(f"workflow execution {large} (long) comes near a limit, history: 10002 of 50000 events"), 1, "lines of the log")
    check(f"workflow execution {small}" not in log, "the small one in the log")
    signal(world, large, "go", {})
    wait_until(lambda: rows(world, large).get("turn", ("",))[0] == "failed", 120, "a failed turn")
    found = rows(world, large)["turn"]
    check("54000: history of the execution is too long" in found[1] and "limit" in found[2], f"turn: {found}")
    equal(status(world, large)["status"], "Running", "it waits")
    world.sql("SELECT hermes.terminate_workflow(%s)", large)
    signal(world, small, "go", {})
    ends(world, small)


def near(world: World, execution: str, subject: str, words: str) -> None:
    """it is told by explain_workflow and, unless others were named in this second, in the log"""
    wait_until(lambda: rows(world, execution).get(subject, ("",))[0] == "large", 60, f"a warning of {subject}")
    equal(rows(world, execution)[subject][1], words, subject)
    check(f"workflow execution {execution} " in world.cluster.log_text(), f"{subject} in the log")


def open_ones(world: World) -> None:
    """operators hear of a thousand open activities or children; the turn that would begin one more than 2,000 fails
    until some are over, whatever the function catches"""
    world.sql("SELECT hermes.register_activity('crowd', '{\"queue\": \"crowd\", \"start_to_close\": \"1h\"}')")
    define(world, "crowd_child", "PERFORM hermes.wait_signal('end'); RETURN NULL;")
    define(world, "crowd", """
    FOR i IN 1..(input->>'n')::int LOOP
        PERFORM hermes.start_activity('crowd', '1') WHERE input->>'of' = 'activities';
        PERFORM hermes.start_child('crowd_child', '1') WHERE input->>'of' = 'children';
    END LOOP;
    PERFORM hermes.wait_signal('more');
    BEGIN
        PERFORM hermes.start_activity('crowd', '1') WHERE input->>'of' = 'activities';
        PERFORM hermes.start_child('crowd_child', '1') WHERE input->>'of' = 'children';
    EXCEPTION WHEN OTHERS THEN
        RETURN '"caught"';
    END;
    RETURN '"begun"';""", task_timeout="2m")
    for of in ("activities", "children"):
        some = start(world, "crowd", {"n": 1000, "of": of})
        near(world, some, of, "1000 of 2000 that are open")
        world.sql("SELECT hermes.terminate_workflow(%s)", some)
        most = start(world, "crowd", {"n": 2000, "of": of})
        wait_event(world, most, "SignalAwaited")
        signal(world, most, "more", {})
        wait_until(lambda: rows(world, most).get("turn", ("",))[0] == "failed", 60, "a failed turn")  # pylint: disable=cell-var-from-loop
        check(f"54000: execution has too many open {of}" in rows(world, most)["turn"][1], f"turn: {rows(world, most)['turn']}")
        if of == "activities":
            equal(world.value("SELECT count(hermes.complete_task(token, '1')) FROM hermes.poll_tasks('crowd', 'w')"), 1, "one is over")
        else:
            child = world.value("SELECT attributes->>'execution_id' FROM hermes.workflow_history(%s) WHERE event_type = 'ChildWorkflowExecutionStarted' LIMIT 1", most)
            signal(world, str(child), "end", {})
        equal(ends(world, most, timeout=30)["result"], "begun", "there is room again")


def payloads(world: World) -> None:
    """a value of half the size that is allowed"""
    define(world, "heavy", "PERFORM hermes.side_effect(to_jsonb(repeat('x', 140 * 1024))); PERFORM hermes.wait_signal('go'); RETURN NULL;")
    heavy = start(world, "heavy", {})
    near(world, heavy, "payload", "the largest value has 140 of 256 kB")
    world.sql("SELECT hermes.terminate_workflow(%s)", heavy)


def updates(world: World) -> None:
    """operators hear of a thousand updates of one execution"""
    define(world, "counter", """
    FOR i IN 1..1000 LOOP
        PERFORM hermes.complete_update(hermes.wait_update() ->> 'id', 'null');
    END LOOP;
    PERFORM hermes.wait_signal('go');
    RETURN NULL;""", updates={"add": {}})
    execution = start(world, "counter")
    for _ in range(100):  # ten may be in flight
        sent = world.sql("SELECT hermes.update_workflow(%s, 'add', '1') FROM generate_series(1, 10)", execution)
        equal([world.value("SELECT hermes.update_result(%s, %s) ->> 'stage'", execution, row[0]) for row in sent], ["completed"] * 10, "ten updates")
    near(world, execution, "updates", "1000 of 2000")


if __name__ == "__main__":
    main(prepare, suggested, warned, open_ones, payloads, updates)
