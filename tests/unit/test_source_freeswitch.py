"""The provider freeswitch: records in three encodings, and a call judged by its a-leg alone."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from badge_bridge.errors import BodyTooLarge, DeliveryRefused, Impossible, Malformed
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, SampleCall
from badge_bridge.sources.freeswitch import FreeSwitch, FreeSwitchOptions

NOW = 1_763_778_600.0
SECRET = "fs:pass:word-0123"
UUID = "5f3c1c8e-0000-4000-8000-000000000001"
JSON, FORM, BASE64 = "application/json", "application/x-www-form-urlencoded", "application/x-www-form-base64-encoded"
VARIABLES = {
    "uuid": UUID,
    "direction": "inbound",
    "start_epoch": "1763778580",
    "answer_epoch": "0",
    "billsec": "0",
    "hangup_cause": "ORIGINATOR_CANCEL",
}
BRIDGED = {"answer_epoch": "1763778585", "bridge_uuid": "b", "billsec": "12", "hangup_cause": "NORMAL_CLEARING"}
IVR = {"answer_epoch": "1763778581", "hangup_cause": "NORMAL_CLEARING"}
FLOW = [
    {"profile_index": "2", "caller_profile": {"context": "default", "destination_number": "100"}},
    {
        "profile_index": "1",
        "caller_profile": {"context": "public", "caller_id_number": "+4930901820", "destination_number": "+4989654321"},
    },
]


def source(**options: Any) -> FreeSwitch:
    built = build("pbx", FreeSwitchOptions.model_validate({"provider": "freeswitch", "secrets": [SECRET], **options}))
    assert isinstance(built, FreeSwitch)
    return built


def raw(body: bytes, media: str = JSON, secret: str = SECRET) -> Delivery:
    basic = "Basic " + base64.b64encode(secret.encode()).decode()
    return Delivery("POST", f"uuid={UUID}", (("content-type", media), ("authorization", basic)), body, NOW)


def record(*, leg: str = "inbound", flow: Any = FLOW, apps: Any = None, **variables: Any) -> dict[str, Any]:
    log = {} if apps is None else {"app_log": {"applications": [{"app_name": name} for name in apps]}}
    told = {name: value for name, value in {**VARIABLES, **variables}.items() if value is not None}
    return {"channel_data": {"direction": leg}, "variables": told, "callflow": flow, **log}


def posted(**change: Any) -> Delivery:
    return raw(json.dumps(record(**change)).encode())


def read(delivery: Delivery, **options: Any) -> Event:
    pbx = source(**options)
    assert pbx.verify(delivery) == "basic credentials"
    (reading,) = pbx.read(delivery)
    assert reading.identity == (UUID,)
    return reading.event


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({}, "call.missed", "caller_cancelled"),
        ({"hangup_cause": "NO_ANSWER"}, "call.missed", "no_answer"),
        ({"hangup_cause": "NORMAL_CLEARING", "originate_disposition": "NO_ANSWER"}, "call.missed", "no_answer"),
        ({**IVR, "originate_disposition": "NO_ANSWER"}, "call.missed", "no_answer"),
        ({**IVR, "originate_disposition": "ORIGINATOR_CANCEL"}, "call.missed", "caller_cancelled"),
        ({**IVR}, "call.unknown", "nobody was bridged, and why is not said: "),
        ({**IVR, "hangup_cause": "ORIGINATOR_CANCEL"}, "call.unknown", "nobody was bridged, and why is not said: "),
        ({**IVR, "apps": ["voicemail"]}, "call.voicemail", ""),
        ({**IVR, "apps": ["conference"], "originate_disposition": "NO_ANSWER"}, "call.unknown", "in a conference"),
        ({**BRIDGED}, "call.answered", ""),
        ({**BRIDGED, "answer_epoch": "0"}, "call.unknown", "bridged, but never answered"),
        ({"hangup_cause": "USER_BUSY"}, "call.busy", "busy"),
        ({"hangup_cause": "CALL_REJECTED"}, "call.rejected", "declined"),
        ({"hangup_cause": "UNALLOCATED_NUMBER"}, "call.failed", "UNALLOCATED_NUMBER"),
        (
            {"hangup_cause": "NORMAL_CLEARING"},
            "call.unknown",
            "nobody was bridged, and why is not said: NORMAL_CLEARING",
        ),
        ({"hangup_cause": None}, "call.unknown", "nobody was bridged, and why is not said: "),
        ({"hangup_cause": ["NO_ANSWER"]}, "call.unknown", "nobody was bridged, and why is not said: "),
    ],
)
def test_call_from_outside_is_judged(change: dict[str, Any], kind: str, reason: str) -> None:
    """A bridge proves a conversation; a menu that picks up proves nothing, either way."""
    event = read(posted(**change))
    assert (event.type, event.reason, event.direction) == (kind, reason, "inbound")
    assert (event.subject, event.line) == ("+4930901820", "+4989654321")


@pytest.mark.parametrize(
    ("context", "said", "direction", "kind"),
    [
        ("public", None, "inbound", "call.missed"),
        ("default", None, "", "call.unknown"),
        ("out", None, "outbound", "call.failed"),
        ("default", "inbound", "inbound", "call.missed"),
        ("public", "outbound", "outbound", "call.failed"),
        ("public", "local", "internal", "call.unknown"),
        ("public", "odd", "", "call.unknown"),
        (None, None, "", "call.unknown"),
    ],
)
def test_direction_is_that_of_the_dialplan(context: str | None, said: str | None, direction: str, kind: str) -> None:
    """To FreeSWITCH a call of our own telephone comes in too; it is never missed."""
    event = read(
        posted(flow=[{"caller_profile": {"context": context}}], call_direction=said), outbound_contexts=["out"]
    )
    assert (event.direction, event.type) == (direction, kind)


@pytest.mark.parametrize("leg", ["outbound", "", "sideways"])
def test_other_legs_are_only_noted(leg: str) -> None:
    """The legs to our telephones ring without an answer all the time: a colleague was quicker."""
    event = read(posted(leg=leg, direction="outbound", hangup_cause="NO_ANSWER"))
    assert (event.type, event.outcome) == ("freeswitch.leg", "")


@pytest.mark.parametrize("encoding", ["json", "form", "form with plus", "base64", "base64 in lines"])
def test_record_is_read_in_each_encoding(encoding: str) -> None:
    """The three encodings of `encode`, as FreeSWITCH and other clients write them."""
    told = record(note=">>>\u00fc+ x")
    text = json.dumps(told, ensure_ascii=False)
    encoded = base64.b64encode(text.encode()).decode()
    assert "+" in encoded
    delivery = {
        "json": raw(text.encode()),
        "form": raw(b"cdr=" + quote(text, safe="").encode(), FORM),
        "form with plus": raw(b"cdr=" + quote(text, safe=" ").replace(" ", "+").encode(), FORM),
        "base64": raw(b"cdr=" + encoded.encode(), BASE64),
        "base64 in lines": raw(b"cdr=" + "\n".join([encoded[:72], encoded[72:]]).encode(), BASE64),
    }[encoding]
    event = read(delivery)
    assert event.data["variables"] == told["variables"]
    assert event.type == "call.missed"


def test_values_are_unescaped_where_they_are_escaped() -> None:
    """By default FreeSWITCH escapes each text inside of the JSON; where it does not, a per cent sign is one."""
    flow = [{"caller_profile": {"context": "public", "caller_id_number": "%2B4930901820"}}]
    assert read(posted(flow=flow)).caller == "+4930901820"
    assert read(posted(flow=flow), encode_values=False).caller == "%2B4930901820"
    assert read(posted(note="50%25 %ff")).data["variables"]["note"] == "50% \ufffd"


def test_time_and_duration_are_read() -> None:
    """The call's start and the seconds of conversation; what is no number is passed over."""
    event = read(posted(**BRIDGED))
    assert (event.time, event.duration) == (datetime.fromtimestamp(1763778580, UTC), 12)
    event = read(posted(billsec="long", start_epoch="0"))
    assert (event.type, event.time, event.duration) == ("call.missed", datetime.fromtimestamp(NOW, UTC), None)
    assert event.data["notes"] == ["variables.billsec cannot be read: 'long'"]


@pytest.mark.parametrize("uuid", [None, "", 5, "x" * 201])
def test_record_without_channel_is_impossible(uuid: Any) -> None:
    """Nothing else tells a repeat from another call."""
    with pytest.raises(Impossible, match=r"variables\.uuid"):
        source().read(posted(uuid=uuid))


@pytest.mark.parametrize("flow", [None, {}, [], [1], ["x"], [{"caller_profile": 5}], [{"profile_index": 1}]])
def test_odd_callflow_makes_no_missed_call(flow: Any) -> None:
    """Without its context a call is of no direction."""
    assert read(posted(flow=flow)).type == "call.unknown"


def test_identity_is_the_channel() -> None:
    """A repeat counts once, another channel is another event."""
    pbx = source()
    assert pbx.read(posted()) == pbx.read(posted())
    assert pbx.read(posted(uuid="another"))[0].identity != pbx.read(posted())[0].identity


@pytest.mark.parametrize("media", [JSON, FORM, BASE64, "text/xml", ""])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"cdr",
        b"cdr=",
        b"cdr=%7B",
        b"cdr=e30=x",
        b"cdr=/w==",
        b"cdr=a",
        b"x=1",
        b"cdr=1&cdr=2",
        b"{" * 5_000,
    ],
)
def test_broken_body_is_refused(body: bytes, media: str) -> None:
    """It ends as a refusal in every encoding."""
    with pytest.raises(DeliveryRefused):
        source().read(raw(body, media))


def test_field_without_json_is_malformed() -> None:
    """The remedy is at the sender, and the refusal says where to look."""
    with pytest.raises(Malformed, match="neither JSON nor base64"):
        source().read(raw(b"cdr=***", FORM))


def test_large_body_is_not_read() -> None:
    """A record is large, but not that large."""
    with pytest.raises(BodyTooLarge):
        source().verify(raw(b" " * (1024 * 1024 + 1)))


@pytest.mark.parametrize("encode_values", [True, False])
@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_sample_tells_of_its_call(outcome: Any, encode_values: bool) -> None:
    """What is sent to try a set-up passes the same checks as FreeSWITCH's records."""
    pbx = source(encode_values=encode_values)
    (delivery,) = pbx.sample(SampleCall(id="a1", outcome=outcome, at=NOW - 20, now=NOW))
    assert pbx.verify(delivery)
    (reading,) = pbx.read(delivery)
    assert (reading.event.type, reading.event.time.timestamp()) == (f"call.{outcome}", NOW - 20)
    assert (reading.event.caller, reading.event.line) == ("+4930901820", "+4989654321")
