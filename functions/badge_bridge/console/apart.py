"""Work that takes the processor long, beside the event loop: one piece at a time, and nobody waits for it without end.

Its thread is none that the end of the process waits for: what it works out is for somebody who has gone by then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from badge_bridge.errors import BridgeError

__all__ = ["Apart", "Busy"]

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a piece waits for the one before it."""

LONGEST = 20.0
"""Seconds that somebody waits for his piece. It ends by itself, since what it works on is bounded."""


class Busy(BridgeError):
    """There is too much to work out now."""


class Apart:
    """Does one piece of work after the other."""

    def __init__(self, *, patience: float = PATIENCE, longest: float = LONGEST) -> None:
        self._patience = patience
        self._longest = longest
        self._turn = asyncio.Lock()

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; it is called in a thread of its own.

        Raises:
            Busy: another piece is still under way, or this one takes too long.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            raise Busy("something that was tried before is still being worked out; try again in a minute") from None
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # Whoever waits may go; the turn is over when the work is.
        ended.add_done_callback(lambda _: self._turn.release())
        threading.Thread(target=_work, args=(work, ended, asyncio.get_running_loop()), daemon=True).start()
        try:
            async with asyncio.timeout(self._longest):
                return await asyncio.shield(ended)
        except TimeoutError:
            raise Busy(f"this takes longer than {self._longest:g} s; try it with less") from None


def _work(work: Callable[[], T], ended: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
    try:
        result = work()
    except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
        _tell(loop, ended.set_exception, error)
    else:
        _tell(loop, ended.set_result, result)


def _tell(loop: asyncio.AbstractEventLoop, tell: Callable[..., None], what: object) -> None:
    try:
        loop.call_soon_threadsafe(tell, what)
    except RuntimeError:
        return  # the process has stopped meanwhile, and nobody waits
