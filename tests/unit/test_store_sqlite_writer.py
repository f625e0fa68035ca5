"""The writer: what it commits together, what it keeps apart, and how much it lets wait."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.protocol import Accepted, Settlement
from badge_bridge.store.records import read_event
from badge_bridge.store.sqlite import SqliteStore, writes
from badge_bridge.store.sqlite.file import unavailable
from badge_bridge.store.sqlite.store import TRIAL_SECONDS
from badge_bridge.store.sqlite.writer import Writer
from badge_bridge.store.wanted import Wanted

EVENT = read_event('{"id":"1","source":"s","provider":"p","type":"t","time":"2026-01-01T00:00:00Z"}')
Work = Callable[[sqlite3.Connection], Any]


def item(number: int) -> Accepted:
    return Accepted(f"s:{number}", EVENT, "bearer", float(number))


def insert(value: Any) -> Work:
    def work(connection: sqlite3.Connection) -> Any:
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        return value

    return work


def carry_out(connection: sqlite3.Connection, works: Sequence[Work]) -> list[Any]:
    return [work(connection) for work in works]


class Database:
    """A small database in a file, and how many connections were made to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = 0
        connection = self.connect()
        connection.execute("CREATE TABLE t (value TEXT NOT NULL UNIQUE)")
        connection.close()
        self.connections = 0

    def connect(self) -> sqlite3.Connection:
        self.connections += 1
        return sqlite3.connect(self.path, isolation_level=None, timeout=0)

    def values(self) -> list[str]:
        connection = self.connect()
        rows = connection.execute("SELECT value FROM t ORDER BY value").fetchall()
        connection.close()
        return [value for (value,) in rows]

    async def writer(self, **limits: Any) -> Writer[Work]:
        writer: Writer[Work] = Writer(
            carry_out=carry_out,
            connect=self.connect,
            unavailable=lambda error: unavailable(error, str(self.path)),
            **limits,
        )
        await writer.open(self.connect)
        return writer


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "t.db")


class Gate:
    """Work that holds the writer until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self.begun.set()
        self.go.wait(30)


async def test_accept_shares_commits_when_many_wait(tmp_path: Path) -> None:
    """What gathered behind a slow commit is committed together, at most 256 at a time."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    gate = Gate()
    held = store._writer.submit(gate)
    await asyncio.to_thread(gate.begun.wait)
    before = store.commits
    waiting = [asyncio.ensure_future(store.accept([item(number)])) for number in range(600)]
    await asyncio.sleep(0)
    gate.go.set()

    assert await asyncio.gather(*waiting) == [[True]] * 600
    await held
    assert store.commits - before == 1 + 3
    await store.close()


async def test_operations_of_one_turn_of_the_loop_share_a_commit_when_the_writer_is_idle(database: Database) -> None:
    """The first of them does not set off alone, which would leave the others to a second commit."""
    writer = await database.writer()
    begun = threading.Event()

    first = writer.submit(lambda _: begun.set())
    assert not begun.wait(0.2)
    await asyncio.gather(first, *(writer.submit(insert(f"v{number}")) for number in range(25)))

    assert writer.commits == 1
    await writer.close()


@pytest.mark.parametrize("events", [1, 2, 3, 25, 256, 257, 300])
async def test_accept_tells_new_from_known_whatever_their_number(tmp_path: Path, events: int) -> None:
    """Rows are repeated to fill a statement, and none of them counts twice."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.accept([item(0)])

    fresh = await store.accept([item(number) for number in range(events)])

    assert fresh == [False] + [True] * (events - 1)
    assert await store.accept([item(number) for number in range(events)]) == [False] * events
    await store.close()


async def test_accept_commits_at_once_when_alone(tmp_path: Path) -> None:
    """Nobody waits for company: operations that follow each other are committed one by one."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()

    for number in range(5):
        await store.accept([item(number)])

    assert store.commits == 5
    await store.close()


async def test_writer_fails_one_when_its_neighbours_can_be_done(database: Database) -> None:
    """An operation that cannot be done is refused alone; the others of its group are written once each."""
    writer = await database.writer()
    gate = Gate()
    held = writer.submit(gate)
    await asyncio.to_thread(gate.begun.wait)
    answers = [writer.submit(insert(value)) for value in ("a", "b", None, "b", "c")]
    gate.go.set()

    results = await asyncio.gather(*answers, return_exceptions=True)
    await held
    await writer.close()

    assert [result for result in results if not isinstance(result, Exception)] == ["a", "b", "c"]
    assert [type(result) for result in results[2:4]] == [sqlite3.IntegrityError, sqlite3.IntegrityError]
    assert database.values() == ["a", "b", "c"]


async def test_writer_fails_all_when_file_is_locked(database: Database) -> None:
    """While another program keeps the file locked every waiting operation is refused, and later ones succeed."""
    writer = await database.writer()
    other = database.connect()
    other.execute("BEGIN IMMEDIATE")
    gate = [writer.submit(insert(value)) for value in ("a", "b", "c")]

    results = await asyncio.gather(*gate, return_exceptions=True)

    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert all("locked" in str(result) for result in results)
    assert len({id(result) for result in results}) == 3
    other.execute("ROLLBACK")
    other.close()
    assert await writer.submit(insert("a")) == "a"
    await writer.close()


async def test_writer_connects_again_when_file_fails(database: Database) -> None:
    """After an input or output error the next operation gets a new connection."""
    writer = await database.writer()

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES ('half')")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
        raise error

    with pytest.raises(StoreUnavailable, match="room"):
        await writer.submit(fail)

    assert await writer.submit(insert("a")) == "a"
    assert database.connections == 2
    await writer.close()
    assert database.values() == ["a"]


async def test_writer_keeps_small_when_only_the_large_one_does_not_fit(database: Database) -> None:
    """On a disk that is almost full an operation that still fits is done though its neighbour is refused."""
    writer = await database.writer()

    def large(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    gate = Gate()
    held = writer.submit(gate)
    await asyncio.to_thread(gate.begun.wait)
    answers = [writer.submit(work) for work in (insert("a"), large, insert("b"))]
    gate.go.set()

    results = await asyncio.gather(*answers, return_exceptions=True)
    await held
    await writer.close()

    assert (results[0], type(results[1]), results[2]) == ("a", StoreUnavailable, "b")


@pytest.mark.parametrize(
    ("limits", "size"), [({"most_waiting": 3}, 1), ({"most_waiting_bytes": 200}, 100)], ids=["operations", "bytes"]
)
async def test_writer_refuses_at_once_when_too_much_waits(
    database: Database, limits: dict[str, int], size: int
) -> None:
    """Beyond its bound the queue refuses instead of growing; when it has drained, it takes work again."""
    writer = await database.writer(**limits)
    gate = Gate()
    answers = [writer.submit(gate, size=size), *(writer.submit(insert(value), size=size) for value in "ab")]

    with pytest.raises(StoreUnavailable, match="too slow"):
        writer.submit(insert("refused"), size=size)

    gate.go.set()
    await asyncio.gather(*answers)
    assert await writer.submit(insert("c"), size=size) == "c"
    await writer.close()
    assert database.values() == ["a", "b", "c"]


async def test_who_waits_is_told_when_the_disk_hangs_and_all_goes_on_when_it_answers(database: Database) -> None:
    """Nobody waits for ever: what is under way counts as unavailable, what comes meanwhile is refused at once."""
    writer = await database.writer(patience=0.1)
    gate = Gate()
    waiting = [writer.submit(gate), writer.submit(insert("a"))]
    for one in waiting:
        with pytest.raises(StoreUnavailable, match=r"has not answered for 0\.1 s"):
            await asyncio.wait_for(one, 30)
    with pytest.raises(StoreUnavailable, match="has not answered"):
        writer.submit(insert("b"))
    gate.go.set()
    async with asyncio.timeout(30):
        while writer.hangs:  # noqa: ASYNC110 - the writer tells nobody
            await asyncio.sleep(0.01)

    assert await writer.submit(insert("c")) == "c"
    await writer.close()
    assert database.values() == ["a", "c"]


async def test_writer_finishes_when_closed_with_work_waiting(database: Database) -> None:
    """Closing carries out what was taken before, and takes nothing more."""
    writer = await database.writer()
    answers = [writer.submit(insert(f"{number:03}")) for number in range(300)]

    await writer.close()

    assert len(await asyncio.gather(*answers)) == 300
    with pytest.raises(StoreUnavailable, match="not open"):
        writer.submit(insert("late"))
    assert len(database.values()) == 300


async def test_writer_goes_on_when_caller_was_cancelled(database: Database) -> None:
    """A caller who gives up takes nobody else with him, and his operation is done at most once."""
    writer = await database.writer()
    gate = Gate()
    held = writer.submit(gate)
    answers = [writer.submit(insert(value)) for value in "abc"]
    answers[1].cancel()
    gate.go.set()

    assert [await answers[0], await answers[2]] == ["a", "c"]
    await held
    await writer.close()
    assert database.values() == ["a", "b", "c"]


async def test_submit_is_refused_when_process_was_forked(database: Database) -> None:
    """A child has no writer thread, so its calls are refused instead of waiting for ever."""
    writer = await database.writer()
    writer._process = -1

    with pytest.raises(StoreUnavailable, match="fork"):
        writer.submit(insert("a"))
    await writer.close()


async def test_claim_is_given_back_when_caller_was_cancelled(tmp_path: Path) -> None:
    """A lease that its caller did not live to see is given back: the event is due at once and has not failed."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([item(1), item(2)])
    gate = Gate()
    held = store._writer.submit(gate)
    claims = [
        asyncio.ensure_future(store.claim("s:1", now=5, lease=1000)),
        asyncio.ensure_future(store.claim_due(now=5, lease=1000, limit=5)),
    ]
    await asyncio.sleep(0)
    for claim in claims:
        claim.cancel()
    await asyncio.wait(claims)
    gate.go.set()
    await held
    # The writer keeps the order: when this is done, the claims have been carried out.
    await store._writer.submit(lambda _: None)
    # What is given back is queued when the answers arrive on the loop, which is within a few turns of the writer.
    for _ in range(100):
        if not (await store.list(Wanted(state="working"))).events:
            break
        await store._writer.submit(lambda _: None)

    again = await store.claim_due(now=5, lease=60, limit=5)

    # The second call found s:1 leased, and took what was left.
    assert [(claim.key, claim.attempt, claim.failures) for claim in again] == [("s:1", 2, 0), ("s:2", 2, 0)]
    assert await store.settle(again[0], Settlement(state="done", ended_at=6))
    stored = await store.get("s:1")
    assert stored is not None
    assert [attempt.result for attempt in stored.history] == ["given back", "done"]
    await store.close()


async def test_accept_is_done_once_when_caller_was_cancelled_and_repeats(tmp_path: Path) -> None:
    """A delivery whose request was cut off is either new or known when it comes again, and there once."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    gate = Gate()
    held = store._writer.submit(gate)
    first = asyncio.ensure_future(store.accept([item(1)]))
    await asyncio.sleep(0)
    first.cancel()
    gate.go.set()
    await held

    assert await store.accept([item(1)]) == [False]
    assert len((await store.list()).events) == 1
    await store.close()


async def test_store_is_unavailable_when_file_stays_locked(tmp_path: Path) -> None:
    """A lock held by another program is an answer within the time that the store may wait, and passes with the lock."""
    store = SqliteStore(tmp_path / "state.db", locked_seconds=0)
    await store.open()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="another program keeps it locked"):
        await store.accept([item(1)])
    with pytest.raises(StoreUnavailable, match="another program keeps it locked"):
        await store.ping()
    assert (await store.list()).events == ()

    other.execute("ROLLBACK")
    other.close()
    await store.ping()
    assert await store.accept([item(1)]) == [True]
    await store.close()


async def test_store_is_unavailable_when_disk_is_full(tmp_path: Path) -> None:
    """A full file refuses with advice, keeps what it has, and takes events again when there is room."""
    store = SqliteStore(tmp_path / "state.db")
    await store.open()

    def room(pages: int) -> Work:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    await store._writer.submit(room(1))  # as small as it is now
    answers = await asyncio.gather(*(store.accept([item(n)]) for n in range(500)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
    assert refused
    assert all("disk is full" in str(answer) for answer in refused)
    assert [answer for answer in answers if answer not in refused] == [[True]] * (500 - len(refused))
    assert len((await store.list(limit=500)).events) == 500 - len(refused)

    await store._writer.submit(room(1_000_000))
    again = await asyncio.gather(*(store.accept([item(n)]) for n in range(500)))
    assert again.count([True]) == len(refused)
    await store.close()


async def test_ping_fails_until_a_write_succeeds_when_one_failed(tmp_path: Path) -> None:
    """After a failed write the store is asked to write each time, and what it wrote for that is gone."""
    store = SqliteStore(tmp_path / "state.db", clock=lambda: 0.0)
    await store.open()

    def room(pages: int) -> Work:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    def trials(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM trial").fetchone()[0])

    await store.ping()

    await store._writer.submit(room(1))
    await store.ping()  # nobody knows yet
    answers = await asyncio.gather(*(store.accept([item(n)]) for n in range(500)), return_exceptions=True)
    assert any(isinstance(answer, StoreUnavailable) for answer in answers)
    for _ in range(2):
        assert await store.claim("unknown", now=0, lease=1) is None  # commits, and writes nothing
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await store.ping()

    await store._writer.submit(room(1_000_000))
    await store.ping()
    assert await store._writer.submit(trials) == 0
    commits = store.commits
    await store.ping()
    assert store.commits == commits
    await store.close()


async def test_ping_tries_to_write_when_nothing_was_written_for_some_time(tmp_path: Path) -> None:
    """A disk that refuses is noticed although nothing arrives; what was written lately is proof enough, and one trial
    is enough for all who ask at the same time.
    """
    now = 0.0
    store = SqliteStore(tmp_path / "state.db", locked_seconds=0, clock=lambda: now)
    await store.open()

    await store.ping()
    tried = store.commits
    assert tried > 0
    await store.accept([item(1)])
    now = TRIAL_SECONDS - 1
    await store.ping()
    assert store.commits == tried + 1

    now = TRIAL_SECONDS
    await asyncio.gather(*(store.ping() for _ in range(20)))
    assert store.commits <= 2 * tried + 1

    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    now += TRIAL_SECONDS
    with pytest.raises(StoreUnavailable, match="keeps it locked"):
        await store.ping()
    other.close()
    await store.close()


async def test_ping_only_reads_when_a_write_succeeded_after_one_failed(tmp_path: Path) -> None:
    """A write that works is proof enough: no trial is needed any more."""
    store = SqliteStore(tmp_path / "state.db", locked_seconds=0)
    await store.open()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.accept([item(1)])
    other.execute("ROLLBACK")
    other.close()

    await store.accept([item(1)])
    commits = store.commits
    await store.ping()

    assert store.commits == commits
    await store.close()


async def test_claim_due_finds_all_in_turn_when_too_many_became_due_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one call does not notice the next one does, and the time of the next work says that there is some."""
    monkeypatch.setattr(writes, "MOST_PROMOTED", 2)
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.accept([item(number) for number in range(5)])
    for claim in await store.claim_due(now=10, lease=60, limit=5):
        await store.settle(claim, Settlement(state="waiting", ended_at=10, due=20))

    found = []
    while await store.next_due(now=15) == 20:
        found.append([claim.key for claim in await store.claim_due(now=20, lease=60, limit=5)])

    assert [len(keys) for keys in found] == [2, 2, 1]
    assert sorted(key for keys in found for key in keys) == [f"s:{number}" for number in range(5)]
    await store.close()
