"""How the store is, asked as `/readyz` asks, and how much room its disk has: what is wrong with it, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from badge_bridge.console.apart import Apart, Busy
from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.protocol import Store
from badge_bridge.store_room import UNTIL_MENDED, Room

__all__ = ["AGAIN", "StoreHealth"]

AGAIN = 5.0
"""Seconds for which an answer is remembered, whoever looks: asking a store that fails is a write to its disk."""

PROMPT = 1.0
"""Seconds that the system gets to tell the room; of a disk that hangs it tells nothing, and the store tells that."""


class StoreHealth:
    """Remembers what was found last."""

    def __init__(self) -> None:
        self._found: tuple[float, Sequence[str]] | None = None
        self._looking = asyncio.Lock()
        self._apart = Apart(patience=PROMPT, longest=PROMPT)

    async def look(self, store: Store, room: Callable[[], Room | None], *, now: float) -> Sequence[str]:
        """What somebody should do something about; those who ask together share the answer. `room` may wait for a disk,
        `now` is in unix seconds.
        """
        async with self._looking:
            if self._found is None or not 0 <= now - self._found[0] < AGAIN:
                self._found = now, [one for one in (await _unwell(store), await self._narrow(room)) if one]
            return self._found[1]

    async def _narrow(self, room: Callable[[], Room | None]) -> str:
        try:
            left = await self._apart.do(room)
        except Busy:
            return ""
        return f"{left.found}. {left.mend}" if left is not None and left.is_little else ""


async def _unwell(store: Store) -> str:
    try:
        await store.ping()
    except StoreUnavailable as error:
        return f"{error}. {UNTIL_MENDED}"
    return ""
