"""The load, and the first book as it is written. Sends as providers do, again and again until it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from chaos.books import Sent
from chaos.calls import Call
from chaos.deliveries import delivery
from chaos.stories import Story

__all__ = ["ONCE", "Load"]

TRIES = 1000
PAUSE = 0.15
"""Seconds between two tries: so many are enough for the time that a process gets to start."""

ONCE = "portal"
"""The source whose sender sends once and never again, whatever it hears."""

CLOCK_BOUND = frozenset({"shop", "office"})
"""Sources that refuse what is too old or too new: around a jump of the clock they refuse what is genuine."""


class Load:
    """Sends stories to the bridge at `url`, signed by `clock` (unix seconds), which is the bridge's."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._clock = clock
        self._client = httpx.AsyncClient(trust_env=False, timeout=20)
        self.sent = Sent()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def tell(self, story: Story) -> None:
        """Deliver the calls of a story in their order, each until it was answered."""
        for call in story.calls:
            self.sent.begun[call.id] = call
            if story.together:
                await asyncio.gather(*(self._deliver(call) for _ in range(1 + story.repeats)))
            else:
                for _ in range(1 + story.repeats):
                    await self._deliver(call)

    async def repeat(self, call: Call) -> None:
        """Deliver a call once more that was heard."""
        await self._deliver(call)

    async def _deliver(self, call: Call) -> None:
        for _ in range(1 if call.source == ONCE and not call.forgery else TRIES):
            status = await self._try(call)
            if call.forgery:
                if status in (401, 403):
                    self.sent.refused[call.forgery] += 1
                    return
                if 200 <= status < 300:
                    self.sent.wrong.append(f"{call.id} ({call.forgery}, {call.source}) was answered {status}")
                    return
            elif 200 <= status < 300:
                self.sent.heard[call.id] += 1
                return
            if status not in (0, 503, 401 if call.source in CLOCK_BOUND or call.forgery else 0):
                self.sent.wrong.append(f"{call.id} ({call.source}) was answered {status}")
                return
            await asyncio.sleep(PAUSE)
        if call.source != ONCE:
            self.sent.wrong.append(f"{call.id} ({call.source}) found nobody to take it in {TRIES} tries")

    async def _try(self, call: Call) -> int:
        """The status of the answer, 0 where there was none."""
        request = delivery(call, self._clock())
        try:
            answer = await self._client.request(
                request.method, self._url + request.path, content=request.body, headers=request.headers
            )
        except httpx.TransportError:
            self.sent.broken += 1
            return 0
        if not call.forgery:
            self.sent.statuses[answer.status_code] += 1
        return answer.status_code
