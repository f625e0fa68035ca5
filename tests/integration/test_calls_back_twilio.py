"""A customer who rang in vain is called back: Twilio, SignalWire and Plivo, from signed deliveries to the card."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from badge_bridge.sources.base import Delivery
from badge_bridge.sources.bodies import FORM, JSON
from badge_bridge.sources.twilio import sign
from support.company import RULES, Company, number_of, open_company
from support.every_source import OPTIONS_OF
from support.portals import run_virtually, virtual_clock

CUSTOMER, LINE = number_of(1), "+4989654321"
CALL, CHILD = "CA" + "1" * 32, "CA" + "2" * 32
UUID, DIALLED_UUID = "1" * 8 + "-1111-1111-1111-" + "1" * 12, "2" * 8 + "-2222-2222-2222-" + "2" * 12
SOFTPHONE, SIP_PHONE = "client:anna", "sip:anna@acme.sip.twilio.com"

Fields = dict[str, Any]
Steps = list[tuple[float, Fields]]
"""What is told, and how many seconds after the beginning of the call."""


def of_twilio(status: str, **more: str) -> Fields:
    return {"CallSid": CALL, "CallStatus": status, "Direction": "outbound-api", "From": LINE, "To": CUSTOMER, **more}


def of_our_phone(status: str, caller: str, to: str = CUSTOMER, **more: str) -> Fields:
    return of_twilio(status, Direction="inbound", From=caller, To=to, **more)


def of_dialled(status: str, **more: str) -> Fields:
    return of_twilio(status, CallSid=CHILD, ParentCallSid=CALL, Direction="outbound-dial", **more)


def of_relay(state: str, reason: str = "", **more: Any) -> Fields:
    numbers = {"type": "phone", "params": {"from_number": LINE, "to_number": CUSTOMER}}
    told = {"call_id": UUID, "call_state": state, "direction": "outbound", "device": numbers, **more}
    return {"event_type": "calling.call.state", "params": {**told, **({"end_reason": reason} if reason else {})}}


def of_plivo(status: str, event: str, **more: str) -> Fields:
    ours = {"CallUUID": UUID, "Direction": "outbound", "From": LINE.lstrip("+"), "To": CUSTOMER.lstrip("+")}
    return {**ours, "CallStatus": status, "Event": event, **more}


LASTED = {"CallDuration": "51"}
BY_MACHINE = {"AnsweredBy": "machine_start"}
BRIDGED = {"DialCallSid": CHILD, "DialCallStatus": "completed", "DialBridged": "true"}
IN_VAIN = {"DialCallSid": CHILD, "DialCallStatus": "no-answer"}
CLEARING = {"HangupCause": "NORMAL_CLEARING"}
DETECTED = {"call_id": UUID, "detect": {"type": "machine", "params": {"event": "MACHINE"}}}

OF_FORMS: Mapping[str, tuple[Steps, str]] = {
    "answered": ([(0, of_twilio("ringing")), (9, of_twilio("in-progress")), (60, of_twilio("completed"))], "answered"),
    "answered, only its end is told": ([(60, of_twilio("completed", **LASTED))], "answered"),
    "answered and recorded": (
        [
            (60, {"CallSid": CALL, "RecordingSid": "RE" + "0" * 32, "RecordingStatus": "completed",
                  "RecordingSource": "OutboundAPI"}),
            (61, of_twilio("completed", **LASTED)),
        ],
        "answered",
    ),
    "answered by a human": (
        [(9, of_twilio("in-progress", AnsweredBy="human")), (60, of_twilio("completed", AnsweredBy="human", **LASTED))],
        "answered",
    ),
    "answered by a machine": (
        [(9, of_twilio("in-progress")), (60, of_twilio("completed", **BY_MACHINE, **LASTED))], "unknown",
    ),
    "not answered": ([(0, of_twilio("ringing")), (30, of_twilio("no-answer"))], "failed"),
    "busy": ([(9, of_twilio("busy"))], "busy"),
    "softphone, answered": (
        [(40, of_our_phone("in-progress", SOFTPHONE, **BRIDGED)), (41, of_our_phone("completed", SOFTPHONE))],
        "answered",
    ),
    "softphone, answered as the dialled leg tells": (
        [
            (0, of_our_phone("ringing", SOFTPHONE, to="")),
            (9, of_dialled("in-progress")),
            (60, of_dialled("completed", **LASTED)),
            (61, of_our_phone("completed", SOFTPHONE, to="")),
        ],
        "answered",
    ),
    "softphone, not answered": (
        [(40, of_our_phone("in-progress", SOFTPHONE, **IN_VAIN)), (41, of_our_phone("completed", SOFTPHONE))],
        "failed",
    ),
    "softphone that gives up before it is connected": ([(3, of_our_phone("canceled", SOFTPHONE))], "failed"),
    "SIP phone, answered": (
        [(40, of_our_phone("completed", SIP_PHONE, to=f"sip:{CUSTOMER}@acme.sip.twilio.com", **BRIDGED))], "answered",
    ),
    "SIP phone, not answered": ([(40, of_our_phone("completed", SIP_PHONE, **IN_VAIN))], "failed"),
}  # fmt: skip

CALLS_BACK: dict[str, tuple[str, Steps, str]] = {
    **{f"twilio: {name}": ("twilio", *story) for name, story in OF_FORMS.items()},
    **{f"signalwire: {name}": ("signalwire", *story) for name, story in OF_FORMS.items()},
    "signalwire RELAY: answered": (
        "signalwire",
        [(0, of_relay("created")), (9, of_relay("answered")), (60, of_relay("ended", "hangup"))],
        "answered",
    ),
    "signalwire RELAY: answered by a machine": (
        "signalwire",
        [
            (0, of_relay("created")),
            (9, of_relay("answered")),
            (12, {"event_type": "calling.call.detect", "params": DETECTED}),
            (60, of_relay("ended", "hangup")),
        ],
        "unknown",
    ),
    "signalwire RELAY: not answered": (
        "signalwire",
        [(0, of_relay("created")), (30, of_relay("ended", "noAnswer"))],
        "failed",
    ),
    "plivo: answered": (
        "plivo",
        [
            (0, of_plivo("ringing", "Ring")),
            (9, of_plivo("in-progress", "StartApp")),
            (60, of_plivo("completed", "Hangup", Duration="51", BillDuration="60", **CLEARING)),
        ],
        "answered",
    ),
    "plivo: answered by a machine": (
        "plivo",
        [(60, of_plivo("completed", "Hangup", Duration="51", Machine="true", **CLEARING))],
        "unknown",
    ),
    "plivo: not answered": (
        "plivo",
        [(0, of_plivo("ringing", "Ring")), (30, of_plivo("no-answer", "Hangup", Duration="0", HangupCause="NO_ANSWER"))],
        "failed",
    ),
    "plivo: cancelled before it was answered": (
        "plivo",
        [(30, of_plivo("completed", "Hangup", Duration="0", HangupCause="ORIGINATOR_CANCEL"))],
        "failed",
    ),
    "plivo: softphone, answered": (
        "plivo",
        [
            (0, of_plivo("in-progress", "StartApp", Direction="inbound", From="sip:anna123@phone.plivo.com")),
            (60, of_plivo("completed", "DialEnd", Direction="inbound", From="sip:anna123@phone.plivo.com",
                          DialStatus="completed", DialBLegUUID=DIALLED_UUID)),
        ],
        "answered",
    ),
    "plivo: softphone, not answered": (
        "plivo",
        [(60, of_plivo("completed", "DialEnd", Direction="inbound", From="sip:anna123@phone.plivo.com",
                       DialStatus="no-answer", DialBLegUUID=DIALLED_UUID))],
        "failed",
    ),
}  # fmt: skip


def rules_for(provider: str) -> str:
    url = OPTIONS_OF[provider]["public_url"]
    phones = f"  phones: {{provider: {provider}, secrets: ['${{PHONES}}'], public_url: '{url}'}}"
    return RULES.replace("sources:\n", f"sources:\n{phones}\n", 1)


def delivered(company: Company, provider: str, told: Fields) -> Delivery:
    """What is told, signed as the provider does it."""
    source: Any = company.bridge.pipeline.source("phones", "POST")
    secret, url = OPTIONS_OF[provider]["secrets"][0], OPTIONS_OF[provider]["public_url"]
    if "event_type" in told:
        body = json.dumps(told).encode()
        signature = hmac.new(secret.encode(), url.encode() + body, "sha1").hexdigest()
        return Delivery(
            "POST", "", [("content-type", JSON), ("x-signalwire-signature", signature)], body, virtual_clock()
        )
    if provider == "twilio":
        headers = [("content-type", FORM), ("x-twilio-signature", sign(url, list(told.items()), secret))]
        return Delivery("POST", "", headers, urlencode(told).encode(), virtual_clock())
    signed = source._posted(told, virtual_clock())
    assert isinstance(signed, Delivery)
    return signed


@pytest.mark.parametrize(("provider", "steps", "outcome"), CALLS_BACK.values(), ids=list(CALLS_BACK))
def test_badge_goes_when_the_customer_is_called_back_and_answers(provider: str, steps: Steps, outcome: str) -> None:
    """A call of ours that the customer answers clears the badge; one that he does not clears nothing, and is never
    missed itself.
    """

    async def story() -> None:
        environ = {"PHONES": OPTIONS_OF[provider]["secrets"][0]}
        async with open_company(customers=1, rules=rules_for(provider), environ=environ) as company:
            missed = await company.report(CUSTOMER, at=-600)
            await asyncio.sleep(30)
            began = virtual_clock()
            for at, told in steps:
                await asyncio.sleep(max(0.0, began + at - virtual_clock()))
                delivery = delivered(company, provider, told)
                source = company.bridge.pipeline.source("phones", "POST")
                await company.bridge.pipeline.accept(source, delivery)
            (call,) = [one.event for one in await company.ended() if one.event.leg is None and one.event.id != missed]
            assert (call.type, call.direction, call.subject) == (f"call.{outcome}", "outbound", CUSTOMER)
            activities = company.portal.records.crm.activities.values()
            badges = [one.completed for one in activities if one.originator_id == "badge-bridge"]
            assert badges == [outcome == "answered"]

    run_virtually(story())
