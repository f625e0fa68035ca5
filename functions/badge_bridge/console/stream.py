"""What `/console` shows, sent again every two seconds to whoever keeps it open, as server-sent events (WHATWG HTML,
"Server-sent events").

    data: ...                                what is shown, as JSON or as the HTML of the page
    event: trouble, data: {"error": ...}     the store cannot be read now; what was shown before is old

A stream has no end of its own. It is ended when its session is, and before the process stops, which would otherwise
wait for it. However many watch, the store is read once for all of them.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from badge_bridge.errors import StoreUnavailable

__all__ = ["EVERY", "MOST", "Look", "Streams", "Write"]

EVERY = 2.0
"""Seconds between two events. The page says that it hears nothing after three of them (`static/now.js`)."""

MOST = 8
"""Streams at the same time: few look, and a connection of the listener is taken by each."""

Look = Callable[[], Awaitable[Mapping[str, Any]]]
"""Finds out what is to be shown, or raises `StoreUnavailable`."""

Write = Callable[[Mapping[str, Any]], Any]
"""What of it is sent, as `json` can write it."""

_AGAIN = 3000
"""Milliseconds after which a browser asks again that has lost the connection."""

_HEADERS = {"X-Accel-Buffering": "no"}
"""A proxy (nginx) shall pass on each event when it comes."""


class Streams:
    """Opens streams and ends them."""

    def __init__(self, *, most: int = MOST, every: float = EVERY) -> None:
        self.open_now = 0
        """How many there are."""
        self._most = most
        self._every = every
        self._ending = asyncio.Event()
        self._latest = _Latest(every)

    def end(self) -> None:
        """End all that are open, and open no more."""
        self._ending.set()

    def forget(self) -> None:
        """Something was changed by whoever watches: what was found before is not sent any more."""
        self._latest.forget()

    def open(self, look: Look, write: Write, lasts: Callable[[], bool]) -> StreamingResponse | None:
        """A stream of what `look` finds and `write` makes of it, while the session `lasts`; None where there is no room
        for one more. All streams have to look at the same: what was found for one of them is sent to the others.
        """
        if self.open_now >= self._most or self._ending.is_set():
            return None
        self.open_now += 1
        return _Stream(self._messages(look, write, lasts), self._closed)

    def _closed(self) -> None:
        self.open_now -= 1

    async def _messages(self, look: Look, write: Write, lasts: Callable[[], bool]) -> AsyncIterator[str]:
        yield f"retry: {_AGAIN}\n\n"
        while lasts() and not self._ending.is_set():
            yield await self._latest.message(look, write)
            try:
                async with asyncio.timeout(self._every):
                    await self._ending.wait()
            except TimeoutError:
                continue


class _Latest:
    """What was found last, and the messages that were made of it."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._looked_at = -math.inf
        self._found: Mapping[str, Any] | StoreUnavailable = {}
        self._messages: dict[Write, str] = {}
        self._looking = asyncio.Lock()
        self._forgotten = 0

    def forget(self) -> None:
        """A look that is under way counts as one of before, too."""
        self._forgotten += 1
        self._looked_at = -math.inf

    async def message(self, look: Look, write: Write) -> str:
        """It is found anew where it is older than a beat, or of before a change."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at >= self._every:
                forgotten = self._forgotten
                try:
                    self._found = await look()
                except StoreUnavailable as error:
                    self._found = error
                self._looked_at, self._messages = now if forgotten == self._forgotten else -math.inf, {}
            if write not in self._messages:
                self._messages[write] = _message(self._found, write)
            return self._messages[write]


def _message(found: Mapping[str, Any] | StoreUnavailable, write: Write) -> str:
    """One event. As JSON its data has no line ends, whatever stands in it."""
    if isinstance(found, StoreUnavailable):
        told = {"error": f"the store cannot be read now: {' '.join(str(found).split())}"}
        return f"event: trouble\ndata: {json.dumps(told)}\n\n"
    return f"data: {json.dumps(write(found), separators=(',', ':'))}\n\n"


class _Stream(StreamingResponse):
    """Says when it is over, however it ended and whether it began."""

    def __init__(self, messages: AsyncIterator[str], closed: Callable[[], None]) -> None:
        super().__init__(messages, media_type="text/event-stream", headers=_HEADERS)
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()
