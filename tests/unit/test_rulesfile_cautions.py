"""What is probably not meant in a rules file: each warning with its place, and silence where nothing is certain."""

from __future__ import annotations

import re
from importlib.resources import files
from textwrap import dedent

import pytest

from badge_bridge.rulesfile import Draft
from badge_bridge.rulesfile.cautions import cautions
from badge_bridge.rulesfile.codes import WARNINGS
from badge_bridge.rulesfile.examining import examine_text
from badge_bridge.sources import OPTIONS
from support.readme_files import README

TOP = """portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {client_id: "${ID}", client_secret: "${SECRET}"}
sources:
  phone:
    {provider: twilio, secrets: ["${T}"], public_url: https://bridge.example.com/hooks/phone}
  portal:
    {provider: bitrix24}
  shop:
    {provider: generic, verify: {scheme: bearer}, secrets: ["${S}"],
     event: {type: "'order.' + body.status", id: body.id, email: body.email}}
  meter:
    {provider: generic, verify: {scheme: bearer}, secrets: ["${S}"], event: {type: "'alarm'", id: body.id}}
badges:
  missed: {title: Call, value: Missed, type: failure}
  paid: {title: Order, value: Paid, type: success}
rules:
  - {name: calls, on: call.missed, badge: missed, attach: {}, clear: {}}
  - {name: orders, on: order.*, badge: paid, attach: {}}
  - {name: alarms, on: alarm, source: meter, badge: paid}
"""
LINE = TOP.count("\n") + 1
"""Of what is added."""


def told(text: str) -> list[str]:
    found = examine_text(text, "r", providers=OPTIONS)
    assert found.rules is not None, found.findings
    warnings = [one for one in found.findings if one.severity != "note"]
    assert {(one.severity, one.code in WARNINGS) for one in warnings} <= {("warning", True)}
    lines = text.splitlines()
    return [
        f"{one.line} {one.code} at {lines[one.line - 1][one.column - 1 : one.end - 1]}: {one.message}"
        for one in warnings
    ]


def test_nothing_is_said_when_everything_is_used() -> None:
    """Of the file that the others begin with, and of those that the README and the demo have."""
    assert told(TOP) == []
    blocks = [dedent(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    whole = [block for block in blocks if "portals:\n" in block and "\nrules:" in block]
    assert whole
    assert [told(block) for block in whole] == [[]] * len(whole)
    assert told(files("badge_bridge.demo").joinpath("rules.yaml").read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("on: cal.missed, badge: paid", "never-sent at cal.missed: no source of rule 'more' sends events of type 'cal.missed'; did you mean 'call.missed'?"),
        ("on: [order.paid, invoice.paid], source: shop, badge: missed", "never-sent at invoice.paid: source 'shop' does not send events of type 'invoice.paid'; they have order.*"),
        ("on: order.paid, source: [shop, phone], badge: missed", "never-sent at phone: source 'phone' sends no event of the types of rule 'more'; remove it there, or correct on:"),
        ("on: call.busy, source: phone, badge: paid, attach: {}, clear: {on: orders}", "never-sent at orders: no source of rule 'more' sends events of type 'orders'; they have call.missed, call.answered, call.voicemail, call.busy, call.rejected, call.failed, call.unknown, twilio.*, bitrix24.*, order.*, alarm"),
        ("on: call.busy, badge: paid, when: event.direction == 'out'", "impossible-value at event.direction == 'out': event.direction is never 'out' in events that rule 'more' takes; it is 'inbound', 'internal', 'outbound' or empty"),
        ("on: call.busy, badge: paid, when: event.direction != 'outgoing'", "impossible-value at event.direction != 'outgoing': event.direction is never 'outgoing' in events that rule 'more' takes; did you mean 'outbound'?"),
        ("on: call.busy, badge: paid, when: 'event.outcome in [\"busy\", \"mised\"]'", "impossible-value at event.outcome in [\"busy\", \"mised\"]: event.outcome is never 'mised' in events that rule 'more' takes; it is 'busy'"),
        ("on: call.busy, source: phone, badge: paid, when: event.source == 'fone'", "impossible-value at event.source == 'fone': event.source is never 'fone' in events that rule 'more' takes; did you mean 'phone'?"),
        ("on: call.busy, source: phone, badge: paid, when: event.provider == 'zadarma'", "impossible-value at event.provider == 'zadarma': event.provider is never 'zadarma' in events that rule 'more' takes; it is 'twilio'"),
        ("on: alarm, source: meter, badge: missed, when: event.email != ''", "never-matches at event.email != '': event.email != '' cannot be true since event.email is always empty, so that rule 'more' never matches; correct it, or remove the rule"),
        ("on: call.busy, badge: paid, when: 'false'", "never-matches at false: false cannot be true, so that rule 'more' never matches; correct it, or remove the rule"),
        ("on: call.busy, badge: paid, when: event.time.getHours() > 24", "never-matches at event.time.getHours() > 24: event.time.getHours() > 24 cannot be true since event.time.getHours() is 0 to 23, so that rule 'more' never matches; correct it, or remove the rule"),
        ("on: call.busy, badge: paid, when: event.line == '' || event.time.getMinutes('Asia/Tokyo') >= 60", "never-matches at event.time.getMinutes('Asia/Tokyo') >= 60: event.time.getMinutes('Asia/Tokyo') >= 60 cannot be true since event.time.getMinutes('Asia/Tokyo') is 0 to 59 in rule 'more'; correct it, or remove it"),
        ("on: call.busy, badge: paid, when: '!(event.line == \"1\" && event.time.getHours() < 24)'", "impossible-value at event.time.getHours() < 24: event.time.getHours() < 24 is always true in rule 'more', since event.time.getHours() is 0 to 23; correct it, or remove it"),
        ("on: call.busy, badge: paid, when: 'event.time.getDayOfWeek() in [6, 7]'", "impossible-value at event.time.getDayOfWeek() in [6, 7]: event.time.getDayOfWeek() is never 7 in rule 'more'; it is 0 to 6"),
        ("on: call.busy, badge: paid, when: event.time.getHours() >= 20 && event.time.getHours() < 6", "never-matches at event.time.getHours() < 6: event.time.getHours() >= 20 and event.time.getHours() < 6 cannot both be true, so that rule 'more' never matches; correct it, or remove the rule"),
        ("on: call.busy, badge: paid, when: event.line == '' || 1 > 2", "never-matches at 1 > 2: 1 > 2 cannot be true in rule 'more'; correct it, or remove it"),
        ("on: call.busy, badge: paid, when: event.line == '1' && event.line == '2'", "never-matches at event.line == '2': event.line == '1' and event.line == '2' cannot both be true, so that rule 'more' never matches; correct it, or remove the rule"),
        ("on: call.missed, badge: missed, attach: {}, when: event.line == '1' && event.line == '2'", "never-matches at event.line == '2': event.line == '1' and event.line == '2' cannot both be true, so that rule 'more' never matches; correct it, or remove the rule"),
        ("on: call.missed, badge: missed", "repeated-rule at missed: rule 'calls' in line 19 already makes sure of badge 'missed' for every event of rule 'more'; remove the later one"),
        ("on: call.missed, badge: missed, attach: {}", "repeated-rule at missed: rule 'calls' in line 19 already puts badge 'missed' on the same card for every event of rule 'more', so that it is there twice; remove one of them, or let one condition leave out what the other takes"),
        ("on: call.missed, when: event.line != '', badge: paid, attach: {}", "hidden-badge at paid: every event of rule 'more' gets badge 'missed' too, by rule 'calls' in line 19 and on the same card, which shows only the badge added last; let one condition leave out what the other takes"),
        ("on: alarm, source: meter, badge: missed, attach: {}", "no-customer at attach: an event of source 'meter' has no caller, callee, subject or email, so no card is found for it; map one of them in its event:, or write attach.owner"),
        ("on: alarm, source: meter, badge: missed, attach: {owner: {deal: event.data.id}}, clear: {on: alarm}", "no-customer at clear: an event of source 'meter' has no caller, callee, subject or email, so nothing clears its badge; map one of them in its event:, or write clear.same"),
    ],
)  # fmt: skip
def test_a_rule_is_warned_of_when_it_does_not_what_it_looks_like(rule: str, expected: str) -> None:
    """One rule more gives one warning more, in its line."""
    assert told(f"{TOP}  - {{name: more, {rule}}}\n") == [f"{LINE} {expected}"]


@pytest.mark.parametrize(
    "rule",
    [
        "on: order.paid, badge: missed",
        "on: twilio.something, source: phone, badge: paid",
        "on: bitrix24.onimconnectormessageadd, badge: paid",
        "on: 'order*', source: shop, badge: missed",
        "on: 'call.*', badge: paid",
        "on: call.busy, badge: paid, when: event.direction == 'inbound' && event.outcome == 'busy'",
        "on: call.busy, badge: paid, when: event.data.direction == 'incoming'",
        "on: order.*, badge: missed, when: event.outcome == ''",
        "on: call.busy, badge: paid, when: 'true'",
        "on: call.missed, badge: paid, attach: {to: [contact]}",
        "on: call.missed, badge: paid, attach: {owner: {deal: event.data.deal}}",
        "on: call.missed, badge: paid",
        "on: call.busy, badge: missed, attach: {}",
        "on: [call.missed, call.busy], badge: paid",
        "on: call.missed, when: event.line == 'x' && event.line == 'y', badge: paid",
        "on: alarm, source: meter, badge: missed, attach: {owner: {deal: event.data.id}}",
        "on: alarm, source: [meter, shop], badge: missed",
    ],
)
def test_nothing_is_said_when_a_rule_may_be_meant_so(rule: str) -> None:
    """Other cards, other events, and what cannot be known. A rule that never matches is in nobody's way."""
    found = told(f"{TOP}  - {{name: more, {rule}}}\n")
    assert [one for one in found if "never-matches" not in one and "source 'shop' sends no event" not in one] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("badge: paid}", "badge: missed}", ""),
        ("badge: paid", "badge: missed", "17 unused-badge at paid: no rule uses badge 'paid', so no portal gets it; name it in a rule, or remove it"),
        ("  - {name: orders, on: order.*, badge: paid, attach: {}}\n", "", "10 unused-source at shop: no rule takes events of source 'shop', so each is ignored; add a rule, or remove it"),
        ("clear: {}", "clear: {on: [call.answered, order.paid]}", ""),
    ],
)  # fmt: skip
def test_what_is_for_nothing_is_named_when_no_rule_uses_it(old: str, new: str, expected: str) -> None:
    """Badges without a rule, and sources of which no event meets one or clears a badge."""
    assert told(TOP.replace(old, new)) == ([expected] if expected else [])


def test_a_source_is_used_when_its_events_only_clear() -> None:
    """An order that takes a badge away needs no rule of its own."""
    clears = TOP.replace("  - {name: orders, on: order.*, badge: paid, attach: {}}\n", "")
    assert told(clears.replace("clear: {}", "clear: {on: order.paid}")) == []


def test_a_portal_is_named_when_nothing_belongs_to_it() -> None:
    """No source is of it, and no rule acts on it."""
    spare = '  spare:\n    webhook: "${W}"\nsources:\n'
    several = TOP.replace("sources:\n", spare).replace("{provider:", "{portal: main, provider:")
    assert told(several) == [
        "5 unused-portal at spare: no source and no rule names portal 'spare'; write portal: spare at one, or remove it"
    ]
    used = several + "  - {name: more, on: call.busy, portal: spare, badge: missed}\n"
    assert told(used) == []


def test_the_check_of_a_source_is_noted_when_it_proves_little() -> None:
    """What `serve` says at its start is a note here, since most often nothing can be done about it."""
    text = TOP.replace("provider: generic, verify: {scheme: bearer}", "provider: cloudevents, verify: {scheme: bearer}")
    text = text.replace("type: \"'order.' + body.status\", id: body.id, ", "").replace(
        "event: {type: \"'alarm'\", id: body.id}", "event: {}"
    )
    found = examine_text(text, "r", providers=OPTIONS).findings
    assert {(one.code, one.severity) for one in found if "producer" in one.message} == {("weak-check", "note")}


def test_it_is_noted_when_not_every_two_rules_were_compared() -> None:
    """Else silence about the later ones would look like a clean bill; where all were, nothing is said."""
    many = "".join(f"  - {{name: more {number}, on: call.busy, badge: paid, attach: {{}}}}\n" for number in range(3))
    draft = Draft(TOP + many, "r")
    rules = draft.checked(providers=OPTIONS, environ=None)

    def notes(most_pairs: int) -> list[tuple[int, str, str]]:
        found = cautions(draft.document, rules, most_pairs=most_pairs)
        return [(one.line, one.severity, one.message) for one in found if one.code == "not-compared"]

    assert notes(15) == []
    assert notes(14) == [
        (18, "note", "of 6 rules only 14 of 15 pairs were compared, so that a later rule may repeat another one, or hide its badge, without a word")
    ]  # fmt: skip


def test_each_rule_is_warned_of_once_when_many_are_alike() -> None:
    """Ten equal rules are nine warnings, not forty-five."""
    many = "".join(f"  - {{name: more {number}, on: call.busy, badge: paid, attach: {{}}}}\n" for number in range(10))
    assert len(told(TOP + many)) == 9
