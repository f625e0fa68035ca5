"""What all processes share in Firestore: buckets, notes and holds."""

from __future__ import annotations

from typing import Any

from badge_bridge.store.firestore.database import Database
from badge_bridge.store.firestore.documents import BUCKETS, HOLDS, NOTES, document_id
from badge_bridge.store.records import plain
from badge_bridge.store.turns import EMPTY, Hold, Level, drawn, held, left_in

__all__ = ["Shared"]

_Fields = dict[str, Any] | None


class Shared:
    """Each by its name. Each method is the store's of that name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        def decide(before: _Fields) -> tuple[_Fields, float]:
            after, wait = drawn(_level(before), now=now, rate=rate, burst=burst)
            return {"requests": float(after.requests), "at": float(after.at)}, wait

        return await self._database.change(self._database.document(BUCKETS, document_id(plain(bucket))), decide)

    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        document = self._database.document(BUCKETS, document_id(plain(bucket)))
        found = await self._database.read([document])
        return left_in(_level(found.get(document.path)), now=now, rate=rate, burst=burst)

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        after = {"name": plain(name), "text": plain(text), "version": version + 1}
        is_first = True

        def decide(before: _Fields) -> tuple[_Fields, bool]:
            nonlocal is_first
            was_first, is_first = is_first, False
            if before == after and not was_first:
                return before, True  # by the try before, to which no answer came
            return (after, True) if version == (before["version"] if before else 0) else (before, False)

        return await self._database.change(self._database.document(NOTES, document_id(plain(name))), decide)

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        def decide(before: _Fields) -> tuple[_Fields, bool]:
            known = Hold(before["holder"], before["until"]) if before else None
            hold = held(known, holder=plain(holder), now=now, seconds=seconds)
            if hold is None:
                return before, False
            return {"holder": hold.holder, "until": float(hold.until)}, True

        return await self._database.change(self._database.document(HOLDS, document_id(plain(name))), decide)

    async def let_go(self, name: str, *, holder: str) -> bool:
        def decide(before: _Fields) -> tuple[_Fields, bool]:
            is_his = before is not None and before["holder"] == plain(holder)
            return (None, True) if is_his else (before, False)

        return await self._database.change(self._database.document(HOLDS, document_id(plain(name))), decide)


def _level(fields: _Fields) -> Level:
    return Level(fields["requests"], fields["at"]) if fields else EMPTY
