"""Events in transactions: read with their parts, written where something has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store import transitions
from badge_bridge.store.firestore.database import AsyncTransaction, Database, Reference
from badge_bridge.store.firestore.documents import (
    EVENTS,
    PARTS,
    SEEN,
    document_id,
    names_of_parts,
    read_row,
    what_is_readable,
    write_row,
)
from badge_bridge.store.leases import SetAside
from badge_bridge.store.records import Unreadable
from badge_bridge.store.rows import Row

__all__ = ["Rows", "Stored"]


@dataclass(slots=True)
class Stored:
    """An event as it was read, and the row to change."""

    reference: Reference
    fields: dict[str, Any]
    row: Row


class Rows:
    """The documents in `events`. `retention`: seconds that an event is kept after its end, or None."""

    def __init__(self, database: Database, retention: float | None) -> None:
        self._database = database
        self._retention = retention

    def reference(self, key: str) -> Reference:
        return self._database.document(EVENTS, document_id(key))

    async def read(self, *keys: str, transaction: AsyncTransaction | None = None) -> dict[str, Stored]:
        """The events that there are, by key."""
        references = [self.reference(key) for key in keys]
        found = await self._database.read(references, transaction)
        return {
            fields["key"]: await self.stored(reference, fields, transaction)
            for reference in references
            if (fields := found.get(reference.path)) is not None
        }

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
                if again is not None and names_of_parts(again) != names:
                    return await self.stored(reference, again)
            raise StoreUnavailable(f"Firestore: {fields['key']}: a part of the event is missing: {missing[0]!r}")
        return Stored(reference, fields, read_row(fields, contents))

    def write(self, transaction: AsyncTransaction, stored: Stored) -> None:
        """Write what has changed since the event was read."""
        written = write_row(stored.row, retention=self._retention)
        changes = {name: value for name, value in written.fields.items() if stored.fields.get(name, ...) != value}
        if not changes:
            return
        kept = set(names_of_parts(stored.fields))
        for name in kept - written.parts.keys():
            transaction.delete(stored.reference.collection(PARTS).document(name))
        expires = "expire_at" in changes
        for name, part in written.parts.items():
            if expires or name not in kept:
                transaction.set(stored.reference.collection(PARTS).document(name), part)
        if written.fields["expire_at"] is not None and expires and not stored.fields.get("seen"):
            # Once the event is gone, an old delivery that is sent again is known by this. An event that came in while
            # events were kept for ever has none yet.
            seen = self._database.document(SEEN, stored.reference.id)
            transaction.set(seen, {"received_at": stored.row.received_at})
        transaction.update(stored.reference, changes)

    def create(self, transaction: AsyncTransaction, row: Row) -> None:
        """Write an event that was looked for in this transaction and not found."""
        reference = self.reference(row.key)
        written = write_row(row, retention=self._retention)
        transaction.create(reference, {**written.fields, "receipt": ""})
        for name, part in written.parts.items():
            # One with this content may be left of an event that was deleted.
            transaction.set(reference.collection(PARTS).document(name), part)

    async def set_aside(
        self, transaction: AsyncTransaction, key: str, error: Unreadable, now: float
    ) -> SetAside | None:
        """End an event that is due and that this version cannot read, and leave what it holds to one that can."""
        reference, reason = self.reference(key), str(error)
        fields = (await self._database.read([reference], transaction))[reference.path]
        row = what_is_readable(fields)
        if not (transitions.is_due(row, now) or transitions.is_lost(row, now)):
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
