"""How many events a second the stores accept, 50 callers at once: `python tests/bench/store_accept.py [--rounds 5]`.

Compares memory, the SQLite store, and what one would write first: a commit per event on one connection. Rounds are
interleaved, so that a noisy machine treats all alike; the median and the best round are printed, and how long the disk
under the file takes for one fdatasync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from badge_bridge.events import Event, event_key
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Store
from badge_bridge.store.sqlite import SqliteStore
from bench.speed.slow_disk import fdatasync_median

CALLERS = 50
Accept = Callable[[Accepted], Awaitable[object]]


def accepted(number: int) -> Accepted:
    """An event the size of a missed call from Twilio."""
    body = {f"Field{n}": f"value {n} of call {number}" for n in range(20)}
    event = Event(
        id=f"CA{number:032x}",
        source="reception",
        provider="twilio",
        type="call.missed",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        subject="+4930123456",
        direction="inbound",
        outcome="missed",
        caller="+4930123456",
        callee="+4930999999",
        data=body,
    )
    return Accepted(event_key("reception", [event.id]), event, "hmac-sha1 over url and form", time.time())


async def rate(accept: Accept, events: Sequence[Accepted]) -> float:
    """Accepted events per second."""
    waiting = iter(events)

    async def caller() -> None:
        for item in waiting:
            await accept(item)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return len(events) / (time.perf_counter() - began)


def naive(path: Path) -> tuple[Accept, Callable[[], None]]:
    """A commit per event, in a thread of its own so that it does not even block the loop."""
    thread = ThreadPoolExecutor(max_workers=1)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE events (key TEXT PRIMARY KEY, event TEXT NOT NULL, received_at REAL NOT NULL)")

    def insert(item: Accepted) -> None:
        row = (item.key, item.event.model_dump_json(), item.received_at)
        connection.execute("INSERT INTO events VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)

    async def accept(item: Accepted) -> None:
        await asyncio.get_running_loop().run_in_executor(thread, insert, item)

    def close() -> None:
        thread.shutdown()
        connection.close()

    return accept, close


def through(store: Store) -> Accept:
    async def accept(item: Accepted) -> object:
        return await store.accept([item])

    return accept


async def measure(folder: Path, events: int, rounds: int) -> dict[str, object]:
    sqlite, memory = SqliteStore(folder / "store.db"), MemoryStore()
    await sqlite.open()
    await memory.open()
    accept, close = naive(folder / "naive.db")
    contenders: dict[str, Accept] = {"memory": through(memory), "sqlite": through(sqlite), "commit per event": accept}
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        batch = [accepted(turn * events + number) for number in range(events)]
        for name, contender in contenders.items():
            rates[name].append(await rate(contender, batch))
    commits = sqlite.commits
    await sqlite.close()
    close()
    return {
        "fdatasync_median_ms": round(fdatasync_median(folder), 3),
        "events_per_commit": round(rounds * events / commits, 1),
        **{name: {"median": round(statistics.median(r)), "best": round(max(r))} for name, r in rates.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to put the files; the disk that is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        result = uvloop.run(measure(Path(folder), arguments.events, arguments.rounds))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
