"""A portal whose events never come, and bridges that fetch what they were about, one look at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.crm_seed import Activity
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.sandbox.telephony import CallOrder, call_events
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import Delivery
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Store, StoredEvent
from support.company import ours
from support.portals import START
from support.sandbox_calls import changed

__all__ = ["CUSTOMER", "SOURCE", "STATISTICS", "Scene", "opened_scene"]

CUSTOMER = "+4917139200011"
STATISTICS = "voximplant.statistic.get"
APPLICATION_TOKEN = "application-token-0123456789"
SOURCE = 'office: {provider: bitrix24, secrets: ["${APPLICATION_TOKEN}"]}'
RULES = """
portals:
  main:
    url: http://127.0.0.1:8090
    oauth: {{access_token: "${{TOKEN}}"}}
sources:
  {sources}
badges:
  missedCall: {{title: Call, value: Missed, type: failure}}
rules:
  - {{name: missed call, on: call.missed, badge: missedCall, attach: {{}}, clear: {{}}}}
"""


class Wire(AsyncBaseTransport):
    """The way to the portal; `broken` is raised instead, once the portal has done what it was asked for. An answer
    takes `seconds`.
    """

    def __init__(self, portal: SandboxPortal) -> None:
        self._inner = httpx.ASGITransport(create_app(portal))
        self.broken: Exception | None = None
        self.seconds = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self.seconds)
        response = await self._inner.handle_async_request(request)
        if self.broken is not None:
            raise self.broken
        return response


@dataclass
class Scene:
    """`bridges` are processes that share one store; nothing is worked on by itself. `now` is the time for all."""

    portal: SandboxPortal
    wire: Wire
    store: Store
    bridges: list[Bridge] = field(default_factory=list)
    now: float = START

    async def call(self, number: str = CUSTOMER, **order: Any) -> CallRow:
        """A call that was missed and has ended, unless told otherwise; its event is lost."""
        return self.portal.office.call(CallOrder(phone_number=number, **order))

    async def calls(self, count: int) -> list[CallRow]:
        return [await self.call() for _ in range(count)]

    async def look(self, process: int = 0, *, later: float = 60.0) -> int:
        """One look of a process, a minute after the last one; how many calls were new."""
        self.now += later
        return await self.bridges[process].backfill.fetch()

    async def deliver(self, row: CallRow) -> None:
        """The event of a call comes all the same."""
        (event,) = [data for name, data in call_events(row) if name == "ONVOXIMPLANTCALLEND"]
        form = {"event": "ONVOXIMPLANTCALLEND", **{f"data[{name}]": str(value) for name, value in event.items()}}
        form |= {"ts": str(int(self.now)), "auth[application_token]": APPLICATION_TOKEN, "auth[member_id]": "any"}
        headers = [("content-type", "application/x-www-form-urlencoded")]
        body = str(httpx.QueryParams(form)).encode()
        pipeline = self.bridges[0].pipeline
        await pipeline.accept(pipeline.source("office", "POST"), Delivery("POST", "", headers, body, self.now))

    async def events(self) -> list[StoredEvent]:
        """What is stored, in the order in which it happened."""
        listed = (await self.store.list(limit=10_000)).events
        return sorted(listed, key=lambda one: (one.event.time, one.event.id))

    async def called(self) -> list[str]:
        """The ids of the calls that are stored."""
        return [one.event.id for one in await self.events()]

    def badges(self) -> list[Activity]:
        """What carries a badge of ours, by number."""
        return ours(self.portal)

    def asked(self) -> list[dict[str, Any]]:
        """The parameters of all requests for the statistics."""
        return [dict(entry.params) for entry in self.portal.journal.since(0, method=STATISTICS)]

    def replace(self, **changes: Any) -> None:
        """Change what the portal holds."""
        present = self.portal.seed.model_dump()
        self.portal.reseed(type(self.portal.seed).model_validate({**present, **changes}))


@asynccontextmanager
async def opened_scene(
    *,
    processes: int = 1,
    sources: str = SOURCE,
    store: Store | None = None,
    token: str = ADMINISTRATOR_TOKEN,
    clock: Callable[[], float] | None = None,
    **seed: Any,
) -> AsyncIterator[Scene]:
    """`clock` replaces `Scene.now`; `seed` are parts of the portal that are not the sandbox's own."""
    environ = {"TOKEN": token, "APPLICATION_TOKEN": APPLICATION_TOKEN}
    rules = parse(RULES.format(sources=sources), "rules.yaml", providers=OPTIONS, environ=environ)
    scene: Scene
    clock = clock or (lambda: scene.now)
    portal = SandboxPortal(changed(**seed), clock=clock)
    store = store or MemoryStore()
    scene = Scene(portal, Wire(portal), store)
    await store.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        for _ in range(processes):
            opening = open_bridge(
                rules,
                store,
                concurrency=8,
                transport=scene.wire,
                clock=clock,
                rng=lambda: 0.5,
                at_work=False,
            )
            scene.bridges.append(await stack.enter_async_context(opening))
        yield scene
