"""How much memory the bodies of all requests may take together.

Apart from `connections.py` because it serves the functions framework too, where connections are not ours.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from badge_bridge.errors import DeliveryRefused

__all__ = ["BodyBudget", "BodyShare", "NoRoomForBody"]

TOTAL = 16 * 1024 * 1024
"""Whoever has no secret can have this much read, and what a process has once taken it keeps for the next flood."""
FREE = 64 * 1024
"""Bytes of each body that are not counted. The largest telephony webhook known is some tens of kilobytes."""


class NoRoomForBody(DeliveryRefused):
    """Large bodies of other requests take all the room; answered with 503 and `Retry-After`."""

    status = 503


class BodyBudget:
    """The room for bodies that are being read or worked on, of all requests of a process together.

    The first `free` bytes of every body are not counted, since the number of connections bounds them. So no flood of
    large bodies, which anybody can send before a signature is checked, keeps out a delivery of ordinary size. What
    finds no room is refused at once instead of waiting: a body that waits takes room too, the next one would have to
    wait for up to the 15 s that a body has, and providers give up earlier than that.

        with budget.reading(declared_length) as share:
            async for chunk in request.stream():
                share.take(len(chunk))
    """

    def __init__(self, total: int = TOTAL, *, free: int = FREE) -> None:
        self._total = total
        self._free = free
        self._used = 0

    @property
    def used(self) -> int:
        """Bytes that are counted now, the free ones not among them."""
        return self._used

    def reading(self, declared: int | None = None) -> BodyShare:
        """The share of one body, given back when the block ends: let it hold the body for as long as it is used.

        `declared` is the Content-Length, if there is one: a body that will not fit now is refused before it is read.
        It takes no room by itself, or a few requests that send nothing would take it all.

        Raises:
            NoRoomForBody: the declared length does not fit.
        """
        self._check((declared or 0) - self._free)
        return BodyShare(self)

    def _check(self, more: int) -> None:
        if more > 0 and self._used + more > self._total:
            raise NoRoomForBody("too many large bodies are arriving at once, please send again")

    def _count(self, size: int, counted: int) -> int:
        """How much of a body of `size` bytes counts, of which `counted` are in already."""
        wanted = max(size - self._free, 0)
        self._check(wanted - counted)
        self._used += wanted - counted
        return wanted

    def _give_back(self, counted: int) -> None:
        self._used -= counted


class BodyShare:
    """What one body takes of a `BodyBudget`, for as long as its block lasts."""

    __slots__ = ("_budget", "_size", "counted")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._size = 0
        self.counted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget._give_back(self.counted)  # noqa: SLF001 - two halves of one thing

    def take(self, size: int) -> None:
        """Count `size` more bytes of the body.

        Raises:
            NoRoomForBody: they do not fit.
        """
        self._size += size
        self.counted = self._budget._count(self._size, self.counted)  # noqa: SLF001 - two halves of one thing
