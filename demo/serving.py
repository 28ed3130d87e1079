"""Runs an aiohttp application until SIGTERM or SIGINT and tells its port through a file. Process: both demo peers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from aiohttp import web


async def serve(app: web.Application, host: str, port: int, port_file: str | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024, shutdown_timeout=1.0)
    await site.start()
    assert site._server is not None and site._server.sockets  # noqa: SLF001 (aiohttp has no public way to the port)
    bound = site._server.sockets[0].getsockname()[1]
    if port_file:
        _write_whole(port_file, f"{bound}\n")
    print(f"listening on http://{host}:{bound}", file=sys.stderr, flush=True)
    await stop.wait()
    await runner.cleanup()


def _write_whole(path: str, text: str) -> None:
    """A reader sees nothing or everything."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.replace(path + ".new", path)
