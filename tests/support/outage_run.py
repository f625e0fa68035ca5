"""A portal that is away for a day while calls go on being missed, on virtual time: how the backlog drains afterwards.

The whole bridge against the sandbox; whoever cannot reach it hears what a portal behind a dead address answers, which
is nothing. Customers call several times, so the cards have to keep their badges apart. When the portal is back, calls
come in as before, and faster.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import httpx

from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.store.wanted import Wanted
from support.company import Company, Network, number_of, open_company, over_limit
from support.portals import fullest_bucket

__all__ = ["DAY", "Plan", "Report", "run_outage"]

DAY = 86_400.0

PATIENCE = 6 * 3600.0
"""Virtual seconds after the portal is back by which everything must have ended; the longest pause is four hours."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`events` come while the portal is away, evenly over `away` seconds; then `rate` a second until they are done."""

    events: int = 20_000
    customers: int = 2_000
    away: float = DAY
    rate: float = 2.0
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. Times are seconds of the run; `old` are the events that waited, by their age, `new` the others
    in the order in which they came.

    `back` is when the portal could be reached again, `noticed` when it was first asked then, `over` when the last old
    event was done; `arrivals` are the requests since then.
    """

    old: Sequence[StoredEvent]
    new: Sequence[StoredEvent]
    back: float
    noticed: float
    over: float
    arrivals: Sequence[float]
    tried_while_away: int
    refused: int
    activities: Mapping[str, int]
    began: float

    @property
    def seconds(self) -> float:
        """What draining has taken."""
        return self.over - self.noticed

    @property
    def requests(self) -> int:
        """Those that draining has taken."""
        return sum(at <= self.over for at in self.arrivals)

    @property
    def per_request(self) -> float:
        """Events done for each of them."""
        done = sum(_settled(event) - self.began <= self.over for event in (*self.old, *self.new))
        return done / self.requests

    def waits(self) -> list[float]:
        """Seconds until the events were done that came while others drained, shortest first."""
        return sorted(
            _settled(event) - event.received_at
            for event in self.new
            if self.noticed < event.received_at - self.began < self.over
        )

    def out_of_turn(self) -> list[int]:
        """By how many places the old events were done later than by their age, the furthest first.

        Those that are worked on side by side end in any order, so as many places as these are no disorder. The one that
        was the last to find out that the portal is away lets others go first.
        """
        order = sorted(range(len(self.old)), key=lambda number: _settled(self.old[number]))
        return sorted((place - number for place, number in enumerate(order)), reverse=True)

    def fullest_bucket(self) -> float:
        """The most requests that the portal's bucket held."""
        return fullest_bucket(self.arrivals)

    def mistakes(self) -> list[str]:
        """What is wrong, in words."""
        states = Counter(event.state for event in (*self.old, *self.new))
        said = [f"{count} events are {state}" for state, count in states.items() if state != "done"]
        failures = sum(event.failures for event in (*self.old, *self.new))
        if failures:
            said.append(f"{failures} attempts were counted against events for an outage that was not theirs")
        doubled = sum(count - 1 for count in self.activities.values())
        if doubled or len(self.activities) != len(self.old) + len(self.new):
            said.append(
                f"{len(self.activities)} activities for {len(self.old) + len(self.new)} events, {doubled} twice"
            )
        if self.refused:
            said.append(f"{self.refused} requests were refused for the limit")
        return said


class _Away(Network):
    """A network behind which the portal may be away; counts who tried, and when a request arrived."""

    is_away = False

    def __init__(self, portal: SandboxPortal, latency: float) -> None:
        super().__init__(portal, latency)
        self.tried = 0
        self.arrivals: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            self.tried += 1
            raise httpx.ConnectError("connection refused")
        return await super().handle_async_request(request)

    async def arrive(self, request: httpx.Request) -> httpx.Response:
        self.arrivals.append(asyncio.get_running_loop().time())
        return await super().arrive(request)


async def run_outage(plan: Plan) -> Report:
    """Let the plan happen, and wait until all has ended."""
    networks: list[_Away] = []

    def network(portal: SandboxPortal, latency: float) -> _Away:
        networks.append(_Away(portal, latency))
        return networks[0]

    async with open_company(customers=plan.customers, network=network) as company:
        loop, away = asyncio.get_running_loop(), networks[0]
        chance = Random(plan.seed)  # noqa: S311 - chance, no secret
        began = company.bridge.clock() - loop.time()
        away.is_away = True
        left = loop.time()
        old: list[str] = []
        for number in range(plan.events):
            await asyncio.sleep(left + plan.away * (number + 1) / plan.events - loop.time())
            old.append(await _call(company, plan, chance))
        tried = away.tried
        away.is_away = False
        away.arrivals.clear()
        back, seen = loop.time(), company.portal.journal.last
        new: list[str] = []
        coming = asyncio.create_task(_go_on(company, plan, chance, new))
        end = back + PATIENCE
        while not away.arrivals or await _waiting(company, since=began + back):
            assert loop.time() < end, "the backlog has not drained"
            await asyncio.sleep(1.0)
        coming.cancel()
        events = {event.event.id: event for event in await company.ended(patience=PATIENCE)}
        told = [events[call] for call in old]
        return Report(
            old=told,
            new=[events[call] for call in new],
            back=back,
            noticed=away.arrivals[0],
            over=max(_settled(event) for event in told) - began,
            arrivals=away.arrivals,
            tried_while_away=tried,
            refused=over_limit(company.portal, since=seen),
            activities=company.activities(),
            began=began,
        )


async def _call(company: Company, plan: Plan, chance: Random) -> str:
    now = asyncio.get_running_loop().time()
    return await company.report(number_of(chance.randint(1, plan.customers)), at=now)


async def _go_on(company: Company, plan: Plan, chance: Random, calls: list[str]) -> None:
    while True:
        await asyncio.sleep(chance.expovariate(plan.rate))
        calls.append(await _call(company, plan, chance))


async def _waiting(company: Company, *, since: float) -> bool:
    """Whether an event that came before then has not ended."""
    store = company.bridge.store
    for state in ("waiting", "working"):
        if (await store.list(Wanted(state=state), limit=1, before=(since, ""))).events:
            return True
    return False


def _settled(event: StoredEvent) -> float:
    assert event.settled_at is not None
    return event.settled_at
