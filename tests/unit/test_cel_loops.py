"""Expressions that try to burn time or memory: refused when they are compiled, or when they meet too much data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.cel import Activation, CelError, CelType, EvaluationError, compile_expression
from badge_bridge.cel.loops import MOST_LOOPS, MOST_NESTED, MOST_WORK
from badge_bridge.events import Event

EVENT = {"event": CelType.EVENT}
LARGE = {"text": "a" * 1_000_000, "numbers": list(range(4_900))}
"""What a body of a megabyte may hold."""


def event(data: dict[str, Any]) -> Event:
    return Event(id="1", source="s", provider="p", type="call.missed", time=datetime(2026, 1, 1, tzinfo=UTC), data=data)


def judge(text: str, data: dict[str, Any]) -> Any:
    return compile_expression(text, EVENT).evaluate({"event": event(data)})


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("[event.data.t].map(a, a + a).map(a, a + a) == []", 25, "longer and longer"),
        ("event.data.n.exists(x, event.data.t + string(x) == '')", 37, "longer and longer"),
        ("event.data.n.exists(x, x == [1, 2][0] && 'a' + x == '')", 46, "longer and longer"),
        ("event.data.n.map(a1, a1+a1) == []", 24, "longer and longer"),
        ("[1].map(a, [a, a]).map(a, [a, a]) == []", 12, "written values only"),
        ("[1].map(a, {'x': a, 'y': a}) == []", 12, "written values only"),
        ("[1].map(a, [[1, 2], [a]]) == []", 12, "written values only"),
        ("[1] // a + a\n. map(a, a + a) == []", 12, "longer and longer"),
    ],
)
def test_loop_that_could_make_something_larger_is_refused_when_compiled(text: str, column: int, said: str) -> None:
    """Ten times as long in ten steps, a gigabyte after thirty: whatever the data are."""
    with pytest.raises(CelError) as refused:
        compile_expression(text, EVENT)
    first = refused.value.findings[0]
    assert first.column == column
    assert said in first.message


@pytest.mark.parametrize(
    "text",
    [
        "[1]" + ".map(a, a)" * (MOST_LOOPS + 1) + " == []",
        "[1].all(a, " * (MOST_NESTED + 1) + "true" + ")" * (MOST_NESTED + 1),
    ],
)
def test_many_loops_are_refused_when_compiled(text: str) -> None:
    """Each multiplies what the others cost."""
    with pytest.raises(CelError, match="is one too many"):
        compile_expression(text, EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "event.data.items.exists(i, i.tags.exists(t, t in ['a', 'b']) || i.price * 2 + 1 > 3 || 1.5 + i.price > 1.0)",
        "event.data.items.map(i, i.price)[0] + event.data.items.map(i, i.price)[0] > 1",
        "event.data.items.filter(i, i.sku == '+' && i.lines[0] > i.lines[i.lines[0]]).size() > 0",
        " || ".join(["event.data.items.exists(i, i.sku == '[a] + b')"] * MOST_LOOPS),
        "[event.data.a + event.data.b, 'c'].exists(x, x == 'map(a, a + a)')",
    ],
)
def test_loop_that_makes_nothing_larger_is_compiled(text: str) -> None:
    """Comparisons, written lists, counting on by a number, and all that stands outside of a loop."""
    assert compile_expression(text, EVENT, returns=CelType.BOOL).text == text


@pytest.mark.parametrize(
    "text",
    [
        "event.data.numbers.all(x, !event.data.text.contains('aaaaaaaaaab'))",
        "event.data.numbers.all(x, event.data.text.matches('(a|b|ab)*c') || true)",
        "event.data.numbers.map(x, bytes(event.data.text)) == []",
        "event.data.numbers.map(x, event.data.numbers.map(y, event.data.numbers)) == []",
        "[1, 2].all(x, [1, 2].all(y, event.data.numbers.all(z, event.data.text != 'b')))",
        f"[{', '.join('1' * 400)}].all(x, !event.data.text.contains('b'))",
    ],
)
def test_loop_is_an_error_when_it_would_go_through_too_much(text: str) -> None:
    """The engine is not even asked: it took up to 23 s and 5 GB."""
    with pytest.raises(EvaluationError, match="the data are too large") as refused:
        judge(text, LARGE)
    assert refused.value.kind == "budget"


def test_same_loop_gives_its_value_when_the_data_are_of_ordinary_size() -> None:
    """A hundred items with texts, two loops inside each other; and a large text where nothing loops."""
    items = [{"sku": f"s{number}", "tags": ["a", "b"], "text": "x" * 50} for number in range(50)]
    assert judge("event.data.items.exists(i, i.tags.exists(t, t == 'b') && i.sku == 's49')", {"items": items})
    assert judge("event.data.text.matches('^a+$') && event.data.text.contains('aa')", LARGE)


def test_texts_of_the_event_count_as_data() -> None:
    """A sender's subject may be long, too."""
    program = compile_expression("[1, 2, 3].all(x, [1, 2, 3].all(y, event.subject != string(x * y)))", EVENT)
    long = event({}).model_copy(update={"subject": "a" * (MOST_WORK // 9)})
    with pytest.raises(EvaluationError, match="the data are too large"):
        program.evaluate(Activation({"event": long}))
