"""Legs of a call, as providers tell of them, and the few that many calls have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from badge_bridge.events import LEG, Event, Leg
from badge_bridge.sources.joining import LegEvent

__all__ = [
    "ALL_TOLD",
    "BEGUN",
    "CANCELLED",
    "CUSTOMER",
    "ENDING",
    "FINAL",
    "LINE",
    "NOW",
    "OVER",
    "gave_up",
    "incoming",
    "of_handset",
    "picked_up",
    "ring",
    "told",
]

NOW = 1_763_778_600.0
CUSTOMER, LINE = "+4930123456", "+4989654321"


def told(
    leg: str = "",
    *,
    at: float = 0.0,
    direction: Any = "",
    caller: str = "",
    duration: int | None = None,
    key: str = "",
    **fields: Any,
) -> LegEvent:
    """One leg event; `at` is when it was received and happened, in seconds from the beginning."""
    event = Event(
        id="c",
        source="s",
        provider="p",
        type=LEG,
        time=datetime.fromtimestamp(NOW + at, UTC),
        direction=direction,
        caller=caller,
        callee=LINE if caller else "",
        subject=caller if direction == "inbound" else "",
        line=LINE if direction == "inbound" else "",
        duration=duration,
        leg=Leg(call="c", leg=leg, **fields),
        data={"at": at},
    )
    return LegEvent(key or f"s:{leg}:{fields.get('state', '')}:{at}", NOW + at, event)


def incoming(**fields: Any) -> LegEvent:
    return told("in", direction="inbound", caller=CUSTOMER, party="customer", **fields)


def ring(name: str, at: float = 1.0) -> LegEvent:
    return told(name, party="agent", state="ringing", at=at)


def gave_up(name: str, outcome: str = "no_answer", at: float = 20.0) -> LegEvent:
    return told(name, party="agent", state="ended", ends="leg", outcome=outcome, at=at)


def picked_up(name: str, at: float = 10.0) -> LegEvent:
    return told(name, party="agent", state="answered", human=True, at=at)


def of_handset(order: float, state: str, **fields: Any) -> LegEvent:
    """One of the states of a handset that a queue rings at again and again; the provider says their order."""
    fields = {"ends": "leg", "outcome": "no_answer", **fields} if state == "ended" else fields
    return told("a", at=order, order=order, direction="inbound", party="agent", state=state, **fields)


BEGUN = incoming(state="started")
OVER = incoming(state="ended", ends="call", outcome="completed", at=30.0)
ALL_TOLD = incoming(state="ended", ends="call", outcome="completed", tells_all=True, at=30.0)
ENDING: tuple[tuple[Any, Any], ...] = (("answered", ""), ("ended", "leg"))
CANCELLED = incoming(state="ended", ends="call", outcome="cancelled", at=30.0)

FINAL = incoming(state="ended", ends="call", outcome="cancelled", final=True, at=61.0)
