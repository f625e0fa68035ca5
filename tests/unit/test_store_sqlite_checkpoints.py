"""The log of the file is moved into it by a thread that nobody waits for."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.checkpoints import ROWS, Checkpoints
from badge_bridge.store.sqlite.condition import Condition
from badge_bridge.store.sqlite.file import StateFile
from support.stores import item

TEXT = "what was committed"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    """A file that somebody has open, with a text that is in its log only."""
    file = StateFile(str(tmp_path / "state.db"))
    connection = file.connect()
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE texts (text TEXT)")
    connection.execute("CREATE TABLE others (text TEXT)")
    connection.execute("INSERT INTO texts VALUES (?)", (TEXT,))
    yield file
    connection.close()


def is_moved(file: StateFile, text: str = TEXT) -> bool:
    return text.encode() in Path(file.path).read_bytes()


def told(file: StateFile, *rows: int) -> None:
    """Tell of commits that changed so many rows, of which ten are enough, and let what was begun end."""
    checkpoints = Checkpoints(file, Condition(file.path, time.monotonic), rows=10)
    checkpoints.open()
    for changed in rows:
        checkpoints.committed(changed)
    checkpoints.close()


def test_log_is_moved_when_enough_rows_have_changed(file: StateFile) -> None:
    """It is in the file itself, while those who have it open go on."""
    assert not is_moved(file)

    told(file, 3, 7)

    assert is_moved(file)


def test_log_is_left_alone_when_little_has_changed(file: StateFile) -> None:
    """A delivery now and then does not cost another sync to disk."""
    told(file, 3, 6)

    assert not is_moved(file)


def test_log_is_moved_as_far_as_it_may_be_when_somebody_reads(file: StateFile) -> None:
    """Nobody is waited for: what a reader does not see yet stays in the log."""
    reader, writer = file.connect(read_only=True), file.connect()
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM others").fetchone()
    writer.execute("INSERT INTO others VALUES ('and later')")

    told(file, 10)

    assert is_moved(file)
    assert not is_moved(file, "and later")
    assert reader.execute("SELECT count(*) FROM others").fetchone() == (0,)
    assert writer.execute("SELECT count(*) FROM others").fetchone() == (1,)
    reader.close()
    writer.close()


def test_log_is_moved_the_next_time_when_it_could_not_be(
    file: StateFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever commits hears nothing of it, since all is in the log; whoever reads the bridge's own does."""
    caplog.set_level(logging.WARNING)
    file.path = str(tmp_path / "gone" / "state.db")
    checkpoints = Checkpoints(file, Condition(file.path, time.monotonic), rows=10)
    checkpoints.open()
    checkpoints.committed(10)
    checkpoints.close()
    assert "could not be moved" in caplog.text

    file.path = str(tmp_path / "state.db")
    checkpoints.open()
    checkpoints.committed(10)
    checkpoints.close()

    assert is_moved(file)


async def test_store_moves_its_log_when_it_has_taken_many_events(tmp_path: Path) -> None:
    """A store that is at work does not leave it to a commit, whose deliveries would wait."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()
    # The last one to close the file moves all of its log.
    other = sqlite3.connect(path)
    other.execute("SELECT count(*) FROM events").fetchone()

    await store.accept([item(f"s:{number}") for number in range(ROWS)])
    await store.close()

    assert b"s:17" in path.read_bytes()
    other.close()
