"""A page of the SQLite store ends early rather than late, and the next one goes on where it has ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from badge_bridge.store.protocol import Listing
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.listing import listing
from badge_bridge.store.sqlite.rows import day_of
from badge_bridge.store.wanted import Wanted
from support.state_files import state_file

ACCEPT = "INSERT INTO events (key, source, type, verified, received_at, due, event) VALUES (?, ?, ?, ?, ?, ?, ?)"
NOW = 1_000_000.0
ANN = "+4930111"
DAY = 86_400.0


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with state_file(tmp_path) as connection:
        yield connection


def put(connection: sqlite3.Connection, number: int, *, received: float, happened: float | None = None) -> None:
    """One event of Ann's; from source `a` where its number is even, and done where it is odd."""
    key, time = f"s:{number:03}", received if happened is None else happened
    connection.execute(ACCEPT, (key, "ab"[number % 2], "t", "x", received, received, "{}"))
    connection.execute(sql.join(1), (day_of(time), f"customer\n{ANN}", time, key))
    connection.execute("UPDATE events SET state = ? WHERE key = ?", (("waiting", "done")[number % 2], key))


def pages(connection: sqlite3.Connection, wanted: Wanted, *, limit: int, most: int) -> list[Listing]:
    found = [listing(connection, wanted, limit, None, most=most)]
    for _ in range(200):
        if found[-1].more is None:
            return found
        found.append(listing(connection, wanted, limit, found[-1].more, most=most))
    raise AssertionError("there is no end of pages")


def keys(found: list[Listing]) -> list[str]:
    return [event.key for page in found for event in page.events]


def test_page_ends_when_enough_was_looked_at_in_vain(connection: sqlite3.Connection) -> None:
    """It says how far back it has looked; one that is full, or the last one, says nothing."""
    for number in range(100):
        put(connection, number, received=NOW + number)
    connection.execute("UPDATE events SET source = 'a' WHERE key = 's:005'")

    found = pages(connection, Wanted(state="done", source="a"), limit=10, most=30)

    assert keys(found) == ["s:005"]
    assert [page.reached for page in found] == [NOW + 70, NOW + 40, NOW + 10, None]
    assert [page.more and page.more[0] for page in found] == [page.reached for page in found]
    full = listing(connection, Wanted(state="done"), 10, None, most=30)
    assert (len(full.events), full.reached, full.more) == (10, None, (NOW + 81, "s:081"))


def test_customer_with_many_events_is_read_in_parts(connection: sqlite3.Connection) -> None:
    """Each event of his is on one page, in order, also where the parts meet within a day."""
    for number in range(40):
        put(connection, number, received=NOW + number * DAY / 4, happened=NOW + number * DAY / 4 - number % 3 * 9000)

    for limit in (1, 4, 50):
        found = pages(connection, Wanted(customer=ANN), limit=limit, most=9)
        assert keys(found) == [f"s:{number:03}" for number in reversed(range(40))]
    assert all(page.reached is not None for page in found[:-1])
    since = pages(connection, Wanted(customer=ANN, since=NOW + 9.5 * DAY), limit=50, most=9)
    assert [keys([page]) for page in since] == [["s:039", "s:038"]]


def test_pages_of_a_customer_end_when_all_his_events_are_of_one_moment(connection: sqlite3.Connection) -> None:
    """However many those are."""
    for number in range(30):
        put(connection, number, received=NOW)

    found = pages(connection, Wanted(customer=ANN), limit=5, most=9)

    assert keys(found) == [f"s:{number:03}" for number in reversed(range(30))]


def test_customers_late_event_is_found_when_he_has_no_more_than_is_looked_at(connection: sqlite3.Connection) -> None:
    """What happened long before it was received, or after, is where it was received."""
    put(connection, 1, received=NOW)
    put(connection, 2, received=NOW + 1, happened=NOW - 400 * DAY)
    put(connection, 3, received=NOW + 2, happened=NOW + 3 * DAY)
    put(connection, 4, received=NOW + 3)

    assert keys(pages(connection, Wanted(customer=ANN), limit=1, most=4)) == ["s:004", "s:003", "s:002", "s:001"]
