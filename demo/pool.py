"""A small pool of autocommitting database connections that survives server restarts. Process: demo application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection


class Pool:
    """`size` slots; a slot connects when it is first used and again after its connection broke."""

    def __init__(self, database: str, size: int) -> None:
        self._database = database
        self._size = size
        self._slots: asyncio.LifoQueue[AsyncConnection | None] | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        if self._slots is None:
            self._slots = asyncio.LifoQueue()
            for _ in range(self._size):
                self._slots.put_nowait(None)
        connection = await self._slots.get()
        try:
            if connection is None:
                connection = await AsyncConnection.connect(self._database, autocommit=True)
            yield connection
        finally:
            broken = connection is None or connection.closed
            self._slots.put_nowait(None if broken else connection)

    async def close(self) -> None:
        while self._slots is not None and not self._slots.empty():
            connection = self._slots.get_nowait()
            if connection is not None:
                await connection.close()
