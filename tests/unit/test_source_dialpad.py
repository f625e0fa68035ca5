"""The provider dialpad: the body is a signed token, and each state of a call is a leg."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from badge_bridge.events import Event
from badge_bridge.sources import Delivery, Reading
from badge_bridge.sources.joining import LegEvent, judged_event
from support.provider_checks import BROKEN, NOW, assert_refused, assert_unreadable, made, of_vector, sample, vectors

SECRET = "dialpad-shared-secret-0123456789abcdef0123456789"
CALL: dict[str, Any] = {
    "call_id": 4989574836666368,
    "master_call_id": None,
    "entry_point_call_id": None,
    "state": "missed",
    "direction": "inbound",
    "external_number": "+15558675309",
    "internal_number": "+15558675310",
    "date_started": 1763778580000,
    "date_connected": None,
    "event_timestamp": 1763778600123,
    "target": {"id": 5, "type": "user"},
}


def signed(secret: str = SECRET, algorithm: str = "HS256", **change: Any) -> Delivery:
    return raw(jwt.encode({**CALL, **change}, secret, algorithm=algorithm).encode())


def raw(body: bytes) -> Delivery:
    return Delivery("POST", "", [], body, NOW)


def token_around(claims: bytes) -> Delivery:
    return raw(b"e30." + base64.urlsafe_b64encode(claims).rstrip(b"=") + b".c2ln")


def read(delivery: Delivery) -> Reading:
    (reading,) = made("dialpad", SECRET).read(delivery)
    return reading


def event_of(**change: Any) -> Event:
    return read(signed(**change)).event


@pytest.mark.parametrize("vector", vectors("dialpad"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """What PyJWT accepts is accepted, and a token with another state under the same signature is not."""
    source, delivery = made("dialpad", vector["secret"]), of_vector(vector)
    if not vector["valid"]:
        assert_refused(source, delivery)
        return
    assert source.verify(delivery) == "jwt HS256 over body"
    event = source.read(delivery)[0].event
    assert event.leg
    assert (event.leg.outcome, event.direction, event.caller) == ("no_answer", "inbound", "+15558675309")


def test_only_tokens_of_a_secret_are_taken() -> None:
    """Bare JSON, no algorithm and another algorithm prove nothing."""
    source = made("dialpad", SECRET)
    source.verify(raw(signed().body + b"\n"))
    head, claims, signature = signed().body.split(b".")
    unsigned = jwt.encode(CALL, "", algorithm="none").encode()
    assert_refused(
        source,
        signed(SECRET * 2, algorithm="HS512"),
        raw(unsigned),
        raw(json.dumps(CALL).encode()),
        raw(head + b"." + claims + b"."),
        raw(head + b"." + claims + b"." + signature[:-2]),
        raw(head + b"." + claims[:-4] + b"." + signature),
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": "calling"}, ("agent", "started", "", "", False)),
        ({"state": "ringing"}, ("agent", "ringing", "", "", False)),
        ({"state": "connected", "date_connected": 1763778590000}, ("agent", "answered", "", "", True)),
        ({"state": "connected", "target": {"type": "department"}}, ("machine", "answered", "", "", False)),
        ({"state": "connected", "target": None}, ("", "answered", "", "", False)),
        ({"state": "connected", "direction": "outbound", "target": None}, ("", "answered", "", "", True)),
        ({"state": "hold"}, ("agent", "answered", "", "", True)),
        ({}, ("agent", "ended", "no_answer", "leg", False)),
        ({"state": "hangup"}, ("agent", "ended", "no_answer", "leg", False)),
        ({"state": "hangup", "date_connected": 1763778590000}, ("agent", "ended", "completed", "leg", True)),
        ({"state": "hangup", "date_connected": 1763778590000, "target": {"type": "office"}}, ("machine", "ended", "completed", "leg", False)),
        ({"voicemail_link": "https://x"}, ("machine", "ended", "voicemail", "leg", False)),
        ({"state": "voicemail"}, ("machine", "ended", "voicemail", "leg", False)),
        ({"target": {"type": "callcenter"}}, ("machine", "ended", "no_answer", "leg", False)),
    ],
)  # fmt: skip
def test_state_is_a_leg(change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Each state says of its leg what it is known to mean; a department that picks up is nobody."""
    leg = event_of(**change).leg
    assert leg is not None
    assert (leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected


def test_hangup_that_does_not_say_whether_it_was_connected_proves_nothing() -> None:
    """Without date_connected a hangup is not the end of a call that nobody answered."""
    claims = {key: value for key, value in CALL.items() if key != "date_connected"} | {"state": "hangup"}
    leg = read(raw(jwt.encode(claims, SECRET, algorithm="HS256").encode())).event.leg
    assert leg is not None
    assert (leg.state, leg.outcome, leg.ends) == ("", "", "")


@pytest.mark.parametrize(
    ("change", "call"),
    [
        ({}, "4989574836666368"),
        ({"master_call_id": 7}, "7"),
        ({"master_call_id": 7, "entry_point_call_id": "8"}, "8"),
    ],
)
def test_calls_of_one_customer_are_one(change: dict[str, Any], call: str) -> None:
    """An operator's call belongs to the one through which the customer came in."""
    leg = event_of(**change).leg
    assert leg is not None
    assert (leg.call, leg.leg) == (call, "4989574836666368")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ("inbound", "+15558675309", "+15558675310")),
        ({"direction": "outbound"}, ("outbound", "+15558675310", "+15558675309")),
        ({"is_internal": True}, ("internal", "+15558675309", "+15558675310")),
        ({"direction": 5}, ("", "+15558675309", "+15558675310")),
    ],
)
def test_direction_and_numbers(change: dict[str, Any], told: tuple[str, str, str]) -> None:
    """The customer's number stands in the same field whoever called whom."""
    event = event_of(**change)
    assert (event.direction, event.caller, event.callee) == told


def test_retry_is_the_same_event_and_others_are_not() -> None:
    """Call, state and time make an event unique."""
    changes: list[dict[str, Any]] = [
        {},
        {"call_id": 1},
        {"state": "hangup"},
        {"event_timestamp": 1},
        {"event_timestamp": None},
    ]
    assert read(signed()).identity == read(signed()).identity
    assert len({read(signed(**change)).identity for change in changes}) == 5


def test_odd_values_lose_no_call() -> None:
    """Dialpad sends a refused delivery never again: what decides nothing is passed over."""
    event = event_of(date_started="soon", event_timestamp=-1, talk_time="x", external_number=["x"], target=5)
    assert event.leg
    assert (event.leg.outcome, len(event.data["notes"])) == ("no_answer", 4)


def test_event_without_a_state_has_a_name() -> None:
    """What is no state of a call can still be named by a rule."""
    assert event_of(state=None).type == "dialpad.event"


def test_broken_bodies_are_refused() -> None:
    """A token's content is read within the same limits as any body."""
    bad = [token_around(body) for body in BROKEN if body != b"{}"]
    bad += [signed(call_id=None), signed(call_id=[1]), signed(state="a b"), raw(b"a.!!!!.b"), raw(b"a.b.c")]
    assert_unreadable(made("dialpad", SECRET), bad)


def test_sample_is_what_the_library_reads() -> None:
    """The sample is signed by hand, for secrets of any length; PyJWT reads it."""
    (delivery, _) = made("dialpad", SECRET).sample(sample("missed"))
    assert jwt.decode(delivery.body, SECRET, algorithms=["HS256"])["state"] == "ringing"
    short = made("dialpad", "short")
    short.verify(short.sample(sample("missed"))[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "call.missed"),
        ({"operator_call_id": 7}, "call.unknown"),
        ({"talk_time": 9000}, "call.unknown"),
    ],
)
def test_caller_who_gives_up_in_a_menu_is_missed(change: dict[str, Any], expected: str) -> None:
    """A department that was connected, of which no operator took the call."""
    known = {"target": {"type": "office"}, "date_connected": 1763778590000, "talk_time": 0}
    steps = [event_of(**known, state="connected"), event_of(**{**known, **change}, state="hangup")]
    legs = [LegEvent(str(number), 0.0, event) for number, event in enumerate(steps)]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected


@pytest.mark.parametrize(
    ("change", "open_for"),
    [
        ({}, 0),
        ({"entry_point_call_id": 7}, 30),
        ({"entry_point_call_id": 7, "state": "hangup"}, 30),
        ({"master_call_id": 7}, 30),
        ({"entry_point_call_id": 7, "state": "ringing"}, 0),
        ({"entry_point_call_id": 7, "state": "hangup", "date_connected": 1763778590000}, 0),
        ({"entry_point_call_id": 7, "state": "voicemail"}, 0),
        ({"target": {"type": "department"}}, 0),
    ],
)
def test_call_of_an_operator_may_ring_at_the_next(change: dict[str, Any], open_for: float) -> None:
    """The caller waits in the call of the department, and a call to one person is over with it."""
    leg = event_of(**change).leg
    assert leg is not None
    assert leg.rings_on == open_for
