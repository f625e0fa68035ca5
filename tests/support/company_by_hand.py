"""The company with its store in a file, whose clock and whose worker the test moves: for what happens to that file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from badge_bridge.bridge import open_bridge
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.sources import OPTIONS
from badge_bridge.store.sqlite import SqliteStore
from support.company import PBX_TOKEN, RULES, Company, Network
from support.portals import START

KEY = "YSBrZXkgb2YgdGhlIHRlc3RzLCBvZiAzMiBieXRlcyE="


@dataclass
class HandClock:
    """Unix seconds that stand still until the test moves them."""

    now: float = START

    def __call__(self) -> float:
        return self.now


async def work_to_the_end(company: Company, clock: HandClock) -> None:
    """Do what there is, each at its time, until nothing waits."""
    pipeline, store = company.bridge.pipeline, company.bridge.store
    for _ in range(200):
        for claim in await pipeline.sweep(10):
            await pipeline.process(claim)
        due = await store.next_due(now=clock.now)
        if due is None:
            return
        clock.now = max(clock.now, due)
    raise AssertionError("something waits for ever")


@asynccontextmanager
async def open_by_hand(path: Path, portal: SandboxPortal, clock: HandClock) -> AsyncIterator[Company]:
    """The bridge on the store at `path`, not installed in the portal yet unless the store says so."""
    rules = parse(RULES, environ={"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN}, providers=OPTIONS)
    store = SqliteStore(path)
    await store.open()
    try:
        async with open_bridge(
            rules,
            store,
            concurrency=1,
            keys=(KEY,),
            transport=Network(portal, 0.0),
            clock=clock,
            rng=lambda: 0.5,
            at_work=False,
        ) as bridge:
            yield Company(bridge, portal, clock=clock)
    finally:
        await store.close()
