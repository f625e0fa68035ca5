"""What can be asked of the stored events without changing them."""

from __future__ import annotations

from typing import Any

from badge_bridge.events import Event
from badge_bridge.store.firestore.database import AsyncQuery, Database, Reference, in_turn, where
from badge_bridge.store.firestore.documents import is_gone, what_is_readable
from badge_bridge.store.firestore.queries import by_join, newest_first
from badge_bridge.store.firestore.rows import Rows
from badge_bridge.store.protocol import NEWEST_BY_KEY, StoredEvent
from badge_bridge.store.records import Unreadable, plain, readable
from badge_bridge.store.rows import Row, shown, shown_whole

__all__ = ["Reading"]

_PAGE = 100


class Reading:
    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    async def get(self, key: str) -> StoredEvent | None:
        """As `Store.get`."""
        reference = self._rows.reference(plain(key))
        fields = (await self._database.read([reference])).get(reference.path)
        return shown_whole(await self._row(reference, fields)) if fields and not is_gone(fields) else None

    async def keys(self, beginning: str, *, limit: int) -> list[str]:
        """As `Store.keys`."""
        source, colon, _ = plain(beginning).partition(":")
        query = newest_first(self._database, **({"source": source} if colon else {}))
        newest = await self._database.find(query.select(["key"]).limit(NEWEST_BY_KEY))
        found = (fields["key"] for _, fields in newest)
        return sorted(key for key in found if key.startswith(plain(beginning)))[: max(limit, 0)]

    async def related(self, join: str, *, limit: int) -> list[StoredEvent]:
        """As `Store.related`."""
        return [shown(row) for row in await self._by_join(join, limit)]

    async def joined(self, join: str, *, after: float, limit: int) -> list[tuple[str, Event]]:
        """As `Store.joined`."""
        found: list[tuple[str, Event]] = []
        start: Row | None = None
        while len(found) < limit:
            page = await self._by_join(join, _PAGE, after=after, start=start)
            found += readable((row.key, row.event) for row in page)
            if len(page) < _PAGE:
                break
            start = page[-1]
        return found[: max(limit, 0)]

    async def _by_join(
        self, join: str, limit: int, *, after: float | None = None, start: Row | None = None
    ) -> list[Row]:
        """Events with this value among their joins, earliest first."""
        if not plain(join) or limit < 1:
            return []
        query = by_join(self._database, plain(join))
        if after is not None:
            query = where(query, time=(">", after))
        if start is not None:
            query = query.start_after({"time": start.time, "key": start.key})
        return await self.rows(query.limit(limit))

    async def rows(self, query: AsyncQuery) -> list[Row]:
        """What a query over events finds; of those that cannot be read, what every version writes."""
        return await in_turn(self._row(reference, fields) for reference, fields in await self._database.find(query))

    async def _row(self, reference: Reference, fields: dict[str, Any]) -> Row:
        try:
            return (await self._rows.stored(reference, fields)).row
        except Unreadable:
            return what_is_readable(fields)
