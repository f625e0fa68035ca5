"""Splits a condition into the parts that decide it, by their positions in its text.

The engine shows no syntax tree, so this follows the grammar of the CEL specification ("Syntax"): `c ? a : b` binds
loosest, then `||`, then `&&`; `!` and parentheses are opened where there is nothing else beside them. Everything else,
such as a comparison or a call, is one part. Only for expressions that compile: of others nothing is promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Operator", "Part", "closing", "split", "without_texts"]

Operator = Literal["", "&&", "||", "!", "?:"]

MAX_NESTING = 50
"""Parentheses that are opened; what stands deeper is one part."""

_TOKEN = re.compile(
    r"""
    (?P<text>(?:\b[rRbB]{1,2})?(?:
        (?<=[rR])(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
      | \"\"\"(?:\\.|.)*?\"\"\" | '''(?:\\.|.)*?''' | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
    ))
  | (?P<comment>//[^\n]*)
  | (?P<mark>&&|\|\||[?:()\[\]{}])
    """,
    re.DOTALL | re.VERBOSE,
)
_BLANK = re.compile(r"(?:\s|//[^\n]*(?:\n|$))*")
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Part:
    """A condition or a piece of it: `start` is its offset in the whole; `parts` are what its operator stands between.

    Those of `?:` are three, in the order in which they are written.
    """

    text: str
    start: int
    operator: Operator = ""
    parts: tuple[Part, ...] = ()


def split(condition: str) -> Part:
    """The condition as a tree of parts."""
    return _Splitting(condition).part(0, len(condition), MAX_NESTING)


def without_texts(expression: str) -> str:
    """The expression with blanks for what stands in quotes and in comments, each place where it was."""
    return _TOKEN.sub(lambda token: token[0] if token["mark"] else " " * len(token[0]), expression)


def closing(seen: str, start: int) -> int:
    """Where the bracket ends that was opened just before `start`, in an expression without its texts."""
    depth = 1
    for offset in range(start, len(seen)):
        depth += (seen[offset] in _OPENING) - (seen[offset] in _CLOSING)
        if not depth:
            return offset
    return len(seen)


@dataclass(frozen=True, slots=True)
class _Mark:
    text: str
    start: int
    depth: int
    """Brackets around it; a bracket has the depth of what is outside of it."""


class _Splitting:
    def __init__(self, condition: str) -> None:
        self._condition = condition
        self._marks = list(_marks(condition))

    def part(self, start: int, end: int, nesting: int) -> Part:
        start, end = self._trimmed(start, end)
        operator, ranges = self._operands(start, end)
        if not ranges or not nesting:
            return Part(self._condition[start:end], start)
        parts = tuple(self.part(first, last, nesting - 1) for first, last in ranges)
        if not operator:
            return parts[0]  # what stands in parentheses
        return Part(self._condition[start:end], start, operator, parts)

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        """Without blanks and comments around it."""
        begin = _BLANK.match(self._condition, start, end)
        start = begin.end() if begin else start
        seen = without_texts(self._condition[start:end])
        # Texts are blanked as comments are: what is left of the last one is kept.
        last = max((token.end() for token in _TOKEN.finditer(self._condition, start, end) if token["text"]), default=0)
        return start, max(start + len(seen.rstrip()), last)

    def _operands(self, start: int, end: int) -> tuple[Operator, Sequence[tuple[int, int]]]:
        within = [mark for mark in self._marks if start <= mark.start < end]
        outer = min((mark.depth for mark in within), default=0)
        level = [mark for mark in within if mark.depth == outer]
        question = next((mark for mark in level if mark.text == "?"), None)
        if question is not None:
            colon = next((mark for mark in level if mark.text == ":" and mark.start > question.start), None)
            if colon is None:
                return "", ()
            return "?:", ((start, question.start), (question.start + 1, colon.start), (colon.start + 1, end))
        for operator in ("||", "&&"):
            cuts = [mark.start for mark in level if mark.text == operator]
            if cuts:
                starts = [start, *(cut + len(operator) for cut in cuts)]
                return operator, list(zip(starts, [*cuts, end], strict=True))
        return self._opened(start, end, level)

    def _opened(self, start: int, end: int, level: Sequence[_Mark]) -> tuple[Operator, Sequence[tuple[int, int]]]:
        """A parenthesis around it all, or what `!` stands before."""
        brackets = [mark for mark in level if mark.text in "()[]{}"]
        wholly = len(brackets) == 2 and brackets[0].text == "(" and brackets[1].start == end - 1
        if not wholly:
            return "", ()
        before = self._condition[start : brackets[0].start]
        if not before:
            return "", ((start + 1, end - 1),)
        if before.replace("!", "").strip():
            return "", ()  # a call
        return "!", ((start + 1, end),)


def _marks(condition: str) -> Iterator[_Mark]:
    depth = 0
    for token in _TOKEN.finditer(condition):
        mark = token["mark"]
        if mark is None:
            continue
        if mark in _CLOSING:
            depth -= 1
        yield _Mark(mark, token.start(), depth)
        if mark in _OPENING:
            depth += 1
