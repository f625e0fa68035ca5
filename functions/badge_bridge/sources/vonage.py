"""Vonage Voice: event webhooks as JSON, with a JWT that names the digest of the body.

Sources: Vonage docs, "Voice API webhook reference" and "Validating inbound messages" (signed webhooks); tokens as
`vonage-jwt` checks them. That library does not compare `payload_hash`; here it is compared, and `iat` with our clock.

The statuses busy, cancelled, unanswered, rejected, failed and timeout are told of legs that go out. An incoming call
ends `completed` whether or not somebody was there: what became of the legs to our people decides. A leg that goes out
is one to our people only within a call that came in; without that it is the call, and the called party is the customer.
Where machines are looked for, `machine` comes after `answered` and takes it back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible, Malformed
from badge_bridge.events import Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import CorrelatingOptions, Delivery, Part, Reading, SampleCall, Source
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, strict_text_at, text_at, whole_number
from badge_bridge.sources.moments import iso_time
from badge_bridge.sources.phone_numbers import with_plus
from badge_bridge.sources.signatures import Jwt

__all__ = ["Vonage", "VonageOptions"]

State = Literal["started", "ringing", "answered", "ended"]

_STATUSES: Mapping[str, tuple[State, LegOutcome]] = {
    "started": ("started", ""),
    "ringing": ("ringing", ""),
    "answered": ("answered", ""),
    "human": ("answered", ""),
    "machine": ("answered", "voicemail"),
    "busy": ("ended", "busy"),
    "cancelled": ("ended", "cancelled"),
    "completed": ("ended", "completed"),
    "disconnected": ("ended", "completed"),
    "failed": ("ended", "failed"),
    "rejected": ("ended", "rejected"),
    "timeout": ("ended", "no_answer"),
    "unanswered": ("ended", "no_answer"),
}
_UNNAMED: Mapping[str, str] = {
    "recording_url": "record",
    "conversation_uuid_to": "transfer",
    "dtmf": "input",
    "speech": "input",
}
"""What an event without a status is, by the field that only it has."""


class VonageOptions(CorrelatingOptions):
    """A source that Vonage calls: the event URL of a Voice application."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["vonage"]
    secrets: Secrets = Field(
        description="The account's signature secret, as the API settings show it; any of several may match."
    )


def _token(delivery: Delivery) -> str | None:
    word, _, token = (delivery.header("authorization") or "").partition(" ")
    return token.strip() if word.lower() == "bearer" else None


class Vonage(Source[VonageOptions]):
    """Reads Vonage's event webhooks; how a leg stands becomes a leg, any other event `vonage.<status>`."""

    options_type: ClassVar = VonageOptions
    max_body = 64 * 1024
    binds: ClassVar[tuple[Part, ...]] = ("body", "time")

    def __init__(self, name: str, options: VonageOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        self._scheme = Jwt(
            token=_token,
            binds=self.binds,
            body_claim="payload_hash",
            hint="; compare secrets with the signature secret of the Vonage account, and see that the application "
            "signs its webhooks and posts them",
        )

    def _verify(self, delivery: Delivery) -> str:
        return self._scheme.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it says how a leg stands, but not which; names the field.
        """
        if not bodies.is_json(bodies.media_type(delivery)):
            raise Malformed(f"the body must be {bodies.JSON}")
        body = bodies.json_object(delivery.body)
        status = strict_text_at(body, "status")
        notes = Notes()
        moment = iso_time(body, "timestamp", notes) or datetime.fromtimestamp(delivery.received_at, UTC)
        if status in _STATUSES:
            event = self._leg(body, status, moment, notes)
            leg = strict_text_at(body, "uuid")
            identity = (strict_text_at(body, "conversation_uuid"), leg, status, strict_text_at(body, "timestamp"))
            return (Reading(event, identity),)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        moved = self._moved(body, moment)
        event = Event(
            id=text_at(body, "uuid") or text_at(body, "recording_uuid") or digest[:32],
            source=self.name,
            provider="vonage",
            type=check_type(f"vonage.{status or _name(body)}", field="status"),
            time=moment,
            data={**body, **notes.data()},
        )
        return (Reading(event, identity=(digest,)), *([Reading(moved, identity=("moved", digest))] if moved else []))

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began, ended = (
            datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds") for at in (call.at, call.now)
        )
        conversation = {"conversation_uuid": f"CON-{call.uuid('conversation')}"}
        incoming = {"from": call.caller.lstrip("+"), "to": call.line.lstrip("+"), "uuid": call.uuid("in").hex}
        incoming |= {**conversation, "direction": "inbound"}
        outgoing = {"from": call.line.lstrip("+"), "to": "4989654399", "uuid": call.uuid("out").hex}
        outgoing |= {**conversation, "direction": "outbound"}
        over = {"status": "completed", "timestamp": ended, "start_time": began, "end_time": ended}
        over["duration"] = str(max(1, int(call.now - call.at)))
        steps = [
            {**incoming, "status": "started", "timestamp": began},
            {**incoming, "status": "ringing", "timestamp": began},
            {**outgoing, "status": "started", "timestamp": began},
            {**outgoing, "status": "ringing", "timestamp": began},
        ]
        if call.outcome == "answered":
            steps += [{**outgoing, "status": "answered", "timestamp": began}, {**outgoing, **over}]
        else:
            steps.append({**outgoing, "status": "unanswered", "detail": "timeout", "timestamp": ended})
        return [self._posted(step, call) for step in (*steps, {**incoming, **over})]

    def _posted(self, body: Mapping[str, str], call: SampleCall) -> Delivery:
        content = json.dumps(body).encode()
        claims = {
            "iat": int(call.now),
            "jti": str(UUID(bytes=hashlib.sha256(content).digest()[:16], version=4)),
            "iss": "Vonage",
            "payload_hash": hashlib.sha256(content).hexdigest(),
        }
        token = self._scheme.sign(self._keys[0], claims)
        headers = [("content-type", bodies.JSON), ("authorization", f"Bearer {token}")]
        return Delivery("POST", "", headers, content, call.now)

    def _moved(self, body: Mapping[str, Any], moment: datetime) -> Event | None:
        """A leg that is moved to another conversation, where somebody may be whom no leg of this one tells of."""
        left = strict_text_at(body, "conversation_uuid_from")
        if "status" in body or not left or "conversation_uuid_to" not in body:
            return None
        there = Leg(call=left, leg="in another conversation", state="ended", outcome="completed", ends="leg")
        return leg_event(
            self, id=f"{left}.moved", time=moment, leg=there, direction="", caller="", callee="", data=body
        )

    def _leg(self, body: Mapping[str, Any], status: str, moment: datetime, notes: Notes) -> Event:
        call, leg = strict_text_at(body, "conversation_uuid"), strict_text_at(body, "uuid")
        if not call:
            raise Impossible("is missing", field="conversation_uuid")
        if not leg:
            raise Impossible("is missing", field="uuid")
        inbound = strict_text_at(body, "direction") == "inbound"
        outbound = strict_text_at(body, "direction") == "outbound"
        duration = whole_number(strict_text_at(body, "duration"))
        state, outcome = _STATUSES[status]
        # A leg to our people that lasted was answered, even where the event that said so did not arrive.
        lasted = status == "completed" and bool(duration)
        return leg_event(
            self,
            id=leg,
            time=iso_time(body, "start_time", notes) or moment,
            leg=Leg(
                call=call,
                leg=leg,
                party="machine" if status == "machine" else "customer" if inbound else "agent" if outbound else "",
                state=state,
                outcome=outcome,
                detail=text_at(body, "detail") or status,
                ends="" if state != "ended" else "call" if inbound else "leg",
                human=outbound and (status in ("answered", "human") or lasted),
                # Each leg of the conversation is told of, those to our people too.
                tells_all=inbound and outcome == "completed",
            ),
            # That of the call, unless a customer is known to have come in (`joining`).
            direction="inbound" if inbound else "outbound" if outbound else "",
            # Vonage docs, "Voice API webhook reference": international numbers, without a plus.
            caller=with_plus(text_at(body, "from")),
            callee=with_plus(text_at(body, "to")),
            duration=duration if status == "completed" else None,
            data={**body, **notes.data()},
        )


def _name(body: Mapping[str, Any]) -> str:
    return next((name for field, name in _UNNAMED.items() if field in body), "unnamed")
