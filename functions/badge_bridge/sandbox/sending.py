"""Sends the portal's events, each once, whatever the handler answers (Bitrix24 docs, "Events").

The real portal's queue is not reliable, and how unreliable this one is can be set (`Sending`). It never sends beyond
this machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Literal

from badge_bridge.http import AsyncBaseTransport, AsyncClient, HTTPError
from badge_bridge.sandbox.announcing import Outgoing
from badge_bridge.sandbox.application_seed import Sending
from badge_bridge.sandbox.holding import Sleep
from badge_bridge.sandbox.loopback import check_loopback
from badge_bridge.sandbox.phpform import build_form

__all__ = ["Sender", "Sent"]

_AT_A_TIME = 16
_WAITING = 20_000
"""Events that may wait at a time; what comes on top is lost, as it would be in any queue that is full."""
_TIMEOUT = 20.0
"""Seconds for one handler. The real portal's patience is not documented."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Bitrix24 Webhook Engine"}


@dataclass(slots=True)
class Sent:
    """What became of one event for one handler. It shows no token.

    `number` counts from 1, `time` is unix seconds of the sending or of the loss. `status` is the handler's answer;
    None while there is none. `error` says why there will be none.
    """

    number: int
    time: float
    event: str
    url: str
    status: int | None = None
    error: str | None = None
    fate: Literal["", "dropped", "duplicate"] = ""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Sender:
    """The queue of one portal. `transport` replaces the network, `sleep` and `clock` (unix seconds) the time."""

    def __init__(
        self,
        *,
        transport: AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        log_size: int = 10_000,
    ) -> None:
        self._transport = transport
        self._sleep = sleep
        self._clock = clock
        self._client: AsyncClient | None = None
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log: deque[Sent] = deque(maxlen=log_size)
        self._manner = Sending()
        self._random = Random()  # noqa: S311 - chance, no secret
        self.last = 0

    def send(self, events: Iterable[Outgoing], manner: Sending) -> None:
        """Take events and return at once; they go out side by side, in no order that could be relied on."""
        if manner != self._manner:
            self._manner, self._random = manner, Random(manner.seed)  # noqa: S311
        for event in events:
            if self._chance(manner.drop):
                self._note(event).fate = "dropped"
                continue
            self._start(event, self._note(event), manner)
            if self._chance(manner.duplicate):
                second = self._note(event)
                second.fate = "duplicate"
                self._start(event, second, manner)

    async def deliver(self, event: Outgoing) -> Sent:
        """Send one event now, reliably, and wait for the handler's answer."""
        sent = self._note(event)
        await self._post(event, sent)
        return sent

    def since(self, number: int = 0) -> Iterator[Sent]:
        """What was sent or lost after this number, in the order in which the portal raised it."""
        oldest = self.last - len(self._log) + 1
        return islice(self._log, max(0, number + 1 - oldest), None)

    async def idle(self) -> None:
        """Return when nothing waits and nothing is under way."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def forget(self) -> None:
        """Lose what waits, and the log."""
        for task in self._tasks:
            task.cancel()
        self._log.clear()
        self.last = 0

    async def close(self) -> None:
        """Stop at once; what waits is lost."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _start(self, event: Outgoing, sent: Sent, manner: Sending) -> None:
        if len(self._tasks) >= _WAITING:
            sent.error = "the queue is full"
            return
        delay = manner.delay if manner.seed is None else manner.delay * self._random.random()
        task = asyncio.create_task(self._later(event, sent, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(self, event: Outgoing, sent: Sent, delay: float) -> None:
        if delay:
            await self._sleep(delay)
        async with self._turns:
            await self._post(event, sent)

    async def _post(self, event: Outgoing, sent: Sent) -> None:
        sent.time = self._clock()
        body = build_form({**event.fields, "ts": int(sent.time)})
        try:
            check_loopback(event.url)
            if self._client is None:
                # No redirects and no proxy: either could lead out of this machine.
                self._client = AsyncClient(transport=self._transport, trust_env=False, timeout=_TIMEOUT)
            async with self._client.stream("POST", event.url, content=body, headers=_FORM) as answer:
                sent.status = answer.status_code
        except (HTTPError, ValueError) as error:
            sent.error = str(error) or type(error).__name__

    def _note(self, event: Outgoing) -> Sent:
        self.last += 1
        sent = Sent(self.last, self._clock(), event.event, event.url)
        self._log.append(sent)
        return sent

    def _chance(self, share: float) -> bool:
        return share > 0 and self._random.random() < share
