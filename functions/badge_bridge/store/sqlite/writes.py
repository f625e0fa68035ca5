"""What the store does inside a write transaction. Each function is one operation on an open transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from badge_bridge.store.lanes import Gate, room
from badge_bridge.store.protocol import Claim, Pause, Settlement
from badge_bridge.store.records import plain, write_asked, write_outcomes
from badge_bridge.store.sqlite import sql

__all__ = [
    "MOST_PROMOTED",
    "EventRow",
    "Leased",
    "accept",
    "claim",
    "claim_due",
    "gate",
    "give_back",
    "pause",
    "probe",
    "redrive",
    "resume",
    "settle",
    "settlement_values",
    "take_back",
]

EventRow = tuple[str, str, str, str, float, float, str]
"""key, source, type, verified, received_at, due, event"""

_MOST_ROWS = 256
"""Rows of one insert: 7 values each, well below the 32,766 that SQLite allows."""

MOST_PROMOTED = 5_000
"""Events of a lane whose time is noticed in one call. After a long stop, hundreds of thousands may have become due at
once, and nothing could be accepted for the seconds it takes to mark them all; the rest follows with the next calls."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease as it was written; the event and the outcomes are still JSON."""

    key: str
    event: str
    token: str
    attempt: int
    failures: int
    received_at: float
    leased_until: float
    lane: str
    outcomes: tuple[str, ...]


def accept(connection: sqlite3.Connection, rows: Sequence[EventRow]) -> set[str]:
    """Insert events; the keys that were not known before."""
    new: set[str] = set()
    start = 0
    while start < len(rows):
        # Sizes are powers of two, so that a handful of prepared statements serves every number of rows.
        size = min(_MOST_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        new |= _insert(connection, rows[start : start + size])
        start += size
    return new


def _insert(connection: sqlite3.Connection, rows: Sequence[EventRow]) -> set[str]:
    cursor = connection.execute(sql.accept(len(rows)), [value for row in rows for value in row])
    if cursor.rowcount == len(rows):
        return {row[0] for row in rows}
    if not cursor.rowcount:
        return set()
    assert cursor.lastrowid is not None
    # Ids are given out in order, and nobody else writes meanwhile.
    since = cursor.lastrowid - cursor.rowcount
    return {key for (key,) in connection.execute(sql.ACCEPTED_SINCE, (since,)).fetchall()}


def take_back(connection: sqlite3.Connection, now: float) -> None:
    """Make every event whose lease is over claimable, and count a failure for it."""
    connection.execute(sql.LOST_ATTEMPTS, {"now": now})
    connection.execute(sql.LOST_EVENTS, {"now": now})


def claim(connection: sqlite3.Connection, key: str, now: float, lease: float, token: str) -> Leased | None:
    row = connection.execute(sql.PEEK, (key,)).fetchone()
    if row is None:
        return None
    event, state, ready, due, lane, leased_until = row
    expired = state == "working" and leased_until <= now
    if expired:
        connection.execute(sql.LOST_ATTEMPT_OF, {"id": event})
        connection.execute(sql.LOST_EVENT_OF, {"id": event})
    is_due = expired or (state == "waiting" and (ready or due <= now))
    if not is_due or not room(gate(connection, lane), now=now, limit=1):
        return None
    return _lease(connection, event, now, lease, token)


def claim_due(
    connection: sqlite3.Connection, now: float, lease: float, limit: int, new_token: Callable[[], str]
) -> list[Leased]:
    take_back(connection, now)
    for (lane,) in connection.execute(sql.LANES_LATER).fetchall():
        connection.execute(sql.PROMOTE, {"lane": lane, "now": now, "most": MOST_PROMOTED})
    candidates: list[tuple[float, str, int]] = []
    for (lane,) in connection.execute(sql.LANES_READY).fetchall():
        places = room(gate(connection, lane), now=now, limit=limit)
        if places:
            candidates += connection.execute(sql.READY, (lane, places)).fetchall()
    return [_lease(connection, event, now, lease, new_token()) for _, _, event in sorted(candidates)[:limit]]


def gate(connection: sqlite3.Connection, lane: str) -> Gate | None:
    """The pause of a lane, or None where it is open."""
    if not lane:
        return None
    row = connection.execute(sql.GATE, (lane,)).fetchone()
    return Gate(*row) if row else None


def _lease(connection: sqlite3.Connection, event: int, now: float, lease: float, token: str) -> Leased:
    until = now + lease
    ((key, text, attempt, failures, received_at, since, lane),) = connection.execute(
        sql.LEASE, {"id": event, "token": token, "until": until}
    ).fetchall()
    outcomes: tuple[str, ...] = ()
    if attempt > since + 1:
        outcomes = tuple(text for (text,) in connection.execute(sql.OUTCOMES_SINCE, (event, since)).fetchall())
    connection.execute(sql.START_ATTEMPT, (event, attempt, now))
    return Leased(
        key=key,
        event=text,
        token=token,
        attempt=attempt,
        failures=failures,
        received_at=received_at,
        leased_until=until,
        lane=lane,
        outcomes=outcomes,
    )


def settlement_values(claim: Claim, settlement: Settlement) -> dict[str, Any]:
    """What `settle` writes, made ready outside of the transaction."""
    waits = settlement.state == "waiting"
    return {
        "key": plain(claim.key),
        "token": claim.token,
        "attempt": claim.attempt,
        "state": settlement.state,
        "reason": plain(settlement.reason),
        "failed": int(settlement.failed),
        "rules_hash": plain(settlement.rules_hash),
        "due": settlement.due if waits else None,
        "ready": int(settlement.due <= settlement.ended_at) if waits else None,
        "lane": plain(settlement.lane) if waits else "",
        "settled_at": None if waits else settlement.ended_at,
        "ended_at": settlement.ended_at,
        "asked": write_asked(settlement.asked),
        "outcomes": write_outcomes(settlement.outcomes, attempt=claim.attempt),
    }


def settle(connection: sqlite3.Connection, values: dict[str, Any]) -> bool:
    rows = connection.execute(sql.SETTLE, values).fetchall()
    for (event,) in rows:
        connection.execute(sql.END_ATTEMPT, {**values, "id": event})
    return bool(rows)


def give_back(connection: sqlite3.Connection, leases: Sequence[Leased]) -> None:
    """Undo leases that nobody was told of, as if they had never been taken."""
    for leased in leases:
        for (event,) in connection.execute(sql.GIVE_BACK, {"key": leased.key, "token": leased.token}).fetchall():
            connection.execute(sql.DELETE_ATTEMPT, (event, leased.attempt))


def redrive(connection: sqlite3.Connection, key: str, now: float) -> bool:
    return connection.execute(sql.REDRIVE, {"key": key, "now": now}).rowcount == 1


def pause(connection: sqlite3.Connection, lane: str, until: float, reason: str) -> Pause:
    ((lane, until, failures, reason),) = connection.execute(
        sql.PAUSE, {"lane": lane, "until": until, "reason": reason}
    ).fetchall()
    return Pause(lane=lane, until=until, failures=failures, reason=reason)


def probe(connection: sqlite3.Connection, lane: str, now: float, hold: float) -> bool:
    return connection.execute(sql.HOLD_PROBE, {"lane": lane, "now": now, "until": now + hold}).rowcount == 1


def resume(connection: sqlite3.Connection, lane: str) -> bool:
    return connection.execute(sql.RESUME, (lane,)).rowcount == 1
