"""What an operator and a tenant configure before the first message: roles, secrets, providers, endpoint, rules."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from mix import BULK, BULK_RULE, CHANNELS, MAIN_RULE, PROVIDER_SECONDS, SHORT_RULE, STEP_SECONDS

TENANT = "acme"
APP_ROLE = "acme_app"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a demo secret of 32 bytes, fixed").decode()
PROVIDER_TOKEN = "demo-token-5d1c"


def provider_config(channel: str, simulator_url: str) -> dict[str, Any]:
    """One HTTP provider of the simulator."""
    return {
        "kind": "http", "channel": channel, "position": 1,
        "request": {
            "method": "POST", "url": f"{simulator_url}/{channel}/messages",
            "headers": {"Authorization": "Bearer {{secret.provider_token}}"},
            "body": {"to": f"{{{{message.to.{channel}}}}}", "text": "{{message.text}}", "ref": "{{attempt.id}}",
                     "behaviour": f"{{{{message.behaviour.{channel}?}}}}"},
        },
        "idempotency_header": "Idempotency-Key",
        "response": {"ok": {"status": [202]}, "message_id": {"path": "$.id"}},
        "timeout": f"{PROVIDER_SECONDS}s", "concurrency": 64,
    }


def rule(channels: Sequence[str] = CHANNELS, **options: str) -> dict[str, Any]:
    retry = {"initial_interval": "200ms", "backoff_coefficient": 2, "maximum_attempts": 3}
    steps = [{"channel": channel, "timeout": f"{STEP_SECONDS:g}s", "retry": retry} for channel in channels]
    return {"steps": steps} | options


def configure(dsn: str, simulator_url: str, application_url: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {APP_ROLE} LOGIN IN ROLE hermes_app")
        admin.execute("SELECT hermes.grant_tenant(%s, %s)", (APP_ROLE, TENANT))
        admin.execute("SELECT hermes.set_secret('provider_token', %s)", (PROVIDER_TOKEN,))
        admin.execute("SELECT hermes.set_secret('acme_webhook', %s)", (WEBHOOK_SECRET,))
        for channel in (*CHANNELS, BULK):
            admin.execute("SELECT hermes.create_provider(%s, %s)",
                          (f"demo_{channel}", Jsonb(provider_config(channel, simulator_url))))
        admin.execute("SELECT hermes.create_endpoint(%s, %s, %s)",
                      (TENANT, f"{application_url}/webhook", Jsonb({"secret": "acme_webhook"})))
        for name, definition in ((MAIN_RULE, rule()), (SHORT_RULE, rule(validity="1s", priority="otp")),
                                 (BULK_RULE, rule([BULK], priority="marketing"))):
            admin.execute("SELECT hermes.create_cascade_rule(%s, %s)", (name, Jsonb(definition)))
        # The tenant's own table: a start belongs to the transaction of the business data.
        admin.execute("CREATE TABLE public.customer (number int PRIMARY KEY, welcome uuid NOT NULL)")
        admin.execute(f"GRANT SELECT, INSERT ON public.customer TO {APP_ROLE}")
