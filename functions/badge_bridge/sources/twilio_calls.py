"""What one Twilio request says about a leg of a call, or how the whole call ended where no leg can change that.

Statuses: queued, initiated, ringing, in-progress, completed, busy, no-answer, canceled, failed (Twilio support,
"What do the call statuses mean?"). The trap: an incoming call is `completed` as soon as any TwiML answered it, even if
no human did. Only the outcome of a `<Dial>` says whether somebody picked up, and there may be another `<Dial>` after
one that failed, an `<Enqueue>` or a `<Record>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from badge_bridge.events import Direction, Leg, LegOutcome
from badge_bridge.sources.own_phones import is_own_phone

__all__ = ["JUDGED", "OUTCOMES", "STATES", "direction_of", "leg_of"]

JUDGED = (
    "AnsweredBy",
    "CallDuration",
    "CallStatus",
    "DialBridged",
    "DialCallSid",
    "DialCallStatus",
    "Direction",
    "From",
    "ParentCallSid",
    "QueueResult",
    "RecordingSid",
    "RecordingSource",
    "RecordingStatus",
    "RecordingUrl",
)
"""The fields that this module reads, beside the call's id."""

STATES: Mapping[str, Literal["started", "ringing", "answered"]] = {
    "queued": "started",
    "initiated": "started",
    "ringing": "ringing",
    "in-progress": "answered",
}
OUTCOMES: Mapping[str, LegOutcome] = {
    "completed": "completed",
    "answered": "completed",
    "no-answer": "no_answer",
    "canceled": "cancelled",
    "busy": "busy",
    "failed": "failed",
}


def direction_of(data: Mapping[str, str]) -> Direction:
    """The call's direction. Twilio says `inbound`, `outbound-api` or `outbound-dial`; other products say other things.
    What comes in from a phone of ours is an outgoing call.

    That of a `<Dial>`'s own leg is not the call's.
    """
    said = data.get("Direction", "")
    if _is_dialled(data):
        return ""
    if said == "inbound":
        return "outbound" if is_own_phone(data.get("From", "")) else "inbound"
    return "outbound" if said.startswith("outbound") else ""


def _is_dialled(data: Mapping[str, str]) -> bool:
    return "ParentCallSid" in data or data.get("Direction") == "outbound-dial"


def leg_of(call: str, data: Mapping[str, str]) -> Leg:
    """The leg that a request is about; `call` is its CallSid."""
    status = data.get("CallStatus", "")
    if _is_dialled(data):
        human = status in ("in-progress", "completed")
        ends: Literal["leg", ""] = "leg" if status in OUTCOMES else ""
        leg = _leg(data.get("ParentCallSid") or call, call, status, party="agent", human=human, ends=ends)
        return _by_machine(leg, data.get("AnsweredBy", ""))
    over: Literal["call", ""] = "call" if status in OUTCOMES else ""
    if "DialCallStatus" in data:
        dialled, bridged = data["DialCallStatus"], data.get("DialBridged", "")
        connected = dialled in ("completed", "answered") and bridged != "false"
        name = data.get("DialCallSid") or f"{call} dialled"
        party: Literal["agent", "customer"] = "customer" if direction_of(data) == "outbound" else "agent"
        ended: Literal["call", "leg"] = over or "leg"
        leg = _leg(call, name, dialled, party=party, human=connected, ends=ended if dialled in OUTCOMES else over)
        # Who picked up and was not bridged, as one who declines a screened call, ended no connection of the caller's.
        return leg if connected or leg.outcome != "completed" else leg.model_copy(update={"outcome": ""})
    if "QueueResult" in data:
        return _queued(call, data, over)
    if "RecordingSid" in data or "RecordingUrl" in data:
        return _recording(call, data)
    return _by_machine(_own_leg(call, status, data, ends=over), data.get("AnsweredBy", ""))


def _queued(call: str, data: Mapping[str, str], over: Literal["call", ""]) -> Leg:
    """How an `<Enqueue>` ended (its `action`): somebody took the caller out of the queue, or nobody did."""
    result = data["QueueResult"]
    party: Literal["agent", "customer"] = "customer" if direction_of(data) == "outbound" else "agent"
    talked = result in ("bridged", "redirected-from-bridged")
    # An application that redirects a caller out of the queue may connect somebody; Twilio does not say.
    taken = talked or result in ("bridging-in-process", "redirected")
    return Leg(
        call=call,
        leg=f"{call} queued",
        party=party,
        state="ended",
        outcome="completed" if taken else "no_answer",
        detail=f"queue: {result}",
        ends=over or "leg",
        human=talked,
    )


def _own_leg(call: str, status: str, data: Mapping[str, str], *, ends: Literal["call", ""]) -> Leg:
    """That of the one who called, or who was called through the API."""
    by_our_phone = data.get("Direction") == "inbound" and direction_of(data) == "outbound"
    leg = _leg(call, call, status, party="agent" if by_our_phone else "customer", human=False, ends=ends)
    # Nothing ever answered such a call: no TwiML, so nobody either that TwiML could have rung at.
    final = bool(ends) and status != "completed"
    # An outgoing call goes on to its TwiML, and ends as completed, only where somebody picked up.
    picked_up = status == "in-progress" or (status == "completed" and data.get("CallDuration") != "0")
    calls_out = direction_of(data) == "outbound" and not by_our_phone
    return leg.model_copy(update={"final": final, "human_if_outbound": calls_out and picked_up})


def _by_machine(leg: Leg, answered_by: str) -> Leg:
    """The leg, as machine detection corrects it: what picks up the telephone that was dialled may be its voicemail."""
    if not answered_by.startswith(("machine", "fax")):
        return leg
    box = answered_by.startswith("machine") and (leg.state == "answered" or leg.outcome == "completed")
    told: dict[str, Any] = {
        "party": "machine",
        "human": False,
        "human_if_outbound": False,
        "detail": f"{leg.detail} by {answered_by}",
    }
    return leg.model_copy(update=told | ({"outcome": "voicemail"} if box else {}))


def _recording(call: str, data: Mapping[str, str]) -> Leg:
    """A recording is a voicemail only where `<Record>` made it; a `<Dial>` or a conference records people talking.

    Whoever leaves a message does so last: where only that is told, the call is over.
    """
    name = data.get("RecordingSid") or f"{call} recorded"
    made_by, status = data.get("RecordingSource") or "RecordVerb", data.get("RecordingStatus", "completed")
    if made_by == "RecordVerb" and status == "completed" and direction_of(data) != "outbound":
        return Leg(call=call, leg=name, party="machine", state="ended", outcome="voicemail", ends="call")
    detail = f"recording by {made_by}: {status}"
    return Leg(call=call, leg=name, party="machine", state="ended", detail=detail, ends="leg")


def _leg(
    call: str,
    leg: str,
    status: str,
    *,
    party: Literal["agent", "customer"],
    human: bool,
    ends: Literal["", "leg", "call"],
) -> Leg:
    return Leg(
        call=call,
        leg=leg,
        party=party,
        state=STATES.get(status, "ended" if status in OUTCOMES else ""),
        outcome=OUTCOMES.get(status, ""),
        detail=status,
        ends=ends,
        human=human,
    )
