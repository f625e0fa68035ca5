"""One sweep: the worker drained, applications looked after beside it, and a plain answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from badge_bridge.bridge import Bridge
from badge_bridge.dispatch.local import Drained
from badge_bridge.errors import StoreUnavailable
from badge_bridge.serverless.sweep import BEGINS, LATE, LONGEST, sweep
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Store
from support.portals import run_virtually
from support.stores import NOW, claimed, ended, item, wait_for_lane


class Parts:
    """A bridge whose worker takes `working` seconds, whose applications take `looking`, and whose back-fill takes
    `fetching` and finds `fetched` calls.
    """

    def __init__(
        self,
        *,
        working: float = 0.0,
        looking: float = 0.0,
        fetching: float = 0.0,
        problem: Exception | None = None,
        left_in: Store | None = None,
        now: float = 7.0,
        fetched: int = 0,
    ) -> None:
        self.working = working
        self.looking = looking
        self.fetching = fetching
        self.problem = problem
        self.fetched = fetched
        self.fetches = 0
        self.deleting: list[float] = []
        self.looked: list[float] = []
        self.asked: list[float] = []
        self.left = left_in is not None
        parts = SimpleNamespace(
            worker=self, access=self, backfill=self, retention=self, clock=lambda: now, store=left_in
        )
        self.bridge = cast("Bridge", parts)

    async def drain(self, seconds: float) -> Drained:
        self.asked.append(seconds)
        await asyncio.sleep(self.working)
        if self.problem is not None:
            raise self.problem
        return Drained(3, all=not self.left)

    async def fetch(self) -> int:
        await asyncio.sleep(self.fetching)
        self.fetches += 1
        return self.fetched

    async def look(self, seconds: float) -> None:
        self.deleting.append(seconds)

    async def look_after(self, now: float) -> None:
        await asyncio.sleep(self.looking)
        self.looked.append(now)


async def test_sweep_works_looks_after_applications_and_deletes() -> None:
    """What it has done is its answer, for whoever reads the scheduler's log."""
    parts = Parts()
    answer = await sweep(parts.bridge)
    assert json.loads(bytes(answer.body)) == {"attempts": 3, "nothing_left": True}
    assert (parts.asked, parts.looked, parts.deleting) == ([BEGINS], [7.0], [BEGINS])


def test_sweep_works_on_the_lost_calls_that_it_has_fetched() -> None:
    """They are due at once; where nothing was found, or no time is left, nothing is looked for twice."""

    async def story() -> None:
        for fetching, fetched, asked in ((5, 2, [BEGINS, BEGINS - 5]), (5, 0, [BEGINS]), (BEGINS, 2, [BEGINS])):
            parts = Parts(fetching=fetching, fetched=fetched)
            answer = await sweep(parts.bridge)
            assert (parts.asked, parts.fetches) == (asked, 1)
            assert json.loads(bytes(answer.body))["attempts"] == 3 * len(asked)

    run_virtually(story())


async def test_lost_calls_are_fetched_although_the_worker_fails() -> None:
    """What is fetched is stored, and the next sweep works on it."""
    parts = Parts(problem=StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await sweep(parts.bridge)
    assert parts.fetches == 1


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


async def told(parts: Parts, caplog: pytest.LogCaptureFixture) -> tuple[str, Mapping[str, Any]]:
    """Level and fields of the one line that a sweep writes."""
    caplog.clear()
    caplog.set_level("INFO", logger="badge_bridge.worker")
    await sweep(parts.bridge)
    (record,) = caplog.records
    fields: Mapping[str, Any] = record.__dict__["json_fields"]
    return record.levelname, fields


async def test_sweep_tells_how_long_something_has_been_due(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Only where it has left something that came ten minutes ago; a warning then, and for at least how long."""
    fields = {"kind": "sweep", "attempts": 3, "nothing_left": True}
    assert await told(Parts(), caplog) == ("INFO", fields)
    fields["nothing_left"] = False
    await store.accept([item("s:1"), item("s:2", received_at=NOW + 50)])
    assert await told(Parts(left_in=store, now=NOW + LATE), caplog) == ("INFO", fields)
    late = await told(Parts(left_in=store, now=NOW + LATE + 100), caplog)
    assert late == ("WARNING", {**fields, "overdue_s": LATE + 100})


async def test_sweep_tells_nothing_of_what_waits_for_its_time_or_a_portal(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """An event that came long ago and is tried again later is not overdue; for a paused portal there is another alert."""
    await wait_for_lane(store, "s:1")
    await store.accept([item("s:2")])
    await store.settle(await claimed(store, "s:2"), ended("waiting", due=NOW + LATE + 200))
    _, fields = await told(Parts(left_in=store, now=NOW + LATE + 100), caplog)
    assert "overdue_s" not in fields
    _, fields = await told(Parts(left_in=store, now=NOW + LATE + 230), caplog)
    assert fields["overdue_s"] == 30.0


async def test_sweep_tells_of_what_is_overdue_behind_many_that_wait_for_a_portal(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A portal that is paused, and work that is not done, come together."""
    await store.accept([item("s:old", received_at=NOW - 3600)])
    await wait_for_lane(store, *(f"s:{number}" for number in range(250)))
    _, fields = await told(Parts(left_in=store, now=NOW + LATE + 300), caplog)
    assert fields["overdue_s"] == 3600 + LATE + 300


async def test_sweep_says_so_when_the_store_is_away() -> None:
    """Whoever calls it hears 503, and calls again."""
    with pytest.raises(StoreUnavailable):
        await sweep(Parts(problem=StoreUnavailable("away")).bridge)


def test_sweep_ends_in_time_when_a_portal_does_not_answer() -> None:
    """Applications are looked after beside the work, and given up before the platform gives up the sweep."""

    async def story() -> None:
        parts = Parts(working=30, looking=3600)
        start = asyncio.get_running_loop().time()
        await sweep(parts.bridge)
        assert asyncio.get_running_loop().time() - start <= LONGEST
        assert parts.looked == []

    run_virtually(story())
