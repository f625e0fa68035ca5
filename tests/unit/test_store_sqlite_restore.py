"""A backup takes the place of a store: whole, at once, and what was there stays."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.store.protocol import Store
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.backup import backup
from badge_bridge.store.sqlite.contents import BackupFailed, Stopped
from badge_bridge.store.sqlite.restore import Restored, restore
from support.damage import crash
from support.stores import NOW, claimed, ended, item

WHEN = 1_795_345_200.0  # 2026-11-22 11:00:00 UTC
KEPT = "state.db.before-restore-20261122110000"


def never() -> bool:
    return False


def put_back(folder: Path, *, stopping: Callable[[], bool] = never) -> Restored:
    return restore(
        str(folder / "backup.db"), str(folder / "state.db"), now=WHEN, newer_notes="oauth/", stopping=stopping
    )


async def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def states(store: Store) -> dict[str, str]:
    return {event.key: event.state for event in (await store.list()).events}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A store with an old and a new event, and a backup that knows the old one alone, as somebody works on it."""
    store = await opened(tmp_path / "state.db")
    await store.accept([item("s:old")])
    claim = await claimed(store, "s:old", now=NOW, lease=60)
    await store.write_note("oauth/main", "token 1", version=0)
    await store.write_note("other", "other 1", version=0)
    backup(str(tmp_path / "state.db"), str(tmp_path / "backup.db"), force=False, stopping=never)
    await store.settle(claim, ended("done"))
    await store.accept([item("s:new")])
    await store.write_note("oauth/main", "token 2", version=1)
    await store.write_note("other", "other 2", version=1)
    await store.close()
    return tmp_path


async def test_restore_brings_back_what_the_backup_holds(folder: Path) -> None:
    """What came later is unknown, and what was under way is taken up at once, since its holder is gone."""
    done = put_back(folder)

    assert done.contents.events == {"working": 1}
    store = await opened(folder / "state.db")
    assert await states(store) == {"s:old": "waiting"}
    assert [claim.key for claim in await store.claim_due(now=NOW, lease=60, limit=9)] == ["s:old"]
    assert await store.accept([item("s:old"), item("s:new")]) == [False, True]
    await store.close()


async def test_restore_keeps_the_store_from_before_with_what_was_in_its_log(folder: Path) -> None:
    """Nothing is thrown away: the other one is there under another name, and can be opened."""
    crash(folder / "state.db")
    assert (folder / "state.db-wal").stat().st_size > 0
    done = put_back(folder)

    assert done.kept == folder / KEPT
    assert names(folder) == ["backup.db", "state.db", KEPT]
    store = await opened(folder / KEPT)
    assert await states(store) == {"s:old": "done", "s:new": "waiting", "s:last": "waiting"}
    await store.close()


async def test_restore_marks_the_store(folder: Path) -> None:
    """Whoever opens it knows since when it is another one; the one from before has no mark."""
    put_back(folder)
    for name, known in (("state.db", WHEN), (KEPT, None)):
        store = await opened(folder / name)
        assert store.restored_at == known
        await store.close()


async def test_restore_takes_over_the_notes_that_change_with_use(folder: Path) -> None:
    """A token of the backup may have been used up since; the present store has the one that came for it."""
    done = put_back(folder)

    assert done.notes == ("oauth/main",)
    store = await opened(folder / "state.db")
    token, other = await store.note("oauth/main"), await store.note("other")
    assert token is not None
    assert (token.text, token.version) == ("token 2", 2)
    assert other is not None
    assert other.text == "other 1"
    await store.close()


async def test_restore_makes_a_store_where_none_was(folder: Path) -> None:
    """On a new machine there is nothing to keep and nothing to take over."""
    (folder / "state.db").unlink()
    done = put_back(folder)
    assert (done.kept, done.notes) == (None, ())
    assert stat.S_IMODE((folder / "state.db").stat().st_mode) == 0o600
    store = await opened(folder / "state.db")
    assert await states(store) == {"s:old": "waiting"}
    token = await store.note("oauth/main")
    assert token is not None
    assert token.text == "token 1"
    await store.close()


async def test_restore_refuses_while_somebody_has_the_store_open(folder: Path) -> None:
    """Its events would go on into a file that has no name any more."""
    store = await opened(folder / "state.db")
    with pytest.raises(SettingsError, match=r"a process has the store .* open; end what runs on it"):
        put_back(folder)
    assert await states(store) == {"s:old": "done", "s:new": "waiting"}
    await store.close()
    assert names(folder) == ["backup.db", "state.db"]


async def test_restore_refuses_while_another_program_reads_the_store(folder: Path) -> None:
    """A backup under way, or a shell, holds no lock of ours, and would delete the new store's log when it ends."""
    await (await opened(folder / "state.db")).close()
    reading = sqlite3.connect(folder / "state.db", isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM events").fetchall()
    with pytest.raises(SettingsError, match=r"a program has the store .* open \(a backup, or a sqlite3 shell\)"):
        put_back(folder)
    reading.close()
    assert names(folder) == ["backup.db", "state.db"]
    assert put_back(folder).kept == folder / KEPT


@pytest.mark.parametrize("present", [b"", b"not a database" * 1000, None])
async def test_restore_takes_the_place_of_a_store_that_is_damaged(folder: Path, present: bytes | None) -> None:
    """That is what a backup is for; the damaged one and its log are kept as they are, beside each other."""
    crash(folder / "state.db")
    damaged = (folder / "state.db").read_bytes()[:50] + b"\xff" * 8000 if present is None else present
    log = (folder / "state.db-wal").read_bytes()
    (folder / "state.db").write_bytes(damaged)
    put_back(folder)

    store = await opened(folder / "state.db")
    assert await states(store) == {"s:old": "waiting"}
    await store.close()
    assert (folder / KEPT).exists()
    assert not (folder / "state.db-wal").exists()
    if present is not None:
        assert (folder / KEPT).read_bytes() == damaged
        # Of an empty file nothing tells that the log is its own.
        assert (folder / (f"{KEPT}-wal" if present else f"{KEPT}.of-another-wal")).read_bytes() == log


def unchanged(folder: Path) -> tuple[bytes, list[str]]:
    return (folder / "state.db").read_bytes(), names(folder)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda data: data[:-4096], "damaged|cannot be read"),
        (lambda data: data[:8192] + b"\xff" * 4096 + data[12288:], "damaged|cannot be read"),
        (lambda data: b"", "not a store of Badge Bridge"),
        (lambda data: b"words" * 2000, "damaged or not a SQLite file"),
        (lambda data: data[:60] + (999).to_bytes(4, "big") + data[64:], "newer version of Badge Bridge \\(schema 999"),
        (lambda data: data[:68] + b"\0" * 4 + data[72:], "not a store of Badge Bridge"),
    ],
    ids=["cut", "scratched", "empty", "text", "newer", "another program's"],
)
async def test_restore_refuses_a_bad_backup(folder: Path, harm: Callable[[bytes], bytes], said: str) -> None:
    """It says what is wrong with it, and the store is as before."""
    path = folder / "backup.db"
    path.write_bytes(harm(path.read_bytes()))
    before = unchanged(folder)
    with pytest.raises(BackupFailed, match=said):
        put_back(folder)
    assert unchanged(folder) == before


async def test_restore_refuses_a_backup_that_is_none(folder: Path) -> None:
    """A missing file and the store itself are told apart."""
    (folder / "backup.db").unlink()
    with pytest.raises(SettingsError, match="there is no backup"):
        put_back(folder)
    (folder / "backup.db").symlink_to("state.db")
    with pytest.raises(SettingsError, match="is the store itself"):
        put_back(folder)


async def test_restore_takes_a_store_that_was_copied_with_its_log(folder: Path) -> None:
    """Somebody else's tool has copied the files of a store that had crashed; its log counts."""
    crash(folder / "state.db")
    shutil.copy(folder / "state.db", folder / "backup.db")
    shutil.copy(folder / "state.db-wal", folder / "backup.db-wal")
    (folder / "state.db").unlink()
    (folder / "state.db-wal").unlink()
    (folder / "state.db-shm").unlink()
    put_back(folder)
    store = await opened(folder / "state.db")
    assert sorted(await states(store)) == ["s:last", "s:new", "s:old"]
    await store.close()


async def test_restore_leaves_the_store_as_before_when_it_is_stopped(folder: Path) -> None:
    """Before the copy is whole, nothing about the store is touched."""
    before = unchanged(folder)
    with pytest.raises(Stopped):
        put_back(folder, stopping=lambda: True)
    assert unchanged(folder) == before


FULL = """
import resource, signal, sys
from badge_bridge.errors import BridgeError
from badge_bridge.store.sqlite.restore import restore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    restore(sys.argv[1], sys.argv[2], now=1.0, newer_notes="oauth/", stopping=lambda: False)
except BridgeError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("room", [4096, 65_536])
async def test_restore_leaves_the_store_as_before_when_the_disk_is_full(folder: Path, room: int) -> None:
    """The copy that does not fit is gone, and the message says what to see to."""
    before = unchanged(folder)
    arguments = [str(folder / "backup.db"), str(folder / "state.db"), str(room)]
    child = subprocess.run(
        [sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert child.returncode == 1
    assert "room" in child.stderr
    assert "Traceback" not in child.stderr
    assert unchanged(folder) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from badge_bridge.store.sqlite.restore import restore
steps = 0
def step(event, arguments):
    # Each change of a name in the folder, and each sync, before it is carried out.
    global steps
    if event in {"os.link", "os.rename", "os.remove", "os.truncate"} and str(arguments[0]).find("before") < 0:
        steps += 1
        if steps == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
restore(sys.argv[1], sys.argv[2], now=float(sys.argv[4]), newer_notes="oauth/", stopping=lambda: False)
"""


async def test_store_is_whole_whenever_a_restore_is_killed(folder: Path) -> None:
    """There is the one store or the other at each moment, never none and never one with the other's log."""
    whole = [{"s:old": "done", "s:new": "waiting", "s:last": "waiting"}, {"s:old": "waiting"}]
    seen = []
    shutil.copytree(folder, folder / "fresh")
    for number in range(1, 30):
        at = folder / str(number)
        shutil.copytree(folder / "fresh", at)
        crash(at / "state.db")
        arguments = [str(at / "backup.db"), str(at / "state.db"), str(number), str(WHEN)]
        child = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, timeout=60)
        store = await opened(at / "state.db")
        found = await states(store)
        await store.close()
        assert found in whole
        seen.append(found)
        if child.returncode == 0:
            break
    assert child.returncode == 0
    assert len(seen) > 3
    assert seen[0] == whole[0]
    assert seen[-1] == whole[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_restore_refuses_as_root_for_a_store_of_another_user(folder: Path) -> None:
    """The service could not open what root makes."""
    os.chown(folder / "state.db", 12345, -1)
    with pytest.raises(SettingsError, match="sudo -u '#12345' badge-bridge restore"):
        put_back(folder)
