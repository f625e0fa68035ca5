"""What is left of a call when deliveries of its provider are lost: a colleague who picked up is not forgotten.

The deliveries are the signed samples of each provider. A ring group is the call that one telephone answers, with what
the telephone that nobody picked up tells beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from badge_bridge.sources import OPTIONS, PROVIDERS
from badge_bridge.sources.joining import LegEvent, judged_event
from support.every_source import NOW, call, source_of
from support.senders import PRIVATE, PUBLIC

IN_LEGS = ("bandwidth", "dialpad", "plivo", "ringcentral", "signalwire", "sinch", "telnyx", "vonage", "zoom")
ONE_TELLS = {"plivo", "signalwire"}
"""One delivery alone tells that somebody picked up, as the callback of `<Dial>` does."""


def legs_of(provider: str, outcome: str) -> list[LegEvent]:
    told = call(outcome)
    if provider == "telnyx":
        source: Any = PROVIDERS[provider](
            "s", OPTIONS[provider].model_validate({"provider": provider, "secrets": [PUBLIC]})
        )
        told = replace(told, private_key=PRIVATE.private_bytes_raw())
    else:
        source = source_of(provider)
    events = [reading.event for delivery in source.sample(told) for reading in source.read(delivery)]
    return [LegEvent(f"{outcome} {number}", NOW, event) for number, event in enumerate(events)]


def ring_group(provider: str) -> list[LegEvent]:
    """A telephone that is answered and, where telephones are told of, another that rings in vain."""
    in_vain = [one for one in legs_of(provider, "missed") if one.leg.party == "agent"]
    return [*legs_of(provider, "answered"), *map(_of_another, in_vain)]


def _of_another(one: LegEvent) -> LegEvent:
    leg = one.leg.model_copy(update={"leg": f"{one.leg.leg} 2"})
    return replace(one, event=one.event.model_copy(update={"leg": leg}))


def subsets(legs: Sequence[LegEvent]) -> Iterator[list[LegEvent]]:
    for count in range(1, len(legs) + 1):
        yield from map(list, combinations(legs, count))


@pytest.mark.parametrize("provider", IN_LEGS)
def test_answered_call_is_never_missed_while_a_proof_of_it_is_left(provider: str) -> None:
    """Of every selection of its deliveries, whether or not another telephone rang in vain."""
    assert judged_event(legs_of(provider, "answered")).type == "call.answered"
    for left in subsets(ring_group(provider)):
        if any(one.leg.human for one in left):
            assert judged_event(left).type in ("call.answered", "call.unknown"), left


@pytest.mark.parametrize("provider", IN_LEGS)
def test_call_that_is_known_in_full_but_for_one_delivery_is_not_missed(provider: str) -> None:
    """But where one delivery alone tells who picked up."""
    told = ring_group(provider)
    found = {judged_event([each for each in told if each is not lost]).type for lost in told}
    assert ("call.missed" in found) is (provider in ONE_TELLS)
