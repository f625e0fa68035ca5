"""When a command leaves, and with whom: at once while nothing is under way, together under pressure.

This is Nagle's rule for requests. A command that finds no request under way leaves in the same turn of the event loop,
so an idle portal adds no delay. While one is under way others gather; they leave when there are enough of them for a
full batch, when the last request returns, or after `PATIENCE`, so that a portal that is slow for one request does not
hold up the others. Whenever they leave, the limiter admits the request first; what has gathered by then goes along, so
the scarcer requests are, the fuller they become.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context

from badge_bridge.errors import PortalUnreachable, StoreUnavailable
from badge_bridge.portal.commands import Command
from badge_bridge.portal.sizing import BatchSize
from badge_bridge.portal.wire import CONNECTIONS

__all__ = ["BODY_LIMIT", "PATIENCE", "Gathering"]

logger = logging.getLogger("badge_bridge.portal")

PATIENCE = 2.0
"""Seconds that a command waits at most for a request that is under way."""

BODY_LIMIT = 1024 * 1024
"""Bytes of all commands in one batch."""


class Gathering:
    """The commands that wait for their turn at the portal `portal`, in the order in which they came.

    `admitted` returns once a request is counted; `send` takes those that leave together, sees to it that each gets its
    answer, and does not raise.
    """

    def __init__(
        self,
        portal: str,
        *,
        size: BatchSize,
        admitted: Callable[[], Awaitable[None]],
        send: Callable[[Sequence[Command]], Coroutine[None, None, None]],
    ) -> None:
        self._portal = portal
        self._size = size
        self._admitted = admitted
        self._send = send
        self._waiting: deque[Command] = deque()
        self._single: set[str] = set()
        self._admission: asyncio.Task[None] | None = None
        self._flights: dict[asyncio.Task[None], Sequence[Command]] = {}
        self._patience: asyncio.TimerHandle | None = None
        self._impatient = False
        self._closed = False

    def add(self, command: Command) -> None:
        """Let a command wait for its turn, which may be now."""
        if self._closed:
            self._refuse(command)
            return
        self._waiting.append(command)
        self._consider()

    def put_back(self, commands: Sequence[Command]) -> None:
        """Let commands leave once more, before all others: the portal has not carried them out."""
        self._waiting.extendleft(reversed(commands))

    def send_alone(self, method: str) -> None:
        """Send the commands of a method alone from now on: the portal refuses it in a batch."""
        if method not in self._single:
            self._single.add(method)
            logger.warning(
                "portal %s: it does not take %s in a batch; its calls are sent one by one until the bridge restarts",
                self._portal,
                method,
            )

    def leave(self, command: Command) -> None:
        """Forget a command whose caller has gone: it is not sent, and a request for such commands alone is ended."""
        if command in self._waiting:
            self._waiting.remove(command)
        for flight, commands in self._flights.items():
            if command in commands and all(other.answer.done() for other in commands):
                flight.cancel()

    async def aclose(self) -> None:
        """Send nothing more and end what is under way."""
        self._closed = True
        tasks = [*self._flights, *([] if self._admission is None else [self._admission])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._patience is not None:
            self._patience.cancel()
        while self._waiting:
            self._refuse(self._waiting.popleft())

    def _refuse(self, command: Command) -> None:
        command.fail(
            PortalUnreachable(
                f"portal {self._portal}: {command.method} was not sent, the bridge is stopping",
                portal=self._portal,
                method=command.method,
                code="stopping",
            )
        )

    def _consider(self) -> None:
        """Let those leave who may, and see to it that somebody looks again at the others."""
        if self._closed or not self._waiting or self._admission is not None:
            return
        if len(self._flights) < CONNECTIONS and self._may_leave():
            # In a context of its own: what a request logs belongs to no single caller.
            self._admission = asyncio.create_task(
                self._depart(), name=f"admit a request to portal {self._portal}", context=Context()
            )
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE, self._lose_patience)

    def _may_leave(self) -> bool:
        return (
            not self._flights
            or self._impatient
            or len(self._waiting) >= self._size.now
            or self._is_single(self._waiting[0])
        )

    def _lose_patience(self) -> None:
        self._patience = None
        self._impatient = True
        self._consider()

    async def _depart(self) -> None:
        """Let one request go. A task of its own, so it begins when everybody of this turn has added his command."""
        try:
            await self._admitted()
            commands = self._take()
        except Exception as error:  # noqa: BLE001 - whatever fails, those who wait must learn of it
            for command in self._take():
                command.fail(StoreUnavailable(*error.args) if isinstance(error, StoreUnavailable) else error)
            commands = []
        finally:
            self._admission = None
        if commands:
            flight = asyncio.create_task(
                self._send(commands), name=f"request to portal {self._portal}", context=Context()
            )
            self._flights[flight] = commands
            flight.add_done_callback(self._landed)
        self._consider()

    def _landed(self, flight: asyncio.Task[None]) -> None:
        del self._flights[flight]
        self._consider()

    def _take(self) -> list[Command]:
        """The first command, and those that fit into the same batch. The others keep their places."""
        self._impatient = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if not self._waiting:
            return []
        if self._size.now == 1 or self._is_single(self._waiting[0]):
            return [self._waiting.popleft()]
        taken: list[Command] = []
        left: deque[Command] = deque()
        room = BODY_LIMIT
        for command in self._waiting:
            length = len(command.phrase or "")
            if len(taken) < self._size.now and length <= room and not self._is_single(command):
                taken.append(command)
                room -= length
            else:
                left.append(command)
        self._waiting = left
        return taken

    def _is_single(self, command: Command) -> bool:
        phrase = command.phrase
        return command.alone or command.method in self._single or phrase is None or len(phrase) > BODY_LIMIT
