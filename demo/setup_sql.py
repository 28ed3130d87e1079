"""What an operator and a tenant configure before the first message: roles, secrets, providers, endpoint, rules."""

from __future__ import annotations

import base64
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from mix import CHANNELS, MAIN_RULE, PROVIDER_SECONDS, SHORT_RULE, STEP_SECONDS

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


def rule(validity: str | None = None) -> dict[str, Any]:
    retry = {"initial_interval": "200ms", "backoff_coefficient": 2, "maximum_attempts": 3}
    result: dict[str, Any] = {"steps": [{"channel": channel, "timeout": f"{STEP_SECONDS:g}s", "retry": retry}
                                        for channel in CHANNELS]}
    if validity:
        result["validity"] = validity
    return result


def configure(dsn: str, simulator_url: str, application_url: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {APP_ROLE} LOGIN IN ROLE hermes_app")
        admin.execute("SELECT hermes.grant_tenant(%s, %s)", (APP_ROLE, TENANT))
        admin.execute("SELECT hermes.set_secret('provider_token', %s)", (PROVIDER_TOKEN,))
        admin.execute("SELECT hermes.set_secret('acme_webhook', %s)", (WEBHOOK_SECRET,))
        for channel in CHANNELS:
            admin.execute("SELECT hermes.create_provider(%s, %s)",
                          (f"demo_{channel}", Jsonb(provider_config(channel, simulator_url))))
        admin.execute("SELECT hermes.create_endpoint(%s, %s, %s)",
                      (TENANT, f"{application_url}/webhook", Jsonb({"secret": "acme_webhook"})))
        admin.execute("SELECT hermes.create_cascade_rule(%s, %s)", (MAIN_RULE, Jsonb(rule())))
        admin.execute("SELECT hermes.create_cascade_rule(%s, %s)", (SHORT_RULE, Jsonb(rule("1s"))))
        # The tenant's own table: a start belongs to the transaction of the business data.
        admin.execute("CREATE TABLE public.customer (number int PRIMARY KEY, welcome uuid NOT NULL)")
        admin.execute(f"GRANT SELECT, INSERT ON public.customer TO {APP_ROLE}")
