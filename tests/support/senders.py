"""Every way in which a delivery can be sent: each provider, each format and each way of signing, with its secret.

`calls` are deliveries that are accepted; `signed` makes one of any content, hostile ones too, as the sender would sign
it, so that what stands behind the check of the signature is reached.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from badge_bridge.sources import OPTIONS, Source, build, justcall, sinch, standard_webhooks, twilio
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.signatures import Jwt
from badge_bridge.sources.wall_clock import wall_clock
from support.every_source import OPTIONS_OF, WHSEC
from support.mutations import proofs

__all__ = ["SENDERS", "Sender", "with_body"]

URL = "https://b.example.com/hooks/s"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
TOKEN, USER = "token-0123456789", "user:a long password"

Headers = list[tuple[str, str]]
Sign = Callable[[Source[Any], bytes, float], Delivery]
Calls = Callable[["Sender", SampleCall], Sequence[Delivery]]


@dataclass(frozen=True)
class Sender:
    name: str
    source: Source[Any]
    syntax: Literal["json", "form", "query"]
    """What `signed` takes; a query is a form in the URL."""
    sign: Sign
    tell: Calls
    downgraded: Callable[[Delivery], Delivery] | None = None
    """A valid delivery by a weaker way that the source must not take."""

    @property
    def provider(self) -> str:
        return str(self.source.options.provider)

    def calls(self, call: SampleCall) -> Sequence[Delivery]:
        return self.tell(self, call)

    def signed(self, content: bytes, now: float) -> Delivery:
        return self.sign(self.source, content, now)

    @property
    def reads_first(self) -> bool:
        """Whether a body has to be read before it is known who sent it: its fields are signed, or the token is inside."""
        delivery = self.signed(b"", 0)
        fields = {"fields"} | ({"form"} if delivery.header("content-type") == FORM else set())
        return bool(fields & set(self.source.binds)) or not proofs(delivery)


def with_body(delivery: Delivery, body: bytes) -> Delivery:
    return replace(delivery, body=body)


def _secret(source: Source[Any]) -> str:
    return str(source.options.secrets[0].get_secret_value())


def _mac(key: str | bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.digest(key.encode() if isinstance(key, str) else key, message, algorithm)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _posted(headers: Headers, body: bytes, now: float, media: str = JSON, query: str = "", path: str = "") -> Delivery:
    return Delivery("POST", query, [("content-type", media), *headers], body, now, path)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form that is perhaps none."""
    return parse_qsl(body.decode("latin-1"), keep_blank_values=True, errors="replace")


def _object_with(members: Mapping[str, Any], content: bytes) -> bytes:
    """The content with members before its own, where it is an object."""
    if not content.startswith(b"{"):
        return content
    rest = content[1:].lstrip()
    return json.dumps(members).encode()[:-1] + (b"" if rest.startswith(b"}") else b",") + rest


def _form_with(fields: Mapping[str, str], content: bytes) -> bytes:
    return urlencode(fields).encode() + (b"&" + content if content else b"")


# Providers


def _twilio(source: Source[Any], content: bytes, now: float, algorithm: Any = "sha1") -> Delivery:
    headers = [(twilio.SIGNATURE, twilio.sign(URL, _pairs(content), _secret(source), algorithm))]
    if algorithm == "sha256":
        headers.append(("x-twilio-webhooks-signature-settings", "key=CK1,algorithm=HMAC_SHA256"))
    return _posted(headers, content, now, FORM)


def _twilio_get(source: Source[Any], content: bytes, now: float) -> Delivery:
    query = quote(content, safe="&=+%")
    signature = twilio.sign(f"{URL}?{query}", (), _secret(source))
    return Delivery("GET", query, [(twilio.SIGNATURE, signature)], b"", now)


def _twilio_json(source: Source[Any], content: bytes, now: float) -> Delivery:
    query = f"bodySHA256={hashlib.sha256(content).hexdigest()}"
    signature = twilio.sign(f"{URL}?{query}", (), _secret(source))
    return _posted([(twilio.SIGNATURE, signature)], content, now, query=query)


def _signalwire(source: Source[Any], content: bytes, now: float) -> Delivery:
    text = URL + "".join(key + value for key, value in sorted(_pairs(content), key=lambda field: field[0]))
    signature = _base64(_mac(_secret(source), text.encode(), "sha1"))
    return _posted([("x-signalwire-signature", signature)], content, now, FORM)


def _signalwire_json(source: Source[Any], content: bytes, now: float, algorithm: str = "sha1") -> Delivery:
    name = "x-signalwire-sha256-signature" if algorithm == "sha256" else "x-signalwire-signature"
    return _posted([(name, _mac(_secret(source), URL.encode() + content, algorithm).hex())], content, now)


def _telnyx(source: Source[Any], content: bytes, now: float) -> Delivery:
    signature = _base64(PRIVATE.sign(f"{int(now)}|".encode() + content))
    return _posted([("telnyx-timestamp", str(int(now))), ("telnyx-signature-ed25519", signature)], content, now)


def _vonage(source: Source[Any], content: bytes, now: float) -> Delivery:
    claims = {"iat": int(now), "jti": "j", "payload_hash": hashlib.sha256(content).hexdigest()}
    return _posted([("authorization", f"Bearer {Jwt.sign(_secret(source).encode(), claims)}")], content, now)


def _plivo(source: Source[Any], content: bytes, now: float) -> Delivery:
    text = f"{URL}?" + "".join(key + value for key, value in sorted(_pairs(content))) + ".12345"
    signature = _base64(_mac(_secret(source), text.encode()))
    return _posted([("x-plivo-signature-v3-nonce", "12345"), ("x-plivo-signature-v3", signature)], content, now, FORM)


def _plivo_rotated(source: Source[Any], content: bytes, now: float) -> Delivery:
    """While the Auth Token of the account changes, with the signatures of both."""
    sent = _plivo(source, content, now)
    *before, (name, signature) = sent.headers
    return replace(sent, headers=[*before, (name, f"{_base64(bytes(32))},{signature}")])


def _sinch(source: Source[Any], content: bytes, now: float) -> Delivery:
    application, _, key = _secret(source).partition(":")
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = sinch._content("POST", content, JSON, stamp, "/hooks/s")
    proof = f"application {application}:{_base64(_mac(base64.b64decode(key), text))}"
    return _posted([("x-timestamp", stamp), ("authorization", proof)], content, now)


def _zoom(source: Source[Any], content: bytes, now: float) -> Delivery:
    signature = "v0=" + _mac(_secret(source), f"v0:{int(now)}:".encode() + content).hex()
    return _posted([("x-zm-request-timestamp", str(int(now))), ("x-zm-signature", signature)], content, now)


def _ringcentral(source: Source[Any], content: bytes, now: float) -> Delivery:
    return _posted([("verification-token", _secret(source))], content, now)


def _aircall(source: Source[Any], content: bytes, now: float) -> Delivery:
    return _posted([], _object_with({"token": _secret(source)}, content), now)


def _dialpad(source: Source[Any], content: bytes, now: float) -> Delivery:
    header = b'{"alg":"HS256","typ":"JWT"}'
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, content))
    token = text + b"." + base64.urlsafe_b64encode(_mac(_secret(source), text)).rstrip(b"=")
    return _posted([], token, now, "application/jwt")


def _quo_legacy(source: Source[Any], content: bytes, now: float) -> Delivery:
    stamp = str(int(now * 1000))
    signature = _base64(_mac(base64.b64decode(_secret(source)), f"{stamp}.".encode() + content))
    return _posted([("openphone-signature", f"hmac;1;{stamp};{signature}")], content, now)


def _justcall(source: Source[Any], content: bytes, now: float) -> Delivery:
    moment, secret = wall_clock(now, None), _secret(source)
    body = _object_with({"request_id": "R1", "webhook_url": URL, "type": "call.completed"}, content)
    signature = _mac(secret, justcall._text(secret, URL, "call.completed", moment)).hex()
    proof = [("x-justcall-signature", signature), ("x-justcall-signature-version", "v1")]
    return _posted([*proof, ("x-justcall-request-timestamp", moment)], body, now)


def _zadarma(source: Source[Any], content: bytes, now: float) -> Delivery:
    sample = source.sample(SampleCall(id="call1", outcome="missed", at=now - 25, now=now))[0]
    return with_body(sample, sample.body + (b"&" + content if content else b""))


def _mango_fields(source: Source[Any], text: bytes) -> dict[str, Any]:
    key, _, salt = _secret(source).partition(":")
    return {"vpbx_api_key": key, "sign": hashlib.sha256(key.encode() + text + salt.encode()).hexdigest(), "json": text}


def _mango(source: Source[Any], content: bytes, now: float) -> Delivery:
    body = urlencode(_mango_fields(source, content)).encode()
    return _posted([], body, now, FORM, path="/events/summary")


def _mango_form(source: Source[Any], content: bytes, now: float) -> Delivery:
    return _posted([], _form_with(_mango_fields(source, b"{}"), content), now, FORM, path="/events/summary")


def _bitrix24(source: Source[Any], content: bytes, now: float) -> Delivery:
    return _posted([], _form_with({"auth[application_token]": _secret(source)}, content), now, FORM)


def _freeswitch(source: Source[Any], content: bytes, now: float, encoding: str = "json") -> Delivery:
    proof = [("authorization", f"Basic {_base64(_secret(source).encode())}")]
    if encoding == "json":
        return _posted(proof, content, now)
    if encoding == "form":
        return _posted(proof, b"cdr=" + quote_plus(content).encode(), now, FORM)
    return _posted(proof, b"cdr=" + base64.b64encode(content), now, "application/x-www-form-base64-encoded")


# Schemes of generic and of cloudevents


def _proof(scheme: str, content: bytes, now: float) -> Headers:
    stamp = str(int(now))
    identifier = "msg_" + hashlib.sha256(content).hexdigest()[:20]
    standard = [("webhook-id", identifier), ("webhook-timestamp", stamp)]
    match scheme:
        case "standard-webhooks":
            return [*standard, ("webhook-signature", standard_webhooks.sign(identifier, int(now), content, WHSEC))]
        case "standard-webhooks-svix":
            named = _proof("standard-webhooks", content, now)
            return [(name.replace("webhook", "svix"), value) for name, value in named]
        case "standard-webhooks-public":
            signature = PRIVATE.sign(f"{identifier}.{stamp}.".encode() + content)
            return [*standard, ("webhook-signature", f"v1a,{_base64(signature)}")]
        case "hmac":
            return [("x-signature", "sha256=" + _mac(TOKEN, content).hex())]
        case "hmac-timestamped":
            return [("x-signature", f"t={stamp},v1={_mac(TOKEN, stamp.encode() + b'.' + content).hex()}")]
    return [("authorization", f"Bearer {TOKEN}" if scheme == "bearer" else f"Basic {_base64(USER.encode())}")]


SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "standard-webhooks": {"verify": {"scheme": "standard-webhooks"}, "secrets": [WHSEC]},
    "standard-webhooks-svix": {"verify": {"scheme": "standard-webhooks"}, "secrets": [WHSEC]},
    "standard-webhooks-public": {"verify": {"scheme": "standard-webhooks"}, "secrets": [f"whpk_{PUBLIC}"]},
    "hmac": {"verify": {"scheme": "hmac", "header": "X-Signature", "prefix": "sha256="}, "secrets": [TOKEN]},
    "hmac-timestamped": {"verify": {"scheme": "hmac-timestamped", "header": "X-Signature"}, "secrets": [TOKEN]},
    "bearer": {"verify": {"scheme": "bearer"}, "secrets": [TOKEN]},
    "basic": {"verify": {"scheme": "basic"}, "secrets": [USER]},
}
IN_THE_BODY: Mapping[str, Any] = {"verify": {"scheme": "token", "field": "token"}, "secrets": [TOKEN]}
"""For generic alone."""
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


def _by_scheme(source: Source[Any], content: bytes, now: float, scheme: str, media: str) -> Delivery:
    return _posted(_proof(scheme, content, now), content, now, media)


def _with_token(source: Source[Any], content: bytes, now: float, media: str) -> Delivery:
    told = {"token": TOKEN}
    body = _form_with(told, content) if media == FORM else _object_with(told, content)
    return _posted([], body, now, media)


def _batch(source: Source[Any], content: bytes, now: float) -> Delivery:
    """The array, or one of the event that the content is."""
    content = content if content.startswith(b"[") else b"[" + content + b"]"
    return _by_scheme(source, content, now, "hmac", BATCH)


def _binary(source: Source[Any], content: bytes, now: float) -> Delivery:
    named = {"specversion": "1.0", "type": "call.missed", "source": "/pbx", "id": "E1"}
    return _posted(
        [*_proof("bearer", content, now), *((f"ce-{key}", value) for key, value in named.items())], content, now
    )


def _quo(source: Source[Any], content: bytes, now: float) -> Delivery:
    return _posted(_proof("standard-webhooks", content, now), content, now)


def _didww(source: Source[Any], content: bytes, now: float) -> Delivery:
    stamp = str(int(now))
    signature = _mac(_secret(source), stamp.encode() + b"." + content).hex()
    return _posted([("x-ps-signature", f"t={stamp},v1={signature}")], content, now)


# What they tell


def _sampled(sender: Sender, call: SampleCall) -> Sequence[Delivery]:
    return sender.source.sample(call)


def _sampled_again(sender: Sender, call: SampleCall) -> Sequence[Delivery]:
    """The sample's body, sent in this sender's own way."""
    return [sender.signed(sample.body, call.now) for sample in sender.source.sample(call)]


def _sampled_as_json(sender: Sender, call: SampleCall) -> Sequence[Delivery]:
    samples = sender.source.sample(call)
    return [sender.signed(json.dumps(dict(_pairs(sample.body))).encode(), call.now) for sample in samples]


def _document(make: Callable[[SampleCall], Mapping[str, Any]], sender: Sender, call: SampleCall) -> Sequence[Delivery]:
    return [sender.signed(json.dumps(make(call)).encode(), call.now)]


def _told(call: SampleCall) -> dict[str, Any]:
    ends = {"direction": "inbound", "from": call.caller, "to": call.line}
    return {"id": call.id, "type": f"call.{call.outcome}", "seconds": 12, **ends}


def _told_by_telnyx(call: SampleCall) -> dict[str, Any]:
    leg = {"call_session_id": call.digest, "call_leg_id": call.digest, "direction": "incoming", "from": call.caller}
    payload = {**leg, "to": call.line, "hangup_cause": "timeout"}
    moment = "2025-11-22T02:30:00Z"
    return {"data": {"event_type": "call.hangup", "id": call.id, "occurred_at": moment, "payload": payload}}


def _told_by_signalwire(call: SampleCall) -> dict[str, Any]:
    params = {"call_id": call.digest, "call_state": "ended", "direction": "inbound"}
    return {"event_type": "calling.call.state", "params": params}


def _told_by_producer(call: SampleCall) -> dict[str, Any]:
    attributes = {"specversion": "1.0", "type": f"call.{call.outcome}", "source": "/pbx", "id": call.id}
    return {**attributes, "datacontenttype": JSON, "data": _told(call)}


def _told_in_batch(sender: Sender, call: SampleCall) -> Sequence[Delivery]:
    events = [_told_by_producer(one) for one in (call, replace(call, id=f"{call.id}b"))]
    return [sender.signed(json.dumps(events).encode(), call.now)]


def _told_in_form(sender: Sender, call: SampleCall) -> Sequence[Delivery]:
    return [sender.signed(urlencode(_told(call)).encode(), call.now)]


def _made(name: str, provider: str, options: Mapping[str, Any], **parts: Any) -> Sender:
    given = OPTIONS[provider].model_validate({"provider": provider, **OPTIONS_OF.get(provider, {}), **options})
    return Sender(name, build(name, given), **{"syntax": "json", "tell": _sampled, **parts})


def _all() -> Iterator[Sender]:
    sha256 = {"verify": {"algorithm": "sha256", "key": "CK1"}}
    yield _made("twilio", "twilio", {}, sign=_twilio, syntax="form")
    yield _made("twilio-get", "twilio", {}, sign=_twilio_get, tell=_sampled_again, syntax="query")
    yield _made("twilio-json", "twilio", {}, sign=_twilio_json, tell=_sampled_as_json)
    yield _made(
        "twilio-sha256",
        "twilio",
        sha256,
        sign=partial(_twilio, algorithm="sha256"),
        syntax="form",
        downgraded=lambda sent: _twilio(_SHA1, sent.body, sent.received_at),
    )
    yield _made("signalwire", "signalwire", {}, sign=_signalwire, syntax="form")
    yield _made(
        "signalwire-json", "signalwire", {}, sign=_signalwire_json, tell=partial(_document, _told_by_signalwire)
    )
    yield _made(
        "signalwire-sha256",
        "signalwire",
        {},
        sign=partial(_signalwire_json, algorithm="sha256"),
        tell=partial(_document, _told_by_signalwire),
        downgraded=_with_wrong_sha256,
    )
    yield _made("telnyx", "telnyx", {"secrets": [PUBLIC]}, sign=_telnyx, tell=partial(_document, _told_by_telnyx))
    yield _made("vonage", "vonage", {}, sign=_vonage)
    yield _made("plivo", "plivo", {}, sign=_plivo, syntax="form", downgraded=_with_v2_only)
    yield _made("plivo-rotated", "plivo", {}, sign=_plivo_rotated, tell=_sampled_again, syntax="form")
    yield _made("sinch", "sinch", {}, sign=_sinch)
    yield _made("bandwidth", "bandwidth", {}, sign=_freeswitch)
    yield _made("zoom", "zoom", {}, sign=_zoom)
    yield _made("ringcentral", "ringcentral", {}, sign=_ringcentral)
    yield _made("aircall", "aircall", {}, sign=_aircall)
    yield _made("dialpad", "dialpad", {}, sign=_dialpad)
    yield _made("quo", "quo", {}, sign=_quo, downgraded=_with_legacy_only)
    yield _made("quo-legacy", "quo", {"secrets": [_OLD_QUO]}, sign=_quo_legacy)
    yield _made("justcall", "justcall", {}, sign=_justcall)
    yield _made("zadarma", "zadarma", {}, sign=_zadarma, syntax="form")
    yield _made("novofon", "novofon", {}, sign=_zadarma, syntax="form")
    yield _made("mango", "mango", {}, sign=_mango)
    yield _made("mango-form", "mango", {}, sign=_mango_form, syntax="form")
    yield _made("didww", "didww", {}, sign=_didww)
    yield _made("bitrix24", "bitrix24", {}, sign=_bitrix24, syntax="form")
    for encoding in ("json", "form", "base64"):
        sign = partial(_freeswitch, encoding=encoding)
        yield _made(f"freeswitch-{encoding}", "freeswitch", {}, sign=sign, tell=_sampled_again)
    event = {"type": "body.type", "id": "body.id", "caller": "body.from", "callee": "body.to"}
    for scheme, options in SCHEMES.items():
        sign = partial(_by_scheme, scheme=scheme, media=JSON)
        yield _made(
            f"generic-{scheme}", "generic", {**options, "event": event}, sign=sign, tell=partial(_document, _told)
        )
        sign = partial(_by_scheme, scheme=scheme, media=STRUCTURED)
        yield _made(
            f"cloudevents-{scheme}", "cloudevents", options, sign=sign, tell=partial(_document, _told_by_producer)
        )
    form = {**SCHEMES["hmac"], "event": event, "format": "form"}
    sign = partial(_by_scheme, scheme="hmac", media=FORM)
    yield _made("generic-form", "generic", form, sign=sign, tell=_told_in_form, syntax="form")
    for media, written in ((JSON, "json"), (FORM, "form")):
        options = {**IN_THE_BODY, "event": event, "format": written}
        sign = partial(_with_token, media=media)
        tell = partial(_document, _told) if media == JSON else _told_in_form
        yield _made(f"generic-token-{written}", "generic", options, sign=sign, tell=tell, syntax=written)
    yield _made("cloudevents-batch", "cloudevents", SCHEMES["hmac"], sign=_batch, tell=_told_in_batch)
    yield _made("cloudevents-binary", "cloudevents", SCHEMES["bearer"], sign=_binary, tell=partial(_document, _told))


_OLD_QUO = "8vkqvedKpsdxdL9uJF9lq9kSU1BrXmG0dxAnO+3ybuA="
_SHA1 = build("sha1", OPTIONS["twilio"].model_validate({"provider": "twilio", **OPTIONS_OF["twilio"]}))


def _with_wrong_sha256(sent: Delivery) -> Delivery:
    """The older signature is right, the newer one, which counts, is not."""
    old = _mac(OPTIONS_OF["signalwire"]["secrets"][0], URL.encode() + sent.body, "sha1").hex()
    return _posted(
        [("x-signalwire-signature", old), ("x-signalwire-sha256-signature", "0" * 64)], sent.body, sent.received_at
    )


def _with_v2_only(sent: Delivery) -> Delivery:
    """Plivo's second way signs the URL and a nonce only."""
    old = _base64(_mac(OPTIONS_OF["plivo"]["secrets"][0], f"{URL}12345".encode()))
    return _posted(
        [("x-plivo-signature-v2", old), ("x-plivo-signature-v2-nonce", "12345")], sent.body, sent.received_at, FORM
    )


def _with_legacy_only(sent: Delivery) -> Delivery:
    """The old way, signed with the key of the new one."""
    stamp = str(int(sent.received_at * 1000))
    key = base64.b64decode(WHSEC.removeprefix("whsec_"))
    old = _base64(_mac(key, f"{stamp}.".encode() + sent.body))
    return _posted([("openphone-signature", f"hmac;1;{stamp};{old}")], sent.body, sent.received_at)


SENDERS: Mapping[str, Sender] = {sender.name: sender for sender in _all()}
