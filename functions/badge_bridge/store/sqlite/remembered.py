"""What the file remembers of events that are gone, inside an open transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from badge_bridge.store.forgetting import KEY_NOTE, keyed_hash, source_of
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.rows import filled

__all__ = ["Mark", "drop", "knows", "mark_of", "read_key", "remember", "sources"]


class Mark(NamedTuple):
    """What is remembered of an event, and the key by which it is asked for."""

    key: str
    source: str
    hash: bytes


def read_key(connection: sqlite3.Connection) -> bytes:
    """The key of the hashes, which was made with the table."""
    ((text, _),) = connection.execute(sql.NOTE, (KEY_NOTE,)).fetchall()
    return bytes.fromhex(text)


def mark_of(secret: bytes, key: str) -> Mark:
    return Mark(key, source_of(key), keyed_hash(secret, key))


def knows(connection: sqlite3.Connection, marks: Iterable[Mark]) -> set[str]:
    """The keys of those whose events are gone: one look for each source, and no mark is made where none ever went."""
    if connection.execute(sql.REMEMBERS).fetchone() is None:
        return set()
    by_source: dict[str, dict[bytes, str]] = {}
    for mark in marks:
        by_source.setdefault(mark.source, {})[mark.hash] = mark.key
    gone: set[str] = set()
    for source, keys in by_source.items():
        for some, _ in filled(list(keys)):
            rows = connection.execute(sql.remembered(len(some)), (source, *some)).fetchall()
            gone.update(keys[found] for (found,) in rows)
    return gone


def remember(connection: sqlite3.Connection, marks: Iterable[Mark]) -> None:
    connection.executemany(sql.ADD_REMEMBERED, ((mark.source, mark.hash) for mark in marks))


def sources(connection: sqlite3.Connection) -> list[str]:
    return [source for (source,) in connection.execute(sql.REMEMBERED_SOURCES)]


def drop(connection: sqlite3.Connection, source: str, limit: int) -> int:
    return connection.execute(sql.DROP_REMEMBERED, {"source": source, "most": limit}).rowcount
