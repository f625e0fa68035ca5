"""The README's halves for telephone systems without a webhook: what each system would send of it is understood."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus
from xml.etree import ElementTree as ET

import pytest

from badge_bridge.errors import Unauthenticated
from badge_bridge.events import Event
from badge_bridge.rulesfile import parse
from badge_bridge.rulesfile.rules import RulesFile
from badge_bridge.sources import OPTIONS, build
from badge_bridge.sources.base import Delivery, SourceOptions
from support.readme_templates import SYSTEMS, halves, rules_half

NOW = 1763778600.0
ANNA, LINE = "+4917139200011", "+493023125099"
TOKEN = "token-0123456789"
LOGIN = f"bridge:{TOKEN}"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

Table = Mapping[str, Any]


def rules(system: str) -> RulesFile:
    text = f"""
portals:
  main: {{webhook: "${{HOOK}}"}}
badges:
  missed: {{title: Call, value: Missed, type: failure}}
rules:
  - {{name: missed, on: call.missed, badge: missed}}
{rules_half(system)}"""
    (name,) = re.findall(r"\$\{(\w+)\}", rules_half(system))
    secret = LOGIN if system == "3CX" else TOKEN
    environ = {"HOOK": "https://acme.bitrix24.com/rest/1/secret/", name: secret}
    return parse(text, "README.md", providers=OPTIONS, environ=environ)


def received(system: str, delivery: Delivery) -> Event:
    """The event that the bridge makes of a delivery, once it has proved genuine."""
    ((name, options),) = rules(system).sources.items()
    assert isinstance(options, SourceOptions)
    source = build(name, options)
    source.verify(delivery)
    (reading,) = source.read(delivery)
    return reading.event


def delivery(body: str, media: str, authorization: str = "", *, at: float = NOW) -> Delivery:
    headers = [("content-type", media), ("authorization", authorization)]
    return Delivery("POST", "", [header for header in headers if header[1]], body.encode(), at)


# What each system does with its half


def asterisk(table: Table) -> Delivery:
    """`CURL()` with the headers that were set before it, each `${...}` replaced from the inside out."""
    (dialplan,) = halves("Asterisk", "ini")
    headers = re.findall(r"Set\(CURLOPT\(httpheader\)=(.*)\)$", dialplan, re.MULTILINE)
    (url, body) = re.findall(r"\$\{CURL\(([^,]*),(.*)\)\}\)$", dialplan, re.MULTILINE)[0]
    assert url == "https://bridge.example.com/hooks/asterisk"
    sent = dict(expanded(header, table).split(": ", 1) for header in headers)
    return delivery(expanded(body, table), sent["Content-Type"], sent["Authorization"])


def expanded(text: str, table: Table) -> str:
    def one(match: re.Match[str]) -> str:
        inner = match[1]
        if inner.startswith("URIENCODE("):
            return quote_plus(inner.removeprefix("URIENCODE(").removesuffix(")"))
        return str(table[inner])

    while (replaced := re.sub(r"\$\{([^${}]*)\}", one, text)) != text:
        text = replaced
    return text


def threecx(table: Table) -> Delivery:
    """A JSON object of the `PostValues`, with what stands in square brackets replaced."""
    (xml,) = halves("3CX", "xml")
    template = ET.fromstring(xml)  # noqa: S314 - the README's own
    request = template.find("Scenarios/Scenario[@Id='ReportCall']/Request")
    assert request is not None
    asked = ("Url", "RequestType", "RequestEncoding")
    assert [request.get(key) for key in asked] == ["https://bridge.example.com/hooks/threecx", "Post", "Json"]
    login = template.findtext("Authentication/Value") or ""
    parameters = [f"[{one.get('Name')}]" for one in template.findall("Parameters/Parameter")]
    assert template.find("Authentication[@Type='Basic']") is not None
    assert parameters == [login]
    body = {value.get("Key"): threecx_value(value, table) for value in request.findall("PostValues/Value")}
    return delivery(json.dumps(body), JSON, "Basic " + base64.b64encode(LOGIN.encode()).decode())


def threecx_value(value: ET.Element, table: Table) -> str:
    text = value.text or ""
    formatted = re.fullmatch(r'\[\[(\w+)\]\.ToString\("yyyy-MM-ddTHH:mm:ssZ"\)\]', text)
    # One pass puts in a variable, a second one calls its method.
    assert value.get("Passes") == ("2" if formatted else "1")
    if formatted:
        return f"{datetime.fromtimestamp(table[formatted[1]], UTC):%Y-%m-%dT%H:%M:%SZ}"
    return str(table[text.strip("[]")])


def cloudtalk(table: Table) -> Delivery:
    """Keys and values, of which those in braces are variables."""
    (body,) = halves("CloudTalk", "json")
    values = {
        key: re.sub(r"\{\{([\w.]+)\}\}", lambda found: table[found[1]], text) for key, text in json.loads(body).items()
    }
    return delivery(
        json.dumps({**values, **table.get("instead", {})}), JSON, f"Bearer {TOKEN}", at=table.get("at", NOW)
    )


def uis(table: Table) -> Delivery:
    """A template in which each variable is replaced by its value as JSON."""
    body = halves("UIS", "json")[table["notification"]].replace("…", TOKEN)
    return delivery(re.sub(r"\{\{(\w+)\}\}", lambda found: json.dumps(table[found[1]]), body), JSON)


def asterisk_call(status: str, number: str = ANNA) -> Delivery:
    return asterisk(
        {
            "BRIDGE_TOKEN": TOKEN,
            "DIALSTATUS": status,
            "CHANNEL(linkedid)": "1763778570.42",
            "CALLERID(num)": number,
            "CALLERID(dnid)": "030 23125099",
        }
    )


def threecx_call(kind: str, number: str = ANNA) -> Delivery:
    times = {"CallStartTimeUTC": NOW - 30, "CallEndTimeUTC": NOW}
    return threecx({"CallType": kind, "Number": number, "Agent": "101", **times})


def uis_call(notification: int, number: str | None = "4917139200011") -> Delivery:
    names = {"call_session_id": 5207, "contact_phone_number": number, "virtual_phone_number": "493023125099"}
    return uis({"notification": notification, **names})


@pytest.mark.parametrize("system", SYSTEMS)
def test_rules_half_loads_without_findings(system: str) -> None:
    """Each half is a source of its own name that a rule can wait for, and has nothing to be warned of."""
    loaded = rules(system)
    assert len(loaded.sources) == 1
    assert loaded.cautions == ()


@pytest.mark.parametrize(
    ("system", "sent", "expected"),
    [
        ("Asterisk", asterisk_call("NOANSWER"), ("call.missed", "inbound", ANNA)),
        ("Asterisk", asterisk_call("CANCEL"), ("call.missed", "inbound", ANNA)),
        ("Asterisk", asterisk_call("CHANUNAVAIL"), ("call.missed", "inbound", ANNA)),
        ("Asterisk", asterisk_call("BUSY"), ("call.busy", "inbound", ANNA)),
        ("Asterisk", asterisk_call("CONGESTION"), ("call.failed", "inbound", ANNA)),
        ("Asterisk", asterisk_call("ANSWER"), ("call.answered", "inbound", ANNA)),
        ("Asterisk", asterisk_call("NOANSWER", "0171 392000-11"), ("call.missed", "inbound", ANNA)),
        ("Asterisk", asterisk_call("NOANSWER", "anonymous"), ("call.missed", "inbound", "")),
        ("Asterisk", asterisk_call("NOANSWER", ""), ("call.missed", "inbound", "")),
        ("Asterisk", asterisk_call("NOANSWER", 'a&status=ANSWER"'), ("call.missed", "inbound", 'a&status=ANSWER"')),
        ("3CX", threecx_call("Missed"), ("call.missed", "inbound", ANNA)),
        ("3CX", threecx_call("Missed", "0171 39200011"), ("call.missed", "inbound", ANNA)),
        ("3CX", threecx_call("Missed", "Anonymous"), ("call.missed", "inbound", "")),
        ("3CX", threecx_call("Inbound"), ("call.answered", "inbound", ANNA)),
        ("3CX", threecx_call("Outbound"), ("call.answered", "outbound", ANNA)),
        ("3CX", threecx_call("Notanswered"), ("call.failed", "outbound", ANNA)),
        ("3CX", threecx_call("Something new"), ("call.unknown", "inbound", ANNA)),
        ("CloudTalk", cloudtalk({"call.external_number": ANNA}), ("call.missed", "inbound", ANNA)),
        ("CloudTalk", cloudtalk({"call.external_number": ""}), ("call.missed", "inbound", "")),
        (
            "CloudTalk",
            cloudtalk({"call.external_number": ANNA, "instead": {"outcome": "answered"}}),
            ("call.answered", "inbound", ANNA),
        ),
        ("UIS", uis_call(0), ("call.missed", "inbound", ANNA)),
        ("UIS", uis_call(0, "74951234567"), ("call.missed", "inbound", "+74951234567")),
        ("UIS", uis_call(0, "+74951234567"), ("call.missed", "inbound", "+74951234567")),
        ("UIS", uis_call(0, "anonymous"), ("call.missed", "inbound", "")),
        ("UIS", uis_call(0, None), ("call.missed", "inbound", "")),
        ("UIS", uis_call(1), ("call.answered", "", ANNA)),
    ],
)
def test_report_is_understood_as_its_system_means_it(
    system: str, sent: Delivery, expected: tuple[str, str, str]
) -> None:
    """How the call ended, which way it went, and the customer; whoever hides has no number."""
    event = received(system, sent)
    assert (event.type, event.direction, event.subject) == expected


def test_withheld_number_is_known_as_such() -> None:
    """A word in the place of a number is no number."""
    for system, sent in (("Asterisk", asterisk_call("CANCEL", "anonymous")), ("UIS", uis_call(0, "anonymous"))):
        assert received(system, sent).data["caller_withheld"] is True


@pytest.mark.parametrize(
    ("system", "sent"),
    [
        ("Asterisk", asterisk_call("CANCEL")),
        ("3CX", threecx_call("Missed")),
        ("CloudTalk", cloudtalk({"call.external_number": ANNA})),
        ("UIS", uis_call(0)),
    ],
)
def test_report_with_another_token_is_refused(system: str, sent: Delivery) -> None:
    """The halves fit together in what proves the sender, too."""
    for old, new in ((TOKEN, "token-0000000000"), (LOGIN, "bridge:x")):
        basic = base64.b64encode(old.encode()).decode(), base64.b64encode(new.encode()).decode()
        headers = [(name, value.replace(old, new).replace(*basic)) for name, value in sent.headers]
        body = sent.body.replace(old.encode(), new.encode())
        if (headers, body) != (sent.headers, sent.body):
            with pytest.raises(Unauthenticated):
                received(system, Delivery("POST", "", headers, body, NOW))


def test_token_of_a_body_is_not_kept() -> None:
    """What UIS sends along is neither in the store nor in a log."""
    assert TOKEN not in received("UIS", uis_call(0)).model_dump_json()


def test_call_of_cloudtalk_is_another_one_a_minute_later() -> None:
    """Unanswered calls have no id there: the same customer is missed again, and a repeated request is not."""

    def named(at: float) -> str:
        return received("CloudTalk", cloudtalk({"call.external_number": ANNA, "at": at})).id

    assert named(NOW) == named(NOW + 30) != named(NOW + 60)


def test_dialplan_reports_once_and_after_the_call() -> None:
    """The handler is pushed before the call is put through, sets each header once and has a deadline."""
    (dialplan,) = halves("Asterisk", "ini")
    assert dialplan.index("hangup_handler_push)=report-call,s,1") < dialplan.index("Dial(")
    handler = dialplan.partition("[report-call]")[2]
    assert handler.count("CURLOPT(httpheader)") == 2
    assert handler.index("CURLOPT(httptimeout)") < handler.index("${CURL(")
    assert handler.strip().endswith("Return()")
