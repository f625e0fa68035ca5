"""What has to be known of a call's legs to put a new one in its place; how they are judged is in `joining`."""

from __future__ import annotations

__all__ = ["MOST_LEGS", "judged_identity"]

MOST_LEGS = 500
"""Legs of one call that are looked at; a call that is said to have more is not judged by some of them."""


def judged_identity(call: str) -> tuple[str, ...]:
    """What makes the one event of a whole call unique within its source."""
    return "judged call", call
