"""A file of an earlier version becomes one of this version, whole or not at all."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.cli_options import opened_store
from badge_bridge.errors import SettingsError, StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.settings import Settings
from badge_bridge.store.protocol import Accepted, LegPlace, LegsRead
from badge_bridge.store.records import write_event
from badge_bridge.store.sqlite import SqliteStore, schema
from badge_bridge.store.sqlite.rows import day_of
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS, migrate
from badge_bridge.store.wanted import Wanted
from support.stores import NOW, UNREADABLE, claimed, ended

TIME = datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=UTC)
OLD_ACCEPT = (
    "INSERT INTO events (key, source, type, verified, received_at, due, event) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO NOTHING"
)


def event(**fields: Any) -> Event:
    return Event.model_validate(
        {"id": "1", "source": "s", "provider": "p", "type": "call.missed", "time": TIME, **fields}
    )


def second_version(path: Path, events: Sequence[tuple[str, str]]) -> None:
    """A file as the version before joins has left it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for step in (step for steps in MIGRATIONS[:2] for step in steps):
        assert isinstance(step, str)
        connection.execute(step)
    for key, text in events:
        connection.execute(OLD_ACCEPT, (key, "s", "call.missed", "bearer", 1000.0, 1000.0, text))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 2")
    connection.close()


def contents(path: Path) -> tuple[int, list[str]]:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.close()
    return version, sorted(tables)


async def test_open_joins_events_of_older_file_when_they_have_a_customer(tmp_path: Path) -> None:
    """Each event that an older version accepted is found by its customer from now on, to the microsecond."""
    path = tmp_path / "state.db"
    events = {
        "s:subject": event(subject="+4930123", caller="+4930999"),
        "s:inbound": event(direction="inbound", caller="+4930123", callee="+4930555"),
        "s:outbound": event(direction="outbound", caller="+4930555", callee="+4930123"),
        "s:unknown direction": event(caller="+4930123"),
        "s:internal": event(direction="internal", caller="+4930123", callee="+4930555"),
        "s:e-mail": event(email="ann@example.com"),
        "s:e-mail of an internal one": event(direction="internal", caller="+4930123", email="ann@example.com"),
        "s:another": event(caller="+4930777", time=datetime(1, 1, 1, tzinfo=UTC)),
        "s:nobody": event(),
        "s:ünusual": event(subject="nul \0 and 📞", time=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    }
    second_version(path, [(key, write_event(one)) for key, one in events.items()])
    store = SqliteStore(path)
    await store.open()

    for customer in {one.customer for one in events.values()} - {""}:
        wanted = sorted((key, one) for key, one in events.items() if one.customer == customer)
        moment = wanted[0][1].time.timestamp()
        assert await store.joined(f"customer\n{customer}", after=float("-inf")) == wanted
        assert await store.joined(f"customer\n{customer}", after=moment - 0.0001) == wanted
        assert await store.joined(f"customer\n{customer}", after=moment) == []
    assert await store.joined("customer\n", after=float("-inf")) == []
    assert [claim.key for claim in await store.claim_due(now=2000, lease=60, limit=99)] == sorted(events)
    await store.close()


@pytest.mark.parametrize("text", UNREADABLE)
async def test_open_passes_over_event_of_older_file_when_it_cannot_be_read(tmp_path: Path, text: str) -> None:
    """One event that is beyond this version does not keep it from the file, nor the others from being found."""
    path = tmp_path / "state.db"
    second_version(path, [("s:1", text), ("s:2", write_event(event(caller="+4930123")))])
    store = SqliteStore(path)
    await store.open()

    assert [key for key, _ in await store.joined("customer\n+4930123", after=0)] == ["s:2"]
    assert await store.get("s:1") is not None
    await store.close()


async def test_ignored_event_of_older_file_is_found_by_its_customer(tmp_path: Path) -> None:
    """No rule was for it, so that nothing has let it be found by anything."""
    path = tmp_path / "state.db"
    second_version(path, [("s:1", write_event(event(caller="+4930123"))), ("s:2", write_event(event())), ("s:3", "?")])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE events SET state = 'ignored'")
    connection.commit()
    connection.close()
    store = SqliteStore(path)
    await store.open()
    await store._write(lambda connection: connection.execute("DELETE FROM joins WHERE value LIKE 'customer%'"))

    found = await store.list(Wanted(customer="+4930123"))

    assert [one.key for one in found.events] == ["s:1"]
    await store.close()


async def test_open_gives_older_file_what_a_new_one_has_when_it_migrates(tmp_path: Path) -> None:
    """A migrated file and one that is new are the same to this version."""
    second_version(tmp_path / "old.db", [])
    for name in ("old.db", "new.db"):
        store = SqliteStore(tmp_path / name)
        assert store.is_older() is (name == "old.db")
        await store.open()
        assert not store.is_older()
        await store.close()

    assert contents(tmp_path / "old.db") == contents(tmp_path / "new.db")
    assert contents(tmp_path / "new.db")[0] == len(MIGRATIONS)


def test_migrate_puts_each_join_to_its_day_when_a_file_is_older(tmp_path: Path) -> None:
    """The day is the one that this version writes an event of that moment to, before 1970 too."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
    before_1970 = datetime(1969, 12, 31, 23, tzinfo=UTC).timestamp()
    moments = [
        datetime(1, 1, 1, tzinfo=UTC).timestamp(),
        before_1970,
        0.0,
        midnight - 1e-6,
        midnight,
        midnight + 86_399,
    ]
    connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    for step in (step for steps in MIGRATIONS[:5] for step in steps):
        connection.execute(step) if isinstance(step, str) else step(connection)
    connection.executemany("INSERT INTO joins (value, time, key) VALUES ('j', ?, 's:1')", [(one,) for one in moments])
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 5")

    migrate(connection, "state.db")

    days = connection.execute("SELECT time, day FROM joins").fetchall()
    assert days == [(moment, day_of(moment)) for moment in moments]
    assert [day for _, day in days] == [-719_162, -1, 0, 20_513, 20_514, 20_514]
    connection.close()


def test_migrate_leaves_older_file_as_it_was_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that does not reach its end has done nothing, and is done whole the next time."""
    path = tmp_path / "state.db"
    second_version(path, [("s:1", write_event(event(caller="+4930123")))])
    before = contents(path)
    connection = sqlite3.connect(path, isolation_level=None)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE events (id INTEGER)",)))
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            migrate(connection, "state.db")
    assert contents(path) == before

    migrate(connection, "state.db")

    assert connection.execute("SELECT day, value, time, key FROM joins").fetchall() == [
        (20513, "customer\n+4930123", TIME.timestamp(), "s:1")
    ]
    assert contents(path)[0] == len(MIGRATIONS)
    connection.close()


@pytest.mark.parametrize("version", [3, 4])
async def test_call_that_was_begun_under_an_older_schema_is_read_whole(tmp_path: Path, version: int) -> None:
    """Its legs were not counted then; the one that comes next counts them, and no judgement of fewer settles it."""
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for step in (step for steps in MIGRATIONS[:version] for step in steps):
        connection.execute(step) if isinstance(step, str) else step(connection)
    text = write_event(event())
    for key, value in (("s:1", "call\ns\n7"), ("s:2", "call\ns\n7"), ("s:3", "call\ns\n8"), ("s:4", "customer\n7")):
        connection.execute(OLD_ACCEPT, (key, "s", "call.leg", "bearer", 1000.0, 1000.0, text))
        connection.execute("INSERT INTO joins (value, time, key) VALUES (?, 1.0, ?)", (value, key))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    store = SqliteStore(path)
    await store.open()

    place = LegPlace("call\ns\n7", "s:9", ends=False, soon=1010.0, late=9000.0, most=500)
    await store.accept([Accepted("s:5", event(), "bearer", 1005.0, ("call\ns\n7",), place)])
    fresh = await store.get("s:5")
    assert fresh is not None
    assert (fresh.state, fresh.due) == ("waiting", 1010.0)
    for count, is_whole in ((2, False), (3, True)):
        read = LegsRead("call\ns\n7", count, [], is_full=False, reason="", rules_hash="")
        judged = await store.judge(Accepted("s:9", event(), "", 1006.0), revision=count, legs=read, now=1006.0)
        assert judged.is_whole == is_whole
    await store.close()


OPERATORS_OWN = (
    "CREATE INDEX my_callers ON events (source, rules_hash)",
    "CREATE TABLE my_log (key TEXT)",
    "CREATE TRIGGER my_trigger AFTER UPDATE OF state ON events BEGIN INSERT INTO my_log VALUES (new.key); END",
    "CREATE VIEW my_view AS SELECT key, state FROM events",
)


def full_second_version(path: Path, count: int = 50) -> None:
    """With an attempt at each event, ids that have gaps, and what an operator has added for himself."""
    second_version(path, [(f"s:{number}", write_event(event(caller=f"+49301{number}"))) for number in range(count)])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM events WHERE id % 7 = 3")
    connection.execute("UPDATE events SET state = 'dead', ready = NULL, attempts = 1, reason = 'no' WHERE id % 2 = 0")
    connection.execute(
        "INSERT INTO attempts (event, number, started_at, result) SELECT id, 1, 1001.0, 'dead' FROM events"
    )
    for statement in OPERATORS_OWN:
        connection.execute(statement)
    connection.close()


ADDED = {"revision", "redriven_with"}
"""Columns of the events that came after the second version."""
ATTEMPTS = "event, number, started_at, ended_at, result, reason, asked, outcomes, rules_hash"
"""Those of the attempts that were there before."""


def everything(path: Path) -> dict[str, Any]:
    connection = sqlite3.connect(path)
    names = ", ".join(name for _, name, *_ in connection.execute("PRAGMA table_info(events)") if name not in ADDED)
    found = {
        "events": connection.execute(f"SELECT {names} FROM events ORDER BY id").fetchall(),  # noqa: S608 - columns
        "attempts": connection.execute(f"SELECT {ATTEMPTS} FROM attempts ORDER BY event").fetchall(),  # noqa: S608 - columns
        "schema": dict(
            connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL "
                "AND name NOT LIKE 'attachments%' AND name <> 'events_ended'"
            )
        ),
    }
    connection.close()
    return found


def open_hardened(path: Path) -> sqlite3.Connection:
    """A connection as a hardened build of SQLite gives it, such as the one of macOS, where Python can ask for it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    return connection


def test_migrate_keeps_rows_indexes_and_triggers_when_sqlite_is_hardened(tmp_path: Path) -> None:
    """The table of events is made anew without writing into SQLite's own, and nothing of the file is lost."""
    path = tmp_path / "state.db"
    full_second_version(path)
    before = everything(path)
    connection = open_hardened(path)
    said: list[str] = []
    connection.set_trace_callback(said.append)

    migrate(connection, "state.db")

    assert not [statement for statement in said if "writable_schema" in statement]
    assert everything(path) == before
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.execute("UPDATE events SET state = 'joined' WHERE id = 1")
    assert connection.execute("SELECT key FROM my_log").fetchall() == [("s:0",)]
    assert ("s:0", "joined") in connection.execute("SELECT * FROM my_view").fetchall()
    connection.execute("DELETE FROM events WHERE id = 1")
    assert not connection.execute("SELECT 1 FROM attempts WHERE event = 1").fetchall()
    connection.close()


def test_migrate_refuses_older_file_when_its_events_have_another_shape(tmp_path: Path) -> None:
    """A column that no version has made would be lost with the table that is made anew."""
    path = tmp_path / "state.db"
    full_second_version(path)
    connection = open_hardened(path)
    connection.execute("ALTER TABLE events ADD COLUMN mine TEXT")
    with pytest.raises(StoreUnavailable, match="not as earlier versions made it"):
        migrate(connection, "state.db")
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert contents(path)[0] == 2
    connection.close()


def test_migrate_says_what_it_does_when_a_file_is_older(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who waits for the start learns for what; a new file has nothing to tell of."""
    caplog.set_level(logging.INFO)
    full_second_version(tmp_path / "old.db")
    for name in ("old.db", "old.db", "new.db"):
        connection = open_hardened(tmp_path / name)
        migrate(connection, name)
        connection.close()
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"old.db: bringing 43 events from schema 2 to {len(MIGRATIONS)};")
    assert last.startswith(f"old.db: has schema {len(MIGRATIONS)} now, after ")


KILLED = """
import os, signal, sqlite3, sys
from badge_bridge.store.sqlite.schema import migrate
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 5")  # so that much of it is in the file's log already
def begins(statement):
    if statement.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
connection.set_trace_callback(begins)
migrate(connection, "state.db")
"""


@pytest.mark.parametrize("when", ["DROP TABLE events", "ALTER TABLE new_events", "CREATE INDEX my_callers", "COMMIT"])
def test_migrate_begins_anew_when_it_was_killed(tmp_path: Path, when: str) -> None:
    """Whatever moment of it the process does not survive, the file is the older one, whole."""
    path = tmp_path / "state.db"
    full_second_version(path, count=2000)
    before, version = everything(path), contents(path)
    child = subprocess.run([sys.executable, "-c", KILLED, str(path), when], check=False, timeout=60)
    assert child.returncode == -signal.SIGKILL

    assert (everything(path), contents(path)) == (before, version)
    connection = open_hardened(path)
    migrate(connection, "state.db")
    connection.close()
    assert everything(path) == before
    assert contents(path)[0] == len(MIGRATIONS)


async def test_command_beside_an_older_process_leaves_its_file_alone(tmp_path: Path) -> None:
    """Bringing a file to another schema under a process that works on it would end that: only serve does."""
    second_version(tmp_path / "old.db", [])
    settings = Settings.from_environ({"STATE": f"sqlite:///{tmp_path}/old.db"})
    with pytest.raises(SettingsError, match="start serve once"):
        async with opened_store(settings):
            pass
    assert contents(tmp_path / "old.db")[0] == 2


def test_file_that_is_none_of_ours_is_not_called_older(tmp_path: Path) -> None:
    """What is wrong with it is said when it is opened."""
    (tmp_path / "text").write_text("no database")
    sqlite3.connect(tmp_path / "empty.db").close()
    for name in ("text", "empty.db", "absent.db"):
        assert not SqliteStore(tmp_path / name).is_older()


async def test_events_of_an_older_file_are_forgotten_and_remembered_as_any(tmp_path: Path) -> None:
    """The file gets a key of its own for that; each file another one."""
    second_version(tmp_path / "old.db", [("s:1", write_event(event()))])
    store = SqliteStore(tmp_path / "old.db")
    await store.open()
    await store.settle(await claimed(store), ended("done"))
    assert (await store.forget(before=NOW + 100, limit=9)).events == 1
    accepted = Accepted("s:1", event(), "x", NOW)
    assert await store.accept([accepted]) == [False]
    await store.close()

    connection = open_hardened(tmp_path / "new.db")
    migrate(connection, "new.db")
    connection.execute("ATTACH ? AS old", (str(tmp_path / "old.db"),))
    keys = connection.execute("SELECT text FROM notes UNION SELECT text FROM old.notes").fetchall()
    assert [len(bytes.fromhex(key)) for (key,) in keys] == [32, 32]
    connection.close()
