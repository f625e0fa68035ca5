"""Lists of events, and what is counted of them: each page by the indexes alone, however many events there are."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, get_args

from badge_bridge.events import LEG
from badge_bridge.outcomes import Result
from badge_bridge.store.census import Census
from badge_bridge.store.protocol import Listing, State, StoredEvent
from badge_bridge.store.records import plain, readable
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.reads import stored
from badge_bridge.store.sqlite.rows import DAY
from badge_bridge.store.walking import Seek, any_of, in_all, listed
from badge_bridge.store.wanted import (
    MOST_PASSED_OVER,
    REACHED_WHEN_DONE,
    Place,
    Tally,
    Uses,
    Wanted,
    is_waiting_leg,
    joins_of,
    results_of,
    shares,
    stretches,
)

__all__ = ["census", "ended", "listing", "tally", "uses"]

_AHEAD = 300.0
"""Seconds by which an event may have happened after it was received: senders' clocks are ahead. For customers with more
events than are looked at, as the next."""
_LATE = 86_400.0
"""Seconds after which an event that happened is received at the latest. A call is received when it has ended."""
_STATES: Sequence[State] = sorted(get_args(State))


def listing(
    connection: sqlite3.Connection,
    wanted: Wanted,
    limit: int,
    before: Place | None,
    *,
    most: int = MOST_PASSED_OVER,
) -> Listing:
    """As `Store.list`; `most` events are looked at in vain."""
    if limit < 1:
        return Listing(events=(), more=None)
    start = wanted.start(before)
    lists = _lists(connection, wanted)
    oldest: Place = (-math.inf if wanted.since is None else wanted.since, "")
    ends: Place | None = None
    if wanted.customer is not None:
        of_customer = _of_customer(connection, wanted.customer, start, most)
        lists.append(listed(of_customer.places))
        ends = of_customer.ends
    found: list[StoredEvent] = []
    vain = 0
    for step in in_all(lists or [partial(_newest, connection, sql.BEFORE, ())], start):
        if step.place < oldest or (ends is not None and step.place < ends):
            break
        if step.in_all:
            if len(found) == limit:
                return Listing(tuple(found), more=(found[-1].received_at, found[-1].key))
            found.append(stored(connection.execute(sql.FIND_STORED, (step.place[1],)).fetchone()))
        else:
            vain += 1
            if vain == most:
                reached = None if len(found) == limit else step.place[0]
                return Listing(tuple(found), more=step.place, reached=reached)
    if ends is not None and ends > oldest:
        return Listing(tuple(found), more=ends, reached=ends[0])
    return Listing(tuple(found), more=None)


def _lists(connection: sqlite3.Connection, wanted: Wanted) -> list[Seek]:
    """In all of which the events are that are wanted; but for the customer's."""
    columns = (
        (sql.BEFORE_OF_STATE, wanted.state),
        (sql.BEFORE_OF_SOURCE, wanted.source),
        (sql.BEFORE_OF_TYPE, wanted.type),
    )
    lists: list[Seek] = [
        partial(_newest, connection, statement, (plain(value),)) for statement, value in columns if value is not None
    ]
    if wanted.leaves_out_joined:
        kept = [state for state in _STATES if state != "joined"]
        lists.append(any_of([partial(_newest, connection, sql.BEFORE_OF_STATE, (state,)) for state in kept]))
    if wanted.rule is not None or wanted.result is not None:
        rules = _rules(connection) if wanted.rule is None else [plain(wanted.rule)]
        results = get_args(Result) if wanted.result is None else [wanted.result]
        reached = [(rule, result) for rule in rules for result in results]
        lists.append(any_of([partial(_newest, connection, sql.BEFORE_OF_RESULT, equal) for equal in reached]))
    return lists


def _newest(connection: sqlite3.Connection, statement: str, equal: Sequence[str], behind: Place) -> Place | None:
    """As `walking.Seek`."""
    place: Place | None = connection.execute(statement, (*equal, *behind)).fetchone()
    return place


def _rules(connection: sqlite3.Connection) -> list[str]:
    """The rules that have outcomes, by hopping from one to the next."""
    rules = [""]
    while (row := connection.execute(sql.NEXT_RULE, (rules[-1],)).fetchone()) is not None:
        rules.append(row[0])
    return rules[1:]


class _OfCustomer(NamedTuple):
    places: Sequence[Place]
    """Oldest first."""
    ends: Place | None
    """Where there are more: the customer's events that are older than this have to be asked for again."""


def _of_customer(connection: sqlite3.Connection, customer: str, start: Place, most: int) -> _OfCustomer:
    """A customer's events. They are kept by when they happened, so that all have to be looked at; where there are more
    than `most`, those older than `start` that happened last, as far back as none of the others was received.
    """
    joins = joins_of(customer)
    if not joins:
        return _OfCustomer((), None)
    legs = _waiting_legs(connection, customer, start, most)
    found = connection.execute(sql.OF_CUSTOMER, (math.inf, *joins, most + 1)).fetchall()
    if len(found) <= most:
        return _OfCustomer(sorted({*found, *legs}), None)
    rows = _latest_of(connection, joins, start, most)
    places = sorted({*((received_at, key) for _, received_at, key in rows), *legs})
    if len(rows) <= most:
        return _OfCustomer(places, None)
    ends = (rows[-1][0] + _LATE, "")
    # So many at once that this says nothing: then all that were found, or there would be no end of pages.
    return _OfCustomer(places, ends if ends < start else places[0])


def _waiting_legs(connection: sqlite3.Connection, customer: str, start: Place, most: int) -> list[Place]:
    """A customer's legs that wait for the end of their call, which are found by nothing; of the latest that wait."""
    rows = connection.execute(sql.WAITING_LEGS, (LEG, *start, most)).fetchall()
    legs = readable((key, text) for _, key, text in rows if text is not None)
    keys = {key for key, event in legs if is_waiting_leg(event, "waiting", customer)}
    return [(received_at, key) for received_at, key, _ in rows if key in keys]


def _latest_of(
    connection: sqlite3.Connection, joins: Sequence[str], start: Place, most: int
) -> list[tuple[float, float, str]]:
    """When each happened and was received, and its key; the latest first, and one more than `most` where there are."""
    rows: list[tuple[float, float, str]] = []
    until = start[0] + _AHEAD
    for (day,) in connection.execute(sql.DAYS_BACK, (until / DAY,)):
        some: list[tuple[float, float, str]] = []
        for join in joins:
            values = (day, join, until, *start, most + 1 - len(rows))
            some += connection.execute(sql.OF_CUSTOMER_ON, values).fetchall()
        rows += sorted(some, reverse=True)
        if len(rows) > most:
            break
    return rows[: most + 1]


def tally(connection: sqlite3.Connection, since: float, until: float, width: float) -> list[Tally]:
    parts = list(stretches(since, until, width))
    there = [state for state in _STATES if _is_there(connection, sql.BEFORE_OF_STATE, (state,), since, until)]
    reached = _reached(connection, since, until) if "done" in there else []
    found: list[Tally] = []
    for start, end in parts:
        for state in there:
            (count,) = connection.execute(sql.COUNT_BETWEEN, (state, start, end)).fetchone()
            if count and state == "done":
                done = _shares(connection, count, reached, start, end)
                found += [Tally(start, state, share, result) for result, share in done.items()]
            elif count:
                found.append(Tally(start, state, count))
    return found


def _reached(connection: sqlite3.Connection, since: float, until: float) -> list[tuple[str, Result]]:
    """Which rules have come to what of `REACHED_WHEN_DONE` for events of that time."""
    return [
        (rule, result)
        for rule in _rules(connection)
        for result in REACHED_WHEN_DONE
        if _is_there(connection, sql.BEFORE_OF_RESULT, (rule, result), since, until)
    ]


def _is_there(connection: sqlite3.Connection, statement: str, equal: Sequence[str], since: float, until: float) -> bool:
    place = _newest(connection, statement, equal, (until, ""))
    return place is not None and place[0] >= since


def _shares(
    connection: sqlite3.Connection, done: int, reached: Sequence[tuple[str, Result]], start: float, end: float
) -> Mapping[Result | None, int]:
    """What the events of a stretch that are done count as."""
    counts: Counter[Result] = Counter()
    for rule, result in reached:
        counts[result] += connection.execute(sql.COUNT_REACHED, (rule, result, start, end)).fetchone()[0]
    if (told := shares(done, counts)) is not None:
        return told
    results: dict[str, set[Result]] = {key: set() for (key,) in connection.execute(sql.DONE_BETWEEN, (start, end))}
    for rule, result in reached:
        for (key,) in connection.execute(sql.REACHED_BETWEEN, (rule, result, start, end)):
            if key in results:
                results[key].add(result)
    return results_of(results.values())


def census(connection: sqlite3.Connection, since: float, until: float) -> Census:
    found = Census()
    for row in connection.execute(sql.RECEIVED_BETWEEN, (since, until)):
        found.add(*row)
    for rule in _rules(connection):
        for result in get_args(Result):
            (count,) = connection.execute(sql.COUNT_REACHED, (rule, result, since, until)).fetchone()
            found.reached[rule, result] = count
    found.reached += Counter()  # without those that there are none of
    return found


def ended(connection: sqlite3.Connection, since: float, limit: int) -> list[StoredEvent]:
    return [stored(row) for row in connection.execute(sql.ENDED_SINCE, (since, max(limit, 0)))]


def uses(connection: sqlite3.Connection, since: float) -> list[Uses]:
    found: list[Uses] = []
    badge: tuple[str, str] = ("", "")
    while (row := _next_badge(connection, *badge)) is not None:
        badge = row
        count, latest = connection.execute(sql.USES_OF, (*badge, since)).fetchone()
        if count:
            found.append(Uses(badge[0], badge[1], count, latest))
    return found


def _next_badge(connection: sqlite3.Connection, portal: str, badge: str) -> tuple[str, str] | None:
    """The one after this one, by portal and badge."""
    row: tuple[str, str] | None = connection.execute(sql.NEXT_BADGE, (portal, badge)).fetchone()
    return row or connection.execute(sql.NEXT_PORTAL, (portal,)).fetchone()
