"""The provider vonage: a JWT that binds the body and its time, each status told of a leg."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import ValidationError
from vonage_jwt.verify_jwt import verify_signature

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.sources.signatures import Jwt
from badge_bridge.sources.vonage import Vonage, VonageOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
OURS = [vector for vector in VECTORS if vector["provider"] == "vonage"]
NOW = 1763778600
SECRET = "vonage-signature-secret-0123456789abcdef"
BODY: dict[str, Any] = json.loads(OURS[0]["body"])
CONVERSATION = BODY["conversation_uuid"]


def source(**options: Any) -> Vonage:
    built = build("office", VonageOptions.model_validate({"provider": "vonage", "secrets": [SECRET], **options}))
    assert isinstance(built, Vonage)
    return built


def sent(document: Any, *, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> Delivery:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    told = {"iat": NOW, "jti": "j1", "payload_hash": hashlib.sha256(body).hexdigest(), **claims}
    token = jwt.encode({k: v for k, v in told.items() if v is not None}, secret, algorithm=algorithm)
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {token}")]
    return Delivery("POST", "", headers, body, NOW)


def told(**change: Any) -> Delivery:
    return sent({**BODY, **change})


def read(delivery: Delivery) -> Event:
    (reading,) = source().read(delivery)
    return reading.event


def refused(delivery: Delivery) -> bool:
    try:
        source().verify(delivery)
    except Unauthenticated:
        return True
    return False


def of_library(delivery: Delivery) -> bool:
    """Whether Vonage's own library accepts the token; it looks at neither the body nor the time window."""
    return bool(verify_signature(dict(delivery.headers)["authorization"].removeprefix("Bearer "), SECRET))


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The published token is accepted with its secret and refused where another secret made it."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    request = Delivery("POST", "", headers, vector["body"].encode(), vector["verify_at"])
    assert refused(request) is not vector["valid"]
    assert of_library(request) is vector["valid"]
    assert read(request).callee == "+442079460000"


def test_the_library_and_the_bridge_agree_on_tokens() -> None:
    """A genuine token is accepted by both, one of another secret by none."""
    assert source().verify(sent(BODY)) == "jwt HS256 over body and time"
    assert of_library(sent(BODY))
    other = sent(BODY, secret="another-secret-of-thirty-two-bytes!!")
    assert refused(other)
    assert not of_library(other)


def test_body_is_bound_though_the_library_does_not_look_at_it() -> None:
    """The digest in the token is compared with the body; without one nothing is accepted."""
    forged = replace(sent(BODY), body=sent({**BODY, "status": "answered"}).body)
    assert of_library(forged)
    assert refused(forged)
    assert refused(sent(BODY, payload_hash=None))
    assert refused(sent(BODY, payload_hash=[]))


@pytest.mark.parametrize(
    ("iat", "taken"), [(NOW - 300, True), (NOW + 300, True), (NOW - 301, False), (NOW + 301, False)]
)
def test_time_is_bound(iat: int, taken: bool) -> None:
    """A token is taken within 300 s, both ways."""
    assert refused(sent(BODY, iat=iat)) is not taken


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({"exp": NOW + 60, "nbf": NOW - 60}, True),
        ({"exp": NOW - 300, "nbf": NOW + 300}, True),
        ({"exp": NOW - 301}, False),
        ({"nbf": NOW + 301}, False),
        ({"exp": 1}, False),
        ({"exp": "never"}, False),
        ({"nbf": True}, False),
    ],
)
def test_term_of_a_token_counts_where_it_has_one(claims: dict[str, Any], taken: bool) -> None:
    """Vonage documents none; who signs one means it (RFC 7519, 4.1.4 and 4.1.5)."""
    body = json.dumps(BODY).encode()
    payload = {"iat": NOW, "payload_hash": hashlib.sha256(body).hexdigest(), **claims}
    token = Jwt.sign(SECRET.encode(), payload)
    request = replace(sent(BODY), headers=[("authorization", f"Bearer {token}")])
    assert refused(request) is not taken


@pytest.mark.parametrize("iat", [None, "soon", True])
def test_time_has_to_be_said(iat: Any) -> None:
    """A token without a time is worth nothing: it could be replayed for ever."""
    claims = {"jti": "j1", "payload_hash": hashlib.sha256(json.dumps(BODY).encode()).hexdigest()}
    if iat is not None:
        claims["iat"] = iat
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(claims)]
    text = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    mac = hmac.digest(SECRET.encode(), text.encode(), "sha256")
    token = f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert refused(replace(sent(BODY), headers=[("authorization", f"Bearer {token}")]))


def test_only_one_algorithm_and_one_header_count() -> None:
    """An unsigned token, another algorithm, no token, or two of them prove nothing."""
    request = sent(BODY)
    assert refused(sent(BODY, secret="", algorithm="none"))
    longer = source(secrets=[SECRET * 2])
    assert longer.verify(sent(BODY, secret=SECRET * 2))
    with pytest.raises(Unauthenticated, match="HS256"):
        longer.verify(sent(BODY, secret=SECRET * 2, algorithm="HS512"))
    assert refused(replace(request, headers=request.headers[:1]))
    assert refused(replace(request, headers=[("authorization", "Basic " + request.headers[1][1])]))
    assert refused(replace(request, headers=[*request.headers, sent(BODY, jti="j2").headers[1]]))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("inbound", "customer", "ended", "completed", "call", False)),
        ({"status": "started"}, ("inbound", "customer", "started", "", "", False)),
        ({"status": "ringing"}, ("inbound", "customer", "ringing", "", "", False)),
        ({"status": "answered"}, ("inbound", "customer", "answered", "", "", False)),
        ({"duration": "20"}, ("inbound", "customer", "ended", "completed", "call", False)),
        *(
            ({"direction": "outbound", "status": status, "duration": seconds}, ("outbound", *facts))
            for status, seconds, *facts in [
                ("ringing", "", "agent", "ringing", "", "", False),
                ("answered", "", "agent", "answered", "", "", True),
                ("human", "", "agent", "answered", "", "", True),
                ("machine", "", "machine", "answered", "voicemail", "", False),
                ("completed", "5", "agent", "ended", "completed", "leg", True),
                ("completed", "0", "agent", "ended", "completed", "leg", False),
                ("unanswered", "", "agent", "ended", "no_answer", "leg", False),
                ("timeout", "", "agent", "ended", "no_answer", "leg", False),
                ("busy", "", "agent", "ended", "busy", "leg", False),
                ("rejected", "", "agent", "ended", "rejected", "leg", False),
                ("cancelled", "", "agent", "ended", "cancelled", "leg", False),
                ("failed", "", "agent", "ended", "failed", "leg", False),
            ]
        ),
        ({"direction": None}, ("", "", "ended", "completed", "leg", False)),
    ],
)
def test_facts_of_a_leg(change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """An incoming leg is the customer's, of one that goes out an answer proves a human."""
    event = read(told(**change))
    leg = event.leg
    assert leg is not None
    assert (leg.call, leg.leg) == (CONVERSATION, BODY["uuid"])
    assert (event.direction, leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected
    assert event.caller == "+447700900000"


@pytest.mark.parametrize("start", ["2020-01-01T11:59:00.000Z", None], ids=["before", "after"])
def test_leg_that_goes_out_within_an_incoming_call_is_none_of_its_own(start: str | None) -> None:
    """The call keeps its direction and its customer, also where its first delivery was lost."""
    inner = {"direction": "outbound", "uuid": "b", "from": "442079460000", "to": "447700900111"}
    steps = [told(**inner, status=status) for status in ("started", "unanswered")]
    legs = [LegEvent(str(at), NOW, read(each)) for at, each in enumerate([*steps, told(start_time=start)])]
    judged = judged_event(legs)
    assert (judged.type, judged.direction, judged.subject) == ("call.missed", "inbound", "+447700900000")


INNER = {"direction": "outbound", "uuid": "b"}
MOVED = sent({"conversation_uuid_from": CONVERSATION, "conversation_uuid_to": "CON-other", "uuid": BODY["uuid"]})


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([told(status="started"), told(status="answered"), told(duration="12")], "call.missed"),
        ([told(status="answered"), told(**INNER, status="ringing"), told()], "call.unknown"),
        ([told(status="answered"), told(**INNER, status="completed", duration=None), told()], "call.unknown"),
        ([told(status="answered"), told(**INNER, status="answered"), told()], "call.answered"),
        ([told(status="answered"), MOVED, told()], "call.unknown"),
        ([told()], "call.unknown"),
    ],
)
def test_caller_who_gives_up_in_a_menu_is_missed_where_no_leg_is_lost(steps: list[Delivery], expected: str) -> None:
    """Nobody was rung, and each leg would have been told of; not so in another conversation."""
    found = [reading.event for each in steps for reading in source().read(each) if reading.event.leg]
    legs = [LegEvent(str(at), NOW, event) for at, event in enumerate(found)]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected
    assert judged_event(legs).reason == "abandoned" or expected != "call.missed"


@pytest.mark.parametrize(
    ("found", "expected"), [(["human"], "call.answered"), (["machine"], "call.voicemail"), ([], "call.answered")]
)
def test_machine_that_is_found_after_an_answer_takes_it_back(found: list[str], expected: str) -> None:
    """Detection comes after `answered`, and the voicemail box of a telephone lasts as a human's call does."""
    steps = [("answered", "outbound"), *((status, "outbound") for status in found), ("completed", "outbound")]
    told_of = [told(status=status, direction=way, uuid="b", duration="9") for status, way in steps]
    legs = [
        LegEvent(str(number), NOW, read(each)) for number, each in enumerate([told(status="started"), *told_of, told()])
    ]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected


def test_retry_is_the_same_event() -> None:
    """A status of a leg at a time is one event, whichever token came with it."""
    identity = source().read(sent(BODY, jti="j1"))[0].identity
    assert source().read(sent(BODY, jti="j2", iat=NOW + 9))[0].identity == identity
    for change in ({"status": "answered"}, {"uuid": "u"}, {"timestamp": "2025-11-22T02:31:00.000Z"}):
        assert source().read(told(**change))[0].identity != identity


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"recording_url": "u", "conversation_uuid": "c"}, "vonage.record"),
        ({"conversation_uuid_from": "a", "conversation_uuid_to": "b"}, "vonage.transfer"),
        ({"dtmf": {"digits": "1"}, "uuid": "u"}, "vonage.input"),
        ({"reason": "x"}, "vonage.unnamed"),
    ],
)
def test_other_events_have_a_name(document: dict[str, Any], kind: str) -> None:
    """Events that tell of no leg can be named by a rule, and a retry of one is the same event."""
    assert source().read(sent(document))[0].event.type == kind
    assert source().read(sent(document))[0].identity == source().read(sent(document, jti="j2"))[0].identity


@pytest.mark.parametrize(
    "delivery",
    [
        told(uuid=None),
        told(conversation_uuid=""),
        told(conversation_uuid="x" * 501),
        told(status=["completed"]),
        told(status="a b"),
        told(direction={}),
        told(duration=[]),
        replace(sent(BODY), headers=[("content-type", "text/plain")]),
    ],
)
def test_broken_body_is_refused(delivery: Delivery) -> None:
    """What does not say which leg stands how is refused, in the bridge's own words."""
    with pytest.raises((DeliveryRefused, ValidationError)):
        source().read(delivery)


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_is_genuine(outcome: Any) -> None:
    """A sample is genuine for Vonage's library and tells of a call that was missed or answered."""
    ours = source()
    deliveries = ours.sample(SampleCall("abc", outcome, NOW - 30, NOW))
    legs = [leg for delivery in deliveries if (leg := ours.read(delivery)[0].event.leg)]
    assert all(of_library(delivery) for delivery in deliveries)
    assert len({leg.call for leg in legs}) == 1
    assert len({leg.leg for leg in legs}) == 2
    assert any(leg.human for leg in legs) is (outcome == "answered")
    assert [leg.ends for leg in legs if leg.ends] == ["leg", "call"]
