"""`operating` and `operating_reset_at`: how much run time a method has used in the last ten minutes.

The portal sums run time per method and credential in ten one-minute buckets and tells with each answer when the oldest
of them drops out (Bitrix24 docs, "Limits"). The sandbox measures and reports; it refuses only on request of a fault.
"""

from __future__ import annotations

from collections import deque

__all__ = ["OperatingMeter"]

_MINUTE = 60
_BUCKETS = 10


class OperatingMeter:
    """Run time in seconds by key, forgotten minute by minute."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], deque[list[float]]] = {}

    def add(self, key: tuple[str, str], seconds: float, *, now: float) -> tuple[float, int]:
        """Count a run and return the sum and the unix second at which the oldest counted minute drops out."""
        minute = now // _MINUTE
        buckets = self._buckets.setdefault(key, deque(maxlen=_BUCKETS))
        while buckets and buckets[0][0] <= minute - _BUCKETS:
            buckets.popleft()
        if not buckets or buckets[-1][0] != minute:
            buckets.append([minute, 0.0])
        buckets[-1][1] += seconds
        return sum(bucket[1] for bucket in buckets), int(buckets[0][0] + _BUCKETS) * _MINUTE
