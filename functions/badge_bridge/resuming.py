"""Ending the pauses of a portal by hand: for an operator who has mended what was wrong and need not wait."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from badge_bridge.moments import iso
from badge_bridge.portal.reasons import parse
from badge_bridge.store.protocol import Pause, Store

__all__ = ["end_pauses", "in_json"]

logger = logging.getLogger(__name__)


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
