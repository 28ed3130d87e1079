"""Recipients of texts and mails, and the providers' APIs that would have to reach them, for files about what must not be
sent."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from psycopg.types.json import Jsonb

from harness import TENANT, World, equal, wait_until
from native_peers import SPEECH, Providers, Receipt, ReceiptHandler, Row, sendgrid, sendgrid_event, twilio

DLR_ROLE = "e2e_dlr"
SMS: dict[str, Any] = {"channel": "sms", "providers": ["tw"], "timeout": "60s", "retry": {"maximum_attempts": 1}}
MAIL: dict[str, Any] = {"channel": "email", "providers": ["sg"], "timeout": "60s", "retry": {"maximum_attempts": 1}}
_numbers = itertools.count(1)


class Peers:
    """The two peers of the file, made by `prepare`."""

    handler: ReceiptHandler
    providers: Providers


class Person:
    """A recipient that no other scenario writes to."""

    def __init__(self) -> None:
        self.phone = f"+4917{next(_numbers):07d}"
        self.mail = f"{secrets.token_hex(6)}@example.com"

    def to(self) -> dict[str, str]:
        return {"sms": self.phone, "email": self.mail}

    def texts(self, account: str = "tw") -> int:
        return len(Peers.providers.sent(self.phone, account))

    def mails(self) -> int:
        return len(Peers.providers.sent(self.mail, "sg"))


class Cascade:
    def __init__(self, world: World, rule: str, person: Person, tenant: str | None = TENANT, to: Any = None,
                 priority: str | None = None, **message: Any) -> None:
        self.world = world
        self.person = person
        options = {} if priority is None else {"priority": priority}
        content = {"to": person.to() if to is None else to, "text": "hello"} | message
        self.id = str(world.value("SELECT hermes.start_cascade(%s, %s, NULL, %s, %s)::text", rule, Jsonb(content), tenant,
                                  Jsonb(options)))

    def wait_answered(self, number: int) -> str:
        """The provider's message id of an attempt, once its answer is stored."""
        def reached() -> str | None:
            attempts = {attempt["attempt"]: attempt for attempt in self.world.status(self.id)["attempts"]}
            answered = number in attempts and attempts[number]["phase"] == "answered"
            return str(attempts[number]["provider_message_id"]) if answered else None

        return str(wait_until(reached, what=f"the answer to attempt {number} of {self.id}"))

    def skipped(self) -> list[tuple[int, str]]:
        rows = self.world.sql("SELECT (attributes ->> 'step')::integer, attributes ->> 'reason' FROM hermes.cascade_history(%s) "
                              "WHERE event_type = 'StepSkipped' ORDER BY event_id", self.id)
        return [(row[0], row[1]) for row in rows]

    def ends_by_mail(self, number: int, *reasons: str) -> None:
        """The text was skipped for these reasons; the mail goes out as attempt `number`, and is delivered."""
        message_id = self.wait_answered(number)
        equal(self.skipped(), [(step, reason) for step, reason in enumerate(reasons, 1)], "skipped steps")
        results("sg", sendgrid(sendgrid_event(message_id, "delivered", email=self.person.mail)))
        self.world.ends(self.id, "DELIVERED", "email")

    def ends_by_text(self) -> None:
        results("tw", twilio(self.wait_answered(1), "delivered", To=self.person.phone))
        self.world.ends(self.id, "DELIVERED", "sms")
        equal(self.skipped(), [], "skipped steps")


def rows(account: str, receipt: Receipt) -> list[Row]:
    """Posts a receipt over HTTP; the handler's rows."""
    post = Peers.providers.post(account, receipt)
    equal(post.status, 200, "the handler's answer")
    return post.rows


def results(account: str, receipt: Receipt) -> list[str]:
    return [row.result for row in rows(account, receipt)]


def account(world: World, name: str, speech: str, channel: str, connector: str, position: int, **changes: Any) -> None:
    Peers.providers.accounts[name] = SPEECH[speech]
    form = speech == "twilio"
    body = {"To" if form else "to": f"{{{{message.to.{channel}}}}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"}
    config = {"kind": "http", "channel": channel, "position": position, "connector": connector, "timeout": "5s",
              "connect_timeout": "5s", "request": {"url": f"{Peers.providers.url}/{name}",
                                                   "encoding": "form" if form else "json", "body": body}} | changes
    world.sql("SELECT hermes.create_provider(%s, %s)", name, Jsonb(config))


def prepare(world: World) -> None:
    """the providers' APIs and the receipt handler serve HTTP"""
    world.sql(f"CREATE ROLE {DLR_ROLE} LOGIN IN ROLE hermes_app")
    world.sql("SELECT hermes.grant_tenant(%s, '*')", DLR_ROLE)
    Peers.handler = ReceiptHandler(world.cluster.dsn(DLR_ROLE))
    Peers.providers = Providers(Peers.handler.url)
    world.peers += [Peers.handler, Peers.providers]  # type: ignore[list-item]  # stopped with the others
    account(world, "tw", "twilio", "sms", "twilio", 11, cost={"per_part": 0.075})
    account(world, "sg", "sendgrid", "email", "sendgrid", 11, cost={"per_message": 0.001},
            receipts={"opt_out_category": "newsletter"})
    world.rule("plain", SMS, MAIL)
    world.rule("news", SMS, MAIL, category="newsletter")
    world.rule("mail_first", MAIL, SMS)
    world.rule("mail_news", MAIL, SMS, category="newsletter")
    Cascade(world, "plain", Person()).ends_by_text()
