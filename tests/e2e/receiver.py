"""A tenant's webhook receiver that keeps every request as it came, byte for byte, and answers from a script."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from native_peers import Handler, Server
from webhook_verify import verify


@dataclass
class Hook:
    """One request."""

    name: str  # path
    time: float
    headers: dict[str, str]  # names in lower case
    raw: bytes
    answer: int

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def timestamp(self) -> int:
        return int(self.headers["webhook-timestamp"])

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def sequence(self) -> int:
        return int(self.body["data"]["sequence"])

    @property
    def signatures(self) -> int:
        return len(self.headers.get("webhook-signature", "").split())

    def signed_by(self, secret: str) -> bool:
        return not verify([secret], self.headers, self.raw, time.time())


class Receiver(Server):
    """POST /<name>: the next answer of its script, then 204."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.scripts: dict[str, list[int]] = {}
        super().__init__(_HookRequest)

    def script(self, name: str, *answers: int) -> None:
        with self.lock:
            self.scripts[name] = list(answers)

    def of(self, cascade: str, name: str | None = None) -> list[Hook]:
        """Requests that report on a cascade, oldest first."""
        with self.lock:
            hooks = list(self.hooks)
        return [hook for hook in hooks
                if hook.body["data"]["cascade_id"] == cascade and name in (None, hook.name)]

    def take(self, name: str, headers: dict[str, str], raw: bytes) -> int:
        with self.lock:
            script = self.scripts.get(name)
            answer = script.pop(0) if script else 204
            self.hooks.append(Hook(name, time.time(), headers, raw, answer))
        return answer


class _HookRequest(Handler):
    server: Receiver

    def do_POST(self) -> None:  # noqa: N802 (name fixed by the library)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.answer(self.server.take(urlsplit(self.path).path.strip("/"), headers, self.body()), b"")
