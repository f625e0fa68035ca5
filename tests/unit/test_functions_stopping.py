"""SIGTERM in a function: what has registered for it is stopped, as long as it is open."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any

import pytest

from badge_bridge.serverless.stopping import when_stopped


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Who was told, the handler of before among them."""
    told: list[str] = []

    def before(number: int, frame: FrameType | None) -> None:
        told.append("server")

    old = signal.signal(signal.SIGTERM, before)
    yield told
    signal.signal(signal.SIGTERM, old)


def stop(told: list[str], name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    async def stop() -> None:
        told.append(name)

    return stop


async def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(3):
        await asyncio.sleep(0)


async def test_all_that_is_open_is_stopped_and_what_was_closed_is_not(told: list[str]) -> None:
    """Rules that have changed open everything anew, and requests that began before still work with what was there."""
    async with AsyncExitStack() as first, AsyncExitStack() as third:
        when_stopped(first, stop(told, "first"))
        async with AsyncExitStack() as second:
            when_stopped(second, stop(told, "second"))
        when_stopped(third, stop(told, "third"))
        await terminate()
    assert sorted(told) == ["first", "server", "third"]

    told.clear()
    await terminate()
    assert told == ["server"]
