"""The provider cloudevents: three ways to send an envelope, and a signature that has to cover it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from badge_bridge.errors import (
    DeliveryRefused,
    Impossible,
    Malformed,
    MethodNotAllowed,
    Unauthenticated,
    UnsupportedMediaType,
)
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, NoSample, SampleCall
from badge_bridge.sources.cloudevents import CloudEvents, CloudEventsOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = 1_763_778_600.0
SECRET = "token-0123456789"
BEARER = ("authorization", f"Bearer {SECRET}")
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "call.missed",
    "source": "/pbx/1",
    "id": "evt-1",
    "time": "2025-11-22T05:30:00+03:00",
    "subject": "queue-1",
    "tenant": "acme",
    "datacontenttype": "application/json",
    "data": {
        "direction": "inbound",
        "from": "030 901820",
        "to": "+4989654321",
        "seconds": 0,
        "mail": "anna@example.com",
    },
}
CE = tuple((f"ce-{name}", value) for name, value in EVENT.items() if name not in ("data", "datacontenttype"))
MAPPING = {
    "direction": "body.direction",
    "caller": "body.from",
    "callee": "body.to",
    "duration": "body.seconds",
    "email": "body.mail",
}


def source(**options: Any) -> CloudEvents:
    given = {"provider": "cloudevents", "verify": {"scheme": "bearer"}, "secrets": [SECRET], "country": "DE", **options}
    built = build("pbx", CloudEventsOptions.model_validate(given))
    assert isinstance(built, CloudEvents)
    return built


def signed(**options: Any) -> CloudEvents:
    return source(verify={"scheme": "hmac", "header": "X-Signature"}, **options)


def sent(body: Any, media: str = STRUCTURED, *headers: tuple[str, str]) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery("POST", "", (("content-type", media), BEARER, *headers), raw, NOW)


def read(delivery: Delivery, **options: Any) -> Event:
    pbx = source(**options)
    assert pbx.verify(delivery) == "bearer token"
    (reading,) = pbx.read(delivery)
    return reading.event


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["provider"] == "cloudevents"], ids=lambda vector: vector["id"]
)
def test_vector_is_read_as_published(vector: dict[str, Any]) -> None:
    """What the published library reads is read here alike."""
    delivery = Delivery("POST", "", [*vector["headers"].items(), BEARER], vector["body"].encode(), NOW)
    event = read(delivery, event={"direction": "body.direction", "caller": "body.from"})
    assert (event.type, event.id, event.direction) == ("com.example.call.missed", "evt-1", "inbound")
    assert event.time == datetime(2025, 11, 22, 2, 30, tzinfo=UTC)
    assert event.subject == "+15558675309"
    (reading,) = source().read(delivery)
    assert reading.identity == ("/pbx/1", "evt-1")


@pytest.mark.parametrize(
    "delivery",
    [
        sent(EVENT),
        sent(EVENT, STRUCTURED + "; charset=utf-8"),
        sent([EVENT], BATCH),
        sent(EVENT["data"], "application/json", *CE),
    ],
    ids=["structured", "with charset", "batch", "binary"],
)
def test_event_is_the_same_in_each_mode(delivery: Delivery) -> None:
    """How the envelope is sent does not change what it holds."""
    event = read(delivery, event=MAPPING)
    assert (event.type, event.outcome, event.provider) == ("call.missed", "missed", "cloudevents")
    assert (event.subject, event.line, event.duration, event.email) == (
        "+4930901820",
        "+4989654321",
        0,
        "anna@example.com",
    )
    assert event.time == datetime(2025, 11, 22, 2, 30, tzinfo=UTC)
    assert event.data["from"] == "030 901820"
    assert event.data["cloudevent"] == {name: value for name, value in EVENT.items() if name != "data"}


def test_batch_makes_an_event_each() -> None:
    """All of a batch are read, in their order; an empty one is none."""
    several = [{**EVENT, "id": f"evt-{number}"} for number in range(3)]
    assert [reading.event.id for reading in source().read(sent(several, BATCH))] == ["evt-0", "evt-1", "evt-2"]
    assert source().read(sent([], BATCH)) == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"[",
        b"[]]",
        b'[],"batch":[]',
        b'[],"x":[]',
        b"[{}",
        b'"[]"',
        b"null",
        json.dumps([EVENT] * 101).encode(),
    ],
)
def test_odd_batch_is_malformed(body: bytes) -> None:
    """A batch is an array of a hundred objects at most, and nothing beside it."""
    with pytest.raises(Malformed):
        source().read(sent(body, BATCH))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"),
        ('"Euro%20%E2%82%AC"', "Euro \u20ac"),
        ('"a\\"b\\\\"', 'a"b\\'),
        ("%2541", "%41"),
    ],
)
def test_headers_are_unquoted_and_decoded_once(header: str, value: str) -> None:
    """The examples of the specification, and an escape of an escape."""
    event = read(sent(b"", "application/json", *CE, ("ce-note", header)))
    assert event.data["cloudevent"]["note"] == value


@pytest.mark.parametrize(
    ("body", "media", "data"),
    [
        (b"[1]", "application/json", {"data": [1]}),
        (b"5", "application/x+json", {"data": 5}),
        (b"hello", "text/plain", {"data": "hello"}),
        (b"", "", {}),
    ],
)
def test_data_that_is_no_object_is_kept(body: bytes, media: str, data: dict[str, Any]) -> None:
    """An expression finds it under body.data."""
    event = read(sent(body, media, *CE))
    assert {name: value for name, value in event.data.items() if name != "cloudevent"} == data


def test_structured_data_may_be_base64() -> None:
    """What is no JSON is kept as it came."""
    event = read(sent({**{name: EVENT[name] for name in EVENT if name != "data"}, "data_base64": "AAE="}))
    assert event.data["data_base64"] == "AAE="


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"id": "x" * 501}, "id"),
        ({"source": None}, "source"),
        ({"type": ["a"]}, "type"),
        ({"type": "a b"}, "type"),
        ({"type": "call.*"}, "type"),
    ],
)
def test_envelope_without_what_it_needs_is_impossible(change: dict[str, Any], field: str) -> None:
    """What names and identifies an event must be there."""
    with pytest.raises(Impossible) as caught:
        source().read(sent({**EVENT, **change}))
    assert caught.value.field == field


@pytest.mark.parametrize("missing", ["ce-specversion", "ce-id", "ce-source", "ce-type"])
def test_binary_mode_needs_its_headers(missing: str) -> None:
    """The same in headers; a header that contradicts itself is as good as none."""
    kept = [pair for pair in CE if pair[0] != missing]
    for odd in (kept, [*CE, (missing, "other")], [*kept, (missing, "%ff")]):
        with pytest.raises(Impossible):
            source().read(sent(b"{}", "application/json", *odd))


@pytest.mark.parametrize("time", ["soon", "2025-11-22T05:30:00", 5, None])
def test_odd_time_does_not_lose_an_event(time: Any) -> None:
    """Then the event is of the moment at which it came."""
    assert read(sent({**EVENT, "time": time})).time.timestamp() == NOW


def test_mapping_comes_before_the_envelope() -> None:
    """Subject and time are the event's own unless the rules file says where better ones are."""
    assert read(sent(EVENT)).subject == "queue-1"
    mapped = read(
        sent(EVENT),
        event={"subject": "body.mail", "time": "1763778000", "reason": "headers['x-why']", "outcome": "'late'"},
    )
    assert (mapped.subject, mapped.time.timestamp(), mapped.reason, mapped.outcome) == (
        "anna@example.com",
        1763778000,
        "",
        "late",
    )
    with pytest.raises(Impossible, match="direction"):
        source(event={"direction": "body.from"}).read(sent(EVENT))


def test_identity_is_source_and_id() -> None:
    """As the specification says; a repeat in another mode or with another type is the same event."""
    pbx = source()

    def identity(**change: Any) -> tuple[str, ...]:
        return pbx.read(sent({**EVENT, **change}))[0].identity

    assert identity() == identity(type="other") == pbx.read(sent(b"", "", *CE))[0].identity
    assert len({identity(), identity(id="evt-2"), identity(source="/pbx/2")}) == 3


def test_signature_covers_the_envelope() -> None:
    """Of a structured event or a batch all is body; each changed byte is refused."""
    raw = json.dumps(EVENT).encode()
    mac = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    pbx, delivery = signed(), sent(raw, STRUCTURED, ("x-signature", mac))
    assert pbx.binds == ("body",)
    assert pbx.verify(delivery) == "hmac-sha256 over body"
    assert pbx.read(delivery)[0].event.id == "evt-1"
    for wrong in (
        replace(delivery, body=raw.replace(b"evt-1", b"evt-2")),
        replace(delivery, headers=delivery.headers[:-1]),
        replace(delivery, headers=[*delivery.headers, ("x-signature", "00")]),
    ):
        with pytest.raises(Unauthenticated):
            pbx.verify(wrong)
    assert signed(secrets=["old", SECRET]).verify(delivery)
    with pytest.raises(Unauthenticated):
        signed(secrets=["old"]).verify(delivery)


@pytest.mark.parametrize(("age", "accepted"), [(299, True), (301, False), (-299, True), (-301, False)])
def test_standard_webhooks_have_five_minutes(age: int, accepted: bool) -> None:
    """A scheme with a time refuses what is stale or from the future."""
    key = b"0123456789abcdef0123456789abcdef"
    raw, at = json.dumps(EVENT).encode(), str(int(NOW) - age)
    mac = base64.b64encode(hmac.digest(key, f"m1.{at}.".encode() + raw, "sha256")).decode()
    headers = (("webhook-id", "m1"), ("webhook-timestamp", at), ("webhook-signature", f"v1,{mac}"))
    pbx = source(verify={"scheme": "standard-webhooks"}, secrets=["whsec_" + base64.b64encode(key).decode()])
    if accepted:
        assert pbx.verify(sent(raw, STRUCTURED, *headers))
    else:
        with pytest.raises(Unauthenticated):
            pbx.verify(sent(raw, STRUCTURED, *headers))


def test_binary_mode_is_refused_where_a_body_is_signed() -> None:
    """A captured body could otherwise come again under an id of somebody else's choice."""
    with pytest.raises(UnsupportedMediaType, match="does not cover"):
        signed().read(sent(EVENT["data"], "application/json", *CE))


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/cloudevents+xml", b"<x/>"),
        ("application/cloudevents", b"{}"),
        ("application/octet-stream", b"\xff"),
        (STRUCTURED + "; charset=latin-1", b"{}"),
    ],
)
def test_other_formats_are_refused(media: str, body: bytes) -> None:
    """The producer is told that this format is not taken."""
    with pytest.raises(UnsupportedMediaType):
        source().read(sent(body, media, *CE))


@pytest.mark.parametrize("media", [STRUCTURED, BATCH, "application/json", "", "text/plain"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{", b"{" * 5_000, b'1,"x":2', b'1,"data":2', b'{"a":NaN}', b'{"a":"\\ud800"}']
)
def test_broken_body_is_refused(media: str, body: bytes) -> None:
    """Whatever comes without an envelope ends as a refusal, or as no event."""
    if (media, body) == (BATCH, b"[]"):
        assert source().read(sent(body, media)) == ()
        return
    with pytest.raises(DeliveryRefused):
        source().read(sent(body, media))


def test_wrong_token_is_refused() -> None:
    """The token counts as a whole."""
    for headers in ((), (("authorization", f"Bearer {SECRET}x"),), (BEARER, ("authorization", "Bearer x"))):
        with pytest.raises(Unauthenticated):
            source().verify(replace(sent(EVENT), headers=headers))


def test_question_of_the_producer_is_answered() -> None:
    """The producer may send, from its origin and as fast as it likes."""
    asked = Delivery("OPTIONS", "", (("webhook-request-origin", "events.example.com"),), b"", NOW)
    reply = source().handshake(asked)
    assert reply is not None
    assert reply.status == 200
    assert reply.headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert reply.headers["WebHook-Allowed-Rate"] == "*"
    assert source().handshake(sent(EVENT)) is None


@pytest.mark.parametrize("origin", [None, "", "a b", "a\r\nx: y", "\u00fc", "x" * 256])
def test_options_without_the_question_is_not_allowed(origin: str | None) -> None:
    """Nothing that could not stand in a header comes back in one."""
    headers = () if origin is None else (("webhook-request-origin", origin),)
    with pytest.raises(MethodNotAllowed, match="WebHook-Request-Origin"):
        source().handshake(Delivery("OPTIONS", "", headers, b"", NOW))


def test_options_are_checked() -> None:
    """Secrets have to fit the scheme, and expressions have to compile, when the rules file is loaded."""
    with pytest.raises(ValidationError, match="user:password") as caught:
        source(verify={"scheme": "basic"}, secrets=["lone-secret-0123"])
    assert "lone-secret-0123" not in str(caught.value)
    for odd in ({"caller": "body."}, {"type": "'x'"}, {"id": "'x'"}):
        with pytest.raises(ValidationError, match="event"):
            source(event=odd)


def test_weakness_is_told_and_secret_shows_nowhere() -> None:
    """A token protects nothing of an event; a signature of the body needs no word of caution."""
    pbx, event = source(), read(sent(EVENT))
    assert SECRET not in repr(event) + repr(pbx.options) + event.model_dump_json()
    assert any("nothing of an event" in caution for caution in pbx.options.cautions())
    assert signed().options.cautions() == ()


def test_there_is_no_sample() -> None:
    """What a producer writes of a call is its own choice."""
    with pytest.raises(NoSample, match="pbx"):
        source().sample(SampleCall(id="a1", outcome="missed", at=NOW, now=NOW))
