#!/usr/bin/python3
"""HTTP activities of durable functions: sent through a provider, with its limits and secrets, retried, bounded, canceled."""

from __future__ import annotations

import json
from typing import Any

from psycopg.types.json import Jsonb

from harness import World, check, equal, main, never, wait_until
from workflows import define, effects, ends, events, prepare as prepare_role, restarted, start, wait_event


def prepare(world: World) -> None:
    """a provider that stands for a service, an activity type, a function that calls it"""
    prepare_role(world)
    world.provider("service", "email", world.account_url("service"), timeout="2s")
    world.plan("service", "no_dlr")
    register(world, "call")
    define(world, "caller", "RETURN hermes.execute_activity('call', input->'data', coalesce(input->'options', '{}'));")


def register(world: World, name: str, provider: str = "service", **options: Any) -> None:
    world.sql("SELECT hermes.register_activity(%s, %s)", name,
              Jsonb({"kind": "http", "provider": provider, "start_to_close": "2s", "retry": {"initial_interval": "50ms"}} | options))


def call(world: World, data: dict[str, Any], **options: Any) -> str:
    return start(world, "caller", {"data": data, "options": options})


def requests(world: World, to: str, account: str = "service") -> list[dict[str, Any]]:
    return [request for request in world.at(account) if request["to"] == to]


def answers(world: World) -> None:
    """the input fills the request, the answer is the result; nothing external polls"""
    execution = call(world, {"to": "hello"})
    result = ends(world, execution)["result"]
    equal(result["status"], 202, "status")
    check(result["body"]["id"].startswith("email-"), f"body {result}")
    equal(len(requests(world, "hello")), 1, "requests")
    equal(events(world, execution)[1:4], ["ActivityTaskScheduled", "ActivityTaskStarted", "ActivityTaskCompleted"], "events")
    equal(world.sql("SELECT count(*) FROM hermes.activity"), [(0,)], "activities left")
    equal(world.sql("SELECT count(*) FROM hermes.task"), [(0,)], "tasks left")


def retried(world: World) -> None:
    """a failed request is sent again with the same idempotency key; Retry-After is followed"""
    execution = call(world, {"to": "again", "behaviour": {"email": ["error", {"answer": "throttle", "retry_after": 1}, "no_dlr"]}})
    ends(world, execution)
    sent = requests(world, "again")
    equal(len(sent), 3, "requests")
    equal(len({request["key"] for request in sent}), 1, "idempotency keys")
    attempt = world.value("SELECT attributes->'attempt'->'number' FROM hermes.workflow_history(%s) WHERE event_type = 'ActivityTaskStarted'", execution)
    equal(attempt, 3, "attempt")


def refused(world: World) -> None:
    """a refusal for good is no matter of trying again"""
    failure = ends(world, call(world, {"to": "bad", "behaviour": {"email": "reject"}}), "Failed")["failure"]
    detail = json.loads(failure["detail"])
    equal((failure["sqlstate"], detail["type"], detail["retry_state"], detail["details"]["status"]),
          ("WF023", "http_400", "NonRetryableFailure", 400), "failure")
    equal(len(requests(world, "bad")), 1, "requests")


def silent(world: World) -> None:
    """a service that does not answer: each request is bounded, all of them together as well"""
    execution = call(world, {"to": "hang", "behaviour": {"email": "hang"}}, start_to_close="300ms", schedule_to_close="1s")
    failure = ends(world, execution, "Failed")["failure"]
    equal(failure["sqlstate"], "WF024", "failure")
    check(len(requests(world, "hang")) >= 2, "requests")


def without_a_value(world: World) -> None:
    """a request that cannot be made fails the activity, not the turn"""
    world.provider("strict", "email", world.account_url("strict"),
                   request={"url": world.account_url("strict"), "body": {"text": "{{message.text}}", "must": "{{message.must}}"}})
    register(world, "strict", "strict")
    define(world, "strict_caller", "RETURN hermes.execute_activity('strict', '{\"text\": \"x\"}');")
    failure = ends(world, start(world, "strict_caller"), "Failed")["failure"]
    check("message.must" in failure["message"], failure["message"])


def held(world: World) -> None:
    """a paused provider holds activities as it holds sends"""
    world.sql("SELECT hermes.pause_provider('service')")
    execution = call(world, {"to": "held"})
    aside = "SELECT queue < 0 AND owner IS NULL FROM hermes.task WHERE workflow_id = %s AND kind = 18"
    wait_until(lambda: world.sql(aside, execution) == [(True,)], what="its send is put aside")
    never(lambda: requests(world, "held"), 0.3, "a request while its provider is paused")
    world.sql("SELECT hermes.resume_provider('service')")
    ends(world, execution)


def canceled(world: World) -> None:
    """a cancel while the request is under way: its answer is dropped"""
    execution = call(world, {"to": "slow", "behaviour": {"email": {"answer": "accept", "delay": 1, "receipts": []}}})
    wait_until(lambda: requests(world, "slow"), what="the request")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    ends(world, execution, "Canceled")
    wait_until(lambda: world.sql("SELECT count(*) FROM hermes.task") == [(0,)], what="no task left")


def many(world: World) -> None:
    """a fan-out keeps to the concurrency of its provider"""
    world.provider("narrow", "email", world.account_url("narrow"), concurrency=4)
    world.plan("narrow", {"answer": "accept", "delay": 0.05, "receipts": []})
    register(world, "narrow_call", "narrow")
    define(world, "wide", """
    FOR i IN 1..40 LOOP
        handles := handles || hermes.start_activity('narrow_call', jsonb_build_object('to', i));
    END LOOP;
    answer := hermes.await_all(handles);
    RETURN (SELECT to_jsonb(count(*)) FROM jsonb_array_elements(answer) e WHERE e->'status' = '202');""", declare="handles bigint[] := '{}';")
    equal(ends(world, start(world, "wide"), timeout=60)["result"], 40, "answers")
    equal(len(world.at("narrow")), 40, "requests")


def killed(world: World) -> None:
    """kill -9 of the dispatcher between requests and answers: each activity completes, steps are done once"""
    define(world, "agent", """
    FOR i IN 1..6 LOOP
        answer := hermes.execute_activity('call', jsonb_build_object('to', 'tool ' || i, 'behaviour', '{"email": {"answer": "accept", "delay": 0.2, "receipts": []}}'::jsonb));
        PERFORM app.mark('tool ' || i, input->>'run');
    END LOOP;
    RETURN answer->'status';""")
    execution = start(world, "agent", {"run": "agent"})
    wait_until(lambda: effects(world, "agent"), what="the first effect")
    supervisor = world.worker_pid("supervisor")
    world.kill(world.worker_pid("dispatcher"))
    wait_until(lambda: restarted(world, supervisor), 60, "the server")
    equal(ends(world, execution, timeout=60)["result"], 202, "result")
    equal(effects(world, "agent"), [f"tool {i}" for i in range(1, 7)], "effects")


if __name__ == "__main__":
    main(prepare, answers, retried, refused, silent, without_a_value, held, canceled, many, killed)
