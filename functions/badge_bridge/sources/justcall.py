"""JustCall: the end of a call (`call.completed`) and other events.

Sources: JustCall developer docs, "Dynamic webhook signatures" and "Webhooks". The signature covers the URL, the type
and the time of the request, and nothing of what it says: the body only repeats the URL.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible, Malformed, Unauthenticated
from badge_bridge.events import Direction, Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import MAX_SECONDS, Notes, group_at, text_at, whole_number
from badge_bridge.sources.judgement import Judgement, unanswered
from badge_bridge.sources.public_url import seen_from_outside
from badge_bridge.sources.signatures import HEX, HeaderPart, Hmac, SignedTime, verify_any
from badge_bridge.sources.wall_clock import TimeZone, read_wall_clock, wall_clock

__all__ = ["JustCall", "JustCallOptions", "judge"]

_SIGNATURE = "x-justcall-signature"
_VERSION = "x-justcall-signature-version"
_TIMESTAMP = "x-justcall-request-timestamp"
_CALL_END = "call.completed"

_DIRECTIONS: Mapping[str, Direction] = {"incoming": "inbound", "outgoing": "outbound"}
_UNANSWERED: Mapping[str, str] = {"missed": "no_answer", "abandoned": "caller_cancelled", "unanswered": "no_answer"}


class JustCallOptions(SourceOptions):
    """A source that JustCall calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["justcall"]
    secrets: Secrets
    public_url: Annotated[str, seen_from_outside("as it is entered at JustCall")] = Field(
        description="This source's URL as it is entered at JustCall: JustCall signs the URL."
    )
    time_zone: TimeZone = None

    def cautions(self) -> Sequence[str]:
        told = (
            "the signature covers the URL, the type and the time of a request, not what it says of a call: whoever "
            "gets hold of a request can send another content under its signature for 5 minutes. Let JustCall call "
            "https only, and keep its requests out of logs"
        )
        return (told,)


class JustCall(Source[JustCallOptions]):
    """Reads events; `call.completed` becomes a call event, others are `justcall.<type>`."""

    options_type: ClassVar = JustCallOptions
    binds: ClassVar[tuple[Part, ...]] = ("fields", "time")

    def __init__(self, name: str, options: JustCallOptions) -> None:
        super().__init__(name, options)
        # The secret is also the beginning of what is signed, so each has a scheme of its own.
        self._schemes = [_scheme(secret.get_secret_value(), self.binds, options) for secret in options.secrets]

    def _verify(self, delivery: Delivery) -> str:
        body = _body(delivery)
        if delivery.header(_VERSION) != "v1":
            raise Unauthenticated(f"the header {_VERSION} is missing or is not v1, which is the one that is known")
        named = text_at(body, "webhook_url")
        if not hmac.compare_digest(named.encode(), self.options.public_url.encode()):
            raise Unauthenticated(
                f"webhook_url is not {self.options.public_url}; compare public_url with the URL at JustCall"
            )
        return verify_any(delivery, [(scheme, [key]) for scheme, key in self._schemes])

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say which event of which type it is.
        """
        body = _body(delivery)
        kind, identifier = text_at(body, "type"), text_at(body, "request_id")
        if not kind or len(kind) > 100:
            raise Impossible("is missing or is not the name of an event", field="type")
        if not identifier or len(identifier) > 200:
            raise Impossible("is missing or is no id", field="request_id")
        if kind == _CALL_END:
            event = self._call_end(body, identifier, delivery.received_at)
        else:
            event = Event(
                id=identifier,
                source=self.name,
                provider="justcall",
                type=check_type(f"justcall.{kind}", field="type"),
                time=datetime.fromtimestamp(delivery.received_at, UTC),
                data=body,
            )
        return (Reading(event, identity=(kind, identifier)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        answered = call.outcome == "answered"
        date, _, time = wall_clock(call.at, self.options.time_zone).partition(" ")
        digest = call.digest
        body = {
            "request_id": digest[:26].upper(),
            "webhook_url": self.options.public_url,
            "url_id": digest[26:50],
            "type": _CALL_END,
            "data": {
                "call_sid": "CA" + digest[:32],
                "contact_number": call.caller,
                "justcall_number": call.line,
                "call_date": date,
                "call_time": time,
                "call_info": {"direction": "Incoming", "type": "Answered" if answered else "Missed"},
                "call_duration": {"total_duration": 12 if answered else 0},
            },
        }
        secret = self.options.secrets[0].get_secret_value()
        moment = wall_clock(call.now, None)
        scheme, key = self._schemes[0]
        headers = [
            ("content-type", bodies.JSON),
            (_SIGNATURE, scheme.sign(key, _text(secret, self.options.public_url, _CALL_END, moment))),
            (_VERSION, "v1"),
            (_TIMESTAMP, moment),
        ]
        return (Delivery("POST", "", headers, json.dumps(body).encode(), call.now),)

    def _call_end(self, body: Mapping[str, Any], identifier: str, received_at: float) -> Event:
        call = group_at(body, "data")
        info = group_at(call, "call_info")
        direction = _DIRECTIONS.get(text_at(info, "direction").lower(), "")
        notes = Notes()
        contact, ours = _number(call, "contact_number", notes), _number(call, "justcall_number", notes)
        caller, callee = (ours, contact) if direction == "outbound" else (contact, ours)
        began = f"{text_at(call, 'call_date')} {text_at(call, 'call_time')}"
        return call_event(
            self,
            id=identifier,
            time=read_wall_clock(began, self.options.time_zone) or datetime.fromtimestamp(received_at, UTC),
            judgement=judge(direction, text_at(info, "type")),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=_duration(group_at(call, "call_duration").get("total_duration"), notes),
            data={**body, **notes.data()},
            may_lack_plus=True,
        )


def judge(direction: Direction, kind: str) -> Judgement:
    """How a call ended, from `call_info.direction` and `call_info.type`."""
    word = kind.lower()
    if word == "answered":
        return Judgement("answered")
    if word in _UNANSWERED:
        return unanswered(direction, _UNANSWERED[word])
    if word == "voicemail" and direction == "inbound":
        return Judgement("voicemail")
    return Judgement("unknown", f"{kind[:60]}: a type of call that is not documented")


def _scheme(secret: str, binds: tuple[Part, ...], options: JustCallOptions) -> tuple[Hmac, bytes]:
    def message(delivery: Delivery, time: str) -> Sequence[bytes]:
        return (_text(secret, options.public_url, text_at(_body(delivery), "type"), time),)

    scheme = Hmac(
        algorithm="sha256",
        signature=HeaderPart(_SIGNATURE),
        encoding=HEX,
        message=message,
        binds=binds,
        time=SignedTime(HeaderPart(_TIMESTAMP), read=_unix),
        hint="; compare secrets with the API secret of the account",
    )
    return scheme, secret.encode()


def _text(secret: str, url: str, kind: str, time: str) -> bytes:
    """What is signed; the URL is escaped as JavaScript's `encodeURIComponent` does."""
    return "|".join((secret, quote(url, safe="!'()*"), kind, time)).encode()


def _unix(text: str) -> float:
    """The time of a request, which is in UTC: in JustCall's own example it is that of the request's id, a ULID."""
    moment = read_wall_clock(text, "UTC")
    if moment is None:
        raise ValueError("not a time")
    return moment.timestamp()


def _body(delivery: Delivery) -> dict[str, Any]:
    if not bodies.is_json(bodies.media_type(delivery)):
        raise Malformed(f"the body must be {bodies.JSON}")
    return bodies.json_object(delivery.body)


def _number(call: Mapping[str, Any], key: str, notes: Notes) -> str:
    """A phone number, which may be written as text or as a number."""
    value = call.get(key)
    if type(value) is int:
        return str(value)
    if value is not None and not isinstance(value, str):
        notes.passed_over(f"data.{key}", value)
    return text_at(call, key)


def _duration(value: Any, notes: Notes) -> int | None:
    if value is None or value == "":
        return None
    seconds = whole_number(str(value)) if isinstance(value, str) or type(value) is int else None
    if seconds is None or seconds > MAX_SECONDS:
        notes.passed_over("data.call_duration.total_duration", value)
        return None
    return seconds
