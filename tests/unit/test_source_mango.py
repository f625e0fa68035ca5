"""The provider mango: a digest over key, JSON and salt; the path names the event, and the JSON identifies it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from badge_bridge.errors import BodyTooLarge, DeliveryRefused, Impossible, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.mango import Mango, MangoOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = 1_763_778_600.0
KEY, SALT = "key-0123456789", "salt-0123456789"
FORM = ("content-type", "application/x-www-form-urlencoded")
SUMMARY: dict[str, Any] = {
    "entry_id": "MzQ1Mzc1MzUxMzoxNjE=",
    "call_direction": 1,
    "from": {"number": "79991234567"},
    "to": {"extension": "101", "number": "sip:user@vpbx.mangosip.ru"},
    "line_number": "74951234567",
    "create_time": 1763778580,
    "forward_time": 1763778585,
    "talk_time": 0,
    "end_time": 1763778600,
    "entry_result": 0,
    "disconnect_reason": 1110,
}
CALL = {
    "entry_id": "MzQ1Mzc1MzUxMzoxNjE=",
    "call_id": "c1",
    "seq": 1,
    "timestamp": 1763778581,
    "call_state": "Appeared",
}


def source(**options: Any) -> Mango:
    built = build("pbx", MangoOptions.model_validate({"provider": "mango", "secrets": [f"{KEY}:{SALT}"], **options}))
    assert isinstance(built, Mango)
    return built


def signed(text: str, *, path: str = "/events/summary", key: str = KEY, salt: str = SALT) -> Delivery:
    sign = hashlib.sha256((key + text + salt).encode()).hexdigest()
    body = urlencode({"vpbx_api_key": key, "sign": sign, "json": text}).encode()
    return Delivery("POST", "", (FORM,), body, NOW, path=path)


def summary(**change: Any) -> Delivery:
    return signed(json.dumps({**SUMMARY, **change}))


def read(delivery: Delivery) -> Event:
    pbx = source()
    assert pbx.verify(delivery) == "sha256 over fields"
    (reading,) = pbx.read(delivery)
    return reading.event


def identity(delivery: Delivery) -> tuple[str, ...]:
    (reading,) = source().read(delivery)
    return reading.identity


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["provider"] == "mango"], ids=lambda vector: vector["id"]
)
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """What the published library signs is accepted as it came, and not with other JSON."""
    path = urlsplit(vector["url"]).path.removeprefix("/telephony/mango")
    delivery = Delivery("POST", "", (FORM,), vector["body"].encode(), NOW, path=path)
    pbx = source(secrets=[vector["secret"]])
    assert vector["valid"]
    assert pbx.verify(delivery)
    (reading,) = pbx.read(delivery)
    assert (reading.event.type, reading.event.reason) == ("call.missed", "disconnect_reason 1110")
    assert reading.event.subject == "+79991234567"
    assert reading.identity == ("summary", "MzQ1Mzc1MzUxMzoxNjE=")
    with pytest.raises(Unauthenticated):
        pbx.verify(replace(delivery, body=delivery.body.replace(b"79991234567", b"79991234568")))


@pytest.mark.parametrize(
    ("change", "kind", "direction"),
    [
        ({}, "call.missed", "inbound"),
        ({"call_direction": "1", "entry_result": "0", "talk_time": "0"}, "call.missed", "inbound"),
        ({"disconnect_reason": None}, "call.missed", "inbound"),
        ({"entry_result": 1, "talk_time": 1763778590}, "call.answered", "inbound"),
        ({"entry_result": 1, "talk_time": 1763778590, "to": {"number": "79990000000"}}, "call.unknown", "inbound"),
        ({"talk_time": 1763778590}, "call.unknown", "inbound"),
        ({"talk_time": 10}, "call.unknown", "inbound"),
        ({"talk_time": None}, "call.unknown", "inbound"),
        ({"entry_result": 2}, "call.unknown", "inbound"),
        ({"call_direction": 2}, "call.failed", "outbound"),
        ({"call_direction": 2, "entry_result": 1, "talk_time": 1763778590}, "call.answered", "outbound"),
        ({"call_direction": 0}, "call.unknown", "internal"),
    ],
)
def test_summary_is_judged(change: dict[str, Any], kind: str, direction: str) -> None:
    """Missed is what came in, without a result and without a conversation; what contradicts itself is unknown."""
    event = read(summary(**change))
    assert (event.type, event.direction) == (kind, direction)


def test_parties_and_times_are_read() -> None:
    """The customer is at the other end than our line; `talk_time` is a moment, and the conversation lasts from it on."""
    event = read(summary(entry_result=1, talk_time=1763778590))
    assert (event.subject, event.line, event.duration) == ("+79991234567", "+74951234567", 10)
    assert event.time == datetime.fromtimestamp(1763778580, UTC)
    out = {"call_direction": 2, "from": {"extension": "101"}, "to": {"number": "79991234567"}}
    event = read(summary(**out))
    assert (event.subject, event.line) == ("+79991234567", "+74951234567")


def test_odd_fields_do_not_lose_a_call() -> None:
    """What decides nothing is passed over."""
    event = read(summary(create_time="noon", line_number=[], end_time={}, **{"from": "x"}))
    assert (event.type, event.caller, event.time) == ("call.missed", "", datetime.fromtimestamp(NOW, UTC))
    event = read(summary(entry_result=1, talk_time=1763778590, end_time=5))
    assert (event.type, event.duration) == ("call.answered", None)
    assert event.data["notes"] == ["end_time cannot be read: 5"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"entry_id": ""}, "entry_id"),
        ({"entry_id": "x" * 501}, "entry_id"),
        ({"call_direction": 3}, "call_direction"),
        ({"call_direction": None}, "call_direction"),
        ({"call_direction": True}, "call_direction"),
        ({"entry_result": "yes"}, "entry_result"),
        ({"entry_result": []}, "entry_result"),
    ],
)
def test_summary_without_what_decides_is_impossible(change: dict[str, Any], field: str) -> None:
    """Which call, of which direction, ended how: without one of them there is no event."""
    with pytest.raises(Impossible) as caught:
        source().read(summary(**change))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/events/call", "mango.call"),
        ("/events/record/added", "mango.record.added"),
        ("/events/sms/", "mango.sms"),
    ],
)
def test_other_events_are_named_by_their_path(path: str, kind: str) -> None:
    """Rules can name whatever Mango Office tells of."""
    event = read(signed(json.dumps(CALL), path=path))
    assert (event.type, event.id, event.time) == (kind, "c1", datetime.fromtimestamp(1763778581, UTC))


@pytest.mark.parametrize(
    "path", ["", "/", "/events", "/events/", "/summary", "/events/a b", "/events/../x", "/events//x", "/events/A"]
)
def test_path_that_names_no_event_is_impossible(path: str) -> None:
    """Nothing is guessed of a notification whose event is not said."""
    with pytest.raises(Impossible, match="path"):
        source().read(signed(json.dumps(SUMMARY), path=path))


def test_call_is_no_summary_under_its_path() -> None:
    """The path is not signed: what does not say how a call ended, does not become an end by it."""
    with pytest.raises(Impossible):
        source().read(signed(json.dumps(CALL), path="/events/summary"))


PATHS = ["/events/call", "/events/record/added", "/events/x"]


def test_captured_signature_makes_no_second_event() -> None:
    """Under whatever path a captured notification comes again, it is the same event."""
    assert len({identity(signed(json.dumps(CALL), path=path)) for path in PATHS}) == 1


@pytest.mark.parametrize("path", PATHS)
def test_summary_is_nothing_else_under_another_path(path: str) -> None:
    """Whoever has it first could have it known as another event, and its call lost as a duplicate."""
    with pytest.raises(Impossible, match="names another event than a summary"):
        source().read(signed(json.dumps(SUMMARY), path=path))


def test_other_events_have_other_identities() -> None:
    """States of one call differ in what they say; another entry is another call."""
    several = [signed(json.dumps({**CALL, "seq": seq}), path="/events/call") for seq in (1, 2)]
    assert len({identity(delivery) for delivery in [*several, summary(), summary(entry_id="another")]}) == 4
    assert identity(summary()) == identity(summary(disconnect_reason=1))


def body_of(**change: str | None) -> bytes:
    text = json.dumps(SUMMARY)
    fields = {"vpbx_api_key": KEY, "sign": hashlib.sha256((KEY + text + SALT).encode()).hexdigest(), "json": text}
    return urlencode({name: value for name, value in {**fields, **change}.items() if value is not None}).encode()


@pytest.mark.parametrize(
    "body",
    [
        body_of(vpbx_api_key="another"),
        body_of(vpbx_api_key=None),
        body_of(sign=None),
        body_of(sign=""),
        body_of(sign="ü"),
        body_of(sign="ab" * 32),
        body_of(json=None),
        body_of(json="{}"),
        body_of(json=json.dumps(SUMMARY) + " "),
        body_of() + b"&sign=" + b"ab" * 32,
        body_of() + b"&vpbx_api_key=x",
        body_of() + b"&json=%7B%7D",
    ],
)
def test_changed_part_is_refused(body: bytes) -> None:
    """Key, sign and JSON are each needed once and as they were sent."""
    assert source().verify(replace(summary(), body=body_of()))
    with pytest.raises(Unauthenticated):
        source().verify(replace(summary(), body=body))


def test_other_request_is_refused() -> None:
    """A notification is a form that is posted."""
    for odd in (
        replace(summary(), method="GET"),
        replace(summary(), headers=()),
        replace(summary(), headers=(FORM, ("content-type", "text/plain"))),
    ):
        with pytest.raises(Unauthenticated):
            source().verify(odd)


def test_secrets_can_be_rotated() -> None:
    """Any of several pairs counts, with its own key only."""
    assert source(secrets=[f"{KEY}:older", f"{KEY}:{SALT}"]).verify(summary())
    for wrong in (["old:older"], [f"{KEY}:older"], [f"old:{SALT}", f"{KEY}:older"]):
        with pytest.raises(Unauthenticated):
            source(secrets=wrong).verify(summary())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a":1,"a":2}', '{"a":NaN}', "[" * 5_000, '{"a":"\\ud800"}'])
def test_broken_json_is_refused(text: str) -> None:
    """It is signed all the same, and still makes no event."""
    delivery = signed(text)
    assert source().verify(delivery)
    with pytest.raises(DeliveryRefused):
        source().read(delivery)


@pytest.mark.parametrize("body", [b"", b"\xff", b"json=%ff", b"x", b"&".join([b"a=1"] * 2_000)])
def test_broken_body_is_refused(body: bytes) -> None:
    """Nothing that cannot be read is believed, or gets any further."""
    broken = replace(summary(), body=body)
    with pytest.raises(Unauthenticated):
        source().verify(broken)
    with pytest.raises(DeliveryRefused):
        source().read(broken)


def test_large_body_is_not_read() -> None:
    """Notifications are small."""
    with pytest.raises(BodyTooLarge):
        source().verify(replace(summary(), body=b"a=" + b"1" * 65_536))


@pytest.mark.parametrize(
    ("path", "method", "answered"),
    [
        ("/ping", "POST", True),
        ("/ping", "GET", True),
        ("/events/ping", "POST", True),
        ("/events/summary", "POST", False),
        ("", "GET", False),
    ],
)
def test_ping_is_answered(path: str, method: str, answered: bool) -> None:
    """Whoever asks is told that somebody is there, and nothing else."""
    reply = source().handshake(replace(summary(), path=path, method=method, body=b""))
    assert (reply is not None) == answered
    assert reply is None or (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_tells_of_its_call(outcome: Any) -> None:
    """What is sent to try a set-up passes the same checks as the provider's deliveries."""
    (delivery,) = source().sample(SampleCall(id="a1", outcome=outcome, at=NOW - 20, now=NOW))
    event = read(delivery)
    assert (event.type, event.time.timestamp()) == (f"call.{outcome}", NOW - 20)
    assert (event.caller, event.line, event.duration) == (
        "+4930901820",
        "+4989654321",
        20 if outcome == "answered" else 0,
    )
