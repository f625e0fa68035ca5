"""Evaluating expressions: values, errors, and what must never reach the engine."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from badge_bridge.cel import Activation, CelType, EvaluationError, Program, compile_expression
from badge_bridge.events import Event

EVENT = {"event": CelType.EVENT}
BODY = {"body": CelType.DYN, "headers": CelType.MAP}


def event(**fields: Any) -> Event:
    basics = {
        "id": "1",
        "source": "s",
        "provider": "p",
        "type": "call.missed",
        "time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Event(**{**basics, **fields})


def judge(text: str, **fields: Any) -> Any:
    return compile_expression(text, EVENT).evaluate({"event": event(**fields)})


def failure(text: str, **fields: Any) -> EvaluationError:
    with pytest.raises(EvaluationError) as caught:
        judge(text, **fields)
    return caught.value


@pytest.mark.parametrize("name", ["subject", "direction", "outcome", "reason", "caller", "callee", "line", "email"])
def test_a_text_field_is_empty_and_absent_when_unset(name: str) -> None:
    """An unset text reads as the empty string, and `has()` tells it from a set one."""
    assert judge(f"event.{name}") == ""
    assert judge(f"has(event.{name})") is False
    value = "inbound" if name == "direction" else "x"
    assert judge(f"has(event.{name}) && event.{name} == '{value}'", **{name: value}) is True


def test_duration_is_null_when_unset_and_zero_when_zero() -> None:
    """A call without a known duration is not a call of 0 seconds."""
    assert judge("event.duration") is None
    assert judge("has(event.duration)") is False
    assert judge("has(event.duration) && event.duration == 0", duration=0) is True
    assert failure("event.duration < 5").kind == "missing"


def test_time_is_a_moment_when_compared() -> None:
    """The time keeps its moment whatever offset it was given with."""
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    assert judge("event.time", time=moment) == moment
    assert judge("event.time - timestamp('2026-03-28T23:00:00Z') < duration('31m')", time=moment) is True


def test_data_keeps_numbers_when_read() -> None:
    """Whole numbers in data stay whole and exact."""
    data = {"a": 1, "id": 2**53 + 1, "price": 2.5, "list": [1, "x", None, {"deep": True}]}
    assert judge("event.data.a + 1", data=data) == 2
    assert judge("event.data.id == 9007199254740993", data=data) is True
    assert judge("event.data", data=data) == data
    assert judge("event.data.list[3].deep && 'x' in event.data.list", data=data) is True


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**70, float(2**70)),
        (-(2**70), -float(2**70)),
        (10**400, float("inf")),
        ("\ud83d\ude00", "😀"),
        ("a\ud800", "a�"),
    ],
)
def test_values_that_json_allows_are_mapped_when_the_engine_has_none(value: Any, expected: Any) -> None:
    """Numbers beyond 64 bits become decimal numbers, half surrogate pairs the replacement character."""
    assert judge("event.data.x", data={"x": value}) == expected


def test_a_text_field_is_mapped_when_it_has_half_a_surrogate_pair() -> None:
    """A provider's broken text does not keep the other rules from being evaluated."""
    assert judge("event.caller == 'a\ufffd'", caller="a\ud800") is True


def test_a_duration_is_clipped_when_it_is_beyond_64_bits() -> None:
    """An absurd duration is still a number."""
    assert judge("event.duration > 5", duration=2**80) is True


def test_a_structure_that_contains_itself_is_refused() -> None:
    """A self-referencing structure would end the process inside the engine; here it is an error."""
    loop: dict[str, Any] = {}
    loop["again"] = loop
    with pytest.raises(EvaluationError, match="nested too deeply") as caught:
        compile_expression("body.again", BODY).evaluate({"body": loop, "headers": {}})
    assert caught.value.kind == "budget"


def test_a_huge_structure_is_refused() -> None:
    """The number of values is bounded before anything is copied into the engine."""
    with pytest.raises(EvaluationError, match="too many values"):
        compile_expression("body.x", BODY).evaluate({"body": {"x": [0] * 300_000}, "headers": {}})


def test_something_that_is_not_json_is_refused() -> None:
    """Only what JSON can say reaches the engine."""
    with pytest.raises(EvaluationError, match="set, which is not JSON"):
        compile_expression("body.x", BODY).evaluate({"body": {"x": {1}}, "headers": {}})


def test_broken_data_is_left_alone_when_no_expression_mentions_it() -> None:
    """Rules that do not look at the data work whatever it is."""
    assert judge("event.type == 'call.missed'", data={"x": {1}}) is True
    assert failure("event.data.x == 1", data={"x": {1}}).kind == "missing"


@pytest.mark.parametrize(
    ("text", "kind", "column", "message"),
    [
        ("event.data.order.id == 1", "missing", 12, "there is no 'order'; test it with has(...) first"),
        ("event.data['order'] == 1", "missing", 13, "there is no 'order'; test it with has(...) first"),
        ("event.data[event.caller] == 1", "missing", 1, "a key that the expression computes is not there"),
        ("event.data.list[9] == 1", "missing", 1, "there is no item 9 in a list of 1; the first item is 0"),
        ("event.data.text.more == 1", "missing", 1, "a field is read of something that has none"),
        ("event.data.text + 1 == 2", "missing", 17, "'+' does not work between a text and a whole number"),
        ("event.data.number.startsWith('1')", "missing", 19, "startsWith() does not work on a whole number, a text"),
        ("event.data.number", "missing", 1, "this gives a whole number, not true or false"),
        ("1 / event.data.zero == 1", "value", 3, "division by zero"),
        ("event.caller.matches(event.data.text + '[')", "value", 14, "invalid regular expression"),
        ("timestamp('tomorrow') > event.time", "value", 1, "this is no timestamp; write timestamp("),
        ("event.time.getHours('Mars/Base') > 1", "value", 1, "this system does not know the time zone"),
        ("int(event.data.word) == 1", "value", 1, "the engine refuses a value: cannot convert string to int"),
    ],
)
def test_an_error_is_explained_when_an_expression_gives_no_value(
    text: str, kind: str, column: int, message: str
) -> None:
    """An error that the engine returns is raised, classed and explained, at its place where that can be told."""
    data = {"list": [1], "text": "+4930123456", "number": 7, "zero": 0, "word": "x"}
    program = compile_expression(text, EVENT, returns=CelType.BOOL)
    with pytest.raises(EvaluationError) as caught:
        program.evaluate({"event": event(caller="+4930123456", data=data)})
    assert (caught.value.kind, caught.value.column) == (kind, column)
    assert caught.value.message.startswith(message)
    assert "+4930123456" not in str(caught.value)


def test_too_much_work_is_an_error_when_evaluated() -> None:
    """An expression cannot hold up the process."""
    numbers = f"[{', '.join(map(str, range(25)))}]"
    text = "true"
    for depth in range(3):
        text = f"{numbers}.all(x{depth}, {text})"
    assert failure(text).kind == "budget"


def test_errors_are_absorbed_when_the_other_side_decides() -> None:
    """`||` and `&&` need no value from a side that cannot change the result."""
    assert judge("event.data.missing == 1 || event.type == 'call.missed'") is True
    assert judge("event.data.missing == 1 && event.type == 'other'") is False


@pytest.mark.parametrize(
    ("text", "returns", "body", "expected"),
    [
        ("'order.' + body.status", CelType.STRING, {"status": "paid"}, "order.paid"),
        ("headers['x-id']", CelType.STRING, {}, "7"),
        ("body.count", CelType.INT, {"count": 3}, 3),
        ("body", CelType.MAP, {"a": [1, {}]}, {"a": [1, {}]}),
        ("body[0]", None, [None], None),
        ("bytes('é')", None, {}, "é".encode()),
        ("duration('90s')", None, {}, timedelta(seconds=90)),
        ("timestamp('2026-01-01T00:00:00Z')", None, {}, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_value_is_plain_python_when_evaluated(text: str, returns: CelType | None, body: Any, expected: Any) -> None:
    """What comes out are plain Python values of the type that was asked for."""
    value = compile_expression(text, BODY, returns=returns).evaluate({"body": body, "headers": {"x-id": "7"}})
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("returns", "value"), [(CelType.STRING, 7), (CelType.INT, True), (CelType.INT, 1.5), (CelType.STRING, None)]
)
def test_an_untyped_value_is_refused_when_it_is_not_what_was_asked_for(returns: CelType, value: Any) -> None:
    """The type of an untyped result is checked when it is there; a truth is no number."""
    program = compile_expression("body.x", BODY, returns=returns)
    with pytest.raises(EvaluationError, match=r"this gives .*, not "):
        program.evaluate({"body": {"x": value}, "headers": {}})


@pytest.mark.parametrize("text", ["type(event.id)", "event", "[event]"])
def test_a_type_or_an_event_is_refused_as_a_value(text: str) -> None:
    """Nothing of the engine leaves it."""
    assert "use one of its fields" in failure(text).message


def test_programs_share_an_activation_when_given_one() -> None:
    """An event is converted once for all programs over it, and its data only when one mentions it."""

    class Counting(Event):
        def __getattribute__(self, name: str) -> Any:
            if name == "data":
                reads.append(name)
            return super().__getattribute__(name)

    reads: list[str] = []
    counted = Counting(**dict(event(data={"a": 1})))
    reads.clear()
    values = Activation({"event": counted})
    plain = compile_expression("event.type == 'call.missed'", EVENT)
    assert [plain.evaluate(values) for _ in range(3)] == [True] * 3
    assert reads == []
    with_data = compile_expression("event.data.a == 1", EVENT)
    assert [with_data.evaluate(values) for _ in range(3)] == [True] * 3
    assert reads == ["data"]


def test_a_program_works_when_compiled_before_a_fork() -> None:
    """A server may compile its rules and then fork; both sides go on evaluating and compiling."""
    script = """
import os
from datetime import UTC, datetime
from badge_bridge.cel import CelType, compile_expression
from badge_bridge.events import Event
event = Event(id="1", source="s", provider="p", type="call.missed", time=datetime(2026, 1, 1, tzinfo=UTC), data={"a": 1})
def program(text):
    return compile_expression(text, {"event": CelType.EVENT})
before = program("event.type == 'call.missed' && event.data.a == 1")
child = os.fork()
fine = before.evaluate({"event": event}) and program("event.id == '1'").evaluate({"event": event})
if child == 0:
    os._exit(0 if fine else 1)
assert fine and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_program_works_when_used_by_several_threads() -> None:
    """Programs may be shared between threads."""
    program: Program = compile_expression("event.duration == int(event.caller)", EVENT)

    def work(number: int) -> bool:
        return bool(program.evaluate({"event": event(duration=number, caller=str(number))}))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(2000)))
