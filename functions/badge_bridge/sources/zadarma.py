"""Zadarma: the notifications of its PBX about calls.

Sources: Zadarma's API documentation, "Webhooks", and its own library `zadarma/user-api-v1` (`encodeSignature`). The
signature covers two or three fields and no time, and never how the call ended. Those fields are put together without
anything between them, so that the same signature fits several notifications of a call, and other cuts of the text.

So the text itself is the identity of an event, whatever the notification calls itself, and only one notification of a
call makes an event: its end. A captured signature can then never make a second one, however old it is: the store knows
its identity for as long as the source is there. `pbx_call_id` is no part of it, since whoever changed it in a captured
end would double the call. What that costs: two callers who hide, at one line in one second, are one event; without a
number neither has a card that a badge could be on.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import ConfigDict

from badge_bridge.errors import Impossible, Malformed, OutsideWindow, Unauthenticated
from badge_bridge.events import Direction, Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import MAX_SECONDS, Notes, text_at, whole_number
from badge_bridge.sources.judgement import Judgement, unanswered
from badge_bridge.sources.signatures import HEX, Encoding, HeaderPart, Hmac
from badge_bridge.sources.wall_clock import TimeZone, read_wall_clock, wall_clock

__all__ = ["NotificationOptions", "Zadarma", "ZadarmaOptions", "judge"]

_ECHO = re.compile(r"[A-Za-z0-9._-]{1,200}")

_CALL = ("caller_id", "called_did", "call_start")
_OUTGOING = ("internal", "destination", "call_start")
_SIGNED: Mapping[str, Sequence[str]] = {
    "NOTIFY_START": _CALL,
    "NOTIFY_INTERNAL": _CALL,
    "NOTIFY_IVR": _CALL,
    "NOTIFY_END": _CALL,
    "NOTIFY_ANSWER": ("caller_id", "destination", "call_start"),
    "NOTIFY_OUT_START": _OUTGOING,
    "NOTIFY_OUT_END": _OUTGOING,
    "NOTIFY_RECORD": ("pbx_call_id", "call_id_with_rec"),
}
"""The fields that are signed for each notification, in their order."""

_ENDS: Mapping[str, Direction] = {"NOTIFY_END": "inbound", "NOTIFY_OUT_END": "outbound"}
_RECORD = "NOTIFY_RECORD"

_CALL_START = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
_CALL_START_LENGTH = len("2025-11-22 05:29:40")
_OLDEST = timedelta(days=3)
_LATEST = timedelta(days=1)
"""`call_start` is the only time that is signed. Its zone is the account's, and a call may last for hours."""

_UNANSWERED: Mapping[str, str] = {"no answer": "no_answer", "cancel": "caller_cancelled"}
_FAILURES = frozenset(
    {
        "failed",
        "no money",
        "unallocated number",
        "no limit",
        "no day limit",
        "line limit",
        "no money, no limit",
    }
)


def _decode(text: str) -> bytes:
    digits = base64.b64decode(text, validate=True).decode("ascii")
    if digits != digits.lower():
        raise ValueError("the hex digits are written in capitals")  # one character of base64 away from the right text
    return HEX.decode(digits)


def _encode(mac: bytes) -> str:
    return base64.b64encode(mac.hex().encode("ascii")).decode("ascii")


_BASE64_OF_HEX = Encoding(encode=_encode, decode=_decode)
"""Not the bytes of the hash are written in base64, but their hex digits."""


class NotificationOptions(SourceOptions):
    """A source that a PBX of this make calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secrets: Secrets
    time_zone: TimeZone = None

    def cautions(self) -> Sequence[str]:
        told = (
            "the signature covers the two numbers and the time of a call, not how it ended: whoever gets hold of the "
            "notification that a call begins can say how it ends. Let the provider call https only, and keep its "
            "requests out of logs"
        )
        return (told,)


class ZadarmaOptions(NotificationOptions):
    """A source that Zadarma calls."""

    provider: Literal["zadarma"]


class Zadarma(Source[NotificationOptions]):
    """Reads notifications; the end of a call becomes a call event, what comes before it none."""

    options_type: ClassVar[type[SourceOptions]] = ZadarmaOptions
    methods = frozenset({"GET", "POST"})
    max_body = 64 * 1024
    binds: ClassVar[tuple[Part, ...]] = ("fields",)

    def __init__(self, name: str, options: NotificationOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        self._scheme = Hmac(
            algorithm="sha1",
            signature=HeaderPart("signature"),
            encoding=_BASE64_OF_HEX,
            message=lambda delivery, _time: (_signed_text(_fields(delivery)).encode(),),
            binds=self.binds,
            hint="; compare secrets with the API secret of the account",
        )

    def handshake(self, delivery: Delivery) -> Reply | None:
        """The check of the URL: the echo of `zd_echo`, limited to what cannot be anything but a plain word.

        Raises:
            Malformed: it is something else.
        """
        if delivery.method != "GET":
            return None
        echoes = [value for name, value in bodies.query(delivery.query) if name == "zd_echo"]
        if len(echoes) != 1 or not _ECHO.fullmatch(echoes[0]):
            raise Malformed("zd_echo must have 1 to 200 letters, digits, full stops, hyphens and underscores")
        return Reply(body=echoes[0].encode(), media_type="text/plain")

    def _verify(self, delivery: Delivery) -> str:
        verified = self._scheme.verify(delivery, self._keys)
        _check_age(_fields(delivery), delivery.received_at)
        return verified

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The event of a verified delivery, if it makes one.

        Raises:
            Malformed: the body is not a form.
            Impossible: it is not known which notification this is.
        """
        fields = _fields(delivery)
        name = text_at(fields, "event")
        if name not in _SIGNED:
            raise Impossible("is missing or is not the name of a notification", field="event")
        if name in _ENDS:
            event = self._end(fields, name, delivery.received_at)
        elif name == _RECORD:
            event = self._record(fields, name, delivery.received_at)
        else:
            return ()
        return (Reading(event, identity=(_signed_text(fields),)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        answered = call.outcome == "answered"
        fields = {
            "event": "NOTIFY_END",
            "call_start": wall_clock(call.at, self.options.time_zone),
            "pbx_call_id": "in_" + call.digest[:32],
            "caller_id": call.caller,
            "called_did": call.line,
            **({"internal": "100"} if answered else {}),
            "duration": "12" if answered else "0",
            "disposition": "answered" if answered else "no answer",
            "status_code": "16" if answered else "19",
            "is_recorded": "0",
        }
        signature = self._scheme.sign(self._keys[0], _signed_text(fields).encode())
        headers = [("content-type", bodies.FORM), ("signature", signature)]
        return (Delivery("POST", "", headers, urlencode(fields).encode(), call.now),)

    def _end(self, fields: Mapping[str, Any], name: str, received_at: float) -> Event:
        notes = Notes()
        direction = _ENDS[name]
        caller, callee = text_at(fields, "caller_id"), text_at(fields, "called_did")
        if direction == "outbound":
            caller, callee = caller or text_at(fields, "internal"), text_at(fields, "destination")
        told = text_at(fields, "duration")
        duration = whole_number(told)
        if told and (duration is None or duration > MAX_SECONDS):
            notes.passed_over("duration", told)
            duration = None
        return call_event(
            self,
            id=text_at(fields, "pbx_call_id") or _digest(fields),
            time=read_wall_clock(text_at(fields, "call_start"), self.options.time_zone)
            or datetime.fromtimestamp(received_at, UTC),
            judgement=judge(direction, text_at(fields, "disposition"), internal=text_at(fields, "internal")),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=duration,
            data={**fields, **notes.data()},
            may_lack_plus=True,
        )

    def _record(self, fields: Mapping[str, Any], name: str, received_at: float) -> Event:
        return Event(
            id=text_at(fields, "pbx_call_id") or _digest(fields),
            source=self.name,
            provider=self.options.provider,
            type=check_type(f"{self.options.provider}.{name.lower()}", field="event"),
            time=datetime.fromtimestamp(received_at, UTC),
            data=fields,
        )


def judge(direction: Direction, disposition: str, *, internal: str) -> Judgement:
    """How a call ended. A menu or a voicemail box that picks up answers too: on a call from outside only the extension
    that is named proves that somebody of ours did.
    """
    if disposition == "answered":
        if direction == "inbound" and not internal:
            return Judgement("unknown", "answered, but by which extension is not said")
        return Judgement("answered")
    if disposition in _UNANSWERED:
        return unanswered(direction, _UNANSWERED[disposition])
    if disposition == "busy":
        return Judgement("busy", "busy")
    if disposition in _FAILURES:
        return Judgement("failed", disposition)
    return Judgement("unknown", f"{disposition[:60]}: a disposition that is not documented")


def _fields(delivery: Delivery) -> dict[str, Any]:
    if bodies.media_type(delivery) != bodies.FORM:
        raise Malformed(f"the body must be {bodies.FORM}")
    return bodies.flat(bodies.form(delivery.body))


def _signed_text(fields: Mapping[str, Any]) -> str:
    """What the signature is made over.

    Raises:
        Unauthenticated: it is not known how this notification is signed, or a signed field is missing or repeated.
    """
    names = _SIGNED.get(text_at(fields, "event"))
    if names is None:
        raise Unauthenticated("it is not known how this notification is signed")
    for name in names:
        if not isinstance(fields.get(name), str):
            raise Unauthenticated(f"the field {name}, which is signed, is missing or repeated")
    if "call_start" in names and not _CALL_START.fullmatch(fields["call_start"]):
        raise Unauthenticated("call_start is not a time")
    return "".join(fields[name] for name in names)


def _check_age(fields: Mapping[str, Any], now: float) -> None:
    """Refuse a signature of a call of long ago. That of a recording has no time: an old one is a duplicate; and that of
    a call, which may have made no event yet, is not a recording's.
    """
    if text_at(fields, "event") == _RECORD:
        if _CALL_START.fullmatch(_signed_text(fields)[-_CALL_START_LENGTH:]):
            raise Unauthenticated("the signature is that of a call and not of its recording")
        return
    began = read_wall_clock(text_at(fields, "call_start"), "UTC")
    if began is None:
        raise Unauthenticated("call_start is a time that no calendar has")
    age = datetime.fromtimestamp(now, UTC) - began
    if not -_LATEST <= age <= _OLDEST:
        raise OutsideWindow(f"the signature is right, but the call began at {fields['call_start']}")


def _digest(fields: Mapping[str, Any]) -> str:
    """Stands in for an id that is not signed, and need not be there."""
    return hashlib.sha256(_signed_text(fields).encode()).hexdigest()[:32]
