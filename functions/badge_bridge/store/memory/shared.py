"""What all users of the store in memory share: buckets, notes and holds."""

from __future__ import annotations

from badge_bridge.holding import LASTING
from badge_bridge.store.protocol import Note
from badge_bridge.store.records import plain
from badge_bridge.store.turns import EMPTY, Hold, Level, drawn, held, left_in

__all__ = ["Shared"]


class Shared:
    """Each by its name. Each method is the store's of that name."""

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}
        self._notes: dict[str, Note] = {}
        self._holds: dict[str, Hold] = {}

    def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        bucket = plain(bucket)
        level = self._levels.get(bucket, EMPTY)
        self._levels[bucket], wait = drawn(level, now=now, rate=rate, burst=burst)
        return wait

    def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        return left_in(self._levels.get(plain(bucket), EMPTY), now=now, rate=rate, burst=burst)

    def note(self, name: str) -> Note | None:
        return self._notes.get(plain(name))

    def notes(self) -> dict[str, Note]:
        return self._notes

    def write_note(self, name: str, text: str, *, version: int) -> bool:
        name = plain(name)
        before = self._notes.get(name)
        if version != (before.version if before else 0):
            return False
        self._notes[name] = Note(text=plain(text), version=version + 1)
        return True

    def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        name = plain(name)
        hold = held(self._holds.get(name), holder=plain(holder), now=now, seconds=seconds)
        if hold is None:
            return False
        self._holds[name] = hold
        return True

    def let_go(self, name: str, *, holder: str) -> bool:
        hold = self._holds.get(plain(name))
        if hold is None or hold.holder != plain(holder):
            return False
        del self._holds[plain(name)]
        return True

    def let_all_go(self) -> None:
        """End every hold that does not outlive its holder: those who had them are gone."""
        self._holds = {name: hold for name, hold in self._holds.items() if name.startswith(LASTING)}
