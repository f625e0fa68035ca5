"""The threats in the README each have a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")

THREATS = {
    "forged delivery",
    "replayed delivery",
    "oversized body",
    "slow client",
    "redirect by a portal",
    "forged installation",
    "header injection",
    "log injection",
    "secrets in what comes out",
    "path tricks",
    "burning expression",
    "YAML bomb",
    "malicious rules file",
    "console without a session",
    "request forged by another page (CSRF)",
    "rules tried in the console",
    "page in a delivery (XSS)",
    "leaked database file",
}


def rows() -> list[list[str]]:
    """The cells of each row of the table, without its head."""
    section = README.partition("\n## Security\n")[2].partition("\n## ")[0]
    found = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return found[1:]


def names_in(path: str) -> set[str]:
    """The tests that pytest finds in a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_threat_has_a_row() -> None:
    """Each one once, and none that is not known here."""
    assert [row[0] for row in rows()] == list(dict.fromkeys(row[0] for row in rows()))
    assert {row[0] for row in rows()} == THREATS


def test_every_row_says_who_sends_what_they_gain_what_stops_them_and_which_test_shows_it() -> None:
    """Nothing in the table is left open."""
    for row in rows():
        assert len(row) == 5, row[0]
        assert all(len(cell) > 5 for cell in row), row[0]


def test_every_test_of_the_table_exists() -> None:
    """A test that is renamed or removed is missed here."""
    for row in rows():
        cited = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[-1])
        assert cited, row[0]
        assert row[-1].count("::") == len(cited), row[0]
        for path, name in cited:
            assert name in names_in(path), f"{row[0]}: {path} has no {name}"
