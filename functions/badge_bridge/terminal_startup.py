"""What a `serve` has to say when it starts, as a block for a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from badge_bridge.plural import counted
from badge_bridge.startup import Startup
from badge_bridge.store.backlog import Backlog
from badge_bridge.terminal_text import plain

__all__ = ["print_startup"]


MOST = 20
"""Entries of a kind that are shown: the block is to be read, and there may be ten thousand rules."""


def print_startup(startup: Startup, *, link: str, now: float | None = None, console: Console | None = None) -> None:
    """`link` lets an operator into the console; empty where there is none. `now` is in unix seconds."""
    console = console or Console(highlight=False, soft_wrap=True)
    console.print(Text(f"Badge Bridge {startup.version}", style="bold"), Text(f"takes deliveries at {startup.url}"))
    console.print(Text("Sources", style="bold"), Text("and what to enter at their providers"))
    _print_table(console, [(source.name, source.provider, source.url) for source in startup.sources])
    if not all(source.is_public for source in startup.sources):
        console.print(Text(f"  where {startup.url} stands, enter the address of the proxy in front of it", style="dim"))
    console.print(Text("Rules", style="bold"), plain(f"of {startup.rules_file} ({startup.rules_hash})"))
    _print_table(console, [(rule.name, rule.badge, ", ".join(rule.portals)) for rule in startup.rules])
    console.print(Text("Portals", style="bold"))
    _print_table(console, [(portal.name, portal.url, portal.how) for portal in startup.portals])
    console.print(plain(f"  {startup.badges}"))
    console.print(Text("Store", style="bold"), plain(startup.state))
    console.print(plain(f"  {_waiting(startup.backlog, time.time() if now is None else now)}"))
    console.print(plain(f"  Events are kept {startup.retention}."))
    console.print(
        Text("Operators", style="bold"), plain(startup.console or "have no console and no metrics (ADMIN=off)")
    )
    if startup.console:
        console.print(Text("  /console and /metrics; for 10 minutes and once, this link lets you in:"))
        console.print(plain(f"  {link}"))
    for one in startup.missing:
        console.print(Text("!", style="yellow"), plain(one.what))
        console.print(plain(f"  → {one.todo}", style="yellow"))


def _print_table(console: Console, rows: Sequence[tuple[str, str, str]]) -> None:
    """Three columns, or one below the other where the terminal is too narrow: a URL is to be copied, in one piece."""
    shown = [[plain(one) for one in row] for row in rows[:MOST]]
    widths = [max((cell_len(row[column].plain) for row in shown), default=0) for column in range(3)]
    is_wide = not console.is_terminal or sum(widths) + 6 <= console.width
    for name, *others in shown:
        if is_wide:
            line = Text("  ").append_text(name).append(" " * (widths[0] - cell_len(name.plain) + 2))
            line.append_text(others[0]).append(" " * (widths[1] - cell_len(others[0].plain) + 2))
            line.append_text(others[1]).rstrip()
            console.print(line)
        else:
            console.print(Text("  ").append_text(name))
            for other in others:
                console.print(Text("    ").append_text(other))
    if len(rows) > MOST:
        console.print(Text(f"  and {len(rows) - MOST:,} more", style="dim"))


def _waiting(backlog: Backlog | None, now: float) -> str:
    if backlog is None:
        return "How much waits in it cannot be read now."
    waiting = sum(backlog.waiting.values())
    said = f"{counted(waiting, 'event')} {'waits' if waiting == 1 else 'wait'}" if waiting else "Nothing waits"
    if waiting and backlog.oldest is not None:
        said += f", the oldest received {max(now - backlog.oldest, 0):,.0f} s ago"
    if backlog.dead:
        said += f"; {counted(backlog.dead, 'dead letter')}: badge-bridge events list --in dead"
    return f"{said}."
