"""What is done to the bridge while it works: it is killed, its disk refuses to be written, its clock jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from chaos.portal import LATEST
from chaos.world import World

__all__ = ["BLOWS", "KILLS", "REFUSALS", "YEAR", "Blows"]

KILLS = "kills"
REFUSALS = "store cannot be written"

YEAR = 365 * 86_400.0
AHEAD = 6.0
"""Seconds for which the clock is a year ahead: `serve` looks every five whether something is to be deleted."""
LEASE = 90.0
"""Seconds that an attempt holds an event."""
MOST_LOOKS = 100
"""Tenths of a second for which the disk refuses on, until a delivery was refused for it."""


class Blows:
    """Strike `world`, those of `kinds`, when and how hard as chance decides; each is counted there when it has struck.
    `refused` tells how many deliveries were answered 503.
    """

    def __init__(self, world: World, random: Random, kinds: Sequence[str], *, refused: Callable[[], int]) -> None:
        self._world = world
        self._random = random
        self._kinds = kinds
        self._refused = refused
        self._deck: list[str] = []

    def deal(self, number: int) -> list[str]:
        """Names of the next blows; each kind comes before any comes again."""
        while len(self._deck) < number:
            self._deck += self._random.sample(self._kinds, len(self._kinds))
        dealt, self._deck = self._deck[:number], self._deck[number:]
        return dealt

    async def strike(self, name: str) -> None:
        """Let one happen; the bridge is starting by then or runs."""
        await _BLOWS[name](self)
        self._world.counts[name] += 1

    async def _kill(self) -> None:
        """While an add is done and its answer is not there yet, where there is an add."""
        self._world.sandbox.hold_an_add()
        await asyncio.sleep(self._random.uniform(0.2, 0.9))
        await self._start_anew()

    async def _start_anew(self) -> None:
        self._world.kill()
        self._world.start()
        await asyncio.to_thread(self._world.wait)

    async def _kill_in_a_row(self) -> None:
        """Now in the first milliseconds of a start, now in the middle of it, now just after."""
        for longest in self._random.sample((0.02, 0.2, 1.0, 2.0), 3):
            self._world.kill()
            self._world.start()
            await asyncio.sleep(self._random.uniform(0, longest))
        await self._start_anew()

    async def _refuse_disk(self) -> None:
        before = self._refused()
        self._world.refuse_writes()
        await asyncio.sleep(self._random.uniform(0.4, 1.2))
        for _ in range(MOST_LOOKS):
            if self._refused() > before:
                break  # on a busy machine deliveries take their time
            await asyncio.sleep(0.1)
        self._world.allow_writes()

    async def _kill_while_disk_refuses(self) -> None:
        self._world.refuse_writes()
        await asyncio.sleep(self._random.uniform(0.1, 0.4))
        self._world.kill()
        # It cannot start either, or stays up and can store nothing.
        self._world.start(may_write=False)
        await asyncio.sleep(self._random.uniform(0.2, 2.0))
        await self._start_anew()

    async def _put_forward(self) -> None:
        await self._put(self._random.uniform(60, 4 * 3600))

    async def _put_back(self) -> None:
        self._world.clocks.put(-self._random.uniform(60, 2 * 3600))

    async def _be_a_year_ahead(self) -> None:
        """For seconds, as by a bad time server. What is to be kept for four weeks must not be gone then."""
        await self._put(YEAR)
        await asyncio.sleep(AHEAD - LATEST)
        self._world.clocks.put(-YEAR)

    async def _outlive_leases(self) -> None:
        """While attempts are held up in the portal, the clock is put forward by more than their leases last."""
        self._world.sandbox.order("slow", method="*", times=4, seconds=2.0)
        await asyncio.sleep(0.4)
        await self._put(LEASE + self._random.uniform(5, 60))

    async def _put(self, seconds: float) -> None:
        """Forward. A process that begins later knows nothing of it, and the portal has done by then what it was asked."""
        self._world.clocks.put(seconds)
        await asyncio.sleep(LATEST)


_BLOWS: dict[str, Callable[[Blows], Awaitable[None]]] = {
    KILLS: Blows._kill,
    "kills in a row": Blows._kill_in_a_row,
    REFUSALS: Blows._refuse_disk,
    "kills while the store cannot be written": Blows._kill_while_disk_refuses,
    "clock put forward by minutes to hours": Blows._put_forward,
    "clock put back by minutes to hours": Blows._put_back,
    "clock a year ahead for seconds": Blows._be_a_year_ahead,
    "clock put forward over the end of leases": Blows._outlive_leases,
}
BLOWS = tuple(_BLOWS)
