"""Order and pages of list methods: 50 records, `start` is an offset, -1 leaves out the count.

(Bitrix24 docs, "Peculiarities of list methods".)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import Field, read_whole
from badge_bridge.sandbox.registry import Reply

__all__ = ["PAGE", "in_order", "page", "read_order"]

PAGE = 50
Order = Sequence[tuple[Field, bool]]
"""Fields, each with whether it goes downwards; the first counts most."""

T = TypeVar("T")


def read_order(given: Any, fields: Mapping[str, Field], *, strict: bool) -> Order:
    """Read `{"id": "DESC"}`; anything but a map is no order.

    Raises:
        Refusal: INVALID_ARG_VALUE for a field or a direction that does not exist, with `strict` only.
    """
    order = []
    for name, direction in (given if isinstance(given, Mapping) else {}).items():
        field = fields.get(name)
        wanted = str(direction).upper()
        if field is None or field.multiple:
            if strict:
                raise Refusal("INVALID_ARG_VALUE", f"Invalid order: field '{name}' is not allowed in order")
            continue
        if strict and wanted not in {"ASC", "DESC"}:
            raise Refusal(
                "INVALID_ARG_VALUE",
                f"Invalid order: allowed sort directions are ASC, DESC. But got '{direction}' for field '{name}'",
            )
        order.append((field, wanted == "DESC"))
    return order


def in_order(records: Iterable[T], order: Order) -> list[T]:
    """Sorted by the fields; what is not set comes first, upwards."""
    ordered = list(records)
    for field, downwards in reversed(order):
        ordered.sort(key=lambda record: _key(field.read(record)), reverse=downwards)
    return ordered


def _key(value: Any) -> tuple[bool, Any]:
    return value is not None, 0 if value is None else value


def page(records: Sequence[T], start: Any, show: Callable[[Sequence[T]], Any]) -> Reply:
    """The page from `start` on, with `total`, and with `next` where more follows."""
    offset = read_whole(start) or 0
    if offset < 0:
        return Reply(show(records[:PAGE]), total=0)
    following = offset + PAGE if len(records) > offset + PAGE else None
    return Reply(show(records[offset : offset + PAGE]), total=len(records), next=following)
