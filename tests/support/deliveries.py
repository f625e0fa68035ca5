"""Deliveries as their senders make them, and the rules file that the integration tests share."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from urllib.parse import urlencode

from badge_bridge.sources.twilio import sign

TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"
ZADARMA_SECRET = "zadarma-secret-0123456789"
APPLICATION_TOKEN = "51610fefc120afg4b628cc82d6298cce"
SHOP_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PBX_TOKEN = "pbx-token-0123456789"
CET = timezone(timedelta(hours=1))
PUBLIC_URL = "https://bridge.example.com/hooks/reception"

RULES = """
portals:
  main:
    webhook: "${WEBHOOK}"
sources:
  reception:
    provider: twilio
    secrets: ["${TWILIO_TOKEN}"]
    public_url: https://bridge.example.com/hooks/reception
    country: DE
  office:
    provider: zadarma
    secrets: ["${ZADARMA_SECRET}"]
  portal:
    provider: bitrix24
    secrets: ["${APPLICATION_TOKEN}"]
  shop:
    provider: generic
    verify: {scheme: standard-webhooks}
    secrets: ["${SHOP_SECRET}"]
    event: {type: "'order.' + body.status", caller: body.phone}
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${PBX_TOKEN}"]
    event: {type: body.type, id: body.id}
badges:
  missedCall:
    title: {en: Call status, de: Anruf}
    value: {en: Missed, de: Verpasst}
    type: failure
  paid: {title: Order, value: Paid, type: success}
rules:
  - name: missed call
    on: call.missed
    when: "!event.caller.startsWith('+49800')"
    badge: missedCall
  - name: big order
    on: order.paid
    source: shop
    when: event.data.total > 100.0
    badge: paid
"""


def environ(webhook: str) -> dict[str, str]:
    return {
        "WEBHOOK": webhook,
        "TWILIO_TOKEN": TWILIO_TOKEN,
        "ZADARMA_SECRET": ZADARMA_SECRET,
        "APPLICATION_TOKEN": APPLICATION_TOKEN,
        "SHOP_SECRET": SHOP_SECRET,
        "PBX_TOKEN": PBX_TOKEN,
    }


@dataclass(frozen=True)
class Sent:
    """One request, ready to be sent."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


def twilio(
    call: str,
    *,
    status: str = "no-answer",
    caller: str = "+4930901820",
    token: str = TWILIO_TOKEN,
    public_url: str = PUBLIC_URL,
    dialled: str = "",
    at: float | None = None,
) -> Sent:
    """What a number's own status callback tells; or, where it is said how the dialling ended, that `<Dial>`'s action.
    It tells no time where `at` (unix seconds) is None.
    """
    sid = "CA" + hashlib.md5(call.encode(), usedforsecurity=False).hexdigest()
    form = {"CallSid": sid, "CallStatus": status, "Direction": "inbound", "From": caller, "To": "+4930901821"}
    form |= {"DialCallStatus": dialled} if dialled else {}
    form |= {} if at is None else {"Timestamp": formatdate(at)}
    return Sent(
        "/hooks/reception",
        urlencode(form).encode(),
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": sign(public_url, list(form.items()), token),
        },
    )


def zadarma(call: str, *, caller: str = "+4930901820", secret: str = ZADARMA_SECRET, at: float | None = None) -> Sent:
    """A missed call that one delivery tells of alone; it began at `at`, or at a moment that its name decides."""
    number = int(hashlib.md5(call.encode(), usedforsecurity=False).hexdigest(), 16)
    moment = 1_795_345_200 - number % 250_000 if at is None else at
    start = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")
    form = {"event": "NOTIFY_END", "caller_id": caller, "called_did": "+4930901821", "call_start": start}
    form |= {"pbx_call_id": call, "disposition": "no answer", "duration": "0"}
    digits = hmac.new(secret.encode(), f"{caller}+4930901821{start}".encode(), "sha1").hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Signature": base64.b64encode(digits.encode()).decode(),
    }
    return Sent("/hooks/office", urlencode(form).encode(), headers)


def bitrix24(
    call: str,
    *,
    code: str = "304",
    kind: str = "2",
    token: str = APPLICATION_TOKEN,
    caller: str = "+4930901820",
    at: float = 1_795_345_200,
) -> Sent:
    form = {
        "event": "ONVOXIMPLANTCALLEND",
        "data[CALL_ID]": call,
        "data[CALL_TYPE]": kind,
        "data[PHONE_NUMBER]": caller,
        "data[CALL_FAILED_CODE]": code,
        "data[CALL_START_DATE]": datetime.fromtimestamp(at, CET).isoformat(),
        "ts": "1795345200",
        "auth[member_id]": "a223c6b9410f85df78e9377d6c4f7213",
        "auth[application_token]": token,
    }
    return Sent("/hooks/portal", urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def shop(message: str, body: object, *, secret: str = SHOP_SECRET, at: float | None = None) -> Sent:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    moment = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, b".".join([message.encode(), moment.encode(), raw]), hashlib.sha256)
    return Sent(
        "/hooks/shop",
        raw,
        {
            "Content-Type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": moment,
            "webhook-signature": "v1," + base64.b64encode(mac).decode(),
        },
    )


def pbx(body: bytes, *, token: str = PBX_TOKEN, content_type: str = "application/json") -> Sent:
    return Sent("/hooks/pbx", body, {"Content-Type": content_type, "Authorization": f"Bearer {token}"})
