"""How often badges were put on cards lately, counted once a minute at most: of a busy month it is a long count."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from badge_bridge.store.protocol import Store
from badge_bridge.store.wanted import Uses

__all__ = ["DAYS", "RecentUses"]

DAYS = 30
"""Days of which uses are counted."""

FRESH = 60.0
"""Seconds after which they are counted anew."""

_DAY = 86_400.0


class RecentUses:
    """Remembers the latest count."""

    def __init__(self) -> None:
        self._at = 0.0
        self._uses: Sequence[Uses] | None = None
        self._counting = asyncio.Lock()

    async def count(self, store: Store, *, now: float) -> tuple[float, Sequence[Uses]]:
        """When was counted (unix seconds), and the uses in the `DAYS` before. Those who ask together share a count.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        async with self._counting:
            if self._uses is None or not 0 <= now - self._at < FRESH:
                self._uses = await store.uses(since=now - DAYS * _DAY)
                self._at = now
            return self._at, self._uses
