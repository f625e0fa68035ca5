"""How much memory `serve` takes after its first thousand events, and after a hundred thousand.

Each turn is a new process beside a sandbox portal that takes whatever comes. One call of ten was missed and gets a badge
on a card; the others, of the same customer, were answered, so that it is taken off again, or never put there.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import httpx

from badge_bridge.sandbox.crm_seed import Contact, Deal
from bench.speed.contenders import serve
from bench.speed.deliveries import number_of, write_requests
from bench.speed.figures import Figure, Row, check_count
from bench.speed.open_loop import paced
from bench.speed.processes import Running

__all__ = ["measure"]

GROWTH = 1.1
MEGABYTES = 150

CONNECTIONS = 50
CUSTOMERS = 2_000
OUTCOMES = ("missed", *["answered"] * 9)
FIRST = 1_000
_ITEM = 10_000
_PATIENCE = 600.0
"""Seconds that sending a portion may take, and seconds until what was sent has ended."""
_PORTION = 10_000
"""Deliveries that are signed at once: they are too old after five minutes."""


def measure(*, quick: bool, runs: int) -> list[Row]:
    """Two rows: how much it grows, and how much it is. A quick run ends after 10,000 events, a turn each."""
    last = 10_000 if quick else 100_000
    what, against = f"resident memory of serve after {last:,} events", f"after {FIRST:,}"
    if sys.platform != "linux":
        why = "needs Linux, which tells it in /proc"
        return [
            Row(what, against, "at most", GROWTH, None, why),
            Row(what, f"{MEGABYTES} MB", "at most", MEGABYTES, None, why),
        ]
    before, after = [], []
    for _ in range(1 if quick else runs):
        with tempfile.TemporaryDirectory() as folder:
            small, large = _turn(Path(folder), FIRST, last)
        before.append(small)
        after.append(large)
    remark = "make bench without QUICK takes 100,000" if quick else ""
    return [
        Row(what, against, "at most", GROWTH, Figure(after, before, "MB"), remark),
        Row(what, f"{MEGABYTES} MB", "at most", MEGABYTES, Figure(after, (), "MB"), remark),
    ]


def _turn(folder: Path, first: int, last: int) -> tuple[float, float]:
    """MB after so many events, and after the last."""
    state = folder / "state.db"
    with serve(folder, state=state, limits="{rate: 1000, burst: 1000}") as server:
        _seed(server.helpers[0])
        stored = _send(server, state, folder, first, 0)
        before = _megabytes(server)
        while stored < last:
            stored = _send(server, state, folder, min(_PORTION, last - stored), stored)
        return before, _megabytes(server)


def _megabytes(server: Running) -> float:
    return server.status("VmRSS") * 1024 / 1e6


def _send(server: Running, state: Path, folder: Path, count: int, stored: int) -> int:
    """Deliver so many, wait until they have ended; how many are stored now.

    Raises:
        Uncounted: it is another number than those that were delivered.
        AssertionError: they have not ended in time, or one of them failed.
    """
    requests = write_requests(folder, count, customers=CUSTOMERS, outcomes=OUTCOMES)
    # As fast as the connections take them.
    answered = paced(server.port, requests, 1e6, _PATIENCE, CONNECTIONS).answered
    requests.path.unlink()
    end = time.monotonic() + _PATIENCE
    while (states := _states(state)).keys() & {"waiting", "working"}:
        assert time.monotonic() < end, f"not ended: {states}"
        time.sleep(0.2)
    assert states.keys() <= {"done", "ignored"}, states
    check_count(stored + answered, sum(states.values()))
    return stored + answered


def _states(state: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM events GROUP BY state").fetchall())


def _seed(sandbox: Running) -> None:
    """A portal without limits, with a deal for each customer."""
    url = f"http://127.0.0.1:{sandbox.port}/_sandbox"
    present = httpx.get(f"{url}/state", timeout=30).json()
    contacts = [Contact(id=_ITEM + n, name=f"Customer {n}", phones=(number_of(n),)) for n in range(CUSTOMERS)]
    deals = [Deal(id=_ITEM + n, title=f"Deal {n}", contact_ids=(_ITEM + n,)) for n in range(CUSTOMERS)]
    content = {
        "limits": None,
        "contacts": [*present["contacts"], *_dumped(contacts)],
        "deals": [*present["deals"], *_dumped(deals)],
    }
    httpx.post(f"{url}/seed", json=content, timeout=60).raise_for_status()


def _dumped(records: Sequence[Contact | Deal]) -> list[dict[str, object]]:
    return [record.model_dump(mode="json") for record in records]
