"""A backup of a store in use: one moment of it in one file, or nothing."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from badge_bridge.errors import BridgeError, SettingsError
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.backup import backup
from badge_bridge.store.sqlite.contents import BackupFailed, Contents, Stopped
from badge_bridge.store.sqlite.schema import MIGRATIONS
from support.damage import damage
from support.stores import claimed, ended, item


def never() -> bool:
    return False


def _has_run_out(looks: Iterator[int]) -> bool:
    return next(looks, None) is None


async def filled(path: Path, count: int = 3, *, size: int = 0) -> SqliteStore:
    """An open store with so many events, the first of which is done."""
    store = SqliteStore(path)
    await store.open()
    await store.accept([item(f"s:{number}", data={"body": "x" * size}) for number in range(count)])
    await store.settle(await claimed(store, "s:0"), ended("done"))
    return store


def rows(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = connection.execute("SELECT * FROM events ORDER BY id").fetchall()
    connection.close()
    return found


def made(store: Path, target: Path, *, force: bool = False, stopping: Callable[[], bool] = never) -> Contents:
    return backup(str(store), str(target), force=force, stopping=stopping)


async def test_backup_holds_what_is_only_in_the_log(tmp_path: Path) -> None:
    """What the store has answered for is in the backup, also where no page of it is in the file yet."""
    store = await filled(tmp_path / "state.db")
    assert (tmp_path / "state.db-wal").stat().st_size > 0

    found = made(tmp_path / "state.db", tmp_path / "backup.db")

    assert found.schema == len(MIGRATIONS)
    assert found.events == {"done": 1, "waiting": 2}
    assert found.rows["attempts"] == 1
    assert rows(tmp_path / "backup.db") == rows(tmp_path / "state.db")
    await store.close()


async def test_backup_is_one_private_file_that_needs_no_companions(tmp_path: Path) -> None:
    """It can be carried away as it is, and read from a medium that nobody can write."""
    await (await filled(tmp_path / "state.db")).close()
    (tmp_path / "safe").mkdir()
    made(tmp_path / "state.db", tmp_path / "safe" / "backup.db")

    (file,) = (tmp_path / "safe").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


async def test_backup_leaves_nothing_beside_a_store_that_nobody_has_open(tmp_path: Path) -> None:
    """Looking at a store that is at rest changes nothing about it."""
    await (await filled(tmp_path / "state.db")).close()
    before = (tmp_path / "state.db").read_bytes()
    made(tmp_path / "state.db", tmp_path / "backup.db")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.db", "state.db", "state.db.lock"]
    assert (tmp_path / "state.db").read_bytes() == before


async def test_backup_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    """Between each two steps of the copy an event is accepted; none of them is in the backup, and it ends."""
    store = await filled(tmp_path / "state.db", 400, size=20_000)
    loop, accepted = asyncio.get_running_loop(), 0

    def accept_one() -> bool:
        nonlocal accepted
        accepted += 1
        asyncio.run_coroutine_threadsafe(store.accept([item(f"late:{accepted}")]), loop).result(30)
        return False

    found = await asyncio.to_thread(made, tmp_path / "state.db", tmp_path / "backup.db", stopping=accept_one)

    assert accepted > 8
    assert sum(found.events.values()) == 400
    assert len(rows(tmp_path / "state.db")) == 400 + accepted
    await store.close()


async def test_backup_replaces_a_file_only_when_it_is_forced(tmp_path: Path) -> None:
    """An earlier backup is not written over by mistake; with force the new one takes its place at once."""
    store = await filled(tmp_path / "state.db")
    (tmp_path / "backup.db").write_text("an earlier one")
    with pytest.raises(SettingsError, match="exists; name another file, or replace it with --force"):
        made(tmp_path / "state.db", tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "an earlier one"

    made(tmp_path / "state.db", tmp_path / "backup.db", force=True)
    assert len(rows(tmp_path / "backup.db")) == 3
    await store.close()


@pytest.mark.parametrize(
    "name", ["state.db", "state.db-wal", "state.db.lock", "link.db", "hard.db", "folder/../state.db"]
)
async def test_backup_refuses_to_write_over_the_store(tmp_path: Path, name: str) -> None:
    """By whatever name, and forced or not."""
    store = await filled(tmp_path / "state.db")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.db").symlink_to("state.db")
    (tmp_path / "hard.db").hardlink_to(tmp_path / "state.db")
    with pytest.raises(SettingsError, match="is the store itself"):
        made(tmp_path / "state.db", tmp_path / name, force=True)
    assert len(rows(tmp_path / "state.db")) == 3
    await store.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing/backup.db", "the folder '.*missing' does not exist"),
        ("folder", "is not a file"),
        ("pipe", "not a file"),
    ],
)
async def test_backup_refuses_a_target_that_can_be_none(tmp_path: Path, name: str, said: str) -> None:
    """A folder that is not there is not made; a folder or a pipe is not replaced."""
    await (await filled(tmp_path / "state.db")).close()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match=said):
        made(tmp_path / "state.db", tmp_path / name, force=True)
    assert not list(tmp_path.rglob("*.part*"))


async def test_backup_leaves_nothing_when_it_is_stopped(tmp_path: Path) -> None:
    """At whatever moment somebody has had enough, while it is copied or checked, there is no file, and no part of one."""
    await (await filled(tmp_path / "state.db", 400, size=20_000)).close()
    looks = 0

    def counting() -> bool:
        nonlocal looks
        looks += 1
        return False

    made(tmp_path / "state.db", tmp_path / "backup.db", stopping=counting)
    (tmp_path / "backup.db").unlink()
    assert looks > 8
    for last in range(looks):
        left = iter(range(last))
        with pytest.raises(Stopped):
            made(tmp_path / "state.db", tmp_path / "backup.db", stopping=partial(_has_run_out, left))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db", "state.db.lock"]


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"", None])
async def test_backup_refuses_what_is_no_store(tmp_path: Path, content: bytes | None) -> None:
    """Another program's database, an empty file and a text are none of ours, and a copy of them is no backup."""
    path = tmp_path / "state.db"
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE theirs (id)")
        connection.close()
    else:
        path.write_bytes(content)
    with pytest.raises(BridgeError, match=r"not a store of Badge Bridge|not a SQLite database"):
        made(path, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


async def test_backup_names_the_store_and_what_to_do_when_a_page_is_damaged(tmp_path: Path) -> None:
    """The file that it was copied to is gone by then."""
    store = tmp_path / "state.db"
    await (await filled(store)).close()
    damage(store)

    with pytest.raises(BackupFailed, match=rf"^the copy of {store} is damaged: [^\n*]+badge-bridge restore"):
        made(store, tmp_path / "backup.db")


async def test_backup_refuses_a_store_that_is_damaged(tmp_path: Path) -> None:
    """A copy with the damage in it would be found out on the day that it is needed."""
    await (await filled(tmp_path / "state.db", 400, size=2_000)).close()
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek(4096 * 60)
        file.write(b"\xff" * 4096)
    with pytest.raises(BackupFailed, match=r"damaged"):
        made(tmp_path / "state.db", tmp_path / "backup.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db", "state.db.lock"]


async def test_backup_takes_over_what_a_killed_one_has_left(tmp_path: Path) -> None:
    """Its part is no reason to refuse, and is gone afterwards."""
    await (await filled(tmp_path / "state.db")).close()
    (tmp_path / "backup.db.part").write_bytes(b"half" * 100_000)
    (tmp_path / "backup.db.part").chmod(0o644)
    (tmp_path / "backup.db.part-journal").write_bytes(b"of a killed one")
    (tmp_path / "backup.db.part-wal").write_bytes(b"of a killed one")
    made(tmp_path / "state.db", tmp_path / "backup.db")
    assert stat.S_IMODE((tmp_path / "backup.db").stat().st_mode) == 0o600
    assert len(rows(tmp_path / "backup.db")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.db", "state.db", "state.db.lock"]


async def test_backup_refuses_while_another_writes_the_same_file(tmp_path: Path) -> None:
    """Two would write into one file; the later one says so, and the first one's is whole."""
    await (await filled(tmp_path / "state.db", 400, size=20_000)).close()
    said: list[str] = []

    def meanwhile() -> bool:
        if not said:
            with pytest.raises(BackupFailed) as refused:
                made(tmp_path / "state.db", tmp_path / "backup.db")
            said.append(str(refused.value))
        return False

    made(tmp_path / "state.db", tmp_path / "backup.db", stopping=meanwhile)
    assert "being written by another program" in said[0]
    assert len(rows(tmp_path / "backup.db")) == 400


LIMITED = """
import resource, signal, sys
from badge_bridge.errors import BridgeError
from badge_bridge.store.sqlite.backup import backup
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    backup(sys.argv[1], sys.argv[2], force=False, stopping=lambda: False)
except BridgeError as error:
    sys.exit(str(error))
"""


async def test_backup_says_so_and_leaves_nothing_when_it_cannot_be_written_to_its_end(tmp_path: Path) -> None:
    """As on a disk that is full: SQLite hears that a write has failed, and the user what to see to."""
    await (await filled(tmp_path / "state.db", 400, size=20_000)).close()
    arguments = [str(tmp_path / "state.db"), str(tmp_path / "backup.db")]
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert child.returncode == 1
    assert "backup.db.part cannot be written: see that its disk has room" in child.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db", "state.db.lock"]


async def test_backup_says_what_right_is_missing(tmp_path: Path) -> None:
    """A folder that nobody may write into, not even root."""
    await (await filled(tmp_path / "state.db")).close()
    with pytest.raises(BackupFailed, match="this user needs the right to write into its folder"):
        made(tmp_path / "state.db", Path("/sys/kernel/backup.db"))
