"""The providers zadarma and novofon: signatures over a few fields, one event for each call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import ValidationError

from badge_bridge.errors import BodyTooLarge, DeliveryRefused, Impossible, Malformed, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import OPTIONS, build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.zadarma import Zadarma

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = 1_763_778_600.0
SECRET = "an-api-secret-0123"
FORM = ("content-type", "application/x-www-form-urlencoded")
END = {
    "event": "NOTIFY_END",
    "call_start": "2025-11-22 05:29:40",
    "pbx_call_id": "in_0123456789abcdef",
    "caller_id": "+74951234567",
    "called_did": "74997654321",
    "duration": "0",
    "disposition": "no answer",
    "status_code": "19",
    "is_recorded": "0",
}
OUT_END = {
    **END,
    "event": "NOTIFY_OUT_END",
    "pbx_call_id": "out_0123456789abcdef",
    "caller_id": "74997654321",
    "internal": "100",
    "destination": "74951234567",
}
RECORD = {"event": "NOTIFY_RECORD", "pbx_call_id": "in_0123", "call_id_with_rec": "1458832388.1585217"}


def source(provider: str = "zadarma", **options: Any) -> Zadarma:
    given = {"provider": provider, "secrets": [SECRET], **options}
    built = build("pbx", OPTIONS[provider].model_validate(given))
    assert isinstance(built, Zadarma)
    return built


def signature(text: str, secret: str = SECRET) -> str:
    """As the provider's own library writes it: the hex digits of the hash in base64."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).hexdigest().encode()).decode()


def posted(fields: dict[str, str], signed: str, secret: str = SECRET) -> Delivery:
    return Delivery("POST", "", (FORM, ("signature", signature(signed, secret))), urlencode(fields).encode(), NOW)


def end(**change: str) -> Delivery:
    fields = {**END, **change}
    return posted(fields, fields["caller_id"] + fields["called_did"] + fields["call_start"])


def read(delivery: Delivery, **options: Any) -> Event:
    pbx = source(**options)
    pbx.verify(delivery)
    (reading,) = pbx.read(delivery)
    return reading.event


@pytest.mark.parametrize("provider", ["zadarma", "novofon"])
@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["provider"] == "zadarma"], ids=lambda vector: vector["id"]
)
def test_vector_is_judged_as_published(vector: dict[str, Any], provider: str) -> None:
    """Both names take the same notifications, and the text that is signed is the published one."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    delivery = Delivery("POST", "", headers, vector["body"].encode(), NOW)
    pbx = source(provider, secrets=[vector["secret"]])
    if not vector["valid"]:
        with pytest.raises(Unauthenticated):
            pbx.verify(delivery)
        return
    assert pbx.verify(delivery) == "hmac-sha1 over fields"
    (reading,) = pbx.read(delivery)
    assert reading.identity == (vector["signed_string"],)
    assert reading.event.provider == provider
    assert reading.event.type == {"zadarma-end": "call.missed", "zadarma-out-end": "call.answered"}[vector["id"]]


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({}, "call.missed", "no_answer"),
        ({"disposition": "cancel"}, "call.missed", "caller_cancelled"),
        ({"disposition": "answered", "internal": "100"}, "call.answered", ""),
        ({"disposition": "answered"}, "call.unknown", "answered, but by which extension is not said"),
        ({"disposition": "busy"}, "call.busy", "busy"),
        ({"disposition": "failed"}, "call.failed", "failed"),
        ({"disposition": "no money, no limit"}, "call.failed", "no money, no limit"),
        ({"disposition": "line limit"}, "call.failed", "line limit"),
        ({"disposition": ""}, "call.unknown", ": a disposition that is not documented"),
        ({"disposition": "NO ANSWER"}, "call.unknown", "NO ANSWER: a disposition that is not documented"),
    ],
)
def test_call_from_outside_is_judged(change: dict[str, str], kind: str, reason: str) -> None:
    """Only what says that nobody answered makes a missed call; a menu that answers is nobody."""
    event = read(end(**change))
    assert (event.type, event.reason, event.direction) == (kind, reason, "inbound")
    assert (event.subject, event.line) == ("+74951234567", "+74997654321")


@pytest.mark.parametrize(
    ("disposition", "kind"),
    [("answered", "call.answered"), ("no answer", "call.failed"), ("cancel", "call.failed"), ("busy", "call.busy")],
)
def test_outgoing_call_is_never_missed(disposition: str, kind: str) -> None:
    """The customer is the one who was called."""
    event = read(posted({**OUT_END, "disposition": disposition}, "100749512345672025-11-22 05:29:40"))
    assert (event.type, event.direction, event.subject) == (kind, "outbound", "+74951234567")


def test_disposition_that_is_said_twice_is_unknown() -> None:
    """Which of two endings is true cannot be told."""
    delivery = end()
    doubled = replace(delivery, body=delivery.body + b"&disposition=answered")
    assert read(doubled).type == "call.unknown"


def test_time_is_read_in_the_zone_of_the_account() -> None:
    """Without the zone the time of a call is when it was told of."""
    assert read(end()).time == datetime.fromtimestamp(NOW, UTC)
    assert read(end(), time_zone="Europe/Moscow").time == datetime(2025, 11, 22, 2, 29, 40, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "/etc/localtime"])
def test_zone_is_one_that_there_is(zone: str) -> None:
    """A zone that nobody knows is found when the rules file is loaded."""
    with pytest.raises(ValidationError, match="time_zone"):
        source(time_zone=zone)


def test_duration_is_that_of_the_conversation() -> None:
    """Seconds, and none where they cannot be read."""
    assert read(end(duration="soon")).duration is None
    assert read(end(duration="12")).duration == 12


@pytest.mark.parametrize(
    ("fields", "signed"),
    [
        ({**END, "event": "NOTIFY_START"}, "+74951234567749976543212025-11-22 05:29:40"),
        ({**END, "event": "NOTIFY_INTERNAL"}, "+74951234567749976543212025-11-22 05:29:40"),
        ({**END, "event": "NOTIFY_IVR"}, "+74951234567749976543212025-11-22 05:29:40"),
        ({**END, "event": "NOTIFY_ANSWER", "destination": "100"}, "+749512345671002025-11-22 05:29:40"),
        ({**OUT_END, "event": "NOTIFY_OUT_START"}, "100749512345672025-11-22 05:29:40"),
    ],
)
def test_what_comes_before_the_end_makes_no_event(fields: dict[str, str], signed: str) -> None:
    """These share their signature with the end of the call: as events of their own they could stand in for it."""
    pbx, delivery = source(), posted(fields, signed)
    assert pbx.verify(delivery)
    assert pbx.read(delivery) == ()


@pytest.mark.parametrize("provider", ["zadarma", "novofon"])
def test_recording_is_an_event_of_its_own(provider: str) -> None:
    """A recording is signed by the ids of call and recording."""
    pbx, delivery = source(provider), posted(RECORD, "in_01231458832388.1585217")
    assert pbx.verify(delivery)
    (reading,) = pbx.read(delivery)
    assert (reading.event.type, reading.event.id) == (f"{provider}.notify_record", "in_0123")


@pytest.mark.parametrize(
    "recut",
    [
        {**END, "caller_id": "+749512345677", "called_did": "4997654321"},
        {**END, "pbx_call_id": "in_another"},
        {**END, "disposition": "answered", "internal": "100"},
        {**OUT_END, "internal": "+74951234567", "destination": "74997654321"},
    ],
    ids=["cut elsewhere", "another id", "another ending", "as an outgoing call"],
)
def test_captured_signature_makes_no_second_event(recut: dict[str, str]) -> None:
    """Whatever is made of a signature, it is the event that its text stands for."""
    pbx, genuine = source(), end()
    forged = replace(genuine, body=urlencode(recut).encode())
    assert pbx.verify(forged)
    assert [reading.identity for reading in pbx.read(forged)] == [pbx.read(genuine)[0].identity]


@pytest.mark.parametrize("began", ["2025-11-22 05:29:40", "2015-11-22 05:29:40"])
def test_signature_of_a_call_is_none_of_a_recording(began: str) -> None:
    """What comes before a call's end makes no event, so that its signature would be new as a recording's, and at any age."""
    fields = {"event": "NOTIFY_RECORD", "pbx_call_id": "+74951234567", "call_id_with_rec": f"100{began}"}
    with pytest.raises(Unauthenticated, match="not of its recording"):
        source().verify(posted(fields, f"+74951234567100{began}"))


def test_old_recording_is_the_event_that_it_was() -> None:
    """Its signature has no time, and all that is signed is its identity, whatever else is sent along."""
    pbx, genuine = source(), posted(RECORD, "in_01231458832388.1585217")
    later = replace(genuine, body=genuine.body + b"&note=1", received_at=NOW + 10 * 365 * 86400)
    assert pbx.verify(later)
    assert pbx.read(later)[0].identity == pbx.read(genuine)[0].identity


def test_callers_who_hide_in_one_second_are_one_event_without_a_customer() -> None:
    """The id that would tell them from each other is not signed; neither could have a badge."""
    pbx = source()
    first, second = (pbx.read(end(caller_id="anonymous", pbx_call_id=call))[0] for call in ("in_1", "in_2"))
    assert first.identity == second.identity
    assert (first.event.customer, first.event.data["caller_withheld"]) == ("", True)


def test_other_calls_have_other_identities() -> None:
    """Another caller, another line or another second is another call; a repeat of the delivery is none."""
    pbx = source()
    several = [
        end(),
        end(caller_id="+74951234568"),
        end(called_did="74997654322"),
        end(call_start="2025-11-22 05:29:41"),
    ]
    assert len({pbx.read(delivery)[0].identity for delivery in several}) == 4
    assert pbx.read(end()) == pbx.read(end())


@pytest.mark.parametrize("field", ["caller_id", "called_did", "call_start"])
def test_changed_field_that_is_signed_is_refused(field: str) -> None:
    """Each of the three is covered, and none may be missing or there twice."""
    genuine, text = end(), END[field]
    changed = urlencode({**END, field: text[:-1] + "9"}).encode()
    missing = urlencode({name: value for name, value in END.items() if name != field}).encode()
    for body in (changed, missing, genuine.body + b"&" + urlencode({field: text}).encode()):
        with pytest.raises(Unauthenticated):
            source().verify(replace(genuine, body=body))


@pytest.mark.parametrize(
    "headers",
    [
        (FORM,),
        (FORM, ("signature", "")),
        (FORM, ("signature", "!")),
        (FORM, ("signature", "ü")),
        (FORM, ("signature", base64.b64encode(b"\xff" * 40).decode())),
        (FORM, ("signature", base64.b64encode(hmac.digest(SECRET.encode(), b"x", "sha1")).decode())),
        (FORM, ("signature", signature("x")), ("signature", signature("y"))),
        (("content-type", "text/plain"), ("signature", signature("+74951234567749976543212025-11-22 05:29:40"))),
    ],
)
def test_odd_headers_are_refused(headers: tuple[tuple[str, str], ...]) -> None:
    """A missing, unreadable or contradicting signature proves nothing."""
    with pytest.raises(Unauthenticated):
        source().verify(replace(end(), headers=headers))


@pytest.mark.parametrize("event", ["", "NOTIFY_WHATEVER", "notify_end"])
def test_unknown_notification_is_refused(event: str) -> None:
    """How it is signed is not known; nor does it count after a check that somebody left out."""
    delivery = end(event=event)
    with pytest.raises(Unauthenticated):
        source().verify(delivery)
    with pytest.raises(Impossible, match="event"):
        source().read(delivery)


@pytest.mark.parametrize(
    ("began", "accepted"),
    [
        ("2025-11-19 05:29:40", True),
        ("2025-11-18 05:29:40", False),
        ("2025-11-22 16:29:40", True),
        ("2025-11-24 05:29:40", False),
        ("2025-13-45 05:29:40", False),
        ("2025-11-22T05:29:40", False),
        ("1763778580", False),
    ],
)
def test_signature_of_long_ago_is_refused(began: str, accepted: bool) -> None:
    """The start of the call is the only time that is signed; in which zone, is not."""
    if accepted:
        assert source().verify(end(call_start=began))
    else:
        with pytest.raises(Unauthenticated):
            source().verify(end(call_start=began))


@pytest.mark.parametrize("body", [b"", b"\xff", b"x", b"event=%ff", b"&".join([b"a=1"] * 2_000), b"event[]=NOTIFY_END"])
def test_broken_body_is_refused(body: bytes) -> None:
    """Nothing that cannot be read is believed, or gets any further."""
    broken = replace(end(), body=body)
    with pytest.raises(Unauthenticated):
        source().verify(broken)
    with pytest.raises(DeliveryRefused):
        source().read(broken)


def test_large_body_is_not_read() -> None:
    """Notifications are small."""
    with pytest.raises(BodyTooLarge):
        source().verify(replace(end(), body=b"a=" + b"1" * 65_536))


@pytest.mark.parametrize("echo", ["4b1d", "a", "A.b_c-9", "x" * 200])
def test_endpoint_check_is_answered(echo: str) -> None:
    """The provider wants its word back, and nothing else."""
    reply = source().handshake(Delivery("GET", f"zd_echo={echo}", (), b"", NOW))
    assert reply is not None
    assert (reply.status, reply.body, reply.media_type) == (200, echo.encode(), "text/plain")


@pytest.mark.parametrize(
    "query",
    ["", "zd_echo=", "zd_echo=%3Cscript%3E", "zd_echo=a%0A", "zd_echo=" + "x" * 201, "zd_echo=a&zd_echo=b", "x=1"],
)
def test_odd_endpoint_check_is_refused(query: str) -> None:
    """What comes back could otherwise be a page of somebody else's making."""
    with pytest.raises(Malformed):
        source().handshake(Delivery("GET", query, (), b"", NOW))


def test_notification_is_no_endpoint_check() -> None:
    """A query does not turn a notification into a check."""
    assert source().handshake(replace(end(), query="zd_echo=a")) is None
    assert source().reply().status == 200


@pytest.mark.parametrize("provider", ["zadarma", "novofon"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_tells_of_its_call(provider: str, zone: str | None, outcome: Any) -> None:
    """What is sent to try a set-up passes the same checks as the provider's deliveries."""
    pbx = source(provider, time_zone=zone)
    (delivery,) = pbx.sample(SampleCall(id="a1", outcome=outcome, at=NOW - 20, now=NOW))
    assert pbx.verify(delivery)
    (reading,) = pbx.read(delivery)
    assert reading.event.type == f"call.{outcome}"
    assert reading.event.time == datetime.fromtimestamp(NOW - 20 if zone else NOW, UTC)
    assert (reading.event.caller, reading.event.callee) == ("+4930901820", "+4989654321")


def test_signature_of_capital_digits_is_refused() -> None:
    """One character of base64 can turn a digit into its capital; a signature has one spelling."""
    genuine = end()
    digits = base64.b64decode(dict(genuine.headers)["signature"]).decode()
    capital = base64.b64encode(digits.upper().encode()).decode()
    assert digits != digits.upper()
    with pytest.raises(Unauthenticated):
        source().verify(replace(genuine, headers=[FORM, ("signature", capital)]))
