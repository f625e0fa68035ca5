"""The provider justcall: a signature over URL, type and time, and the end of a call by a table."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.justcall import JustCall, JustCallOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = datetime(2025, 11, 22, 2, 30, tzinfo=UTC).timestamp()
SENT = "2025-11-22 02:30:00"
SECRET = "an-api-secret-0123"
URL = "https://bridge.example.com/hooks/just(call)"
ESCAPED = "https%3A%2F%2Fbridge.example.com%2Fhooks%2Fjust(call)"
BODY: dict[str, Any] = {
    "request_id": "01HSGZRD0PHRCCHM46JRCRYMC4",
    "webhook_url": URL,
    "url_id": "65fc65d6d8b63be90aeee515",
    "type": "call.completed",
    "data": {
        "call_sid": "CA1",
        "contact_number": "491715550123",
        "justcall_number": "4989654321",
        "call_date": "2025-11-22",
        "call_time": "05:29:00",
        "call_info": {"direction": "Incoming", "type": "Missed"},
        "call_duration": {"ring_time": 20, "total_duration": 0},
    },
}


def source(**options: Any) -> JustCall:
    given = {"provider": "justcall", "secrets": [SECRET], "public_url": URL, "country": "DE", **options}
    built = build("phone", JustCallOptions.model_validate(given))
    assert isinstance(built, JustCall)
    return built


def signature(kind: str, at: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{secret}|{ESCAPED}|{kind}|{at}".encode(), hashlib.sha256).hexdigest()


def posted(body: dict[str, Any], at: str = SENT) -> Delivery:
    headers = (
        ("content-type", "application/json"),
        ("x-justcall-signature", signature(body.get("type", ""), at)),
        ("x-justcall-signature-version", "v1"),
        ("x-justcall-request-timestamp", at),
    )
    return Delivery("POST", "", headers, json.dumps(body).encode(), NOW)


def call(**data: Any) -> Delivery:
    return posted({**BODY, "data": {**BODY["data"], **data}})


def read(delivery: Delivery, **options: Any) -> Event:
    phone = source(**options)
    assert phone.verify(delivery) == "hmac-sha256 over fields and time"
    (reading,) = phone.read(delivery)
    return reading.event


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["provider"] == "justcall"], ids=lambda vector: vector["id"]
)
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """JustCall's own example is accepted at its time, whatever its data, and not an hour later."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    at = datetime(2024, 3, 21, 17, 8, 22, tzinfo=UTC).timestamp()
    delivery = Delivery("POST", "", headers, vector["body"].encode(), at)
    phone = source(secrets=[vector["secret"]], public_url=vector["url"])
    assert phone.verify(delivery)
    (reading,) = phone.read(delivery)
    assert reading.identity == ("call.completed", "01HSGZRD0PHRCCHM46JRCRYMC4")
    assert reading.event.type == "call.unknown"
    with pytest.raises(Unauthenticated):
        phone.verify(replace(delivery, received_at=at + 3600))


@pytest.mark.parametrize(
    ("direction", "kind", "expected"),
    [
        ("Incoming", "Missed", ("call.missed", "no_answer")),
        ("Incoming", "Abandoned", ("call.missed", "caller_cancelled")),
        ("Incoming", "Voicemail", ("call.voicemail", "")),
        ("Incoming", "Answered", ("call.answered", "")),
        ("incoming", "missed", ("call.missed", "no_answer")),
        ("Outgoing", "Answered", ("call.answered", "")),
        ("Outgoing", "Unanswered", ("call.failed", "no_answer")),
        ("Outgoing", "Voicemail", ("call.unknown", "Voicemail: a type of call that is not documented")),
        ("Sideways", "Missed", ("call.unknown", "no_answer, but the direction is not known")),
        (None, "Missed", ("call.unknown", "no_answer, but the direction is not known")),
        ("Incoming", "Blocked", ("call.unknown", "Blocked: a type of call that is not documented")),
        ("Incoming", ["Missed"], ("call.unknown", ": a type of call that is not documented")),
    ],
)
def test_end_of_a_call_is_judged(direction: Any, kind: Any, expected: tuple[str, str]) -> None:
    """Missed is what came in and is said to be missed; a word that is not known is unknown."""
    event = read(call(call_info={"direction": direction, "type": kind}))
    assert (event.type, event.reason) == expected


def test_parties_are_told_by_the_direction() -> None:
    """The contact is the customer, whoever called."""
    event = read(call())
    assert (event.subject, event.line, event.direction) == ("+491715550123", "+4989654321", "inbound")
    event = read(call(contact_number=491715550123, call_info={"direction": "Outgoing", "type": "Answered"}))
    assert (event.subject, event.line, event.direction) == ("+491715550123", "+4989654321", "outbound")


def test_time_is_read_in_the_zone_of_the_account() -> None:
    """Without the zone the time of a call is when it was told of."""
    assert read(call()).time.timestamp() == NOW
    assert read(call(), time_zone="Europe/Moscow").time == datetime(2025, 11, 22, 2, 29, tzinfo=UTC)


def test_odd_fields_do_not_lose_a_call() -> None:
    """What decides nothing is passed over, and the event says so."""
    event = read(call(contact_number=[1], call_duration={"total_duration": "a while"}))
    assert (event.type, event.caller, event.duration) == ("call.missed", "", None)
    assert len(event.data["notes"]) == 2
    assert read(call(call_duration={"total_duration": "12"})).duration == 12


def test_identity_is_that_of_the_request() -> None:
    """A repeat comes with a new time and counts once; another request is another event."""
    phone = source()
    again = posted(BODY, at="2025-11-22 02:31:00")
    assert phone.verify(again)
    assert phone.read(again)[0].identity == phone.read(call())[0].identity
    other = posted({**BODY, "request_id": "01HSGZRD0PHRCCHM46JRCRYMC5"})
    assert phone.read(other)[0].identity != phone.read(call())[0].identity


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": 5}, "request_id"),
        ({"request_id": "x" * 201}, "request_id"),
        ({"type": "a b"}, "type"),
        ({"type": "x" * 101}, "type"),
        ({"type": ""}, "type"),
    ],
)
def test_event_without_id_or_type_is_impossible(change: dict[str, Any], field: str) -> None:
    """What decides must be there."""
    with pytest.raises(Impossible) as caught:
        source().read(posted({**BODY, **change}))
    assert caught.value.field == field


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_tells_of_its_call(zone: str | None, outcome: Any) -> None:
    """What is sent to try a set-up passes the same checks as the provider's deliveries."""
    phone = source(time_zone=zone)
    (delivery,) = phone.sample(SampleCall(id="a1", outcome=outcome, at=NOW - 20, now=NOW))
    event = read(delivery, time_zone=zone)
    assert event.type == f"call.{outcome}"
    assert event.time.timestamp() == (NOW - 20 if zone else NOW)
    assert (event.caller, event.callee) == ("+4930901820", "+4989654321")
