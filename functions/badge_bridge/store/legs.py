"""Where a new leg of a call goes: the one rule that every store follows, in the transaction that writes the leg.

One leg of a call waits for all of them, its keeper. Whoever comes while the keeper waits is left to it, and ends as
joined at once: the keeper will read all legs that are stored when its time has come. A keeper that is being worked on
may have read already, so the next leg waits in its place; so too where the keeper has failed before and may end as
dead, or where this version cannot read it.

A judgement that was made of all legs that are stored settles all of them. One that was made of fewer settles none but
its maker, and hurries the keeper, which reads the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from badge_bridge.store.protocol import LegPlace

__all__ = ["Call", "Placing", "Stage", "place"]


class Stage(IntEnum):
    """How far a call is known to have come; it only grows."""

    GOING_ON = 0
    HAS_ENDED = 1
    """Of one leg at least it was told that something has ended."""
    JUDGED = 2
    FULL = 3
    """Judged, and no further leg changes that."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a store keeps of a call besides its legs."""

    legs: int = 0
    keeper: str = ""
    """Key of the leg that others are left to, as long as it waits."""
    stage: Stage = Stage.GOING_ON


@dataclass(frozen=True, slots=True)
class Placing:
    """What becomes of a leg, of its call, and of the call's keeper of before."""

    call: Call
    due: float | None
    """When the leg is due; None where it is joined at once."""
    reason: str
    keeper_due: float | None = None
    """When the keeper is due at the latest."""


def place(key: str, leg: LegPlace, received_at: float, *, call: Call, keeper_waits: bool) -> Placing:
    """`keeper_waits`: the call's keeper waits, has not failed so far, and can be read."""
    legs, stage = call.legs + 1, max(call.stage, Stage.HAS_ENDED if leg.ends else Stage.GOING_ON)
    left = f"left to another leg of the call, to be judged in {leg.judged}"
    if stage == Stage.FULL:
        return Placing(Call(legs, call.keeper, stage), None, f"more legs than are looked at, judged in {leg.judged}")
    due, reason = _due(leg, received_at, stage, is_last=legs >= leg.most)
    if keeper_waits:
        return Placing(Call(legs, call.keeper, stage), None, left, keeper_due=due)
    return Placing(Call(legs, key, stage), due, reason)


def _due(leg: LegPlace, received_at: float, stage: Stage, *, is_last: bool) -> tuple[float, str]:
    if is_last or (stage == Stage.JUDGED and not leg.ends):
        return received_at, ""
    if stage >= Stage.HAS_ENDED:
        # Also where it is another leg that ended: this one may tell that it was the last.
        return leg.soon, "waits for what else is told of the call"
    return leg.late, "waits for the call's end"
