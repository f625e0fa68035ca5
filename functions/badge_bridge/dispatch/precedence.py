"""Deliveries come first: while many arrive, work on stored events gets a small share of the event loop's time.

A sender waits for its answer, gives up after some seconds, and may not ask twice; an event is safe once it is stored.
Both run in one event loop, which knows no priorities: of a hundred events that one answer of the portal sets going
again, each would have its turn before the next delivery. So work has to pass a gate whenever it could go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

__all__ = ["MANY", "SECONDS", "SHARE", "Precedence"]

T = TypeVar("T")

MANY, SECONDS = 8, 0.05
"""So many deliveries within so many seconds are a rush, and for so long after one of them more are expected: a group of
them may be on its way to the disk, while the event loop has nothing to do. Calls that come one by one are no rush."""

SHARE = 0.05
"""Of the event loop's time, for work while deliveries keep coming: so none waits for ever."""


class Precedence:
    """Lets work go on one step at a time, so that a delivery waits for one step at most; and in a rush of deliveries
    only in its share of the time.

    `clock` gives seconds that only grow, and counts what a step takes.
    """

    def __init__(self, *, share: float = SHARE, clock: Callable[[], float] = time.perf_counter) -> None:
        self._rest = 1 / share - 1
        self._clock = clock
        self._last: deque[float] = deque(maxlen=MANY)
        """When the last deliveries came."""
        self._rush_until = float("-inf")
        self._owed_at = float("-inf")
        """When work has rested long enough for what it took."""
        self._has_run = False
        """Whether a step has run in this turn of the event loop."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.Handle | None = None

    @property
    def is_rush(self) -> bool:
        """Whether many deliveries are about."""
        return self._clock() < self._rush_until

    def notice(self) -> None:
        """A delivery has come."""
        now = self._clock()
        self._last.append(now)
        if len(self._last) == MANY and now - self._last[0] <= SECONDS:
            self._rush_until = now + SECONDS

    def behind(self, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """The same work, for a task to await: it lets deliveries go first each time it could go on."""
        return _Behind(work, self)

    def turn(self) -> asyncio.Future[None] | None:
        """What a step has to wait for; None where it may run now."""
        if not self._waiting and not self._has_run and not self.is_rush:
            return None
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._arm()
        return waiter

    def begin(self) -> float:
        """A step runs now, for `end`."""
        if not self._has_run:
            self._has_run = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        return self._clock()

    def end(self, began: float) -> None:
        """The step is over."""
        now = self._clock()
        if began < self._rush_until:
            took = now - began
            self._rush_until += took  # meanwhile no delivery could be noticed
            self._owed_at = max(self._owed_at, now) + took * self._rest
        else:
            self._owed_at = now
        self._arm()

    def _next_turn(self) -> None:
        self._has_run = False

    def _arm(self) -> None:
        if not self._waiting or self._timer is not None:
            return
        delay = min(self._rush_until, self._owed_at) - self._clock()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay, self._admit) if delay > 0 else loop.call_soon(self._admit)

    def _admit(self) -> None:
        """Let the next step run, whose end lets the one behind it."""
        self._timer = None
        if self._clock() < min(self._rush_until, self._owed_at):
            self._arm()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class _Behind(Generic[T]):
    """Runs a coroutine inside of the task that awaits this: what it waits for, its task waits for."""

    def __init__(self, work: Coroutine[Any, Any, T], precedence: Precedence) -> None:
        self._work = work
        self._precedence = precedence

    def __await__(self) -> Generator[Any, Any, T]:
        error: BaseException | None = None
        while True:
            began = self._precedence.begin()
            try:
                awaited = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                error = None
                self._precedence.end(began)
            try:
                yield awaited
                turn = self._precedence.turn()
                if turn is not None:
                    yield from turn
            except BaseException as raised:  # noqa: BLE001 - it is the work's: a failed wait, or that it is cancelled
                error = raised
