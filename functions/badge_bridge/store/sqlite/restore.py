"""Putting a backup in the place of a store that nobody has open, so that there is a whole one at any moment.

The backup is copied beside the store, checked, brought to this version's schema and marked (`restored_at`) before
anything about the present store is touched. That one then gets a second name and loses the first to the copy.

What was done after the backup was made is not in it, but still on the cards of the portal. The mark makes whoever
attaches a badge look there first (`attaching.py`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from badge_bridge.errors import BridgeError, SettingsError, StoreUnavailable
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.backup import Copying, copy_store, part_of, put_in_place
from badge_bridge.store.sqlite.contents import BackupFailed, Contents, Stopping, count, examine, stoppable
from badge_bridge.store.sqlite.file import COMPANIONS, LOCKED_SECONDS
from badge_bridge.store.sqlite.schema import migrate
from badge_bridge.store.sqlite.stamp import has_log, refuse_foreign_log

__all__ = ["RESTORED", "Restored", "read_mark", "restore"]

RESTORED = "restored"
"""Name of the note that says when the store was put in place, in unix seconds."""

_BEGINS = b"SQLite format 3\0"
_OF_ANOTHER = ".of-another"
_OF_SQLITE = tuple(suffix for suffix in COMPANIONS if suffix != ".lock")


@dataclass(frozen=True, slots=True)
class Restored:
    """`contents` are those of the backup as it was found; `kept` is where the store from before is now, None where
    there was none; `kept_log` is where the last commits of yet another store are, whose file somebody had replaced or
    removed, None where there were none; `notes` are the names of those that were taken over from `kept`.
    """

    contents: Contents
    kept: Path | None
    kept_log: Path | None
    notes: tuple[str, ...]


def restore(
    source: str,
    store: str,
    *,
    now: float,
    newer_notes: str,
    stopping: Stopping,
    copying: Copying = lambda _done, _of: None,
) -> Restored:
    """Make the backup `source` the store at the path `store`, and keep what is there under another name.

    Notes whose names begin with `newer_notes` are taken over from the present store where it can be read: they change
    with use, so that those of the backup may be of no use any more. `copying` as for `backup`.

    Raises:
        SettingsError: a process has the store open, or one of the names cannot be meant.
        BackupFailed: `source` is damaged, of a newer version or none; or it cannot be copied. The store is as before.
        Stopped: `stopping` said so; the store is as before.
        StoreUnavailable: the copy cannot be brought to this version's schema, or beside `source` is the log of another
            store; the store is as before.
    """
    given, path = Path(os.path.realpath(source)), Path(os.path.realpath(store))
    _refuse(given, path)
    with _alone(path), part_of(path) as part:
        contents = _look_at(given, stopping)
        copy_store(str(given), part, stopping=stopping, copying=copying)
        notes = _notes(path, newer_notes)
        _prepare(part, now=now, notes=notes, stopping=stopping)
        examine(part, stopping=stopping)
        kept = _set_aside(path, now)
        try:
            put_in_place(part, path)
        except BaseException:
            _bring_back(kept, path)
            raise
    log = f"{kept}{_OF_ANOTHER}"
    return Restored(
        contents,
        kept if kept.exists() else None,
        Path(f"{log}-wal") if has_log(log) else None,
        tuple(name for name, *_ in notes),
    )


def read_mark(connection: sqlite3.Connection) -> float | None:
    """When the store was put in place of another; None where it never was."""
    row = connection.execute(sql.NOTE, (RESTORED,)).fetchone()
    return float(row[0]) if row else None


def _refuse(given: Path, path: Path) -> None:
    if given.is_dir():
        raise SettingsError(f"{given} is a folder; name the backup in it")
    if not given.is_file():
        raise SettingsError(f"there is no backup {given}")
    if given == path or (path.exists() and given.samefile(path)):
        raise SettingsError(f"{given} is the store itself; name a backup of it")
    if not path.parent.is_dir():
        raise SettingsError(f"the folder {str(path.parent)!r} for the store {path.name!r} does not exist; create it")
    if path.exists() and not path.is_file():
        raise SettingsError(f"{path} is not a file; say with --state or STATE where serve keeps its events")
    owner = (path if path.exists() else path.parent).stat().st_uid
    if os.geteuid() == 0 != owner:
        raise SettingsError(
            f"{path} belongs to the user with the id {owner}, who could not open what root makes there; run this as "
            f"that user: sudo -u '#{owner}' badge-bridge restore ..."
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of all processes of a store, so that none opens it meanwhile; a `serve` that starts waits."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = "; run this as serve's user" if error.errno in {errno.EACCES, errno.EPERM} else ""
        raise BackupFailed(f"{path}.lock cannot be opened: {error.strerror}{remedy}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"a process has the store {path} open; end what runs on it (serve, and commands), then restore"
            ) from None
        yield
    finally:
        os.close(lock)


def _look_at(given: Path, stopping: Stopping) -> Contents:
    """What the backup holds. A file with a log beside it is a store rather than a backup: its log counts too."""
    if not Path(f"{given}-wal").exists():
        return examine(given, stopping=stopping)
    refuse_foreign_log(str(given))
    try:
        with closing(sqlite3.connect(given, isolation_level=None)) as connection, stoppable(connection, stopping):
            return count(connection, str(given))
    except sqlite3.DatabaseError as error:
        raise BackupFailed(f"{given} cannot be read ({error})") from error


def _notes(path: Path, prefix: str) -> list[tuple[str, int, str]]:
    """Notes of the present store; none where there is no store, or none that can be read."""
    if not _is_database(path) or not _has_own_log(path):
        return []
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            count(connection, str(path))
            rows = connection.execute("SELECT name, version, text FROM notes ORDER BY name").fetchall()
    except (sqlite3.Error, BridgeError):
        return []
    return [row for row in rows if row[0].startswith(prefix)]


def _is_database(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.read(len(_BEGINS)) == _BEGINS


def _prepare(part: Path, *, now: float, notes: list[tuple[str, int, str]], stopping: Stopping) -> None:
    """Bring the copy to this version's schema and write into it what the backup does not know."""
    marked = [*notes, (RESTORED, 1, repr(now))]
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # it is synced as a whole
            with stoppable(connection, stopping):
                migrate(connection, str(part))
                connection.execute("BEGIN")
                connection.executemany("INSERT OR REPLACE INTO notes (name, version, text) VALUES (?, ?, ?)", marked)
                connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise BackupFailed(
            f"the copy of the backup beside the store could not be made ready; see that the disk has room ({error})"
        ) from error


def _set_aside(path: Path, now: float) -> Path:
    """A second name for the present store, whose log is in it then; it keeps the first until that is given away. Where
    there is no store, nothing has that name.

    Where it is damaged, its log is kept beside it, under the second name alone: beside the new store it would be taken
    for the log of that. What does not even begin as a database is not shown to SQLite, which would delete its log; nor
    is what has the log of another beside it, which is then kept under a name by which SQLite does not take it for this
    one's.
    """
    moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
    kept = path.with_name(f"{path.name}.before-restore-{moment}")
    if kept.exists():
        raise BackupFailed(f"{kept} exists already; move it away, or try again in a second")
    is_own = _has_own_log(path)
    if is_own and _is_database(path):
        _put_log_away(path)
    if path.exists():
        os.link(path, kept)
    for suffix in _OF_SQLITE:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{kept}{'' if is_own else _OF_ANOTHER}{suffix}")
    return kept


def _has_own_log(path: Path) -> bool:
    try:
        refuse_foreign_log(str(path))
    except StoreUnavailable:
        return False
    return path.exists()


def _put_log_away(path: Path) -> None:
    """Let the present store be one file, which SQLite does for nobody but the last one that has it open.

    So it also finds programs that do not hold our lock: a shell, a backup under way. Such a one would delete the log of
    the store that comes into this place when it ends, by its name.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=LOCKED_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise SettingsError(
                f"a program has the store {path} open (a backup, or a sqlite3 shell); end it, then restore"
            ) from None
        # Damaged: kept as it is.


def _bring_back(kept: Path, path: Path) -> None:
    for suffix in _OF_SQLITE:
        for whose in ("", _OF_ANOTHER):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{kept}{whose}{suffix}").rename(f"{path}{suffix}")
    with contextlib.suppress(OSError):
        kept.unlink()
