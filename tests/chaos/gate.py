"""A way to a server that can be shut: connections over it are cut then, and new ones are not taken."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from support.programs import free_port

__all__ = ["Gate"]


class Gate:
    """Open from the start. Listens on `host` (`host:port`), and passes on to the server that is given."""

    def __init__(self, server: str) -> None:
        self._to, _, port = server.rpartition(":")
        self._to_port = int(port)
        self._port = free_port()
        self.host = f"127.0.0.1:{self._port}"
        self._open = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def shut(self) -> None:
        self._open = False
        self._loop.call_soon_threadsafe(self._cut)

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)

    async def _end(self) -> None:
        self._server.close()
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(writer):
            if self._open:
                there, back = await asyncio.open_connection(self._to, self._to_port)
                with contextlib.closing(back):
                    await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._tasks.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
