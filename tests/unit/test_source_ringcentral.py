"""The provider ringcentral: a token under two names, a handshake, and a leg for each party."""

from __future__ import annotations

import json
from typing import Any

import pytest

from badge_bridge.events import Event
from badge_bridge.sources import Delivery
from badge_bridge.sources.joining import LegEvent, judged_event
from support.provider_checks import (
    NOW,
    assert_refused,
    assert_unreadable,
    made,
    of_vector,
    vectors,
    with_header,
)

TOKEN = "rc-verification"
PARTY = {
    "accountId": "809",
    "extensionId": "810",
    "id": "p-2",
    "direction": "Inbound",
    "from": {"phoneNumber": "+14083388064"},
    "to": {"phoneNumber": "+19043014558"},
}


ACCOUNT = "/restapi/v1.0/account/809/telephony/sessions"


def posted(body: bytes, token: str = TOKEN, header: str = "verification-token") -> Delivery:
    return Delivery("POST", "", [(header, token)], body, NOW)


def told(*parties: Any, uuid: Any = "1823", event: str = ACCOUNT, **session: Any) -> bytes:
    call = {"telephonySessionId": "s-1", "eventTime": "2025-11-22T02:29:40Z", "parties": list(parties), **session}
    return json.dumps({"uuid": uuid, "event": event, "timestamp": "2025-11-22T02:30:00Z", "body": call}).encode()


def party(code: str, reason: str = "", **change: Any) -> dict[str, Any]:
    return {**PARTY, "status": {"code": code, "reason": reason}, **change}


def event_of(*parties: Any, **how: Any) -> Event:
    return made("ringcentral", TOKEN).read(posted(told(*parties, **how)))[0].event


@pytest.mark.parametrize("vector", vectors("ringcentral"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The token of the docs is accepted; the handshake is answered with the same header and media type."""
    source, delivery = made("ringcentral", vector["secret"] or TOKEN), of_vector(vector)
    expected = vector.get("expected_response")
    reply = source.handshake(delivery)
    if expected:
        assert reply is not None
        assert {**reply.headers, "Content-Type": reply.media_type} == expected["headers"]
        assert (reply.status, reply.body) == (200, b"")
    else:
        assert reply is None
        assert source.verify(delivery) == "verification token"
        (reading,) = source.read(delivery)
        assert reading.event.leg
        assert (reading.event.leg.outcome, reading.event.direction) == ("no_answer", "inbound")


def test_only_an_empty_body_is_a_handshake() -> None:
    """A delivery with the token under its other name is a delivery, and a token with odd characters is none."""
    source = made("ringcentral", TOKEN)
    assert source.handshake(posted(told(), header="validation-token")) is None
    for token in ("a\r\nb", "", "x" * 501, "\u00fc"):
        assert source.handshake(posted(b"", token, header="validation-token")) is None
    assert source.handshake(posted(b"")) is None


def test_token_is_taken_under_both_names_and_others_are_refused() -> None:
    """RingCentral's docs name two headers; two different tokens are no token, wherever they stand."""
    source = made("ringcentral", TOKEN)
    good = posted(told(party("Setup")))
    assert source.verify(good) == source.verify(posted(good.body, header="validation-token")) == "verification token"
    assert_refused(
        source,
        posted(good.body, TOKEN + " "),
        with_header(good, "validation-token", "wrong"),
    )


@pytest.mark.parametrize(
    ("told_party", "expected"),
    [
        (party("Setup"), ("agent", "started", "", "", False)),
        (party("Proceeding"), ("agent", "ringing", "", "", False)),
        (party("Answered"), ("agent", "answered", "", "", True)),
        (party("Hold"), ("agent", "answered", "", "", True)),
        (party("Answered", extensionId="809"), ("machine", "answered", "", "", False)),
        (party("Answered", to={"extensionId": "810"}), ("agent", "answered", "", "", True)),
        (party("Answered", to={"extensionId": "810"}, queueCall=True), ("machine", "answered", "", "", False)),
        (party("Answered", to={"extensionId": "900"}, queueCall=True), ("agent", "answered", "", "", True)),
        (party("Disconnected", "AgentAnswered"), ("machine", "ended", "completed", "leg", True)),
        (party("Disconnected", "CallerInputRedirect"), ("machine", "ended", "completed", "leg", False)),
        (party("Answered", extensionId=None), ("", "answered", "", "", False)),
        (party("VoiceMail"), ("machine", "answered", "voicemail", "", False)),
        (party("VoiceMailScreening"), ("machine", "answered", "voicemail", "", False)),
        (party("FaxReceive"), ("machine", "answered", "completed", "", False)),
        (party("Disconnected"), ("agent", "ended", "", "leg", False)),
        (party("Disconnected", missedCall=False), ("agent", "ended", "completed", "leg", False)),
        (party("Disconnected", missedCall=True), ("agent", "ended", "no_answer", "leg", False)),
        (party("Disconnected", missedCall="yes"), ("agent", "ended", "completed", "leg", False)),
        (party("Disconnected", "NoAnswer"), ("agent", "ended", "no_answer", "leg", False)),
        (party("Disconnected", "Timeout"), ("agent", "ended", "no_answer", "leg", False)),
        (party("Disconnected", "Cancelled"), ("agent", "ended", "cancelled", "leg", False)),
        (party("Disconnected", "TargetBusy"), ("agent", "ended", "busy", "leg", False)),
        (party("Disconnected", "Rejected"), ("agent", "ended", "rejected", "leg", False)),
        (party("Disconnected", "Voicemail", missedCall=True), ("machine", "ended", "voicemail", "leg", False)),
        (party("Gone", "AttendedTransfer"), ("agent", "ended", "completed", "leg", False)),
        (party("Whatever"), ("agent", "", "", "", False)),
        ({**PARTY, "status": 5}, ("agent", "", "", "", False)),
    ],
)
def test_party_is_a_leg(told_party: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """The status of a party is what is known of a leg; the company's menu and voicemail are nobody."""
    event = event_of(told_party)
    assert event.leg is not None
    leg = event.leg
    assert (leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected
    assert (leg.call, leg.leg, event.direction) == ("s-1", "p-2", "inbound")


QUEUE: dict[str, Any] = {"extensionId": "900", "to": {"phoneNumber": "+19043014558", "extensionId": "900"}, "id": "p-1"}
AGENT = {**QUEUE, "extensionId": "810", "id": "p-2", "queueCall": True}
GONE = party("Disconnected", **QUEUE)


@pytest.mark.parametrize(
    ("parties", "expected"),
    [
        ([party("Answered", queueCall=True, **QUEUE), party("Disconnected", "NoAnswer", **AGENT), GONE], "call.missed"),
        ([party("Answered", queueCall=True, **QUEUE), party("Answered", **AGENT), party("Disconnected", **AGENT), GONE], "call.answered"),
        ([party("Disconnected", "NoAnswer", **AGENT), party("Disconnected", "AgentAnswered", **QUEUE)], "call.answered"),
        ([party("Answered", **QUEUE), party("Disconnected", "CallerInputRedirect", **QUEUE), party("Disconnected", "NoAnswer", **AGENT)], "call.missed"),
        ([party("Answered"), party("VoiceMail"), party("Disconnected")], "call.voicemail"),
        ([party("VoiceMailScreening"), party("Answered"), party("Disconnected")], "call.answered"),
        ([party("Answered", extensionId=None), party("Disconnected", "NoAnswer", **AGENT | {"id": "p-3"}), party("Disconnected", extensionId=None)], "call.unknown"),
        ([party("Proceeding"), party("Disconnected", "NoAnswer"), party("Proceeding")], "call.unknown"),
    ],
)  # fmt: skip
def test_queue_menu_and_voicemail_are_no_human(parties: list[dict[str, Any]], expected: str) -> None:
    """Whatever is told in which sequence: a call is answered by people only, and what cannot be told is not missed."""
    source = made("ringcentral", TOKEN)
    readings = [
        source.read(posted(told(each, uuid=str(number), sequence=number)))[0] for number, each in enumerate(parties)
    ]
    legs = [LegEvent(reading.identity[0], NOW, reading.event) for reading in readings]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected


@pytest.mark.parametrize(("sequence", "order"), [(7, 7.0), ("7", None), (True, None), (None, None)])
def test_sequence_is_the_order_of_a_party(sequence: Any, order: float | None) -> None:
    """A session's notifications overtake each other; one that is not counted is in no order."""
    leg = event_of(party("Setup"), sequence=sequence).leg
    assert leg
    assert leg.order == order


@pytest.mark.parametrize(
    ("change", "direction"),
    [
        ({}, "inbound"),
        ({"from": {"phoneNumber": "102"}}, ""),
        ({"from": {"extensionNumber": "102"}, "to": {"extensionId": "7"}}, "internal"),
        ({"direction": "Outbound"}, ""),
        ({"direction": "Outbound", "from": {"phoneNumber": "+19043014558", "extensionId": "810"}}, "outbound"),
        ({"direction": "?"}, ""),
    ],
)
def test_direction_is_that_of_the_call(change: dict[str, Any], direction: str) -> None:
    """A party's direction is the call's only where the other end is from outside."""
    assert event_of(party("Disconnected", "NoAnswer", **change)).direction == direction


def test_each_party_is_an_event_and_a_retry_the_same() -> None:
    """A ring group's notification has several parties; the notification's id and the party's make them unique."""
    source = made("ringcentral", TOKEN)
    both = told(party("Proceeding"), party("Proceeding", id="p-3"))
    first = [reading.identity for reading in source.read(posted(both))]
    assert first == [reading.identity for reading in source.read(posted(both))] == [("1823", "p-2"), ("1823", "p-3")]
    later = source.read(posted(told(party("Proceeding"), uuid="1824")))
    assert later[0].identity not in first
    without = [source.read(posted(told(party(code), uuid=None)))[0].identity for code in ("Setup", "Setup", "Gone")]
    assert without[0] == without[1] != without[2]


def test_broken_bodies_are_refused() -> None:
    """What names no event, or no session, is refused."""
    bad = [told(event="/1/2"), told(party("Setup"), telephonySessionId=None)]
    assert_unreadable(made("ringcentral", TOKEN), [posted(body) for body in bad])


MENU = {"extensionId": "809"}
EXTENSION = "/restapi/v1.0/account/~/extension/2/telephony/sessions"


@pytest.mark.parametrize(
    ("parties", "event", "expected"),
    [
        ([party("Proceeding"), party("Disconnected")], "", "call.missed"),
        ([party("Proceeding"), party("Answered"), party("Disconnected")], "", "call.answered"),
        ([party("Proceeding"), party("Disconnected", missedCall=False)], "", "call.unknown"),
        ([party("Disconnected")], "", "call.unknown"),
        ([party("Answered", **MENU), party("Disconnected", **MENU)], "", "call.missed"),
        ([party("Answered", **MENU), party("Disconnected", "CallerInputRedirect", **MENU)], "", "call.unknown"),
        ([party("FaxReceive"), party("Disconnected")], "", "call.unknown"),
        ([party("Proceeding"), party("Disconnected")], EXTENSION, "call.unknown"),
        ([party("Proceeding"), party("Disconnected")], f"{ACCOUNT}?missedCall=true", "call.unknown"),
    ],
)  # fmt: skip
def test_caller_who_gives_up_is_missed_where_all_parties_are_told_of(
    parties: list[dict[str, Any]], event: str, expected: str
) -> None:
    """Without a reason an end says nothing, and without the other parties nothing does."""
    told_of = [event_of(each, sequence=at, event=event or ACCOUNT) for at, each in enumerate(parties)]
    legs = [LegEvent(str(number), 0.0, one) for number, one in enumerate(told_of)]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == expected
