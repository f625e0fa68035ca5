"""`sweep`, called every minute: works on whatever is due, looks after applications, fetches calls that a portal did
not tell of, and deletes what the rules file does not keep any longer.

It needs no message, so a lost one, or Pub/Sub being away altogether, costs a minute and no event. What it finds it
works on itself.

    200  how much it has done, as JSON; the same is a line in the log
    401  not from the service account that may call
    405  not called by POST
    503  the store cannot be read
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.attaching import BUDGET
from badge_bridge.bridge import Bridge
from badge_bridge.dispatch.local import Drained
from badge_bridge.gcp.callers import Callers
from badge_bridge.observability.sweep_line import log_sweep
from badge_bridge.pipeline import LEASE
from badge_bridge.probes import HEALTH, health
from badge_bridge.serverless.calling import callers_of, platform_call
from badge_bridge.serverless.opening import Opening, open_whole
from badge_bridge.serverless.stopping import when_stopped
from badge_bridge.settings import Settings
from badge_bridge.store.protocol import Store
from badge_bridge.store.wanted import Wanted

__all__ = ["BEGINS", "LONGEST", "answer", "sweep"]

BEGINS = 45.0
"""Seconds within which attempts are begun: before the next sweep comes."""

LONGEST = BEGINS + LEASE
"""Seconds that a request takes at most."""

LATE = 600.0
"""Seconds after which an event that waits is looked at, and whoever watches is told that it is overdue."""

_PAGE, _PAGES = 100, 20
"""Of these events, where a sweep has left something; each is a read, so the first page with one that is due will do."""


@dataclass(frozen=True, slots=True)
class _Sweeper:
    bridge: Bridge
    callers: Callers | None


async def answer(request: Request) -> Response:
    return await _opening.answer(request, _handle)


async def _handle(request: Request, sweeper: _Sweeper) -> Response:
    if request.scope["path"] in HEALTH:
        return await health(request, sweeper.bridge.store)
    return await platform_call(request, sweeper.callers, lambda: sweep(sweeper.bridge))


async def sweep(bridge: Bridge) -> Response:
    """One sweep.

    Raises:
        StoreUnavailable: it cannot be read what is due.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + BEGINS
    looking_after = asyncio.create_task(_look_after(bridge), name="look after applications")
    fetching = asyncio.create_task(bridge.backfill.fetch(), name="fetch lost calls")
    deleting = asyncio.create_task(bridge.retention.look(BEGINS), name="delete what is over")
    try:
        drained = await bridge.worker.drain(BEGINS)
        if await fetching and drained.all and (left := end - loop.time()) > 0:
            # They are due at once, and a minute is long for whoever waits for his call to be returned.
            more = await bridge.worker.drain(left)
            drained = Drained(drained.attempts + more.attempts, all=more.all)
    finally:
        await fetching
        await looking_after
        await deleting
    overdue = 0.0
    try:
        if not drained.all:
            overdue = await _overdue(bridge.store, bridge.clock())
    finally:
        log_sweep(attempts=drained.attempts, nothing_left=drained.all, overdue=overdue)
    return JSONResponse({"attempts": drained.attempts, "nothing_left": drained.all})


async def _overdue(store: Store, now: float) -> float:
    """For how many seconds at least the oldest of what is due has been, where that was received before `LATE`; else 0.

    The store tells the oldest of what is due to nobody but who leases it. What is due for so long was received before
    then, and of those that were the latest are looked at. One that waits for a lane is late for the portal's sake.
    """
    before: tuple[float, str] | None = (now - LATE, "")
    for _ in range(_PAGES):
        page = await store.list(Wanted(state="waiting"), limit=_PAGE, before=before)
        late = [now - one.due for one in page.events if not one.lane and one.due <= now]
        if late or page.more is None:
            return max(late, default=0.0)
        before = page.more
    return 0.0


async def _look_after(bridge: Bridge) -> None:
    try:
        async with asyncio.timeout(BUDGET):
            await bridge.access.look_after(bridge.clock())
    except TimeoutError:
        pass  # a portal that does not answer; the next sweep goes on


async def _open(stack: AsyncExitStack, settings: Settings) -> _Sweeper:
    bridge = await open_whole(stack, settings)
    when_stopped(stack, bridge.worker.stop)
    return _Sweeper(bridge, callers_of(settings))


_opening = Opening(_open)
