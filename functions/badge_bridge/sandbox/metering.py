"""How much a portal lets its callers do: requests by a leaky bucket, run time by method (Bitrix24 docs, "Limits").

A request fills the bucket by one and is refused before anything else where that would make it overflow. Run time is
summed per method and credential in ten one-minute buckets; each answer tells when the oldest of them drops out, and
a method that has used up its ceiling is refused until then. The call that crosses the ceiling is still carried out.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated

from pydantic import ConfigDict, Field

from badge_bridge.sandbox.shapes import Record

__all__ = ["LeakyBucket", "Limits", "OperatingMeter"]

_MINUTE = 60
_BUCKETS = 10

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Limits(Record):
    """The limits of a portal; those of most plans unless it says otherwise. Enterprise has 5 a second and 250."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    rate: Positive = 2.0
    """How many requests drain from the bucket in a second."""
    burst: Annotated[int, Field(ge=1)] = 50
    """How many requests the bucket holds; one more is `QUERY_LIMIT_EXCEEDED`."""
    operating: Positive | None = 480.0
    """Seconds that one method may run in ten minutes; afterwards it is `OPERATION_TIME_LIMIT`; null for no ceiling."""
    run_times: dict[str, Seconds] = Field(default_factory=dict)
    """Seconds by method that a call counts for beyond the real ones, such as {"crm.item.list": 0.5}; nothing waits."""


class LeakyBucket:
    """Requests that have not drained yet."""

    def __init__(self) -> None:
        self._level = 0.0
        self._seen = 0.0

    def take(self, *, rate: float, burst: int, now: float) -> bool:
        """Count a request at `now` (unix seconds); False where there is no room, and then it does not count."""
        self._level = max(0.0, self._level - max(0.0, now - self._seen) * rate)
        self._seen = now
        if self._level + 1 > burst:
            return False
        self._level += 1
        return True


class OperatingMeter:
    """Run time in seconds by key, forgotten minute by minute."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], deque[list[float]]] = {}

    def used(self, key: tuple[str, str], *, now: float) -> float:
        """Seconds of the last ten minutes."""
        return sum(bucket[1] for bucket in self._lasting(key, now))

    def add(self, key: tuple[str, str], seconds: float, *, now: float) -> tuple[float, int]:
        """Count a run and return the sum and the unix second at which the oldest counted minute drops out."""
        minute = now // _MINUTE
        buckets = self._lasting(key, now)
        if not buckets or buckets[-1][0] != minute:
            buckets.append([minute, 0.0])
        buckets[-1][1] += seconds
        return sum(bucket[1] for bucket in buckets), int(buckets[0][0] + _BUCKETS) * _MINUTE

    def _lasting(self, key: tuple[str, str], now: float) -> deque[list[float]]:
        buckets = self._buckets.setdefault(key, deque(maxlen=_BUCKETS))
        while buckets and buckets[0][0] <= now // _MINUTE - _BUCKETS:
            buckets.popleft()
        return buckets
