"""The ledger in Firestore: which activity carries a badge for which event and rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from badge_bridge.store.firestore.database import AsyncTransaction, Database, Reference, where
from badge_bridge.store.firestore.documents import ATTACHMENTS, EVENTS, document_id, is_gone, known
from badge_bridge.store.firestore.queries import of_card, put_on_cards
from badge_bridge.store.protocol import Attachment, Claim
from badge_bridge.store.records import plain, plain_attachment
from badge_bridge.store.wanted import Uses

__all__ = ["Ledger"]

_OF_A_CARD = (10, 90, 900)
"""Rows of a card that are read, one number after the other; a card is not looked through further."""


class Ledger:
    """Each method is the store's of that name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attach(self, attachment: Attachment, claim: Claim | None) -> bool:
        row = plain_attachment(attachment)
        reference, event = self._reference(row.key, row.rule), self._event(row.key)

        async def work(transaction: AsyncTransaction) -> bool:
            found = await self._database.read([event] if claim else [event, reference], transaction)
            of_event = found.get(event.path, {})
            if not (_is_held(of_event, claim) if claim else reference.path in found or not is_gone(of_event)):
                return False
            transaction.set(reference, _write(row))
            return True

        return await self._database.transact(row.key, work)

    async def unattach(self, key: str, rule: str, claim: Claim | None) -> bool:
        key, rule = plain(key), plain(rule)
        reference, event = self._reference(key, rule), self._event(key)

        async def work(transaction: AsyncTransaction) -> bool:
            found = await self._database.read([event, reference] if claim else [reference], transaction)
            if claim and not _is_held(found.get(event.path, {}), claim):
                return False
            if reference.path not in found or _read(found[reference.path]).activity is not None:
                return False
            transaction.delete(reference)
            return True

        return await self._database.transact(key, work)

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

    async def on_top(self, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
        rows = of_card(self._database, plain(portal), owner_type, owner_id)
        # What was taken off is still among them: mostly the first that is there is one of the first few.
        for most in _OF_A_CARD:
            found = [_read(fields) for _, fields in await self._database.find(rows.limit(most))]
            there = next((row for row in found if row.closed_at is None), None)
            if there is not None or len(found) < most:
                return there
            rows = rows.start_after([found[-1].activity])
        return None

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

    async def close_attachment(self, key: str, rule: str, *, now: float, activity: int | None) -> bool:
        def decide(before: dict[str, Any] | None) -> tuple[dict[str, Any] | None, bool]:
            row = _read(before) if before else None
            if row is None or row.closed_at is not None or activity not in (None, row.activity):
                return before, False
            return {**(before or {}), **_write(replace(row, closed_at=now))}, True

        return await self._database.change(self._reference(plain(key), plain(rule)), decide)

    def _event(self, key: str) -> Reference:
        return self._database.document(EVENTS, document_id(key))

    def _reference(self, key: str, rule: str) -> Reference:
        return self._database.document(ATTACHMENTS, document_id(key, rule))


def _is_held(event: Mapping[str, Any], claim: Claim) -> bool:
    """Whether the lease on an event, of whose document these are the fields, is the claim's."""
    return event.get("state") == "working" and event.get("token") == claim.token


def _write(row: Attachment) -> dict[str, Any]:
    fields = asdict(row)
    for name in ("time", "sent_at", "closed_at"):
        if fields[name] is not None:
            fields[name] = float(fields[name])
    put = row.activity is not None
    return {**fields, "put": put, "open": bool(row.join) and put and row.closed_at is None}


def _read(fields: Mapping[str, Any]) -> Attachment:
    return known(Attachment, fields)
