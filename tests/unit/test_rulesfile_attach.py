"""`attach` in a rules file: what it becomes, what it refuses, and which card an event itself names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.cel import EvaluationError
from badge_bridge.errors import RulesError
from badge_bridge.events import Event
from badge_bridge.rulesfile import Attach, RulesFile, parse
from support.option_models import ENVIRON, PROVIDERS

HEAD = """\
portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {client_id: local.1, client_secret: "${B24_CLIENT_SECRET}"}
sources:
  reception: {provider: phone, secrets: ["${PHONE_SECRET}"]}
badges:
  a: {title: t, value: v, type: success}
rules:
  - name: missed call
    on: call.missed
    badge: a
"""


def rules(text: str) -> RulesFile:
    return parse(text, "r", providers=PROVIDERS, environ=ENVIRON)


def findings(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        rules(text)
    return [str(finding) for finding in caught.value.findings]


def attach(written: str) -> Attach:
    (rule,) = rules(f"{HEAD}    attach: {written}\n").rules
    assert rule.attach is not None
    return rule.attach


def event(**fields: Any) -> Event:
    basics = {"id": "1", "source": "reception", "provider": "phone", "type": "call.missed"}
    return Event(**{**basics, "time": datetime(2026, 1, 1, tzinfo=UTC), **fields})


def test_a_rule_attaches_nothing_when_it_does_not_say_so() -> None:
    """Without attach a rule only makes sure that its badge exists."""
    (rule,) = rules(HEAD).rules
    assert (rule.attach, rule.clear) == (None, None)


def test_everything_has_a_default() -> None:
    """`attach: {}` is enough: any card, the rule's name and the customer as its heading, and a call-back button."""
    found = attach("{}")
    assert found.to == ("deal", "lead", "contact", "company")
    assert found.title.fill(event(subject="+4930123")) == "Missed call: +4930123"
    assert (dict(found.owner), found.text, found.on_missing) == ({}, None, "ignore")
    assert (found.icon, found.logo, found.button) == ("call", "call-incoming", True)


def test_everything_arrives_as_it_is_written() -> None:
    """Kinds in their order, texts by language, and what the card looks like."""
    found = attach(
        "{to: [lead, deal], title: {en: 'From {caller}', de: 'Von {caller}'}, text: 'to {line}',"
        " on_missing: lead, icon: info, logo: call, button: false}"
    )
    assert found.to == ("lead", "deal")
    assert found.title.fill(event(caller="+1")) == {"en": "From +1", "de": "Von +1"}
    assert found.text is not None
    assert found.text.fill(event(line="+2")) == "to +2"
    assert (found.on_missing, found.icon, found.logo, found.button) == ("lead", "info", "call", False)


def test_a_rules_name_stands_for_itself_when_it_is_the_heading() -> None:
    """Braces in a rule's name are no placeholders."""
    (rule,) = rules(HEAD.replace("missed call", "'{caller} {'") + "    attach: {}\n").rules
    assert rule.attach is not None
    assert rule.attach.title.fill(event(subject="+1")) == "{caller} {: +1"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("", "r:13:5: nothing stands below 'attach'; write attach: {} for its defaults, or remove it"),
        ("yes", "r:13:13: 'attach' must hold keys and values; write attach: {} for its defaults"),
        ("true", "r:13:13: 'attach' must hold keys and values; write attach: {} for its defaults"),
        ("[deal]", "r:13:13: 'attach' must hold keys and values; write attach: {} for its defaults"),
        ("{to: deal}", "r:13:18: 'to' must be a list; write [a, b], or each below it after a dash"),
        ("{to: []}", "r:13:18: 'to' must not be empty; add at least one"),
        ("{to: [deal, dael]}", "r:13:25: 'to' must be 'deal', 'lead', 'contact' or 'company'; did you mean 'deal'?"),
        ("{to: [deal, lead, deal]}", "r:13:31: 'deal' stands in this list already; remove it here"),
        ("{too: [deal]}", "r:13:14: there is no key 'too' here; did you mean 'to'?"),
        ("{owner: {dael: event.data.id}}", "r:13:22: there is no key 'dael' here; did you mean 'deal'?"),
        ("{owner: event.data.id}", "r:13:21: 'owner' must hold keys and values; write them below it, indented"),
        ("{owner: {deal: event.dta.id}}", "r:13:34: an event has no field 'dta'; did you mean 'data'?"),
        ("{owner: {deal: event.duration > 3}}", "r:13:28: this must give a text or a whole number, and gives true or false; convert it with string(...)"),
        ("{owner: {deal: '''41a'''}}", "r:13:29: this is no id of a deal: an id is a positive whole number, or its digits"),
        ("{owner: {deal: '-1'}}", "r:13:29: this is no id of a deal: an id is a positive whole number, or its digits"),
        ("{owner: {deal: 41}}", "r:13:28: 'deal' must be a text; put quotes around it"),
        ("{owner: {deal: 1/0}}", "r:13:29: division by zero"),
        ("{to: [deal], owner: {lead: event.data.id}}", "r:13:34: 'lead' is none of the cards in to:; add it there, or remove it here"),
        ("{to: [deal], on_missing: lead}", "r:13:38: the lead that is made would never be found again, since to: has no lead; add it there, or write ignore"),
        ("{on_missing: contact}", "r:13:26: 'on_missing' must be 'ignore' or 'lead'; write one of these"),
        ("{title: 'From {callr}'}", "r:13:27: an event has no field 'callr' for a text; did you mean 'caller'?"),
        ("{title: {en: 'It''s {callr}'}}", "r:13:33: an event has no field 'callr' for a text; did you mean 'caller'?"),
        ("{title: ''}", "r:13:21: 'title' must not be empty; fill it in"),
        ("{title: {english: x}}", "r:13:22: this is no language code; write one such as en, de or br"),
        ("{text: 7}", "r:13:20: this must be a text or texts by language; write 'Missed' or {en: Missed, de: Verpasst}"),
        ("{text: 'a {'}", "r:13:23: this { belongs to no placeholder; write {caller} for a field, {{ for a brace"),
        ("{icon: ' '}", "r:13:20: this must not be empty; write a text"),
        ("{button: yes}", "r:13:22: 'button' must be true or false; write one of these without quotes"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_position(written: str, found: str) -> None:
    """One mistake gives one finding, at the place in the file, with what to write instead."""
    assert findings(f"{HEAD}    attach: {written}\n") == [found]


def test_a_placeholder_is_placed_when_its_text_has_several_lines() -> None:
    """In a block of lines the finding points at the line and the column of the placeholder."""
    (found,) = findings(HEAD + "    attach:\n      text: |\n        From {caller}\n        at {tme}\n")
    assert found == "r:16:12: an event has no field 'tme' for a text; did you mean 'time'?"


def test_a_mistake_does_not_hide_those_beside_it() -> None:
    """The shape, the expressions and the texts of attach are all checked in one go."""
    written = "{to: [dael], owner: {deal: event.dta}, title: '{x}', on_missing: lead}"
    columns = [found.split(":")[2] for found in findings(f"{HEAD}    attach: {written}\n")]
    assert columns == ["19", "34", "46", "60", "78"]


WEBHOOK = """\
portals:
  app: {url: https://acme.bitrix24.com, oauth: {access_token: "${B24_ACCESS_TOKEN}"}}
  hook: {webhook: "${B24_WEBHOOK_URL}"}
sources:
  one: {provider: phone, secrets: ["${PHONE_SECRET}"], portal: app}
  two: {provider: phone, secrets: ["${PHONE_SECRET}"], portal: hook}
badges:
  a: {title: t, value: v, type: success}
rules:
  - {name: x, on: call.missed, badge: a, attach: {}, RULE}
"""


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("portal: hook", True),
        ("portal: app", False),
        ("source: two", True),
        ("source: one", False),
        ("source: [one, two]", True),
        ("source: two, portal: app", False),
        ("when: 'true'", True),
    ],
)
def test_attach_is_refused_when_a_webhook_would_have_to_do_it(rule: str, refused: bool) -> None:
    """A rule that acts on a portal reached by webhook cannot attach; the finding says so and what to write."""
    text = WEBHOOK.replace("RULE", rule)
    if not refused:
        assert rules(text).rules[0].attach is not None
        return
    (found,) = findings(text)
    assert found.startswith(
        "r:10:42: portal 'hook' is reached by an inbound webhook, which can make badges but not put one on a card"
    )
    assert "oauth: {client_id" in found


OWNERS = "{to: [lead, deal], owner: {deal: event.data.deal, lead: \"'lead' in event.data ? event.data.lead : ''\"}}"


@pytest.mark.parametrize(
    ("data", "given"),
    [
        ({"deal": 41}, ("deal", 41)),
        ({"deal": "41"}, ("deal", 41)),
        ({"deal": " 041 "}, ("deal", 41)),
        ({"deal": 41, "lead": "7"}, ("lead", 7)),
        ({"deal": 41, "lead": 0}, ("deal", 41)),
        ({"deal": "0"}, None),
        ({"deal": ""}, None),
    ],
)
def test_an_event_names_its_card(data: dict[str, Any], given: tuple[str, int] | None) -> None:
    """The first kind in the order of `to` for which the event has an id; an empty text and 0 are none."""
    assert attach(OWNERS).given(event(data=data)) == given


@pytest.mark.parametrize("value", ["forty-one", -1, "-2", 4.5, True, None, "4 1", "٤١", "9" * 19, [41]])
def test_an_owner_is_an_error_when_it_is_no_id(value: object) -> None:
    """What cannot be an id is an error that shows with the outcome, and does not repeat what the event said."""
    with pytest.raises(EvaluationError) as caught:
        attach(OWNERS).given(event(data={"deal": value}))
    assert str(value) not in caught.value.message or value in (True, None)


def test_an_owner_is_an_error_with_its_place_when_the_event_lacks_it() -> None:
    """An expression that gives no value says which key is missing, and where the rule asks for it."""
    found = attach(OWNERS)
    with pytest.raises(EvaluationError, match="there is no 'deal'") as caught:
        found.given(event())
    assert str(found.owner["deal"].failure(caught.value)) == (
        "r:13:57: there is no 'deal'; test it with has(...) first"
    )
