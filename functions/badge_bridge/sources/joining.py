"""Judges a call from all that its deliveries told of it. Pure: a set of leg events in, one answer out.

The answer depends on which legs are known and on nothing else: neither on the order in which they came nor on how often
each came. A human who answered is never argued away by another leg: such a call is answered, or unknown as long as its
end is not known, and never missed. What is told of one and the same leg may correct itself: it rings again after it had
ended, or it was a machine that had answered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from badge_bridge.events import Direction, Event, Leg
from badge_bridge.sources.judgement import Judgement, unanswered
from badge_bridge.sources.legs import MOST_LEGS

__all__ = ["LegEvent", "judge_legs", "judged_event", "when_to_judge"]

_LISTED = 50
"""Legs that a judgement's `data` lists, and is put together of."""

_REASONS = ("cancelled", "no_answer", "rejected", "busy", "failed")
"""Of several reasons why nobody answered, the first of these is told."""

_SAYING_NOTHING = ("", "completed")
"""Outcomes that leave open whether somebody answered."""

_TOLD_AS = {"cancelled": "caller_cancelled", "rejected": "declined"}
_APART = ("busy", "rejected", "failed")


@dataclass(frozen=True, slots=True)
class LegEvent:
    """One stored leg: its key, when it was received (unix seconds), and the event, whose `leg` is set."""

    key: str
    received_at: float
    event: Event

    @property
    def leg(self) -> Leg:
        assert self.event.leg is not None, "only legs are joined"
        return self.event.leg


def when_to_judge(legs: Sequence[LegEvent], *, grace: float, longest: float) -> float:
    """Unix seconds from which the call can be judged: at once where a leg is final; `grace` seconds after its end was
    last told of, longer where each end that is known leaves open whether it rings on; or `longest` seconds after it was
    first told of.
    """
    if final := _final(legs):
        return min(one.received_at for one in final)
    if _has_ended(legs):
        ends = [one for one in legs if one.leg.ends]
        rings_on = max(one.leg.rings_on for one in ends) if all(one.leg.rings_on for one in ends) else 0.0
        return max(one.received_at for one in ends) + max(grace, rings_on)
    return min(one.received_at for one in legs) + longest


def judge_legs(legs: Sequence[LegEvent]) -> Judgement:
    """How the call ended, as far as these legs tell."""
    if len(legs) >= MOST_LEGS:
        return Judgement("unknown", f"the call is said to have {MOST_LEGS} legs or more")
    answered = _human_answered(legs)
    if not _has_ended(legs):
        return Judgement("unknown", "answered, but its end was never reported" if answered else "its end is not known")
    if answered:
        return Judgement("answered")
    return _no_human_answered(legs, _direction(legs))


def judged_event(legs: Sequence[LegEvent]) -> Event:
    """The one event of the whole call. Its parties, its beginning and its duration are those that the legs agree on,
    or the earliest that say something.
    """
    ordered = _earliest_first(legs)
    first = ordered[0].event
    judgement = judge_legs(legs)
    direction = _direction(legs)
    # Of two legs that name a caller, the one that goes the way of the call speaks of the call as a whole.
    speaking = sorted(ordered, key=lambda one: one.event.direction != direction)
    ends = next((one.event for one in speaking if one.event.caller or one.event.callee), first)
    hidden = any(one.event.data.get("caller_withheld") for one in ordered)
    callee = ends.callee
    if direction == "outbound" and not callee:
        # A softphone's own leg need not say whom it calls; the leg that is dialled for it does.
        callee = next((one.event.callee for one in ordered if one.event.callee), "")
    customer = callee if direction == "outbound" else ends.caller
    return Event(
        id=ordered[0].leg.call,
        source=first.source,
        provider=first.provider,
        type=judgement.type,
        time=first.time,
        told_time=first.told_time,
        subject="" if direction == "internal" else ends.subject or customer,
        direction=direction,
        outcome=judgement.outcome,
        reason=judgement.reason,
        caller=ends.caller,
        callee=callee,
        line=ends.line,
        duration=max((one.event.duration for one in ordered if one.event.duration is not None), default=None),
        email=next((one.event.email for one in ordered if one.event.email), ""),
        data={
            **{name: value for one in ordered[:_LISTED] for name, value in one.event.data.items()},
            **({"caller_withheld": True} if hidden else {}),
            "legs": [_listed(one) for one in ordered[:_LISTED]],
        },
    )


def _earliest_first(legs: Sequence[LegEvent]) -> list[LegEvent]:
    return sorted(legs, key=lambda one: (one.event.time, one.key))


def _has_ended(legs: Sequence[LegEvent]) -> bool:
    """A leg says so, or the one by which the customer came in has ended; or the direction is known, so that it is no
    stray leg that we see, and every leg has ended.
    """
    ended = _ended_legs(legs)
    came_in = {one.leg.leg for one in legs if one.leg.party == "customer" and one.event.direction == "inbound"}
    if any(one.leg.ends == "call" for one in legs) or ended & came_in:
        return True
    return bool(ended) and bool(_direction(legs)) and ended == {one.leg.leg for one in legs}


def _final(legs: Sequence[LegEvent]) -> list[LegEvent]:
    return [one for one in legs if one.leg.final]


def _ended_legs(legs: Sequence[LegEvent]) -> set[str]:
    """The legs that have ended, without those that are known to have gone on after it: the handset of a queue that
    goes round rings again.
    """
    ended, going_on = dict[str, float](), dict[str, float]()
    for leg in (one.leg for one in legs):
        if leg.ends:
            ended[leg.leg] = max(ended.get(leg.leg, -math.inf), math.inf if leg.order is None else leg.order)
        elif leg.state and leg.order is not None:
            going_on[leg.leg] = max(going_on.get(leg.leg, -math.inf), leg.order)
    return {name for name, order in ended.items() if order >= going_on.get(name, -math.inf)}


def _human_answered(legs: Sequence[LegEvent]) -> bool:
    """Whether a leg proves a human, and nothing says that it was a machine after all. A machine counts that is found
    behind a leg that had been answered, unless the human is known to have come after it, as one who takes the call
    while a message is being left, or the machine's own words prove the human, as a queue's that an agent took the call.
    """
    machines = dict[str, float]()
    for leg in (one.leg for one in legs):
        picked_up = leg.state == "answered" or leg.outcome in ("completed", "voicemail")
        if leg.leg and leg.party == "machine" and picked_up and not leg.human:
            machines[leg.leg] = max(machines.get(leg.leg, -math.inf), math.inf if leg.order is None else leg.order)

    def stands(leg: Leg) -> bool:
        later = leg.order is not None and leg.order > machines.get(leg.leg, -math.inf)
        return leg.party == "machine" or leg.leg not in machines or later

    alone = len({one.leg.leg for one in legs if not _is_recording(one.leg)}) == 1 and _direction(legs) == "outbound"
    return any((one.leg.human or (alone and one.leg.human_if_outbound)) and stands(one.leg) for one in legs)


def _is_recording(leg: Leg) -> bool:
    """A machine that is told of as ended and not as having taken the call: what was recorded of people is no leg."""
    return leg.party == "machine" and leg.state == "ended" and not leg.outcome


def _may_be_answered(legs: Sequence[LegEvent], direction: Direction) -> bool:
    """Whether a leg was connected at whose far end may be a human who spoke with the caller: nothing says who is there,
    or it is somebody of ours, of whom nothing says whether the caller was connected to him too.

    That one of ours picks up proves less where he is the one who calls, and nothing where the caller gave up before
    anything had answered.
    """
    connected = {one.leg.leg for one in legs if one.leg.state == "answered" or one.leg.outcome == "completed"}
    if connected - {one.leg.leg for one in legs if one.leg.party}:
        return True
    customers = _legs_of("customer", legs)
    gave_up = any(one.leg.outcome == "cancelled" and one.leg.leg in customers for one in legs)
    return direction != "outbound" and not gave_up and bool(connected & _handsets(legs))


def _handsets(legs: Sequence[LegEvent]) -> set[str]:
    """The legs to somebody of ours, without those behind which a machine was found."""
    return _legs_of("agent", legs) - _legs_of("machine", legs)


def _legs_of(party: str, legs: Sequence[LegEvent]) -> set[str]:
    return {one.leg.leg for one in legs if one.leg.party == party}


def _direction(legs: Sequence[LegEvent]) -> Direction:
    """That of the leg by which the customer came in, else of the earliest leg which has one: a call that came in stays
    so when it is forwarded to a mobile phone or handed to a colleague. Of several at one moment, one that came in.
    """
    known = [one for one in legs if one.event.direction]
    if not known:
        return ""
    if any(one.leg.party == "customer" and one.event.direction == "inbound" for one in known):
        return "inbound"
    return min(known, key=lambda one: (one.event.time, one.event.direction != "inbound", one.key)).event.direction


def _no_human_answered(legs: Sequence[LegEvent], direction: Direction) -> Judgement:
    """A call of which no human is known: by what was said for good, else by all that was said."""
    deciding = [one for one in _final(legs) if one.leg.outcome not in _SAYING_NOTHING] or legs
    if any(one.leg.outcome == "voicemail" for one in deciding):
        if direction == "outbound":
            return Judgement("unknown", "a voicemail box answered the outgoing call")
        return Judgement("voicemail")
    if _may_be_answered(deciding, direction):
        return Judgement("unknown", "it may have been answered, and nothing says by whom")
    telling = [one.leg for one in _earliest_first(deciding) if one.leg.outcome not in _SAYING_NOTHING]
    if telling:
        return _nobody_answered(telling, direction)
    if direction == "inbound" and _all_is_told(legs):
        return Judgement("missed", "abandoned")
    return Judgement("unknown", "it ended, and nothing says whether somebody answered")


def _nobody_answered(telling: Sequence[Leg], direction: Direction) -> Judgement:
    """Busy and rejected stand apart only where all whom it rang at say the same."""
    # What became of the attempts to reach somebody says more than how the caller's own connection ended.
    reached = [leg for leg in telling if leg.party == "agent"]
    outcomes = {leg.outcome for leg in reached or telling}
    if any(leg.outcome == "cancelled" and leg.party != "agent" for leg in telling):
        outcomes = {"cancelled"}
    reason = next(reason for reason in _REASONS if reason in outcomes)
    detail = next((leg.detail for leg in telling if leg.outcome == reason and leg.detail), "")
    if outcomes == {reason} and reason in _APART:
        return Judgement(reason, detail or _TOLD_AS.get(reason, reason))  # type: ignore[arg-type]
    return unanswered(direction, _TOLD_AS.get(reason, reason))


def _all_is_told(legs: Sequence[LegEvent]) -> bool:
    """Whether no human leg is proof that nobody answered, as of a caller who gives up in a menu or a queue: the call
    is known from its beginning to its end, and so is each leg to somebody of ours.
    """
    told = [one.leg for one in legs]
    begun = {leg.leg for leg in told if leg.state in ("started", "ringing", "answered")}
    if not begun & {leg.leg for leg in told if leg.tells_all and leg.ends}:
        return False
    if any(leg.outcome == "completed" and not leg.tells_all for leg in told):
        return False
    return _handsets(legs) <= begun & _ended_legs(legs)


def _listed(one: LegEvent) -> dict[str, Any]:
    leg = one.leg
    told = {"leg": leg.leg, "party": leg.party, "state": leg.state, "outcome": leg.outcome, "detail": leg.detail}
    return {
        "key": one.key,
        "time": one.event.time.isoformat(),
        **{name: value for name, value in told.items() if value},
        **({"human": True} if leg.human else {}),
    }
