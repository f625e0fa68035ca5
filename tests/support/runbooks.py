"""The runbooks of the README, to be played as they stand: what is typed in them, what they show, and what they promise."""

from __future__ import annotations

import re
from collections.abc import Mapping

from support.readme_files import README

__all__ = ["RUNBOOKS", "SECTION", "Runbook", "pattern"]

SECTION = README.split("\n## When something is wrong\n")[1].split("\n## ")[0]
RUNBOOKS: Mapping[str, str] = dict(re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", SECTION, re.DOTALL | re.MULTILINE))
"""Their texts by their headings, in order."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHOWN = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_TYPED = re.compile(r"`((?:badge-bridge|curl|df|systemctl|timedatectl)\b[^`]*)`")
_VARIES = re.compile(
    r"(?P<key>(?<=:)[0-9a-f]{4,32}\b)|(?P<span>\b\d+ (?:ms|s|min)\b)|(?P<method>\bcrm(?:\.\w+)+)|(?P<number>\d+)"
)
_VARIOUS = {"key": "[0-9a-f]+", "span": r"[\d.]+ (?:ms|s|min)", "method": r"crm[a-z.]+", "number": r"\d+"}


def pattern(shown: str) -> str:
    """A line of the README as a regular expression: numbers, lengths of time, keys and methods of the portal may be
    others, spaces count once, and its end may have been left out (…).
    """
    text, parts, end = " ".join(shown.split()).removesuffix("…"), [], 0
    for found in _VARIES.finditer(text):
        parts += [re.escape(text[end : found.start()]), _VARIOUS[found.lastgroup or ""]]
        end = found.end()
    return "".join((*parts, re.escape(text[end:])))


class Runbook:
    """The one with this heading. It remembers which of its commands were typed.

    `shown` are the lines that it shows below each command, `log` those that it shows of the log.
    """

    def __init__(self, heading: str) -> None:
        text = RUNBOOKS[heading]
        blocks = _BLOCK.findall(text)
        self._prose = " ".join(_BLOCK.sub("", text).split())
        self.shown: dict[str, list[str]] = {
            command: lines.splitlines()
            for kind, block in blocks
            if kind == "console"
            for command, lines in _SHOWN.findall(block)
        }
        self.log = [line for kind, block in blocks if kind == "text" for line in block.splitlines()]
        self._commands: frozenset[str] = frozenset({*self.shown, *_TYPED.findall(self._prose)})
        self.untyped = set(self._commands)

    def command(self, begins: str) -> str:
        """The one command that begins so; it counts as typed.

        Raises:
            AssertionError: it has none, or several.
        """
        found = [one for one in self._commands if one.startswith(begins)]
        assert len(found) == 1, f"{len(found)} commands of the runbook begin with {begins!r}: {found}"
        self.untyped.discard(found[0])
        return found[0]

    def says(self, phrase: str) -> str:
        """The phrase, which has to be in its text."""
        assert phrase in self._prose, f"the runbook does not say {phrase!r}"
        return phrase
