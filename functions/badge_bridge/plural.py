"""Numbers of things, and several things, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["counted", "either"]


def counted(number: int, what: str, several: str = "") -> str:
    """`1 rule`, `2,000 rules`; `several` where that is not the word and an s."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def either(things: Iterable[str]) -> str:
    """`a deal`, `a deal or a lead`, `a deal, a lead or a contact`."""
    *first, last = things
    return f"{', '.join(first)} or {last}" if first else last
