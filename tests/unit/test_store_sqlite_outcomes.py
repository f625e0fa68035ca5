"""What an event is found by in a file that an earlier version has written, which left more there than counts now."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from badge_bridge.outcomes import Outcome
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.sqlite import SqliteStore
from support.stores import NOW, claimed, ended, item

TAKEN_BACK = Outcome(rule="missed", role="withdraw", result="cleared")
PUT_ON = Outcome(rule="missed", result="badged")


@pytest.mark.parametrize("way", ["tried again", "erased", "forgotten"])
async def test_outcome_that_does_not_count_is_left_of_no_event(tmp_path: Path, way: str) -> None:
    """It goes with the next attempt, and with the event itself."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()
    await store.accept([item("s:1")])
    for outcome in (TAKEN_BACK, PUT_ON):
        await store.settle(await claimed(store), ended(outcomes=(outcome,)))
        await store.redrive("s:1", now=NOW)
    await store.settle(await claimed(store), ended(outcomes=(PUT_ON,)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        of_earlier = ("missed", "cleared", NOW, "s:1")
        connection.execute("INSERT INTO outcomes (rule, result, received_at, key) VALUES (?, ?, ?, ?)", of_earlier)

        if way == "tried again":
            await store.redrive("s:1", now=NOW)
            await store.settle(await claimed(store), ended(outcomes=(PUT_ON,)))
        elif way == "erased":
            await store.erase([Trace("event", "s:1")])
        else:
            await store.forget(before=NOW + 5, limit=5)

        left = [("missed", "badged")] if way == "tried again" else []
        assert connection.execute("SELECT rule, result FROM outcomes").fetchall() == left
    await store.close()
