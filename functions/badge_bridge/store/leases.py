"""What a call that leases comes to: claims, and events that this version cannot read.

Those are not handed out. They are settled in the same step, so that one of them never holds up the others, and wait
as dead for a version that can read them and for whoever redrives them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from badge_bridge.store.protocol import Claim, Settlement
from badge_bridge.store.records import Unreadable

__all__ = ["SetAside", "hand_out", "overtaken", "set_aside"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that ended instead of being leased, and why."""

    key: str
    reason: str


def set_aside(error: Unreadable, *, now: float) -> Settlement:
    """How the attempt at an event ends that cannot be read."""
    return Settlement(state="dead", ended_at=now, reason=str(error), failed=True)


def overtaken(settlement: Settlement) -> Settlement:
    """How an attempt ends that was about a content which was replaced meanwhile (`Store.judge`)."""
    reason = "what the event says has changed meanwhile"
    return replace(settlement, state="waiting", due=settlement.ended_at, lane="", failed=False, reason=reason)


def hand_out(taken: Iterable[Claim | SetAside]) -> list[Claim]:
    """The claims, in order; the log tells of the rest. Called once it is sure that both are written."""
    claims = []
    for one in taken:
        if isinstance(one, Claim):
            claims.append(one)
        else:
            _log.error("%s: %s; it is dead until a version that can read it redrives it", one.key, one.reason)
    return claims
