"""What may go when a storm is over: a person whom an operator erases, and after weeks whatever has ended. What waits
stays, and what has gone is known when it is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from chaos.blows import YEAR
from chaos.books import OPEN, Store
from chaos.calls import Call
from chaos.deliveries import KEPT
from chaos.load import Load
from chaos.stories import Story
from chaos.watch import Watch
from chaos.world import World

__all__ = ["GOING", "Afterwards"]

PERSONS = 3
"""Who are erased."""
AGAIN = 3
"""Calls of strangers that are tried again when the application is not installed: the portal has to be asked for them."""
WAITING = 5
"""Calls that are told of then."""
REPEATED = 20
"""Calls that are told of once more when their events have gone."""
AT_LAST = KEPT + YEAR + 7 * 86_400.0
"""Seconds after which whatever has ended is over: also what ended by a clock that was a year ahead."""
MOST_LOOKS = 120
"""Half seconds until what may go has gone: `serve` looks every five seconds, and deletes a hundred at a time."""
FOR_EVER = frozenset({"gate", "pbx", "reception"})
"""Sources whose deliveries are as good after weeks, as no time is signed in them."""


ERASED = "persons erased"
WAITED = "events that waited for weeks"
AGAIN_WAITED = "events that had ended, were tried again and waited for weeks"
DELETED = "events deleted when their time was over"
KNOWN = "deliveries known although their events were gone"
GOING = (ERASED, WAITED, AGAIN_WAITED, DELETED, KNOWN)
"""What is counted."""


class Afterwards:
    """`read` reads the store, and `end` lets everything end that is open and reads it then. What goes wrong is in
    `wrong`.
    """

    def __init__(
        self,
        world: World,
        load: Load,
        watch: Watch,
        random: Random,
        *,
        read: Callable[[], Awaitable[Store]],
        end: Callable[[], Awaitable[Store]],
    ) -> None:
        self._world = world
        self._load = load
        self._watch = watch
        self._random = random
        self._read = read
        self._end = end
        self.wrong: list[str] = []

    async def run(self, waiting: Sequence[Story], let_pass: Callable[[float], Awaitable[None]]) -> None:
        """`waiting` are stories that were not told yet; `let_pass` lets seconds go by when the portal is asked nothing."""
        await self._erase()
        self._world.sandbox.uninstall()
        began = float(int(self._world.clocks.wall())) - 600
        await asyncio.gather(*(self._load.tell(story.beginning(began)) for story in waiting[:WAITING]))
        again = await self._redrive()
        await let_pass(60.0)
        still = {event.key for event in (await self._read()).open()}
        self._world.counts[WAITED] = len(still - again)
        self._world.counts[AGAIN_WAITED] = len(still & again)
        await let_pass(AT_LAST)
        await self._until_gone()
        await self._end()
        await self._repeat()

    async def _erase(self) -> None:
        events = (await self._read()).events
        known = {(event.source, event.name) for event in events}
        calls = [call for call in self._load.sent.begun.values() if (call.source, call.event_id) in known]
        customers = sorted({call.customer.number for call in calls})
        for customer in self._random.sample(customers, min(PERSONS, len(customers))):
            his = [call for call in calls if call.customer.number == customer]
            names = {(call.source, call.event_id) for call in his}
            self._watch.erased |= {event.key for event in events if (event.source, event.name) in names}
            phone = his[0].customer.phone
            said = await asyncio.to_thread(self._world.erase, phone)
            self._world.counts[ERASED] += 1
            if places := await asyncio.to_thread(self._world.places, phone[3:]):
                self.wrong.append(f"not erased: customer {customer} is in {', '.join(places)}; told was: {said[-300:]}")

    async def _redrive(self) -> set[str]:
        ended = [one.key for one in (await self._read()).events if (one.state, one.type) == ("ignored", "call.missed")]
        keys = self._random.sample(sorted(ended), min(AGAIN, len(ended)))
        self._watch.may_begin_anew |= set(keys)
        await asyncio.to_thread(self._world.redrive, keys)
        return set(keys)

    async def _until_gone(self) -> None:
        for _ in range(MOST_LOOKS):
            ended = [event for event in (await self._read()).events if event.state not in OPEN]
            if not ended:
                break
            await asyncio.sleep(0.5)
        await asyncio.to_thread(self._watch.look)
        self._world.counts[DELETED] = len(self._watch.gone.keys() - self._watch.erased)
        self.wrong += [f"kept too long: {event.key} has ended more than a year ago" for event in ended]

    async def _repeat(self) -> None:
        """Send again what was heard, as somebody does who has captured it."""
        # Of a call that waited, what told of a part of it may have gone, and what came of it is there.
        there = {(event.source, event.name) for event in (await self._read()).events}
        gone = {(event.source, event.name) for event in self._watch.gone.values()} - there
        calls = [call for call in self._load.sent.begun.values() if self._is_old(call, gone)]
        for call in self._random.sample(calls, min(REPEATED, len(calls))):
            await self._load.repeat(call)
            self._world.counts[KNOWN] += 1
        self.wrong += [
            f"taken for something new: {event.key}, which had gone, is {event.state}"
            for event in (await self._read()).events
            if (event.source, event.name) in gone
        ]

    def _is_old(self, call: Call, gone: set[tuple[str, str]]) -> bool:
        return call.source in FOR_EVER and (call.source, call.event_id) in gone and call.id in self._load.sent.heard
