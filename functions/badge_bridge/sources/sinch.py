"""Sinch Voice, version 1 of its callbacks: a call comes in (ice), is answered (ace), is over (dice).

Sources: Sinch developer docs, "Callback requests" and "Authentication"; the signature as in Sinch's library
`@sinch/sdk-client`. Signed are the method, the digest of the body, the media type, the time and the path; not the
query. Voice 2.0 signs in another way and is not read.

Sinch asks the URL of these callbacks what is to be done with a call. The bridge gives no instructions.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator

from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import CorrelatingOptions, Delivery, Part, Reading, Reply, SampleCall, Source
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, is_resolved
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at
from badge_bridge.sources.moments import content_digest, iso_text, iso_time, seconds_told, told
from badge_bridge.sources.public_url import seen_from_outside
from badge_bridge.sources.signatures import BASE64, HeaderPart, Hmac, SignedTime

__all__ = ["Sinch", "SinchOptions"]

_AUTHORIZATION = re.compile(r"application +([!-9;-~]{1,200}):([A-Za-z0-9+/=]{1,200})", re.IGNORECASE | re.ASCII)
_TIMESTAMP = "x-timestamp"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z", re.ASCII)

State = Literal["started", "ringing", "answered", "ended", ""]

_STATES: Mapping[str, State] = {"ice": "started", "ace": "answered", "dice": "ended"}
_RESULTS: Mapping[str, LegOutcome] = {
    "ANSWERED": "completed",
    "BUSY": "busy",
    "NOANSWER": "no_answer",
    "FAILED": "failed",
}
_REASONS: Mapping[str, LegOutcome] = {"TIMEOUT": "no_answer", "CALLERHANGUP": "cancelled", "CANCEL": "cancelled"}
"""Where the result is N/A."""


def _read_secret(secret: str) -> tuple[str, bytes]:
    """The application's key and the bytes of its secret.

    Raises:
        ValueError: not written as `applicationKey:secret`.
    """
    application, colon, encoded = secret.partition(":")
    if not application or not colon:
        raise ValueError("write the application's key, a colon and its secret, such as 669E367E-...:BeIukql3...==")
    try:
        key = BASE64.decode(encoded)
    except ValueError as error:
        raise ValueError("what follows the colon is not base64; copy the application's secret again") from error
    if not key:
        raise ValueError("nothing follows the colon; copy the application's secret again")
    return application, key


class SinchOptions(CorrelatingOptions):
    """A source that Sinch Voice calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["sinch"]
    secrets: Secrets = Field(
        description="The application's key and secret with a colon between them; any of several may match."
    )
    public_url: Annotated[str, seen_from_outside("as it is entered at Sinch")] = Field(
        description="This source's URL as it is entered at Sinch: Sinch signs its path."
    )

    @field_validator("secrets")
    @classmethod
    def _secrets_can_be_read(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            if is_resolved(secret):
                _read_secret(secret.get_secret_value())
        return secrets

    def cautions(self) -> Sequence[str]:
        caution = (
            "Sinch asks its callback URL what to do with each call, and the bridge answers without instructions: let "
            "your own server pass the callbacks on, headers and body unchanged, where calls are to be routed."
        )
        return (caution,)


class _Signature:
    """The signature in `Authorization: application <key>:<signature>`."""

    def values(self, delivery: Delivery) -> list[str]:
        return [_authorization(delivery)[1]]

    def __str__(self) -> str:
        return "header authorization"


def _authorization(delivery: Delivery) -> tuple[str, str]:
    match = _AUTHORIZATION.fullmatch(delivery.header("authorization") or "")
    if match is None:
        raise Unauthenticated("the header authorization is missing, contradicts itself, or is not application key:...")
    return match[1], match[2]


def _moment(text: str) -> float:
    if not _TIME.fullmatch(text):
        raise ValueError("not a time such as 2025-11-22T02:30:00Z")
    return datetime.fromisoformat(text).timestamp()


def _content(method: str, body: bytes, media_type: str, timestamp: str, path: str) -> bytes:
    # MD5 is what Sinch chose to put a body into a line; the HMAC over that line is what protects it.
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    return f"{method}\n{digest}\n{media_type}\nx-timestamp:{timestamp}\n{path}".encode()


def _scheme(public_url: str) -> Hmac:
    path = urlsplit(public_url).path or "/"

    def message(delivery: Delivery, timestamp: str) -> Sequence[bytes]:
        media_type = delivery.header("content-type") or ""
        return (_content(delivery.method, delivery.body, media_type, timestamp, path),)

    return Hmac(
        algorithm="sha256",
        signature=_Signature(),
        encoding=BASE64,
        message=message,
        binds=("body", "time"),
        time=SignedTime(HeaderPart(_TIMESTAMP), read=_moment),
        hint=f" {path}; compare public_url with the URL that is entered at Sinch, and the secret with its application",
    )


class Sinch(Source[SinchOptions]):
    """Reads Sinch's callbacks of a call; others become `sinch.<event>`."""

    options_type: ClassVar = SinchOptions
    binds: ClassVar[tuple[Part, ...]] = ("body", "time")

    def __init__(self, name: str, options: SinchOptions) -> None:
        super().__init__(name, options)
        self._secrets = [_read_secret(secret.get_secret_value()) for secret in options.secrets]
        self._path = urlsplit(options.public_url).path or "/"
        self._scheme = _scheme(options.public_url)

    def _verify(self, delivery: Delivery) -> str:
        named, _ = _authorization(delivery)
        keys = [key for application, key in self._secrets if application.lower() == named.lower()]
        if not keys:
            raise Unauthenticated("signed for an application that no secret of this source names")
        return self._scheme.verify(delivery, keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say which event this is, or of which call; names the field.
        """
        body = bodies.json_object(delivery.body)
        name, notes = text_at(body, "event"), Notes()
        call_id = told(body, "callid", notes)
        sent = iso_time(body, "timestamp", notes) or datetime.fromtimestamp(delivery.received_at, UTC)
        if name in _STATES:
            if not call_id:
                raise Impossible("is missing", field="callid")
            event = self._leg(body, name, call_id, sent, notes)
        else:
            event = Event(
                id=call_id or content_digest(body),
                source=self.name,
                provider="sinch",
                type=check_type(f"sinch.{name}", field="event"),
                time=sent,
                data={**_shown(body), **notes.data()},
            )
        return (Reading(event, identity=(name, event.id, str(body.get("timestamp")))),)

    def reply(self) -> Reply:
        return Reply(status=200, body=b"{}", media_type=bodies.JSON)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began, over = (iso_text(at, "seconds") for at in (call.at, call.now))
        known = {"callid": call.digest[:32], "version": 1}
        ends = {"cli": call.caller, "to": {"type": "did", "endpoint": call.line}}
        ice = {**known, "event": "ice", "timestamp": began, **ends}
        dice = {**known, "event": "dice", "timestamp": over, "from": call.caller, "to": ends["to"]}
        if call.outcome == "missed":
            return [self._signed(step, call.now) for step in (ice, {**dice, "result": "NOANSWER", "reason": "TIMEOUT"})]
        answered = {**known, "event": "ace", "timestamp": began}
        dice |= {"result": "ANSWERED", "reason": "CALLERHANGUP", "duration": 12}
        return [self._signed(step, call.now) for step in (ice, answered, dice)]

    def _signed(self, told_of_call: Mapping[str, Any], now: float) -> Delivery:
        body = json.dumps(told_of_call).encode()
        timestamp = iso_text(int(now), "seconds")
        application, key = self._secrets[0]
        signature = self._scheme.sign(key, _content("POST", body, bodies.JSON, timestamp, self._path))
        headers = [
            ("content-type", bodies.JSON),
            (_TIMESTAMP, timestamp),
            ("authorization", f"application {application}:{signature}"),
        ]
        return Delivery("POST", "", headers, body, now)

    def _leg(self, body: Mapping[str, Any], name: str, call_id: str, sent: datetime, notes: Notes) -> Event:
        direction = _direction(name, body)
        machine = text_at(group_at(body, "amd"), "status").lower() == "machine"
        result, reason = text_at(body, "result"), text_at(body, "reason")
        leg = Leg(
            call=call_id,
            leg=call_id,
            party="machine" if machine else "customer" if name == "ice" and direction == "inbound" else "",
            state=_STATES[name],
            outcome=_outcome(result, reason) if name == "dice" else "",
            detail=" ".join(filter(None, (result, reason))),
            ends="call" if name == "dice" else "",
            human=name == "ace" and not machine,
            human_if_outbound=result == "ANSWERED",
        )
        return leg_event(
            self,
            id=f"{call_id}.{name}",
            time=sent,
            leg=leg,
            direction=direction,
            caller=told(body, "cli" if name == "ice" else "from", notes),
            callee=told(group_at(body, "to"), "endpoint", notes),
            duration=seconds_told(body, "duration", notes) if name == "dice" else None,
            data={**_shown(body), **notes.data()},
            may_lack_plus=True,
        )


def _direction(name: str, body: Mapping[str, Any]) -> Direction:
    """An ice comes for each call that reaches Sinch: from outside, or from an app of ours (`mxp`), which may call a
    telephone number. A dice comes for all calls; without an ice, one to a telephone number is a call that we made.
    """
    to_telephone = text_at(group_at(body, "to"), "type").lower() == "number"
    if name == "ice":
        origin = text_at(body, "originationType") or text_at(body, "domain")
        return "outbound" if to_telephone and origin.lower() == "mxp" else "inbound"
    return "outbound" if name == "dice" and to_telephone else ""


def _outcome(result: str, reason: str) -> LegOutcome:
    """How a call ended; a result that is not known is taken as a connection, which proves nothing missed."""
    if result in ("", "N/A"):
        return _REASONS.get(reason, "failed")
    return _RESULTS.get(result, "completed")


def _shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without the application's key, which is half of what is written in `secrets`."""
    return {key: value for key, value in body.items() if key != "applicationKey"}
