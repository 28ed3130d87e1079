#!/usr/bin/python3
"""Schedules end to end: the supervisor starts workflows and cascades on time, by the overlap policy, over pauses, downtimes,
failing actions and kills, once a nominal time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

import workflows
from harness import TENANT, World, check, equal, main, never, wait_until
from workflows import define, signal

SECOND = {"intervals": {"every": "1s"}}
NEVER = {"cron": "0 0 1 1 * 2100"}


def prepare(world: World) -> None:
    """a workflow that ends at once, and one that waits to be told"""
    workflows.prepare(world)
    define(world, "quick", "PERFORM app.mark('done', input->>'run'); RETURN NULL;")
    define(world, "slow", """
    BEGIN
        PERFORM hermes.wait_signal('go');
    EXCEPTION WHEN SQLSTATE 'WF020' THEN
        PERFORM app.mark('canceled', input->>'run');
        RAISE;
    END;
    RETURN NULL;""")
    define(world, "broken", "RAISE EXCEPTION 'it cannot'; RETURN NULL;")


def create(world: World, name: str, spec: Any = None, kind: str = "quick", tenant: str | None = None, **options: Any) -> None:
    action = {"start_workflow": {"type": kind, "input": {"run": name}}}
    world.sql("SELECT hermes.create_schedule(%s, %s, %s, %s, %s)", name, Jsonb(spec or SECOND), Jsonb(action), Jsonb(options), tenant)


def shown(world: World, name: str) -> dict[str, Any]:
    return dict(world.value("SELECT to_jsonb(s) FROM hermes.schedules s WHERE schedule_id = %s", name))


def wait_shown(world: World, name: str, timeout: float = 20, **members: Any) -> dict[str, Any]:
    """Waits until the view shows at least these counters, and exactly these other members."""
    def reached() -> dict[str, Any] | None:
        found = shown(world, name)
        good = all(found[m] >= v if isinstance(v, int) and not isinstance(v, bool) else found[m] == v for m, v in members.items())
        return found if good else None

    return wait_until(reached, timeout, f"{members} of {name}: {shown(world, name)}")


def started(world: World, name: str) -> list[tuple[str, str, str]]:
    """Workflow id, execution, status of all that was started, oldest first."""
    return world.sql("SELECT workflow_id, execution_id::text, status FROM hermes.workflows WHERE workflow_id LIKE %s "
                     "ORDER BY started_at, workflow_id", f"{name}-%")


def trigger(world: World, name: str, overlap: str | None = None) -> str:
    return str(world.value("SELECT hermes.trigger_schedule(%s, %s)", name, overlap))


def current(world: World, name: str, workflow_id: str) -> str:
    """The execution of a start once it is there."""
    rows = wait_until(lambda: [r for r in started(world, name) if r[0] == workflow_id], what=f"the start of {workflow_id}")
    return str(rows[0][1])


def drop(world: World, name: str) -> None:
    world.sql("SELECT hermes.drop_schedule(%s)", name)


def on_time(world: World) -> None:
    """every second, within milliseconds, a workflow with its nominal time in its id"""
    create(world, "tick", overlap="allow_all")
    wait_shown(world, "tick", actions=4)
    lateness = world.sql("SELECT extract(epoch FROM started_at - nominal)::float FROM hermes.schedule_run r "
                         "JOIN hermes.schedule s ON s.id = r.schedule_id WHERE s.name = 'tick'")
    check(min(late for (late,) in lateness) < 0.1, f"lateness: {lateness}")
    found = shown(world, "tick")
    drop(world, "tick")
    equal((found["missed"], found["skipped"], found["errors"]), (0, 0, 0), "nothing else")
    ids = [row[0] for row in started(world, "tick")]
    times = [datetime.fromisoformat(i.removeprefix("tick-").replace("Z", "+00:00")) for i in ids]
    equal([later - earlier for earlier, later in zip(times, times[1:])], [timedelta(seconds=1)] * (len(times) - 1), "one a second")
    workflows.ends(world, started(world, "tick")[0][1])
    count = len(started(world, "tick"))
    never(lambda: len(started(world, "tick")) > count, 1.5, "a start after the drop")


def skip(world: World) -> None:
    """skip: nothing is started beside one that runs; its end lets the next time start"""
    create(world, "skip", kind="slow")
    wait_shown(world, "skip", actions=1, skipped=2)
    first = started(world, "skip")
    equal(len(first), 1, "started")
    equal(shown(world, "skip")["running"], 1, "running")
    world.sql("SELECT hermes.pause_workflow(%s)", first[0][1])  # a paused one runs, too
    wait_shown(world, "skip", skipped=shown(world, "skip")["skipped"] + 2)
    equal(len(started(world, "skip")), 1, "started beside a paused one")
    world.sql("SELECT hermes.resume_workflow(%s)", first[0][1])
    signal(world, first[0][1], "go")
    wait_shown(world, "skip", actions=2)
    equal([row["status"] for row in shown(world, "skip")["recent"]][-1], "Completed", "end of the first")
    drop(world, "skip")


def buffer_one(world: World) -> None:
    """buffer_one: one waits, and starts as soon as the running one has ended"""
    create(world, "one", NEVER, "slow", overlap="buffer_one")
    names = [trigger(world, "one") for _ in range(3)]
    wait_shown(world, "one", actions=1, buffered=1, skipped=1)
    asked = time.monotonic()
    signal(world, current(world, "one", names[0]), "go")
    second = current(world, "one", names[1])
    check(time.monotonic() - asked < 5, "the end of the first calls the schedule")
    wait_shown(world, "one", actions=2)
    signal(world, second, "go")
    workflows.ends(world, second)
    wait_until(lambda: shown(world, "one")["running"] == 0, what="nothing runs")
    equal(shown(world, "one")["actions"], 2, "actions")
    drop(world, "one")


def continued(world: World) -> None:
    """an execution that continues as new runs on for its schedule"""
    define(world, "again", """
    IF input ? 'second' THEN
        PERFORM hermes.wait_signal('go');
        RETURN NULL;
    END IF;
    PERFORM hermes.continue_as_new('{"second": true}');""")
    create(world, "again", NEVER, "again", overlap="buffer_all")
    first, second = trigger(world, "again"), trigger(world, "again")
    # both may have started within the same millisecond, so in either order
    wait_until(lambda: sorted(row[2] for row in started(world, "again")) == ["ContinuedAsNew", "Running"], what="it continues as new")
    never(lambda: any(row[0] == second for row in started(world, "again")), 0.7, "a start beside the second execution")
    signal(world, next(row[1] for row in started(world, "again") if row[0] == first and row[2] == "Running"), "go")
    current(world, "again", second)
    drop(world, "again")


def cancel_and_terminate(world: World) -> None:
    """cancel_other and terminate_other: the running one is ended first, the newest start follows"""
    for policy, word in (("cancel_other", "Canceled"), ("terminate_other", "Terminated")):
        create(world, policy, NEVER, "slow", overlap=policy)
        first = current(world, policy, trigger(world, policy))
        workflows.wait_event(world, first, "SignalAwaited")
        second = current(world, policy, trigger(world, policy))
        equal(workflows.ends(world, first, word)["status"], word, "the first")
        equal(workflows.status(world, second)["status"], "Running", "the second")
        drop(world, policy)
    equal(workflows.effects(world, "cancel_other"), ["canceled"], "clean-up of the canceled one")


def pause_and_resume(world: World) -> None:
    """while paused nothing is started, missed or caught up, but what is asked for"""
    create(world, "pause", overlap="allow_all")
    wait_shown(world, "pause", actions=1)
    equal(world.value("SELECT hermes.pause_schedule('pause', 'holidays')"), True, "paused")
    before = shown(world, "pause")
    equal((before["paused"], before["note"], before["next_time"]), (True, "holidays", None), "shown")
    never(lambda: shown(world, "pause")["actions"] != before["actions"], 2.2, "an action while paused")
    current(world, "pause", trigger(world, "pause"))
    world.sql("SELECT hermes.resume_schedule('pause', 'back')")
    resumed = datetime.now(timezone.utc)
    after = wait_shown(world, "pause", actions=before["actions"] + 2)
    drop(world, "pause")
    equal((after["missed"], after["skipped"], after["dropped"], after["note"]), (0, 0, 0, "back"), "nothing is caught up")
    scheduled = [datetime.fromisoformat(row["nominal"]) for row in after["recent"]]
    check(sum(nominal > resumed for nominal in scheduled) >= 1, f"{scheduled}, resumed at {resumed}")


def limited(world: World) -> None:
    """remaining_actions: so many and no more; triggers are not counted"""
    create(world, "limited", overlap="allow_all", remaining_actions=2)
    wait_shown(world, "limited", actions=2, remaining_actions=0)
    never(lambda: shown(world, "limited")["actions"] > 2, 1.5, "a third action")
    current(world, "limited", trigger(world, "limited"))
    found = shown(world, "limited")
    equal((found["remaining_actions"], found["next_time"]), (0, None), "remaining")
    drop(world, "limited")


def pause_on_failure(world: World) -> None:
    """pause_on_failure: a failed execution pauses the schedule, with a note"""
    create(world, "fails", kind="broken", pause_on_failure=True)
    found = wait_shown(world, "fails", paused=True)
    check("Failed" in found["note"], f"note: {found['note']}")
    drop(world, "fails")


def backfill(world: World) -> None:
    """backfill: all times of a range, both ends inclusive, by a policy of its own, also while paused"""
    create(world, "back", {"cron": "0 * * * *"}, paused=True)
    world.sql("SELECT hermes.backfill_schedule('back', '2026-01-01 00:00+00', '2026-01-01 05:00+00', 'buffer_all')")
    wait_shown(world, "back", actions=6)
    equal([row[0] for row in started(world, "back")], [f"back-2026-01-01T0{hour}:00:00Z" for hour in range(6)], "in order")
    # again: what was started is done
    world.sql("SELECT hermes.backfill_schedule('back', '2026-01-01 04:00+00', '2026-01-01 06:00+00', 'allow_all')")
    wait_shown(world, "back", actions=9)
    equal(len(started(world, "back")), 7, "executions")
    # more than the buffer holds: none is lost
    world.sql("SELECT hermes.alter_schedule('back', '{\"intervals\": {\"every\": \"1m\"}}')")
    world.sql("SELECT hermes.backfill_schedule('back', '2026-02-01 00:00+00', '2026-02-01 20:00+00', 'skip')")
    found = wait_shown(world, "back", timeout=30, actions=10)
    wait_until(lambda: shown(world, "back")["backfills"] == shown(world, "back")["buffered"] == 0, 30, "the end of the backfill")
    found = shown(world, "back")
    equal(found["actions"] - 9 + found["skipped"] + found["dropped"], 1201, f"starts: {found}")
    equal((found["missed"], found["dropped"]), (0, 0), "lost")
    drop(world, "back")


def cascade(world: World) -> None:
    """a cascade is started, under the key of its nominal time; the next one waits for its end"""
    action = {"start_cascade": {"rule": "cascade", "message": {"to": "a@example.com", "text": "hello"}}}
    world.sql("SELECT hermes.create_schedule('digest', %s, %s, %s, %s)", Jsonb(NEVER), Jsonb(action),
              Jsonb({"overlap": "buffer_all"}), TENANT)
    first, second = (str(world.value("SELECT hermes.trigger_schedule('digest', NULL, %s)", TENANT)) for _ in range(2))
    wait_shown(world, "digest", actions=1)
    wait_until(lambda: world.sql("SELECT 1 FROM hermes.cascades WHERE key = %s AND status = 'CLOSED'", second), what="the second")
    rows = world.sql("SELECT key, tenant, outcome FROM hermes.cascades WHERE key LIKE 'digest-%%' ORDER BY started_at")
    equal(rows, [(first, TENANT, "DELIVERED"), (second, TENANT, "DELIVERED")], "cascades")
    overlap = world.value("SELECT a.closed_at <= b.started_at FROM hermes.cascades a, hermes.cascades b WHERE a.key = %s AND b.key = %s", first, second)
    equal(overlap, True, "one after the other")
    world.sql("SELECT hermes.drop_schedule('digest', %s)", TENANT)


def failing_start(world: World) -> None:
    """a start that fails is shown and tried again until it succeeds; the role's rights are looked at each time"""
    define(world, "late", "RETURN NULL;")
    create(world, "late", NEVER, "late")
    world.sql("SELECT hermes.drop_workflow('late')")
    name = trigger(world, "late")
    found = wait_shown(world, "late", errors=2)
    check("late" in found["last_error"], f"error: {found['last_error']}")
    equal((found["buffered"], found["actions"]), (1, 0), "waits")
    define(world, "late", "RETURN NULL;")
    workflows.ends(world, current(world, "late", name))
    equal(wait_shown(world, "late", actions=1)["last_error"], None, "error")
    drop(world, "late")
    world.sql("CREATE ROLE scheduler LOGIN IN ROLE hermes_app")
    world.sql("SELECT hermes.grant_tenant('scheduler', 'acme')")
    action = Jsonb({"start_workflow": {"type": "quick", "input": {"run": "own"}}})
    with world.connect("scheduler") as session:
        session.execute("SELECT hermes.create_schedule('own', %s, %s, '{}', 'acme')", (Jsonb(NEVER), action))
    world.sql("SELECT hermes.revoke_tenant('scheduler', 'acme')")
    world.sql("SELECT hermes.trigger_schedule('own', NULL, 'acme')")
    found = wait_shown(world, "own", errors=1)
    check("may not start" in found["last_error"], f"error: {found['last_error']}")
    world.sql("SELECT hermes.grant_tenant('scheduler', 'acme')")
    wait_shown(world, "own", actions=1)
    world.sql("SELECT hermes.drop_schedule('own', 'acme')")


def uncommitted(world: World) -> None:
    """a change that is not committed holds the schedule up, a rollback leaves it as it was"""
    create(world, "held", overlap="allow_all")
    wait_shown(world, "held", actions=1)
    with world.transaction() as session:
        session.execute("SELECT hermes.pause_schedule('held')")
        actions = shown(world, "held")["actions"]
        never(lambda: shown(world, "held")["actions"] > actions + 1, 1.5, "an action of a held schedule")
        session.rollback()
    wait_shown(world, "held", timeout=5, actions=actions + 3, paused=False)
    drop(world, "held")


def nominal_times(world: World, name: str) -> list[datetime]:
    return sorted(datetime.fromisoformat(row[0].removeprefix(f"{name}-").replace("Z", "+00:00")) for row in started(world, name))


def complete(world: World, name: str) -> None:
    """One start for each nominal time from the first to the last."""
    times = nominal_times(world, name)
    equal(len(set(times)), len(times), "no time twice")
    equal(times, [times[0] + timedelta(seconds=n) for n in range(len(times))], "no time left out")


def supervisor_killed(world: World) -> None:
    """kill -9 of the supervisor: one start for each nominal time"""
    create(world, "killed", overlap="allow_all")
    wait_shown(world, "killed", actions=2)
    for _ in range(2):
        pid = world.worker_pid("supervisor")
        world.kill(pid)
        reconnect(world, pid)
        actions = shown(world, "killed")["actions"]
        wait_shown(world, "killed", timeout=60, actions=actions + 3)
    drop(world, "killed")
    complete(world, "killed")


def reconnect(world: World, killed: int = 0) -> None:
    """Waits until the server answers and has a supervisor other than the one killed."""
    def answered() -> bool:
        try:
            rows = world.sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE '%hermes%supervisor%'")
            return bool(rows) and rows[0][0] != killed
        except psycopg.OperationalError:  # it restarts
            return False

    wait_until(answered, 60, "the server", interval=0.2)


def downtime(world: World) -> None:
    """after a downtime what lies in the catch-up window is caught up, what is older is missed"""
    create(world, "catchup", overlap="allow_all")
    create(world, "short", overlap="allow_all", catchup_window="10s")
    wait_shown(world, "short", actions=1)
    world.cluster.stop()
    time.sleep(13)  # the downtime itself
    world.cluster.start()
    reconnect(world)
    wait_shown(world, "catchup", timeout=60, actions=15)
    found = wait_shown(world, "short", timeout=60, missed=1)
    check(found["actions"] >= 8, f"{found}")
    drop(world, "catchup")
    drop(world, "short")
    complete(world, "catchup")


def cron_job(world: World) -> None:
    """recurring maintenance by pg_cron, where there is one: a job, replaced by the same call, taken back"""
    check(world.value("SELECT hermes.maintain()") >= 0, "maintenance")
    if not world.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_cron'"):
        return
    world.sql("CREATE EXTENSION pg_cron")
    first = world.value("SELECT hermes.schedule_maintenance()")
    equal(world.value("SELECT hermes.schedule_maintenance('* * * * *')"), first, "job")
    jobs = "SELECT jobname, schedule, command FROM cron.job"
    equal(world.sql(jobs), [("hermes_maintenance", "* * * * *", "SELECT hermes.maintain()")], "jobs")
    equal(world.value("SELECT hermes.schedule_maintenance(NULL)"), None, "no job")
    equal(world.value("SELECT hermes.schedule_maintenance(NULL)"), None, "no job")
    equal(world.sql(jobs), [], "jobs")
    world.sql("DROP EXTENSION pg_cron")


if __name__ == "__main__":
    main(prepare, on_time, skip, buffer_one, continued, cancel_and_terminate, pause_and_resume, limited, pause_on_failure,
         backfill, cascade, failing_start, uncommitted, cron_job, supervisor_killed, downtime)
