"""Filters of list methods: `{"@id": [1, 2], ">=createdTime": "2026-01-01", "0": {"logic": "OR", ...}}`.

Which prefixes there are is the same for all list methods but the call statistics (Bitrix24 docs, "crm.item.list",
"crm.activity.list"); what happens to a field that does not exist is not: `crm.item.list` refuses it, the older methods
pass over it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import NOT_A_VALUE, Field

__all__ = ["Condition", "Filter", "read_filter"]

Test = Callable[[Any], bool]
"""Whether one value of a record fulfils a condition."""

_PREFIX = re.compile(r"(!=%|!%=|!><|!%|!@|!=|=%|%=|><|>=|<=|[><@%=!?])?(.*)", re.DOTALL)
_LISTED = frozenset({"", "=", "@", "!", "!=", "!@"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of a filter. `wanted` are the values that it asks for where it asks for equality, else None."""

    field: Field
    test: Test
    negated: bool
    wanted: tuple[Any, ...] | None

    def holds(self, record: Any) -> bool:
        value = self.field.read(record)
        if not self.field.multiple:
            return self.test(value) is not self.negated
        return any(self.test(one) for one in (value or (None,))) is not self.negated


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions of which all, or with `any_of` at least one, have to hold."""

    conditions: Sequence[Condition | Filter]
    any_of: bool = False

    def holds(self, record: Any) -> bool:
        if not self.conditions:
            return True
        return (any if self.any_of else all)(condition.holds(record) for condition in self.conditions)

    def wanted(self, name: str) -> tuple[Any, ...] | None:
        """The values one of which the field must have for the filter to hold; None where it may have any."""
        if self.any_of:
            return None
        for condition in self.conditions:
            if isinstance(condition, Condition) and condition.field.name == name and condition.wanted is not None:
                return condition.wanted
        return None


def read_filter(given: Any, fields: Mapping[str, Field], *, strict: bool) -> Filter:
    """Read a filter; anything but a map is an empty one.

    With `strict`, an unknown field and a value of the wrong type are refused; without, the field is passed over and
    the value matches nothing.

    Raises:
        Refusal: INVALID_ARG_VALUE, with the sentence of `crm.item.list`.
    """
    entries = given if isinstance(given, Mapping) else _numbered(given)
    logic = str(entries.get("logic", "AND")).upper()
    return Filter(tuple(_conditions(entries, fields, strict=strict)), any_of=logic == "OR")


def _numbered(given: Any) -> Mapping[str, Any]:
    """A map whose keys are 0, 1, ... arrives as a list from a form, and may be one in JSON too."""
    return {str(place): value for place, value in enumerate(given)} if isinstance(given, list) else {}


def _conditions(
    entries: Mapping[str, Any], fields: Mapping[str, Field], *, strict: bool
) -> Iterator[Condition | Filter]:
    for key, value in entries.items():
        if key.isdecimal() and isinstance(value, Mapping | list):
            yield read_filter(value, fields, strict=strict)
            continue
        if key.lower() == "logic":
            continue
        match = _PREFIX.fullmatch(key)
        assert match
        prefix, name = match[1] or "", match[2]
        field = fields.get(name)
        if field is not None and field.filterable:
            yield _condition(field, prefix, value, strict=strict)
        elif strict:
            raise Refusal("INVALID_ARG_VALUE", f"Invalid filter: field '{name}' is not allowed in filter")


def _condition(field: Field, prefix: str, given: Any, *, strict: bool) -> Condition:
    negated = prefix.startswith("!")
    operator = prefix.removeprefix("!")
    if "%" in operator or operator == "?":
        text = str(given) if isinstance(given, str | int | float) else ""
        return Condition(field, _like(text, anywhere=operator in {"%", "?"}), negated, None)
    listed = isinstance(given, list) and (prefix in _LISTED or operator == "><")
    values = [field.parse(one) for one in (given if listed else [given])]
    if strict and NOT_A_VALUE in values:
        raise Refusal("INVALID_ARG_VALUE", f"Invalid filter: field '{field.name}' has invalid value")
    if operator in {"", "=", "@"}:
        wanted = tuple(_blank(value) for value in values)
        return Condition(field, lambda value: _blank(value) in wanted, negated, None if negated else wanted)
    return Condition(field, _compared(operator, values), negated, None)


def _blank(value: Any) -> Any:
    """In a filter an empty text asks for what is not set, so both are one."""
    return None if value == "" else value


def _like(pattern: str, *, anywhere: bool) -> Test:
    """LIKE: a part of the text, or a pattern with `%` in it, in any case of letters."""
    parts = [re.escape(part) for part in ([pattern] if anywhere else pattern.split("%"))]
    expression = re.compile(f".*{parts[0]}.*" if anywhere else ".*".join(parts), re.IGNORECASE | re.DOTALL)
    return lambda value: expression.fullmatch("" if value is None else str(value)) is not None


def _compared(operator: str, values: Sequence[Any]) -> Test:
    if any(value is None or value is NOT_A_VALUE for value in values) or (operator == "><" and len(values) != 2):
        return lambda _: False
    bound = values[0]
    tests: Mapping[str, Test] = {
        ">": lambda value: value > bound,
        ">=": lambda value: value >= bound,
        "<": lambda value: value < bound,
        "<=": lambda value: value <= bound,
        "><": lambda value: bound <= value <= values[-1],
    }
    test = tests[operator]
    return lambda value: value is not None and test(value)
