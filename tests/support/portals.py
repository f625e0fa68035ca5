"""A portal that takes batches, its leaky bucket, and time that passes only where everybody waits for it."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import httpx

from badge_bridge.sandbox.phpform import parse_form

START = 1_790_000_000.0
"""Unix seconds at which virtual time begins."""

Said = Mapping[str, Any]
"""What one command is answered: an object with `result`, or with `error`."""


class LeakyBuckets:
    """The store's counting, in memory: a bucket holds `burst` and drains `rate` a second."""

    def __init__(self) -> None:
        self.levels: dict[str, tuple[float, float]] = {}
        self.drawn = 0

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        level, at = self.levels.get(bucket, (0.0, now))
        level = max(0.0, level - max(0.0, now - at) * rate)
        over = level + 1 - burst
        if over > 1e-6:
            self.levels[bucket] = (level, now)
            return over / rate
        self.levels[bucket] = (level + 1, now)
        self.drawn += 1
        return 0.0

    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        level, at = self.levels.get(bucket, (0.0, now))
        return min(float(burst), max(0.0, level - max(0.0, now - at) * rate))


def fullest_bucket(arrivals: Iterable[float], rate: float = 2.0) -> float:
    """The most requests that a portal's bucket held that were to arrive at these seconds, as the portal counts them."""
    level = before = fullest = 0.0
    for at in arrivals:
        level = max(0.0, level - (at - before) * rate) + 1
        before, fullest = at, max(fullest, level)
    return fullest


class BatchingPortal(httpx.AsyncBaseTransport):
    """A portal that answers commands by a function, alone or in a batch, and remembers what it was sent.

    `requests` has the commands of each request, in order, `received` the requests themselves. `instead` has answers to whole requests, taken from its
    front, None for an ordinary one; `seconds` says how long a request with so many commands takes.
    """

    def __init__(self, answer: Callable[[str, dict[str, Any]], Said]) -> None:
        self.answer = answer
        self.requests: list[list[tuple[str, dict[str, Any]]]] = []
        self.received: list[httpx.Request] = []
        self.arrivals: asyncio.Queue[httpx.Request] = asyncio.Queue()
        self.instead: list[httpx.Response | Exception | None] = []
        self.seconds: Callable[[int], float] = lambda count: 0.0
        self.gate: asyncio.Event | None = None
        self.under_way = 0
        self.most_under_way = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, body = request.url.path.rsplit("/", 1)[1], json.loads(await request.aread())
        commands = commands_of(method, body)
        self.received.append(request)
        self.arrivals.put_nowait(request)
        self.requests.append(commands)
        instead = self.instead.pop(0) if self.instead else None
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if seconds := self.seconds(len(commands)):
                await asyncio.sleep(seconds)
        finally:
            self.under_way -= 1
        if isinstance(instead, Exception):
            raise instead
        if instead is not None:
            return instead
        if method == "batch":
            return httpx.Response(200, json={"result": answer_batch(body["cmd"], self.answer), "time": {}})
        said = self.answer(*commands[0])
        return httpx.Response(400 if "error" in said else 200, content=json.dumps(said))

    @property
    def sizes(self) -> list[int]:
        return [len(commands) for commands in self.requests]


def commands_of(method: str, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if method != "batch":
        return [(method, {name: value for name, value in body.items() if name != "auth"})]
    assert body["halt"] == 0
    return [command_of(text) for text in body["cmd"].values()]


def command_of(text: str) -> tuple[str, dict[str, Any]]:
    """A command of a batch, read as PHP reads it."""
    method, _, query = text.partition("?")
    return method, parse_form(query)


def answer_batch(cmd: Mapping[str, str], answer: Callable[[str, dict[str, Any]], Said]) -> dict[str, Any]:
    """The `result` of a batch, with `[]` where PHP has nothing to put into an object."""
    parts: dict[str, dict[str, Any]] = {
        name: {} for name in ("result", "result_error", "result_total", "result_next", "result_time")
    }
    for key, text in cmd.items():
        said = answer(*command_of(text))
        if "error" in said:
            parts["result_error"][key] = dict(said)
            continue
        parts["result"][key] = said["result"]
        for name in ("total", "next", "time"):
            if name in said:
                parts[f"result_{name}"][key] = said[name]
    return {name: part or [] for name, part in parts.items()}


class _Jumping(selectors.DefaultSelector):
    """Where a loop would sleep, its time jumps instead."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and for nothing that will happen"
            self.elapsed += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at 0 and passes only while all its tasks wait for it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed


def run_virtually(story: Coroutine[Any, Any, None]) -> None:
    """Run a test's story on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story)


def virtual_clock() -> float:
    """Unix seconds on the running loop's time."""
    return START + asyncio.get_running_loop().time()
