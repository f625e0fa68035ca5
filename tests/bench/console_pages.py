"""How long the console's pages take over a long history: `python tests/bench/console_pages.py [--events 1000000]
[--rounds 20]`.

Each page and its JSON twin are asked for again and again, in this process and one at a time, of other customers and days
each time. Printed are the median and the slowest in milliseconds, as the listener for operators would send them, the
median of what the processor worked for it in this process, and the size of the page.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from badge_bridge.console.rendering import event_href
from badge_bridge.meters import Meters
from badge_bridge.store.sqlite import SqliteStore
from bench.speed.figures import percentile
from bench.speed.history import CUSTOMERS, DAY, fill
from support.operators import RULES, Clock, Console

MOST = 300.0
"""Milliseconds that a page may take."""


def pages(chance: random.Random, keys: list[str], newest: float) -> Iterator[tuple[str, str]]:
    """What an operator asks for, by name."""
    customer = f"030 {23_000_000 + chance.randrange(CUSTOMERS)}"
    day = datetime.fromtimestamp(newest - chance.uniform(1, 15) * DAY, UTC)
    until = datetime.fromtimestamp(day.timestamp() + DAY, UTC)
    yield "now", ""
    yield "events", "/events"
    yield "of a customer", f"/events?phone={customer}"
    yield "of a customer and a rule", f"/events?phone={customer}&rule=missed+call"
    yield "that are done, of a day", f"/events?state=done&since={day:%Y-%m-%dT%H:%M}&until={until:%Y-%m-%dT%H:%M}"
    yield "that failed, which none is", "/events?outcome=failed&rule=missed+call"
    yield "that are dead, which none is", "/events?state=dead"
    yield "one event", event_href(chance.choice(keys)).removeprefix("/console")
    yield "one event, tried by the rules of now", f"/try?event={chance.choice(keys)}"
    yield "badges", "/badges"
    yield "about to redrive a day", f"/redrive?since={day:%Y-%m-%dT%H:%M}&until={until:%Y-%m-%dT%H:%M}"
    yield "about to redrive all", "/redrive"


@dataclass
class Asked:
    """What a page came to, each time that it was asked for."""

    taken: list[float] = field(default_factory=list)
    """Milliseconds until it was there."""
    worked: list[float] = field(default_factory=list)
    """Milliseconds that the processor worked for it."""
    size: int = 0
    """Bytes, the last time."""


async def ask(browser: httpx.AsyncClient, store: SqliteStore, rounds: int, newest: float) -> Mapping[str, Asked]:
    """Each page and its twin so many times, by name."""
    chance = random.Random(1)  # noqa: S311 - no secret
    keys = [one.key for one in (await store.list(limit=1000)).events]
    asked: dict[str, Asked] = defaultdict(Asked)
    for _ in range(rounds):
        for name, path in pages(chance, keys, newest):
            place, _, query = path.partition("?")
            for what, address in (
                ("", f"/console{path}"),
                (" (JSON)", f"/console/api/v1{place or '/now'}.json?{query}"),
            ):
                since, busy = time.perf_counter(), time.process_time()
                answer = await browser.get(address)
                page = asked[name + what]
                page.taken.append((time.perf_counter() - since) * 1000)
                page.worked.append((time.process_time() - busy) * 1000)
                answer.raise_for_status()
                page.size = len(answer.content)
    return asked


async def measured(path: Path, rounds: int) -> Mapping[str, Asked]:
    """The pages over the store in this file."""
    store = SqliteStore(path)
    await store.open()
    try:
        (latest,) = (await store.list(limit=1)).events
        clock = Clock(latest.received_at + 60)
        console = Console(store, clock, rules=RULES, meters=Meters(clock))
        async with console.operator() as browser:
            return await ask(browser, store, rounds, latest.received_at)
    finally:
        await store.close()


async def run(path: Path, events: int, rounds: int) -> None:
    since = time.perf_counter()
    await fill(path, events, customers=min(CUSTOMERS, events))
    print(f"{events:,} events, {path.stat().st_size / 1e6:,.0f} MB, made in {time.perf_counter() - since:.0f} s")
    print(f"{'page':40}{'median ms':>10}{'slowest ms':>12}{'processor ms':>14}{'KB':>8}")
    for name, page in (await measured(path, rounds)).items():
        slow = "" if max(page.taken) < MOST else "   slower than it may be"
        figures = f"{percentile(page.taken, 50):10.1f}{max(page.taken):12.1f}{percentile(page.worked, 50):14.1f}"
        print(f"{name:40}{figures}{page.size / 1000:8.1f}{slow}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="a multiple of 20,000, or fewer")
    parser.add_argument("--rounds", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--folder", type=Path, help="where to put the file; the disk that is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        asyncio.run(run(Path(folder, "state.db"), arguments.events, arguments.rounds))


if __name__ == "__main__":
    main()
