"""Leases: who works on what, decided in transactions, and what they come to."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store import transitions
from badge_bridge.store.clock import counted
from badge_bridge.store.dealing import Dealer
from badge_bridge.store.firestore.database import (
    AsyncQuery,
    AsyncTransaction,
    Database,
    each,
    in_turn,
    where,
)
from badge_bridge.store.firestore.documents import AT_ONCE
from badge_bridge.store.firestore.lanes import Lane, Lanes
from badge_bridge.store.firestore.queries import being_worked_on, waiting_at_once, waiting_for
from badge_bridge.store.firestore.rows import Rows, Stored
from badge_bridge.store.lanes import Gate, due_by, room
from badge_bridge.store.leases import SetAside, hand_out
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_WAIT, Claim, Settlement
from badge_bridge.store.records import Unreadable, plain
from badge_bridge.store.rows import AttemptRow, Row

__all__ = ["Queue"]

_log = logging.getLogger(__name__)

ROUNDS = 4
"""How often `claim_due` looks again where others were faster at what it had found."""

MOST_LOST = 200
"""How many lost leases one look takes back."""

FEW = 20
"""Documents that are looked at to find the oldest."""

LANES_AT_ONCE = 50
"""How many lanes are asked for events, before it is looked whether these are enough."""


class Queue:
    def __init__(self, database: Database, rows: Rows, lanes: Lanes, new_token: Callable[[], str]) -> None:
        self._database = database
        self._rows = rows
        self._lanes = lanes
        self._new_token = new_token
        self._dealer = Dealer()

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
        idle: set[str] = set()
        failed: dict[str, Exception] = {}
        try:
            for _ in range(ROUNDS):
                due = await self._due(now, limit - len(claims) + len(failed), idle)
                found = [key for key in due if key not in failed][: limit - len(claims)]
                answers = await each(self._lease_one(key, now, lease) for key in found)
                failed |= {key: one for key, one in zip(found, answers, strict=True) if isinstance(one, Exception)}
                taken = [one for one in answers if isinstance(one, Claim | SetAside)]
                claims += hand_out(taken)
                if len(claims) >= limit or len(taken) == len(found):
                    break
        except StoreUnavailable as error:
            # Those that are leased nobody else can work on.
            if not claims:
                raise
            _log.warning("%d events are leased, and whether more are due is not known: %s", len(claims), error)
        self._tell(failed, are_all=not claims)
        await self._forget(idle, now)
        return sorted(claims, key=lambda claim: (claim.received_at, claim.key))

    def _tell(self, failed: Mapping[str, Exception], *, are_all: bool) -> None:
        for key, error in failed.items():
            if are_all and isinstance(error, StoreUnavailable):
                raise error
            _log.error("%s: it is due and cannot be leased: %r", key, error)

    async def _forget(self, idle: Iterable[str], now: float) -> None:
        for answer in await each(self._lanes.forget(name, now) for name in idle):
            if isinstance(answer, Exception):
                _log.warning("that nobody waits for a lane could not be written, the next look tries again: %s", answer)

    async def _due(self, now: float, limit: int, idle: set[str]) -> list[str]:
        """Keys of at most so many events that may be claimed; lanes without one are put into `idle`."""
        lanes = [lane for lane in await self._lanes.awaited() if _room(lane, now, limit)]
        random.shuffle(lanes)  # where there are many, none must wait for the others each time
        lanes.insert(0, Lane(""))
        due: dict[str, list[str]] = {}
        for start in range(0, len(lanes), LANES_AT_ONCE):
            due |= await self._due_in(lanes[start : start + LANES_AT_ONCE], now, limit)
            if sum(map(len, due.values())) >= limit:
                break
        idle |= {name for name, keys in due.items() if name and not keys}
        return self._dealer.deal(due, limit)

    async def _due_in(self, lanes: Sequence[Lane], now: float, limit: int) -> dict[str, list[str]]:
        """Keys of the events that these lanes let through, oldest first, by lane."""
        places = {lane.name: _room(lane, now, limit) for lane in lanes}
        wanted = [query for lane in lanes for query in self._come(lane, now, places[lane.name])]
        answers = await in_turn(self._database.find(query) for query in wanted)
        found = {fields["key"]: fields for answer in answers for _, fields in answer}
        due: dict[str, list[str]] = {name: [] for name in places}
        for fields in sorted(found.values(), key=_age):
            due[fields["lane"]].append(fields["key"])
        return {name: keys[: places[name]] for name, keys in due.items()}

    async def _take_back(self, now: float) -> None:
        """Make events claimable whose lease has run out, also by a clock that was set back."""
        working = being_worked_on(self._database).limit(MOST_LOST)
        found = await asyncio.gather(
            self._database.find(where(working, leased_until=("<=", now))),
            self._database.find(where(working, leased_until=(">", now + LONGEST_LEASE))),
        )
        keys = [fields["key"] for answer in found for _, fields in answer]
        for key, answer in zip(keys, await each(self._take_one_back(key, now) for key in keys), strict=True):
            if isinstance(answer, Exception):
                _log.error("%s: its lease has run out and cannot be taken back: %r", key, answer)

    async def _take_one_back(self, key: str, now: float) -> None:
        async def work(transaction: AsyncTransaction) -> None:
            try:
                stored = await self._rows.one(key, transaction)
            except Unreadable as error:
                aside = await self._rows.set_aside(transaction, key, error, now)
                hand_out([aside] if aside else [])
                return
            if stored is None or not transitions.take_back(stored.row, now):
                return
            if stored.row.lane:
                lane = await self._lanes.read(stored.row.lane, transaction) or Lane(stored.row.lane)
                if lane.let_wait():
                    self._lanes.write(transaction, lane)
            self._rows.write(transaction, stored)

        await self._database.transact(key, work)

    def _come(self, lane: Lane, now: float, limit: int) -> list[AsyncQuery]:
        """Events of a lane whose time has come, also by a clock that was set back.

        Of those that are due for the first time the oldest; of those that waited for a moment the earliest. Where more
        of the latter are due than wanted (`FEW` at least), an older one may be left for the next look.
        """
        waiting, some = waiting_for(self._database, lane.name), max(limit, FEW)
        at_once = waiting_at_once(self._database, lane.name).limit(limit)
        later = where(waiting, wake_at=(">", AT_ONCE))
        if due_by(lane.name, _corrected(lane, now)) <= now:
            return [at_once, later.limit(some)]
        beyond = where(waiting, wake_at=(">", now + LONGEST_WAIT))
        return [at_once, where(later, wake_at=("<=", now)).limit(some), beyond.limit(some)]

    async def _lease_one(self, key: str, now: float, lease: float) -> Claim | SetAside | None:
        token = self._new_token()

        async def work(transaction: AsyncTransaction) -> Claim | SetAside | None:
            try:
                stored = await self._rows.one(key, transaction)
            except Unreadable as error:
                return await self._rows.set_aside(transaction, key, error, now)
            if stored is None:
                return None
            if transitions.is_held(stored.row, token):
                return transitions.claimed(stored.row)  # leased by the try before, to which no answer came
            return await self._take(transaction, stored, now, lease, token)

        try:
            return await self._database.transact(key, work)
        except StoreUnavailable:
            # The commit may have been carried out all the same, and nobody else can work on it then.
            stored = await self._rows.one(key)
            if stored and transitions.is_held(stored.row, token):
                return transitions.claimed(stored.row)
            raise

    async def _take(
        self, transaction: AsyncTransaction, stored: Stored, now: float, lease: float, token: str
    ) -> Claim | SetAside | None:
        """Lease it where it is due and its lane lets it through."""
        row = stored.row
        was_lost = transitions.take_back(row, now)
        lane = await self._lanes.read(row.lane, transaction) if row.lane else None
        gate = lane.correct(now) if lane else None
        taken: Claim | SetAside | None = None
        if transitions.is_due(row, now, due_by(row.lane, gate)) and room(gate, now=now, limit=1):
            taken = transitions.lease(row, now=now, seconds=lease, token=token, is_paused=gate is not None)
            if lane and gate and isinstance(taken, Claim):
                lane.let_through(taken.token, taken.leased_until)
                self._lanes.write(transaction, lane)
        if taken or was_lost:
            self._rows.write(transaction, stored)
        return taken

    async def next_due(self, *, now: float) -> float | None:
        """As `Store.next_due`."""
        first = await self._first(being_worked_on(self._database), "leased_until", now, LONGEST_LEASE)
        lanes = sorted([Lane(""), *await self._lanes.awaited()], key=lambda lane: _opens_at(lane, now))
        for start in range(0, len(lanes), LANES_AT_ONCE):
            some = lanes[start : start + LANES_AT_ONCE]
            # Of a lane that opens later than that, nothing is due before.
            if first is not None and first <= _opens_at(some[0], now):
                break
            queries = [waiting_for(self._database, lane.name) for lane in some]
            dues = await in_turn(self._first(query, "wake_at", now, LONGEST_WAIT) for query in queries)
            times = [_let_go_at(lane, due, now) for lane, due in zip(some, dues, strict=True) if due is not None]
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
        written: list[AttemptRow] = []

        async def work(transaction: AsyncTransaction) -> bool:
            stored = await self._rows.one(key, transaction)
            if stored is None:
                return False
            row, before = stored.row, stored.row.lane
            if not transitions.is_held(row, claim.token):
                # Unless it was the try before, to which no answer came.
                return bool(written) and row.history[claim.attempt - 1 : claim.attempt] == written
            change(row)
            written[:] = row.history[claim.attempt - 1 : claim.attempt]
            lanes = [await self._lanes.read(name, transaction) or Lane(name) for name in {before, row.lane} if name]
            for lane in lanes:
                is_news = row.state == "waiting" and row.lane == lane.name and lane.let_wait()
                if lane.release(claim.token) or is_news:
                    self._lanes.write(transaction, lane)
            self._rows.write(transaction, stored)
            return True

        return await self._database.transact(key, work)


def _age(fields: Mapping[str, Any]) -> tuple[float, str]:
    return fields["received_at"], fields["key"]


def _room(lane: Lane, now: float, limit: int) -> int:
    return room(_corrected(lane, now), now=now, limit=limit)


def _opens_at(lane: Lane, now: float) -> float:
    gate = _corrected(lane, now)
    return gate.opens_at if gate else 0.0


def _let_go_at(lane: Lane, due: float, now: float) -> float:
    """When the first event of a lane may go that is due at `due` by its own time."""
    return max(min(due, max(due_by(lane.name, _corrected(lane, now)), now)), _opens_at(lane, now))


def _corrected(lane: Lane, now: float) -> Gate | None:
    return lane.gate.corrected(now) if lane.gate else None
