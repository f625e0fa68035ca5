"""Counts in terminals of any width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from badge_bridge.terminal_stats import print_stats

STATS: dict[str, Any] = {
    "events": 1204,
    "attempts": 1300,
    "sources": [{"source": "reception", "type": "call.missed", "states": {"done": 1200, "dead": 4}}],
    "rules": [{"rule": "missed call", "results": {"badged": 1200, "failed": 4}}],
    "badges": [{"portal": "main", "badge": "bb_missedCall", "count": 1200}],
}


def shown(width: int, *, is_terminal: bool = True) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=is_terminal, color_system=None, highlight=False)
    print_stats(STATS, "1,204 events", ["nothing waits"], console=console)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_counts_are_tables_when_there_is_room() -> None:
    """And wherever a script reads, however wide it says that it is."""
    lines = shown(100)
    assert lines[2].split() == ["reception", "call.missed", "-", "-", "1,200", "-", "-", "4", "1,204"]
    assert shown(20, is_terminal=False) == lines


@pytest.mark.parametrize("width", [34, 45])
def test_counts_are_lines_when_the_terminal_is_narrow(width: int) -> None:
    """With what there is, and how many in all; no number is cut."""
    assert shown(width)[1:6] == [
        "reception  call.missed",
        "  1,200 done, 4 dead; 1,204 in all",
        "1,300 attempts",
        "missed call",
        "  1,200 badged, 4 failed; 1,204 in all",
    ]
