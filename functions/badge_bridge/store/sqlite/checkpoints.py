"""The thread that moves what was committed from the log to the file, so that whoever commits does not wait for it.

Beside a long history each event changes pages of its own, and moving thousands of them takes longer than the commits
that wrote them. SQLite lets others write meanwhile. Only where the log grows faster than it is moved does a commit move
the rest (`PRAGMA wal_autocheckpoint`), after which the log begins anew.
"""

from __future__ import annotations

import logging
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from badge_bridge.store.sqlite.condition import Condition
from badge_bridge.store.sqlite.file import StateFile

__all__ = ["Checkpoints"]

ROWS = 2_000
"""Changed rows after which the log is moved: some 4,000 pages beside a long history, fewer in a new file."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """One thread with a connection, made when it is first needed. It is told of commits by the thread that writes, and
    tells `condition` of damage.
    """

    def __init__(self, file: StateFile, condition: Condition, *, rows: int = ROWS) -> None:
        self._file = file
        self._condition = condition
        self._rows = rows
        self._changed = 0
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def open(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="badge-bridge-checkpoints")

    def committed(self, rows: int) -> None:
        """So many rows were changed, and are durable. It does not wait."""
        self._changed += rows
        if self._changed < self._rows or self._thread is None or not (self._running is None or self._running.done()):
            return
        self._changed = 0
        with suppress(RuntimeError):  # the interpreter is about to end
            self._running = self._thread.submit(self._move)

    def close(self) -> None:
        """End the thread, once nobody commits any more; waits for what it is about."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.submit(self._disconnect)
            thread.shutdown()

    def _move(self) -> None:
        try:
            if self._connection is None:
                self._connection = self._file.connect()
            # PASSIVE waits for nobody, and leaves what a reader still needs to the next time.
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except (sqlite3.Error, OSError) as error:
            # Nothing is lost: all of it is in the log, and whoever writes hears of a file that is broken.
            _log.warning("%s: its log could not be moved to the file, which is tried again: %s", self._file.path, error)
            self._condition.unavailable(error)
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
