"""What `all`, `exists`, `exists_one`, `map` and `filter` may cost.

The engine counts the steps of loops, 10,000 at most, and neither what a step costs nor what it makes: ten times
`.map(a, a + a)` turn a text of a megabyte into a gigabyte in ten steps, and a search through it that is repeated for
each of 5,000 numbers takes 23 s (cel-expr-python 0.1.3, measured). So loops are few and make nothing that is larger
than what they are given, which is known when an expression is compiled, and they do not run over data with which they
would take long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from badge_bridge.cel.errors import CelFinding, EvaluationError
from badge_bridge.cel.parts import closing, without_texts
from badge_bridge.cel.wording import position

__all__ = ["MOST_LOOPS", "MOST_NESTED", "MOST_WORK", "Loops", "mistakes"]

MOST_LOOPS = 8

MOST_NESTED = 3

MOST_WORK = 200_000_000
"""Bytes that the loops of one expression may go through, reckoned as if each step looked at all of the data: about a
second for one search in each step."""

_STEPS = 10_000
"""The engine's own bound."""

_VALUE = 16
"""Bytes that the engine holds for a value at least."""

_LOOP = re.compile(r"\.\s*(all|exists|exists_?[oO]ne|map|filter)\s*\(")
_PLUS = re.compile(r"\+(?!\s*\d)")
_NUMBER_BEFORE = re.compile(r"\b\d+(?:\.\d+)?\s*\Z")
_OPENING = re.compile(r"[\[{]")
_VALUE_BEFORE = re.compile(r"[\w)\]}]\s*\Z")
_NAME = re.compile(r"\b(?!true\b|false\b|null\b)[A-Za-z_]\w*")
_ALL = "all, exists, map and filter"


class _Loop(NamedTuple):
    name: str
    at: int
    """Where its name stands."""
    begin: int
    end: int
    """What its brackets hold."""


class Loops:
    """The loops of one expression; false where it has none."""

    __slots__ = ("_nested", "_number", "_written")

    def __init__(self, text: str) -> None:
        seen = without_texts(text)
        found = _loops(seen)
        self._number = len(found)
        self._nested = max((_depth(loop, found) for loop in found), default=0)
        self._written = seen.count(",") + 1
        """As many items as the longest list that is written out in it can have."""

    def __bool__(self) -> bool:
        return self._number > 0

    def refuse_much(self, values: Iterator[Any]) -> None:
        """Refuse to go through values, each as JSON has it, that are too large for these loops.

        Raises:
            EvaluationError: it would take too long.
        """
        longest, size = self._written, 0
        for value in values:
            longest, size = _measure(value, longest, size)
        steps = min(self._number * longest**self._nested, _STEPS)
        if steps * size > MOST_WORK:
            raise EvaluationError(
                f"the data are too large for {_ALL} ({size:,} bytes); ask for single values", kind="budget"
            )


def mistakes(text: str) -> Iterator[CelFinding]:
    """Where an expression has too many loops, or one that could make something larger and larger."""
    seen = without_texts(text)
    found = _loops(seen)
    for number, loop in enumerate(found, start=1):
        if number > MOST_LOOPS or _depth(loop, found) > MOST_NESTED:
            few = f"an expression may have {MOST_LOOPS} of {_ALL}, {MOST_NESTED} of them inside each other"
            yield CelFinding(*position(text, loop.at), f"this {loop.name}() is one too many; {few}")
            return
    for loop in found:
        if _depth(loop, found) == 1:  # with all that is inside of it
            yield from _growing(text, seen, loop)


def _growing(text: str, seen: str, loop: _Loop) -> Iterator[CelFinding]:
    for plus in _PLUS.finditer(seen, loop.begin, loop.end):
        if not _NUMBER_BEFORE.search(seen[loop.begin : plus.start()]):
            message = (
                f"inside of {_ALL} a + could make a text longer and longer; only + with a written number may stand here"
            )
            yield CelFinding(*position(text, plus.start()), message)
    for bracket in _OPENING.finditer(seen, loop.begin, loop.end):
        is_index = bracket[0] == "[" and _VALUE_BEFORE.search(seen[loop.begin : bracket.start()])
        if not is_index and _NAME.search(seen, bracket.end(), closing(seen, bracket.end())):
            message = f"inside of {_ALL} a list or map may hold written values only, such as [1, 2] or ['a', 'b']"
            yield CelFinding(*position(text, bracket.start()), message)


def _loops(seen: str) -> Sequence[_Loop]:
    return [_Loop(found[1], found.start(1), found.end(), closing(seen, found.end())) for found in _LOOP.finditer(seen)]


def _depth(loop: _Loop, loops: Sequence[_Loop]) -> int:
    """How many loops it stands in, itself included."""
    return sum(other.begin <= loop.begin and loop.end <= other.end for other in loops)


def _measure(value: Any, longest: int, size: int) -> tuple[int, int]:
    """The length of the longest list or map, and the bytes of it all."""
    size += _VALUE
    if isinstance(value, str):
        return longest, size + len(value)
    if isinstance(value, Mapping):
        longest = max(longest, len(value))
        for key, item in value.items():
            longest, size = _measure(item, longest, size + len(key))
    elif isinstance(value, list):
        longest = max(longest, len(value))
        for item in value:
            longest, size = _measure(item, longest, size)
    return longest, size
