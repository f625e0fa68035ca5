"""The provider bandwidth: Basic credentials are checked, webhooks are told as legs."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.bandwidth import Bandwidth, BandwidthOptions
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.joining import LegEvent, judged_event

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
OURS = [vector for vector in VECTORS if vector["provider"] == "bandwidth"]
NOW = 1763778600.0
SECRET = "hookuser:p:ss wörd"
BODY: dict[str, Any] = json.loads(OURS[0]["body"])
CALL = BODY["callId"]
TRANSFER = {**BODY, "answerTime": "2025-11-22T02:29:45Z", "cause": "hangup"}


def source(**options: Any) -> Bandwidth:
    built = build("office", BandwidthOptions.model_validate({"provider": "bandwidth", "secrets": [SECRET], **options}))
    assert isinstance(built, Bandwidth)
    return built


def basic(secret: str) -> tuple[str, str]:
    return ("authorization", "Basic " + base64.b64encode(secret.encode()).decode())


def sent(document: Any, *headers: tuple[str, str]) -> Delivery:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    kind = ("content-type", "application/json")
    return Delivery("POST", "", [kind, *(headers or [basic(SECRET)])], body, NOW)


def told(kind: str = "disconnect", **change: Any) -> Delivery:
    return sent({key: value for key, value in {**BODY, "eventType": kind, **change}.items() if value is not None})


def read(delivery: Delivery) -> Event:
    (reading,) = source().read(delivery)
    return reading.event


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """Credentials are refused where the application has others, and accepted where it has these."""
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    request = Delivery("POST", "", headers, vector["body"].encode(), NOW)
    assert not vector["valid"]
    with pytest.raises(Unauthenticated, match="callback credentials"):
        source(secrets=[vector["secret"]]).verify(request)
    presented = base64.b64decode(vector["headers"]["Authorization"].removeprefix("Basic ")).decode()
    assert source(secrets=[presented]).verify(request) == "basic credentials"


def test_credentials_count_as_a_whole() -> None:
    """User and password together; the scheme's name in any case."""
    word, value = basic(SECRET)
    assert source().verify(sent(BODY)) == "basic credentials"
    assert source().verify(sent(BODY, (word, value.replace("Basic", "basic"))))


@pytest.mark.parametrize(
    "headers",
    [
        [basic(SECRET[:-1])],
        [basic(SECRET + "x")],
        [basic("hookuser:")],
        [basic(":p:ss wörd")],
        [("authorization", "Basic ü")],
        [("authorization", "Basic " + SECRET)],
    ],
)
def test_wrong_credentials_are_refused(headers: list[tuple[str, str]]) -> None:
    """Half of the credentials, or what is no base64, proves nothing."""
    with pytest.raises(Unauthenticated):
        source().verify(sent(BODY, *headers))


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (told(), ("inbound", CALL, "customer", "ended", "cancelled", "call", False)),
        *(
            (told(cause=cause), ("inbound", CALL, "customer", "ended", outcome, "call", False))
            for cause, outcome in [
                ("timeout", "no_answer"),
                ("busy", "busy"),
                ("rejected", "rejected"),
                ("hangup", "cancelled"),
                ("unknown", "completed"),
                ("invalid-bxml", "failed"),
                ("something-new", "failed"),
            ]
        ),
        (
            told(answerTime="2025-11-22T02:29:45Z", cause="hangup"),
            ("inbound", CALL, "customer", "ended", "completed", "call", False),
        ),
        (
            told(direction="outbound", cause="busy"),
            ("outbound", CALL, "customer", "ended", "busy", "call", False),
        ),
        (
            told("answer", cause=None, direction="outbound"),
            ("outbound", CALL, "customer", "answered", "", "", True),
        ),
        (
            told(direction="outbound", cause="hangup", answerTime="2025-11-22T02:29:45Z"),
            ("outbound", CALL, "customer", "ended", "completed", "call", True),
        ),
        (told("initiate", cause=None), ("inbound", CALL, "customer", "started", "", "", False)),
        (told("answer", cause=None), ("inbound", CALL, "customer", "answered", "", "", False)),
        (
            sent({**TRANSFER, "eventType": "transferComplete"}),
            ("inbound", f"{CALL} transfer", "agent", "ended", "completed", "leg", True),
        ),
        (
            sent({**TRANSFER, "eventType": "transferComplete", "cause": "timeout"}),
            ("inbound", f"{CALL} transfer", "agent", "ended", "no_answer", "leg", False),
        ),
        *(
            (
                sent({**TRANSFER, "eventType": "transferComplete", "cause": cause}),
                ("inbound", f"{CALL} lost", "", "ended", "completed", "leg", False),
            )
            for cause in ("unknown", "something-new", "")
        ),
        (
            sent({**TRANSFER, "eventType": "transferComplete", "cause": "invalid-bxml"}),
            ("inbound", f"{CALL} transfer", "agent", "ended", "failed", "leg", False),
        ),
        (
            told("transferAnswer", callId="b", parentCallId=CALL, cause=None),
            ("", "b", "agent", "answered", "", "", True),
        ),
        (
            told("transferDisconnect", callId="b", parentCallId=CALL, cause="rejected"),
            ("", "b", "agent", "ended", "rejected", "leg", False),
        ),
        (
            sent({**TRANSFER, "eventType": "transferDisconnect", "callId": "b", "parentCallId": CALL}),
            ("", "b", "agent", "ended", "completed", "leg", True),
        ),
    ],
)
def test_facts_of_a_leg(delivery: Delivery, expected: tuple[Any, ...]) -> None:
    """An answered transfer, or outgoing call, proves a human, an incoming one does not; the cause says how it ended."""
    event = read(delivery)
    leg = event.leg
    assert leg is not None
    assert leg.call == CALL
    assert (event.direction, leg.leg, leg.party, leg.state, leg.outcome, leg.ends, leg.human) == expected
    assert bool(event.caller) is bool(event.direction)


def test_retry_is_the_same_event() -> None:
    """A call ends once; a transfer that is tried twice ends twice."""
    identity = source().read(told())[0].identity
    assert source().read(told(eventTime="2025-11-22T02:31:00Z"))[0].identity == identity
    assert source().read(told("initiate"))[0].identity != identity
    assert source().read(told(callId="c-2"))[0].identity != identity
    first, again, second = (told("transferComplete", eventTime=f"2025-11-22T02:3{at}:00Z") for at in (1, 1, 2))
    assert source().read(first)[0].identity == source().read(again)[0].identity
    assert source().read(first)[0].identity != source().read(second)[0].identity


@pytest.mark.parametrize("cause", ["unknown", "something-new"])
@pytest.mark.parametrize("tried", [[], ["timeout"]])
def test_transfer_that_ended_for_an_unknown_cause_is_neither_missed_nor_answered(cause: str, tried: list[str]) -> None:
    """Whether somebody took it cannot be told, even where others did not or the caller gave up in the end."""
    causes = enumerate([*tried, cause])
    steps = [told("transferComplete", cause=each, eventTime=f"2025-11-22T02:30:0{at}Z") for at, each in causes]
    legs = [LegEvent(str(number), NOW, read(each)) for number, each in enumerate([*steps, told()])]
    assert judged_event(legs).type == judged_event(legs[::-1]).type == "call.unknown"


def test_hidden_caller_is_noted() -> None:
    """A caller who hides the number is nobody whom a card could belong to."""
    assert read(told(**{"from": "Anonymous"})).data["caller_withheld"] is True


@pytest.mark.parametrize(
    "delivery",
    [
        sent([BODY]),
        told(callId=None),
        told(callId="x" * 501),
        told(callId=[]),
        told(kind="a b"),
        told(cause={}),
        told(direction=[]),
        replace(sent(BODY), headers=[("content-type", "text/xml")]),
    ],
)
def test_broken_body_is_refused(delivery: Delivery) -> None:
    """What does not say which call stands how is refused, in the bridge's own words."""
    with pytest.raises((DeliveryRefused, ValidationError)):
        source().read(delivery)


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_is_genuine(outcome: Any) -> None:
    """A sample is accepted and tells of a call that was missed or answered."""
    ours = source()
    deliveries = ours.sample(SampleCall("abc", outcome, NOW - 30, NOW))
    legs = [leg for delivery in deliveries if (leg := ours.read(delivery)[0].event.leg)]
    assert len({leg.call for leg in legs}) == 1
    assert any(leg.human for leg in legs) is (outcome == "answered")
    assert (legs[-1].ends, legs[-1].outcome) == ("call", "completed" if outcome == "answered" else "no_answer")
