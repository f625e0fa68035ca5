"""The event of a call: put together in one way, whichever provider tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from badge_bridge.events import LEG, Direction, Event, Leg
from badge_bridge.sources.base import Source
from badge_bridge.sources.judgement import Judgement
from badge_bridge.sources.phone_numbers import parties

__all__ = ["call_event", "leg_event"]


def call_event(
    source: Source[Any],
    *,
    id: str,  # noqa: A002 - what the event calls it
    time: datetime,
    judgement: Judgement,
    direction: Direction,
    caller: str,
    callee: str,
    duration: int | None,
    data: Mapping[str, Any],
    may_lack_plus: bool = False,
    leg: Leg | None = None,
) -> Event:
    """A `call.<outcome>` event; with `leg` one of type `LEG`, which is only a part of what has to be judged.

    `caller` and `callee` are as received, national numbers are read by the source's country; `duration` is the seconds
    of conversation; `data` is the parsed body without its secrets; for `may_lack_plus` see `read_number`.
    """
    country = source.options.country
    ends = parties(direction, caller=caller, callee=callee, country=country, may_lack_plus=may_lack_plus)
    return Event(
        id=id,
        source=source.name,
        provider=source.options.provider,
        type=LEG if leg else judgement.type,
        time=time,
        subject=ends.subject,
        direction=direction,
        outcome="" if leg else judgement.outcome,
        reason="" if leg else judgement.reason,
        caller=ends.caller,
        callee=ends.callee,
        line=ends.line,
        duration=duration,
        data={**data, **ends.notes},
        leg=leg,
    )


def leg_event(
    source: Source[Any],
    *,
    id: str,  # noqa: A002 - the same
    time: datetime,
    leg: Leg,
    direction: Direction,
    caller: str,
    callee: str,
    data: Mapping[str, Any],
    duration: int | None = None,
    may_lack_plus: bool = False,
) -> Event:
    """The event of one leg or state of a call; `direction` and the numbers are those of the whole call where they are
    known from this delivery, else empty.
    """
    return call_event(
        source,
        id=id,
        time=time,
        judgement=Judgement("unknown"),
        direction=direction,
        caller=caller,
        callee=callee,
        duration=duration,
        data=data,
        may_lack_plus=may_lack_plus,
        leg=leg,
    )
