"""The local worker: side by side up to a limit, woken or by itself, never dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from badge_bridge.dispatch.local import RUSH, RUSH_CLAIM, Drained, LocalWorker
from badge_bridge.dispatch.precedence import MANY, Precedence
from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.observability.floods import FloodGate
from badge_bridge.store.protocol import Claim
from support.portals import run_virtually

EVENT = Event(id="1", source="s", provider="p", type="t", time=datetime(2026, 11, 22, tzinfo=UTC))


def claim(number: int) -> Claim:
    return Claim(f"s:{number}", EVENT, "token", attempt=1, failures=0, received_at=0, leased_until=1)


class Work:
    """Events that are due, and what became of them."""

    def __init__(self, due: int) -> None:
        self.due = [claim(number) for number in range(due)]
        self.asked: list[int] = []
        self.running = 0
        self.most = 0
        self.done: list[str] = []
        self.given_back: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.problems: list[Exception] = []
        self.changed = asyncio.Event()

    async def sweep(self, limit: int) -> Sequence[Claim]:
        self.asked.append(limit)
        self.changed.set()
        if self.problems:
            raise self.problems.pop()
        claims, self.due = self.due[:limit], self.due[limit:]
        return claims

    async def process(self, claimed: Claim) -> None:
        self.running += 1
        self.changed.set()
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            self.done.append(claimed.key)
        finally:
            self.running -= 1
            self.changed.set()

    async def give_back(self, claimed: Claim) -> bool:
        self.given_back.append(claimed.token)
        return True

    def worker(
        self,
        *,
        concurrency: int = 4,
        tick: float = 3600.0,
        sweep: Callable[[int], Awaitable[Sequence[Claim]]] | None = None,
        process: Callable[[Claim], Awaitable[object]] | None = None,
        precedence: Precedence | None = None,
        gate: FloodGate | None = None,
    ) -> LocalWorker:
        return LocalWorker(
            sweep=sweep or self.sweep,
            process=process or self.process,
            give_back=self.give_back,
            concurrency=concurrency,
            precedence=precedence,
            tick=tick,
            gate=gate,
        )

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():
                self.changed.clear()
                await self.changed.wait()

    async def until_done(self, number: int) -> None:
        await self.until(lambda: len(self.done) >= number)


async def test_worker_processes_what_is_due_when_it_starts() -> None:
    """What a predecessor left is taken up without anybody waking the worker."""
    work = Work(3)
    worker = work.worker()
    worker.start()
    await work.until_done(3)
    await worker.stop()
    assert sorted(work.done) == ["s:0", "s:1", "s:2"]


async def test_worker_tells_once_a_minute_that_the_store_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """It tries each second, perhaps for days."""
    now = [0.0]
    work = Work(1)
    work.problems = [StoreUnavailable("the disk is full") for _ in range(9)]
    worker = work.worker(tick=0.001, gate=FloodGate(limit=1, seconds=60, clock=lambda: now[0]))
    worker.start()
    await work.until_done(1)
    said = "the store cannot be used, trying again every 0.001 s: the disk is full"
    assert caplog.messages == [said]

    now[0] = 60
    work.problems, work.due = [StoreUnavailable("the disk is full")], [claim(1)]
    await work.until_done(2)
    await worker.stop()
    assert caplog.messages == [said, f"{said} (8 times more since the last such line)"]


async def test_worker_keeps_to_its_concurrency() -> None:
    """However much is due, only so many attempts run side by side, and all are done in the end."""
    work = Work(50)
    worker = work.worker(concurrency=4)
    worker.start()
    await work.until_done(50)
    await worker.stop()
    assert work.most == 4
    assert max(work.asked) == 4


async def test_worker_takes_few_events_at_once_while_deliveries_keep_coming() -> None:
    """A few at each look and a limited number side by side; as many as ever once it is quiet."""
    now = [0.0]
    precedence = Precedence(clock=lambda: now[0])
    for _ in range(MANY):
        precedence.notice()
    work = Work(200)
    work.gate.clear()
    worker = work.worker(concurrency=200, precedence=precedence)
    worker.start()
    await work.until(lambda: work.running == RUSH)
    assert set(work.asked) == {RUSH_CLAIM}

    now[0] = 1.0
    await worker.wake([])
    await work.until(lambda: work.running == 200)
    assert work.asked[-1] == 200 - RUSH
    work.gate.set()
    await worker.stop()


async def test_worker_goes_on_with_few_events_when_one_of_them_has_ended() -> None:
    """While deliveries keep coming, the next ones do not wait for the tick."""
    precedence = Precedence(clock=lambda: 0.0)
    for _ in range(MANY):
        precedence.notice()
    work = Work(3 * RUSH)
    worker = work.worker(concurrency=1000, precedence=precedence)
    worker.start()
    await work.until_done(3 * RUSH)
    await worker.stop()
    assert work.most <= RUSH


async def test_worker_looks_at_once_when_it_is_woken() -> None:
    """A wake-up does not wait for the tick."""
    work = Work(0)
    worker = work.worker(tick=3600)
    worker.start()
    await asyncio.sleep(0)
    work.due = [claim(7)]
    await worker.wake(["s:7"])
    await work.until_done(1)
    await worker.stop()


async def test_worker_looks_by_itself_when_nobody_wakes_it() -> None:
    """A lost wake-up costs a tick and not an event."""
    work = Work(0)
    worker = work.worker(tick=0.001)
    worker.start()
    await asyncio.sleep(0)
    work.due = [claim(7)]
    await work.until_done(1)
    await worker.stop()


@pytest.mark.parametrize("problem", [StoreUnavailable("disk full"), RuntimeError("a bug of ours")])
async def test_worker_goes_on_when_the_store_cannot_be_read(problem: Exception) -> None:
    """A failing look at the store is repeated; the worker does not die of it."""
    work = Work(1)
    work.problems = [problem]
    worker = work.worker(tick=0.001)
    worker.start()
    await work.until_done(1)
    await worker.stop()


@pytest.mark.parametrize("problem", [StoreUnavailable("disk full"), RuntimeError("a bug of ours")])
async def test_worker_goes_on_when_an_attempt_fails_unexpectedly(problem: Exception) -> None:
    """One attempt that raises does not take others with it."""
    work = Work(3)
    process = work.process

    async def failing(claimed: Claim) -> None:
        if claimed.key == "s:1":
            raise problem
        await process(claimed)

    worker = work.worker(process=failing, concurrency=1, tick=0.001)
    worker.start()
    await work.until_done(2)
    await worker.stop()
    assert sorted(work.done) == ["s:0", "s:2"]


async def test_stopping_waits_for_running_attempts_and_claims_no_more() -> None:
    """What runs may end; what is still due stays in the store."""
    work = Work(2)
    work.gate.clear()
    worker = work.worker(concurrency=1)
    worker.start()
    await work.until(lambda: work.running > 0)
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    work.gate.set()
    await stopping
    assert work.done == ["s:0"]
    assert [left.key for left in work.due] == ["s:1"]


async def test_drain_works_until_nothing_is_due() -> None:
    """Also on what becomes due meanwhile; then it says how much it was."""
    work = Work(10)
    process = work.process

    async def multiplying(claimed: Claim) -> None:
        await process(claimed)
        if claimed.key == "s:9":
            work.due.append(claim(77))
            await worker.wake(["s:77"])

    worker = work.worker(process=multiplying)
    assert await worker.drain(3600) == Drained(11, all=True)
    assert len(work.done) == 11
    assert work.most == 4
    assert await worker.drain(3600) == Drained(0, all=True)


def test_drain_begins_nothing_when_its_time_is_over() -> None:
    """What runs then still ends, and the rest is left."""

    async def story() -> None:
        work = Work(2)
        assert await work.worker().drain(0) == Drained(0, all=False)
        assert len(work.due) == 2
        work.gate.clear()
        draining = asyncio.create_task(work.worker(concurrency=1).drain(45))
        await asyncio.sleep(60)
        work.gate.set()
        assert await draining == Drained(1, all=False)
        assert work.done == ["s:0"]

    run_virtually(story())


async def test_drain_says_so_when_the_store_cannot_be_read() -> None:
    """Whoever asked for it has to know that nothing was looked at."""
    work = Work(1)
    work.problems = [StoreUnavailable("disk full")]
    with pytest.raises(StoreUnavailable):
        await work.worker().drain(3600)


async def test_drain_ends_when_the_worker_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is to end: what runs is cut off, and nothing more is begun."""
    monkeypatch.setattr("badge_bridge.dispatch.local.GRACE", 0.0)
    work = Work(2)
    work.gate.clear()
    worker = work.worker(concurrency=1)
    draining = asyncio.create_task(worker.drain(3600))
    await work.until(lambda: work.running > 0)
    await worker.stop()
    assert await draining == Drained(1, all=False)
    assert (work.done, work.running, len(work.due)) == ([], 0, 1)


async def test_stop_cuts_off_what_a_drain_was_about_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its event was being claimed when the worker was told to stop."""
    monkeypatch.setattr("badge_bridge.dispatch.local.GRACE", 0.0)
    work = Work(1)
    work.gate.clear()
    claiming, go = asyncio.Event(), asyncio.Event()

    async def slow_sweep(limit: int) -> Sequence[Claim]:
        claiming.set()
        await go.wait()
        return await work.sweep(limit)

    worker = work.worker(sweep=slow_sweep, concurrency=2)
    draining = asyncio.create_task(worker.drain(30))
    await claiming.wait()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    go.set()
    await stopping
    assert await draining == Drained(1, all=False)
    assert (work.done, work.running) == ([], 0)


async def test_worker_lets_an_earlier_attempt_of_the_same_event_end_first() -> None:
    """Where the clock jumps, a lease ends before its attempt; the two would add the same thing side by side."""
    work = Work(1)
    work.gate.clear()
    worker = work.worker()
    worker.start()
    await work.until(lambda: work.running > 0)
    work.due = [replace(claim(0), attempt=2), replace(claim(0), attempt=3), claim(1)]
    await worker.wake([])
    await work.until(lambda: work.running == 2)
    for _ in range(10):
        await asyncio.sleep(0)
    assert work.running == 2, "the first attempt of this event, and the one of another"
    work.gate.set()
    await work.until_done(4)
    await worker.stop()
    assert work.most == 2
    assert sorted(work.done) == ["s:0", "s:0", "s:0", "s:1"]


async def test_stopping_gives_back_what_waits_for_an_earlier_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was claimed and not begun, and whoever comes next need not wait for its lease."""
    monkeypatch.setattr("badge_bridge.dispatch.local.GRACE", 0.0)
    work = Work(1)
    work.gate.clear()
    worker = work.worker()
    worker.start()
    await work.until(lambda: work.running > 0)
    work.due = [replace(claim(0), token="second")]
    await worker.wake([])
    await work.until(lambda: len(work.asked) > 1)
    await worker.stop()
    assert (work.done, work.given_back) == ([], ["second"])
