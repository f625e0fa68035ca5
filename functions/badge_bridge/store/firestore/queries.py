"""The queries over events, each with the order of an index that `infra/` declares. Whoever looks for work reads only
what it is found by, since an event may be large.

Firestore answers a query by an index that has exactly its fields: first those that are equal to something, then those
of its order. All shards are asked at once, and the answers come merged in that order.
"""

from __future__ import annotations

from collections.abc import Sequence

from badge_bridge.store.firestore.database import AsyncQuery, Database, Reference, where
from badge_bridge.store.firestore.documents import AT_ONCE, ATTACHMENTS, EVENTS, GONE, SHARDS

__all__ = [
    "being_worked_on",
    "by_join",
    "by_name",
    "ended_before",
    "ended_since",
    "gone",
    "left_behind",
    "newest_first",
    "of_card",
    "of_customer",
    "put_on_cards",
    "waiting_at_once",
    "waiting_for",
]


_FOUND_BY = ["key", "lane", "received_at", "wake_at"]


def _all(database: Database) -> AsyncQuery:
    return where(database.collection(EVENTS), shard=("in", list(range(SHARDS))))


def waiting_for(database: Database, lane: str) -> AsyncQuery:
    """Events that wait for a lane, or for none where it is empty: what is due at once first, by age."""
    waiting = where(_all(database), state=("==", "waiting"), lane=("==", lane))
    ordered = waiting.order_by("wake_at").order_by("received_at").order_by("key")
    return ordered.select(_FOUND_BY)


def waiting_at_once(database: Database, lane: str) -> AsyncQuery:
    """Those of them whose time has come, by age."""
    # By a field that equals something no query may be ordered (Firestore docs, "Order and limit data", limitations).
    waiting = where(_all(database), state=("==", "waiting"), lane=("==", lane), wake_at=("==", AT_ONCE))
    return waiting.order_by("received_at").order_by("key").select(_FOUND_BY)


def being_worked_on(database: Database) -> AsyncQuery:
    """Events under lease, by its end."""
    return where(_all(database), state=("==", "working")).order_by("leased_until").select(["key", "leased_until"])


def newest_first(database: Database, **equal: str) -> AsyncQuery:
    """Events with these values, of one field or of several: Firestore merges the indexes of each."""
    query = where(_all(database), **{name: ("==", value) for name, value in equal.items()})
    return query.order_by("received_at", direction="DESCENDING").order_by("key", direction="DESCENDING")


def of_customer(database: Database, joins: Sequence[str]) -> AsyncQuery:
    """Events with one of these values among their joins, newest first."""
    events = where(database.collection(EVENTS), joins=("array_contains_any", list(joins)))
    return events.order_by("received_at", direction="DESCENDING").order_by("key", direction="DESCENDING")


def by_join(database: Database, join: str) -> AsyncQuery:
    """Events with this value among their joins, by when they happened."""
    events = where(database.collection(EVENTS), joins=("array_contains", join))
    return events.order_by("time").order_by("key")


def ended_before(database: Database, time: float) -> AsyncQuery:
    """Events that ended before then and were not taken up again, those that ended first first."""
    return where(_all(database), settled_at=("<", time)).order_by("settled_at").select(["key", "type", "joins"])


def ended_since(database: Database, time: float) -> AsyncQuery:
    """Events that ended then or later and were not taken up again, those that ended first first."""
    return where(_all(database), settled_at=(">=", time)).order_by("settled_at")


def put_on_cards(database: Database) -> AsyncQuery:
    """Rows of the ledger whose badge was put on a card, by portal and badge, the latest event's first."""
    rows = where(database.collection(ATTACHMENTS), put=("==", True))
    ordered = rows.order_by("portal").order_by("badge").order_by("time", direction="DESCENDING")
    return ordered.select(["portal", "badge", "time"])


def of_card(database: Database, portal: str, owner_type: int, owner_id: int) -> AsyncQuery:
    """Rows of the ledger whose badge was put on this card, the one that was added last first."""
    rows = where(
        database.collection(ATTACHMENTS),
        put=("==", True),
        portal=("==", portal),
        owner_type=("==", owner_type),
        owner_id=("==", owner_id),
    )
    return rows.order_by("activity", direction="DESCENDING")


def left_behind(database: Database, time: float) -> AsyncQuery:
    """Rows of the ledger whose event is gone, and whose badge was taken off before then."""
    rows = where(database.collection(ATTACHMENTS), left=("==", True), closed_at=("<", time))
    return rows.order_by("closed_at").select([])


def gone(database: Database, *, after: str = "", source: str = "") -> AsyncQuery:
    """What stays of events that are gone: of a source, or of those whose names come after another."""
    events = database.collection(EVENTS)
    found = where(events, **{GONE: ("==", source) if source else (">", after)})
    return (found if source else found.order_by(GONE)).select([GONE])


def by_name(database: Database, collection: str, *, after: Reference | None) -> AsyncQuery:
    """All documents of a collection, from behind one of them."""
    documents = database.collection(collection).order_by("__name__")
    return documents if after is None else documents.start_after({"__name__": after})
