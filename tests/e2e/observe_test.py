#!/usr/bin/python3
"""What operators see, M14 and S11 of the messaging model: counters that agree with the histories, metrics that a real parser
reads, the log of receipts, and what pg_stat_activity tells of the workers."""

from __future__ import annotations

import itertools
import re
import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from psycopg.types.json import Jsonb

from harness import World, check, equal, free_port, main, wait_until

ODD_TENANT = 'acme "one" \\ two, {three}=é'
SCRAPER = "e2e_scraper"
COUNTS = ("accepted", "ambiguous", "retried", "timed_out", "delivered", "failed_soft", "failed_hard", "failed_policy",
          "failed_config", "corrected")
Stats = dict[tuple[str | None, str | None, str | None], dict[str, Any]]


def families(world: World) -> dict[str, Metric]:
    """The page of the scraper, read by the parser of prometheus_client, which refuses what is not OpenMetrics."""
    with world.connect(SCRAPER) as session:
        row = session.execute("SELECT hermes.metrics()").fetchone()
    assert row is not None
    return {family.name: family for family in text_string_to_metric_families(row[0])}


def sample(found: dict[str, Metric], family: str, suffix: str = "", **labels: str) -> float:
    values = [s.value for s in found[family].samples if s.name == family + suffix and s.labels == labels]
    equal(len(values), 1, f"samples {family}{suffix} {labels}")
    return float(values[0])


def gauge(world: World, family: str, **labels: str) -> float:
    return sample(families(world), family, **labels)


def stats(world: World, tenant: str) -> Stats:
    columns = ", ".join(COUNTS)
    rows = world.sql(f"SELECT tenant, channel, provider, {columns}, states, receipts_timed, latency_p50_ms, latency_p95_ms, "
                     "latency_p99_ms FROM hermes.delivery_stats WHERE tenant = %s", tenant)
    names = [*COUNTS, "states", "timed", "p50", "p95", "p99"]
    return {row[:3]: dict(zip(names, row[3:], strict=True)) for row in rows}


def prepare(world: World) -> None:
    """a role that scrapes, and a rule for it"""
    world.sql(f"CREATE ROLE {SCRAPER} LOGIN IN ROLE hermes_monitor")
    world.sql("SELECT hermes.grant_tenant(%s, '*')", SCRAPER)
    world.rule("observed", {"channel": "email", "timeout": "700ms"}, {"channel": "sms", "timeout": "3s"})


# ---------------------------------------------------------------- counters


def counted_by_histories(world: World, cascades: list[str]) -> dict[tuple[str, str], Counter[str]]:
    """What the histories say, by channel and provider: the other way to the same numbers."""
    names = dict(world.sql("SELECT id, name FROM hermes.provider"))
    channels = dict(world.sql("SELECT name, config ->> 'channel' FROM hermes.provider"))
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for cascade in cascades:
        attempts: dict[int, str] = {}
        states: dict[int, str] = {}
        rows = world.sql("SELECT event_type, attributes FROM hermes.cascade_history(%s) ORDER BY event_id", cascade)
        timer = False
        for event, facts in rows:
            number = facts.get("attempt", 0)
            if event == "SendScheduled":
                attempts[number] = names[facts["provider_id"]]
                states[number] = "queued"
            provider = attempts.get(number, "")
            count = counts[channels.get(provider, ""), provider]
            if event == "SendScheduled":
                count["state queued"] += 1
            elif event == "SendCompleted":
                count["accepted"] += 1
                if states[number] == "queued":
                    states[number] = "accepted"
                    count["state accepted"] += 1
            elif event == "SendAmbiguous":
                count["ambiguous"] += 1
            elif event == "SendRetry":
                count["retried"] += 1
            elif event == "SendFailed" or (event == "ReceiptRecorded" and facts["result"] in ("applied", "corrected")):
                if facts["state"] != states[number]:
                    count[f"state {facts['state']}"] += 1
                    count["delivered"] += facts["state"] == "delivered"
                    count[f"failed_{facts.get('failure_kind')}"] += "failure_kind" in facts
                states[number] = facts["state"]
            elif event == "StepFailed" and timer:
                newest = attempts[max(attempts)]
                counts[channels[newest], newest]["timed_out"] += 1
            timer = event == "TimerFired"
    return {key: +count for key, count in counts.items() if key[1]}


def agree(world: World) -> None:
    """M14 counters agree with the histories, over every way a message can go"""
    behaviours: list[dict[str, Any]] = [
        {}, {"email": "sent_then_delivered"}, {"email": "undeliverable"}, {"email": "reject"}, {"email": "no_dlr"},
        {"email": "failed"}, {"email": ["throttle", "accept"]}, {"email": "error"}, {"email": "duplicate_dlr"},
        {"email": "dlr_first"}, {"email": "reject", "sms": "undeliverable"}, {"email": "drop_taken"}]
    cascades = [world.start(behaviour, "observed", tenant=ODD_TENANT)
                for behaviour, _ in itertools.product(behaviours, range(4))]
    for cascade in cascades:
        world.closed(cascade, 60)
    expected = counted_by_histories(world, cascades)
    check(sum(expected["email", "email"].values()) > 100, f"the histories tell little: {expected}")

    def found() -> dict[tuple[str, str], Counter[str]]:
        result: dict[tuple[str, str], Counter[str]] = {}
        for (_, channel, provider), row in stats(world, ODD_TENANT).items():
            count = Counter({name: row[name] for name in COUNTS if name != "corrected"})
            count.update({f"state {state}": n for state, n in row["states"].items()})
            result[str(channel), str(provider)] = +count
        return result

    equal(found(), expected, "counters")
    rows = stats(world, ODD_TENANT)
    equal(set(rows), {(ODD_TENANT, "email", "email"), (ODD_TENANT, "sms", "sms")}, "series")
    mail = rows[ODD_TENANT, "email", "email"]
    check(0 <= mail["p50"] <= mail["p95"] <= mail["p99"] < 60_000, f"percentiles {mail}")
    check(mail["timed"] > 20, f"receipts timed {mail['timed']}")


def page(world: World) -> None:
    """M14 metrics are OpenMetrics, and agree with the views"""
    found = families(world)
    for name, kind in (("hermes_cascades_started", "counter"), ("hermes_messages", "counter"),
                       ("hermes_receipt_latency_seconds", "histogram"), ("hermes_queue_oldest_seconds", "gauge"),
                       ("hermes_breaker_state", "stateset"), ("hermes_timer_lateness_seconds", "histogram"),
                       ("hermes_build", "info"), ("hermes_receipts_parked", "gauge"), ("hermes_metric_series", "gauge")):
        check(name in found, f"no family {name} in {sorted(found)}")
        equal(found[name].type, kind, f"type of {name}")
    check(all(name.startswith("hermes_") and family.documentation for name, family in found.items()),
          "each family is ours, and described")
    counters = dict(world.sql("SELECT name, value FROM hermes.stats"))
    equal(sample(found, "hermes_cascades_started", "_total"), counters["cascades_started"], "cascades started")
    for outcome in ("delivered", "exhausted", "expired", "canceled"):
        equal(sample(found, "hermes_cascades_ended", "_total", outcome=outcome), counters[f"cascades_{outcome}"], outcome)
    for (tenant, channel, provider), row in stats(world, ODD_TENANT).items():
        labels = {"tenant": str(tenant), "channel": str(channel), "provider": str(provider)}
        for name in COUNTS:
            equal(sample(found, "hermes_messages", "_total", result=name, **labels), row[name], f"{name} of {labels}")
        for state, n in row["states"].items():
            equal(sample(found, "hermes_message_states", "_total", state=state, **labels), n, f"{state} of {labels}")
        equal(sample(found, "hermes_receipt_latency_seconds", "_count", **labels), row["timed"], f"receipts of {labels}")
        buckets = [s.value for s in found["hermes_receipt_latency_seconds"].samples
                   if s.name.endswith("_bucket") and {**labels, "le": s.labels["le"]} == s.labels]
        check(buckets == sorted(buckets) and buckets[-1] == row["timed"], f"buckets {buckets}")
    equal(sample(found, "hermes_workers", role="dispatcher", state="running"), 1, "dispatchers")
    equal(sample(found, "hermes_outbound_open"), 1, "outbound")


def health(world: World) -> None:
    """M14 an open breaker, a backlog and its age, and who holds requests back are to be seen"""
    world.provider("dead", "dead", f"http://127.0.0.1:{free_port()}/",
                   breaker={"consecutive_failures": 2, "open_for": "60s"})
    world.rule("to_dead", {"channel": "dead", "timeout": "10m",
                           "retry": {"initial_interval": "50ms", "maximum_attempts": 100}})
    state = {"provider": "dead", "channel": "dead"}
    equal(gauge(world, "hermes_breaker_state", **state, hermes_breaker_state="closed"), 1, "breaker at first")
    lost = world.start({}, "to_dead", tenant="t")
    wait_until(lambda: gauge(world, "hermes_breaker_state", **state, hermes_breaker_state="open") == 1, what="an open breaker")
    equal(gauge(world, "hermes_breaker_state", **state, hermes_breaker_state="closed"), 0, "breaker")
    check(sample(families(world), "hermes_provider_answers", "_total", **state, result="failed") >= 2, "failed answers")
    world.sql("SELECT hermes.cancel_cascade(%s)", lost)

    age = {"queue": "sends", "provider": "sms", "lane": "transactional"}
    equal(gauge(world, "hermes_queue_oldest_seconds", **age), 0, "age of an empty queue")
    world.set_guc("hermes.outbound", "off")
    cascade = world.start({}, "observed")
    world.rule("straight", {"channel": "sms", "timeout": "5s"})
    waiting = world.start({}, "straight")
    wait_until(lambda: gauge(world, "hermes_queue_oldest_seconds", **age) > 0.3, what="a backlog that ages")
    check(gauge(world, "hermes_queue_oldest_seconds", **age) < 30, "its age")
    equal(gauge(world, "hermes_queue_oldest_seconds", queue="timers"), 0, "timers are not held")
    equal(gauge(world, "hermes_outbound_open"), 0, "outbound")
    world.set_guc("hermes.outbound", "on")
    world.ends(waiting, "DELIVERED")
    world.ends(cascade, "DELIVERED")
    wait_until(lambda: gauge(world, "hermes_queue_oldest_seconds", **age) == 0, what="the backlog is gone")


# ---------------------------------------------------------------- receipts


def receive(world: World, payload: str, headers: dict[str, Any] | None = None) -> list[str]:
    rows = world.sql("SELECT result::text FROM hermes.receive_receipts('sms', %s, %s) ORDER BY ordinal", payload,
                     Jsonb(headers or {}))
    return [row[0] for row in rows]


def strays(world: World) -> None:
    """M14 receipts that were parked, wait, or name nothing are counted"""
    before = families(world)

    def grown(result: str) -> float:
        return (sample(families(world), "hermes_receipts", "_total", result=result)
                - sample(before, "hermes_receipts", "_total", result=result))

    parked, waiting = (sample(before, f"hermes_receipts_{kind}") for kind in ("parked", "waiting"))
    equal(receive(world, '{"status": "vanished", "provider_message_id": "p"}'), ["parked"], "an unknown word")
    equal(receive(world, '{"status": "delivered", "provider_message_id": "nobody knows it"}'), ["buffered"], "an unknown id")
    gone = "01900000-0000-7000-8000-000000000000-1"
    equal(receive(world, f'{{"status": "delivered", "client_ref": "{gone}"}}'), ["unmatched"], "a cascade that is none")
    equal((grown("parked"), grown("buffered"), grown("unmatched")), (1, 1, 1), "counters")
    equal(gauge(world, "hermes_receipts_parked") - parked, 1, "parked")
    equal(gauge(world, "hermes_receipts_waiting") - waiting, 1, "waiting")


def logged(world: World) -> list[tuple[Any, ...]]:
    return world.sql("SELECT provider, receipts, headers, payload FROM hermes.receipt_log ORDER BY received_at")


def receipt_log(world: World) -> None:
    """S11 the log of receipts has what came, without credentials, if and only if the caller commits"""
    known = len(logged(world))
    wait_until(lambda: world.value("SELECT to_regclass(format('hermes.receipt_p%s', to_char(now() AT TIME ZONE 'UTC', "
                                   "'YYYYMMDD'))) IS NOT NULL"), 90, "a partition of today")
    two = '[{"status": "sent", "provider_message_id": "l1"}, {"status": "sent", "provider_message_id": "+4915112345678"}]'
    headers = {"Authorization": "Bearer abc", "X-Api-Key": "k", "Cookie": "c", "Content-Type": "application/json",
               "X-Signature": "s" * 2000}
    receive(world, two, headers)
    rows = logged(world)[known:]
    equal(rows, [("sms", 2, {"content-type": "application/json", "x-signature": "s" * 512}, two)], "the row of the call")
    partition = world.value("SELECT tableoid::regclass::text FROM hermes.receipt ORDER BY received_at DESC LIMIT 1")
    check(re.fullmatch(r"hermes\.receipt_p\d{8}", partition), f"it is in {partition}")

    with world.transaction() as session:
        session.execute("SELECT hermes.receive_receipts('sms', %s)", (two,))
        session.rollback()
    equal(len(logged(world)), known + 1, "rows after a rollback")
    for payload in ("no json", '{"status": '):
        try:
            receive(world, payload)
        except psycopg.errors.InvalidParameterValue:
            continue
        raise AssertionError(f"{payload!r} was read")
    equal(len(logged(world)), known + 1, "rows after unreadable payloads")
    world.sql("CREATE ROLE e2e_some LOGIN IN ROLE hermes_app")
    world.sql("SELECT hermes.grant_tenant('e2e_some', 'acme')")
    for user, expected in (("e2e_some", 0), (SCRAPER, known + 1)):
        with world.connect(user) as session:
            equal(session.execute("SELECT count(*) FROM hermes.receipt_log").fetchone(), (expected,), f"rows that {user} sees")
    world.set_guc("hermes.receipt_log_retention", "0")
    with world.connect() as session:
        session.execute("SELECT hermes.receive_receipts('sms', %s)", (two,))
    equal(len(logged(world)), known + 1, "rows once it is off")


# ---------------------------------------------------------------- pg_stat_activity


def activity(world: World, role: str) -> dict[str, Any]:
    rows = world.sql("SELECT application_name, state, query, wait_event_type, datname FROM pg_stat_activity "
                     "WHERE backend_type = %s", f"hermes_cascade {role}")
    check(len(rows) <= 1, f"processes of the {role}: {rows}")
    return dict(zip(("name", "state", "query", "wait", "database"), rows[0], strict=True)) if rows else {}


def shows(world: World, role: str, **wanted: Any) -> None:
    def reached() -> bool:
        found = activity(world, role)
        check(all(found.get(name) == value for name, value in wanted.items()), f"it shows {found}")
        return True

    wait_until(reached, what=f"{role} with {wanted}")


@contextmanager
def deaf_provider() -> Iterator[tuple[str, threading.Event]]:
    """Takes connections and answers nothing until the event is set."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    answer, stop = threading.Event(), threading.Event()
    taken: list[socket.socket] = []

    def serve() -> None:
        while not stop.is_set():
            try:
                taken.append(listener.accept()[0])
            except TimeoutError:
                pass
            if answer.is_set():
                for connection in taken:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    connection.close()
                taken.clear()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", answer
    finally:
        stop.set()
        thread.join()
        for connection in taken:
            connection.close()
        listener.close()


def workers(world: World) -> None:
    """M14 pg_stat_activity tells what each worker does and what it waits for"""
    for role, words, database in (("launcher", "waiting for databases", None), ("supervisor", "waiting for timers", "hermes"),
                                  ("dispatcher", "waiting for work", "hermes")):
        shows(world, role, name=f"hermes_cascade {role}", state="idle", query=words, wait="Extension", database=database)
    world.set_guc("hermes.outbound", "off")
    shows(world, "dispatcher", query="held by hermes.outbound", state="idle")
    world.set_guc("hermes.outbound", "on")
    shows(world, "dispatcher", query="waiting for work", state="idle")

    with deaf_provider() as (url, answer):
        world.provider("deaf", "deaf", url, timeout="60s")
        world.rule("to_deaf", {"channel": "deaf", "success_on": "accepted"})
        cascades = [world.start({}, "to_deaf") for _ in range(3)]
        shows(world, "dispatcher", query="waiting for answers: 3 in flight", state="idle")
        world.set_guc("hermes.drain_timeout", "1min")
        world.set_guc("hermes.dispatchers", "0")
        shows(world, "dispatcher", query="draining: 3 in flight", state="idle")
        answer.set()
        for cascade in cascades:
            world.ends(cascade, "DELIVERED")
    world.set_guc("hermes.dispatchers", "1")
    shows(world, "dispatcher", query="waiting for work", state="idle")

    world.rule("timed", {"channel": "sms", "timeout": "2s"})
    cascade = world.start({"sms": "no_dlr"}, "timed")
    world.wait_attempt(cascade, 1, phase="answered")
    with world.transaction() as session:  # workers give up after their lock_timeout, and try again after a back-off
        session.execute("LOCK TABLE hermes.task IN ACCESS EXCLUSIVE MODE")
        shows(world, "supervisor", query="firing timers", state="active", wait="Lock")
        shows(world, "supervisor", query="waiting after an error", state="idle")
        session.rollback()
    shows(world, "supervisor", query="waiting for timers", state="idle")
    world.ends(cascade, "EXHAUSTED")


if __name__ == "__main__":
    main(prepare, agree, page, health, strays, receipt_log, workers, settings=("hermes.receipt_log_retention=7d",))
