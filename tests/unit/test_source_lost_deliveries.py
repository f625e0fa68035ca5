"""Calls of which deliveries are lost: every subset of what each provider tells of a ring group of two telephones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, product

import pytest

from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import CorrelatingOptions
from badge_bridge.sources.joining import LegEvent, judge_legs
from support.ring_groups import GROUPS, Group
from support.senders import SENDERS

VAIN = {"missed", "busy", "rejected"}


def subsets(legs: list[LegEvent]) -> Iterator[list[LegEvent]]:
    """All but none at all."""
    for kept in product((True, False), repeat=len(legs)):
        if any(kept):
            yield list(compress(legs, kept))


def test_every_provider_that_tells_of_a_call_in_legs_is_tried() -> None:
    """A provider that is new to them needs a group here, in tests/support/ring_groups.py."""
    correlating = {name for name, options in OPTIONS.items() if issubclass(options, CorrelatingOptions)}
    assert {SENDERS[group.sender].provider for group in GROUPS.values()} == correlating


@pytest.mark.parametrize("group", GROUPS.values(), ids=list(GROUPS))
def test_answered_call_is_never_missed_while_a_proof_of_the_connection_is_left(group: Group) -> None:
    """Whichever deliveries are lost of a call that a colleague took when the first telephone had rung out."""
    legs = group.told([*group.around, *group.rang, *group.proofs])
    proofs = {one.key for one in legs[-len(group.proofs) :]}
    assert judge_legs(legs).outcome == "answered"
    for left in subsets(legs):
        if proofs & {one.key for one in left}:
            assert judge_legs(left).outcome not in VAIN, [one.key for one in left]


@pytest.mark.parametrize("group", GROUPS.values(), ids=list(GROUPS))
def test_call_of_which_every_proof_is_lost_may_look_as_one_in_vain(group: Group) -> None:
    """What is left is word for word what is told of a call that nobody took: no judgement could tell them apart."""
    found = {judge_legs(left).outcome for left in subsets(group.told([*group.around, *group.rang]))}
    assert found <= {"missed", "unknown", "failed"}
    assert ("missed" in found) == group.missed_without_proof


@pytest.mark.parametrize("group", GROUPS.values(), ids=list(GROUPS))
def test_call_that_no_telephone_of_the_group_takes_is_missed(group: Group) -> None:
    """What keeps an answered call from being missed takes none away that was."""
    legs = group.told([*group.around, *group.rang, *group.in_vain])
    assert judge_legs(legs).outcome == judge_legs(legs[::-1]).outcome == "missed"
