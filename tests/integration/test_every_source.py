"""Every provider, from a signed delivery over the HTTP surface to the badge on the card; and what is changed of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from badge_bridge.rulesfile import RulesFile
from badge_bridge.signing import samples
from badge_bridge.sources import PROVIDERS, build_all
from badge_bridge.sources.base import Delivery, SampleCall
from support.company import RULES, Company, number_of, open_company, ours
from support.every_source import NEVER_JUDGED, OPTIONS_OF, SAMPLED, WITHOUT_SAMPLES
from support.portals import run_virtually, virtual_clock


def rules_with(provider: str) -> str:
    options = {**OPTIONS_OF[provider], "provider": provider, "secrets": ["${SECRET}"]}
    return RULES.replace("sources:\n", f"sources:\n  s: {json.dumps(options)}\n", 1)


async def deliver(company: Company, delivery: Delivery) -> int:
    source = company.bridge.pipeline.source("s", delivery.method, delivery.path)
    return (await company.bridge.pipeline.accept(source, delivery)).status


def sampled(rules: RulesFile, outcome: Any, number: int = 1) -> list[Delivery]:
    now = virtual_clock()
    call = SampleCall(id=f"call{number}", outcome=outcome, at=now - 25, now=now, caller=number_of(1))
    return list(samples(build_all(rules.sources), "s", call))


def open_badges(company: Company) -> int:
    return sum(not one.completed for one in ours(company.portal))


def test_every_provider_is_tried() -> None:
    """A new provider is one line here, or a reason why it has none."""
    assert {*SAMPLED, *WITHOUT_SAMPLES} == set(PROVIDERS), "see tests/support/every_source.py"


@pytest.mark.parametrize("provider", [provider for provider in SAMPLED if provider not in NEVER_JUDGED])
def test_missed_call_gets_a_badge_and_the_call_that_is_answered_takes_it_away(provider: str) -> None:
    """What `badge-bridge sign` makes for a source is accepted, judged, and ends on the card, once however often sent."""

    async def story() -> None:
        secret = OPTIONS_OF[provider]["secrets"][0]
        async with open_company(customers=1, rules=rules_with(provider), environ={"SECRET": secret}) as company:
            rules = company.bridge.rules
            missed = sampled(rules, "missed")
            for delivery in [*missed, *missed]:
                assert 200 <= await deliver(company, delivery) < 300
            events = await company.ended()
            judged = [event for event in events if event.event.leg is None]
            assert [event.event.type for event in judged] == ["call.missed"], judged
            assert (judged[0].state, judged[0].event.subject) == ("done", number_of(1))
            assert open_badges(company) == 1
            assert all(secret not in event.event.model_dump_json() for event in events)

            answered = sampled(rules, "answered", number=2)
            for delivery in answered:
                assert 200 <= await deliver(company, delivery) < 300
            events = await company.ended()
            assert sorted(event.event.type for event in events if event.event.leg is None) == [
                "call.answered",
                "call.missed",
            ]
            assert open_badges(company) == 0
            assert list(company.activities().values()) == [1]

    run_virtually(story())


@pytest.mark.parametrize("provider", sorted(NEVER_JUDGED))
def test_event_that_is_never_judged_is_kept_under_its_own_name(provider: str) -> None:
    """Nothing is guessed about a provider whose fields are not known."""

    async def story() -> None:
        secret = OPTIONS_OF[provider]["secrets"][0]
        async with open_company(customers=1, rules=rules_with(provider), environ={"SECRET": secret}) as company:
            for delivery in sampled(company.bridge.rules, "missed"):
                assert 200 <= await deliver(company, delivery) < 300
            events = await company.ended()
            assert events
            assert all(event.event.type.startswith(f"{provider}.") for event in events)

    run_virtually(story())
