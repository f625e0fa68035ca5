"""Which index of Firestore each query of the store needs, by the queries that the store really sends."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.firestore_v1.async_query import AsyncQuery

from badge_bridge.store.firestore.database import AsyncTransaction, Database
from badge_bridge.store.protocol import Attachment, Store
from badge_bridge.store.wanted import Wanted
from support.stores import NOW, claimed, ended, item, wait_for_lane

Index = tuple[str, tuple[tuple[str, str], ...]]
"""A collection, and the fields of an index with ASCENDING, DESCENDING or CONTAINS."""

_EQUAL = {"EQUAL", "IN"}
_CONTAINS = {"ARRAY_CONTAINS", "ARRAY_CONTAINS_ANY"}


def index_of(query: AsyncQuery) -> Index:
    """The index that answers a query: first what is equal to something, in no order, then its order.

    Firestore docs, "Index types": one that has exactly these fields; `in` counts as equality.
    """
    sent = query._to_protobuf()
    filters = sent.where.composite_filter.filters or [sent.where]
    fields = [one.field_filter for one in filters if one.field_filter.field.field_path]
    equal = sorted({one.field.field_path for one in fields if one.op.name in _EQUAL})
    contains = [(one.field.field_path, "CONTAINS") for one in fields if one.op.name in _CONTAINS]
    order = [(one.field.field_path, one.direction.name) for one in sent.order_by if one.field.field_path != "__name__"]
    # Firestore docs, "Order and limit data", limitations. The emulator lets it pass.
    assert {name for name, _ in order}.isdisjoint(equal), f"ordered by what is equal to something: {equal}, {order}"
    collection = sent.from_[0].collection_id
    return collection, (*((name, "ASCENDING") for name in equal), *contains, *order)


async def indexes_needed(store: Store, monkeypatch: pytest.MonkeyPatch) -> set[Index]:
    """What the store asks for when it is used in every way."""
    asked: list[AsyncQuery] = []
    find = Database.find

    async def recorded(self: Database, query: AsyncQuery, transaction: AsyncTransaction | None = None) -> Any:
        asked.append(query)
        return await find(self, query, transaction)

    count = Database.count

    async def counted(self: Database, query: AsyncQuery) -> int:
        asked.append(query)
        return await count(self, query)

    monkeypatch.setattr(Database, "find", recorded)
    monkeypatch.setattr(Database, "count", counted)
    await store.accept([item("s:0", joins=("+49301234",))])
    await wait_for_lane(store, "s:1", "s:2")
    await store.pause("main", until=NOW + 5, reason="x")
    await store.next_due(now=NOW)
    await store.claim_due(now=NOW + 9, lease=60, limit=5)
    await store.resume("main")
    await store.claim_due(now=NOW + 900, lease=60, limit=5)
    await store.settle(await claimed(store, "s:2", now=NOW + 9000), ended())
    await store.claim_due(now=NOW + 900, lease=60, limit=5)
    await store.joined("+49301234", after=0)
    await store.related("+49301234", limit=5)
    await store.keys("s:", limit=5)
    await store.census(since=NOW, until=NOW + 5)
    await store.ended(since=NOW, limit=5)
    await store.attach(Attachment("s:0", "r", "main", "b", 2, 1, NOW, "+49301234", "{}", activity=1))
    await store.attachments("s:0")
    await store.open_attachments("+49301234")
    await store.open_attachments("+49301234", before=NOW)
    await store.on_top("main", 2, 41)
    wanted: list[dict[str, Any]] = [{}, {"state": "done"}, {"source": "reception"}, {"type": "call.missed"}]
    wanted += [{"customer": "+49301234"}, {"rule": "r"}, {"result": "badged"}, {"rule": "r", "result": "badged"}]
    for filters in wanted:
        await store.list(Wanted(**filters))
        await store.list(Wanted(**filters), before=(NOW, "s:1"))
        await store.list(Wanted(**filters, since=NOW - 1, until=NOW + 1))
    await store.tally(since=NOW - 1, until=NOW + 1, width=1)
    assert await store.uses(since=NOW - 1)
    await store.backlog()
    await store.forget(before=NOW + 10_000, limit=5)
    await store.remembered()
    await store.drop("s", limit=5)
    await store.erase(await store.search(lambda text: "+49301234" in text))
    return {index_of(query) for query in asked}
