#!/usr/bin/python3
"""What workflow functions do is counted, once, at the commit, in hermes.stats and hermes.metrics()."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from harness import World, check, equal, main, wait_until
from workflows import define, ends, prepare, signal, start, status


def counts(world: World) -> dict[str, int]:
    return {name: int(value) for name, value in world.sql("SELECT name, value FROM hermes.stats")}


def grown(world: World, before: dict[str, int], **expected: int) -> None:
    def since() -> dict[str, int]:
        return {name: value - before[name] for name, value in counts(world).items() if name in expected}

    wait_until(lambda: since() == expected, 10, f"counts {since()}, expected {expected}")


def outcomes(world: World) -> None:
    """each end; nothing of what is rolled back"""
    before = counts(world)
    define(world, "works", "PERFORM hermes.step('a', 'SELECT 1'); RETURN NULL;")
    define(world, "fails", """
    BEGIN
        PERFORM hermes.step('bad', 'SELECT 1 / 0');
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    RAISE EXCEPTION 'no';""")
    define(world, "waits", "RETURN hermes.wait_signal('go');")
    define(world, "goes_on", "IF input->>'n' = '1' THEN PERFORM hermes.continue_as_new('{}'); END IF; PERFORM hermes.execute_child('works'); RETURN NULL;")
    ends(world, start(world, "works"))
    ends(world, start(world, "fails"), "Failed")
    signaled, canceled, terminated = (start(world, "waits") for _ in range(3))
    ends(world, start(world, "waits", run_timeout="200ms"), "TimedOut")
    signal(world, signaled, "go", {})
    world.sql("SELECT hermes.cancel_workflow(%s)", canceled)
    wait_until(lambda: status(world, terminated)["events"] == 2, what="a wait")
    world.sql("SELECT hermes.terminate_workflow(%s)", terminated)
    ends(world, signaled)
    ends(world, canceled, "Canceled")
    ends(world, start(world, "goes_on", {"n": 1}), "ContinuedAsNew")
    with world.transaction() as caller:
        caller.execute("SELECT hermes.start_workflow('works'), hermes.terminate_workflow(%s)", (terminated,))
        caller.rollback()
    grown(world, before, workflow_started=9, workflow_success=4, workflow_failed=1, workflow_timeout=1, workflow_cancel=1, workflow_terminate=1,
          workflow_continued_as_new=1, workflow_steps=2, workflow_steps_failed=1, workflow_children=1, workflow_signals=1, failed_workflow_tasks=0)
    check(counts(world)["workflow_tasks_completed"] - before["workflow_tasks_completed"] >= 9, "turns")


def turns(world: World) -> None:
    """failed turns, and those that do not fit their history"""
    before = counts(world)
    define(world, "broken", "PERFORM hermes.wait_signal('go'); PERFORM 1 / (input->>'n')::int; RETURN NULL;")
    execution = start(world, "broken", {"n": 0})
    signal(world, execution, "go", {})
    wait_until(lambda: status(world, execution)["failed_turns"] >= 1, what="a failed turn")
    after = counts(world)
    check(after["failed_workflow_tasks"] > before["failed_workflow_tasks"], "failed turns")
    equal(after["errors_nondeterministic"], before["errors_nondeterministic"], "nondeterministic")
    define(world, "broken", "PERFORM hermes.sleep('1 day'); RETURN NULL;", in_place=True)
    wait_until(lambda: counts(world)["errors_nondeterministic"] > before["errors_nondeterministic"], what="a nondeterministic turn")
    world.sql("SELECT hermes.terminate_workflow(%s)", execution)


def activities(world: World) -> None:
    """activities by how they closed, their attempts, and updates"""
    before = counts(world)
    define(world, "outside", "RETURN hermes.execute_activity('work', '1', input);")
    good, bad, late = (start(world, "outside", {"queue": queue} | options) for queue, options in (
        ("counts_good", {"start_to_close": "1m", "retry": {"initial_interval": "10ms"}}),
        ("counts_bad", {"start_to_close": "1m"}), ("counts_late", {"start_to_close": "100ms", "retry": {"max_attempts": 1}})))

    def poll(queue: str) -> str:
        found: list[str] = []
        wait_until(lambda: found.extend(row[0] for row in world.sql("SELECT token FROM hermes.poll_tasks(%s)", queue)) or bool(found), what=queue)
        return found[0]

    world.sql("SELECT hermes.fail_task(%s, '{\"message\": \"busy\"}')", poll("counts_good"))
    world.sql("SELECT hermes.complete_task(%s)", poll("counts_good"))
    world.sql("SELECT hermes.fail_task(%s, '{\"message\": \"no\", \"non_retryable\": true}')", poll("counts_bad"))
    poll("counts_late")
    ends(world, good)
    ends(world, bad, "Failed")
    ends(world, late, "Failed")
    define(world, "asked", "answer := hermes.wait_update(); PERFORM hermes.complete_update(answer->>'id', '1'); RETURN NULL;", updates={"ask": {}})
    asked = start(world, "asked")
    world.sql("SELECT hermes.update_workflow(%s, 'unknown', '{}', 'u0')", asked)
    world.sql("SELECT hermes.update_workflow(%s, 'ask', %s, 'u1')", asked, Jsonb({}))
    ends(world, asked)
    grown(world, before, activity_scheduled=3, activity_success=1, activity_fail=1, activity_timeout=1, activity_cancel=0, activity_task_fail=2,
          activity_task_timeout=1, activity_task_retry=1, workflow_updates_accepted=1, workflow_updates_rejected=1)


def schedules(world: World) -> None:
    """starts of schedules; the metrics have what the view has"""
    before = counts(world)
    world.sql("SELECT hermes.create_schedule('counted', '{\"intervals\": [{\"every\": \"1d\"}]}', '{\"start_workflow\": {\"type\": \"works\"}}')")
    world.sql("SELECT hermes.trigger_schedule('counted')")
    grown(world, before, schedule_action_success=1, schedule_action_errors=0, schedule_missed_catchup_window=0, workflow_success=1)
    page, all_counts = world.value("SELECT hermes.metrics()"), counts(world)
    for name in ("workflow_success", "workflow_failed", "activity_success", "errors_nondeterministic", "schedule_action_success"):
        check(f"\nhermes_{name}_total {all_counts[name]}\n" in page, f"{name} {all_counts[name]} in the metrics")


if __name__ == "__main__":
    main(prepare, outcomes, turns, activities, schedules)
