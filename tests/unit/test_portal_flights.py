"""Looks that are shared: who waits for whom, and what a caller who leaves, fails or closes does to the others."""

from __future__ import annotations

import asyncio

import pytest

from badge_bridge.portal.flights import Flights


class Look:
    """A look that ends when it is told to, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> int:
        self.begun += 1
        return await asyncio.shield(self.answer)


async def turn() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_come_while_a_look_is_under_way_share_it() -> None:
    """The first one is told that it was the first; after the landing the next one looks anew."""
    flights: Flights[str, int] = Flights("look")
    look = Look()
    waiting = [asyncio.create_task(flights.share("a", look)) for _ in range(3)]
    await turn()
    look.answer.set_result(7)
    assert await asyncio.gather(*waiting) == [(7, False), (7, True), (7, True)]
    assert look.begun == 1
    assert await flights.share("a", look) == (7, False)
    assert look.begun == 2


async def test_different_questions_are_different_looks() -> None:
    """Nobody waits for another customer."""
    flights: Flights[str, int] = Flights("look")
    slow, quick = Look(), Look()
    waiting = asyncio.create_task(flights.share("slow", slow))
    await turn()
    quick.answer.set_result(1)
    assert await flights.share("quick", quick) == (1, False)
    slow.answer.set_result(2)
    assert await waiting == (2, False)


async def test_a_value_has_landed_before_any_caller_goes_on() -> None:
    """Whoever asks next finds it where the first one put it."""
    landed: list[tuple[str, int]] = []
    flights: Flights[str, int] = Flights("look", landed=lambda key, value: landed.append((key, value)))
    look = Look()
    look.answer.set_result(7)

    async def ask() -> list[tuple[str, int]]:
        await flights.share("a", look)
        return list(landed)

    assert tuple(await asyncio.gather(ask(), ask())) == ([("a", 7)], [("a", 7)])


async def test_the_others_get_their_answer_when_the_first_caller_leaves() -> None:
    """An event that is cancelled takes no other event with it."""
    flights: Flights[str, int] = Flights("look")
    look = Look()
    first = asyncio.create_task(flights.share("a", look))
    second = asyncio.create_task(flights.share("a", look))
    await turn()
    first.cancel()
    await turn()
    assert first.cancelled()
    look.answer.set_result(7)
    assert await second == (7, True)


async def test_a_value_lands_when_every_caller_has_left() -> None:
    """The portal was asked; its answer is not thrown away."""
    landed: list[int] = []
    flights: Flights[str, int] = Flights("look", landed=lambda _, value: landed.append(value))
    look = Look()
    only = asyncio.create_task(flights.share("a", look))
    await turn()
    only.cancel()
    await turn()
    look.answer.set_result(7)
    await turn()
    assert landed == [7]
    assert flights.under_way == {}


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    """It lands nowhere, the next one looks anew; and nobody is told of an exception that was never asked for."""
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    landed: list[int] = []
    flights: Flights[str, int] = Flights("look", landed=lambda _, value: landed.append(value))
    look = Look()
    waiting = [asyncio.create_task(flights.share("a", look)) for _ in range(2)]
    lonely = Look()
    left = asyncio.create_task(flights.share("b", lonely))
    await turn()
    left.cancel()
    look.answer.set_exception(ValueError("no"))
    lonely.answer.set_exception(ValueError("no"))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    await turn()
    again = Look()
    again.answer.set_result(8)
    assert await flights.share("a", again) == (8, False)
    assert landed == [8]
    assert reports == []


async def test_closing_stops_what_is_under_way() -> None:
    """Closing waits for nothing that hangs, and leaves nothing behind."""
    flights: Flights[str, int] = Flights("look")
    waiting = asyncio.create_task(flights.share("a", Look()))
    await turn()
    await flights.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert flights.under_way == {}
