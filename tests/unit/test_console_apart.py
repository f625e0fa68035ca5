"""Work beside the event loop: one piece at a time, and no wait without end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from badge_bridge.console.apart import Apart, Busy


async def test_loop_goes_on_while_work_is_done() -> None:
    """Deliveries are taken meanwhile: the work waits here for something that only the loop can do."""
    may_end = threading.Event()
    work = asyncio.create_task(Apart().do(lambda: may_end.wait(30)))
    await asyncio.sleep(0)
    may_end.set()
    assert await work is True


async def test_error_of_the_work_is_raised_where_it_is_waited_for() -> None:
    """What goes wrong in the thread is known to who asked for it, and the next piece has its turn."""
    apart = Apart()
    with pytest.raises(ZeroDivisionError):
        await apart.do(lambda: 1 // 0)
    assert await apart.do(lambda: 1) == 1


async def test_piece_is_refused_when_the_one_before_does_not_end() -> None:
    """Who comes second waits for a while and not for ever; when the first has ended, there is room again."""
    apart, may_end = Apart(patience=0.01), threading.Event()
    first = asyncio.create_task(apart.do(lambda: may_end.wait(30)))
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="try again in a minute"):
        await apart.do(lambda: 1)
    may_end.set()
    await first
    assert await apart.do(lambda: 1) == 1


async def test_nobody_waits_longer_than_told_and_the_turn_is_kept_until_the_work_has_ended() -> None:
    """A piece that takes too long is given up by who waits, and keeps the processor to itself until it ends."""
    apart, may_end, ended = Apart(patience=0.01, longest=0.01), threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(30)
        ended.set()

    with pytest.raises(Busy, match="try it with less"):
        await apart.do(work)
    with pytest.raises(Busy, match="try again in a minute"):
        await apart.do(lambda: 1)
    may_end.set()
    assert await asyncio.to_thread(ended.wait, 30)
    async with asyncio.timeout(30):
        while True:
            try:
                assert await apart.do(lambda: 1) == 1
            except Busy:
                continue
            break
