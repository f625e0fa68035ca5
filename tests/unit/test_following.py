"""What becomes of events, found by looking again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from badge_bridge import following
from badge_bridge.following import OVERLAP, Follower, became_at, there_already
from badge_bridge.outcomes import Outcome, Result
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Store
from badge_bridge.store.wanted import Wanted
from support.stores import NOW, claimed, ended, item


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


async def begun(store: Store, now: float = NOW, **said: Any) -> Follower:
    follower = Follower(Wanted(**said), now=now)
    await follower.begin(store)
    return follower


async def seen(follower: Follower, store: Store, now: float) -> list[str]:
    return [f"{event.key} {event.state}" for event in await follower.look(store, now=now)]


async def end(store: Store, key: str, state: Any = "done", *, at: float, result: Result | None = None) -> None:
    claim = await claimed(store, key, now=at)
    outcomes = (Outcome(rule="r", result=result),) if result else ()
    await store.settle(claim, ended(state, ended_at=at + 0.1, outcomes=outcomes, due=at + 30))


async def test_event_is_told_of_at_each_of_its_changes(store: Store) -> None:
    """Received, worked on, to be tried again, worked on once more, done; and nothing while nothing changes."""
    follower = await begun(store)
    assert await seen(follower, store, NOW + 1) == []
    await store.accept([item("s:1", received_at=NOW + 1.2)])
    assert await seen(follower, store, NOW + 2) == ["s:1 waiting"]
    assert await seen(follower, store, NOW + 2.5) == []
    claim = await claimed(store, "s:1", now=NOW + 3)
    assert await seen(follower, store, NOW + 3) == ["s:1 working"]
    await store.settle(claim, ended("waiting", ended_at=NOW + 3.2, due=NOW + 60))
    assert await seen(follower, store, NOW + 4) == ["s:1 waiting"]
    assert await seen(follower, store, NOW + 50) == []
    await end(store, "s:1", at=NOW + 60)
    assert await seen(follower, store, NOW + 61) == ["s:1 done"]
    for later in (61.5, 62, 100):
        assert await seen(follower, store, NOW + later) == []


async def test_what_was_there_before_is_told_of_when_it_changes(store: Store) -> None:
    """However long it has waited; what has ended before is not."""
    await store.accept([item("s:old", received_at=NOW - 9000), item("s:over", received_at=NOW - 2)])
    await end(store, "s:over", at=NOW - 1)
    follower = await begun(store)
    assert await seen(follower, store, NOW + 1) == []
    await end(store, "s:old", "waiting", at=NOW + 1)
    assert await seen(follower, store, NOW + 2) == ["s:old waiting"]
    await end(store, "s:old", "dead", at=NOW + 40)
    assert await seen(follower, store, NOW + 41) == ["s:old dead"]


async def test_event_that_is_redriven_is_told_of_again(store: Store) -> None:
    """Somebody tries what was over for long."""
    await store.accept([item("s:1", received_at=NOW - 9000)])
    await end(store, "s:1", "dead", at=NOW - 8000)
    follower = await begun(store)
    await store.redrive("s:1", now=NOW + 1)
    claim = await claimed(store, "s:1", now=NOW + 1)
    assert await seen(follower, store, NOW + 2) == ["s:1 working"]
    await store.settle(claim, ended(ended_at=NOW + 2))
    assert await seen(follower, store, NOW + 3) == ["s:1 done"]


async def test_events_come_in_the_order_in_which_they_changed(store: Store) -> None:
    """Not in that in which they were received."""
    await store.accept([item(f"s:{number}", received_at=NOW - 100 + number) for number in range(3)])
    follower = await begun(store)
    for moment, number in enumerate((2, 0, 1)):
        await end(store, f"s:{number}", at=NOW + moment)
    await store.accept([item("s:new", received_at=NOW + 1.5)])
    assert await seen(follower, store, NOW + 5) == ["s:2 done", "s:0 done", "s:new waiting", "s:1 done"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"source": "shop"}, ["s:2 waiting", "s:2 dead"]),
        ({"type": "order.paid"}, ["s:2 waiting", "s:2 dead"]),
        ({"customer": "+4930111"}, ["s:1 waiting", "s:1 done"]),
        ({"state": "dead"}, ["s:2 dead"]),
        ({"rule": "r"}, ["s:1 done", "s:2 dead"]),
        ({"result": "failed"}, ["s:2 dead"]),
        ({"rule": "other"}, []),
        ({"since": NOW - 100, "until": NOW - 50, "state": "done"}, ["s:1 done"]),
    ],
)
async def test_event_is_told_of_once_it_is_what_is_wanted(store: Store, said: dict[str, Any], told: list[str]) -> None:
    """A result is known when an attempt has ended; when it was received does not matter to what happens now."""
    follower = await begun(store, **said)
    await store.accept([item("s:1", received_at=NOW + 1, caller="+4930111")])
    await store.accept([item("s:2", received_at=NOW + 1, source="shop", type="order.paid")])
    found = await seen(follower, store, NOW + 2)
    await end(store, "s:1", at=NOW + 3, result="badged")
    await end(store, "s:2", "dead", at=NOW + 3.5, result="failed")
    assert found + await seen(follower, store, NOW + 4) == told


async def test_what_is_there_already_comes_in_the_order_in_which_it_changed(store: Store) -> None:
    """The latest received, each at the moment that is shown of it, so that what happens afterwards goes on from there;
    of one moment in the order in which they were received.
    """
    await store.accept([item(f"s:{number}", received_at=NOW + number) for number in range(5)])
    for moment, number in ((50, 1), (60, 2), (60, 3)):
        await end(store, f"s:{number}", at=NOW + moment)
    await end(store, "s:0", at=NOW + 70)
    found = await there_already(store, Wanted(), limit=4)
    assert [event.key for event in found] == ["s:4", "s:1", "s:2", "s:3"]
    moments = [became_at(event) for event in found]
    assert moments == sorted(moments)
    await store.redrive("s:1", now=NOW + 90)
    assert [event.key for event in await there_already(store, Wanted(), limit=5)] == ["s:4", "s:2", "s:3", "s:0", "s:1"]
    assert await there_already(store, Wanted(), limit=0) == []


async def test_event_that_shows_late_is_found(store: Store) -> None:
    """It was received by another machine's clock, or written a moment after it was received."""
    follower = await begun(store)
    assert await seen(follower, store, NOW + 20) == []
    await store.accept([item("s:1", received_at=NOW + 20 - OVERLAP + 0.1)])
    assert await seen(follower, store, NOW + 21) == ["s:1 waiting"]


async def test_many_that_end_at_once_are_all_told_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are asked for at a time, one of which ended at the same moment as the next."""
    monkeypatch.setattr(following, "_MOST", 3)
    await store.accept([item(f"s:{number}", received_at=NOW - 9000 + number) for number in range(8)])
    follower = await begun(store)
    for number in range(8):
        await end(store, f"s:{number}", at=NOW + number // 2)
    assert sorted(await seen(follower, store, NOW + 5)) == [f"s:{number} done" for number in range(8)]
    assert await seen(follower, store, NOW + 5.5) == []


async def test_event_that_was_erased_is_not_told_of(store: Store) -> None:
    """It is not there any more."""
    await store.accept([item("s:1", received_at=NOW - 50)])
    follower = await begun(store)
    await store.erase(await store.search(lambda text: "s:1" in text))
    assert await seen(follower, store, NOW + 1) == []
