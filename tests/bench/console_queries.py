"""How long the store takes for what the console asks of a long history: `python tests/bench/console_queries.py
[--events 1000000] [--rounds 100]`.

Each question is asked again and again, half of the times for the newest and else from anywhere in the history, of other
customers and days each time. Printed are the median and the 99th percentile in milliseconds, as whoever awaits the store
sees them, the median of the processor, and how many events the last page had. Some ask for what hardly any event is, or none: such a page ends early
and says how far back it has looked. Ends with 1 where a page is not what reading the whole table gives.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from badge_bridge.store.protocol import Listing
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.wanted import Place, Wanted
from bench.speed.figures import percentile
from bench.speed.history import CUSTOMERS, DAY, fill

LIMIT = 50
RULE = "missed call"
# A mixed lot instead of the same event a million times. Every third was answered, and no rule was for it; one of a
# thousand is a dead letter; what came at night is never a voicemail.
MIXED = """
UPDATE events SET source = CASE id % 10 WHEN 4 THEN 'night' ELSE 'branch' END WHERE id % 2 = 0;
UPDATE events SET type = 'call.voicemail' WHERE id % 10 = 3;
UPDATE events SET type = 'call.answered', state = 'ignored' WHERE id % 3 = 1 AND id % 10 <> 3;
UPDATE events SET state = 'dead' WHERE id % 1000 = 500 AND state = 'done';
DELETE FROM outcomes WHERE key IN (SELECT key FROM events WHERE state = 'ignored');
UPDATE outcomes SET result = 'failed' WHERE key IN (SELECT key FROM events WHERE state = 'dead');
"""
# The same by reading all there is: no index is of use for an expression.
PLAIN = {
    "state": "+state = :state",
    "source": "+source = :source",
    "type": "+type = :type",
    "customer": "key IN (SELECT key FROM joins WHERE +value = 'customer' || char(10) || :customer)",
    "rule": "key IN (SELECT key FROM outcomes WHERE +rule = :rule AND result = coalesce(:result, result))",
    "result": "key IN (SELECT key FROM outcomes WHERE rule = coalesce(:rule, rule) AND +result = :result)",
    "since": "+received_at >= :since",
    "until": "+received_at < :until",
}


def lists(chance: random.Random, oldest: float, newest: float) -> Iterator[tuple[str, Wanted]]:
    """What is asked for, by name."""
    customer = f"+4930{23_000_000 + chance.randrange(CUSTOMERS)}"
    day = chance.uniform(oldest, max(newest - DAY, oldest))
    yield "all", Wanted()
    yield "state dead", Wanted(state="dead")
    yield "state done", Wanted(state="done")
    yield "state waiting, which none is", Wanted(state="waiting")
    yield "source", Wanted(source="branch")
    yield "type", Wanted(type="call.answered")
    yield "a day", Wanted(since=day, until=day + DAY)
    yield "customer", Wanted(customer=customer)
    yield "customer, state, type", Wanted(customer=customer, state="ignored", type="call.answered")
    yield "customer, rule, a day", Wanted(customer=customer, rule=RULE, since=day, until=day + DAY)
    yield "customer who never called", Wanted(customer="+49000")
    yield "rule", Wanted(rule=RULE)
    yield "result failed", Wanted(result="failed")
    yield "result cleared, which none is", Wanted(result="cleared")
    yield "rule, result, source, a day", Wanted(rule=RULE, result="badged", source="branch", since=day, until=day + DAY)
    yield "state dead, source, type", Wanted(state="dead", source="branch", type="call.missed")
    yield "state, source, type, rule", Wanted(state="done", source="reception", type="call.voicemail", rule=RULE)
    yield "source and type that never meet", Wanted(source="night", type="call.voicemail")
    yield "state and result that never meet", Wanted(state="done", result="failed")


def counts(store: SqliteStore, newest: float) -> Iterator[tuple[str, Awaitable[Any]]]:
    until = newest + 1
    yield "tally of an hour by minutes", store.tally(since=until - 3600, until=until, width=60)
    yield "tally of a day by minutes", store.tally(since=until - DAY, until=until, width=60)
    yield "tally of 30 days by days", store.tally(since=until - 30 * DAY, until=until, width=DAY)
    yield "uses in 30 days", store.uses(since=until - 30 * DAY)
    yield "backlog", store.backlog()


async def timed(asked: Awaitable[Any]) -> tuple[tuple[float, float], Any]:
    """Milliseconds as they pass and of the processor, and the answer."""
    since, used = time.perf_counter(), time.process_time()
    answer = await asked
    return ((time.perf_counter() - since) * 1000, (time.process_time() - used) * 1000), answer


def is_right(connection: sqlite3.Connection, wanted: Wanted, page: Listing) -> bool:
    """Whether the first page is what reading all events gives."""
    said = asdict(wanted)
    where = " AND ".join(PLAIN[name] for name, value in said.items() if value is not None) or "1"
    rows = connection.execute(
        f"SELECT received_at, key FROM events NOT INDEXED WHERE {where} ORDER BY received_at DESC, key DESC LIMIT {LIMIT + 1}",  # noqa: S608 - written above
        said,
    ).fetchall()
    found = [(event.received_at, event.key) for event in page.events]
    if page.more is not None and page.reached is not None:
        # It has looked at too many in vain, and holds those that it has come to.
        return found == [row for row in rows if row >= page.more]
    return found == rows[:LIMIT] and page.more == (rows[LIMIT - 1] if len(rows) > LIMIT else None)


async def check(store: SqliteStore, oldest: float, newest: float) -> list[str]:
    """What is wrong with the first pages."""
    wrong = []
    with closing(sqlite3.connect(store.path)) as connection:
        for name, wanted in lists(random.Random(0), oldest, newest):  # noqa: S311 - no secret
            page = await store.list(wanted, limit=LIMIT)
            if not is_right(connection, wanted, page):
                wrong.append(f"{name}: these {len(page.events)} events are not those that there are")
        (events,) = connection.execute("SELECT count(*) FROM events WHERE received_at >= ?", (newest - DAY,)).fetchone()
    tallied = sum(one.count for one in await store.tally(since=newest - DAY, until=newest + 1, width=60))
    return wrong if tallied == events else [*wrong, f"tally: {tallied} events of {events}"]


async def ask(store: SqliteStore, rounds: int, oldest: float, newest: float) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
    said: dict[str, str] = {}
    for number in range(rounds):
        place: Place | None = (chance.uniform(oldest, newest), "") if number % 2 else None
        for name, wanted in lists(chance, oldest, newest):
            taking, page = await timed(store.list(wanted, limit=LIMIT, before=place))
            taken[name].append(taking)
            said[name] = f"{len(page.events)} events{'' if page.reached is None else ', ended early'}"
        for name, counted in counts(store, newest):
            taking, _ = await timed(counted)
            taken[name].append(taking)
    print(f"{'':36}{'median ms':>11}{'p99 ms':>11}{'processor':>11}   of the last page")
    for name, values in taken.items():
        awaited, used = zip(*values, strict=True)
        figures = (percentile(awaited, 50), percentile(awaited, 99), percentile(used, 50))
        print(f"{name:36}{''.join(f'{figure:11.1f}' for figure in figures)}   {said.get(name, '')}")


async def run(path: Path, events: int, rounds: int) -> list[str]:
    since = time.perf_counter()
    await fill(path, events, customers=min(CUSTOMERS, events))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(MIXED)
        oldest, newest = connection.execute("SELECT min(received_at), max(received_at) FROM events").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print(f"{events:,} events, {path.stat().st_size / 1e6:,.0f} MB, made in {time.perf_counter() - since:.0f} s")
    store = SqliteStore(path)
    await store.open()
    try:
        await ask(store, rounds, oldest, newest)
        return await check(store, oldest, newest)
    finally:
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="a multiple of 20,000, or fewer")
    parser.add_argument("--rounds", type=int, default=100, help="how often each question is asked")
    parser.add_argument("--folder", type=Path, help="where to put the file; the disk that is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        wrong = asyncio.run(run(Path(folder, "state.db"), arguments.events, arguments.rounds))
    if wrong:
        sys.exit("\n".join(wrong))
    print("every page is what reading the whole table gives")


if __name__ == "__main__":
    main()
