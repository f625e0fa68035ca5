"""Leases: who works on what, decided in transactions, and what they come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from badge_bridge.store import transitions
from badge_bridge.store.clock import counted
from badge_bridge.store.firestore.database import AsyncQuery, AsyncTransaction, Database, in_turn, where
from badge_bridge.store.firestore.documents import AT_ONCE
from badge_bridge.store.firestore.lanes import Lane, Lanes
from badge_bridge.store.firestore.queries import being_worked_on, waiting_for
from badge_bridge.store.firestore.rows import Rows
from badge_bridge.store.lanes import Gate, room
from badge_bridge.store.leases import SetAside, hand_out
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_WAIT, Claim, Settlement
from badge_bridge.store.records import Unreadable, plain
from badge_bridge.store.rows import Row

__all__ = ["Queue"]

ROUNDS = 4
"""How often `claim_due` looks again where others were faster at what it had found."""

MOST_LOST = 200
"""How many lost leases one look takes back."""

FEW = 20
"""Documents that are looked at to find the oldest."""


class Queue:
    def __init__(self, database: Database, rows: Rows, lanes: Lanes, new_token: Callable[[], str]) -> None:
        self._database = database
        self._rows = rows
        self._lanes = lanes
        self._new_token = new_token

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        """As `Store.claim`."""
        claims = hand_out(await self._lease([plain(key)], now, lease))
        return claims[0] if claims else None

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        """As `Store.claim_due`."""
        if limit < 1:
            return []
        await self._take_back(now)
        claims: list[Claim] = []
        for _ in range(ROUNDS):
            found = await self._due(now, limit - len(claims))
            taken = await self._lease(found, now, lease)
            claims += hand_out(taken)
            if len(claims) >= limit or len(taken) == len(found):
                break
        return sorted(claims, key=lambda claim: (claim.received_at, claim.key))

    async def _due(self, now: float, limit: int) -> list[str]:
        """Keys of at most so many events that may be claimed, oldest first."""
        lanes = [Lane(""), *await self._lanes.all()]
        left = {lane.name: room(_corrected(lane, now), now=now, limit=limit) for lane in lanes}
        wanted = [query for name, free in left.items() if free for query in self._come(name, now, free)]
        answers = await asyncio.gather(*(self._database.find(query) for query in wanted))
        found = {fields["key"]: fields for answer in answers for _, fields in answer}
        await self._forget_those_nobody_waits_for(lanes, found.values())
        due: list[str] = []
        for fields in sorted(found.values(), key=lambda fields: (fields["received_at"], fields["key"])):
            if left[fields["lane"]] and len(due) < limit:
                left[fields["lane"]] -= 1
                due.append(fields["key"])
        return due

    async def _forget_those_nobody_waits_for(self, lanes: Iterable[Lane], found: Iterable[dict[str, Any]]) -> None:
        awaited = {fields["lane"] for fields in found}
        for lane in lanes:
            if lane.name and not lane.is_paused and lane.name not in awaited:
                await self._lanes.forget(lane.name)

    async def _take_back(self, now: float) -> None:
        """Make events claimable whose lease has run out, also by a clock that was set back."""
        working = being_worked_on(self._database).limit(MOST_LOST)
        found = await asyncio.gather(
            self._database.find(where(working, leased_until=("<=", now))),
            self._database.find(where(working, leased_until=(">", now + LONGEST_LEASE))),
        )
        keys = [fields["key"] for answer in found for _, fields in answer]
        await in_turn(self._rows.change(key, lambda row: transitions.take_back(row, now)) for key in keys)

    def _come(self, lane: str, now: float, limit: int) -> list[AsyncQuery]:
        """Events of a lane whose time has come, also by a clock that was set back.

        Of those that are due for the first time the oldest; of those that waited for a moment the earliest. Where more
        of the latter are due than wanted (`FEW` at least), an older one may be left for the next look.
        """
        waiting, some = waiting_for(self._database, lane), max(limit, FEW)
        return [
            where(waiting, wake_at=("==", AT_ONCE)).limit(limit),
            where(where(waiting, wake_at=(">", AT_ONCE)), wake_at=("<=", now)).limit(some),
            where(waiting, wake_at=(">", now + LONGEST_WAIT)).limit(some),
        ]

    async def _lease(self, keys: list[str], now: float, lease: float) -> list[Claim | SetAside]:
        taken = await in_turn(self._lease_one(key, now, lease) for key in keys)
        return [one for one in taken if one is not None]

    async def _lease_one(self, key: str, now: float, lease: float) -> Claim | SetAside | None:
        async def work(transaction: AsyncTransaction) -> Claim | SetAside | None:
            stored = (await self._rows.read(key, transaction=transaction)).get(key)
            if stored is None:
                return None
            row = stored.row
            was_lost = transitions.take_back(row, now)
            lane = await self._lanes.read(row.lane, transaction) if row.lane else None
            gate = lane.correct(now) if lane else None
            taken = None
            if transitions.is_due(row, now) and room(gate, now=now, limit=1):
                taken = self._take(row, now, lease, is_paused=gate is not None)
                if lane and gate and isinstance(taken, Claim):
                    lane.let_through(taken.token, taken.leased_until)
                    self._lanes.write(transaction, lane)
            if taken or was_lost:
                self._rows.write(transaction, stored)
            return taken

        return await self._database.transact(key, work)

    def _take(self, row: Row, now: float, lease: float, *, is_paused: bool) -> Claim | SetAside:
        try:
            return transitions.lease(row, now=now, seconds=lease, token=self._new_token(), is_paused=is_paused)
        except Unreadable as error:
            transitions.set_aside_unreadable(row, error, now=now)
            return SetAside(row.key, str(error))

    async def next_due(self, *, now: float) -> float | None:
        """As `Store.next_due`."""
        lanes = [Lane(""), *await self._lanes.all()]
        lost, *dues = await in_turn(
            [
                self._first(being_worked_on(self._database), "leased_until", now, LONGEST_LEASE),
                *(self._first(waiting_for(self._database, lane.name), "wake_at", now, LONGEST_WAIT) for lane in lanes),
            ]
        )
        times = [] if lost is None else [lost]
        for lane, due in zip(lanes, dues, strict=True):
            if due is not None:
                gate = _corrected(lane, now)
                times.append(max(due, gate.opens_at) if gate else due)
        return min(times, default=None)

    async def _first(self, query: AsyncQuery, name: str, now: float, longest: float) -> float | None:
        """The first moment of those, `now` where that has been reached: also where the last one lies beyond all that is
        planned now, whatever lies between.
        """
        first, beyond = await asyncio.gather(
            self._database.find(query.limit(1)),
            self._database.find(where(query, **{name: (">", now + longest)}).limit(1)),
        )
        if beyond:
            return now
        return counted(float(first[0][1][name]), now=now, longest=longest) if first else None

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        """As `Store.settle`."""
        return await self._end(claim, lambda row: transitions.settle(row, claim, settlement))

    async def give_back(self, claim: Claim) -> bool:
        """As `Store.give_back`."""
        return await self._end(claim, transitions.give_back)

    async def _end(self, claim: Claim, change: Callable[[Row], None]) -> bool:
        """Change an event whose lease is the claim's, and with it what its lane knows of it."""
        key = plain(claim.key)

        async def work(transaction: AsyncTransaction) -> bool:
            stored = (await self._rows.read(key, transaction=transaction)).get(key)
            if stored is None or not transitions.is_held(stored.row, claim):
                return False
            row, before = stored.row, stored.row.lane
            change(row)
            lanes = {name: await self._lanes.read(name, transaction) for name in {before, row.lane} if name}
            for name, lane in lanes.items():
                if lane is None:
                    # Events that wait for a lane are found by its document.
                    if row.state == "waiting" and name == row.lane:
                        self._lanes.write(transaction, Lane(name))
                elif lane.release(claim.token):
                    self._lanes.write(transaction, lane)
            self._rows.write(transaction, stored)
            return True

        return await self._database.transact(key, work)


def _corrected(lane: Lane, now: float) -> Gate | None:
    return lane.gate.corrected(now) if lane.gate else None
