"""Single fields of a parsed body.

Two ways to take what cannot be: `text_at` and `group_at` read it as empty, and `Notes` keeps what was passed over;
`strict_text_at` and `strict_seconds_at` refuse the delivery. Which is right depends on whether the sender tries again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from badge_bridge.errors import Impossible

__all__ = ["MAX_SECONDS", "Notes", "group_at", "strict_seconds_at", "strict_text_at", "text_at", "whole_number"]

MAX_SECONDS = 366 * 24 * 3600
"""No call lasts longer than a year."""

_WHOLE_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
"""Ten digits are what unix seconds need."""
_SHOWN = 60
"""Characters of a value in a note."""


def text_at(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


def group_at(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The fields inside a field: an object of JSON, or what PHP brackets make (`data[CALL_ID]`)."""
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def whole_number(text: str) -> int | None:
    """A number as a form has it: digits and nothing else, None for any other text."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def strict_text_at(body: Mapping[str, Any], key: str) -> str:
    """The text of a field; "" where it is missing or null. JSON's numbers and truth values read as a form has them.

    Raises:
        Impossible: it is a list (in a form: given several times) or an object.
    """
    value = body.get(key)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise Impossible("must be one text", field=key)
    return value or ""


def strict_seconds_at(body: Mapping[str, Any], key: str) -> int | None:
    """A duration in whole seconds; None where the field is missing or empty.

    Raises:
        Impossible: anything else.
    """
    text = strict_text_at(body, key)
    if not text:
        return None
    seconds = whole_number(text)
    if seconds is None or seconds > MAX_SECONDS:
        raise Impossible("must be a whole number of seconds", field=key)
    return seconds


class Notes:
    """What could not be read of a delivery that is accepted all the same, in sentences."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def passed_over(self, field: str, value: Any, why: str = "cannot be read") -> None:
        shown = repr(value)
        self._sentences.append(f"{field} {why}: {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '...'}")

    def data(self) -> Mapping[str, Any]:
        """What an event's `data` has beside the body: `notes`, a list, and only where there are any."""
        return {"notes": self._sentences} if self._sentences else {}
