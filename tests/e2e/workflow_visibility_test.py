#!/usr/bin/python3
"""Search attributes and memo of durable functions: set by them, found at once, kept with what has ended."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import define, effects, ends, events, prepare, signal, start, status, wait_event

ATTRIBUTES = {"Stage": "keyword", "Amount": "double", "Tries": "int", "Open": "bool", "DueAt": "datetime", "Tags": "keyword_list", "Note": "text"}


def found(world: World, text: str) -> set[str]:
    return {str(row[0]) for row in world.sql("SELECT execution_id::text FROM hermes.list_workflows(%s, 1000)", text)}


def declare(world: World) -> None:
    """search attributes are declared"""
    for name, kind in ATTRIBUTES.items():
        world.sql("SELECT hermes.create_search_attribute(%s, %s)", name, kind)
    equal(world.value("SELECT count(*) FROM hermes.search_attributes"), len(ATTRIBUTES), "declared attributes")


def set_by_function(world: World) -> None:
    """a function sets, changes and unsets attributes and memo; each turn's are found when it has committed"""
    define(world, "stages", """
    PERFORM hermes.set_attributes('{"Stage": "asked", "Tags": ["a", "b"], "DueAt": "2026-03-01T12:00:00+02:00"}');
    PERFORM hermes.set_memo('{"who": {"name": "ann"}, "gone": 1}');
    PERFORM app.mark('one', input->>'run');
    answer := hermes.wait_signal('go');
    PERFORM hermes.set_attributes(jsonb_build_object('Stage', 'approved', 'Tags', '[]'::jsonb, 'Amount', answer->'amount'));
    PERFORM hermes.set_memo('{"gone": null, "more": [1, null]}');
    PERFORM app.mark('two', input->>'run');
    answer := hermes.wait_signal('end');
    PERFORM hermes.set_attributes('{"Stage": null, "Open": false}');
    RETURN answer;""")
    execution = start(world, "stages", {"run": "s1"}, search_attributes={"Tries": 1}, memo={"start": 12345678901234567890})
    wait_event(world, execution, "SignalAwaited")
    equal(found(world, "Stage = 'asked' AND Tags = 'b' AND DueAt < '2026-03-01T11:00:00Z' AND Tries = 1"), {execution}, "found")
    found_status = status(world, execution)
    equal(found_status["search_attributes"], {"Stage": "asked", "Tags": ["a", "b"], "DueAt": "2026-03-01T10:00:00.000000Z", "Tries": 1}, "attributes")
    equal(found_status["memo"], {"start": 12345678901234567890, "who": {"name": "ann"}, "gone": 1}, "memo")
    signal(world, execution, "go", {"amount": 99.5})
    wait_event(world, execution, "SignalAwaited", 2)
    equal(found(world, "Stage = 'asked'"), set(), "of before")
    equal(found(world, "Stage = 'approved' AND Amount BETWEEN 99 AND 100 AND Tags IS NULL AND ExecutionStatus = 'Running'"), {execution}, "after the change")
    signal(world, execution, "end")
    ends(world, execution)
    equal(found(world, "Stage IS NULL AND Open = false AND ExecutionStatus = 'Completed'"), {execution}, "with its end")
    attributes, memo = world.sql("SELECT search_attributes, memo FROM hermes.workflows WHERE execution_id = %s", execution)[0]
    equal(attributes, {"Tries": 1, "Amount": 99.5, "Open": False, "DueAt": "2026-03-01T10:00:00.000000Z"}, "attributes after the end")
    equal(memo, {"start": 12345678901234567890, "who": {"name": "ann"}, "more": [1, None]}, "memo after the end")
    equal(effects(world, "s1"), ["one", "two"], "effects")
    equal(events(world, execution)[:6], ["WorkflowExecutionStarted", "UpsertWorkflowSearchAttributes", "WorkflowPropertiesModified",
                                         "UpsertWorkflowSearchAttributes", "WorkflowPropertiesModified", "StepCompleted"], "events")
    equal(world.value("SELECT count(*) FROM hermes.workflow_history(%s) WHERE event_type IN ('UpsertWorkflowSearchAttributes', 'WorkflowPropertiesModified')", execution),
          7, "each change is one event")


def wrong_ones(world: World) -> None:
    """an attribute that does not fit fails the turn, also where the function catches the error; corrected, it goes on"""
    define(world, "wrong", """
    PERFORM app.mark('before', input->>'run');
    BEGIN
        PERFORM hermes.set_attributes(input->'set');
    EXCEPTION WHEN OTHERS THEN
        PERFORM app.mark('never', input->>'run');
    END;
    PERFORM app.mark('after', input->>'run');
    RETURN NULL;""")
    cases: dict[str, tuple[Any, str]] = {
        "w1": ({"Later": "x"}, "22023"), "w2": ({"Tries": "many"}, "22023"), "w3": ([], "22023"), "w4": ({"Stage": "x" * 3000}, "54000")}
    runs = {run: start(world, "wrong", {"run": run, "set": value}) for run, (value, _) in cases.items()}
    for run, execution in runs.items():
        wait_until(lambda execution=execution: status(world, execution)["failed_turns"] > 0, what=f"a failed turn of {run}")
        last = status(world, execution)
        equal(last["status"], "Running", run)
        check(cases[run][1] in last["last_failure"], f"{run}: {last}")
        equal(effects(world, run), ["before"], f"effects of {run}")
    world.sql("SELECT hermes.create_search_attribute('Later', 'keyword')")
    ends(world, runs["w1"])
    equal(effects(world, "w1"), ["before", "after"], "effects, after it was declared")
    equal(found(world, "Later = 'x'"), {runs["w1"]}, "found")
    world.sql("SELECT hermes.drop_search_attribute('Later')")
    for run in ("w2", "w3", "w4"):
        world.sql("SELECT hermes.terminate_workflow(%s)", runs[run])


def limits(world: World) -> None:
    """a hundred attributes of an execution, and no more, counting those it has"""
    for number in range(101):
        world.sql("SELECT hermes.create_search_attribute(%s, 'int')", f"N{number}")
    define(world, "many", """
    PERFORM hermes.set_attributes((SELECT jsonb_object_agg('N' || n, n) FROM generate_series(1, 99) n));
    PERFORM hermes.set_attributes(input);
    RETURN NULL;""")
    hundred = start(world, "many", {"N0": 1, "N1": 5})
    ends(world, hundred)
    equal(found(world, "N0 = 1 AND N1 = 5 AND N99 = 99"), {hundred}, "the one with a hundred")
    over = start(world, "many", {"N0": 1, "N100": 5})
    wait_until(lambda: status(world, over)["failed_turns"] > 0, what="a failed turn")
    check("54000" in status(world, over)["last_failure"], str(status(world, over)))
    equal(found(world, "N0 = 1"), {hundred}, "nothing of the change that was one too many")
    world.sql("SELECT hermes.terminate_workflow(%s)", over)


def next_execution(world: World) -> None:
    """the next execution of continue_as_new begins with the attributes and memo that the last one had"""
    define(world, "rounds", """
    PERFORM hermes.set_attributes(jsonb_build_object('Tries', (input->>'n')::int, 'Stage', CASE WHEN input->>'n' = '1' THEN 'first' END));
    IF (input->>'n')::int < 3 THEN
        PERFORM hermes.continue_as_new(jsonb_build_object('n', (input->>'n')::int + 1));
    END IF;
    RETURN input;""")
    start(world, "rounds", {"n": 1}, "rounds-1", search_attributes={"Note": "kept all along"}, memo={"m": 1})
    wait_until(lambda: found(world, "WorkflowId = 'rounds-1' AND ExecutionStatus = 'Completed'"), what="the last round")
    rows = world.sql("SELECT status, search_attributes, memo FROM hermes.list_workflows('WorkflowId = ''rounds-1''') ORDER BY search_attributes->'Tries'")
    equal([row[0] for row in rows], ["ContinuedAsNew", "ContinuedAsNew", "Completed"], "rounds")
    equal([row[1] for row in rows], [{"Tries": 1, "Stage": "first", "Note": "kept all along"}, {"Tries": 2, "Note": "kept all along"},
                                     {"Tries": 3, "Note": "kept all along"}], "attributes of the rounds")
    equal([row[2] for row in rows], [{"m": 1}] * 3, "memos of the rounds")
    define(world, "tries", "PERFORM hermes.set_attributes('{\"Stage\": \"tried\"}'); RAISE EXCEPTION 'no' USING ERRCODE = 'K0001';")
    start(world, "tries", {}, "tries-1", retry={"initial_interval": "10ms", "max_attempts": 2}, search_attributes={"Note": "kept"}, memo={"m": 2})
    wait_until(lambda: len(found(world, "WorkflowId = 'tries-1' AND ExecutionStatus = 'Failed'")) == 2, what="both tries")
    rows = world.sql("SELECT search_attributes, memo FROM hermes.list_workflows('WorkflowId = ''tries-1''')")
    equal(rows, [({"Stage": "tried", "Note": "kept"}, {"m": 2})] * 2, "attributes and memo of a retry")


def children(world: World) -> None:
    """a child is started with attributes and a memo; those that do not fit fail the turn of its parent"""
    define(world, "child", "PERFORM hermes.sleep('1 day'); RETURN NULL;")
    define(world, "parent", """
    PERFORM hermes.start_child('child', '{}', NULL, jsonb_build_object('search_attributes', input->'set', 'memo', '{"of": "a child"}'::jsonb));
    PERFORM hermes.wait_signal('end');
    RETURN NULL;""")
    parent, wrong = start(world, "parent", {"set": {"Stage": "child's"}}), start(world, "parent", {"set": {"Tries": "x"}})
    wait_event(world, parent, "SignalAwaited")
    equal(world.sql("SELECT workflow_type, memo FROM hermes.list_workflows(%s)", "Stage = 'child''s'"), [("child", {"of": "a child"})], "the child")
    equal(len(found(world, f"ParentExecutionId = '{parent}'")), 1, "children of it")
    signal(world, parent, "end")
    ends(world, parent)
    wait_until(lambda: status(world, wrong)["failed_turns"] > 0, what="a failed turn")
    check("$.search_attributes: Tries must" in status(world, wrong)["last_failure"], str(status(world, wrong)))
    equal(found(world, f"ParentExecutionId = '{wrong}'"), set(), "children of the other")
    world.sql("SELECT hermes.terminate_workflow(%s)", wrong)


def consistent(world: World) -> None:
    """a list shows what its transaction has done, and of others what they have committed"""
    define(world, "sleeper", "PERFORM hermes.sleep('1 day'); RETURN NULL;")
    with world.transaction() as caller:
        row = caller.execute("SELECT hermes.start_workflow('sleeper', '{}', 'c-1', NULL, %s)::text",
                             (Jsonb({"search_attributes": {"Stage": "uncommitted"}}),)).fetchone()
        listed = caller.execute("SELECT execution_id::text FROM hermes.list_workflows('Stage = ''uncommitted''')").fetchall()
        equal(listed, [row], "in the transaction")
        equal(found(world, "Stage = 'uncommitted'"), set(), "elsewhere")
        caller.commit()
    equal(len(found(world, "Stage = 'uncommitted'")), 1, "after the commit")
    with world.transaction() as caller:
        caller.execute("SELECT hermes.terminate_workflow(execution_id) FROM hermes.list_workflows('Stage = ''uncommitted''')")
        equal(caller.execute("SELECT status FROM hermes.list_workflows('Stage = ''uncommitted''')").fetchall(), [("Terminated",)], "its own end")
        caller.rollback()
    equal(world.sql("SELECT status FROM hermes.list_workflows('Stage = ''uncommitted''')"), [("Running",)], "rolled back")


def other_ends(world: World) -> None:
    """attributes set in the turn in which an execution fails or is canceled are kept with it"""
    define(world, "fails", "PERFORM hermes.set_attributes('{\"Stage\": \"failing\"}'); RAISE EXCEPTION 'no';")
    failed = start(world, "fails")
    ends(world, failed, "Failed")
    define(world, "canceled", """
    PERFORM hermes.set_attributes('{"Stage": "waiting"}');
    BEGIN
        PERFORM hermes.sleep('1 day');
    EXCEPTION WHEN SQLSTATE 'WF020' THEN
        PERFORM hermes.set_attributes('{"Stage": "cleaned up"}');
        RAISE;
    END;
    RETURN NULL;""")
    canceled = start(world, "canceled")
    wait_event(world, canceled, "TimerStarted")
    world.sql("SELECT hermes.cancel_workflow(%s)", canceled)
    ends(world, canceled, "Canceled")
    equal(found(world, "Stage = 'failing' AND ExecutionStatus = 'Failed'"), {failed}, "the failed one")
    equal(found(world, "Stage = 'cleaned up' AND ExecutionStatus = 'Canceled'"), {canceled}, "the canceled one")


def changed_body(world: World) -> None:
    """a body that sets something else than its history says is stopped with the difference"""
    define(world, "swap", "PERFORM hermes.set_attributes('{\"Stage\": \"one\"}'); PERFORM hermes.wait_signal('go'); RETURN NULL;")
    execution = start(world, "swap")
    wait_event(world, execution, "SignalAwaited")
    define(world, "swap", "PERFORM hermes.set_memo('{\"Stage\": \"one\"}'); PERFORM hermes.wait_signal('go'); RETURN NULL;", in_place=True)
    signal(world, execution, "go")
    wait_until(lambda: "WF021" in (status(world, execution)["last_failure"] or ""), what="the difference to be seen")
    check("command 1 is set_memo, the history has set_attributes" in status(world, execution)["last_failure"], str(status(world, execution)))
    define(world, "swap", "PERFORM hermes.set_attributes('{\"Stage\": \"one\"}'); PERFORM hermes.wait_signal('go'); RETURN NULL;", in_place=True)
    ends(world, execution)


def paused_and_reset(world: World) -> None:
    """a paused execution is listed as such; one that a reset has begun has the attributes of its history"""
    define(world, "pausable", """
    PERFORM hermes.set_attributes('{"Stage": "pausable"}');
    answer := hermes.wait_signal('go');
    RETURN answer;""")
    execution = start(world, "pausable", {}, memo={"m": 1})
    wait_event(world, execution, "SignalAwaited")
    world.sql("SELECT hermes.pause_workflow(%s)", execution)
    stage = "Stage = 'pausable' AND ExecutionStatus "
    equal((found(world, stage + "= 'Paused'"), found(world, stage + "= 'Running'"), found(world, stage + "IN ('Running', 'Paused')"),
           found(world, stage + "!= 'Paused'")), ({execution}, set(), {execution}, set()), "found")
    equal(world.sql("SELECT value, executions FROM hermes.count_workflows(%s, 'ExecutionStatus')", "Stage = 'pausable'"), [("Paused", 1)], "count")
    again = str(world.value("SELECT hermes.reset_workflow(%s, NULL, 'once more')::text", execution))
    equal(found(world, stage + "= 'Running'"), {again}, "after the reset")
    equal(status(world, again)["memo"], {"m": 1}, "memo")
    signal(world, again, "go", 1)
    ends(world, again)


def outside(world: World) -> None:
    """the verbs of the body are refused elsewhere"""
    for verb in ("set_attributes", "set_memo"):
        try:
            world.sql(f"SELECT hermes.{verb}('{{}}')")
        except psycopg.Error as error:
            equal(error.sqlstate, "55000", verb)
        else:
            raise AssertionError(f"{verb} worked outside of a workflow function")


if __name__ == "__main__":
    main(prepare, declare, set_by_function, wrong_ones, limits, next_execution, children, consistent, other_ends, changed_body, paused_and_reset, outside)
