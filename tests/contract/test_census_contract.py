"""What is counted of a stretch of time, and what has ended lately, in every store."""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge.outcomes import Outcome, Result
from badge_bridge.store.census import Census
from badge_bridge.store.protocol import Store
from support.stores import NOW, claimed, ended, item


async def end(store: Store, key: str, *results: Result, at: float = 0.0, state: Any = "done", rule: str = "r") -> None:
    claim = await claimed(store, key, now=NOW + 50 + at)
    outcomes = tuple(Outcome(rule=rule, result=result) for result in results)
    await store.settle(claim, ended(state, ended_at=NOW + 60 + at, outcomes=outcomes))


async def test_census_counts_what_was_received_in_a_stretch(store: Store) -> None:
    """By source, type and state of now, with attempts and results; its end belongs to the next stretch."""
    await store.accept([item(f"s:{number}", received_at=NOW + number) for number in range(5)])
    await store.accept([item("t:1", received_at=NOW + 2, source="shop", type="order.paid")])
    await end(store, "s:0", "badged")
    await end(store, "s:1", "badged")
    await end(store, "s:2", "failed", state="dead", rule="other\nrule")
    await store.redrive("s:2", now=NOW + 70)
    await end(store, "s:2", "failed", state="dead", at=20, rule="other\nrule")
    census = await store.census(since=NOW + 1, until=NOW + 4)
    assert census.events == {
        ("reception", "call.missed", "done"): 1,
        ("reception", "call.missed", "dead"): 1,
        ("reception", "call.missed", "waiting"): 1,
        ("shop", "order.paid", "waiting"): 1,
    }
    assert census.attempts == 3
    assert census.reached == {("r", "badged"): 1, ("other\nrule", "failed"): 1}


async def test_census_is_empty_where_nothing_came(store: Store) -> None:
    """A store without events, or a stretch without any."""
    assert await store.census(since=0, until=NOW) == Census()
    await store.accept([item()])
    assert await store.census(since=NOW + 1, until=NOW + 2) == Census()


async def test_what_ended_is_told_in_its_order(store: Store) -> None:
    """Since a moment, which belongs to it; what still waits, or waits again, has not ended."""
    await store.accept([item(f"s:{number}", received_at=NOW + number) for number in range(5)])
    for number, state in ((3, "done"), (1, "dead"), (2, "ignored"), (0, "done")):
        await end(store, f"s:{number}", at=-number, state=state)
    await store.redrive("s:0", now=NOW + 90)
    found = await store.ended(since=NOW + 58, limit=5)
    assert [(event.key, event.state, event.settled_at) for event in found] == [
        ("s:2", "ignored", NOW + 58),
        ("s:1", "dead", NOW + 59),
    ]


@pytest.mark.parametrize(("limit", "found"), [(0, []), (1, ["s:1"]), (9, ["s:1", "s:2"])])
async def test_what_ended_is_no_more_than_asked_for(store: Store, limit: int, found: list[str]) -> None:
    """The first ones, so that who follows goes on from the last."""
    await store.accept([item("s:1"), item("s:2")])
    await end(store, "s:1")
    await end(store, "s:2", at=1)
    assert [event.key for event in await store.ended(since=0, limit=limit)] == found
