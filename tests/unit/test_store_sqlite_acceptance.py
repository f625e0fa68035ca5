"""Accepting a group of events in one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from badge_bridge.events import Event
from badge_bridge.store.protocol import Accepted
from badge_bridge.store.sqlite.acceptance import Acceptance, Acceptor
from badge_bridge.store.sqlite.remembered import mark_of, read_key, remember
from support.state_files import state_file


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with state_file(tmp_path) as connection:
        yield connection


@pytest.fixture
def acceptor(connection: sqlite3.Connection) -> Acceptor:
    acceptor = Acceptor()
    acceptor.prepare(connection)
    return acceptor


def acceptance(*keys: str, joins: Sequence[str] = ()) -> Acceptance:
    event = Event(id="1", source="s", provider="generic", type="call.missed", time=datetime.fromtimestamp(5, UTC))
    return Acceptance.of([Accepted(f"s:{key}", event, "hmac", 9.0, joins=tuple(joins)) for key in keys])


def keys(connection: sqlite3.Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT key FROM events ORDER BY id")]


def test_group_is_one_statement_and_committed_by_it(connection: sqlite3.Connection, acceptor: Acceptor) -> None:
    """Nothing opened a transaction, and none is left open; those that were known are told apart all the same."""
    group = [acceptance(f"{number}", joins=("ann", "bob")) for number in range(5)]
    assert acceptor.in_one_statement(group)
    acceptor.accept(connection, group[:3])
    new = acceptor.accept(connection, group)

    assert not connection.in_transaction
    assert new == {"s:3", "s:4"}
    assert keys(connection) == [f"s:{number}" for number in range(5)]
    assert connection.execute("SELECT count(*) FROM joins").fetchone() == (10,)


def test_event_is_found_by_each_join_when_there_are_many(connection: sqlite3.Connection, acceptor: Acceptor) -> None:
    """What does not fit into the statement follows it, and so is no transaction by itself."""
    values = [f"value {number}" for number in range(7)]
    group = [acceptance("a", joins=values), acceptance("b", joins=values[:2])]
    assert not acceptor.in_one_statement(group)
    assert acceptor.accept(connection, group) == {"s:a", "s:b"}
    found = connection.execute("SELECT value FROM joins WHERE key = 's:a' ORDER BY value").fetchall()
    assert [value for (value,) in found] == values


def test_event_is_no_news_when_it_comes_twice_in_a_group(connection: sqlite3.Connection, acceptor: Acceptor) -> None:
    """The first of a key is the one that is new, whether they came in one delivery or in several."""
    group = [acceptance("a", "b", "a"), acceptance("b", joins=["later"])]
    new = acceptor.accept(connection, group)
    assert [one.result(new) for one in group] == [[True, True, False], [False]]
    assert connection.execute("SELECT count(*) FROM joins").fetchone() == (0,)


def test_joins_are_those_of_the_first_when_one_comes_twice_in_a_group(
    connection: sqlite3.Connection, acceptor: Acceptor
) -> None:
    """Also where only the second has more of them than fit into the statement."""
    acceptor.accept(connection, [acceptance("a", joins=["ann"]), acceptance("a", joins=list("bcdefgh"))])
    assert connection.execute("SELECT value FROM joins").fetchall() == [("ann",)]


def test_event_stays_gone_when_something_is_remembered_since(
    connection: sqlite3.Connection, acceptor: Acceptor
) -> None:
    """That the first event ever was forgotten is noticed by the next statement, which is then made anew."""
    assert acceptor.accept(connection, [acceptance("a")]) == {"s:a"}
    connection.execute("DELETE FROM events")
    remember(connection, [mark_of(read_key(connection), "s:a")])
    assert acceptor.accept(connection, [acceptance("a", "b")]) == {"s:b"}
    assert acceptor.accept(connection, [acceptance("c", "a")]) == {"s:c"}
    assert keys(connection) == ["s:b", "s:c"]
