"""A call on its way, and those that travel in one request.

A caller waits for the answer of his command, and may leave before: while it waits for its turn, then it is not sent;
or while its request is under way, then the others in it are not disturbed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from badge_bridge.errors import PortalError
from badge_bridge.outcomes import Asked, Exchange
from badge_bridge.portal import batch
from badge_bridge.portal.answers import Reply
from badge_bridge.portal.exchanges import answered, cancelled
from badge_bridge.portal.lanes import Passage

__all__ = ["Command", "Departure", "Page", "told_to"]


@dataclass(frozen=True, slots=True)
class Page:
    """What a call was answered. Of a list, `next` is where the next page begins (None: this was the last one), and
    `total` how many rows there are in all.
    """

    result: Any
    next: int | None = None
    total: int | None = None


@dataclass(eq=False)
class Command:
    """One call: what is asked, the permission to ask it, and the caller who waits for its `answer`."""

    method: str
    params: Mapping[str, Any]
    passage: Passage
    asked: list[Exchange] | None
    answer: asyncio.Future[Page] = field(repr=False)
    set_out: bool = False
    """Its lanes have let it go, so that it may hold a probe."""
    alone: bool = False
    """It was refused in a batch, and is tried alone to see whether that was the reason."""
    left: bool = False
    """Its caller has gone, and knows what was asked for him until then."""
    under_way: tuple[float, int] | None = None
    """Since when (by the timer), and how many commands are in the request; None while it waits or is answered."""

    @cached_property
    def phrase(self) -> str | None:
        """As a batch says it; None where it cannot."""
        return batch.phrase(self.method, self.params)

    def record(self, meaning: Reply | PortalError, *, seconds: float, together: int, as_a_whole: bool = False) -> None:
        """Note an exchange for the caller, unless he has left; `as_a_whole` as for `exchanges.answered`."""
        if self.asked is not None and not self.left:
            self.asked.append(
                answered(self.method, self.params, meaning, seconds=seconds, together=together, as_a_whole=as_a_whole)
            )

    def leave(self, now: float) -> None:
        """Its caller has gone. What was asked for him is known even though nobody waits for the answer."""
        self.left = True
        if self.under_way is not None and self.asked is not None:
            since, together = self.under_way
            self.asked.append(cancelled(self.method, self.params, seconds=now - since, together=together))

    def succeed(self, page: Page) -> None:
        if not self.answer.done():
            self.answer.set_result(page)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Departure:
    """The commands of one request, which may be sent more than once.

    From `begins` to `ends` a command is under way, and goes although its caller leaves. `timer` returns seconds.
    """

    def __init__(self, commands: Sequence[Command], timer: Callable[[], float]) -> None:
        self.commands = tuple(commands)
        self.sent = False
        """Whether the request may have reached the portal."""
        self._timer = timer
        self._since = 0.0

    def begins(self) -> None:
        since = self._timer()
        for command in self.commands:
            command.under_way = (since, len(self.commands))
            if isinstance(command.asked, Asked):
                command.asked.under_way += 1

    def ends(self) -> None:
        for command in self.commands:
            command.under_way = None
            if isinstance(command.asked, Asked):
                command.asked.under_way -= 1

    def leaves(self) -> None:
        """The request is being sent."""
        self.sent = True
        self._since = self._timer()

    def returns(self) -> float:
        """It was answered or lost; how many seconds that took."""
        return self._timer() - self._since

    def record(self, meaning: Reply | PortalError, seconds: float) -> None:
        """Note the same answer for all commands."""
        together = len(self.commands)
        for command in self.commands:
            command.record(meaning, seconds=seconds, together=together, as_a_whole=together > 1)


def told_to(error: PortalError, method: str) -> PortalError:
    """The error of a whole request as one of its commands gets it: an object of its own, with the command's method."""
    own = error.__class__.__new__(error.__class__)
    own.__dict__.update(error.__dict__)
    told = f"portal {error.portal}: {error.method}"
    own.args = (str(error).replace(told, f"portal {error.portal}: {method}", 1),)
    own.method = method
    own.__cause__ = error.__cause__
    return own
