"""What the store reads, each function inside one read transaction, so that it sees one state of the file."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from badge_bridge.events import Event
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.clock import counted
from badge_bridge.store.lanes import due_by
from badge_bridge.store.protocol import (
    LONGEST_LEASE,
    LONGEST_WAIT,
    Attempt,
    Pause,
    StoredEvent,
)
from badge_bridge.store.records import readable, show_asked, show_event, show_outcomes, show_redrive
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.rows import DAY
from badge_bridge.store.sqlite.writes import read_gate

__all__ = ["backlog", "find", "joined", "keys", "next_due", "paused", "ping", "related", "stored"]

_BEHIND_ALL = "\U0010ffff"
"""Sorts behind every character that a key has."""


def ping(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM events LIMIT 1").fetchall()


def find(connection: sqlite3.Connection, key: str) -> StoredEvent | None:
    row = connection.execute(sql.FIND, (key,)).fetchone()
    if row is None:
        return None
    attempts = connection.execute(sql.FIND_ATTEMPTS, (row[0],)).fetchall()
    outcomes = tuple(outcome for attempt in attempts for outcome in show_outcomes(attempt[6], attempt=attempt[0]))
    return stored(row[1:], outcomes=outcomes, history=tuple(_attempt(attempt) for attempt in attempts))


def keys(connection: sqlite3.Connection, beginning: str, limit: int) -> list[str]:
    values = (beginning, f"{beginning}{_BEHIND_ALL}", max(limit, 0))
    return [key for (key,) in connection.execute(sql.KEYS, values)]


def joined(connection: sqlite3.Connection, join: str, after: float, limit: int) -> list[tuple[str, Event]]:
    rows = (row for day in _days(connection, since=after) for row in connection.execute(sql.JOINED, (day, join, after)))
    return list(islice(_happened_after(after, readable(rows)), max(limit, 0)))


def _days(connection: sqlite3.Connection, *, since: float) -> Iterator[int]:
    """The days, earliest first, on which something happened that others find; since a moment, which may be infinite."""
    for (day,) in connection.execute(sql.DAYS, (since / DAY - 1,)):
        yield day


def _happened_after(after: float, found: Iterable[tuple[str, Event]]) -> Iterator[tuple[str, Event]]:
    """Each once and by its time of now: an event that was revised may have been found by two times."""
    seen = set()
    for key, event in found:
        if key not in seen and event.time.timestamp() > after:
            seen.add(key)
            yield key, event


def related(connection: sqlite3.Connection, join: str, limit: int) -> list[StoredEvent]:
    found: dict[str, StoredEvent] = {}
    for day in _days(connection, since=-math.inf):
        if len(found) >= limit:
            break
        for row in connection.execute(sql.RELATED, (day, join, limit - len(found))):
            found[row[0]] = stored(row)
    return sorted(found.values(), key=lambda one: (one.event.time, one.key))


def next_due(connection: sqlite3.Connection, now: float) -> float | None:
    times = _moments(connection, sql.LEASE_ENDS, now=now, longest=LONGEST_LEASE)
    for (lane,) in connection.execute(sql.LANES_READY).fetchall():
        times.append(_opens_at(connection, lane, now))
    for (lane,) in connection.execute(sql.LANES_LATER).fetchall():
        due = _moments(connection, sql.LATER_DUE, {"lane": lane}, now=now, longest=LONGEST_WAIT)
        gate = read_gate(connection, lane, now)
        first = min(*due, max(due_by(lane, gate), now))
        times.append(max(first, gate.opens_at) if gate else first)
    return min(times, default=None)


def backlog(connection: sqlite3.Connection) -> Backlog:
    waiting: Counter[str] = Counter()
    for lane, count in connection.execute(sql.COUNT_WAITING):
        waiting[lane] += count
    working, dead, oldest = (
        connection.execute(statement).fetchone()[0]
        for statement in (sql.COUNT_WORKING, sql.COUNT_DEAD, sql.OLDEST_WAITING)
    )
    return Backlog(waiting=waiting, working=working, dead=dead, oldest=oldest)


def paused(connection: sqlite3.Connection, lanes: Sequence[str]) -> list[Pause]:
    rows = [row for lane in sorted(set(lanes)) for row in connection.execute(sql.PAUSED, (lane,)).fetchall()]
    return [Pause(lane=lane, until=until, failures=failures, reason=reason) for lane, until, failures, reason in rows]


def _opens_at(connection: sqlite3.Connection, lane: str, now: float) -> float:
    paused = read_gate(connection, lane, now)
    return max(paused.opens_at, now) if paused else now


def _moments(
    connection: sqlite3.Connection, statement: str, values: dict[str, Any] | None = None, *, now: float, longest: float
) -> list[float]:
    """The first and the last moment of a part of the queue as they count; none where it is empty.

    If the last one lies beyond all that is planned now, it has been reached, whatever lies between.
    """
    row = connection.execute(statement, values or {}).fetchone()
    return [counted(moment, now=now, longest=longest) for moment in row if moment is not None]


def stored(row: Sequence[Any], *, outcomes: tuple[Any, ...] = (), history: tuple[Attempt, ...] = ()) -> StoredEvent:
    """The event of the columns that the statements read of one."""
    (
        key,
        source,
        text,
        verified,
        received_at,
        state,
        reason,
        attempts,
        failures,
        due,
        lane,
        settled_at,
        rules_hash,
        redriven_with,
    ) = row
    event, unreadable = show_event(text, source=source, received_at=received_at)
    return StoredEvent(
        key=key,
        event=event,
        verified=verified,
        received_at=received_at,
        state=state,
        reason=reason or unreadable,
        attempts=attempts,
        failures=failures,
        due=due,
        lane=lane,
        settled_at=settled_at,
        rules_hash=rules_hash,
        redriven_with=redriven_with,
        outcomes=outcomes,
        history=history,
    )


def _attempt(row: Sequence[Any]) -> Attempt:
    number, started_at, ended_at, result, reason, asked, _, rules_hash, redriven = row
    return Attempt(
        number=number,
        started_at=started_at,
        ended_at=ended_at,
        result=result,
        reason=reason,
        asked=show_asked(asked),
        rules_hash=rules_hash,
        redriven=show_redrive(redriven),
    )
