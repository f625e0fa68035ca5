"""The provider signalwire: signatures over URL and form or body, judged as SignalWire's own SDK does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from pydantic import ValidationError
from signalwire.core.security.webhook_validator import validate_request, validate_webhook_signature_sha256

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.sources.signalwire import SignalWire, SignalWireOptions

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = datetime(2025, 11, 22, 2, 30, tzinfo=UTC).timestamp()
URL = "https://hooks.example.com/telephony/signalwire"
KEY = "PSK_0123456789abcdef"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
CALL = "b3877c40-da60-4998-90ad-b792e98472af"
FIELDS = {"CallSid": CALL, "CallStatus": "no-answer", "Direction": "inbound", "From": "+13103384645"}
FIELDS["To"] = "+13105678901"
DIALLED = {**FIELDS, "CallStatus": "in-progress", "DialCallSid": "dialled", "DialCallStatus": "completed"}
CHILD = {**FIELDS, "CallSid": "child", "ParentCallSid": CALL, "Direction": "outbound-dial"}
STATE = {"event_type": "calling.call.state", "params": {"call_id": "1", "call_state": "ended", "direction": "inbound"}}


def source(**options: Any) -> SignalWire:
    given = {"provider": "signalwire", "secrets": [KEY], "public_url": URL, **options}
    built = build("office", SignalWireOptions.model_validate(given))
    assert isinstance(built, SignalWire)
    return built


def posted(pairs: list[tuple[str, str]] | dict[str, str], *, query: str = "", url: str = URL) -> Delivery:
    """A signed form, signed here and not by the code under test."""
    pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
    text = url + (f"?{query}" if query else "") + "".join(k + v for k, v in sorted(pairs, key=lambda pair: pair[0]))
    signature = base64.b64encode(hmac.digest(KEY.encode(), text.encode(), "sha1")).decode()
    headers = [("content-type", FORM), ("x-signalwire-signature", signature)]
    return Delivery("POST", query, headers, urlencode(pairs).encode(), NOW)


def sent(document: Any, *algorithms: str) -> Delivery:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    names = {"sha1": "x-signalwire-signature", "sha256": "x-signalwire-sha256-signature"}
    signed = [(names[each], hmac.new(KEY.encode(), URL.encode() + body, each).hexdigest()) for each in algorithms]
    return Delivery("POST", "", [("content-type", JSON), *signed], body, NOW)


def connection(state: str, **params: Any) -> Delivery:
    return sent({"event_type": "calling.call.connect", "params": {"call_id": "1", "connect_state": state, **params}})


MACHINE = sent(
    {
        "event_type": "calling.call.detect",
        "params": {
            "call_id": "2",
            "parent": {"call_id": "1"},
            "detect": {"type": "machine", "params": {"event": "MACHINE"}},
        },
    }
)


def read(delivery: Delivery) -> Event:
    (reading,) = source().read(delivery)
    return reading.event


def facts(delivery: Delivery) -> tuple[Any, ...]:
    leg = read(delivery).leg
    assert leg is not None
    return (leg.call, leg.leg, leg.party, leg.state, leg.outcome, leg.ends, leg.human)


OURS = [vector for vector in VECTORS if vector["provider"] == "signalwire"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The published signatures are accepted, and the changed form is refused."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    request = Delivery("POST", urlsplit(vector["url"]).query, headers, vector["body"].encode(), NOW)
    ours = source(secrets=[vector["secret"]])
    if not vector["valid"]:
        with pytest.raises(Unauthenticated):
            ours.verify(request)
        return
    assert ours.verify(request).startswith("hmac-")
    assert read(request).direction == "inbound"


@pytest.mark.parametrize("query", ["", "tenant=acme&x=%20"])
@pytest.mark.parametrize("url", [URL, URL.replace(".com", ".com:443")])
@pytest.mark.parametrize(
    "pairs", [list(FIELDS.items()), [("B", "2"), *FIELDS.items(), ("B", "1"), ("A", ""), ("B", "2")]]
)
def test_forms_are_judged_as_the_sdk_does(pairs: list[tuple[str, str]], url: str, query: str) -> None:
    """Genuine and changed forms: the SDK and the bridge agree, repeated fields in their order of arrival included."""
    genuine = posted(pairs, query=query, url=url)
    assert source().verify(genuine) == "hmac-sha1 over url and form"
    for request in (genuine, posted(pairs[::-1], query=query, url=url), replace(genuine, body=genuine.body + b"&Z=1")):
        signature = dict(request.headers)["x-signalwire-signature"]
        for given in (request, replace(genuine, body=request.body)):
            text = f"{URL}?{query}" if query else URL
            expected = validate_request(KEY, dict(given.headers)["x-signalwire-signature"], text, given.body.decode())
            try:
                accepted = bool(source().verify(given))
            except Unauthenticated:
                accepted = False
            assert accepted is expected, signature


@pytest.mark.parametrize("algorithms", [("sha1",), ("sha256",), ("sha1", "sha256")])
def test_json_is_judged_as_the_sdk_does(algorithms: tuple[str, ...]) -> None:
    """JSON is signed in hex over URL and body; the SHA-256 header counts where it is sent."""
    request = sent(STATE, *algorithms)
    assert source().verify(request) == f"hmac-{algorithms[-1]} over url and body"
    headers = dict(request.headers)
    if "sha256" in algorithms:
        signature = headers["x-signalwire-sha256-signature"]
        assert validate_webhook_signature_sha256(KEY, signature, URL, request.body.decode())
    else:
        assert validate_request(KEY, headers["x-signalwire-signature"], URL, request.body.decode())
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, body=request.body + b" "))


def test_wrong_sha256_is_not_made_good_by_sha1() -> None:
    """The stronger signature decides where it is there."""
    request = sent(STATE, "sha1")
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, headers=[*request.headers, ("x-signalwire-sha256-signature", "0" * 64)]))


def test_header_of_twilio_is_an_alias() -> None:
    """Applications that were written for Twilio get the signature in its header; SignalWire's own goes first."""
    request = posted(FIELDS)
    alias = [("content-type", FORM), ("x-twilio-signature", dict(request.headers)["x-signalwire-signature"])]
    assert source().verify(replace(request, headers=alias))
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, headers=[*alias, ("x-signalwire-signature", "AAAA")]))


def test_digest_of_the_body_in_the_query_is_compared() -> None:
    """bodySHA256 has to be right where it stands in the URL."""
    digest = hashlib.sha256(urlencode(FIELDS).encode()).hexdigest()
    assert source().verify(posted(FIELDS, query=f"bodySHA256={digest}"))
    with pytest.raises(Unauthenticated, match="bodySHA256"):
        source().verify(posted(FIELDS, query=f"bodySHA256={digest[::-1]}"))


def test_what_is_signed_cannot_be_changed() -> None:
    """URL, fields, key and header each count; conflicting headers prove nothing."""
    request = posted(FIELDS)
    signature = request.headers[1]
    for forged in (
        replace(request, query="a=1"),
        replace(request, body=request.body.replace(b"no-answer", b"completed")),
        replace(request, headers=request.headers[:1]),
        replace(request, headers=[*request.headers, (signature[0], "A" * 28)]),
        replace(request, headers=[("content-type", "text/plain"), signature]),
        replace(request, headers=[("content-type", JSON), signature]),
    ):
        with pytest.raises(Unauthenticated):
            source().verify(forged)
    with pytest.raises(Unauthenticated):
        source(public_url=URL + "/").verify(request)
    with pytest.raises(Unauthenticated):
        source(secrets=["other"]).verify(request)
    assert source(secrets=["other", KEY]).verify(request)


def test_a_request_that_is_cut_anew_is_the_same_event() -> None:
    """One signature fits many requests; all of them have one identity, and so has a retry."""
    request = posted(FIELDS)
    (first,) = source().read(request)
    assert source().read(posted(FIELDS))[0].identity == first.identity
    assert source().read(posted({**FIELDS, "CallStatus": "busy"}))[0].identity != first.identity
    moved = Delivery("POST", "", request.headers, urlencode({"CallSid": CALL, "CallStatus": "no-answer",
        "DirectioninboundFrom": "+13103384645", "To": FIELDS["To"]}).encode(), NOW)  # fmt: skip
    assert source().verify(moved)
    assert source().read(moved)[0].identity == first.identity


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (posted(FIELDS), (CALL, CALL, "customer", "ended", "no_answer", "call", False)),
        (posted({**FIELDS, "CallStatus": "completed"}), (CALL, CALL, "customer", "ended", "completed", "call", False)),
        (posted({**FIELDS, "CallStatus": "ringing"}), (CALL, CALL, "customer", "ringing", "", "", False)),
        (posted({**FIELDS, "CallStatus": "in-progress"}), (CALL, CALL, "customer", "answered", "", "", False)),
        (posted(DIALLED), (CALL, "dialled", "agent", "ended", "completed", "leg", True)),
        (posted({**DIALLED, "DialBridged": "false"}), (CALL, "dialled", "agent", "ended", "", "leg", False)),
        (posted({**DIALLED, "DialCallStatus": "busy"}), (CALL, "dialled", "agent", "ended", "busy", "leg", False)),
        (
            posted({**DIALLED, "DialCallStatus": "canceled", "CallStatus": "completed"}),
            (CALL, "dialled", "agent", "ended", "cancelled", "call", False),
        ),
        (posted(CHILD), (CALL, "child", "agent", "ended", "no_answer", "leg", False)),
        (posted({**CHILD, "CallStatus": "in-progress"}), (CALL, "child", "agent", "answered", "", "", True)),
        (
            posted({**CHILD, "CallStatus": "completed", "AnsweredBy": "machine_start"}),
            (CALL, "child", "machine", "ended", "voicemail", "leg", False),
        ),
        (
            posted({**CHILD, "CallStatus": "completed", "AnsweredBy": "fax"}),
            (CALL, "child", "machine", "ended", "completed", "leg", False),
        ),
        (
            posted({**CHILD, "CallStatus": "busy", "AnsweredBy": "machine_start"}),
            (CALL, "child", "machine", "ended", "busy", "leg", False),
        ),
        (
            posted({**FIELDS, "CallStatus": "in-progress", "RecordingUrl": "u"}),
            (CALL, f"{CALL} recorded", "machine", "ended", "voicemail", "leg", False),
        ),
        (
            posted({**FIELDS, "CallStatus": "completed", "RecordingUrl": "u", "CallDuration": "9"}),
            (CALL, CALL, "customer", "ended", "completed", "call", False),
        ),
        (
            posted({"CallSid": CALL, "RecordingSid": "r", "RecordingStatus": "completed"}),
            (CALL, f"{CALL} recorded", "machine", "ended", "", "leg", False),
        ),
        (sent(STATE, "sha1"), ("1", "1", "customer", "ended", "completed", "leg", False)),
        (
            sent({**STATE, "params": {**STATE["params"], "end_reason": "cancel"}}, "sha1"),  # type: ignore[dict-item]
            ("1", "1", "customer", "ended", "cancelled", "leg", False),
        ),
        (
            sent({"event_type": "calling.call.connect", "params": {"call_id": "1", "connect_state": "connected"}}),
            ("1", "1 connected", "", "answered", "", "", True),
        ),
        (connection("connected", peer={"call_id": "2"}), ("1", "2", "", "answered", "", "", True)),
        (connection("connecting", peer={"call_id": "2"}), ("1", "1", "", "", "", "", False)),
        (connection("failed"), ("1", "1 not connected", "agent", "ended", "no_answer", "leg", False)),
        (connection("failed", failed_reason="busy"), ("1", "1 not connected", "agent", "ended", "busy", "leg", False)),
        (
            connection("failed", failed_reason="hangup"),
            ("1", "1 not connected", "agent", "ended", "no_answer", "leg", False),
        ),
        (connection("disconnected", peer={"call_id": "2"}), ("1", "2", "", "ended", "completed", "leg", False)),
        (MACHINE, ("1", "2", "machine", "answered", "voicemail", "", False)),
    ],
)
def test_facts_of_a_leg(delivery: Delivery, expected: tuple[Any, ...]) -> None:
    """Each delivery says which leg of which call stands how; only a leg that was dialled proves a human."""
    assert facts(delivery) == expected


HUNG_UP = sent({**STATE, "params": {"call_id": "1", "call_state": "ended", "end_reason": "hangup"}})
RANG_OUT, STOPPED, TAKEN = (
    sent({"event_type": "calling.call.state", "params": {"call_id": leg, "parent": {"call_id": "1"}, **told}})
    for leg, told in (
        ("2", {"call_state": "ended", "end_reason": "noAnswer"}),
        ("3", {"call_state": "ended", "end_reason": "hangup"}),
        ("3", {"call_state": "answered"}),
    )
)
BEGUN = sent({**STATE, "params": {**STATE["params"], "call_state": "created"}})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([BEGUN, connection("connecting"), connection("failed"), HUNG_UP], "call.missed"),
        ([BEGUN, connection("connecting", peer={"call_id": "2"}), connection("failed")], "call.unknown"),
        ([BEGUN, connection("failed"), connection("connected"), connection("disconnected"), HUNG_UP], "call.answered"),
        ([BEGUN, connection("failed"), connection("disconnected"), HUNG_UP], "call.unknown"),
        ([BEGUN, RANG_OUT, STOPPED, connection("failed"), HUNG_UP], "call.missed"),
        ([BEGUN, RANG_OUT, STOPPED, TAKEN, HUNG_UP], "call.unknown"),
        ([BEGUN, connection("connected", peer={"call_id": "2"}), MACHINE, HUNG_UP], "call.voicemail"),
        ([posted(DIALLED), posted({**CHILD, "CallSid": "dialled", "CallStatus": "completed", "AnsweredBy": "machine_start"}), posted({**FIELDS, "CallStatus": "completed"})], "call.voicemail"),
        ([posted(DIALLED), posted({**CHILD, "CallSid": "dialled", "CallStatus": "completed", "AnsweredBy": "human"}), posted({**FIELDS, "CallStatus": "completed"})], "call.answered"),
    ],
)  # fmt: skip
def test_call_is_judged_by_what_became_of_its_connections(deliveries: list[Delivery], expected: str) -> None:
    """A connection that fails is over, one that may have been made is not missed, and a machine is nobody."""
    legs = [LegEvent(str(number), NOW, read(delivery)) for number, delivery in enumerate(deliveries)]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected


def test_detection_that_found_nothing_is_no_leg() -> None:
    """It stays an event that a rule can name."""
    params = {"parent": {"call_id": "1"}, "call_id": "2"}
    assert read(sent({"event_type": "calling.call.detect", "params": params})).type == "signalwire.calling.call.detect"


def test_machine_that_names_no_other_leg_is_behind_the_call_itself() -> None:
    """So an outgoing call that a machine answered is not taken for answered."""
    params = {"call_id": "1", "detect": {"params": {"event": "MACHINE"}}}
    assert facts(sent({"event_type": "calling.call.detect", "params": params}))[:3] == ("1", "1", "machine")


def relay(**params: Any) -> Event:
    told: dict[str, Any] = {"call_id": "2", "call_state": "answered", **params}
    return read(sent({"event_type": "calling.call.state", "params": told}))


def test_outgoing_call_is_the_customers_own_leg() -> None:
    """One that belongs to another leg is somebody of ours, within that call."""
    device = {"type": "phone", "params": {"from_number": "+13105678901", "to_number": "+13103384645"}}
    ours, dialled = relay(direction="outbound", device=device), relay(direction="outbound", parent={"call_id": "1"})
    assert (ours.direction, ours.subject, ours.line) == ("outbound", "+13103384645", "+13105678901")
    assert ours.leg is not None
    assert dialled.leg is not None
    assert (ours.leg.call, ours.leg.party, ours.leg.human_if_outbound) == ("2", "customer", True)
    assert (dialled.leg.call, dialled.leg.party, dialled.leg.human_if_outbound) == ("1", "agent", False)
    assert (dialled.direction, dialled.caller) == ("", "")


def test_call_of_our_own_phone_is_outgoing() -> None:
    """RELAY tells of a SIP phone in other fields than of a telephone; that the call goes on is no answer."""
    device = {"type": "sip", "params": {"from": "sip:anna@acme.signalwire.com", "to": "sip:+13103384645@x.example"}}
    event = relay(direction="inbound", device=device)
    assert event.leg is not None
    assert (event.direction, event.subject, event.leg.party, event.leg.human_if_outbound) == (
        "outbound", "+13103384645", "agent", False,
    )  # fmt: skip


def test_direction_and_numbers_are_those_of_the_whole_call() -> None:
    """A leg that was dialled within a call tells neither the call's direction nor who calls."""
    whole, child = read(posted(FIELDS)), read(posted(CHILD))
    assert (whole.direction, whole.caller, whole.line) == ("inbound", "+13103384645", "+13105678901")
    assert (child.direction, child.caller, child.callee) == ("", "", FIELDS["To"])


def test_other_events_keep_their_name() -> None:
    """An event that is not about the state of a call can be named by a rule."""
    assert read(sent({"event_type": "messaging.state", "params": {}})).type == "signalwire.messaging.state"


@pytest.mark.parametrize(
    "delivery",
    [
        posted({}),
        posted({"CallSid": CALL}),
        posted({**FIELDS, "CallStatus": "gone"}),
        posted({**DIALLED, "DialCallStatus": "gone"}),
        posted([*FIELDS.items(), ("CallStatus", "busy")]),
        posted([*FIELDS.items(), ("CallSid", "x" * 600)][1:]),
        sent(b"[1]"),
        sent(b"\xff"),
        sent({}),
        sent({"event_type": "a b"}),
        sent({"event_type": []}),
        sent({"event_type": "calling.call.state"}),
        sent({"event_type": "calling.call.state", "params": {"call_id": "1", "call_state": "gone"}}),
        sent({"event_type": "calling.call.state", "params": {"call_id": "1", "call_state": "ended", "direction": 1}}),
    ],
)
def test_broken_body_is_refused(delivery: Delivery) -> None:
    """What does not say which call stands how is refused, in the bridge's own words."""
    with pytest.raises((DeliveryRefused, ValidationError)):
        source().read(delivery)


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_is_genuine(outcome: Any) -> None:
    """A sample verifies with the SDK and tells of a call that was missed or answered."""
    ours = source()
    deliveries = ours.sample(SampleCall("abc", outcome, NOW - 30, NOW))
    legs = [ours.read(delivery)[0].event.leg for delivery in deliveries]
    for delivery in deliveries:
        assert ours.verify(delivery)
        signature = dict(delivery.headers)["x-signalwire-signature"]
        assert validate_request(KEY, signature, URL, delivery.body.decode())
    assert [leg.human for leg in legs if leg] == [outcome == "answered", False]
    assert [leg.ends for leg in legs if leg] == ["leg", "call"]
