"""What a stretch of time came to, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from badge_bridge.outcomes import Result
from badge_bridge.store.protocol import State
from badge_bridge.terminal_text import plain

__all__ = ["print_stats"]


def print_stats(stats: Mapping[str, Any], heading: str, now: Sequence[str]) -> None:
    """The tables of `stats`, as its JSON has them, below a heading; `now` are sentences about what waits."""
    console = Console(highlight=False)
    console.width = max(console.width, 100)
    console.print(plain(heading, "bold"))
    if not stats["events"]:
        console.print("No events.")
    else:
        states = get_args(State)
        rows = [(row["source"], row["type"], row["states"]) for row in stats["sources"]]
        console.print(_crossed(("source", "type"), states, rows))
        console.print(f"{stats['attempts']:,} attempts")
    if stats["rules"]:
        rules = [(row["rule"], row["results"]) for row in stats["rules"]]
        console.print(_crossed(("rule",), get_args(Result), rules))
    if stats["badges"]:
        table = Table(box=None, pad_edge=False)
        for name in ("portal", "badge"):
            table.add_column(name, no_wrap=True)
        table.add_column("put on cards", justify="right")
        for row in stats["badges"]:
            table.add_row(plain(row["portal"]), plain(row["badge"]), f"{row['count']:,}")
        console.print(table)
    console.print(Text("now", style="bold"))
    for sentence in now:
        console.print(plain(f"  {sentence}"))


def _crossed(names: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table of numbers with a last column that sums up."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True)
    for column in (*columns, "all"):
        table.add_column(column, justify="right", no_wrap=True)
    for *said, counts in rows:
        numbers = [counts.get(column, 0) for column in columns]
        table.add_row(*map(plain, said), *(f"{one:,}" if one else "-" for one in numbers), f"{sum(numbers):,}")
    return table
