"""Ending the pauses of a portal by hand: for an operator who has mended what was wrong and need not wait; and what is
said of them to one who redrives events, which do wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from badge_bridge.moments import iso, span
from badge_bridge.portal.portal import lanes_of
from badge_bridge.portal.reasons import parse
from badge_bridge.store.protocol import Pause, Store

__all__ = ["end_pauses", "in_json", "waits_for"]

logger = logging.getLogger(__name__)

_SHOWN = 3
"""Paused lanes that are named."""


async def end_pauses(store: Store, lanes: Sequence[str], *, now: float, by: str) -> Sequence[Pause]:
    """End the pauses of these lanes that are not over, as their time would have: one event tries each lane, and what
    becomes of it opens the lane or pauses it anew. `now` is in unix seconds, and `by` says in the log which way it was
    done.

    Returns:
        The pauses as they were.

    Raises:
        StoreUnavailable: the store cannot be read or written; those that were ended until then are.
    """
    ended = []
    for pause in await store.paused(lanes):
        if pause.until > now and await store.shorten(pause.lane, until=now):
            ended.append(pause)
            # A warning, as its beginning is: who looks for one of them has to find the other.
            logger.warning(
                "lane %s: its pause for %s, until %s, was ended by hand, %s",
                pause.lane,
                parse(pause.reason).code,
                datetime.fromtimestamp(pause.until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
                by,
            )
    return ended


def in_json(pause: Pause) -> dict[str, Any]:
    """A pause as the console and the commands write it."""
    reason = parse(pause.reason)
    return {"lane": pause.lane, "until": iso(pause.until), "code": reason.code, "reason": reason.message}


async def waits_for(store: Store, portals: Iterable[str], *, now: float, by_hand: str = "") -> str:
    """What is paused of these portals and what that means for events that are redriven, without a full stop; empty
    where nothing is. A method of a portal that is paused as a whole is not named beside that. `now` is in unix seconds;
    `by_hand` is how a pause is ended, the command where it is empty.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    found = await store.paused([lane for portal in portals for lane in lanes_of(portal)])
    until = {pause.lane: pause.until for pause in found if pause.until > now}
    lanes = [lane for lane in until if lane.partition("/")[0] not in until.keys() - {lane}]
    if not lanes:
        return ""
    longest = span(max(until[lane] for lane in lanes) - now)
    what, it = f"{lanes[0]} is paused for another {longest}", "it"
    if len(lanes) > 1:
        more = f" and {len(lanes) - _SHOWN} more" if len(lanes) > _SHOWN else ""
        what, it = f"{', '.join(lanes[:_SHOWN])}{more} are paused, for another {longest} at most", "one of them"
    whose = {lane.partition("/")[0] for lane in lanes}
    by_hand = by_hand or f"`badge-bridge resume {whose.pop() if len(whose) == 1 else 'PORTAL'}`"
    return f"{what}: what needs {it} is tried when the pause ends, by itself or by {by_hand}; anything else at once"
