"""SignalWire: status callbacks of the Compatibility API (cXML) as forms, events of calls (SWML, RELAY) as JSON.

Sources: SignalWire docs, "Compatibility API: Webhook security"; the signatures as in
`signalwire.core.security.webhook_validator` of SignalWire's Python SDK. A form's is base64 of HMAC-SHA1 over the URL
and the fields, sorted by name only; a JSON body's is hex of HMAC-SHA1 over the URL and the body, with a twin of SHA-256
that is preferred where it is sent. Neither has a time.

Nothing stands between the parts of what is signed, so one signature fits requests that are cut differently. What is
signed is the same for all of them, and therefore it is the identity of an event: a request that somebody has cut anew
is the same event again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode, urlsplit

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import (
    EMPTY_DOCUMENT,
    CorrelatingOptions,
    Delivery,
    Part,
    Reading,
    Reply,
    SampleCall,
    Source,
)
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, strict_text_at, text_at, whole_number
from badge_bridge.sources.public_url import seen_from_outside
from badge_bridge.sources.signalwire_calls import DECIDING, form_leg, relay_direction, relay_leg, relay_numbers
from badge_bridge.sources.signatures import BASE64, HEX, HeaderPart, Hmac
from badge_bridge.sources.twilio_calls import direction_of

__all__ = ["SignalWire", "SignalWireOptions"]

_SIGNATURE, _ALIAS, _SHA256 = "x-signalwire-signature", "x-twilio-signature", "x-signalwire-sha256-signature"


class SignalWireOptions(CorrelatingOptions):
    """A source that SignalWire calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["signalwire"]
    secrets: Secrets = Field(description="The project's Signing Key, PSK...; any of several may match.")
    public_url: Annotated[str, seen_from_outside("as SignalWire calls it")] = Field(
        description="This source's URL as it is entered at SignalWire, without its query: SignalWire signs the URL."
    )

    def cautions(self) -> Sequence[str]:
        told = (
            "SignalWire's signature of a form marks neither where a field ends nor when it was made: whoever has seen "
            "a delivery that never arrived can change how it reads. Let only https reach this source."
        )
        return (told,)


class _Signature:
    """SignalWire's own header, or Twilio's, which it sends to applications that were written for Twilio."""

    def values(self, delivery: Delivery) -> list[str]:
        own = any(name == _SIGNATURE for name, _ in delivery.headers)
        return HeaderPart(_SIGNATURE if own else _ALIAS).values(delivery)

    def __str__(self) -> str:
        return f"header {_SIGNATURE}"


class SignalWire(Source[SignalWireOptions]):
    """Reads what SignalWire sends about calls; an event of something else becomes `signalwire.<event_type>`."""

    options_type: ClassVar = SignalWireOptions
    max_body = 64 * 1024
    binds: ClassVar[tuple[Part, ...]] = ("url", "form")

    def __init__(self, name: str, options: SignalWireOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        self._urls = _spellings(options.public_url)
        hint = f" {options.public_url}; compare public_url with the URL that is entered at SignalWire, and the secret "
        hint += "with the project's Signing Key"
        self._form = Hmac(
            algorithm="sha1",
            signature=_Signature(),
            encoding=BASE64,
            message=self._messages,
            binds=("url", "form"),
            hint=hint,
        )
        self._json = Hmac(
            algorithm="sha1",
            signature=_Signature(),
            encoding=HEX,
            message=self._messages,
            binds=("url", "body"),
            hint=hint,
        )
        self._json_sha256 = Hmac(
            algorithm="sha256",
            signature=HeaderPart(_SHA256),
            encoding=HEX,
            message=self._messages,
            binds=("url", "body"),
            hint=hint,
        )

    def _messages(self, delivery: Delivery, _time: str) -> Sequence[bytes]:
        return [_signed(url, delivery) for url in self._urls]

    def _verify(self, delivery: Delivery) -> str:
        _check_digest(delivery)
        if not _is_json(delivery):
            return self._form.verify(delivery, self._keys)
        stronger = any(name == _SHA256 for name, _ in delivery.headers)
        return (self._json_sha256 if stronger else self._json).verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body cannot be parsed.
            Impossible: it does not say which call this is or how it stands; names the field.
        """
        identity = hashlib.sha256(_signed(self.options.public_url, delivery)).hexdigest()
        received = datetime.fromtimestamp(delivery.received_at, UTC)
        if _is_json(delivery):
            event = self._from_json(bodies.json_object(delivery.body), identity, received)
        else:
            event = self._from_form(bodies.flat(bodies.form(delivery.body)), received)
        return (Reading(event, identity=(identity,)),)

    def reply(self) -> Reply:
        # An empty cXML document does nothing where SignalWire waits for instructions, and is ignored elsewhere.
        return Reply(body=EMPTY_DOCUMENT, media_type="text/xml")

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        whole = {
            "CallSid": str(call.uuid("call")),
            "Direction": "inbound",
            "From": call.caller,
            "To": call.line,
            "Timestamp": format_datetime(datetime.fromtimestamp(call.at, UTC)),
        }
        dialled = {**whole, "CallStatus": "in-progress", "DialCallSid": str(call.uuid("dialled"))}
        dialled["DialCallStatus"] = "completed" if call.outcome == "answered" else "no-answer"
        ended = {**whole, "CallStatus": "completed"}
        return [self._posted(fields, call.now) for fields in (dialled, ended)]

    def _posted(self, fields: Mapping[str, str], now: float) -> Delivery:
        unsigned = Delivery("POST", "", [("content-type", bodies.FORM)], urlencode(fields).encode(), now)
        signature = self._form.sign(self._keys[0], _signed(self.options.public_url, unsigned))
        return Delivery("POST", "", [*unsigned.headers, (_SIGNATURE, signature)], unsigned.body, now)

    def _from_form(self, data: Mapping[str, Any], received: datetime) -> Event:
        told = {key: strict_text_at(data, key) for key in DECIDING if data.get(key)}
        if not told.get("CallSid"):
            raise Impossible("is missing: this is not about a voice call", field="CallSid")
        notes = Notes()
        parent = told.get("ParentCallSid")
        return leg_event(
            self,
            id=told["CallSid"],
            time=_time(data, notes) or received,
            leg=form_leg(told),
            direction=direction_of(told),
            caller="" if parent else text_at(data, "From"),
            # Of a leg that is dialled it tells whom a softphone calls (`judged_event`).
            callee=text_at(data, "To"),
            duration=whole_number(text_at(data, "DialCallDuration")),
            data={**data, **notes.data()},
        )

    def _from_json(self, data: Mapping[str, Any], identity: str, received: datetime) -> Event:
        kind = strict_text_at(data, "event_type")
        if not kind:
            raise Impossible("is missing", field="event_type")
        params = group_at(data, "params")
        leg = relay_leg(kind, params)
        if leg is None:
            return Event(
                id=identity[:32],
                source=self.name,
                provider="signalwire",
                type=check_type(f"signalwire.{kind}", field="event_type"),
                time=received,
                data=data,
            )
        direction = relay_direction(params)
        caller, callee = relay_numbers(params)
        return leg_event(
            self,
            id=leg.leg,
            time=received,
            leg=leg,
            direction=direction,
            caller=caller if direction else "",
            # Of a leg that is dialled it tells whom a softphone calls (`judged_event`).
            callee=callee,
            data=data,
        )


def _is_json(delivery: Delivery) -> bool:
    media = bodies.media_type(delivery)
    if bodies.is_json(media):
        return True
    if media == bodies.FORM:
        return False
    raise Unauthenticated("the body is neither a form nor JSON, so that its signature cannot be checked")


def _signed(url: str, delivery: Delivery) -> bytes:
    """What is signed of a delivery to a URL: a repeated field keeps its values in the order of arrival."""
    if delivery.query:
        url += f"?{delivery.query}"
    if _is_json(delivery):
        return url.encode() + delivery.body
    fields = sorted(bodies.form(delivery.body), key=lambda field: field[0])
    return (url + "".join(key + value for key, value in fields)).encode()


def _check_digest(delivery: Delivery) -> None:
    """`bodySHA256` in the URL, where it is there, names the digest of the body."""
    digest = hashlib.sha256(delivery.body).hexdigest()
    for key, value in bodies.query(delivery.query):
        if key == "bodySHA256" and not hmac.compare_digest(value.encode(), digest.encode()):
            raise Unauthenticated("bodySHA256 in the query is not the digest of the body")


def _spellings(public_url: str) -> Sequence[str]:
    """The URL as it is written, and with or without the port that its scheme has anyway, as SignalWire's SDK tries."""
    url = urlsplit(public_url)
    port = {"https": 443, "http": 80}[url.scheme]
    if url.port not in (None, port):
        return (public_url,)
    host = url.netloc.removesuffix(f":{port}").removesuffix(":")
    other = host if url.port else f"{host}:{port}"
    return public_url, url._replace(netloc=other).geturl()


def _time(data: Mapping[str, Any], notes: Notes) -> datetime | None:
    """`Timestamp`, written as in an e-mail; one that cannot be read decides nothing and is passed over."""
    text = text_at(data, "Timestamp")
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        notes.passed_over("Timestamp", text)
        return None
