"""Putting the parts together: rules, sources, store, portals, pipeline and worker, opened and closed as one.

`serverless/receive.py` puts fewer together: what takes deliveries and does nothing else.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from badge_bridge.accepting import Accepting
from badge_bridge.access import Access
from badge_bridge.backfill import Backfill
from badge_bridge.body_budget import BodyBudget
from badge_bridge.dispatch.local import LocalWorker
from badge_bridge.dispatch.precedence import Precedence
from badge_bridge.doubts import loop_time
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.meters import Meters
from badge_bridge.pipeline import Pipeline
from badge_bridge.portal import Portal
from badge_bridge.portal.oauth import Installer
from badge_bridge.retention import Retention
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources import build_all
from badge_bridge.store.protocol import Store

__all__ = ["Bridge", "open_bridge"]

WATCH = 15.0
"""Seconds between looks at what applications need to stay installed."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The running parts."""

    rules: RulesFile
    store: Store
    portals: Mapping[str, Portal]
    installers: Mapping[str, Installer]
    """What takes installations, by the name of the portal; only those that are reached by an OAuth application."""
    pipeline: Pipeline
    worker: LocalWorker
    access: Access
    backfill: Backfill
    retention: Retention
    bodies: BodyBudget
    meters: Meters
    clock: Callable[[], float]

    @property
    def accepting(self) -> Accepting:
        return self.pipeline.accepting


@asynccontextmanager
async def open_bridge(
    rules: RulesFile,
    store: Store,
    *,
    concurrency: int,
    keys: Sequence[str] = (),
    transport: AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
    steady: Callable[[], float] = loop_time,
    stopwatch: Callable[[], float] = time.perf_counter,
    rng: Callable[[], float] = random.random,
    installed: Callable[[str], None] | None = None,
    at_work: bool = True,
    wake: Callable[[Sequence[str]], Awaitable[None]] | None = None,
) -> AsyncIterator[Bridge]:
    """Start working on what an open store holds; on leaving, let running attempts end and close all but the store.

    `keys` are those of ENCRYPTION_KEY; `transport` replaces the network towards the portals; `installed` hears the name
    of a portal whose application was installed by this process. Where it is not `at_work`, nothing is worked on and no
    application looked after but when the caller asks for it. `wake` hears of what is new instead of the local worker.

    `clock` returns unix seconds, `steady` seconds that pass as the event loop's do, `stopwatch` seconds so fine that
    they tell what one step takes: uvloop looks at its clock once a turn.

    Raises:
        SettingsError: an OAuth application needs a key.
        StoreUnavailable: the store cannot be read.
    """
    meters = Meters()
    meters.expect(sources=rules.sources, portals=rules.portals)
    async with AsyncExitStack() as stack:
        access = await Access.open(
            stack,
            rules,
            store=store,
            keys=keys,
            clock=clock,
            random=rng,
            transport=transport,
            installed=installed,
            meters=meters,
        )
        sources = build_all(rules.sources)
        precedence = Precedence(clock=stopwatch)
        pipeline = Pipeline(
            rules=rules,
            sources=sources,
            portals=access.portals,
            store=store,
            wake=wake or (lambda keys: worker.wake(keys)),  # noqa: PLW0108 - the worker is made from this pipeline, below
            notice=precedence.notice,
            application_tokens=access.tokens.tokens,
            token_refused=access.doubt,
            clock=clock,
            steady=steady,
            random=rng,
            meters=meters,
        )
        worker = LocalWorker(
            sweep=pipeline.sweep,
            process=pipeline.process,
            give_back=store.give_back,
            concurrency=concurrency,
            precedence=precedence,
        )
        stack.push_async_callback(worker.stop)
        backfill = Backfill(
            rules=rules,
            sources=sources,
            portals=access.portals,
            accepting=pipeline.accepting,
            store=store,
            clock=clock,
            holder=secrets.token_hex(16),
        )
        retention = Retention(rules=rules, store=store, clock=clock)
        if at_work:
            await pipeline.archive.keep(rules)
            worker.start()
            for task in (
                asyncio.create_task(_watch(access, clock), name="look after applications"),
                asyncio.create_task(backfill.run(), name="fetch lost calls"),
                asyncio.create_task(retention.run(), name="delete what is over"),
            ):
                stack.callback(task.cancel)
        yield Bridge(
            rules=rules,
            store=store,
            portals=access.portals,
            installers=access.installers,
            pipeline=pipeline,
            worker=worker,
            access=access,
            backfill=backfill,
            retention=retention,
            bodies=BodyBudget(),
            meters=meters,
            clock=clock,
        )


async def _watch(access: Access, clock: Callable[[], float]) -> None:
    while access.installers:
        await access.look_after(clock())
        await asyncio.sleep(WATCH)
