"""The provider twilio: Twilio's own library is the judge of signatures, a table that of calls."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from twilio.request_validator import RequestValidator

from badge_bridge.errors import BodyTooLarge, Impossible, Malformed, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import bodies, build
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.joining import LegEvent, judge_legs, judged_event
from badge_bridge.sources.twilio import Twilio, TwilioOptions, sign

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = datetime(2025, 11, 22, 2, 30, 5, tzinfo=UTC)
URL = "https://bridge.example.com/hooks/reception"
TOKEN = "0123456789abcdef0123456789abcdef"
CALL = "CA" + "0" * 31 + "1"
CHILD = "CA" + "0" * 31 + "2"
RECORDING = "RE" + "0" * 32
FORM = ("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
MISSED = {
    "AccountSid": "AC" + "0" * 32,
    "CallSid": CALL,
    "CallStatus": "no-answer",
    "CallbackSource": "call-progress-events",
    "CallDuration": "0",
    "Direction": "inbound",
    "ForwardedFrom": "",
    "From": "+4930123456",
    "SequenceNumber": "0",
    "Timestamp": "Sat, 22 Nov 2025 02:30:00 +0000",
    "To": "+4989654321",
}


def source(**options: Any) -> Twilio:
    given_options = {"provider": "twilio", "secrets": [TOKEN], "public_url": URL, **options}
    built = build("reception", TwilioOptions.model_validate(given_options))
    assert isinstance(built, Twilio)
    return built


def posted(fields: dict[str, str] | list[tuple[str, str]], *headers: tuple[str, str], query: str = "") -> Delivery:
    """A form that is signed by Twilio's library for what it is posted to."""
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    url = f"{URL}?{query}" if query else URL
    signature = RequestValidator(TOKEN).compute_signature(url, dict(pairs))
    return raw(urlencode(pairs).encode(), FORM, ("x-twilio-signature", signature), *headers, query=query)


def raw(body: bytes, *headers: tuple[str, str], query: str = "", method: str = "POST") -> Delivery:
    return Delivery(method, query, headers, body, NOW.timestamp())


def read(fields: dict[str, str], **options: Any) -> Event:
    """The event of a delivery, or what the call is judged as when no other delivery tells of it."""
    (reading,) = source(**options).read(posted(fields))
    return judged_event([LegEvent("reception:1", NOW.timestamp(), reading.event)])


def identity(fields: dict[str, str]) -> tuple[str, ...]:
    (reading,) = source().read(posted(fields))
    return reading.identity


TWILIO_VECTORS = [vector for vector in VECTORS if vector["provider"] == "twilio"]


@pytest.mark.parametrize("vector", TWILIO_VECTORS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """Forms, queries, JSON and shared keys are accepted and refused as Twilio's library does."""
    url = urlsplit(vector["url"])
    verify = {"algorithm": "sha256"} if "sharedkey" in vector["id"] else {}
    twilio = source(secrets=[vector["secret"]], public_url=url._replace(query="").geturl(), verify=verify)
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    request = Delivery(vector["method"], url.query, headers, vector["body"].encode(), NOW.timestamp())
    if vector["valid"]:
        assert twilio.verify(request).startswith("hmac-sha")
    else:
        with pytest.raises(Unauthenticated):
            twilio.verify(request)


def test_verify_says_what_is_covered() -> None:
    """The log can tell whether the body was signed by its fields, by its digest, or not at all."""
    assert source().verify(posted(MISSED)) == "hmac-sha1 over url and form"
    assert source().verify(signed_json(b"{}")) == "hmac-sha1 over url and body"
    assert source().verify(got("a=1")) == "hmac-sha1 over url"


def signed_json(body: bytes, *, signed: bytes | None = None) -> Delivery:
    query = f"bodySHA256={hashlib.sha256(body if signed is None else signed).hexdigest()}"
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}", {})
    return raw(body, ("content-type", "application/json"), ("x-twilio-signature", signature), query=query)


def got(query: str) -> Delivery:
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}", {})
    return raw(b"", ("x-twilio-signature", signature), query=query, method="GET")


values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(fields=st.dictionaries(values.filter(bool), values, max_size=8), query=st.sampled_from(["", "a=1&b=%20x"]))
@example(fields={"ä &=+": "", "Z": "é\n\0"}, query="")
def test_any_form_that_twilio_signs_is_accepted(fields: dict[str, str], query: str) -> None:
    """Whatever the fields hold, what Twilio's library signs is genuine and what `sign` makes is the same."""
    request = posted(fields, query=query)
    assert source().verify(request)
    url = f"{URL}?{query}" if query else URL
    assert sign(url, list(fields.items()), TOKEN) == request.header("x-twilio-signature")


@given(position=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
def test_any_changed_byte_of_a_signed_form_is_refused(position: int, byte: int) -> None:
    """One changed byte ends the signature, unless it only writes the same fields differently (%2b for %2B)."""
    request = posted(MISSED)
    position %= len(request.body)
    body = request.body[:position] + bytes([byte]) + request.body[position + 1 :]
    try:
        source().verify(replace(request, body=body))
    except Unauthenticated:
        return
    assert sorted(bodies.form(body)) == sorted(bodies.form(request.body))


def test_repeated_keys_are_signed_sorted_and_once() -> None:
    """Twilio's library sorts the values of a repeated key and leaves out repeats."""

    class Repeats(dict[str, str]):
        def getall(self, key: str) -> list[str]:
            return [value for name, value in pairs if name == key]

    pairs = [("Digits", "2"), ("Digits", "1"), ("Digits", "2"), ("CallSid", CALL)]
    signature = RequestValidator(TOKEN).compute_signature(URL, Repeats(pairs))
    assert source().verify(raw(urlencode(pairs).encode(), FORM, ("x-twilio-signature", signature)))


@pytest.mark.parametrize(
    ("signed", "configured"),
    [
        ("https://bridge.example.com:443/hooks/reception", "https://bridge.example.com/hooks/reception"),
        ("https://bridge.example.com/hooks/reception", "https://bridge.example.com:443/hooks/reception"),
        ("http://bridge.example.com:80/h", "http://bridge.example.com/h"),
        ("https://bridge.example.com:8443/h", "https://bridge.example.com:8443/h"),
        ("https://bridge.example.com/h", "https://bridge.example.com:8443/h"),
        ("https://[2001:db8::1]:443/h", "https://[2001:db8::1]/h"),
    ],
)
def test_port_may_be_signed_or_not(signed: str, configured: str) -> None:
    """Whether Twilio signs the port is not consistent, so both spellings of the URL count."""
    signature = RequestValidator(TOKEN).compute_signature(signed, MISSED)
    request = raw(urlencode(MISSED).encode(), FORM, ("x-twilio-signature", signature))
    assert source(public_url=configured).verify(request)


@pytest.mark.parametrize(
    "url",
    [
        "http://bridge.example.com/hooks/reception",
        "https://bridge.example.com/hooks/other",
        "https://bridge.example.com/hooks/reception/",
        "https://bridge.example.com/hooks/reception?x=1",
        "https://evil.example.com/hooks/reception",
        "https://bridge.example.com:8443/hooks/reception",
    ],
)
def test_delivery_for_another_url_is_refused(url: str) -> None:
    """A delivery that was signed for another endpoint does not count here."""
    signature = RequestValidator(TOKEN).compute_signature(url, MISSED)
    with pytest.raises(Unauthenticated):
        source().verify(raw(urlencode(MISSED).encode(), FORM, ("x-twilio-signature", signature)))


def _signed_with(algorithm: str, settings: str | None) -> Delivery:
    signature = RequestValidator(TOKEN).compute_signature(URL, MISSED, algorithm)
    headers = [FORM, ("x-twilio-signature", signature)]
    if settings is not None:
        headers.append(("x-twilio-webhooks-signature-settings", settings))
    return raw(urlencode(MISSED).encode(), *headers)


SHARED = {"algorithm": "sha256", "key": "webhooks_sharedkey_1"}


@pytest.mark.parametrize(
    ("verify", "algorithm", "settings", "accepted"),
    [
        ({}, "HMAC_SHA1", None, True),
        ({}, "HMAC_SHA1", "", True),
        ({}, "HMAC_SHA1", "algorithm=HMAC_SHA1", True),
        ({}, "HMAC_SHA256", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", False),
        ({}, "HMAC_SHA1", "algorithm=HMAC_SHA256", False),
        ({}, "HMAC_SHA1", "algorithm=HMAC_MD5", False),
        (SHARED, "HMAC_SHA256", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", True),
        (SHARED, "HMAC_SHA256", " key=webhooks_sharedkey_1 , algorithm=hmac_sha256", True),
        (SHARED, "HMAC_SHA256", "key=webhooks_sharedkey_2,algorithm=HMAC_SHA256", False),
        (SHARED, "HMAC_SHA256", "algorithm=HMAC_SHA256", False),
        ({"algorithm": "sha256"}, "HMAC_SHA256", "key=any,algorithm=HMAC_SHA256", True),
        (SHARED, "HMAC_SHA1", None, False),
        (SHARED, "HMAC_SHA1", "algorithm=HMAC_SHA1", False),
        (SHARED, "HMAC_SHA256", None, False),
        (SHARED, "HMAC_SHA1", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1,algorithm=HMAC_SHA256", False),
    ],
)
def test_algorithm_is_pinned(verify: dict[str, str], algorithm: str, settings: str | None, accepted: bool) -> None:
    """The request cannot choose a weaker way to be checked than the rules file says."""
    twilio = source(verify=verify)
    if accepted:
        assert twilio.verify(_signed_with(algorithm, settings))
    else:
        with pytest.raises(Unauthenticated):
            twilio.verify(_signed_with(algorithm, settings))


@pytest.mark.parametrize("query", ["", "CallSid=1", "bodySHA256={right}&bodySHA256={wrong}", "bodySHA256={wrong}"])
def test_json_is_refused_when_its_signed_url_does_not_name_its_digest(query: str) -> None:
    """A genuine URL alone, such as that of a captured GET, says nothing about a body that somebody puts beside it."""
    body = b'{"CallSid":"forged"}'
    query = query.format(right=hashlib.sha256(body).hexdigest(), wrong=hashlib.sha256(b"").hexdigest())
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}" if query else URL, {})
    headers = (("content-type", "application/json"), ("x-twilio-signature", signature))
    with pytest.raises(Unauthenticated, match="bodySHA256"):
        source().verify(raw(body, *headers, query=query))


def test_contradictory_signature_headers_are_refused() -> None:
    """Two different signatures prove nothing, even when one is right; nor does none."""
    request = posted(MISSED)
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, headers=[*request.headers, ("x-twilio-signature", "AAAA")]))
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, headers=[FORM]))


@pytest.mark.parametrize(
    "request_",
    [
        signed_json(b'{"CallSid":1}', signed=b'{"CallSid":2}'),
        replace(signed_json(b"{}"), query=""),
        replace(signed_json(b"{}"), headers=[("content-type", "text/plain"), *signed_json(b"{}").headers[1:]]),
        replace(signed_json(b"{}"), query=signed_json(b"{}").query + "&bodySHA256=00"),
        replace(got("CallSid=1"), query="CallSid=2"),
        replace(posted(MISSED), headers=[("content-type", "application/json"), *posted(MISSED).headers[1:]]),
        replace(posted(MISSED), headers=[("content-type", "text/xml"), *posted(MISSED).headers[1:]]),
        replace(posted(MISSED), headers=posted(MISSED).headers[1:]),
        replace(posted(MISSED), body=b""),
        replace(posted(MISSED), body=b"\xff\xfe"),
        replace(posted(MISSED), body=b"a=%ff"),
        replace(posted(MISSED), body=b"a&b"),
        replace(posted(MISSED), body=b"&".join(b"f%d=1" % number for number in range(2_000))),
        replace(posted(MISSED), method="GET"),
    ],
    ids=[
        "json body altered",
        "digest missing",
        "json as text",
        "digest repeated",
        "query altered",
        "form as json",
        "form as xml",
        "no content type",
        "empty body",
        "not utf-8",
        "escaped not utf-8",
        "no pairs",
        "2,000 fields",
        "post as get",
    ],
)
def test_altered_or_unreadable_request_is_refused(request_: Delivery) -> None:
    """What cannot be checked is not genuine, whatever is wrong with it."""
    with pytest.raises(Unauthenticated):
        source().verify(request_)


@pytest.mark.parametrize(
    "body",
    [
        b'{"CallSid":"x","CallSid":"y"}',
        b"[" * 60_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"[]",
        b"",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
    ids=["duplicate", "very deep", "deep", "list", "empty", "not utf-8", "nan", "huge number"],
)
def test_genuine_but_broken_json_is_malformed(body: bytes) -> None:
    """A signed body that is no JSON object within the limits is a 400, and says why."""
    request = signed_json(body)
    source().verify(request)
    with pytest.raises(Malformed):
        source().read(request)


def test_missed_call_is_read_with_all_its_fields() -> None:
    """An incoming call that nobody answered becomes call.missed with both numbers and its time."""
    event = read(MISSED)
    assert event.model_dump(exclude={"data"}) == {
        "id": CALL,
        "source": "reception",
        "provider": "twilio",
        "type": "call.missed",
        "time": datetime(2025, 11, 22, 2, 30, tzinfo=UTC),
        "subject": "+4930123456",
        "direction": "inbound",
        "outcome": "missed",
        "reason": "no_answer",
        "caller": "+4930123456",
        "callee": "+4989654321",
        "line": "+4989654321",
        "duration": 0,
        "email": "",
        "leg": None,
        "told_time": None,
    }
    assert event.data.items() >= MISSED.items()


def test_query_and_json_are_read_like_a_form() -> None:
    """The three shapes of a webhook give the same event."""
    fields = {"CallSid": CALL, "CallStatus": "no-answer", "Direction": "inbound", "From": "+4930123456"}
    (by_form,) = source().read(posted(fields))
    (by_query,) = source().read(got(urlencode(fields)))
    (by_json,) = source().read(signed_json(json.dumps(fields).encode()))
    assert by_form == by_query == by_json


def case(expected: str, reason: str, **fields: str) -> Any:
    merged = {key: value for key, value in {**MISSED, **fields}.items() if value}
    return pytest.param(merged, expected, reason, id=f"{expected} {' '.join(fields.values())}")


OUTBOUND = {"Direction": "outbound-api", "CallDuration": "51"}
DIAL = {"CallStatus": "in-progress", "DialCallSid": CHILD}
RECORDED = {"CallStatus": "completed", "RecordingSid": RECORDING}


@pytest.mark.parametrize(
    ("fields", "expected", "reason"),
    [
        case("missed", "no_answer", CallStatus="no-answer"),
        case("missed", "caller_cancelled", CallStatus="canceled"),
        case("busy", "busy", CallStatus="busy"),
        case("failed", "failed", CallStatus="failed"),
        case("unknown", "it ended, and nothing says whether somebody answered", CallStatus="completed"),
        case("unknown", "its end is not known", CallStatus="queued"),
        case("unknown", "its end is not known", CallStatus="initiated"),
        case("unknown", "its end is not known", CallStatus="ringing"),
        case("unknown", "its end is not known", CallStatus="in-progress"),
        case("unknown", "its end is not known", **DIAL, DialCallStatus="ringing"),
        case("missed", "no_answer", **DIAL, DialCallStatus="no-answer"),
        case("missed", "caller_cancelled", **DIAL, DialCallStatus="canceled"),
        case("busy", "busy", **DIAL, DialCallStatus="busy"),
        case("failed", "failed", **DIAL, DialCallStatus="failed"),
        case("answered", "", **DIAL, DialCallStatus="completed"),
        case("answered", "", **DIAL, DialCallStatus="answered"),
        case("answered", "", **DIAL, DialCallStatus="completed", DialBridged="true"),
        case(
            "unknown",
            "it ended, and nothing says whether somebody answered",
            **DIAL,
            DialCallStatus="completed",
            DialBridged="false",
        ),
        case("answered", "", **DIAL, DialCallStatus="completed", RecordingUrl="https://api.twilio.com/r"),
        case("unknown", "its end is not known", Direction="outbound-dial", ParentCallSid=CALL, CallSid=CHILD),
        case("unknown", "its end is not known", Direction="inbound", ParentCallSid=CALL, CallSid=CHILD),
        case("unknown", "answered, but its end was never reported", Direction="outbound-dial", CallStatus="completed"),
        case("failed", "no_answer", **OUTBOUND, CallStatus="no-answer"),
        case(
            "unknown",
            "a voicemail box answered the outgoing call",
            **OUTBOUND,
            CallStatus="completed",
            AnsweredBy="machine_end_beep",
        ),
        case("failed", "caller_cancelled", **OUTBOUND, CallStatus="canceled"),
        case("busy", "busy", **OUTBOUND, CallStatus="busy"),
        case("answered", "", **OUTBOUND, CallStatus="completed"),
        case("answered", "", **OUTBOUND, CallStatus="completed", AnsweredBy="human"),
        case(
            "unknown",
            "it ended, and nothing says whether somebody answered",
            **OUTBOUND,
            CallStatus="completed",
            AnsweredBy="fax",
        ),
        case("failed", "no_answer", **OUTBOUND, **DIAL, DialCallStatus="no-answer"),
        case("answered", "", **OUTBOUND, **DIAL, DialCallStatus="completed"),
        case("unknown", "no_answer, but the direction is not known", Direction=""),
        case("unknown", "no_answer, but the direction is not known", Direction="trunking-terminating"),
        case(
            "unknown",
            "it ended, and nothing says whether somebody answered",
            From="client:anna",
            CallStatus="completed",
        ),
        case("voicemail", "", **RECORDED),
        case("voicemail", "", **RECORDED, RecordingSource="RecordVerb", RecordingStatus="completed"),
        case("voicemail", "", RecordingSid=RECORDING, RecordingSource="RecordVerb", CallStatus="", Direction=""),
        case("voicemail", "", CallStatus="in-progress", RecordingUrl="https://api.twilio.com/r"),
        case("unknown", "it ended, and nothing says whether somebody answered", **RECORDED, RecordingSource="DialVerb"),
        case(
            "unknown", "it ended, and nothing says whether somebody answered", **RECORDED, RecordingSource="Conference"
        ),
        case(
            "unknown", "it ended, and nothing says whether somebody answered", **RECORDED, RecordingStatus="in-progress"
        ),
        case("unknown", "it ended, and nothing says whether somebody answered", **RECORDED, RecordingStatus="absent"),
        case("unknown", "it ended, and nothing says whether somebody answered", **OUTBOUND, **RECORDED),
        case("answered", "", CallStatus="in-progress", QueueResult="bridged"),
        case("answered", "", CallStatus="completed", QueueResult="redirected-from-bridged"),
        case("missed", "no_answer", CallStatus="completed", QueueResult="hangup"),
        case("unknown", "it may have been answered, and nothing says by whom", QueueResult="redirected"),
        case("missed", "no_answer", CallStatus="in-progress", QueueResult="queue-full"),
    ],
)
def test_call_is_judged_from_one_event(fields: dict[str, str], expected: str, reason: str) -> None:
    """Missed means inbound, ended and unanswered; what one request cannot tell alone is unknown and says why."""
    event = read(fields)
    assert (event.type, event.outcome, event.reason) == (f"call.{expected}", expected, reason)


@pytest.mark.parametrize(
    ("answered_by", "expected"), [("human", "answered"), ("machine_start", "voicemail"), ("fax", "unknown")]
)
def test_machine_behind_a_leg_that_was_dialled_is_no_human(answered_by: str, expected: str) -> None:
    """What the dial calls completed was the voicemail box of the telephone, as the leg's own callback says."""
    child = {**MISSED, "CallSid": CHILD, "ParentCallSid": CALL, "Direction": "outbound-dial", "CallStatus": "completed"}
    told = [{**MISSED, **DIAL, "DialCallStatus": "completed"}, {**child, "AnsweredBy": answered_by}]
    told.append({**MISSED, "CallStatus": "completed"})
    readings = [source().read(posted(fields))[0] for fields in told]
    legs = [LegEvent(str(number), NOW.timestamp(), each.event) for number, each in enumerate(readings)]
    assert judge_legs(legs).outcome == judge_legs(legs[::-1]).outcome == expected


@pytest.mark.parametrize(
    ("statuses", "recorded", "expected"),
    [
        (["ringing", "no-answer"], False, "missed"),
        (["ringing", "no-answer"], True, "voicemail"),
        (["ringing", "in-progress", "completed"], False, "answered"),
        (["ringing", "in-progress", "completed"], True, "answered"),
        (["ringing"], False, "unknown"),
    ],
)
def test_call_that_goes_on_after_a_dial_is_judged_from_status_callbacks(
    statuses: list[str], recorded: bool, expected: str
) -> None:
    """Each telephone, the recording and the number report; no `action` is needed."""
    child = {**MISSED, "CallSid": CHILD, "ParentCallSid": CALL, "Direction": "outbound-dial"}
    told = [{**child, "CallStatus": status, "SequenceNumber": str(at)} for at, status in enumerate(statuses)]
    told += [{"CallSid": CALL, **RECORDED}] if recorded else []
    told.append({**MISSED, "CallStatus": "completed"})
    readings = [source().read(posted(fields))[0] for fields in told]
    legs = [LegEvent(str(number), NOW.timestamp(), each.event) for number, each in enumerate(readings)]
    assert judge_legs(legs).outcome == judge_legs(legs[::-1]).outcome == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("CallSid", ""),
        ("CallSid", "CA1"),
        ("CallSid", "AC" + "0" * 32),
        ("CallStatus", ""),
        ("CallStatus", "no answer"),
        ("CallStatus", "n"),
        ("CallStatus", "something-new"),
        ("CallStatus", "answered"),
        ("DialCallStatus", "no"),
        ("RecordingStatus", "complete"),
        ("SequenceNumber", "-1"),
        ("SequenceNumber", "\u0661"),
        ("CallbackSource", "Call"),
        ("DialCallSid", "none"),
        ("DialCallStatus", "Completed"),
        ("RecordingSid", "RE1"),
        ("ParentCallSid", "x"),
        ("ParentCallSid", ""),
        ("DialBridged", "maybe"),
        ("RecordingSource", "two words"),
        ("AnsweredBy", "machine_startApiVersion2010"),
        ("CallDuration", "-5"),
        ("CallDuration", "abc"),
        ("CallDuration", "9999999999"),
        ("DialCallDuration", "1.5"),
        ("Timestamp", "banana"),
        ("Timestamp", "2025-11-22"),
        ("Timestamp", "Sat, 99 Nov 2025 02:30:00 +0000"),
        ("Timestamp", "Sat, 22 Nov 2025 02:30:00 +9999"),
        ("Timestamp", "Fri, 31 Dec 9999 23:59:59 -1200"),
        ("Timestamp", "Sat, 22 Nov 99999999999999999999 02:30:00 +0000"),
        ("Timestamp", "Sat, 22 Nov 2025 99999999999999999999:30:00 +0000"),
        ("MessageSid", "SM" + "0" * 32),
    ],
)
def test_field_that_twilio_writes_otherwise_is_impossible(field: str, value: str) -> None:
    """A value that decides what an event is must look as Twilio writes it; the error names the field."""
    with pytest.raises(Impossible) as refused:
        read({**MISSED, field: value})
    assert (refused.value.field, refused.value.status) == (field, 422)


@pytest.mark.parametrize("missing", ["CallSid", "CallStatus"])
def test_field_that_is_not_there_is_impossible(missing: str) -> None:
    """A webhook that is not about a voice call, such as one about an SMS, is refused by name of what is missing."""
    with pytest.raises(Impossible) as refused:
        read({key: value for key, value in MISSED.items() if key != missing})
    assert refused.value.field == missing


def test_field_that_is_given_twice_is_impossible() -> None:
    """Two statuses in one request leave nothing to choose from."""
    body = urlencode([*MISSED.items(), ("CallStatus", "completed")]).encode()
    with pytest.raises(Impossible, match="CallStatus"):
        source().read(raw(body, FORM))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"CallDuration": "1", "Timestamp": "Sat, 22 Nov 2025 02:31:00 +0000"}, True),
        ({"SequenceNumber": "1"}, False),
        ({"CallStatus": "busy"}, False),
        ({"CallbackSource": "call-cost-events"}, False),
        ({"CallSid": CHILD}, False),
        ({"DialCallSid": CHILD}, False),
        ({"DialCallStatus": "busy"}, False),
        ({"RecordingSid": RECORDING}, False),
        ({"RecordingStatus": "absent"}, False),
    ],
)
def test_identity_is_made_of_what_happened(change: dict[str, str], same: bool) -> None:
    """A repeated delivery is the same event; another status, leg or recording of the call is not."""
    told = {**MISSED, "CallStatus": "completed"}
    assert (identity({**told, **change}) == identity(told)) is same


@pytest.mark.parametrize("status", ["no-answer", "canceled", "busy", "failed"])
def test_call_that_nothing_answered_ends_for_good(status: str) -> None:
    """Nothing is waited for; but a human who is known is not argued away by it, in whatever order they are told of."""
    child = {**MISSED, "CallSid": CHILD, "ParentCallSid": CALL, "Direction": "outbound-dial"}
    told = [
        {**child, "CallStatus": "in-progress"},
        {**child, "CallStatus": "completed"},
        {**MISSED, "CallStatus": status},
    ]
    events = [source().read(posted(fields))[0].event for fields in told]
    assert [(event.leg.final, event.leg.ends) for event in events if event.leg] == [
        (False, ""), (False, "leg"), (True, "call"),
    ]  # fmt: skip
    legs = [LegEvent(str(number), NOW.timestamp(), event) for number, event in enumerate(events)]
    assert judge_legs(legs).outcome == judge_legs(legs[::-1]).outcome == "answered"


def test_identity_does_not_read_the_unsigned_idempotency_token() -> None:
    """Nobody can make an old delivery new by changing a header that is not signed."""
    twilio = source()
    (one,) = twilio.read(posted(MISSED, ("i-twilio-idempotency-token", "1")))
    (two,) = twilio.read(posted(MISSED, ("i-twilio-idempotency-token", "2")))
    assert one.identity == two.identity


@pytest.mark.parametrize(
    ("given_number", "caller", "withheld"),
    [
        ("030 123456", "+4930123456", False),
        ("sip:+4930123456@pbx.example.com", "+4930123456", False),
        ("anonymous", "", True),
        ("+266696687", "", True),
        ("sip:anonymous@anonymous.invalid", "", True),
    ],
)
def test_caller_is_normalised(given_number: str, caller: str, withheld: bool) -> None:
    """National numbers are read with the source's country, and a hidden caller is empty and noted in the data."""
    event = read({**MISSED, "From": given_number}, country="DE")
    assert (event.caller, event.subject) == (caller, caller)
    assert event.data.get("caller_withheld", False) is withheld


def test_outgoing_call_is_about_the_called_number() -> None:
    """For a call from us the customer is who was called, and the line is ours."""
    event = read({**MISSED, "Direction": "outbound-api", "From": "+4989654321", "To": "+4930123456"})
    assert (event.direction, event.subject, event.line) == ("outbound", "+4930123456", "+4989654321")


@pytest.mark.parametrize("caller", ["client:anna", "sip:anna@acme.sip.twilio.com", "sip:102@acme.sip.twilio.com"])
@pytest.mark.parametrize("called", ["+4930123456", "sip:+4930123456@acme.sip.twilio.com"])
def test_call_of_our_own_phone_is_outgoing(caller: str, called: str) -> None:
    """It comes in to Twilio, and is never missed: what it is about is whom it calls."""
    event = read({**MISSED, "From": caller, "To": called})
    assert (event.type, event.direction, event.line) == ("call.failed", "outbound", caller)
    assert (event.subject, event.callee) == ("+4930123456", "+4930123456")


def test_leg_that_a_call_dials_tells_whom_it_rings_at_and_nothing_of_the_call() -> None:
    """Who calls whom is told of the call itself."""
    (reading,) = source().read(posted({**MISSED, "ParentCallSid": CHILD, "To": "client:anna"}))
    assert (reading.event.direction, reading.event.caller, reading.event.callee) == ("", "", "client:anna")


@pytest.mark.parametrize("shift", ["+0000", "-0000", "GMT", "+0100"])
def test_time_is_read_with_its_zone(shift: str) -> None:
    """RFC 2822 knows several ways to write a zone."""
    hour = "03" if shift == "+0100" else "02"
    moment = read({**MISSED, "Timestamp": f"Sat, 22 Nov 2025 {hour}:30:00 {shift}"}).time
    assert moment == datetime(2025, 11, 22, 2, 30, tzinfo=UTC)


def test_time_is_that_of_arrival_when_none_is_said() -> None:
    """Not every webhook has a time."""
    assert read({**MISSED, "Timestamp": ""}).time == NOW
    assert read({key: value for key, value in MISSED.items() if key != "Timestamp"}).time == NOW


def test_duration_is_that_of_the_dialled_leg() -> None:
    """The seconds of conversation are those of the `<Dial>`, not of the waiting before it; both may be missing."""
    fields = {**MISSED, **DIAL, "DialCallStatus": "completed", "DialCallDuration": "42", "CallDuration": "60"}
    assert read(fields).duration == 42
    assert read({**fields, "DialCallDuration": ""}).duration == 60
    assert read({**fields, "DialCallDuration": "", "CallDuration": ""}).duration is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"From": ["+4930123456"]}, "From"),
        ({"To": {}}, "To"),
        ({"CallDuration": -5}, "CallDuration"),
        ({"CallDuration": 1.5}, "CallDuration"),
        ({"Timestamp": 5}, "Timestamp"),
        ({"Direction": ["inbound"]}, "Direction"),
        ({"CallStatus": None}, "CallStatus"),
    ],
)
def test_json_value_of_another_kind_is_impossible(change: dict[str, Any], field: str) -> None:
    """JSON is read as strictly as a form."""
    with pytest.raises(Impossible) as refused:
        source().read(signed_json(json.dumps({**MISSED, **change}).encode()))
    assert refused.value.field == field


def test_json_numbers_and_truth_values_are_read_like_a_form() -> None:
    """JSON may say false where a form says `false`, and leave out with null."""
    dialled = {**MISSED, **DIAL, "DialCallStatus": "completed", "DialBridged": False, "CallDuration": 7, "To": None}
    (reading,) = source().read(signed_json(json.dumps(dialled).encode()))
    event = reading.event
    assert (event.type, event.duration, event.callee) == ("call.leg", 7, "")
    assert event.leg is not None
    assert (event.leg.outcome, event.leg.detail, event.leg.human) == ("", "completed", False)


def test_large_form_is_refused_before_it_is_read() -> None:
    """A form of Twilio is small; a megabyte of fields costs nobody's time."""
    with pytest.raises(BodyTooLarge, match="65,536"):
        source().verify(replace(posted(MISSED), body=b"a=" + b"1" * 65_535))
    with pytest.raises(Unauthenticated):
        source().verify(replace(posted(MISSED), body=b"a=" + b"1" * 65_534))


@pytest.mark.parametrize("signature", ["x", "", "AAAA", "A" * 43 + "="])
def test_signature_of_another_length_is_refused_before_the_form_is_read(signature: str) -> None:
    """What cannot be a signature costs nothing: the reason is the header although the form is broken too."""
    with pytest.raises(Unauthenticated, match="the header x-twilio-signature has a signature"):
        source().verify(raw(b"no pairs", FORM, ("x-twilio-signature", signature)))


@pytest.mark.parametrize(("algorithm", "secret"), [("sha1", "the account's Auth Token"), ("sha256", "the shared key")])
def test_wrong_signature_says_which_url_was_assumed(algorithm: str, secret: str) -> None:
    """The likeliest mistake is another public_url, so the log names the one that was checked, without the query."""
    request = replace(_signed_with(f"HMAC_{algorithm.upper()}", f"algorithm=HMAC_{algorithm.upper()}"), query="token=x")
    with pytest.raises(Unauthenticated) as refused:
        source(verify={"algorithm": algorithm}).verify(request)
    assert f"does not match {URL}; compare public_url with the URL that is entered at Twilio" in str(refused.value)
    assert secret in str(refused.value)
    assert "token=x" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verify": {"algorithm": "md5"}}, "verify"),
        ({"verify": {"key": ""}}, "verify"),
    ],
)
def test_options_are_refused_when_they_cannot_work(change: dict[str, Any], field: str) -> None:
    """A mistake in the rules file is found at its field, and no message shows a secret."""
    with pytest.raises(ValidationError) as refused:
        source(**change)
    assert [error["loc"][0] for error in refused.value.errors()] == [field]
    assert TOKEN not in str(refused.value)
