"""Putting the parts together: rules, sources, store, portals, pipeline and worker, opened and closed as one.

`serverless/receive.py` puts fewer together: what takes deliveries and does nothing else.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from badge_bridge.accepting import Accepting
from badge_bridge.access import Access
from badge_bridge.attaching import BUDGET
from badge_bridge.backfill import Backfill
from badge_bridge.body_budget import BodyBudget
from badge_bridge.dispatch.local import LocalWorker
from badge_bridge.dispatch.precedence import Precedence
from badge_bridge.doubts import Doubts, loop_time
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


class Work:
    """What a bridge does by itself: the worker, and what is done beside it."""

    def __init__(self, worker: LocalWorker, beside: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        self._worker = worker
        self._beside = beside
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self._worker.start()
        self._tasks = [asyncio.create_task(work(), name=name) for name, work in self._beside.items()]

    async def leave_off(self) -> None:
        """End what is done beside the worker; whoever comes next goes on where it was."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a process has once, whatever the rules are by now."""

    meters: Meters
    precedence: Precedence
    doubts: Doubts
    bodies: BodyBudget
    holder: str
    """What this process is called in the store, and no other."""


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
    work: Work
    lasting: Lasting
    clock: Callable[[], float]

    @property
    def bodies(self) -> BodyBudget:
        return self.lasting.bodies

    @property
    def meters(self) -> Meters:
        return self.lasting.meters

    @property
    def not_reloaded(self) -> None:
        """Nobody gives it other rules; who does (`reloading.LiveBridge`) makes another bridge of them."""
        return

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
    before: Bridge | None = None,
) -> AsyncIterator[Bridge]:
    """Start working on what an open store holds; on leaving, let running attempts end and close all but the store.

    `keys` are those of ENCRYPTION_KEY; `transport` replaces the network towards the portals; `installed` hears the name
    of a portal whose application was installed by this process. Where it is not `at_work`, nothing is worked on and no
    application looked after but when the caller asks for it. `wake` hears of what is new instead of the local worker.

    `clock` returns unix seconds, `steady` seconds that pass as the event loop's do, `stopwatch` seconds so fine that
    they tell what one step takes: uvloop looks at its clock once a turn.

    Where it takes the place of the bridge `before` it, which is still open, it goes on with what lasts, and with the
    portals that are as they were.

    Raises:
        SettingsError: an OAuth application needs a key.
        StoreUnavailable: the store cannot be read.
    """
    lasting = before.lasting if before else _lasting(clock, steady, stopwatch)
    lasting.meters.expect(sources=rules.sources, portals=rules.portals)
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
            meters=lasting.meters,
            before=before.access if before else None,
        )
        sources = build_all(rules.sources)
        pipeline = Pipeline(
            rules=rules,
            sources=sources,
            portals=access.portals,
            store=store,
            wake=wake or (lambda keys: worker.wake(keys)),  # noqa: PLW0108 - the worker is made from this pipeline, below
            notice=lasting.precedence.notice,
            application_tokens=access.tokens.tokens,
            token_refused=access.doubt,
            clock=clock,
            steady=steady,
            random=rng,
            doubts=lasting.doubts,
            meters=lasting.meters,
        )
        worker = LocalWorker(
            sweep=pipeline.sweep,
            process=pipeline.process,
            give_back=store.give_back,
            concurrency=concurrency,
            precedence=lasting.precedence,
        )
        stack.push_async_callback(worker.stop)
        backfill = Backfill(
            rules=rules,
            sources=sources,
            portals=access.portals,
            accepting=pipeline.accepting,
            store=store,
            clock=clock,
            holder=lasting.holder,
        )
        retention = Retention(rules=rules, store=store, clock=clock, steady=steady)
        work = Work(
            worker,
            {
                "look after applications": lambda: _watch(access, clock),
                "fetch lost calls": backfill.run,
                "delete what is over": retention.run,
            },
        )
        stack.push_async_callback(work.leave_off)
        if at_work:
            await pipeline.archive.keep(rules)
            work.begin()
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
            work=work,
            lasting=lasting,
            clock=clock,
        )


def _lasting(clock: Callable[[], float], steady: Callable[[], float], stopwatch: Callable[[], float]) -> Lasting:
    return Lasting(
        meters=Meters(clock),
        precedence=Precedence(clock=stopwatch),
        doubts=Doubts(clock=clock, steady=steady, budget=BUDGET),
        bodies=BodyBudget(),
        holder=secrets.token_hex(16),
    )


async def _watch(access: Access, clock: Callable[[], float]) -> None:
    while access.installers:
        await access.look_after(clock())
        await asyncio.sleep(WATCH)
