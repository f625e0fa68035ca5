"""Deleting events in Firestore, each in a transaction of its own with all that hangs on it.

The document of an event that is gone stays, with nothing in it but the source's name (`documents.tombstone`): so an
old delivery that is sent again is refused by the same look at the document's name as any repeat, and no delivery reads
or writes anything more for it. The name is the SHA-256 of the key, which is a hash of the provider's own id itself. One
that takes a secret besides would need a second document with each delivery, and the secret would lie beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from badge_bridge.events import LEG
from badge_bridge.store.firestore.database import AsyncTransaction, Database, Reference, in_turn, where
from badge_bridge.store.firestore.documents import (
    ATTACHMENTS,
    CALLS,
    GONE,
    PARTS,
    document_id,
    is_gone,
    names_of_parts,
    read_call,
    tombstone,
    write_call,
)
from badge_bridge.store.firestore.lanes import Lanes
from badge_bridge.store.firestore.queries import ended_before, gone, left_behind
from badge_bridge.store.firestore.rows import Rows
from badge_bridge.store.forgetting import Forgotten, Trace, source_of

__all__ = ["Forgetting"]

_Fields = dict[str, Any]

_DROPPED = 400
"""Documents that one transaction deletes; it may write 500."""


class Forgetting:
    """Each method is the store's of that name."""

    def __init__(self, database: Database, rows: Rows, lanes: Lanes) -> None:
        self._database = database
        self._rows = rows
        self._lanes = lanes

    async def forget(self, *, before: float, limit: int) -> Forgotten:
        if limit < 1:
            return Forgotten(0, more=False)

        def is_over(fields: Mapping[str, Any]) -> bool:
            ended = fields["settled_at"]
            return ended is not None and ended < before

        async def delete(keys: Sequence[str]) -> int:
            return sum([await self._delete(key, is_over=is_over, keeps=lambda row: row["open"]) for key in keys])

        over = [fields for _, fields in await self._database.find(ended_before(self._database, before).limit(limit))]
        done = await in_turn(delete(keys) for keys in _by_call(over))
        closed = await self._database.find(left_behind(self._database, before).limit(limit))
        await in_turn(self._delete_row(reference) for reference, _ in closed)
        return Forgotten(sum(done), more=limit in (len(over), len(closed)))

    async def erase(self, traces: Collection[Trace]) -> None:
        for trace in traces:  # one after the other, as many may be legs of one call
            await self._erase(trace)

    async def _erase(self, trace: Trace) -> None:
        if trace.place == "event":
            await self._delete(trace.name, is_over=lambda _: True, keeps=lambda _: False)
        if trace.place == "ledger":
            await in_turn(self._delete_row(reference) for reference, _ in await self._attachments(trace.name))
        if trace.place == "call":
            reference = self._database.document(CALLS, document_id(trace.name))
            await self._delete_row(reference)
        if trace.place == "pause":
            await self._lanes.erase_reason(trace.name)

    async def _delete(
        self, key: str, *, is_over: Callable[[Mapping[str, Any]], bool], keeps: Callable[[Mapping[str, Any]], bool]
    ) -> bool:
        """Delete an event that `is_over`, with the rows of the ledger but those that it `keeps`; whether it did."""
        reference = self._rows.reference(key)
        # Not in the transaction: many of these would be in each other's way. Who adds a row meanwhile works on an event
        # that has not ended, which only an erasure deletes, and that looks for what is left.
        attachments = await self._attachments(key)
        done = False

        async def work(transaction: AsyncTransaction) -> bool:
            nonlocal done
            fields = (await self._database.read([reference], transaction)).get(reference.path)
            if fields is None or is_gone(fields):
                return done  # by the try before, to which no answer came
            if not is_over(fields):
                return False
            calls = await self._calls_of(fields, transaction)
            transaction.set(reference, tombstone(source_of(key)))
            for name in names_of_parts(fields):
                transaction.delete(reference.collection(PARTS).document(name))
            for row, content in attachments:
                if keeps(content):
                    transaction.update(row, {"left": True})
                else:
                    transaction.delete(row)
            for call, content in calls:
                self._count_down(transaction, call, content)
            done = True
            return True

        return await self._database.transact(key, work)

    async def _attachments(self, key: str) -> Sequence[tuple[Reference, _Fields]]:
        return await self._database.find(where(self._database.collection(ATTACHMENTS), key=("==", key)))

    async def _calls_of(
        self, fields: Mapping[str, Any], transaction: AsyncTransaction
    ) -> list[tuple[Reference, _Fields]]:
        """The call that an event is a leg of, where it is one."""
        references = [self._database.document(CALLS, document_id(value)) for value in _calls(fields)]
        found = await self._database.read(references, transaction)
        return [(reference, found[reference.path]) for reference in references if reference.path in found]

    def _count_down(self, transaction: AsyncTransaction, reference: Reference, fields: _Fields) -> None:
        """One leg of the call is gone: whoever reads the others must not wait for it."""
        call = read_call(fields)
        if call.legs > 1:
            transaction.set(reference, write_call(fields["call"], replace(call, legs=call.legs - 1)))
        else:
            transaction.delete(reference)

    async def _delete_row(self, reference: Reference) -> None:
        await self._database.change(reference, lambda _: (None, None))

    async def remembered(self) -> list[str]:
        # From one to the next, as there are few sources and perhaps millions of hashes.
        names: list[str] = []
        while found := await self._database.find(gone(self._database, after=names[-1] if names else "").limit(1)):
            names.append(found[0][1][GONE])
        return names

    async def drop(self, source: str, *, limit: int) -> int:
        if limit < 1:
            return 0
        left = gone(self._database, source=source).limit(min(limit, _DROPPED))

        async def work(transaction: AsyncTransaction) -> int:
            found = await self._database.find(left, transaction)
            for reference, _ in found:
                transaction.delete(reference)
            return len(found)

        return await self._database.transact(f"{GONE}/{source}", work)


def _calls(fields: Mapping[str, Any]) -> Sequence[str]:
    """By what the legs of its call find each other, where an event is one."""
    return fields["joins"] if fields["type"] == LEG else ()


def _by_call(events: Iterable[Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    """The keys of events, those together that would fight over the document of their call."""
    together: dict[Sequence[str], list[str]] = {}
    for fields in events:
        together.setdefault(tuple(_calls(fields)) or (fields["key"],), []).append(fields["key"])
    return together.values()
