"""A file of an earlier version becomes one of this version, whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.events import Event
from badge_bridge.store.records import write_event
from badge_bridge.store.sqlite import SqliteStore, schema
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS, migrate
from support.stores import UNREADABLE

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


async def test_open_gives_older_file_what_a_new_one_has_when_it_migrates(tmp_path: Path) -> None:
    """A migrated file and one that is new are the same to this version."""
    second_version(tmp_path / "old.db", [])
    for name in ("old.db", "new.db"):
        store = SqliteStore(tmp_path / name)
        await store.open()
        await store.close()

    assert contents(tmp_path / "old.db") == contents(tmp_path / "new.db")
    assert contents(tmp_path / "new.db")[0] == len(MIGRATIONS)


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

    assert connection.execute("SELECT value, time, key FROM joins").fetchall() == [
        ("customer\n+4930123", TIME.timestamp(), "s:1")
    ]
    assert contents(path)[0] == len(MIGRATIONS)
    connection.close()
