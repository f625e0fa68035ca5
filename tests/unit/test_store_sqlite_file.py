"""Opening the SQLite store: the file it makes, who else uses it, and what it says when the file is no good."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.protocol import Accepted
from badge_bridge.store.records import read_event
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.backup import backup
from badge_bridge.store.sqlite.file import unavailable
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from support.runbooks import RUNBOOKS

EVENT = read_event('{"id":"1","source":"s","provider":"p","type":"t","time":"2026-01-01T00:00:00Z"}')


def write(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def refusal(path: Path | str) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await SqliteStore(path).open()
    return str(caught.value)


# The file


async def test_open_makes_private_files_when_there_are_none(tmp_path: Path) -> None:
    """The file and its companions, which hold bodies of deliveries, are for their owner only."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)])

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    await store.close()

    assert modes == dict.fromkeys(["state.db", "state.db-shm", "state.db-wal", "state.db.lock"], 0o600)


async def test_open_sets_full_durability_when_writing(tmp_path: Path) -> None:
    """The writing connection uses a write-ahead log that is synced at each commit, and checks references."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()

    def settings(connection: sqlite3.Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "application_id", "user_version")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    found = await store._writer.submit(settings)
    await store.close()

    assert found == ["wal", 2, 1, APPLICATION_ID, len(MIGRATIONS)]


async def test_close_leaves_one_file_when_last_one_closes(tmp_path: Path) -> None:
    """After the last close the log is in the file, which can be copied as it is."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)])
    await store.ping()
    await store.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db", "state.db.lock"]


async def test_open_says_create_folder_when_it_is_missing(tmp_path: Path) -> None:
    """A missing folder is named, and not made behind the user's back."""
    message = await refusal(tmp_path / "missing" / "state.db")

    assert str(tmp_path / "missing") in message
    assert "create it" in message
    assert list(tmp_path.iterdir()) == []


async def test_open_says_why_when_path_is_a_folder(tmp_path: Path) -> None:
    """A folder in the file's place is an answer, not a crash."""
    assert "Is a directory" in await refusal(tmp_path)


async def test_open_leaves_file_alone_when_it_is_no_database(tmp_path: Path) -> None:
    """Any other file is refused and kept as it is."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear customer, " * 100)

    assert "not a SQLite database" in await refusal(path)
    assert path.read_text() == "Dear customer, " * 100


async def test_open_leaves_file_alone_when_it_belongs_to_another_program(tmp_path: Path) -> None:
    """Somebody else's database is refused and gets no tables of ours."""
    path = tmp_path / "other.db"
    write(path, "CREATE TABLE events (id INTEGER)", "PRAGMA user_version = 1")

    assert "another program" in await refusal(path)

    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("events",)]
    connection.close()


async def test_open_says_upgrade_when_schema_is_newer(tmp_path: Path) -> None:
    """An older version of the bridge does not touch what a newer one wrote."""
    path = tmp_path / "state.db"
    write(path, f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    assert "newer version" in await refusal(path)


async def test_open_says_which_sqlite_when_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite without RETURNING is refused before anything is made."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))

    assert "3.35 or newer" in await refusal(tmp_path / "state.db")
    assert list(tmp_path.iterdir()) == []


async def test_open_succeeds_when_obstacle_is_gone(tmp_path: Path) -> None:
    """A store that could not be opened can be opened later."""
    store = SqliteStore(tmp_path / "folder" / "state.db")
    with pytest.raises(StoreUnavailable):
        await store.open()

    (tmp_path / "folder").mkdir()
    await store.open()

    assert await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)]) == [True]
    await store.close()


async def test_ping_says_damaged_when_file_was_overwritten(tmp_path: Path) -> None:
    """A store whose file is no longer a database says so to health checks and to deliveries."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()
    await store.close()
    await store.open()
    path.write_bytes(os.urandom(path.stat().st_size))

    with pytest.raises(StoreUnavailable, match=r"not a SQLite database|damaged"):
        await store.ping()
    with pytest.raises(StoreUnavailable, match=r"not a SQLite database|damaged"):
        await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)])
    await store.close()


# A file that is taken away


@pytest.mark.parametrize("in_its_place", [None, "another store"])
async def test_store_takes_nothing_when_its_file_was_taken_away(tmp_path: Path, in_its_place: str | None) -> None:
    """What SQLite would write into a file without a name is not promised to be kept: until the store is opened anew it
    says what is wrong, and makes no new file.
    """
    path, now = tmp_path / "state.db", [1000.0]
    store = SqliteStore(path, clock=lambda: now[0])
    await store.open()
    await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)])
    for file in tmp_path.glob("state.db*"):
        file.rename(f"{file}.away")
    if in_its_place:
        path.write_text(in_its_place)
    said = "is another file than the one that was opened" if in_its_place else "is not there any more"

    with pytest.raises(StoreUnavailable, match=said):
        await store.ping()
    with pytest.raises(StoreUnavailable, match=rf"{said}; end what has it open .* badge-bridge restore"):
        await store.accept([Accepted("s:2", EVENT, "bearer", 1.0)])
    with pytest.raises(StoreUnavailable, match=said):
        await store.claim_due(now=2, lease=60, limit=1)
    assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(".away")] == ["state.db"] * bool(
        in_its_place
    )
    for file in tmp_path.glob("*.away"):
        file.rename(str(file).removesuffix(".away"))
    with pytest.raises(StoreUnavailable, match=said):
        await store.ping()
    await store.close()
    await store.open()
    assert await store.accept([Accepted("s:1", EVENT, "bearer", 1.0), Accepted("s:2", EVENT, "bearer", 1.0)]) == [
        False,
        True,
    ]
    await store.close()


async def test_accept_notices_a_missing_file_when_a_second_has_passed(tmp_path: Path) -> None:
    """A commit looks by itself, but not each one: in a rush that would be one look per delivery."""
    path, now = tmp_path / "state.db", [1000.0]
    store = SqliteStore(path, clock=lambda: now[0])
    await store.open()
    path.unlink()

    now[0] += 0.9
    assert await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)]) == [True]
    now[0] += 0.2
    with pytest.raises(StoreUnavailable, match="is not there any more"):
        await store.accept([Accepted("s:2", EVENT, "bearer", 1.0)])
    await store.close()


async def test_store_goes_on_when_its_file_is_written_anew_or_copied(tmp_path: Path) -> None:
    """VACUUM and a backup leave the file the one that was opened."""
    path, now = tmp_path / "state.db", [1000.0]
    store = SqliteStore(path, clock=lambda: now[0])
    await store.open()
    await store.accept([Accepted("s:1", EVENT, "bearer", 1.0)])
    backup(str(path), str(tmp_path / "copy.db"), force=False, stopping=lambda: False)
    write(path, "VACUUM")

    now[0] += 2
    assert await store.accept([Accepted("s:2", EVENT, "bearer", 1.0)]) == [True]
    await store.ping()
    await store.close()


# Several processes


async def test_open_leaves_leases_alone_when_another_has_file_open(tmp_path: Path) -> None:
    """Only who is alone with the file may say that leases belong to the dead."""
    first, second, third = (SqliteStore(tmp_path / "state.db") for _ in range(3))
    await first.open()
    await first.accept([Accepted("s:1", EVENT, "bearer", 1.0)])
    assert await first.claim("s:1", now=1, lease=60)

    await second.open()
    assert await second.claim_due(now=2, lease=60, limit=1) == []
    await first.close()
    await third.open()
    assert await third.claim_due(now=2, lease=60, limit=1) == []
    await second.close()
    await third.close()

    await first.open()
    assert [claim.attempt for claim in await first.claim_due(now=2, lease=60, limit=1)] == [2]
    await first.close()


async def test_open_knows_file_when_it_has_two_names(tmp_path: Path) -> None:
    """A link to the file leads to the same lock."""
    (tmp_path / "link.db").symlink_to(tmp_path / "state.db")
    first, second = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "link.db")
    await first.open()
    await first.accept([Accepted("s:1", EVENT, "bearer", 1.0)])
    assert await first.claim("s:1", now=1, lease=60)

    await second.open()

    assert await second.claim_due(now=2, lease=60, limit=1) == []
    await first.close()
    await second.close()


async def test_accept_is_seen_by_others_when_they_share_file(tmp_path: Path) -> None:
    """Processes that share a file see each other's events at once, and each event goes to one of them."""
    first, second = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "state.db")
    await first.open()
    await second.open()

    assert await first.accept([Accepted("s:1", EVENT, "bearer", 1.0)]) == [True]
    assert await second.accept([Accepted("s:1", EVENT, "bearer", 1.0)]) == [False]
    assert await second.claim("s:1", now=1, lease=60)
    assert await first.claim("s:1", now=1, lease=60) is None
    await first.close()
    await second.close()


# What is said


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk has room"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "may not be written"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another program keeps it locked"),
        (sqlite3.SQLITE_CANTOPEN, "folder exists"),
        (sqlite3.SQLITE_CORRUPT, "(badge-bridge restore), or move it away with its -wal and -shm files"),
        (sqlite3.SQLITE_NOTADB, "move it away, with its -wal and -shm files"),
    ],
)
def test_unavailable_says_what_to_do_when_file_is_the_trouble(code: int, advice: str) -> None:
    """Each trouble of the file has its advice, whatever the extended code."""
    error = sqlite3.OperationalError("as sqlite says")
    error.sqlite_errorcode = code

    message = str(unavailable(error, "state.db"))

    assert advice in message
    assert "state.db" in message
    assert "as sqlite says" in message


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_runbook_quotes_what_is_said_when_a_store_cannot_be_opened_on_a_full_disk(code: int) -> None:
    """Which of the two it is depends on the file that finds no room; a reader looks for the words that were read."""
    error = sqlite3.OperationalError("as sqlite says")
    error.sqlite_errorcode = code

    said = re.findall(r"`([^`]*then try again)`", RUNBOOKS["The disk is full, or the store cannot be written"])

    assert len(said) == 2
    assert any(" ".join(one.split()) in str(unavailable(error, "state.db", opening=True)) for one in said)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "mount its file system for writing, or name a file elsewhere as the store"),
        (errno.EACCES, "make the file, its .lock and its folder writable for this user"),
        (errno.ENOSPC, "the disk is full; free some space on it, then try again"),
        (errno.EIO, "see that its disk has room and is healthy, then try again"),
        (errno.EMFILE, "raise its limit (ulimit -n, LimitNOFILE= in systemd)"),
        (errno.ENOENT, "see that its folder exists"),
        (errno.ENOTDIR, "correct its path"),
    ],
)
def test_unavailable_says_what_to_do_when_the_system_refuses_the_file(number: int, advice: str) -> None:
    """What is not SQLite's own error has its next step too, and the system's words behind it."""
    message = str(unavailable(OSError(number, os.strerror(number)), "state.db", opening=True))

    assert message.startswith("the store state.db: ")
    assert advice in message
    assert message.endswith(f" ({os.strerror(number)})")


def test_unavailable_says_what_the_system_says_when_there_is_no_advice() -> None:
    """Nothing is made up for an error that nobody has thought of."""
    error = OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    assert str(unavailable(error, "state.db")) == "the store state.db cannot be used: Invalid cross-device link"


@pytest.mark.parametrize("error", [ValueError("x"), sqlite3.IntegrityError("x"), sqlite3.ProgrammingError("x")])
def test_unavailable_is_silent_when_request_is_the_trouble(error: Exception) -> None:
    """A mistake in a request or in the code is not blamed on the disk."""
    assert unavailable(error, "state.db") is None


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_unavailable_says_no_restart_when_something_is_at_work(code: int) -> None:
    """Who has the store open goes on by itself when the disk has room; who cannot open it does not."""
    error = sqlite3.OperationalError("as sqlite says")
    error.sqlite_errorcode = code

    assert "no restart is needed (" in str(unavailable(error, "state.db"))
    assert "then try again (" in str(unavailable(error, "state.db", opening=True))
