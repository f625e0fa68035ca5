"""What happens to one deployment over Firestore, kind by kind, and what each kind of event costs there.

The code is the real one: events are taken in as `receive` does it, their keys go to `process`, and the portal is the
sandbox. Only the clock is our own, so that nobody waits: it jumps to where somebody would sleep until.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from badge_bridge.calls import Calls
from badge_bridge.events import LEG, Event, Leg, call_join
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.loading import parse
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.serverless.sweep import sweep
from badge_bridge.sources import OPTIONS, build_all
from badge_bridge.sources.base import Delivery
from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.firestore.documents import EVENTS
from badge_bridge.store.protocol import Accepted, Store, StoredEvent
from support.company import PBX_TOKEN, RULES, Network, number_of, ours, portal_of
from support.firestore_bill import Bill, Cost, billed
from support.instances import Instance, install, open_instance
from support.portals import START

__all__ = ["KINDS", "Kind", "Run", "run_counted"]

_LEGS = """
  queue:
    provider: zoom
    secrets: ["${QUEUE_TOKEN}"]
badges:
"""

BETWEEN = 30.0
"""Seconds between events or groups of them: the portal's bucket has drained by then."""

_RINGING: Sequence[Mapping[str, Any]] = (
    {"state": "started"},
    {"state": "ringing"},
    {"state": "ended", "ends": "leg", "outcome": "no_answer"},
)
LEGS = len(_RINGING)

KINDS = {
    "missed": "a missed call: its badge is put on a card",
    "returned": "an answered call that clears a badge",
    "answered": "an answered call with nothing to clear",
    "unmatched": "an event that no rule is for",
    "repeated": "a delivery that comes a second time",
    "pushed again": "a message that comes a second time",
    "legs": f"a missed call that {LEGS} deliveries tell of",
    "sweep": "a sweep that finds nothing",
    "forgotten": "an event whose time is over",
    "start": "a process that starts",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What one event of a kind costs on average, by method of the store; how often each is called for it."""

    costs: Mapping[str, Cost]
    uses: Mapping[str, float]
    messages: float
    """That were published for it."""
    requests: float = 0.0
    """To the portal."""
    waited: float = 0.0
    """Seconds that `process` waits within a request until something is due."""

    @property
    def cost(self) -> Cost:
        return sum(self.costs.values(), Cost())


@dataclass(frozen=True, slots=True)
class Run:
    kinds: Mapping[str, Kind]
    states: Mapping[str, Mapping[str, int]]
    """How the events of a kind ended."""
    activities: Counter[int]
    """How many activities of ours each customer's deal has."""
    badges: int
    """Customers that ought to have one."""
    size: float
    """Bytes of an event's document, without what the indexes take (Firestore docs, "Storage size")."""

    def mistakes(self) -> list[str]:
        """What makes the figures worthless: events that did not end as their kind should."""
        wanted = {"missed": "done", "returned": "done", "answered": "ignored", "unmatched": "ignored", "legs": "done"}
        said = [
            f"{kind} events ended as {dict(states)}"
            for kind, states in self.states.items()
            if set(states) != {wanted[kind]}
        ]
        if set(self.activities.values()) != {1} or len(self.activities) != self.badges:
            said.append(f"{self.badges} customers have {sum(self.activities.values())} activities")
        return said


class Clock:
    """Unix seconds that pass only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = START
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        self.slept += seconds


@dataclass
class _Deployment:
    rules: RulesFile
    official: FirestoreStore
    store: Store
    bill: Bill
    clock: Clock
    portal: SandboxPortal
    instance: Instance
    messages: list[str]
    wake: Callable[[Sequence[str]], Awaitable[None]]
    together: int

    async def deliver(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Let the telephone system report calls (their id, and what else is said), and `process` work on them."""
        for start in range(0, len(events), self.together):
            for call, said in events[start : start + self.together]:
                await self._report(call, said)
            await self._process()
            self.clock.now += BETWEEN

    async def legs(self, calls: Sequence[tuple[str, int]]) -> None:
        """Let a queue report the legs of calls, by their id and customer."""
        placing = Calls(rules=self.rules, sources=build_all(self.rules.sources), store=self.store, clock=self.clock)
        for call, customer in calls:
            for number, fields in enumerate(_RINGING):
                self.clock.now += 1.0
                event = _leg(call, number, customer, fields, self.clock.now)
                key = f"queue:{event.id}"
                place = placing.place(event, self.clock.now)
                await self.store.accept(
                    [Accepted(key, event, "", self.clock.now, joins=(call_join(event),), leg=place)]
                )
                await self.wake([key])
                await self._process()
            self.clock.now += BETWEEN

    async def _report(self, call: str, said: Mapping[str, Any]) -> None:
        moment = datetime.fromtimestamp(self.clock.now, UTC).isoformat()
        body = json.dumps({"id": call, "time": moment, **said}).encode()
        headers = [("authorization", f"Bearer {PBX_TOKEN}"), ("content-type", "application/json")]
        accepting = self.instance.bridge.accepting
        await accepting.accept(accepting.source("pbx", "POST"), Delivery("POST", "", headers, body, self.clock.now))

    async def _process(self) -> None:
        while self.messages:
            keys, self.messages[:] = [*self.messages], []
            await asyncio.gather(*(self.instance.processing.event(key) for key in keys))

    async def sweep(self) -> None:
        answer = await sweep(self.instance.bridge)
        assert json.loads(bytes(answer.body))["nothing_left"], answer.body
        self.clock.now += 60.0


def _leg(call: str, number: int, customer: int, fields: Mapping[str, Any], now: float) -> Event:
    caller = number_of(customer)
    return Event(
        id=f"{call}.{number}",
        source="queue",
        provider="zoom",
        type=LEG,
        time=datetime.fromtimestamp(now, UTC),
        direction="inbound",
        caller=caller,
        subject=caller,
        data={"body": "b" * 300},
        leg=Leg(call=call, leg="1", party="agent", **fields),
    )


@asynccontextmanager
async def _open(events: int, together: int) -> AsyncIterator[_Deployment]:
    known = {"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN, "QUEUE_TOKEN": "q" * 32}
    rules = parse(RULES.replace("badges:\n", _LEGS.removeprefix("\n"), 1), environ=known, providers=OPTIONS)
    bill, clock, messages = Bill(), Clock(), list[str]()
    official = FirestoreStore(f"bench-{secrets.token_hex(8)}")
    await official.open()
    store = await billed(official, bill)

    async def wake(keys: Sequence[str]) -> None:
        messages.extend(keys)
        bill.uses["published"] += max(1, len(keys))

    portal = portal_of(3 * events, clock=clock)
    given: dict[str, Any] = {"store": store, "clock": clock, "wake": wake, "sleep": clock.sleep}
    try:
        async with open_instance(rules, transport=Network(portal, 0.0), **given) as first:
            await install(first, {"main": portal}, clock)
            await first.bridge.pipeline.archive.keep(rules)
        bill.taken()
        async with open_instance(rules, transport=Network(portal, 0.0), **given) as instance:
            # Before its first event each process looks whether its rules file is kept.
            await instance.bridge.pipeline.archive.keep(rules)
            yield _Deployment(rules, official, store, bill, clock, portal, instance, messages, wake, together)
    finally:
        await official.close()


async def run_counted(events: int, *, together: int = 1) -> Run:
    """Let `events` of each kind happen, so many `together` at a time, and count what they cost.

    FIRESTORE_EMULATOR_HOST says where.
    """
    async with _open(events, together) as deployment:
        kinds: dict[str, Kind] = {}
        seen = deployment.portal.journal.last

        def note(kind: str, number: int) -> None:
            nonlocal seen
            costs, uses = deployment.bill.taken()
            kinds[kind] = Kind(
                {method: cost / number for method, cost in costs.items()},
                {method: count / number for method, count in uses.items() if method != "published"},
                uses.get("published", 0) / number,
                (deployment.portal.journal.last - seen) / number,
                deployment.clock.slept / number,
            )
            seen, deployment.clock.slept = deployment.portal.journal.last, 0.0

        note("start", 1)
        customers = range(1, events + 1)
        missed = [(f"m{one}", {"outcome": "missed", "from": number_of(one)}) for one in customers]
        await deployment.deliver(missed)
        note("missed", events)
        await deployment.deliver([(f"r{one}", {"outcome": "answered", "from": number_of(one)}) for one in customers])
        note("returned", events)
        await deployment.deliver(
            [(f"a{one}", {"outcome": "answered", "from": number_of(events + one)}) for one in customers]
        )
        note("answered", events)
        await deployment.deliver([(f"u{one}", {"outcome": "voicemail", "from": number_of(one)}) for one in customers])
        note("unmatched", events)
        await deployment.deliver(missed)
        note("repeated", events)
        stored = await _stored(deployment)
        deployment.bill.taken()
        for event in stored[:events]:
            await deployment.instance.processing.event(event.key)
        note("pushed again", events)
        await deployment.legs([(f"l{one}", 2 * events + one) for one in customers])
        note("legs", events)
        for _ in range(2):  # the first one in a process may see to something else, too
            await deployment.sweep()
            note("sweep", 1)
        stored = await _stored(deployment)
        size = await _size_of_events(deployment.official)
        deployment.bill.taken()
        while (await deployment.store.forget(before=deployment.clock() + BETWEEN, limit=100)).more:
            pass
        note("forgotten", len(stored))
        return Run(kinds, _states(stored), _activities(deployment.portal), 2 * events, size)


async def _stored(deployment: _Deployment) -> Sequence[StoredEvent]:
    found: Sequence[StoredEvent] = (await deployment.store.list(limit=100_000)).events
    return found


def _states(stored: Sequence[StoredEvent]) -> Mapping[str, Mapping[str, int]]:
    letters = {kind[0]: kind for kind in ("missed", "returned", "answered", "unmatched")}
    states: dict[str, Counter[str]] = {}
    for one in stored:
        if one.event.leg is None:
            kind = "legs" if one.event.source == "queue" else letters[one.event.id[0]]
            states.setdefault(kind, Counter())[one.state] += 1
        elif one.state != "joined":
            states.setdefault("legs", Counter())[f"leg {one.state}"] += 1
    return states


def _activities(portal: SandboxPortal) -> Counter[int]:
    return Counter(one.owner_id for one in ours(portal))


async def _size_of_events(store: FirestoreStore) -> float:
    database = (await store._loaded()).database
    found = await database.find(database.collection(EVENTS))
    return sum(_name_size(reference.path) + _size(fields) + 32 for reference, fields in found) / len(found)


def _name_size(path: str) -> int:
    return sum(len(part.encode()) + 1 for part in path.split("/")) + 16


def _size(value: Any) -> int:
    match value:
        case None | bool():
            return 1
        case int() | float() | datetime():
            return 8
        case str():
            return len(value.encode()) + 1
        case bytes():
            return len(value)
        case dict():
            return sum(_size(name) + _size(one) for name, one in value.items())
        case _:
            return sum(map(_size, value))
