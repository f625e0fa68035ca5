"""The provider generic: published libraries judge the signatures, tables the mapping by expressions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import stripe
import svix.webhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from badge_bridge.cel import CelError
from badge_bridge.errors import DeliveryRefused, Impossible, Malformed, Unauthenticated, UnsupportedMediaType
from badge_bridge.events import Event
from badge_bridge.sources import build, standard_webhooks
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.generic import Generic, GenericOptions
from badge_bridge.sources.mapping import EventMapping, EventReader

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = datetime(2025, 11, 22, 2, 30, tzinfo=UTC)
AT = int(NOW.timestamp())
JSON = ("content-type", "application/json")
FORM = "application/x-www-form-urlencoded"
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(KEY)
PUBLIC_KEY = "whpk_" + base64.b64encode(PRIVATE_KEY.public_key().public_bytes_raw()).decode()
STANDARD: Mapping[str, Any] = {"verify": {"scheme": "standard-webhooks"}, "secrets": [SECRET]}
GITHUB = {"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="}
STRIPE = {"scheme": "hmac-timestamped", "header": "Stripe-Signature"}
BEARER: Mapping[str, Any] = {"verify": {"scheme": "bearer"}, "secrets": ["token"]}
ORDER = {"id": "o-1", "status": "paid", "customer": {"phone": "030 123456"}}


def source(**options: Any) -> Generic:
    given_options = {"provider": "generic", "event": {"type": "body.status"}, **STANDARD, **options}
    built = build("shop", GenericOptions.model_validate(given_options))
    assert isinstance(built, Generic)
    return built


def raw(body: bytes, *headers: tuple[str, str], query: str = "") -> Delivery:
    return Delivery("POST", query, headers, body, NOW.timestamp())


def standard(body: bytes, *, family: str = "webhook", identifier: str = "msg_1", at: int = AT) -> Delivery:
    """A delivery that is signed by the library of Standard Webhooks."""
    moment = datetime.fromtimestamp(at, UTC)
    signature = standardwebhooks.Webhook(SECRET).sign(identifier, moment, body.decode())
    return raw(
        body,
        JSON,
        (f"{family}-id", identifier),
        (f"{family}-timestamp", str(at)),
        (f"{family}-signature", signature),
    )


def with_header(request: Delivery, name: str, value: str) -> Delivery:
    return replace(request, headers=[*((key, old) for key, old in request.headers if key != name), (name, value)])


def of_vector(vector: dict[str, Any]) -> Delivery:
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    return Delivery("POST", "", headers, vector["body"].encode(), float(vector.get("verify_at", AT)))


VERIFY_BY_PROVIDER = {
    "standard-webhooks": {"scheme": "standard-webhooks"},
    "svix": {"scheme": "standard-webhooks"},
    "generic-hmac": GITHUB,
    "didww": {"scheme": "hmac-timestamped", "header": "X-PS-Signature"},
    "generic-bearer": {"scheme": "bearer"},
    "bandwidth": {"scheme": "basic"},
}
GENERIC_VECTORS = [vector for vector in VECTORS if vector["provider"] in VERIFY_BY_PROVIDER]


@pytest.mark.parametrize("vector", GENERIC_VECTORS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """Each scheme accepts and refuses what the sender's own library or documentation does."""
    verify = VERIFY_BY_PROVIDER[vector["provider"]]
    generic = source(verify=verify, secrets=[vector["secret"]], event={"type": "body.type", "id": "body.id"})
    if vector["valid"]:
        assert generic.verify(of_vector(vector))
    else:
        with pytest.raises(Unauthenticated):
            generic.verify(of_vector(vector))


# Standard Webhooks


@given(body=st.text(st.characters(exclude_categories=["Cs"])), family=st.sampled_from(["webhook", "svix"]))
def test_anything_that_the_library_signs_is_accepted(body: str, family: str) -> None:
    """Whatever the body, what the library of Standard Webhooks signs is genuine, and `sign` makes the same."""
    request = standard(body.encode(), family=family)
    assert source().verify(request) == "hmac-sha256 over body and time"
    assert standard_webhooks.sign("msg_1", AT, body.encode(), SECRET) == request.header(f"{family}-signature")


@given(body=st.binary(min_size=1, max_size=60), position=st.integers(min_value=0), byte=st.integers(0, 255))
def test_any_changed_byte_of_a_standard_webhook_is_refused(body: bytes, position: int, byte: int) -> None:
    """One changed byte of the body ends the signature."""
    signature = standard_webhooks.sign("msg_1", AT, body, SECRET)
    headers = (("webhook-id", "msg_1"), ("webhook-timestamp", str(AT)), ("webhook-signature", signature))
    position %= len(body)
    altered = body[:position] + bytes([byte]) + body[position + 1 :]
    if altered == body:
        assert source().verify(raw(altered, *headers))
    else:
        with pytest.raises(Unauthenticated):
            source().verify(raw(altered, *headers))


def test_missing_signature_is_told_by_the_name_of_the_standard() -> None:
    """Where neither family of headers was sent, the one that the documentation names is asked for."""
    with pytest.raises(Unauthenticated, match="the header webhook-signature is missing"):
        source().verify(raw(b"{}", JSON))


def test_svix_signs_the_same() -> None:
    """What Svix's library signs is genuine under its header names."""
    signature = svix.webhooks.Webhook(SECRET).sign("msg_1", NOW, "{}")
    headers = (("svix-id", "msg_1"), ("svix-timestamp", str(AT)), ("svix-signature", signature))
    assert source().verify(raw(b"{}", JSON, *headers))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "msg_2"),
        ("webhook-id", ""),
        ("webhook-id", "msg_1.5"),
        ("webhook-timestamp", str(AT + 1)),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", f"{AT}.0"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v2," + "A" * 43 + "="),
        ("webhook-signature", "v1,not base64"),
        ("webhook-signature", " ".join(["v1," + "A" * 43 + "="] * 1_000)),
    ],
)
def test_standard_webhook_with_an_altered_header_is_refused(name: str, value: str) -> None:
    """Id, time and signature belong together."""
    with pytest.raises(Unauthenticated):
        source().verify(with_header(standard(b"{}"), name, value))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_standard_webhook_is_refused_when_a_header_is_missing_or_contradicts_itself(name: str) -> None:
    """Each of the three headers is needed, once."""
    request = standard(b"{}")
    without = [(key, value) for key, value in request.headers if key != name]
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, headers=without))
    with pytest.raises(Unauthenticated):
        source().verify(replace(request, headers=[*request.headers, (name, "another")]))


@pytest.mark.parametrize(("age", "accepted"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_standard_webhook_outside_the_window_is_refused(age: int, accepted: bool) -> None:
    """A genuine delivery counts for five minutes."""
    request = standard(b"{}", at=AT - age)
    if accepted:
        assert source().verify(request)
    else:
        with pytest.raises(Unauthenticated):
            source().verify(request)


def test_signature_among_others_counts() -> None:
    """While a sender rotates its secret it signs twice; versions that are not known are passed over."""
    request = standard(b"{}")
    signature = request.header("webhook-signature")
    others = f"v1,{'A' * 43}= v9,what {signature} v1a,{'A' * 86}=="
    assert source().verify(with_header(request, "webhook-signature", others))


def test_signature_without_padding_counts() -> None:
    """Some senders leave out the base64 padding."""
    request = standard(b"{}")
    signature = str(request.header("webhook-signature")).rstrip("=")
    assert source().verify(with_header(request, "webhook-signature", signature))
    assert source(secrets=[SECRET.rstrip("=")]).verify(request)


def test_public_key_and_secret_work_side_by_side() -> None:
    """A source may have both kinds of keys; a public key never serves as a shared secret."""
    content = f"msg_1.{AT}.".encode() + b"{}"
    asymmetric = "v1a," + base64.b64encode(PRIVATE_KEY.sign(content)).decode()
    request = with_header(standard(b"{}"), "webhook-signature", asymmetric)
    assert source(secrets=[PUBLIC_KEY]).verify(request) == "ed25519 over body and time"
    assert source(secrets=[SECRET, PUBLIC_KEY]).verify(request) == "ed25519 over body and time"
    assert source(secrets=[SECRET, PUBLIC_KEY]).verify(standard(b"{}")) == "hmac-sha256 over body and time"
    with pytest.raises(Unauthenticated):
        source(secrets=[SECRET]).verify(request)
    with pytest.raises(Unauthenticated):
        source(secrets=[PUBLIC_KEY]).verify(replace(request, body=b"{ }"))
    public = base64.b64decode(PUBLIC_KEY.removeprefix("whpk_"))
    forged = "v1," + base64.b64encode(hmac.digest(public, content, "sha256")).decode()
    with pytest.raises(Unauthenticated):
        source(secrets=[PUBLIC_KEY]).verify(with_header(request, "webhook-signature", forged))


def test_id_is_never_taken_from_headers_that_were_not_verified() -> None:
    """With both families of headers in one request, the one that was checked is the one that is read."""
    generic = source()
    body = json.dumps(ORDER).encode()
    genuine = standard(body, family="svix", identifier="signed")
    mixed = replace(genuine, headers=[*genuine.headers, ("webhook-id", "forged"), ("webhook-timestamp", str(AT))])
    assert generic.verify(mixed)
    assert [reading.identity for reading in generic.read(mixed)] == [("paid", "signed")]
    with pytest.raises(Unauthenticated):
        generic.verify(with_header(mixed, "webhook-signature", "v1,AAAA"))


# Other schemes


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_hmac_of_the_body_is_checked(algorithm: str, encoding: str) -> None:
    """Algorithm, encoding, header and prefix are as the rules file says."""
    digest = hmac.digest(b"key", b"{}", algorithm)
    signature = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    verify = {"scheme": "hmac", "header": "X-Signature", "prefix": "p=", "algorithm": algorithm, "encoding": encoding}
    generic = source(verify=verify, secrets=["old", "key"])
    assert generic.verify(raw(b"{}", ("x-signature", "p=" + signature))) == f"hmac-{algorithm} over body"
    for body, header in ((b"{ }", "p=" + signature), (b"{}", signature), (b"{}", "p=" + signature[:-4])):
        with pytest.raises(Unauthenticated):
            generic.verify(raw(body, ("x-signature", header)))


def test_other_algorithm_than_the_configured_is_refused() -> None:
    """A SHA-1 signature does not count where SHA-256 is configured, under whatever prefix."""
    generic = source(verify=GITHUB, secrets=["key"])
    weaker = hmac.digest(b"key", b"{}", "sha1").hex()
    for header in (f"sha1={weaker}", f"sha256={weaker}"):
        with pytest.raises(Unauthenticated):
            generic.verify(raw(b"{}", ("x-hub-signature-256", header)))


def stripe_header(body: bytes, at: int = AT, secret: str = "key") -> str:
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at))


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (stripe_header(b"{}"), True),
        (f"t={AT}, v0=ab , {stripe_header(b'{}').partition(',')[2]}", True),
        (f"{stripe_header(b'{}')},v1={'0' * 64}", True),
        (stripe_header(b"{}", secret="other"), False),
        (stripe_header(b"{ }"), False),
        (stripe_header(b"{}", AT - 300), True),
        (stripe_header(b"{}", AT - 301), False),
        (stripe_header(b"{}", AT + 301), False),
        (stripe_header(b"{}").replace(str(AT), str(AT + 1)), False),
        (f"{stripe_header(b'{}')},t={AT + 1}", False),
        (stripe_header(b"{}").replace("v1=", "v0="), False),
        (stripe_header(b"{}").partition(",")[2], False),
        (f"t={AT}", False),
        ("", False),
    ],
)
def test_timestamped_hmac_is_checked(header: str, accepted: bool) -> None:
    """What Stripe's library signs is genuine for five minutes; one time and one right signature are needed."""
    generic = source(verify=STRIPE, secrets=["key"])
    request = raw(b"{}", ("stripe-signature", header))
    if accepted:
        assert generic.verify(request) == "hmac-sha256 over body and time"
    else:
        with pytest.raises(Unauthenticated):
            generic.verify(request)


def test_tolerance_of_a_timestamped_hmac_can_be_set() -> None:
    """A sender whose deliveries take longer can be given more time."""
    request = raw(b"{}", ("stripe-signature", stripe_header(b"{}", AT - 600)))
    assert source(verify={**STRIPE, "tolerance": 600}, secrets=["key"]).verify(request)


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


@pytest.mark.parametrize(
    ("scheme", "header", "accepted"),
    [
        ("bearer", "Bearer user:päss:words", False),
        ("bearer", "Bearer " + "user:päss:words".encode().decode("latin-1"), True),
        ("bearer", "bearer  " + "user:päss:words".encode().decode("latin-1"), True),
        ("bearer", "Bearer user:", False),
        ("bearer", "Bearer", False),
        ("bearer", "Bearer ", False),
        ("bearer", "", False),
        ("bearer", "user:päss:words", False),
        ("bearer", basic("user:päss:words"), False),
        ("basic", basic("user:päss:words"), True),
        ("basic", basic("user:päss:words").replace("Basic", "BASIC"), True),
        ("basic", basic("user:päss:words").rstrip("="), True),
        ("basic", basic("user:päss"), False),
        ("basic", basic("päss:words"), False),
        ("basic", basic("user"), False),
        ("basic", "Basic ???", False),
        ("basic", "Basic ü", False),
        ("basic", "Basic", False),
        ("basic", "Bearer user:päss:words", False),
    ],
)
def test_token_counts_as_a_whole(scheme: str, header: str, accepted: bool) -> None:
    """Bearer tokens and basic credentials are compared as UTF-8, the user ends at the first colon."""
    generic = source(verify={"scheme": scheme}, secrets=["user:päss:words"], event={"type": "'x'", "id": "'1'"})
    request = raw(b"{}", ("authorization", header))
    if accepted:
        assert generic.verify(request)
    else:
        with pytest.raises(Unauthenticated):
            generic.verify(request)


def test_token_is_refused_when_headers_contradict() -> None:
    """Two different tokens are none."""
    request = raw(b"{}", ("authorization", "Bearer token"), ("authorization", "Bearer other"))
    with pytest.raises(Unauthenticated):
        source(**BEARER, event={"type": "'x'", "id": "'1'"}).verify(request)


IN_BODY: Mapping[str, Any] = {"verify": {"scheme": "token", "field": "key"}, "secrets": ["tökén"]}


@pytest.mark.parametrize(
    ("written", "body", "accepted"),
    [
        ("json", '{"key": "tökén", "id": 1}', True),
        ("json", '{"key": "tökén2", "id": 1}', False),
        ("json", '{"key": "", "id": 1}', False),
        ("json", '{"key": 5, "id": 1}', False),
        ("json", '{"key": ["tökén"], "id": 1}', False),
        ("json", '{"a": {"key": "tökén"}, "id": 1}', False),
        ("json", '{"id": 1}', False),
        ("form", "key=t%C3%B6k%C3%A9n&id=1", True),
        ("form", "key=token&id=1", False),
        ("form", "key=t%C3%B6k%C3%A9n&key=t%C3%B6k%C3%A9n&id=1", False),
        ("form", "key=&id=1", False),
    ],
)
def test_token_in_the_body_counts_as_a_whole(written: str, body: str, accepted: bool) -> None:
    """A sender that can fill in no header puts the token into one field of its body, once and as text."""
    generic = source(**IN_BODY, format=written, event={"type": "'x'", "id": "body.id"})
    request = raw(body.encode(), JSON if written == "json" else ("content-type", FORM))
    if accepted:
        assert generic.verify(request) == "token"
    else:
        with pytest.raises(Unauthenticated, match="the field key of the sender's body"):
            generic.verify(request)


def test_token_is_left_out_wherever_else_the_body_has_it() -> None:
    """A sender that echoes what it was given does not get its token stored."""
    token = "token-0123456789"
    body = {"token": token, "echo": {"token": token, "all": ["a", token]}, "said": token}
    given = source(verify={"scheme": "token", "field": "token"}, secrets=[token], event={"type": "'a'", "id": "'1'"})
    (reading,) = given.read(raw(json.dumps(body).encode(), ("content-type", "application/json")))
    assert token not in json.dumps(reading.event.model_dump(mode="json"))
    assert reading.event.data["echo"] == {"token": "", "all": ["a", ""]}


@pytest.mark.parametrize(
    "scheme", [{"scheme": "hmac", "header": "X-S"}, {"scheme": "hmac-timestamped", "header": "X-S"}]
)
def test_body_that_names_its_event_is_cautioned_of(scheme: dict[str, str]) -> None:
    """Without an id of the sender's, a second call of the same customer may be a duplicate of the first."""
    told = source(verify=scheme, secrets=["key"], event={"type": "'a'"}).options.cautions()
    assert "two deliveries with the same body are one event" in " ".join(told)
    assert not source(verify=scheme, secrets=["key"], event={"type": "'a'", "id": "body.id"}).options.cautions()


def test_token_in_the_body_is_not_part_of_the_event() -> None:
    """Neither expressions nor conditions, the store or the log see it."""
    body = {"key": "tökén", "id": 1}
    found = read({"id": "body.id", "reason": "'key' in body ? 'seen' : 'hidden'"}, body, **IN_BODY)
    assert (found.reason, found.data) == ("hidden", {"id": 1})


# Reading


def read(event: dict[str, str], body: Any = ORDER, *headers: tuple[str, str], query: str = "", **options: Any) -> Event:
    generic = source(**{**BEARER, "event": {"type": "'order'", "id": "'1'", **event}, **options})
    (reading,) = generic.read(raw(json.dumps(body).encode(), JSON, *headers, query=query))
    return reading.event


def test_order_is_read_as_the_rules_file_says() -> None:
    """The documented example: a type that is put together, an id and a caller from inside the body."""
    event = {"type": "'order.' + body.status", "id": "body.id", "caller": "body.customer.phone"}
    found = read(event, country="DE")
    assert found.model_dump() == {
        "id": "o-1",
        "source": "shop",
        "provider": "generic",
        "type": "order.paid",
        "time": NOW,
        "subject": "+4930123456",
        "direction": "",
        "outcome": "",
        "reason": "",
        "caller": "+4930123456",
        "callee": "",
        "line": "",
        "duration": None,
        "email": "",
        "leg": None,
        "told_time": None,
        "data": ORDER,
    }


def test_every_field_can_be_mapped() -> None:
    """All fields of an event can come from expressions over body, headers and query."""
    body = {"who": "anna@example.com", "call": {"from": 4930123456, "to": "+4989654321", "seconds": "12"}}
    event = {
        "type": "'call.missed'",
        "id": "headers['x-id']",
        "subject": "body.who",
        "time": "query.at",
        "direction": "'inbound'",
        "outcome": "'missed'",
        "reason": "query.why",
        "caller": "'+' + string(body.call.from)",
        "callee": "body.call.to",
        "line": "body.call.to",
        "duration": "body.call.seconds",
        "email": "body.who",
    }
    found = read(event, body, ("x-id", "7"), query="at=2025-11-22T01%3A00%3A00Z&why=no_answer")
    assert found.model_dump(exclude={"data", "source", "provider"}) == {
        "id": "7",
        "type": "call.missed",
        "time": datetime(2025, 11, 22, 1, tzinfo=UTC),
        "subject": "anna@example.com",
        "direction": "inbound",
        "outcome": "missed",
        "reason": "no_answer",
        "caller": "+4930123456",
        "callee": "+4989654321",
        "line": "+4989654321",
        "duration": 12,
        "email": "anna@example.com",
        "leg": None,
        "told_time": None,
    }


def test_call_type_gives_the_outcome_and_the_direction_the_subject() -> None:
    """What follows from other fields need not be mapped."""
    event = {"type": "'call.answered'", "direction": "'outbound'", "caller": "'+4989654321'", "callee": "'+4930123456'"}
    found = read(event)
    assert (found.outcome, found.subject, found.line) == ("answered", "+4930123456", "+4989654321")
    assert read({"type": "'call.forwarded'"}).outcome == ""


def test_form_is_read_like_json() -> None:
    """A form's fields are the keys of `body`; a repeated one is a list."""
    generic = source(**BEARER, format="form", event={"type": "body.kind", "id": "body.ids[1]"})
    (reading,) = generic.read(raw(b"kind=order&ids=1&ids=2", ("content-type", FORM)))
    assert (reading.event.type, reading.event.id) == ("order", "2")


def test_id_can_be_made_of_the_time_of_receipt() -> None:
    """A sender without ids of its own: what it tells within a minute is one event, later it is another."""
    generic = source(**BEARER, event={"type": "'x'", "id": "body.id + '@' + string(received / 60)"})
    requests = [replace(raw(b'{"id": "o-1"}', JSON), received_at=AT + later) for later in (0.9, 59.9, 60.0)]
    assert [identity(generic, one) for one in requests] == [
        ("x", f"o-1@{AT // 60}"),
        ("x", f"o-1@{AT // 60}"),
        ("x", f"o-1@{AT // 60 + 1}"),
    ]


def test_credentials_are_not_among_the_headers() -> None:
    """An expression cannot carry a token into an event by mistake."""
    for name in ("authorization", "cookie", "proxy-authorization"):
        assert read({"reason": f"'{name}' in headers ? 'seen' : 'hidden'"}, ORDER, (name, "token")).reason == "hidden"


def test_hidden_caller_is_noted_in_data() -> None:
    """A withheld number is empty, and rules can tell."""
    found = read({"caller": "'anonymous'"}, ORDER)
    assert (found.caller, found.data) == ("", {**ORDER, "caller_withheld": True})


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("'2025-11-22T01:00:00Z'", datetime(2025, 11, 22, 1, tzinfo=UTC)),
        ("'2025-11-22T02:00:00.5+01:00'", datetime(2025, 11, 22, 1, 0, 0, 500_000, tzinfo=UTC)),
        ("timestamp('2025-11-22T01:00:00Z')", datetime(2025, 11, 22, 1, tzinfo=UTC)),
        ("1763773200", datetime(2025, 11, 22, 1, tzinfo=UTC)),
        ("1763773200.5", datetime(2025, 11, 22, 1, 0, 0, 500_000, tzinfo=UTC)),
        ("1763773200500", datetime(2025, 11, 22, 1, 0, 0, 500_000, tzinfo=UTC)),
        ("'1763773200'", datetime(2025, 11, 22, 1, tzinfo=UTC)),
        ("body.nowhere", NOW),
        ("null", NOW),
    ],
)
def test_time_is_read_from_text_seconds_or_milliseconds(time: str, expected: datetime) -> None:
    """A time may be written in the usual ways; where it is missing, the event happened when it came."""
    assert read({"time": time}).time == expected


@pytest.mark.parametrize(
    ("field", "expression"),
    [
        ("type", "body.nowhere"),
        ("type", "body.customer"),
        ("type", "body.nothing"),
        ("type", "body.none"),
        ("type", "body.number"),
        ("type", "body.zero"),
        ("email", "body.zero"),
        ("type", "body.long"),
        ("type", "'call.'"),
        ("type", "'call..missed'"),
        ("type", "'.call'"),
        ("type", "'call.a b\\n'"),
        ("type", "'call.*'"),
        ("type", "'call.\\u0000'"),
        ("id", "body.nowhere"),
        ("id", "body.nothing"),
        ("id", "body.none"),
        ("id", "body.flag"),
        ("caller", "body.customer"),
        ("caller", "body.flag"),
        ("email", "body.list"),
        ("subject", "string(1 / body.zero)"),
        ("direction", "body.status"),
        ("time", "body.status"),
        ("time", "'2025-11-22T01:00:00'"),
        ("time", "1e300"),
        ("time", "-1e15"),
        ("time", "body.flag"),
        ("time", "body.list"),
        ("duration", "-1"),
        ("duration", "body.status"),
        ("duration", "body.flag"),
        ("duration", "1e300"),
    ],
)
def test_delivery_is_impossible_when_a_field_has_no_use(field: str, expression: str) -> None:
    """The error names the field of `event:` whose expression gave it, and never quotes the value."""
    body = {
        **ORDER,
        "nothing": "",
        "none": None,
        "flag": True,
        "list": [1],
        "zero": 0,
        "number": 1.5,
        "long": "x" * 501,
    }
    with pytest.raises(Impossible) as refused:
        read({field: expression}, body)
    assert (refused.value.field, refused.value.status) == (f"event.{field}", 422)
    assert "paid" not in refused.value.reason
    assert "123456" not in refused.value.reason


@pytest.mark.parametrize(
    "field", ["subject", "time", "direction", "outcome", "reason", "caller", "callee", "line", "duration", "email"]
)
@pytest.mark.parametrize(
    "expression", ["body.nowhere", "body.customer.nowhere", "body.status.nowhere", "headers['x']", "body.none"]
)
def test_optional_field_is_unset_when_its_key_is_missing(field: str, expression: str) -> None:
    """What a sender sometimes leaves out is left out, like a field that is not mapped."""
    body = {**ORDER, "none": None}
    assert read({field: expression}, body) == read({}, body)


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"", "application/json", Malformed),
        (b"\xff", "application/json", Malformed),
        (b"[1]", "application/json", Malformed),
        (b'{"a":1,"a":2}', "application/json", Malformed),
        (b'{"a":' * 100_000, "application/json", Malformed),
        (json.dumps({str(number): number for number in range(10_000)}).encode(), "application/json", Malformed),
        (b"&".join(b"f%d=1" % number for number in range(10_000)), "application/x-www-form-urlencoded", Malformed),
        (b"a=%ff", "application/x-www-form-urlencoded", Malformed),
        (b"", "application/x-www-form-urlencoded", Impossible),
        (b"{}", "text/plain", UnsupportedMediaType),
        (b"{}", "", UnsupportedMediaType),
        (b"{}", "application/json; charset=utf-16", UnsupportedMediaType),
    ],
    ids=[
        "empty",
        "not utf-8",
        "list",
        "duplicate",
        "deep",
        "10,000 values",
        "10,000 fields",
        "form not utf-8",
        "empty form",
        "text",
        "no type",
        "utf-16",
    ],
)
def test_body_is_refused_when_it_cannot_be_read(body: bytes, content_type: str, error: type[DeliveryRefused]) -> None:
    """A genuine delivery that cannot be parsed says what is wrong with it, with the status that fits."""
    written = "form" if "form" in content_type else "json"
    with pytest.raises(error):
        source(format=written).read(raw(body, ("content-type", content_type)))


@pytest.mark.parametrize("options", [STANDARD, BEARER], ids=["signed", "token"])
@pytest.mark.parametrize(
    ("written", "taken", "refused"),
    [
        ("json", ["application/json", "application/cloudevents+json"], [FORM, "text/plain", ""]),
        ("form", [FORM], ["application/json", "application/cloudevents+json", "text/plain", ""]),
    ],
)
def test_format_is_chosen_by_the_rules_file(
    options: Mapping[str, Any], written: str, taken: list[str], refused: list[str]
) -> None:
    """A captured delivery cannot be read in another way by changing its Content-Type, which is not signed."""
    generic = source(**options, format=written, event={"type": "'x'", "id": "'1'"})
    body = b'{"a":"="}' if written == "json" else b"%7B%22a%22:%22=%22%7D"
    assert [len(generic.read(raw(body, ("content-type", kind)))) for kind in taken] == [1] * len(taken)
    for kind in refused:
        with pytest.raises(UnsupportedMediaType):
            generic.read(raw(body, ("content-type", kind)))


# Identity


def identity(generic: Generic, request: Delivery) -> tuple[str, ...]:
    (reading,) = generic.read(request)
    return reading.identity


def test_standard_webhook_is_identified_by_its_signed_id() -> None:
    """A message that is sent again has a new time and signature, and the same id."""
    body = json.dumps(ORDER).encode()
    generic = source()
    assert identity(generic, standard(body)) == ("paid", "msg_1")
    assert identity(generic, standard(body, at=AT + 5)) == ("paid", "msg_1")
    assert identity(generic, standard(body, identifier="msg_2")) == ("paid", "msg_2")


@pytest.mark.parametrize("verify", [GITHUB, STRIPE], ids=["hmac", "hmac-timestamped"])
def test_signed_body_without_id_is_identified_by_its_digest(verify: dict[str, str]) -> None:
    """Where nothing names the event, the same body is the same event, whatever header is changed."""
    generic = source(verify=verify, secrets=["key"])
    body = json.dumps(ORDER).encode()
    digest = hashlib.sha256(body).hexdigest()
    assert identity(generic, raw(body, JSON, ("x-delivery", "1"))) == ("paid", digest)
    assert identity(generic, raw(body + b" ", JSON)) != ("paid", digest)


def test_type_from_a_header_is_not_part_of_a_signed_identity() -> None:
    """Changing an unsigned header must not make a captured delivery a new event."""
    generic = source(verify=GITHUB, secrets=["key"], event={"type": "headers['x-github-event']", "id": "body.id"})
    body = json.dumps(ORDER).encode()
    push, ping = (raw(body, JSON, ("x-github-event", kind)) for kind in ("push", "ping"))
    assert identity(generic, push) == identity(generic, ping) == ("o-1",)


def test_event_is_identified_by_type_and_id_when_both_are_mapped() -> None:
    """One order can be paid and later shipped; both are events."""
    event = {"type": "body.status", "id": "body.id"}
    for generic in (source(event=event), source(**BEARER, event=event)):
        assert identity(generic, standard(json.dumps(ORDER).encode())) == ("paid", "o-1")


@pytest.mark.parametrize("verify", [GITHUB, STRIPE, STANDARD["verify"]], ids=lambda verify: verify["scheme"])
@pytest.mark.parametrize(
    "expression", ["headers['x-id']", "query.id", "string(received)", "has(body.id) ? body.id : headers['x-id']"]
)
def test_unsigned_id_is_refused_when_the_file_is_loaded(verify: dict[str, str], expression: str) -> None:
    """With a signature over the body, an id from a header would let anybody repeat old deliveries."""
    with pytest.raises(ValidationError, match="not signed") as refused:
        source(verify=verify, event={"type": "'x'", "id": expression})
    assert [error["loc"] for error in refused.value.errors()] == [("event", "id")]


@pytest.mark.parametrize(
    "verify", [{"scheme": "bearer"}, {"scheme": "basic"}, IN_BODY["verify"]], ids=lambda verify: verify["scheme"]
)
def test_id_is_required_with_a_token(verify: dict[str, str]) -> None:
    """A token covers nothing of the request; an id of the sender is all there is, and it may be in a header."""
    with pytest.raises(ValidationError, match="id is missing"):
        source(verify=verify, secrets=["a:b"])
    event = {"type": "'x'", "id": "headers['x-id']"}
    assert source(verify=verify, secrets=["a:b"], event=event).options.event.id == "headers['x-id']"


# What the log says


@pytest.mark.parametrize(
    ("options", "headers", "said"),
    [
        (
            {"secrets": [PUBLIC_KEY]},
            [("webhook-signature", "v1," + "A" * 43 + "=")],
            "signed with a shared secret (v1), and secrets has none; add the whsec_... one",
        ),
        (
            {},
            [("webhook-signature", "v1a," + "A" * 86 + "==")],
            "signed with a private key (v1a), and secrets has no whpk_... key; add it",
        ),
        ({}, [("webhook-signature", "v1," + "A" * 43 + "=")], "compare the secret with the one"),
        (
            {"verify": GITHUB, "secrets": ["key"]},
            [("x-hub-signature-256", "sha1=" + "0" * 40)],
            "the header x-hub-signature-256 after sha256= has 0 signatures",
        ),
        (
            {"verify": GITHUB, "secrets": ["key"]},
            [("x-hub-signature-256", "sha256=" + "0" * 40)],
            "has a signature of 20 bytes, and hmac-sha256 has 32",
        ),
        ({"verify": GITHUB, "secrets": ["key"]}, [("x-hub-signature-256", "sha256=" + "0" * 64)], "compare the secret"),
        (
            {"verify": STRIPE, "secrets": ["key"]},
            [("stripe-signature", f"t={AT},v1=" + "0" * 64)],
            "compare the secret",
        ),
        (BEARER, [("authorization", "Bearer other")], "is wrong; compare the sender's header Authorization"),
        (
            {"verify": {"scheme": "basic"}, "secrets": ["a:b"]},
            [("authorization", "Bearer x")],
            "are missing; compare the sender's user and password",
        ),
    ],
)
def test_refusal_says_what_to_compare(options: dict[str, Any], headers: list[tuple[str, str]], said: str) -> None:
    """Whoever reads the log learns which of the two sides to look at; the sender hears nothing of it."""
    generic = source(**{"event": {"type": "'x'", "id": "body.id"}, **options})
    identification = (("webhook-id", "msg_1"), ("webhook-timestamp", str(AT)))
    with pytest.raises(Unauthenticated) as refused:
        generic.verify(raw(b"{}", JSON, *identification, *headers))
    assert said in str(refused.value)


# Options


@pytest.mark.parametrize(
    ("event", "field", "message"),
    [
        ({"type": "body.status +"}, "type", "ends too early"),
        ({"type": "bdy.status"}, "type", "bdy"),
        ({"type": "1 + 2"}, "type", "must give a text"),
        ({"type": "'x'", "id": "1.5"}, "id", "must give a text"),
        ({"type": "'x'", "email": "5"}, "email", "must give a text"),
        ({"type": "'x'", "caller": "body.a == 1"}, "caller", "must give a text"),
        ({"type": "'x'", "time": ""}, "time", "empty"),
        ({"type": "'x'", "duration": "event.duration"}, "duration", "event"),
    ],
)
def test_expression_is_refused_when_the_file_is_loaded(event: dict[str, str], field: str, message: str) -> None:
    """A mistake in an expression has the position inside it and the field that it belongs to."""
    with pytest.raises(ValidationError, match=message) as refused:
        source(event=event)
    (found,) = refused.value.errors()
    assert found["loc"] == ("event", field)
    error = found["ctx"]["error"]
    assert isinstance(error, CelError)
    assert error.findings


def encoded(length: int) -> str:
    return base64.b64encode(b"k" * length).decode()


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("whsec_" + encoded(24), ""),
        ("whsec_" + encoded(64), ""),
        ("${SHOP_SECRET}", ""),
        ("whsec_" + encoded(23), "23 bytes; 24 to 64"),
        ("whsec_" + encoded(65), "65 bytes; 24 to 64"),
        ("whsec_", "0 bytes"),
        ("whsec_***", "not base64"),
        (encoded(32), "does not begin with whsec_"),
        ("whsk_" + encoded(64), "does not begin with whsec_"),
        ("whpk_" + encoded(32), ""),
        ("whpk_" + encoded(33), "33 bytes; 32 are allowed"),
    ],
)
def test_secret_of_standard_webhooks_is_checked_when_the_file_is_loaded(secret: str, message: str) -> None:
    """A secret that cannot work is found before the first delivery; one that is only named is not judged."""
    options = {"provider": "generic", **STANDARD, "secrets": [secret], "event": {"type": "'x'"}}
    if not message:
        assert GenericOptions.model_validate(options).secrets[0].get_secret_value() == secret
        return
    with pytest.raises(ValidationError, match=message) as refused:
        GenericOptions.model_validate(options)
    assert [error["loc"] for error in refused.value.errors()] == [("secrets", 0)]
    assert secret.removeprefix("whsec_") == "" or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"verify": {"scheme": "magic"}}, ("verify",)),
        ({"verify": {}}, ("verify",)),
        ({"verify": {"scheme": "hmac"}}, ("verify", "hmac", "header")),
        ({"verify": {"scheme": "hmac", "header": "two words"}}, ("verify", "hmac", "header")),
        ({"verify": {**GITHUB, "algorithm": "md5"}}, ("verify", "hmac", "algorithm")),
        ({"verify": {**STRIPE, "tolerance": 0}}, ("verify", "hmac-timestamped", "tolerance")),
        ({"verify": {**STRIPE, "algorithm": "sha1"}}, ("verify", "hmac-timestamped", "algorithm")),
        ({"secrets": []}, ("secrets",)),
        ({"secrets": [""]}, ("secrets", 0)),
        ({"event": {}}, ("event", "type")),
        ({"event": {"type": "'x'", "kind": "'y'"}}, ("event", "kind")),
        ({"country": "Germany"}, ("country",)),
        ({"country": "XX"}, ("country",)),
        ({"format": "xml"}, ("format",)),
        (
            {"verify": {"scheme": "basic"}, "secrets": ["a:b", "ab"], "event": {"type": "'x'", "id": "'1'"}},
            ("secrets", 1),
        ),
    ],
)
def test_options_are_refused_when_they_cannot_work(change: dict[str, Any], place: tuple[str | int, ...]) -> None:
    """A mistake in the rules file is found at its field."""
    with pytest.raises(ValidationError) as refused:
        source(**change)
    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_options_do_not_show_their_secrets() -> None:
    """A secret is neither in what the options print as nor in an error about them."""
    assert SECRET not in repr(source().options)
    with pytest.raises(ValidationError) as refused:
        source(secrets=[SECRET[:-1] + "!", SECRET], event={})
    assert SECRET[:-1] not in str(refused.value)


def test_fields_that_are_read_are_known_by_their_paths() -> None:
    """What a body has to have, told to whoever makes one up."""
    expressions = {
        "type": "body.kind",
        "id": "body.order.id",
        "caller": "body.from.matches('^1') ? body.from : body.b_2",
    }
    assert EventReader(EventMapping.model_validate(expressions)).reads == ("from", "b_2", "kind", "order.id")
