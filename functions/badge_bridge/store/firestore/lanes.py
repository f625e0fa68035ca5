"""Lanes: what is paused, and which of the events that wait for a lane may go (`store/lanes.py`).

The document of a lane says whether events wait for it, since that is how they are found. Whoever lets one wait for a
lane reads the lane's document in the same transaction, and whoever writes that nobody waits looks for such events in
the same transaction. Where nobody waits and nothing is paused, there is no document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from badge_bridge.store.clock import reached
from badge_bridge.store.firestore.database import AsyncTransaction, Database, Reference, where
from badge_bridge.store.firestore.documents import LANES, document_id, known
from badge_bridge.store.firestore.queries import waiting_for
from badge_bridge.store.lanes import Gate
from badge_bridge.store.protocol import LONGEST_LEASE, Pause
from badge_bridge.store.records import plain

__all__ = ["Lane", "Lanes"]


@dataclass(slots=True)
class Lane:
    """`until` and what follows are about its pause; `leased_until` and `probe` about the event that was let through."""

    name: str
    awaited: bool = False
    """Events may wait for it."""
    is_paused: bool = False
    until: float = 0.0
    failures: int = 0
    reason: str = ""
    held_until: float = 0.0
    leased_until: float = 0.0
    probe: str = ""
    """The token of that event's lease."""

    @property
    def gate(self) -> Gate | None:
        return Gate(self.until, self.held_until, self.leased_until) if self.is_paused else None

    def correct(self, now: float) -> Gate | None:
        """The gate by a clock that says `now`, and kept so where that clock was set back."""
        if self.gate is None:
            return None
        gate = self.gate.corrected(now)
        self.until, self.held_until = min(self.until, gate.until), min(self.held_until, gate.held_until)
        return gate

    def let_wait(self) -> bool:
        """An event waits for it from now on; whether none did before, as far as is known."""
        was_awaited, self.awaited = self.awaited, True
        return not was_awaited

    def let_through(self, token: str, until: float) -> None:
        self.probe, self.leased_until = token, until

    def release(self, token: str) -> bool:
        """The event that was let through under this token is not under lease any more; whether there is one."""
        if not token or self.probe != token:
            return False
        self.probe, self.leased_until = "", 0.0
        return True

    @property
    def is_of_use(self) -> bool:
        """Whether anybody would miss it."""
        return self.is_paused or self.awaited or bool(self.probe)

    def as_pause(self) -> Pause:
        return Pause(lane=self.name, until=self.until, failures=self.failures, reason=self.reason)


class Lanes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def awaited(self) -> list[Lane]:
        """Those that events may wait for."""
        query = where(self._database.collection(LANES), awaited=("==", True))
        return [known(Lane, fields) for _, fields in await self._database.find(query)]

    async def read(self, name: str, transaction: AsyncTransaction) -> Lane | None:
        reference = self._reference(name)
        fields = (await self._database.read([reference], transaction)).get(reference.path)
        return known(Lane, fields) if fields else None

    def write(self, transaction: AsyncTransaction, lane: Lane) -> None:
        """Keep it as it is now, where it is of use."""
        if lane.is_of_use:
            transaction.set(self._reference(lane.name), _fields(lane))
        else:
            transaction.delete(self._reference(lane.name))

    async def forget(self, name: str, now: float) -> None:
        """Look no more for events that wait for the lane, where there is none."""

        async def work(transaction: AsyncTransaction) -> None:
            lane = await self.read(name, transaction)
            if lane is None or await self._database.find(waiting_for(self._database, name).limit(1), transaction):
                return
            lane.awaited = False
            if reached(lane.leased_until, now=now, longest=LONGEST_LEASE):
                lane.release(lane.probe)
            self.write(transaction, lane)

        await self._database.transact(_lock(name), work)

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause:
        name = plain(lane)

        async def work(transaction: AsyncTransaction) -> Pause:
            found = await self.read(name, transaction) or Lane(name)
            found.until = max(found.until, until) if found.is_paused else until
            found.is_paused, found.failures, found.reason = True, found.failures + 1, plain(reason)
            # Whoever held the probe has seen it fail.
            found.held_until = 0.0
            self.write(transaction, found)
            return found.as_pause()

        return await self._database.transact(_lock(name), work)

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        names = sorted({plain(lane) for lane in lanes})
        found = await self._database.read([self._reference(name) for name in names])
        rows = [known(Lane, found[path]) for name in names if (path := self._reference(name).path) in found]
        return [row.as_pause() for row in rows if row.is_paused]

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        name = plain(lane)

        async def work(transaction: AsyncTransaction) -> bool:
            found = await self.read(name, transaction)
            if found is None or not found.is_paused:
                return False
            found.correct(now)
            if found.until > now or found.held_until > now:
                return False
            found.held_until = now + min(hold, LONGEST_LEASE)
            self.write(transaction, found)
            return True

        return await self._database.transact(_lock(name), work)

    async def shorten(self, lane: str, *, until: float) -> bool:
        name = plain(lane)

        async def work(transaction: AsyncTransaction) -> bool:
            found = await self.read(name, transaction)
            if found is None or not found.is_paused or found.until <= until:
                return False
            found.until = until
            self.write(transaction, found)
            return True

        return await self._database.transact(_lock(name), work)

    async def resume(self, lane: str) -> bool:
        name = plain(lane)

        async def work(transaction: AsyncTransaction) -> bool:
            found = await self.read(name, transaction)
            if found is None or not found.is_paused:
                return False
            # The event that was let through is worked on still, should the lane be paused again.
            resumed = Lane(name, found.awaited, leased_until=found.leased_until, probe=found.probe)
            self.write(transaction, resumed)
            return True

        return await self._database.transact(_lock(name), work)

    async def erase_reason(self, name: str) -> None:
        async def work(transaction: AsyncTransaction) -> None:
            found = await self.read(name, transaction)
            if found is not None:
                found.reason = ""
                self.write(transaction, found)

        await self._database.transact(_lock(name), work)

    def _reference(self, name: str) -> Reference:
        return self._database.document(LANES, document_id(name))


def _lock(name: str) -> str:
    return f"{LANES}/{name}"


def _fields(lane: Lane) -> dict[str, Any]:
    return {
        "name": lane.name,
        "awaited": lane.awaited,
        "is_paused": lane.is_paused,
        "until": float(lane.until),
        "failures": lane.failures,
        "reason": lane.reason,
        "held_until": float(lane.held_until),
        "leased_until": float(lane.leased_until),
        "probe": lane.probe,
    }
