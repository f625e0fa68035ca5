"""Leases: who works on what, decided in transactions, and what they come to."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store import transitions
from badge_bridge.store.clock import counted
from badge_bridge.store.firestore.database import (
    AsyncQuery,
    AsyncTransaction,
    Database,
    as_far_as_possible,
    in_turn,
    where,
)
from badge_bridge.store.firestore.documents import AT_ONCE
from badge_bridge.store.firestore.lanes import Lane, Lanes
from badge_bridge.store.firestore.queries import being_worked_on, waiting_for
from badge_bridge.store.firestore.rows import Rows
from badge_bridge.store.lanes import Gate, room
from badge_bridge.store.leases import SetAside, hand_out
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_WAIT, Claim, Settlement
from badge_bridge.store.records import plain
from badge_bridge.store.rows import Row

__all__ = ["Queue"]

_log = logging.getLogger(__name__)

ROUNDS = 4
"""How often `claim_due` looks again where others were faster at what it had found."""

MOST_LOST = 200
"""How many lost leases one look takes back."""

FEW = 20
"""Documents that are looked at to find the oldest."""

LANES_AT_ONCE = 50
"""How many lanes one look is for; which ones, where there are more, is drawn by lot each time."""


class Queue:
    def __init__(self, database: Database, rows: Rows, lanes: Lanes, new_token: Callable[[], str]) -> None:
        self._database = database
        self._rows = rows
        self._lanes = lanes
        self._new_token = new_token

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        """As `Store.claim`."""
        taken = await self._lease_one(plain(key), now, lease)
        claims = hand_out([taken] if taken else [])
        return claims[0] if claims else None

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        """As `Store.claim_due`."""
        if limit < 1:
            return []
        await self._take_back(now)
        claims: list[Claim] = []
        try:
            for _ in range(ROUNDS):
                found = await self._due(now, limit - len(claims))
                answers, failure = await as_far_as_possible(self._lease_one(key, now, lease) for key in found)
                taken = [one for one in answers if one is not None]
                claims += hand_out(taken)
                if failure:
                    raise failure
                if len(claims) >= limit or len(taken) == len(found):
                    break
        except StoreUnavailable as error:
            # Those that are leased nobody else can work on.
            if not claims:
                raise
            _log.warning("leased %d events that are due, and no more of them: %s", len(claims), error)
        return sorted(claims, key=lambda claim: (claim.received_at, claim.key))

    async def _due(self, now: float, limit: int) -> list[str]:
        """Keys of at most so many events that may be claimed, oldest first."""
        lanes = [Lane(""), *_some_of([lane for lane in await self._lanes.all() if _room(lane, now, limit)])]
        left = {lane.name: _room(lane, now, limit) for lane in lanes}
        wanted = [query for name, free in left.items() for query in self._come(name, now, free)]
        answers = await in_turn(self._database.find(query) for query in wanted)
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
        _, failure = await as_far_as_possible(self._take_one_back(key, now) for key in keys)
        if failure:
            _log.warning("not every lease that has run out could be taken back: %s", failure)

    async def _take_one_back(self, key: str, now: float) -> None:
        async def work(transaction: AsyncTransaction) -> None:
            stored = (await self._rows.read(key, transaction=transaction)).get(key)
            if stored is None or not transitions.take_back(stored.row, now):
                return
            await self._lanes.keep(stored.row.lane, transaction)
            self._rows.write(transaction, stored)

        await self._database.transact(key, work)

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

    async def _lease_one(self, key: str, now: float, lease: float) -> Claim | SetAside | None:
        async def work(transaction: AsyncTransaction) -> Claim | SetAside | None:
            stored = (await self._rows.read(key, transaction=transaction)).get(key)
            if stored is None:
                return None
            row = stored.row
            was_lost = transitions.take_back(row, now)
            lane = await self._lanes.read(row.lane, transaction) if row.lane else None
            gate = lane.correct(now) if lane else None
            taken: Claim | SetAside | None = None
            if transitions.is_due(row, now) and room(gate, now=now, limit=1):
                token, is_paused = self._new_token(), gate is not None
                taken = transitions.lease(row, now=now, seconds=lease, token=token, is_paused=is_paused)
                if lane and gate and isinstance(taken, Claim):
                    lane.let_through(taken.token, taken.leased_until)
                    self._lanes.write(transaction, lane)
            if taken or was_lost:
                self._rows.write(transaction, stored)
            return taken

        return await self._database.transact(key, work)

    async def next_due(self, *, now: float) -> float | None:
        """As `Store.next_due`."""
        first = await self._first(being_worked_on(self._database), "leased_until", now, LONGEST_LEASE)
        lanes = sorted([Lane(""), *await self._lanes.all()], key=lambda lane: _opens_at(lane, now))
        for start in range(0, len(lanes), LANES_AT_ONCE):
            some = lanes[start : start + LANES_AT_ONCE]
            # Of a lane that opens later than that, nothing is due before.
            if first is not None and first <= _opens_at(some[0], now):
                break
            queries = [waiting_for(self._database, lane.name) for lane in some]
            dues = await in_turn(self._first(query, "wake_at", now, LONGEST_WAIT) for query in queries)
            times = [max(due, _opens_at(lane, now)) for lane, due in zip(some, dues, strict=True) if due is not None]
            first = min(times if first is None else [first, *times], default=None)
        return first

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


def _some_of(lanes: Sequence[Lane]) -> Sequence[Lane]:
    return lanes if len(lanes) <= LANES_AT_ONCE else random.sample(lanes, LANES_AT_ONCE)


def _room(lane: Lane, now: float, limit: int) -> int:
    return room(_corrected(lane, now), now=now, limit=limit)


def _opens_at(lane: Lane, now: float) -> float:
    gate = _corrected(lane, now)
    return gate.opens_at if gate else 0.0


def _corrected(lane: Lane, now: float) -> Gate | None:
    return lane.gate.corrected(now) if lane.gate else None
