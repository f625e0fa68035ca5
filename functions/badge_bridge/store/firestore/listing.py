"""Lists of events, and what is counted of them.

Whatever is asked for is answered by an index, but for what goes with a customer: his events are few, and are looked
through. So are the legs that a list leaves out: a call has some. Counting costs a read for each thousand that are
counted, and for each count at least one.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import get_args

from badge_bridge.events import LEG
from badge_bridge.outcomes import Result
from badge_bridge.store.census import Census
from badge_bridge.store.firestore.database import AsyncQuery, Database, in_turn, where
from badge_bridge.store.firestore.documents import found_by
from badge_bridge.store.firestore.queries import ended_since, newest_first, of_customer
from badge_bridge.store.firestore.reading import Reading
from badge_bridge.store.protocol import Listing, State, StoredEvent
from badge_bridge.store.records import plain
from badge_bridge.store.rows import Row, is_wanted, shown
from badge_bridge.store.wanted import REACHED_WHEN_DONE, Place, Tally, Wanted, joins_of, results_of, shares, stretches

__all__ = ["MOST_READ", "Lists"]

MOST_READ = 500
"""Events of a customer that one page reads in vain; each is billed."""

_PORTION = 100
_STATES: Sequence[State] = sorted(get_args(State))


class Lists:
    def __init__(self, database: Database, reading: Reading) -> None:
        self._database = database
        self._reading = reading

    async def list(self, wanted: Wanted, *, limit: int, before: Place | None, most: int = MOST_READ) -> Listing:
        """As `Store.list`; `most` events are read in vain, and perhaps some more, since they are read in portions."""
        if limit < 1 or wanted.customer == "":
            return Listing(events=(), more=None)
        start = wanted.start(before)
        query, is_exact = self._query(wanted)
        portion = limit + 1 if is_exact else max(_PORTION, limit + 1)
        legs = await self._waiting_legs(wanted, start)
        page: builtins.list[Row] = []
        vain = 0
        while True:
            rows = await self._reading.rows(_behind(query, start).limit(portion))
            is_last = len(rows) < portion
            some = [leg for leg in legs if is_last or leg.age > rows[-1].age]
            legs = legs[len(some) :]
            for row in sorted((*rows, *some), key=lambda row: row.age, reverse=True):
                if not is_exact and not is_wanted(row, wanted):
                    vain += 1
                    continue
                if len(page) == limit:
                    return _listing(page, more=page[-1].age)
                page.append(row)
            if is_last:
                return _listing(page)
            start = rows[-1].age
            if vain >= most:
                return _listing(page, more=start, reached=start[0])

    async def _waiting_legs(self, wanted: Wanted, start: Place) -> builtins.list[Row]:
        """A customer's legs that wait for the end of their call, newest first: no join tells of him."""
        if wanted.customer is None:
            return []
        waiting = newest_first(self._database, state="waiting")
        rows = await self._reading.rows(_behind(waiting, start).limit(MOST_READ))
        return [row for row in rows if row.type == LEG and is_wanted(row, wanted)]

    def _query(self, wanted: Wanted) -> tuple[AsyncQuery, bool]:
        """What finds them, and whether it finds no others."""
        if wanted.customer is not None:
            query = of_customer(self._database, joins_of(wanted.customer))
            others = (wanted.state, wanted.source, wanted.type, wanted.rule, wanted.result)
            is_exact = all(value is None for value in others) and wanted.legs
        else:
            columns = {"state": wanted.state, "source": wanted.source, "type": wanted.type}
            equal = {name: plain(value) for name, value in columns.items() if value is not None}
            query, is_exact = newest_first(self._database, **equal), not wanted.leaves_out_joined
            if wanted.rule is not None or wanted.result is not None:
                query = where(query, found=("array_contains", found_by(wanted.rule, wanted.result)))
        if wanted.since is not None:
            query = where(query, received_at=(">=", wanted.since))
        return query, is_exact

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        """As `Store.tally`: counted by stretches only in those states in which there are events, and by what they came
        to only where that is not all the same. Where that cannot be told from counts, each event is a read.
        """
        parts = [*stretches(since, until, width)]
        whole = await in_turn(self._count(state, since, until) for state in _STATES)
        wanted = [
            (start, state, end) for start, end in parts for state, count in zip(_STATES, whole, strict=True) if count
        ]
        counts = await in_turn(self._count(state, start, end) for start, state, end in wanted)
        there = [(*one, count) for one, count in zip(wanted, counts, strict=True) if count]
        reached = await self._reached(since, until) if any(state == "done" for _, state, _, _ in there) else []
        stretched = [(count, start, end) for start, state, end, count in there if state == "done"]
        done = iter(await in_turn(self._shares(count, reached, start, end) for count, start, end in stretched))
        found: builtins.list[Tally] = []
        for start, state, _, count in there:
            if state == "done":
                found += [Tally(start, state, share, result) for result, share in next(done).items()]
            else:
                found.append(Tally(start, state, count))
        return found

    async def census(self, *, since: float, until: float) -> Census:
        """As `Store.census`; each event is a read."""
        query = where(newest_first(self._database), received_at=(">=", since))
        query = where(query, received_at=("<", until)).select(["source", "type", "state", "attempts", "found"])
        found = Census()
        for _, fields in await self._database.find(query):
            reached = (value.rpartition("\n")[::2] for value in fields.get("found", ()))
            both = [(rule, result) for rule, result in reached if rule and result]
            found.add(fields["source"], fields["type"], fields["state"], fields["attempts"], both)
        return found

    async def ended(self, *, since: float, limit: int) -> Sequence[StoredEvent]:
        """As `Store.ended`."""
        if limit < 1:
            return []
        return [shown(row) for row in await self._reading.rows(ended_since(self._database, since).limit(limit))]

    async def _reached(self, since: float, until: float) -> builtins.list[Result]:
        """Which of `REACHED_WHEN_DONE` there are for events of that time."""
        counts = [await self._count_reached(result, since, until) for result in REACHED_WHEN_DONE]
        return [result for result, count in zip(REACHED_WHEN_DONE, counts, strict=True) if count]

    async def _shares(
        self, done: int, reached: Sequence[Result], since: float, until: float
    ) -> Mapping[Result | None, int]:
        """What the events that are done count as, where there are these results at all."""
        if len(reached) == 1:
            return dict.fromkeys(reached, done)
        if (told := shares(done, {one: await self._count_reached(one, since, until) for one in reached})) is not None:
            return told
        query = where(newest_first(self._database, state="done"), received_at=(">=", since))
        query = where(query, received_at=("<", until)).select(["found"])
        return results_of(
            [result for result in REACHED_WHEN_DONE if found_by(None, result) in fields.get("found", ())]
            for _, fields in await self._database.find(query)
        )

    async def _count_reached(self, result: Result, since: float, until: float) -> int:
        query = where(newest_first(self._database), found=("array_contains", found_by(None, result)))
        return await self._database.count(where(where(query, received_at=(">=", since)), received_at=("<", until)))

    async def _count(self, state: State, since: float, until: float) -> int:
        query = where(newest_first(self._database, state=state), received_at=(">=", since))
        return await self._database.count(where(query, received_at=("<", until)))


def _behind(query: AsyncQuery, start: Place) -> AsyncQuery:
    received_at, key = start
    return query if received_at == float("inf") else query.start_after({"received_at": received_at, "key": key})


def _listing(page: Sequence[Row], *, more: Place | None = None, reached: float | None = None) -> Listing:
    return Listing(tuple(shown(row) for row in page), more=more, reached=reached)
