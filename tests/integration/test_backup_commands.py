"""`backup` and `restore`, as an operator types them."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.schema import MIGRATIONS
from support.commands import Run, commands
from support.damage import crash
from support.deliveries import pbx
from support.programs import send, serve, until
from support.stores import claimed, ended, item

WEBHOOK = "http://127.0.0.1:9/rest/1/abcdefabcdefabcd/"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    with commands(monkeypatch, capsys, tmp_path, {"STATE": "sqlite:///state.db"}) as run:
        yield run


@pytest.fixture
async def stored(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([item("s:1"), item("s:2")])
    await store.settle(await claimed(store, "s:1"), ended("done"))
    await store.close()
    return tmp_path


def test_backup_says_what_is_in_it(run: Run, stored: Path) -> None:
    """In a line, and as JSON, which a monitor reads."""
    code, out, _ = run("backup", "one.db")
    assert code == 0
    assert out.startswith("one.db: 2 events (1 done, 1 waiting), ")
    assert f"schema {len(MIGRATIONS)}; the store as of 20" in out
    code, out, _ = run("backup", "two.db", "--json")
    said = json.loads(out)
    assert (code, said["file"], said["events"]) == (0, "two.db", {"done": 1, "waiting": 1})
    assert said["bytes"] == (stored / "two.db").stat().st_size
    assert said["schema"] == len(MIGRATIONS)
    assert datetime.fromisoformat(said["taken_at"]).tzinfo is not None
    assert said["seconds"] >= 0


def test_restore_says_what_is_where(run: Run, stored: Path) -> None:
    """The store is the backup, and the one before has another name, which is told."""
    run("backup", "one.db")
    code, out, _ = run("restore", "one.db")
    assert code == 0
    first, second = out.splitlines()
    assert first.startswith(f"{stored}/state.db is one.db now: 2 events (1 done, 1 waiting), ")
    assert second.startswith(f"the store from before is {stored}/state.db.before-restore-")
    assert Path(second.rpartition(" ")[2]).exists()
    code, out, _ = run("restore", "one.db", "--state", "sqlite:///new.db", "--json")
    said = json.loads(out)
    assert (code, said["store"], said["kept"], said["tokens"]) == (0, f"{stored}/new.db", None, [])
    assert said["kept_log"] is None


@pytest.mark.parametrize("as_json", [False, True])
def test_restore_says_where_the_log_of_another_store_is(run: Run, stored: Path, *, as_json: bool) -> None:
    """Who has replaced the file of a killed store by hand learns where its last commits are, and what they are for."""
    run("backup", "one.db")
    crash(stored / "state.db")
    shutil.copy(stored / "one.db", stored / "state.db")
    code, out, _ = run("restore", "one.db", *(["--json"] if as_json else []))
    (log,) = stored.glob("state.db.before-restore-*.of-another-wal")
    assert code == 0
    if as_json:
        said = json.loads(out)
        assert (said["kept_log"], f"{said['kept']}.of-another-wal") == (str(log), str(log))
    else:
        *_, last = out.splitlines()
        assert last.startswith("the last commits of another store, whose file was replaced or removed by hand, are ")
        assert f" {log}; if you still have that file, name them as it with -wal behind" in last


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("backup one.db --state sqlite:///absent.db", 2, "there is no store at"),
        ("backup state.db", 2, "is the store itself; name another file"),
        ("backup missing/one.db", 2, "does not exist; create it"),
        ("backup one.db --state memory:", 2, "backup is for a store in a file"),
        (
            "backup one.db --state firestore://acme-crm/bridge",
            2,
            "gcloud firestore backups schedules create --project=acme-crm",
        ),
        ("restore absent.db", 2, "there is no backup"),
        ("restore .", 2, " is a folder; name the backup in it"),
        ("restore rules.yaml", 1, "not a SQLite file"),
        (
            "restore one.db --state firestore://acme-crm/bridge",
            2,
            "gcloud firestore databases restore --project=acme-crm",
        ),
        ("backup", 2, "Missing argument"),
    ],
)
def test_wrong_names_are_refused_with_what_to_write_instead(
    run: Run, stored: Path, typed: str, code: int, said: str
) -> None:
    """Nothing is made by a command that was not understood, and the store is left alone."""
    (stored / "rules.yaml").write_text("words of a rules file\n" * 100)
    before = sorted(path.name for path in stored.iterdir())
    ended_with, out, err = run(*typed.split())
    assert ended_with == code
    assert said in err
    assert out == ""
    assert sorted(path.name for path in stored.iterdir()) == before


def test_store_of_a_newer_version_is_neither_copied_nor_put_in_place(run: Run, stored: Path) -> None:
    """What this version does not know it cannot check."""
    run("backup", "newer.db")
    for name in ("newer.db", "state.db"):
        connection = sqlite3.connect(stored / name)
        connection.execute("PRAGMA user_version = 999")
        connection.close()
    for typed in (("backup", "one.db"), ("restore", "newer.db")):
        code, _, err = run(*typed)
        assert code == 1
        assert "was written by a newer version of Badge Bridge (schema 999" in err
    assert not (stored / "one.db").exists()


INTERRUPTED = """
import os, signal, sys
from badge_bridge import cli
number = int(sys.argv.pop(1))
def at(event, arguments):
    if event == "sqlite3.connect" and ".part" in str(arguments[0]):
        os.kill(os.getpid(), number)
sys.addaudithook(at)
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_interrupted_command_leaves_everything_as_it_was(run: Run, stored: Path, command: str, number: int) -> None:
    """Ctrl-C in the middle of the copy: no file, no part of one, no traceback, and the exit code of a signal."""
    run("backup", "one.db")
    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    typed = ["restore", "one.db"] if command == "restore" else ["backup", "two.db"]
    child = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(int(number)), *typed, "--state", f"sqlite:///{stored}/state.db"],
        cwd=stored,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.returncode, child.stdout, child.stderr) == (128 + number, "", "")
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before


def test_restore_advises_another_user_when_that_would_help(run: Run, stored: Path) -> None:
    """A lock that cannot be opened for another reason than a missing right is not told to be a matter of rights."""
    run("backup", "one.db")
    (stored / "state.db.lock").unlink()
    (stored / "state.db.lock").mkdir()
    code, _, err = run("restore", "one.db")
    assert (code, err) == (1, f"badge-bridge: {stored}/state.db.lock cannot be opened: Is a directory\n")


# As a disk without room, but for the folder of the backup: no file can grow.
FULL = """
import resource, sys
from badge_bridge import cli
LIMIT = resource.RLIMIT_FSIZE
def at(event, arguments):
    if event == "sqlite3.connect":
        grow = resource.RLIM_INFINITY if ".part" in str(arguments[0]) else 0
        resource.setrlimit(LIMIT, (grow, resource.RLIM_INFINITY))
sys.addaudithook(at)
cli.main()
"""


def on_a_full_disk(folder: Path, *typed: str) -> tuple[int, str, str]:
    child = subprocess.run(
        [sys.executable, "-c", FULL, *typed, "--state", f"sqlite:///{folder}/state.db"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return child.returncode, child.stdout, child.stderr


@pytest.mark.slow
def test_store_on_a_full_disk_can_be_looked_at_and_rescued(stored: Path) -> None:
    """Nobody has it open, and what SQLite makes beside it cannot be made: it is read without."""
    code, out, err = on_a_full_disk(stored, "events", "list", "--json")
    assert (code, [row["key"] for row in json.loads(out)]) == (0, ["s:2", "s:1"])
    assert "see that its disk has room and is healthy, then try again" in err
    assert "it is read all the same" in err
    code, out, _ = on_a_full_disk(stored, "events", "show", "s:1", "--json")
    assert (code, json.loads(out)["state"]) == (0, "done")
    code, out, err = on_a_full_disk(stored, "backup", "rescued.db")
    assert (code, err) == (0, "")
    assert out.startswith("rescued.db: 2 events (1 done, 1 waiting), ")


@pytest.mark.slow
def test_full_disk_is_told_without_a_promise_when_nothing_runs_yet(stored: Path) -> None:
    """A command that ends does not go on by itself, as `serve` does once there is room again."""
    code, out, err = on_a_full_disk(stored, "events", "redrive", "s:1")
    assert (code, out) == (1, "")
    assert "see that its disk has room and is healthy, then try again" in err
    assert "no restart is needed" not in err


async def test_store_of_an_older_version_is_not_read_when_it_cannot_be_written(stored: Path) -> None:
    """Its tables are not those that are asked."""
    connection = sqlite3.connect(stored / "state.db")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    store = SqliteStore(stored / "state.db")
    with pytest.raises(StoreUnavailable, match="was written by an older version"):
        await store.open_to_read()


async def test_store_that_is_opened_to_read_refuses_to_write(stored: Path) -> None:
    """And says so as any store that is not open."""
    store = SqliteStore(stored / "state.db")
    await store.open_to_read()
    assert [event.key for event in (await store.list()).events] == ["s:2", "s:1"]
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.accept([item("s:3")])
    await store.close()


@pytest.mark.slow
def test_store_of_a_running_serve_is_backed_up_and_not_replaced(run: Run, tmp_path: Path) -> None:
    """`backup` works beside it; `restore` has to wait for its end, and serve goes on with what is restored."""
    with serve(tmp_path, WEBHOOK) as (_, url):
        assert send(url, pbx(b'{"type": "note.made", "id": "one"}')).status_code == 204
        code, out, _ = run("backup", "one.db")
        assert (code, out.partition(" (")[0]) == (0, "one.db: 1 event")
        assert send(url, pbx(b'{"type": "note.made", "id": "two"}')).status_code == 204
        code, _, err = run("restore", "one.db")
        assert code == 2
        assert "a process has the store" in err
        assert len(json.loads(run("events", "list", "--json")[1])) == 2
    code, _, _ = run("restore", "one.db")
    assert code == 0
    with serve(tmp_path, WEBHOOK) as (_, url):
        assert send(url, pbx(b'{"type": "note.made", "id": "two"}')).status_code == 204
        until(lambda: len(json.loads(run("events", "list", "--json")[1])) == 2, what="both calls")
