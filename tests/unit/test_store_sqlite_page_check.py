"""Every page of a file is looked at where there is doubt about it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.local_checks import check_store
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.condition import Condition
from badge_bridge.store.sqlite.file import StateFile
from badge_bridge.store.sqlite.page_check import PageCheck, StartCheck
from badge_bridge.store.sqlite.stamp import is_in_doubt
from support.damage import crash, damage
from support.stores import NOW, item

FOREVER = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT max(n) FROM numbers"
"""A statement that ends when it is interrupted."""


async def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store that was closed, with an event."""
    store = await opened(tmp_path / "state.db")
    await store.accept([item("s:old")])
    await store.close()
    return tmp_path / "state.db"


async def told(store: SqliteStore) -> str:
    """What the store says of its health once its check has ended."""
    checking = store._start_check._thread
    if checking is not None:
        checking.join(30)
        assert not checking.is_alive()
    try:
        await store.ping()
    except StoreUnavailable as error:
        return str(error)
    return ""


async def test_open_finds_damage_when_the_process_was_killed(path: Path) -> None:
    """Nobody has to meet it first."""
    assert crash(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("CREATE TABLE more (id INTEGER)")  # so that its log is not empty
    connection.commit()
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events_by_type'").fetchall()
    log = path.with_name("state.db-wal").read_bytes()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    path.with_name("state.db-wal").write_bytes(log)

    store = await opened(path)

    assert "it is damaged; " in await told(store)
    await store.close()


async def test_open_remembers_damage_when_the_store_was_closed_well(path: Path) -> None:
    """A restart does not make it well; a whole look at what was mended does."""
    sound = path.read_bytes()
    damage(path)
    store = await opened(path)
    assert await told(store) == ""
    with pytest.raises(StoreUnavailable):
        await store.accept([item("s:new")])
    await store.close()

    for _ in range(2):
        store = await opened(path)
        assert "it is damaged" in await told(store)
        await store.close()

    path.write_bytes(sound)
    store = await opened(path)
    assert await told(store) == ""
    assert not is_in_doubt(str(path))
    await store.close()


async def test_open_remembers_damage_when_another_process_has_the_store_open(path: Path) -> None:
    """Neither who comes second nor who is started anew beside it takes the file for well."""
    damage(path)
    first, second = await opened(path), SqliteStore(path)
    with pytest.raises(StoreUnavailable):
        await first.accept([item("s:new")])

    await second.open()
    assert "it is damaged" in await told(second)
    await first.close()
    await first.open()
    assert "it is damaged" in await told(first)
    await first.close()
    await second.close()


async def test_open_looks_at_no_page_when_there_is_no_doubt(path: Path) -> None:
    """A start after a clean stop takes no longer for a large store than for a small one."""
    store = await opened(path)

    assert store._start_check._thread is None
    await store.close()


async def test_open_looks_again_when_the_doubt_was_not_removed(path: Path) -> None:
    """A command that opened the store for a moment, too short for a whole look, leaves that to the next."""
    store = await opened(path)
    store._file.doubt()
    await store.close()

    store = await opened(path)

    assert store._start_check._thread is not None
    assert await told(store) == ""
    await store.close()


async def test_doctor_finds_damage_that_nobody_has_met(path: Path) -> None:
    """It looks at every page, and says so where all are sound."""
    (sound, _) = await check_store(f"sqlite:///{path}", [], now=NOW)
    assert sound.found.endswith("every page of it is sound")
    damage(path)

    (check,) = await check_store(f"sqlite:///{path}", [], now=NOW)

    assert check.status == "failed"
    assert "it is damaged; end serve and restore a backup" in check.found
    assert "database main" not in check.found
    assert "\n" not in check.found
    assert "those that meet the damage" in check.mend


async def test_examine_says_that_it_was_not_all_when_time_is_over(path: Path) -> None:
    """A large store does not keep a doctor for minutes."""
    store = await opened(path)

    assert not await store.examine(seconds=-1)
    assert await store.examine(seconds=60)
    await store.close()


def slow(began: threading.Event) -> Callable[[], sqlite3.Connection]:
    """Makes connections whose next check takes for ever."""

    class Slow(sqlite3.Connection):
        def execute(self, *arguments: object) -> sqlite3.Cursor:
            began.set()
            return super().execute(FOREVER)

    return lambda: sqlite3.connect(":memory:", factory=Slow)


@pytest.mark.parametrize("was_damaged", [True, False])
def test_store_is_suspected_while_it_is_looked_at_when_it_was_damaged(*, was_damaged: bool) -> None:
    """What was left open alone is taken for well meanwhile: nearly always it is."""
    began = threading.Event()
    connect = slow(began)
    file = SimpleNamespace(path="state.db", is_doubtful=True, was_damaged=was_damaged, connect=lambda **_: connect())
    condition = Condition("state.db", lambda: 0.0)
    check = StartCheck(cast("StateFile", file), condition)
    check.open()
    try:
        assert began.wait(30)
        with pytest.raises(StoreUnavailable, match="found damaged before") if was_damaged else nullcontext():
            condition.look()
    finally:
        check.close()


def test_store_is_not_ready_when_its_disk_cannot_read_a_page() -> None:
    """Nobody has come upon that page yet."""

    class Faulty(sqlite3.Connection):
        def execute(self, *arguments: object) -> sqlite3.Cursor:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
            raise error

    file = SimpleNamespace(
        path="state.db",
        is_doubtful=True,
        was_damaged=False,
        connect=lambda **_: sqlite3.connect(":memory:", factory=Faulty),
    )
    condition = Condition("state.db", lambda: 0.0)
    check = StartCheck(cast("StateFile", file), condition)
    check.open()
    assert check._thread is not None
    check._thread.join(30)

    with pytest.raises(
        StoreUnavailable, match=r"could not be looked at; .* its disk has room and is healthy, then try again"
    ):
        condition.look()


def test_check_ends_when_it_is_stopped() -> None:
    """What it has found by then is no verdict."""
    began = threading.Event()
    check, found = PageCheck(slow(began)), ["nothing"]
    thread = threading.Thread(target=lambda: found.append(repr(check.run())), daemon=True)
    thread.start()
    assert began.wait(30)

    deadline = time.monotonic() + 30
    while thread.is_alive() and time.monotonic() < deadline:
        check.stop()
        thread.join(0.01)

    assert found == ["nothing", "None"]
