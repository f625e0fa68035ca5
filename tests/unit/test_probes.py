"""Liveness and readiness, on their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from badge_bridge.dispatch.local import LocalWorker
from badge_bridge.errors import StoreUnavailable
from badge_bridge.observability.floods import FloodGate
from badge_bridge.probes import LIVE, PROBES, READY, STALLED, Probes, probe
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Claim
from support.portals import run_virtually

Answer = Callable[[Request], Awaitable[Response]]


class Parts:
    """A bridge as the probes see it."""

    def __init__(self, *, away: bool = False, silence: float = 0.0) -> None:
        self.store = Away() if away else MemoryStore()
        self.worker = Worker(silence)

    @classmethod
    async def opened(cls, *, away: bool = False, silence: float = 0.0) -> Parts:
        parts = cls(away=away, silence=silence)
        await parts.store.open()
        return parts


class Worker:
    def __init__(self, silence: float) -> None:
        self.silence = silence


class Away(MemoryStore):
    async def ping(self) -> None:
        raise StoreUnavailable("the store /var/secret/state.db: the disk is full")


def bare(parts: Parts) -> Answer:
    return lambda request: probe(request, parts)


def explained(parts: Parts) -> Answer:
    return Probes(parts).answer


async def ask(answer: Answer, path: str, method: str = "GET") -> httpx.Response:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (await answer(Request(scope, receive)))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bridge") as client:
        return await client.request(method, path)


@pytest.mark.parametrize("path", sorted(PROBES))
async def test_world_hears_ok_and_no_more_when_all_is_well(path: str) -> None:
    """A process that works is alive, ready and healthy."""
    answer = await ask(bare(await Parts.opened()), path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", sorted(PROBES - {LIVE}))
async def test_process_is_alive_and_not_ready_when_the_store_is_away(path: str) -> None:
    """A restart mends no disk: only readiness fails; the operator hears why, and the world does not."""
    parts = await Parts.opened(away=True)
    for answer in (bare(parts), explained(parts)):
        assert (await ask(answer, LIVE)).status_code == 200
    said = await ask(bare(parts), path)
    assert (said.status_code, said.json()) == (503, {"status": "unavailable"})
    said = await ask(explained(parts), path)
    assert said.status_code == 503
    assert said.json()["checks"] == {
        "rules": "ok", "store": "the store /var/secret/state.db: the disk is full", "running": "ok"
    }  # fmt: skip


async def test_log_has_one_line_a_minute_of_a_probe_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody may ask as often as they like; another reason is told at once, and how much was left out later."""
    now = [0.0]
    probes = Probes(await Parts.opened(away=True), gate=FloodGate(limit=1, seconds=60, clock=lambda: now[0]))
    for _ in range(9):
        assert (await ask(probes.answer, READY)).status_code == 503
    assert caplog.messages == ["/readyz answers 503: store: the store /var/secret/state.db: the disk is full"]

    probes.stopping = True
    await ask(probes.answer, READY)
    assert caplog.messages[1:] == [f"{caplog.messages[0]}; running: the process is stopping"]
    now[0] = 61
    await ask(probes.answer, READY)
    assert caplog.messages[2:] == ["8 more answers 503 of /readyz (store) within 60 s", caplog.messages[1]]


@pytest.mark.parametrize(("silence", "status"), [(STALLED, 200), (STALLED + 15, 503)])
async def test_process_is_not_alive_when_its_worker_is_stuck(silence: float, status: int) -> None:
    """Deliveries would be accepted and never worked on; only a restart helps."""
    parts = await Parts.opened(silence=silence)
    assert (await ask(bare(parts), LIVE)).status_code == status
    answer = await ask(explained(parts), LIVE)
    assert answer.status_code == status
    assert answer.json()["checks"] == {
        "worker": "ok" if status == 200 else "it has neither looked for work nor ended any for 75 s"
    }
    assert (await ask(explained(parts), READY)).status_code == 200


async def test_process_is_not_ready_and_alive_when_it_stops() -> None:
    """Whoever sends requests sends them elsewhere; nobody need kill what ends by itself."""
    probes = Probes(await Parts.opened())
    probes.stopping = True
    answer = await ask(probes.answer, READY)
    assert (answer.status_code, answer.json()["checks"]["running"]) == (503, "the process is stopping")
    assert (await ask(probes.answer, LIVE)).status_code == 200


async def test_process_is_ready_when_a_portal_is_paused() -> None:
    """What arrives is stored and waits, so the pause is told and takes nothing from readiness."""
    parts = await Parts.opened()
    await parts.store.pause("main/crm.activity.badge.add", until=1_795_345_200.0, reason="refused")
    probes = Probes(parts, lanes=lambda: ["main", "main/crm.activity.badge.add"])
    answer = await ask(probes.answer, READY)
    assert answer.status_code == 200
    assert answer.json()["paused"] == [{"lane": "main/crm.activity.badge.add", "until": "2026-11-22T11:00:00Z"}]


@pytest.mark.parametrize("path", sorted(PROBES))
async def test_probe_takes_get_only(path: str) -> None:
    """Anything else is answered with 405."""
    parts = await Parts.opened()
    for answer in (bare(parts), explained(parts)):
        said = await ask(answer, path, "POST")
        assert (said.status_code, said.headers["allow"]) == (405, "GET, HEAD")


def test_worker_is_silent_while_it_hangs_and_not_while_it_waits() -> None:
    """Its silence grows where looking for work does not come back, and stays below a tick where there is none."""
    hang = False

    async def sweep(limit: int) -> Sequence[Claim]:
        if hang:
            await asyncio.Event().wait()
        return ()

    async def never(claim: Claim) -> None:
        raise AssertionError

    async def watch() -> None:
        nonlocal hang
        worker = LocalWorker(sweep=sweep, process=never, give_back=never, concurrency=1, tick=1.0)
        assert worker.silence == 0
        worker.start()
        await asyncio.sleep(100.5)
        assert worker.silence <= 1
        hang = True
        await asyncio.sleep(STALLED + 2)
        assert worker.silence > STALLED
        assert worker._loop_task is not None
        worker._loop_task.cancel()

    run_virtually(watch())


def test_worker_is_not_silent_while_its_work_ends_although_a_look_takes_long() -> None:
    """In a rush of deliveries a look may take minutes; that attempts end shows that the worker is alive."""
    looks = 0

    async def sweep(limit: int) -> Sequence[Claim]:
        nonlocal looks
        looks += 1
        if looks > 1:
            await asyncio.Event().wait()
        return [cast("Claim", SimpleNamespace(key=f"s:{seconds}", seconds=seconds)) for seconds in (40, 80, 120)]

    async def process(claim: Claim) -> None:
        await asyncio.sleep(cast("Any", claim).seconds)

    async def never(claim: Claim) -> None:
        raise AssertionError

    async def watch() -> None:
        worker = LocalWorker(sweep=sweep, process=process, give_back=never, concurrency=9, tick=1.0)
        worker.start()
        for _ in range(11):
            await asyncio.sleep(15)
            assert worker.silence <= 50
        await asyncio.sleep(20)
        assert worker.silence > STALLED
        assert worker._loop_task is not None
        worker._loop_task.cancel()

    run_virtually(watch())
