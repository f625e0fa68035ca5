"""What stored events come to, in words for a terminal; their rows are in `terminal_rows`, the whole life of one in
`terminal_event`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from badge_bridge.on_cards import OnCard
from badge_bridge.outcomes import Outcome
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.telling import in_short

__all__ = ["card_line", "clock", "outcome_line", "state_shown", "zone_name"]

_COLOURS = {
    "done": "green",
    "ignored": "bright_black",
    "joined": "bright_black",
    "dead": "red",
    "waiting": "yellow",
    "working": "cyan",
}


def state_shown(stored: StoredEvent) -> Text:
    return Text(stored.state, style=_COLOURS[stored.state])


def card_line(card: OnCard) -> str:
    """Where one badge is now."""
    there = f"{card.rule}: {card.badge} on {card.owner}"
    if card.state == "not known":
        return f"{there}: whether it was added is not known yet"
    if card.state == "there":
        over = (
            f"; the newer badge {card.newer_badge} lies over it (event {card.newer_event})" if card.newer_event else ""
        )
        return f"{there}, activity {card.activity}: it is there, unless somebody took it off in the portal{over}"
    off = f"taken off on {clock(card.at)}" if card.at is not None else "taken off"
    by = f" by {card.by}" if card.by else ""
    named = f", activity {card.activity}" if card.activity is not None else ""
    return f"{there}{named}: {off}{by}"


def outcome_line(outcome: Outcome, *, brief: bool = False) -> str:
    """What a rule came to; `brief`: its reason in short."""
    reason = in_short(outcome.reason) if brief else outcome.reason
    said = f" ({reason})" if reason else ""
    where = f" on {outcome.owner}, activity {outcome.activity}" if outcome.activity is not None else ""
    return f"{outcome.rule}: {outcome.result} {outcome.badge}{where}{said}"


def clock(unix: float) -> str:
    """In the operator's own time zone."""
    return datetime.fromtimestamp(unix, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def zone_name() -> str:
    """What that time zone is called, such as CET."""
    return datetime.now(UTC).astimezone().strftime("%Z")
