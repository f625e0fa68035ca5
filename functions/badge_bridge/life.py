"""Stored events for an operator, as JSON: a row of a list, and the whole life of one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from badge_bridge.errors import SettingsError
from badge_bridge.moments import iso
from badge_bridge.on_cards import OnCard, as_json
from badge_bridge.store.protocol import Attempt, Redrive, StoredEvent
from badge_bridge.store.wanted import Place

__all__ = ["life", "read_place", "summary", "write_place"]


_BEFORE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?):(.+)", re.DOTALL)


def read_place(text: str | None) -> Place | None:
    """Where a page of events begins, as `write_place` has written the end of the one before.

    Raises:
        SettingsError: it is none.
    """
    if text is None:
        return None
    found = _BEFORE.fullmatch(text)
    if found is None:
        raise SettingsError(f"{text!r} is no place in the list; give what the page before told")
    return float(found[1]), found[2]


def write_place(place: Place) -> str:
    """A page ends at a moment and a key, since several events may have come at the same moment."""
    received_at, key = place
    return f"{received_at!r}:{key}"


def summary(stored: StoredEvent) -> dict[str, Any]:
    """One event as a row."""
    return {
        "key": stored.key,
        "received": iso(stored.received_at),
        "source": stored.event.source,
        "type": stored.event.type,
        "caller": stored.event.caller,
        "state": stored.state,
        "attempts": stored.attempts,
        "reason": stored.reason,
    }


def life(stored: StoredEvent, cards: Sequence[OnCard]) -> dict[str, Any]:
    """One event with everything that is known of it; `cards` as `on_cards` gives them."""
    return {
        **summary(stored),
        "verified": stored.verified,
        "failures": stored.failures,
        "due": iso(stored.due) if stored.state == "waiting" else None,
        "lane": stored.lane,
        "settled": None if stored.settled_at is None else iso(stored.settled_at),
        "rules_hash": stored.rules_hash,
        "redriven_with": stored.redriven_with,
        "event": stored.event.model_dump(mode="json"),
        "cards": [as_json(card) for card in cards],
        "outcomes": [outcome.model_dump() for outcome in stored.outcomes],
        "history": [_attempt(attempt) for attempt in stored.history],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started": iso(attempt.started_at),
        "ended": None if attempt.ended_at is None else iso(attempt.ended_at),
        "result": attempt.result,
        "reason": attempt.reason,
        "asked": [exchange.model_dump() for exchange in attempt.asked],
        "rules_hash": attempt.rules_hash,
        "redriven": _redriven(attempt.redriven),
    }


def _redriven(redrive: Redrive | None) -> dict[str, Any] | None:
    return None if redrive is None else {"at": iso(redrive.at), "by": redrive.by, "rules": redrive.rules}
