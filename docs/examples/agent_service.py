#!/usr/bin/python3
"""A language model and its tools in small, for the example agent.md: answers are fixed, the HTTP is real.

agent_service.py PORT: POST /complete {"messages": [..]} answers {"tools": [{"name", "arguments"}]} or {"answer": ..};
POST /tools/<name> {"arguments": ..} answers what the tool has found. Every third request of a tool fails with 503, as services do."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def complete(messages: list[dict[str, Any]]) -> dict[str, Any]:
    found = [message["content"] for message in messages if message["role"] == "tool"]
    if not found:
        return {"tools": [{"name": "weather", "arguments": {"city": city}} for city in ("Oslo", "Rome")]}
    warmest = max((finding for content in found for finding in content), key=lambda finding: finding["celsius"])
    return {"answer": f"{warmest['city']} is warmer: {warmest['celsius']} degrees."}


def use_tool(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"city": arguments["city"], "celsius": {"Oslo": 4, "Rome": 17}[arguments["city"]]}


class Service(BaseHTTPRequestHandler):
    tool_requests = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != "Bearer key-1":
            self.answer(401, {"error": "no key"})
        elif self.path == "/complete":
            self.answer(200, complete(body["messages"]))
        else:
            Service.tool_requests += 1
            busy = Service.tool_requests % 3 == 2
            self.answer(503 if busy else 200, {"error": "busy"} if busy else use_tool(body["arguments"]))

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
