"""All providers alike: who may send, what of a delivery cannot be changed, and what nothing is lost over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.sources import OPTIONS, PROVIDERS, Delivery
from badge_bridge.sources.base import EMPTY_DOCUMENT
from badge_bridge.sources.joining import LegEvent, judged_event
from support.every_source import NEVER_JUDGED, WITHOUT_SAMPLES
from support.provider_checks import BROKEN, with_header
from support.provider_table import ROWS, Row, with_content

ODD_HEADERS = (
    "", "x", "\u00fc", "!!!", "a b", "0", "1763778606", "soon", "ab" * 32, "Basic", "Basic !!!", "v1,AAAA", "v2",
    "2025-11-22 02:30:06", "2025-02-30 02:30:00", "A" * 5_000,
)  # fmt: skip


def rows(of: Callable[[Row], bool] = lambda _: True) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.label) for row in ROWS if of(row)])


def proofs(row: Row) -> list[str]:
    """The headers of a delivery that prove something."""
    return [name for name, _ in row.deliveries()[0].headers if name != "content-type"]


def has_url(row: Row) -> bool:
    return "public_url" in OPTIONS[row.provider].model_fields


def can_sample(row: Row) -> bool:
    return row.provider not in WITHOUT_SAMPLES


def changed(row: Row, delivery: Delivery) -> Iterator[Delivery]:
    """The delivery with one change of something that its check covers."""
    binds, body = row.source().binds, delivery.body
    if "body" in binds or "form" in binds:
        for position in (0, len(body) // 4, len(body) // 2, 3 * len(body) // 4):
            other = b"B" if body[position : position + 1] == b"A" else b"A"
            yield replace(delivery, body=body[:position] + other + body[position + 1 :])
        yield replace(delivery, body=b"")
    if "body" in binds:
        yield replace(delivery, body=body[1:])
    if "form" in binds:
        yield replace(delivery, body=body + b"&Z=1")
    if "url" in binds:
        yield replace(delivery, query="z=1")
    for old, new in row.signed:
        assert old.encode() in body, f"{old} does not stand in a delivery of {row.label}"
        yield replace(delivery, body=body.replace(old.encode(), new.encode()))


def with_odd_headers(row: Row) -> Iterator[Delivery]:
    """A delivery with one of its proofs missing, contradicting itself, or something else."""
    for name in proofs(row):
        delivery = row.deliveries()[0]
        yield with_header(delivery, name)
        word, _, proof = (delivery.header(name) or "").rpartition(" ")
        if word:
            yield with_header(delivery, name, f"{'Basic' if word == 'Bearer' else 'Bearer'} {proof}")
        for odd in ODD_HEADERS:
            yield with_header(delivery, name, odd)
            yield with_header(delivery, name, delivery.header(name) or "", odd)


def assert_every_one_refused(row: Row, deliveries: Iterator[Delivery]) -> None:
    source, tried = row.source(row.other, row.first), 0
    for tried, delivery in enumerate(deliveries, 1):  # noqa: B007 - counted
        try:
            verified = source.verify(delivery)
        except Unauthenticated:
            continue
        raise AssertionError(f"taken as {verified}: {delivery}")
    assert tried, f"nothing of {row.label} was tried"


def test_every_provider_is_in_the_table() -> None:
    """A new provider is a row here."""
    assert {row.provider for row in ROWS} == set(PROVIDERS), "see tests/support/provider_table.py"


@rows()
def test_any_of_several_secrets_counts(row: Row) -> None:
    """While one secret replaces another both are there, in any order; the wrong one alone is not enough,
    and the log says what to compare.
    """
    for delivery in row.deliveries():
        verified = row.source(row.first).verify(delivery)
        assert row.source(row.other, row.first).verify(delivery) == verified
        assert row.source(row.first, row.other).verify(delivery) == verified
        with pytest.raises(Unauthenticated, match="compare"):
            row.source(row.other).verify(delivery)


@rows()
def test_what_is_covered_cannot_be_changed(row: Row) -> None:
    """Whatever a check is said to bind: its change is refused. Where it binds nothing, the token itself is all."""
    first = row.deliveries()[0]
    if not row.source().binds and not row.signed:
        assert row.source().verify(replace(first, body=first.body + b" "))
        return
    assert_every_one_refused(row, changed(row, first))


@rows(lambda row: bool(proofs(row)))
def test_missing_or_odd_header_is_refused(row: Row) -> None:
    """Each header with a signature, its time, its nonce or a token is needed, once, and as it was sent."""
    assert_every_one_refused(row, with_odd_headers(row))


@rows(lambda row: "time" in row.source().binds)
@pytest.mark.parametrize(("late", "taken"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_signed_time_has_five_minutes(row: Row, late: int, taken: bool) -> None:
    """An old capture is refused, and so is a clock that is far off."""
    (delivery, *_) = row.deliveries()
    moved = replace(delivery, received_at=delivery.received_at + late)
    if taken:
        assert row.source().verify(moved)
    else:
        assert_every_one_refused(row, iter([moved]))


@rows()
def test_broken_body_is_refused(row: Row) -> None:
    """Bodies that are no event of anybody never end in another error, whether they are signed or not."""
    first = row.deliveries()[0]
    for body in [body for body in BROKEN if body not in row.readable]:
        with pytest.raises((DeliveryRefused, ValidationError)):
            row.source().read(replace(first, body=body))
        if row.source().binds or row.signed:
            assert_every_one_refused(row, iter([replace(first, body=body)]))


@rows()
@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_call_is_told_as_the_provider_tells_it(row: Row, outcome: str) -> None:
    """The deliveries of a call are genuine, each an event of its own, and come to the outcome, with its numbers."""
    source, deliveries = row.source(country="DE"), row.deliveries(outcome)
    assert all(source.verify(delivery) for delivery in deliveries)
    readings = [reading for delivery in deliveries for reading in source.read(delivery)]
    assert len({reading.identity for reading in readings}) == len(readings) == len(deliveries)
    events = [reading.event for reading in readings]
    if row.provider in NEVER_JUDGED:
        assert all(event.type.startswith(f"{row.provider}.call.") for event in events)
        return
    legs = [LegEvent(str(at), event.time.timestamp(), event) for at, event in enumerate(events) if event.leg]
    assert len({one.leg.call for one in legs}) <= 1
    assert len(legs) in (0, len(events))
    event = judged_event(legs) if legs else events[0]
    if can_sample(row):
        assert (event.type, event.direction) == (f"call.{outcome}", "inbound")
        assert (event.caller, event.line or event.callee) == ("+4930901820", "+4989654321")


@rows(can_sample)
def test_sample_is_signed_with_the_first_secret(row: Row) -> None:
    """What `badge-bridge sign` makes is taken by a bridge that knows only the first of several secrets."""
    for delivery in row.deliveries("missed", row.other, row.first):
        assert row.source(row.other).verify(delivery)
        with pytest.raises(Unauthenticated):
            row.source(row.first).verify(delivery)


@rows()
def test_retry_is_the_same_event_and_another_call_is_not(row: Row) -> None:
    """A delivery that comes again later, or whose secret was rotated meanwhile, is the same event."""
    source = row.source(row.first, row.other)

    def identities(number: int = 1, late: float = 0, *secrets: str) -> list[tuple[str, ...]]:
        sent = row.deliveries("missed", *secrets, number=number)
        moved = [replace(delivery, received_at=delivery.received_at + late) for delivery in sent]
        return [reading.identity for delivery in moved for reading in source.read(delivery)]

    first = identities()
    assert first == identities(late=60) == identities(1, 0, row.other)
    assert not set(first) & set(identities(number=2))


@rows(lambda row: bool(row.type))
def test_other_event_keeps_its_name(row: Row) -> None:
    """What is not about a call, or not known, can still be named by a rule, and is no leg of a call."""
    (reading,) = row.source().read(with_content(row.deliveries()[0], row.event))
    assert (reading.event.type, reading.event.leg, reading.event.outcome) == (row.type, None, "")
    assert row.first not in repr(reading)


@pytest.mark.parametrize(
    ("row", "name"), [pytest.param(row, name, id=f"{row.label} {name}") for row in ROWS for name in row.odd]
)
def test_odd_time_loses_no_event(row: Row, name: str) -> None:
    """What decides nothing and cannot be read is passed over, and a note says so."""
    source, delivery = row.source(), row.deliveries("answered")[-1]
    (genuine,), (reading,) = source.read(delivery), source.read(with_content(delivery, {name: "soon"}))
    assert "notes" not in genuine.event.data
    assert (reading.event.type, reading.event.outcome) == (genuine.event.type, genuine.event.outcome)
    (note,) = reading.event.data["notes"]
    assert re.fullmatch(rf"({re.escape(name)}|{re.escape(name.rpartition('.')[2])}) cannot be read: 'soon'", note)


@rows()
def test_secret_shows_nowhere(row: Row) -> None:
    """Neither an event, nor what the options print as, nor a refusal of options gives a secret away."""
    source = row.source(row.first, row.other)
    readings = [reading for delivery in row.deliveries() for reading in source.read(delivery)]
    with pytest.raises(ValidationError) as refused:
        row.source(country="nowhere")
    told = "".join([repr(readings), repr(source.options), str(refused.value)])
    told += "".join(reading.event.model_dump_json() for reading in readings)
    for secret in {row.first, row.first.rpartition(":")[2]}:
        assert secret not in told


@rows()
def test_options_that_cannot_work_are_refused(row: Row) -> None:
    """A secret that is missing, empty or of the wrong form is found at its field, and no message shows it."""
    changes: list[tuple[str, Any]] = [("secrets", []), ("secrets", [" "]), ("secrets", row.first), ("unknown", 1)]
    changes += [("secrets", [secret]) for secret in row.malformed]
    for name, value in changes:
        given = {**row.source().options.model_dump(exclude_unset=True), "secrets": [row.first], name: value}
        with pytest.raises(ValidationError) as refused:
            OPTIONS[row.provider].model_validate(given)
        assert [error["loc"][0] for error in refused.value.errors()] == [name]
        assert row.first not in str(refused.value)
        assert not any(secret in str(refused.value) for secret in row.malformed)


@rows()
def test_name_of_a_secret_is_left_alone(row: Row) -> None:
    """A rules file can be checked where the secrets are not known."""
    given = {**row.source().options.model_dump(exclude_unset=True), "secrets": ["${NAME}"]}
    assert len(OPTIONS[row.provider].model_validate(given).model_dump()["secrets"]) == 1


@rows()
def test_weak_check_is_told(row: Row) -> None:
    """Who sets a source up hears what its check does not protect, or what it does not do, and no more than that."""
    told = " ".join(row.source().options.cautions())
    assert row.caution in told
    assert bool(told) is bool(row.caution)


@rows()
def test_reply_is_what_the_provider_takes(row: Row) -> None:
    """Nothing, or the empty document that a provider of call instructions needs."""
    reply = row.source().reply()
    assert (reply.status, reply.media_type) == row.reply
    assert reply.body == (EMPTY_DOCUMENT if reply.media_type.endswith("xml") else b"{}" if reply.media_type else b"")


@rows(has_url)
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("bridge.example.com/hooks/s", r"this is not a URL; write it as .*, such as https://host/hooks/name"),
        ("ftp://bridge.example.com/hooks/s", "this is not a URL"),
        ("https://", "this is not a URL"),
        ("https://bridge.example.com:99999/", "this is not a URL"),
        ("https://bridge.example.com:0/", "this is not a URL"),
        ("https://bridge.example.com/hooks/s?a=1", "a query or a fragment"),
        ("https://bridge.example.com/hooks/s#a", "a query or a fragment"),
        ("https://bridge.example.com/hooks/s?", "a query or a fragment"),
        ("https://user:password@bridge.example.com/", "the URL has a user"),
    ],
)
def test_public_url_is_a_plain_url(row: Row, url: str, said: str) -> None:
    """A URL that the provider cannot have signed is found when the rules file is loaded, with what to write."""
    with pytest.raises(ValidationError, match=said) as refused:
        row.source(public_url=url)
    assert [error["loc"] for error in refused.value.errors()] == [("public_url",)]


@rows(lambda row: has_url(row) and bool(row.source().binds))
def test_delivery_for_another_url_is_refused(row: Row) -> None:
    """The URL is signed: what was sent to another endpoint of the same account is nothing here."""
    with pytest.raises(Unauthenticated, match="public_url"):
        row.source(public_url="https://b.example.com/hooks/other").verify(row.deliveries()[0])
