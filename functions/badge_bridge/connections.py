"""What one client, or many, may cost the server: connections, bytes that are no body, time.

Under `badge-bridge serve` anybody who reaches the port can connect, send nothing, send without end, or never read.
`GuardedProtocol` is uvicorn's protocol with a bound on each of these; sizes and times are in `ConnectionLimits`
(`door.py`), and who gives way when there is no room is said by `crowd.py`. Bodies are bounded where they are read
(`server.py`), all together by a `BodyBudget`.

Under the functions framework the server is gunicorn's and not ours: there the platform's front end holds connections
and heads to limits of its own, and nothing of this module runs.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from badge_bridge.crowd import network
from badge_bridge.door import ConnectionLimits, Door
from badge_bridge.meters import Meters

__all__ = ["GuardedProtocol", "guarded"]

SLICE = 4096
"""Bytes given to the parser at once, so that no more requests than fit in here are parsed before they are wanted."""

FAREWELL = 1.0
"""Seconds for the goodbye of a client that was refused (only TLS has one)."""


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

    def __init__(self, *args: Any, door: Door, **options: Any) -> None:
        super().__init__(*args, **options)
        self.network = ""
        """Where the client is, as far as clients are told apart."""
        self.moved_on = False
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
        if self._door.is_full():
            leaving = self._door.make_room()
            if leaving is None:
                self._refuse(transport)
                return
            cast("GuardedProtocol", leaving).give_way()
        super().connection_made(transport)
        self.network = network(self._peer)
        self._door.crowd.enter(self)
        self.flow = _QueueFlow(transport, self.pipeline)
        self._arm_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm_deadline()
        self._disarm_unread()
        self._unset_keepalive_if_required()
        self._held = b""
        self._door.crowd.leave(self)
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
        self._check_head()
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
        self._in_body, self._moved, self.moved_on = False, True, True
        super().on_message_complete()

    # The server's calls

    def on_response_complete(self) -> None:
        if self._leaving and not self.pipeline and not self.transport.is_closing():
            self.transport.close()
        super().on_response_complete()
        self._door.crowd.is_free(self)
        if self.transport.is_closing():
            self._see_off()
        elif self._held and not self.pipeline:
            held, self._held = self._held, b""
            self.data_received(held)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._see_off()

    def shutdown(self) -> None:
        """Let requests that were read to their end be answered; one that was not is given up at once."""
        self._held = b""
        if self._in_body and self.pipeline:
            self._drop_incomplete()
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
            self._parse(part)
            if self._leaving or self.transport.is_closing():
                return
            in_message = self._in_head or self._in_body
            self._unparsed = self._unparsed + len(part) if in_message and not self._moved else 0
            if self._unparsed >= self._limits.head_bytes:
                self._refuse_head()
                return
            if self.pipeline:
                self._hold(data[start:])
                return

    def _parse(self, part: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            pass  # none is offered, so the request is one as any other
        except httptools.HttpParserError as error:
            self._refuse_malformed(error)

    def _check_head(self) -> None:
        """What the parser lets pass, and others may read differently (RFC 9112, sections 3.2 and 6.1).

        Raises:
            httptools.HttpParserError: such a head.
        """
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        hosts = names.count(b"host")
        if version == "1.1":
            if hosts != 1:
                raise httptools.HttpParserError(f"{hosts} headers Host")
        elif version != "1.0":
            raise httptools.HttpParserError("neither HTTP/1.1 nor HTTP/1.0")
        elif hosts > 1 or b"transfer-encoding" in names:
            raise httptools.HttpParserError("more than one Host, or Transfer-Encoding, in HTTP/1.0")
        if b"#" in self.url:
            raise httptools.HttpParserError("a fragment in the address")

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

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._refused = True
        self.transport = transport
        transport.write(_NO_CONNECTION)
        transport.close()
        self._unread = self.loop.call_later(FAREWELL, transport.abort)

    def _refuse_head(self) -> None:
        self._door.tell_refused("head_too_long", "refused headers of %s with 431: they are too long", self._peer)
        if self._in_body:  # headers behind a chunked body, for whose end the application waits
            self.transport.abort()
        else:
            self._answer_and_leave(_HEAD_TOO_LONG)

    def _refuse_malformed(self, error: httptools.HttpParserError) -> None:
        # The parser's reasons are fixed texts. What else is raised while it calls us may quote the address.
        ours = error.__context__
        why = error if ours is None else ours if type(ours) is httptools.HttpParserError else "the address is none"
        self._door.tell_refused("not_http", "refused what %s sent with 400: %s", self._peer, why)
        if self._in_body and self.pipeline:
            self._drop_incomplete()
        elif self._in_body:
            self._say_goodbye(_NOT_HTTP)
        else:
            self._answer_and_leave(_NOT_HTTP)

    def _refuse_slow_head(self) -> None:
        if not self._in_body:
            seconds = self._limits.head_seconds
            self._door.tell_refused("head_too_slow", "gave up on %s: no request within %g s", self._peer, seconds)
        self.transport.abort()

    def _answer_and_leave(self, answer: bytes) -> None:
        if self._is_answering():  # an answer of ours would come before the one that is due
            self._leaving = True
        else:
            self._say_goodbye(answer)

    def _say_goodbye(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()
        self._see_off()

    def _drop_incomplete(self) -> None:
        """Forget the last request, which is incomplete; those before it are answered, then the connection ends."""
        self.pipeline.popleft()
        self._leaving = True

    # Giving way

    def is_awaited(self) -> bool:
        """Whether nothing is left to do for a request of this client that is complete."""
        if self._unread is not None or not self._is_answering():
            return True
        return self._in_body and not self.pipeline

    def give_way(self) -> None:
        """End the connection for another one; called while it `is_awaited`."""
        self._refused = True
        self._disarm_deadline()
        if self._unread is not None:
            self.transport.abort()
            return
        # On a connection that rests between two requests, an answer would be taken for that to the next one.
        rests = getattr(self.cycle, "response_complete", False) and not self._in_head
        if not rests:
            self.transport.write(_NO_CONNECTION)
        self.transport.close()
        self._unread = self.loop.call_later(FAREWELL, self.transport.abort)

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
            self._deadline = self.loop.call_later(self._limits.head_seconds, self._refuse_slow_head)

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
    whose: str = "",
) -> Callable[..., GuardedProtocol]:
    """What `uvicorn.Config` takes as `http`: makes the protocol of each connection of one server.

    `clock` only rations log lines; deadlines are the event loop's. `meters` count what is refused here, and `whose` is
    as `Door` takes it.
    """
    return partial(protocol, door=Door(limits, clock, meters or Meters(), whose))


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
_NOT_HTTP = _last_answer(HTTPStatus.BAD_REQUEST, "this is no request that can be read in one way only")
