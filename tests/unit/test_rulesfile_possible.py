"""Conditions that can never be true: what is found, and that nothing is claimed that is not so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.cel import Activation, CelType, EvaluationError, compile_expression
from badge_bridge.events import Event
from badge_bridge.rulesfile.possible import (
    _PARTS_OF_TIME,
    MOST_COMBINATIONS,
    Budget,
    Domains,
    can_be_true,
    implies,
    read_condition,
)

DIRECTIONS = ("inbound", "outbound", "internal", "")
DOMAINS: Domains = {"direction": DIRECTIONS, "outcome": ("missed",)}


def possible(text: str, domains: Domains = DOMAINS) -> bool:
    return can_be_true(read_condition(text, lambda _: None), domains, Budget())


@pytest.mark.parametrize(
    "text",
    [
        "event.direction == 'incoming'",
        "'incoming' == event.direction",
        "event.direction in ['incoming', 'in']",
        "event.outcome != 'missed'",
        "event.caller == '1' && event.caller == '2'",
        "event.caller == '1' && event.callee != '' && event.caller == '2'",
        "event.caller == '1' && event.caller != '1'",
        "event.caller == '+43' && event.caller.startsWith('+49')",
        "event.caller.startsWith('+49') && event.caller.startsWith('+43')",
        "event.caller.startsWith('+49') && !event.caller.startsWith('+4')",
        "event.caller == 'abc' && event.caller.endsWith('d')",
        "event.duration > 10 && event.duration < 10",
        "event.duration > 10 && 10 >= event.duration",
        "event.duration == null && event.duration > 1",
        "event.data.x == 1 && event.data.x == 2",
        "event.data.x == 1 && event.data.x == '1'",
        "event.data.x == true && event.data.x == 1",
        "event.data.x in [1, 2] && event.data.x > 2.5",
        "event.data.vip && !event.data.vip",
        "has(event.caller) && !has(event.caller) && event.caller == 'x'",
        "(event.caller == '1' || event.caller == '2') && event.caller == '3'",
        "!(event.caller == '1' || event.caller != '1')",
        "event.caller == '1' ? event.caller == '2' : event.caller == '1'",
        "event.time.getHours() > 5 && !(event.time.getHours() > 5)",
        "event.time.getHours() > 24",
        "24 <= event.time.getHours('Europe/Berlin')",
        "event.time.getHours('Europe/Berlin') > 20 && event.time.getHours(\"Europe/Berlin\") < 6",
        "event.time.getHours() > 5 && event . time . getHours( ) < 6",
        "event.time.getMinutes() > 59",
        "event.time.getSeconds() > 59",
        "event.time.getMilliseconds() == 1000",
        "event.time.getDayOfWeek() == 7",
        "event.time.getDayOfWeek() in [7, 8]",
        "event.time.getMonth() > 11",
        "event.time.getDate() < 1",
        "event.time.getDate() > 31",
        "event.time.getDayOfMonth() >= 31",
        "event.time.getDayOfYear() == 366",
        "!(event.time.getHours() < 24)",
    ],
)
def test_a_contradiction_is_found_when_no_event_can_be_so(text: str) -> None:
    """Values that exclude each other, and values that a field never has."""
    assert not possible(text)


@pytest.mark.parametrize(
    "text",
    [
        "event.direction == 'inbound'",
        "event.direction == 'incoming' || event.caller == ''",
        "event.direction != 'incoming'",
        "event.caller.startsWith('+49') && !event.caller.startsWith('+4930')",
        "event.caller.startsWith('+49') && event.caller.startsWith('+4930')",
        "event.caller.contains('a') && !event.caller.contains('b')",
        "event.caller.endsWith('1') && event.caller.startsWith('2')",
        "event.caller == '' && event.callee == ''",
        "event.caller == 'a' && event.callee == 'b'",
        "event.duration >= 10 && event.duration <= 10",
        "event.duration > 10 || event.duration < 10",
        "event.data.x > 1 && event.data.x < 2",
        "event.data.x == 1 && event.data.y == 2",
        "event.data.x != 1 && event.data.x != 2",
        "has(event.data.x) && event.data.x != ''",
        "event.caller.matches('a') && event.caller.matches('b')",
        "event.caller > 'a' && event.caller < 'b'",
        "event.time.getHours() < 6 || event.time.getHours() > 20",
        "event.time.getHours() >= 23 && event.time.getMinutes() >= 59 && event.time.getSeconds() >= 59",
        "event.time.getHours() > 5 && event.time.getHours('Europe/Berlin') < 5",
        "event.time.getHours() > 5 && event.time.getHours() < 7",
        "event.time.getHours() in [6, 24]",
        "event.time.getHours(event.data.zone) == 24",
        "event.time.getDate() == 31 && event.time.getMonth() == 11 && event.time.getDayOfMonth() == 30",
        "event.time.getDayOfYear() == 365 && event.time.getDayOfWeek() == 0",
        "event.time.getFullYear() > 9000",
        "event.data.items.exists(event, event == 1) && event.data.items.exists(event, event == 2)",
        "event.caller == r'\\d' || event.caller == '\\''",
    ],
)
def test_nothing_is_claimed_when_an_event_could_be_so(text: str) -> None:
    """What can be true, and what is not understood."""
    assert possible(text)


def test_nothing_is_claimed_when_there_is_too_much_to_try() -> None:
    """A condition of many fields costs no more than the bound, and a file no more than its budget."""
    many = " && ".join(f"event.data.f{number} == {number}" for number in range(12))
    assert possible(f"{many} && event.caller == '1' && event.caller == '2'")
    spent = Budget(0)
    assert can_be_true(read_condition("event.direction == 'x'", lambda _: None), DOMAINS, spent)
    assert MOST_COMBINATIONS < 11**5


@pytest.mark.parametrize(
    ("first", "second", "follows"),
    [
        ("event.caller == 'a' && event.callee == 'b'", "event.caller == 'a'", True),
        ("event.caller == 'a'", "event.caller == 'a' || event.callee == 'b'", True),
        ("event.caller.startsWith('+4930')", "event.caller.startsWith('+49')", True),
        ("event.duration > 20", "event.duration > 10", True),
        ("event.data.vip && event.caller != ''", "event.data.vip", True),
        ("event.caller.startsWith('+49')", "event.caller.startsWith('+4930')", False),
        ("event.duration > 10", "event.duration > 20", False),
        ("event.caller == 'a'", "event.callee == 'a'", False),
        ("event.caller.contains('ab')", "event.caller.contains('a')", False),
        ("event.data.x == 1", "event.data.y == 1", False),
    ],
)
def test_one_condition_follows_from_another_when_that_is_certain(first: str, second: str, follows: bool) -> None:
    """What is true by another way than by written values is not found, and not claimed."""
    trees = [read_condition(text, lambda _: None) for text in (first, second)]
    assert implies(trees[0], trees[1], DOMAINS, Budget()) is follows
    assert implies(trees[0], None, DOMAINS, Budget())
    assert not implies(None, trees[1], DOMAINS, Budget())


TEXTS = ["", "a", "ab", "b", "inbound", "+49", "+4930"]
NUMBERS = [-1, 0, 1, 2]
texts = st.sampled_from(TEXTS).map(repr)
numbers = st.sampled_from([*NUMBERS, 1.5, 2.5]).map(str)
text_fields = st.sampled_from(["event.caller", "event.line", "event.direction"])
data_fields = st.sampled_from(["event.data.x", "event.data.y"])
values = st.one_of(texts, numbers, st.sampled_from(["true", "false", "null"]))


def called(field: str, name: str, value: str) -> str:
    return f"{field}.{name}({value})"


def compared(field: str, sign: str, value: str) -> str:
    return f"{field} {sign} {value}"


parts_of_time = st.sampled_from(
    [
        f"event.time.{part}({zone})"
        for part in ("getHours", "getMinutes", "getSeconds", "getDayOfWeek", "getMonth", "getDate", "getDayOfMonth")
        for zone in ("", "'Asia/Kathmandu'")
    ]
)
calls = st.sampled_from(["startsWith", "endsWith", "contains"])
equal = st.sampled_from(["==", "!="])
order = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
atoms = st.one_of(
    st.builds(compared, text_fields, equal, texts),
    st.builds(compared, text_fields, st.sampled_from(["<", ">="]), texts),
    st.builds(compared, data_fields, order, values),
    st.builds(compared, st.just("event.duration"), order, st.sampled_from([str(one) for one in NUMBERS])),
    st.builds(called, st.one_of(text_fields, data_fields), calls, texts),
    st.builds(compared, parts_of_time, order, st.integers(-2, 61).map(str)),
    st.builds(
        lambda field, some: f"{field} in [{', '.join(some)}]", data_fields, st.lists(values, min_size=1, max_size=3)
    ),
    st.one_of(text_fields, data_fields, st.just("event.duration")).map(lambda field: f"has({field})"),
    st.just("event.data.x"),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a}) && ({b})", inner, inner),
        st.builds(lambda a, b: f"({a}) || ({b})", inner, inner),
        st.builds(lambda a: f"!({a})", inner),
        st.builds(lambda a, b, c: f"({a}) ? ({b}) : ({c})", inner, inner, inner),
    ),
    max_leaves=5,
)


def made_up(number: int) -> Event:
    """An event of values that conditions name, and of others."""
    chosen = Random(number)  # noqa: S311 - test data
    found: dict[str, object] = {
        name: chosen.choice([*TEXTS, *NUMBERS, 1.5, 2.5, 7.25, True, False, None, [], {}, "z", "+49301"])
        for name in ("x", "y")
        if chosen.random() < 0.8
    }
    return Event(
        id="1",
        source="s",
        provider="p",
        type="call.missed",
        time=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=chosen.randrange(2 * 366 * 86_400)),
        caller=chosen.choice([*TEXTS, "z", "+49301"]),
        line=chosen.choice([*TEXTS, "z"]),
        direction=chosen.choice(DIRECTIONS),
        duration=chosen.choice([None, *NUMBERS, 3, 100]),
        data=found,
    )


EVENTS = [made_up(number) for number in range(200)]


def true_for(program: Any, event: Event) -> bool:
    try:
        return program.evaluate(Activation({"event": event})) is True
    except EvaluationError:
        return False


def program_of(text: str) -> Any:
    try:
        return compile_expression(text, {"event": CelType.EVENT}, returns=CelType.BOOL)
    except ValueError:
        return None  # such as a text and a number compared


@settings(max_examples=400, deadline=None)
@given(conditions)
def test_no_event_makes_true_what_is_said_to_be_never_true(text: str) -> None:
    """The engine itself is asked, with values that are named in conditions and with others."""
    program = program_of(text)
    if program is None or possible(text, {"direction": DIRECTIONS}):
        return
    assert not [event for event in EVENTS if true_for(program, event)]


@settings(max_examples=400, deadline=None)
@given(conditions, conditions)
def test_every_event_that_meets_one_condition_meets_what_is_said_to_follow(first: str, second: str) -> None:
    """As far as events of many kinds can tell."""
    programs = program_of(first), program_of(second)
    trees = [read_condition(text, lambda _: None) for text in (first, second)]
    if None in programs or not implies(trees[0], trees[1], {"direction": DIRECTIONS}, Budget()):
        return
    assert not [event for event in EVENTS if true_for(programs[0], event) and not true_for(programs[1], event)]


@pytest.mark.parametrize(("part", "known"), _PARTS_OF_TIME.items())
def test_parts_of_a_time_are_what_the_engine_says(part: str, known: range) -> None:
    """At both ends of a leap year, of a day and of a second, and on each day of a year."""
    program = compile_expression(f"event.time.{part}()", {"event": CelType.EVENT}, returns=CelType.INT)
    last = datetime(2024, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    moments = [last, *(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(366))]
    event = Event(id="1", source="s", provider="p", type="call.missed", time=last)
    found = {program.evaluate(Activation({"event": event.model_copy(update={"time": moment})})) for moment in moments}
    assert (min(found), max(found)) == (known[0], known[-1])
