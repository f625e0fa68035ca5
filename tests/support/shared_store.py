"""What processes share of a store, in memory: notes, holds, buckets. It can be made to fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.protocol import Note


@dataclass
class SharedStore:
    """`broken` names the methods that fail; every call lets others run first, as a real store would."""

    notes: dict[str, Note] = field(default_factory=dict)
    holds: dict[str, tuple[str, float]] = field(default_factory=dict)
    levels: dict[str, tuple[float, float]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    async def _enter(self, name: str) -> None:
        await asyncio.sleep(0)
        self.calls.append(name)
        if name in self.broken:
            raise StoreUnavailable("the disk is full")

    async def note(self, name: str) -> Note | None:
        await self._enter("note")
        return self.notes.get(name)

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        await self._enter("write_note")
        current = self.notes.get(name, Note("", 0)).version
        if current != version:
            return False
        self.notes[name] = Note(text, version + 1)
        return True

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        await self._enter("hold")
        owner, until = self.holds.get(name, ("", 0.0))
        if owner not in ("", holder) and until > now:
            return False
        self.holds[name] = (holder, now + seconds)
        return True

    async def let_go(self, name: str, *, holder: str) -> bool:
        await self._enter("let_go")
        if self.holds.get(name, ("", 0.0))[0] != holder:
            return False
        del self.holds[name]
        return True

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        await self._enter("draw")
        level, at = self.levels.get(bucket, (0.0, now))
        level = max(level - (now - at) * rate, 0.0)
        if level + 1 > burst:
            return (level + 1 - burst) / rate
        self.levels[bucket] = (level + 1, now)
        return 0.0
