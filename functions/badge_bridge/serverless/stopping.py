"""Being told when the process is to end, which the functions framework tells nobody.

Cloud Run sends SIGTERM and kills ten seconds later (Cloud Run docs, "Container runtime contract"). The server answers
what it has taken until then, and an attempt may last longer.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any

__all__ = ["when_stopped"]

_Stop = Callable[[], Coroutine[Any, Any, None]]


class _Handler:
    """Of SIGTERM, one for the process: runs each `stop` in its event loop, and does what would be done without it."""

    def __init__(self) -> None:
        self.stops: list[tuple[asyncio.AbstractEventLoop, _Stop]] = []
        self._before: Any = signal.SIG_DFL
        self._running: set[asyncio.Task[None]] = set()
        """Held, so that none is forgotten while it runs."""

    def install(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        if before != self:
            self._before = before
            signal.signal(signal.SIGTERM, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for loop, stop in self.stops:
            loop.call_soon_threadsafe(self._begin, stop)
        if callable(self._before):
            self._before(number, frame)

    def _begin(self, stop: _Stop) -> None:
        self._running.add(task := asyncio.create_task(stop(), name="stop working"))
        task.add_done_callback(self._running.discard)


_handler = _Handler()


def when_stopped(stack: AsyncExitStack, stop: _Stop) -> None:
    """Run `stop` in this event loop on SIGTERM, beside what the server does then, until the stack is closed."""
    entry = (asyncio.get_running_loop(), stop)
    _handler.install()
    _handler.stops.append(entry)
    stack.callback(_handler.stops.remove, entry)
