"""Looking for a text in all that Firestore holds of ours, a page of documents at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from badge_bridge.store.firestore.database import Database, Reference
from badge_bridge.store.firestore.documents import (
    ATTACHMENTS,
    CALLS,
    EVENTS,
    LANES,
    NOTES,
    PARTS,
    is_gone,
    names_of_parts,
    texts_of_event,
)
from badge_bridge.store.firestore.queries import by_name
from badge_bridge.store.forgetting import Place, Trace

__all__ = ["Searching"]

_PAGE = 50
"""Documents may have a megabyte each."""

_NAMES: Mapping[str, tuple[Place, str]] = {
    EVENTS: ("event", "key"),
    ATTACHMENTS: ("ledger", "key"),
    CALLS: ("call", "call"),
    NOTES: ("note", "name"),
    LANES: ("pause", "name"),
}
"""What a find in a collection is called, and the field with its name."""


class Searching:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, matches: Callable[[str], bool]) -> Sequence[Trace]:
        """As `Store.search`."""
        found: dict[Trace, None] = {}
        for collection, (place, field) in _NAMES.items():
            async for reference, fields in self._documents(collection):
                if any(map(matches, await self._texts(collection, reference, fields))):
                    # A note that an earlier version has written does not say its name.
                    found[Trace(place, fields.get(field, reference.id))] = None
        return tuple(found)

    async def _documents(self, collection: str) -> AsyncIterator[tuple[Reference, dict[str, Any]]]:
        last: Reference | None = None
        while page := await self._database.find(by_name(self._database, collection, after=last).limit(_PAGE)):
            for one in page:
                yield one
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    async def _texts(self, collection: str, reference: Reference, fields: Mapping[str, Any]) -> Iterable[str]:
        if collection != EVENTS:
            return (value for value in fields.values() if isinstance(value, str))
        if is_gone(fields):
            return ()
        parts = {name: reference.collection(PARTS).document(name) for name in names_of_parts(fields)}
        found = await self._database.read(list(parts.values()))
        contents = {name: found[part.path]["bytes"] for name, part in parts.items() if part.path in found}
        return texts_of_event(fields, contents)
