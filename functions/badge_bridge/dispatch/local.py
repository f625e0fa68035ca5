"""The local worker: processes what the store holds, inside the process that received it.

It owns no work: everything is in the store, and a wake-up only shortens the wait. Losing one costs at most a tick.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from badge_bridge.dispatch.precedence import Precedence
from badge_bridge.errors import StoreUnavailable
from badge_bridge.observability.floods import FloodGate
from badge_bridge.store.protocol import Claim

__all__ = ["Drained", "LocalWorker"]

logger = logging.getLogger("badge_bridge.worker")

TICK = 1.0
"""Seconds between looks at the store when nobody wakes the worker."""

RUSH = 64
"""Attempts side by side at most while deliveries keep coming: enough for the portal's batches, and so few that each
comes to its end although they all share a small part of the time."""

RUSH_CLAIM = 8
"""Events that are claimed at once meanwhile."""

GRACE = 5.0
"""Seconds that running attempts get to end when the worker stops: Cloud Run grants ten for everything."""


@dataclass(frozen=True, slots=True)
class Drained:
    """How many attempts were begun, and whether nothing was due any more at the end."""

    attempts: int
    all: bool


class LocalWorker:
    """Claims due events and processes up to `concurrency` of them side by side in the running event loop.

    `give_back` returns a claim that was not begun to the store. `precedence` hears of deliveries, which go first;
    without it there are none that this worker could be in the way of. `gate` rations lines of a store that is away.
    """

    def __init__(
        self,
        *,
        sweep: Callable[[int], Awaitable[Sequence[Claim]]],
        process: Callable[[Claim], Awaitable[object]],
        give_back: Callable[[Claim], Awaitable[object]],
        concurrency: int,
        precedence: Precedence | None = None,
        tick: float = TICK,
        gate: FloodGate | None = None,
    ) -> None:
        self._sweep = sweep
        self._process = process
        self._give_back = give_back
        self._concurrency = concurrency
        self._precedence = precedence or Precedence()
        self._tick = tick
        self._gate = gate or FloodGate(limit=1, seconds=60.0)
        self._signal = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._attempts: dict[str, asyncio.Task[None]] = {}
        """The last attempt of each event that is worked on here, by its key."""
        self._loop_task: asyncio.Task[None] | None = None
        self._stopping = False
        self._begun = 0
        self._turned: float | None = None

    @property
    def silence(self) -> float:
        """Seconds since it last began to look for work or ended some; 0 where it was never started.

        In a rush of deliveries each step of a look waits until all that is worked on has made one of its own, and where
        that is much, a look takes as long as many attempts.
        """
        return 0.0 if self._turned is None else asyncio.get_running_loop().time() - self._turned

    async def wake(self, keys: Sequence[str]) -> None:  # noqa: ARG002 - see below
        """Look at the store now. The keys do not matter here: what is due is claimed, oldest first."""
        self._signal.set()

    def start(self) -> None:
        if self._loop_task is None:
            self._turned = asyncio.get_running_loop().time()
            self._loop_task = asyncio.create_task(self._behind(self._run()), name="badge-bridge worker")

    async def drain(self, seconds: float) -> Drained:
        """Without having been started: work until nothing is due, or until the time is over and what was begun by then
        has ended.

        Raises:
            StoreUnavailable: it cannot be read what is due.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        begun = self._begun
        try:
            while not self._stopping and loop.time() < end:
                self._signal.clear()
                if await self._claim():
                    continue
                if not self._running:
                    return Drained(self._begun - begun, all=True)
                await self._wait(end - loop.time())
            return Drained(self._begun - begun, all=False)
        finally:
            if self._running:
                await asyncio.wait(self._running)

    async def stop(self, grace: float = GRACE) -> None:
        """Claim nothing more, let running attempts end for `grace` seconds, then cut them off.

        What is cut off is given back to the store. Who is in more of a hurry may say so meanwhile, by another call.
        """
        self._stopping = True
        self._signal.set()
        if self._loop_task is not None:
            await self._loop_task
            self._loop_task = None
        async with self._claiming:
            pass  # what is being claimed for `drain` is running by then
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._signal.clear()
            self._turned = asyncio.get_running_loop().time()
            more = await self._claim_or_tell()
            if not more:
                await self._wait(self._tick)

    async def _claim_or_tell(self) -> bool:
        try:
            return await self._claim()
        except StoreUnavailable as error:
            left_out = sum(over.lines for over in self._gate.over())
            if self._gate.passes("store"):
                more = f" ({left_out} times more since the last such line)" if left_out else ""
                logger.warning("the store cannot be used, trying again every %g s: %s%s", self._tick, error, more)
            return False
        except Exception:
            # A worker that dies silently would keep accepting events and process none.
            logger.exception("looking for due events failed, trying again in %g s", self._tick)
            return False

    async def _claim(self) -> bool:
        """Start what is due, as far as there is room; True where there may be more at once."""
        room = self._room()
        if room <= 0:
            return False
        async with self._claiming:
            claims = await self._sweep(room)
            for claim in claims:
                before = self._attempts.get(claim.key)
                work = self._behind(self._attempt(claim, before))
                task = asyncio.create_task(work, name=f"process {claim.key}")
                self._attempts[claim.key] = task
                self._running.add(task)
                task.add_done_callback(partial(self._ended, claim.key))
        self._begun += len(claims)
        return len(claims) == room

    def _room(self) -> int:
        """How many attempts may be begun at once."""
        running = len(self._running)
        if self._precedence.is_rush:
            return min(RUSH_CLAIM, min(RUSH, self._concurrency) - running)
        return self._concurrency - running

    async def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        await self._precedence.behind(work)

    async def _attempt(self, claim: Claim, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await self._outwait(before, claim)
            await self._process(claim)
        except StoreUnavailable as error:
            logger.warning("%s: its outcome could not be stored, so its lease will run out: %s", claim.key, error)
        except Exception:
            logger.exception("%s: processing failed unexpectedly; its lease will run out", claim.key)

    async def _outwait(self, before: asyncio.Task[None], claim: Claim) -> None:
        """Until an earlier attempt of the same event has ended.

        A lease ends by the wall clock and an attempt by the event loop's: where the former jumps, an attempt outlives
        its lease. It may be adding just what the next one would look for in vain.
        """
        try:
            await asyncio.wait({before})
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim))
            raise

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        if self._attempts.get(key) is task:
            del self._attempts[key]
        was_full = self._room() <= 0
        self._running.discard(task)
        if self._turned is not None:
            self._turned = asyncio.get_running_loop().time()
        if was_full or not self._running:
            self._signal.set()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._signal.wait()
        except TimeoutError:
            pass
