"""An ASGI application on a socket, inside whatever event loop is running: for commands, the demo and tests."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import uvicorn

from badge_bridge.errors import SettingsError

__all__ = ["Server", "bind", "until_signal"]

BACKLOG = 2048

GRACE = 10
"""Seconds that open requests get when the server stops."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    It listens at once, because only that refuses a port on which another server, bound with the same option, listens.

    Raises:
        SettingsError: the port is taken, or the address is not one of this machine.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {port} of {host} is taken by another program; stop it, or choose another with --port"
                " (0 takes a free one)"
            ) from error
        raise SettingsError(f"cannot listen on port {port} of {host}: {error}") from error
    listener.setblocking(False)
    return listener


class _GuestServer(uvicorn.Server):
    """Leaves signals to the program it runs in, and says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override, unused-ignore]  # uvicorn's is a generator
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Server:
    """Serves `app` on a bound socket while its block runs.

        async with Server(app, bind("127.0.0.1", 0)) as server:
            print(server.url)

    `options` go to `uvicorn.Config`. A stopped server is not started again.
    """

    def __init__(self, app: Any, listener: socket.socket, **options: Any) -> None:
        self._socket = listener
        host: str
        host, port = listener.getsockname()[:2]
        self.port: int = port
        scheme = "https" if options.get("ssl_certfile") else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
        """Where it listens, without a slash at the end."""
        settings: dict[str, Any] = {
            "http": "httptools",
            "ws": "none",
            "lifespan": "off",
            # A line of an access log holds the path and the query, and with them secrets and phone numbers.
            "access_log": False,
            "log_config": None,
            "server_header": False,
            "timeout_graceful_shutdown": GRACE,
        }
        self._server = _GuestServer(uvicorn.Config(app, **{**settings, **options}))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when requests are answered."""
        self._task = asyncio.create_task(self._server.serve([self._socket]), name=f"serve {self.url}")
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Take no more requests, finish those under way, close the socket."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            # A TLS client that keeps its connection would hold it open until its goodbye is overdue.
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
        self._socket.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def until_signal() -> None:
    """Return on SIGINT (Ctrl-C) or SIGTERM."""
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    try:
        await asked_to_stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
