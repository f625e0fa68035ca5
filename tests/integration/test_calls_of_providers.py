"""Calls of providers that tell of one in several deliveries: signed samples come in lost, doubled and in any order, and
attempts die before their end is written. On virtual time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.store.protocol import Claim, Settlement
from support.company import RULES, Company, number_of, open_company
from support.every_source import OPTIONS_OF
from support.portals import START, run_virtually, virtual_clock
from support.senders import PRIVATE, PUBLIC

CALLS = range(1, 7)


def options_of(provider: str) -> Mapping[str, Any]:
    """With secrets that a sample can be signed with; Telnyx's is the public half of a pair for trying."""
    return OPTIONS_OF.get(provider, {"secrets": [PUBLIC]})


def rules_for(provider: str) -> str:
    url = options_of(provider).get("public_url")
    more = f", public_url: {url}" if url else ""
    phones = f"  phones: {{provider: {provider}, secrets: ['${{PHONES}}'], longest_call: 600{more}}}"
    return RULES.replace("sources:\n", f"sources:\n{phones}\n", 1)


def samples(company: Company, number: int, *, answered: bool) -> list[Delivery]:
    call = SampleCall(
        id=f"call{number}",
        outcome="answered" if answered else "missed",
        at=START - 25,
        now=START,
        caller=number_of(number),
        private_key=PRIVATE.private_bytes_raw(),
    )
    return list(company.bridge.pipeline.source("phones", "POST").sample(call))


def let_attempts_die(company: Company, rng: random.Random) -> None:
    """Of some attempts everything is done and nothing is written down, as when the process is killed just then."""
    pipeline = company.bridge.pipeline
    settle = pipeline._settle

    async def dying(claim: Claim, settlement: Settlement) -> bool:
        if claim.failures < 2 and rng.random() < 0.2:
            raise StoreUnavailable("killed")
        return await settle(claim, settlement)

    pipeline._settle = dying  # type: ignore[method-assign]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loses", [False, True])
@pytest.mark.parametrize(
    "provider", ["zoom", "ringcentral", "vonage", "plivo", "signalwire", "bandwidth", "dialpad", "sinch", "telnyx"]
)
def test_call_known_to_be_answered_is_never_missed(provider: str, loses: bool, seed: int) -> None:
    """Without loss, any order gives the same judgements and cards; with it, what is known of a human still counts."""
    rng = random.Random(f"{provider} {seed}")  # noqa: S311 - repeatable, not secret

    async def story() -> None:
        (secret,) = options_of(provider)["secrets"]
        environ = {"PHONES": secret}
        async with open_company(customers=len(CALLS), rules=rules_for(provider), environ=environ) as company:
            let_attempts_die(company, rng)
            source: Any = company.bridge.pipeline.source("phones", "POST")
            answered = {number: number % 2 == 0 for number in CALLS}
            sent = [(number, one) for number in CALLS for one in samples(company, number, answered=answered[number])]
            assert len(sent) > len(CALLS), "this provider tells of a call in several deliveries"
            if loses:
                sent = [one for one in sent if rng.random() < 0.6]
            told = [(number, reading.event.leg) for number, one in sent for reading in source.read(one)]
            human = {number for number, leg in told if leg is not None and leg.human}
            name = {number: leg.call for number, leg in told if leg is not None}
            sent += rng.sample(sent, len(sent) // 3)
            rng.shuffle(sent)
            for _, one in sent:
                await company.bridge.pipeline.accept(source, replace(one, received_at=virtual_clock()))
                if rng.random() < 0.3:
                    await asyncio.sleep(rng.choice((0.05, 1, 7)))
            judged = [one.event for one in await company.ended() if one.event.leg is None]
            found = {number: [one.type for one in judged if one.id == call] for number, call in name.items()}
            assert all(found[number] in (["call.answered"], ["call.unknown"]) for number in human), found
            if not loses:
                assert human == {number for number in CALLS if answered[number]}
                assert found == {n: ["call.answered" if answered[n] else "call.missed"] for n in CALLS}
            missed = [types for types in found.values() if types == ["call.missed"]]
            activities = company.portal.records.crm.activities.values()
            badges = [one for one in activities if one.originator_id == "badge-bridge" and not one.completed]
            assert len(badges) == len(missed)
            assert set(company.activities().values()) <= {1}

    run_virtually(story())
