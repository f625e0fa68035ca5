"""What a `serve` has to say when it starts, as a block for a terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from badge_bridge.plural import counted
from badge_bridge.startup import Startup
from badge_bridge.store.backlog import Backlog
from badge_bridge.terminal_text import plain

__all__ = ["print_startup"]


def print_startup(startup: Startup, *, link: str, now: float | None = None) -> None:
    """`link` lets an operator into the console; empty where there is none. `now` is in unix seconds."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"Badge Bridge {startup.version}", style="bold"), Text(f"takes deliveries at {startup.url}"))
    for heading, table in _tables(startup):
        console.print(Text(heading, style="bold"))
        console.print(table)
    if not all(source.is_public for source in startup.sources):
        console.print(Text(f"  Providers are told your proxy's address where {startup.url} stands.", style="dim"))
    console.print(Text("Store", style="bold"), plain(startup.state))
    console.print(plain(f"  {_waiting(startup.backlog, time.time() if now is None else now)}"))
    console.print(plain(f"  Events are kept {startup.retention}."))
    console.print(
        Text("Operators", style="bold"), plain(startup.console or "have no console and no metrics (ADMIN=off)")
    )
    if startup.console:
        console.print(Text("  /console, /metrics; for 10 minutes and once, this link lets you in:"))
        console.print(plain(f"  {link}"))
    for one in startup.missing:
        console.print(Text("!", style="yellow"), plain(one.what))
        console.print(plain(f"  → {one.todo}", style="yellow"))


def _tables(startup: Startup) -> list[tuple[str, Table]]:
    sources = _table()
    for source in startup.sources:
        sources.add_row(plain(f"  {source.name}"), plain(source.provider), plain(source.url))
    rules = _table()
    for rule in startup.rules:
        rules.add_row(plain(f"  {rule.name}"), plain(rule.badge), plain(", ".join(rule.portals)))
    portals = _table()
    for portal in startup.portals:
        portals.add_row(plain(f"  {portal.name}"), plain(portal.url), plain(portal.how))
    in_use = f"Rules of {startup.rules_file}, {startup.rules_hash}"
    return [("Sources", sources), (in_use, rules), ("Portals", portals)]


def _table() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    return table


def _waiting(backlog: Backlog | None, now: float) -> str:
    if backlog is None:
        return "How much waits in it is not counted."
    waiting = sum(backlog.waiting.values())
    said = f"{counted(waiting, 'event')} {'waits' if waiting == 1 else 'wait'}" if waiting else "Nothing waits"
    if waiting and backlog.oldest is not None:
        said += f", the oldest since {max(now - backlog.oldest, 0):,.0f} s"
    if backlog.dead:
        said += f"; {counted(backlog.dead, 'dead letter')}: badge-bridge events list --in dead"
    return f"{said}."
