"""One sweep: the worker drained, applications looked after beside it, and a plain answer."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import cast

import pytest

from badge_bridge.bridge import Bridge
from badge_bridge.dispatch.local import Drained
from badge_bridge.errors import StoreUnavailable
from badge_bridge.serverless.sweep import BEGINS, LONGEST, sweep
from support.portals import run_virtually


class Parts:
    """A bridge whose worker takes `working` seconds, and whose applications take `looking`."""

    def __init__(self, *, working: float = 0.0, looking: float = 0.0, problem: Exception | None = None) -> None:
        self.working = working
        self.looking = looking
        self.problem = problem
        self.looked: list[float] = []
        self.asked: list[float] = []
        parts = SimpleNamespace(worker=self, access=self, clock=lambda: 7.0)
        self.bridge = cast("Bridge", parts)

    async def drain(self, seconds: float) -> Drained:
        self.asked.append(seconds)
        await asyncio.sleep(self.working)
        if self.problem is not None:
            raise self.problem
        return Drained(3, all=True)

    async def look_after(self, now: float) -> None:
        await asyncio.sleep(self.looking)
        self.looked.append(now)


async def test_sweep_works_and_looks_after_applications() -> None:
    """What it has done is its answer, for whoever reads the scheduler's log."""
    parts = Parts()
    answer = await sweep(parts.bridge)
    assert json.loads(bytes(answer.body)) == {"attempts": 3, "nothing_left": True}
    assert (parts.asked, parts.looked) == ([BEGINS], [7.0])


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
