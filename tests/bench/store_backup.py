"""How long an accept takes while a backup is made: `python tests/bench/store_backup.py [--events 20000] [--kilobytes 5]`.

Events are accepted at a fixed rate, whether the ones before are stored or not, and each time counts from the moment at
which its event was due. Before the backup, which is another process as for a user, for as long as it lasts, and
afterwards: how many, and the median, the 99th percentile and the longest in milliseconds; the seconds that the backup
takes, and how far the write-ahead log grows, in MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import uvloop

from badge_bridge.events import Event, event_key
from badge_bridge.store.protocol import Accepted
from badge_bridge.store.sqlite import SqliteStore

PORTION = 500
BEFORE = 5.0
"""Seconds that are measured without a backup, before and after."""


def accepted(number: int, kilobytes: int) -> Accepted:
    event = Event(
        id=f"CA{number:032x}",
        source="reception",
        provider="twilio",
        type="call.missed",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        caller=f"+49{number % 50_000:09d}",
        data={"body": "x" * kilobytes * 1000},
    )
    return Accepted(event_key("reception", [event.id]), event, "hmac-sha1 over url and form", time.time())


class Load:
    """Accepts at a fixed rate until it is stopped."""

    def __init__(self, store: SqliteStore, *, first: int, rate: float, wal: Path) -> None:
        self._store, self._rate, self._wal = store, rate, wal
        self._numbers = count(first)
        self._seconds: list[float] = []
        self.largest_log = 0

    async def during(self, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
        """What an accept takes while `work` lasts."""
        self._seconds = []
        task = asyncio.ensure_future(work())
        began, running = time.perf_counter(), set()
        for turn in count():
            due = began + turn / self._rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if task.done():
                break
            one = asyncio.create_task(self._accept(due))
            running.add(one)
            one.add_done_callback(running.discard)
        await asyncio.gather(*running)
        await task
        times = sorted(seconds * 1000 for seconds in self._seconds)
        return {
            "accepts": len(times),
            "median_ms": round(statistics.median(times), 2),
            "p99_ms": round(times[int(len(times) * 0.99)], 2),
            "longest_ms": round(times[-1], 2),
        }

    async def _accept(self, due: float) -> None:
        await self._store.accept([accepted(next(self._numbers), 1)])
        self._seconds.append(time.perf_counter() - due)
        self.largest_log = max(self.largest_log, self._wal.stat().st_size)


async def measure(folder: Path, events: int, kilobytes: int, rate: float) -> dict[str, object]:
    path = folder / "state.db"
    store = SqliteStore(path)
    await store.open()
    for first in range(0, events, PORTION):
        await store.accept([accepted(number, kilobytes) for number in range(first, first + PORTION)])
    load = Load(store, first=events, rate=rate, wal=folder / "state.db-wal")
    seconds = 0.0

    async def back_up() -> None:
        nonlocal seconds
        began = time.perf_counter()
        command = (sys.executable, "-m", "badge_bridge.cli", "backup", str(folder / "backup.db"))
        child = await asyncio.create_subprocess_exec(*command, "--state", f"sqlite:///{path}")
        if await child.wait():
            raise SystemExit("the backup failed")
        seconds = time.perf_counter() - began

    before = await load.during(lambda: asyncio.sleep(BEFORE))
    log_before, load.largest_log = load.largest_log, 0
    during = await load.during(back_up)
    log_during = load.largest_log
    after = await load.during(lambda: asyncio.sleep(BEFORE))
    await store.close()
    return {
        "events": events,
        "megabytes": round((folder / "backup.db").stat().st_size / 1e6),
        "accepts_a_second": rate,
        "before": before,
        "during": during,
        "after": after,
        "backup_seconds": round(seconds, 1),
        "log_megabytes": [round(log_before / 1e6, 1), round(log_during / 1e6, 1)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="that the store holds; a multiple of 500")
    parser.add_argument("--kilobytes", type=int, default=5, help="of the body of each")
    parser.add_argument("--rate", type=float, default=200.0, help="accepts a second")
    parser.add_argument("--folder", type=Path, help="where to put the files; the disk that is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        work = measure(Path(folder), arguments.events, arguments.kilobytes, arguments.rate)
        print(json.dumps(uvloop.run(work), indent=2))


if __name__ == "__main__":
    main()
