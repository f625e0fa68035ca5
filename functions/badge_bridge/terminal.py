"""Stored events for an operator, as rows and lines for a terminal; the whole life of one is in `terminal_event`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from badge_bridge.on_cards import OnCard
from badge_bridge.outcomes import Outcome
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.telling import in_short
from badge_bridge.terminal_text import plain

__all__ = ["card_line", "change_line", "clock", "outcome_line", "print_table", "state_shown", "zone_name"]

_ROW = 180
"""Characters: a source's name may have 63, its key 96."""

_COLOURS = {
    "done": "green",
    "ignored": "bright_black",
    "joined": "bright_black",
    "dead": "red",
    "waiting": "yellow",
    "working": "cyan",
}


def print_table(found: Sequence[StoredEvent], *, nothing: str) -> None:
    """A table of events; the line `nothing` where there are none."""
    console = Console()
    # Wide enough for a row: a narrow terminal wraps it, and a key that was cut off would be of no use.
    console.width = max(console.width, _ROW)
    if not found:
        console.print(nothing)
        return
    table = Table(box=None, pad_edge=False)
    for heading in (f"received ({zone_name()})", "key", "type", "caller", "state", "tries", "reason"):
        table.add_column(heading, no_wrap=heading != "reason")
    for stored in found:
        table.add_row(
            clock(stored.received_at),
            stored.key,
            plain(stored.event.type),
            plain(stored.event.caller),
            state_shown(stored),
            str(stored.attempts),
            plain(in_short(stored.reason)),
        )
    console.print(table)


def change_line(stored: StoredEvent) -> Text:
    """One event as it has just become: when, which, what it is now, and what its rules came to or why."""
    attempt = stored.history[-1] if stored.history else None
    at = stored.received_at
    if attempt is not None:
        at = attempt.started_at if attempt.ended_at is None else attempt.ended_at
    latest = [outcome for outcome in stored.outcomes if attempt is not None and outcome.attempt == attempt.number]
    told = "; ".join(outcome_line(outcome, brief=True) for outcome in latest) or in_short(stored.reason)
    line = Text(f"{clock(at)}  {stored.key}  ")
    line.append_text(plain(f"{stored.event.type}  {stored.event.caller or '-'}  "))
    line.append_text(state_shown(stored))
    return line.append_text(plain(f"  {told}")) if told else line


def state_shown(stored: StoredEvent) -> Text:
    return Text(stored.state, style=_COLOURS[stored.state])


def card_line(card: OnCard) -> str:
    """Where one badge is now."""
    there = f"{card.rule}: {card.badge} on {card.owner}"
    if card.state == "not known":
        return f"{there}: whether it was added is not known yet"
    if card.state == "there":
        return f"{there}, activity {card.activity}: it is there"
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
