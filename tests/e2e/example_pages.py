"""The worked examples of docs/examples as scenarios: the definitions are those of the page, the client's part is here, by a
client that goes on when the server restarts. Whatever it sends again carries the same request id or is judged by its attempt."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from crashes import Client, patiently, through_restarts
from pages import AGENT_ADDRESS, AGENT_SERVICE

END_SECONDS = 60


class Example:
    """What is known of a page besides its text."""

    page: str
    # business tables whose rows are written by steps, and the column that names a row
    tables: dict[str, str]
    # effects whose statement the database refuses, so that they leave no trace in the reference: kill points all the same
    refused: tuple[str, ...] = ()
    # Every row that the page's process has written. Generated ids are only an order: a sequence does not go back with a
    # transaction that a kill undid, and after a crash it skips what it had logged ahead.
    rows: tuple[str, ...]
    # What its executions come to, as the page says: without this a reference could be anything.
    ends: dict[str, int]
    # How many more attempts of an activity than in the reference a kill may cost; SQL steps have none.
    extra_attempts = 0
    service: Service | None = None

    def definition(self, statement: str) -> str:
        return statement

    def drive(self, client: Client) -> None:
        raise NotImplementedError


# ---------------------------------------------------------------- verbs of a patient client


def start(client: Client, kind: str, data: Any, workflow_id: str) -> str:
    return str(patiently(client, "SELECT hermes.start_workflow(%s, %s, %s, NULL, %s)::text", kind, Jsonb(data), workflow_id,
                         Jsonb({"request_id": workflow_id})))


def signal(client: Client, execution: str, name: str, payload: Any) -> None:
    patiently(client, "SELECT hermes.signal_workflow(%s, %s, %s, 'once')::text", execution, name, Jsonb(payload))


def until(client: Client, what: str, condition: Callable[[], object]) -> None:
    end = time.monotonic() + END_SECONDS
    while not condition():
        if time.monotonic() > end:
            waits = through_restarts(lambda: client.sql("SELECT to_jsonb(t) FROM hermes.workflow_tasks AS t"))
            raise AssertionError(f"not within {END_SECONDS} s: {what}; tasks {waits}")
        time.sleep(0.01)


def closed(client: Client, execution: str) -> bool:
    return bool(patiently(client, "SELECT hermes.workflow_status(%s) ->> 'closed_at' IS NOT NULL", execution))


def settle(client: Client) -> None:
    until(client, "nothing is due", lambda: patiently(client, "SELECT hermes.test_settle('20 s')"))


def advance(client: Client, by: str) -> None:
    """Time goes by up to a fixed time, however often it is asked for."""
    target = patiently(client, "SELECT (hermes.test_advance('0') + %s::interval)::text", by)
    patiently(client, "SELECT hermes.test_advance(greatest(%s::timestamptz - hermes.test_advance('0'), '0'))", target)


# ---------------------------------------------------------------- the pages


class OrderSaga(Example):
    page = "order_saga"
    ends = {"Completed {'receipt': 'r-1'}": 1, "Failed card declined": 1,
            'Failed duplicate key value violates unique constraint "shipment_pkey"': 1}
    tables = {"shop.stock": "item", "shop.shipment": "order_id", "shop.journal": "entry"}
    refused = ("INSERT shipment 1 #2",)
    rows = ("SELECT item, left_over FROM shop.stock ORDER BY item", "SELECT order_id, item FROM shop.shipment ORDER BY order_id",
            "SELECT entry FROM shop.journal ORDER BY id")
    # The worker of the first order has its task committed before it answers: when it never learns of the commit, its lease
    # runs out, and another attempt has the number after. The others poll and answer in one statement.
    extra_attempts = 1

    def drive(self, client: Client) -> None:
        first = start(client, "order", {"order": 1, "item": "lamp"}, "order-1")
        until(client, "the first order", lambda: self.poll_then_answer(client) or closed(client, first))
        second = start(client, "order", {"order": 2, "item": "desk"}, "order-2")
        until(client, "the second order", lambda: self.work(client, "fail_task", """CASE attempt WHEN 1 THEN '{"message": "busy", "type": "Busy"}'
            ELSE '{"message": "card declined", "type": "CardDeclined", "sqlstate": "K0001"}' END::jsonb""") or closed(client, second))
        third = start(client, "order", {"order": 1, "item": "lamp", "again": True}, "order-1-again")
        until(client, "the third order", lambda: self.work(client, "complete_task", """'{"receipt": "r-3"}'""") or closed(client, third))

    def poll_then_answer(self, client: Client) -> None:
        tokens = through_restarts(lambda: client.sql("SELECT token FROM hermes.poll_tasks('payments', 'worker-1', 1, '2 s')"))
        for (token,) in tokens:
            try:
                patiently(client, "SELECT hermes.complete_task(%s, '{\"receipt\": \"r-1\"}')", token)
            except psycopg.Error as problem:
                if problem.sqlstate != "WF025":  # answered already, or the lease is over: the next poll tells
                    raise

    def work(self, client: Client, verb: str, answer: str) -> None:
        through_restarts(lambda: client.sql(f"SELECT hermes.{verb}(token, {answer}) FROM hermes.poll_tasks('payments', 'worker-1')"))


class Approval(Example):
    page = "approval"
    ends = {"Completed {'by': 'lea', 'state': 'approved'}": 1, "Completed {'by': 'max', 'state': 'refused'}": 1,
            "Completed {'by': None, 'state': 'expired'}": 1}
    tables = {"shop.mail": "request", "shop.request": "id"}
    rows = ("SELECT id, amount, state FROM shop.request ORDER BY id", "SELECT request, recipient FROM shop.mail ORDER BY request, id")

    def drive(self, client: Client) -> None:
        first, second, _ = (start(client, "approval", {"request": number}, f"request-{number}") for number in (1, 2, 3))
        settle(client)
        signal(client, first, "decision", {"approve": True, "by": "lea"})
        advance(client, "2 days 1 hour")
        signal(client, second, "decision", {"approve": False, "by": "max"})
        advance(client, "7 days")


class FanOut(Example):
    page = "fan_out"
    ends = {f"Completed {{'id': {customer}}}": 1 for customer in range(1, 41) if customer != 13} | {
        'Failed new row for relation "customer" violates check constraint "customer_balance_check"': 1,
        "Completed {'failed': [13], 'charged': 39}": 1}
    tables = {"bill.customer": "id"}
    refused = ("UPDATE customer 13 #1",)
    rows = ("SELECT id, balance, charged FROM bill.customer ORDER BY id",)

    def drive(self, client: Client) -> None:
        start(client, "charge all", {}, "march")
        settle(client)


class Subscription(Example):
    page = "subscription"
    ends = {"ContinuedAsNew None": 1, "Completed {'ended': '<time>'}": 1}
    tables = {"sub.invoice": "customer"}
    # Days, not microseconds: a turn comes a moment after its timer, or a restart after it.
    rows = ("SELECT customer, plan, round(extract(epoch FROM due - min(due) OVER ()) / 86400) FROM sub.invoice ORDER BY id",)

    def drive(self, client: Client) -> None:
        start(client, "subscription", {"customer": "ann", "plan": "basic"}, "ann")
        advance(client, "75 days")
        self.change(client, "premium")
        # The page's 450 days end on the very day of an invoice, which is due as much later as turns and restarts took.
        advance(client, "450 days 1 hour")
        self.change(client, "none")
        settle(client)

    def change(self, client: Client, plan: str) -> None:
        options = Jsonb({"signal_request_id": plan, "reuse_policy": "reject_duplicate"})
        try:
            patiently(client, "SELECT hermes.signal_with_start('subscription', 'ann', 'change', %s, '{}', NULL, %s)", Jsonb({"plan": plan}), options)
        except psycopg.Error as problem:
            # It reached the subscription, which has ended by it, and the answer was lost with the server.
            if problem.sqlstate != "WF005":
                raise


class Agent(Example):
    page = "agent"
    ends = {"Completed {'answer': 'Rome is warmer: 17 degrees.'}": 1}
    tables = {"bot.answer": "question"}
    rows = ("SELECT question, answer FROM bot.answer",)
    # A request that a kill interrupts is sent again, and which tool finds the service busy depends on what was asked before.
    extra_attempts = 2

    def __init__(self) -> None:
        self.service = Service()

    def definition(self, statement: str) -> str:
        assert self.service
        return statement.replace(AGENT_ADDRESS, f"127.0.0.1:{self.service.server_port}")

    def drive(self, client: Client) -> None:
        asked = start(client, "agent", {"question": "Where is it warmer, in Oslo or in Rome?"}, "question-1")
        until(client, "the answer", lambda: closed(client, asked))


class Service(ThreadingHTTPServer):
    """The service of the agent's page, and a gate in it: a request can be held before the service looks at it."""

    daemon_threads = True

    def __init__(self) -> None:
        specification = importlib.util.spec_from_file_location("agent_service", AGENT_SERVICE)
        assert specification and specification.loader
        module = importlib.util.module_from_spec(specification)  # a new one each time: it counts its requests
        specification.loader.exec_module(module)
        service = self

        class Gate(module.Service):  # type: ignore[misc, name-defined]
            def do_POST(self) -> None:
                number = service.arrived()
                service.passed(f"asked #{number}")
                super().do_POST()
                service.passed(f"answered #{number}")

        super().__init__(("127.0.0.1", 0), Gate)
        self.requests = 0
        self.stop_at = ""
        self.reached, self.released = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def arrived(self) -> int:
        with self._lock:
            self.requests += 1
            return self.requests

    def passed(self, point: str) -> None:
        if point == self.stop_at:
            self.reached.set()
            self.released.wait(END_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked was killed: nothing to tell."""

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


EXAMPLES = (OrderSaga, Approval, FanOut, Subscription, Agent)
