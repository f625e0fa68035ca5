"""What the tests of all providers need to know of each: another secret, what is signed, an event that is no call."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from badge_bridge.sources import OPTIONS, Delivery, Source, build
from badge_bridge.sources.base import SampleCall
from support.every_source import NOW, OPTIONS_OF, WHSEC

WHSEC_OTHER = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
JSON = [("content-type", "application/json")]


@dataclass(frozen=True, slots=True)
class Row:
    """One provider, or one of the ways in which it signs."""

    provider: str
    other: str
    """A secret of the right form that is another."""
    name: str = ""
    secret: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    signed: Sequence[tuple[str, str]] = ()
    """Parts of the first delivery's body that only the secret can change, and what they are changed to: where a
    signature covers the whole body, any part is one."""
    malformed: Sequence[str] = ()
    """Secrets that could never match."""
    event: Mapping[str, Any] = field(default_factory=dict)
    """The change of a delivery that makes it an event which is no call, and its type."""
    type: str = ""
    odd: Sequence[str] = ()
    """Times and durations that decide nothing: one that cannot be read is passed over with a note."""

    caution: str = ""
    """What is said to those who set a source up; "" where there is nothing to say."""
    reply: tuple[int, str] = (200, "")
    """The status and the media type of the answer."""
    readable: Sequence[bytes] = ()
    """Bodies that are an event here, and nowhere else."""

    @property
    def label(self) -> str:
        return f"{self.provider} {self.name}".strip()

    def source(self, *secrets: str, **options: Any) -> Source[Any]:
        given = {"provider": self.provider, **OPTIONS_OF.get(self.provider, {}), **self.options, **options}
        return build("s", OPTIONS[self.provider].model_validate({**given, "secrets": list(secrets or [self.first])}))

    @property
    def first(self) -> str:
        secret: str = self.secret or OPTIONS_OF[self.provider]["secrets"][0]
        return secret

    def deliveries(self, outcome: Any = "missed", *secrets: str, number: int = 1) -> Sequence[Delivery]:
        """As the provider would send them, signed with the first secret."""
        told = SampleCall(id=f"call{number}", outcome=outcome, at=NOW - 24 - number, now=NOW)
        write = _WRITTEN.get(self.provider)
        return write(told) if write else self.source(*secrets).sample(told)


def _telnyx(told: SampleCall) -> Sequence[Delivery]:
    payload = {"call_session_id": told.id, "call_leg_id": told.id, "hangup_cause": "timeout", "direction": "incoming"}
    events = [("call.initiated", {}), ("call.hangup", {"start_time": "2025-11-22T02:29:40Z"})]
    sent = []
    for kind, more in events:
        content = {"id": f"{told.id} {kind}", "event_type": kind, "payload": {**payload, **more}}
        body = json.dumps({"data": content}).encode()
        signature = base64.b64encode(_TELNYX.sign(f"{int(told.now)}|".encode() + body)).decode()
        headers = [("telnyx-timestamp", str(int(told.now))), ("telnyx-signature-ed25519", signature)]
        sent.append(Delivery("POST", "", [*JSON, *headers], body, told.now))
    return sent


def _generic(told: SampleCall) -> Sequence[Delivery]:
    body = json.dumps({"id": told.id, "type": f"call.{told.outcome}"})
    stamp = datetime.fromtimestamp(told.now, UTC)
    headers = [("webhook-id", told.id), ("webhook-timestamp", str(int(told.now)))]
    headers.append(("webhook-signature", Webhook(WHSEC).sign(told.id, stamp, body)))
    return [Delivery("POST", "", [*JSON, *headers], body.encode(), told.now)]


def _cloudevents(told: SampleCall) -> Sequence[Delivery]:
    body = {"specversion": "1.0", "id": told.id, "source": "/pbx", "type": f"call.{told.outcome}", "data": {}}
    headers = [("content-type", "application/cloudevents+json"), ("authorization", f"Bearer {_TOKEN}")]
    return [Delivery("POST", "", headers, json.dumps(body).encode(), told.now)]


_TELNYX = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_TOKEN = "events-token-0123456789"
_WRITTEN: Mapping[str, Any] = {"telnyx": _telnyx, "generic": _generic, "cloudevents": _cloudevents}
"""Deliveries of providers that make no samples."""


def _public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


_NUMBERS = [("caller_id=%2B49", "caller_id=%2B48"), ("called_did=%2B49", "called_did=%2B4"), ("+02%3A29", "+02%3A28")]
_RECORDING = {"event": "NOTIFY_RECORD", "call_id_with_rec": "1458832388.1585217"}

ROWS: Sequence[Row] = (
    Row(
        "aircall",
        "another-token-0123456789",
        signed=[
            ('"45XXYYZZa08-0123456789"', told)
            for told in ('""', "null", '"45XXYYZZa08"', '["45XXYYZZa08-0123456789"]', '"x", "token": "y"')
        ],
        event={"event": "call.voicemail_left"},
        type="aircall.call.voicemail_left",
        odd=["data.started_at"],
        caution="signs nothing",
    ),
    Row(
        "bandwidth",
        "hookuser:another pass:word",
        malformed=["only-a-password"],
        event={"eventType": "recordingAvailable"},
        type="bandwidth.recordingAvailable",
        odd=["startTime"],
        caution="signs nothing",
        reply=(200, "application/xml"),
    ),
    Row(
        "bitrix24",
        "51610fefc120afg4b628cc82d6298ccf",
        signed=[("application_token%5D=5", "application_token%5D=6"), ("application_token", "other_token")],
        event={"event": "ONCRMDEALADD"},
        type="bitrix24.oncrmdealadd",
        odd=["data[CALL_DURATION]", "data[CALL_START_DATE]", "ts"],
    ),
    Row(
        "cloudevents",
        "another-token-0123456789",
        secret=_TOKEN,
        options={"verify": {"scheme": "bearer"}},
        event={"type": "com.example.opened"},
        type="com.example.opened",
        caution="protects nothing",
        reply=(204, ""),
    ),
    Row(
        "dialpad",
        "another-shared-secret-0123456789abcdef0123456789",
        event={"state": "recording"},
        type="dialpad.recording",
        odd=["date_started"],
        caution="has no time",
    ),
    Row(
        "didww",
        "ps-another-0123456789",
        event={"type": "call.recorded"},
        type="didww.call.recorded",
        odd=["ts"],
        caution="never judged",
    ),
    Row(
        "freeswitch",
        "switch:another long password",
        malformed=["lone-secret-0123"],
        event={"channel_data.direction": "sideways"},
        type="freeswitch.leg",
        odd=["variables.billsec"],
        caution="nothing of a record",
    ),
    Row(
        "generic",
        WHSEC_OTHER,
        secret=WHSEC,
        options={"verify": {"scheme": "standard-webhooks"}, "event": {"type": "body.type", "id": "body.id"}},
        malformed=["whsec_short", "no base64!"],
        event={"type": "order.paid"},
        type="order.paid",
        reply=(204, ""),
    ),
    Row(
        "justcall",
        "another-api-secret-0123456789",
        signed=[
            ('"call.completed"', '"call.updated"'),
            ('"call.completed"', "null"),
            ("b.example.com", "c.example.com"),
            ("/hooks/s", "/hooks/s/"),
            ('"https://b.example.com/hooks/s"', '["https://b.example.com/hooks/s"]'),
            ('"https://b.example.com/hooks/s"', '"\u00fc"'),
        ],
        event={"type": "sms.received"},
        type="justcall.sms.received",
        odd=["data.call_duration.total_duration"],
        caution="not what it says",
    ),
    Row(
        "mango",
        "m0123456789abcdefghijklmnopqrstu:another-salt-0123456789",
        signed=[("sign=", "sign=0"), ("key=m", "key=n"), ("%22", "%23"), ("json=", "jso="), ("sign=", "json=x&sign=")],
        malformed=["one-value-0123", "one-value-0123:", ":one-value-0123"],
        event={"path": "/events/record/added", "entry_id": ""},
        type="mango.record.added",
        odd=["end_time"],
        caution="no time",
    ),
    Row(
        "novofon",
        "another-secret-0123456789",
        signed=_NUMBERS,
        event=_RECORDING,
        type="novofon.notify_record",
        odd=["duration"],
        caution="not how it ended",
    ),
    Row("plivo", "another-auth-token-0123456789", odd=["EndTime"], caution="ends", reply=(200, "application/xml")),
    Row(
        "quo",
        WHSEC_OTHER,
        malformed=["whsec_short", "whsec_???", "no base64!", "AAAA"],
        event={"type": "call.ringing"},
        type="quo.call.ringing",
        odd=["createdAt", "data.object.duration"],
    ),
    Row(
        "quo",
        base64.b64encode(b"another-key-0123").decode(),
        name="with an older key",
        secret=base64.b64encode(b"older-key-012345").decode(),
        event={"type": "call.ringing"},
        type="quo.call.ringing",
        odd=["createdAt", "data.object.duration"],
    ),
    Row(
        "ringcentral",
        "rc-another-0123456789",
        event={"event": "/restapi/v1.0/account/~/extension/1/message-store?x=1"},
        type="ringcentral.account.extension.message-store",
        odd=["body.eventTime"],
        caution="signs nothing",
    ),
    Row("signalwire", "PSK_fedcba9876543210", odd=["Timestamp"], caution="ends", reply=(200, "text/xml")),
    Row(
        "sinch",
        "669E367E-6BBA-48AB-AF15-266871C28135:AeIukql3pTKJ8RGL5zo0DA==",
        malformed=["app-0123456789", ":AAAA", "app-0123456789:", "app-0123456789:???"],
        event={"event": "pie"},
        type="sinch.pie",
        odd=["timestamp"],
        caution="instructions",
        reply=(200, "application/json"),
    ),
    Row(
        "telnyx",
        _public(Ed25519PrivateKey.from_private_bytes(bytes(32))),
        secret=_public(_TELNYX),
        malformed=["KEY0123", "!" * 44, base64.b64encode(bytes(31)).decode()],
        event={"data.event_type": "call.recording.saved"},
        type="telnyx.call.recording.saved",
        odd=["data.payload.start_time"],
    ),
    Row("twilio", "fedcba9876543210fedcba9876543210", reply=(200, "text/xml")),
    Row(
        "vonage",
        "another-signature-secret-0123456789abcdef",
        event={"status": "parked"},
        type="vonage.parked",
        readable=[b"{}"],
        odd=["start_time"],
        reply=(204, ""),
    ),
    Row(
        "zadarma",
        "another-secret-0123456789",
        signed=_NUMBERS,
        event=_RECORDING,
        type="zadarma.notify_record",
        odd=["duration"],
        caution="not how it ended",
    ),
    Row(
        "zoom",
        "zoom-another-0123456789",
        event={"event": "meeting.started"},
        type="zoom.meeting.started",
        odd=["payload.object.ringing_start_time"],
    ),
)


def with_content(delivery: Delivery, change: Mapping[str, Any]) -> Delivery:
    """The delivery with other content under `data.id` or `data[ID]`, not signed anew; `path` is that of the URL."""
    fields = {name: value for name, value in change.items() if name != "path"}
    return replace(delivery, body=_changed(delivery.body, fields), path=change.get("path", delivery.path))


def _changed(body: bytes, change: Mapping[str, Any]) -> bytes:
    if body.startswith(b"{"):
        document = json.loads(body)
        for name, value in change.items():
            *groups, last = name.split(".")
            group = document
            for one in groups:
                group = group[one]
            group[last] = value
        return json.dumps(document).encode()
    if body.startswith(b"ey"):
        claims = jwt.decode(body, options={"verify_signature": False})
        return jwt.encode({**claims, **change}, "x" * 32).encode()
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    if "json" in fields:
        change = {"json": _changed(fields["json"].encode(), change).decode()}
    return urlencode({**fields, **change}).encode()
