"""Many portals and many instances of the functions on virtual time: what happens, and the books compared afterwards.

Deliveries come at random, a share of them to one portal that is busier than its limit lets single requests be. Each is
stored and published; a simulated Pub/Sub gives its key to one instance or another, some twice and some to none, which
the sweep of every minute has to find. The code is the real one, but for the store (`distant_store`) and Pub/Sub.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from unittest.mock import patch

import httpx

from badge_bridge.outcomes import Outcome
from badge_bridge.portal import origin_of
from badge_bridge.rulesfile import RulesFile, document
from badge_bridge.rulesfile.loading import parse
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.crm_seed import Activity
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.serverless.sweep import sweep
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import Delivery
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.store.wanted import Wanted
from support.company import PBX_TOKEN, number_of, ours, over_limit, portal_of
from support.distant_store import Delays, Shared, distant
from support.instances import Instance, install, open_instance
from support.portals import fullest_bucket, virtual_clock

__all__ = ["Plan", "Report", "simulate"]

FIRST_PORT = 10_001
"""Portal n is reached at this port and the n-1 following ones, which no socket ever opens."""

PATIENCE = 3600.0
"""Virtual seconds after the last delivery by which everything must have ended."""

_RULES = """
badges:
  missedCall: {title: Call status, value: Missed, type: failure}
rules:
  - name: missed call
    on: call.missed
    badge: missedCall
    attach: {title: "Missed call from {caller}"}
    clear: {on: [call.answered]}
"""
RULE = "missed call"
_EVENT = "{type: \"'call.' + body.outcome\", id: body.id, caller: body.from, time: body.time, direction: \"'inbound'\"}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated. `hot` is the share of deliveries that are for one portal, `answered` of those that clear."""

    portals: int = 200
    customers: int = 10
    deliveries: int = 5000
    rate: float = 50.0
    hot: float = 0.1
    answered: float = 0.2
    twice: float = 0.01
    lost: float = 0.005
    delays: Delays = field(default_factory=Delays)
    seed: int = 7
    sweeping: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    portal: str
    customer: int
    outcome: str
    at: float


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `arrivals` are the requests of each portal, in seconds; `lost` the keys whose message was, `swept`
    how many attempts sweeps have made; `opened` how many seconds an instance took to open, `seconds` all of it.
    """

    calls: Mapping[str, Call]
    events: Mapping[str, StoredEvent]
    activities: Mapping[str, Sequence[Activity]]
    arrivals: Mapping[str, Sequence[float]]
    refused: int
    lost: frozenset[str]
    twice: int
    swept: int
    shared: Shared
    opened: float
    rules_size: int
    seconds: float

    @property
    def requests(self) -> int:
        return sum(map(len, self.arrivals.values()))

    def waits(self, *, lost: bool = False, portal: str = "") -> list[float]:
        """Seconds from receipt until the outcome of a missed call was stored, of those whose message came or of those
        that a sweep had to find; shortest first.
        """
        return sorted(
            event.settled_at - event.received_at
            for event in self.events.values()
            if event.settled_at is not None
            and (event.key in self.lost) is lost
            and self.calls[event.event.id].outcome == "missed"
            and portal in ("", self.calls[event.event.id].portal)
        )

    def per_request(self, portal: str = "") -> float:
        """Deliveries for each request to the portals, or to one of them."""
        requests = sum(len(times) for name, times in self.arrivals.items() if portal in ("", name))
        return sum(portal in ("", call.portal) for call in self.calls.values()) / max(1, requests)

    def fullest_bucket(self) -> float:
        """The most requests that the bucket of any portal held."""
        return max(map(fullest_bucket, self.arrivals.values()), default=0.0)

    def most_in_a_second(self) -> int:
        """The most requests that any portal got within one second."""
        most = 0
        for times in self.arrivals.values():
            start = 0
            for end, time in enumerate(times):
                while times[start] <= time - 1.0:
                    start += 1
                most = max(most, end - start + 1)
        return most

    def not_ended(self) -> list[str]:
        ended = {event.event.id for event in self.events.values() if event.state in ("done", "ignored")}
        return [call for call in self.calls if call not in ended]

    def doubled(self) -> list[str]:
        """Origins that more than one activity has."""
        origins = Counter(one.origin_id for those in self.activities.values() for one in those)
        return [str(origin) for origin, count in origins.items() if count > 1]

    def mistakes(self) -> list[str]:
        """What is wrong, in words; nothing where each missed call has its badge, and each returned one none."""
        said = [
            f"{len(wrong)} {what}"
            for what, wrong in (
                ("events have not ended well", self.not_ended()),
                ("activities were added twice", self.doubled()),
                ("missed calls have lost their badge, or kept it", self._badly_shown()),
            )
            if wrong
        ]
        if self.refused:
            said.append(f"{self.refused} requests were refused for the limit")
        return said

    def _badly_shown(self) -> list[str]:
        last_answer: dict[tuple[str, int], float] = {}
        for call in self.calls.values():
            if call.outcome == "answered":
                whose = (call.portal, call.customer)
                last_answer[whose] = max(call.at, last_answer.get(whose, 0.0))
        shown = {one.origin_id: one.completed for those in self.activities.values() for one in those}
        wrong = []
        for event in self.events.values():
            call = self.calls[event.event.id]
            if call.outcome != "missed":
                continue
            returned = last_answer.get((call.portal, call.customer), 0.0) > call.at
            completed = shown.get(origin_of(event.key, RULE))
            # One that was returned before its badge was on the card never gets one.
            good = completed is not False if returned else completed is False
            if not good or (completed is None and _act(event) is None):
                wrong.append(event.key)
        return wrong


class _Network(httpx.AsyncBaseTransport):
    """The way to all portals, by port. Each request and each answer takes its time."""

    def __init__(self, portals: Mapping[str, SandboxPortal], chance: Random) -> None:
        self._apps = {port: httpx.ASGITransport(create_app(portal)) for port, portal in _by_port(portals)}
        self._names = dict(zip(self._apps, portals, strict=True))
        self._chance = chance
        self.arrivals: dict[str, list[float]] = {name: [] for name in portals}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port
        assert port is not None
        seconds = self._chance.uniform(0.150, 0.400)
        await asyncio.sleep(seconds / 2)
        self.arrivals[self._names[port]].append(asyncio.get_running_loop().time())
        response = await self._apps[port].handle_async_request(request)
        await asyncio.sleep(seconds / 2)
        return response


def _by_port(portals: Mapping[str, SandboxPortal]) -> Sequence[tuple[int, SandboxPortal]]:
    return [(FIRST_PORT + number, portal) for number, portal in enumerate(portals.values())]


@dataclass
class _PubSub:
    """Gives each key to one of the instances, after a while."""

    plan: Plan
    chance: Random
    instances: list[Instance] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    twice: int = 0
    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def publish(self, keys: Sequence[str]) -> None:
        for key in keys:
            if self.chance.random() < self.plan.lost:
                self.lost.add(key)
                continue
            self._send(key, self.chance.uniform(0.020, 0.200))
            if self.chance.random() < self.plan.twice:
                self.twice += 1
                self._send(key, self.chance.uniform(0.020, 2.0))

    def _send(self, key: str, after: float) -> None:
        task = asyncio.create_task(self._push(key, after))
        self.under_way.add(task)
        task.add_done_callback(self._ended)

    async def _push(self, key: str, after: float) -> None:
        await asyncio.sleep(after)
        await self.chance.choice(self.instances).processing.event(key)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.result()


async def simulate(plan: Plan, instances: int) -> Report:
    """Let the plan happen with so many instances of `process`, until all has ended or `PATIENCE` is over."""
    chance = Random(plan.seed)  # noqa: S311 - chance, no secret
    names = [f"p{number + 1}" for number in range(plan.portals)]
    portals = {name: portal_of(plan.customers) for name in names}
    for port, portal in _by_port(portals):
        portal.office.address = f"http://127.0.0.1:{port}"
    rules, size = _rules(names)
    network, loop = _Network(portals, chance), asyncio.get_running_loop()
    shared, pubsub = Shared(plan.delays, chance), _PubSub(plan, chance)
    await shared.memory.open()
    async with AsyncExitStack() as stack:

        async def start() -> Instance:
            opening = open_instance(
                rules,
                store=distant(shared),
                transport=network,
                clock=virtual_clock,
                wake=pubsub.publish,
                random=chance.random,
            )
            return await stack.enter_async_context(opening)

        sweeper = await start()
        await install(sweeper, portals, virtual_clock)
        before = loop.time()
        pubsub.instances.append(await start())
        opened = loop.time() - before
        pubsub.instances += [await start() for _ in range(instances - 1)]
        await sweeper.bridge.access.look_after(virtual_clock())
        for times in network.arrivals.values():
            times.clear()
        shared.calls.clear()
        seen = {name: portal.journal.last for name, portal in portals.items()}
        sweeps = asyncio.create_task(_sweep(sweeper)) if plan.sweeping else None
        began = loop.time()
        calls = await _deliver(plan, pubsub.instances[0], names, chance)
        await _wait(shared, loop.time() + PATIENCE)
        seconds = loop.time() - began
        while pubsub.under_way:
            await asyncio.wait(pubsub.under_way)
        if sweeps is not None:
            sweeps.cancel()
        events = {row.key: row for row in [await shared.memory.get(key) for key in await _keys(shared)] if row}
        refused = sum(over_limit(portal, since=seen[name]) for name, portal in portals.items())
        return Report(
            calls=calls,
            events=events,
            activities={name: ours(portal) for name, portal in portals.items()},
            arrivals=network.arrivals,
            refused=refused,
            lost=frozenset(pubsub.lost),
            twice=pubsub.twice,
            swept=sweeper.bridge.worker._begun,
            shared=shared,
            opened=opened,
            rules_size=size,
            seconds=seconds,
        )


async def _sweep(sweeper: Instance) -> None:
    while True:
        await asyncio.sleep(60.0)
        await sweep(sweeper.bridge)


async def _deliver(plan: Plan, receiver: Instance, names: Sequence[str], chance: Random) -> Mapping[str, Call]:
    """Let the deliveries come, each when its time has come and not when the one before is answered."""
    calls: dict[str, Call] = {}
    answers: list[asyncio.Task[None]] = []
    for number in range(plan.deliveries):
        await asyncio.sleep(chance.expovariate(plan.rate))
        portal = names[0] if chance.random() < plan.hot else chance.choice(names)
        outcome = "answered" if chance.random() < plan.answered else "missed"
        call = Call(portal, chance.randint(1, plan.customers), outcome, virtual_clock())
        calls[f"c{number}"] = call
        answers.append(asyncio.create_task(_accept(receiver, f"c{number}", call)))
    await asyncio.gather(*answers)
    return calls


async def _accept(receiver: Instance, call: str, what: Call) -> None:
    moment = datetime.fromtimestamp(what.at, UTC).isoformat()
    said = {"id": call, "outcome": what.outcome, "from": number_of(what.customer), "time": moment}
    headers = [("authorization", f"Bearer {PBX_TOKEN}"), ("content-type", "application/json")]
    accepting = receiver.bridge.accepting
    source = accepting.source(f"{what.portal}-pbx", "POST")
    await accepting.accept(source, Delivery("POST", "", headers, json.dumps(said).encode(), virtual_clock()))


async def _wait(shared: Shared, until: float) -> None:
    while asyncio.get_running_loop().time() < until:
        if not any(
            [(await shared.memory.list(Wanted(state=state), limit=1)).events for state in ("waiting", "working")]
        ):
            return
        await asyncio.sleep(1.0)


async def _keys(shared: Shared) -> Sequence[str]:
    return [row.key for row in (await shared.memory.list(limit=10_000_000)).events]


def _act(event: StoredEvent) -> Outcome | None:
    return next((one for one in event.outcomes if one.role == "act" and one.result in ("badged", "cleared")), None)


def _rules(names: Sequence[str]) -> tuple[RulesFile, int]:
    """Each portal with the telephone system that reports its calls, one rule for all; and how many bytes that is."""
    portals: dict[str, Any] = {}
    for number, name in enumerate(names):
        url = f"http://127.0.0.1:{FIRST_PORT + number}"
        oauth = {"client_id": "local.sandbox-application", "client_secret": "${CLIENT_SECRET}", "server": url}
        portals[name] = {"url": url, "oauth": oauth}
    sources = [
        f'  {name}-pbx: {{provider: generic, verify: {{scheme: bearer}}, secrets: ["${{PBX_TOKEN}}"], portal: {name},'
        f" event: {_EVENT}}}"
        for name in names
    ]
    text = "\n".join([f"portals: {json.dumps(portals)}", "sources:", *sources, _RULES])
    known = {"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN}
    # A file of some thousand portals is larger than the bridge reads; the report says so, and all else is looked at.
    with patch.multiple(document, MAX_BYTES=len(text.encode()), MAX_NODES=1000 * len(names)):
        return parse(text, "rules.yaml", providers=OPTIONS, environ=known), len(text.encode())
