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
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import SplitResult, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field

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
from badge_bridge.sources.bodies import Fields
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.fields import strict_seconds_at, strict_text_at
from badge_bridge.sources.public_url import seen_from_outside
from badge_bridge.sources.signatures import BASE64, HeaderPart, Hmac
from badge_bridge.sources.twilio_calls import JUDGED, direction_of, leg_of
from badge_bridge.sources.twilio_identity import check_fields, check_query, identity_of

__all__ = ["SIGNATURE", "Twilio", "TwilioOptions", "sign"]

SIGNATURE = "x-twilio-signature"
_SETTINGS = "x-twilio-webhooks-signature-settings"
"""`key=<id>,algorithm=HMAC_SHA256`; without it the Auth Token and SHA-1 are meant."""

Shape = Literal["query", "form", "json"]


class TwilioVerify(BaseModel):
    """How this endpoint's webhooks are signed; pinned, since the request itself could name the weaker way."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    algorithm: Literal["sha1", "sha256"] = Field(
        default="sha1", description="sha1: signed with the Auth Token. sha256: signed with a shared key."
    )
    key: str | None = Field(
        default=None, min_length=1, description="The id of the shared key that must be named; any, when left out."
    )


class TwilioOptions(CorrelatingOptions):
    """A source that Twilio calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["twilio"]
    secrets: Secrets
    public_url: Annotated[str, seen_from_outside("as Twilio calls it")] = Field(
        description="This source's URL as it is entered at Twilio, without its query: Twilio signs the URL."
    )
    verify: TwilioVerify = Field(default=TwilioVerify(), description="How Twilio signs for this source.")


def _fields_to_sign(fields: Fields) -> str:
    """Each distinct key and value, sorted, without anything between them."""
    return "".join(key + value for key, value in sorted(set(fields)))


def _scheme(algorithm: Literal["sha1", "sha256"], shape: Shape, public_url: str) -> Hmac:
    binds: Mapping[Shape, tuple[Part, ...]] = {"query": ("url",), "form": ("url", "form"), "json": ("url", "body")}

    spellings = _spellings(public_url)

    def messages(delivery: Delivery, _time: str) -> Sequence[bytes]:
        suffix = f"?{delivery.query}" if delivery.query else ""
        if shape == "form":
            suffix += _fields_to_sign(bodies.form(delivery.body))
        return [(url + suffix).encode() for url in spellings]

    secret = "the account's Auth Token" if algorithm == "sha1" else "that of the shared key"
    compare = "compare public_url with the URL that is entered at Twilio, and the secret with"
    return Hmac(
        algorithm=algorithm,
        signature=HeaderPart(SIGNATURE),
        encoding=BASE64,
        message=messages,
        binds=binds[shape],
        hint=f" {public_url}; {compare} {secret}",
    )


def sign(url: str, fields: Fields, secret: str, algorithm: Literal["sha1", "sha256"] = "sha1") -> str:
    """The `X-Twilio-Signature` of a form that is posted to `url`; without fields, of a GET or a JSON body's URL."""
    return _scheme(algorithm, "form", url).sign(secret.encode(), (url + _fields_to_sign(fields)).encode())


class Twilio(Source[TwilioOptions]):
    """Reads what Twilio sends about voice calls."""

    options_type: ClassVar = TwilioOptions
    methods = frozenset({"GET", "POST"})
    max_body = 64 * 1024
    binds: ClassVar[tuple[Part, ...]] = ("url", "form")

    def __init__(self, name: str, options: TwilioOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        shapes: tuple[Shape, ...] = ("query", "form", "json")
        self._schemes = {shape: _scheme(options.verify.algorithm, shape, options.public_url) for shape in shapes}

    def _verify(self, delivery: Delivery) -> str:
        shape = _shape(delivery)
        self._check_settings(delivery)
        verified = self._schemes[shape].verify(delivery, self._keys)
        if shape == "json":
            _check_body_digest(delivery)
        return verified

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body cannot be parsed.
            Impossible: a field that is read has a value that Twilio does not write; names the field. Time and duration
                are no exception: a value that cannot be is worth a line in Twilio's log. Absent or empty they may be.
        """
        data = _data(delivery)
        identity = identity_of(data)
        return (Reading(_event(self, data, delivery.received_at), identity),)

    def reply(self) -> Reply:
        return Reply(body=EMPTY_DOCUMENT, media_type="text/xml")

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began = datetime.fromtimestamp(call.at, UTC)
        fields = {
            "AccountSid": "AC" + "0" * 32,
            "CallSid": "CA" + call.digest[:32],
            "CallStatus": "in-progress",
            "DialCallStatus": "no-answer",
            "Direction": "inbound",
            "From": call.caller,
            "To": call.line,
            "Timestamp": format_datetime(began),
        }
        if call.outcome == "answered":
            fields |= {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "12"}
        pinned, secret = self.options.verify, self.options.secrets[0].get_secret_value()
        headers = [
            ("content-type", bodies.FORM),
            (SIGNATURE, sign(self.options.public_url, list(fields.items()), secret, pinned.algorithm)),
        ]
        if pinned.algorithm == "sha256":
            headers.append((_SETTINGS, f"key={pinned.key or 'sample'},algorithm=HMAC_SHA256"))
        return (Delivery("POST", "", headers, urlencode(fields).encode(), call.now),)

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


def _data(delivery: Delivery) -> dict[str, Any]:
    """The fields, once it is sure that they were cut as Twilio cut them."""
    shape = _shape(delivery)
    check_query(delivery.query, holds_event=shape == "query")
    if shape == "json":
        return bodies.json_object(delivery.body)
    if shape == "query":
        return bodies.flat(bodies.query(delivery.query))
    fields = bodies.form(delivery.body)
    check_fields(fields)
    return bodies.flat(fields)


_WORDS: Mapping[str, re.Pattern[str]] = {
    "AnsweredBy": re.compile(r"[a-z_]{1,40}"),
    "DialBridged": re.compile("true|false"),
    "RecordingSource": re.compile(r"[A-Za-z]{1,40}"),
}
"""What the fields can say that decide how a call ended. `Direction` is open: products of Twilio add their own."""


def _event(source: Twilio, data: Mapping[str, Any], received_at: float) -> Event:
    """The event of the leg that is told of."""
    told = {key: strict_text_at(data, key) for key in JUDGED if data.get(key) is not None}
    for key, pattern in _WORDS.items():
        if told.get(key) and not pattern.fullmatch(told[key]):
            raise Impossible("is not written as Twilio writes it", field=key)
    dialled, whole = strict_seconds_at(data, "DialCallDuration"), strict_seconds_at(data, "CallDuration")
    caller, callee = strict_text_at(data, "From"), strict_text_at(data, "To")
    leg = leg_of(data["CallSid"], told)
    return leg_event(
        source,
        id=data["CallSid"],
        time=_time(strict_text_at(data, "Timestamp")) or datetime.fromtimestamp(received_at, UTC),
        leg=leg,
        direction=direction_of(told),
        caller=caller if leg.call == data["CallSid"] else "",
        # Of a leg that is dialled it tells whom a softphone calls (`judged_event`).
        callee=callee,
        duration=whole if dialled is None and (leg.final or "DialCallStatus" in told) else dialled,
        data=data,
    )


_TIME = re.compile(
    r"(?:[A-Za-z]{3}, ?)?\d{1,2} [A-Za-z]{3} \d{4} \d{2}:\d{2}(?::\d{2})? (?:[+-]\d{4}|[A-Za-z]{1,5})", re.ASCII
)
"""RFC 2822. Python's reader takes much else for a time, and stumbles over some of it."""


def _time(text: str) -> datetime | None:
    """The time of an event; None where none is said."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text if _TIME.fullmatch(text) else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Impossible("must be a time such as Sat, 22 Nov 2025 02:30:00 +0000", field="Timestamp") from error
