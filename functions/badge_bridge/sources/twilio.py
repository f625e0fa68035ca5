"""Twilio: voice webhooks, status callbacks, `<Dial>` actions and recordings, as form, query or JSON.

Sources: Twilio docs, "Webhooks security", "Webhook shared keys", "TwiML Voice: <Dial>" and "<Record>"; the signature
as in `twilio.request_validator` of Twilio's Python library.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from badge_bridge.errors import DeliveryRefused, Impossible, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Reading, Reply, Source, SourceOptions
from badge_bridge.sources.bodies import Fields
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.phone_numbers import parties
from badge_bridge.sources.signatures import BASE64, HeaderPart, Hmac, Part
from badge_bridge.sources.twilio_calls import direction_of, judge

__all__ = ["SIGNATURE", "Twilio", "TwilioOptions", "sign"]

SIGNATURE = "x-twilio-signature"
_SETTINGS = "x-twilio-webhooks-signature-settings"
"""`key=<id>,algorithm=HMAC_SHA256`; without it the Auth Token and SHA-1 are meant."""

Shape = Literal["query", "form", "json"]


def _public_url(value: str) -> str:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ValueError("this is not a URL; write it as Twilio calls it, such as https://host/hooks/name") from error
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError("this is not a URL; write it as Twilio calls it, such as https://host/hooks/name")
    if url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError("the URL has a query or a fragment; write it without: the query is taken from each request")
    if url.username is not None:
        raise ValueError("the URL has a user; write it without")
    return value


class TwilioVerify(BaseModel):
    """How this endpoint's webhooks are signed; pinned, since the request itself could name the weaker way."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    algorithm: Literal["sha1", "sha256"] = Field(
        default="sha1", description="sha1: signed with the Auth Token. sha256: signed with a shared key."
    )
    key: str | None = Field(
        default=None, min_length=1, description="The id of the shared key that must be named; any, when left out."
    )


class TwilioOptions(SourceOptions):
    """A source that Twilio calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["twilio"]
    secrets: Secrets
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        description="This source's URL as it is entered at Twilio, without its query: Twilio signs the URL."
    )
    verify: TwilioVerify = Field(default=TwilioVerify(), description="How Twilio signs for this source.")


def _string_to_sign(url: str, fields: Fields) -> bytes:
    """The URL, then each distinct key and value, sorted, without anything between them."""
    return (url + "".join(key + value for key, value in sorted(set(fields)))).encode()


def _scheme(algorithm: Literal["sha1", "sha256"], shape: Shape, public_url: str) -> Hmac:
    binds: Mapping[Shape, tuple[Part, ...]] = {"query": ("url",), "form": ("url", "form"), "json": ("url", "body")}

    spellings = _spellings(public_url)

    def messages(delivery: Delivery, _time: str) -> Sequence[bytes]:
        fields = bodies.form(delivery.body) if shape == "form" else ()
        suffix = f"?{delivery.query}" if delivery.query else ""
        return [_string_to_sign(url + suffix, fields) for url in spellings]

    return Hmac(
        algorithm=algorithm,
        signature=HeaderPart(SIGNATURE),
        encoding=BASE64,
        message=messages,
        binds=binds[shape],
    )


def sign(url: str, fields: Fields, secret: str, algorithm: Literal["sha1", "sha256"] = "sha1") -> str:
    """The `X-Twilio-Signature` of a form that is posted to `url`; without fields, of a GET or a JSON body's URL."""
    return _scheme(algorithm, "form", url).sign(secret.encode(), _string_to_sign(url, fields))


class Twilio(Source[TwilioOptions]):
    """Reads what Twilio sends about voice calls."""

    options_type: ClassVar = TwilioOptions
    methods = frozenset({"GET", "POST"})

    def __init__(self, name: str, options: TwilioOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        shapes: tuple[Shape, ...] = ("query", "form", "json")
        self._schemes = {shape: _scheme(options.verify.algorithm, shape, options.public_url) for shape in shapes}

    def verify(self, delivery: Delivery) -> str:
        try:
            shape = _shape(delivery)
            self._check_settings(delivery)
            verified = self._schemes[shape].verify(delivery, self._keys)
            if shape == "json":
                _check_body_digest(delivery)
        except Unauthenticated:
            raise
        except DeliveryRefused as error:
            raise Unauthenticated(f"the request cannot be read for checking: {error}") from error
        return verified

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        shape = _shape(delivery)
        if shape == "json":
            data = bodies.json_object(delivery.body)
        else:
            data = bodies.flat(bodies.form(delivery.body) if shape == "form" else bodies.query(delivery.query))
        identity = _identity(data)
        return (Reading(_event(self, data, delivery.received_at), identity),)

    def reply(self) -> Reply:
        # An empty TwiML document does nothing where Twilio waits for instructions, and is ignored elsewhere.
        return Reply(body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>', media_type="text/xml")

    def _check_settings(self, delivery: Delivery) -> None:
        """Compare what the request says about its signature with what is pinned for this source."""
        settings = [part.strip().partition("=") for part in (delivery.header(_SETTINGS) or "").split(",")]
        algorithms = {value.strip().upper() for name, _, value in settings if name == "algorithm"} or {"HMAC_SHA1"}
        pinned = self.options.verify
        if algorithms != {f"HMAC_{pinned.algorithm.upper()}"}:
            raise Unauthenticated(f"signed with {' and '.join(sorted(algorithms))}, expected {pinned.algorithm}")
        named = {value.strip() for name, _, value in settings if name == "key"}
        if pinned.key is not None and named != {pinned.key}:
            raise Unauthenticated("signed with another shared key than the one that verify.key names")


def _shape(delivery: Delivery) -> Shape:
    if delivery.method == "GET":
        return "query"
    media = bodies.media_type(delivery)
    if bodies.is_json(media):
        return "json"
    if media == bodies.FORM or not delivery.body:
        return "form"
    raise Unauthenticated("the body is neither a form nor JSON, so that its signature cannot be checked")


def _spellings(public_url: str) -> Sequence[str]:
    """The URL with and without a port: which of them Twilio signs is not consistent (Twilio's library tries both)."""
    url = urlsplit(public_url)
    host = url.netloc.rpartition(":")[0] if url.port else url.netloc.removesuffix(":")
    port = url.port or {"https": 443, "http": 80}[url.scheme]
    return _with_host(url, host), _with_host(url, f"{host}:{port}")


def _with_host(url: SplitResult, host: str) -> str:
    return url._replace(netloc=host).geturl()


def _check_body_digest(delivery: Delivery) -> None:
    """The signature of a JSON delivery covers the URL only; the URL in turn names the digest of the body."""
    digests = [value for key, value in bodies.query(delivery.query) if key == "bodySHA256"]
    digest = hashlib.sha256(delivery.body).hexdigest()
    if len(digests) != 1 or not hmac.compare_digest(digests[0].encode(), digest.encode()):
        raise Unauthenticated("bodySHA256 in the query is missing or is not the digest of the body")


_CALL = re.compile(r"CA[0-9a-fA-F]{32}")
_WORD = re.compile(r"[a-z-]{1,40}")
_IDENTITY: Mapping[str, re.Pattern[str]] = {
    "CallSid": _CALL,
    "CallStatus": _WORD,
    "CallbackSource": _WORD,
    "SequenceNumber": re.compile(r"\d{1,9}", re.ASCII),
    "ParentCallSid": _CALL,
    "DialCallSid": _CALL,
    "DialCallStatus": _WORD,
    "RecordingSid": re.compile(r"RE[0-9a-fA-F]{32}"),
    "RecordingStatus": _WORD,
}
"""The signed fields that make an event unique, and how each is written. I-Twilio-Idempotency-Token is not signed."""


def _identity(data: Mapping[str, Any]) -> tuple[str, ...]:
    _refuse_recut_fields(data)
    if "CallSid" not in data:
        raise Impossible("is missing: this is not about a voice call", field="CallSid")
    if not {"CallStatus", "RecordingSid"} & data.keys():
        raise Impossible("is missing", field="CallStatus")
    for key, pattern in _IDENTITY.items():
        if key in data and not (isinstance(data[key], str) and pattern.fullmatch(data[key])):
            raise Impossible("is not written as Twilio writes it", field=key)
    return tuple(data.get(key, "") for key in _IDENTITY)


def _refuse_recut_fields(data: Mapping[str, Any]) -> None:
    """Refuse a form whose fields were cut differently than Twilio cut them.

    The signed string does not mark where a key or a value ends: with `From=+1555&SequenceNumber=0` the form
    `From=+1555SequenceNumber0` carries the same signature. An old capture could so come back under a new identity.
    """
    for key in _IDENTITY.keys() - {"CallSid", "CallStatus"}:
        for name, value in data.items():
            if (key in name and key != name) or (isinstance(value, str) and key in value):
                raise Impossible(f"has the name of another field in it: {key}", field=name[:40])


def _event(source: Twilio, data: Mapping[str, Any], received_at: float) -> Event:
    direction = direction_of(data)
    judgement = judge(data)
    ends = parties(direction, caller=_text(data, "From"), callee=_text(data, "To"), country=source.options.country)
    return Event(
        id=data["CallSid"],
        source=source.name,
        provider="twilio",
        type=judgement.type,
        time=_time(_text(data, "Timestamp"), received_at),
        subject=ends.subject,
        direction=direction,
        outcome=judgement.outcome,
        reason=judgement.reason,
        caller=ends.caller,
        callee=ends.callee,
        line=ends.line,
        duration=_seconds(_text(data, "DialCallDuration") or _text(data, "CallDuration")),
        data={**data, **ends.notes},
    )


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""


def _time(text: str, received_at: float) -> datetime:
    """The time of an event (RFC 2822). One that cannot be read does not cost the event: it just arrived."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return datetime.fromtimestamp(received_at, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None
