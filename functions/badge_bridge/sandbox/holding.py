"""Holding an answer back: for a time, or until the client has left or the server stops. And what happens later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

from starlette.types import Receive

__all__ = ["Ending", "Holds", "Sleep"]

Sleep = Callable[[float], Awaitable[None]]
Ending = Literal["over", "left", "stopped"]
"""The time is over; the client has left; the server stops."""


class Holds:
    """The requests that are held at the moment, and what is to happen after some have ended."""

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        self._held: set[asyncio.Future[None]] = set()
        self._later: set[asyncio.Task[None]] = set()
        self._released = False

    def release(self) -> None:
        """End every hold, those to come too, and let nothing happen later: the server stops."""
        self._released = True
        self.forget()
        for stop in self._held:
            if not stop.done():
                stop.set_result(None)

    def forget(self) -> None:
        """Let nothing happen that was to happen later."""
        for task in self._later:
            task.cancel()

    def later(self, seconds: float, happen: Callable[[], object]) -> None:
        """Let something happen in `seconds`, whatever becomes of the request meanwhile."""
        if self._released:
            return
        # A task of its own, because a server may cancel that of a request whose client has left.
        task = asyncio.get_running_loop().create_task(self._happen(seconds, happen))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def hold(self, seconds: float, receive: Receive) -> Ending:
        if self._released:
            return "stopped"
        stop = asyncio.get_running_loop().create_future()
        timer = asyncio.ensure_future(self._wait(seconds))
        leaving = asyncio.ensure_future(_until_client_left(receive))
        self._held.add(stop)
        try:
            await asyncio.wait((timer, leaving, stop), return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                return "stopped"
            return "over" if timer.done() else "left"
        finally:
            self._held.discard(stop)
            await _cancel(timer, leaving)

    async def _happen(self, seconds: float, happen: Callable[[], object]) -> None:
        await self._sleep(seconds)
        happen()

    async def _wait(self, seconds: float) -> None:
        await self._sleep(seconds)


async def _until_client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
