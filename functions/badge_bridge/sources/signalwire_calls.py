"""What one delivery of SignalWire says about a leg of a call, as a form of cXML or as an event of RELAY.

Sources: SignalWire docs, "Compatibility API: voice status callbacks" and "Calling: call states"; the events of
`calling.call.connect` and `calling.call.detect` as in the types of SignalWire's own JavaScript SDK. Forms say what
Twilio's say, but for recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from badge_bridge.errors import Impossible
from badge_bridge.events import Direction, Leg, LegOutcome
from badge_bridge.sources.fields import group_at, strict_text_at, text_at
from badge_bridge.sources.own_phones import is_own_phone
from badge_bridge.sources.twilio_calls import JUDGED, OUTCOMES, STATES, direction_of, leg_of

__all__ = ["DECIDING", "form_leg", "relay_direction", "relay_leg", "relay_numbers"]

DECIDING = ("CallSid", "CallbackSource", *JUDGED)
"""The fields of a form that decide which call it is about and how that ended."""

_END_REASONS: Mapping[str, LegOutcome] = {
    "hangup": "completed",  # said of calls that nobody answered too: of a leg that was dialled it proves neither
    "cancel": "cancelled",
    "busy": "busy",
    "noAnswer": "no_answer",
    "decline": "rejected",
    "error": "failed",
}
_STATES: Mapping[str, Literal["started", "ringing", "answered", "ended", ""]] = {
    "created": "started",
    "ringing": "ringing",
    "answered": "answered",
    "ending": "",
    "ended": "ended",
}
_DIRECTIONS: Mapping[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}


def form_leg(told: Mapping[str, str]) -> Leg:
    """The leg that a form is about; `told` has those of `DECIDING` that are not empty, `CallSid` among them.

    Raises:
        Impossible: it does not say how the leg stands; names the field.
    """
    call, status = told["CallSid"], told.get("CallStatus", "")
    if status and status not in STATES and status not in OUTCOMES:
        raise Impossible("is not a status of a call that is documented", field="CallStatus")
    if "DialCallStatus" in told:
        _word(told, "DialCallStatus", OUTCOMES)
    elif "RecordingSid" in told or "RecordingUrl" in told:
        voicemail = _is_voicemail(told)
        if voicemail or not status:
            return Leg(
                call=call,
                leg=f"{call} recorded",
                party="machine",
                state="ended",
                outcome="voicemail" if voicemail else "",
                ends="call" if status in OUTCOMES else "leg",
            )
    elif not status:
        raise Impossible("is missing", field="CallStatus")
    return leg_of(call, {key: value for key, value in told.items() if key not in ("RecordingSid", "RecordingUrl")})


def _is_voicemail(told: Mapping[str, str]) -> bool:
    """A recording is a voicemail where `<Record>` made it: it says so, or it is that verb's action, which has no
    status of its own. The recording of a whole call comes with the call's duration.
    """
    if direction_of(told) == "outbound" or told.get("RecordingStatus", "completed") != "completed":
        return False
    if "RecordingSource" in told:
        return told["RecordingSource"] == "RecordVerb"
    return not {"RecordingStatus", "CallDuration", "CallbackSource"} & told.keys()


def relay_direction(params: Mapping[str, Any]) -> Direction:
    """The direction of the whole call, where an event's `params` tell it: that of a leg which was dialled within it,
    and names the leg that it belongs to, does not. What comes in from a phone of ours is an outgoing call.
    """
    said = _DIRECTIONS[_word(params, "direction", _DIRECTIONS)] if params.get("direction") else ""
    if _parent(params):
        return ""
    return "outbound" if said == "inbound" and is_own_phone(relay_numbers(params)[0]) else said


def relay_numbers(params: Mapping[str, Any]) -> tuple[str, str]:
    """Who calls and who is called; a device of the type `sip` names them otherwise than a telephone."""
    device = group_at(group_at(params, "device"), "params")
    caller, called = (text_at(device, f"{end}_number") or text_at(device, end) for end in ("from", "to"))
    return caller, called


def relay_leg(kind: str, params: Mapping[str, Any]) -> Leg | None:
    """The leg of an event of a call's state, of its connection to another or of what has picked up; None for others.

    Raises:
        Impossible: it does not say which call this is or how it stands; names the field.
    """
    if kind == "calling.call.state":
        return _of_state(params)
    if kind == "calling.call.connect":
        return _of_connection(params)
    return _of_machine(params) if kind == "calling.call.detect" else None


def _of_state(params: Mapping[str, Any]) -> Leg:
    call, parent, direction = _call(params), _parent(params), relay_direction(params)
    said = strict_text_at(params, "call_state")
    if said not in _STATES:
        raise Impossible("is not a state of a call that is documented", field="params.call_state")
    reason = strict_text_at(params, "end_reason")
    outcome: LegOutcome = "" if parent and reason == "hangup" else _END_REASONS.get(reason, "completed")
    by_our_phone = params.get("direction") == "inbound" and direction == "outbound"
    return Leg(
        call=parent or call,
        leg=call,
        party="agent" if parent or by_our_phone else "customer" if direction else "",
        state=_STATES[said],
        outcome=outcome if said == "ended" else "",
        detail=reason or said,
        ends="leg" if said == "ended" else "",
        human_if_outbound=said == "answered" and not parent and not by_our_phone,
    )


def _of_connection(params: Mapping[str, Any]) -> Leg:
    """A connection that has been made is told of the leg that was reached. One that is tried for is no leg yet: what
    fails to be made does not say whom it was tried with, so that nothing could end that leg.
    """
    call, state = _call(params), strict_text_at(params, "connect_state")
    peer = text_at(group_at(params, "peer"), "call_id") or f"{call} connected"
    if state == "connected":
        return Leg(call=call, leg=peer, state="answered", detail=state, human=True)
    if state == "disconnected":
        # Whether it had been connected before is what another event says.
        return Leg(call=call, leg=peer, state="ended", outcome="completed", detail=state, ends="leg")
    if state != "failed":
        return Leg(call=call, leg=call, detail=state)
    reason = text_at(params, "failed_reason")
    told = _END_REASONS.get(reason, "completed")
    return Leg(
        call=call,
        leg=f"{call} not connected",
        party="agent",
        state="ended",
        outcome="no_answer" if told == "completed" else told,
        detail=reason or state,
        ends="leg",
    )


def _of_machine(params: Mapping[str, Any]) -> Leg | None:
    """A machine found behind a leg that was dialled, or behind the call itself where that goes out."""
    found = text_at(group_at(group_at(params, "detect"), "params"), "event")
    if found != "MACHINE":
        return None
    call = _call(params)
    return Leg(
        call=_parent(params) or call, leg=call, party="machine", state="answered", outcome="voicemail", detail=found
    )


def _parent(params: Mapping[str, Any]) -> str:
    return text_at(group_at(params, "parent"), "call_id")


def _call(params: Mapping[str, Any]) -> str:
    call = strict_text_at(params, "call_id")
    if not call:
        raise Impossible("is missing", field="params.call_id")
    return call


def _word(fields: Mapping[str, Any], key: str, known: Mapping[str, Any]) -> str:
    word = strict_text_at(fields, key)
    if word not in known:
        raise Impossible(f"must be one of {', '.join(known)}", field=key)
    return word
