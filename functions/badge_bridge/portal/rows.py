"""Rows and ids in a portal's answers: an id is a number in one method and text in the next, and PHP says `[]` for
"nothing" as well as for "no list" (Bitrix24 docs, "crm.item.list", "crm.activity.list").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from badge_bridge.errors import OutcomeUnknown

__all__ = ["ids_of", "inside", "is_completed", "misread", "one_id", "rows_of"]

_DIGITS = 18
_YES = frozenset({"true", "y", "1"})
"""How the portal writes that an activity is completed; it takes all of them and answers with JSON's `true`."""


def misread(portal: str, method: str, said: str, *, code: str) -> OutcomeUnknown:
    """The error of a success that is not as documented: `said` goes on after the method, `code` is a word of ours."""
    return OutcomeUnknown(f"portal {portal}: {method} {said}", portal=portal, method=method, code=code, status=200)


def inside(value: object, name: str) -> Mapping[str, Any]:
    """The object under a name; empty where there is none, or the value is of another shape."""
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def is_completed(fields: Mapping[str, Any]) -> bool:
    """Whether the fields of an activity say that it is over."""
    return str(fields.get("completed")).casefold() in _YES


def rows_of(value: object) -> list[Mapping[str, Any]]:
    """The rows of a list; PHP sends one with gaps as an object, and null, false, "" or `[]` for none."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def one_id(value: object) -> int | None:
    """A positive id that came as a number or as text; None for everything else, 0 and "" included."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def ids_of(value: object) -> tuple[int, ...]:
    """The ids in a list or a single one, each once, in the order they came in."""
    if isinstance(value, Mapping):
        value = list(value.values())
    found = (one_id(one) for one in (value if isinstance(value, list) else [value]))
    return tuple(dict.fromkeys(one for one in found if one is not None))
