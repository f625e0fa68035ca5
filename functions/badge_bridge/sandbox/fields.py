"""Fields of list methods: what type a field has, and how it is read from a record.

Methods differ in names (`contactId`, `CONTACT_ID`) and in how they write values (numbers, strings); what a field is
does not differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from badge_bridge.sandbox.moments import iso, read_moment

__all__ = ["NOT_A_VALUE", "Field", "FieldType", "by_name", "read_bool", "read_id", "read_scalar", "read_whole"]

FieldType = Literal["integer", "double", "string", "boolean", "datetime"]
NOT_A_VALUE = object()
"""What a text is that cannot be read as the type of its field."""

_TRUE = frozenset({"y", "1", "true"})
_FALSE = frozenset({"n", "0", "false"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record. `read` gives plain values: a moment as unix seconds, several values as a tuple.

    `described_as` is how the portal names the type in `crm.item.fields` where that is not `type`.
    """

    name: str
    type: FieldType
    read: Callable[[Any], Any]
    multiple: bool = False
    writable: bool = False
    filterable: bool = True
    described_as: str = ""

    def show(self, record: Any) -> Any:
        """The value as methods of the camelCase kind write it: numbers, Y and N, ISO 8601."""
        value = self.read(record)
        if self.multiple:
            return list(value)
        if value is None:
            return None
        if self.type == "boolean":
            return "Y" if value else "N"
        if self.type == "datetime":
            return iso(value)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def show_as_text(self, record: Any) -> Any:
        """The value as methods of the UPPER_CASE kind write it: strings throughout, save for null."""
        shown = self.show(record)
        return [str(value) for value in shown] if self.multiple else None if shown is None else str(shown)

    def parse(self, given: Any) -> Any:
        """A value of a filter as `read` would give it; None for an empty one, `NOT_A_VALUE` for one of another type."""
        if given is None or given == "":
            return None
        if self.type == "string":
            return read_scalar(given, NOT_A_VALUE)
        if self.type == "boolean":
            return read_bool(given, NOT_A_VALUE)
        text = read_scalar(given, "")
        if self.type == "datetime":
            moment = read_moment(text)
            return NOT_A_VALUE if moment is None else moment
        return _number(text)


def by_name(fields: Iterable[Field]) -> Mapping[str, Field]:
    return {field.name: field for field in fields}


def read_scalar(value: Any, otherwise: Any = "") -> Any:
    """A text or a number as a text: forms have only texts. Anything else is `otherwise`."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def read_bool(value: Any, otherwise: Any = None) -> Any:
    """Y and N, 1 and 0, true and false, as texts or as they are (Bitrix24 docs, "crm.activity.configurable.add")."""
    text = str(value).lower() if isinstance(value, str | int | bool) else ""
    return True if text in _TRUE else False if text in _FALSE else otherwise


def read_whole(value: Any) -> int | None:
    """A whole number, as such or as a text; None for anything else."""
    text = read_scalar(value, "").strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else None


def read_id(value: Any) -> int | None:
    """An id: a whole number above 0, as such or as a text; None for anything else."""
    number = read_whole(value)
    return number if number is not None and number > 0 else None


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return NOT_A_VALUE
    return number if math.isfinite(number) else NOT_A_VALUE
