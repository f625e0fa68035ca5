"""A log is replayed onto the file that it was written for, and onto no other."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.backup import backup
from badge_bridge.store.sqlite.restore import restore
from badge_bridge.store.sqlite.stamp import expect, expected, refuse_foreign_log, stamp_of
from support.damage import crash, damage
from support.stores import NOW, item

STEPS = 60
"""More than giving a file its stamp has."""


def never() -> bool:
    return False


async def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def keys(path: Path) -> set[str]:
    store = await opened(path)
    found = {event.key for event in (await store.list(limit=500)).events}
    await store.close()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock" and path.is_file()}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store that was closed, with one event, and beside it copies of it: one by `backup`, made while the store was
    open, and one of the file itself, made when it was closed.
    """
    path = tmp_path / "state.db"
    store = await opened(path)
    await store.accept([item("s:old")])
    backup(str(path), str(tmp_path / "backup.db"), force=False, stopping=never)
    await store.close()
    shutil.copy(path, tmp_path / "copy.db")
    return path


async def killed_beside_its_log(path: Path) -> Path:
    """The store once more, killed after a backup of what it held a moment before."""
    store = await opened(path)
    backup(str(path), str(path.with_name("backup.db")), force=True, stopping=never)
    await store.close()
    assert crash(path)
    return path


async def test_open_replays_the_log_when_the_process_was_killed(path: Path) -> None:
    """The ordinary crash: whatever was in the log is there again."""
    for number in range(3):
        assert crash(path, f"s:{number}")
        assert path.with_name("state.db-wal").stat().st_size > 0

    assert await keys(path) == {"s:old", "s:0", "s:1", "s:2"}


@pytest.mark.slow
async def test_open_replays_the_log_whenever_a_start_was_killed(path: Path) -> None:
    """At any step of giving the file its stamp: what it is to be known by is right before and after."""
    taken = {"s:old", "s:0"}
    assert crash(path, "s:0")
    for step in range(1, STEPS):
        if crash(path, f"s:{step}", steps=step):
            taken.add(f"s:{step}")
            break
        assert expected(str(path))
        refuse_foreign_log(str(path))

    assert 10 < step < STEPS - 1
    assert await keys(path) == taken


async def open_it(path: Path) -> None:
    await SqliteStore(path).open()


async def read_it(path: Path) -> None:
    await SqliteStore(path).open_to_read()


async def back_it_up(path: Path) -> None:
    backup(str(path), str(path.with_name("another.db")), force=False, stopping=never)


async def take_it_for_a_backup(path: Path) -> None:
    restore(str(path), str(path.with_name("new.db")), now=NOW, newer_notes="oauth/", stopping=never)


@pytest.mark.parametrize("use", [open_it, read_it, back_it_up, take_it_for_a_backup])
@pytest.mark.parametrize("put_there", ["backup.db", "copy.db", "other.db", "empty.db", "part.db"])
async def test_log_is_not_replayed_when_another_file_was_put_beside_it(
    path: Path, put_there: str, use: Callable[[Path], Awaitable[None]]
) -> None:
    """A backup, an earlier copy, another store, nothing, a part of a backup: it is said what to do, and both are left as they are."""
    await killed_beside_its_log(path)
    folder = path.parent
    await (await opened(folder / "other.db")).close()
    (folder / "empty.db").touch()
    larger = await opened(folder / "larger.db")
    await larger.accept([item(f"s:{number}") for number in range(100)])
    await larger.close()
    (folder / "part.db").write_bytes((folder / "larger.db").read_bytes()[:-4096])
    shutil.copy(folder / put_there, path)
    before = contents(folder)

    with pytest.raises(StoreUnavailable, match=r"the log of another one, .*state\.db-wal, .* badge-bridge restore"):
        await use(path)

    assert contents(folder) == before


async def test_open_makes_no_file_when_the_log_of_one_is_there(path: Path) -> None:
    """SQLite would make an empty one, and delete the log. What it says to do about that helps."""
    await killed_beside_its_log(path)
    path.unlink()
    before = contents(path.parent)

    with pytest.raises(
        StoreUnavailable, match=r"is not there, but the log of one is.*; or, .* move .*-wal and .*-shm away"
    ):
        await open_it(path)

    assert contents(path.parent) == before
    for suffix in ("-wal", "-shm"):
        path.with_name(f"state.db{suffix}").rename(path.with_name(f"away{suffix}"))
    assert await keys(path) == set()


@pytest.mark.parametrize("left", [None, b""])
async def test_open_tells_when_a_store_that_was_there_is_gone(
    path: Path, left: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """All that comes again is new then. A first start, and the next one, have nothing to tell."""
    assert caplog.messages == []
    path.unlink()
    if left is not None:
        path.write_bytes(left)

    assert await keys(path) == set()
    assert await keys(path) == set()

    (said,) = caplog.messages
    assert f"the store {path} is begun anew, empty" in said


async def test_log_is_not_replayed_when_who_has_the_store_open_lost_its_file(path: Path) -> None:
    """A command beside a `serve` whose file was replaced does not mix the two, either."""
    store = await opened(path)
    await store.accept([item("s:new")])
    path.with_name("backup.db").replace(path)

    with pytest.raises(StoreUnavailable, match="the log of another one"):
        await open_it(path)
    await store.close()


async def test_restore_keeps_both_when_the_log_is_of_another_file(path: Path) -> None:
    """The backup is the store then; the file that stood there and the log are kept, under names that keep them apart."""
    await killed_beside_its_log(path)
    log = path.with_name("state.db-wal").read_bytes()
    shutil.copy(path.with_name("copy.db"), path)
    copied = path.read_bytes()

    done = restore(str(path.with_name("backup.db")), str(path), now=NOW, newer_notes="oauth/", stopping=never)

    assert await keys(path) == {"s:old"}
    assert done.kept is not None
    assert done.kept.read_bytes() == copied
    assert done.kept_log == Path(f"{done.kept}.of-another-wal")
    assert done.kept_log.read_bytes() == log
    assert await keys(done.kept) == {"s:old"}


async def test_log_that_restore_keeps_completes_its_file_when_that_is_still_there(path: Path) -> None:
    """Whoever has moved the file away, and not copied over it, gets its last commits back."""
    await killed_beside_its_log(path)
    old = path.rename(path.with_name("old.db"))
    shutil.copy(path.with_name("copy.db"), path)

    done = restore(str(path.with_name("backup.db")), str(path), now=NOW, newer_notes="oauth/", stopping=never)

    assert done.kept_log is not None
    done.kept_log.rename(f"{old}-wal")
    assert await keys(old) == {"s:old", "s:last"}


async def test_restore_keeps_a_log_that_was_left_without_its_file(path: Path) -> None:
    """Somebody has removed the file alone: the log is neither replayed onto the backup nor thrown away."""
    await killed_beside_its_log(path)
    log = path.with_name("state.db-wal").read_bytes()
    path.unlink()

    done = restore(str(path.with_name("backup.db")), str(path), now=NOW, newer_notes="oauth/", stopping=never)

    assert done.kept is None
    assert await keys(path) == {"s:old"}
    (left,) = path.parent.glob("state.db.before-restore-*.of-another-wal")
    assert done.kept_log == left
    assert left.read_bytes() == log


async def test_open_takes_any_file_when_no_log_is_left(path: Path) -> None:
    """After a clean stop a file may be replaced by hand."""
    shutil.copy(path.with_name("copy.db"), path)

    assert await keys(path) == {"s:old"}
    assert crash(path)
    assert await keys(path) == {"s:old", "s:last"}


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"stamps": "all"}'])
async def test_open_leaves_it_to_sqlite_when_the_lock_does_not_say(path: Path, said: bytes) -> None:
    """A store of before, or one that was brought here with its log, is opened as ever."""
    assert crash(path)
    path.with_name("state.db.lock").write_bytes(said)

    assert await keys(path) == {"s:old", "s:last"}


def test_lock_is_whole_when_two_have_written_it_in_any_order(tmp_path: Path) -> None:
    """It is not cut, which would cut off what another one has just written."""
    path = tmp_path / "state.db.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    sizes = set()
    for stamps in ([], ["a" * 32], ["a" * 32, "b" * 32], []):
        expect(lock, stamps, is_doubtful=bool(stamps))
        sizes.add(path.stat().st_size)
        assert list(expected(str(tmp_path / "state.db"))) == stamps
    os.close(lock)

    assert len(sizes) == 1


async def test_open_gives_the_file_a_new_stamp_each_time(path: Path) -> None:
    """Else a copy from before would look like the file itself; who is not alone with it leaves it alone."""
    store = await opened(path)
    stamp = stamp_of(str(path))
    second = await opened(path)

    assert stamp
    assert stamp != stamp_of(str(path.with_name("copy.db")))
    assert stamp_of(str(path)) == stamp
    assert list(expected(str(path))) == [stamp]
    await second.close()
    await store.close()


async def test_lock_does_not_grow_when_the_stamp_cannot_be_moved_into_the_file(path: Path) -> None:
    """Starts that fail again and again, as on a full disk, keep to the one stamp that the log may have by then."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchone()  # what it sees has to stay in the file
        assert crash(path, "s:0")
        foreseen = list(expected(str(path)))
        assert crash(path, "s:1")

        assert list(expected(str(path))) == foreseen
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert stamp_of(str(path)) == foreseen[-1]
    assert await keys(path) == {"s:old", "s:0", "s:1"}
    assert foreseen[-1] not in expected(str(path))


async def test_lock_does_not_grow_when_the_stamp_cannot_be_read(path: Path) -> None:
    """What is damaged there is started on as often as its service likes, and the lock goes on saying what it knew."""
    before = list(expected(str(path)))
    damage(path, "stamp")

    for _ in range(3):
        await (await opened(path)).close()

    said = list(expected(str(path)))
    assert said[: len(before)] == before
    assert len(said) == len(before) + 1
