"""The provider didww: signed envelopes are told from others, and keep their names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stripe import WebhookSignature

from badge_bridge.sources import Delivery, Reading
from support.provider_checks import (
    NOW,
    assert_refused,
    assert_unreadable,
    made,
    of_vector,
    sample,
    vectors,
    with_header,
)

SECRET = "ps-secret-0123456789"
HEADER = "x-ps-signature"


def mac(body: bytes, secret: str = SECRET, at: float = NOW) -> str:
    return str(WebhookSignature._compute_signature(f"{int(at)}.{body.decode('latin-1')}", secret))


def signed(body: bytes, secret: str = SECRET, at: float = NOW) -> Delivery:
    headers = [(HEADER, f"t={int(at)},v1={mac(body, secret, at)}"), ("x-ps-event-id", "unsigned")]
    return Delivery("POST", "", headers, body, NOW)


def told(**change: Any) -> bytes:
    known = {"id": "0190", "type": "call.ended", "ts": "2025-11-22T02:30:00.000Z", "global_tag": "g1", "data": {}}
    return json.dumps({**known, **change}).encode()


def read(**change: Any) -> Reading:
    (reading,) = made("didww", SECRET).read(signed(told(**change)))
    return reading


@pytest.mark.parametrize("vector", vectors("didww"), ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """What the library that has the same scheme accepts is accepted."""
    source, delivery = made("didww", vector["secret"]), of_vector(vector)
    assert vector["valid"]
    assert source.verify(delivery) == "hmac-sha256 over body and time"
    assert source.read(delivery)[0].event.type == "didww.call.ended"


def test_header_has_one_time_and_a_signature_that_matches() -> None:
    """One of several signatures may match, of the one time that there has to be."""
    source, body = made("didww", SECRET), told()
    good = signed(body)
    source.verify(with_header(good, HEADER, f"t={int(NOW)},v1={'0' * 64},v1={mac(body)}"))
    assert_refused(
        source,
        with_header(good, HEADER, f"t={int(NOW) + 1},v1={mac(body)}"),
        with_header(good, HEADER, f"t={int(NOW)},t={int(NOW)},v1={mac(body)}"),
        with_header(good, HEADER, f"v1={mac(body)}"),
        with_header(good, HEADER, f"t={int(NOW)},v0={mac(body)}"),
    )


@pytest.mark.parametrize("kind", ["call.started", "call.connected", "call.ended", "call.cdr.created"])
def test_no_event_is_taken_for_a_judged_call(kind: str) -> None:
    """Nothing that is known of the payload proves that nobody answered."""
    event = read(type=kind, data={"direction": "inbound"}).event
    assert (event.type, event.direction, event.leg) == (f"didww.{kind}", "", None)


def test_retry_is_the_same_event_whatever_its_unsigned_header_says() -> None:
    """Only the body's id is signed: the header with the event's id could be changed by anybody."""
    source, good = made("didww", SECRET), signed(told())
    (again,) = source.read(with_header(good, "x-ps-event-id", "another"))
    assert again.identity == source.read(good)[0].identity == ("0190",)
    assert read(id="0191").identity != ("0190",)


def test_time_that_cannot_be_read_loses_no_event() -> None:
    """The time decides nothing: the moment of receipt stands in for it."""
    assert read(ts="soon").event.time.timestamp() == NOW


def test_broken_bodies_are_refused() -> None:
    """What has no id or names no event is refused."""
    bad = [told(id=None), told(id=[1]), told(type="a b"), told(type=None)]
    assert_unreadable(made("didww", SECRET), [signed(body) for body in bad])


@pytest.mark.parametrize(
    ("outcome", "kinds"),
    [("missed", ["started", "ended"]), ("answered", ["started", "connected", "ended"])],
)
def test_sample_tells_of_its_call(outcome: str, kinds: list[str]) -> None:
    """The events of a made-up call are named by what happens, and belong to one call."""
    source = made("didww", SECRET)
    readings: list[Reading] = []
    for delivery in source.sample(sample(outcome)):
        readings += source.read(delivery)
    assert [reading.event.type for reading in readings] == [f"didww.call.{kind}" for kind in kinds]
    assert len({reading.identity for reading in readings}) == len(kinds)
    assert len({reading.event.data["global_tag"] for reading in readings}) == 1
