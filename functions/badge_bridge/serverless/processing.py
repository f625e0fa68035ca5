"""Working on the event that a message names, within one request.

Our own schedule says when an event is tried again, and Pub/Sub's must not run beside it. So a message has done its
work once the outcome or the next attempt is stored. What comes soon is waited for here; what comes later is found by
`sweep`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from badge_bridge.dispatch.local import GRACE
from badge_bridge.errors import BridgeError, StoreUnavailable
from badge_bridge.events import Event, call_join
from badge_bridge.pipeline import LEASE, Pipeline
from badge_bridge.sources.legs import MOST_LEGS
from badge_bridge.store.protocol import Claim, Store

__all__ = ["LONGEST", "PATIENCE", "Processing", "Stopping"]

logger = logging.getLogger("badge_bridge.worker")

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds after its arrival within which a message starts attempts, and waits for the times at which they are due."""

LONGEST = PATIENCE + LEASE
"""Seconds that a request takes at most: the last attempt starts in time, and ends with its lease at the latest."""

_SHORTEST = 0.05
"""Seconds between two tries to lease an event that somebody else has changed in between."""


class Stopping(BridgeError):
    """This process ends, and another one has to go on with the message."""


class Processing:
    """Up to `concurrency` attempts side by side. `clock` returns unix seconds."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        store: Store,
        wake: Callable[[Sequence[str]], Awaitable[None]],
        concurrency: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._wake = wake
        self._concurrency = concurrency
        self._room = asyncio.Semaphore(concurrency)
        self._running: set[asyncio.Task[Any]] = set()
        self._asleep: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._clock = clock
        self._sleep = sleep

    async def event(self, key: str) -> None:
        """Try one event, again where that is due soon, until it has ended or is somebody else's.

        Raises:
            StoreUnavailable: how it stands is not known.
            Stopping: it has not ended.
        """
        until = self._clock() + PATIENCE
        while self._clock() <= until:
            next_ = await self._try(key, until)
            if next_ is None:
                return
            key, due = next_
            if due > until:
                return  # the sweep's
            await self._alone(self._sleep(max(due - self._clock(), _SHORTEST)), self._asleep)

    async def due(self) -> None:
        """Work on what is due now, as far as there is room, and see that somebody looks for what else there is.

        Raises:
            StoreUnavailable: it cannot be read what is due.
            Stopping: somebody else has to look.
        """
        room = 0 if self._stopping else self._concurrency - len(self._running)
        claims = await self._pipeline.sweep(room) if room > 0 else ()
        await asyncio.gather(*(self._in_room(claim) for claim in claims))
        if self._stopping:
            raise Stopping("this process ends")
        if claims and len(claims) == room:
            await self._wake([])

    async def stop(self) -> None:
        """Let running attempts end for `GRACE` seconds, then cut them off.

        What is cut off is given back to the store.
        """
        self._stopping = True
        for task in self._asleep:
            task.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=GRACE)
            for task in late:
                task.cancel()

    async def _alone(self, work: Coroutine[Any, Any, T], among: set[asyncio.Task[Any]]) -> T:
        """Do something that `stop` may cut off without cutting off the request that it is for."""
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        try:
            return await task
        except asyncio.CancelledError:
            if self._stopping and task.cancelled():
                raise Stopping("this process ends") from None
            raise

    async def _try(self, key: str, until: float) -> tuple[str, float] | None:
        """Lease it and make an attempt, where it can be leased; the key to go on with, and when that is due."""
        try:
            async with asyncio.timeout(max(until - self._clock(), 0.0)):
                await self._room.acquire()
        except TimeoutError:
            return None  # more is going on here than there is room for: the sweep's
        try:
            if self._stopping:
                raise Stopping("this process ends")
            claim = await self._store.claim(key, now=self._clock(), lease=LEASE)
            if claim is not None:
                return await self._attempt(claim)
        finally:
            self._room.release()
        return await self._look(key)

    async def _in_room(self, claim: Claim) -> None:
        async with self._room:
            try:
                await self._attempt(claim)
            except Stopping:
                pass  # given back
            except StoreUnavailable as error:
                logger.warning("%s: its outcome could not be stored, so its lease will run out: %s", claim.key, error)

    async def _attempt(self, claim: Claim) -> tuple[str, float] | None:
        if self._stopping:
            # It was leased while `stop` looked what there is to wait for.
            await self._store.give_back(claim)
            raise Stopping("this process ends")
        try:
            settlement = await self._alone(self._pipeline.process(claim), self._running)
        except (StoreUnavailable, Stopping):
            raise
        except Exception:
            logger.exception("%s: processing failed unexpectedly; its lease will run out", claim.key)
            return None
        if claim.revision:
            # It may have been judged anew meanwhile, and whoever was told of that found it leased.
            return await self._look(claim.key)
        if settlement is None or settlement.state != "waiting" or settlement.lane:
            return None
        return claim.key, settlement.due

    async def _look(self, key: str) -> tuple[str, float] | None:
        """What to wait for where an event cannot be leased; None where that is nothing, or nothing of ours."""
        stored = await self._store.get(key)
        if stored is None:
            logger.warning("a message names the event %s, which is not stored", key)
            return None
        if stored.state == "joined" and stored.event.leg is not None and stored.event.leg.ends:
            return await self._keeper(stored.event)
        # Where it waits for a lane, whoever opens that sees to it; where it is worked on, its holder does.
        return (key, stored.due) if stored.state == "waiting" and not stored.lane else None

    async def _keeper(self, leg: Event) -> tuple[str, float] | None:
        """The leg that waits for the whole call: one that ends something may have made it due sooner than it was when
        its own message came.
        """
        legs = await self._store.related(call_join(leg), limit=MOST_LEGS)
        waiting = [(one.due, one.key) for one in legs if one.state == "waiting" and not one.lane]
        if not waiting:
            return None
        due, key = min(waiting)
        return key, due
