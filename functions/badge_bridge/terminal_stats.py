"""What a stretch of time came to, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from badge_bridge.outcomes import Result
from badge_bridge.store.protocol import State
from badge_bridge.terminal_text import ENDLESS, plain

__all__ = ["print_stats"]


def print_stats(stats: Mapping[str, Any], heading: str, now: Sequence[str], *, console: Console | None = None) -> None:
    """The tables of `stats`, as its JSON has them, below a heading; `now` are sentences about what waits."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = ENDLESS
    console.print(plain(heading, "bold"))
    if not stats["sources"]:
        console.print("No events.")
    else:
        states = get_args(State)
        rows = [(row["source"], row["type"], row["states"]) for row in stats["sources"]]
        _print_crossed(console, ("source", "type"), states, rows)
        console.print(f"{stats['attempts']:,} attempts")
    if stats["rules"]:
        rules = [(row["rule"], row["results"]) for row in stats["rules"]]
        _print_crossed(console, ("rule",), get_args(Result), rules)
    if stats["badges"]:
        table = Table(box=None, pad_edge=False)
        for name in ("portal", "badge"):
            table.add_column(name, overflow="fold")
        table.add_column("put on cards", justify="right")
        for row in stats["badges"]:
            table.add_row(plain(row["portal"]), plain(row["badge"]), f"{row['count']:,}")
        console.print(table)
    console.print(Text("now", style="bold"))
    for sentence in now:
        console.print(plain(f"  {sentence}"), soft_wrap=True)


def _print_crossed(
    console: Console, names: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """A table of numbers with a last column that sums up; lines where the terminal is too narrow for it."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True)
    for column in (*columns, "all"):
        table.add_column(column, justify="right", no_wrap=True)
    lines: list[Text] = []
    for *said, counts in rows:
        numbers = {column: counts.get(column, 0) for column in columns}
        table.add_row(
            *map(plain, said), *(f"{one:,}" if one else "-" for one in numbers.values()), f"{sum(numbers.values()):,}"
        )
        some = ", ".join(f"{count:,} {column}" for column, count in numbers.items() if count)
        lines += [Text("  ").join(map(plain, said)), Text(f"  {some}; {sum(numbers.values()):,} in all")]
    if Measurement.get(console, console.options.update(max_width=ENDLESS), table).maximum <= console.width:
        console.print(table)
    else:
        for line in lines:
            console.print(line, soft_wrap=True)
