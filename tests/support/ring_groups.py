"""What each provider that tells of a call in legs says of a group of two telephones: the first is not picked up, then a
colleague answers at the second; and of the same call when nobody does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from badge_bridge.events import Event
from badge_bridge.sources.joining import LegEvent
from support.every_source import NOW
from support.senders import SENDERS

__all__ = ["GROUPS", "Group"]

CUSTOMER, LINE = "+4930123456", "+4989654321"
BEGAN, ENDED = "2025-11-22T02:29:30Z", "2025-11-22T02:30:00Z"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    sender: str
    around: Sequence[Fields]
    """Of the caller's own leg and of the first telephone: nothing of the colleague's connection."""
    rang: Sequence[Fields]
    """Of the colleague's telephone, and as well true had he not picked up."""
    proofs: Sequence[Fields]
    """Each proves alone that his telephone was connected."""
    in_vain: Sequence[Fields]
    """Instead of the proofs, where he does not pick up."""
    missed_without_proof: bool = True
    """Whether what is left when every proof is lost may look like a call in vain. Where no telephone says that it rang
    out, and no end tells all, it does not.
    """

    def told(self, steps: Sequence[Fields]) -> list[LegEvent]:
        """The deliveries of these steps, as legs."""
        sender = SENDERS[self.sender]
        contents = [(urlencode(one) if sender.syntax == "form" else json.dumps(one)).encode() for one in steps]
        events = [event for content in contents for event in self._read(content)]
        assert len(events) == len(steps)
        return [LegEvent(f"s:{number:02}", NOW + number, event) for number, event in enumerate(events)]

    def _read(self, content: bytes) -> Iterator[Event]:
        sender = SENDERS[self.sender]
        delivery = sender.signed(content, NOW)
        sender.source.verify(delivery)
        yield from (reading.event for reading in sender.source.read(delivery))


def _twilio(sender: str) -> Group:
    own, first, second = (f"CA{number:032x}" for number in range(3))
    call = {"CallSid": own, "Direction": "inbound", "From": CUSTOMER, "To": LINE}
    a, b = ({"CallSid": leg, "ParentCallSid": own, "Direction": "outbound-dial"} for leg in (first, second))
    dialled = {**call, "CallStatus": "in-progress", "DialCallSid": second}
    return Group(
        sender,
        around=[{**a, "CallStatus": "no-answer"}, {**call, "CallStatus": "completed"}],
        rang=[{**b, "CallStatus": "ringing"}],
        proofs=[
            {**b, "CallStatus": "in-progress"},
            {**b, "CallStatus": "completed"},
            {**dialled, "DialCallStatus": "completed"},
        ],
        in_vain=[{**b, "CallStatus": "no-answer"}, {**dialled, "DialCallStatus": "no-answer"}],
    )


def _signalwire_events() -> Group:
    def state(word: str, **params: Any) -> Fields:
        return {"event_type": "calling.call.state", "params": {"call_state": word, **params}}

    def connection(word: str, **params: Any) -> Fields:
        return {"event_type": "calling.call.connect", "params": {"call_id": "in", "connect_state": word, **params}}

    call = {"call_id": "in", "direction": "inbound"}
    a, b = ({"call_id": leg, "direction": "outbound", "parent": {"call_id": "in"}} for leg in "ab")
    return Group(
        "signalwire-json",
        around=[
            state("created", **call),
            state("ended", **a, end_reason="noAnswer"),
            state("ended", **call, end_reason="hangup"),
        ],
        rang=[state("ringing", **b), state("ended", **b, end_reason="hangup")],
        proofs=[
            state("answered", **b),
            connection("connected", peer={"call_id": "b"}),
            connection("disconnected", peer={"call_id": "b"}),
        ],
        in_vain=[connection("failed", failed_reason="noAnswer")],
    )


def _telnyx() -> Group:
    count = iter(range(100))

    def event(kind: str, leg: str, **payload: Any) -> Fields:
        known = {"call_session_id": "s", "call_leg_id": leg, "start_time": BEGAN, **payload}
        return {"data": {"event_type": f"call.{kind}", "id": str(next(count)), "occurred_at": ENDED, "payload": known}}

    ends = {"from": CUSTOMER, "to": LINE}
    return Group(
        "telnyx",
        around=[
            event("initiated", "in", direction="incoming", **ends),
            event("answered", "in"),
            event("initiated", "a", direction="outgoing"),
            event("hangup", "a", hangup_cause="timeout"),
            event("hangup", "in", hangup_cause="normal_clearing"),
        ],
        rang=[event("initiated", "b", direction="outgoing")],
        proofs=[
            event("answered", "b"),
            event("bridged", "b"),
            event("bridged", "in"),
            event("hangup", "b", hangup_cause="normal_clearing"),
        ],
        in_vain=[event("hangup", "b", hangup_cause="timeout")],
    )


def _vonage() -> Group:
    def event(leg: str, status: str, at: str, **more: Any) -> Fields:
        direction = "inbound" if leg == "in" else "outbound"
        known = {"conversation_uuid": "c", "uuid": leg, "direction": direction, "from": CUSTOMER[1:], "to": LINE[1:]}
        return {**known, "status": status, "timestamp": at, **more}

    return Group(
        "vonage",
        around=[
            event("in", "started", BEGAN),
            event("a", "started", BEGAN),
            event("a", "unanswered", ENDED, detail="timeout"),
            event("in", "completed", ENDED, duration="20"),
        ],
        rang=[event("b", "started", BEGAN), event("b", "ringing", BEGAN)],
        proofs=[event("b", "answered", BEGAN), event("b", "completed", ENDED, duration="10")],
        in_vain=[event("b", "unanswered", ENDED, detail="timeout")],
    )


def _plivo() -> Group:
    call = {"CallUUID": "in", "Direction": "inbound", "From": CUSTOMER[1:], "To": LINE[1:]}
    dialled = {**call, "CallStatus": "in-progress", "DialALegUUID": "in"}
    a, b = ({**dialled, "DialBLegUUID": leg} for leg in "ab")
    return Group(
        "plivo",
        around=[
            {**a, "DialAction": "hangup", "DialBLegHangupCause": "NO_ANSWER"},
            {**call, "CallStatus": "completed", "HangupCause": "NORMAL_CLEARING", "Duration": "20"},
        ],
        rang=[],
        proofs=[
            {**b, "DialAction": "answer"},
            {**b, "DialAction": "hangup", "DialBLegHangupCause": "NORMAL_CLEARING"},
            {**b, "DialStatus": "completed"},
        ],
        in_vain=[
            {**b, "DialAction": "hangup", "DialBLegHangupCause": "USER_NOT_REGISTERED"},
            {**b, "DialStatus": "no-answer"},
        ],
    )


def _bandwidth() -> Group:
    def event(kind: str, leg: str, **more: Any) -> Fields:
        whole = {"callId": "in", "direction": "inbound", "from": CUSTOMER, "to": LINE}
        known = whole if leg == "in" else {"callId": leg, "parentCallId": "in", "direction": "outbound"}
        return {**known, "eventType": kind, "eventTime": ENDED, "startTime": BEGAN, **more}

    connected = {"answerTime": BEGAN, "cause": "hangup"}
    return Group(
        "bandwidth",
        around=[
            event("initiate", "in"),
            event("transferDisconnect", "a", cause="timeout"),
            event("disconnect", "in", **connected),
        ],
        rang=[],
        proofs=[
            event("transferAnswer", "b", answerTime=BEGAN),
            event("transferDisconnect", "b", **connected),
            event("transferComplete", "in", **connected),
        ],
        in_vain=[
            event("transferDisconnect", "b", cause="timeout"),
            event("transferComplete", "in", cause="timeout"),
        ],
    )


def _sinch() -> Group:
    """It tells of no group and of no telephone: one callback when somebody answers, one when the call is over."""
    known = {"callid": "c", "version": 1}
    over = {**known, "event": "dice", "timestamp": ENDED, "from": CUSTOMER, "to": {"type": "did", "endpoint": LINE}}
    began = {"cli": CUSTOMER, "to": {"type": "did", "endpoint": LINE}}
    return Group(
        "sinch",
        around=[{**known, "event": "ice", "timestamp": BEGAN, **began}],
        rang=[],
        proofs=[
            {**known, "event": "ace", "timestamp": BEGAN},
            {**over, "result": "ANSWERED", "reason": "CALLERHANGUP", "duration": 12},
        ],
        in_vain=[{**over, "result": "NOANSWER", "reason": "TIMEOUT"}],
        missed_without_proof=False,
    )


def _zoom() -> Group:
    def event(name: str, user: str, at: int, **more: Any) -> Fields:
        callee = {"extension_type": "user", "user_id": user, "phone_number": LINE}
        known = {"call_id": "1", "caller": {"extension_type": "pstn", "phone_number": CUSTOMER}, "callee": callee}
        payload = {"account_id": "A", "object": {**known, **more}}
        return {"event": f"phone.callee_{name}", "event_ts": int((NOW + at) * 1000), "payload": payload}

    return Group(
        "zoom",
        around=[event("ringing", "a", 1), event("missed", "a", 20, handup_result="No Answer")],
        rang=[event("ringing", "b", 21)],
        proofs=[
            event("answered", "b", 25, answer_start_time=BEGAN),
            event("ended", "b", 40, handup_result="Call connected", answer_start_time=BEGAN),
        ],
        in_vain=[event("missed", "b", 40, handup_result="No Answer")],
    )


def _ringcentral() -> Group:
    def event(number: int, party: str, code: str, reason: str = "") -> Fields:
        ends = {"direction": "Inbound", "from": {"phoneNumber": CUSTOMER}, "to": {"phoneNumber": LINE}}
        status = {"code": code, **({"reason": reason} if reason else {})}
        known = {"id": party, "accountId": "1", "extensionId": f"1{party}", **ends, "status": status}
        session = {"sequence": number, "telephonySessionId": "s", "eventTime": BEGAN, "parties": [known]}
        name = "/restapi/v1.0/account/1/telephony/sessions"
        return {"uuid": f"u{number}", "event": name, "timestamp": BEGAN, "body": session}

    return Group(
        "ringcentral",
        around=[event(1, "a", "Proceeding"), event(2, "a", "Disconnected", "NoAnswer")],
        rang=[event(3, "b", "Proceeding"), event(5, "b", "Disconnected")],
        proofs=[event(4, "b", "Answered")],
        in_vain=[],
    )


def _dialpad() -> Group:
    def event(call: int, state: str, at: int, **more: Any) -> Fields:
        target = {"id": call, "type": "department" if call == 1 else "user"}
        ends = {"direction": "inbound", "external_number": CUSTOMER, "internal_number": LINE}
        known = {"call_id": call, **ends, "target": target, "date_connected": None, "state": state}
        entry = {} if call == 1 else {"entry_point_call_id": 1}
        return {**known, **entry, "event_timestamp": int((NOW + at) * 1000), "talk_time": 0, **more}

    return Group(
        "dialpad",
        around=[event(2, "ringing", 1), event(2, "missed", 20), event(1, "hangup", 40, date_connected=1)],
        rang=[event(3, "ringing", 21)],
        proofs=[
            event(3, "connected", 25, date_connected=1),
            event(3, "hangup", 40, date_connected=1, talk_time=9000),
        ],
        in_vain=[event(3, "missed", 40)],
    )


GROUPS: Mapping[str, Group] = {
    "twilio": _twilio("twilio"),
    "signalwire": _twilio("signalwire"),
    "signalwire-json": _signalwire_events(),
    "telnyx": _telnyx(),
    "vonage": _vonage(),
    "plivo": _plivo(),
    "bandwidth": _bandwidth(),
    "sinch": _sinch(),
    "zoom": _zoom(),
    "ringcentral": _ringcentral(),
    "dialpad": _dialpad(),
}
