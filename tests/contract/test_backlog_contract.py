"""What is not done yet, counted at once."""

from __future__ import annotations

from badge_bridge.store.backlog import Backlog
from badge_bridge.store.protocol import Store
from support.stores import NOW, claimed, ended, item, wait_for_lane


async def test_backlog_is_empty_when_nothing_was_accepted(store: Store) -> None:
    """A new store has nothing to count, and no oldest event."""
    assert await store.backlog() == Backlog()


async def test_waiting_events_are_counted_by_lane_when_some_wait_for_one(store: Store) -> None:
    """What waits for a lane stands apart from what is due or will be; the oldest of all is told by when it came."""
    await store.pause("main", until=NOW + 100, reason="away")
    await wait_for_lane(store, "s:1", "s:2")
    await store.accept([item("s:new", received_at=NOW + 30), item("s:old", received_at=NOW - 30)])
    assert await store.backlog() == Backlog(waiting={"main": 2, "": 2}, oldest=NOW - 30)


async def test_event_is_counted_where_it_is_when_it_is_worked_on_and_ends(store: Store) -> None:
    """Under lease it works; a retry waits again; given up it is dead, until somebody tries it again; done it is gone."""
    await store.accept([item("s:1", received_at=NOW)])
    claim = await claimed(store, "s:1")
    assert await store.backlog() == Backlog(working=1)
    await store.settle(claim, ended("waiting", due=NOW + 50))
    assert await store.backlog() == Backlog(waiting={"": 1}, oldest=NOW)
    claim = await claimed(store, "s:1", now=NOW + 50)
    await store.settle(claim, ended("dead"))
    assert await store.backlog() == Backlog(dead=1)
    await store.redrive("s:1", now=NOW + 60)
    assert await store.backlog() == Backlog(waiting={"": 1}, oldest=NOW)
    claim = await claimed(store, "s:1", now=NOW + 60)
    await store.settle(claim, ended("done"))
    assert await store.backlog() == Backlog()
