"""One store for many processes, as far away as Firestore is: in memory, but each call takes its time on virtual time.

A bucket is counted as the store in Firestore does it: read, decide, write where nobody has written since, else again.
That is where many processes get into each other's way, so it happens here in the same steps.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.firestore.database import CHANGES
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Store
from badge_bridge.store.turns import EMPTY, Level, drawn

__all__ = ["Delays", "Shared", "distant"]

_LONGEST_PAUSE = 0.1
"""Between two tries, as in Firestore's `Database`."""

_QUERIES = frozenset(
    {
        "attachments",
        "get",
        "joined",
        "list",
        "next_due",
        "note",
        "on_top",
        "open_attachments",
        "paused",
        "ping",
        "related",
    }
)


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds that a call takes; a bucket takes a query and half a transaction."""

    accept: float = 0.015
    transaction: float = 0.020
    query: float = 0.010

    def of(self, method: str) -> float:
        if method == "accept":
            return self.accept
        return self.query if method in _QUERIES else self.transaction


@dataclass
class Shared:
    """What all processes see, and what is counted of them: calls by method, conflicts, and when a bucket is written."""

    delays: Delays
    chance: Random
    memory: MemoryStore = field(default_factory=MemoryStore)
    levels: dict[str, tuple[Level, int]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    written: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Writes of a bucket in each second."""

    @property
    def busiest_bucket(self) -> int:
        return max(self.written.values(), default=0)

    def busiest_minute(self) -> float:
        """Writes a second of one bucket in the minute that had most."""
        minutes: Counter[tuple[str, int]] = Counter()
        for (bucket, second), count in self.written.items():
            minutes[bucket, second // 60] += count
        return max(minutes.values(), default=0) / 60


class _Distant:
    """The store as one process sees it."""

    restored_at = None

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._turns: dict[str, asyncio.Lock] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._shared.memory, name)
        half = self._shared.delays.of(name) / 2

        async def travelled(*given: Any, **options: Any) -> Any:
            self._shared.calls[name] += 1
            await asyncio.sleep(half)
            answer = await method(*given, **options)
            await asyncio.sleep(half)
            return answer

        # Looked up once, not with each call.
        setattr(self, name, travelled)
        return travelled

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        shared, delays = self._shared, self._shared.delays
        shared.calls["draw"] += 1
        async with self._turns.setdefault(bucket, asyncio.Lock()):
            for _ in range(CHANGES):
                await asyncio.sleep(delays.query / 2)
                before, version = shared.levels.get(bucket, (EMPTY, 0))
                await asyncio.sleep(delays.query / 2)
                after, wait = drawn(before, now=now, rate=rate, burst=burst)
                if after == before:
                    return wait
                await asyncio.sleep(delays.transaction / 4)
                written = shared.levels.get(bucket, (EMPTY, 0))[1] == version
                if written:
                    shared.levels[bucket] = (after, version + 1)
                    shared.written[bucket, int(asyncio.get_running_loop().time())] += 1
                await asyncio.sleep(delays.transaction / 4)
                if written:
                    return wait
                shared.conflicts += 1
                await asyncio.sleep(shared.chance.uniform(0, _LONGEST_PAUSE))
        raise StoreUnavailable(f"others changed bucket {bucket} {CHANGES} times in a row")


def distant(shared: Shared) -> Store:
    """The store for one more process."""
    return cast("Store", _Distant(shared))
