"""Stores that earlier versions have left are brought up to date by this one, and their events are worked on.

Of each schema there is a file in `tests/data/stores`; another one joins by being put there.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.outcomes import Result
from badge_bridge.sandbox.crm_seed import Activity
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import CLIENT_ID
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.backup import backup
from badge_bridge.store.sqlite.restore import restore
from badge_bridge.store.sqlite.schema import MIGRATIONS, migrate
from badge_bridge.store.wanted import Uses, Wanted
from support.company import Company, ours, portal_of
from support.company_by_hand import HandClock, open_by_hand, work_to_the_end
from support.store_sample import BADGE, RULE, SCHEMAS, START, judged_key, key_of, load, number_of, origin

NEWEST = len(MIGRATIONS)
EARLIER = [schema for schema in SCHEMAS if schema < NEWEST]
KNOWS_LEDGER, KNOWS_LEGS = 3, 4
TOLD = {
    # name: customer, state in the end
    "done": (1, "done"),
    "ignored": (0, "ignored"),
    "dead": (2, "dead"),
    "retry": (3, "done"),
    "paused": (4, "done"),
    "fresh": (5, "done"),
    "working": (9, "done"),
}
OF_THE_LEDGER = {"doubtful": (6, "done"), "cleared": (7, "done")}

Rows = dict[str, list[dict[str, Any]]]
"""Of each table, by the names of the columns."""

each_schema = pytest.mark.parametrize("schema", SCHEMAS)
each_earlier_schema = pytest.mark.parametrize("schema", EARLIER)


def known(schema: int) -> dict[str, tuple[int, str]]:
    return TOLD | (OF_THE_LEDGER if schema >= KNOWS_LEDGER else {})


def everything(path: Path) -> tuple[int, Rows, set[tuple[str, str]]]:
    """The schema's number, all rows of all tables by the names of their columns, and what the file is made of."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        made = {(row["name"], row["sql"] or "") for row in connection.execute("SELECT name, sql FROM sqlite_master")}
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608 - a table's name
            for (name,) in names
        }
    return version, rows, made


def shape(path: Path) -> dict[str, Any]:
    """The columns of each table, and each index, however they came to be."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        columns = {
            name: {row[1:] for row in connection.execute(f"PRAGMA table_info({name})")}
            for kind, name, _ in found
            if kind == "table"
        }
    return columns | {name: " ".join(sql.split()) for kind, name, sql in found if kind == "index" and sql}


def lost(before: Rows, after: Rows) -> Rows:
    """Rows that are not there any more, or say something else in one of the columns that they had."""
    gone: Rows = {}
    for table, rows in before.items():
        kept = [{name: row[name] for name in row if not rows or name in rows[0]} for row in after[table]]
        gone[table] = [row for row in rows if row not in kept]
    return {table: rows for table, rows in gone.items() if rows}


def upgrade(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, str(path))


def test_each_earlier_schema_has_a_store() -> None:
    """Who adds a migration keeps what the version before it leaves; `store_sample.py` says how."""
    assert set(SCHEMAS) >= set(range(1, NEWEST))


@each_schema
def test_upgrade_keeps_every_row(tmp_path: Path, schema: int) -> None:
    """Each row of each table is there afterwards, in whatever state the event was, and with what it said."""
    path = tmp_path / "state.db"
    load(schema, path)
    version, before, _ = everything(path)
    assert version == schema
    assert {row["state"] for row in before["events"]} >= {"waiting", "working", "done", "ignored", "dead"}

    upgrade(path)

    version, after, _ = everything(path)
    assert version == NEWEST
    assert not lost(before, after)
    for table in {"events", "attempts", "attachments"} & set(before):
        assert len(after[table]) == len(before[table])


@each_schema
def test_upgraded_store_has_the_shape_of_a_new_one(tmp_path: Path, schema: int) -> None:
    """The same tables with the same columns, and the same indexes."""
    load(schema, tmp_path / "old.db")
    for name in ("old.db", "new.db"):
        upgrade(tmp_path / name)
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


@each_schema
async def test_events_of_an_earlier_version_are_found_by_what_came_of_them(tmp_path: Path, schema: int) -> None:
    """By rule and result, as those that end under this version, and what takes them away finds them so."""
    load(schema, tmp_path / "state.db")
    store = SqliteStore(tmp_path / "state.db")
    await store.open()

    async def found(result: Result) -> set[str]:
        wanted = Wanted(rule=RULE, result=result)
        return {event.key for event in (await store.list(wanted)).events}

    if schema >= KNOWS_LEDGER:
        assert await found("badged") == {key_of("done"), key_of("cleared")}
    else:
        assert await found("ensured") == {key_of("done")}
    assert await found("failed") == {key_of("dead")}
    await store.erase([Trace("event", key_of("dead"))])
    assert await found("failed") == set()
    if schema >= KNOWS_LEDGER:
        assert list(await store.uses(since=START)) == [Uses("main", BADGE, 2, START)]
    await store.close()


def portal_with_what_was_done(schema: int, clock: HandClock) -> SandboxPortal:
    """As that version left it: what is in the ledger is on the cards, the add that brought no answer included."""
    portal = portal_of(9, clock=clock)
    on_cards = (("done", 9001, 1001, False), ("doubtful", 9002, 1006, False), ("cleared", 9003, 1007, True))
    for name, number, deal, completed in on_cards if schema >= KNOWS_LEDGER else ():
        activity = Activity(
            id=number,
            owner_type_id=2,
            owner_id=deal,
            badge_code=BADGE,
            originator_id="badge-bridge",
            origin_id=origin(name),
            client_id=CLIENT_ID,
            completed=completed,
        )
        portal.records.crm.put_activity(activity)
    return portal


async def states(company: Company) -> dict[str, str]:
    return {event.key: event.state for event in await company.events()}


@each_schema
async def test_events_of_an_earlier_version_are_worked_on_once(tmp_path: Path, schema: int) -> None:
    """Those that waited, for a retry, a paused portal or the end of a call, and the one that a killed process held, get
    their badges; those that had ended stay as they are, are known when they come again, and are cleared by a later call.
    """
    load(schema, tmp_path / "state.db")
    clock = HandClock(START + 30)
    portal = portal_with_what_was_done(schema, clock)
    expected = known(schema)
    badged = {customer for customer, state in expected.values() if state == "done"}
    calls = {judged_key(): "done"} if schema >= KNOWS_LEGS else {}
    async with open_by_hand(tmp_path / "state.db", portal, clock) as company:
        assert (await company.install()).status == 200
        await work_to_the_end(company, clock)
        found = await states(company)
        ended = {key_of(name): state for name, (_, state) in expected.items()} | calls
        assert {key: state for key, state in found.items() if state != "joined"} == ended
        assert list(found.values()).count("joined") == (2 if calls else 0)
        on_cards = sorted(one.owner_id - 1000 for one in ours(portal))
        # Before there was a ledger, a badge was made sure of and not put on a card.
        assert on_cards == sorted((badged | {8} if calls else badged) - (set() if schema >= KNOWS_LEDGER else {1}))
        assert (await company.event("ignored")).event.data["text"] == "Grüße 📞"

        await company.report(number_of(1), call="done")
        await company.report(number_of(1), "answered", call="call back", at=3600)
        await work_to_the_end(company, clock)
        assert len(await states(company)) == len(found) + 1
        assert len(ours(portal)) == len(on_cards)
        assert {one.owner_id for one in ours(portal) if one.completed} == (
            {1001, 1007} if schema >= KNOWS_LEDGER else set()
        )


@each_earlier_schema
async def test_backup_of_an_earlier_version_can_be_made_and_restored(tmp_path: Path, schema: int) -> None:
    """So a copy can be made before the upgrade by the version that brings it, and be of use under it later."""
    load(schema, tmp_path / "state.db")
    before = everything(tmp_path / "state.db")
    store, copy = str(tmp_path / "state.db"), str(tmp_path / "backup.db")
    found = backup(store, copy, force=False, stopping=lambda: False)
    assert found.schema == schema
    copied = everything(tmp_path / "backup.db")
    # The log of one is none of the other's (`stamp.py`), from the schema on that knows stamps.
    assert len({str(rows.pop("stamp", [schema])) for rows in (copied[1], before[1])}) == (2 if schema >= 10 else 1)
    assert copied == before
    after = everything(tmp_path / "state.db")
    after[1].pop("stamp", None)
    assert after == before

    restore(copy, store, now=START + 60, newer_notes="oauth/", stopping=lambda: False)

    restored = SqliteStore(store)
    assert not restored.is_older()
    await restored.open()
    assert restored.restored_at == START + 60
    assert len((await restored.list()).events) == len(before[1]["events"])
    await restored.close()


KILLED = """
import os, signal, sqlite3, sys
from badge_bridge.store.sqlite.schema import migrate
path, last = sys.argv[1], int(sys.argv[2])
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA cache_size = 5")  # so that some of it is in the file's log already
count = 0
def begins(statement):
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
connection.set_trace_callback(begins)
migrate(connection, path)
"""


@pytest.mark.slow
@each_earlier_schema
def test_upgrade_that_is_killed_leaves_the_earlier_version(tmp_path: Path, schema: int) -> None:
    """At its first change, in its middle, and before its commit: the file is as it was, and the next start upgrades it."""
    load(schema, tmp_path / "state.db")
    before = everything(tmp_path / "state.db")
    shutil.copy(tmp_path / "state.db", tmp_path / "counted.db")
    said: list[str] = []
    with closing(sqlite3.connect(tmp_path / "counted.db", isolation_level=None)) as connection:
        connection.set_trace_callback(said.append)
        migrate(connection, "counted.db")
    begins, ends = said.index("BEGIN IMMEDIATE") + 1, said.index("COMMIT") + 1
    assert ends - begins > 2
    for last in (begins + 1, (begins + ends) // 2, ends):
        child = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path / "state.db"), str(last)], check=False, timeout=60
        )
        assert child.returncode == -signal.SIGKILL
        assert everything(tmp_path / "state.db") == before
    upgrade(tmp_path / "state.db")
    version, after, made = everything(tmp_path / "state.db")
    assert (version, made) == (NEWEST, everything(tmp_path / "counted.db")[2])
    assert not lost(before[1], after)


FULL = """
import asyncio, resource, sys
from badge_bridge.errors import StoreUnavailable
from badge_bridge.outcomes import Result
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.sqlite import SqliteStore
resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))
try:
    asyncio.run(SqliteStore(sys.argv[1]).open())
except StoreUnavailable as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
@each_earlier_schema
async def test_upgrade_that_has_no_room_leaves_the_earlier_version(tmp_path: Path, schema: int) -> None:
    """As on a full disk: it is said what to see to, and with room the next start upgrades it."""
    load(schema, tmp_path / "state.db")
    before = everything(tmp_path / "state.db")
    command = [sys.executable, "-c", FULL, str(tmp_path / "state.db")]
    child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert child.returncode == 1
    assert "room" in child.stderr or "disk is full" in child.stderr
    assert "Traceback" not in child.stderr
    assert everything(tmp_path / "state.db") == before
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    assert len((await store.list()).events) == len(before[1]["events"])
    await store.close()


@each_schema
async def test_store_of_a_later_version_is_refused_and_left_alone(tmp_path: Path, schema: int) -> None:
    """Who goes back to an older program hears what to do, and its file is not touched."""
    load(schema, tmp_path / "state.db")
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    before = everything(tmp_path / "state.db")
    with pytest.raises(StoreUnavailable) as refused:
        await SqliteStore(tmp_path / "state.db").open()
    said = str(refused.value)
    assert f"a newer version of Badge Bridge (schema {NEWEST + 1}, this version knows {NEWEST})" in said
    assert "start that version, or restore a backup that was made before the upgrade" in said
    assert everything(tmp_path / "state.db") == before
