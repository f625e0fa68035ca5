"""A call of very many legs costs about as much as their number, and no leg of it is lost. On virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.calls import Calls, call_join
from badge_bridge.events import LEG, Event, Leg
from badge_bridge.sources.joining import MOST_LEGS
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, StoredEvent
from support.company import RULES, Company, number_of, open_company
from support.portals import START, run_virtually, virtual_clock

WITH_PHONES = RULES.replace(
    "sources:\n", 'sources:\n  phones:\n    provider: zoom\n    secrets: ["${PBX_TOKEN}"]\n    longest_call: 600\n', 1
)


def leg(number: int, **facts: Any) -> Accepted:
    """The end of one ringing handset, where nothing else is said of it."""
    given: dict[str, Any] = {"party": "agent", "state": "ended", "ends": "leg", "outcome": "no_answer", **facts}
    event = Event(
        id=str(number),
        source="phones",
        provider="zoom",
        type=LEG,
        time=datetime.fromtimestamp(START, UTC),
        direction="inbound",
        caller=number_of(1),
        leg=Leg(call="7", leg=str(number), **given),
    )
    return Accepted(f"phones:{number}", event, "", virtual_clock(), joins=(call_join(event),))


def count(company: Company) -> Counter[str]:
    """How often the legs of a call are read from now on, and how many of them."""
    store, counted = company.bridge.store, Counter[str]()
    related = store.related

    async def counting(join: str, *, limit: int) -> list[StoredEvent]:
        found = await related(join, limit=limit)
        counted.update(readings=1, legs=len(found))
        return found

    store.related = counting  # type: ignore[method-assign]
    return counted


async def come_in(company: Company, legs: list[Accepted], pause: float) -> None:
    for one in legs:
        await company.bridge.store.accept([one])
        await company.bridge.pipeline._wake([one.key])
        await asyncio.sleep(pause)


async def ended(company: Company) -> tuple[list[StoredEvent], StoredEvent]:
    events = await company.ended()
    (judged,) = [one for one in events if one.event.leg is None]
    return [one for one in events if one.event.leg is not None], judged


@pytest.mark.parametrize(("pause", "most"), [(0.0, 800), (0.001, 1600), (0.02, 1600), (0.2, 6500), (2.0, 20_200)])
@pytest.mark.parametrize("together", [1, 200])
def test_legs_of_one_call_are_read_about_as_often_as_they_are_many(pause: float, most: int, together: int) -> None:
    """200 legs at once or one after the other: not 200 times 200 legs are read, and at most 100 a second or so."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            counted = count(company)
            legs = [leg(number) for number in range(200)]
            if together > 1:
                await company.bridge.store.accept(legs)
                await asyncio.sleep(200 * pause)
            else:
                await come_in(company, legs, pause)
            told, judged = await ended(company)
            assert {one.state for one in told} == {"joined"}
            assert (judged.event.type, judged.verified[:20]) == ("call.missed", "from 200 deliveries:")
            assert counted["legs"] <= most, counted
            assert sum(one.attempts for one in told) <= 3 * len(told)
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_late_legs_of_a_call_are_read_together() -> None:
    """Legs that come in a burst after the judgement change it once or twice, and the one that answers counts."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await come_in(company, [leg(number) for number in range(50)], 0)
            _, judged = await ended(company)
            assert judged.event.type == "call.missed"
            counted = count(company)
            late = [leg(number) for number in range(50, 200)]
            late[70] = leg(120, outcome="completed", human=True)
            await come_in(company, late, 0.001)
            told, judged = await ended(company)
            assert (judged.event.type, judged.verified[:20]) == ("call.answered", "from 200 deliveries:")
            assert {one.state for one in told} == {"joined"}
            assert counted["legs"] <= 1600, counted

    run_virtually(story())


@pytest.mark.parametrize("answered", [0, 400, MOST_LEGS + 100])
def test_call_of_too_many_legs_is_unknown_at_once_and_costs_no_more(answered: int) -> None:
    """Above the limit it is never missed, nothing waits for its end any more, and further legs read nothing."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            counted = count(company)
            legs = [leg(number, state="ringing", ends="", outcome="") for number in range(MOST_LEGS + 200)]
            legs[answered] = leg(answered, outcome="completed", human=True)
            await come_in(company, legs, 0.01)
            before, began = dict(counted), virtual_clock()
            told, judged = await ended(company)
            assert judged.event.type == "call.unknown"
            assert judged.event.reason == f"the call is said to have {MOST_LEGS} legs or more"
            assert {one.state for one in told} == {"joined"}
            assert counted["legs"] <= 6 * len(legs), counted
            assert virtual_clock() - began < 20

            before = dict(counted)
            await come_in(company, [leg(number) for number in range(1000, 1200)], 0.2)
            await ended(company)
            assert dict(counted) == before
            assert not company.activities()

    run_virtually(story())


@pytest.mark.parametrize("seed", range(10))
def test_no_leg_is_lost_whatever_is_remembered_or_forgotten_of_readings(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes and restarts share the legs of calls, some of them answered by one leg among many: each judgement
    is made of all legs.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    monkeypatch.setattr("badge_bridge.calls._OFTEN", rng.choice([0, 2, 10]))

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            pipeline = company.bridge.pipeline

            class Either:
                """Each attempt is made by one of two processes, of which one may just have been started anew."""

                def __init__(self) -> None:
                    given: dict[str, Any] = {
                        "rules": pipeline._rules,
                        "sources": pipeline._sources,
                        "store": company.bridge.store,
                    }
                    self.processes = [Calls(**given, clock=virtual_clock) for _ in range(2)]

                async def join(self, claim: Any) -> Any:
                    process = rng.choice(self.processes)
                    if rng.random() < 0.02:
                        process._known.clear()
                    await asyncio.sleep(rng.choice([0, 0, 0.003, 0.05]))
                    joined = await process.join(claim)
                    await asyncio.sleep(rng.choice([0, 0, 0.003, 0.05]))
                    return joined

            pipeline._calls = Either()  # type: ignore[assignment]
            legs = [leg(number) for number in range(60)]
            rng.shuffle(legs)
            for one in legs:
                await come_in(company, [one], rng.choice([0, 0, 0, 0.01, 0.2, 3]))
            told, judged = await ended(company)
            assert {one.state for one in told} == {"joined"}
            assert judged.verified.startswith("from 60 deliveries:")

    run_virtually(story())


def test_leg_is_not_left_to_one_that_another_process_has_ended_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process remembers of who reads next may be over; the leg would be read by nobody."""
    monkeypatch.setattr("badge_bridge.calls._OFTEN", 0)

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            pipeline, store = company.bridge.pipeline, MemoryStore()
            await store.open()
            now = virtual_clock()
            given: dict[str, Any] = {"rules": pipeline._rules, "sources": pipeline._sources, "store": store}
            ours, theirs = (Calls(**given, clock=lambda: now) for _ in range(2))

            async def attempt(calls: Calls, key: str) -> str:
                claim = await store.claim(key, now=now, lease=60)
                assert claim is not None
                joined = await calls.join(claim)
                await store.settle(claim, joined.settlement)
                return joined.settlement.state

            await store.accept([leg(0)])
            now += 4.995
            assert await attempt(ours, "phones:0") == "waiting"
            now += 0.006
            assert await attempt(theirs, "phones:0") == "joined"
            await store.accept([leg(1)])
            assert await attempt(ours, "phones:1") == "waiting"
            now += 1
            assert await attempt(ours, "phones:1") == "joined"
            (judged,) = (await store.list(type="call.missed")).events
            assert judged.verified.startswith("from 2 deliveries:")

    run_virtually(story())
