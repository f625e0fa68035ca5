"""Judging a call from its legs: what holds for every set of legs, sensible or not."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.events import Event
from badge_bridge.sources.joining import LegEvent, judge_legs, judged_event, when_to_judge
from support.legs import ALL_TOLD, BEGUN, CUSTOMER, NOW, OVER, told

PARTIES = ("customer", "agent", "machine", "")
STATES = ("started", "ringing", "answered", "ended", "")
OUTCOMES = ("completed", "no_answer", "cancelled", "busy", "rejected", "failed", "voicemail")
SELDOM = st.sampled_from((False,) * 9 + (True,))


@st.composite
def legs_of_a_call(draw: st.DrawFn) -> list[LegEvent]:
    """Any legs at all, sensible or not, each with a key of its own. Most say nothing of how it ended, as in life: with
    many that do, the judgements that rest on what is not said would hardly be reached.
    """
    final = [draw(SELDOM) for _ in range(draw(st.integers(1, 8)))]
    return [
        told(
            draw(st.sampled_from("abc")),
            key=f"s:{number}",
            at=draw(st.integers(0, 5)),
            direction=draw(st.sampled_from(("", "", "inbound", "outbound"))),
            caller=draw(st.sampled_from(("", CUSTOMER, "+4940111"))),
            duration=draw(st.sampled_from((None, 7, 12))),
            party=draw(st.sampled_from(PARTIES)),
            state=draw(st.sampled_from(STATES)),
            outcome=draw(st.sampled_from(("",) * 8 + OUTCOMES)),
            detail=draw(st.sampled_from(("", "486", "600"))),
            ends="call" if final[number] else draw(st.sampled_from(("", "leg", "call"))),
            final=final[number],
            human=draw(SELDOM),
            human_if_outbound=draw(SELDOM),
            tells_all=draw(st.booleans()),
            rings_on=draw(st.sampled_from((0.0, 30.0))),
            order=draw(st.sampled_from((None, 1.0, 2.0, 3.0))),
        )
        for number in range(len(final))
    ]


SAID = (("busy",), ("busy", "rejected"), ("busy", "failed"), ("", "busy", "rejected", "failed", "no_answer"))


@st.composite
def calls_in_vain(draw: st.DrawFn) -> list[LegEvent]:
    """Calls that came in and are over, at telephones that say why nobody picked up, or that they rang."""
    said = draw(st.sampled_from(SAID))
    legs = [
        told(
            draw(st.sampled_from("abc")),
            key=f"v:{number}",
            at=draw(st.integers(1, 5)),
            duration=draw(st.sampled_from((None, 7, 12))),
            party="agent",
            state=draw(st.sampled_from(("started", "ringing", "ended"))),
            outcome=draw(st.sampled_from(said)),
            detail=draw(st.sampled_from(("", "486", "600"))),
            ends="leg",
        )
        for number in range(draw(st.integers(2, 6)))
    ]
    return [BEGUN, *legs, draw(st.sampled_from((OVER, ALL_TOLD)))]


ANY_CALL = st.one_of(legs_of_a_call(), calls_in_vain())


def machines_of(legs: list[LegEvent]) -> set[str]:
    """The legs of which anything says that a machine is at their far end."""
    return {one.leg.leg for one in legs if one.leg.party == "machine"}


@given(ANY_CALL, st.randoms(use_true_random=False))
def test_order_changes_nothing(legs: list[LegEvent], rng: random.Random) -> None:
    """Whatever came first: the same judgement, the same event, the same time to judge."""
    mixed = legs.copy()
    rng.shuffle(mixed)
    assert judged_event(mixed) == judged_event(legs)
    assert when_to_judge(mixed, grace=5, longest=100) == when_to_judge(legs, grace=5, longest=100)


@given(ANY_CALL, st.lists(st.integers(0, 7), min_size=1, max_size=3), st.integers(0, 4))
def test_repeats_change_nothing(legs: list[LegEvent], which: list[int], times: int) -> None:
    """However often some of the legs, or all of them, are told of: the same event, the same time to judge."""
    again = [legs[number % len(legs)] for number in which] + legs * times
    assert but_for_its_list(judged_event([*legs, *again])) == but_for_its_list(judged_event(legs))
    assert when_to_judge([*legs, *again], grace=5, longest=100) == when_to_judge(legs, grace=5, longest=100)


@given(ANY_CALL, st.lists(st.integers(0, 7), min_size=1, max_size=3), st.integers(1, 100))
def test_repeat_that_comes_later_changes_no_judgement(legs: list[LegEvent], which: list[int], later: int) -> None:
    """It can only be waited for: never does it bring the judgement forward."""
    again = [replace(one, received_at=one.received_at + later) for one in (legs[each % len(legs)] for each in which)]
    assert but_for_its_list(judged_event([*legs, *again])) == but_for_its_list(judged_event(legs))
    assert when_to_judge([*legs, *again], grace=5, longest=100) >= when_to_judge(legs, grace=5, longest=100)


def but_for_its_list(event: Event) -> tuple[Event, set[str]]:
    """The event, and which legs it lists: one that is told of twice stands there twice."""
    listed = {str(one) for one in event.data["legs"]}
    return event.model_copy(update={"data": {**event.data, "legs": []}}), listed


@given(calls_in_vain())
def test_reason_of_busy_and_rejected_is_what_the_first_says(legs: list[LegEvent]) -> None:
    """The provider's own word of the earliest that tells the same outcome and says why."""
    judgement = judge_legs(legs)
    if judgement.outcome in ("busy", "rejected"):
        same = [one for one in legs if one.leg.outcome == judgement.outcome and one.leg.detail]
        first = min(same, key=lambda one: (one.event.time, one.key), default=None)
        word = {"busy": "busy", "rejected": "declined"}[judgement.outcome]
        assert judgement.reason == (first.leg.detail if first else word)


@given(legs_of_a_call(), st.data())
def test_lost_legs_never_make_an_answered_call_missed(legs: list[LegEvent], data: st.DataObject) -> None:
    """As long as one leg is left that knows of a human, and was no machine, the call is not missed, busy or rejected."""
    machines = machines_of(legs)
    left = [leg for leg in legs if leg.leg.human or data.draw(st.booleans())]
    if any(leg.leg.human and leg.leg.leg not in machines for leg in left):
        assert judge_legs(left).outcome in ("answered", "unknown")


@given(ANY_CALL, st.booleans(), st.booleans(), st.sampled_from(((1,), (2,), (3,), (1, 2), (1, 3))))
def test_connection_of_a_colleague_keeps_a_call_from_being_missed(
    legs: list[LegEvent], ours: bool, proves: bool, left: tuple[int, ...]
) -> None:
    """Whatever else is told or lost, and whoever else did not pick up, as long as a part of his connection is left: that
    it was made, whether or not that proves a human, or that it ended. But for a caller who is known to have given up.
    """
    told_of = [
        told("x", party="agent" if ours else "", state="ringing"),
        told("x", state="answered", human=proves),
        told("x", state="ended", ends="leg", outcome="completed"),
        told("x", party="agent", state="ended", ends="leg", outcome="completed", human=proves),
    ]
    legs = [one for one in legs if not one.leg.final and one.leg.outcome != "cancelled"]
    judged = judge_legs([BEGUN, OVER, told_of[0], *legs, *(told_of[each] for each in left)])
    assert judged.outcome in ("answered", "unknown", "voicemail")


@given(calls_in_vain())
def test_machine_that_was_connected_takes_no_missed_call_away(legs: list[LegEvent]) -> None:
    """A telephone behind which a fax or a menu picked up has reached nobody."""
    told_of = [
        told("x", party="agent", state="answered"),
        told("x", party="machine", state="answered", at=9.0),
        told("x", party="agent", state="ended", ends="leg", outcome="completed", at=9.0),
    ]
    before = judge_legs(legs)
    if before.outcome != "unknown" and before.reason != "abandoned":
        assert judge_legs([*legs, *told_of]) == before


@given(legs_of_a_call(), st.lists(st.sampled_from(range(3)), min_size=1))
def test_call_is_not_abandoned_while_anything_is_known_of_whoever_answered(
    legs: list[LegEvent], left: list[int]
) -> None:
    """Whatever is lost of the leg to somebody of ours who picked up, as long as it is not all of it."""
    told_of = [
        told("x", party="agent", state="ringing"),
        told("x", party="agent", state="answered", human=True),
        told("x", party="agent", state="ended", ends="leg", outcome="completed"),
    ]
    assert judge_legs([BEGUN, ALL_TOLD, *legs, *(told_of[each] for each in left)]).reason != "abandoned"


@given(legs_of_a_call())
def test_abandoned_is_inbound_and_told_from_beginning_to_end(legs: list[LegEvent]) -> None:
    """Nobody of ours who was rung is known to have been connected, and of nobody the end is unknown."""
    judgement = judge_legs([BEGUN, ALL_TOLD, *legs])
    if judgement.reason == "abandoned":
        assert judgement.outcome == "missed"
        agents = {one.leg.leg for one in legs if one.leg.party == "agent"} - machines_of(legs)
        for name in agents:
            own = [one.leg for one in legs if one.leg.leg == name]
            assert any(leg.ends for leg in own)
            assert not any(leg.state == "answered" or leg.outcome == "completed" for leg in own)
        assert all(one.leg.tells_all for one in legs if one.leg.outcome == "completed")


@given(legs_of_a_call())
def test_machine_takes_back_only_what_its_own_leg_said_before(legs: list[LegEvent]) -> None:
    """A human on another leg, or one who came later on the same, stays; one who came before it was the machine."""
    last = {
        leg: max((one.leg.order for one in legs if one.leg.leg == leg and one.leg.order), default=0.0) for leg in "abc"
    }
    taken = [
        told(leg, key=f"m:{leg}", party="machine", state="answered", order=last[leg] + 1) for leg in machines_of(legs)
    ]
    after = judge_legs([*legs, *taken])
    humans = {one.leg.leg for one in legs if one.leg.human}
    proven = humans - machines_of(legs) or any(one.leg.human and one.leg.party == "machine" for one in legs)
    # One that counts only of an outgoing call proves no other.
    proven = proven or (any(one.leg.human_if_outbound for one in legs) and judged_event(legs).direction == "outbound")
    assert (after.outcome == "answered") <= bool(proven)
    later = [told(leg, key=f"h:{leg}", human=True, order=last[leg] + 2) for leg in machines_of(legs)]
    if later and all(one.leg.order is not None for one in legs):
        assert judge_legs([*legs, *taken, *later]).outcome in ("answered", "unknown")


@given(ANY_CALL)
def test_missed_is_inbound_ended_and_unanswered(legs: list[LegEvent]) -> None:
    """The promise, said once more in other words than the code's."""
    event = judged_event(legs)
    if event.type == "call.missed":
        assert event.direction == "inbound"
        assert any(leg.event.direction == "inbound" for leg in legs)
        assert any(leg.leg.ends for leg in legs)
        assert not any(leg.leg.human for leg in legs if leg.leg.leg not in machines_of(legs))
        if any(leg.leg.final for leg in legs):
            return
        assert not any(leg.leg.outcome == "voicemail" for leg in legs)
        parties = {(leg.leg.leg, leg.leg.party) for leg in legs}
        gave_up = any((one.leg.leg, "customer") in parties for one in legs if one.leg.outcome == "cancelled")
        for name in {one.leg.leg for one in legs if one.leg.state == "answered" or one.leg.outcome == "completed"}:
            assert parties & {(name, party) for party in ("customer", "agent", "machine")}
            assert (name, "agent") not in parties or (name, "machine") in parties or gave_up


@given(legs_of_a_call())
def test_answer_that_counts_on_outgoing_calls_only_answers_no_other(legs: list[LegEvent]) -> None:
    """And none in which it is not known at whom it rang."""
    legs = [one for one in legs if not one.leg.human]
    if legs and judge_legs(legs).outcome == "answered":
        assert judged_event(legs).direction == "outbound"
        recorded = {one.key for one in legs if one.leg.party == "machine" and one.leg.state == "ended"}
        assert len({one.leg.leg for one in legs if one.key not in recorded}) == 1


@given(legs_of_a_call(), st.sampled_from(("no_answer", "cancelled", "busy", "failed")))
def test_what_is_said_for_good_counts_before_everything_but_a_human(legs: list[LegEvent], outcome: Any) -> None:
    """At once, whatever else is told of the call, and whoever told it first."""
    said = told("z", key="s:z", at=-1, direction="inbound", party="customer", ends="call", outcome=outcome, final=True)
    legs = [one for one in legs if not one.leg.final and not one.leg.human_if_outbound]
    assert when_to_judge([*legs, said], grace=5, longest=100) == NOW - 1
    judged = judge_legs([*legs, said])
    if judge_legs([*legs, OVER]).outcome == "answered":
        assert judged.outcome == "answered"
    else:
        assert judged.outcome == {"no_answer": "missed", "cancelled": "missed"}.get(outcome, outcome)


@given(legs_of_a_call())
def test_call_goes_on_while_a_leg_that_had_ended_rings_again(legs: list[LegEvent]) -> None:
    """Only an end of the whole call, or a later one of the leg, is stronger."""
    legs = [leg for leg in legs if leg.leg.ends != "call" and (leg.leg.order or not leg.leg.ends)]
    again = [told(leg, key=f"r:{leg}", state="ringing", order=4.0) for leg in "abc"]
    assert judge_legs([*legs, *again]).outcome == "unknown"
    over = [told(leg, key=f"e:{leg}", direction="inbound", ends="leg", party="agent", order=5.0) for leg in "abc"]
    assert judge_legs([*legs, *again, *over]).reason != "its end is not known"


@given(legs_of_a_call(), st.integers(0, 7))
def test_further_leg_never_takes_an_answer_back(legs: list[LegEvent], seen: int) -> None:
    """What was judged as answered stays so when the rest becomes known, as long as that tells of no machine behind the
    leg; where it tells that somebody is still connected, its end is not known any more.
    """
    before = legs[: seen + 1]
    proven = any(one.leg.human for one in before)
    if judge_legs(before).outcome == "answered" and proven and not machines_of(legs):
        after = judge_legs(legs)
        assert after.outcome == "answered" or after.reason == "answered, but its end was never reported"
