"""`clear` in a rules file: which rules an event clears, and what joins it to the events before it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.cel import EvaluationError, Program
from badge_bridge.errors import RulesError
from badge_bridge.events import MAX_JOIN, Event
from badge_bridge.rulesfile import Rule, RulesFile, parse
from support.option_models import ENVIRON, PROVIDERS

APP = '{url: https://acme.bitrix24.com, oauth: {client_id: local.1, client_secret: "${B24_CLIENT_SECRET}"}}'
HEAD = f"""\
portals:
  main: {APP}
sources:
  reception: {{provider: phone, secrets: ["${{PHONE_SECRET}}"]}}
  office: {{provider: phone, secrets: ["${{PHONE_SECRET}}"]}}
badges:
  a: {{title: t, value: v, type: success}}
rules:
"""
TWO_PORTALS = f"""\
portals:
  east: {APP}
  west: {APP}
sources:
  one: {{provider: phone, secrets: ["${{PHONE_SECRET}}"], portal: east}}
  two: {{provider: phone, secrets: ["${{PHONE_SECRET}}"], portal: west}}
  three: {{provider: phone, secrets: ["${{PHONE_SECRET}}"], portal: east}}
  four: {{provider: phone, secrets: ["${{PHONE_SECRET}}"]}}
badges:
  a: {{title: t, value: v, type: success}}
rules:
  - {{name: mine, on: call.missed, badge: a, source: [one, two], attach: {{}}, clear: {{}}}}
  - {{name: fixed, on: call.missed, badge: a, portal: west, source: one, attach: {{}}, clear: {{}}}}
  - {{name: lasting, on: call.missed, badge: a, portal: west, attach: {{}}}}
  - {{name: any, on: call.missed, badge: a, portal: west, attach: {{}}, clear: {{on: call.*}}}}
  - {{name: four, on: call.missed, badge: a, portal: east, source: four, attach: {{}}, clear: {{}}}}
"""


def rules(text: str) -> RulesFile:
    return parse(text, "r", providers=PROVIDERS, environ=ENVIRON)


def findings(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        rules(text)
    return [str(finding) for finding in caught.value.findings]


def only(written: str, name: str = "missed call") -> Rule:
    text = f"{HEAD}  - {{name: {name}, on: call.missed, source: reception, badge: a, attach: {{}}, clear: {written}}}\n"
    return rules(text).rules[0]


def event(kind: str = "call.answered", source: str = "reception", **fields: Any) -> Event:
    basics = {"id": "1", "provider": "phone", "time": datetime(2026, 1, 1, tzinfo=UTC)}
    return Event(**{**basics, "type": kind, "source": source, **fields})


@pytest.mark.parametrize(
    ("written", "on"),
    [
        ("{}", ("call.answered",)),
        ("{on: call.answered}", ("call.answered",)),
        ("{on: [call.answered, 'order.*']}", ("call.answered", "order.*")),
    ],
)
def test_an_answered_call_clears_when_nothing_else_is_said(written: str, on: tuple[str, ...]) -> None:
    """The types that clear are one or several, written as `on` is, and call.answered by default."""
    clear = only(written).clear
    assert clear is not None
    assert (clear.on, clear.same) == (on, None)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("clear: {}", "r:9:42: clear takes away what attach has put on a card, and this rule has none; add attach: {}, or remove clear"),
        ("attach: {}, clear: ", "r:9:54: nothing stands below 'clear'; write clear: {} for its defaults, or remove it"),
        ("attach: {}, clear: yes", "r:9:61: 'clear' must hold keys and values; write clear: {} for its defaults"),
        ("attach: {}, clear: {onn: x}", "r:9:62: there is no key 'onn' here; did you mean 'on'?"),
        ("attach: {}, clear: {on: []}", "r:9:66: 'on' must not be empty; add at least one"),
        ("attach: {}, clear: {on: 'a b'}", "r:9:66: this is no event type; write one such as call.missed, with * only at its end and no spaces"),
        ("attach: {}, clear: {on: [call.answered, call.anwsered]}", "r:9:82: no call has the type 'call.anwsered'; did you mean 'call.answered'?"),
        ("attach: {}, clear: {same: event.dta.id}", "r:9:74: an event has no field 'dta'; did you mean 'data'?"),
        ("attach: {}, clear: {same: event.duration > 3}", "r:9:68: this must give a text or a whole number, and gives true or false; convert it with string(...)"),
        ("attach: {}, clear: {same: 1/0}", "r:9:69: division by zero"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_position(rule: str, found: str) -> None:
    """One mistake gives one finding, at its place in the file, with what to write instead."""
    assert findings(f"{HEAD}  - {{name: missed call, on: x, badge: a, {rule}}}\n") == [found]


def test_a_type_that_clears_may_be_any_when_another_source_of_the_portal_names_its_types() -> None:
    """Only a type that no source of the rule's portal can give is a mistake."""
    rule = "  - {name: x, on: call.missed, source: reception, badge: a, attach: {}, clear: {on: call.returned}}\n"
    assert len(findings(HEAD + rule)) == 1
    form = '  shop: {provider: form, verify: {scheme: bearer}, secrets: ["${SHOP_SECRET}"], event: {type: body.type}}\n'
    assert rules(HEAD.replace("badges:\n", form + "badges:\n") + rule).rules


@pytest.mark.parametrize(
    ("fields", "join"),
    [
        ({"subject": "+4930123", "caller": "+1"}, "customer\n+4930123"),
        ({"caller": "+4930123", "direction": "inbound"}, "customer\n+4930123"),
        ({"callee": "+4930123", "caller": "+1", "direction": "outbound"}, "customer\n+4930123"),
        ({"email": "a@b.example"}, "customer\na@b.example"),
        ({}, ""),
    ],
)
def test_events_of_one_customer_join_when_nothing_else_is_said(fields: dict[str, str], join: str) -> None:
    """The customer joins, whoever called whom; events without one join nothing."""
    assert only("{}").join(event(**fields)) == join


@pytest.mark.parametrize(
    ("value", "join"),
    [("A-7", "A-7"), (8, "8"), ("7", "7"), ("", ""), (0, "0"), ("\ud83d", "\ufffd")],
)
def test_equal_values_join_when_the_rule_names_them(value: object, join: str) -> None:
    """Numbers and texts that read alike join; the expression keeps its values apart from those of others."""
    rule = only("{same: event.data.order}", name="paid")
    expected = f"event.data.order\n{join}" if join else ""
    assert rule.join(event(data={"order": value}, subject="+4930123")) == expected


def test_a_rule_joins_nothing_when_it_clears_nothing() -> None:
    """Without clear there is nothing to find an event by."""
    assert rules(TWO_PORTALS).rules[2].join(event(subject="+1")) == ""


@pytest.mark.parametrize("data", [{}, {"order": None}, {"order": 1.5}, {"order": ["a"]}])
def test_a_join_is_an_error_when_the_event_lacks_its_value(data: dict[str, object]) -> None:
    """What gives neither a text nor a whole number is an error for the rule, with its place in the file."""
    rule = only("{same: event.data.order}")
    with pytest.raises(EvaluationError) as caught:
        rule.join(event(data=data))
    assert rule.clear is not None
    assert rule.clear.same is not None
    assert str(rule.clear.same.failure(caught.value)).startswith("r:9:")


def test_a_long_value_joins_by_its_hash() -> None:
    """A joining value is bounded, equal values still join, and different ones do not."""
    rule = only("{}")
    joins = [rule.join(event(subject="ü" * MAX_JOIN + end)) for end in ("x", "x", "y")]
    assert joins[0] == joins[1] != joins[2]
    assert all(len(join.partition("\n")[2].encode()) <= MAX_JOIN for join in joins)
    assert rule.join(event(subject="x" * MAX_JOIN)) == "customer\n" + "x" * MAX_JOIN


def test_a_customer_that_cannot_be_written_joins_all_the_same() -> None:
    """Half of a surrogate pair from a sender's JSON neither fails nor reaches the store."""
    assert only("{}").join(event(subject="a\ud800")) == "customer\na?"


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (event(source="one"), [("mine", "east"), ("fixed", "west"), ("any", "west"), ("four", "east")]),
        (event(source="two"), [("mine", "west"), ("fixed", "west"), ("any", "west")]),
        (event(source="three"), [("mine", "east"), ("any", "west"), ("four", "east")]),
        (event(source="four"), [("any", "west"), ("four", "east")]),
        (event("call.busy", source="two"), [("any", "west")]),
        (event("order.paid", source="two"), []),
        (event(source="removed"), [("any", "west")]),
    ],
)
def test_an_event_clears_rules_of_its_portal_and_rules_that_take_its_source(
    found: Event, names: list[tuple[str, str]]
) -> None:
    """A call may be answered on another line than it was missed on: what counts is the portal, in the file's order."""
    assert [(rule.name, rule.portal) for rule in rules(TWO_PORTALS).clearing(found)] == names


def test_an_event_is_found_by_every_value_that_a_rule_may_look_for() -> None:
    """What attaches and what clears is kept under the same values, each once; what gives none is passed over."""
    loaded = rules(
        HEAD
        + "  - {name: calls, on: call.missed, source: reception, badge: a, attach: {}, clear: {}}\n"
        + "  - {name: calls too, on: call.*, badge: a, attach: {}, clear: {on: order.paid}}\n"
        + "  - {name: orders, on: order.open, badge: a, attach: {}, clear: {on: order.paid, same: event.data.id}}\n"
        + "  - {name: lasting, on: '*', badge: a, attach: {}}\n"
        + "  - {name: plain, on: '*', badge: a}\n"
    )
    customer = "customer\n+1"
    assert loaded.joins(event("call.missed", subject="+1")) == (customer,)
    assert loaded.joins(event("call.answered", "office", subject="+1")) == (customer,)
    assert loaded.joins(event("order.open", subject="+1", data={"id": 7})) == (customer, "event.data.id\n7")
    assert loaded.joins(event("order.paid", subject="+1", data={"id": 7})) == (customer, "event.data.id\n7")
    assert loaded.joins(event("order.paid", subject="+1")) == (customer,)
    assert loaded.joins(event("order.other", subject="+1")) == (customer,), "a badge that stays is found by hand"
    assert loaded.joins(event("order.paid", data={"id": 7})) == ("event.data.id\n7",)
    quiet = rules(HEAD + "  - {name: calls, on: call.missed, source: reception, badge: a, attach: {}}\n")
    assert quiet.joins(event("order.other", subject="+1")) == (), "an event that no rule is about is nobody's matter"


def test_few_expressions_are_evaluated_when_few_of_many_rules_can_be_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousand rules with clear only those for this type are looked at."""
    others = [
        f"  - {{name: o{n}, on: t{n}, badge: a, attach: {{}}, clear: {{on: u{n}, same: event.data.id}}}}\n"
        for n in range(9_995)
    ]
    wanted = [
        f"  - {{name: w{n}, on: x, badge: a, attach: {{}}, clear: {{on: 'order.*', same: event.data.id}}}}\n"
        for n in range(5)
    ]
    loaded = rules(HEAD + "".join(others + wanted))
    evaluated: list[str] = []
    original = Program.evaluate

    def counting(program: Program, values: Any) -> Any:
        evaluated.append(program.text)
        return original(program, values)

    monkeypatch.setattr(Program, "evaluate", counting)
    paid = event("order.paid", data={"id": "7"})
    assert [rule.name for rule in loaded.clearing(paid)] == [f"w{n}" for n in range(5)]
    assert loaded.joins(paid) == ("event.data.id\n7",)
    assert len(evaluated) == 5


SOURCES = {"one": "east", "two": "west", "three": "east", "four": ""}
DESCRIBED = st.tuples(
    st.lists(st.sampled_from(["a.b", "a.*", "*", "c"]), min_size=1, max_size=2),
    st.sampled_from(["east", "west"]),
    st.lists(st.sampled_from(sorted(SOURCES)), max_size=2, unique=True),
)


@given(
    st.lists(DESCRIBED, min_size=1, max_size=6), st.sampled_from(["a.b", "a.c", "c"]), st.sampled_from(sorted(SOURCES))
)
def test_the_rules_to_clear_are_those_that_looking_at_each_finds(
    described: list[tuple[list[str], str, list[str]]], kind: str, source: str
) -> None:
    """The index gives what the definition says: the type fits, and the portal is the source's or takes the source."""
    lines = [
        f"  - {{name: '{number}', on: x, badge: a, portal: {portal}, attach: {{}}, clear: {{on: {on}}}"
        + (f", source: {sources}" if sources else "")
        + "}\n"
        for number, (on, portal, sources) in enumerate(described)
    ]
    expected = [
        str(number)
        for number, (on, portal, sources) in enumerate(described)
        if any(kind.startswith(one[:-1]) if one.endswith("*") else kind == one for one in on)
        and (SOURCES[source] == portal or source in sources or not sources)
    ]
    loaded = rules(TWO_PORTALS.partition("rules:\n")[0] + "rules:\n" + "".join(lines))
    assert [rule.name for rule in loaded.clearing(event(kind, source))] == expected
