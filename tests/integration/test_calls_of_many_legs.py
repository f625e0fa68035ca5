"""A call of very many legs costs about as much as their number, and no leg of it is lost. On virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import LEG, Event, Leg, call_join
from badge_bridge.pipeline import Pipeline
from badge_bridge.sources.legs import MOST_LEGS
from badge_bridge.store.protocol import Accepted, Claim, Judged, Settlement, StoredEvent
from badge_bridge.store.sqlite import SqliteStore
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
    return Accepted(f"phones:{number}", event, "", 0.0, joins=(call_join(event),))


def of_call(told: Accepted, call: str) -> Accepted:
    assert told.event.leg is not None
    event = told.event.model_copy(update={"leg": told.event.leg.model_copy(update={"call": call})})
    return replace(told, event=event, joins=(call_join(event),))


async def accept(company: Company, legs: list[Accepted]) -> None:
    """As the pipeline does it with what comes in now."""
    now, pipeline = virtual_clock(), company.bridge.pipeline
    told = [replace(one, received_at=now, leg=pipeline._calls.place(one.event, now)) for one in legs]
    await company.bridge.store.accept(told)
    await pipeline._wake([one.key for one in told])


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
        await accept(company, [one])
        await asyncio.sleep(pause)


async def ended(company: Company) -> tuple[list[StoredEvent], StoredEvent]:
    events = await company.ended()
    (judged,) = [one for one in events if one.event.leg is None]
    return [one for one in events if one.event.leg is not None], judged


@pytest.mark.parametrize(("pause", "most"), [(0.0, 200), (0.001, 400), (0.02, 400), (0.2, 1200), (2.0, 10_500)])
@pytest.mark.parametrize("together", [1, 200])
def test_legs_of_one_call_are_read_about_as_often_as_they_are_many(pause: float, most: int, together: int) -> None:
    """200 legs at once or one after the other: they are read when a grace time is over, not for each leg."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            counted = count(company)
            legs = [leg(number) for number in range(200)]
            if together > 1:
                await accept(company, legs)
                await asyncio.sleep(200 * pause)
            else:
                await come_in(company, legs, pause)
            told, judged = await ended(company)
            assert {one.state for one in told} == {"joined"}
            assert (judged.event.type, judged.verified[:20]) == ("call.missed", "from 200 deliveries:")
            assert counted["legs"] <= most, counted
            assert sum(one.attempts for one in told) == counted["readings"]
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


@pytest.mark.parametrize("seed", range(20))
def test_no_leg_is_lost_whatever_comes_between_reading_and_writing(seed: int) -> None:
    """Legs come while others are being read, attempts last long, and their ends are lost or not heard of: each
    judgement is made of all legs, and no leg is left behind.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            store = company.bridge.store
            related, judge, settle = store.related, store.judge, store.settle

            async def hesitate() -> None:
                await asyncio.sleep(rng.choice([0, 0, 0.003, 0.05, 3]))

            async def slow_related(join: str, *, limit: int) -> list[StoredEvent]:
                await hesitate()
                found = await related(join, limit=limit)
                await hesitate()
                return found

            async def unsure_judge(*args: Any, **fields: Any) -> Judged:
                if rng.random() < 0.2:
                    raise StoreUnavailable("before it was written")
                done = await judge(*args, **fields)
                await hesitate()
                if rng.random() < 0.2:
                    raise StoreUnavailable("after it was written")
                return done

            async def lost_settle(claim: Claim, settlement: Settlement) -> bool:
                await hesitate()
                return rng.random() < 0.1 or await settle(claim, settlement)

            store.related, store.judge, store.settle = slow_related, unsure_judge, lost_settle  # type: ignore[method-assign]
            legs = [of_call(leg(10 * call + number), str(call)) for call in range(12) for number in range(9)]
            rng.shuffle(legs)
            for one in legs:
                await come_in(company, [one], rng.choice([0, 0, 0.01, 0.2, 1]))
            if rng.random() < 0.5:
                await store.redrive(rng.choice(legs).key, now=virtual_clock())
            events = await company.ended()
            assert {one.state for one in events if one.event.leg} == {"joined"}
            assert [one.verified[:18] for one in events if not one.event.leg] == ["from 9 deliveries:"] * 12

    run_virtually(story())


async def test_no_leg_is_lost_when_two_processes_share_a_file(tmp_path: Path) -> None:
    """Each accepts and reads as it comes; together they judge every call from all of its legs."""
    now = START
    stores = [SqliteStore(tmp_path / "state.db") for _ in range(2)]
    async with open_company(customers=1, rules=WITH_PHONES) as company:
        given: dict[str, Any] = {
            "rules": company.bridge.pipeline._rules,
            "sources": company.bridge.pipeline.accepting._sources,
        }
    for store in stores:
        await store.open()
    processes = [
        Pipeline(**given, store=store, portals={}, wake=nobody, clock=lambda: now, random=lambda: 0.5)
        for store in stores
    ]

    async def accept(number: int, call: int) -> None:
        told = of_call(leg(1000 * call + number), str(call))
        # No rule of theirs is for a call that goes out.
        event = told.event.model_copy(update={"direction": "outbound"})
        place = processes[0]._calls.place(event, now)
        await stores[number % 2].accept([replace(told, event=event, received_at=now, leg=place)])

    async def work(pipeline: Pipeline) -> None:
        for _ in range(20):
            for claim in await pipeline.sweep(3):
                await pipeline.process(claim)

    for number in range(8):
        legs = [accept(number, call) for call in range(12)]
        await asyncio.gather(*legs, *(work(pipeline) for pipeline in processes))
        now += 2
    for _ in range(9):
        now += 2
        await asyncio.gather(*(work(pipeline) for pipeline in processes))
    told = (await stores[0].list(limit=500)).events
    assert {one.state for one in told if one.event.leg} == {"joined"}
    assert [one.verified[:18] for one in told if not one.event.leg] == ["from 8 deliveries:"] * 12
    for store in stores:
        await store.close()


async def nobody(keys: Sequence[str]) -> None:
    """No worker is there to be woken."""


def test_leg_names_its_judgement_when_it_was_joined_as_it_came() -> None:
    """A leg that was joined as it came has no attempt of its own; its reason names the judgement."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_PHONES) as company:
            await come_in(company, [leg(0), leg(1)], 0.1)
            told, judged = await ended(company)
            first, second = sorted(told, key=lambda one: one.key)
            assert (first.attempts, second.attempts) == (1, 0)
            assert first.reason == f"judged as call.missed in {judged.key}"
            assert second.reason == f"left to another leg of the call, to be judged in {judged.key}"

    run_virtually(story())
