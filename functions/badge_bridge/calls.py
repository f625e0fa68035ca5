"""Calls of which several deliveries tell: their legs are joined, and judged as one event once the call is over.

A leg is an event like any other: stored before the provider hears 2xx, leased, settled. One leg of a call waits for all
of them, until the call may be judged; the others are joined to it in the moment in which they are stored
(`store.legs`). Processing the one that waits means to look at all legs of its call. While the call may go on, or its
grace time runs, it waits on; when the call can be judged, it writes the judgement, which settles every leg that is
open (`Store.judge`).

Nothing depends on the order in which legs come, on how often they come, or on who is killed meanwhile. Legs are only
ever added, and each read of the store sees all that were there before it, so the judgement that was made from more legs
is the better one: `judge` keeps it. A leg that comes after the judgement makes a new one in the same way; what it
changes, the rules do anew.

A leg ends as joined where a judgement has been written of it and others, or where another leg will certainly read it:
one that waits, and so reads after this one was stored. Therefore no call of many legs costs the square of their
number: it is read when its grace time is over, and not once for each leg.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from badge_bridge.events import Event, call_join, event_key
from badge_bridge.plural import counted
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.base import CorrelatingOptions, Source
from badge_bridge.sources.legs import MOST_LEGS, judged_identity
from badge_bridge.store.protocol import Accepted, Claim, LegPlace, LegsRead, Settlement, Store, StoredEvent

if TYPE_CHECKING:
    from badge_bridge.sources.joining import LegEvent

__all__ = ["Calls", "Joined"]

_SKEW = 60.0
"""Seconds that the clocks of two machines may differ. What was received later than that was so by a clock that has been
set back since."""


@dataclass(frozen=True, slots=True)
class Joined:
    """How an attempt at a leg ends."""

    settlement: Settlement
    wake: str = ""
    """Key of the judgement, where there is something new to do about it."""
    is_settled: bool = False
    """That it ended so was written down with the judgement."""


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

    def place(self, event: Event, received_at: float) -> LegPlace:
        """What the store needs to place a new leg among those of its call."""
        assert event.leg is not None, "only legs have a place in a call"
        options = self._options(event)
        return LegPlace(
            call=call_join(event),
            judged=event_key(event.source, judged_identity(event.leg.call)),
            ends=bool(event.leg.ends),
            soon=received_at if event.leg.final else received_at + options.grace,
            late=received_at + options.longest_call,
            most=MOST_LEGS,
        )

    async def join(self, claim: Claim) -> Joined:
        """Take up one leg.

        Raises:
            StoreUnavailable: nothing came of it yet.
        """
        # Only for those who work on legs: whoever takes them in, which must start quickly, puts them in their place.
        from badge_bridge.sources.joining import LegEvent, when_to_judge  # noqa: PLC0415

        stored = await self._store.related(call_join(claim.event), limit=MOST_LEGS)
        found = [one for one in stored if one.event.leg is not None]
        now = self._clock()
        legs = [
            LegEvent(one.key, one.received_at if one.received_at <= now + _SKEW else 0.0, one.event) for one in found
        ]
        options = self._options(claim.event)
        due = when_to_judge(legs, grace=options.grace, longest=options.longest_call)
        if due <= now or len(stored) >= MOST_LEGS:
            return await self._judge(claim, legs, found, count=len(stored))
        if any(one.key != claim.key and _reads_by(one, due) for one in found):
            reason = "another leg of the call waits for its end"
            return Joined(Settlement(state="joined", ended_at=now, reason=reason))
        return Joined(Settlement(state="waiting", ended_at=now, due=due, reason=_waiting_for(legs)))

    async def _judge(self, claim: Claim, legs: list[LegEvent], found: list[StoredEvent], *, count: int) -> Joined:
        from badge_bridge.sources.joining import judged_event  # noqa: PLC0415 - see `join`

        judged = judged_event(legs)
        now = self._clock()
        key = event_key(judged.source, judged_identity(judged.id))
        ways = dict.fromkeys(one.verified for one in found)
        accepted = Accepted(
            key=key,
            event=judged,
            verified=f"from {counted(len(legs), 'delivery', 'deliveries')}: {'; '.join(ways)}"[:500],
            received_at=now,
            joins=self._rules.joins(judged),
        )
        read = LegsRead(
            call=call_join(claim.event),
            count=count,
            open=[one.key for one in found if one.state in ("waiting", "working")],
            is_full=count >= MOST_LEGS,
            reason=f"judged as {judged.type} in {key}",
            rules_hash=self._rules.hash,
        )
        done = await self._store.judge(accepted, revision=len(legs), legs=read, now=now)
        settlement = Settlement(state="joined", ended_at=now, reason=read.reason)
        # Above the number of legs that are looked at, the one that is worked on may not be among those that were read.
        is_settled = done.is_whole and claim.key in read.open
        return Joined(settlement, wake=key if done.is_news else "", is_settled=is_settled)

    def _options(self, event: Event) -> CorrelatingOptions:
        """Those of the leg's source; the defaults where the rules file does not have it any more."""
        source = self._sources.get(event.source)
        options = source.options if source else None
        return options if isinstance(options, CorrelatingOptions) else CorrelatingOptions(provider=event.provider)


def _reads_by(leg: StoredEvent, due: float) -> bool:
    """Whether a leg that is not being worked on, and is not near to being dead, comes up in time: it will see another
    one, which need not wait too.
    """
    return leg.state == "waiting" and not leg.failures and leg.due <= due


def _waiting_for(legs: list[LegEvent]) -> str:
    if any(one.leg.ends for one in legs):
        return "waits for what else is told of the call"
    return "waits for the call's end"
