"""Reading every page of a file once, beside whatever else is done with it.

By SQLite's `quick_check`, which leaves out whether the indexes fit the tables: 1.9 GB in the system's memory took 5 s,
half of it computing, against 9 s for all. What is committed meanwhile stays in the log until it is done.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress

from badge_bridge.store.sqlite.condition import Condition
from badge_bridge.store.sqlite.contents import fault
from badge_bridge.store.sqlite.file import StateFile, code_of

__all__ = ["PageCheck", "StartCheck"]

_AGAIN = 0.1
"""Seconds after which a check that does not end is interrupted once more: it may not have begun when it was."""

_log = logging.getLogger(__name__)


class PageCheck:
    """One check, on a connection that `connect` makes in the thread that runs it. It may be stopped from another one,
    also before it has begun.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._stopped = False

    def run(self) -> str | None:
        """The first fault, in SQLite's words; empty where there is none, None where it was stopped.

        Raises:
            StoreUnavailable, sqlite3.Error: the file cannot be read.
        """
        with closing(self._connect()) as connection:
            self._connection = connection
            try:
                # What was stopped may have found pages that "are never used", since it has not come to them.
                found = "" if self._stopped else fault(connection, "quick_check")
            except sqlite3.OperationalError:
                if not self._stopped:
                    raise
            finally:
                self._connection = None
        return None if self._stopped else found

    def stop(self) -> None:
        self._stopped = True
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):  # it has just ended
                connection.interrupt()


class StartCheck:
    """Checks the pages of a file that was not closed well, in a thread that nobody waits for, and tells `condition`: at
    once where damage was met in it before, and else only what it finds.
    """

    def __init__(self, file: StateFile, condition: Condition) -> None:
        self._file = file
        self._condition = condition
        self._check: PageCheck | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin, where there is doubt about the file."""
        if not self._file.is_doubtful:
            return
        if self._file.was_damaged:
            self._condition.suspect(
                f"the store {self._file.path} was found damaged before; its pages are being looked at, and it is ready "
                "once all are found sound"
            )
        self._check = PageCheck(lambda: self._file.connect(read_only=True))
        self._thread = threading.Thread(
            target=self._run, args=(self._check,), name="badge-bridge-page-check", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Leave off what is not done. It is begun anew by who opens the file next."""
        thread, self._thread = self._thread, None
        if thread is None or self._check is None:
            return
        while thread.is_alive():
            self._check.stop()
            thread.join(_AGAIN)

    def _run(self, check: PageCheck) -> None:
        try:
            found = check.run()
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            trouble = self._condition.unavailable(error, opening=True)
            # A page that its disk cannot read is as good as damaged.
            if self._file.was_damaged or code_of(error) == sqlite3.SQLITE_IOERR:
                self._condition.suspect(
                    f"the pages of the store {self._file.path} could not be looked at; start serve anew for another "
                    f"look: {trouble or error}"
                )
            _log.warning("%s: its pages could not be looked at: %s", self._file.path, error)
            return
        if found:
            _log.error("%s: it is damaged: %s", self._file.path, found)
            self._condition.found(found)
        elif found is not None and not self._condition.is_damaged:
            self._file.believe()
            self._condition.trust()
