"""Judging a call from its legs: a table of calls, and properties that hold for every set of legs."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.events import LEG, Event, Leg
from badge_bridge.sources.joining import MOST_LEGS, LegEvent, judge_legs, judged_event, when_to_judge

NOW = 1_763_778_600.0
CUSTOMER, LINE = "+4930123456", "+4989654321"


def told(
    leg: str = "", *, at: float = 0.0, direction: Any = "", caller: str = "", key: str = "", **fields: Any
) -> LegEvent:
    """One leg event; `at` is when it was received and happened, in seconds from the beginning."""
    event = Event(
        id="c",
        source="s",
        provider="p",
        type=LEG,
        time=datetime.fromtimestamp(NOW + at, UTC),
        direction=direction,
        caller=caller,
        callee=LINE if caller else "",
        subject=caller if direction == "inbound" else "",
        line=LINE if direction == "inbound" else "",
        leg=Leg(call="c", leg=leg, **fields),
        data={"at": at},
    )
    return LegEvent(key or f"s:{leg}:{fields.get('state', '')}:{at}", NOW + at, event)


def incoming(**fields: Any) -> LegEvent:
    return told("in", direction="inbound", caller=CUSTOMER, party="customer", **fields)


def ring(name: str, at: float = 1.0) -> LegEvent:
    return told(name, party="agent", state="ringing", at=at)


def gave_up(name: str, outcome: str = "no_answer", at: float = 20.0) -> LegEvent:
    return told(name, party="agent", state="ended", ends="leg", outcome=outcome, at=at)


def picked_up(name: str, at: float = 10.0) -> LegEvent:
    return told(name, party="agent", state="answered", human=True, at=at)


def of_handset(order: float, state: str, **fields: Any) -> LegEvent:
    """One of the states of a handset that a queue rings at again and again; the provider says their order."""
    fields = {"ends": "leg", "outcome": "no_answer", **fields} if state == "ended" else fields
    return told("a", at=order, order=order, direction="inbound", party="agent", state=state, **fields)


BEGUN = incoming(state="started")
OVER = incoming(state="ended", ends="call", outcome="completed", at=30.0)
ALL_TOLD = incoming(state="ended", ends="call", outcome="completed", tells_all=True, at=30.0)
ENDING: tuple[tuple[Any, Any], ...] = (("answered", ""), ("ended", "leg"))
CANCELLED = incoming(state="ended", ends="call", outcome="cancelled", at=30.0)

FINAL = incoming(state="ended", ends="call", outcome="cancelled", final=True, at=61.0)

CALLS: dict[str, tuple[list[LegEvent], str, str]] = {
    "caller gives up": ([BEGUN, CANCELLED], "missed", "caller_cancelled"),
    "caller gives up while it rings": ([BEGUN, ring("a"), gave_up("a"), CANCELLED], "missed", "caller_cancelled"),
    "nobody of a group picks up": ([BEGUN, gave_up("a"), gave_up("b"), OVER], "missed", "no_answer"),
    "colleague picks up": ([BEGUN, gave_up("a"), picked_up("b"), OVER], "answered", ""),
    "colleague picks up and the caller's end says cancelled": ([BEGUN, picked_up("b"), CANCELLED], "answered", ""),
    "all busy": ([BEGUN, gave_up("a", "busy"), gave_up("b", "busy"), OVER], "busy", "busy"),
    "all reject": ([BEGUN, gave_up("a", "rejected"), OVER], "rejected", "declined"),
    "one busy, one does not pick up": ([BEGUN, gave_up("a", "busy"), gave_up("b"), OVER], "missed", "no_answer"),
    "all failed": ([BEGUN, gave_up("a", "failed"), OVER], "failed", "failed"),
    "voicemail": (
        [BEGUN, gave_up("a"), told("box", party="machine", outcome="voicemail", at=25.0), OVER],
        "voicemail",
        "",
    ),
    "menu answers and nothing else is known": (
        [BEGUN, OVER],
        "unknown",
        "it ended, and nothing says whether somebody answered",
    ),
    "caller gives up in a menu": ([BEGUN, ALL_TOLD], "missed", "abandoned"),
    "caller gives up in a menu, and its beginning is not known": (
        [ALL_TOLD],
        "unknown",
        "it ended, and nothing says whether somebody answered",
    ),
    "outgoing call of which all is told": (
        [
            told("o", direction="outbound", party="customer", state=state, ends=ends, tells_all=True)
            for state, ends in ENDING
        ],
        "unknown",
        "it ended, and nothing says whether somebody answered",
    ),
    "all is told, and nobody says why it stopped ringing": (
        [BEGUN, ring("a"), told("a", party="agent", state="ended", ends="leg", at=20.0), ALL_TOLD],
        "missed",
        "abandoned",
    ),
    "all is told but what became of a leg": (
        [BEGUN, ring("a"), ALL_TOLD],
        "unknown",
        "it ended, and nothing says whether somebody answered",
    ),
    "all is told but how a leg began": (
        [BEGUN, told("a", party="agent", state="ended", ends="leg", at=20.0), ALL_TOLD],
        "unknown",
        "it ended, and nothing says whether somebody answered",
    ),
    "all is told, and another end does not tell all": (
        [BEGUN, told("q", party="machine", state="ended", ends="leg", outcome="completed"), ALL_TOLD],
        "unknown",
        "it ended, and nothing says whether somebody answered",
    ),
    "no end": ([BEGUN, ring("a")], "unknown", "its end is not known"),
    "no end, but answered": ([BEGUN, picked_up("a")], "unknown", "answered, but its end was never reported"),
    "handsets only, all ended": (
        [told("a", direction="inbound", party="agent", state="ended", ends="leg", outcome="no_answer")],
        "missed",
        "no_answer",
    ),
    "handsets only, one still rings": (
        [told("a", direction="inbound", party="agent", state="ended", ends="leg", outcome="no_answer"), ring("b")],
        "unknown",
        "its end is not known",
    ),
    "stray agent leg": ([gave_up("a")], "unknown", "its end is not known"),
    "no direction": (
        [told("x", party="customer", ends="call", outcome="no_answer")],
        "unknown",
        "no_answer, but the direction is not known",
    ),
    "outbound, not answered": (
        [told("o", direction="outbound", party="customer", ends="call", outcome="no_answer")],
        "failed",
        "no_answer",
    ),
    "outbound, answered": (
        [told("o", direction="outbound", party="customer", human=True, ends="call", outcome="completed")],
        "answered",
        "",
    ),
    "outbound, a voicemail box": (
        [told("o", direction="outbound", party="machine", ends="call", outcome="voicemail")],
        "unknown",
        "a voicemail box answered the outgoing call",
    ),
    "came in, forwarded to a mobile phone, nobody": (
        [
            told("a", direction="inbound", party="agent", state="ended", ends="leg", outcome="no_answer"),
            told("m", at=5.0, direction="outbound", party="agent", state="ended", ends="leg", outcome="no_answer"),
        ],
        "missed",
        "no_answer",
    ),
    "came in, handed to a colleague": (
        [
            told("a", direction="inbound", party="agent", state="ended", ends="leg", outcome="completed", human=True),
            told("b", at=9.0, direction="internal", party="agent", state="ended", ends="leg", outcome="completed"),
        ],
        "answered",
        "",
    ),
    "a leg to somebody of ours is known to have begun before the customer came in": (
        [
            told("a", at=-1.0, direction="outbound", party="agent", state="ended", ends="leg", outcome="no_answer"),
            BEGUN,
            OVER,
        ],
        "missed",
        "no_answer",
    ),
    "at one moment, one came in": (
        [
            told("m", direction="outbound", party="agent", state="ended", ends="leg", outcome="no_answer"),
            told("a", direction="inbound", party="agent", state="ended", ends="leg", outcome="no_answer"),
        ],
        "missed",
        "no_answer",
    ),
    "the customer's own connection has ended, that of an agent not": (
        [BEGUN, ring("a"), told("in", party="customer", state="ended", ends="leg", outcome="cancelled", at=9.0)],
        "missed",
        "caller_cancelled",
    ),
    "the same handset rings again": (
        [of_handset(1, "ringing"), of_handset(20, "ended"), of_handset(25, "ringing")],
        "unknown",
        "its end is not known",
    ),
    "the same handset rings again, and again nobody": (
        [of_handset(1, "ringing"), of_handset(20, "ended"), of_handset(25, "ringing"), of_handset(45, "ended")],
        "missed",
        "no_answer",
    ),
    "the same handset rings again, and somebody picks up": (
        [of_handset(20, "ended"), of_handset(30, "answered", human=True)],
        "unknown",
        "answered, but its end was never reported",
    ),
    "the same handset rings again after the call was over": (
        [of_handset(20, "ended"), of_handset(25, "ringing"), OVER],
        "missed",
        "no_answer",
    ),
    "of one moment the end is the last": (
        [of_handset(20, "ended"), of_handset(20, "ringing")],
        "missed",
        "no_answer",
    ),
    "an end of which no order is known is the last": (
        [of_handset(25, "ringing"), gave_up("a")],
        "missed",
        "no_answer",
    ),
    "what picked up was a machine": (
        [BEGUN, picked_up("a"), told("a", party="machine", state="answered", outcome="voicemail", at=12.0), OVER],
        "voicemail",
        "",
    ),
    "what picked up was a fax, the next did not pick up": (
        [BEGUN, picked_up("a"), told("a", party="machine", state="answered", at=12.0), gave_up("b"), OVER],
        "missed",
        "no_answer",
    ),
    "a box took the call and a human took it over": (
        [
            BEGUN,
            told("a", party="machine", state="answered", outcome="voicemail", order=3),
            told("a", party="agent", state="answered", human=True, order=4),
            OVER,
        ],
        "answered",
        "",
    ),
    "a human answered first, and a box is told of the same leg later": (
        [
            BEGUN,
            told("a", party="agent", state="answered", human=True, order=3),
            told("a", party="machine", state="answered", outcome="voicemail", order=4),
            OVER,
        ],
        "voicemail",
        "",
    ),
    "a queue answered, and says that an agent took the call": (
        [
            BEGUN,
            told("q", party="machine", state="answered"),
            told("q", party="machine", state="ended", ends="leg", human=True, at=9.0),
            gave_up("a"),
            OVER,
        ],
        "answered",
        "",
    ),
    "a machine that only rang takes nothing back": (
        [BEGUN, picked_up("a"), told("a", party="machine", state="ringing"), OVER],
        "answered",
        "",
    ),
    "said for good, and a human is known": (
        [picked_up("a"), told("a", party="agent", state="ended", ends="leg", outcome="completed", human=True), FINAL],
        "answered",
        "",
    ),
    "said for good, and a telephone was busy": ([BEGUN, gave_up("a", "busy"), FINAL], "missed", "caller_cancelled"),
    "said for good, and a box is told of": (
        [told("box", party="machine", state="answered", outcome="voicemail"), FINAL],
        "missed",
        "caller_cancelled",
    ),
    "an outgoing call that was recorded": (
        [
            told("o", direction="outbound", party="customer", human_if_outbound=True, ends="call", outcome="completed"),
            told("r", party="machine", state="ended", ends="leg"),
        ],
        "answered",
        "",
    ),
    "an outgoing call in which a box is told of too": (
        [
            told("o", direction="outbound", party="customer", human_if_outbound=True, ends="call", outcome="completed"),
            told("b", party="machine", state="ended", ends="leg", outcome="voicemail"),
        ],
        "unknown",
        "a voicemail box answered the outgoing call",
    ),
    "nobody knows who answered": (
        [BEGUN, gave_up("a"), told("x", state="answered", at=9.0), OVER],
        "unknown",
        "it may have been answered, and nothing says by whom",
    ),
    "nobody knows who was connected": (
        [BEGUN, gave_up("a"), told("x", state="ended", ends="leg", outcome="completed", at=9.0), OVER],
        "unknown",
        "it may have been answered, and nothing says by whom",
    ),
    "one does not pick up, and another did of whom no human is known": (
        [BEGUN, gave_up("a"), told("b", party="agent", state="answered", at=9.0), OVER],
        "unknown",
        "it may have been answered, and nothing says by whom",
    ),
    "one is busy, and another was connected to whomever": (
        [
            BEGUN,
            gave_up("a", "busy"),
            ring("b"),
            told("b", state="ended", ends="leg", outcome="completed", at=9.0),
            OVER,
        ],
        "unknown",
        "it may have been answered, and nothing says by whom",
    ),
    "one does not pick up, and what picked up another was a machine": (
        [
            BEGUN,
            gave_up("a"),
            told("b", party="machine", state="answered"),
            told("b", party="agent", state="ended", ends="leg", outcome="completed", at=9.0),
            OVER,
        ],
        "missed",
        "no_answer",
    ),
    "somebody picks up as the caller gives up, before anything had answered him": (
        [BEGUN, gave_up("a"), told("b", party="agent", state="answered", at=9.0), CANCELLED],
        "missed",
        "caller_cancelled",
    ),
    "a softphone calls, and nobody answers it": (
        [
            told("s", direction="outbound", party="agent", state="answered"),
            told("d", direction="outbound", party="customer", ends="call", outcome="no_answer", at=9.0),
        ],
        "failed",
        "no_answer",
    ),
    "said for good, and a telephone was picked up": (
        [BEGUN, told("b", party="agent", state="answered", at=9.0), FINAL],
        "missed",
        "caller_cancelled",
    ),
    "said for good that it was connected, which is nothing": (
        [
            BEGUN,
            gave_up("a"),
            told("b", party="agent", state="answered", at=9.0),
            incoming(state="ended", ends="call", outcome="completed", final=True, at=61.0),
        ],
        "unknown",
        "it may have been answered, and nothing says by whom",
    ),
}


@pytest.mark.parametrize(("legs", "outcome", "reason"), CALLS.values(), ids=list(CALLS))
def test_call_is_judged_by_its_legs(legs: list[LegEvent], outcome: str, reason: str) -> None:
    """Missed means inbound, ended, and no human answered; busy, rejected and voicemail stand apart."""
    judgement = judge_legs(legs)
    assert judgement.outcome == outcome
    assert judgement.reason == reason or not reason


def test_judgement_has_the_parties_the_beginning_and_the_longest_talk() -> None:
    """The event of the whole call is one that rules can work with."""
    legs = [picked_up("b"), OVER, BEGUN, told("x", at=2.0)]
    event = judged_event(legs)
    assert (event.type, event.direction, event.caller, event.subject, event.line) == (
        "call.answered", "inbound", CUSTOMER, CUSTOMER, LINE,
    )  # fmt: skip
    assert event.time == BEGUN.event.time
    assert [one["leg"] for one in event.data["legs"]] == ["in", "x", "b", "in"]
    assert event.leg is None


def test_call_with_very_many_legs_is_not_judged_by_some_of_them() -> None:
    """A sender who repeats one correlation id for ever does not get a missed call out of the legs that fit."""
    legs = [BEGUN, CANCELLED, *(ring(f"a{number}") for number in range(MOST_LEGS))]
    assert judge_legs(legs).outcome == "unknown"


def test_call_is_judged_after_its_grace_or_after_the_limit() -> None:
    """The grace counts from the last that was told of an end, the limit from the first that was told at all."""
    assert when_to_judge([BEGUN, OVER], grace=5, longest=100) == NOW + 30 + 5
    assert when_to_judge([BEGUN, gave_up("a", at=40.0), OVER], grace=5, longest=100) == NOW + 40 + 5
    assert when_to_judge([BEGUN, ring("a")], grace=5, longest=100) == NOW + 100
    assert when_to_judge([BEGUN, FINAL, gave_up("a", at=70.0)], grace=5, longest=100) == NOW + 61


def test_outgoing_call_is_about_whom_the_dialled_leg_names() -> None:
    """A softphone's own leg may not say whom it calls; that of an incoming call is never about a telephone of ours."""
    dialled = told("d", at=3.0, party="agent", state="answered", human=True)
    dialled = LegEvent(dialled.key, dialled.received_at, dialled.event.model_copy(update={"callee": CUSTOMER}))
    softphone = told("s", direction="outbound", caller="client:anna", party="agent", ends="call", outcome="completed")
    softphone = LegEvent(softphone.key, NOW, softphone.event.model_copy(update={"callee": ""}))
    calling = judged_event([softphone, dialled])
    assert (calling.type, calling.subject, calling.callee) == ("call.answered", CUSTOMER, CUSTOMER)
    assert judged_event([BEGUN, dialled, OVER]).callee == LINE
    hidden = LegEvent("h", NOW, BEGUN.event.model_copy(update={"caller": "", "callee": "", "subject": ""}))
    assert judged_event([hidden, dialled, OVER]).subject == CUSTOMER


@pytest.mark.parametrize(
    ("more", "grace", "seconds"),
    [
        ([], 5, 20 + 30),
        ([], 60, 20 + 60),
        ([told("b", party="agent", state="ringing", at=40.0)], 5, 600),
        ([told("b", party="agent", state="ended", ends="leg", rings_on=30, at=60.0)], 5, 60 + 30),
        ([told("b", party="agent", state="ended", ends="leg", at=60.0)], 5, 60 + 5),
        ([told("q", party="machine", state="ended", ends="leg", at=21.0)], 5, 21 + 5),
    ],
)
def test_call_that_may_ring_at_the_next_is_judged_later(more: list[LegEvent], grace: int, seconds: int) -> None:
    """Unless one end leaves nothing open, as that of a queue or of a leg that had been answered."""
    turned = told("a", direction="inbound", party="agent", state="ended", ends="leg", rings_on=30, at=20.0)
    begun = 0 if seconds < 600 else 20
    assert when_to_judge([turned, *more], grace=grace, longest=600) == NOW + begun + seconds


PARTIES = ("customer", "agent", "machine", "")
STATES = ("started", "ringing", "answered", "ended", "")
OUTCOMES = ("", "completed", "no_answer", "cancelled", "busy", "rejected", "failed", "voicemail")


@st.composite
def legs_of_a_call(draw: st.DrawFn) -> list[LegEvent]:
    """Any legs at all, sensible or not, each with a key of its own."""
    final = [draw(st.integers(0, 9)) == 0 for _ in range(draw(st.integers(1, 8)))]
    return [
        told(
            draw(st.sampled_from("abc")),
            key=f"s:{number}",
            at=draw(st.integers(0, 5)),
            direction=draw(st.sampled_from(("", "", "inbound", "outbound"))),
            caller=draw(st.sampled_from(("", CUSTOMER, "+4940111"))),
            party=draw(st.sampled_from(PARTIES)),
            state=draw(st.sampled_from(STATES)),
            outcome=draw(st.sampled_from(OUTCOMES)),
            ends="call" if final[number] else draw(st.sampled_from(("", "leg", "call"))),
            final=final[number],
            human=draw(st.integers(0, 5)) == 0,
            human_if_outbound=draw(st.integers(0, 5)) == 0,
            tells_all=draw(st.booleans()),
            rings_on=draw(st.sampled_from((0.0, 30.0))),
            order=draw(st.sampled_from((None, 1.0, 2.0, 3.0))),
        )
        for number in range(len(final))
    ]


def machines_of(legs: list[LegEvent]) -> set[str]:
    """The legs of which anything says that a machine is at their far end."""
    return {one.leg.leg for one in legs if one.leg.party == "machine"}


@given(legs_of_a_call(), st.randoms(use_true_random=False))
def test_order_changes_nothing(legs: list[LegEvent], rng: random.Random) -> None:
    """Whatever came first: the same judgement, the same event, the same time to judge."""
    mixed = legs.copy()
    rng.shuffle(mixed)
    assert judged_event(mixed) == judged_event(legs)
    assert when_to_judge(mixed, grace=5, longest=100) == when_to_judge(legs, grace=5, longest=100)


@given(legs_of_a_call(), st.data())
def test_repeats_change_nothing(legs: list[LegEvent], data: st.DataObject) -> None:
    """However often a leg is told of."""
    again = [data.draw(st.sampled_from(legs)) for _ in range(3)]
    assert judge_legs([*legs, *again]) == judge_legs(legs)


@given(legs_of_a_call(), st.data())
def test_lost_legs_never_make_an_answered_call_missed(legs: list[LegEvent], data: st.DataObject) -> None:
    """As long as one leg is left that knows of a human, and was no machine, the call is not missed, busy or rejected."""
    machines = machines_of(legs)
    left = [leg for leg in legs if leg.leg.human or data.draw(st.booleans())]
    if any(leg.leg.human and leg.leg.leg not in machines for leg in left):
        assert judge_legs(left).outcome in ("answered", "unknown")


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


@given(legs_of_a_call())
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
        for name in {leg.leg.leg for leg in legs}:
            own = [leg.leg for leg in legs if leg.leg.leg == name]
            assert any(leg.party for leg in own) or all(leg.state != "answered" for leg in own)


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
