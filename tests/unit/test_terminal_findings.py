"""What `check` prints: findings with their lines, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re
from pathlib import Path
from textwrap import dedent

import pytest
from rich.cells import cell_len

from badge_bridge.errors import Excerpt, Finding, RulesError
from badge_bridge.rulesfile import Draft
from badge_bridge.rulesfile.codes import ERRORS, NOTES, WARNINGS
from badge_bridge.rulesfile.examining import Examined, examine
from badge_bridge.sources import OPTIONS
from badge_bridge.terminal_findings import WIDTH_OF_A_FILE, print_findings
from support.readme_files import README

DATA = Path(__file__).parents[1] / "data" / "check"
ENVIRON = {name: f"value of {name}" for name in ("ID", "SECRET", "TWILIO_TOKEN")} | {
    "SHOP_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
}
FILES = sorted(path.stem for path in DATA.glob("*.yaml"))


WHEN = """when: "!event.caller.startsWith('+49800')\""""
MISTAKES = (
    ("${TWILIO_AUTH_TOKEN}", "${TWILIO_TOKEN}"),
    (WHEN, "when: event.direction == 'incoming' && !event.callr.startsWith('+49800')"),
    ("badge: missedCall", "badge: missed_call"),
)
"""In the README's rules file, for its section on `check`."""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def examined(name: str) -> Examined:
    content = (DATA / f"{name}.yaml").read_bytes()
    try:
        draft = Draft(content, f"{name}.yaml")
    except RulesError as error:
        return Examined(None, error.findings)
    return examine(draft, providers=OPTIONS, environ=ENVIRON, known={})


def printed(findings: tuple[Finding, ...], *, lines: bool | None = None, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    print_findings(findings, stream, lines=lines)
    return stream.getvalue()


def finding(text: str, start: int, end: int) -> Finding:
    return Finding("r", 7, start + 1, "this is wrong; write that", "wrong-value", excerpt=Excerpt(text, start, end))


@pytest.mark.parametrize("name", FILES)
def test_each_finding_is_shown_in_its_line_when_lines_are_asked_for(name: str) -> None:
    """A table of broken files, each with all that is printed of it."""
    assert printed(examined(name).findings, lines=True) == (DATA / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", FILES)
def test_nothing_but_first_lines_is_printed_when_there_is_no_terminal(name: str) -> None:
    """For editors and scripts: one line for each finding, as it always was."""
    found = examined(name).findings
    assert printed(found).splitlines() == [str(one) for one in found]


@pytest.mark.parametrize("name", FILES)
def test_every_code_is_in_the_tables_when_files_are_broken(name: str) -> None:
    """A code that is not documented would be no use to a script."""
    for one in examined(name).findings:
        assert one.code in {"error": ERRORS, "warning": WARNINGS, "note": NOTES}[one.severity]


def test_no_secret_is_printed_when_it_stands_in_the_file() -> None:
    """Not as a value, in a wrong place, in an address, in a comment, or in what is no YAML."""
    for name in ("secrets", "no_yaml"):
        assert "s3cr3t" in (DATA / f"{name}.yaml").read_text("utf-8")
        assert "s3cr3t" not in printed(examined(name).findings, lines=True)


def test_lines_and_colours_are_shown_when_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being asked for, and the words are those of the plain output."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = printed((finding("  type: failed", 8, 14),), stream=Terminal())
    assert "\x1b[" in shown
    assert "type: " in shown
    assert "^^^^^^" in shown


def test_lines_are_left_out_when_the_terminal_shall_not_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--no-lines` wins over the terminal."""
    monkeypatch.setenv("TERM", "dumb")
    shown = printed((finding("  type: failed", 8, 14),), lines=False, stream=Terminal())
    assert shown == "r:7:9: this is wrong; write that\n"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("a: b", 3, 4),
        ("a:\t\tb", 4, 5),
        ("不在: 着信", 4, 6),
        ("x" * 300, 150, 160),
        ("不" * 300, 150, 160),
        ("x" * 300, 0, 300),
        ("x" * 300, 295, 300),
        ("", 0, 1),
        ("a:", 2, 3),
    ],
)
def test_the_caret_is_below_what_is_meant_whatever_stands_before(text: str, start: int, end: int) -> None:
    """With tabs, with characters of two cells, and where the line is cut, which it is to the width that there is."""
    _, line, below, *_ = printed((finding(text, start, end),), lines=True).rstrip("\n").split("\n")
    assert cell_len(line) <= WIDTH_OF_A_FILE
    at, width = below.index("^"), below.count("^")
    meant = text[start:end].replace("\t", "    ")
    under = _cells(line, at, width)
    assert (under.removesuffix("…") and meant.startswith(under.removesuffix("…"))) or not meant.strip()


def test_help_is_told_once_when_the_line_is_shown() -> None:
    """Beside the caret where it fits, else below it; the sentence above does without it."""
    beside = printed((finding("a: b", 3, 4),), lines=True)
    assert beside == "r:7:4: this is wrong\n    7 | a: b\n      |    ^ write that\n"
    *_, carets, beneath = printed((finding("x" * 300, 295, 300),), lines=True).splitlines()
    assert carets.endswith("^^^^^")
    assert beneath == "      = write that"


def _cells(line: str, at: int, width: int) -> str:
    """What stands in these cells of a line."""
    found, cell = "", 0
    for character in line:
        if at <= cell < at + width:
            found += character
        cell += cell_len(character)
    return found


def test_nothing_that_a_terminal_obeys_is_printed_when_it_stands_in_the_file() -> None:
    """An escape sequence in a rules file moves no cursor."""
    shown = printed((finding("a: \x1b[2J", 3, 7),), lines=True)
    assert "\x1b" not in shown


@pytest.mark.parametrize("corrected", [False, True])
def test_the_readme_shows_what_check_says_of_its_rules_file(corrected: bool) -> None:
    """With three mistakes in it, and when all but a wrong value of a field are corrected."""
    blocks = [dedent(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    (text,) = [block for block in blocks if "portals:\n" in block and "\nrules:" in block]
    for right, wrong in MISTAKES:
        assert right in text
        text = text.replace(right, wrong)
    if corrected:
        for old, new in (("callr", "caller"), ("missed_call", "missedCall"), ("{TWILIO_TOKEN}", "{TWILIO_AUTH_TOKEN}")):
            text = text.replace(old, new)
    environ = dict.fromkeys(("B24_CLIENT_ID", "B24_CLIENT_SECRET", "TWILIO_AUTH_TOKEN"), "set")
    found = examine(Draft(text, "rules.yaml"), providers=OPTIONS, environ=environ, known={})
    section = README.partition("### What `check` says")[2]
    shown = re.findall(r"\$ badge-bridge check rules.yaml\n(rules.yaml:.*?)```", section, re.DOTALL)[corrected]
    extent = re.sub(r"hash \w+", "hash 689591e1…", found.rules.extent) if found.rules else ""
    last = f"rules.yaml: no mistake, 1 warning: {extent}\n" if extent else ""
    assert printed(found.findings, lines=True) + last == shown
