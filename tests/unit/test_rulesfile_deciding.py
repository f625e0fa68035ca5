"""Which part of a condition decides, and what it read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badge_bridge.cel import CelType, EvaluationError, compile_expression
from badge_bridge.cel.parts import split
from badge_bridge.events import Event
from badge_bridge.rulesfile.deciding import Weighed, deciding_parts, weigh
from badge_bridge.rulesfile.expressions import Expression, Scalar
from badge_bridge.rulesfile.positions import Place

EVENT = Event(
    id="1",
    source="s",
    provider="p",
    type="call.missed",
    time=datetime(2026, 11, 26, 9, tzinfo=UTC),
    caller="+4930901820",
    data={"order": {"total": 5}, "tags": ["vip"], "flag": "yes"},
)

TRUE = ("true", "event.caller == '+4930901820'", "event.data.order.total > 4", "has(event.data.flag)")
FALSE = ("false", "event.caller.startsWith('+1 || ')", "event.duration == 5", "event.data['tags'][0] == 'x && y'")
BROKEN = ("event.data.nothing", "event.data.order.total / 0 == 1", "event.data.flag", "event.duration < 5")


def expression(text: str) -> Expression:
    program = compile_expression(text, {"event": CelType.EVENT}, returns=CelType.BOOL)
    return Expression(program, Scalar("rules.yaml", Place(10, 5, 0, len(text), ""), text, text))


def value(text: str) -> bool | None:
    try:
        given = expression(text).evaluate(EVENT)
    except EvaluationError:
        return None
    assert isinstance(given, bool)
    return given


leaves = st.sampled_from(TRUE + FALSE + BROKEN)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: "(" + " && ".join(parts) + ")"),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: "(" + "||".join(parts) + ")"),
        inner.map(lambda part: f"!({part})"),
        st.tuples(inner, inner, inner).map(lambda three: "({} ? {} : {})".format(*three)),
    ),
    max_leaves=12,
)


def innermost(weighed: Weighed) -> list[Weighed]:
    return [weighed] if not weighed.parts else [leaf for part in weighed.parts for leaf in innermost(part)]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(conditions, st.data())
def test_the_parts_come_to_what_the_whole_gives(condition: str, data: st.DataObject) -> None:
    """Put together, the parts give the engine's own answer for the whole; and nothing else than what is said to decide
    decides: any other part may be anything.
    """
    weighed = weigh(expression(condition), EVENT)
    assert weighed.value == value(condition)
    found = innermost(weighed)
    # As many leaves as were put in, or the tree was given up for the whole.
    assert len(found) == sum(condition.count(one) for one in ("&&", "||", "?")) + 1 + _in_texts_and_ternaries(condition)
    assert list(deciding_parts(weighed))
    if weighed.value is None:
        # What is to be mended. Another part that were otherwise might still have saved it.
        assert any(leaf.problem for _, leaf in deciding_parts(weighed))
        return
    others = [leaf for leaf in found if not leaf.decides]
    if others:
        changed = condition
        for leaf in sorted(others, key=lambda one: -one.column):
            start = leaf.column - 5
            assert changed[start : start + len(leaf.text)] == leaf.text
            put = data.draw(st.sampled_from(("true", "false", "event.data.nothing")))
            changed = changed[:start] + put + changed[start + len(leaf.text) :]
        assert value(changed) == weighed.value


def _in_texts_and_ternaries(condition: str) -> int:
    """A `?` adds two parts, and an operator in a text none."""
    return condition.count("?") - condition.count("'+1 || '") - condition.count("'x && y'")


def test_what_decides_is_told_with_what_it_read() -> None:
    """The part, its place in the file, and the values of the event that it looked at."""
    weighed = weigh(expression("event.caller != '' && event.data.order.total > 9"), EVENT)
    ((_, part),) = deciding_parts(weighed)
    assert (part.text, part.line, part.column) == ("event.data.order.total > 9", 10, 5 + len("event.caller != '' && "))
    assert part.value is False
    assert [(read.field, read.value, read.there) for read in part.reads] == [("event.data.order.total", 5, True)]


def test_a_value_that_is_not_there_is_said_to_be_missing() -> None:
    """A part that cannot be evaluated points at what is missing, at its place in the file."""
    weighed = weigh(expression("true && event.data.order.sum > 9"), EVENT)
    ((_, part),) = deciding_parts(weighed)
    assert part.value is None
    assert part.problem is not None
    assert (part.problem.line, part.problem.column) == (10, 5 + len("true && event.data.order."))
    assert "there is no 'sum'" in part.problem.message
    assert [(read.field, read.there) for read in part.reads] == [("event.data.order.sum", False)]


def test_functions_texts_and_own_names_are_no_values_that_were_read() -> None:
    """Only fields of the event are: not the function called on one, nor what stands in quotes or in a comment."""
    text = (
        "event.caller.startsWith('event.line') && event . data [ 'tags' ].exists(t, t == event.callee) // event.email"
    )
    fields = {read.field for leaf in innermost(weigh(expression(text), EVENT)) for read in leaf.reads}
    assert fields == {"event.caller", "event.data['tags']", "event.callee"}


def test_a_wrong_split_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the parts do not come to what the whole gives, the whole is the only part."""
    monkeypatch.setattr("badge_bridge.rulesfile.deciding.split", lambda text: replace(split(text), operator="||"))
    weighed = weigh(expression("event.caller != '' && event.line != ''"), EVENT)
    assert (weighed.value, weighed.parts, weighed.decides) == (False, (), True)
