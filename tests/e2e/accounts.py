"""Provider accounts of the simulator, for files that show limits and health of providers."""

from __future__ import annotations

import time
from datetime import datetime

from harness import World


def cancel_all(world: World, rule: str) -> None:
    world.sql("SELECT count(hermes.cancel_cascade(cascade_id)) FROM hermes.cascades WHERE rule = %s AND status = 'RUNNING'",
              rule)


def seconds_until(moment: str | None) -> float:
    return datetime.fromisoformat(str(moment)).timestamp() - time.time() if moment else 0.0


def passed(world: World, cascade: str, before: int) -> int:
    """How many other requests reached the simulator between the `before`th and the first of this cascade."""
    return int(world.wait_requests(cascade, 1)[0]["number"]) - before - 1


def seen(world: World) -> int:
    return int(world.simulator.get("/stats")["requests"])


def used(world: World, cascade: str) -> list[str]:
    """Providers of its attempts."""
    return [attempt["provider"] for attempt in world.status(cascade)["attempts"]]


def prepare(world: World) -> None:
    """a provider account without limits, beside those of the scenarios"""
    world.account("free")
    world.ends(world.start(rule="free"), "DELIVERED", "email")
