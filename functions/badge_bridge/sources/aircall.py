"""Aircall: events of calls, of which `call.ended` tells how a call went.

Sources: Aircall developer docs, "Webhooks overview" and "Call" in the API reference. Nothing is signed: the webhook's
token stands in the body. There is no event for a missed call; `call.ended` comes about half a minute after the call
with everything that is known of it, while `call.hungup` comes at once and with less.

A webhook that is refused too often is switched off, so that what does not decide anything is passed over, and
`data.notes` says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible
from badge_bridge.events import Direction, Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at
from badge_bridge.sources.judgement import Judgement, unanswered
from badge_bridge.sources.moments import content_digest, told, unix_time
from badge_bridge.sources.signatures import StaticToken

__all__ = ["Aircall", "AircallOptions", "judge"]

_CALL_ENDED = "call.ended"
_DIRECTIONS: Mapping[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}


class AircallOptions(SourceOptions):
    """A source that Aircall calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["aircall"]
    secrets: Secrets = Field(description="The webhook's token, as Aircall shows it; any of several may match.")

    def cautions(self) -> Sequence[str]:
        caution = (
            "Aircall sends a token along and signs nothing: whoever has seen one delivery can make up others. Let only "
            "https reach this source, keep bodies out of a proxy's log, and make a new webhook when one may have been "
            "seen."
        )
        return (caution,)


def _token(delivery: Delivery) -> bytes | None:
    return text_at(bodies.json_object(delivery.body), "token").encode() or None


_SCHEME = StaticToken(name="webhook token", token=_token, hint="; compare the secret with the webhook's token")


class Aircall(Source[AircallOptions]):
    """Reads Aircall's events; `call.ended` becomes a call event, others are `aircall.<event>`."""

    options_type: ClassVar = AircallOptions
    binds: ClassVar[tuple[Part, ...]] = ()

    def __init__(self, name: str, options: AircallOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)

    def _verify(self, delivery: Delivery) -> str:
        return _SCHEME.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say which event this is, or which call has ended; names the field.
        """
        body = {key: value for key, value in bodies.json_object(delivery.body).items() if key != "token"}
        name, subject = text_at(body, "event"), group_at(body, "data")
        notes = Notes()
        known = told(subject, "id", notes)
        sent = unix_time(body, "timestamp", notes) or datetime.fromtimestamp(delivery.received_at, UTC)
        if name == _CALL_ENDED:
            if not known:
                raise Impossible("is missing", field="data.id")
            event = self._ended(body, subject, known, sent, notes)
        else:
            event = Event(
                id=known or content_digest(body),
                source=self.name,
                provider="aircall",
                type=check_type(f"aircall.{name}", field="event"),
                time=sent,
                data={**body, **notes.data()},
            )
        # A call ends once, however often that is told; other events may repeat.
        moment = () if name == _CALL_ENDED else (str(body.get("timestamp")),)
        return (Reading(event, identity=(name, event.id, *moment)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began, over, missed = int(call.at), int(call.now), call.outcome == "missed"
        body = {
            "resource": "call",
            "event": _CALL_ENDED,
            "timestamp": over,
            "token": self._keys[0].decode(),
            "data": {
                "id": int(call.digest[:12], 16),
                "direction": "inbound",
                "status": "done",
                "missed_call_reason": "agents_did_not_answer" if missed else None,
                "started_at": began,
                "answered_at": None if missed else began,
                "ended_at": over,
                "duration": over - began,
                "raw_digits": call.caller,
                "voicemail": None,
                "number": {"id": 1, "digits": call.line},
            },
        }
        return (Delivery("POST", "", [("content-type", bodies.JSON)], json.dumps(body).encode(), call.now),)

    def _ended(
        self, body: Mapping[str, Any], call: Mapping[str, Any], call_id: str, sent: datetime, notes: Notes
    ) -> Event:
        direction = _direction(text_at(call, "direction"))
        customer = told(call, "raw_digits", notes)
        ours = told(group_at(call, "number"), "digits", notes)
        caller, callee = (ours, customer) if direction == "outbound" else (customer, ours)
        return call_event(
            self,
            id=call_id,
            time=unix_time(call, "started_at", notes) or sent,
            judgement=judge(call),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=_talked(call, notes),
            data={**body, **notes.data()},
        )


def judge(call: Mapping[str, Any]) -> Judgement:
    """How an ended call went. Missed needs an `answered_at` that says null; where it is not there, nobody knows."""
    direction = _direction(text_at(call, "direction"))
    reason = text_at(call, "missed_call_reason")
    status = call.get("status", "done")
    if status != "done":
        return Judgement("unknown", "the call's status is not done")
    if "answered_at" not in call:
        return Judgement("unknown", "answered_at is missing")
    if call["answered_at"] is not None:
        if unix_time(call, "answered_at", Notes()) is None:
            return Judgement("unknown", "answered_at cannot be read")
        return Judgement("unknown", f"answered, and {reason}") if reason else Judgement("answered")
    if call.get("voicemail"):
        return Judgement("voicemail", reason)
    return unanswered(direction, reason or "no_answer")


def _direction(word: str) -> Direction:
    return _DIRECTIONS.get(word, "")


def _talked(call: Mapping[str, Any], notes: Notes) -> int | None:
    """Seconds of conversation; the `duration` of Aircall counts the ringing, too."""
    answered, ended = unix_time(call, "answered_at", notes), unix_time(call, "ended_at", notes)
    if not answered or not ended or ended < answered:
        return None
    return int((ended - answered).total_seconds())
