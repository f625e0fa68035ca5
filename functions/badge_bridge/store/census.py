"""What the events of a stretch of time came to, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from badge_bridge.outcomes import Result

__all__ = ["Census"]


@dataclass(slots=True)
class Census:
    """The events that were received in it, as they are now."""

    events: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many, by source, type and state."""
    attempts: int = 0
    """How often they were tried, all together."""
    reached: Counter[tuple[str, Result]] = field(default_factory=Counter)
    """For how many a rule came to a result, by both: the latest outcome of each rule counts (`outcomes.latest`)."""

    def add(
        self, source: str, kind: str, state: str, attempts: int, reached: Iterable[tuple[str, Result]] = ()
    ) -> None:
        self.events[source, kind, state] += 1
        self.attempts += attempts
        self.reached.update(reached)
