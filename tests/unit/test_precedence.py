"""Deliveries come first: work on events waits for its small part of the time while they keep coming, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from badge_bridge.dispatch.precedence import MANY, SECONDS, Precedence
from support.portals import run_virtually

SHARE, STEP = 0.05, 0.001


class Machine:
    """The loop's time, and what steps of work take of it."""

    def __init__(self) -> None:
        self.taken = 0.0
        self.steps: list[float] = []
        self.precedence = Precedence(share=SHARE, clock=self.clock)

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.taken

    def step(self) -> None:
        self.steps.append(self.clock())
        self.taken += STEP

    async def work(self, steps: int) -> int:
        for _ in range(steps):
            self.step()
            await asyncio.sleep(0)
        return steps

    async def behind(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await self.precedence.behind(work)

    def rush(self) -> None:
        for _ in range(MANY):
            self.precedence.notice()

    async def deliveries(self, until: Callable[[], bool]) -> None:
        """One in each millisecond."""
        for _ in range(100_000):
            if until():
                return
            self.precedence.notice()
            await asyncio.sleep(0.001)
        raise AssertionError("the work does not come to its end")


def virtually(story: Callable[[Machine], Coroutine[Any, Any, None]]) -> None:
    run_virtually(story(Machine()))


def test_work_goes_on_at_once_when_no_delivery_is_about() -> None:
    """Nothing is waited for between its steps."""

    async def story(machine: Machine) -> None:
        assert await machine.precedence.behind(machine.work(100)) == 100
        assert asyncio.get_running_loop().time() == 0

    virtually(story)


def test_work_gets_its_share_and_no_more_while_deliveries_keep_coming() -> None:
    """Ten events with ten steps each: they come to their end, in twenty times the time that they would take alone."""

    async def story(machine: Machine) -> None:
        machine.rush()
        works = [asyncio.create_task(machine.behind(machine.work(10))) for _ in range(10)]
        await machine.deliveries(until=lambda: all(work.done() for work in works))

        took = machine.clock()
        assert took >= 90 * STEP / SHARE  # their first steps are not waited for
        assert took <= 110 * STEP / SHARE

    virtually(story)


def test_one_step_runs_at_a_time_while_deliveries_keep_coming() -> None:
    """Many whose answer came at once do not go on at once."""

    async def story(machine: Machine) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def wait_for_it() -> None:
            await answer
            machine.step()

        works = [asyncio.create_task(machine.behind(wait_for_it())) for _ in range(20)]
        await asyncio.sleep(0)
        machine.rush()
        answer.set_result(None)
        await machine.deliveries(until=lambda: all(work.done() for work in works))

        gaps = [later - earlier for earlier, later in zip(machine.steps, machine.steps[1:], strict=False)]
        assert min(gaps) >= STEP / SHARE * 0.99

    virtually(story)


def test_one_step_runs_in_a_turn_of_the_loop_when_no_delivery_is_about() -> None:
    """Else the first delivery of all would wait for as many steps as one answer has set going."""

    async def story(machine: Machine) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn, turns = 0, []

        async def wait_for_it() -> None:
            await answer
            turns.append(turn)

        works = [asyncio.create_task(machine.behind(wait_for_it())) for _ in range(20)]
        await asyncio.sleep(0)
        answer.set_result(None)
        for _ in range(100):
            turn += 1
            await asyncio.sleep(0)

        assert all(work.done() for work in works)
        assert len(set(turns)) == 20

    virtually(story)


def test_work_that_waits_goes_on_when_deliveries_stop() -> None:
    """The last of them is over for as long as another one is expected, and then nothing is left to wait for."""

    async def story(machine: Machine) -> None:
        machine.rush()
        await asyncio.gather(*(machine.behind(machine.work(50)) for _ in range(4)))

        assert asyncio.get_running_loop().time() <= 2 * SECONDS
        assert not machine.precedence.is_rush

    virtually(story)


def test_time_that_work_took_while_no_delivery_was_about_is_not_held_against_it() -> None:
    """A second of it before the first delivery would otherwise be twenty seconds of rest."""

    async def story(machine: Machine) -> None:
        await machine.behind(machine.work(1000))
        work = asyncio.create_task(machine.behind(machine.work(3)))
        began = machine.clock()
        await machine.deliveries(until=work.done)

        assert machine.clock() - began <= 4 * STEP / SHARE

    virtually(story)


def test_cancelled_work_hears_of_it_while_it_waits_for_its_turn() -> None:
    """It may give back what it holds, and the others have their turn."""

    async def story(machine: Machine) -> None:
        heard: list[str] = []

        async def giving_back() -> None:
            try:
                await asyncio.sleep(0)
                heard.append("it went on")
            except asyncio.CancelledError:
                await asyncio.sleep(0.5)
                heard.append("given back")
                raise

        first = asyncio.create_task(machine.behind(giving_back()))
        other = asyncio.create_task(machine.behind(machine.work(2)))
        machine.rush()
        await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

        assert heard == ["given back"]
        assert await other == 2

    virtually(story)


def test_work_hears_how_its_waits_ended() -> None:
    """A time limit of its own, an error of what it waits for, and its own error pass through."""

    async def story(machine: Machine) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def waiting() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.sleep(10)
            answer.set_exception(ConnectionError("gone"))
            await answer

        with pytest.raises(ConnectionError, match="gone"):
            await machine.behind(waiting())
        assert asyncio.get_running_loop().time() == 5

    virtually(story)
