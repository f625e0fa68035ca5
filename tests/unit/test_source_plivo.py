"""The provider plivo: signatures of version 3 as Plivo's library checks them, callbacks told as legs."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import plivo.utils
import pytest
from pydantic import ValidationError

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.sources.plivo import Plivo, PlivoOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
OURS = [vector for vector in VECTORS if vector["provider"] == "plivo"]
NOW = 1763778600.0
URL = "https://hooks.example.com/telephony/plivo"
TOKEN = "plivo-auth-token-0123456789"
NONCE = "05429567804466091622"
FORM = ("content-type", "application/x-www-form-urlencoded")
FIELDS: dict[str, str] = {key: values[0] for key, values in parse_qs(OURS[0]["body"]).items()}
CALL = FIELDS["CallUUID"]
DIALLED = {"CallUUID": CALL, "CallStatus": "in-progress", "Direction": "inbound", "From": "14157654321"}
DIALLED |= {"DialStatus": "completed", "DialBLegUUID": "b", "DialALegUUID": CALL}
STEP = {**DIALLED, "DialStatus": "", "DialAction": "hangup"}
RECORDED = {"CallUUID": CALL, "CallStatus": "in-progress", "Direction": "inbound", "From": "14157654321"}
RECORDED |= {"RecordUrl": "https://media.plivo.com/r.mp3", "RecordingID": "r", "RecordingDuration": "7"}


def source(**options: Any) -> Plivo:
    given = {"provider": "plivo", "secrets": [TOKEN], "public_url": URL, **options}
    built = build("office", PlivoOptions.model_validate(given))
    assert isinstance(built, Plivo)
    return built


def signed(text: str, body: bytes, query: str = "", nonce: str = NONCE) -> Delivery:
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), f"{text}.{nonce}".encode(), "sha256")).decode()
    headers = [FORM, ("x-plivo-signature-v3", signature), ("x-plivo-signature-v3-nonce", nonce)]
    return Delivery("POST", query, headers, body, NOW)


def posted(fields: dict[str, str] | list[tuple[str, str]], query: str = "", nonce: str = NONCE) -> Delivery:
    """A signed form, signed here and not by the code under test."""
    pairs = sorted(fields.items() if isinstance(fields, dict) else fields)
    told = "".join(key + value for key, value in pairs)
    text = URL + "?" + query + ("." if query else "") + told
    return signed(text if pairs else URL, urlencode(pairs).encode(), query, nonce)


def read(delivery: Delivery) -> Event:
    (reading,) = source().read(delivery)
    return reading.event


def of_library(delivery: Delivery) -> bool:
    headers = dict(delivery.headers)
    params: dict[str, Any] = {}
    for key, values in parse_qs(delivery.body.decode(), keep_blank_values=True).items():
        params[key] = values if len(values) > 1 else values[0]
    url = f"{URL}?{delivery.query}" if delivery.query else URL
    signature, nonce = headers["x-plivo-signature-v3"], headers["x-plivo-signature-v3-nonce"]
    return bool(plivo.utils.validate_v3_signature("POST", url, nonce, TOKEN, signature, params))


def of_bridge(delivery: Delivery) -> bool:
    try:
        return source().verify(delivery) == "hmac-sha256 over url and form"
    except Unauthenticated:
        return False


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The published signature is accepted for its own form, and its text is the one that is published."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    request = Delivery("POST", urlsplit(vector["url"]).query, headers, vector["body"].encode(), NOW)
    assert of_bridge(request) is of_library(request) is vector["valid"]
    if vector["valid"]:
        again = signed(vector["signed_string"].removesuffix("." + NONCE), request.body, request.query)
        assert again.headers[1][1] == vector["headers"]["X-Plivo-Signature-V3"]


@pytest.mark.parametrize("query", ["", "tenant=acme", "b=2&a=1"])
@pytest.mark.parametrize("extra", [[], [("B", "2"), ("B", "1"), ("A", "")]])
def test_forms_are_judged_as_the_library_does(extra: list[tuple[str, str]], query: str) -> None:
    """Genuine and changed forms: the library and the bridge agree, with a query and without."""
    ordered = "&".join(sorted(query.split("&"))) if query else ""
    genuine = replace(posted([*FIELDS.items(), *extra], ordered), query=query)
    assert of_bridge(genuine)
    assert of_library(genuine)
    for forged in (
        replace(genuine, body=genuine.body + b"&Z=1"),
        replace(genuine, body=genuine.body.replace(b"completed", b"in-progress")),
        replace(genuine, query="tenant=other"),
    ):
        assert not of_bridge(forged)
        assert not of_library(forged)


def test_any_signature_of_the_header_counts() -> None:
    """The header lists one signature for each token while tokens change."""
    request = posted(FIELDS)
    name, signature = request.headers[1]
    several = replace(request, headers=[FORM, (name, f"{'A' * 43}=,{signature}"), request.headers[2]])
    assert of_bridge(several)
    assert of_library(several)


def test_what_is_signed_cannot_be_changed() -> None:
    """URL, nonce and signature each count; conflicting headers prove nothing, and version 2 is not taken."""
    request = posted(FIELDS)
    kind, signature, nonce = request.headers
    for headers in (
        [kind, signature],
        [kind, nonce],
        [kind, signature, (nonce[0], NONCE[::-1])],
        [kind, signature, nonce, (nonce[0], "1")],
        [kind, signature, nonce, (signature[0], "A" * 43 + "=")],
        [("content-type", "application/json"), signature, nonce],
        [kind, (signature[0].replace("v3", "v2"), signature[1]), (nonce[0].replace("v3", "v2"), NONCE)],
    ):
        assert not of_bridge(replace(request, headers=headers))
    with pytest.raises(Unauthenticated):
        source(public_url=URL + "/").verify(request)


def test_a_request_that_is_cut_anew_is_the_same_event() -> None:
    """One signature fits many forms; all of them have one identity, and the nonce ends in one way only."""
    request = posted(FIELDS)
    identity = source().read(request)[0].identity
    rest = {key: value for key, value in FIELDS.items() if key not in ("CallStatus", "BillDuration")}
    cut = replace(request, body=urlencode({"BillDuration": "0CallStatuscompleted", **rest}).encode())
    assert of_bridge(cut)
    with pytest.raises(DeliveryRefused):
        read(cut)
    renamed = {
        **{k: v for k, v in FIELDS.items() if k not in ("HangupSource", "To")},
        "HangupSourceCallerTo": FIELDS["To"],
    }
    moved = replace(request, body=urlencode(renamed).encode())
    assert of_bridge(moved)
    assert source().read(moved)[0].identity == identity
    dotted = posted({**FIELDS, "Xn": "a.b"})
    shorter = urlencode({**FIELDS, "Xn": "a"}).encode()
    nonce = (dotted.headers[2][0], f"b.{NONCE}")
    assert not of_bridge(replace(dotted, body=shorter, headers=[*dotted.headers[:2], nonce]))


def test_retry_is_the_same_event() -> None:
    """A retry has a new nonce and the same fields; another step of the call has others."""
    identity = source().read(posted(FIELDS))[0].identity
    assert source().read(posted(FIELDS, nonce="77"))[0].identity == identity
    assert source().read(posted({**FIELDS, "CallStatus": "busy"}))[0].identity != identity


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (FIELDS, ("inbound", CALL, "customer", "ended", "cancelled", "call", False)),
        *(
            ({**FIELDS, "HangupCause": cause}, ("inbound", CALL, "customer", "ended", outcome, "call", False))
            for cause, outcome in [
                ("NO_ANSWER", "no_answer"),
                ("USER_BUSY", "busy"),
                ("CALL_REJECTED", "rejected"),
                ("NORMAL_CLEARING", "completed"),
                ("", "completed"),
            ]
        ),
        ({**FIELDS, "Duration": "9"}, ("inbound", CALL, "customer", "ended", "completed", "call", False)),
        ({**FIELDS, "CallStatus": "ringing"}, ("inbound", CALL, "customer", "ringing", "", "", False)),
        ({**FIELDS, "CallStatus": "in-progress"}, ("inbound", CALL, "customer", "answered", "", "", False)),
        (
            {**FIELDS, "Direction": "outbound", "HangupCause": "", "CallStatus": "timeout"},
            ("outbound", CALL, "customer", "ended", "no_answer", "call", False),
        ),
        (DIALLED, ("inbound", "b", "agent", "ended", "completed", "leg", True)),
        ({**DIALLED, "DialStatus": "no-answer"}, ("inbound", "b", "agent", "ended", "no_answer", "leg", False)),
        (
            {**DIALLED, "DialStatus": "cancel", "CallStatus": "completed"},
            ("inbound", "b", "agent", "ended", "cancelled", "call", False),
        ),
        ({**DIALLED, "DialStatus": "", "DialAction": "answer"}, ("", "b", "agent", "answered", "", "", True)),
        (
            {**STEP, "DialBLegHangupCause": "USER_BUSY"},
            ("", "b", "agent", "ended", "busy", "leg", False),
        ),
        *(
            ({**STEP, "DialBLegHangupCause": cause}, ("", "b", "agent", "ended", outcome, "leg", False))
            for cause, outcome in [("NORMAL_CLEARING", "completed"), ("", "completed"), ("USER_NOT_REGISTERED", "")]
        ),
        (
            {"CallUUID": "b", "ParentCallUUID": CALL, "CallStatus": "in-progress"},
            ("", "b", "agent", "answered", "", "", True),
        ),
        (
            {"CallUUID": "b", "ParentCallUUID": CALL, "CallStatus": "in-progress", "Machine": "true"},
            ("", "b", "machine", "answered", "", "", False),
        ),
        (RECORDED, ("inbound", f"{CALL} recorded", "machine", "ended", "voicemail", "leg", False)),
        (
            {**RECORDED, "CallStatus": "completed"},
            ("inbound", f"{CALL} recorded", "machine", "ended", "voicemail", "call", False),
        ),
        (
            {"CallUUID": CALL, "RecordingID": "r"},
            ("", f"{CALL} recorded", "machine", "ended", "voicemail", "leg", False),
        ),
        (
            {**RECORDED, "RecordingDuration": "-1"},
            ("inbound", f"{CALL} recorded", "machine", "ended", "", "leg", False),
        ),
        (
            {**RECORDED, "RecordingDuration": "0"},
            ("inbound", f"{CALL} recorded", "machine", "ended", "", "leg", False),
        ),
        (
            {**RECORDED, "Direction": "outbound"},
            ("outbound", f"{CALL} recorded", "machine", "ended", "", "leg", False),
        ),
    ],
)
def test_facts_of_a_leg(fields: dict[str, str], expected: tuple[Any, ...]) -> None:
    """A call without duration ends as its cause says; only a leg that was dialled proves a human."""
    event = read(posted(fields))
    leg = event.leg
    assert leg is not None
    assert leg.call == CALL
    assert (event.direction, leg.leg, leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected
    assert bool(event.caller) is bool(event.direction)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{**DIALLED, "DialStatus": "no-answer"}, RECORDED, FIELDS], "call.voicemail"),
        ([{**DIALLED, "DialStatus": "no-answer"}, {**RECORDED, "RecordingDuration": "0"}, FIELDS], "call.missed"),
        ([DIALLED, RECORDED, FIELDS], "call.answered"),
    ],
)
def test_message_is_a_voicemail_where_nobody_answered(steps: list[dict[str, str]], expected: str) -> None:
    """A message after a dial that nobody answered; the recording of people who talk is none."""
    legs = [LegEvent(str(number), NOW, read(posted(fields))) for number, fields in enumerate(steps)]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected


def test_time_and_numbers_are_read() -> None:
    """Times are UTC without saying so, numbers are international without a plus."""
    event = read(posted({**FIELDS, "From": "13103384645", "To": "13105678901"}))
    assert event.time.timestamp() == NOW
    assert (event.caller, event.line) == ("+13103384645", "+13105678901")


@pytest.mark.parametrize(
    "delivery",
    [
        posted({}),
        posted({"CallUUID": CALL}),
        posted({"CallStatus": "completed"}),
        posted({**FIELDS, "CallStatus": "gone"}),
        posted({**DIALLED, "DialStatus": "gone"}),
        posted([*FIELDS.items(), ("CallStatus", "busy")]),
        posted({**FIELDS, "CallUUID": "x" * 501}),
        replace(posted(FIELDS), body=b"\xff"),
        replace(posted(FIELDS), body=b"nothing"),
        replace(posted(FIELDS), headers=[("content-type", "text/plain")]),
    ],
)
def test_broken_body_is_refused(delivery: Delivery) -> None:
    """What does not say which call stands how is refused, in the bridge's own words."""
    with pytest.raises((DeliveryRefused, ValidationError)):
        source().read(delivery)


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_is_genuine(outcome: Any) -> None:
    """A sample is genuine for Plivo's library and tells of a call that was missed or answered."""
    ours = source()
    deliveries = ours.sample(SampleCall("abc", outcome, NOW - 30, NOW))
    legs = [leg for delivery in deliveries if (leg := ours.read(delivery)[0].event.leg)]
    assert all(of_bridge(delivery) and of_library(delivery) for delivery in deliveries)
    assert len({leg.call for leg in legs}) == 1
    assert [leg.human for leg in legs] == [outcome == "answered", False]
    assert [leg.ends for leg in legs] == ["leg", "call"]
