"""The published libraries as judges: what is signed and changed at test time is accepted and refused alike.

A judge is an implementation that is not ours. The tests of each provider ask it about details; here it is asked about
every way of sending for which there is one. What it judges is made by our senders, some of them by a formula of our own
(plivo, signalwire). So the other way round, too: what a library signs is genuine to the bridge, for all that can sign;
for Telnyx none can, since only Telnyx has the private key.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import jwt
import plivo.utils
import pytest
import standardwebhooks
import stripe
import svix.webhooks
from cloudevents.http import from_http
from signalwire.core.security import webhook_validator as signalwire
from starlette.datastructures import ImmutableMultiDict
from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature
from twilio.request_validator import RequestValidator
from vonage_jwt.verify_jwt import verify_signature

from badge_bridge.errors import Unauthenticated
from badge_bridge.sources import PROVIDERS
from badge_bridge.sources.base import Delivery
from support.every_source import NOW, OPTIONS_OF, WHSEC, call
from support.senders import PUBLIC, SENDERS, TOKEN, URL

Judge = Callable[[Delivery], bool]
Maker = Callable[[Delivery], Delivery]


def _header(delivery: Delivery, name: str) -> str:
    return delivery.header(name) or ""


def _url(delivery: Delivery) -> str:
    return f"{URL}?{delivery.query}" if delivery.query else URL


def _secret(provider: str) -> str:
    return str(OPTIONS_OF[provider]["secrets"][0])


def _form(delivery: Delivery) -> dict[str, Any]:
    fields = parse_qs(delivery.body.decode(), keep_blank_values=True)
    return {key: values[0] if len(values) == 1 else values for key, values in fields.items()}


def _twilio(delivery: Delivery) -> bool:
    told: Any = delivery.body.decode() if "json" in _header(delivery, "content-type") else _form(delivery)
    signature = _header(delivery, "x-twilio-signature")
    return bool(RequestValidator(_secret("twilio")).validate(_url(delivery), told, signature))


def _signalwire(delivery: Delivery) -> bool:
    body, sha256 = delivery.body.decode(), delivery.header("x-signalwire-sha256-signature")
    if sha256 is not None:
        return bool(signalwire.validate_webhook_signature_sha256(_secret("signalwire"), sha256, URL, body))
    return bool(
        signalwire.validate_request(
            _secret("signalwire"), _header(delivery, "x-signalwire-signature"), _url(delivery), body
        )
    )


def _telnyx(delivery: Delivery) -> bool:
    try:
        verify_webhook_signature(delivery.body, dict(delivery.headers), PUBLIC)
    except WebhookVerificationError:
        return False
    return True


def _vonage(delivery: Delivery) -> bool:
    """The library looks at the token; what it says of the body is documented to be compared by the receiver."""
    token = _header(delivery, "authorization").removeprefix("Bearer ")
    if not verify_signature(token, _secret("vonage")):
        return False
    claims = jwt.decode(token, _secret("vonage"), algorithms=["HS256"], options={"verify_iat": False})
    return bool(claims["payload_hash"] == hashlib.sha256(delivery.body).hexdigest())


def _plivo(delivery: Delivery) -> bool:
    signature, nonce = _header(delivery, "x-plivo-signature-v3"), _header(delivery, "x-plivo-signature-v3-nonce")
    fields = _form(delivery)
    return bool(plivo.utils.validate_v3_signature("POST", _url(delivery), nonce, _secret("plivo"), signature, fields))


def _dialpad(delivery: Delivery) -> bool:
    try:
        jwt.decode(delivery.body, _secret("dialpad"), algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return False
    return True


def _stripe(secret: str, header: str) -> Judge:
    def judge(delivery: Delivery) -> bool:
        signature = _header(delivery, header)
        try:
            stripe.WebhookSignature.verify_header(delivery.body.decode(), signature, secret, tolerance=300)
        except stripe.SignatureVerificationError:
            return False
        return True

    return judge


def _standard(delivery: Delivery) -> bool:
    try:
        standardwebhooks.Webhook(WHSEC).verify(delivery.body.decode(), dict(delivery.headers))
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def _svix(delivery: Delivery) -> bool:
    try:
        svix.webhooks.Webhook(WHSEC).verify(delivery.body, dict(delivery.headers))
    except svix.webhooks.WebhookVerificationError:
        return False
    return True


JUDGES: Mapping[str, tuple[str, Judge]] = {
    "twilio": ("twilio", _twilio),
    "twilio-get": ("twilio", _twilio),
    "twilio-json": ("twilio", _twilio),
    "signalwire": ("signalwire-sdk", _signalwire),
    "signalwire-json": ("signalwire-sdk", _signalwire),
    "signalwire-sha256": ("signalwire-sdk", _signalwire),
    "telnyx": ("telnyx", _telnyx),
    "vonage": ("vonage-jwt", _vonage),
    "plivo": ("plivo", _plivo),
    "plivo-rotated": ("plivo", _plivo),
    "dialpad": ("PyJWT", _dialpad),
    "didww": ("stripe", _stripe(_secret("didww"), "x-ps-signature")),
    "quo": ("standardwebhooks", _standard),
    "generic-standard-webhooks": ("standardwebhooks", _standard),
    "generic-standard-webhooks-svix": ("svix", _svix),
    "generic-hmac-timestamped": ("stripe", _stripe(TOKEN, "x-signature")),
    "cloudevents-standard-webhooks": ("svix", _svix),
    "cloudevents-standard-webhooks-svix": ("svix", _svix),
    "cloudevents-hmac-timestamped": ("stripe", _stripe(TOKEN, "x-signature")),
}
"""The library that judges a sender's deliveries."""


def _signed_anew(delivery: Delivery, name: str, value: str) -> Delivery:
    return replace(delivery, headers=[(key, value if key == name else old) for key, old in delivery.headers])


def _by_twilio(delivery: Delivery) -> Delivery:
    signed = delivery.method == "POST" and "json" not in _header(delivery, "content-type")
    # A field that is there twice is signed with both values, where the fields are such as a web framework has them.
    told = ImmutableMultiDict(parse_qsl(delivery.body.decode(), keep_blank_values=True) if signed else ())
    signature = RequestValidator(_secret("twilio")).compute_signature(_url(delivery), told)
    return _signed_anew(delivery, "x-twilio-signature", signature)


def _by_signalwire(delivery: Delivery) -> Delivery:
    key, body = _secret("signalwire"), delivery.body.decode()
    if delivery.header("x-signalwire-sha256-signature"):
        signature = signalwire._hex_hmac_sha256(key, URL + body)
        return _signed_anew(delivery, "x-signalwire-sha256-signature", signature)
    if "json" in _header(delivery, "content-type"):
        return _signed_anew(delivery, "x-signalwire-signature", signalwire._hex_hmac_sha1(key, URL + body))
    fields = signalwire._sorted_concat_params(signalwire._parse_form_body(body))
    return _signed_anew(delivery, "x-signalwire-signature", signalwire._b64_hmac_sha1(key, URL + fields))


def _by_plivo(delivery: Delivery) -> Delivery:
    signed = plivo.utils.signature_v3.construct_post_url(_url(delivery), _form(delivery)).decode()
    nonce = _header(delivery, "x-plivo-signature-v3-nonce")
    signature = plivo.utils.signature_v3.get_signature_v3(_secret("plivo"), signed, nonce).decode()
    return _signed_anew(delivery, "x-plivo-signature-v3", signature)


def _by_pyjwt(delivery: Delivery) -> Delivery:
    """As Dialpad does it: the body is the token."""
    claims = jwt.decode(delivery.body, options={"verify_signature": False})
    return replace(delivery, body=jwt.encode(claims, _secret("dialpad"), "HS256").encode())


def _by_pyjwt_in_header(delivery: Delivery) -> Delivery:
    """As Vonage does it, whose own library only checks."""
    claims = {"iat": int(delivery.received_at), "payload_hash": hashlib.sha256(delivery.body).hexdigest()}
    return _signed_anew(delivery, "authorization", f"Bearer {jwt.encode(claims, _secret('vonage'), 'HS256')}")


def _by_stripe(secret: str, header: str) -> Maker:
    def make(delivery: Delivery) -> Delivery:
        stamp = int(delivery.received_at)
        signature = stripe.WebhookSignature._compute_signature(f"{stamp}.{delivery.body.decode()}", secret)
        return _signed_anew(delivery, header, f"t={stamp},v1={signature}")

    return make


def _by_webhook(webhook: Any, family: str) -> Maker:
    def make(delivery: Delivery) -> Delivery:
        stamp = datetime.fromtimestamp(int(delivery.received_at), UTC)
        signature = webhook.sign(_header(delivery, f"{family}-id"), stamp, delivery.body.decode())
        return _signed_anew(delivery, f"{family}-signature", signature)

    return make


MAKERS: Mapping[str, Maker] = {
    **dict.fromkeys(("twilio", "twilio-get", "twilio-json"), _by_twilio),
    **dict.fromkeys(("signalwire", "signalwire-json", "signalwire-sha256"), _by_signalwire),
    **dict.fromkeys(("plivo", "plivo-rotated"), _by_plivo),
    "dialpad": _by_pyjwt,
    "vonage": _by_pyjwt_in_header,
    "didww": _by_stripe(_secret("didww"), "x-ps-signature"),
    **dict.fromkeys(("generic-hmac-timestamped", "cloudevents-hmac-timestamped"), _by_stripe(TOKEN, "x-signature")),
    **dict.fromkeys(
        ("quo", "generic-standard-webhooks", "cloudevents-standard-webhooks"),
        _by_webhook(standardwebhooks.Webhook(WHSEC), "webhook"),
    ),
    **dict.fromkeys(
        ("generic-standard-webhooks-svix", "cloudevents-standard-webhooks-svix"),
        _by_webhook(svix.webhooks.Webhook(WHSEC), "svix"),
    ),
}
"""What signs a sender's delivery anew, with nothing of ours."""

WITHOUT_LIBRARY: Mapping[str, str] = {
    "aircall": "a token in the body is compared",
    "bandwidth": "Basic (RFC 7617)",
    "bitrix24": "a token in the body is compared",
    "freeswitch": "Basic (RFC 7617)",
    "justcall": "none for Python; the example of the documentation is a vector",
    "mango": "none for Python; the vector is that of mango-vpbx for Node",
    "novofon": "none for notifications; signs as Zadarma does",
    "ringcentral": "a token in a header is compared",
    "sinch": "none that checks webhooks in Python; the vectors are those of Sinch's library for Node and the documentation's",
    "zadarma": "none that checks notifications in Python; the vectors were made with openssl",
    "zoom": "none for Python; the vectors are those of Zoom's library for Node",
}


def test_every_provider_has_a_judge_or_a_reason() -> None:
    """A provider that is new here gets the one or the other."""
    judged = {SENDERS[name].provider for name in JUDGES}
    assert judged | set(WITHOUT_LIBRARY) == set(PROVIDERS), "see JUDGES and WITHOUT_LIBRARY in this file"
    assert not judged & set(WITHOUT_LIBRARY)


def _in_last_proof(delivery: Delivery) -> Delivery:
    """The signature with another character in it, or the token in the body."""
    if delivery.header("content-type") == "application/jwt":
        return replace(delivery, body=_other(delivery.body.decode(), -20).encode())
    *before, (name, value) = delivery.headers
    return replace(delivery, headers=[*before, (name, _other(value, -20))])


def _other(text: str, at: int) -> str:
    return text[:at] + ("b" if text[at] == "a" else "a") + text[at + 1 :]


def _in_body(delivery: Delivery) -> Delivery:
    if delivery.method == "GET":
        return replace(delivery, query=_other(delivery.query, len(delivery.query) // 2))
    return replace(delivery, body=_other(delivery.body.decode(), len(delivery.body) // 2).encode())


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_library_and_bridge_agree(name: str, outcome: Any) -> None:
    """What the sender signs is genuine to both; one changed character of the signature or of the body is to neither."""
    sender, (_, judge) = SENDERS[name], JUDGES[name]

    def bridge(delivery: Delivery) -> bool:
        try:
            return bool(sender.source.verify(delivery))
        except Unauthenticated:
            return False

    for genuine in sender.calls(call(outcome, now=time.time())):  # the libraries know no other clock
        assert bridge(genuine)
        assert judge(genuine)
        for forged in (_in_last_proof(genuine), _in_body(genuine)):
            assert not bridge(forged), forged
            assert not judge(forged), forged


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_what_the_library_signs_is_genuine(name: str, outcome: Any) -> None:
    """Also of fields that are empty, repeated or not ASCII; with another secret's signature it is not."""
    sender = SENDERS[name]
    told = {"json": '{"b": "\u00fc", "a": ""}'.encode(), "form": b"b=%C3%BC+1&a=&A=2&b=0", "query": b"b=%C3%BC+1&a="}
    for delivery in (*sender.calls(call(outcome)), sender.signed(told[sender.syntax], NOW)):
        made = MAKERS[name](delivery)
        assert sender.source.verify(made)
        with pytest.raises(Unauthenticated):
            sender.source.verify(_in_body(made))


def test_every_library_that_can_sign_does() -> None:
    """Telnyx's alone cannot."""
    assert set(JUDGES) - set(MAKERS) == {"telnyx"}


def test_attributes_are_those_of_the_library() -> None:
    """CloudEvents' own library reads the same event from what the bridge takes, in both modes."""
    for name in ("cloudevents-bearer", "cloudevents-binary"):
        (delivery,) = SENDERS[name].calls(call())
        theirs = from_http(dict(delivery.headers), delivery.body)
        (reading,) = SENDERS[name].source.read(delivery)
        assert reading.event.type == theirs["type"]
        assert reading.identity == (theirs["source"], theirs["id"])
        assert reading.event.data["cloudevent"]["source"] == theirs["source"]
        assert theirs.data.items() <= reading.event.data.items()
