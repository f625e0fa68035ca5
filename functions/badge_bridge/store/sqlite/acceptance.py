"""Accepting events: what a group of deliveries comes to.

An event is a row for the view `accepting`, whose trigger does all that belongs to it: looks whether it was here before
and is gone, inserts it where it is new, with what later events find it by. So a group of events is one statement, and
that is a transaction by itself. Each further one, BEGIN and COMMIT among them, would let go of the interpreter's lock
and have to win it back from a busy event loop, which takes longer than to insert the row. (Legs of calls go another
way: `placing.py`.)
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from badge_bridge.store.protocol import Accepted, LegPlace
from badge_bridge.store.records import plain, write_event
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.placing import place_legs
from badge_bridge.store.sqlite.remembered import knows, mark_of, read_key
from badge_bridge.store.sqlite.rows import MOST_ROWS, EventRow, JoinRow, day_of, filled

__all__ = ["Acceptance", "Acceptor"]

_INLINE_JOINS = 3
"""What later events find an event by has so many places in a row of `accepting`."""

_COLUMNS = (
    *("key", "source", "type", "verified", "received_at", "event", "origin", "hash", "day", "time"),
    *(f"join{number}" for number in range(_INLINE_JOINS)),
)
_VIEW = f"CREATE TEMP VIEW accepting ({', '.join(_COLUMNS)}) AS SELECT {', '.join(['NULL'] * len(_COLUMNS))}"
"""`origin` and `hash` are what would be remembered of the event, NULL where nothing is."""

_REMEMBERS_SOME = "something is remembered"
"""What an insert without `hash` is refused with."""

_TRIGGER = f"""
CREATE TEMP TRIGGER accept_each INSTEAD OF INSERT ON accepting WHEN NEW.key IS NOT NULL BEGIN
    SELECT RAISE(ABORT, '{_REMEMBERS_SOME}') WHERE NEW.hash IS NULL AND EXISTS (SELECT 1 FROM remembered);
    INSERT INTO events (key, source, type, verified, received_at, due, event)
    SELECT NEW.key, NEW.source, NEW.type, NEW.verified, NEW.received_at, NEW.received_at, NEW.event
    WHERE NOT EXISTS (SELECT 1 FROM remembered WHERE source = NEW.origin AND hash = NEW.hash)
    ON CONFLICT (key) DO NOTHING;
    SELECT known(NEW.key) WHERE changes() = 0;
    INSERT INTO joins (day, value, time, key)
    SELECT NEW.day, value, NEW.time, NEW.key
    FROM ({" UNION ALL ".join(f"SELECT NEW.join{number} AS value" for number in range(_INLINE_JOINS))})
    WHERE value IS NOT NULL AND changes() = 1 ON CONFLICT DO NOTHING;
END
"""  # noqa: S608 - a sentence of ours


@lru_cache(maxsize=16)
def _insert(rows: int) -> str:
    """Insert so many events in one statement; a row without a key is none."""
    one = f"({', '.join('?' * len(_COLUMNS))})"
    return f"INSERT INTO accepting VALUES {', '.join([one] * rows)}"  # noqa: S608 - question marks


_Row = tuple[EventRow, Sequence[JoinRow]]
"""An event that is no leg, and what it is found by."""


class Acceptance(NamedTuple):
    """The events of one `accept`, as rows, each with the rows by which others find it."""

    rows: Sequence[tuple[EventRow, Sequence[JoinRow], LegPlace | None]]

    @classmethod
    def of(cls, batch: Sequence[Accepted]) -> Acceptance:
        """Written down outside of the transaction.

        Raises:
            ValueError: an event cannot be written down, or could not be read again.
        """
        return cls([(_event_row(accepted), _join_rows(accepted), accepted.leg) for accepted in batch])

    @property
    def is_plain(self) -> bool:
        """Whether a row each says it all: there is no leg of a call, and nothing has more joins than have places."""
        return all([leg is None and len(joins) <= _INLINE_JOINS for _, joins, leg in self.rows])  # noqa: C419 - faster

    @property
    def size(self) -> int:
        return sum([len(row[-1]) for row, *_ in self.rows])

    def result(self, new: set[str]) -> list[bool]:
        """Which of the events are new; takes those out, since whoever comes later with the same key is not first."""
        results = []
        for row, *_ in self.rows:
            results.append(row[0] in new)
            new.discard(row[0])
        return results


class Acceptor:
    """Accepts in the connections that it has prepared, all of which are the writer's, one after the other."""

    def __init__(self) -> None:
        self._known: list[str] = []
        """Keys that the statement in hand did not insert, each as often as it came."""
        self._remembers = False
        """Whether anything is remembered of events that are gone, so that each new one has to be looked for there."""
        self._secret = b""
        """The key of what is remembered."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make the view, and its trigger, which are this connection's own."""
        connection.create_function("known", 1, self._known.append)
        connection.execute(_VIEW)
        connection.execute(_TRIGGER)
        self._secret = read_key(connection)

    def in_one_statement(self, group: Sequence[Acceptance]) -> bool:
        """Whether `accept` of these is a single statement."""
        return sum([len(one.rows) for one in group]) <= MOST_ROWS and all(one.is_plain for one in group)

    def accept(self, connection: sqlite3.Connection, group: Sequence[Acceptance]) -> set[str]:
        """Insert the events of a group; the keys that were not known before."""
        new: set[str] = set()
        rows = [(row, joins) for acceptance in group for row, joins, leg in acceptance.rows if leg is None]
        for start in range(0, len(rows), MOST_ROWS):
            new |= self._insert(connection, rows[start : start + MOST_ROWS])
        if all(one.is_plain for one in group):
            return new
        _join(connection, [(row[0], joins[_INLINE_JOINS:]) for row, joins in rows], new)
        legs = [(row, joins, leg) for acceptance in group for row, joins, leg in acceptance.rows if leg is not None]
        return new | self._accept_legs(connection, legs) if legs else new

    def _accept_legs(
        self, connection: sqlite3.Connection, legs: Sequence[tuple[EventRow, Sequence[JoinRow], LegPlace]]
    ) -> set[str]:
        gone = knows(connection, (mark_of(self._secret, row[0]) for row, *_ in legs))
        there = [(row, joins, leg) for row, joins, leg in legs if row[0] not in gone]
        new = place_legs(connection, [(row, leg) for row, _, leg in there])
        _join(connection, [(row[0], joins) for row, joins, _ in there], new)
        return new

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[_Row]) -> set[str]:
        self._known.clear()
        try:
            self._execute(connection, rows)
        except sqlite3.IntegrityError as error:
            if self._remembers or str(error) != _REMEMBERS_SOME:
                raise
            self._remembers = True
            self._known.clear()
            self._execute(connection, rows)
        keys = [row[0] for row, _ in rows]
        return set(Counter(keys) - Counter(self._known)) if self._known else set(keys)

    def _execute(self, connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
        # Rows without a key are passed over: so a handful of prepared statements serves every number of rows.
        count = 1 << (len(rows) - 1).bit_length()
        written = list(map(self._written, rows))
        none = [None] * len(_COLUMNS) * (count - len(rows))
        connection.execute(_insert(count), [*chain.from_iterable(written), *none])

    def _written(self, row: _Row) -> Sequence[str | float | bytes | None]:
        (key, source, kind, verified, received_at, _, text), joins = row
        origin = hashed = day = time = None
        if self._remembers:
            _, origin, hashed = mark_of(self._secret, key)
        if joins:
            day, _, time, _ = joins[0]
        values = [value for _, value, _, _ in joins[:_INLINE_JOINS]]
        empty = [None] * (_INLINE_JOINS - len(values))
        return (key, source, kind, verified, received_at, text, origin, hashed, day, time, *values, *empty)


def _join(connection: sqlite3.Connection, wanted: Sequence[tuple[str, Sequence[JoinRow]]], new: set[str]) -> None:
    joins: dict[str, Sequence[JoinRow]] = {}
    for key, rows in wanted:
        if key in new:
            joins.setdefault(key, rows)  # the first of a key is the one that was inserted
    for found, _ in filled([join for rows in joins.values() for join in rows]):
        connection.execute(sql.join(len(found)), [value for join in found for value in join])


def _event_row(accepted: Accepted) -> EventRow:
    event = accepted.event
    return (
        plain(accepted.key),
        plain(event.source),
        plain(event.type),
        plain(accepted.verified),
        accepted.received_at,
        accepted.received_at,
        write_event(event),
    )


def _join_rows(accepted: Accepted) -> Sequence[JoinRow]:
    if not accepted.joins:
        return ()
    key, time = plain(accepted.key), accepted.event.time.timestamp()
    return [(day_of(time), plain(join), time, key) for join in accepted.joins if join]
