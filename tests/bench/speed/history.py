"""A store with a long history: events that have ended, each with all that is kept of it.

The first of them go through the store as the bridge's do: accepted, leased, their badges put on cards and taken off,
settled. All rows of those are then copied inside the file, under keys of their own and with earlier times, so that
whatever columns and indexes the schema has are filled as the store fills them.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from badge_bridge.events import Event, event_key
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.protocol import Accepted, Attachment, Claim, Settlement
from badge_bridge.store.sqlite import SqliteStore

__all__ = ["CUSTOMERS", "DAY", "fill", "missed_call", "settle_all", "work_off"]

CUSTOMERS = 20_000
"""Of a company; each calls again and again."""
LEASED = 256
"""Events that are worked on side by side, as by `serve`."""

_A_DAY = 1_000
"""Calls that are missed in a day, so that a million take some years."""
DAY = 86_400.0
"""Seconds."""
_LAYOUT = '{"fields": {"completed": false}, "layout": {"header": {"title": "Missed call"}, "body": {}}}'
_ASKED = tuple(
    Exchange(method=method, answer="ok", milliseconds=51.5)
    for method in ("crm.duplicate.findbycomm", "crm.item.list", "crm.activity.configurable.add")
)
_KEEPS_NO_EVENTS = frozenset({"buckets", "holds", "notes", "pauses", "stamp", "trial"})


def missed_call(customer: int, *, now: float) -> Accepted:
    """A call that nobody has reported before, as the bridge hands it to the store."""
    caller = f"+4930{23_000_000 + customer}"
    event = Event(
        id=secrets.token_hex(12),
        source="reception",
        provider="generic",
        type="call.missed",
        time=datetime.fromtimestamp(now, UTC),
        subject=caller,
        direction="inbound",
        outcome="missed",
        caller=caller,
        callee="+4930901820",
        data={f"field{number}": f"value {number} of what the provider sends" for number in range(8)},
    )
    key = event_key(event.source, [event.id])
    return Accepted(key, event, "hmac-sha256 over id, time and body", now, joins=(f"customer\n{caller}",))


async def work_off(store: SqliteStore, *, now: float, badges: bool = False, most: int = sys.maxsize) -> int:
    """Lease what is due, and settle it as done, as many events side by side as `serve` does; how many there were.

    With `badges`, each event's is put on a card before. It ends once there were `most`, or a few more.
    """
    done = 0
    while done < most and (claims := await store.claim_due(now=now, lease=90.0, limit=LEASED)):
        done += await settle_all(store, claims, now=now, badges=badges)
    return done


async def settle_all(store: SqliteStore, claims: Sequence[Claim], *, now: float, badges: bool = False) -> int:
    """Settle what is leased as done, all side by side; how many there were."""
    settled = await asyncio.gather(*(_settle(store, claim, now, badges=badges) for claim in claims))
    assert all(settled), "nobody else has leased them"
    return len(settled)


async def _settle(store: SqliteStore, claim: Claim, now: float, *, badges: bool) -> bool:
    if badges:
        await _badge(store, claim, now)
    outcome = Outcome(rule="missed call", result="badged", badge="bb_missedCall", portal="main", owner="deal 41")
    return await store.settle(
        claim, Settlement("done", ended_at=now, outcomes=(outcome,), asked=_ASKED, rules_hash="9f86d081884c7d65")
    )


async def _badge(store: SqliteStore, claim: Claim, now: float) -> None:
    """Put the badge on a card, and take fifteen of sixteen off again."""
    put = Attachment(
        key=claim.key, rule="missed call", portal="main", badge="bb_missedCall", owner_type=2, owner_id=41,
        time=claim.event.time.timestamp(), join=f"customer\n{claim.event.customer}", content=_LAYOUT, sent_at=now,
    )  # fmt: skip
    await store.attach(put)
    await store.attach(replace(put, activity=7))
    if claim.event.id[-1] != "0":
        await store.close_attachment(claim.key, "missed call", now=now)


async def fill(path: Path, events: int, *, customers: int = CUSTOMERS) -> None:
    """Make a store with so many events, a multiple of the customers or fewer than these.

    Raises:
        AssertionError: the schema has a table that is not filled; name it here.
    """
    first = min(events, customers)
    copies, rest = divmod(events, first)
    assert not rest, f"{events} is no multiple of {first}"
    now = time.time()
    store = SqliteStore(path)
    await store.open()
    await store.accept([missed_call(number, now=now - number // _A_DAY * DAY) for number in range(first)])
    assert await work_off(store, now=now, badges=True) == first
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nobody will miss it if the power fails meanwhile.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        for number in range(1, copies):
            _copy(connection, first, number)
        _check(connection, events)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _copy(connection: sqlite3.Connection, first: int, number: int) -> None:
    """Copy the rows of the first events once more, each event under a key of its own."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS copies (id INTEGER PRIMARY KEY, key TEXT UNIQUE, copy TEXT)")
    connection.execute("DELETE FROM copies")
    connection.execute(
        "INSERT INTO copies SELECT id, key, source || ':' || lower(hex(randomblob(16))) FROM events "
        "ORDER BY id LIMIT ?", (first,)
    )  # fmt: skip
    days = number * math.ceil(first / _A_DAY)
    older, further = f"- {days * DAY}", f"+ {number * first}"
    times = dict.fromkeys(("received_at", "settled_at", "started_at", "ended_at", "due", "time", "closed_at"), older)
    for table, match, changed in (
        ("events", "events.id = copies.id", {"id": further}),
        ("attempts", "event = copies.id", {"event": further}),
        ("joins", "joins.key = copies.key", {"day": f"- {days}"}),
        ("attachments", "attachments.key = copies.key", {}),
        ("outcomes", "outcomes.key = copies.key", {}),
    ):
        columns = _columns(connection, table)
        values = [
            "copies.copy" if name == "key" else f"{table}.{name} {({**times, **changed}).get(name, '')}"
            for name in columns
        ]
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} JOIN copies ON {match}"  # noqa: S608 - the schema's names
        )
    connection.execute("COMMIT")


def _columns(connection: sqlite3.Connection, table: str) -> Sequence[str]:
    return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def _check(connection: sqlite3.Connection, events: int) -> None:
    """Each event has all that the first ones have."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in tables - _KEEPS_NO_EVENTS:
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - the schema's names
        assert rows in {0, events}, f"{table} has {rows} rows for {events} events"
