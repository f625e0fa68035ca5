"""The one thread that reads, beside the one that writes, so that neither waits for the other."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from badge_bridge.errors import StoreUnavailable

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """One thread with a connection for reading, which `connect` makes when it is first needed and again after it was
    lost; `unavailable` says which errors mean that the file is the trouble.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        unavailable: Callable[[BaseException], StoreUnavailable | None],
    ) -> None:
        self._connect = connect
        self._unavailable = unavailable
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="badge-bridge-reader")

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def close(self) -> None:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect))
        self._thread.shutdown(wait=False)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                self._connection.execute("ROLLBACK")  # it was only read
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            raise self._unavailable(error) or error from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
