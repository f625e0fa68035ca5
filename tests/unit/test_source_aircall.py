"""The provider aircall: a token in the body, and the end of a call judged by its facts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from badge_bridge.sources import Delivery, Reading
from support.provider_checks import NOW, assert_refused, assert_unreadable, made, of_vector, vectors

TOKEN = "45XXYYZZa08"
CALL = {
    "id": 812,
    "direction": "inbound",
    "status": "done",
    "missed_call_reason": "agents_did_not_answer",
    "started_at": 1763778580,
    "answered_at": None,
    "ended_at": 1763778600,
    "duration": 20,
    "raw_digits": "+1 555-867-5309",
    "voicemail": None,
    "number": {"digits": "+1 555-867-5310"},
}


def posted(token: Any = TOKEN, event: str = "call.ended", timestamp: Any = 1763778630, **call: Any) -> Delivery:
    body = {"resource": "call", "event": event, "timestamp": timestamp, "token": token, "data": {**CALL, **call}}
    return raw(json.dumps(body).encode())


def raw(body: bytes) -> Delivery:
    return Delivery("POST", "", [("content-type", "application/json")], body, NOW)


def read(delivery: Delivery) -> Reading:
    (reading,) = made("aircall", TOKEN).read(delivery)
    return reading


@pytest.mark.parametrize("vector", vectors("aircall"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The webhook's token is accepted, another is not."""
    source, delivery = made("aircall", vector["secret"]), of_vector(vector)
    if not vector["valid"]:
        assert_refused(source, delivery)
        return
    assert source.verify(delivery) == "webhook token"
    assert source.read(delivery)[0].event.type == "call.missed"


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({}, "call.missed", "agents_did_not_answer"),
        ({"missed_call_reason": "out_of_opening_hours"}, "call.missed", "out_of_opening_hours"),
        ({"missed_call_reason": None}, "call.missed", "no_answer"),
        ({"missed_call_reason": ["x"]}, "call.missed", "no_answer"),
        ({"voicemail": "https://x/1.mp3"}, "call.voicemail", "agents_did_not_answer"),
        ({"answered_at": 1763778585, "missed_call_reason": None}, "call.answered", ""),
        ({"answered_at": 1763778585}, "call.unknown", "answered, and agents_did_not_answer"),
        ({"answered_at": "soon"}, "call.unknown", "answered_at cannot be read"),
        ({"direction": "outbound", "missed_call_reason": None}, "call.failed", "no_answer"),
        ({"direction": "sideways"}, "call.unknown", "agents_did_not_answer, but the direction is not known"),
        ({"direction": None}, "call.unknown", "agents_did_not_answer, but the direction is not known"),
        ({"status": "answered"}, "call.unknown", "the call's status is not done"),
    ],
)
def test_ended_call_is_judged(change: dict[str, Any], kind: str, reason: str) -> None:
    """Missed is inbound, done, and answered by nobody; contradictions are unknown."""
    event = read(posted(**change)).event
    assert (event.type, event.reason) == (kind, reason)


def test_call_without_answered_at_is_unknown() -> None:
    """A field that is not there does not say that nobody answered."""
    call = {key: value for key, value in CALL.items() if key != "answered_at"}
    body = {"event": "call.ended", "timestamp": 1, "token": TOKEN, "data": call}
    assert read(raw(json.dumps(body).encode())).event.type == "call.unknown"


def test_numbers_times_and_conversation_are_read() -> None:
    """Numbers come with spaces, and the conversation begins when somebody answers."""
    event = read(posted(answered_at=1763778585, missed_call_reason=None)).event
    assert (event.caller, event.line, event.duration) == ("+15558675309", "+15558675310", 15)
    assert event.time.timestamp() == 1763778580
    outbound = read(posted(direction="outbound")).event
    assert (outbound.callee, outbound.line) == ("+15558675309", "+15558675310")


def test_odd_values_lose_no_call() -> None:
    """What decides nothing is passed over with a note; Aircall switches off a webhook that refuses."""
    event = read(posted(started_at="soon", ended_at=-1, raw_digits=["x"], number=7, timestamp=None)).event
    assert event.type == "call.missed"
    assert len(event.data["notes"]) >= 2


def test_retry_is_the_same_event_and_others_are_not() -> None:
    """A call ends once, whenever that is told; another event is unique by its time too. The token has no part in it."""
    first = read(posted()).identity
    assert first == read(posted(token="rotated")).identity == ("call.ended", "812")
    assert first == read(posted(timestamp=1763778631)).identity
    others = [posted(event="call.hungup"), posted(id=813), posted(event="call.hungup", timestamp=1763778631)]
    assert len({first, *(read(other).identity for other in others)}) == 4


def test_broken_bodies_are_refused() -> None:
    """What names no event, or ends no call, is refused."""
    bad = [posted(id=None), posted(id=[1]), posted(event="a b"), posted(event="")]
    assert_unreadable(made("aircall", TOKEN), bad)
