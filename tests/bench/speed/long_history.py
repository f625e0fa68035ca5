"""What a long history costs: the pages of the console; accepting events and claiming them, beside a million
others.

Both stores are opened anew for each turn, the one with the history and a file that was just made, and are given the
same work: 50 deliveries at once that are accepted one by one, then all of them claimed, and settled, as `serve` does.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import uvloop

from badge_bridge.store.protocol import Accepted
from badge_bridge.store.sqlite import SqliteStore
from bench.console_pages import MOST, Asked, measured
from bench.speed.figures import Figure, Row, check_count
from bench.speed.history import CUSTOMERS, DAY, LEASED, fill, missed_call, settle_all, work_off

__all__ = ["measure"]

CALLERS = 50
PORTION = 2 * LEASED
"""Events that one store is given before it is the other's turn."""
GOAL = 1.25


@dataclass(frozen=True, slots=True)
class _Turn:
    """Microseconds for an event."""

    accept: float
    claim: float
    settle: float

    @property
    def begun(self) -> float:
        """Until work on it can begin."""
        return self.accept + self.claim


def measure(*, quick: bool, runs: int) -> list[Row]:
    """Two rows, of 1,000,000 events; of 100,000 where it has to be quick."""
    stored, portions = (100_000, 6) if quick else (1_000_000, 20)
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / "long.db"
        print(f"  filling a store with {stored:,} events ...", file=sys.stderr)
        uvloop.run(fill(long, stored))
        pages = uvloop.run(measured(long, runs))
        ours, theirs, megabytes = uvloop.run(_compare(long, portions, runs))
    accepting = Figure([one.accept for one in ours], [one.accept for one in theirs], "us")
    claiming = Figure([one.claim for one in ours], [one.claim for one in theirs], "us")
    settling = Figure([one.settle for one in ours], [one.settle for one in theirs], "us")
    less = "make bench without QUICK takes 1,000,000" if quick else ""
    parts = f"accepting {accepting.median:.2f}, claiming {claiming.median:.2f}; settling {settling.median:.2f}"
    return [
        Row(
            f"accepting and claiming an event beside {stored:,} others",
            "in an empty store",
            "at most",
            GOAL,
            Figure([one.begun for one in ours], [one.begun for one in theirs], "us"),
            f"{parts}{less and '; '}{less}",
            {
                "stored": stored,
                "file_MB": megabytes,
                "events_per_turn": portions * PORTION,
                "accept_turns": accepting.values,
                "claim_turns": claiming.values,
                "settle_turns": settling.values,
            },
        ),
        _console(pages, stored, less),
    ]


def _console(pages: Mapping[str, Asked], stored: int, less: str) -> Row:
    """Of each turn the page that took longest, its JSON included."""
    slowest = [max(turn) for turn in zip(*(page.taken for page in pages.values()), strict=True)]
    medians = {name: statistics.median(page.taken) for name, page in pages.items()}
    name = max(medians, key=lambda one: medians[one])
    each = ", ".join(f"{page} {took:.0f}" for page, took in medians.items() if not page.endswith("(JSON)"))
    remark = f"the slowest of {len(pages)} pages, mostly: {name}; ms of each: {each}{less and '; '}{less}"
    what = f"a page of the console, or its JSON, over {stored:,} events"
    details = {"pages_ms": medians}
    return Row(what, f"{MOST:g} ms", "at most", MOST, Figure(slowest, (), "ms"), remark, details)


async def _compare(long: Path, portions: int, runs: int) -> tuple[list[_Turn], list[_Turn], int]:
    ours, theirs = [], []
    for number in range(runs):
        # A new day each, or today would have more events than any day before.
        now = time.time() + (number + 1) * DAY
        one, other = await _turn(long, long.with_name(f"empty-{number}.db"), portions, now)
        ours.append(one)
        theirs.append(other)
    return ours, theirs, long.stat().st_size // 1_000_000


async def _turn(long: Path, empty: Path, portions: int, now: float) -> tuple[_Turn, _Turn]:
    """Both do the same work in alternation, so that a machine that is busy for a moment is so for both."""
    chance = Random(7)  # noqa: S311 - chance, no secret
    stores = SqliteStore(long), SqliteStore(empty)
    accepting, claiming, settling = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    for store in stores:
        await store.open()
    for number in range(portions):
        calls = [missed_call(chance.randrange(CUSTOMERS), now=now) for _ in range(PORTION)]
        for place in (number % 2, 1 - number % 2):
            accepting[place] += await _accept(stores[place], calls)
    for number in range(portions):
        for place in (number % 2, 1 - number % 2):
            claim, settle = await _settle(stores[place], now)
            claiming[place] += claim
            settling[place] += settle
    for store in stores:
        check_count(await work_off(store, now=now), 0)
        await store.close()
    each = 1e6 / (portions * PORTION)
    ours, theirs = (
        _Turn(*(part * each for part in parts)) for parts in zip(accepting, claiming, settling, strict=True)
    )
    return ours, theirs


async def _accept(store: SqliteStore, calls: Sequence[Accepted]) -> float:
    """Seconds."""
    waiting = iter(calls)
    new: list[bool] = []

    async def deliver() -> None:
        for call in waiting:
            new.extend(await store.accept([call]))

    began = time.perf_counter()
    await asyncio.gather(*(deliver() for _ in range(CALLERS)))
    took = time.perf_counter() - began
    check_count(sum(new), len(calls))
    return took


async def _settle(store: SqliteStore, now: float) -> tuple[float, float]:
    """Seconds for claiming, and for settling."""
    claiming = settling = 0.0
    done = 0
    while done < PORTION:
        began = time.perf_counter()
        claims = await store.claim_due(now=now, lease=90.0, limit=LEASED)
        claimed = time.perf_counter()
        done += await settle_all(store, claims, now=now)
        claiming += claimed - began
        settling += time.perf_counter() - claimed
        assert claims, f"{PORTION - done} are not due any more"
    check_count(done, PORTION)
    return claiming, settling
