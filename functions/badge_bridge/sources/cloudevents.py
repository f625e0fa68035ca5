"""CloudEvents 1.0 over HTTP: structured, binary and in batches, checked in one of the ways of the generic provider.

Sources: CloudEvents 1.0 "HTTP Protocol Binding", "JSON Event Format" and "HTTP 1.1 Web Hooks for Event Delivery".
CloudEvents is an envelope and signs nothing. In binary mode the envelope is headers, which no signature of a body
covers, so that it is taken only where the whole request rests on a token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, cast
from urllib.parse import unquote

from pydantic import ConfigDict, Field, field_validator

from badge_bridge.errors import Impossible, Malformed, MethodNotAllowed, UnsupportedMediaType
from badge_bridge.events import Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.credentials import Secrets
from badge_bridge.sources.event_types import check_type, outcome_of
from badge_bridge.sources.generic_verify import Verify, check_secrets, sample_of
from badge_bridge.sources.mapping import AnyExpression, EventExpressions, EventFields, EventReader, NumberExpression
from badge_bridge.sources.phone_numbers import parties, read_number

__all__ = ["CloudEvents", "CloudEventsMapping", "CloudEventsOptions"]

_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_ENVELOPE = "application/cloudevents"
_PREFIX = "ce-"
_MAX_BATCH = 100
_MAX_NAME = 500
_ORIGIN = re.compile(r"[\x21-\x7e]{1,255}")
_ESCAPED = re.compile(r"\\(.)")
_BODY = ("data", "data_base64")


class CloudEventsMapping(EventExpressions):
    """The expressions under `event:`. Type, id and source are the event's own."""

    subject: NumberExpression | None = Field(
        default=None,
        description="CEL for whom it is about; by default the customer's phone number, or the event's subject.",
    )
    time: AnyExpression | None = Field(
        default=None, description="CEL for when it happened; by default the event's time, or now."
    )


class CloudEventsOptions(SourceOptions):
    """A source that any producer of CloudEvents can call."""

    model_config = ConfigDict(hide_input_in_errors=True)

    names_types: ClassVar = True

    provider: Literal["cloudevents"]
    verify: Verify
    secrets: Secrets
    event: CloudEventsMapping = Field(
        default=CloudEventsMapping(),
        description=(
            "CEL expressions over body (the event's data), headers, query and received (unix seconds), "
            "one for each field."
        ),
    )

    _secrets_fit_the_scheme = field_validator("secrets")(check_secrets)

    def outcome_is_of_type(self) -> bool:
        return self.event.outcome is None

    def cautions(self) -> Sequence[str]:
        if self.verify.signed:
            return ()
        told = (
            f"{self.verify.scheme} proves who sends, and protects nothing of an event: let its producer call https only"
        )
        return (told,)


class CloudEvents(Source[CloudEventsOptions]):
    """Reads events; their types are the producer's."""

    options_type: ClassVar = CloudEventsOptions
    takes_any_body: ClassVar = True
    methods = frozenset({"OPTIONS", "POST"})

    def __init__(self, name: str, options: CloudEventsOptions) -> None:
        super().__init__(name, options)
        self._verifier = options.verify.verifier(options.secrets)
        self._reader = EventReader(options.event)

    @property
    def binds(self) -> tuple[Part, ...]:
        return self.options.verify.binds

    def handshake(self, delivery: Delivery) -> Reply | None:
        """The producer's question whether it may send here, with `WebHook-Request-Origin`.

        Raises:
            MethodNotAllowed: OPTIONS without that question, or with an origin that is none.
        """
        if delivery.method != "OPTIONS":
            return None
        origin = delivery.header("webhook-request-origin") or ""
        if not _ORIGIN.fullmatch(origin):
            raise MethodNotAllowed(
                "OPTIONS is for the question of WebHook-Request-Origin, which is missing here", allowed={"POST"}
            )
        headers = {"Allow": "OPTIONS, POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
        return Reply(status=200, headers=headers)

    def _verify(self, delivery: Delivery) -> str:
        return self._verifier(delivery)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The events of a verified delivery.

        Raises:
            UnsupportedMediaType: another format than JSON, or binary mode where the signature is of the body.
            Malformed: the body cannot be parsed.
            Impossible: an attribute is missing or cannot be; names it.
        """
        mapped = self._reader.over(delivery)
        return tuple(self._reading(envelope, mapped, delivery.received_at) for envelope in self._envelopes(delivery))

    @property
    def samples_need_a_key(self) -> bool:
        return self.options.verify.is_public([secret.get_secret_value() for secret in self.options.secrets])

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        media = _BATCH if call.body.lstrip().startswith(b"[") else _STRUCTURED
        needed = ("specversion", "id", "source", "type")
        return sample_of(self.name, self.options.verify, self.options.secrets, media, call, reads=needed)

    def _envelopes(self, delivery: Delivery) -> Sequence[Mapping[str, Any]]:
        media = bodies.media_type(delivery)
        if media == _STRUCTURED:
            return (bodies.json_object(delivery.body),)
        if media == _BATCH:
            return _batch(delivery.body)
        if media.startswith(_ENVELOPE):
            raise UnsupportedMediaType(f"events are taken as {_STRUCTURED} and {_BATCH}")
        if self.options.verify.signed:
            raise UnsupportedMediaType(
                f"in binary mode the attributes are headers, which {self.options.verify.scheme} does not cover; "
                f"send {_STRUCTURED}"
            )
        return (_binary(delivery, media),)

    def _reading(
        self, envelope: Mapping[str, Any], mapped: Callable[[Mapping[str, Any]], EventFields], received_at: float
    ) -> Reading:
        if envelope.get("specversion") != "1.0":
            raise Impossible("must be 1.0", field="specversion")
        identifier, source = _required(envelope, "id"), _required(envelope, "source")
        kind = check_type(_required(envelope, "type"), field="type")
        event = self._event(kind, envelope, mapped(_data(envelope)), received_at)
        return Reading(event, identity=(source, identifier))

    def _event(self, kind: str, envelope: Mapping[str, Any], fields: EventFields, received_at: float) -> Event:
        attributes = {name: value for name, value in envelope.items() if name not in _BODY}
        country = self.options.country
        ends = parties(fields.direction, caller=fields.caller, callee=fields.callee, country=country)
        named = attributes.get("subject")
        return Event(
            id=_required(envelope, "id"),
            source=self.name,
            provider="cloudevents",
            type=kind,
            time=fields.time or _time(envelope) or datetime.fromtimestamp(received_at, UTC),
            subject=fields.subject or ends.subject or (named if isinstance(named, str) else ""),
            direction=fields.direction,
            outcome=fields.outcome or outcome_of(kind),
            reason=fields.reason,
            caller=ends.caller,
            callee=ends.callee,
            line=read_number(fields.line, country).text or ends.line,
            duration=fields.duration,
            email=fields.email,
            data={**_data(envelope), **ends.notes, "cloudevent": attributes},
        )


def _batch(body: bytes) -> Sequence[Mapping[str, Any]]:
    """The events of a JSON array."""
    if not body.strip(b" \t\r\n").startswith(b"["):
        raise Malformed("a batch must be a JSON array of events")
    # The reader takes objects: the array is made the only member of one, and must still be that afterwards.
    wrapped = bodies.json_object(b'{"batch":' + body + b"}")
    events = wrapped["batch"]
    if len(wrapped) != 1 or not all(isinstance(event, dict) for event in events):
        raise Malformed("a batch must be a JSON array of events")
    if len(events) > _MAX_BATCH:
        raise Malformed(f"a batch has at most {_MAX_BATCH} events")
    return cast("Sequence[Mapping[str, Any]]", events)


def _binary(delivery: Delivery, media: str) -> Mapping[str, Any]:
    """The envelope of headers, with the body as its data."""
    names = {name for name, _ in delivery.headers if name.startswith(_PREFIX)}
    envelope: dict[str, Any] = {}
    for name in sorted(names):
        value = delivery.header(name)
        if value is None:
            raise Impossible("is there several times, with different values", field=name)
        envelope[name.removeprefix(_PREFIX)] = _decoded(value, name)
    envelope = {name: value for name, value in envelope.items() if name not in _BODY}
    if not delivery.body:
        return envelope
    envelope["datacontenttype"] = media
    if bodies.is_json(media):
        return envelope | _wrapped_json(delivery.body)
    try:
        return envelope | {"data": delivery.body.decode("utf-8")}
    except UnicodeDecodeError as error:
        raise UnsupportedMediaType("the data must be JSON or text in UTF-8") from error


def _wrapped_json(body: bytes) -> dict[str, Any]:
    wrapped = bodies.json_object(b'{"data":' + body + b"}")
    if len(wrapped) != 1:
        raise Malformed("the body is not JSON")
    return wrapped


def _decoded(value: str, name: str) -> str:
    """The value of a header: without its quotes, then without its percent escapes, once."""
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise Impossible("has percent escapes that are not UTF-8", field=name) from error


def _required(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME:
        raise Impossible(f"must be a text of 1 to {_MAX_NAME} characters", field=name)
    return value


def _data(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """What expressions read as `body`: the data where it is an object, else an object around it."""
    data = envelope.get("data")
    if isinstance(data, dict):
        return data
    return {name: envelope[name] for name in _BODY if name in envelope}


def _time(envelope: Mapping[str, Any]) -> datetime | None:
    """The attribute `time`; an event is not lost over one that cannot be read."""
    value = envelope.get("time")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
