"""No statement of the SQLite store reads a whole table or sorts what it found, so size does not slow it down."""

from __future__ import annotations

import asyncio
import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.listing import listing
from badge_bridge.store.wanted import Wanted
from bench.console_queries import MIXED
from bench.speed.history import fill

ACCEPT = "INSERT INTO events (key, source, type, verified, received_at, due, event) VALUES (?, ?, ?, ?, ?, ?, ?)"
STATEMENTS = {name: getattr(sql, name) for name in sql.__all__ if name.isupper()}
SAID = {
    "state": "done",
    "source": "reception",
    "type": "call.missed",
    "customer": "+49301234",
    "rule": "r",
    "result": "badged",
    "since": 0.5,
    "until": 4.0,
    "legs": False,
}
ASKED = {"source": "branch", "type": "call.answered", "state": "ignored", "rule": "missed call", "result": "badged"}
"""What enough events of a history are, that a page of each is full."""
FILTERS = [dict(some) for count in range(len(SAID) + 1) for some in itertools.combinations(SAID.items(), count)]


FEW, MANY = 500, 5_000


def _history(folder: Path, events: int) -> sqlite3.Connection:
    path = folder / f"{events}.db"
    asyncio.run(fill(path, events, customers=100))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(MIXED)
    return connection


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, sqlite3.Connection]]:
    """Stores of events of all sorts, which the product has opened, filled and closed, by how many there are."""
    folder = tmp_path_factory.mktemp("histories")
    with closing(_history(folder, FEW)) as few, closing(_history(folder, MANY)) as many:
        yield {FEW: few, MANY: many}


@pytest.fixture
def connection(histories: dict[int, sqlite3.Connection]) -> Iterator[sqlite3.Connection]:
    """A store with a history; what a test writes is gone after it."""
    connection = histories[MANY]
    connection.execute("BEGIN")
    yield connection
    connection.execute("ROLLBACK")


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    values: object = (
        dict.fromkeys(re.findall(r":(\w+)", statement), 1) if ":" in statement else (1,) * statement.count("?")
    )
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()  # type: ignore[arg-type]
    return [row[3] for row in rows]


def test_plan_is_that_of_any_size_when_nothing_was_analysed(connection: sqlite3.Connection) -> None:
    """Without figures of ANALYZE, which the product never makes, SQLite plans for a million rows whatever there is."""
    (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    assert events == MANY
    assert connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'").fetchall() == []


@pytest.mark.parametrize("said", [{}, *({name: value} for name, value in ASKED.items())], ids=str)
def test_page_is_as_much_work_when_the_history_is_ten_times_as_long(
    histories: dict[int, sqlite3.Connection], said: dict[str, Any]
) -> None:
    """Counted in steps of SQLite's machine, which a busy computer does not change."""
    few, many = (_steps(histories[events], Wanted(**said)) for events in (FEW, MANY))
    assert many < 1.5 * few


def _steps(connection: sqlite3.Connection, wanted: Wanted) -> int:
    """How much work the first page is."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 10
        return 0

    connection.set_progress_handler(count, 10)
    try:
        found = listing(connection, wanted, limit=20, before=None)
    finally:
        connection.set_progress_handler(None, 0)
    assert len(found.events) == 20
    return steps


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_statement_uses_index_when_run(connection: sqlite3.Connection, name: str) -> None:
    """Each statement finds its rows by an index; only the handful of lanes, days or sources is gone through."""
    steps = plan(connection, STATEMENTS[name])

    scans = {step for step in steps if step.startswith("SCAN")} - {
        "SCAN CONSTANT ROW",
        "SCAN lanes",
        "SCAN days",
        "SCAN sources",
    }
    if name in {"REMEMBERED_SOURCES", "REMEMBERS"}:  # starts at the first row, and stops there
        scans -= {"SCAN remembered"}
    if name.startswith("LANES_"):  # starts at the first entry of the index, and stops there
        scans = {
            step for step in scans if not re.match(r"SCAN events USING (COVERING )?INDEX events_(ready|later)", step)
        }
    if name.startswith("COUNT_"):  # goes through an index that holds only what is counted
        scans = {
            step
            for step in scans
            if not re.match(r"SCAN events USING (COVERING )?INDEX events_(ready|later|leased)", step)
        }
    assert scans == set()
    assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("READY", "events_ready"),
        ("LANES_READY", "events_ready"),
        ("LANES_LATER", "events_later"),
        ("PROMOTE", "events_later"),
        ("LATER_DUE", "events_later"),
        ("LEASE_ENDS", "events_leased"),
        ("LOST_EVENTS", "events_leased"),
        ("LOST_ATTEMPTS", "events_leased"),
        ("GATE", "events_leased"),
        ("COUNT_WAITING", "events_ready"),
        ("COUNT_WAITING", "events_later"),
        ("COUNT_WORKING", "events_leased"),
        ("COUNT_DEAD", "COVERING INDEX events_by_state (state=?)"),
        ("OLDEST_WAITING", "COVERING INDEX events_by_state (state=?)"),
    ],
)
def test_queue_uses_its_own_index_when_run(connection: sqlite3.Connection, name: str, index: str) -> None:
    """What is asked of the queue is read from the index that holds only that part of it."""
    assert any(index in step for step in plan(connection, STATEMENTS[name]))


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("JOINED", ["joins USING PRIMARY KEY (day=? AND value=? AND time>?)", "events USING INDEX sqlite_autoindex_events_1 (key=?)"]),
        ("RELATED", ["joins USING PRIMARY KEY (day=? AND value=?)", "events USING INDEX sqlite_autoindex_events_1 (key=?)"]),
        ("OPEN_ATTACHMENTS", ["attachments USING INDEX attachments_open (join_value=? AND time<?)"]),
        ("ATTACHMENTS", ["attachments USING INDEX sqlite_autoindex_attachments_1 (key=?)"]),
        ("ON_TOP", ["attachments USING INDEX attachments_on_card (portal=? AND owner_type=? AND owner_id=? AND activity>?)"]),
        ("UNATTACH", ["attachments USING INDEX sqlite_autoindex_attachments_1 (key=? AND rule=?)"]),
        ("CLOSE_ATTACHMENT", ["attachments USING INDEX sqlite_autoindex_attachments_1 (key=? AND rule=?)"]),
    ],
)  # fmt: skip
def test_belonging_is_found_by_its_index_when_asked(
    connection: sqlite3.Connection, name: str, steps: list[str]
) -> None:
    """What belongs to an event or a customer is found where it lies, in the order in which it is given."""
    assert plan(connection, STATEMENTS[name]) == [f"SEARCH {step}" for step in steps]


def test_calls_and_keys_are_looked_up_when_legs_come(connection: sqlite3.Connection) -> None:
    """However many legs are stored, a new one costs a look at its call and at the leg that waits."""
    assert plan(connection, sql.known(4)) == [
        "SEARCH events USING COVERING INDEX sqlite_autoindex_events_1 (key=?)",
    ]
    assert plan(connection, sql.calls(4)) == [
        "SEARCH calls USING PRIMARY KEY (value=?)",
        "SEARCH events USING INDEX sqlite_autoindex_events_1 (key=?) LEFT-JOIN",
    ]


def test_forgetting_is_found_by_its_index_when_its_time_is_over(connection: sqlite3.Connection) -> None:
    """Whether a key is remembered, and what is over, is found without reading what is not."""
    joined = "events USING COVERING INDEX sqlite_autoindex_events_1 (key=?)"
    assert plan(connection, sql.remembered(4)) == ["SEARCH remembered USING PRIMARY KEY (source=? AND hash=?)"]
    assert plan(connection, sql.ENDED_BEFORE) == ["SEARCH events USING INDEX events_ended (settled_at<?)"]
    assert plan(connection, sql.CLOSED_BEFORE)[0] == ("SEARCH attachments USING INDEX attachments_closed (closed_at<?)")
    assert f"SEARCH {joined}" in plan(connection, sql.CLOSED_BEFORE)
    assert plan(connection, sql.JOINS_ON)[0].startswith("SEARCH joins USING PRIMARY KEY")


@pytest.mark.parametrize("said", FILTERS, ids=lambda said: " ".join(said) or "all")
def test_listing_reads_indexes_alone_until_it_has_its_events(
    connection: sqlite3.Connection, said: dict[str, Any]
) -> None:
    """A page of whatever is asked for is found in the page's order, from indexes that have all that is needed."""
    asked: dict[str, None] = {}
    connection.execute(ACCEPT, ("k", "reception", "call.missed", "x", 1.0, 1.0, "{}"))
    connection.execute("UPDATE events SET state = 'done' WHERE key = 'k'")
    connection.execute(sql.REACH, ("r", "badged", 1.0, "k"))
    connection.execute(sql.join(1), (0, "customer\n+49301234", 1.0, "k"))
    connection.set_trace_callback(lambda statement: asked.update({statement: None}))
    found = listing(connection, Wanted(**said), limit=5, before=(5.0, "k"))
    connection.set_trace_callback(None)

    assert [event.key for event in found.events] == ["k"]
    for statement in asked:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.replace('Inf', '9e999')}")]
        for step in [step for step in steps if step.startswith(("SEARCH", "SCAN", "USE"))]:
            assert re.fullmatch(
                "SCAN (CONSTANT ROW|days)|"
                "SEARCH (events USING COVERING INDEX events_by_|(outcomes|joins) USING PRIMARY KEY|"
                "events USING INDEX events_by_state \\(state=\\? AND \\(received_at,key\\)<|"
                "events USING INDEX sqlite_autoindex_events_1 \\(key=).*",
                step,
            )


def test_counts_are_made_of_indexes_alone(connection: sqlite3.Connection) -> None:
    """How many events there are in a stretch of time, and how often a badge was used, without reading one of them."""
    assert plan(connection, sql.COUNT_BETWEEN) == [
        "SEARCH events USING COVERING INDEX events_by_state (state=? AND received_at>? AND received_at<?)"
    ]
    assert plan(connection, sql.DONE_BETWEEN) == plan(connection, sql.COUNT_BETWEEN)
    for statement in (sql.COUNT_REACHED, sql.REACHED_BETWEEN):
        assert plan(connection, statement) == [
            "SEARCH outcomes USING PRIMARY KEY (rule=? AND result=? AND received_at>? AND received_at<?)"
        ]
    assert plan(connection, sql.USES_OF) == [
        "SEARCH attachments USING COVERING INDEX attachments_by_badge (portal=? AND badge=? AND time>?)"
    ]
    assert plan(connection, sql.NEXT_BADGE) == [
        "SEARCH attachments USING COVERING INDEX attachments_by_badge (portal=? AND badge>?)"
    ]
    assert plan(connection, sql.NEXT_PORTAL) == [
        "SEARCH attachments USING COVERING INDEX attachments_by_badge (portal>?)"
    ]
