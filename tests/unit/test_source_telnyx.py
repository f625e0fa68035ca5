"""The provider telnyx: Ed25519 as Telnyx's library checks it, each event of a call told as a leg."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, NoSample, SampleCall
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.sources.telnyx import Telnyx, TelnyxOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
OURS = [vector for vector in VECTORS if vector["provider"] == "telnyx"]
NOW = 1763778600
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(OURS[0]["private_seed_hex"]))
PUBLIC = OURS[0]["secret"]
OTHER = base64.b64encode(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()).decode()
HANGUP: dict[str, Any] = json.loads(OURS[0]["body"])
SESSION = HANGUP["data"]["payload"]["call_session_id"]


def source(**options: Any) -> Telnyx:
    built = build("office", TelnyxOptions.model_validate({"provider": "telnyx", "secrets": [PUBLIC], **options}))
    assert isinstance(built, Telnyx)
    return built


def sent(document: Any, *, at: int = NOW) -> Delivery:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    signature = base64.b64encode(PRIVATE.sign(f"{at}|".encode() + body)).decode()
    headers = [("content-type", "application/json"), ("telnyx-timestamp", str(at))]
    return Delivery("POST", "", [*headers, ("telnyx-signature-ed25519", signature)], body, NOW)


def told(kind: str = "call.hangup", event_id: str = "e1", **payload: Any) -> Delivery:
    whole = {**HANGUP["data"]["payload"], **payload}
    return sent({"data": {**HANGUP["data"], "id": event_id, "event_type": kind, "payload": whole}})


def read(delivery: Delivery) -> Event:
    (reading,) = source().read(delivery)
    return reading.event


def of_library(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether Telnyx's own library accepts it, at the moment at which it was received."""
    monkeypatch.setattr(time, "time", lambda: delivery.received_at)
    try:
        verify_webhook_signature(delivery.body, dict(delivery.headers), PUBLIC)
    except WebhookVerificationError:
        return False
    return True


def of_bridge(delivery: Delivery) -> bool:
    try:
        return source().verify(delivery) == "ed25519 over body and time"
    except Unauthenticated:
        return False


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The published signature is accepted; a changed caller and one that is 301 s old are refused."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    request = Delivery("POST", "", headers, vector["body"].encode(), vector["verify_at"])
    assert of_bridge(request) is vector["valid"]
    assert read(request).caller == json.loads(vector["body"])["data"]["payload"]["from"]


@pytest.mark.parametrize(
    ("at", "accepted"), [(NOW, True), (NOW - 300, True), (NOW + 300, True), (NOW - 301, False), (NOW + 301, False)]
)
def test_time_is_judged_as_the_library_does(at: int, accepted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 s are allowed, both ways."""
    assert of_bridge(sent(HANGUP, at=at)) is of_library(sent(HANGUP, at=at), monkeypatch) is accepted


def test_what_is_signed_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Body, time and signature each count, for the library as for the bridge."""
    request = sent(HANGUP)
    kind, stamp, signature = request.headers
    for headers in (
        [kind, ("telnyx-timestamp", str(NOW - 1)), signature],
        [kind, stamp, (signature[0], signature[1][::-1])],
        [kind, stamp],
        [kind, signature],
        [kind, ("telnyx-timestamp", "soon"), signature],
    ):
        forged = replace(request, headers=headers)
        assert not of_bridge(forged)
        assert not of_library(forged, monkeypatch)
    assert not of_bridge(replace(request, body=request.body + b" "))
    assert not of_bridge(replace(request, headers=[*request.headers, ("telnyx-timestamp", str(NOW - 1))]))
    assert not of_bridge(replace(request, headers=[*request.headers, (signature[0], "A" * 86 + "==")]))


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("call.initiated", {"direction": "incoming"}, ("inbound", "customer", "started", "", "", False)),
        ("call.initiated", {"direction": "outgoing"}, ("outbound", "customer", "started", "", "", False)),
        (
            "call.initiated",
            {"direction": "outgoing", "call_leg_id": "b"},
            ("outbound", "agent", "started", "", "", False),
        ),
        ("call.answered", {}, ("", "", "answered", "", "", False)),
        ("call.machine.detection.ended", {"result": "machine"}, ("", "machine", "answered", "voicemail", "", False)),
        (
            "call.machine.premium.detection.ended",
            {"result": "fax_detected"},
            ("", "machine", "answered", "", "", False),
        ),
        ("call.bridged", {"call_leg_id": "b"}, ("", "", "answered", "", "", True)),
        ("call.hangup", {}, ("", "", "ended", "cancelled", "leg", False)),
        *(
            ("call.hangup", {"hangup_cause": cause}, ("", "", "ended", outcome, "leg", False))
            for cause, outcome in [
                ("call_rejected", "rejected"),
                ("normal_clearing", "completed"),
                ("timeout", "no_answer"),
                ("no_answer", "no_answer"),
                ("time_limit", "completed"),
                ("user_busy", "busy"),
                ("not_found", "failed"),
                ("unspecified", "completed"),
                (None, "completed"),
            ]
        ),
    ],
)
def test_facts_of_a_leg(kind: str, payload: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Only the beginning says the direction, only a bridge proves a human, the cause says how a leg ended."""
    event = read(told(kind, **payload))
    leg = event.leg
    assert leg is not None
    assert leg.call == SESSION
    assert leg.leg == payload.get("call_leg_id", SESSION)
    assert (event.direction, leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected
    assert bool(event.caller) is (leg.leg == SESSION or bool(event.direction))


OUT = {"direction": "outgoing", "from": "+13129457420", "to": "+35319605860"}
LEGS = ("call_leg_id", SESSION), ("call_leg_id", "another")
INCOMING = told("call.initiated", direction="incoming", call_leg_id="in", start_time="2025-11-22T02:29:00Z")


@pytest.mark.parametrize("leg", LEGS, ids=["leg of the session's id", "leg of its own id"])
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("call.initiated", OUT), ("call.answered", {}), ("call.hangup", {"hangup_cause": "normal_clearing"})], "call.answered"),
        ([("call.initiated", OUT), ("call.hangup", {"hangup_cause": "timeout"})], "call.failed"),
        ([("call.initiated", OUT), ("call.hangup", {"hangup_cause": "normal_clearing"})], "call.unknown"),
        ([("call.initiated", OUT), ("call.answered", {}), ("call.machine.detection.ended", {"result": "machine"}), ("call.hangup", {})], "call.unknown"),
        ([("call.hangup", {"hangup_cause": "timeout"})], "call.unknown"),
    ],
)  # fmt: skip
def test_outgoing_call_is_answered_by_whom_it_called(
    steps: list[tuple[str, dict[str, Any]]], expected: str, leg: tuple[str, str]
) -> None:
    """Only its beginning says that it goes out; it is about the number called, and never missed."""
    judged = judged_of([told(kind, **{**payload, leg[0]: leg[1]}) for kind, payload in steps])
    assert judged.type == expected
    if len(steps) > 1:
        assert (judged.direction, judged.subject) == ("outbound", "+35319605860")


@pytest.mark.parametrize(
    ("bridged", "expected"), [([], "call.missed"), ([told("call.bridged", call_leg_id="b")], "call.answered")]
)
def test_leg_that_goes_out_within_an_incoming_call_is_none_of_its_own(bridged: list[Delivery], expected: str) -> None:
    """A telephone of ours that picks up is not yet connected, and the call keeps its direction and its customer."""
    steps = [told("call.initiated", **OUT, call_leg_id="b"), told("call.answered", call_leg_id="b"), *bridged]
    ends = [
        told(call_leg_id="b", hangup_cause="normal_clearing"),
        told(call_leg_id="in", hangup_cause="originator_cancel"),
    ]
    judged = judged_of([INCOMING, told("call.answered", call_leg_id="in"), *steps, *ends])
    assert (judged.type, judged.direction, judged.subject) == (expected, "inbound", "+35319605860")


def judged_of(deliveries: list[Delivery]) -> Event:
    """Whatever came first."""
    legs = [LegEvent(str(number), NOW, read(each)) for number, each in enumerate(deliveries)]
    judged = judged_event(legs)
    assert judged.type == judged_event(legs[::-1]).type
    return judged


def test_retry_is_the_same_event() -> None:
    """Telnyx repeats a delivery with its id; another event of the call has another."""
    again = {**HANGUP, "meta": {"attempt": 2}}
    identity = source().read(sent(HANGUP))[0].identity
    assert source().read(sent(again, at=NOW + 5))[0].identity == identity
    assert source().read(told(event_id="e2"))[0].identity != identity


def test_detection_of_a_human_keeps_its_name() -> None:
    """That no machine was found is an event that a rule can name, and no leg."""
    assert read(told("call.machine.detection.ended", result="human")).type == "telnyx.call.machine.detection.ended"


def test_time_is_that_of_the_event_where_its_own_cannot_be_read() -> None:
    """When the event happened is the next best that is known."""
    odd = read(told(start_time="yesterday"))
    assert odd.time.isoformat() == "2025-11-22T02:29:58.521992+00:00"


@pytest.mark.parametrize(
    "delivery",
    [
        sent({"data": []}),
        sent({"data": {"id": "1"}}),
        sent({"data": {"id": "1", "event_type": "a b"}}),
        sent({"data": {"id": ["1"], "event_type": "call.hangup"}}),
        told(call_session_id=None),
        told(call_session_id="x" * 501),
        told(hangup_cause={}),
        replace(sent(HANGUP), headers=[("content-type", "application/x-www-form-urlencoded")]),
    ],
)
def test_broken_body_is_refused(delivery: Delivery) -> None:
    """What does not say which call stands how is refused, in the bridge's own words."""
    with pytest.raises((DeliveryRefused, ValidationError)):
        source().read(delivery)


def test_only_telnyx_can_sign() -> None:
    """There is no sample, and the reason is said."""
    with pytest.raises(NoSample, match="private key"):
        source().sample(SampleCall("abc", "missed", NOW - 30, NOW))


MENU = [INCOMING, told("call.answered", call_leg_id="in"), told(call_leg_id="in", hangup_cause="normal_clearing")]
AGENT = told("call.initiated", **OUT, call_leg_id="b")
RANG_OUT = [told("call.initiated", **OUT, call_leg_id="a"), told(call_leg_id="a", hangup_cause="timeout")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], "call.missed"),
        ([AGENT], "call.unknown"),
        ([AGENT, told(call_leg_id="b", hangup_cause="normal_clearing")], "call.unknown"),
        ([AGENT, told(call_leg_id="b", hangup_cause="timeout")], "call.missed"),
        ([told("call.bridged", call_leg_id="in")], "call.answered"),
        ([*RANG_OUT, AGENT, told("call.answered", call_leg_id="b")], "call.unknown"),
        ([*RANG_OUT, AGENT, told(call_leg_id="b", hangup_cause="normal_clearing")], "call.unknown"),
        ([*RANG_OUT, AGENT, told(call_leg_id="b", hangup_cause="originator_cancel")], "call.missed"),
        ([told("conference.participant.joined", call_leg_id="in")], "call.unknown"),
    ],
)
@pytest.mark.parametrize("answered_by", ["application", "anyone"])
def test_caller_who_gives_up_in_a_menu_is_missed_where_only_applications_answer(
    answered_by: str, more: list[Delivery], expected: str
) -> None:
    """A SIP telephone that picks up looks as an application does, whom a conference holds is not known, and who picked up
    may have been bridged although another telephone rang out.
    """
    ours = source(answered_by=answered_by)
    found = [reading.event for each in [*MENU, *more] for reading in ours.read(each) if reading.event.leg]
    legs = [LegEvent(str(number), NOW, event) for number, event in enumerate(found)]
    if answered_by == "anyone" and not more:
        expected = "call.unknown"
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_looks_as_a_call_does(outcome: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telnyx's library takes it, each event has an id of its own, and a leg another one than the session."""
    private = PRIVATE.private_bytes_raw()
    call = SampleCall("abc", outcome, NOW - 30, NOW, private_key=private)
    deliveries = list(source().sample(call))
    assert all(of_library(each, monkeypatch) for each in deliveries)
    assert len({source().read(each)[0].identity for each in deliveries}) == len(deliveries)
    events = [read(each) for each in deliveries]
    legs = {event.leg.leg for event in events if event.leg}
    (session,) = {event.leg.call for event in events if event.leg}
    assert session not in legs
    assert len(legs) == (2 if outcome == "answered" else 1)
    judged = judged_of(deliveries)
    assert (judged.type, judged.subject, judged.line) == (f"call.{outcome}", call.caller, call.line)
