"""Calls of which several deliveries tell: their legs are joined, and judged as one event once the call is over.

A leg is an event like any other: stored before the provider hears 2xx, leased, settled. Processing it means to look at
all legs of its call. While the call may go on, or its grace time runs, the leg waits; when it can be judged, whichever
leg comes first writes the judgement (`Store.revise`), and all of them are `joined`.

Nothing depends on the order in which legs come, on how often they come, or on who is killed meanwhile. Legs are only
ever added, and each read of the store sees all that were there before it, so the judgement that was made from more legs
is the better one: `revise` keeps it. A leg that comes after the judgement makes a new one in the same way; what it
changes, the rules do anew.

Not every leg reads all the others, or a call of many legs would cost the square of their number. What a reading found
holds for each leg that was being worked on when it began; and the more legs it found, the longer it is until the next
one (`_Known`). Both are remembered by this process only and decide nothing but who reads: a leg ends as joined where
a judgement has been written of it and others, or where another leg will certainly read it: one that is neither joined
nor dead, and reads after this one was stored.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from badge_bridge.events import Event, event_key
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.base import CorrelatingOptions, Source
from badge_bridge.sources.joining import MOST_LEGS, LegEvent, judged_event, judged_identity, when_to_judge
from badge_bridge.store.protocol import Accepted, Claim, Settlement, Store, StoredEvent

__all__ = ["Calls", "Joined", "call_join"]

_OFTEN = 10
"""Legs of a call that may be read as often as a leg comes in; hardly any call has more."""

_REST = 0.01
"""Seconds until the next reading for each leg above that: a call costs at most 100 legs a second, and waits 5 s."""

_REMEMBERED = 2_000
"""Calls of which it is known when they were read. For one that was forgotten, the next leg reads."""

_SKEW = 60.0
"""Seconds that the clocks of two machines may differ. What was received later than that was so by a clock that has been
set back since."""


@dataclass(frozen=True, slots=True)
class Joined:
    """How an attempt at a leg ends, and the key of the judgement where there is something new to do about it."""

    settlement: Settlement
    wake: str = ""


@dataclass(slots=True)
class _Known:
    """What this process knows of the last reading of a call."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    rests_until: float = 0.0
    """Unix seconds before which the call is not read again."""
    seen: frozenset[tuple[str, int]] = frozenset()
    """Key and attempt of the legs that were being worked on when it was read: it holds for them, too."""
    keeper: str = ""
    """The leg that reads next, as far as known; empty where the call was judged."""
    reason: str = ""
    """Why legs that it holds for end as joined."""
    is_full: bool = False
    """No further leg changes the judgement."""


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
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def join(self, claim: Claim) -> Joined:
        """Take up one leg.

        Raises:
            StoreUnavailable: nothing came of it yet.
        """
        known = self._known_of(call_join(claim.event))
        async with known.lock:
            now = self._clock()
            if known.is_full or (claim.key, claim.attempt) in known.seen:
                return Joined(Settlement(state="joined", ended_at=now, reason=known.reason))
            # Further ahead than any rest is what a clock wrote that has been set back since.
            if now < known.rests_until <= now + MOST_LEGS * _REST:
                return await self._rest(claim.key, known, now)
            return await self._read(claim.key, claim.event, known)

    def _known_of(self, call: str) -> _Known:
        known = self._known.setdefault(call, _Known())
        self._known.move_to_end(call)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    async def _rest(self, key: str, known: _Known, now: float) -> Joined:
        """Leave a leg to the one that reads after the rest, or let it be that one."""
        keeper = await self._store.get(known.keeper) if known.keeper not in ("", key) else None
        # Not by what is remembered: another process may have read with it before this leg was stored.
        if keeper is not None and _reads_by(keeper, known.rests_until):
            return Joined(Settlement(state="joined", ended_at=now, reason="another leg of the call reads it soon"))
        known.keeper = key
        reason = "waits to be read with other legs of the call"
        return Joined(Settlement(state="waiting", ended_at=now, due=known.rests_until, reason=reason))

    async def _read(self, key: str, event: Event, known: _Known) -> Joined:
        stored = await self._store.related(call_join(event), limit=MOST_LEGS)
        found = [one for one in stored if one.event.leg is not None]
        now = self._clock()
        legs = [
            LegEvent(one.key, one.received_at if one.received_at <= now + _SKEW else 0.0, one.event) for one in found
        ]
        options = self._options(event)
        due = when_to_judge(legs, grace=options.grace, longest=options.longest_call)
        is_full = len(found) >= MOST_LEGS
        if due > now and not is_full:
            keeper = next((one.key for one in found if one.key != key and _reads_by(one, due)), key)
            joined = Joined(
                Settlement(state="joined", ended_at=now, reason="another leg of the call waits for its end")
            )
            answer = joined
            if keeper == key:
                answer = Joined(Settlement(state="waiting", ended_at=now, due=due, reason=_waiting_for(legs)))
        else:
            keeper, answer = "", await self._judge(legs, found, now)
            joined = answer
        known.seen = frozenset((one.key, one.attempts) for one in found if one.state == "working")
        known.keeper, known.reason, known.is_full = keeper, joined.settlement.reason, is_full
        known.rests_until = now + _REST * max(0, len(found) - _OFTEN)
        return answer

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


def _reads_by(leg: StoredEvent, due: float) -> bool:
    """Whether a leg that is not being worked on, and is not near to being dead, comes up in time: it will see another
    one, which need not wait too.
    """
    return leg.state == "waiting" and not leg.failures and leg.due <= due


def _waiting_for(legs: list[LegEvent]) -> str:
    if any(one.leg.ends for one in legs):
        return "waits for what else is told of the call"
    return "waits for the call's end"
