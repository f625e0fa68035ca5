"""Keeps lines that anyone on the internet can cause from filling the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["FloodGate", "LeftOut"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many lines of a kind were left out, in how many seconds."""

    kind: Hashable
    lines: int
    seconds: float


@dataclass(slots=True)
class _Window:
    started: float
    lines: int = 0


class FloodGate:
    """Lets `limit` lines of a kind pass in `seconds`, counted from the first, and counts the others.

    At most `kinds` kinds are told apart at a time; the others share one count, under the kind None, so that a sender
    who invents new kinds uses up neither memory nor the log. Usable from several threads.
    """

    def __init__(
        self, *, limit: int = 5, seconds: float = 10.0, kinds: int = 256, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._kinds = kinds
        self._clock = clock
        self._windows: dict[Hashable, _Window] = {}
        self._lock = threading.Lock()

    def passes(self, kind: Hashable) -> bool:
        """Whether a line of this kind may be written now; counts it either way."""
        with self._lock:
            if kind not in self._windows and len(self._windows) >= self._kinds:
                kind = None
            window = self._windows.setdefault(kind, _Window(self._clock()))
            window.lines += 1
            return window.lines <= self._limit

    def over(self) -> list[LeftOut]:
        """End the windows whose time is over; says for which of them lines were left out, and how many.

        To be asked before `passes` and now and then, so that the count of a flood is told when it has ended.
        """
        with self._lock:
            ended = self._clock() - self._seconds
            over = []
            # Windows are kept in the order in which they started, so this stops at the first that is still open.
            while self._windows:
                kind, window = next(iter(self._windows.items()))
                if window.started > ended:
                    break
                del self._windows[kind]
                if window.lines > self._limit:
                    over.append(LeftOut(kind, window.lines - self._limit, self._seconds))
            return over
