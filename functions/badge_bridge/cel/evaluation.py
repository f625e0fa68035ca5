"""What the CEL engine says when an evaluation fails, in the words of someone who writes a rules file.

These messages are logged and shown, and a value may be a phone number: what they quote stands in the expression itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import Match, Pattern

from badge_bridge.cel.errors import EvaluationError
from badge_bridge.cel.functions import FUNCTIONS
from badge_bridge.cel.wording import overload, position, type_names, without_status

__all__ = ["failure"]


def failure(raw: str, text: str) -> EvaluationError:
    """The error for what the engine said about an evaluation of this expression."""
    for pattern, explain in _EVALUATION:
        if match := pattern.search(raw):
            return explain(match, text)
    # The engine's own words end where it begins to quote.
    said = re.split(r"[:'\"]", without_status(raw))[0].strip().lower()
    return EvaluationError(f"the engine refuses a value: {said}", kind="value")


def _missing(match: Match[str], text: str) -> EvaluationError:
    place = re.search(rf"""(?:\.\s*|\[\s*r?['"])({re.escape(match[1])})\b""", text)
    if not place:
        return EvaluationError(
            "a key that the expression computes is not there; test it with 'in' first", kind="missing"
        )
    line, column = position(text, place.start(1))
    found = f"there is no '{match[1]}'; test it with has(...) first"
    return EvaluationError(found, kind="missing", line=line, column=column)


def _no_overload(match: Match[str], text: str) -> EvaluationError:
    receiver, function, arguments = match.groups()
    token = function.strip("_@") or function
    line, column = _place_of(token, text)
    types = type_names(", ".join(part for part in (receiver, arguments) if part))
    return EvaluationError(overload(function, types), kind="missing", line=line, column=column)


def _bad_pattern(match: Match[str], text: str) -> EvaluationError:
    quoted = match[1].rpartition(": ")[2]
    detail = f": {match[1]}" if quoted and quoted in text else ""
    line, column = _place_of("matches", text)
    return EvaluationError(f"invalid regular expression{detail}", kind="value", line=line, column=column)


def _bad_literal(match: Match[str], text: str) -> EvaluationError:
    name = match[1].lower()
    line, column = _place_of(name, text)
    found = f"this is no {name}; write {FUNCTIONS[name]}"
    return EvaluationError(found, kind="value", line=line, column=column)


def _by_zero(match: Match[str], text: str) -> EvaluationError:
    line, column = _place_of("/" if match[1] == "divide" else "%", text)
    return EvaluationError("division by zero", kind="value", line=line, column=column)


def _no_item(match: Match[str], _text: str) -> EvaluationError:
    found = f"there is no item {match[1]} in a list of {match[2]}; the first item is 0"
    return EvaluationError(found, kind="missing")


def _place_of(token: str, text: str) -> tuple[int, int]:
    """The place of a token where it is the only one, otherwise the beginning."""
    return position(text, text.index(token)) if text.count(token) == 1 else (1, 1)


_EVALUATION: Sequence[tuple[Pattern[str], Callable[[Match[str], str], EvaluationError]]] = (
    (re.compile(r'Key not found in map : "?(.*?)"?$', re.DOTALL), _missing),
    (re.compile(r"no_such_field : (\w+)"), _missing),
    (re.compile(r"No matching overloads found : (?:\((.*?)\)\.)?(.+?)\((.*)\)$"), _no_overload),
    (re.compile(r"Index error: index=(-?\d+) size=(\d+)"), _no_item),
    (re.compile(r"(divide|modulus) by zero"), _by_zero),
    (re.compile(r"invalid regular expression: (.*)", re.DOTALL), _bad_pattern),
    (re.compile(r"String to (Timestamp|Duration) conversion"), _bad_literal),
    (
        re.compile(r"SELECT to non-message type"),
        lambda *_: EvaluationError("a field is read of something that has none; test it with has(...)", kind="missing"),
    ),
    (
        re.compile(r"budget|recursion"),
        lambda *_: EvaluationError("this takes too many steps; make its lists or its nesting smaller", kind="budget"),
    ),
    (
        re.compile(r"[Tt]ime ?zone"),
        lambda *_: EvaluationError(
            "this system does not know the time zone; write a name such as 'Europe/Berlin'", kind="value"
        ),
    ),
)
