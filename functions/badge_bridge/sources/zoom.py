"""Zoom Phone: the events of each handset that rings, and of each call that somebody of ours makes.

Sources: Zoom developer docs, "Using webhooks" (signature, validation of the endpoint) and "Phone webhooks"; the
signature and the payloads as in Zoom's library `@zoom/rivet`. Signed is `v0:<timestamp>:<body>` as it was received.

Zoom tells of handsets, not of calls: `phone.callee_missed` comes for each that was not picked up, though a colleague
did. So each event is a leg of the call. The members of a queue may ring in turn, with pauses, and of the caller's own
end nothing is told: that he gave up is known from `Call Cancel`.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict

from badge_bridge.errors import DeliveryRefused, Impossible, Unauthenticated
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, QueueOptions, Reading, Reply, SampleCall, Source
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at
from badge_bridge.sources.moments import content_digest, iso_text, iso_time, told, unix_time
from badge_bridge.sources.signatures import HEX, HeaderPart, Hmac, SignedTime

__all__ = ["Zoom", "ZoomOptions"]

_SIGNATURE = "x-zm-signature"
_TIMESTAMP = "x-zm-request-timestamp"
_CHALLENGE = "endpoint.url_validation"
_PLAIN_TOKEN = re.compile(r"[!-9;-~]{1,500}")
"""Visible ASCII without a colon. What is answered is an HMAC with the secret, and with `v0:<timestamp>:<body>` as its
token the answer would be the signature of a delivery."""

State = Literal["started", "ringing", "answered", "ended", ""]


class _Step(NamedTuple):
    """What an event says of its leg, before its words are looked at."""

    state: State
    outcome: LegOutcome = ""


_STEPS: Mapping[str, _Step] = {
    "phone.callee_ringing": _Step("ringing"),
    "phone.callee_answered": _Step("answered"),
    "phone.callee_missed": _Step("ended", "no_answer"),
    "phone.callee_rejected": _Step("ended", "rejected"),
    "phone.callee_ended": _Step("ended", "completed"),
    "phone.caller_ringing": _Step("ringing"),
    "phone.caller_connected": _Step("answered"),
    "phone.caller_ended": _Step("ended", "completed"),
}
_VOICEMAIL = "phone.voicemail_received"

_RESULTS: Mapping[str, LegOutcome] = {
    "no answer": "no_answer",
    "call cancel": "cancelled",
    "busy": "busy",
    "rejected": "rejected",
    "call failed": "failed",
    "voicemail": "voicemail",
    "call connected": "completed",
}
"""`handup_result`, which is Zoom's own spelling, in lower case. Other words leave what the event's name says."""
_LEFT_OPEN = frozenset({"no_answer", "busy", "rejected", "failed"})
"""The telephone of a colleague may be next."""

_BY_COLLEAGUE = "answered by other member"

_OUTSIDE = "pstn"
_PEOPLE = frozenset({"user", "commonarea", "commonareaphone", "zoomroom"})
_MENU = "autoreceptionist"
_MACHINES = frozenset({_MENU, "callqueue"})


class ZoomOptions(QueueOptions):
    """A source that Zoom Phone calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["zoom"]
    secrets: Secrets


def _content(timestamp: str, body: bytes) -> bytes:
    return f"v0:{timestamp}:".encode() + body


def _message(delivery: Delivery, timestamp: str) -> Sequence[bytes]:
    return (_content(timestamp, delivery.body),)


_SCHEME = Hmac(
    algorithm="sha256",
    signature=HeaderPart(_SIGNATURE, prefix="v0="),
    encoding=HEX,
    message=_message,
    binds=("body", "time"),
    time=SignedTime(HeaderPart(_TIMESTAMP)),
    hint="; compare the secret with the Secret Token of the app's event subscription",
)


class Zoom(Source[ZoomOptions]):
    """Reads the events of Zoom Phone; other products' events become `zoom.<event>`."""

    options_type: ClassVar = ZoomOptions
    binds: ClassVar[tuple[Part, ...]] = _SCHEME.binds

    def __init__(self, name: str, options: ZoomOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)

    def handshake(self, delivery: Delivery) -> Reply | None:
        """The answer to Zoom's check of the endpoint, which comes when it is entered and every 72 hours.

        Raises:
            Unauthenticated: the check is not signed; whoever could have any text answered could sign with the secret.
            Impossible: its token is none.
        """
        if _CHALLENGE.encode() not in delivery.body or len(delivery.body) > self.max_body:
            return None
        try:
            body = bodies.json_object(delivery.body)
        except DeliveryRefused:
            return None
        if body.get("event") != _CHALLENGE:
            return None
        key = self._key_of(delivery)
        token = text_at(group_at(body, "payload"), "plainToken")
        if not _PLAIN_TOKEN.fullmatch(token):
            raise Impossible("is missing or is not a token", field="payload.plainToken")
        answer = {"plainToken": token, "encryptedToken": hmac.digest(key, token.encode(), "sha256").hex()}
        return Reply(status=200, body=json.dumps(answer).encode(), media_type=bodies.JSON)

    def _key_of(self, delivery: Delivery) -> bytes:
        """The secret that signed a delivery: the answer has to be made with the same."""
        self.verify(delivery)
        for key in self._keys:
            try:
                _SCHEME.verify(delivery, (key,))
            except Unauthenticated:
                continue
            return key
        raise Unauthenticated("the signature does not match")

    def _verify(self, delivery: Delivery) -> str:
        return _SCHEME.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say which event this is, or of which call; names the field.
        """
        body = bodies.json_object(delivery.body)
        name, call = text_at(body, "event"), group_at(group_at(body, "payload"), "object")
        sent = str(body.get("event_ts"))
        if name in _STEPS:
            event = self._leg(body, name, call, delivery.received_at)
            assert event.leg is not None
            return (Reading(event, identity=(name, event.leg.call, event.leg.leg, sent)),)
        if name == _VOICEMAIL and call.get("call_id"):
            event = self._voicemail(body, call, delivery.received_at)
            return (Reading(event, identity=(name, told(call, "call_id", Notes()), sent)),)
        kind = check_type(f"zoom.{name}", field="event")
        notes = Notes()
        event = Event(
            id=content_digest(name, sent, body.get("payload")),
            source=self.name,
            provider="zoom",
            type=kind,
            time=self._sent(body, delivery.received_at, notes),
            data={**body, **notes.data()},
        )
        return (Reading(event, identity=(name, event.id)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began, ended = (iso_text(at, "seconds") for at in (call.at, call.now))
        told_of_call = {
            "call_id": str(int(call.digest[:15], 16)),
            "caller": {"extension_type": _OUTSIDE, "phone_number": call.caller},
            "callee": {"extension_type": "user", "user_id": "sample", "phone_number": call.line},
            "ringing_start_time": began,
        }
        over = {**told_of_call, "call_end_time": ended}
        events: list[tuple[str, dict[str, Any]]] = [("phone.callee_ringing", told_of_call)]
        if call.outcome == "missed":
            events.append(("phone.callee_missed", {**over, "handup_result": "No Answer"}))
        else:
            events.append(("phone.callee_answered", {**told_of_call, "answer_start_time": ended}))
            events.append(("phone.callee_ended", {**over, "handup_result": "Call connected"}))
        return [self._signed(name, data, call.now) for name, data in events]

    def _signed(self, name: str, call: Mapping[str, Any], now: float) -> Delivery:
        payload = {"account_id": "sample", "object": call}
        body = json.dumps({"event": name, "event_ts": int(now * 1000), "payload": payload}).encode()
        timestamp = str(int(now))
        signature = "v0=" + _SCHEME.sign(self._keys[0], _content(timestamp, body))
        headers = [("content-type", bodies.JSON), (_TIMESTAMP, timestamp), (_SIGNATURE, signature)]
        return Delivery("POST", "", headers, body, now)

    def _leg(self, body: Mapping[str, Any], name: str, call: Mapping[str, Any], received_at: float) -> Event:
        notes = Notes()
        call_id = told(call, "call_id", notes)
        if not call_id:
            raise Impossible("is missing", field="payload.object.call_id")
        incoming = name.startswith("phone.callee_")
        caller, callee = group_at(call, "caller"), group_at(call, "callee")
        ours, theirs = (callee, caller) if incoming else (caller, callee)
        direction = _direction(theirs, incoming=incoming)
        word = told(call, "handup_result", notes)
        step = _STEPS[name]
        outcome = _RESULTS.get(word.lower(), step.outcome) if step.state == "ended" else ""
        sent = unix_time(body, "event_ts", notes, per_second=1000)
        connected = step.state == "answered" or (step.state == "ended" and bool(call.get("answer_start_time")))
        by_colleague = word.lower() == _BY_COLLEAGUE
        unanswered = _party(ours) == "agent" and outcome in _LEFT_OPEN and not by_colleague
        handed_on = step.state == "ended" and _kind(ours) == _MENU
        leg = Leg(
            call=call_id,
            leg=_name_of(ours, notes),
            party=_party(ours) if incoming else "customer" if direction == "outbound" else "",
            state=step.state,
            outcome=outcome,
            detail=word,
            ends="leg" if step.state == "ended" else "",
            human=by_colleague
            or (connected and (_party(callee) == "agent" or direction == "outbound") and outcome != "voicemail"),
            rings_on=self.options.next_ring if incoming and (unanswered or handed_on) else 0.0,
            # A queue that goes round rings at the same handset again.
            order=sent.timestamp() if sent else None,
        )
        return leg_event(
            self,
            id=f"{call_id}.{name.removeprefix('phone.')}",
            time=iso_time(call, "ringing_start_time", notes) or sent or datetime.fromtimestamp(received_at, UTC),
            leg=leg,
            direction=direction,
            caller=_number(caller, notes),
            callee=_number(callee, notes),
            data={**body, **notes.data()},
        )

    def _voicemail(self, body: Mapping[str, Any], call: Mapping[str, Any], received_at: float) -> Event:
        """A message was left. It is told of the box, in fields of its own."""
        notes = Notes()
        call_id = told(call, "call_id", notes)
        if not call_id:
            raise Impossible("is not an id", field="payload.object.call_id")
        return leg_event(
            self,
            id=f"{call_id}.voicemail_received",
            time=iso_time(call, "date_time", notes) or self._sent(body, received_at, notes),
            leg=Leg(call=call_id, leg="voicemail", party="machine", state="ended", outcome="voicemail", ends="leg"),
            direction="",
            caller=told(call, "caller_number", notes),
            callee=told(call, "callee_number", notes),
            data={**body, **notes.data()},
        )

    def _sent(self, body: Mapping[str, Any], received_at: float, notes: Notes) -> datetime:
        return unix_time(body, "event_ts", notes, per_second=1000) or datetime.fromtimestamp(received_at, UTC)


def _kind(end: Mapping[str, Any]) -> str:
    """`callQueue` is also seen as `call_queue`."""
    return text_at(end, "extension_type").lower().replace("_", "")


def _party(end: Mapping[str, Any]) -> Literal["agent", "machine", ""]:
    if _kind(end) in _MACHINES:
        return "machine"
    return "agent" if _kind(end) in _PEOPLE or text_at(end, "user_id") else ""


def _direction(other: Mapping[str, Any], *, incoming: bool) -> Direction:
    """By what kind of number the other end has; where it is not said, the direction is not known."""
    if _kind(other) == _OUTSIDE:
        return "inbound" if incoming else "outbound"
    return "internal" if _party(other) == "agent" else ""


def _name_of(end: Mapping[str, Any], notes: Notes) -> str:
    names = (told(end, key, notes) for key in ("user_id", "extension_id", "extension_number", "phone_number"))
    return next(filter(None, names), "")


def _number(end: Mapping[str, Any], notes: Notes) -> str:
    return told(end, "phone_number", notes) or told(end, "extension_number", notes)
