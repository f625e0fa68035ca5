"""Counting requests before they are sent, so that the portal never has to refuse one.

Bitrix24 counts requests per portal and sender's address in a bucket that leaks: on most plans two a second leave it,
and the request that makes it hold more than fifty is refused (Bitrix24 docs, "Limits"). We keep the same bucket in the
store, where all processes count together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["BURST", "RATE", "Buckets", "Filled", "Limiter", "usable"]

RATE = 2.0
"""Requests a second that leave the bucket of every plan but Enterprise, which has 5 (Bitrix24 docs, "Limits")."""

BURST = 50
"""Requests that this bucket holds; 250 for Enterprise."""

_UNUSED = 25
"""One request in so many of a burst is left unused. Requests that left half a second apart may arrive closer together,
and a portal whose bucket is full to the brim refuses the second."""

_SHORTEST_SLEEP = 0.001
"""Seconds; a wait that rounding makes shorter would only be asked for again and again."""


class Buckets(Protocol):
    """The part of the store that counts; see `store/protocol.py`."""

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float: ...
    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float: ...


def usable(burst: int) -> int:
    """How much of a portal's burst is used, so that the time that requests take on their way does no harm."""
    return max(1, burst - -(-burst // _UNUSED))


@dataclass(frozen=True, slots=True)
class Filled:
    """How a bucket stands: how many requests it holds, how many of them fit, and how many leave it a second."""

    requests: float
    burst: int
    rate: float


class Limiter:
    """Admits the requests to one portal.

    `bucket` names it in the store; `rate` requests leave it a second and it holds `burst`; `clock` returns unix
    seconds, `sleep` waits for some.
    """

    def __init__(
        self,
        bucket: str,
        store: Buckets,
        *,
        rate: float = RATE,
        burst: int = BURST,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._bucket = bucket
        self._store = store
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep

    async def admitted(self) -> None:
        """Return once a request has been counted. Whoever is cancelled while he waits was not counted.

        Raises:
            StoreUnavailable: not counted.
        """
        while True:
            wait = await self._store.draw(self._bucket, now=self._clock(), rate=self._rate, burst=self._burst)
            if wait <= 0:
                return
            # A full bucket is empty after this time, whatever a clock that jumped has made of the level.
            await self._sleep(max(_SHORTEST_SLEEP, min(wait, self._burst / self._rate)))

    async def filled(self) -> Filled:
        """How the bucket stands, with what other processes have counted; counts nothing.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        now = self._clock()
        requests = await self._store.level(self._bucket, now=now, rate=self._rate, burst=self._burst)
        return Filled(requests, self._burst, self._rate)
