"""A copy of a store that is in use, in a file of its own that holds one moment of it.

SQLite's backup API copies pages. Between its steps it would begin anew whenever somebody else writes; here the source's
connection is inside a read transaction for all of them, so that what it copies is one snapshot, whatever is written
meanwhile (sqlite.org, "Isolation In SQLite"). Writers do not wait for a reader of a write-ahead log; but what they
write stays in that log until the copy is done. `VACUUM INTO` gives a consistent copy, too, and makes every index anew
for it, which takes several times as long, and it can compare no counts of the same snapshot.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from badge_bridge.errors import SettingsError
from badge_bridge.store.sqlite.contents import BackupFailed, Contents, Stopped, Stopping, count, examine, stoppable
from badge_bridge.store.sqlite.file import COMPANIONS, LOCKED_SECONDS, unavailable
from badge_bridge.store.sqlite.read_only import read_only
from badge_bridge.store.sqlite.stamp import new_stamp, refuse_foreign_log, renew

__all__ = ["Copying", "backup", "copy_store", "part_of", "put_in_place"]

Copying = Callable[[int, int], None]
"""Hears how many pages are copied, and of how many."""

_STEP = 256
"""Pages that are copied between two looks whether to stop: 1 MiB."""

_SYNC_EVERY = 16
"""Steps between two syncs. All at the end would be one burst for which the commits of others have to wait."""


def backup(
    store: str, target: str, *, force: bool, stopping: Stopping, copying: Copying = lambda _done, _of: None
) -> Contents:
    """Write what the store holds now into `target`, which is there whole or not at all, and for its owner only.

    `force` lets it replace an earlier file; `copying` hears how far it has come, until what was copied is checked.

    Raises:
        SettingsError: `target` names something that must not be written.
        BackupFailed: the store cannot be read, is damaged or none, or the copy cannot be written.
        Stopped: `stopping` said so.
        StoreUnavailable: the store cannot be read.
    """
    wanted = Path(os.path.realpath(target))
    _refuse(wanted, store, force=force)
    with part_of(wanted) as part:
        there = copy_store(store, part, stopping=stopping, copying=copying)
        found = _examined(part, store, stopping)
        if found != there:
            raise BackupFailed(f"the copy of {store} is not what the store held; try again")
        _refuse(wanted, store, force=force)
        put_in_place(part, wanted)
    return found


def _examined(part: Path, store: str, stopping: Stopping) -> Contents:
    try:
        return examine(part, stopping=stopping, called=f"the copy of {store}")
    except Stopped:
        raise
    except BackupFailed as error:
        raise BackupFailed(
            f"{error}; look at the store with badge-bridge doctor, and where it is damaged, end serve and restore an "
            "earlier backup (badge-bridge restore)"
        ) from error


def _refuse(target: Path, store: str, *, force: bool) -> None:
    if not target.parent.is_dir():
        raise SettingsError(f"the folder {str(target.parent)!r} does not exist; create it")
    if str(target) in {f"{store}{suffix}" for suffix in ("", *COMPANIONS)}:
        raise SettingsError(f"{target} is the store itself; name another file")
    if not target.exists():
        return
    if not target.is_file():
        raise SettingsError(f"{target} is not a file; name one")
    if target.samefile(store):
        raise SettingsError(f"{target} is the store itself; name another file")
    if not force:
        raise SettingsError(f"{target} exists; name another file, or replace it with --force")


@contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """An empty file beside `target`, for its owner only and for nobody else to write; gone afterwards, come what may.

    Who is killed leaves it there; the next one takes it over.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        opened = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_written(part, error) from error
    try:
        _lock(part, opened)
        if not _is_at(part, opened):
            raise BackupFailed(f"another program has just finished {target}; try again")
        try:
            # A log that a killed one has left would be taken for that of the file which is made now.
            _remove(part, COMPANIONS)
            os.ftruncate(opened, 0)
            os.fchmod(opened, 0o600)
            yield part
        except OSError as error:
            raise _not_written(part, error) from error
        finally:
            if _is_at(part, opened):
                _remove(part, ("", *COMPANIONS))
    finally:
        os.close(opened)


def _lock(part: Path, opened: int) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupFailed(f"{part} is being written by another program; wait for its end") from None
    except OSError as error:
        raise BackupFailed(
            f"{part} cannot be locked: {error.strerror}; make it on a local disk and copy it from there"
        ) from error


def _remove(path: Path, suffixes: Sequence[str]) -> None:
    for suffix in suffixes:
        with contextlib.suppress(OSError):
            Path(f"{path}{suffix}").unlink()


def _is_at(path: Path, opened: int) -> bool:
    """Whether the name still means the file that was opened."""
    try:
        return os.path.samestat(path.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False


def copy_store(store: str, part: Path, *, stopping: Stopping, copying: Copying = lambda _done, _of: None) -> Contents:
    """Copy one moment of a store, with what is in its log, into an empty file that then needs no companions."""
    with closing(_source(store)) as source:
        try:
            source.execute("BEGIN")
            with stoppable(source, stopping):
                there = count(source, store)
        except sqlite3.Error as error:
            raise unavailable(error, store, opening=True) or BackupFailed(
                f"the store {store} cannot be read ({error})"
            ) from error
        try:
            _copy(source, part, stopping, copying)
        except sqlite3.Error as error:
            raise _not_copied(part, error) from error
    return there


def _source(store: str) -> sqlite3.Connection:
    """A connection that is only read from, whether the store can be written or not.

    Raises:
        StoreUnavailable: it cannot be read, or its log is another's.
        BackupFailed: it cannot be read, for a reason that is not known.
    """
    refuse_foreign_log(store)
    try:
        return _tidy_source(store)
    except sqlite3.Error as error:
        try:
            return read_only(store)
        except sqlite3.Error:
            raise unavailable(error, store, opening=True) or BackupFailed(
                f"the store {store} cannot be read ({error})"
            ) from error


def _tidy_source(store: str) -> sqlite3.Connection:
    # Not read only: the last one that closes such a store tidies up its companions.
    uri = f"{Path(store).absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCKED_SECONDS)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _copy(source: sqlite3.Connection, part: Path, stopping: Stopping, copying: Copying) -> None:
    steps = 0
    # Opened for as long as SQLite has it open: closing any of a process's files ends all its locks on that file.
    with part.open("rb") as file, closing(sqlite3.connect(part, isolation_level=None)) as copy:
        # What is not whole is thrown away, so that nothing has to be undone in it.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA locking_mode = EXCLUSIVE")

        def step(_status: int, left: int, total: int) -> None:
            nonlocal steps
            if stopping():
                raise Stopped("stopped")
            copying(total - left, total)
            steps += 1
            if steps % _SYNC_EVERY == 0:
                os.fdatasync(file.fileno())

        source.backup(copy, pages=_STEP, progress=step)
        # The log of the store is not the copy's, wherever it is put.
        renew(copy, new_stamp())
        # The copy says of itself that it has a write-ahead log, as the store does.
        copy.execute("PRAGMA journal_mode = DELETE")


def put_in_place(part: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    _sync(part)
    part.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _not_copied(part: Path, error: sqlite3.Error) -> BackupFailed:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return BackupFailed(f"{part} cannot be written: see that its disk has room and is healthy ({error})")
    return BackupFailed(f"the store could not be copied to {part} ({error})")


def _not_written(part: Path, error: OSError) -> BackupFailed:
    remedy = {
        errno.EACCES: "; this user needs the right to write into its folder",
        errno.EPERM: "; this user needs the right to write into its folder",
        errno.ENOSPC: "; make room on its disk",
        errno.EDQUOT: "; make room on its disk",
    }
    return BackupFailed(f"{part} cannot be written: {error.strerror or error}{remedy.get(error.errno or 0, '')}")
