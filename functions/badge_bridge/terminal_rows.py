"""Stored events as rows for a terminal: those of a list, and those that have just changed.

A row is one line where the terminal has room for it, else two or more: it is broken between what stands in it and never
within, since half a key is of no use. What is no terminal has all the room there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from badge_bridge.following import became_at
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.telling import in_short, plainly
from badge_bridge.terminal import clock, outcome_line, state_shown, zone_name
from badge_bridge.terminal_text import plain

__all__ = ["Changes", "Rows", "print_list"]

_CAME = "what came of it"
_GAP = "  "
_LEAST = 24
"""Cells for a reason, below which it gets a line of its own."""
_ENOUGH = 48
"""The same where it would stand in the first line, unless it needs less: one that begins a line has far more."""

_WIDTHS = {"key": 42, "type": 13, "caller": 13, "state": 7}
"""Cells of what is not known beforehand: a key has the source's name, a colon and 32 characters."""


class Rows:
    """Prints rows below a heading. `widths` are by the headings, in the order of a single line; `narrow` is the order
    of several. The last column of both takes what room is left, and is cut there.
    """

    def __init__(self, console: Console, widths: Mapping[str, int], *, narrow: Sequence[str]) -> None:
        self._console = console
        self._room = console.width if console.is_terminal else None
        self._widths = widths
        self._order: Sequence[str] = [*widths]
        if len(self._broken()) > 1:
            self._order = narrow
        self._lines = self._broken()

    def heading(self) -> None:
        self.show({name: Text(name, style="bold") for name in self._order})

    def show(self, row: Mapping[str, Text]) -> None:
        """One row, by the headings."""
        for number, names in enumerate(self._lines):
            line = Text(_GAP if number else "")
            for name in names[:-1]:
                line.append_text(row[name])
                line.append(" " * max(self._widths[name] - cell_len(row[name].plain), 0) + _GAP)
            last = row[names[-1]].copy()
            if self._room is not None and names[-1] == self._order[-1]:
                last.truncate(max(self._room - cell_len(line.plain), _LEAST), overflow="ellipsis")
            line.append_text(last)
            line.rstrip()
            if line.plain or not number:
                self._console.print(line)

    def _broken(self) -> list[list[str]]:
        """The headings by lines."""
        lines: list[list[str]] = [[]]
        used = 0
        for name in self._order:
            width = self._widths[name]
            if name == self._order[-1]:
                width = min(width, _ENOUGH if len(lines) == 1 else _LEAST)
            if lines[-1] and self._room is not None and used + width > self._room:
                lines.append([])
                used = len(_GAP)
            lines[-1].append(name)
            used += width + len(_GAP)
        return lines


def print_list(
    found: Sequence[StoredEvent], told: Mapping[str, str] = MappingProxyType({}), *, console: Console | None = None
) -> None:
    """Events, at least one, with their heading: what came of each as it is `told` by its key, else what its reason says
    first.
    """
    received = f"received ({zone_name()})"
    rows = [
        {
            received: Text(clock(stored.received_at)),
            "key": plain(stored.key),
            "type": plain(stored.event.type),
            "caller": plain(stored.event.caller),
            "state": state_shown(stored),
            "tries": Text(str(stored.attempts)),
            _CAME: plain(told.get(stored.key) or in_short(plainly(stored.reason))),
        }
        for stored in found
    ]
    widths = {name: max(cell_len(name), *(cell_len(row[name].plain) for row in rows)) for name in rows[0]}
    narrow = [received, "state", "type", "caller", "tries", "key", _CAME]
    printed = Rows(console or _console(), widths, narrow=narrow)
    printed.heading()
    for row in rows:
        printed.show(row)


def _console() -> Console:
    return Console(soft_wrap=True, highlight=False)


class Changes:
    """Prints events as they have just become, one after the other."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _console()
        self._at = f"at ({zone_name()})"
        widths = {self._at: len(clock(0)), **_WIDTHS, _CAME: _ENOUGH}
        narrow = [self._at, "state", "type", "caller", "key", _CAME]
        self._rows = Rows(self._console, widths, narrow=narrow)
        self._rows.heading()
        self._console.file.flush()

    def show(self, stored: StoredEvent) -> None:
        """When, which, what it is now, and what its rules came to or why."""
        attempt = stored.history[-1] if stored.history else None
        latest = [outcome for outcome in stored.outcomes if attempt is not None and outcome.attempt == attempt.number]
        told = "; ".join(outcome_line(outcome, brief=True) for outcome in latest) or in_short(plainly(stored.reason))
        self._rows.show(
            {
                self._at: Text(clock(became_at(stored))),
                "key": plain(stored.key),
                "type": plain(stored.event.type),
                "caller": plain(stored.event.caller or "-"),
                "state": state_shown(stored),
                _CAME: plain(told),
            }
        )
        self._console.file.flush()
