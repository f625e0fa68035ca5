"""From a position inside a scalar's value to the position in the file: for mistakes in expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["BREAK", "Place", "inside"]

BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""What libyaml takes for the end of a line."""

_SINGLE_QUOTED_UNIT = re.compile(r"''|.", re.DOTALL)
_DOUBLE_QUOTED_UNIT = re.compile(r"\\x..|\\u.{4}|\\U.{8}|\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands. Line and column count from 1; `start` and `end` are offsets into the text.

    `style` is how a scalar is written: empty for plain, `'`, `"`, `|` or `>`.
    """

    line: int
    column: int
    start: int
    end: int
    style: str


def inside(place: Place, raw: str, value: str, line: int, column: int) -> tuple[int, int] | None:
    """The line and column in the file of a position in the value, or None where it cannot be told: the value is folded
    from lines in another way than with a blank for each end of a line.

    `raw` is the scalar as it is written, quotes and indicators included.
    """
    if place.style == "|":
        return _in_block(place, raw, value, line, column)
    if place.style == ">" or (place.style == "" and BREAK.search(raw)):
        return _folded(place, raw, value, line, column)
    if BREAK.search(raw):
        return None
    offset = sum(len(one) + 1 for one in value.split("\n")[: line - 1]) + column - 1
    if place.style == "":
        return place.line, place.column + offset
    units = _SINGLE_QUOTED_UNIT if place.style == "'" else _DOUBLE_QUOTED_UNIT
    written = units.findall(raw[1:-1])
    return place.line, place.column + 1 + sum(len(unit) for unit in written[:offset])


def _folded(place: Place, raw: str, value: str, line: int, column: int) -> tuple[int, int] | None:
    """Lines of one indentation were put together with blanks between them."""
    written = BREAK.split(raw)
    first, lines = (1, written[1:]) if place.style == ">" else (0, written)
    while lines and not lines[-1].strip():
        lines.pop()
    texts = [one.strip(" \t") for one in lines]
    if line != 1 or " ".join(texts) != value.rstrip("\n"):
        return None
    for number, text in enumerate(texts):
        if column <= len(text) + 1:
            indent = len(lines[number]) - len(lines[number].lstrip(" \t"))
            begins_there = (first, number) == (0, 0)  # a plain scalar's first line is not indented in `raw`
            return place.line + first + number, (place.column - 1 if begins_there else indent) + column
        column -= len(text) + 1
    return None


def _in_block(place: Place, raw: str, value: str, line: int, column: int) -> tuple[int, int]:
    """In a literal block the lines follow the indicator one to one, each indented alike."""
    written = BREAK.split(raw)
    read = value.split("\n")
    indents = [len(w) - len(r) for w, r in zip(written[1:], read, strict=False) if r]
    return place.line + line, (indents[0] if indents else 0) + column
