"""What the store reads, each function inside one read transaction, so that it sees one state of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from badge_bridge.store.protocol import Attempt, Listing, Pause, State, StoredEvent
from badge_bridge.store.records import plain, read_asked, read_event, read_outcomes
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.writes import gate

__all__ = ["find", "listing", "next_due", "paused", "ping"]


def ping(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM events LIMIT 1").fetchall()


def find(connection: sqlite3.Connection, key: str) -> StoredEvent | None:
    row = connection.execute(sql.FIND, (key,)).fetchone()
    if row is None:
        return None
    attempts = connection.execute(sql.FIND_ATTEMPTS, (row[0],)).fetchall()
    outcomes = tuple(outcome for attempt in attempts for outcome in read_outcomes(attempt[6]))
    return _stored(row[1:], outcomes=outcomes, history=tuple(_attempt(attempt) for attempt in attempts))


def listing(
    connection: sqlite3.Connection,
    *,
    state: State | None,
    source: str | None,
    type_: str | None,
    limit: int,
    before: tuple[float, str] | None,
) -> Listing:
    if limit < 1:
        return Listing(events=(), more=None)
    statement = sql.listing(
        state=state is not None, source=source is not None, type=type_ is not None, before=before is not None
    )
    values: dict[str, Any] = {
        "state": state,
        "source": None if source is None else plain(source),
        "type": None if type_ is None else plain(type_),
        "limit": limit + 1,
    }
    if before is not None:
        values["received_at"], values["key"] = before[0], plain(before[1])
    rows = connection.execute(statement, values).fetchall()
    events = tuple(_stored(row) for row in rows[:limit])
    return Listing(events=events, more=(events[-1].received_at, events[-1].key) if len(rows) > limit else None)


def next_due(connection: sqlite3.Connection) -> float | None:
    times = [_single(connection, sql.LEASE_ENDS)]
    for lanes, earliest in ((sql.LANES_READY, sql.FIRST_READY), (sql.LANES_LATER, sql.LATER_DUE)):
        for (lane,) in connection.execute(lanes).fetchall():
            paused = gate(connection, lane)
            due = _single(connection, earliest, lane)
            times.append(max(due, paused.opens_at) if due is not None and paused else due)
    return min((time for time in times if time is not None), default=None)


def paused(connection: sqlite3.Connection, lanes: Sequence[str]) -> list[Pause]:
    rows = [row for lane in sorted(set(lanes)) for row in connection.execute(sql.PAUSED, (lane,)).fetchall()]
    return [Pause(lane=lane, until=until, failures=failures, reason=reason) for lane, until, failures, reason in rows]


def _single(connection: sqlite3.Connection, statement: str, *values: Any) -> float | None:
    (value,) = connection.execute(statement, values).fetchone()
    assert value is None or isinstance(value, float)
    return value


def _stored(row: Sequence[Any], *, outcomes: tuple[Any, ...] = (), history: tuple[Attempt, ...] = ()) -> StoredEvent:
    key, event, verified, received_at, state, reason, attempts, failures, due, lane, settled_at, rules_hash = row
    return StoredEvent(
        key=key,
        event=read_event(event),
        verified=verified,
        received_at=received_at,
        state=state,
        reason=reason,
        attempts=attempts,
        failures=failures,
        due=due,
        lane=lane,
        settled_at=settled_at,
        rules_hash=rules_hash,
        outcomes=outcomes,
        history=history,
    )


def _attempt(row: Sequence[Any]) -> Attempt:
    number, started_at, ended_at, result, reason, asked, _ = row
    return Attempt(
        number=number,
        started_at=started_at,
        ended_at=ended_at,
        result=result,
        reason=reason,
        asked=read_asked(asked),
    )
