"""Numbers of things in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, what: str, several: str = "") -> str:
    """`1 rule`, `2,000 rules`; `several` where that is not the word and an s."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"
