"""A bridge whose clock and whose worker the test moves, over any store: calls are told of by legs, and judged.

No rule is for these calls, so that a judgement that somebody has worked on ends as ignored, without a portal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from badge_bridge.events import LEG, Event, Leg, call_join
from badge_bridge.pipeline import Pipeline
from badge_bridge.rulesfile import parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Accepted, Store, StoredEvent
from support.company import PBX_TOKEN, RULES
from support.every_source import source_of
from support.portals import START

RINGS: dict[str, Any] = {"state": "ringing"}
ENDS: dict[str, Any] = {"state": "ended", "ends": "leg", "outcome": "no_answer"}


def leg_event(number: int, *, call: str = "7", **told: Any) -> Event:
    """What is told of one handset each."""
    return Event(
        id=f"{call}.{number}",
        source="s",
        provider="zoom",
        type=LEG,
        time=datetime.fromtimestamp(START + number, UTC),
        direction="outbound",
        callee="+4930123456",
        leg=Leg(call=call, leg=str(number), party="agent", **told),
    )


def key_of(number: int, *, call: str = "7") -> str:
    return f"s:{call}.{number}"


async def nobody(keys: Sequence[str]) -> None:
    """The test sweeps by itself."""


@dataclass
class ByHand:
    """`now` is the clock, unix seconds."""

    store: Store
    now: float = START
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        rules = parse(RULES, environ={"CLIENT_SECRET": "x" * 40, "PBX_TOKEN": PBX_TOKEN}, providers=OPTIONS)
        given: dict[str, Any] = {"rules": rules, "sources": {"s": source_of("zoom")}, "store": self.store}
        given |= {"clock": lambda: self.now, "steady": lambda: self.now, "random": lambda: 0.5}
        self.pipeline = Pipeline(**given, portals={}, wake=nobody)

    async def tell(self, *events: Event) -> None:
        """Let legs come in, in one delivery."""
        place = self.pipeline._calls.place
        legs = [(event, place(event, self.now)) for event in events]
        await self.store.accept(
            [Accepted(f"s:{event.id}", event, "", self.now, (call_join(event),), leg) for event, leg in legs]
        )

    async def work(self) -> None:
        """Do what is due by now."""
        while claims := await self.pipeline.sweep(10):
            for claim in claims:
                await self.pipeline.process(claim)

    async def work_to_the_end(self) -> None:
        """Do what there is, each at its time, until nothing waits."""
        for _ in range(50):
            await self.work()
            due = await self.store.next_due(now=self.now)
            if due is None:
                return
            self.now = max(self.now, due)
        raise AssertionError("something waits for ever")

    async def state(self, number: int) -> str:
        stored = await self.store.get(key_of(number))
        assert stored is not None
        return stored.state

    async def judgements(self) -> list[StoredEvent]:
        listed = (await self.store.list(limit=1000)).events
        return [one for one in listed if one.event.leg is None]
