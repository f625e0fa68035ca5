"""Signature schemes: each kind, with vectors of several providers that are declared here and not built in."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from badge_bridge.errors import OutsideWindow, Unauthenticated
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.signatures import (
    BASE64,
    HEX,
    WINDOW,
    Ed25519,
    Encoding,
    HeaderPart,
    Hmac,
    Jwt,
    Scheme,
    SignedTime,
    StaticToken,
    raw_body,
    unix_seconds,
    verify_any,
)

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = 1_763_778_600.0


def delivery(body: bytes = b"hello", *headers: tuple[str, str], received_at: float = NOW) -> Delivery:
    return Delivery(method="POST", query="", headers=headers, body=body, received_at=received_at)


def of_vector(vector: dict[str, Any]) -> Delivery:
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    query = urlsplit(vector["url"]).query
    return Delivery(vector["method"], query, headers, vector["body"].encode(), float(vector.get("verify_at", NOW)))


def timed(template: bytes) -> Any:
    def message(request: Delivery, time: str) -> Sequence[bytes]:
        return (template.replace(b"{t}", time.encode()).replace(b"{body}", request.body),)

    return message


TELNYX = Ed25519(
    signature=HeaderPart("telnyx-signature-ed25519"),
    encoding=BASE64,
    message=timed(b"{t}|{body}"),
    binds=("body", "time"),
    time=SignedTime(HeaderPart("telnyx-timestamp")),
)
ZOOM = Hmac(
    algorithm="sha256",
    signature=HeaderPart("x-zm-signature", prefix="v0="),
    encoding=HEX,
    message=timed(b"v0:{t}:{body}"),
    binds=("body", "time"),
    time=SignedTime(HeaderPart("x-zm-request-timestamp")),
)
GITHUB = Hmac(
    algorithm="sha256",
    signature=HeaderPart("x-hub-signature-256", prefix="sha256="),
    encoding=HEX,
    message=raw_body,
    binds=("body",),
)


def _zadarma_text(request: Delivery, _time: str) -> Sequence[bytes]:
    fields = dict(bodies.form(request.body))
    names = ("internal", "destination") if fields["event"].startswith("NOTIFY_OUT") else ("caller_id", "called_did")
    return ("".join(fields[name] for name in (*names, "call_start")).encode(),)


BASE64_OF_HEX = Encoding(
    encode=lambda data: base64.b64encode(data.hex().encode()).decode(),
    decode=lambda text: bytes.fromhex(base64.b64decode(text).decode()),
)
ZADARMA = Hmac(
    algorithm="sha1",
    signature=HeaderPart("signature"),
    encoding=BASE64_OF_HEX,
    message=_zadarma_text,
    binds=(),
)


def _signalwire(url: str) -> Hmac:
    return Hmac(
        algorithm="sha256",
        signature=HeaderPart("x-signalwire-sha256-signature"),
        encoding=HEX,
        message=lambda request, _: (url.encode() + request.body,),
        binds=("url", "body"),
    )


def _declared(vector: dict[str, Any]) -> tuple[Scheme, bytes] | None:
    secret = vector["secret"]
    match vector["provider"]:
        case "telnyx":
            return TELNYX, base64.b64decode(secret)
        case "zoom":
            return ZOOM, secret.encode()
        case "zadarma":
            return ZADARMA, secret.encode()
        case "signalwire" if "hex" in vector["scheme"]:
            return _signalwire(vector["url"]), secret.encode()
        case "generic-hmac":
            return GITHUB, secret.encode()
    return None


DECLARED = [(vector, *declared) for vector in VECTORS if (declared := _declared(vector))]


@pytest.mark.parametrize(("vector", "scheme", "key"), DECLARED, ids=[vector["id"] for vector, *_ in DECLARED])
def test_vector_is_judged_as_published(vector: dict[str, Any], scheme: Scheme, key: bytes) -> None:
    """A scheme that is declared as data accepts and refuses what the provider's own library does."""
    request = of_vector(vector)
    if vector["valid"]:
        assert scheme.verify(request, [b"x" * len(key), key] if scheme is not TELNYX else [key])
    else:
        with pytest.raises(Unauthenticated):
            scheme.verify(request, [key])


def github(body: bytes, key: bytes = b"key") -> tuple[str, str]:
    return "x-hub-signature-256", "sha256=" + GITHUB.sign(key, body)


def test_description_says_what_is_bound() -> None:
    """What `verify` returns names the algorithm and the parts that are covered."""
    assert GITHUB.verify(delivery(b"hello", github(b"hello")), [b"key"]) == "hmac-sha256 over body"
    three = replace(GITHUB, binds=("url", "form", "time"))
    assert three.verify(delivery(b"hello", github(b"hello")), [b"key"]) == "hmac-sha256 over url, form and time"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_any_of_several_keys_matches(position: int) -> None:
    """While secrets are rotated, a signature under any of them counts."""
    keys = [b"one", b"two", b"three"]
    assert GITHUB.verify(delivery(b"hello", github(b"hello", keys[position])), keys)


def test_no_key_refuses_everything() -> None:
    """Without keys nothing is genuine."""
    with pytest.raises(Unauthenticated):
        GITHUB.verify(delivery(b"hello", github(b"hello")), [])


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("x-hub-signature-256", ""),),
        (("x-hub-signature-256", "sha256="),),
        (("x-hub-signature-256", "sha1=" + GITHUB.sign(b"key", b"hello")),),
        (("x-hub-signature-256", "sha256=zz"),),
        (("x-hub-signature-256", "sha256=ä"),),
        (("x-hub-signature-256", "sha256= " + GITHUB.sign(b"key", b"hello")),),
        (("x-hub-signature-256", "sha256=" + GITHUB.sign(b"key", b"hello")[:-2]),),
        (github(b"hello"), ("x-hub-signature-256", "sha256=00")),
    ],
    ids=["missing", "empty", "no value", "other prefix", "not hex", "not ascii", "space", "cut", "contradiction"],
)
def test_signature_header_is_refused_when_it_is_not_exactly_right(headers: tuple[tuple[str, str], ...]) -> None:
    """A missing, unreadable, shortened or contradictory signature proves nothing."""
    with pytest.raises(Unauthenticated):
        GITHUB.verify(delivery(b"hello", *headers), [b"key"])


def test_repeated_header_counts_when_it_agrees() -> None:
    """A proxy that doubles a header does no harm."""
    assert GITHUB.verify(delivery(b"hello", github(b"hello"), github(b"hello")), [b"key"])


LISTED = replace(GITHUB, signature=HeaderPart("x-signature", prefix="v1=", separator=","))


@pytest.mark.parametrize(("others", "accepted"), [(0, True), (15, True), (16, False)])
def test_number_of_signatures_is_bounded(others: int, accepted: bool) -> None:
    """A sender may list several signatures, but cannot make us compare thousands."""
    header = ",".join(["v1=" + "00" * 32] * others + ["v9=ignored", " v1=" + GITHUB.sign(b"key", b"hello")])
    request = delivery(b"hello", ("x-signature", header))
    if accepted:
        assert LISTED.verify(request, [b"key"])
    else:
        with pytest.raises(Unauthenticated, match="17 signatures"):
            LISTED.verify(request, [b"key"])


def zoom(time: str) -> list[tuple[str, str]]:
    signature = "v0=" + ZOOM.sign(b"key", f"v0:{time}:hello".encode())
    return [("x-zm-request-timestamp", time), ("x-zm-signature", signature)]


@pytest.mark.parametrize(("age", "accepted"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_window_is_300_seconds_both_ways(age: int, accepted: bool) -> None:
    """A genuine signature is refused when its time is more than five minutes from ours, old or early."""
    request = delivery(b"hello", *zoom(str(int(NOW - age))))
    if accepted:
        assert ZOOM.verify(request, [b"key"]) == "hmac-sha256 over body and time"
    else:
        with pytest.raises(OutsideWindow, match="300 s are allowed"):
            ZOOM.verify(request, [b"key"])


def test_forgery_is_no_question_of_time_when_it_is_old() -> None:
    """Only what is signed rightly is told apart: else anybody could have it look as if a clock were wrong."""
    time = str(int(NOW - 3600))
    request = delivery(b"hello", ("x-zm-request-timestamp", time), ("x-zm-signature", "v0=" + "0" * 64))
    with pytest.raises(Unauthenticated, match="does not match") as refused:
        ZOOM.verify(request, [b"key"])
    assert not isinstance(refused.value, OutsideWindow)


def test_wrong_time_is_the_reason_when_another_scheme_does_not_match() -> None:
    """Of several refusals, the one that says most: the sender has the secret."""
    request = delivery(b"hello", *zoom(str(int(NOW - 3600))))
    for candidates in (([b"other"], [b"key"]), ([b"key"], [b"other"])):
        with pytest.raises(OutsideWindow, match="3600 s old"):
            verify_any(request, [(ZOOM, keys) for keys in candidates])


@pytest.mark.parametrize("time", ["", "-1", "+1763778600", "1763778600.0", "1e9", "١٧٦٣٧٧٨٦٠٠", "9" * 400, "nan"])
def test_time_is_refused_when_it_is_not_a_plain_number(time: str) -> None:
    """A time that could be read in two ways is not read at all, even where its signature is right."""
    with pytest.raises(Unauthenticated):
        ZOOM.verify(delivery(b"hello", *zoom(time)), [b"key"])


def test_time_may_be_milliseconds() -> None:
    """Some providers sign milliseconds; how a time is read belongs to the scheme."""
    assert ZOOM.time
    scheme = replace(ZOOM, time=replace(ZOOM.time, read=lambda text: unix_seconds(text) / 1000))
    assert scheme.verify(delivery(b"hello", *zoom(f"{NOW * 1000:.0f}")), [b"key"])
    assert unix_seconds("1500") == 1500
    assert WINDOW == 300


def test_altered_time_is_refused() -> None:
    """The time is part of what is signed."""
    (_, time), signature = zoom(str(int(NOW)))
    with pytest.raises(Unauthenticated, match="does not match"):
        ZOOM.verify(delivery(b"hello", ("x-zm-request-timestamp", str(int(time) + 1)), signature), [b"key"])


TOKEN = StaticToken(name="token", token=lambda request: (request.header("x-token") or "").encode() or None)


@pytest.mark.parametrize("token", ["", "secre", "secrets", "Secret", "sécret"])
def test_static_token_is_refused_when_it_differs(token: str) -> None:
    """A token counts only as a whole, and a missing one never."""
    with pytest.raises(Unauthenticated):
        TOKEN.verify(delivery(b"", ("x-token", token)), [b"secret", b"other"])


def test_static_token_is_accepted_when_it_is_one_of_the_secrets() -> None:
    """Any of several secrets counts, and nothing of the request is bound."""
    assert TOKEN.verify(delivery(b"", ("x-token", "other")), [b"secret", b"other"]) == "token"
    assert TOKEN.binds == ()


def test_verify_any_accepts_what_one_scheme_accepts() -> None:
    """Where a sender may sign in several ways, one that matches is enough."""
    both: list[tuple[Scheme, list[bytes]]] = [(TOKEN, [b"secret"]), (GITHUB, [b"key"])]
    assert verify_any(delivery(b"hello", github(b"hello")), both) == "hmac-sha256 over body"
    with pytest.raises(Unauthenticated, match="token is missing"):
        verify_any(delivery(b"hello"), both)
    with pytest.raises(Unauthenticated, match="no key"):
        verify_any(delivery(b"hello"), [])


def test_base64_forgives_missing_padding_only() -> None:
    """Padding may be left out; characters outside the alphabet are refused."""
    assert BASE64.decode("aGk") == BASE64.decode("aGk=") == b"hi"
    for text in ("aG k", "aGk\n", "a_k=", "aGk=="):
        with pytest.raises(ValueError):  # noqa: PT011 - binascii's message is its own
            BASE64.decode(text)


def test_ed25519_refuses_a_signature_of_another_length() -> None:
    """A signature that is no signature is refused like a wrong one."""
    vector = next(vector for vector in VECTORS if vector["id"] == "telnyx-v2-valid")
    request = of_vector(vector)
    short = [(name, "aGk=" if name == "telnyx-signature-ed25519" else value) for name, value in request.headers]
    with pytest.raises(Unauthenticated):
        TELNYX.verify(replace(request, headers=short), [base64.b64decode(vector["secret"])])


def test_ed25519_looks_at_few_signatures() -> None:
    """Each of them hashes the whole body again for each key, which nobody has paid for with a secret."""
    scheme = Ed25519(signature=HeaderPart("s", separator=","), encoding=HEX, message=raw_body, binds=("body",))
    one = bytes(64).hex()
    with pytest.raises(Unauthenticated, match="does not match"):
        scheme.verify(delivery(b"x", ("s", ",".join([one] * 4))), [bytes(31) + b"\x01"])
    with pytest.raises(Unauthenticated, match="has 5 signatures"):
        scheme.verify(delivery(b"x", ("s", ",".join([one] * 5))), [bytes(31) + b"\x01"])


def jwt_of(delivery: Delivery) -> str:
    return delivery.body.decode()


def test_token_that_is_not_signed_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Header and claims of a token of a megabyte are parsed only once it is known that somebody has signed them."""
    decoded: list[str] = []
    plain = jwt.decode

    def counting(token: str, *arguments: Any, **options: Any) -> Any:
        decoded.append(token)
        return plain(token, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", counting)
    scheme = Jwt(token=jwt_of, binds=("body",), max_age=None)
    right = Jwt.sign(b"second", {"a": 1})
    for wrong in (
        Jwt.sign(b"other", {"a": 1}),
        right[:-8],
        f"{right}.",
        right.rpartition(".")[0],
        "a.b.c",
        "",
        "é.é.é",
    ):
        with pytest.raises(Unauthenticated):
            scheme.verify(delivery(wrong.encode()), [b"first", b"second"])
    assert decoded == []
    assert scheme.verify(delivery(right.encode()), [b"first", b"second"]) == "jwt HS256 over body"
    assert decoded == [right]


def test_digest_in_a_claim_may_be_any_text() -> None:
    """Half of a surrogate pair, which JSON can say and UTF-8 cannot, is no digest and no error of ours."""
    scheme = Jwt(token=lambda one: one.header("t"), binds=("body",), max_age=None, body_claim="hash")
    token = Jwt.sign(b"key", {"hash": "\ud800"})
    with pytest.raises(Unauthenticated, match="claim hash"):
        scheme.verify(delivery(b"x", ("t", token)), [b"key"])


def test_every_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signature with each key, right or wrong, and none the less after one has matched: time tells nothing."""
    compared: list[tuple[bytes, bytes]] = []
    plain = hmac.compare_digest

    def spying(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return plain(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spying)
    keys = [b"first", b"second", b"third"]
    signatures = ",".join([hmac.digest(b"first", b"x", "sha256").hex(), "00" * 32])
    scheme = Hmac(
        algorithm="sha256",
        signature=HeaderPart("s", separator=","),
        encoding=HEX,
        message=raw_body,
        binds=("body",),
    )
    scheme.verify(delivery(b"x", ("s", signatures)), keys)
    assert len(compared) == 2 * len(keys)
    compared.clear()
    StaticToken(name="token", token=lambda one: one.body).verify(delivery(b"first"), keys)
    assert len(compared) == len(keys)
    compared.clear()
    Jwt(token=jwt_of, binds=("body",), max_age=None).verify(delivery(Jwt.sign(b"first", {}).encode()), keys)
    assert len(compared) >= len(keys)
