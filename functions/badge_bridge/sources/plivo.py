"""Plivo: callbacks of voice calls as forms, with a signature of version 3.

Sources: Plivo docs, "Signature validation", "Call states", "Dial XML", "Record XML"; the signature as in
`plivo.utils.validate_v3_signature` of Plivo's Python library. Signed is the URL with its sorted query, the sorted
fields without anything between them, a full stop and a nonce. Version 2 covers no field and is not taken.

One signature fits forms that are cut differently. What is signed, without the nonce, is the same for all of them and
for a retry, and therefore it is the identity of an event. A nonce has no full stop, so that it ends in one way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible, Malformed, Unauthenticated
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import (
    EMPTY_DOCUMENT,
    CorrelatingOptions,
    Delivery,
    Part,
    Reading,
    Reply,
    SampleCall,
    Source,
)
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.fields import Notes, strict_text_at, text_at, whole_number
from badge_bridge.sources.own_phones import is_own_phone
from badge_bridge.sources.phone_numbers import with_plus
from badge_bridge.sources.public_url import seen_from_outside
from badge_bridge.sources.signatures import BASE64, HeaderPart, Hmac

__all__ = ["Plivo", "PlivoOptions"]

_SIGNATURE, _NONCE = "x-plivo-signature-v3", "x-plivo-signature-v3-nonce"
_NONCE_TEXT = re.compile(r"[A-Za-z0-9_-]{1,128}")

State = Literal["started", "ringing", "answered", "ended", ""]

_DIRECTIONS: Mapping[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}

_STATUSES: Mapping[str, tuple[State, LegOutcome]] = {
    "queued": ("started", ""),
    "initiated": ("started", ""),
    "early media": ("ringing", ""),
    "ringing": ("ringing", ""),
    "in-progress": ("answered", ""),
    "answer": ("answered", ""),
    "answered": ("answered", ""),
    "connected": ("answered", ""),
    "completed": ("ended", "completed"),
    "digits": ("", ""),
    "hangup": ("ended", "completed"),
    "busy": ("ended", "busy"),
    "cancel": ("ended", "cancelled"),
    "canceled": ("ended", "cancelled"),
    "failed": ("ended", "failed"),
    "timeout": ("ended", "no_answer"),
    "no-answer": ("ended", "no_answer"),
}
_CAUSES: Mapping[str, LegOutcome] = {
    "CALL_REJECTED": "rejected",
    "NO_ANSWER": "no_answer",
    "ORIGINATOR_CANCEL": "cancelled",
    "USER_BUSY": "busy",
}
"""They count for a call without duration: what nobody answered ends `completed` too."""


class PlivoOptions(CorrelatingOptions):
    """A source that Plivo calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["plivo"]
    secrets: Secrets = Field(description="The Auth Token of the account or subaccount; any of several may match.")
    public_url: Annotated[str, seen_from_outside("as Plivo calls it")] = Field(
        description="This source's URL as it is entered at Plivo, without its query: Plivo signs the URL."
    )

    def cautions(self) -> Sequence[str]:
        told = (
            "Plivo's signature of a form marks neither where a field ends nor when it was made: whoever has seen a "
            "delivery that never arrived can change how it reads. Let only https reach this source."
        )
        return (told,)


class Plivo(Source[PlivoOptions]):
    """Reads what Plivo sends about calls and about the calls that `<Dial>` makes within them."""

    options_type: ClassVar = PlivoOptions
    max_body = 64 * 1024
    binds: ClassVar[tuple[Part, ...]] = ("url", "form")

    def __init__(self, name: str, options: PlivoOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        self._scheme = Hmac(
            algorithm="sha256",
            signature=HeaderPart(_SIGNATURE, separator=","),
            encoding=BASE64,
            message=self._messages,
            binds=self.binds,
            hint=f" {options.public_url}; compare public_url with the URL that is entered at Plivo, and the secret "
            "with the Auth Token",
        )

    def _messages(self, delivery: Delivery, _time: str) -> Sequence[bytes]:
        nonce = delivery.header(_NONCE)
        if nonce is None or not _NONCE_TEXT.fullmatch(nonce):
            raise Unauthenticated(f"the header {_NONCE} is missing, contradicts itself or has unusual characters")
        return (f"{self._signed(delivery)}.{nonce}".encode(),)

    def _signed(self, delivery: Delivery) -> str:
        """What is signed, without the nonce."""
        query = "&".join(f"{key}={value}" for key, value in sorted(bodies.query(delivery.query)))
        fields = sorted(bodies.form(delivery.body))
        if not fields:
            return f"{self.options.public_url}?{query}" if query else self.options.public_url
        told = "".join(key + value for key, value in fields)
        return f"{self.options.public_url}?{query}{'.' if query else ''}{told}"

    def _verify(self, delivery: Delivery) -> str:
        if bodies.media_type(delivery) != bodies.FORM:
            raise Unauthenticated(f"the body is not {bodies.FORM}, so that its signature cannot be checked")
        return self._scheme.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not a form.
            Impossible: it does not say which call this is or how it stands; names the field.
        """
        if bodies.media_type(delivery) != bodies.FORM:
            raise Malformed(f"the body must be {bodies.FORM}")
        data = bodies.flat(bodies.form(delivery.body))
        identity = hashlib.sha256(self._signed(delivery).encode()).hexdigest()
        return (Reading(self._event(data, datetime.fromtimestamp(delivery.received_at, UTC)), identity=(identity,)),)

    def reply(self) -> Reply:
        # An empty document does nothing where Plivo waits for instructions, and is ignored elsewhere.
        return Reply(body=EMPTY_DOCUMENT, media_type="application/xml")

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        answered = call.outcome == "answered"
        whole = {"CallUUID": str(call.uuid("call")), "Direction": "inbound"}
        whole |= {"From": call.caller.lstrip("+"), "To": call.line.lstrip("+")}
        dialled = {"DialStatus": "completed" if answered else "no-answer", "DialBLegUUID": str(call.uuid("dialled"))}
        ended = {"Event": "Hangup", "CallStatus": "completed", "Duration": "12" if answered else "0"}
        ended["HangupCause"] = "NORMAL_CLEARING" if answered else "ORIGINATOR_CANCEL"
        ended["EndTime"] = datetime.fromtimestamp(call.now, UTC).strftime("%Y-%m-%d %H:%M:%S")
        steps = ({"CallStatus": "in-progress", **dialled}, ended)
        return [self._posted({**whole, **step}, call.now) for step in steps]

    def _posted(self, fields: Mapping[str, str], now: float) -> Delivery:
        body = urlencode(fields).encode()
        nonce = hashlib.sha256(body).hexdigest()[:20]
        headers = [("content-type", bodies.FORM), (_NONCE, nonce)]
        (message,) = self._messages(Delivery("POST", "", headers, body, now), "")
        signature = (_SIGNATURE, self._scheme.sign(self._keys[0], message))
        return Delivery("POST", "", [*headers, signature], body, now)

    def _event(self, data: Mapping[str, Any], received: datetime) -> Event:
        told = {key: strict_text_at(data, key) for key in _DECIDING if data.get(key)}
        direction = _direction(told)
        leg = _leg(told, direction)
        notes = Notes()
        ours = leg.leg in (leg.call, f"{leg.call} recorded") or bool(told.get("DialStatus"))
        return leg_event(
            self,
            id=leg.leg,
            time=_start(data, notes) or received,
            leg=leg,
            direction=direction if ours else "",
            # Plivo docs, "Make a call": international numbers, without a plus.
            caller=with_plus(text_at(data, "From")) if ours else "",
            # Of a leg that is dialled it tells whom a softphone calls (`judged_event`).
            callee=with_plus(text_at(data, "To")),
            duration=whole_number(text_at(data, "Duration")),
            data={**data, **notes.data()},
        )


_DECIDING = (
    "ALegUUID",
    "CallStatus",
    "CallUUID",
    "DialALegUUID",
    "DialAction",
    "DialBLegHangupCause",
    "DialBLegStatus",
    "DialBLegUUID",
    "DialHangupCause",
    "DialStatus",
    "Direction",
    "Duration",
    "From",
    "HangupCause",
    "Machine",
    "ParentCallUUID",
    "RecordUrl",
    "RecordingDuration",
    "RecordingID",
)
"""The fields that decide which call a callback is about and how that ended."""


def _direction(told: Mapping[str, str]) -> Direction:
    """What comes in from a phone of ours is an outgoing call."""
    said = _DIRECTIONS.get(told.get("Direction", ""), "")
    return "outbound" if said == "inbound" and is_own_phone(told.get("From", "")) else said


def _leg(told: Mapping[str, str], direction: Direction) -> Leg:
    dialled = told.get("DialStatus") or told.get("DialBLegStatus") or told.get("DialAction")
    call = told.get("CallUUID") or told.get("DialALegUUID")
    if not call:
        raise Impossible("is missing: this is not about a voice call", field="CallUUID")
    status = told.get("CallStatus", "")
    whole = _status(status, "CallStatus") if status else ("", "")
    if dialled:
        return _dialled(told, direction, call=told.get("DialALegUUID") or call, over=whole[0] == "ended")
    parent = told.get("ParentCallUUID") or told.get("ALegUUID") or call
    if told.get("RecordUrl") or told.get("RecordingID"):
        return _recorded(told, direction, call=parent, over=whole[0] == "ended")
    if not status:
        raise Impossible("is missing", field="CallStatus")
    state, outcome = whole
    lasted = told.get("Duration", "0") != "0"
    if state == "ended" and not lasted:
        outcome = _CAUSES.get(told.get("HangupCause", ""), outcome)
    ends: Literal["", "leg", "call"] = "call" if parent == call else "leg"
    machine = told.get("Machine") == "true"
    picked_up = not machine and (state == "answered" or (outcome == "completed" and lasted))
    by_our_phone = told.get("Direction") == "inbound" and direction == "outbound"
    return Leg(
        call=parent,
        leg=call,
        party="machine" if machine else "agent" if parent != call or by_our_phone else "customer",
        state=state,
        outcome=outcome,
        detail=told.get("HangupCause") or status,
        ends=ends if state == "ended" else "",
        human=parent != call and picked_up,
        human_if_outbound=parent == call and picked_up and not by_our_phone,
    )


def _dialled(told: Mapping[str, str], direction: Direction, *, call: str, over: bool) -> Leg:
    """What became of `<Dial>`: its action says it in DialStatus, its callback step by step."""
    key = next(key for key in ("DialStatus", "DialBLegStatus", "DialAction") if told.get(key))
    state, outcome = _status(told[key], key)
    cause = told.get("DialHangupCause") or told.get("DialBLegHangupCause") or ""
    if state == "ended" and key != "DialStatus":
        # Of causes that are not listed, as of a telephone that is not registered, only this is one of a connection.
        outcome = _CAUSES.get(cause, outcome if cause in ("", "NORMAL_CLEARING") else "")
    return Leg(
        call=call,
        leg=told.get("DialBLegUUID") or f"{call} dialled",
        party="agent" if direction == "inbound" else "",
        state=state,
        outcome=outcome,
        detail=cause or told[key],
        ends="" if state != "ended" else "call" if over and key == "DialStatus" else "leg",
        human=state == "answered" or (key == "DialStatus" and outcome == "completed"),
    )


def _recorded(told: Mapping[str, str], direction: Direction, *, call: str, over: bool) -> Leg:
    """What `<Record>` recorded: a message, unless a human is known to have answered. Its action has no duration but -1
    where it goes on recording in the background; nothing at all is no message either.
    """
    message = direction != "outbound" and told.get("RecordingDuration") not in ("-1", "0")
    return Leg(
        call=call,
        leg=f"{call} recorded",
        party="machine",
        state="ended",
        outcome="voicemail" if message else "",
        detail="recording",
        ends="call" if over else "leg",
    )


def _status(word: str, field: str) -> tuple[State, LegOutcome]:
    known = _STATUSES.get(word)
    if known is None:
        raise Impossible("is not a status of a call that is documented", field=field)
    return known


def _start(data: Mapping[str, Any], notes: Notes) -> datetime | None:
    """When the call began, or else ended, in UTC without an offset; one that cannot be read decides nothing."""
    for field in ("StartTime", "EndTime"):
        text = text_at(data, field)
        try:
            if text:
                return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            notes.passed_over(field, text)
    return None
