"""Telnyx: events of the Voice API v2 as JSON, signed with Ed25519.

Sources: Telnyx docs, "Receiving webhooks" and "Voice API webhooks"; the signature as in
`telnyx.lib.webhook_verification` of Telnyx's Python library, the fields as in its models. Signed is
`timestamp|body`; deliveries come late, twice and in any order.

Only `call.initiated` says in which direction a leg goes. An application that takes a call answers it before anybody of
ours does, so that `call.answered` proves no human; `call.bridged`, which says that two legs were connected, does. On a
SIP connection it is a telephone that answers, and nothing in an event tells the two apart: an option does. On an
outgoing call of one leg it was the called party who answered, unless machine detection says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from badge_bridge.errors import Impossible, Malformed
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import CorrelatingOptions, Delivery, NoSample, Part, Reading, Reply, SampleCall, Source
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, is_resolved
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, strict_text_at, text_at
from badge_bridge.sources.moments import iso_text, iso_time
from badge_bridge.sources.signatures import BASE64, Ed25519, HeaderPart, SignedTime
from badge_bridge.sources.trial_keys import trial_key

__all__ = ["Telnyx", "TelnyxOptions"]

_SIGNATURE, _TIMESTAMP = "telnyx-signature-ed25519", "telnyx-timestamp"
_KEY_SIZE = 32

_CAUSES: Mapping[str, LegOutcome] = {
    "call_rejected": "rejected",
    "no_answer": "no_answer",
    "normal_clearing": "completed",
    "not_found": "failed",
    "originator_cancel": "cancelled",
    "time_limit": "completed",
    "timeout": "no_answer",
    "user_busy": "busy",
}
"""`unspecified`, and a cause that is new, count as completed: they do not prove that nobody answered."""

_DIRECTIONS: Mapping[str, Direction] = {"incoming": "inbound", "outgoing": "outbound"}
_STATES: Mapping[str, Literal["started", "answered", "ended"]] = {
    "call.initiated": "started",
    "call.answered": "answered",
    "call.bridged": "answered",
    "call.hangup": "ended",
}
_DETECTIONS = frozenset({"call.machine.detection.ended", "call.machine.premium.detection.ended"})
_CONFERENCE = "conference.participant.joined"
_MACHINES: Mapping[str, LegOutcome] = {"machine": "voicemail", "fax_detected": ""}


def _public_keys(secrets: list[SecretStr]) -> list[SecretStr]:
    for secret in secrets:
        if is_resolved(secret):
            _public_key(secret)
    return secrets


def _public_key(secret: SecretStr) -> bytes:
    wrong = "this is not a public key of Telnyx, the base64 of 32 bytes; copy it from Keys & Credentials, Public Key"
    try:
        key = BASE64.decode(secret.get_secret_value().strip())
    except ValueError as error:
        raise ValueError(wrong) from error
    if len(key) != _KEY_SIZE:
        raise ValueError(wrong)
    return key


class TelnyxOptions(CorrelatingOptions):
    """A source that Telnyx calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["telnyx"]
    secrets: Annotated[Secrets, AfterValidator(_public_keys)] = Field(
        description="The account's public key, in base64 as Telnyx shows it; any of several may match."
    )
    answered_by: Literal["application", "anyone"] = Field(
        default="anyone",
        description="application: calls that come in are answered by a Voice API application and never by a telephone, "
        "so that one which is not bridged to anybody was missed; anyone: they may be answered by a SIP telephone.",
    )


def _message(delivery: Delivery, time: str) -> Sequence[bytes]:
    return (time.encode() + b"|" + delivery.body,)


class Telnyx(Source[TelnyxOptions]):
    """Reads Telnyx's events; those that say how a leg of a call stands are legs, others are `telnyx.<event_type>`."""

    options_type: ClassVar = TelnyxOptions
    max_body = 256 * 1024
    binds: ClassVar[tuple[Part, ...]] = ("body", "time")

    def __init__(self, name: str, options: TelnyxOptions) -> None:
        super().__init__(name, options)
        self._keys = tuple(_public_key(secret) for secret in options.secrets)
        self._scheme = Ed25519(
            signature=HeaderPart(_SIGNATURE),
            encoding=BASE64,
            message=_message,
            binds=self.binds,
            time=SignedTime(HeaderPart(_TIMESTAMP)),
            hint="; compare secrets with the public key of the Telnyx account",
        )

    def _verify(self, delivery: Delivery) -> str:
        return self._scheme.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON, as of TeXML.
            Impossible: it does not say which event this is, or of which call; names the field.
        """
        if not bodies.is_json(bodies.media_type(delivery)):
            raise Malformed(f"the body must be {bodies.JSON}; this source takes no callbacks of TeXML")
        body = bodies.json_object(delivery.body)
        told = group_at(body, "data")
        event_id, kind = strict_text_at(told, "id"), strict_text_at(told, "event_type")
        if not event_id:
            raise Impossible("is missing", field="data.id")
        if not kind:
            raise Impossible("is missing", field="data.event_type")
        notes = Notes()
        occurred = iso_time(told, "occurred_at", notes) or datetime.fromtimestamp(delivery.received_at, UTC)
        if kind in _STATES or (kind in _DETECTIONS and _found(body) in _MACHINES):
            event = self._leg(body, kind, event_id, occurred, notes)
        else:
            event = Event(
                id=event_id,
                source=self.name,
                provider="telnyx",
                type=check_type(f"telnyx.{kind}", field="data.event_type"),
                time=occurred,
                data={**body, **notes.data()},
            )
        met = self._met(body, event_id, occurred) if kind == _CONFERENCE else None
        return (Reading(event, identity=(event_id,)), *([Reading(met, identity=("met", event_id))] if met else []))

    def reply(self) -> Reply:
        return Reply(status=200)

    @property
    def samples_need_a_key(self) -> bool:
        return True

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        try:
            key = trial_key(call, self._keys, BASE64.encode)
        except NoSample as error:
            raise NoSample(f"source {self.name}: {error}") from None
        caller, ours = (
            {
                "call_session_id": str(call.uuid("session")),
                "call_leg_id": str(call.uuid(leg)),
                "call_control_id": f"v3:{call.uuid(leg)}",
                "connection_id": "1684641123236054244",
                "from": calling,
                "to": called,
                "start_time": iso_text(call.at),
            }
            for leg, calling, called in (
                ("caller", call.caller, call.line),
                ("ours", call.line, "sip:anna@sip.telnyx.com"),
            )
        )
        events = [("call.initiated", {**caller, "direction": "incoming", "state": "parked"})]
        over = {"hangup_cause": "originator_cancel", "hangup_source": "caller"}
        if call.outcome == "answered":
            events.append(("call.answered", caller))
            events.append(("call.initiated", {**ours, "direction": "outgoing", "state": "bridging"}))
            events += [("call.answered", ours), ("call.bridged", ours), ("call.bridged", caller)]
            over["hangup_cause"] = "normal_clearing"
            events.append(("call.hangup", {**ours, **over}))
        events.append(("call.hangup", {**caller, **over}))
        return [self._signed(name, payload, call, key) for name, payload in events]

    def _signed(self, name: str, payload: Mapping[str, Any], call: SampleCall, key: bytes) -> Delivery:
        event = {"record_type": "event", "event_type": name, "id": str(call.uuid(f"{name} {payload['call_leg_id']}"))}
        told = {**event, "occurred_at": iso_text(call.now), "payload": payload}
        body, time = json.dumps({"data": told}).encode(), str(int(call.now))
        headers = [("content-type", bodies.JSON), (_TIMESTAMP, time)]
        delivery = Delivery("POST", "", headers, body, call.now)
        (message,) = _message(delivery, time)
        return replace(delivery, headers=[*headers, (_SIGNATURE, self._scheme.sign(key, message))])

    def _met(self, body: Mapping[str, Any], event_id: str, occurred: datetime) -> Event | None:
        """A leg that joined a conference, where somebody may be to whom it is not bridged."""
        call = strict_text_at(group_at(group_at(body, "data"), "payload"), "call_session_id")
        if not call:
            return None
        there = Leg(call=call, leg="in a conference", state="ended", outcome="completed", ends="leg")
        return leg_event(self, id=event_id, time=occurred, leg=there, direction="", caller="", callee="", data=body)

    def _leg(self, body: Mapping[str, Any], kind: str, event_id: str, occurred: datetime, notes: Notes) -> Event:
        payload = group_at(group_at(body, "data"), "payload")
        call, leg = strict_text_at(payload, "call_session_id"), strict_text_at(payload, "call_leg_id")
        if not call:
            raise Impossible("is missing", field="data.payload.call_session_id")
        said = strict_text_at(payload, "direction")
        machine = kind in _DETECTIONS
        # That of the call, unless an incoming leg is told of too, which began before it (`joining`).
        direction = _DIRECTIONS.get(said, "")
        speaks = bool(direction) or leg == call
        cause = strict_text_at(payload, "hangup_cause")
        ended: LegOutcome = _CAUSES.get(cause, "completed") if kind == "call.hangup" else ""
        return leg_event(
            self,
            id=event_id,
            time=iso_time(payload, "start_time", notes) or occurred,
            leg=Leg(
                call=call,
                leg=leg or call,
                party="machine" if machine else _party(said, first=leg == call),
                state=_STATES.get(kind, "answered"),
                outcome=_MACHINES[_found(body)] if machine else ended,
                detail=cause,
                ends="leg" if kind == "call.hangup" else "",
                human=kind == "call.bridged",
                human_if_outbound=kind == "call.answered",
                tells_all=ended == "completed" and self.options.answered_by == "application",
            ),
            direction=direction,
            caller=text_at(payload, "from") if speaks else "",
            callee=text_at(payload, "to") if speaks else "",
            data={**body, **notes.data()},
        )


def _party(said: str, *, first: bool) -> Literal["customer", "agent", ""]:
    """Who is at the far end; a leg that goes out and is not the call's first is one to somebody of ours."""
    if said not in _DIRECTIONS:
        return ""
    return "customer" if first or said == "incoming" else "agent"


def _found(body: Mapping[str, Any]) -> str:
    """What machine detection found."""
    return text_at(group_at(group_at(body, "data"), "payload"), "result")
