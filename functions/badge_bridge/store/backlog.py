"""What is not done yet, counted: for whoever watches.

A store in a file or in memory knows it at once. Firestore bills each look by what it counts, so that is kept for a
minute; on Google Cloud alerts come of log-based metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Backlog"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that have not ended, and those that were given up."""

    waiting: Mapping[str, int] = field(default_factory=dict)
    """How many wait, by the lane that they wait for; those that wait for none under the empty name."""
    working: int = 0
    dead: int = 0
    oldest: float | None = None
    """When the oldest of those that wait was received, in unix seconds, however lately it was redriven; None where none
    waits."""
