"""Accepting events: what a group of deliveries comes to inside one write transaction.

Apart from the other writes, because a group inserts all of its events together, and what later events find them by,
each in as few statements as there can be (legs of calls: `placing.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from badge_bridge.store.protocol import Accepted, LegPlace
from badge_bridge.store.records import plain, write_event
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.placing import place_legs
from badge_bridge.store.sqlite.remembered import Mark, knows, mark_of
from badge_bridge.store.sqlite.rows import EventRow, JoinRow, day_of, filled

__all__ = ["Acceptance", "accept"]


class Acceptance(NamedTuple):
    """The events of one `accept`, as rows, each with the rows by which others find it."""

    rows: Sequence[tuple[EventRow, Sequence[JoinRow], LegPlace | None]]
    secret: bytes
    """The key of what is remembered."""

    @classmethod
    def of(cls, batch: Sequence[Accepted], secret: bytes) -> Acceptance:
        """Written down outside of the transaction.

        Raises:
            ValueError: an event cannot be written down, or could not be read again.
        """
        return cls([(_event_row(accepted), _join_rows(accepted), accepted.leg) for accepted in batch], secret)

    @property
    def marks(self) -> Iterator[Mark]:
        """By which they would be known if they were here before and are gone. Made when they are asked for."""
        return (mark_of(self.secret, row[0]) for row, *_ in self.rows)

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


def accept(connection: sqlite3.Connection, group: Sequence[Acceptance]) -> set[str]:
    """Insert the events of a group; the keys that were not known before."""
    gone = knows(connection, (mark for acceptance in group for mark in acceptance.marks))
    rows = [row for acceptance in group for row in acceptance.rows if row[0][0] not in gone]
    new: set[str] = set()
    for some, count in filled([row for row, _, leg in rows if leg is None]):
        new |= _insert(connection, some, count)
    legs = [(row, leg) for row, _, leg in rows if leg is not None]
    if legs:
        new |= place_legs(connection, legs)
    joins: dict[str, Sequence[JoinRow]] = {}
    for row, wanted, _ in rows:
        if wanted and row[0] in new:
            joins.setdefault(row[0], wanted)  # the first of a key is the one that was inserted
    for found, _ in filled([join for wanted in joins.values() for join in wanted]):
        connection.execute(sql.join(len(found)), [value for join in found for value in join])
    return new


def _insert(connection: sqlite3.Connection, rows: Sequence[EventRow], count: int) -> set[str]:
    """Insert rows, the first `count` of which are there to be written."""
    cursor = connection.execute(sql.accept(len(rows)), [value for row in rows for value in row])
    if cursor.rowcount == count:
        return {row[0] for row in rows}
    if not cursor.rowcount:
        return set()
    assert cursor.lastrowid is not None
    # Ids are given out in order, and nobody else writes meanwhile.
    since = cursor.lastrowid - cursor.rowcount
    return {key for (key,) in connection.execute(sql.ACCEPTED_SINCE, (since,)).fetchall()}


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
