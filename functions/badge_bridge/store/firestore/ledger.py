"""The ledger in Firestore: which activity carries a badge for which event and rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from badge_bridge.store.firestore.database import AsyncTransaction, Database, Reference, where
from badge_bridge.store.firestore.documents import ATTACHMENTS, EVENTS, document_id, is_gone, known
from badge_bridge.store.firestore.queries import put_on_cards
from badge_bridge.store.protocol import Attachment
from badge_bridge.store.records import plain, plain_attachment
from badge_bridge.store.wanted import Uses

__all__ = ["Ledger"]


class Ledger:
    """Each method is the store's of that name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attach(self, attachment: Attachment) -> None:
        row = plain_attachment(attachment)
        reference = self._reference(row.key, row.rule)
        # With an activity it is there already, but where it was taken back or erased meanwhile.
        if row.activity is not None and await self._database.update(reference, _write(row)):
            return
        event = self._database.document(EVENTS, document_id(row.key))

        async def work(transaction: AsyncTransaction) -> None:
            found = await self._database.read([reference, event], transaction)
            if reference.path in found:
                transaction.update(reference, _write(row))
            elif not is_gone(found.get(event.path, {})):
                transaction.set(reference, _write(row))

        await self._database.transact(reference.path, work)

    async def unattach(self, key: str, rule: str) -> bool:
        return await self._change(key, rule, lambda row: None if row.activity is None else row)

    async def attachments(self, key: str) -> list[Attachment]:
        query = where(self._database.collection(ATTACHMENTS), key=("==", plain(key)))
        found = [_read(fields) for _, fields in await self._database.find(query)]
        return sorted(found, key=lambda row: row.rule)

    async def open_attachments(self, join: str, *, before: float | None) -> list[Attachment]:
        if not plain(join):
            return []
        query = where(self._database.collection(ATTACHMENTS), open=("==", True), join=("==", plain(join)))
        if before is not None:
            query = where(query, time=("<", before))
        found = [_read(fields) for _, fields in await self._database.find(query.order_by("time"))]
        return sorted(found, key=lambda row: (row.time, row.key, row.rule))

    async def close_attachment(self, key: str, rule: str, *, now: float) -> bool:
        return await self._change(
            key, rule, lambda row: row if row.closed_at is not None else replace(row, closed_at=now)
        )

    async def uses(self, *, since: float) -> Sequence[Uses]:
        found: list[Uses] = []
        rows = put_on_cards(self._database)
        first = rows.limit(1)
        # From one badge to the next, each with its latest event.
        while latest := await self._database.find(first):
            portal, badge, time = (latest[0][1][name] for name in ("portal", "badge", "time"))
            if time >= since:
                recent = rows.start_at([portal, badge]).end_at([portal, badge, float(since)])
                found.append(Uses(portal, badge, await self._database.count(recent), time))
            first = rows.start_after([portal, badge]).limit(1)
        return found

    async def _change(self, key: str, rule: str, change: Callable[[Attachment], Attachment | None]) -> bool:
        """Write what a row becomes, or remove it where that is nothing; whether there was a change."""

        def decide(before: dict[str, Any] | None) -> tuple[dict[str, Any] | None, bool]:
            if before is None:
                return None, False
            row = change(_read(before))
            after = {**before, **_write(row)} if row else None
            return after, after != before

        return await self._database.change(self._reference(plain(key), plain(rule)), decide)

    def _reference(self, key: str, rule: str) -> Reference:
        return self._database.document(ATTACHMENTS, document_id(key, rule))


def _write(row: Attachment) -> dict[str, Any]:
    fields = asdict(row)
    for name in ("time", "sent_at", "closed_at"):
        if fields[name] is not None:
            fields[name] = float(fields[name])
    put = row.activity is not None
    return {**fields, "put": put, "open": bool(row.join) and put and row.closed_at is None}


def _read(fields: Mapping[str, Any]) -> Attachment:
    return known(Attachment, fields)
