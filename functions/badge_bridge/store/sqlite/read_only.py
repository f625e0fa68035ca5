"""Reading a store that cannot be written: its disk is full, or may only be read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from badge_bridge.store.sqlite.file import LOCKED_SECONDS
from badge_bridge.store.sqlite.stamp import has_log, refuse_foreign_log

__all__ = ["read_only"]


def read_only(path: str) -> sqlite3.Connection:
    """A connection that writes nothing, to be used in this thread only, and for a short time.

    What is in a log can only be read with the companion that tells where (`-shm`), which SQLite makes where it is not
    there. Where it cannot, the file is all there is if the log is empty, and nobody can be writing it.

    Raises:
        sqlite3.Error: it cannot be read either.
        StoreUnavailable: its log is another's.
    """
    refuse_foreign_log(path)
    try:
        return _opened(path, "mode=ro")
    except sqlite3.Error:
        if has_log(path):
            raise
        return _opened(path, "mode=ro&immutable=1")


def _opened(path: str, options: str) -> sqlite3.Connection:
    uri = f"{Path(path).absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCKED_SECONDS, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
