"""What one Twilio request says about a call. Legs of a call are judged one by one; nothing is remembered between them.

Statuses: queued, initiated, ringing, in-progress, completed, busy, no-answer, canceled, failed (Twilio support,
"What do the call statuses mean?"). The trap: an incoming call is `completed` as soon as any TwiML answered it, even if
no human did. Only the outcome of a `<Dial>` says whether somebody picked up.
"""

from __future__ import annotations

from collections.abc import Mapping

from badge_bridge.events import Direction
from badge_bridge.sources.judgement import Judgement, unanswered

__all__ = ["JUDGED", "direction_of", "judge"]

JUDGED = (
    "CallStatus",
    "DialBridged",
    "DialCallStatus",
    "Direction",
    "ParentCallSid",
    "RecordingSid",
    "RecordingSource",
    "RecordingStatus",
    "RecordingUrl",
)
"""The fields that this module reads."""

_RUNNING = frozenset({"queued", "initiated", "ringing", "in-progress"})

_UNANSWERED: Mapping[str, str] = {"no-answer": "no_answer", "canceled": "caller_cancelled"}


def direction_of(data: Mapping[str, str]) -> Direction:
    """Twilio says `inbound`, `outbound-api` or `outbound-dial`; other products say other things."""
    said = data.get("Direction", "")
    if said == "inbound":
        return "inbound"
    return "outbound" if said.startswith("outbound") else ""


def judge(data: Mapping[str, str]) -> Judgement:
    """How a call ended, as far as the fields of one request tell."""
    direction = direction_of(data)
    if "ParentCallSid" in data or data.get("Direction") == "outbound-dial":
        return Judgement("unknown", f"one leg of a call: {data.get('CallStatus', 'no status')}")
    if "DialCallStatus" in data:
        return _dialled(data["DialCallStatus"], data.get("DialBridged", ""), direction)
    if "RecordingSid" in data or "RecordingUrl" in data:
        return _recorded(data, direction)
    return _leg(data["CallStatus"], direction)


def _dialled(status: str, bridged: str, direction: Direction) -> Judgement:
    """The outcome of a `<Dial>`: what became of the attempt to reach a human."""
    if status in ("completed", "answered"):
        if bridged == "false":
            return Judgement("unknown", "picked up, but never connected to the caller")
        return Judgement("answered")
    return _ended(status, direction)


def _recorded(data: Mapping[str, str], direction: Direction) -> Judgement:
    """A recording is a voicemail only where `<Record>` made it; a `<Dial>` or a conference records people talking."""
    made_by = data.get("RecordingSource") or "RecordVerb"
    status = data.get("RecordingStatus", "completed")
    if made_by != "RecordVerb":
        return Judgement("unknown", f"a recording by {made_by} is not a voicemail")
    if status != "completed":
        return Judgement("unknown", f"the recording is {status}")
    if direction == "outbound":
        return Judgement("unknown", "a recording of an outgoing call is not a voicemail")
    return Judgement("voicemail")


def _leg(status: str, direction: Direction) -> Judgement:
    if status in _RUNNING:
        return Judgement("unknown", f"not ended: {status}")
    if status == "completed":
        return Judgement("unknown", "completed does not say whether a human answered")
    return _ended(status, direction)


def _ended(status: str, direction: Direction) -> Judgement:
    if status in _UNANSWERED:
        return unanswered(direction, _UNANSWERED[status])
    if status == "busy":
        return Judgement("busy", "busy")
    if status == "failed":
        return Judgement("failed", "failed")
    return Judgement("unknown", f"the status {status} is not known")
