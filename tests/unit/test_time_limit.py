"""The time limit that sets no timer before there is something to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from badge_bridge.time_limit import within
from support.portals import run_virtually


async def _sum(*waits: asyncio.Future[int]) -> int:
    return sum([await wait for wait in waits])


def test_no_timer_is_set_when_nothing_is_waited_for() -> None:
    """Such work needs no event loop, and so no timer of it."""
    with pytest.raises(StopIteration) as ended:
        within(1, _sum()).send(None)
    assert ended.value.value == 0


def test_result_comes_when_all_waits_end_in_time() -> None:
    """However often the work waits."""

    async def late() -> int:
        await asyncio.sleep(0.4)
        return 1

    async def scenario() -> None:
        assert await within(1, _sum(*[asyncio.ensure_future(late()) for _ in range(3)])) == 3

    run_virtually(scenario())


def test_work_is_cancelled_when_it_takes_longer() -> None:
    """It hears of that, and the caller of the timeout."""
    heard: list[str] = []

    async def endless() -> None:
        await asyncio.sleep(0.5)  # which leaves the other half
        try:
            await asyncio.sleep(0.7)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def scenario() -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await within(1, endless())
        assert asyncio.get_running_loop().time() - began == pytest.approx(1, abs=0.01)

    run_virtually(scenario())
    assert heard == ["cancelled"]


@pytest.mark.parametrize("waits", [(), (0,)], ids=["at once", "after a wait"])
def test_error_is_the_caller_s_when_the_work_fails(waits: Sequence[float]) -> None:
    """Its own one, and whatever it had to do in the end is done."""
    done: list[str] = []

    async def failing() -> None:
        try:
            for wait in waits:
                await asyncio.sleep(wait)
            raise LookupError("as it was")
        finally:
            done.append("closed")

    with pytest.raises(LookupError, match="as it was"):
        run_virtually(within(1, failing()))
    assert done == ["closed"]


def test_work_hears_of_a_failed_wait_when_it_waits() -> None:
    """As if it was awaited by itself, and may go on."""

    async def forgiving(wait: asyncio.Future[int]) -> int:
        try:
            return await wait
        except LookupError:
            await asyncio.sleep(0)
            return 7

    async def scenario() -> None:
        wait: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(wait.set_exception, LookupError())
        assert await within(1, forgiving(wait)) == 7

    run_virtually(scenario())
