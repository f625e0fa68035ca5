"""Judging a call from its legs: a table of calls."""

from __future__ import annotations

import pytest

from badge_bridge.sources.joining import LegEvent, judge_legs, judged_event, when_to_judge
from badge_bridge.sources.legs import MOST_LEGS
from support.legs import (
    ALL_TOLD,
    BEGUN,
    CANCELLED,
    CUSTOMER,
    ENDING,
    FINAL,
    LINE,
    NOW,
    OVER,
    gave_up,
    incoming,
    of_handset,
    picked_up,
    ring,
    told,
)

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
