"""Calls of which several deliveries tell: their legs are joined, and judged as one event once the call is over.

A leg is an event like any other: stored before the provider hears 2xx, leased, settled. Processing it means to look at
all legs of its call. While the call may go on, or its grace time runs, the leg waits; when it can be judged, whichever
leg comes first writes the judgement (`Store.revise`), and all of them are `joined`.

Nothing depends on the order in which legs come, on how often they come, or on who is killed meanwhile. Legs are only
ever added, and each read of the store sees all that were there before it, so the judgement that was made from more legs
is the better one: `revise` keeps it. A leg that comes after the judgement makes a new one in the same way; what it
changes, the rules do anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.events import Event, event_key
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.base import CorrelatingOptions, Source
from badge_bridge.sources.joining import MOST_LEGS, LegEvent, judged_event, judged_identity, when_to_judge
from badge_bridge.store.protocol import Accepted, Settlement, Store, StoredEvent

__all__ = ["FINAL", "Calls", "Joined", "call_join"]

FINAL = 1_000_000
"""The revision of what was said for good: more than the legs of any call that are looked at."""

_SKEW = 60.0
"""Seconds that the clocks of two machines may differ. What was received later than that was so by a clock that has been
set back since."""


@dataclass(frozen=True, slots=True)
class Joined:
    """How an attempt at a leg ends, and the key of the judgement where there is something new to do about it."""

    settlement: Settlement
    wake: str = ""


def call_join(event: Event) -> str:
    """The value by which the legs of one call find each other; only for legs."""
    assert event.leg is not None, "only legs are joined"
    return f"call\n{event.source}\n{event.leg.call}"


class Calls:
    """Joins the legs of all sources. `clock` returns unix seconds."""

    def __init__(
        self,
        *,
        rules: RulesFile,
        sources: Mapping[str, Source[Any]],
        store: Store,
        clock: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._sources = sources
        self._store = store
        self._clock = clock

    async def join(self, key: str, event: Event) -> Joined:
        """Take up one leg.

        Raises:
            StoreUnavailable: nothing came of it yet.
        """
        stored = await self._store.related(call_join(event), limit=MOST_LEGS)
        found = [one for one in stored if one.event.leg is not None]
        now = self._clock()
        legs = [
            LegEvent(one.key, one.received_at if one.received_at <= now + _SKEW else 0.0, one.event) for one in found
        ]
        options = self._options(event)
        due = when_to_judge(legs, grace=options.grace, longest=options.longest_call)
        if due > now and not self._another_waits(found, key, due):
            return Joined(Settlement(state="waiting", ended_at=now, due=due, reason=_waiting_for(legs)))
        if due > now:
            return Joined(Settlement(state="joined", ended_at=now, reason="a later leg of the call waits for its end"))
        return await self._judge(legs, found, now)

    async def _judge(self, legs: list[LegEvent], found: list[StoredEvent], now: float) -> Joined:
        judged = judged_event(legs)
        key = event_key(judged.source, judged_identity(judged.id))
        ways = dict.fromkeys(one.verified for one in found)
        accepted = Accepted(
            key=key,
            event=judged,
            verified=f"from {len(legs)} deliveries: {'; '.join(ways)}"[:500],
            received_at=now,
            joins=self._rules.joins(judged),
        )
        is_news = await self._store.revise(accepted, revision=len(legs), now=now)
        await self._store.hasten([one.key for one in found if one.state == "waiting"], now=now)
        reason = f"judged as {judged.type} in {key}"
        return Joined(Settlement(state="joined", ended_at=now, reason=reason), wake=key if is_news else "")

    def _options(self, event: Event) -> CorrelatingOptions:
        """Those of the leg's source; the defaults where the rules file does not have it any more."""
        source = self._sources.get(event.source)
        options = source.options if source else None
        return options if isinstance(options, CorrelatingOptions) else CorrelatingOptions(provider=event.provider)

    @staticmethod
    def _another_waits(found: list[StoredEvent], key: str, due: float) -> bool:
        """Whether a leg that is not being worked on, and is not near to being dead, comes up in time: it will see this
        one, which need not wait too.
        """
        return any(one.state == "waiting" and not one.failures and one.due <= due for one in found if one.key != key)


def _waiting_for(legs: list[LegEvent]) -> str:
    if any(one.leg.ends for one in legs):
        return "waits for what else is told of the call"
    return "waits for the call's end"
