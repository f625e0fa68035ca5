"""How calls are told of: the rules file, and the signed requests of six senders."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from chaos.calls import Call
from support import deliveries
from support.deliveries import Sent

__all__ = ["GATE_SECRET", "KEPT", "RULES", "SOURCES", "delivery"]

GATE_SECRET = "gate-secret-0123456789"
RULES = """
portals:
  main:
    url: "${PORTAL}"
    oauth: {client_id: local.sandbox-application, client_secret: "${CLIENT_SECRET}", server: "${PORTAL}"}
    limits: {rate: 100, burst: 500}
sources:
  shop:
    provider: generic
    verify: {scheme: standard-webhooks}
    secrets: ["${SHOP_SECRET}"]
    event: EVENT
  gate:
    provider: generic
    verify: {scheme: hmac, header: X-Hub-Signature-256, prefix: "sha256="}
    secrets: ["${GATE_SECRET}"]
    event: EVENT
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${PBX_TOKEN}"]
    event: EVENT
  reception:
    provider: twilio
    secrets: ["${TWILIO_TOKEN}"]
    public_url: https://bridge.example.com/hooks/reception
    country: DE
  office:
    provider: zadarma
    secrets: ["${ZADARMA_SECRET}"]
    time_zone: UTC
  portal:
    provider: bitrix24
    secrets: ["${APPLICATION_TOKEN}"]
badges:
  missedCall: {title: Call, value: Missed, type: failure}
  followUp: {title: Call, value: To be called back, type: warning}
rules:
  - name: missed call
    on: call.missed
    badge: missedCall
    attach: {title: "Missed call {id}"}
    clear: {on: [call.answered]}
  - name: follow up
    on: call.missed
    source: portal
    badge: followUp
    attach: {title: "Follow up {id}"}
retention: {events: 4 weeks}
""".replace("EVENT", "{type: \"'call.' + body.outcome\", id: body.id, caller: body.from, time: body.time}")
"""Each missed call makes one activity that an answered one clears, and one from `portal` another that nothing clears."""

KEPT = 28 * 86_400.0
"""Seconds for which these rules keep what has ended: longer than a storm lasts, and shorter than a year."""


def delivery(call: Call, now: float) -> Sent:
    """The request that tells of a call at `now` (unix seconds)."""
    at = now - 3600 if call.forgery == "replayed late" else now
    sent = _SENDERS[call.source](call, at, call.forgery == "wrong secret")
    if call.forgery == "altered body":
        # Somebody else's number, where the signature covers it.
        digits, others = call.customer.phone[-6:].encode(), b"9" + call.customer.phone[-5:].encode()
        return replace(sent, body=sent.body.replace(digits, others))
    if call.forgery == "unsigned":
        kept = {name: value for name, value in sent.headers.items() if name == "Content-Type"}
        return replace(sent, headers=kept)
    return sent


def _told(call: Call) -> dict[str, str]:
    moment = datetime.fromtimestamp(call.time, UTC).isoformat()
    return {"id": call.id, "outcome": call.outcome, "from": call.customer.phone, "time": moment}


def _shop(call: Call, now: float, wrong: bool) -> Sent:
    secret = "whsec_" + "A" * 44 if wrong else deliveries.SHOP_SECRET
    return deliveries.shop(call.id, _told(call), secret=secret, at=now)


def _gate(call: Call, _now: float, wrong: bool) -> Sent:
    body = json.dumps(_told(call)).encode()
    signature = hmac.digest(b"another secret" if wrong else GATE_SECRET.encode(), body, "sha256").hex()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    return Sent("/hooks/gate", body, headers)


def _pbx(call: Call, _now: float, wrong: bool) -> Sent:
    token = "another-token-0123456789" if wrong else deliveries.PBX_TOKEN
    return deliveries.pbx(json.dumps(_told(call)).encode(), token=token)


def _reception(call: Call, _now: float, wrong: bool) -> Sent:
    token = "f" * 32 if wrong else deliveries.TWILIO_TOKEN
    return deliveries.twilio(call.id, caller=call.customer.phone, token=token)


def _office(call: Call, _now: float, wrong: bool) -> Sent:
    secret = "another-secret" if wrong else deliveries.ZADARMA_SECRET
    return deliveries.zadarma(call.id, caller=call.customer.phone, secret=secret, at=call.time)


def _portal(call: Call, _now: float, wrong: bool) -> Sent:
    token = "another-token" if wrong else deliveries.APPLICATION_TOKEN
    return deliveries.bitrix24(call.id, caller=call.customer.phone, token=token, at=call.time)


_SENDERS: dict[str, Callable[[Call, float, bool], Sent]] = {
    "shop": _shop,
    "gate": _gate,
    "pbx": _pbx,
    "reception": _reception,
    "office": _office,
    "portal": _portal,
}
SOURCES = tuple(_SENDERS)
