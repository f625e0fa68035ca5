"""All sources: whatever a genuine delivery holds, it is accepted or refused, and what is accepted can be kept."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from pydantic import ValidationError

from badge_bridge.errors import DeliveryRefused
from badge_bridge.events import event_key
from badge_bridge.sources import OPTIONS, Delivery, Source, build
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.store.records import read_event, write_event
from support.every_source import SAMPLED, call, source_of

NOW = 1_763_778_605.0
FORM = "application/x-www-form-urlencoded"
ROUNDS = 1_500
"""Mutated deliveries of each kind."""

ODD_TEXTS = (
    "", " ", "\0", "a\0b", "-1", "-5", "0", "1.5", "1e308", "1e999", "NaN", "-Infinity", "9" * 20, "-" + "9" * 400,
    "\u0661\u0662", "banana", "true", "null", "\ufffd", "\U0001f4de", "x" * 600, "[]", "{}", "&=+%", "..", "call.", "a b\n",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2025-02-30T00:00:00Z", "2025-11-22", "2025-W47-6T10:00Z",
    "Fri, 31 Dec 9999 23:59:59 -1200", "Sat, 22 Nov 99999999999999999999 02:30:00 +0000",
    "Sat, 22 Nov 2025 99999999999999999999:30:00 +0000", "Sat, 22 Nov 2025 02:30:00 +9999", "Mon, 1 Jan 0001 00:00:00 +0100",
    "+4930123456", "anonymous", "sip:", "tel:+", "+" * 30, "((((((", "+\u0663\u0664\u0665\u0666\u0667\u0668",
)  # fmt: skip
ODD_NAMES = ("", "\0", "x", "CallSid", "SequenceNumber", "data[CALL_ID][x]", "data[]", "ts", "auth", "id", "\u00fc")
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**64, 10**30, 0.0, -0.5, 1e308, 1.5, float("nan"), float("inf"),
    [], {}, [[]], {"": {}}, [1, "a"], "\ud800", "a\udfff", {"\ud800": 1}, *ODD_TEXTS,
)  # fmt: skip

TWILIO: dict[str, str] = {
    "AccountSid": "AC" + "0" * 32,
    "CallSid": "CA" + "0" * 32,
    "CallStatus": "no-answer",
    "CallDuration": "0",
    "DialBridged": "true",
    "DialCallDuration": "5",
    "DialCallStatus": "completed",
    "Direction": "inbound",
    "From": "+4930123456",
    "RecordingSource": "RecordVerb",
    "SequenceNumber": "0",
    "Timestamp": "Sat, 22 Nov 2025 02:30:00 +0000",
    "To": "+4989654321",
}
BITRIX24: dict[str, str] = {
    "event": "ONVOXIMPLANTCALLEND",
    "data[CALL_ID]": "call.1",
    "data[CALL_TYPE]": "2",
    "data[PHONE_NUMBER]": "+499061234567",
    "data[PORTAL_NUMBER]": "+499061230000",
    "data[CALL_DURATION]": "7",
    "data[CALL_START_DATE]": "2025-11-22T05:29:40+03:00",
    "data[CALL_FAILED_CODE]": "304",
    "ts": "1763778600",
    "auth[member_id]": "m",
    "auth[application_token]": "t",
}
GENERIC: dict[str, Any] = {
    "type": "call.missed",
    "id": "1",
    "at": 1763778600,
    "direction": "inbound",
    "from": "030 123456",
    "to": {"number": 4989654321, "line": "+4989654321"},
    "seconds": 12,
    "email": "anna@example.com",
    "why": ["a", {"b": 1}],
}
MAPPING = {
    "type": "body.type",
    "id": "body.id",
    "time": "body.at",
    "direction": "body.direction",
    "caller": "body.from",
    "callee": "body.to.number",
    "line": "body.to.line",
    "duration": "body.seconds",
    "email": "body.email",
    "reason": "body.why[0]",
    "subject": "body.email + body.from",
    "outcome": "headers['x-outcome'] + query.q",
}


def source(provider: str, **options: Any) -> Source[Any]:
    return build("fuzzed", OPTIONS[provider].model_validate({"provider": provider, "country": "DE", **options}))


def of_twilio() -> Source[Any]:
    return source("twilio", secrets=["t"], public_url="https://bridge.example.com/hooks/x")


def of_generic(**options: Any) -> Source[Any]:
    return source("generic", **{"secrets": ["t"], **options}, verify={"scheme": "bearer"}, event=MAPPING)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value inside."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def mutated_document(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A copy in which some values are something else, missing, or one more."""
    changed = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(places(changed)) or [("x",)])
        holder: Any = changed
        for step in path[:-1]:
            holder = holder[step]
        match rng.randint(0, 3):
            case 0 if path[-1] in holder or isinstance(holder, list):
                del holder[path[-1]]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(ODD_NAMES)] = copy.deepcopy(rng.choice(ODD_VALUES))
            case _:
                holder[path[-1]] = copy.deepcopy(rng.choice(ODD_VALUES))
    return changed


def mutated_pairs(fields: dict[str, str], rng: random.Random) -> list[tuple[str, str]]:
    """Pairs in which some are something else, missing, doubled, or one more."""
    pairs = list(fields.items())
    for _ in range(rng.randint(1, 3)):
        index = rng.randrange(len(pairs))
        name, value = pairs[index]
        match rng.randint(0, 5):
            case 0:
                del pairs[index]
            case 1:
                pairs.append((name, rng.choice((value, rng.choice(ODD_TEXTS)))))
            case 2:
                pairs.append((rng.choice(ODD_NAMES), rng.choice(ODD_TEXTS)))
            case 3:
                pairs[index] = (name + rng.choice(("[x]", "[]", "[")), value)
            case _:
                pairs[index] = (name, rng.choice(ODD_TEXTS))
    return pairs


def as_form(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)


def as_json(document: dict[str, Any], rng: random.Random) -> bytes:
    """JSON with escapes, sometimes with a key twice or with some bytes damaged."""
    text = json.dumps(document)
    if rng.random() < 0.05:
        text = text[:-1] + ', "id": "again"}'
    body = bytearray(text.encode())
    if rng.random() < 0.1:
        body[rng.randrange(len(body))] = rng.randrange(256)
    return bytes(body)


def posted(body: bytes, kind: str) -> Delivery:
    headers = (("content-type", kind), ("x-outcome", "\u00ff\u0000missed"), ("authorization", "Bearer t"))
    return Delivery("POST", "q=%ff" if body[-1:] == b"7" else "q=1", headers, body, NOW)


def twilio_forms(rng: random.Random) -> Delivery:
    return posted(as_form(mutated_pairs(TWILIO, rng)).encode(), FORM)


def twilio_queries(rng: random.Random) -> Delivery:
    return Delivery("GET", as_form(mutated_pairs(TWILIO, rng)), (), b"", NOW)


def twilio_json(rng: random.Random) -> Delivery:
    return posted(as_json(mutated_document(TWILIO, rng), rng), "application/json")


def bitrix24_calls(rng: random.Random) -> Delivery:
    return posted(as_form(mutated_pairs(BITRIX24, rng)).encode(), FORM)


def bitrix24_others(rng: random.Random) -> Delivery:
    return posted(as_form(mutated_pairs({**BITRIX24, "event": "ONCRMDEALADD"}, rng)).encode(), FORM)


def generic_json(rng: random.Random) -> Delivery:
    return posted(as_json(mutated_document(GENERIC, rng), rng), "application/json")


def generic_forms(rng: random.Random) -> Delivery:
    fields = {name: str(value) for name, value in GENERIC.items() if not isinstance(value, dict | list)}
    return posted(as_form(mutated_pairs(fields, rng)).encode(), FORM)


@pytest.mark.parametrize(
    ("fuzzed", "make"),
    [
        (of_twilio(), twilio_forms),
        (of_twilio(), twilio_queries),
        (of_twilio(), twilio_json),
        (source("bitrix24", secrets=["t"]), bitrix24_calls),
        (source("bitrix24", secrets=["t"]), bitrix24_others),
        (of_generic(), generic_json),
        (of_generic(format="form"), generic_forms),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_any_delivery_is_accepted_or_refused_and_what_is_accepted_can_be_kept(fuzzed: Source[Any], make: Any) -> None:
    """A delivery never ends in another error (a 500), and each accepted event has a key and survives being stored."""
    rng = random.Random(20251122)  # noqa: S311 - repeatable, not secret
    accepted = refused = 0
    for number in range(ROUNDS):
        delivery = make(rng)
        try:
            readings = fuzzed.read(delivery)
        except (DeliveryRefused, ValidationError):
            refused += 1
            continue
        except Exception as error:
            raise AssertionError(f"number {number}: {delivery.query[:500]} {delivery.body[:2000]!r}") from error
        for reading in readings:
            assert event_key("fuzzed", reading.identity).startswith("fuzzed:")
            assert read_event(write_event(reading.event)) == reading.event
            accepted += 1
    assert accepted > ROUNDS / 50
    assert refused > ROUNDS / 50


@pytest.mark.parametrize("number", range(300))
def test_any_unsigned_delivery_is_unauthenticated(number: int) -> None:
    """Checking a signature never ends in another error either, whatever stands in the headers and the body."""
    rng = random.Random(number)  # noqa: S311 - the same
    makers = (twilio_forms, twilio_queries, twilio_json, bitrix24_calls, generic_json, generic_forms)
    for fuzzed in (of_twilio(), source("bitrix24", secrets=["other"]), of_generic(secrets=["other"])):
        delivery = rng.choice(makers)(rng)
        odd = rng.choice(ODD_TEXTS).encode().decode("latin-1")
        headers = [*delivery.headers[:1], ("x-twilio-signature", odd), ("authorization", f"Bearer {odd}")]
        with pytest.raises(DeliveryRefused):
            fuzzed.verify(Delivery(delivery.method, delivery.query, headers, delivery.body, NOW))


def changed_sample(delivery: Delivery, rng: random.Random) -> Delivery:
    """A sample of a provider whose content is something else, as if it was signed like that."""
    text = delivery.body.decode()
    if text.startswith("{"):
        body = as_json(mutated_document(json.loads(text), rng), rng)
    else:
        pairs = dict(parse_qsl(text, keep_blank_values=True))
        if pairs.get("json") and rng.random() < 0.8:
            pairs["json"] = as_json(mutated_document(json.loads(pairs["json"]), rng), rng).decode("utf-8", "replace")
            body = as_form(list(pairs.items())).encode()
        else:
            body = as_form(mutated_pairs(pairs, rng)).encode()
    return replace(delivery, body=body)


@pytest.mark.parametrize("provider", [provider for provider in SAMPLED if provider != "dialpad"])
def test_any_content_of_any_provider_is_read_or_refused_and_what_is_read_can_be_kept(provider: str) -> None:
    """The same for every provider, from its own samples; those of Dialpad are tokens, whose claims its tests change."""
    rng = random.Random(7)  # noqa: S311 - repeatable, not secret
    fuzzed = source_of(provider)
    samples = [delivery for outcome in ("missed", "answered") for delivery in fuzzed.sample(call(outcome))]
    read = 0
    for number in range(ROUNDS // 2):
        delivery = changed_sample(rng.choice(samples), rng)
        try:
            readings = fuzzed.read(delivery)
        except (DeliveryRefused, ValidationError):
            continue
        except Exception as error:
            raise AssertionError(f"number {number}: {delivery.body[:2000]!r}") from error
        for reading in readings:
            assert event_key("s", reading.identity).startswith("s:")
            assert read_event(write_event(reading.event)) == reading.event
            if reading.event.leg is not None:
                judged = judged_event([LegEvent("s:1", NOW, reading.event)])
                assert read_event(write_event(judged)) == judged
            read += 1
    assert read > ROUNDS / 100
