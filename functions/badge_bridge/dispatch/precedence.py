"""Deliveries come first: while they arrive, work on stored events gets a small share of the event loop's time.

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

__all__ = ["QUIET", "SHARE", "Precedence"]

T = TypeVar("T")

QUIET = 0.003
"""Seconds after the last sign of a delivery for which another one is expected. More than a group of them takes to be
stored, so that work does not come between those of a rush; and nothing that is felt where they come one by one."""

SHARE = 0.05
"""Of the event loop's time, for work that waits while deliveries keep coming: so none waits for ever."""


class Precedence:
    """Lets work run at once while no delivery is about, and otherwise one step at a time, in its share of the time.

    `clock` gives seconds that only grow, and counts what a step takes.
    """

    def __init__(
        self, *, share: float = SHARE, quiet: float = QUIET, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._rest = 1 / share - 1
        self._quiet = quiet
        self._clock = clock
        self._rush_until = float("-inf")
        self._owed_at = float("-inf")
        """When work has rested long enough for what it took."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_rush(self) -> bool:
        """Whether deliveries are about."""
        return self._clock() < self._rush_until

    def now(self) -> float:
        """By the clock of `taken`."""
        return self._clock()

    def notice(self) -> None:
        """A delivery arrived, or was stored."""
        self._rush_until = self._clock() + self._quiet

    def behind(self, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """The same work, for a task to await: it lets deliveries go first each time it could go on."""
        return _Behind(work, self)

    def turn(self) -> asyncio.Future[None] | None:
        """What a step has to wait for; None where it may run now. Every turn that was waited for has to be `taken`."""
        if not self._waiting and not self.is_rush:
            return None
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._arm()
        return waiter

    def taken(self, began: float) -> None:
        """A step has run since `began`."""
        now = self._clock()
        if began < self._rush_until:
            took = now - began
            self._rush_until += took  # meanwhile no delivery could be noticed
            self._owed_at = max(self._owed_at, now) + took * self._rest
        else:
            self._owed_at = now
        self._arm()

    def _arm(self) -> None:
        if self._waiting and self._timer is None:
            delay = min(self._rush_until, self._owed_at) - self._clock()
            self._timer = asyncio.get_running_loop().call_later(max(delay, 0.0), self._admit)

    def _admit(self) -> None:
        """Let the next step run, which arms the timer for the one behind it."""
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
            began = self._precedence.now()
            try:
                awaited = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                error = None
                self._precedence.taken(began)
            try:
                yield awaited
                turn = self._precedence.turn()
                if turn is not None:
                    yield from turn
            except BaseException as raised:  # noqa: BLE001 - it is the work's: a failed wait, or that it is cancelled
                error = raised
