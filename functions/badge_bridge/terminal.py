"""Stored events for an operator, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from badge_bridge.on_cards import OnCard
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.portal.reasons import parse
from badge_bridge.store.protocol import Attempt, Pause, StoredEvent
from badge_bridge.terminal_text import json_shown, plain

__all__ = ["card_line", "clock", "outcome_line", "print_life", "print_table"]

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


def print_table(found: Sequence[StoredEvent]) -> None:
    """A table for a terminal; one line that says so where there is nothing."""
    console = Console()
    # Wide enough for a row: a narrow terminal wraps it, and a key that was cut off would be of no use.
    console.width = max(console.width, _ROW)
    if not found:
        console.print("No events.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("received", "key", "type", "caller", "state", "tries", "reason"):
        table.add_column(heading, no_wrap=heading != "reason")
    for stored in found:
        table.add_row(
            clock(stored.received_at),
            stored.key,
            plain(stored.event.type),
            plain(stored.event.caller),
            Text(stored.state, style=_COLOURS[stored.state]),
            str(stored.attempts),
            plain(stored.reason),
        )
    console.print(table)


def print_life(stored: StoredEvent, pause: Pause | None, cards: Sequence[OnCard]) -> None:
    """The life of one event, in the order in which it happened; `pause` is that of the lane it waits for, `cards` tell
    where its badges are.
    """
    console = Console(soft_wrap=True, highlight=False)
    event = stored.event
    console.print(Text(stored.key, style="bold"), Text(stored.state, style=_COLOURS[stored.state]))
    for name, value in _facts(stored):
        console.print(Text(f"  {name:<10}"), plain(value), sep="")
    for attempt in stored.history:
        console.print(Text(f"attempt {attempt.number}", style="bold"), Text(_when(attempt)))
        for exchange in attempt.asked:
            console.print(plain(f"  asked     {_exchange(exchange)}"))
        for outcome in stored.outcomes:
            if outcome.attempt == attempt.number:
                console.print(plain(f"  rule      {outcome_line(outcome)}"))
        console.print(plain(f"  ended     {attempt.result}{f': {attempt.reason}' if attempt.reason else ''}"))
    for card in cards:
        console.print(plain(f"card      {card_line(card)}"))
    if stored.state == "waiting":
        console.print(plain(f"next try {_next_try(stored, pause)}"))
    if event.data:
        console.print(Text("data", style="bold"))
        console.print(json_shown(dict(event.data)))


def _next_try(stored: StoredEvent, pause: Pause | None) -> str:
    if not stored.lane:
        return f"at {clock(stored.due)}"
    if pause is None:
        return f"at {clock(stored.due)}, or at once where that is over"
    reason = parse(pause.reason).message
    # The event that met the trouble has told it above, those that came later have not.
    why = "" if any(attempt.reason == reason for attempt in stored.history) else f": {reason}"
    return f"when {stored.lane} is usable again; it is paused until {clock(pause.until)}{why}"


def _facts(stored: StoredEvent) -> list[tuple[str, str]]:
    event = stored.event
    facts = [
        ("received", clock(stored.received_at)),
        ("verified", stored.verified),
        ("source", f"{event.source} ({event.provider})"),
        ("type", event.type),
        ("reason", event.reason),
        ("happened", clock(event.time.timestamp())),
        ("id", event.id),
        ("caller", event.caller),
        ("callee", event.callee),
        ("line", event.line),
        ("email", event.email),
        ("rules", stored.rules_hash),
        ("redriven", stored.redriven_with and f"with the rules {stored.redriven_with}"),
    ]
    return [(name, value) for name, value in facts if value]


def _when(attempt: Attempt) -> str:
    if attempt.ended_at is None:
        return f"{clock(attempt.started_at)}"
    return f"{clock(attempt.started_at)}, {(attempt.ended_at - attempt.started_at) * 1000:.0f} ms"


def _exchange(exchange: Exchange) -> str:
    together = f", {exchange.together} together" if exchange.together > 1 else ""
    return f"{exchange.method} -> {exchange.answer} ({exchange.milliseconds:.0f} ms{together})"


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


def outcome_line(outcome: Outcome) -> str:
    said = f" ({outcome.reason})" if outcome.reason else ""
    where = f" on {outcome.owner}, activity {outcome.activity}" if outcome.activity is not None else ""
    return f"{outcome.rule}: {outcome.result} {outcome.badge}{where}{said}"


def clock(unix: float) -> str:
    """In the operator's own time zone."""
    return datetime.fromtimestamp(unix, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
