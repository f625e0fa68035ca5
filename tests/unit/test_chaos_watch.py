"""The watch of `make chaos`: what it says when something is taken back in the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.watch import Watch

SCHEMA = """
CREATE TABLE events (id INTEGER PRIMARY KEY, key TEXT, attempts INTEGER, state TEXT);
CREATE TABLE attempts (event INTEGER, number INTEGER, started_at REAL);
INSERT INTO events VALUES (1, 'a', 1, 'done'), (2, 'b', 2, 'waiting');
INSERT INTO attempts VALUES (1, 1, 10.0), (2, 1, 11.0), (2, 2, 12.0);
"""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Watch, sqlite3.Connection]]:
    """A watch that has looked once, and the store that it looks at."""
    connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    connection.executescript(SCHEMA)
    watch = Watch(tmp_path / "state.db")
    watch.look()
    assert watch.looks == 1
    yield watch, connection
    connection.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM events WHERE key = 'a'", "a is gone"),
        ("UPDATE events SET attempts = 1 WHERE key = 'b'", "b had 2 attempts and has 1"),
        ("UPDATE events SET state = 'waiting' WHERE key = 'a'", "a had ended as done and is waiting again"),
        ("DELETE FROM attempts WHERE event = 1", "attempt 1 of a was there, and is gone or another"),
        ("UPDATE attempts SET started_at = 99 WHERE event = 1", "attempt 1 of a was there, and is gone or another"),
    ],
)
def test_watch_says_so_when_something_is_taken_back(
    watched: tuple[Watch, sqlite3.Connection], change: str, said: str
) -> None:
    """Events and attempts only ever come, and what has ended has ended."""
    watch, connection = watched
    connection.execute(change)
    watch.look()
    assert said in watch.wrong


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET attempts = 3, state = 'working' WHERE key = 'b'",
        "INSERT INTO attempts VALUES (2, 3, 13.0)",
        "UPDATE events SET state = 'dead' WHERE key = 'b'",
        "INSERT INTO events VALUES (3, 'c', 0, 'waiting')",
    ],
)
def test_watch_says_nothing_when_work_goes_on(watched: tuple[Watch, sqlite3.Connection], change: str) -> None:
    """As it does without anything wrong."""
    watch, connection = watched
    connection.execute(change)
    watch.look()
    assert watch.wrong == []


def test_watch_lets_an_operator_try_an_event_again(watched: tuple[Watch, sqlite3.Connection]) -> None:
    """That it has ended is taken back then, and nothing else is."""
    watch, connection = watched
    watch.may_begin_anew.add("a")
    connection.execute("UPDATE events SET state = 'waiting' WHERE key = 'a'")
    watch.look()
    assert watch.wrong == []
