"""The store with a long history that speed is measured beside is one that the bridge could have left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from badge_bridge.store.sqlite import SqliteStore
from bench.console_pages import Asked, measured
from bench.speed.history import fill, missed_call, work_off
from bench.speed.long_history import _console, _turn

NOW = 1_790_000_000.0


async def test_history_has_all_that_is_kept_of_each_event_when_it_is_filled(tmp_path: Path) -> None:
    """A copy is an event like any other: found by its key and its customer, with its attempt and its badge."""
    await fill(tmp_path / "state.db", 60, customers=20)
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    listed = (await store.list(limit=100)).events
    assert len({event.key for event in listed}) == 60
    assert len({event.received_at for event in listed}) == 3, "each copy is older"
    for event in listed:
        stored = await store.get(event.key)
        assert stored is not None
        assert (stored.state, stored.attempts, len(stored.history), len(stored.outcomes)) == ("done", 1, 1, 1)
        (attachment,) = await store.attachments(event.key)
        assert attachment.activity == 7
        found = await store.joined(f"customer\n{event.event.customer}", after=float("-inf"))
        assert len(found) == 3
        assert event.key in {key for key, _ in found}
    await store.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_work_off_ends_all_that_was_accepted(tmp_path: Path) -> None:
    """What is measured is counted: each event is leased and settled once."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([missed_call(number, now=NOW) for number in range(600)])

    assert await work_off(store, now=NOW, most=100) == 256, "as many at once as serve"
    assert await work_off(store, now=NOW) == 344
    assert await work_off(store, now=NOW) == 0
    await store.close()


async def test_turn_measures_both_stores_with_the_same_work(tmp_path: Path) -> None:
    """A turn that lost or doubled an event would raise; what is left are durations."""
    await fill(tmp_path / "long.db", 20)

    for turn in await _turn(tmp_path / "long.db", tmp_path / "empty.db", 1, NOW):
        assert turn.accept > 0
        assert turn.claim > 0
        assert turn.settle > 0
        assert turn.begun == turn.accept + turn.claim


async def test_every_page_and_its_twin_is_asked_for_in_each_turn(tmp_path: Path) -> None:
    """One that is not there would raise."""
    await fill(tmp_path / "state.db", 20)

    pages = await measured(tmp_path / "state.db", 2)

    assert {"now", "now (JSON)", "badges", "about to redrive all (JSON)"} <= pages.keys()
    assert {len(page.taken) for page in pages.values()} == {2}
    assert all(page.size for page in pages.values())


def test_row_of_the_console_tells_the_slowest_page_of_each_turn() -> None:
    """Which is another one each time; named is the one that is so mostly."""
    pages = {"now": Asked([1.0, 9.0, 2.0]), "events": Asked([5.0, 3.0, 4.0])}

    row = _console(pages, 1_000_000, "")

    assert row.figure is not None
    assert row.figure.values == [5.0, 9.0, 4.0]
    assert (row.goal, row.met, row.remark) == (
        300,
        True,
        "the slowest of 2 pages, mostly: events; ms of each: now 2, events 4",
    )
