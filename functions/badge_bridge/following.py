"""What becomes of events, as it happens: seen by looking at the store again and again.

Each look asks for what was received lately, what has ended since the look before, and what is being worked on, all by
index; and it looks again at the latest of those that are known and have not ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

from badge_bridge.store.protocol import Store, StoredEvent
from badge_bridge.store.wanted import Wanted, reached_of

__all__ = ["MOST_AGAIN", "OVERLAP", "Follower", "became_at", "is_met", "there_already"]

OVERLAP = 5.0
"""Seconds that each look goes back behind the one before: an event is found a moment after it was received, and the
clocks of several machines differ."""

MOST_AGAIN = 200
"""Events that have not ended that each look asks for by key. Where more of them wait, the others are told of when they
are worked on, and when they end."""

_MOST = 1000
_KNOWN = 20_000
"""Events that are kept in mind."""


class _Mark(NamedTuple):
    """What tells that an event has changed."""

    state: str
    attempts: int


class Follower:
    """Finds changes of the events that are wanted; `now` (unix seconds) is when it begins."""

    def __init__(self, wanted: Wanted, *, now: float) -> None:
        self._wanted = wanted
        self._base = replace(wanted, state=None, rule=None, result=None, since=None, until=None)
        """What an event is from its beginning to its end."""
        # A store finds some events by their customer only once they have ended.
        self._listed = replace(self._base, customer=None)
        self._looked_at = now
        self._told: dict[str, _Mark] = {}
        """Of those that have not ended, and of those that may be found once more."""

    async def begin(self, store: Store) -> None:
        """Know what there is already, so that only what changes is told of."""
        waiting = (await store.list(replace(self._listed, state="waiting"), limit=MOST_AGAIN)).events
        met = (event for event in reversed(waiting) if is_met(self._base, event))
        for event in (*met, *await self._found(store, self._looked_at)):
            self._told[event.key] = _mark(event)

    async def look(self, store: Store, *, now: float) -> list[StoredEvent]:
        """The events that have changed since the look before, as they are now, in the order in which they did.

        Raises:
            StoreUnavailable: the store cannot be read; the next look finds what this one did not.
        """
        found = {event.key: event for event in await self._found(store, now)}
        again = [key for key, mark in self._told.items() if mark.state in ("waiting", "working") and key not in found]
        for key in again[-MOST_AGAIN:]:
            if (event := await store.get(key)) is not None:
                found[key] = event
            else:
                del self._told[key]
        changed = [key for key, event in found.items() if self._told.get(key) != _mark(event)]
        whole = [event for key in changed if (event := await store.get(key)) is not None]
        self._told.update({event.key: _mark(event) for event in whole})
        self._forget(found)
        self._looked_at = now
        return sorted((event for event in whole if is_met(self._wanted, event)), key=became_at)

    async def _found(self, store: Store, now: float) -> list[StoredEvent]:
        since = min(self._looked_at, now) - OVERLAP
        received = (await store.list(replace(self._listed, since=since), limit=_MOST)).events
        working = (await store.list(replace(self._listed, state="working"), limit=_MOST)).events
        ended = [event async for event in _ended(store, since)]
        return [event for event in (*received, *working, *ended) if is_met(self._base, event)]

    def _forget(self, found: dict[str, StoredEvent]) -> None:
        """What has ended and is not found any more is not told of again."""
        kept = {key: mark for key, mark in self._told.items() if key in found or mark.state in ("waiting", "working")}
        for key in [*kept][: max(len(kept) - _KNOWN, 0)]:
            del kept[key]
        self._told = kept


async def there_already(store: Store, wanted: Wanted, *, limit: int) -> list[StoredEvent]:
    """The events that were received last, in the order in which they became what they are, as those of `look` are; of
    the same moment, what was received first is the first.
    """
    received = (await store.list(wanted, limit=limit)).events if limit else ()
    whole = [await store.get(event.key) or event for event in received]
    return sorted(whole, key=lambda event: (became_at(event), event.received_at, event.key))


async def _ended(store: Store, since: float) -> AsyncIterator[StoredEvent]:
    while True:
        page = await store.ended(since=since, limit=_MOST)
        for event in page:
            yield event
        last = page[-1].settled_at if page else None
        if len(page) < _MOST or last is None or last <= since:
            return
        since = last


def is_met(wanted: Wanted, event: StoredEvent) -> bool:
    """Whether an event, with its outcomes where they are asked for, is one that is wanted; whenever it was received."""
    equal = (
        (wanted.state, event.state),
        (wanted.source, event.event.source),
        (wanted.type, event.event.type),
        (wanted.customer, event.event.customer),
    )
    if any(value is not None and value != found for value, found in equal):
        return False
    if wanted.rule is None and wanted.result is None:
        return True
    return any(
        wanted.rule in (None, rule) and wanted.result in (None, result) for rule, result in reached_of(event.outcomes)
    )


def _mark(event: StoredEvent) -> _Mark:
    return _Mark(event.state, event.attempts)


def became_at(event: StoredEvent) -> float:
    """When it became what it is, in unix seconds, of an event with its history."""
    if not event.history:
        return event.received_at
    latest = event.history[-1]
    if latest.redriven is not None:
        return latest.redriven.at
    return latest.started_at if latest.ended_at is None else latest.ended_at
