"""Expressions that only name a value are read without the engine, and give what the engine gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badge_bridge.cel import CelType, EvaluationError, Program, compile_expression
from badge_bridge.cel.paths import ASK_THE_ENGINE, path_reader

VARIABLES = {"body": CelType.MAP, "headers": CelType.MAP, "received": CelType.INT}
BODY = {
    "id": "o-1",
    "n": 7,
    "paid": True,
    "customer": {"phone": "+4930123456", "name": "Zoë"},
    "rows": [1],
    "none": None,
}


def program(text: str) -> Program:
    return compile_expression(text, VARIABLES)


def by_the_engine(text: str, body: dict[str, Any]) -> Any:
    """The same expression in brackets, which is no plain name any more."""
    assert path_reader(f"({text})", ["body"]) is None
    return program(f"({text})").evaluate({"body": body, "headers": {}, "received": 0})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("body.id", "o-1"),
        (" body.customer.phone ", "+4930123456"),
        ("body.n", 7),
        ("body.paid", True),
        ("'order.paid'", "order.paid"),
        ('"order.paid"', "order.paid"),
        ("'order.' + body.id", "order.o-1"),
        ("body.id+'/'+body.customer.phone", "o-1/+4930123456"),
    ],
)
def test_value_that_is_named_is_read_without_the_engine(text: str, value: object) -> None:
    """Fields of maps, literals, and texts put together; and the engine agrees."""
    read = path_reader(text, ["body"])

    assert read is not None
    assert read({"body": BODY}) == value
    assert by_the_engine(text, BODY) == value


@pytest.mark.parametrize(
    "text",
    ["body.missing", "body.id.more", "body.customer", "body.rows", "body.none", "body.customer.name", "'a' + body.n"],
)
def test_engine_is_asked_where_it_might_judge_in_another_way(text: str) -> None:
    """What is not there, is no plain value, is not ASCII, or is no text to be put together."""
    read = path_reader(text, ["body"])

    assert read is not None
    assert read({"body": BODY}) is ASK_THE_ENGINE


@pytest.mark.parametrize(
    "text",
    [
        "received",
        "body",
        "body.size()",
        "body.id == 'x'",
        "body['id']",
        "'it\\'s'",
        "r'raw'",
        "'''long'''",
        "event.id",
        "1",
    ],
)
def test_other_expressions_are_left_to_the_engine(text: str) -> None:
    """Calls, comparisons, indexes, escapes, and variables that are no maps."""
    assert path_reader(text, ["body"]) is None


def test_missing_key_is_the_error_that_the_engine_tells() -> None:
    """With its column, as for every other expression."""
    with pytest.raises(EvaluationError, match="there is no 'missing'") as raised:
        program("body.missing").evaluate({"body": BODY, "headers": {}, "received": 0})

    assert raised.value.kind == "missing"


def told(text: str, body: dict[str, Any]) -> str:
    """The value and its type, or the error."""
    try:
        return repr(program(text).evaluate({"body": body, "headers": {}, "received": 0}))
    except EvaluationError as error:
        return f"{error.kind}: {error.message}"


@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.just("id"), st.one_of(st.text(), st.integers(), st.booleans(), st.floats(), st.none())))
def test_plain_name_gives_what_the_engine_gives(body: dict[str, Any]) -> None:
    """Whatever the field holds, value or error."""
    assert told("body.id", body) == told("(body.id)", body)
