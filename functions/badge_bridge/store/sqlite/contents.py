"""What is in a file that may be a store of ours, found out without changing anything about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from badge_bridge.errors import BridgeError
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["BackupFailed", "Contents", "Stopped", "Stopping", "count", "examine", "fault", "stoppable"]

Stopping = Callable[[], bool]
"""Whether somebody wants it to end. Asked often, in the middle of things."""

_OPERATIONS = 20_000
"""Steps of SQLite's machine between two looks whether to stop: some milliseconds."""

_WHERE = "*** in database main ***"
"""What SQLite's report begins with; there is no other database."""


class BackupFailed(BridgeError):
    """A backup could not be made, is none, or could not be put in place; what was there before still is."""


class Stopped(BackupFailed):
    """Somebody wanted it to end before it was done."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one state of a store holds."""

    schema: int
    """How many migrations the file has had."""
    events: Mapping[str, int]
    """How many there are in each state."""
    rows: Mapping[str, int]
    """How many there are in each table."""


@contextmanager
def stoppable(connection: sqlite3.Connection, stopping: Stopping) -> Iterator[None]:
    """Let long statements end early.

    Raises:
        Stopped: one has.
    """
    connection.set_progress_handler(stopping, _OPERATIONS)
    try:
        yield
    except sqlite3.OperationalError:
        if stopping():
            raise Stopped("stopped") from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def examine(path: Path, *, stopping: Stopping, called: str = "") -> Contents:
    """What a finished file holds, every page of it read. Nobody may be writing it. Errors name it as it is `called`, by
    its path where that is empty.

    Raises:
        BackupFailed: it is damaged, none of ours, or of a newer version.
        Stopped: as `stoppable`.
    """
    try:
        # Immutable: no lock is taken and no companion is made, so that it works on a medium that is read only, too.
        with closing(_open(path, "immutable=1")) as connection, stoppable(connection, stopping):
            found = count(connection, called or str(path))
            _check(connection, called or str(path))
    except sqlite3.DatabaseError as error:
        raise BackupFailed(f"{called or path} cannot be read: it is damaged or not a SQLite file ({error})") from error
    return found


def _open(path: Path, option: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&{option}", uri=True, isolation_level=None)


def fault(connection: sqlite3.Connection, check: str) -> str:
    """The first fault that the pragma `check` finds, in SQLite's words, in one line; empty where there is none."""
    said = str(connection.execute(f"PRAGMA {check}(1)").fetchone()[0])
    return "" if said == "ok" else " ".join(said.removeprefix(_WHERE).split())


def _check(connection: sqlite3.Connection, path: str) -> None:
    if said := fault(connection, "integrity_check"):
        raise BackupFailed(f"{path} is damaged: {said}")
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise BackupFailed(f"{path} is damaged: it has attempts at events that are not there")


def count(connection: sqlite3.Connection, path: str) -> Contents:
    """What a connection sees; inside a transaction, what its snapshot holds.

    Raises:
        BackupFailed: it is none of ours, or of a newer version.
    """
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((schema,),) = connection.execute("PRAGMA user_version").fetchall()
    if application != APPLICATION_ID:
        raise BackupFailed(f"{path} is not a store of Badge Bridge")
    if schema > len(MIGRATIONS):
        raise BackupFailed(
            f"{path} was written by a newer version of Badge Bridge (schema {schema}, this version knows "
            f"{len(MIGRATIONS)}); use that version"
        )
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    rows = {
        name: connection.execute(f'SELECT count(*) FROM "{_quoted(name)}"').fetchone()[0]  # noqa: S608 - quoted
        for (name,) in names
    }
    events = dict(connection.execute("SELECT state, count(*) FROM events GROUP BY state ORDER BY state").fetchall())
    return Contents(schema, events, rows)


def _quoted(name: str) -> str:
    return name.replace('"', '""')
