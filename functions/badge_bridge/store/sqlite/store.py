"""The store in one SQLite file: durable, safe to kill at any moment, shared by several processes if need be."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.census import Census
from badge_bridge.store.dealing import Dealer
from badge_bridge.store.forgetting import Forgotten, Remains, Trace
from badge_bridge.store.leases import SetAside, hand_out
from badge_bridge.store.protocol import (
    Accepted,
    Attachment,
    Claim,
    Judged,
    LegsRead,
    Listing,
    Note,
    Pause,
    Redrive,
    Settlement,
    StoredEvent,
)
from badge_bridge.store.records import plain, plain_attachment
from badge_bridge.store.sqlite import ledger, listing, reads, remembered, shared, writes
from badge_bridge.store.sqlite.acceptance import Acceptance, Acceptor
from badge_bridge.store.sqlite.checkpoints import Checkpoints
from badge_bridge.store.sqlite.condition import Condition
from badge_bridge.store.sqlite.file import LOCKED_SECONDS, StateFile
from badge_bridge.store.sqlite.forgetting import Forgetter
from badge_bridge.store.sqlite.page_check import PageCheck, StartCheck
from badge_bridge.store.sqlite.read_only import read_only
from badge_bridge.store.sqlite.reader import Reader
from badge_bridge.store.sqlite.remains import remains
from badge_bridge.store.sqlite.restore import read_mark
from badge_bridge.store.sqlite.schema import check_current, is_older
from badge_bridge.store.sqlite.searching import search
from badge_bridge.store.sqlite.writer import Writer
from badge_bridge.store.wanted import Place, Tally, Uses, Wanted

__all__ = ["TRIAL_SECONDS", "SqliteStore"]

TRIAL_SECONDS = 30.0
"""How long a write that worked is taken for a sign that another one would."""

T = TypeVar("T")


_Taken = Sequence[Claim | SetAside]
_Work = Acceptance | Callable[[sqlite3.Connection], Any]


class SqliteStore:
    """A `Store` in one SQLite file.

    Writes go through one thread that commits in groups (`Writer`), reads through another with a connection of its own,
    so the event loop never waits for the disk, and a third moves what was committed from the log to the file
    (`Checkpoints`). Nothing is opened before `open`, which belongs into the process and event loop that use the store.

    A cancelled call may have been carried out or not; either way nothing is left half-done, and a lease that its
    caller did not live to see is given back.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(16),
        locked_seconds: float = LOCKED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Two names for one file must not mean two locks.
        self.path = os.path.realpath(path)
        self._new_token = new_token
        self._dealer = Dealer()  # of the writer's thread
        self._file = StateFile(self.path, locked_seconds=locked_seconds, clock=clock)
        self._condition = Condition(self.path, clock, damaged=self._file.doubt)
        self._start_check = StartCheck(self._file, self._condition)
        self._checkpoints = Checkpoints(self._file, self._condition)
        self._acceptor = Acceptor()  # of the writer's thread, as all that is handed to it
        self._writer: Writer[_Work] = Writer(
            carry_out=self._carry_out,
            in_one_statement=self._in_one_statement,
            connect=self._connect,
            unavailable=self._condition.unavailable,
            before_commit=self._file.look_again,
            committed=self._committed,
        )
        self._reader: Reader | None = None
        self._secret = b""
        """Of the hashes that are remembered; known once the file is open."""
        self._forgetter: Forgetter | None = None
        self._clock = clock
        self._wrote_at = float("-inf")
        """When something was last written, by the clock."""
        self.restored_at: float | None = None

    @property
    def commits(self) -> int:
        """Transactions committed since the store was opened, to see how many operations each one carried."""
        return self._writer.commits

    def exists(self) -> bool:
        """Whether the file is there. `open` would make it."""
        return Path(self.path).exists()

    def is_in_use(self) -> bool:
        """As `StateFile.is_in_use`."""
        return self._file.is_in_use()

    def is_older(self) -> bool:
        """Whether `open` would bring the file to a newer schema, which an older process at work on it is spared."""
        return is_older(self.path)

    async def open(self) -> None:
        if self._reader is not None:
            return
        self._condition.forget()
        try:
            await self._writer.open(self._prepare)
        except BaseException:
            self._file.close()
            raise
        self._reader = Reader(partial(self._file.connect, read_only=True), self._condition.unavailable)
        self._forgetter = Forgetter(self._read, self._write, self._secret)
        self._checkpoints.open()
        self._start_check.open()

    async def open_to_read(self) -> None:
        """Open it for reading alone, which needs no room on its disk and no right to write; writing raises.

        Raises:
            StoreUnavailable: it cannot be read either, or is of another version.
        """
        self._reader = Reader(partial(read_only, self.path), self._condition.unavailable)
        try:
            await self._read(lambda connection: check_current(connection, self.path))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.shield(asyncio.to_thread(self._start_check.close))
            await reader.close()
            await self._writer.close()
            await asyncio.shield(asyncio.to_thread(self._checkpoints.close))
            self._file.close()

    async def ping(self) -> None:
        self._condition.look()
        if self._writer.hangs:
            raise StoreUnavailable(self._writer.hangs)
        await self._read(self._ping)
        now = self._clock()
        if self._writer.failing or now - self._wrote_at >= TRIAL_SECONDS:
            self._wrote_at = now  # one trial is enough for all who ask meanwhile
            # Two transactions: what is deleted before its commit is never written.
            await self._write(writes.trial)
            await self._write(writes.clear_trial)

    async def examine(self, *, seconds: float) -> bool:
        """Read every page of it once, for so many seconds at most; whether that was time enough.

        Raises:
            StoreUnavailable: it is damaged, or cannot be read.
        """
        check = PageCheck(lambda: self._file.connect(read_only=True))
        timer = asyncio.get_running_loop().call_later(seconds, check.stop)
        if seconds <= 0:  # a small file would be through before the timer
            check.stop()
        try:
            found = await asyncio.to_thread(check.run)
        except (sqlite3.Error, OSError) as error:
            raise self._condition.unavailable(error) or error from error
        finally:
            timer.cancel()
            check.stop()  # its caller may have been cancelled
        if found:
            raise self._condition.found(found)
        return found is not None

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        if not batch:
            return []
        work = Acceptance.of(batch)
        with self._condition.trying("accept"):
            results: list[bool] = await self._writer.submit(work, size=work.size)
        return results

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        key, token = plain(key), self._new_token()
        claims = await self._lease(lambda connection: writes.claim(connection, key, now, lease, token))
        return claims[0] if claims else None

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        if limit < 1:
            return []
        return await self._lease(
            lambda connection: writes.claim_due(
                connection, now, lease, limit, new_token=self._new_token, dealer=self._dealer
            )
        )

    async def next_due(self, *, now: float) -> float | None:
        return await self._read(lambda connection: reads.next_due(connection, now))

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        values = writes.settlement_values(claim.key, claim.token, claim.attempt, settlement)
        with self._condition.trying("settle"):
            return await self._write(lambda connection: writes.settle_claim(connection, claim, settlement, values))

    async def judge(self, accepted: Accepted, *, revision: int, legs: LegsRead, now: float) -> Judged:
        work = Acceptance.of([accepted])
        return await self._write(
            lambda connection: writes.judge(connection, self._acceptor, work, revision=revision, legs=legs, now=now)
        )

    async def related(self, join: str, *, limit: int) -> list[StoredEvent]:
        return await self._read(lambda connection: reads.related(connection, plain(join), limit))

    async def give_back(self, claim: Claim) -> bool:
        return await self._write(lambda connection: writes.give_back(connection, claim))

    async def get(self, key: str) -> StoredEvent | None:
        return await self._read(lambda connection: reads.find(connection, plain(key)))

    async def keys(self, beginning: str, *, limit: int) -> Sequence[str]:
        return await self._read(lambda connection: reads.keys(connection, plain(beginning), limit))

    async def redrive(self, key: str, *, now: float, rules: str = "", by: str = "") -> bool:
        redriven = Redrive(now, by, rules)
        return await self._write(lambda connection: writes.redrive(connection, plain(key), redriven))

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause:
        return await self._write(lambda connection: writes.pause(connection, plain(lane), until, plain(reason)))

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        wanted = [plain(lane) for lane in lanes]
        return await self._read(lambda connection: reads.paused(connection, wanted))

    async def backlog(self) -> Backlog:
        return await self._read(reads.backlog)

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        return await self._write(lambda connection: writes.probe(connection, plain(lane), now, hold))

    async def shorten(self, lane: str, *, until: float) -> bool:
        return await self._write(lambda connection: writes.shorten(connection, plain(lane), until))

    async def resume(self, lane: str) -> bool:
        return await self._write(lambda connection: writes.resume(connection, plain(lane)))

    async def joined(self, join: str, *, after: float, limit: int = 100) -> list[tuple[str, Event]]:
        return await self._read(lambda connection: reads.joined(connection, plain(join), after, limit))

    async def attach(self, attachment: Attachment, *, claim: Claim | None = None) -> bool:
        row = plain_attachment(attachment)
        mark = remembered.mark_of(self._secret, row.key)
        return await self._write(lambda connection: ledger.attach(connection, row, mark, claim))

    async def unattach(self, key: str, rule: str, *, claim: Claim | None = None) -> bool:
        return await self._write(lambda connection: ledger.unattach(connection, plain(key), plain(rule), claim))

    async def attachments(self, key: str) -> list[Attachment]:
        return await self._read(lambda connection: ledger.attachments(connection, plain(key)))

    async def open_attachments(self, join: str, *, before: float | None = None) -> list[Attachment]:
        return await self._read(lambda connection: ledger.open_attachments(connection, plain(join), before))

    async def on_top(self, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
        return await self._read(lambda connection: ledger.on_top(connection, plain(portal), owner_type, owner_id))

    async def close_attachment(self, key: str, rule: str, *, now: float, activity: int | None = None) -> bool:
        key, rule = plain(key), plain(rule)
        return await self._write(
            lambda connection: ledger.close_attachment(connection, key, rule, now=now, activity=activity)
        )

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        return await self._write(lambda connection: shared.draw(connection, plain(bucket), now, rate, burst))

    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        return await self._read(lambda connection: shared.level(connection, plain(bucket), now, rate, burst))

    async def note(self, name: str) -> Note | None:
        return await self._read(lambda connection: shared.note(connection, plain(name)))

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        return await self._write(lambda connection: shared.write_note(connection, plain(name), plain(text), version))

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        return await self._write(lambda connection: shared.hold(connection, plain(name), plain(holder), now, seconds))

    async def let_go(self, name: str, *, holder: str) -> bool:
        return await self._write(lambda connection: shared.let_go(connection, plain(name), plain(holder)))

    async def forget(self, *, before: float, limit: int) -> Forgotten:
        return await self._forgetting().forget(before, limit)

    async def remembered(self) -> Sequence[str]:
        return await self._read(remembered.sources)

    async def drop(self, source: str, *, limit: int) -> int:
        return await self._write(lambda connection: remembered.drop(connection, source, limit))

    async def search(self, matches: Callable[[str], bool]) -> Sequence[Trace]:
        return await search(self._read, matches)

    async def erase(self, traces: Collection[Trace]) -> None:
        await self._forgetting().erase(traces)

    async def remains(self, matches: Callable[[bytes], int | None]) -> Sequence[Remains]:
        self._forgetting()
        try:
            return await asyncio.to_thread(remains, self._file, matches)
        except (sqlite3.Error, OSError) as error:
            raise self._condition.unavailable(error) or error from error

    def _connect(self) -> sqlite3.Connection:
        connection = self._file.connect()
        self._acceptor.prepare(connection)
        return connection

    def _carry_out(self, connection: sqlite3.Connection, works: Sequence[_Work]) -> list[Any]:
        """All work of one group, its events first: nobody has been answered yet, so any order is a true one."""
        new = self._acceptor.accept(connection, [work for work in works if isinstance(work, Acceptance)])
        return [work.result(new) if isinstance(work, Acceptance) else work(connection) for work in works]

    def _in_one_statement(self, works: Sequence[_Work]) -> bool:
        events = [work for work in works if isinstance(work, Acceptance)]
        return len(events) == len(works) and self._acceptor.in_one_statement(events)

    def _committed(self, rows: int) -> None:
        """Of the writer's thread."""
        self._wrote_at = self._clock()
        self._checkpoints.committed(rows)

    def _forgetting(self) -> Forgetter:
        if self._reader is None or self._forgetter is None:
            raise StoreUnavailable("the store is not open")
        return self._forgetter

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._writer.submit(work)
        return result

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise StoreUnavailable("the store is not open")
        return await self._reader.read(work)

    async def _lease(self, work: Callable[[sqlite3.Connection], _Taken]) -> list[Claim]:
        answer: asyncio.Future[_Taken] = self._writer.submit(work)
        try:
            # Shielded, so that the answer comes even if nobody is there for it, and says what to give back.
            with self._condition.trying("claim"):
                taken = await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(self._nobody_took)
            raise
        return hand_out(taken)

    def _nobody_took(self, answer: asyncio.Future[_Taken]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            return
        claims = hand_out(answer.result())
        if not claims:
            return
        try:
            given_back = self._writer.submit(
                lambda connection: [writes.give_back(connection, claim) for claim in claims]
            )
        except StoreUnavailable:
            return  # closed; the leases end by themselves
        given_back.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _ping(self, connection: sqlite3.Connection) -> None:
        self._file.look()
        reads.ping(connection)

    def _prepare(self) -> sqlite3.Connection:
        try:
            return self._begin()
        except (sqlite3.Error, OSError) as error:
            raise self._condition.unavailable(error, opening=True) or error from error

    def _begin(self) -> sqlite3.Connection:
        connection, alone = self._file.open()
        try:
            if alone:
                connection.execute("BEGIN IMMEDIATE")
                writes.take_back(connection, float("inf"))
                shared.let_all_go(connection)
                connection.execute("COMMIT")
            self._acceptor.prepare(connection)
            self._secret = remembered.read_key(connection)
            self.restored_at = read_mark(connection)
            self._file.opened()
        except BaseException:
            connection.close()
            raise
        return connection

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        return await self._read(lambda connection: listing.tally(connection, since, until, width))

    async def census(self, *, since: float, until: float) -> Census:
        return await self._read(lambda connection: listing.census(connection, since, until))

    async def ended(self, *, since: float, limit: int) -> Sequence[StoredEvent]:
        return await self._read(lambda connection: listing.ended(connection, since, limit))

    async def uses(self, *, since: float) -> Sequence[Uses]:
        return await self._read(lambda connection: listing.uses(connection, since))

    # Last, because from here on `list` means this method to a type checker.
    async def list(self, wanted: Wanted = Wanted(), *, limit: int = 50, before: Place | None = None) -> Listing:  # noqa: B008 - it is frozen
        return await self._read(lambda connection: listing.listing(connection, wanted, limit, before))
