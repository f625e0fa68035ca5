"""A program that uses the SQLite store and says what it was told, for tests that kill it, trace it or fill its disk.

Usage: python store_child.py accept|trace|fill PATH

Each line on the standard output is one system call, made after the store has answered.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import sys
from datetime import UTC, datetime

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.store.protocol import Accepted
from badge_bridge.store.sqlite import SqliteStore


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def item(key: str, size: int = 500) -> Accepted:
    event = Event(
        id=key,
        source="s",
        provider="p",
        type="call.missed",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data={"body": "x" * size},
    )
    return Accepted(key, event, "bearer", 1000.0)


async def accept(path: str) -> None:
    """Accept events from many callers and lease some of them for long, until killed."""
    store = SqliteStore(path)
    await store.open()
    numbers = itertools.count()
    mark = os.getpid()

    async def caller() -> None:
        for number in numbers:
            key = f"{mark}:{number}"
            if await store.accept([item(key)]) == [True]:
                say("accepted", key)
            if number % 10 == 0:
                for claim in await store.claim_due(now=1000, lease=1_000_000, limit=2):
                    say("leased", claim.key, claim.attempt)

    await asyncio.gather(*(caller() for _ in range(20)))


async def trace(path: str) -> None:
    """Accept events one after the other, announcing each."""
    store = SqliteStore(path)
    await store.open()
    for number in range(10):
        say("begin", number)
        await store.accept([item(f"s:{number}")])
        say("end", number)
    await store.close()


async def fill(path: str) -> None:
    """Accept events on a disk that takes only small files, then on one that has room again; report as JSON.

    In between it is asked how it is, twice in each state, for the first question may change what the second finds.
    """
    store = SqliteStore(path)
    await store.open()
    accepted: list[str] = []
    refusals: set[str] = set()

    async def give(*keys: str) -> bool:
        try:
            await store.accept([item(key, size=20_000) for key in keys])
        except StoreUnavailable as error:
            refusals.add(str(error))
            return False
        accepted.extend(keys)
        return True

    async def healthy() -> bool:
        try:
            await store.ping()
        except StoreUnavailable as error:
            refusals.add(str(error))
            return False
        return True

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    # The first refusal may pass: a new connection makes room by emptying the log into the file. Not the fifth in a row.
    numbers, in_a_row = itertools.count(), 0
    while in_a_row < 5:
        in_a_row = 0 if await give(f"one:{next(numbers)}") else in_a_row + 1
    full = [await give(f"two:{n}", f"three:{n}") for n in range(3)]
    health = [[await healthy(), await healthy()]]
    full += await asyncio.gather(*(give(f"four:{n}") for n in range(20)))
    health.append([await healthy(), await healthy()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    health.append([await healthy(), await healthy()])
    again = [await give("five:0", "five:1"), await give("two:0", "six:0")]
    await store.close()
    report = {"accepted": accepted, "refusals": sorted(refusals), "full": full, "again": again, "health": health}
    say(json.dumps(report))


if __name__ == "__main__":
    program = {"accept": accept, "trace": trace, "fill": fill}[sys.argv[1]]
    asyncio.run(program(sys.argv[2]))
