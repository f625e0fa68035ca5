"""Being told when the process is to end, which the functions framework tells nobody.

Cloud Run sends SIGTERM and kills ten seconds later (Cloud Run docs, "Container runtime contract"). The server answers
what it has taken until then, and an attempt may last longer.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import FrameType

__all__ = ["when_stopped"]

_stopping: set[asyncio.Task[None]] = set()
"""Held, so that none is forgotten while it runs."""


def when_stopped(stop: Callable[[], Awaitable[None]]) -> None:
    """Run `stop` in this event loop on SIGTERM, beside what the server does then."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)

    async def run() -> None:
        await stop()

    def begin() -> None:
        _stopping.add(loop.create_task(run(), name="stop working"))

    def asked(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin)
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, asked)
