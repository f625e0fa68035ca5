"""What a store says of its file after work on it has failed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.checkpoints import Checkpoints
from badge_bridge.store.sqlite.condition import FRESH_SECONDS, Condition
from badge_bridge.store.sqlite.file import StateFile
from badge_bridge.store.wanted import Wanted
from support.damage import damage
from support.stores import item


def failed(code: int) -> sqlite3.Error:
    error = sqlite3.DatabaseError("as sqlite says")
    error.sqlite_errorcode = code
    return error


def try_in_vain(condition: Condition, kind: str, code: int) -> None:
    error = failed(code)
    with pytest.raises(StoreUnavailable), condition.trying(kind):
        raise condition.unavailable(error) or error from error


def try_well(condition: Condition, kind: str) -> None:
    with condition.trying(kind):
        pass


async def damaged(path: Path) -> SqliteStore:
    """A store whose file looks well to who reads and writes a little of it."""
    store = SqliteStore(path)
    await store.open()
    await store.accept([item("s:1")])
    await store.close()
    damage(path)
    await store.open()
    await store.ping()
    return store


async def test_ping_says_damaged_when_an_accept_met_damage(tmp_path: Path) -> None:
    """It says so from then on, although what it reads and writes itself is well, and what to do."""
    store = await damaged(tmp_path / "state.db")
    with pytest.raises(StoreUnavailable, match="it is damaged"):
        await store.accept([item("s:2")])

    for _ in range(2):
        assert await store.claim("unknown", now=0, lease=60) is None
        with pytest.raises(StoreUnavailable, match=r"it is damaged; .*badge-bridge restore"):
            await store.ping()
    await store.close()


async def test_ping_says_damaged_when_a_read_met_damage(tmp_path: Path) -> None:
    """Whoever lists events finds it for all."""
    store = await damaged(tmp_path / "state.db")
    with pytest.raises(StoreUnavailable, match="it is damaged"):
        await store.list(Wanted(type="call.missed"))

    with pytest.raises(StoreUnavailable, match="it is damaged"):
        await store.ping()
    await store.close()


def test_condition_is_damaged_when_the_log_could_not_be_moved_for_that(tmp_path: Path) -> None:
    """The thread that nobody waits for tells of it, too."""
    path = tmp_path / "state.db"
    path.write_text("Dear customer, " * 100)
    condition = Condition(str(path), lambda: 0.0)
    checkpoints = Checkpoints(StateFile(str(path)), condition, rows=1)

    checkpoints.open()
    checkpoints.committed(1)
    checkpoints.close()

    with pytest.raises(StoreUnavailable, match="not a SQLite database"):
        condition.look()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CORRUPT_INDEX, sqlite3.SQLITE_NOTADB])
def test_condition_stays_damaged_when_other_work_succeeds_and_time_passes(code: int) -> None:
    """A page that is damaged does not heal; another file does, which is opened anew."""
    now = [0.0]
    condition = Condition("state.db", lambda: now[0])
    try_in_vain(condition, "accept", code)

    try_well(condition, "accept")
    now[0] += 10 * FRESH_SECONDS
    with pytest.raises(StoreUnavailable):
        condition.look()

    condition.forget()
    condition.look()


def test_condition_is_bad_until_the_same_work_succeeds_when_it_failed() -> None:
    """Where reading one page fails, others can be read; only who tries the same again knows better."""
    condition = Condition("state.db", lambda: 0.0)
    try_in_vain(condition, "settle", sqlite3.SQLITE_IOERR_READ)

    try_well(condition, "accept")
    with pytest.raises(StoreUnavailable, match="healthy"):
        condition.look()

    try_well(condition, "settle")
    condition.look()


def test_condition_is_forgiven_when_nobody_tried_again_for_a_minute() -> None:
    """A balancer that sends nothing to who is not ready is let in again, instead of never."""
    now = [0.0]
    condition = Condition("state.db", lambda: now[0])
    try_in_vain(condition, "accept", sqlite3.SQLITE_IOERR_READ)

    now[0] = FRESH_SECONDS - 1
    with pytest.raises(StoreUnavailable):
        condition.look()
    now[0] = FRESH_SECONDS
    condition.look()


@pytest.mark.parametrize(
    "code",
    [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR_WRITE],
)
def test_condition_leaves_it_to_a_trial_when_one_would_find_the_same(code: int) -> None:
    """A full disk or a lock is over as soon as something can be written."""
    condition = Condition("state.db", lambda: 0.0)
    try_in_vain(condition, "accept", code)

    condition.look()
