"""Findings of a rules file for a terminal: each with its line, what is meant underlined, and what to write instead.

Without their lines, as editors and scripts read them and where nobody looks at a terminal, each is one line:
`file:line:column: what is wrong; what to write instead`. With them, what to write instead stands below the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from badge_bridge.errors import Excerpt, Finding
from badge_bridge.terminal_text import harmless, plain

__all__ = ["print_findings"]

TAB = "    "
"""A tab is as wide as this wherever it stands, so that what is below it stays below it."""

NARROWEST = 40
WIDTH_OF_A_FILE = 100
"""Cells for the line where the output is no terminal, which has a width of its own."""

_CUT = "…"
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def print_findings(findings: Iterable[Finding], stream: TextIO, *, lines: bool | None = None) -> None:
    """One after the other. `lines`: whether their lines are shown; None: on a terminal."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    width = max(console.width, NARROWEST) if console.is_terminal else WIDTH_OF_A_FILE
    shows = console.is_terminal if lines is None else lines
    for finding in findings:
        excerpt = finding.excerpt if shows else None
        first = _first_line(finding, with_help=excerpt is None)
        if console.is_terminal:
            console.print(first)
        else:
            print(first.plain, file=stream)
        if excerpt is not None:
            for text in _excerpt(finding, excerpt, width):
                console.print(text)


def _first_line(finding: Finding, *, with_help: bool) -> Text:
    colour = _COLOURS[finding.severity]
    told = str(finding)
    place = told[: len(told) - len(finding.message)]
    what = finding.message.removesuffix(f"; {finding.help}") if finding.help else finding.message
    then = finding.message.removeprefix(what) if with_help else ""
    return Text.assemble(plain(place, "bold"), plain(what, f"bold {colour}"), plain(then, "default"))


def _excerpt(finding: Finding, excerpt: Excerpt, width: int) -> Iterator[Text]:
    number = f"{finding.line:>5} "
    before, meant, after = _fitting(excerpt, width - len(number) - 2)
    colour = _COLOURS[finding.severity]
    yield Text.assemble((f"{number}| ", "blue"), before, (meant, colour), after)
    below = " " * cell_len(before) + "^" * max(cell_len(meant), 1)
    help_ = plain(f" {finding.help}" if finding.help else "", "cyan")
    fits = cell_len(below) + cell_len(help_.plain) <= width - len(number) - 2
    beside, beneath = (help_, None) if fits else (plain(""), help_)
    yield Text.assemble((f"{' ' * len(number)}| ", "blue"), (below, f"bold {colour}"), beside)
    if beneath is not None:
        yield Text.assemble((f"{' ' * len(number)}=", "blue"), beneath)


def _fitting(excerpt: Excerpt, width: int) -> tuple[str, str, str]:
    """What stands before, what is meant and what stands behind it, cut where that is wider than the terminal."""
    text = excerpt.text
    before, meant, after = (
        _shown(part) for part in (text[: excerpt.start], text[excerpt.start : excerpt.end], text[excerpt.end :])
    )
    if cell_len(before) + cell_len(meant) + cell_len(after) <= width:
        return before, meant, after
    meant = _beginning(meant, width * 2 // 3)
    left = width - cell_len(meant)
    kept = max(left // 2, left - cell_len(after))
    before = _end(before, kept)
    return before, meant, _beginning(after, left - cell_len(before))


def _shown(text: str) -> str:
    return harmless(text.replace("\t", TAB)).replace("\n", " ")


def _beginning(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[: max(len(text) - max((cell_len(text) - width) // 2, 1), 0)]
    return text + _CUT


def _end(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[max((cell_len(text) - width) // 2, 1) :]
    return _CUT + text
