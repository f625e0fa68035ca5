"""The provider twilio: one signed string gives one identity, however somebody cuts it into fields."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from urllib.parse import quote, urlencode

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from badge_bridge.errors import DeliveryRefused, Impossible
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.twilio import TwilioOptions
from badge_bridge.sources.twilio_identity import STATUSES

URL = "https://bridge.example.com/hooks/reception"
TOKEN = "0123456789abcdef0123456789abcdef"
CALL = "CA" + "0" * 31 + "1"
CHILD = "CA" + "0" * 31 + "2"
FORM = ("content-type", "application/x-www-form-urlencoded")
MISSED = {
    "AccountSid": "AC" + "0" * 32,
    "ApiVersion": "2010-04-01",
    "CallDuration": "0",
    "CallSid": CALL,
    "CallStatus": "no-answer",
    "CallbackSource": "call-progress-events",
    "Direction": "inbound",
    "ForwardedFrom": "",
    "From": "+4930123456",
    "SequenceNumber": "10",
    "SipHeader_X-Queue": "sales",
    "Timestamp": "Sat, 22 Nov 2025 02:30:00 +0000",
    "To": "+4989654321",
}
DIALLED = {**MISSED, "CallStatus": "in-progress", "DialCallSid": CHILD, "DialCallStatus": "no-answer"}
RECORDED = {**MISSED, "CallStatus": "completed", "RecordingSid": "RE" + "0" * 32, "RecordingStatus": "completed"}
LEG = {**MISSED, "CallStatus": "ringing", "ParentCallSid": CHILD}
QUEUED = {**MISSED, "QueueResult": "redirected-from-bridged", "QueueSid": "QU" + "5" * 32, "QueueTime": "12"}
CAPTURED = (MISSED, DIALLED, RECORDED, LEG, QUEUED)
TWILIO = build("reception", TwilioOptions.model_validate({"provider": "twilio", "secrets": [TOKEN], "public_url": URL}))

Pairs = list[tuple[str, str]]


def sent(pairs: Pairs, signature: str, query: str = "", method: str = "POST", body: bytes | None = None) -> Delivery:
    headers = (FORM, ("x-twilio-signature", signature))
    return Delivery(method, query, headers, urlencode(pairs).encode() if body is None else body, 1_763_778_605.0)


def signature_of(fields: dict[str, str], query: str = "") -> str:
    return str(RequestValidator(TOKEN).compute_signature(f"{URL}?{query}" if query else URL, fields))


def identity(delivery: Delivery) -> tuple[str, ...] | None:
    """What an accepted delivery is known by; None where it is refused."""
    try:
        TWILIO.verify(delivery)
        (reading,) = TWILIO.read(delivery)
    except DeliveryRefused:
        return None
    return reading.identity


def recut(fields: dict[str, str], moves: list[tuple[int, int, int]]) -> Pairs:
    """The same signed string with borders between names and values, and between fields, moved, removed and added."""
    pieces: list[str] = [piece for pair in sorted(fields.items()) for piece in pair]
    for kind, place, amount in moves:
        index = place % (len(pieces) - 1)
        if kind == 0:  # move a border
            both = pieces[index] + pieces[index + 1]
            cut = max(0, min(len(both), len(pieces[index]) + amount))
            pieces[index : index + 2] = [both[:cut], both[cut:]]
        elif kind == 1 and len(pieces) > 4:  # join two fields: the second becomes part of the first one's value
            start = index // 2 * 2
            pieces[start : start + 4] = [pieces[start], "".join(pieces[start + 1 : start + 4])]
        else:  # split one piece into three: one more field
            piece = pieces[index]
            cut = abs(amount) % (len(piece) + 1)
            rest = (len(piece) - cut) // 2
            pieces[index : index + 1] = [piece[:cut], piece[cut : cut + rest], piece[cut + rest :]]
    return in_order(zip(pieces[::2], pieces[1::2], strict=True))


def in_order(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Only fields that stand in order are signed as they stand; another becomes part of the value before it."""
    kept: Pairs = []
    for name, value in pairs:
        if kept and (name, value) <= kept[-1]:
            before, text = kept.pop()
            name, value = before, text + name + value  # noqa: PLW2901 - joined
        kept.append((name, value))
    return kept


moves = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(-45, 45)), min_size=1, max_size=4)


@given(fields=st.sampled_from(CAPTURED), moves=moves)
def test_recut_form_is_refused_or_has_the_same_identity(
    fields: dict[str, str], moves: list[tuple[int, int, int]]
) -> None:
    """Whoever has captured one request cannot make another event of it by cutting it differently."""
    pairs = recut(fields, moves)
    signature = signature_of(fields)
    assert TWILIO.verify(sent(pairs, signature))
    found = identity(sent(pairs, signature))
    event("refused" if found is None else "accepted")
    assert found in (None, identity(sent(list(fields.items()), signature)))


@pytest.mark.parametrize("fields", CAPTURED, ids=["missed", "dialled", "recorded", "leg", "queued"])
def test_every_single_recut_is_refused_or_has_the_same_identity(fields: dict[str, str]) -> None:
    """All forms that one moved border, one joined or one split field makes, and not a sample of them."""
    signature = signature_of(fields)
    genuine = identity(sent(list(fields.items()), signature))
    assert genuine is not None
    pieces = 2 * len(fields)
    longest = max(len(value) for value in fields.values())
    for kind in (0, 1, 2):
        for place in range(pieces - 1):
            for amount in range(-longest, longest + 1) if kind == 0 else range(longest + 1):
                assert identity(sent(recut(fields, [(kind, place, amount)]), signature)) in (None, genuine)


def from_on(name: str) -> str:
    """The signed string of the captured form from one of its fields on."""
    return "".join(key + value for key, value in sorted(MISSED.items()) if key >= name)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"CallStatus": "n", "o-answer" + from_on("CallbackSource"): ""}, "o-answerCallbackSourcecall-progress-even"),
        (
            {"CallbackSource": "call-progress-", "events" + from_on("Direction"): ""},
            "eventsDirectioninboundForwardedFromFrom+",
        ),
        ({"CallStatus": "no-answer" + from_on("CallbackSource")}, "CallStatus"),
        ({"From": MISSED["From"] + "SequenceNumber10", "SipHeader_X-Queue": "sales" + from_on("Timestamp")}, "From"),
        ({"From": MISSED["From"] + from_on("SequenceNumber")}, "From"),
    ],
)
def test_known_recut_is_genuine_and_impossible(fields: dict[str, str], field: str) -> None:
    """These carry the signature of the captured form, which cannot tell them from it; their fields can."""
    before = {name: value for name, value in MISSED.items() if name < min(fields)}
    complete = before | fields
    delivery = sent(list(complete.items()), signature_of(MISSED))
    assert TWILIO.verify(delivery)
    with pytest.raises(Impossible) as refused:
        TWILIO.read(delivery)
    assert refused.value.field == field


@given(cut=st.integers(1, 400), method=st.sampled_from(["POST", "GET"]))
@example(cut=400, method="GET")
def test_fields_cannot_be_moved_into_the_query(cut: int, method: str) -> None:
    """The query is signed before the fields, and the border between them is not marked either."""
    captured = {**MISSED, "SipHeader_X-Text": f"&CallSid={CHILD}&CallStatus=busy&SequenceNumber=7"}
    signature = signature_of(captured, "line=1")
    string = "".join(name + value for name, value in sorted(captured.items()))
    genuine = identity(sent(list(captured.items()), signature, "line=1"))
    assert genuine is None  # a value has the name of a field in it
    rest = [("C" + string[cut + 1 :], "")] if cut < len(string) and string[cut] == "C" else []
    for pairs in ([], rest, [(string[cut : cut + 7], string[cut + 7 :])]):
        assert identity(sent(pairs, signature, "line=1" + string[:cut], method)) is None


def test_form_cannot_be_sent_as_a_query_or_as_json() -> None:
    """What a caller can write into a field, such as a SIP header, cannot become a request of another shape."""
    body = b'{"CallSid": "%s", "CallStatus": "busy"}' % CHILD.encode()
    digest = hashlib.sha256(body).hexdigest()
    captured = {**MISSED, "SipHeader_X-Text": f"&bodySHA256={digest}&CallSid={CHILD}&CallStatus=busy&x="}
    query = "line=1" + "".join(name + value for name, value in sorted(captured.items()))
    as_query = sent([], signature_of(captured, "line=1"), query, "GET")
    as_json = replace(
        as_query, method="POST", body=body, headers=[("content-type", "application/json"), *as_query.headers[1:]]
    )
    for delivery in (as_query, as_json):
        assert TWILIO.verify(delivery)
        with pytest.raises(Impossible, match="stands in the query"):
            TWILIO.read(delivery)


def test_query_cannot_be_sent_as_a_form() -> None:
    """A GET whose caller has written a call's fields into a value does not become a form with these fields."""
    written = f"CallSid{CHILD}CallStatusbusy"
    query = f"SipHeader_X-Text={written}&" + urlencode(MISSED, quote_via=quote)
    signature = signature_of({}, query)
    assert identity(sent([], signature, query, "GET")) is None
    before, _, after = query.partition(written)
    pairs = [("CallSid", CHILD), ("CallStatus", "busy"), ("X" + after, "")]
    assert identity(sent(pairs, signature, before)) is None
    assert identity(sent([], signature, query)) is None


def test_text_message_cannot_become_a_call() -> None:
    """The text of a message is chosen by its sender; at the same URL it must not be able to write a call."""
    message = {
        "AccountSid": "AC" + "0" * 32,
        "Body": f"CallSid{CALL}CallStatusno-answer",
        "MessageSid": "SM" + "0" * 32,
    }
    signature = signature_of(message)
    assert identity(sent(list(message.items()), signature)) is None
    recut_message = {
        "AccountSid": message["AccountSid"] + "Body",
        "CallSid": CALL,
        "CallStatus": "no-answer",
        "MessageSid": message["MessageSid"],
    }
    delivery = sent(list(recut_message.items()), signature)
    assert TWILIO.verify(delivery)
    with pytest.raises(Impossible, match="text message"):
        TWILIO.read(delivery)


def test_no_status_is_the_beginning_of_another() -> None:
    """Else the end of a status could be moved into the next field's name."""
    assert not [pair for pair in permutations([*STATUSES, "answered", "absent"], 2) if pair[1].startswith(pair[0])]


@pytest.mark.parametrize(
    "name",
    [
        "AddOns",
        "CallSidEndingConference",
        "CallerCity",
        "Called",
        "CalledVia",
        "ConferenceSid",
        "DequeingCallSid",
        "DialBridged",
        "DialSipHeader_X-Reason",
        "Digits",
        "RecordingUrl",
        "SipHeader_X-My.Header_1",
        "StirVerstat",
        "StirPassportToken",
        "QueueSid",
        "ReferCallStatus",
        "SipHeader_X-Twilio-CallSid",
        "DialSipHeader_X-Twilio-CallSid",
    ],
)
def test_documented_field_is_taken(name: str) -> None:
    """The names that Twilio documents are no reason to refuse a call."""
    fields = {**MISSED, name: "1"}
    fields |= {"DialBridged": "true"} if name == "DialBridged" else {}
    assert identity(sent(list(fields.items()), signature_of(fields))) is not None


@pytest.mark.parametrize("query", ["a=1", "agent=Anna&CallToken=x"])
def test_own_query_is_taken(query: str) -> None:
    """A query that is entered at Twilio with the URL stays possible with a form and with a GET."""
    assert identity(sent(list(MISSED.items()), signature_of(MISSED, query), query)) is not None
    both = f"{query}&{urlencode(MISSED)}"
    assert identity(sent([], signature_of({}, both), both, "GET")) is not None
