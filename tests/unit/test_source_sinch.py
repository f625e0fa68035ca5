"""The provider sinch: signed request lines, and a call told by ice, ace and dice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.sources import Delivery, Reading, Source
from badge_bridge.sources.joining import LegEvent, judged_event
from support.provider_checks import (
    NOW,
    assert_refused,
    assert_unreadable,
    made,
    of_vector,
    vectors,
    with_header,
)

KEY = b"0123456789abcdef"
SECRET = "app-1:" + base64.b64encode(KEY).decode()
URL = "https://hooks.example.com/hooks/phone"
AUTH, TIME = "authorization", "x-timestamp"


def source(*secrets: str) -> Source[Any]:
    return made("sinch", *(secrets or (SECRET,)), public_url=URL)


def signed(
    body: bytes, *, key: bytes = KEY, app: str = "app-1", at: float = NOW, path: str = "/hooks/phone"
) -> Delivery:
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.1234567Z")
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    lines = "\n".join(["POST", md5, "application/json; charset=utf-8", f"x-timestamp:{stamp}", path])
    mac = base64.b64encode(hmac.new(key, lines.encode(), hashlib.sha256).digest()).decode()
    headers = [("content-type", "application/json; charset=utf-8"), (TIME, stamp), (AUTH, f"Application {app}:{mac}")]
    return Delivery("POST", "", headers, body, NOW)


def told(event: str, **call: Any) -> bytes:
    known = {"callid": "c1", "timestamp": "2025-11-22T02:30:00Z", "version": 1, "applicationKey": "app-1"}
    return json.dumps({"event": event, **known, **call}).encode()


def read(event: str, **call: Any) -> Reading:
    (reading,) = source().read(signed(told(event, **call)))
    return reading


@pytest.mark.parametrize("vector", vectors("sinch"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The example of Sinch's docs is accepted at its time, and refused with another body."""
    checked = made("sinch", vector["secret"], public_url=vector["url"])
    delivery = of_vector(vector, at=1_411_556_381.0)
    if not vector["valid"]:
        assert_refused(checked, delivery)
        return
    assert checked.verify(delivery) == "hmac-sha256 over body and time"
    event = checked.read(delivery)[0].event
    assert event.leg
    assert event.leg.human


def test_changed_lines_are_refused() -> None:
    """All signed lines are bound, and each secret counts for its own application."""
    several = source("app-2:" + base64.b64encode(b"x" * 16).decode(), SECRET)
    body = told("dice")
    good = signed(body)
    several.verify(good)
    assert_refused(
        several,
        replace(good, method="PUT"),
        with_header(good, "content-type", "application/json"),
        with_header(good, TIME, "2025-11-22T02:30:01Z"),
        with_header(good, AUTH, "service app-1:AAAA"),
        signed(body, app="app-2"),
        signed(body, app="app-3"),
        signed(body, path="/other"),
    )


@pytest.mark.parametrize(
    ("event", "call", "expected"),
    [
        ("ice", {}, ("customer", "started", "", "", False)),
        ("ace", {}, ("", "answered", "", "", True)),
        ("ace", {"amd": {"status": "machine"}}, ("machine", "answered", "", "", False)),
        ("dice", {"result": "ANSWERED"}, ("", "ended", "completed", "call", False)),
        ("dice", {"result": "NOANSWER", "reason": "TIMEOUT"}, ("", "ended", "no_answer", "call", False)),
        ("dice", {"result": "BUSY"}, ("", "ended", "busy", "call", False)),
        ("dice", {"result": "FAILED"}, ("", "ended", "failed", "call", False)),
        ("dice", {"result": "N/A", "reason": "CALLERHANGUP"}, ("", "ended", "cancelled", "call", False)),
        ("dice", {"result": "N/A", "reason": "BLOCKED"}, ("", "ended", "failed", "call", False)),
        ("dice", {"result": "NEW"}, ("", "ended", "completed", "call", False)),
    ],
)
def test_callback_is_a_leg(event: str, call: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Who picks up is told by an ace, and how a call ended by a dice."""
    leg = read(event, **call).event.leg
    assert leg is not None
    assert leg.call == "c1"
    assert (leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected


DID = {"type": "did", "endpoint": "+15558675310"}
TELEPHONE = {"type": "number", "endpoint": "+4930901820"}


@pytest.mark.parametrize(
    ("event", "call", "direction"),
    [
        ("ice", {"to": DID, "originationType": "PSTN"}, "inbound"),
        ("ice", {"to": TELEPHONE, "domain": "pstn"}, "inbound"),
        ("ice", {"to": TELEPHONE, "originationType": "MXP"}, "outbound"),
        ("ice", {"to": TELEPHONE, "domain": "mxp"}, "outbound"),
        ("ice", {"to": {"type": "username", "endpoint": "anna"}, "domain": "mxp"}, "inbound"),
        ("ace", {}, ""),
        ("dice", {"to": DID}, ""),
        ("dice", {"to": TELEPHONE}, "outbound"),
    ],
)
def test_direction_is_told_by_where_a_call_comes_from_and_whom_it_calls(
    event: str, call: dict[str, Any], direction: str
) -> None:
    """A call of an app to a telephone goes out; a dice is sent for calls of both directions."""
    assert read(event, **call).event.direction == direction


CAME_IN = ("ice", {"cli": "14083388064", "to": DID})
PICKED_UP = ("dice", {"result": "ANSWERED", "from": "+15558675310", "to": TELEPHONE})


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([PICKED_UP], ("call.answered", "outbound", "+4930901820")),
        ([CAME_IN, PICKED_UP], ("call.unknown", "inbound", "+14083388064")),
        ([("ace", {"amd": {"status": "machine"}}), PICKED_UP], ("call.unknown", "outbound", "+4930901820")),
        ([("dice", {"result": "NOANSWER", "to": TELEPHONE})], ("call.failed", "outbound", "+4930901820")),
    ],
)
def test_call_to_a_telephone_that_did_not_come_in_is_ours(
    steps: list[tuple[str, dict[str, Any]]], expected: tuple[str, ...]
) -> None:
    """What became of it is told by its end alone; one that came in stays so when it is connected to a telephone."""
    legs = [LegEvent(str(at), NOW, read(name, **call).event) for at, (name, call) in enumerate(steps)]
    for order in (legs, legs[::-1]):
        judged = judged_event(order)
        assert (judged.type, judged.direction, judged.subject) == expected


def test_retry_is_the_same_event_and_others_are_not() -> None:
    """Event, call and time make an event unique."""
    assert read("dice").identity == read("dice").identity
    others = [read("dice"), read("ace"), read("dice", callid="c2"), read("pie"), read("pie", timestamp="x")]
    assert len({reading.identity for reading in others}) == 5


def test_other_event_is_kept_without_the_key() -> None:
    """The application's key is no secret, and stays out of events all the same."""
    event = read("pie").event
    assert "app-1" not in repr(event)


def test_broken_bodies_are_refused() -> None:
    """What names no event, or no call, is refused."""
    bad = [told("dice", callid=None), told("dice", callid=[1]), told("a b"), told("")]
    assert_unreadable(source(), [signed(body) for body in bad])
