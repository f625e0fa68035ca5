"""Dialpad: the states of a call, each a signed token.

Sources: Dialpad developer docs, "Webhooks" (with a secret, the whole body is a JWT signed with HS256), "Webhook
delivery" and "Call events". The media type of such a body is not documented, and is not looked at; a body that is
bare JSON is refused. A refusal is never sent again, so that what does not decide anything is passed over.

One call of a customer may be several at Dialpad: that of a department, and that of each operator, at whom it may ring
in turn. Each names the one through which the customer came in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible, Malformed
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, QueueOptions, Reading, Reply, SampleCall, Source
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at
from badge_bridge.sources.moments import content_digest, seconds_told, told, unix_time
from badge_bridge.sources.signatures import Jwt

__all__ = ["Dialpad", "DialpadOptions"]

_MS = 1000
_ROOTS = ("entry_point_call_id", "master_call_id", "call_id")

State = Literal["started", "ringing", "answered", "ended", ""]

_STATES: Mapping[str, State] = {
    "calling": "started",
    "preanswer": "started",
    "queued": "started",
    "ringing": "ringing",
    "connected": "answered",
    "hold": "answered",
    "parked": "answered",
    "hangup": "ended",
    "missed": "ended",
    "voicemail": "ended",
    "voicemail_uploaded": "ended",
}
_BOXES = frozenset({"voicemail", "voicemail_uploaded"})
_DIRECTIONS: Mapping[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}


class DialpadOptions(QueueOptions):
    """A source that Dialpad calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["dialpad"]
    secrets: Secrets = Field(description="The secret with which the webhook was made; any of several may match.")

    def cautions(self) -> Sequence[str]:
        caution = (
            "Dialpad's signature has no time: an old delivery that somebody kept is taken as long as the bridge does "
            "not remember it. Let only https reach this source."
        )
        return (caution,)


def _token(delivery: Delivery) -> str | None:
    try:
        return delivery.body.decode("ascii").strip()
    except UnicodeDecodeError:
        return None


_SCHEME = Jwt(
    token=_token,
    binds=("body",),
    max_age=None,
    hint="; compare the secret with the one that the webhook was made with, and make the webhook with a secret",
)


class Dialpad(Source[DialpadOptions]):
    """Reads Dialpad's call events, each as a leg; states that are none of a call become `dialpad.<state>`."""

    options_type: ClassVar = DialpadOptions
    binds: ClassVar[tuple[Part, ...]] = _SCHEME.binds

    def __init__(self, name: str, options: DialpadOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)

    def _verify(self, delivery: Delivery) -> str:
        return _SCHEME.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not a token, or what it holds is not JSON.
            Impossible: it has a state of a call, and no call; names the field.
        """
        body = bodies.json_object(_claims(delivery))
        state, notes = text_at(body, "state"), Notes()
        sent = unix_time(body, "event_timestamp", notes, per_second=_MS)
        moment = sent or datetime.fromtimestamp(delivery.received_at, UTC)
        call_id = told(body, "call_id", notes)
        if state in _STATES:
            if not call_id:
                raise Impossible("is missing", field="call_id")
            event = self._leg(body, state, call_id, moment, notes)
        else:
            event = Event(
                id=call_id or content_digest(body),
                source=self.name,
                provider="dialpad",
                type=check_type(f"dialpad.{state or 'event'}", field="state"),
                time=moment,
                data={**body, **notes.data()},
            )
        # Without its time an event is told from others by its content.
        when = str(body.get("event_timestamp") or content_digest(body))
        return (Reading(event, identity=(call_id, state, when)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began, over = int(call.at * _MS), int(call.now * _MS)
        known = {
            "call_id": int(call.digest[:12], 16),
            "direction": "inbound",
            "external_number": call.caller,
            "internal_number": call.line,
            "date_started": began,
            "date_connected": None,
            "target": {"id": 1, "type": "user", "phone": call.line},
        }
        ringing = {**known, "state": "ringing", "event_timestamp": began}
        if call.outcome == "missed":
            steps = [ringing, {**known, "state": "missed", "date_ended": over, "event_timestamp": over}]
        else:
            known["date_connected"] = began
            steps = [
                ringing,
                {**known, "state": "connected", "event_timestamp": began + 1},
                {**known, "state": "hangup", "date_ended": over, "talk_time": over - began, "event_timestamp": over},
            ]
        return [self._signed(claims, call.now) for claims in steps]

    def _signed(self, claims: dict[str, Any], now: float) -> Delivery:
        token = _SCHEME.sign(self._keys[0], claims)
        return Delivery("POST", "", [("content-type", "application/jwt")], token.encode(), now)

    def _leg(self, body: Mapping[str, Any], state: str, call_id: str, moment: datetime, notes: Notes) -> Event:
        direction = "internal" if body.get("is_internal") is True else _DIRECTIONS.get(text_at(body, "direction"), "")
        theirs, ours = told(body, "external_number", notes), told(body, "internal_number", notes)
        caller, callee = (ours, theirs) if direction == "outbound" else (theirs, ours)
        return leg_event(
            self,
            id=f"{call_id}.{state}",
            time=unix_time(body, "date_started", notes, per_second=_MS) or moment,
            leg=_facts(body, state, call_id, direction, next_ring=self.options.next_ring),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=seconds_told(body, "talk_time", notes, per_second=_MS),
            data={**body, **notes.data()},
        )


def _facts(body: Mapping[str, Any], state: str, call_id: str, direction: Direction, *, next_ring: float) -> Leg:
    silent = Notes()
    root = next(found for key in _ROOTS if (found := told(body, key, silent)))
    kind = text_at(group_at(body, "target"), "type")
    stand, outcome = _STATES[state], _outcome(body, state)
    if stand == "ended" and not outcome:
        stand = ""  # ended, and nothing that tells whether it had been answered: no proof of anything
    box = outcome == "voicemail"
    connected = stand in ("answered", "ended") and bool(body.get("date_connected") or stand == "answered")
    return Leg(
        call=root,
        leg=call_id,
        party="machine" if box or (kind and kind != "user") else "agent" if kind else "",
        state=stand,
        outcome=outcome,
        detail=state,
        ends="leg" if stand == "ended" else "",
        human=connected and not box and (kind == "user" or direction == "outbound"),
        # The caller waits in another call, until that has ended too.
        rings_on=next_ring if outcome == "no_answer" and root != call_id else 0.0,
        # A menu or a queue of which it says that no operator took the call.
        tells_all=state == "hangup" and not (body.get("operator_call_id") or body.get("talk_time")),
    )


def _outcome(body: Mapping[str, Any], state: str) -> LegOutcome:
    if _STATES[state] != "ended":
        return ""
    # Before anything else: a box that picks up may be told as connected.
    if state in _BOXES or body.get("voicemail_link"):
        return "voicemail"
    if body.get("date_connected"):
        return "completed"
    # A hangup says whether it had been connected; only where it does, nobody answered.
    return "no_answer" if state == "missed" or "date_connected" in body else ""


def _claims(delivery: Delivery) -> bytes:
    """The JSON inside a token that has been verified: it is read within the same limits as any other body."""
    parts = delivery.body.strip().split(b".")
    if len(parts) != 3:
        raise Malformed("the body is not a signed token")
    try:
        return base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
    except (binascii.Error, ValueError) as error:
        raise Malformed("the token's content is not base64") from error
