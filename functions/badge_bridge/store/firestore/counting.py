"""The backlog, counted at most once a minute: Firestore bills a look for each thousand that are counted, and each count
for at least one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from badge_bridge.store.backlog import Backlog
from badge_bridge.store.firestore.database import Database, in_turn
from badge_bridge.store.firestore.lanes import Lanes
from badge_bridge.store.firestore.queries import being_worked_on, newest_first, waiting_for

__all__ = ["Counting"]

_KEPT = 60.0
"""Seconds that a count is told again."""


class Counting:
    """`clock` gives seconds, from whenever."""

    def __init__(self, database: Database, lanes: Lanes, clock: Callable[[], float]) -> None:
        self._database = database
        self._lanes = lanes
        self._clock = clock
        self._known: Backlog | None = None
        self._counted_at = 0.0
        self._turn = asyncio.Lock()

    async def backlog(self) -> Backlog:
        """As `Store.backlog`."""
        async with self._turn:
            now = self._clock()
            if self._known is None or not 0 <= now - self._counted_at < _KEPT:
                self._known, self._counted_at = await self._count(), now
            return self._known

    async def _count(self) -> Backlog:
        names = ["", *(lane.name for lane in await self._lanes.awaited())]
        queries = [waiting_for(self._database, name) for name in names]
        counted = (*queries, being_worked_on(self._database), newest_first(self._database, state="dead"))
        *waiting, working, dead = await in_turn(map(self._database.count, counted))
        # What is due comes first there, by when it was received.
        first = await in_turn(self._database.find(query.limit(1)) for query in queries)
        return Backlog(
            waiting={name: count for name, count in zip(names, waiting, strict=True) if count},
            working=working,
            dead=dead,
            oldest=min((fields["received_at"] for found in first for _, fields in found), default=None),
        )
