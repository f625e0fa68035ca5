"""What all processes share through the file: buckets, notes and holds.

Each function is the store's method of that name, inside an open transaction, so that what it reads is still so when it
writes.
"""

from __future__ import annotations

import sqlite3

from badge_bridge.holding import LASTING
from badge_bridge.store.protocol import Note
from badge_bridge.store.sqlite import sql
from badge_bridge.store.turns import EMPTY, Hold, Level, drawn, held, left_in

__all__ = ["draw", "hold", "let_all_go", "let_go", "level", "note", "write_note"]


_BEHIND_LASTING = LASTING[:-1] + chr(ord(LASTING[-1]) + 1)
"""The first name behind all that begin so."""


def draw(connection: sqlite3.Connection, bucket: str, now: float, rate: float, burst: int) -> float:
    before = _stored_level(connection, bucket)
    after, wait = drawn(before, now=now, rate=rate, burst=burst)
    if after != before:  # a refusal seldom changes anything, and what changes nothing waits for no disk
        connection.execute(sql.SET_LEVEL, (bucket, after.requests, after.at))
    return wait


def level(connection: sqlite3.Connection, bucket: str, now: float, rate: float, burst: int) -> float:
    return left_in(_stored_level(connection, bucket), now=now, rate=rate, burst=burst)


def _stored_level(connection: sqlite3.Connection, bucket: str) -> Level:
    row = connection.execute(sql.LEVEL, (bucket,)).fetchone()
    return Level(*row) if row else EMPTY


def note(connection: sqlite3.Connection, name: str) -> Note | None:
    row = connection.execute(sql.NOTE, (name,)).fetchone()
    return Note(*row) if row else None


def write_note(connection: sqlite3.Connection, name: str, text: str, version: int) -> bool:
    if version == 0:
        return connection.execute(sql.NEW_NOTE, {"name": name, "text": text}).rowcount == 1
    return connection.execute(sql.NEXT_NOTE, {"name": name, "text": text, "version": version}).rowcount == 1


def hold(connection: sqlite3.Connection, name: str, holder: str, now: float, seconds: float) -> bool:
    row = connection.execute(sql.HOLD, (name,)).fetchone()
    given = held(Hold(*row) if row else None, holder=holder, now=now, seconds=seconds)
    if given is None:
        return False
    connection.execute(sql.SET_HOLD, (name, given.holder, given.until))
    return True


def let_go(connection: sqlite3.Connection, name: str, holder: str) -> bool:
    return connection.execute(sql.LET_GO, (name, holder)).rowcount == 1


def let_all_go(connection: sqlite3.Connection) -> None:
    """End every hold that does not outlive its holder: those who had them are gone."""
    connection.execute(sql.LET_ALL_GO, {"lasting": LASTING, "behind": _BEHIND_LASTING})
