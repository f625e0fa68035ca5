"""One SQLite file on disk: opening it safely, knowing who else uses it, and saying what is wrong with it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite.schema import migrate
from badge_bridge.store.sqlite.stamp import (
    expect,
    expected,
    has_log,
    is_in_doubt,
    new_stamp,
    refuse_foreign_log,
    renew,
    stamp_of,
    was_damaged,
)

__all__ = ["COMPANIONS", "LOCKED_SECONDS", "StateFile", "code_of", "unavailable"]

COMPANIONS = ("-wal", "-shm", "-journal", ".lock")
"""What the names of the files beside a store end with; all but the last are SQLite's."""

LOCKED_SECONDS = 2.0
"""How long to wait for another process that is writing. Less than the 3 s after which some providers hang up."""

LOOK_SECONDS = 1.0
"""How long what is committed may go into a file that somebody has removed, before it is noticed."""

_OLDEST_SQLITE = (3, 35, 0)  # RETURNING

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space on it",
    sqlite3.SQLITE_IOERR: "it cannot be written or read; see that its disk has room and is healthy",
    sqlite3.SQLITE_READONLY: "it may not be written; make the file, its -wal and -shm files and its folder writable "
    "for this user",
    sqlite3.SQLITE_BUSY: "another program keeps it locked; end that program (a backup, or a sqlite3 shell inside "
    "a transaction)",
    sqlite3.SQLITE_LOCKED: "another connection has kept a table locked; end that program",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; see that its folder exists and that this user may write there",
    sqlite3.SQLITE_PERM: "this user may not open it; change its owner or mode",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database; move it away, with its -wal and -shm files, or name another "
    "file as the store",
    sqlite3.SQLITE_CORRUPT: "it is damaged; end serve and restore a backup (badge-bridge restore), or move it away "
    "with its -wal and -shm files",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work; keep it on a local disk, not on a network file system",
    sqlite3.SQLITE_NOMEM: "the machine has no memory left",
}

_SYSTEM_ADVICE = {
    errno.EROFS: "it may only be read there; mount its file system for writing, or name a file elsewhere as the store "
    "(in a systemd unit with ProtectSystem=, one in its StateDirectory= or ReadWritePaths=)",
    errno.EACCES: "this user may not open it; make the file, its .lock and its folder writable for this user",
    errno.ENOSPC: _ADVICE[sqlite3.SQLITE_FULL],
    errno.EIO: _ADVICE[sqlite3.SQLITE_IOERR],
    errno.EMFILE: "this process has too many files open; raise its limit (ulimit -n, LimitNOFILE= in systemd)",
    errno.ENOENT: "it is not there; see that its folder exists",
    errno.ENOTDIR: "what should be its folder is a file; correct its path (STATE)",
}
"""What the system says where SQLite was not asked yet, most of all of the lock beside the file."""

_log = logging.getLogger(__name__)

_PASSING = {_ADVICE[sqlite3.SQLITE_FULL], _ADVICE[sqlite3.SQLITE_IOERR]}


def unavailable(error: BaseException, path: str, *, opening: bool = False) -> StoreUnavailable | None:
    """What to tell the user where the file, not the request, is the trouble; None for any other error.

    `opening`: nothing is at work yet that would go on by itself.
    """
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, OSError):
        advice, said = _SYSTEM_ADVICE.get(error.errno or 0), error.strerror or str(error)
        if advice is None:
            return StoreUnavailable(f"the store {path} cannot be used: {said}")
    elif isinstance(error, sqlite3.Error):
        advice, said = _ADVICE.get(code_of(error)), str(error)
    else:
        return None
    if advice in _PASSING:
        advice += ", then try again" if opening else ", no restart is needed"
    return StoreUnavailable(f"the store {path}: {advice} ({said})") if advice else None


def code_of(error: BaseException) -> int:
    """SQLite's primary result code, 0 for errors that are not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


class StateFile:
    """Where the store lives, and the lock beside it (`PATH.lock`) that all its processes share for life; it also tells
    which file the log belongs to (`stamp.py`).

    The lock is the kernel's (flock), so it ends with the process however that ends. Who gets it alone knows that every
    lease in the file belongs to a process that is gone.
    """

    def __init__(
        self, path: str, *, locked_seconds: float = LOCKED_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._locked_seconds = locked_seconds
        self._clock = clock
        self._lock: int | None = None
        self._file: os.stat_result | None = None
        self._lost = ""
        self._looked_at = 0.0
        self.is_doubtful = False
        """Whether it was left open, or damage was met in it, and nobody has looked at all of it since. That it was left
        open is known to who is alone with it."""
        self.was_damaged = False
        """Whether damage was met in it, by whatever process, and nobody has found all of it sound since."""

    def open(self) -> tuple[sqlite3.Connection, bool]:
        """A connection for writing, and whether nobody else has the file open.

        Raises:
            StoreUnavailable: the file cannot be used; says why and what to do.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreUnavailable(
                f"Python's sqlite3 module was built with SQLite {sqlite3.sqlite_version}; the store needs 3.35 or "
                "newer: use a newer Python or a newer system"
            )
        path = Path(self.path)
        if not path.parent.is_dir():
            raise StoreUnavailable(
                f"the folder {str(path.parent)!r} for the store {path.name!r} does not exist; create it"
            )
        alone = self._take_lock()
        # Not before: a `restore` that had the lock has put another file there.
        refuse_foreign_log(self.path)
        self.was_damaged = was_damaged(self.path)
        self.is_doubtful = self.was_damaged or (alone and (has_log(self.path) or is_in_doubt(self.path)))
        if alone and expected(self.path) and not (path.exists() and path.stat().st_size):
            _log.warning(
                "the store %s is begun anew, empty: there was one, and its file is gone; if nobody has moved it away, "
                "end serve and put it back, or a backup (badge-bridge restore)",
                self.path,
            )
        stamp = self._foresee_stamp() if alone else ""
        self._make()
        self._file, self._lost, self._looked_at = path.stat(), "", self._clock()
        connection = self.connect()
        try:
            migrate(connection, self.path)
            if stamp:
                self._stamp(connection, stamp)
        except BaseException:
            connection.close()
            raise
        return connection, alone

    def opened(self) -> None:
        """Let other processes in: from now on the lock is shared."""
        if self._lock is not None:
            # Not atomic (flock(2)): another process may take the lock alone in between. It may: no lease is ours yet.
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._file = None

    def doubt(self) -> None:
        """Damage was met: who opens it next has to look at all of it."""
        self._tell(damaged=True)

    def believe(self) -> None:
        """All of it was looked at, and is well."""
        self._tell(damaged=False)

    def _tell(self, *, damaged: bool) -> None:
        self.is_doubtful = self.was_damaged = damaged
        if self._lock is not None:
            with suppress(OSError):
                self._expect(expected(self.path))

    def _expect(self, stamps: Sequence[str]) -> None:
        assert self._lock is not None, "who has the file open has the lock"
        expect(self._lock, stamps, is_doubtful=self.is_doubtful, was_damaged=self.was_damaged)

    def look(self) -> None:
        """See that the path still leads to the file that was opened. SQLite writes into that one all the same, and all
        of it is gone when the last one closes it.

        Raises:
            StoreUnavailable: it does not, or once did not: who has two files open can be sure of neither, so that only
                opening the store anew mends it.
        """
        if self._file is None:
            return
        self._looked_at = self._clock()
        self._lost = self._lost or _lost(self.path, self._file)
        if self._lost:
            raise StoreUnavailable(self._lost)

    def look_again(self) -> None:
        """`look`, where the last time was `LOOK_SECONDS` ago or something was wrong."""
        if self._lost or self._clock() - self._looked_at >= LOOK_SECONDS:
            self.look()

    def is_in_use(self) -> bool:
        """Whether a process has the file open, as far as the lock beside it tells. Nothing is written for that.

        Raises:
            StoreUnavailable: the lock may not be looked at.
        """
        try:
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnavailable(f"{self.path}.lock cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        """A new connection, to be used in this thread only.

        Raises:
            StoreUnavailable: as `look`; SQLite would make an empty file.
        """
        self.look()
        # isolation_level None: transactions begin and end where the code says so.
        connection = sqlite3.connect(
            self.path, timeout=self._locked_seconds, isolation_level=None, cached_statements=256
        )
        try:
            self._configure(connection, read_only=read_only)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: sqlite3.Connection, *, read_only: bool) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnavailable(
                f"the store {self.path} cannot have a write-ahead log there (its journal mode stays {mode!r}); keep "
                "it on a local disk"
            )
        # FULL: the log is on the disk before a commit returns; NORMAL would lose the last commits with the power.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten, and not only forgotten where it was.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        # KiB, as is the default. The system keeps the file in memory anyway, so more is no faster at a million events;
        # but a process that has filled it takes that much more for good.
        connection.execute("PRAGMA cache_size = -2000")
        # Pages in the log before a commit moves them to the file; `checkpoints.py` has moved most of them by then.
        connection.execute("PRAGMA wal_autocheckpoint = 12000")
        connection.execute("PRAGMA journal_size_limit = 67108864")  # give back what a burst left in the log
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    def _foresee_stamp(self) -> str:
        """The stamp that the file gets; empty where it gets none. From now on the lock knows it beside the file's own,
        so that it is right whatever is written into the log next, and whenever the process is killed.
        """
        assert self._lock is not None, "who is alone has the lock"
        found, said = stamp_of(self.path), list(expected(self.path))
        if len(said) > 1 and found != said[-1] and (found is None or has_log(self.path)):
            # An earlier start did not come to the end of it: its stamp may be in the log, and get into the file yet.
            *known, stamp = said
        else:
            # What cannot be read without its log has been seen to have that of its own.
            known, stamp = said if found is None else [found] if found else [], new_stamp()
        try:
            self._expect([*known, stamp] if known else [])
            os.fdatasync(self._lock)
        except OSError:  # its disk is full
            return ""
        return stamp

    def _stamp(self, connection: sqlite3.Connection, stamp: str) -> None:
        """Give the file the stamp, in the file itself and not only in its log. It goes without where that fails: the
        lock is right in any case, and what is wrong with the file is told to who has to write.
        """
        with suppress(sqlite3.Error, OSError):
            connection.execute("PRAGMA synchronous = NORMAL")  # moving the log syncs it
            try:
                renew(connection, stamp)
                ((is_busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute("PRAGMA synchronous = FULL")
            if not is_busy:
                self._expect([stamp])

    def _make(self) -> None:
        """Create the file for its owner only; SQLite gives its companions the same mode."""
        # The bodies of deliveries are in it, and later the portal's tokens.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _take_lock(self) -> bool:
        self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Waits at most while another process, alone with the file, takes back its leases.
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            return False
        return True


def _lost(path: str, opened: os.stat_result) -> str:
    try:
        if os.path.samestat(Path(path).stat(), opened):
            return ""
        what = "is another file than the one that was opened"
    except (FileNotFoundError, NotADirectoryError):
        what = "is not there any more"
    return (
        f"the store {path} {what}; end what has it open (serve), put the right one there (a backup with badge-bridge "
        "restore), then start again"
    )
