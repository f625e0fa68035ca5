"""A missed call that is returned: whichever provider tells of it, the answered call back takes the badge off, and one
that nobody answered leaves it. The whole bridge against the sandbox, on virtual time.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from badge_bridge.sources.base import Delivery, SampleCall
from support.company import RULES, number_of, open_company
from support.every_source import OPTIONS_OF
from support.portals import START, run_virtually, virtual_clock

CUSTOMER, LINE = number_of(1), number_of(99)
BEGAN = START + 600
"""Unix seconds at which the customer is called back."""
PRIVATE_KEY = bytes(range(32))
TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY).public_key().public_bytes_raw()

Step = tuple[float, Callable[[Any, SampleCall], Delivery]]
"""Seconds after the call back began, and the delivery that comes then."""


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms(seconds: float) -> int:
    return int((BEGAN + seconds) * 1000)


def vonage(at: float, status: str, **more: Any) -> Step:
    ends = {"from": LINE.lstrip("+"), "to": CUSTOMER.lstrip("+"), "direction": "outbound"}
    body = {**ends, "uuid": "out", "conversation_uuid": "CON-back", "status": status, "timestamp": iso(at), **more}
    return at, lambda source, call: source._posted(body, call)


def bandwidth(at: float, kind: str, **more: Any) -> Step:
    ends = {"from": LINE, "to": CUSTOMER, "direction": "outbound", "callId": "c-back", "startTime": iso(0)}
    body = {**ends, "eventType": kind, "eventTime": iso(at), **more}
    return at, lambda source, call: source._posted(body, call.now)


def sinch(at: float, kind: str, **more: Any) -> Step:
    body = {"event": kind, "callid": "back", "timestamp": iso(at), "version": 1, **more}
    return at, lambda source, call: source._signed(body, call.now)


def sinch_over(at: float, result: str, reason: str, **more: Any) -> Step:
    ends = {"from": LINE, "to": {"type": "number", "endpoint": CUSTOMER}}
    return sinch(at, "dice", result=result, reason=reason, **ends, **more)


def telnyx(at: float, kind: str, **more: Any) -> Step:
    ids = {"call_session_id": "back", "call_leg_id": "out", "start_time": iso(0)}
    payload = {**ids, "from": LINE, "to": CUSTOMER, **more}
    return at, lambda source, call: source._signed(kind, payload, replace(call, id="back"), PRIVATE_KEY)


def ringcentral(at: float, sequence: int, code: str, **more: Any) -> Step:
    status = {"status": {"code": code, **more}}
    party: dict[str, Any] = {"id": "p-2", "accountId": "1", "extensionId": "2", "direction": "Outbound", **status}
    party |= {"from": {"phoneNumber": LINE, "extensionId": "2"}, "to": {"phoneNumber": CUSTOMER}, "missedCall": False}
    session = {"telephonySessionId": "s-back", "sequence": sequence, "eventTime": iso(0), "parties": [party]}
    name = "/restapi/v1.0/account/1/telephony/sessions"
    body = json.dumps({"uuid": f"back-{sequence}", "event": name, "timestamp": iso(at), "body": session})
    return at, lambda source, call: replace(source.sample(call)[0], body=body.encode())


def zoom(at: float, kind: str, **more: Any) -> Step:
    ends = {"caller": {"extension_type": "user", "user_id": "u1", "phone_number": LINE}}
    ends |= {"callee": {"extension_type": "pstn", "phone_number": CUSTOMER}}
    body = {"call_id": "999", "ringing_start_time": iso(0), **ends, **more}
    return at, lambda source, call: source._signed(kind, body, call.now)


def dialpad(at: float, state: str, connected: float | None = None) -> Step:
    ends = {"external_number": CUSTOMER, "internal_number": LINE, "direction": "outbound"}
    times = {"date_started": ms(0), "date_connected": connected and ms(connected), "event_timestamp": ms(at)}
    body = {**ends, **times, "call_id": 999, "state": state, "target": {"id": 1, "type": "user"}}
    return at, lambda source, call: source._signed(body, call.now)


BACK: Mapping[str, tuple[Sequence[Step], Sequence[Step]]] = {
    "vonage": (
        [vonage(0, "started"), vonage(1, "ringing"), vonage(9, "answered"), vonage(60, "completed", duration="51")],
        [vonage(0, "started"), vonage(1, "ringing"), vonage(40, "unanswered", detail="timeout")],
    ),
    "bandwidth": (
        [bandwidth(9, "answer", answerTime=iso(9)), bandwidth(60, "disconnect", cause="hangup", answerTime=iso(9))],
        [bandwidth(40, "disconnect", cause="timeout")],
    ),
    "sinch": (
        [sinch(9, "ace"), sinch_over(60, "ANSWERED", "CALLEEHANGUP", duration=51)],
        [sinch_over(40, "NOANSWER", "TIMEOUT")],
    ),
    "telnyx": (
        [
            telnyx(0, "call.initiated", direction="outgoing"),
            telnyx(9, "call.answered"),
            telnyx(60, "call.hangup", hangup_cause="normal_clearing", hangup_source="callee"),
        ],
        [
            telnyx(0, "call.initiated", direction="outgoing"),
            telnyx(40, "call.hangup", hangup_cause="timeout", hangup_source="unknown"),
        ],
    ),
    "ringcentral": (
        [
            ringcentral(0, 1, "Setup"),
            ringcentral(1, 2, "Proceeding"),
            ringcentral(9, 3, "Answered"),
            ringcentral(60, 4, "Disconnected"),
        ],
        [
            ringcentral(0, 1, "Setup"),
            ringcentral(1, 2, "Proceeding"),
            ringcentral(40, 3, "Disconnected", reason="NoAnswer"),
        ],
    ),
    "zoom": (
        [
            zoom(0, "phone.caller_ringing"),
            zoom(9, "phone.caller_connected", answer_start_time=iso(9)),
            zoom(60, "phone.caller_ended", answer_start_time=iso(9), handup_result="Call connected"),
        ],
        [zoom(0, "phone.caller_ringing"), zoom(40, "phone.caller_ended", handup_result="No Answer")],
    ),
    "dialpad": (
        [dialpad(0, "calling"), dialpad(9, "connected", 9), dialpad(60, "hangup", 9)],
        [dialpad(0, "calling"), dialpad(40, "hangup")],
    ),
}
"""Of each provider the deliveries of an outgoing call that the customer answers, and of one that nobody answers."""

SOON = 10.0
"""Seconds within which it is known how a call back ended."""


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "not answered"])
@pytest.mark.parametrize("provider", BACK)
def test_missed_badge_is_taken_off_by_an_answered_call_back_only(provider: str, answered: bool) -> None:
    """The call back is about the number that was called, and is judged soon after it ended, not after hours."""
    options = dict(OPTIONS_OF.get(provider) or {"secrets": [base64.b64encode(TELNYX_KEY).decode()]})
    (secret,) = options.pop("secrets")
    phones = json.dumps({"provider": provider, "secrets": ["${PHONES}"], **options})
    rules = RULES.replace("sources:\n", f"sources:\n  phones: {phones}\n", 1)

    async def story() -> None:
        async with open_company(customers=1, rules=rules, environ={"PHONES": secret}) as company:
            pipeline = company.bridge.pipeline
            source: Any = pipeline.source("phones", "POST")

            def badges() -> int:
                activities = company.portal.records.crm.activities.values()
                return sum(one.originator_id == "badge-bridge" and not one.completed for one in activities)

            def told_now() -> SampleCall:
                now = virtual_clock()
                return SampleCall("first", "missed", now - 25, now, CUSTOMER, LINE, private_key=PRIVATE_KEY)

            async def back_to(moment: float) -> None:
                await asyncio.sleep(max(0.0, moment - virtual_clock()))

            for delivery in source.sample(told_now()):
                await pipeline.accept(source, delivery)
            await company.ended()
            assert badges() == 1
            await back_to(BEGAN)
            steps = BACK[provider][0 if answered else 1]
            for at, made in steps:
                await back_to(BEGAN + at)
                await pipeline.accept(source, made(source, told_now()))
            events = await company.ended(patience=SOON)
            (judged,) = [one.event for one in events if one.event.leg is None and one.event.direction == "outbound"]
            assert judged.type == ("call.answered" if answered else "call.failed")
            assert (judged.subject, judged.line) == (CUSTOMER, LINE)
            assert badges() == (0 if answered else 1)

    run_virtually(story())
