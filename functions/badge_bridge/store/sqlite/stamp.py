"""Which file a log belongs to, found out before SQLite is let at the two.

A log is a store's last commits, and goes by its name alone: SQLite moves what `PATH-wal` holds into whatever stands at
PATH, page by page, and destroys a file that is not the one it was written for, such as a backup that somebody has put
there. So a file gets a new stamp, a random word in a table of its own, each time somebody is alone with it; it is moved
into the file itself at once; and the lock beside the file says which stamps a file may have that the log belongs to.
A copy by `backup` has a stamp of its own.

What the lock says is right at any moment: it is written before and after the stamp, so that who is killed between
leaves both in it. Where it says nothing (a store of an earlier version, or one that was brought here without its lock)
nothing is known, and where the table cannot be read, the log may be what makes it readable; then it is left to SQLite.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite import sql

__all__ = [
    "expect",
    "expected",
    "has_log",
    "is_in_doubt",
    "new_stamp",
    "refuse_foreign_log",
    "renew",
    "stamp_of",
    "was_damaged",
]

_STAMP = re.compile(r"[0-9a-f]{32}")
_MOST = 4096
"""Bytes of a lock that are read."""
_LEAST = 512
"""Bytes of a lock, most of them blank; what it says has some hundred."""


def refuse_foreign_log(path: str) -> None:
    """See that what SQLite would move into the file at `path` belongs there. Nothing is written.

    Raises:
        StoreUnavailable: it belongs to the file that was there before; says what to do.
        OSError: the log or the lock may not be looked at.
    """
    if not has_log(path):
        return
    stamps = expected(path)
    if not stamps:
        return
    found = stamp_of(path)
    if found is None or found in stamps:
        return
    if not Path(path).exists():
        raise StoreUnavailable(
            f"the store {path} is not there, but the log of one is, {path}-wal; put the file back, or a backup in "
            "place with badge-bridge restore, which keeps the log; or, to begin with an empty store, move "
            f"{path}-wal and {path}-shm away"
        )
    raise StoreUnavailable(
        f"the store {path} was put there beside the log of another one, {path}-wal, which would destroy it; end what "
        "has it open, then put a backup in place with badge-bridge restore, which keeps both as they are (or, if they "
        f"were copied here together, remove {path}.lock)"
    )


def has_log(path: str) -> bool:
    """Whether there is something in the log."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def stamp_of(path: str) -> str | None:
    """The stamp in the file itself, without its log; empty where it has none, None where that cannot be told."""
    file = Path(path)
    if not file.exists() or not file.stat().st_size:
        return ""
    # Immutable: SQLite neither looks for a log nor makes anything beside the file.
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            try:
                return _read_stamp(connection)
            except sqlite3.Error:
                return _read_stamp_of_part(connection)
    except sqlite3.Error:
        return None


def _read_stamp(connection: sqlite3.Connection) -> str | None:
    if not _knows_stamps(connection):
        return ""
    row = connection.execute(sql.STAMP).fetchone()
    if row is None:
        return ""
    return row[0] if isinstance(row[0], str) and _STAMP.fullmatch(row[0]) else None


def _read_stamp_of_part(connection: sqlite3.Connection) -> str | None:
    """The same of a file that is shorter than it says, such as a copy that was broken off: its first pages are there.

    Raises:
        sqlite3.Error: the page with the stamp is not.
    """
    connection.execute("PRAGMA writable_schema = ON")  # or SQLite reads nothing of it
    return _read_stamp(connection) or None


def new_stamp() -> str:
    return secrets.token_hex(16)


def renew(connection: sqlite3.Connection, stamp: str) -> None:
    """Give the file that a connection has open a new stamp, where it knows of stamps."""
    if _knows_stamps(connection):
        connection.execute(sql.NEW_STAMP, (stamp,))


def _knows_stamps(connection: sqlite3.Connection) -> bool:
    return connection.execute("PRAGMA table_info(stamp)").fetchone() is not None


def expected(path: str) -> Sequence[str]:
    """The stamps of which the lock says so; none where it says nothing, or what cannot be understood."""
    stamps = _said(path).get("stamps")
    return [stamp for stamp in stamps if isinstance(stamp, str)] if isinstance(stamps, list) else ()


def is_in_doubt(path: str) -> bool:
    """Whether the lock says that the file's pages are to be looked at."""
    return _said(path).get("doubtful") is True


def was_damaged(path: str) -> bool:
    """Whether the lock says that damage was met in the file, and nobody has found all of its pages sound since."""
    return _said(path).get("damaged") is True


def _said(path: str) -> dict[str, Any]:
    try:
        with Path(f"{path}.lock").open("rb") as lock:
            said = json.loads(lock.read(_MOST))
    except (FileNotFoundError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def expect(lock: int, stamps: Sequence[str], *, is_doubtful: bool, was_damaged: bool = False) -> None:
    """Let the lock, an open file, say which stamps a file may have that the log belongs to, whether its pages are to be
    looked at, and whether that is since damage was met. Where the last stamp is not in the file yet, that has to be
    durable first: `os.fdatasync`.

    Raises:
        OSError: it cannot be written; it says what it said before.
    """
    said: dict[str, object] = {"stamps": list(stamps)}
    said |= {"doubtful": True} if is_doubtful else {}
    said |= {"damaged": True} if was_damaged else {}
    text = json.dumps(said).encode()
    # All in one call, with blanks over what was longer: who is killed before or after it leaves what can be understood,
    # and so does who writes beside another one.
    os.pwrite(lock, text.ljust(max(_LEAST, os.fstat(lock).st_size)), 0)
