"""An ASGI application on a socket, inside whatever event loop is running: for commands, the demo and tests."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, cast

import uvicorn

from badge_bridge.connections import GuardedProtocol, guarded
from badge_bridge.door import ConnectionLimits
from badge_bridge.errors import SettingsError
from badge_bridge.meters import Meters

__all__ = ["HttpProtocol", "Server", "bind", "hearing_hangups", "hearing_stops", "spare_the_collector", "until_signal"]

BACKLOG = 2048

GRACE = 3
"""Seconds that open requests get when the server stops."""

LOOK = 0.05
"""Seconds between looks for connections that have nothing more to do when the server stops."""


ALLOCATIONS = 5000
"""Objects that are made, and not yet done with, between looks for garbage; Python's own number is 700."""


def bind(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A listening socket; port 0 takes a free one. `option` is where another one is chosen.

    It listens at once, because only that refuses a port on which another server, bound with the same option, listens.

    Raises:
        SettingsError: the port is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, since asyncio switches Nagle's delay off only where a socket says that it is TCP: 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {port} of {host} is taken by another program; stop it (`ss -ltnp` tells which it is), or choose "
                f"another with {option} (0 takes a free one)"
            ) from error
        raise SettingsError(f"cannot listen on port {port} of {host}: {error}") from error
    listener.setblocking(False)
    return listener


class HttpProtocol(GuardedProtocol):
    """One connection, which can be ended at once while it is idle."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way and the last answer has left."""
        # `cycle` is that of the last request that was read, None before the first; earlier ones are answered before it.
        answered: bool = getattr(self.cycle, "response_complete", True)
        return answered and not self.transport.get_write_buffer_size()

    def let_go(self) -> None:
        """End the connection with a goodbye and without waiting for the other side's.

        With TLS closing alone would wait for it, and a client that keeps its connection for later says none until it
        uses the connection again.
        """
        self.shutdown()
        self.transport.abort()

    def shutdown(self) -> None:
        # A TLS transport that was closed twice has forgotten what to abort (asyncio.sslproto).
        if not self.transport.is_closing():
            super().shutdown()


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

    def listen_no_more(self) -> None:
        for server in self.servers if self.started else ():
            server.close()

    def let_go_of_idle(self) -> None:
        for connection in cast("set[HttpProtocol]", set(self.server_state.connections)):
            if connection.is_idle:
                connection.let_go()

    def let_go_of_all(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Server:
    """Serves `app` on a bound socket while its block runs.

        async with Server(app, bind("127.0.0.1", 0)) as server:
            print(server.url)

    Clients are held to `limits`, the default ones if None, and `meters` count for whom there is no room; the log says
    then for what or whom the listener is: `whose`, such as deliveries. `options` go to `uvicorn.Config`. A stopped
    server is not started again.
    """

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        *,
        protocol: type[HttpProtocol] = HttpProtocol,
        limits: ConnectionLimits | None = None,
        meters: Meters | None = None,
        whose: str = "",
        **options: Any,
    ) -> None:
        self._socket = listener
        host: str
        host, port = listener.getsockname()[:2]
        self.port: int = port
        scheme = "https" if options.get("ssl_certfile") else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
        """Where it listens, without a slash at the end."""
        settings: dict[str, Any] = {
            "http": guarded(limits or ConnectionLimits(), protocol, meters=meters, whose=whose),
            "ws": "none",
            "lifespan": "off",
            # A line of an access log holds the path and the query, and with them secrets and phone numbers.
            "access_log": False,
            # Nothing asks who a client is, whether a proxy is in front or not.
            "proxy_headers": False,
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
        """Take no more requests, finish those under way, close the socket.

        A request under way has `GRACE` seconds; a connection without one is ended at once.
        """
        if self._task is not None:
            self._server.should_exit = True
            self._server.listen_no_more()
            while not self._task.done():
                self._server.let_go_of_idle()
                await asyncio.wait((self._task,), timeout=LOOK)
            await self._task
            self._server.let_go_of_all()
        self._socket.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def spare_the_collector() -> None:
    """Let garbage be looked for less often, and never among what the program has loaded by now, which stays.

    What deliveries under way are made of is no garbage either, and by default five of them have it looked through.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)


@contextmanager
def hearing_hangups(heard: asyncio.Event) -> Iterator[None]:
    """While the block runs, SIGHUP sets `heard`, as services take it, instead of ending the process.

    It is also what a terminal sends that is closed. Whoever started the process there and did not make it ignore that
    (`nohup`) expects its end, which comes as with SIGTERM.
    """
    loop = asyncio.get_running_loop()
    belongs_to_terminal = os.isatty(0) and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def hear() -> None:
        if belongs_to_terminal and not os.isatty(0):
            signal.raise_signal(signal.SIGTERM)
        else:
            heard.set()

    loop.add_signal_handler(signal.SIGHUP, hear)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def until_signal() -> None:
    """Return on SIGINT (Ctrl-C) or SIGTERM."""
    with hearing_stops() as asked_to_stop:
        await asked_to_stop.wait()


@contextmanager
def hearing_stops() -> Iterator[asyncio.Event]:
    """While the block runs, SIGINT (Ctrl-C) and SIGTERM set the event instead of ending the process."""
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    try:
        yield asked_to_stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
