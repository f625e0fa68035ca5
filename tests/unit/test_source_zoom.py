"""The provider zoom: signed deliveries and challenges are told from others, and each handset is a leg."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Leg
from badge_bridge.sources import Delivery
from badge_bridge.sources.joining import LegEvent, when_to_judge
from support.provider_checks import (
    NOW,
    assert_refused,
    assert_unreadable,
    made,
    of_vector,
    vectors,
)

SECRET = "zoom-secret-token"
SIGNATURE, TIMESTAMP = "x-zm-signature", "x-zm-request-timestamp"
CUSTOMER = {"extension_type": "pstn", "phone_number": "+15558675309"}
AGENT = {"extension_type": "user", "user_id": "anna", "extension_number": 813, "phone_number": "+15558675310"}


def signed(body: bytes, *, secret: str = SECRET, at: float = NOW) -> Delivery:
    stamp = str(int(at))
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return Delivery("POST", "", [(TIMESTAMP, stamp), (SIGNATURE, f"v0={mac}")], body, NOW)


def told(name: str, event_ts: int = 1763778600000, **call: Any) -> bytes:
    known = {"call_id": "7644", "caller": CUSTOMER, "callee": AGENT, **call}
    return json.dumps({"event": name, "event_ts": event_ts, "payload": {"account_id": "A", "object": known}}).encode()


def challenge(token: Any = "qgg8", **how: Any) -> Delivery:
    return signed(json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": token}}).encode(), **how)


def leg_of(name: str, **call: Any) -> Leg:
    (reading,) = made("zoom", SECRET).read(signed(told(name, **call)))
    assert reading.event.leg is not None
    return reading.event.leg


@pytest.mark.parametrize("vector", vectors("zoom"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """What Zoom's own library accepts is accepted, what it refuses is refused, and its challenge answered alike."""
    source, delivery = made("zoom", vector["secret"]), of_vector(vector)
    if not vector["valid"]:
        assert_refused(source, delivery)
        return
    assert source.verify(delivery) == "hmac-sha256 over body and time"
    expected = vector.get("expected_response")
    reply = source.handshake(delivery)
    assert (reply is not None) == (expected is not None)
    if reply and expected:
        assert (reply.status, reply.media_type) == (200, "application/json")
        assert json.loads(reply.body) == expected["json"]


def test_challenge_is_answered_only_when_signed() -> None:
    """Whoever could have any text answered would have it signed; the secret that signed is the one that answers."""
    source = made("zoom", "old", SECRET)
    reply = source.handshake(challenge())
    assert reply is not None
    assert json.loads(reply.body)["encryptedToken"] == hmac.new(SECRET.encode(), b"qgg8", hashlib.sha256).hexdigest()
    for forged in (challenge(secret="no"), challenge(at=NOW - 301), replace(challenge(), headers=[])):
        with pytest.raises(Unauthenticated):
            source.handshake(forged)


@pytest.mark.parametrize("token", ["v0:1763778600:{}", "", None, 5, "a b", "x" * 501])
def test_challenge_that_would_sign_a_delivery_is_refused(token: Any) -> None:
    """The answer to a token with colons could be the signature of a delivery."""
    with pytest.raises(Impossible, match="plainToken"):
        made("zoom", SECRET).handshake(challenge(token))


def test_other_deliveries_are_no_challenge() -> None:
    """A word inside of an event, or a body that cannot be read, is not the check of the endpoint."""
    source = made("zoom", SECRET)
    for body in (told("phone.callee_missed", note="endpoint.url_validation"), b"endpoint.url_validation"):
        assert source.handshake(signed(body)) is None


@pytest.mark.parametrize(
    ("name", "call", "expected"),
    [
        ("phone.callee_ringing", {}, ("agent", "ringing", "", "", False)),
        ("phone.callee_answered", {}, ("agent", "answered", "", "", True)),
        ("phone.callee_answered", {"callee": {"extension_type": "autoReceptionist"}}, ("machine", "answered", "", "", False)),
        ("phone.callee_answered", {"callee": {"extension_type": "callQueue"}}, ("machine", "answered", "", "", False)),
        ("phone.callee_answered", {"callee": {"extension_type": "call_queue"}}, ("machine", "answered", "", "", False)),
        ("phone.callee_answered", {"callee": {}}, ("", "answered", "", "", False)),
        ("phone.callee_missed", {"handup_result": "No Answer"}, ("agent", "ended", "no_answer", "leg", False)),
        ("phone.callee_missed", {"handup_result": "Call Cancel"}, ("agent", "ended", "cancelled", "leg", False)),
        ("phone.callee_missed", {"handup_result": "Voicemail"}, ("agent", "ended", "voicemail", "leg", False)),
        ("phone.callee_missed", {"handup_result": "Answered by Other Member"}, ("agent", "ended", "no_answer", "leg", True)),
        ("phone.callee_missed", {"handup_result": ["x"]}, ("agent", "ended", "no_answer", "leg", False)),
        ("phone.callee_rejected", {}, ("agent", "ended", "rejected", "leg", False)),
        ("phone.callee_ended", {}, ("agent", "ended", "completed", "leg", False)),
        ("phone.callee_ended", {"answer_start_time": "2025-11-22T02:30:00Z"}, ("agent", "ended", "completed", "leg", True)),
        ("phone.caller_connected", {"caller": AGENT, "callee": CUSTOMER}, ("customer", "answered", "", "", True)),
        ("phone.caller_ended", {"caller": AGENT, "callee": CUSTOMER}, ("customer", "ended", "completed", "leg", False)),
        ("phone.voicemail_received", {}, ("machine", "ended", "voicemail", "leg", False)),
    ],
)  # fmt: skip
def test_event_is_a_leg(name: str, call: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Each event says of its handset what it is known to mean, and no menu or queue counts as a person."""
    leg = leg_of(name, **call)
    assert leg.call == "7644"
    assert (leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected


def test_states_of_a_handset_are_ordered_by_their_moment() -> None:
    """Zoom says when each event happened; one that does not is in no order."""
    assert leg_of("phone.callee_missed").order == NOW
    for event_ts in (None, "soon"):
        body = json.loads(told("phone.callee_missed")) | {"event_ts": event_ts}
        (reading,) = made("zoom", SECRET).read(signed(json.dumps(body).encode()))
        assert reading.event.leg
        assert reading.event.leg.order is None


@pytest.mark.parametrize(
    ("name", "call", "direction"),
    [
        ("phone.callee_missed", {}, "inbound"),
        ("phone.callee_missed", {"caller": AGENT}, "internal"),
        ("phone.callee_missed", {"caller": {"phone_number": "+15558675309"}}, ""),
        ("phone.callee_missed", {"caller": "x"}, ""),
        ("phone.caller_ended", {"caller": AGENT, "callee": CUSTOMER}, "outbound"),
        ("phone.caller_ended", {"caller": AGENT, "callee": AGENT}, "internal"),
    ],
)
def test_direction_is_said_only_where_it_is_known(name: str, call: dict[str, Any], direction: str) -> None:
    """A caller whose kind is not told is not taken for a customer."""
    (reading,) = made("zoom", SECRET).read(signed(told(name, **call)))
    assert reading.event.direction == direction


def test_retry_is_the_same_event_and_others_are_not() -> None:
    """Zoom gives events no id: name, call, handset and the time of the event make one."""
    source = made("zoom", SECRET)

    def identity(body: bytes, at: float = NOW) -> tuple[str, ...]:
        return source.read(signed(body, at=at))[0].identity

    first = told("phone.callee_missed")
    assert identity(first) == identity(first, at=NOW + 60)
    others = [
        told("phone.callee_ended"),
        told("phone.callee_missed", event_ts=1763778600001),
        told("phone.callee_missed", call_id="7645"),
        told("phone.callee_missed", callee={**AGENT, "user_id": "bert"}),
        told("meeting.started"),
        told("meeting.ended"),
    ]
    assert len({identity(body) for body in [first, *others]}) == 7


def test_broken_bodies_are_refused() -> None:
    """Whatever is signed, what cannot be an event of Zoom ends in a refusal."""
    bad = [told("phone.callee_missed", call_id=None), told("phone.callee_missed", call_id=[1]), told("a b")]
    assert_unreadable(made("zoom", SECRET), [signed(body) for body in bad])


@pytest.mark.parametrize(
    ("name", "call", "open_for"),
    [
        ("phone.callee_ringing", {}, 0),
        ("phone.callee_missed", {"handup_result": "No Answer"}, 30),
        ("phone.callee_missed", {}, 30),
        ("phone.callee_rejected", {}, 30),
        ("phone.callee_missed", {"handup_result": "Call Cancel"}, 0),
        ("phone.callee_missed", {"handup_result": "Voicemail"}, 0),
        ("phone.callee_missed", {"handup_result": "Answered by Other Member"}, 0),
        ("phone.callee_ended", {"answer_start_time": "2025-11-22T02:30:00Z"}, 0),
        ("phone.callee_ended", {"callee": {"extension_type": "callQueue"}}, 0),
        ("phone.callee_ended", {"callee": {"extension_type": "autoReceptionist"}}, 30),
        ("phone.caller_ended", {"caller": AGENT, "callee": CUSTOMER, "handup_result": "No Answer"}, 0),
    ],
)
def test_call_may_ring_at_the_next_of_a_queue_unless_the_caller_has_gone(
    name: str, call: dict[str, Any], open_for: float
) -> None:
    """Of the caller's own end nothing is told; that he gave up, left a message or was answered, a handset's end says."""
    assert leg_of(name, **call).rings_on == open_for


@pytest.mark.parametrize("next_ring", [30, 3])
def test_queue_that_rings_in_turn_is_not_missed_in_its_pauses(next_ring: float) -> None:
    """The first did not pick up, and the second rings within the time that is waited for."""
    source = made("zoom", SECRET, next_ring=next_ring)
    turn = [("phone.callee_ringing", "u1", 0), ("phone.callee_missed", "u1", 15), ("phone.callee_ringing", "u2", 22)]
    legs = [
        LegEvent(
            f"{name} {user}", NOW + at, source.read(signed(told(name, callee={**AGENT, "user_id": user})))[0].event
        )
        for name, user, at in turn
    ]
    assert when_to_judge(legs[:2], grace=5, longest=600) == NOW + 15 + max(5, next_ring)
    assert when_to_judge(legs, grace=5, longest=600) == NOW + 600
