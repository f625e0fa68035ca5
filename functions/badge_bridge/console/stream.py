"""What `/console` shows, sent again every two seconds to whoever keeps it open, as server-sent events (WHATWG HTML,
"Server-sent events").

A stream has no end of its own. It is ended when its session is, and before the process stops, which would otherwise
wait for it; and there are so many at most, since each of them reads the store again and again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from badge_bridge.errors import StoreUnavailable

__all__ = ["EVERY", "MOST", "Streams"]

EVERY = 2.0
"""Seconds between two events."""

MOST = 8
"""Streams at the same time: few look, and a connection of the listener is taken by each."""

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

    def end(self) -> None:
        """End all that are open, and open no more."""
        self._ending.set()

    def open(
        self, look: Callable[[], Awaitable[Mapping[str, Any]]], lasts: Callable[[], bool]
    ) -> StreamingResponse | None:
        """A stream of what `look` returns, while the session `lasts`; None where there is no room for one more."""
        if self.open_now >= self._most or self._ending.is_set():
            return None
        self.open_now += 1
        return _Stream(self._messages(look, lasts), self._closed)

    def _closed(self) -> None:
        self.open_now -= 1

    async def _messages(
        self, look: Callable[[], Awaitable[Mapping[str, Any]]], lasts: Callable[[], bool]
    ) -> AsyncIterator[str]:
        yield f"retry: {_AGAIN}\n\n"
        while lasts() and not self._ending.is_set():
            try:
                yield f"data: {json.dumps(await look(), separators=(',', ':'))}\n\n"
            except StoreUnavailable as error:
                # A comment: the page stays as it is, and the connection is seen to be alive.
                yield f": the store cannot be read now: {' '.join(str(error).split())}\n\n"
            try:
                async with asyncio.timeout(self._every):
                    await self._ending.wait()
            except TimeoutError:
                continue


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
