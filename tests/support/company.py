"""A company with many customers: the whole bridge against the sandbox portal, on virtual time and without sockets.

The bridge is installed as an OAuth application, as it would be in a real portal, or has an inbound webhook and no more
than badges to see to; each customer is a contact with one open deal. Requests take `LATENCY`, and nothing else takes any time.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.installation import handle_install
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.crm_seed import Activity, Contact, Deal
from badge_bridge.sandbox.phpform import build_form
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_SECRET, APPLICATION_SECRET, CLIENT_ID, default_seed
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import Delivery, Reply
from badge_bridge.store import opened_store
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.store.wanted import Wanted
from support.portals import START, virtual_clock

BASE = "http://127.0.0.1:8090"
LATENCY = 0.1
"""Seconds that a request and its answer take."""

FIRST_ITEM = 1000
"""The contact and the deal of customer n have this number and n."""

PBX_TOKEN = "pbx-token-0123456789"
ENDED = frozenset({"done", "ignored", "dead"})

_APPLICATION = """
portals:
  main:
    url: http://127.0.0.1:8090
    oauth: {client_id: local.sandbox-application, client_secret: "${CLIENT_SECRET}", server: http://127.0.0.1:8090}
"""
_WEBHOOK = """
portals:
  main: {webhook: "${WEBHOOK}"}
"""
_BADGE = """
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${PBX_TOKEN}"]
    event: {type: "'call.' + body.outcome", id: body.id, caller: body.from, time: body.time, direction: "'inbound'"}
badges:
  missedCall:
    title: {en: Call status, de: Anruf}
    value: {en: Missed, de: Verpasst}
    type: failure
rules:
  - name: missed call
    on: call.missed
    badge: missedCall
"""
_ATTACH = """
    attach: {title: "Missed call from {caller}"}
    clear: {on: [call.answered]}
"""

RULES = _APPLICATION + _BADGE + _ATTACH.removeprefix("\n")
BADGES_BY_WEBHOOK = _WEBHOOK + _BADGE
"""Through an inbound webhook a badge can be registered and not attached."""


class Network(AsyncBaseTransport):
    """The sandbox as a network: requests take time, and a connection that it drops looks as one does."""

    def __init__(self, portal: SandboxPortal, latency: float) -> None:
        self.portal = portal
        self._inner = httpx.ASGITransport(create_app(portal))
        self._latency = latency

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._latency / 2)
        return await self.arrive(request)

    async def arrive(self, request: httpx.Request) -> httpx.Response:
        """What the portal does with a request, and the way of its answer."""
        try:
            response = await self._inner.handle_async_request(request)
        except ConnectionAbortedError as error:
            raise httpx.ReadError(str(error)) from error
        await asyncio.sleep(self._latency / 2)
        return response


@dataclass
class Company:
    """The running parts, and what happens to them."""

    bridge: Bridge
    portal: SandboxPortal
    reported: list[str] = field(default_factory=list)
    clock: Callable[[], float] = virtual_clock

    @property
    def requests(self) -> int:
        return self.portal.journal.last

    async def report(
        self, number: str, outcome: str = "missed", *, at: float = 0.0, call: str = "", order: str = ""
    ) -> str:
        """Deliver the end of a call that began `at` seconds after `START`; the call's id. `order` is in its body."""
        call = call or f"call-{len(self.reported) + 1}"
        self.reported.append(call)
        moment = datetime.fromtimestamp(START + at, UTC).isoformat()
        body = json.dumps({"id": call, "outcome": outcome, "from": number, "time": moment, "order": order}).encode()
        headers = [("authorization", f"Bearer {PBX_TOKEN}"), ("content-type", "application/json")]
        source = self.bridge.pipeline.source("pbx", "POST")
        await self.bridge.pipeline.accept(source, Delivery("POST", "", headers, body, self.clock()))
        return call

    async def install(self) -> Reply:
        """Let the portal install the application, as Bitrix24 does when it is made."""
        event = self.portal.office.install(CLIENT_ID, url="http://127.0.0.1:8080/install", user_id=1)
        body = build_form({**event.fields, "ts": int(self.clock())}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        delivery = Delivery("POST", "", headers, body, self.clock())
        return await handle_install(delivery, self.bridge.installers.values())

    async def ended(self, *, patience: float = 10 * 86400.0, every: float = 1.0) -> list[StoredEvent]:
        """All events with their histories once each of them has ended; looks every so many seconds of virtual time.

        Raises:
            AssertionError: some have not ended within `patience` seconds.
        """
        end = asyncio.get_running_loop().time() + patience
        while left := await self._open():
            assert asyncio.get_running_loop().time() < end, f"not ended: {left[:3]}"
            await asyncio.sleep(every)
        return await self.events()

    async def events(self) -> list[StoredEvent]:
        store = self.bridge.store
        listed = (await store.list(limit=100_000)).events
        return [event for row in listed if (event := await store.get(row.key)) is not None]

    async def event(self, call: str) -> StoredEvent:
        (found,) = [event for event in await self.events() if event.event.id == call]
        return found

    async def _open(self) -> list[StoredEvent]:
        store = self.bridge.store
        waiting = (await store.list(Wanted(state="waiting"), limit=5)).events
        return [*waiting, *(await store.list(Wanted(state="working"), limit=5)).events]

    def activities(self) -> Counter[str]:
        """How many activities of ours the portal holds, by origin."""
        return Counter(str(one.origin_id) for one in ours(self.portal))


def number_of(customer: int) -> str:
    """The telephone number of a customer, by his number in the company from 1."""
    return f"+4930{23125000000 + customer}"


def ours(portal: SandboxPortal) -> list[Activity]:
    """The activities that a bridge has added."""
    return [one for one in portal.records.crm.activities.values() if one.originator_id == "badge-bridge"]


def over_limit(portal: SandboxPortal, *, since: int = 0) -> int:
    """How many requests the portal has refused for its limit, those left out that its log had by then."""
    return sum(entry.error == "QUERY_LIMIT_EXCEEDED" for entry in portal.journal.since(since))


def portal_of(
    customers: int,
    *,
    variants: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    clock: Callable[[], float] = virtual_clock,
) -> SandboxPortal:
    """A portal with so many customers besides the sandbox's own, each with one open deal."""
    seed = default_seed()
    contacts = [
        Contact(id=FIRST_ITEM + n, name=f"Customer {n}", phones=(number_of(n),)) for n in range(1, customers + 1)
    ]
    deals = [Deal(id=FIRST_ITEM + n, title=f"Deal {n}", contact_ids=(FIRST_ITEM + n,)) for n in range(1, customers + 1)]
    changes: dict[str, Any] = {
        "variants": {**seed.variants.model_dump(), **(variants or {})},
        "contacts": [one.model_dump() for one in (*seed.contacts, *contacts)],
        "deals": [one.model_dump() for one in (*seed.deals, *deals)],
        **({} if limits is None else {"limits": limits}),
    }
    return SandboxPortal(type(seed).model_validate({**seed.model_dump(), **changes}), clock=clock)


@asynccontextmanager
async def open_company(
    *,
    customers: int = 0,
    variants: Mapping[str, Any] | None = None,
    rules: str = RULES,
    concurrency: int = 256,
    latency: float = LATENCY,
    network: Callable[[SandboxPortal, float], Network] = Network,
    limits: Mapping[str, Any] | None = None,
    installed: Callable[[str], None] | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Callable[[], float] = virtual_clock,
) -> AsyncIterator[Company]:
    """Everything running, and installed where it is an application.

    `limits` replaces the portal's own, which are 2 a second and 50; `installed` is as in `open_bridge`. `clock` is the
    bridge's.
    """
    portal = portal_of(customers, variants=variants, limits=limits)
    webhook = f"{BASE}/rest/1/{ADMINISTRATOR_SECRET}/"
    known = {"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN, "WEBHOOK": webhook, **(environ or {})}
    async with (
        opened_store("memory:") as store,
        open_bridge(
            parse(rules, "rules.yaml", providers=OPTIONS, environ=known),
            store,
            concurrency=concurrency,
            keys=(new_key(),),
            transport=network(portal, latency),
            clock=clock,
            stopwatch=virtual_clock,
            rng=lambda: 0.5,
            installed=installed,
        ) as bridge,
    ):
        company = Company(bridge, portal)
        if bridge.installers:
            reply = await company.install()
            assert reply.status == 200, reply
        yield company
