"""What the tests of durable functions share: functions and their types, executions, effects."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import World, equal, wait_until

ROLE = "e2e_workflows"


def define(world: World, name: str, body: str, declare: str = "", returns: str = "jsonb", register: bool = True, **options: Any) -> None:
    """A workflow function of this name in schema app, and the type of the same name."""
    world.sql(f"CREATE OR REPLACE FUNCTION app.{name}(input jsonb) RETURNS {returns} LANGUAGE plpgsql AS $body$\n"
              f"DECLARE\n    answer jsonb; {declare}\nBEGIN\n{body}\nEND\n$body$")
    if register:
        world.sql(f"SELECT hermes.register_workflow(%s, 'app.{name}(jsonb)', %s)", name, Jsonb({"run_as": ROLE} | options))


def start(world: World, name: str, data: Any = None, workflow_id: str | None = None, **options: Any) -> str:
    return str(world.value("SELECT hermes.start_workflow(%s, %s, %s, NULL, %s)::text", name, Jsonb(data or {}), workflow_id, Jsonb(options)))


def status(world: World, execution: str) -> dict[str, Any]:
    return dict(world.value("SELECT hermes.workflow_status(%s)", execution))


def ends(world: World, execution: str, word: str = "Completed", timeout: float = 20) -> dict[str, Any]:
    wait_until(lambda: status(world, execution)["status"] != "Running", timeout, f"the end of {execution}: {status(world, execution)}")
    found = status(world, execution)
    equal(found["status"], word, f"status of {found}")
    return found


def events(world: World, execution: str) -> list[str]:
    return [row[0] for row in world.sql("SELECT event_type FROM hermes.workflow_history(%s) ORDER BY event_id", execution)]


def wait_event(world: World, execution: str, kind: str, count: int = 1) -> None:
    wait_until(lambda: events(world, execution).count(kind) >= count, what=f"{kind} of {execution}")


def signal(world: World, execution: str, name: str, payload: Any = None, request_id: str | None = None) -> str:
    return str(world.value("SELECT hermes.signal_workflow(%s, %s, %s, %s)::text", execution, name, Jsonb(payload), request_id))


def restarted(world: World, supervisor: int) -> bool:
    """Whether the server runs again after a process of it was killed."""
    try:
        return world.worker_pid("supervisor") != supervisor
    except psycopg.Error:
        return False


def effects(world: World, execution: str) -> list[str]:
    return [row[0] for row in world.sql("SELECT what FROM app.effect WHERE run = %s ORDER BY id", execution)]


def prepare(world: World) -> None:
    """a role runs workflow functions over its business tables"""
    world.sql(f"CREATE ROLE {ROLE} LOGIN IN ROLE hermes_app")
    world.sql("CREATE SCHEMA app")
    world.sql(f"GRANT USAGE ON SCHEMA app TO {ROLE}")
    world.sql("CREATE TABLE app.effect (id bigint GENERATED ALWAYS AS IDENTITY, run text, what text, by text DEFAULT current_user, "
              "xid bigint DEFAULT txid_current())")
    world.sql("CREATE TABLE app.account (id int PRIMARY KEY, balance numeric NOT NULL CHECK (balance >= 0))")
    world.sql(f"GRANT SELECT, INSERT, UPDATE ON app.effect, app.account TO {ROLE}")
    # a step that leaves a mark under the name of its key
    world.sql("CREATE FUNCTION app.mark(what text, run text) RETURNS void LANGUAGE sql AS $$ SELECT hermes.step('mark ' || what, "
              "'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', $1->>''what'')', jsonb_build_object('run', run, 'what', what)) $$")
