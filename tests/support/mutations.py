"""Requests that must not be accepted: valid deliveries with one change, and what people and scanners send."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from badge_bridge.sources import Source
from badge_bridge.sources.base import Delivery

__all__ = ["CHANGES", "STALE", "garbage", "mutated", "proofs"]

FORM = "application/x-www-form-urlencoded"
STALE = 1_000.0
"""Seconds; more than any window."""

Change = Callable[[Delivery, Source[Any], random.Random], Delivery | None]
"""A change that a check has to see, or None where this delivery has no place for it."""


def mutated(delivery: Delivery, source: Source[Any], rng: random.Random) -> tuple[str, Delivery]:
    """The delivery with one change of something that is protected, and what was done."""
    for change in rng.sample(CHANGES, len(CHANGES)):
        changed = change(delivery, source, rng)
        if changed is not None:
            return change.__name__.strip("_"), changed
    raise AssertionError(f"nothing of a delivery of {source.name} could be changed")


def _other(character: str, rng: random.Random) -> str:
    """Another character, that no encoding reads as the same: neither another case nor a spare bit at an end."""
    return rng.choice([digit for digit in "0123456789" if digit != character])


def _changed_at(text: str, position: int, rng: random.Random) -> str:
    return text[:position] + _other(text[position], rng) + text[position + 1 :]


def proofs(delivery: Delivery) -> list[int]:
    """Where the headers stand that a check looks at: neither what the body is, nor attributes of a CloudEvent."""
    names = [name for name, _ in delivery.headers]
    return [index for index, name in enumerate(names) if name != "content-type" and not name.startswith("ce-")]


def _header_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """One character of a signature, a token or a signed time."""
    places = proofs(delivery)
    if not places:
        return None
    index = rng.choice(places)
    name, value = delivery.headers[index]
    begin = value.rfind(" ") + 1 if name == "authorization" else value.rfind(",", 0, 4) + 1
    if name in _LISTS:
        begin = value.rfind(",") + 1  # the last is the one that counts
    letters = [at for at in range(begin, max(len(value) - 4, begin + 1)) if value[at].isalnum()]
    if not letters:
        return None
    headers = list(delivery.headers)
    headers[index] = (name, _changed_at(value, rng.choice(letters), rng))
    return replace(delivery, headers=headers)


def _header_missing(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    places = proofs(delivery)
    if not places:
        return None
    gone = rng.choice(places)
    return replace(delivery, headers=[one for index, one in enumerate(delivery.headers) if index != gone])


def _header_doubled(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """A second one that says something else."""
    places = proofs(delivery)
    if not places:
        return None
    name, value = delivery.headers[rng.choice(places)]
    again = (name, _changed_at(value, len(value) // 2, rng))
    headers = [*delivery.headers, again] if rng.random() < 0.5 else [again, *delivery.headers]
    return replace(delivery, headers=headers)


def _body_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    if "body" not in source.binds:
        return None
    text = delivery.body.decode()
    letters = [at for at in range(max(len(text) - 4, 1)) if text[at].isalnum()]
    if not letters:
        return None
    return replace(delivery, body=_changed_at(text, rng.choice(letters), rng).encode())


def _body_longer(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    if "body" not in source.binds:
        return None
    # Space around a token is no part of it.
    additions = (b"\0", b"x", delivery.body) if delivery.body.startswith(b"ey") else (b" ", b"\n", b"\0", b"x")
    return replace(delivery, body=delivery.body + rng.choice(additions))


def _body_cut(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    if not {"body", "form"} & set(source.binds) or not delivery.body:
        return None
    return replace(delivery, body=delivery.body[: rng.randrange(len(delivery.body))])


def _field_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    if "form" not in source.binds or delivery.header("content-type") != FORM:
        return None
    pairs = parse_qsl(delivery.body.decode(), keep_blank_values=True)
    index = rng.randrange(len(pairs))
    name, value = pairs[index]
    pairs[index] = (name, value + rng.choice("019az"))
    return replace(delivery, body=urlencode(pairs).encode())


def _signature_field_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """Where the signature and what it covers are fields of the form: Mango Office."""
    pairs = parse_qsl(delivery.body.decode("latin-1"), keep_blank_values=True)
    signed = [index for index, (name, value) in enumerate(pairs) if name in _SIGNED_FIELDS and value]
    if "sign" not in dict(pairs):
        return None
    index = rng.choice(signed)
    name, value = pairs[index]
    if rng.random() < 0.2:
        del pairs[index]
    else:
        pairs[index] = (name, _changed_at(value, rng.randrange(len(value)), rng))
    return replace(delivery, body=urlencode(pairs).encode())


def _bound_field_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """Where some fields of the body are signed: the notifications of Zadarma and Novofon, and what JustCall names."""
    names = _BOUND_FIELDS.get(source.options.provider, ())
    if not names:
        return None
    if delivery.header("content-type") == FORM:
        fields = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True))
    else:
        fields = json.loads(delivery.body)
    name = rng.choice(names)
    fields[name] = _changed_at(fields[name], rng.randrange(len(fields[name])), rng)
    body = urlencode(fields) if delivery.header("content-type") == FORM else json.dumps(fields)
    return replace(delivery, body=body.encode())


def _url_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    if "url" not in source.binds:
        return None
    return replace(delivery, query=delivery.query + rng.choice(("x=1", "&a=b", "CallSid=1", "bodySHA256=00")))


def _query_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """One character of a field that is sent in the URL, or of the digest of the body there."""
    letters = [at for at, letter in enumerate(delivery.query) if letter.isalnum()]
    if "url" not in source.binds or not letters:
        return None
    return replace(delivery, query=_changed_at(delivery.query, rng.choice(letters), rng))


def _too_late(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    if "time" not in source.binds:
        return None
    return replace(delivery, received_at=delivery.received_at + rng.choice((-1, 1)) * STALE)


def _secret_changed(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """A token that stands in the body, where that is all there is."""
    secret = source.options.secrets[0].get_secret_value()
    at = delivery.body.find(secret.encode())
    if at < 0 or source.binds:
        return None
    body = delivery.body.decode()
    return replace(delivery, body=_changed_at(body, at + rng.randrange(len(secret)), rng).encode())


def _algorithm_none(delivery: Delivery, source: Source[Any], rng: random.Random) -> Delivery | None:
    """A token (JWT) that says that it needs no signature."""
    for index, (name, value) in enumerate(delivery.headers):
        if name == "authorization" and value.count(".") == 2:
            headers = list(delivery.headers)
            headers[index] = (name, "Bearer " + _unsigned(value.split(" ")[-1], rng))
            return replace(delivery, headers=headers)
    if delivery.body.startswith(b"ey") and delivery.body.count(b".") == 2:
        return replace(delivery, body=_unsigned(delivery.body.decode(), rng).encode())
    return None


def _unsigned(token: str, rng: random.Random) -> str:
    header = {"alg": rng.choice(("none", "None", "HS384", "RS256")), "typ": "JWT"}
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    _, claims, signature = token.split(".")
    return f"{encoded}.{claims}.{rng.choice(('', signature))}"


_LISTS = ("x-plivo-signature-v3",)
"""Headers that may have several signatures, parted by commas."""
_SIGNED_FIELDS = ("sign", "json", "vpbx_api_key")
_CALL_FIELDS = ("caller_id", "called_did", "call_start")
_BOUND_FIELDS = {"justcall": ("type", "webhook_url"), "novofon": _CALL_FIELDS, "zadarma": _CALL_FIELDS}

CHANGES: Sequence[Change] = (
    _header_changed,
    _header_changed,
    _header_missing,
    _header_doubled,
    _body_changed,
    _body_changed,
    _body_longer,
    _body_cut,
    _field_changed,
    _signature_field_changed,
    _bound_field_changed,
    _url_changed,
    _query_changed,
    _too_late,
    _secret_changed,
    _algorithm_none,
)

_KINDS = (
    FORM,
    "application/json",
    "text/plain",
    "",
    "application/jwt",
    "multipart/form-data",
    "application/json; charset=utf-16",
)
_NAMES = (
    "authorization", "signature", "webhook-signature", "webhook-id", "webhook-timestamp", "x-twilio-signature", "x-zm-signature",
    "x-zm-request-timestamp", "x-plivo-signature-v3", "x-plivo-signature-v3-nonce", "verification-token", "telnyx-timestamp",
    "svix-id", "svix-timestamp", "svix-signature", "telnyx-signature-ed25519", "x-ps-signature", "openphone-signature", "x-signalwire-signature", "x-justcall-signature", "x-signature",
)  # fmt: skip
_METHODS = ("POST", "POST", "POST", "POST", "GET", "OPTIONS")
_VALUES = (
    "", "0", "v1,AAAA", "Bearer x", "Basic eDp5", "Basic ****", "t=1,v1=00", "hmac;1;0;AAAA", "v0=" + "0" * 64, "A" * 28, "\u00ff",
    "application k:AAAA", "9" * 40, "Bearer eyJhbGciOiJub25lIn0.e30.", "1763778600", "x" * 4000,
)  # fmt: skip


_BODIES: Sequence[Callable[[random.Random], bytes]] = (
    lambda _: b"",
    lambda rng: rng.randbytes(rng.randrange(1, 400)),
    lambda rng: b"[" * rng.choice((10, 100_000)),
    lambda _: b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    lambda rng: b"&".join(b"f%d=1" % number for number in range(rng.choice((3, 10_000)))),
    lambda _: b'{"event":"x","event":"y"}',
    lambda _: b'{"event":"endpoint.url_validation","payload":{"plainToken":"x"}}',
    lambda _: b'{"a":' + b"9" * 5_000 + b"}",
    lambda _: b'{"a":"\\ud800"}',
    lambda _: b"a=%ff&b=%00&c",
    lambda rng: b"\x1f\x8b\x08" + rng.randbytes(100),
    lambda rng: b"x" * rng.choice((1_000, 70_000, 1_100_000)),
    lambda rng: json.dumps({"event": "call", "n": [rng.random()] * rng.choice((1, 6_000))}).encode(),
)


def garbage(now: float, rng: random.Random) -> Delivery:
    """What nobody signed: too deep, too large, too many, in no encoding, under headers that half look like proofs."""
    headers = [("content-type", rng.choice(_KINDS))]
    headers += [(rng.choice(_NAMES), rng.choice(_VALUES)) for _ in range(rng.randrange(4))]
    if rng.random() < 0.05:
        headers.append(("content-encoding", "gzip"))
    query = rng.choice(("", "", "a=%ff", "&".join("q=1" for _ in range(2_000)), "CallSid=CA1&CallStatus=no-answer"))
    return Delivery(rng.choice(_METHODS), query, headers, rng.choice(_BODIES)(rng), now)
