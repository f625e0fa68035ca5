"""What was found in a portal, and what was done there, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from badge_bridge.plural import counted
from badge_bridge.portal.badges import Text as BadgeText
from badge_bridge.portal.badges import WantedBadge
from badge_bridge.portal.doctor import Check
from badge_bridge.portal.sync import Done, Plan
from badge_bridge.terminal_text import ENDLESS, plain

__all__ = ["print_checks", "print_done", "print_plan"]

_STATUS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "bright_black")}
_DID = {"add": "added", "replace": "replaced", "delete": "deleted"}


def print_plan(portal: str, plan: Plan, *, to_stderr: bool = False) -> None:
    """The badges of one portal that differ from the rules file; one line where none does."""
    console = Console(stderr=to_stderr, highlight=False)
    wanted = len(plan.same) + len(plan.missing) + len(plan.different)
    found = (
        f"{len(plan.same)} of {counted(wanted, 'badge')} found as in the rules file" if wanted else "no badges wanted"
    )
    console.print(Text(f"portal {portal}", style="bold"), Text(found))
    table = Table(box=None, pad_edge=False, show_header=False)
    for wraps in (False, False, True):
        table.add_column(no_wrap=not wraps, overflow="fold")
    for badge in plan.missing:
        table.add_row(plain(f"  {badge.code}"), Text("missing", style="yellow"), Text(_shown(badge)))
    for one in plan.different:
        told = "\n".join(
            f"{d.field}: {_text(d.wanted)} in the rules file, {_text(d.found)} in the portal" for d in one.differences
        )
        table.add_row(plain(f"  {one.wanted.code}"), Text("different", style="yellow"), Text(told))
    for badge in plan.unused:
        table.add_row(plain(f"  {badge.code}"), Text("unused", style="bright_black"), Text(_shown(badge)))
    if table.row_count:
        _print(console, table)


def print_done(done: Done) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if done.done:
        console.print(Text("  ✓", style="green"), plain(f"{_DID[done.action]} {done.code}{_aside(done.told)}"))
    else:
        console.print(Text("  ✗", style="bold red"), plain(f"{done.code} was not {_DID[done.action]}: {done.told}"))


def print_checks(groups: Mapping[str, Sequence[Check]]) -> None:
    """Checks below a heading each, with what mends them, and a last line that sums up."""
    console = Console(highlight=False)
    for heading, checks in groups.items():
        console.print(Text(heading, style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False)
        for wraps in (False, False, True):
            table.add_column(no_wrap=not wraps, overflow="fold")
        for check in checks:
            mark, colour = _STATUS[check.status]
            # Of several things each has its line, with a mark: one that somebody else has ended is no line of ours.
            found = check.found.replace("\n", "\n· ")
            told = plain(found, style="bright_black" if check.status == "skipped" else "", lines=True)
            if check.mend:
                told.append_text(plain(f"\n→ {check.mend}", style=colour, lines=True))
            table.add_row(Text(f"  {mark}", style=colour), Text(check.name), told)
        _print(console, table)
    console.print(_summary([check for checks in groups.values() for check in checks]))


def _print(console: Console, table: Table) -> None:
    """Where there is no terminal, each line is as long as what stands in it."""
    if console.is_terminal:
        console.print(table)
        return
    console.width = ENDLESS
    with console.capture() as told:
        console.print(table)
    for line in told.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")


def _summary(checks: Iterable[Check]) -> Text:
    statuses = [check.status for check in checks]
    failures, warnings = statuses.count("failed"), statuses.count("warning")
    if failures:
        return Text(f"{failures} failed, warnings: {warnings}.", style="red")
    return Text(f"All is well; warnings: {warnings}." if warnings else "All is well.", style="green")


def _shown(badge: WantedBadge) -> str:
    return f"{_text(badge.title)} / {_text(badge.value)} ({badge.type})"


def _text(text: BadgeText) -> str:
    if isinstance(text, str):
        return repr(text)
    return "{" + ", ".join(f"{language}: {words!r}" for language, words in text.items()) + "}"


def _aside(told: str) -> str:
    return f" ({told})" if told else ""
