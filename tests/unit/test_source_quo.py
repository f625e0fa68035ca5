"""The provider quo: signed in the new way or the old one, and a completed call judged by its facts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from badge_bridge.sources import Delivery, Reading
from support.provider_checks import (
    NOW,
    assert_refused,
    assert_unreadable,
    made,
    of_vector,
    vectors,
    with_header,
)

OLD = "8vkqvedKpsdxdL9uJF9lq9kSU1BrXmG0dxAnO+3ybuA="
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
HEADER = "openphone-signature"
CALL = {"id": "AC1", "direction": "incoming", "answeredAt": None, "createdAt": "2025-11-22T02:29:40.000Z", "duration": 0, "participants": ["+15558675309"]}  # fmt: skip


def told(event: str = "call.completed", id: Any = "EV1", **call: Any) -> bytes:  # noqa: A002 - Quo's name
    return json.dumps(
        {"id": id, "createdAt": "2025-11-22T02:30:00Z", "type": event, "data": {"object": {**CALL, **call}}}
    ).encode()


def old(body: bytes, secret: str = OLD, at: float = NOW) -> Delivery:
    stamp = str(int(at * 1000))
    mac = hmac.new(base64.b64decode(secret), stamp.encode() + b"." + body, hashlib.sha256).digest()
    return Delivery("POST", "", [(HEADER, f"hmac;1;{stamp};{base64.b64encode(mac).decode()}")], body, NOW)


def new(body: bytes, identifier: str = "msg_1", secret: str = NEW, at: float = NOW) -> Delivery:
    signature = Webhook(secret).sign(identifier, datetime.fromtimestamp(at, UTC), body.decode())
    headers = [("webhook-id", identifier), ("webhook-timestamp", str(int(at))), ("webhook-signature", signature)]
    return Delivery("POST", "", headers, body, NOW)


def read(delivery: Delivery) -> Reading:
    (reading,) = made("quo", OLD, NEW).read(delivery)
    return reading


@pytest.mark.parametrize("vector", vectors("quo"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The old way as Quo's docs describe it is accepted."""
    source, delivery = made("quo", vector["secret"]), of_vector(vector)
    assert vector["valid"]
    assert source.verify(delivery) == "hmac-sha256 over body and time"
    event = source.read(delivery)[0].event
    assert (event.type, event.caller) == ("call.missed", "+15558675309")


def test_old_way_refuses_what_is_changed_or_old() -> None:
    """The header has one form, and its time is bound."""
    source, good = made("quo", OLD), old(told())
    source.verify(good)
    _, _, stamp, mac = (good.header(HEADER) or "").split(";")
    assert_refused(
        source,
        with_header(good, HEADER, f"hmac;1;{int(stamp) + 1};{mac}"),
        with_header(good, HEADER, f"hmac;2;{stamp};{mac}"),
        with_header(good, HEADER, f"hmac;1;{stamp};"),
        with_header(good, HEADER, f"hmac;1;now;{mac}"),
        new(told()),
    )


def test_new_way_refuses_what_is_changed_or_old() -> None:
    """Id and time are bound, as the standard's own library signs them."""
    source, good = made("quo", NEW), new(told())
    source.verify(good)
    assert_refused(
        source,
        with_header(good, "webhook-id", "msg_2"),
        with_header(good, "webhook-timestamp", str(int(NOW) + 1)),
        old(told()),
    )


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ({}, "call.missed"),
        ({"status": "completed"}, "call.missed"),
        ({"voicemail": {"url": "https://x"}}, "call.voicemail"),
        ({"answeredAt": "2025-11-22T02:29:45Z"}, "call.answered"),
        ({"answeredAt": "2025-11-22T02:29:45Z", "aiHandled": "ai-agent"}, "call.unknown"),
        ({"answeredAt": "soon"}, "call.unknown"),
        ({"direction": "outgoing"}, "call.failed"),
        ({"direction": None}, "call.unknown"),
    ],
)
def test_completed_call_is_judged(call: dict[str, Any], kind: str) -> None:
    """Missed is incoming and answered by nobody, in both ways of signing."""
    assert read(old(told(**call))).event.type == read(new(told(**call))).event.type == kind


def test_call_without_answered_at_is_unknown() -> None:
    """A payload of another shape does not say that nobody answered."""
    body = {"id": "EV1", "type": "call.completed", "data": {"direction": "incoming"}}
    assert read(new(json.dumps(body).encode())).event.type == "call.unknown"


@pytest.mark.parametrize(
    ("call", "ends"),
    [
        ({}, ("+15558675309", "")),
        ({"direction": "outgoing"}, ("", "+15558675309")),
        ({"from": "+15558675311", "to": "+15558675310"}, ("+15558675311", "+15558675310")),
        ({"participants": ["+15558675309", "+15558675310"]}, ("", "")),
        ({"participants": [{"x": 1}]}, ("", "")),
    ],
)
def test_customer_is_the_one_participant(call: dict[str, Any], ends: tuple[str, str]) -> None:
    """Where several take part and nobody is named, no number is guessed."""
    event = read(old(told(**call))).event
    assert (event.caller, event.callee) == ends


def test_retry_is_the_same_event_and_others_are_not() -> None:
    """Only what is signed names a delivery. A call ends once, however many webhooks tell of it, old or new; another
    event has the body's id in the old way, and the header's in the new one.
    """
    ended = [old(told()), old(told(), at=NOW + 60), new(told()), new(told(), identifier="msg_2"), old(told(id="EV2"))]
    assert {read(one).identity for one in ended} == {("call.completed", CALL["id"])}
    other = told().replace(b"call.completed", b"call.ringing")
    assert read(old(other)).identity == read(old(other, at=NOW + 60)).identity == ("EV1",)
    assert read(new(other)).identity == read(new(other, at=NOW + 60)).identity == ("msg_1",)
    assert read(
        old(json.dumps({**json.loads(told()), "data": {"object": {**CALL, "id": "AC2"}}}).encode())
    ).identity == ("call.completed", "AC2")


def test_broken_bodies_are_refused() -> None:
    """What has no id or names no event is refused."""
    bad = [old(told(id=None)), old(told(id=[1])), old(told("a b")), new(b"{}"), new(b"[]")]
    assert_unreadable(made("quo", OLD, NEW), bad)
