"""Quo, formerly OpenPhone: the end of a call, signed in the new way or in the old one.

Sources: Quo docs, "Webhooks" (new: Standard Webhooks, secrets `whsec_...`) and "Legacy signature validation"
(`openphone-signature: hmac;1;<milliseconds>;<base64>` over `<milliseconds>.<body>`, the key in base64), and "Webhook
payloads" for `call.completed`. How new webhooks write a call is not described there; they are read as the old ones,
and what cannot be told from them is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator

from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Direction, Event
from badge_bridge.sources import bodies, standard_webhooks
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets, is_resolved
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at
from badge_bridge.sources.judgement import Judgement, unanswered
from badge_bridge.sources.moments import iso_text, iso_time, seconds_told, told
from badge_bridge.sources.signatures import BASE64, Hmac, SignedTime, unix_seconds

__all__ = ["Quo", "QuoOptions", "judge"]

_LEGACY = "openphone-signature"
_NEW_SECRET = "whsec_"  # noqa: S105 - how a secret begins
_COMPLETED = "call.completed"
_DIRECTIONS: Mapping[str, Direction] = {
    "incoming": "inbound",
    "inbound": "inbound",
    "outgoing": "outbound",
    "outbound": "outbound",
}


@dataclass(frozen=True, slots=True)
class _LegacyPart:
    """One of the four parts of the old header."""

    index: int

    def values(self, delivery: Delivery) -> list[str]:
        parts = (delivery.header(_LEGACY) or "").split(";")
        if len(parts) != 4 or parts[:2] != ["hmac", "1"]:
            raise Unauthenticated(f"the header {_LEGACY} is missing, contradicts itself or is not hmac;1;...")
        return [parts[self.index]]

    def __str__(self) -> str:
        return f"header {_LEGACY}"


def _milliseconds(text: str) -> float:
    return unix_seconds(text) / 1000


def _content(milliseconds: str, body: bytes) -> bytes:
    return f"{milliseconds}.".encode() + body


def _message(delivery: Delivery, milliseconds: str) -> Sequence[bytes]:
    return (_content(milliseconds, delivery.body),)


_LEGACY_SCHEME = Hmac(
    algorithm="sha256",
    signature=_LegacyPart(3),
    encoding=BASE64,
    message=_message,
    binds=("body", "time"),
    time=SignedTime(_LegacyPart(2), read=_milliseconds),
    hint="; compare the secret with the signing secret that Quo shows for this webhook",
)


def _legacy_key(secret: str) -> bytes:
    """The key of an old webhook.

    Raises:
        ValueError: it is not base64.
    """
    try:
        key = BASE64.decode(secret)
    except ValueError as error:
        raise ValueError("this secret is neither whsec_... nor base64; copy all of it from Quo") from error
    if len(key) < 16:
        raise ValueError("this secret is too short; copy all of it from Quo")
    return key


def _is_new(secret: str) -> bool:
    return secret.startswith(_NEW_SECRET)


class QuoOptions(SourceOptions):
    """A source that Quo calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["quo"]
    secrets: Secrets = Field(
        description="The signing secret of the webhook: whsec_... of a new one, or the base64 of an old one. Any of "
        "several may match."
    )

    @field_validator("secrets")
    @classmethod
    def _secrets_can_be_read(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            text = secret.get_secret_value()
            if is_resolved(secret):
                standard_webhooks.read_keys([text]) if _is_new(text) else _legacy_key(text)
        return secrets


class Quo(Source[QuoOptions]):
    """Reads Quo's events; `call.completed` becomes a call event, others are `quo.<event>`."""

    options_type: ClassVar = QuoOptions
    binds: ClassVar[tuple[Part, ...]] = ("body", "time")

    def __init__(self, name: str, options: QuoOptions) -> None:
        super().__init__(name, options)
        secrets = [secret.get_secret_value() for secret in options.secrets]
        self._new = standard_webhooks.read_keys([secret for secret in secrets if _is_new(secret)])
        self._old = tuple(_legacy_key(secret) for secret in secrets if not _is_new(secret))

    def _verify(self, delivery: Delivery) -> str:
        if _is_legacy(delivery):
            if not self._old:
                raise Unauthenticated("signed in the old way, and secrets has only whsec_... ones; add the other")
            return _LEGACY_SCHEME.verify(delivery, self._old)
        if not self._new.shared:
            raise Unauthenticated(f"the header {_LEGACY} is missing, and secrets has no whsec_... for new webhooks")
        return standard_webhooks.verify(delivery, self._new)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say which event this is, or has no id; names the field.
        """
        body = bodies.json_object(delivery.body)
        notes = Notes()
        # What a new delivery is called stands in a signed header, what an old one is called in the body.
        identifier = told(body, "id", notes) if _is_legacy(delivery) else standard_webhooks.message_id(delivery)
        if not identifier:
            raise Impossible("is missing", field="id")
        name = text_at(body, "type")
        sent = iso_time(body, "createdAt", notes) or datetime.fromtimestamp(delivery.received_at, UTC)
        identity: tuple[str, ...] = (identifier,)
        if name == _COMPLETED:
            call = group_at(group_at(body, "data"), "object")
            # A call ends once: told by an old webhook and by a new one, while both are subscribed, it is one event.
            named = told(call, "id", Notes())
            identity = (name, named) if named else identity
            event = self._completed(body, call, identifier, sent, notes)
        else:
            event = Event(
                id=identifier,
                source=self.name,
                provider="quo",
                type=check_type(f"quo.{name}", field="type"),
                time=sent,
                data={**body, **notes.data()},
            )
        return (Reading(event, identity),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        digest = call.digest[:32]
        began, over = (iso_text(at) for at in (call.at, call.now))
        answered = began if call.outcome == "answered" else None
        told_of_call = {
            "id": f"AC{digest}",
            "object": "call",
            "direction": "incoming",
            "answeredAt": answered,
            "completedAt": over,
            "createdAt": began,
            "duration": 12 if answered else 0,
            "from": call.caller,
            "to": call.line,
        }
        event = {"id": f"EV{digest}", "object": "event", "createdAt": over, "type": _COMPLETED}
        body = json.dumps({**event, "data": {"object": told_of_call}}).encode()
        first = self.options.secrets[0].get_secret_value()
        headers = [("content-type", bodies.JSON)]
        if _is_new(first):
            identifier, stamp = f"msg_{digest}", int(call.now)
            signature = standard_webhooks.sign(identifier, stamp, body, first)
            headers += [("webhook-id", identifier), ("webhook-timestamp", str(stamp)), ("webhook-signature", signature)]
        else:
            milliseconds = str(int(call.now * 1000))
            signature = _LEGACY_SCHEME.sign(self._old[0], _content(milliseconds, body))
            headers.append((_LEGACY, f"hmac;1;{milliseconds};{signature}"))
        return (Delivery("POST", "", headers, body, call.now),)

    def _completed(
        self, body: Mapping[str, Any], call: Mapping[str, Any], identifier: str, sent: datetime, notes: Notes
    ) -> Event:
        direction = _DIRECTIONS.get(text_at(call, "direction"), "")
        caller, callee = _ends(call, direction, notes)
        return call_event(
            self,
            id=identifier,
            time=iso_time(call, "createdAt", notes) or sent,
            judgement=judge(call),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=seconds_told(call, "duration", notes),
            data={**body, **notes.data()},
        )


def _is_legacy(delivery: Delivery) -> bool:
    """Which headers count, decided once: what is verified and what is read must come from the same ones."""
    return any(name == _LEGACY for name, _ in delivery.headers)


def judge(call: Mapping[str, Any]) -> Judgement:
    """How a completed call went. `status` is not looked at: how Quo writes a missed call there is not documented."""
    if "answeredAt" not in call:
        return Judgement("unknown", "answeredAt is missing")
    if call["answeredAt"] is not None:
        if iso_time(call, "answeredAt", Notes()) is None:
            return Judgement("unknown", "answeredAt cannot be read")
        if call.get("aiHandled"):
            return Judgement("unknown", "answered by an assistant that is no human")
        return Judgement("answered")
    if call.get("voicemail"):
        return Judgement("voicemail")
    return unanswered(_DIRECTIONS.get(text_at(call, "direction"), ""), "no_answer")


def _ends(call: Mapping[str, Any], direction: Direction, notes: Notes) -> tuple[str, str]:
    """Caller and callee: as they are named, else the one participant, who is the customer."""
    caller, callee = told(call, "from", notes), told(call, "to", notes)
    participants = call.get("participants")
    if caller or callee or not isinstance(participants, list):
        return caller, callee
    if len(participants) != 1 or not isinstance(participants[0], str):
        notes.passed_over("participants", participants, why="does not name one number")
        return "", ""
    return ("", participants[0]) if direction == "outbound" else (participants[0], "")
