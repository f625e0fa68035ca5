"""The least that a durable, verified accept takes in this language, to see what of `serve`'s time could be saved at all.

    python -m bench.speed.least PORT FILE

The same HTTP server on the same event loop, one comparison of an HMAC, `json.loads`, and one row of two columns in
SQLite, committed in groups by a thread, with the same settings. It looks for no duplicates, makes no event, knows no
rules, no limits and no second source, is no bridge, and does nothing with what it has stored.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import queue
import sqlite3
import sys
import threading
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from bench.speed.deliveries import KEY

__all__: list[str] = []

Waiting = tuple[str, str, "asyncio.Future[None]"]


class _Writer:
    def __init__(self, path: str) -> None:
        self._path = path
        self._gathered: list[Waiting] = []
        self._queue: queue.SimpleQueue[list[Waiting]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, daemon=True).start()

    def store(self, key: str, text: str) -> asyncio.Future[None]:
        stored: asyncio.Future[None] = self._loop.create_future()
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append((key, text, stored))
        return stored

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._queue.put(gathered)

    def _run(self) -> None:
        connection = _connected(self._path)
        while True:
            group = self._queue.get()
            while not self._queue.empty():
                group += self._queue.get()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO events VALUES (?, ?)", [(key, text) for key, text, _ in group])
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(_answer, group)


def _connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS events (key TEXT NOT NULL UNIQUE, event TEXT NOT NULL)")
    return connection


def _answer(group: Sequence[Waiting]) -> None:
    for _, _, stored in group:
        stored.set_result(None)


class _Application:
    def __init__(self, path: str) -> None:
        self._path = path
        self._writer: _Writer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._writer is None:
            self._writer = _Writer(self._path)
        headers = dict(scope["headers"])
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        name = headers[b"webhook-id"]
        signed = b".".join((name, headers[b"webhook-timestamp"], body))
        genuine = base64.b64encode(hmac.digest(KEY, signed, "sha256"))
        status = 401
        if hmac.compare_digest(b"v1," + genuine, headers[b"webhook-signature"]):
            call: dict[str, Any] = json.loads(body)
            await self._writer.store(name.decode(), json.dumps(call))
            status = 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    _connected(sys.argv[2]).close()  # before a connection is taken: who waits for that looks into it
    uvicorn.run(
        _Application(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
