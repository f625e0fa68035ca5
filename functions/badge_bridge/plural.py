"""Numbers of things, and several things, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["counted", "either", "listed", "named", "several"]

_SHOWN = 5
"""Ids that a sentence lists before it breaks off."""


def counted(number: int, what: str, several: str = "") -> str:
    """`1 rule`, `2,000 rules`; `several` where that is not the word and an s."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def either(things: Iterable[str]) -> str:
    """`a deal`, `a deal or a lead`, `a deal, a lead or a contact`."""
    *first, last = things
    return f"{', '.join(first)} or {last}" if first else last


def several(what: str) -> str:
    """`deals`, `companies`."""
    return f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"


def named(what: str, ids: Sequence[int]) -> str:
    """`deal 41`, `companies 6, 8`."""
    return f"{what if len(ids) == 1 else several(what)} {listed(ids)}"


def listed(ids: Sequence[int]) -> str:
    """`41`, `41, 40`; of many the first ones: `41, 40, 39, 38, 37, ...`."""
    return ", ".join(map(str, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")
