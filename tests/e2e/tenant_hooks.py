"""Endpoints of tenants at a receiver of webhooks, for files that look at reports."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from harness import World, wait_until
from receiver import Hook, Receiver


class Peers:
    """Made by `start_receiver`."""

    receiver: Receiver


def endpoint(world: World, tenant: str, name: str | None = None, **options: Any) -> int:
    url = f"{Peers.receiver.url}/{name or tenant}"
    return int(world.value("SELECT hermes.create_endpoint(%s, %s, %s)", tenant, url, Jsonb({"secret": "webhook"} | options)))


def report_state(world: World, cascade: str, state: str) -> None:
    wait_until(lambda: world.status(cascade)["report"]["state"] == state, what=f"report state {state}")


def reported(world: World, tenant: str, count: int = 1) -> tuple[str, list[Hook]]:
    """A delivered cascade, once its report has come so many times."""
    cascade = world.start(rule="quick", tenant=tenant)
    return cascade, wait_hooks(cascade, count)


def wait_hooks(cascade: str, count: int) -> list[Hook]:
    wait_until(lambda: len(Peers.receiver.of(cascade)) >= count, what=f"webhook {count} of {cascade}")
    return Peers.receiver.of(cascade)


def start_receiver(world: World) -> None:
    """With a rule that ends with the provider's answer; returns when a report has come."""
    Peers.receiver = Receiver()
    world.peers.append(Peers.receiver)  # type: ignore[arg-type]  # stopped with the others
    world.account("quick")
    endpoint(world, "probe")
    reported(world, "probe")
