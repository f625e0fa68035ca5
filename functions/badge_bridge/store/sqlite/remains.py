"""What is left of deleted rows in the bytes of the file and of its log.

Deleting overwrites (`PRAGMA secure_delete`), but the log still holds pages as they were, until it is emptied; and a
file that an earlier version has written may have remains in what is free in it, until it is written anew.
"""

from __future__ import annotations

import glob
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from badge_bridge.store.forgetting import Remains
from badge_bridge.store.sqlite.file import StateFile

__all__ = ["remains"]

_log = logging.getLogger(__name__)

_FILES = ("", "-wal", "-shm")
_BUSY = "others are reading or writing; erase again, or when they have stopped"
_COPY = "it is another file beside the store, from before a restore or a copy; delete it when nobody needs it"
_CHUNK = 1 << 20
_OVERLAP = 1024
_DIGITS = b"0123456789"
_TRIES = 3
"""How often the log is tried to be emptied, while others read or write; each waits as long as any other write."""
_PAUSE = 0.25
_PATIENCE_MS = 60_000
"""How long to wait for a moment in which nobody writes, to write the file anew."""


def remains(file: StateFile, matches: Callable[[bytes], int | None]) -> list[Remains]:
    """As `Store.remains`, in the thread that calls it."""
    is_empty = _empty_log(file)
    found = _in_store(file.path, matches)
    if not found or not is_empty:  # while somebody reads what was, writing the file anew changes nothing
        return found + _beside(file.path, matches)
    _log.info("%s is written anew: something is left in what is free in it", found[0].place)
    with closing(file.connect()) as connection:
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        connection.execute("PRAGMA temp_store = FILE")  # it may be larger than the memory
        connection.execute("VACUUM")
    _empty_log(file)
    return _in_store(file.path, matches) + _beside(file.path, matches)


def _empty_log(file: StateFile) -> bool:
    """Move all that is in the log to the file, and cut the log to nothing; whether there was a moment without readers,
    which that needs.
    """
    with closing(file.connect()) as connection:
        for _ in range(_TRIES):
            try:
                (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                is_busy = True
            if not is_busy:
                return True
            time.sleep(_PAUSE)
    return False


def _in_store(path: str, matches: Callable[[bytes], int | None]) -> list[Remains]:
    files = [Path(path + suffix) for suffix in _FILES]
    return [Remains(f"{file}: byte {place}", _BUSY) for file in files for place in _places(file, matches)]


def _beside(path: str, matches: Callable[[bytes], int | None]) -> list[Remains]:
    """In what lies beside the store under its name: what it was before a restore, a copy that somebody has made."""
    store = Path(path)
    others = sorted(store.parent.glob(f"{glob.escape(store.name)}?*"))
    files = [file for file in others if file.is_file() and file.name.removeprefix(store.name) not in _FILES]
    return [Remains(f"{file}: byte {place}", _COPY) for file in files for place in islice(_places(file, matches), 1)]


def _places(path: Path, matches: Callable[[bytes], int | None]) -> Iterator[int]:
    """The first find of each chunk."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        start, kept, last = 0, b"", -1
        while True:
            chunk = file.read(_CHUNK)
            window = kept + chunk
            # Digits at its end may go on, and be a longer number then; at the end of the file they do not.
            found = matches(window.rstrip(_DIGITS) if chunk else window)
            place = start - len(kept) + found if found is not None else last
            if place != last:
                yield place
            if not chunk:
                return
            last = place
            start += len(chunk)
            kept = window[-_OVERLAP:].lstrip(_DIGITS) if len(window) > _OVERLAP else window
