"""What is known of a file's condition from work that failed on it, for whoever asks how it is.

A probe's own read and write touch few pages, and succeed on a file whose other pages are damaged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite.file import code_of, unavailable

__all__ = ["FRESH_SECONDS", "Condition"]

FRESH_SECONDS = 60.0
"""How long work that failed counts where none of its kind is tried again. Who sends nothing because the probe fails
would else keep it failing."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_WRITING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_WRITING_IO = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
"""What a trial write meets as well, wherever in the file it writes, and finds over."""


class Condition:
    """Of the file at `path`, by a `clock` that never goes back. Damage that any thread has met stays known until
    the file is opened anew: nothing mends it by itself; `damaged` hears of it at once.
    """

    def __init__(self, path: str, clock: Callable[[], float], *, damaged: Callable[[], object] = lambda: None) -> None:
        self._path = path
        self._clock = clock
        self._damaged = damaged
        self._damage = ""
        self._suspicion = ""
        self._failures: dict[str, tuple[float, str]] = {}
        """By the kind of work that failed last: when, and why."""

    @property
    def is_damaged(self) -> bool:
        return bool(self._damage)

    def forget(self) -> None:
        """Begin anew, with a file that is opened anew."""
        self._damage = self._suspicion = ""
        self._failures.clear()

    def suspect(self, why: str) -> None:
        """Until `trust`, it is not known to be well."""
        self._suspicion = why

    def trust(self) -> None:
        self._suspicion = ""

    def unavailable(self, error: BaseException, *, opening: bool = False) -> StoreUnavailable | None:
        """As the function, and what it tells of damage is kept."""
        trouble = unavailable(error, self._path, opening=opening)
        if code_of(error) in _DAMAGED and not self._damage:
            self._damage = str(trouble)
            self._damaged()
        return trouble

    def found(self, fault: str) -> StoreUnavailable:
        """Keep that a page is damaged, which nobody has met yet."""
        error = sqlite3.DatabaseError(fault)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        trouble = self.unavailable(error)
        assert trouble is not None, "there is advice for that"
        return trouble

    @contextmanager
    def trying(self, kind: str) -> Iterator[None]:
        """Keep how the work ends that is done inside."""
        try:
            yield
        except StoreUnavailable as error:
            cause = error.__cause__
            if cause is not None and not _is_of_writing(cause):
                self._failures[kind] = self._clock(), str(error)
            raise
        self._failures.pop(kind, None)

    def look(self) -> None:
        """Say what is known.

        Raises:
            StoreUnavailable: the file is damaged or suspected to be, or some kind of work failed last time, less than
                `FRESH_SECONDS` ago.
        """
        if said := self._damage or self._suspicion:
            raise StoreUnavailable(said)
        for at, why in self._failures.values():
            if self._clock() - at < FRESH_SECONDS:
                raise StoreUnavailable(why)


def _is_of_writing(error: BaseException) -> bool:
    return code_of(error) in _WRITING or getattr(error, "sqlite_errorcode", 0) in _WRITING_IO
