"""Events in transactions: read with their parts, written where something has changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store import transitions
from badge_bridge.store.firestore.database import AsyncTransaction, Database, Reference
from badge_bridge.store.firestore.documents import (
    EVENTS,
    PARTS,
    document_id,
    is_gone,
    names_of_parts,
    read_row,
    what_is_readable,
    write_row,
)
from badge_bridge.store.leases import SetAside
from badge_bridge.store.records import Unreadable
from badge_bridge.store.rows import Row

__all__ = ["Looked", "Rows", "Stored"]


@dataclass(slots=True)
class Stored:
    """An event as it was read, and the row to change."""

    reference: Reference
    fields: dict[str, Any]
    row: Row


@dataclass(frozen=True, slots=True)
class Looked:
    """Events by key, and the keys of those that were forgotten or erased."""

    stored: dict[str, Stored]
    gone: set[str]


class Rows:
    """The documents in `events`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reference(self, key: str) -> Reference:
        return self._database.document(EVENTS, document_id(key))

    async def look(self, *keys: str, transaction: AsyncTransaction | None = None) -> Looked:
        """What there is of these events."""
        references = {key: self.reference(key) for key in keys}
        found = await self._database.read(list(references.values()), transaction)
        there = {key: found[reference.path] for key, reference in references.items() if reference.path in found}
        gone = {key for key, fields in there.items() if is_gone(fields)}
        stored = {
            key: await self.stored(references[key], fields, transaction)
            for key, fields in there.items()
            if key not in gone
        }
        return Looked(stored, gone)

    async def read(self, *keys: str, transaction: AsyncTransaction | None = None) -> dict[str, Stored]:
        """The events that there are, by key."""
        return (await self.look(*keys, transaction=transaction)).stored

    async def one(self, key: str, transaction: AsyncTransaction | None = None) -> Stored | None:
        return (await self.read(key, transaction=transaction)).get(key)

    async def stored(
        self, reference: Reference, fields: dict[str, Any], transaction: AsyncTransaction | None = None
    ) -> Stored:
        """The event whose document has these fields.

        Raises:
            Unreadable: this version cannot read it.
        """
        names = names_of_parts(fields)
        parts = {name: reference.collection(PARTS).document(name) for name in names}
        found = await self._database.read(list(parts.values()), transaction)
        contents = {name: found[part.path]["bytes"] for name, part in parts.items() if part.path in found}
        if missing := [name for name in names if name not in contents]:
            # Read between two writes, and not in a transaction: the document is another one by now.
            if transaction is None:
                again = (await self._database.read([reference])).get(reference.path)
                if again is not None and not is_gone(again) and names_of_parts(again) != names:
                    return await self.stored(reference, again)
            raise StoreUnavailable(f"Firestore: {fields['key']}: a part of the event is missing: {missing[0]!r}")
        return Stored(reference, fields, read_row(fields, contents))

    def write(self, transaction: AsyncTransaction, stored: Stored) -> None:
        """Write what has changed since the event was read."""
        written = write_row(stored.row)
        changes = {name: value for name, value in written.fields.items() if stored.fields.get(name, ...) != value}
        if not changes:
            return
        kept = set(names_of_parts(stored.fields))
        for name in kept - written.parts.keys():
            transaction.delete(stored.reference.collection(PARTS).document(name))
        for name, part in written.parts.items():
            if name not in kept:
                transaction.set(stored.reference.collection(PARTS).document(name), part)
        transaction.update(stored.reference, changes)

    def create(self, transaction: AsyncTransaction, row: Row) -> None:
        """Write an event that was looked for in this transaction and not found."""
        reference = self.reference(row.key)
        written = write_row(row)
        transaction.create(reference, {**written.fields, "receipt": ""})
        for name, part in written.parts.items():
            transaction.set(reference.collection(PARTS).document(name), part)

    async def set_aside(
        self, transaction: AsyncTransaction, key: str, error: Unreadable, now: float
    ) -> SetAside | None:
        """End an event that is due and that this version cannot read, and leave what it holds to one that can."""
        reference, reason = self.reference(key), str(error)
        fields = (await self._database.read([reference], transaction))[reference.path]
        row = what_is_readable(fields)
        # Whatever it waits for would not help it.
        is_due = transitions.is_due(row, now, by=now if row.lane else math.inf)
        if not (is_due or transitions.is_lost(row, now)):
            return None
        ended = {"state": "dead", "reason": reason, "settled_at": float(now), "ready": False}
        transaction.update(reference, {**ended, "lane": "", "token": "", "leased_until": 0.0})
        return SetAside(key, reason)

    async def change(self, key: str, change: Callable[[Row], bool]) -> bool:
        """Change one event by a rule that says whether it did; False too where there is none."""
        written: Row | None = None

        async def work(transaction: AsyncTransaction) -> bool:
            nonlocal written
            stored = await self.one(key, transaction)
            if stored is None:
                return False
            if stored.row == written:
                return True  # by the try before, to which no answer came
            if not change(stored.row):
                return False
            self.write(transaction, stored)
            written = stored.row
            return True

        return await self._database.transact(key, work)
