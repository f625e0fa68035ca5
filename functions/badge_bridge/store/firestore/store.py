"""`FirestoreStore`: the inbox over REST, all else by the official client, which is loaded when it is first needed."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.gcp.addresses import api_at
from badge_bridge.gcp.rest import GoogleApi
from badge_bridge.gcp.tokens import access_tokens
from badge_bridge.store import transitions
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.census import Census
from badge_bridge.store.firestore.inbox import Inbox
from badge_bridge.store.forgetting import Forgotten, Remains, Trace
from badge_bridge.store.protocol import (
    Accepted,
    Attachment,
    Claim,
    Judged,
    LegsRead,
    Listing,
    Note,
    Pause,
    Settlement,
    StoredEvent,
)
from badge_bridge.store.records import plain
from badge_bridge.store.wanted import Place, Tally, Uses, Wanted

if TYPE_CHECKING:
    from badge_bridge.store.firestore.counting import Counting
    from badge_bridge.store.firestore.database import Database
    from badge_bridge.store.firestore.forgetting import Forgetting
    from badge_bridge.store.firestore.judging import Judging
    from badge_bridge.store.firestore.lanes import Lanes
    from badge_bridge.store.firestore.ledger import Ledger
    from badge_bridge.store.firestore.listing import Lists
    from badge_bridge.store.firestore.queue import Queue
    from badge_bridge.store.firestore.reading import Reading
    from badge_bridge.store.firestore.rows import Rows
    from badge_bridge.store.firestore.searching import Searching
    from badge_bridge.store.firestore.shared import Shared

__all__ = ["FirestoreStore"]

_ADDRESS = "https://firestore.googleapis.com"


class FirestoreStore:
    """A `Store` in a Firestore database in native mode.

    FIRESTORE_EMULATOR_HOST is honoured, as by all of Google's clients. Other processes may have the same database
    open, so opening it takes back nothing: what a process that died had leased is claimable when the lease is over.
    """

    restored_at: float | None = None
    """Google restores databases without telling us."""

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(16),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.project = project
        self.database = database
        self._new_token = new_token
        self._clock = clock
        self._api: GoogleApi | None = None
        self._inbox_or_none: Inbox | None = None
        self._desk: _Desk | None = None
        self._loading = asyncio.Lock()
        self._write_failed = False

    async def open(self) -> None:
        """Make ready, without asking Firestore anything: the first delivery to a new process does not wait for that."""
        if self._inbox_or_none is not None:
            return
        # The official client reads the same variable, and wants it without http://.
        self._api = api_at(
            _ADDRESS,
            emulator="FIRESTORE_EMULATOR_HOST",
            environ=os.environ,
            tokens=access_tokens(),
            of_emulator=_owner,
        )
        self._inbox_or_none = Inbox(
            self._api,
            f"projects/{self.project}/databases/{self.database}",
            new_token=lambda: secrets.token_hex(16),
        )

    async def close(self) -> None:
        api, desk = self._api, self._desk
        self._api = self._inbox_or_none = self._desk = None
        if api is not None:
            await api.close()
        if desk is not None:
            await desk.database.close()

    async def ping(self) -> None:
        database = self._desk.database if self._desk else None
        await self._inbox.ping(write=self._write_failed or bool(database and database.has_failed))
        self._write_failed = False
        if database is not None:
            database.has_failed = False

    @property
    def _inbox(self) -> Inbox:
        if self._inbox_or_none is None:
            raise StoreUnavailable("the store in Firestore is not open: await open() first")
        return self._inbox_or_none

    async def _loaded(self) -> _Desk:
        """The parts that use the official client. It takes 0.4 s to import and may look for credentials in the network:
        not in the event loop, which serves.
        """
        _ = self._inbox
        async with self._loading:
            if self._desk is None:
                desk = asyncio.to_thread(_open_desk, self.project, self.database, self._new_token, self._clock)
                self._desk = await desk
            return self._desk

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        try:
            return await self._inbox.accept(batch)
        except StoreUnavailable:
            self._write_failed = True
            raise

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        return await (await self._loaded()).queue.claim(key, now=now, lease=lease)

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        return await (await self._loaded()).queue.claim_due(now=now, lease=lease, limit=limit)

    async def next_due(self, *, now: float) -> float | None:
        return await (await self._loaded()).queue.next_due(now=now)

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        return await (await self._loaded()).queue.settle(claim, settlement)

    async def judge(self, accepted: Accepted, *, revision: int, legs: LegsRead, now: float) -> Judged:
        return await (await self._loaded()).judging.judge(accepted, revision=revision, legs=legs, now=now)

    async def related(self, join: str, *, limit: int) -> list[StoredEvent]:
        return await (await self._loaded()).reading.related(join, limit=limit)

    async def give_back(self, claim: Claim) -> bool:
        return await (await self._loaded()).queue.give_back(claim)

    async def get(self, key: str) -> StoredEvent | None:
        return await (await self._loaded()).reading.get(key)

    async def keys(self, beginning: str, *, limit: int) -> Sequence[str]:
        return await (await self._loaded()).reading.keys(beginning, limit=limit)

    async def redrive(self, key: str, *, now: float, rules: str = "", by: str = "") -> bool:
        rows = (await self._loaded()).rows
        return await rows.change(plain(key), lambda row: transitions.redrive(row, now, rules, by))

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause:
        return await (await self._loaded()).lanes.pause(lane, until=until, reason=reason)

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        return await (await self._loaded()).lanes.paused(lanes)

    async def backlog(self) -> Backlog:
        """As of a minute ago at most. The oldest is that of the events that are due; if none is,
        of those that will be.
        """
        return await (await self._loaded()).counting.backlog()

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        return await (await self._loaded()).lanes.probe(lane, now=now, hold=hold)

    async def shorten(self, lane: str, *, until: float) -> bool:
        return await (await self._loaded()).lanes.shorten(lane, until=until)

    async def resume(self, lane: str) -> bool:
        return await (await self._loaded()).lanes.resume(lane)

    async def joined(self, join: str, *, after: float, limit: int = 100) -> list[tuple[str, Event]]:
        return await (await self._loaded()).reading.joined(join, after=after, limit=limit)

    async def attach(self, attachment: Attachment, *, claim: Claim | None = None) -> bool:
        return await (await self._loaded()).ledger.attach(attachment, claim)

    async def unattach(self, key: str, rule: str, *, claim: Claim | None = None) -> bool:
        return await (await self._loaded()).ledger.unattach(key, rule, claim)

    async def attachments(self, key: str) -> list[Attachment]:
        return await (await self._loaded()).ledger.attachments(key)

    async def open_attachments(self, join: str, *, before: float | None = None) -> list[Attachment]:
        return await (await self._loaded()).ledger.open_attachments(join, before=before)

    async def on_top(self, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
        return await (await self._loaded()).ledger.on_top(portal, owner_type, owner_id)

    async def close_attachment(self, key: str, rule: str, *, now: float, activity: int | None = None) -> bool:
        return await (await self._loaded()).ledger.close_attachment(key, rule, now=now, activity=activity)

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        return await (await self._loaded()).shared.draw(bucket, now=now, rate=rate, burst=burst)

    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        return await (await self._loaded()).shared.level(bucket, now=now, rate=rate, burst=burst)

    async def note(self, name: str) -> Note | None:
        return await self._inbox.note(name)

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        return await (await self._loaded()).shared.write_note(name, text, version=version)

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        return await (await self._loaded()).shared.hold(name, holder=holder, now=now, seconds=seconds)

    async def let_go(self, name: str, *, holder: str) -> bool:
        return await (await self._loaded()).shared.let_go(name, holder=holder)

    async def forget(self, *, before: float, limit: int) -> Forgotten:
        return await (await self._loaded()).forgetting.forget(before=before, limit=limit)

    async def remembered(self) -> Sequence[str]:
        return await (await self._loaded()).forgetting.remembered()

    async def drop(self, source: str, *, limit: int) -> int:
        return await (await self._loaded()).forgetting.drop(source, limit=limit)

    async def search(self, matches: Callable[[str], bool]) -> Sequence[Trace]:
        return await (await self._loaded()).searching.search(matches)

    async def erase(self, traces: Collection[Trace]) -> None:
        await (await self._loaded()).forgetting.erase(traces)

    async def remains(self, matches: Callable[[bytes], int | None]) -> Sequence[Remains]:  # noqa: ARG002 - no file is ours
        _ = self._inbox
        return ()

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        return await (await self._loaded()).listing.tally(since=since, until=until, width=width)

    async def census(self, *, since: float, until: float) -> Census:
        return await (await self._loaded()).listing.census(since=since, until=until)

    async def ended(self, *, since: float, limit: int) -> Sequence[StoredEvent]:
        return await (await self._loaded()).listing.ended(since=since, limit=limit)

    async def uses(self, *, since: float) -> Sequence[Uses]:
        return await (await self._loaded()).ledger.uses(since=since)

    # Last, because from here on `list` means this method to a type checker.
    async def list(self, wanted: Wanted = Wanted(), *, limit: int = 50, before: Place | None = None) -> Listing:  # noqa: B008 - it is frozen
        return await (await self._loaded()).listing.list(wanted, limit=limit, before=before)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What works with the official client."""

    database: Database
    rows: Rows
    lanes: Lanes
    queue: Queue
    judging: Judging
    reading: Reading
    counting: Counting
    listing: Lists
    ledger: Ledger
    forgetting: Forgetting
    searching: Searching
    shared: Shared


async def _owner(_rejected: str) -> str:
    """The word by which an emulator knows who may do everything."""
    return "owner"


def _open_desk(project: str, name: str, new_token: Callable[[], str], clock: Callable[[], float]) -> _Desk:
    from badge_bridge.store.firestore.counting import Counting  # noqa: PLC0415 - see `_loaded`
    from badge_bridge.store.firestore.database import Database  # noqa: PLC0415
    from badge_bridge.store.firestore.forgetting import Forgetting  # noqa: PLC0415
    from badge_bridge.store.firestore.judging import Judging  # noqa: PLC0415
    from badge_bridge.store.firestore.lanes import Lanes  # noqa: PLC0415
    from badge_bridge.store.firestore.ledger import Ledger  # noqa: PLC0415
    from badge_bridge.store.firestore.listing import Lists  # noqa: PLC0415
    from badge_bridge.store.firestore.queue import Queue  # noqa: PLC0415
    from badge_bridge.store.firestore.reading import Reading  # noqa: PLC0415
    from badge_bridge.store.firestore.rows import Rows  # noqa: PLC0415
    from badge_bridge.store.firestore.searching import Searching  # noqa: PLC0415
    from badge_bridge.store.firestore.shared import Shared  # noqa: PLC0415

    database = Database(project, name)
    rows, lanes = Rows(database), Lanes(database)
    reading = Reading(database, rows)
    return _Desk(
        database=database,
        rows=rows,
        lanes=lanes,
        queue=Queue(database, rows, lanes, new_token),
        judging=Judging(database, rows),
        reading=reading,
        counting=Counting(database, lanes, clock),
        listing=Lists(database, reading),
        ledger=Ledger(database),
        forgetting=Forgetting(database, rows, lanes),
        searching=Searching(database),
        shared=Shared(database),
    )
