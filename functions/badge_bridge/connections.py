"""What one client, or many, may cost the server: connections, bytes that are no body, time.

Under `badge-bridge serve` anybody who reaches the port can connect, send nothing, send without end, or never read.
`GuardedProtocol` is uvicorn's protocol with a bound on each of these; sizes and times are in `ConnectionLimits`. Bodies
are bounded where they are read (`server.py`), all together by a `BodyBudget`.

Under the functions framework the server is gunicorn's and not ours: there the platform's front end holds connections
and heads to limits of its own, and nothing of this module runs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from badge_bridge.meters import Meters
from badge_bridge.observability.floods import FloodGate

__all__ = ["ConnectionLimits", "GuardedProtocol", "guarded", "most_connections"]

logger = logging.getLogger("badge_bridge.connections")

CONNECTIONS = 1000
"""Far more than the providers of one company open; what they hold together fits into a small machine's memory."""

SPARE_FILES = 64
"""Open files that are not clients: the store, connections to the portals, the log."""

FEWEST_CONNECTIONS = 16

SLICE = 4096
"""Bytes given to the parser at once, so that no more requests than fit in here are parsed before they are wanted."""

REFUSAL_LINES_SECONDS = 60.0

FAREWELL = 1.0
"""Seconds for the goodbye of a client that was refused (only TLS has one)."""


def most_connections() -> int:
    """`CONNECTIONS`, or what the limit of open files of this process leaves for clients."""
    files = _file_limit()
    return CONNECTIONS if files is None else min(CONNECTIONS, max(files - SPARE_FILES, FEWEST_CONNECTIONS))


def _file_limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The bounds of one server."""

    connections: int = field(default_factory=most_connections)
    """Open at the same time; one more is answered with 503 and closed."""

    head_bytes: int = 32 * 1024
    """Of request line and headers; more is answered with 431. What nginx passes by default (4 buffers of 8 KiB); the
    heads of all known providers have less than 4 KiB. The headers after a chunked body have the same limit."""

    head_seconds: float = 10.0
    """For a head to be complete, from connecting or from the first byte of a further request. A provider sends it in
    one packet, and the most patient one gives up the whole request after 15 s (Twilio)."""

    answer_seconds: float = 30.0
    """For a client to read what it was sent."""


class _RationedLog(logging.LoggerAdapter[logging.Logger]):
    """The server library's own log. Its warnings are about what clients send, so that anybody could fill a disk."""

    def __init__(self, inner: logging.Logger, clock: Callable[[], float]) -> None:
        super().__init__(inner)
        self._gate = FloodGate(seconds=REFUSAL_LINES_SECONDS, clock=clock)

    @property
    def level(self) -> int:
        return self.logger.level

    def warning(self, msg: object, *args: Any, **options: Any) -> None:
        for over in self._gate.over():
            super().warning("%s (%d more within %g s)", over.kind, over.lines, over.seconds)
        if self._gate.passes(msg):
            super().warning(msg, *args, **options)


class _Door:
    """What the connections of a server share: their limits, and the count and log lines of what was refused."""

    def __init__(self, limits: ConnectionLimits, clock: Callable[[], float], meters: Meters) -> None:
        self.limits = limits
        self._meters = meters
        self.log = _RationedLog(logging.getLogger("uvicorn.error"), clock)
        self._gate = FloodGate(limit=1, seconds=REFUSAL_LINES_SECONDS, kinds=1, clock=clock)

    def tell_refused(self) -> None:
        self._meters.turned_away.add()
        left_out = sum(over.lines for over in self._gate.over())
        if not self._gate.passes("refused"):
            return
        files = _file_limit()
        few = files is not None and self.limits.connections < CONNECTIONS and files - SPARE_FILES < CONNECTIONS
        logger.error(
            "refused a connection with 503: all %d are in use%s; senders that retry will come back, others will not."
            " If this goes on, somebody floods this port: limit connections per address in a reverse proxy or firewall"
            " in front%s",
            self.limits.connections,
            f" ({left_out} more were refused since the last such line)" if left_out else "",
            f"; or raise the limit of open files, now {files} (ulimit -n, LimitNOFILE= in systemd)" if few else "",
        )


class _QueueFlow(FlowControl):
    """Reads nothing while parsed requests wait for their turn; uvicorn reads on after each answer, queue or not."""

    def __init__(self, transport: asyncio.Transport, queue: deque[Any]) -> None:
        super().__init__(transport)
        self._queue = queue

    def resume_reading(self) -> None:
        if self.read_paused and not self._queue:
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """One connection, held to `ConnectionLimits`.

    Two clocks run against the client. `_deadline` while the server has nothing to do and something of his is missing:
    a head, or the rest of a body that was answered early. `_unread` while he does not read his answers. Between
    requests uvicorn's own keep-alive time counts, and while a body is awaited or an answer is made, the application's.
    """

    def __init__(self, *args: Any, door: _Door, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = door.log  # type: ignore[assignment]  # an adapter does all that the library asks of a logger
        self._door = door
        self._limits = door.limits
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_body = False
        self._moved = False
        """Whether the slice in hand contained more than a part of a head or of the headers after a chunked body."""
        self._unparsed = 0
        """Bytes of the head, or of the headers after a chunked body, in slices that contained nothing else."""
        self._body_bytes = 0
        self._held = b""
        """What came behind requests that wait for their turn; never more than one read."""
        self._refused = False
        self._leaving = False

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self._limits.connections:
            self._refuse(transport)
            return
        super().connection_made(transport)
        self.flow = _QueueFlow(transport, self.pipeline)
        self._arm_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm_deadline()
        self._disarm_unread()
        self._unset_keepalive_if_required()
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused or self._leaving:
            return
        if self.pipeline:
            self._hold(self._held + data)
            return
        self._feed(data)
        if not self._is_answering():
            self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._see_off()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._disarm_unread()

    # The parser's calls

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._moved = False, True, True
        self._body_bytes = 0
        if self._deadline is not None:
            self._disarm_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved = True
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body, self._moved = False, True
        super().on_message_complete()

    # The server's calls

    def on_response_complete(self) -> None:
        if self._leaving and not self.pipeline and not self.transport.is_closing():
            self.transport.close()
        super().on_response_complete()
        if self.transport.is_closing():
            self._see_off()
        elif self._held and not self.pipeline:
            held, self._held = self._held, b""
            self.data_received(held)

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self._see_off()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._see_off()

    def shutdown(self) -> None:
        """Let requests that were read to their end be answered; one that was not is given up at once."""
        self._held = b""
        if self._in_body and self.pipeline:
            # The incomplete one is the last; those before it are answered, then the connection ends.
            self.pipeline.popleft()
            self._leaving = True
        elif self._in_body and self._is_answering():
            self.transport.abort()
        else:
            super().shutdown()

    # Reading

    def _feed(self, data: bytes) -> None:
        """Parse until the client is refused, or requests have to wait for their turn; the rest is then held."""
        start = 0
        while start < len(data):
            part = data[start : start + self._slice()]
            start += len(part)
            self._moved = False
            super().data_received(part)
            if self.transport.is_closing():
                return
            in_message = self._in_head or self._in_body
            self._unparsed = self._unparsed + len(part) if in_message and not self._moved else 0
            if self._unparsed >= self._limits.head_bytes:
                self._refuse_head()
                return
            if self.pipeline:
                self._hold(data[start:])
                return

    def _slice(self) -> int:
        """How many bytes are safe to parse at once."""
        if not self._in_body:
            return min(SLICE, self._limits.head_bytes - self._unparsed)
        declared = next((value for name, value in self.headers if name == b"content-length"), b"0")
        return max(SLICE, int(declared) - self._body_bytes)

    def _hold(self, data: bytes) -> None:
        self._held = data
        self.flow.pause_reading()

    def _is_answering(self) -> bool:
        # `cycle` is that of the last request whose head was read, None before the first.
        return not getattr(self.cycle, "response_complete", True)

    # Refusing

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._refused = True
        self.transport = transport
        transport.write(_NO_CONNECTION)
        transport.close()
        self._unread = self.loop.call_later(FAREWELL, transport.abort)
        self._door.tell_refused()

    def _refuse_head(self) -> None:
        if self._in_body:  # headers behind a chunked body, for whose end the application waits
            self.transport.abort()
        elif self._is_answering():  # an answer of ours would come before the one that is due
            self._leaving = True
        else:
            self.transport.write(_HEAD_TOO_LONG)
            self.transport.close()
            self._see_off()

    # Time

    def _watch(self) -> None:
        """Start the deadline if it is the client's turn, unless uvicorn's keep-alive time is running."""
        if self._is_answering() or self.transport.is_closing():
            return
        if self._in_head or self._in_body or self.timeout_keep_alive_task is None:
            self._unset_keepalive_if_required()
            self._arm_deadline()

    def _arm_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.head_seconds, self.transport.abort)

    def _disarm_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _see_off(self) -> None:
        """Give the client time to read; a closed transport would otherwise stay until he has."""
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.answer_seconds, self.transport.abort)

    def _disarm_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def guarded(
    limits: ConnectionLimits,
    protocol: type[GuardedProtocol] = GuardedProtocol,
    *,
    clock: Callable[[], float] = time.monotonic,
    meters: Meters | None = None,
) -> Callable[..., GuardedProtocol]:
    """What `uvicorn.Config` takes as `http`: makes the protocol of each connection of one server.

    `clock` only rations log lines; deadlines are the event loop's. `meters` count what finds no room.
    """
    return partial(protocol, door=_Door(limits, clock, meters or Meters()))


def _last_answer(status: HTTPStatus, error: str, *headers: str) -> bytes:
    body = json.dumps({"error": error})
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", body]).encode("ascii")


_NO_CONNECTION = _last_answer(
    HTTPStatus.SERVICE_UNAVAILABLE, "too many connections, please send again", "retry-after: 5"
)
_HEAD_TOO_LONG = _last_answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long")
