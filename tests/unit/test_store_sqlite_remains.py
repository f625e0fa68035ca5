"""What SQLite leaves of deleted rows in the bytes of its files, and how that is looked for."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from badge_bridge.store.forgetting import Trace
from badge_bridge.store.sqlite import SqliteStore
from support.stores import item, noise

WORD = b"the person"


def find(content: bytes) -> int | None:
    found = content.find(WORD)
    return None if found < 0 else found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    yield store
    await store.close()


async def test_bytes_are_overwritten_as_rows_are_deleted(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Short rows and those of many pages; the file need not be written anew for that, which would keep others out."""
    caplog.set_level(logging.INFO)
    await store.accept([item(f"s:{number}", data={"who": f"{WORD.decode()} {number}"}) for number in range(300)])
    await store.accept([item("s:long", data={"who": WORD.decode(), "more": noise(), "again": WORD.decode()})])
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (tmp_path / "state.db").read_bytes().count(WORD) == 302

    await store.erase([Trace("event", key) for key in ("s:long", *(f"s:{number}" for number in range(300)))])

    assert await store.remains(find) == []
    assert not [record for record in caplog.records if "written anew" in record.getMessage()]
    assert WORD not in (tmp_path / "state.db").read_bytes() + (tmp_path / "state.db-wal").read_bytes()


@pytest.mark.parametrize("start", [0, 5, 2**20 - 5, 2**20, 3 * 2**20 - 9, 4 * 2**20 + 100])
async def test_find_is_told_with_its_place_wherever_it_stands(store: SqliteStore, tmp_path: Path, start: int) -> None:
    """A file is read in pieces, and what stands across two of them is found as well."""
    copy = tmp_path / "state.db.copy"
    copy.write_bytes(bytes(start) + WORD + bytes(2**20))

    (left,) = await store.remains(find)

    assert left.place == f"{copy}: byte {start}"


async def test_files_of_another_store_are_not_looked_at(store: SqliteStore, tmp_path: Path) -> None:
    """Only those whose names begin with the store's."""
    (tmp_path / "other.db").write_bytes(WORD)
    (tmp_path / "state.db.folder").mkdir()
    assert await store.remains(find) == []
