"""Which rules an event meets, in which order, and what is evaluated on the way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.cel import Program
from badge_bridge.events import Event
from badge_bridge.rulesfile import Judgement, RulesFile, parse
from badge_bridge.rulesfile.index import Index
from badge_bridge.rulesfile.rules import Rule
from support.option_models import ENVIRON, PROVIDERS

EXAMPLE = (Path(__file__).parents[1] / "data" / "rules" / "example.yaml").read_text("utf-8")

HEAD = """
portals:
  main: {webhook: "${B24_WEBHOOK_URL}"}
sources:
  reception: {provider: phone, secrets: ["${PHONE_SECRET}"]}
  shop: {provider: phone, secrets: ["${SHOP_SECRET}"]}
badges:
  a: {title: t, value: v, type: success}
rules:
"""

TWO_PORTALS = """
portals:
  east: {webhook: "${B24_WEBHOOK_URL}"}
  west: {webhook: "${B24_WEBHOOK_URL}"}
sources:
  one: {provider: phone, secrets: ["${PHONE_SECRET}"], portal: east}
  two: {provider: phone, secrets: ["${PHONE_SECRET}"], portal: west}
  three: {provider: phone, secrets: ["${PHONE_SECRET}"], portal: east}
badges:
  a: {title: t, value: v, type: success}
rules:
  - {name: everywhere, on: x, badge: a}
  - {name: fixed, on: x, badge: a, portal: west}
  - {name: some, on: x, badge: a, source: [one, two]}
"""


def rules(text: str) -> RulesFile:
    return parse(text, "r", providers=PROVIDERS, environ=ENVIRON)


def event(kind: str, source: str = "reception", **fields: Any) -> Event:
    basics = {"id": "1", "provider": "phone", "time": datetime(2026, 1, 1, 12, tzinfo=UTC)}
    return Event(**{**basics, "type": kind, "source": source, **fields})


def judged(judgements: tuple[Judgement, ...]) -> list[tuple[str, str]]:
    return [(judgement.rule.name, judgement.result) for judgement in judgements]


def rule(name: str, on: Iterable[str], sources: Iterable[str] = ()) -> Rule:
    return Rule(name, tuple(on), tuple(sources), badge="a", portal="main", condition=None, line=1)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (event("call.missed", caller="+4930123"), [("missed call", "matched")]),
        (event("call.missed", caller="+49800123"), [("missed call", "not matched")]),
        (event("call.answered"), []),
        (event("call.missed", "shop"), [("anything from the shop at night", "not matched")]),
        (
            event("order.paid", "shop", data={"total": "120.5"}),
            [("paid order", "matched"), ("anything from the shop at night", "not matched")],
        ),
        (
            event("order.settled.late", "shop", data={}),
            [("paid order", "not matched"), ("anything from the shop at night", "not matched")],
        ),
        (event("order.settled", "shop"), [("anything from the shop at night", "not matched")]),
        (event("call.missed", "removed"), []),
    ],
)
def test_an_event_meets_the_rules_of_its_type_and_source(found: Event, expected: list[tuple[str, str]]) -> None:
    """Only rules for the event's type and source are judged, in the order of the file."""
    assert judged(rules(EXAMPLE).judge(found)) == expected


def test_an_error_is_no_match_and_says_where_when_a_condition_cannot_be_evaluated() -> None:
    """A condition that gives no value is judged an error with its place in the file; other rules go on."""
    loaded = rules(
        HEAD
        + "  - {name: first, on: x, badge: a, when: 'event.data.order.total > 3'}\n"
        + "  - {name: second, on: x, badge: a, when: 'event.type == \"x\"'}\n"
        + "  - name: third\n    on: x\n    badge: a\n    when: |\n      true &&\n      event.duration < 3\n"
        + "  - name: fourth\n    on: x\n    badge: a\n    when: >\n      true &&\n      event.duration < 3\n"
    )
    judgements = loaded.judge(event("x"))
    assert [one.rule.name for one in judgements if one.result == "matched"] == ["second"]
    unset = "'<' does not work between null and a whole number; test the value with has(...) first"
    assert [str(one.problem) for one in judgements if one.result == "error"] == [
        "r:10:54: there is no 'order'; test it with has(...) first",
        f"r:17:22: {unset}",
        f"r:23:22: {unset}",
    ]


def test_a_rule_is_judged_once_when_several_of_its_types_fit() -> None:
    """Overlapping patterns of one rule do not make it act twice."""
    loaded = rules(HEAD + "  - {name: all, on: [call.missed, 'call.*', '*'], source: [reception, shop], badge: a}\n")
    assert judged(loaded.judge(event("call.missed"))) == [("all", "matched")]


def test_a_rule_gets_the_portal_of_the_events_source_when_it_names_none() -> None:
    """With several portals a rule acts on the one of the event's source, unless it names one itself."""
    loaded = rules(TWO_PORTALS)
    assert [rule.portal for rule in loaded.rules] == ["", "west", ""]
    expected = {
        "one": {"everywhere": "east", "fixed": "west", "some": "east"},
        "two": {"everywhere": "west", "fixed": "west", "some": "west"},
        "three": {"everywhere": "east", "fixed": "west"},
    }
    for source, portals in expected.items():
        matched = [one.rule for one in loaded.judge(event("x", source)) if one.result == "matched"]
        assert [one.name for one in matched] == list(portals)
        assert {one.name: one.portal for one in matched} == portals


def test_few_conditions_are_evaluated_when_few_of_many_rules_concern_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of ten thousand rules only the ten for this type and source are judged, and each once."""
    concerned = [
        f"  - {{name: r{n}, on: 'order.*', source: shop, badge: a, when: 'event.id == \"{n}\"'}}" for n in range(10)
    ]
    others = [
        f"  - {{name: o{n}, on: t{n % 50}, source: {('shop', 'reception')[n % 2]}, badge: a}}" for n in range(9990)
    ]
    loaded = rules(HEAD + "\n".join([*others, *concerned]))
    evaluated: list[str] = []
    original = Program.evaluate

    def counting(program: Program, values: Any) -> Any:
        evaluated.append(program.text)
        return original(program, values)

    monkeypatch.setattr(Program, "evaluate", counting)
    judgements = loaded.judge(event("order.paid", "shop", id="7"))
    assert len(loaded.rules) == 10_000
    assert [judgement.rule.name for judgement in judgements] == [f"r{number}" for number in range(10)]
    assert [one.rule.name for one in judgements if one.result == "matched"] == ["r7"]
    assert len(evaluated) == 10


NAMES = st.text(alphabet="ab.", min_size=1, max_size=5)
PATTERNS = st.one_of(NAMES, NAMES.map(lambda name: name + "*"), st.just("*"))
RULES = st.lists(
    st.tuples(st.lists(PATTERNS, min_size=1, max_size=3), st.lists(st.sampled_from("st"), max_size=2)), max_size=8
)


@given(RULES, NAMES, st.sampled_from("stu"))
def test_the_index_finds_what_looking_at_every_rule_finds(
    described: list[tuple[list[str], list[str]]], kind: str, source: str
) -> None:
    """The index gives the same rules in the same order as comparing one after the other."""
    made = [rule(str(number), on, sources) for number, (on, sources) in enumerate(described)]

    def concerns(one: Rule) -> bool:
        fits = any(kind.startswith(on[:-1]) if on.endswith("*") else kind == on for on in one.on)
        return fits and (not one.sources or source in one.sources)

    index = Index((one, one.on, one.sources) for one in made)
    assert list(index.concerned(kind, source)) == [one for one in made if concerns(one)]


def test_a_loaded_file_cannot_be_changed() -> None:
    """What was loaded stays as it was hashed."""
    loaded = rules(EXAMPLE)
    with pytest.raises(AttributeError):
        loaded.rules[0].portal = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        loaded.badges["new"] = loaded.badges["paid"]  # type: ignore[index]
