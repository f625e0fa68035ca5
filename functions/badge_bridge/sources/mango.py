"""Mango Office: the notifications of its virtual PBX, above all the summary of a call (`/events/summary`).

Sources: Mango Office's "API VPBX" document as others have carried it over, and the npm library `mango-vpbx` for the
signature. It covers the key and the JSON, but not the path, which names the event. So an event's identity is made of
the JSON alone: under another path a captured notification is the same event still.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from badge_bridge.errors import Impossible, Malformed, Unauthenticated
from badge_bridge.events import Direction, Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets, is_resolved
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import MAX_SECONDS, Notes, group_at, text_at
from badge_bridge.sources.judgement import Judgement, unanswered
from badge_bridge.sources.signatures import HEX, Digest, FormField, verify_any

__all__ = ["Mango", "MangoOptions", "judge"]

_EVENT = re.compile(r"/events/([a-z0-9_-]{1,40}(?:/[a-z0-9_-]{1,40}){0,3})/?")
_PING = re.compile(r"(?:/events)?/ping/?")
_SUMMARY = "summary"

_DIRECTIONS: Mapping[int, Direction] = {0: "internal", 1: "inbound", 2: "outbound"}
_EARLIEST = 1_000_000_000
"""Unix seconds of 2001: what is less is no time of a call, but may be a number of seconds."""
_LATEST = 32_503_680_000
"""Unix seconds of the year 3000."""


def _check_pairs(secrets: list[SecretStr]) -> list[SecretStr]:
    for secret in secrets:
        key, _, salt = secret.get_secret_value().partition(":")
        if is_resolved(secret) and not (key and salt):
            raise ValueError("a secret for mango is two values: write vpbx_api_key:vpbx_api_salt")
    return secrets


class MangoOptions(SourceOptions):
    """A source that Mango Office calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["mango"]
    secrets: Annotated[Secrets, AfterValidator(_check_pairs)] = Field(
        description='The key and the salt of the API as Mango Office shows them, with a colon between: ["${NAME}"] '
        "with NAME=vpbx_api_key:vpbx_api_salt. Any may match, so that they can be rotated."
    )

    def cautions(self) -> Sequence[str]:
        told = (
            "the signature covers what a notification says, but no time: an old one can be sent again once the store "
            "has forgotten it. Let Mango Office call https only, and keep its requests out of logs"
        )
        return (told,)


class Mango(Source[MangoOptions]):
    """Reads notifications; a summary becomes a call event, others are `mango.<event>`."""

    options_type: ClassVar = MangoOptions
    methods = frozenset({"GET", "POST"})
    max_body = 64 * 1024
    subpaths = True
    binds: ClassVar[tuple[Part, ...]] = ("fields",)

    def __init__(self, name: str, options: MangoOptions) -> None:
        super().__init__(name, options)
        self._pairs = [_pair(secret) for secret in options.secrets]
        self._schemes = [_scheme(key, self.binds) for key, _ in self._pairs]

    def handshake(self, delivery: Delivery) -> Reply | None:
        """Mango Office asks at times whether anybody is there."""
        return Reply(status=200) if _PING.fullmatch(delivery.path) else None

    def _verify(self, delivery: Delivery) -> str:
        if delivery.method != "POST":
            raise Unauthenticated("a notification is posted")
        (named,) = FormField("vpbx_api_key").values(delivery)
        known = [hmac.compare_digest(named.encode(), key) for key, _ in self._pairs]
        if not any(known):
            raise Unauthenticated("vpbx_api_key is another one; compare secrets with the key that Mango Office shows")
        candidates = zip(known, self._schemes, self._pairs, strict=True)
        return verify_any(delivery, [(scheme, [salt]) for fits, scheme, (_, salt) in candidates if fits])

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not a form with JSON.
            Impossible: the path names no event, or a summary does not say which call of which direction ended how.
        """
        path = _EVENT.fullmatch(delivery.path)
        if path is None:
            raise Impossible("must end with /events/ and the name of an event", field="path")
        text = _json(delivery)
        told = bodies.json_object(text.encode())
        identity = _identity(told, text)
        if path[1] != _SUMMARY and identity[0] == _SUMMARY:
            # The path is not signed: under another one a summary would be known as another event, and its call lost.
            raise Impossible("names another event than a summary, which the body is", field="path")
        if path[1] == _SUMMARY:
            event = self._summary(told, delivery.received_at)
        else:
            event = Event(
                id=_id(told, "call_id") or _id(told, "entry_id") or hashlib.sha256(text.encode()).hexdigest()[:32],
                source=self.name,
                provider="mango",
                type=check_type(f"mango.{path[1].replace('/', '.')}", field="path"),
                time=_moment(told, "timestamp") or datetime.fromtimestamp(delivery.received_at, UTC),
                data=told,
            )
        return (Reading(event, identity),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        answered = call.outcome == "answered"
        at = int(call.at)
        told = {
            "entry_id": call.digest[:24],
            "call_direction": 1,
            "from": {"number": call.caller},
            "to": {"extension": "101", "number": "sip:sample@vpbx.mangosip.ru"},
            "line_number": call.line,
            "create_time": at,
            "forward_time": at,
            "talk_time": at if answered else 0,
            "end_time": int(call.now),
            "entry_result": 1 if answered else 0,
            "disconnect_reason": 1110,
        }
        text = json.dumps(told)
        key, salt = self._pairs[0]
        fields = {"vpbx_api_key": key.decode(), "sign": self._schemes[0].sign(salt, text.encode()), "json": text}
        headers = [("content-type", bodies.FORM)]
        return (Delivery("POST", "", headers, urlencode(fields).encode(), call.now, path="/events/summary"),)

    def _summary(self, told: Mapping[str, Any], received_at: float) -> Event:
        identifier = _id(told, "entry_id")
        if not identifier:
            raise Impossible("is missing", field="entry_id")
        direction = _DIRECTIONS.get(_decisive(told, "call_direction"))
        if direction is None:
            raise Impossible("must be 0, 1 or 2", field="call_direction")
        result = _decisive(told, "entry_result")
        notes = Notes()
        seconds = _talked(told, notes)
        from_, to = group_at(told, "from"), group_at(told, "to")
        line = _text(told, "line_number")
        caller, callee = _party(from_), _party(to)
        if direction == "inbound":
            callee = line or callee
        elif direction == "outbound":
            caller = line or caller
        reason = _text(told, "disconnect_reason")
        return call_event(
            self,
            id=identifier,
            time=_moment(told, "create_time") or datetime.fromtimestamp(received_at, UTC),
            judgement=judge(direction, result, seconds, reason=reason, extension=_text(to, "extension")),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=seconds,
            data={**told, **notes.data()},
            may_lack_plus=True,
        )


def judge(direction: Direction, result: int, seconds: int | None, *, reason: str, extension: str) -> Judgement:
    """How a call ended, from `entry_result` and the time of conversation. A menu can pick up too: on a call from
    outside only an extension says that somebody of ours did.
    """
    if result == 0:
        if seconds is None or seconds > 0:
            return Judgement("unknown", "entry_result says no conversation, talk_time says another thing")
        return unanswered(direction, f"disconnect_reason {reason}" if reason else "no_answer")
    if result != 1:
        return Judgement("unknown", f"entry_result {result}, which is not documented")
    if direction == "inbound" and not extension:
        return Judgement("unknown", "answered, but by which extension is not said")
    return Judgement("answered")


def _pair(secret: SecretStr) -> tuple[bytes, bytes]:
    key, _, salt = secret.get_secret_value().partition(":")
    return key.encode(), salt.encode()


def _scheme(key: bytes, binds: tuple[Part, ...]) -> Digest:
    return Digest(
        algorithm="sha256",
        join=lambda salt, message: key + message + salt,
        signature=FormField("sign"),
        encoding=HEX,
        message=lambda delivery, _time: (_json(delivery).encode(),),
        binds=binds,
        hint="; compare secrets with the key and the salt that Mango Office shows",
    )


def _json(delivery: Delivery) -> str:
    """The field `json` exactly as it came: another spelling of the same JSON has another signature."""
    if bodies.media_type(delivery) != bodies.FORM:
        raise Malformed(f"the body must be {bodies.FORM}")
    found = [value for name, value in bodies.form(delivery.body) if name == "json"]
    if len(found) != 1:
        raise Malformed("the field json is missing or repeated")
    return found[0]


def _identity(told: Mapping[str, Any], text: str) -> tuple[str, ...]:
    """Of the JSON alone; what looks like a summary is the summary of its entry, whatever path it came by."""
    entry = _id(told, "entry_id")
    if entry and "entry_result" in told:
        return (_SUMMARY, entry)
    return ("json", hashlib.sha256(text.encode()).hexdigest())


def _decisive(told: Mapping[str, Any], key: str) -> int:
    """A whole number, perhaps written as text."""
    value = told.get(key)
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}", value, re.ASCII):
        return int(value)
    if type(value) is not int:
        raise Impossible("is missing or is not a whole number", field=key)
    return value


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return str(value) if type(value) is int else text_at(told, key)


def _id(told: Mapping[str, Any], key: str) -> str:
    text = _text(told, key)
    return text if len(text) <= 500 else ""


def _party(group: Mapping[str, Any]) -> str:
    """The number of one end; the extension of an employee who has none."""
    return _text(group, "number") or _text(group, "extension")


def _moment(told: Mapping[str, Any], key: str) -> datetime | None:
    seconds = _whole(told.get(key))
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and seconds >= _EARLIEST else None


def _talked(told: Mapping[str, Any], notes: Notes) -> int | None:
    """Seconds of conversation. `talk_time` is the moment at which it began, 0 where there was none; a number that is
    too small for that can only be seconds.
    """
    began, ended = _whole(told.get("talk_time")), _whole(told.get("end_time"))
    if began is None:
        notes.passed_over("talk_time", told.get("talk_time"))
        return None
    lasted = ended - began if ended is not None else -1
    seconds = began if began < _EARLIEST else lasted
    if not 0 <= seconds <= MAX_SECONDS:
        notes.passed_over("end_time", told.get("end_time"))
        return None
    return seconds


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,11}", value, re.ASCII):
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LATEST else None
