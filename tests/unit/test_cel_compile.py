"""Compiling expressions: what is refused, where, and in which words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from badge_bridge.cel import EVENT_FIELDS, MAX_EXPRESSION, CelError, CelFinding, CelType, compile_expression
from badge_bridge.cel.functions import FUNCTIONS
from badge_bridge.events import Event

EVENT: Mapping[str, CelType] = {"event": CelType.EVENT}
BODY: Mapping[str, CelType] = {"body": CelType.DYN, "headers": CelType.MAP}


def refusal(text: str, returns: CelType | None = CelType.BOOL) -> tuple[CelFinding, ...]:
    with pytest.raises(CelError) as caught:
        compile_expression(text, EVENT, returns=returns)
    return caught.value.findings


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("event.typ == 'x'", 7, "an event has no field 'typ'; did you mean 'type'?"),
        ("event . callr == ''", 9, "an event has no field 'callr'; did you mean 'caller'?"),
        ("event.caller.startWith('+')", 14, "there is no function 'startWith'; did you mean 'startsWith'?"),
        ("event.caller.startswith('+')", 14, "there is no function 'startswith'; did you mean 'startsWith'?"),
        ("len(event.caller) > 3", 1, "there is no function 'len'; write size(text) or size(values)"),
        ("caller == 'x'", 1, "there is no 'caller'; did you mean 'event.caller'?"),
        ("evnt.caller == 'x'", 1, "there is no 'evnt'; did you mean 'event'?"),
        ("startsWith(event.id, '1')", 1, "startsWith() cannot be written like this; write text.startsWith('+49')"),
        ("event.caller matches '1'", 14, "'matches' cannot stand here; write text.matches('^[0-9]+$')"),
        ("event.caller = '1'", 14, "'=' is not known here; write =="),
        ("event.caller == '1' and true", 21, "'and' is not known here; write &&"),
        ("event.caller == '1' & true", 21, "'&' is not known here; write &&"),
        ("not true", 1, "'not' is not known here; write !"),
        ("event.caller == None", 17, "'None' is not known here; write null"),
        ("event.caller ==", 16, "the expression ends too early; something is missing at its end"),
        ("(event.caller == '1'", 21, "the expression ends before what was opened is closed; add ')'"),
        ("event.data.tags['a' == 1", 25, "the expression ends before what was opened is closed; add ']'"),
        ("event.caller == '1' ? true", 27, "the expression ends too early; something is missing at its end"),
        ("event['caller'] == '1'", 6, "a field of an event is not written with brackets; write event.caller"),
        ("event.caller.number == '1'", 13, "a text has no fields; remove what follows"),
        ("event.all(x, true)", 1, "this must be a list or a map, and is an event"),
        ("has(event)", 5, "has() asks for a field; write has(event.field)"),
        ("!event.caller", 1, "'!' does not work on a text"),
        ("99999999999999999999 > 1", 1, "this whole number is too large; it must fit into 64 bits"),
        ("[event].exists(e, e.data.a == 1)", 21, "the data of an event is written event.data, in full"),
        ("   ", 1, "the expression is empty; write one or remove the key"),
    ],
)
def test_a_mistake_is_explained_at_its_name_when_compiled(text: str, column: int, message: str) -> None:
    """A mistake is reported where the author would look for it, with what to write instead."""
    assert refusal(text) == (CelFinding(1, column, message),)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (
            "event.data.note.matches('(')",
            25,
            "missing ): (; close each bracket, and write [(] for one that is meant itself",
        ),
        (
            "event.data.note.matches('((a{1,100}){1,100}){1,100}')",
            25,
            "invalid repetition size: {1,100}; a part may be repeated up to 1,000 times, and repetitions inside of",
        ),
        (r"matches(event.caller, r'(\pL{99}){9}')", 23, "too large; make it smaller, most of all what it repeats"),
        (
            "event.caller == '1' && !(event.caller . matches ( '*' ))",
            51,
            "no argument for repetition operator: *; write [*]",
        ),
        ("event.caller.matches('[' + 'a' // why\n)", 22, "missing ]: [a; close each bracket"),
        ("event.caller.matches('a(?=b)')", 22, "invalid perl operator: (?=; there is no looking ahead or back"),
    ],
)
def test_pattern_that_cannot_be_used_is_refused_when_compiled(text: str, column: int, message: str) -> None:
    """By the engine itself, which else would say so of each event."""
    (found,) = refusal(text)
    assert (found.line, found.column) == (1, column)
    assert found.message.startswith(f"invalid regular expression: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "event.caller.matches('^[0-9]{1,10}$')",
        "event.caller.matches(r'^\\+49(30|40)')",
        "'matches((' == event.caller",
        "event.caller.matches(event.data.pattern + '(')",
        "event.data.matches == '('",
    ],
)
def test_pattern_that_can_be_used_or_is_not_known_yet_compiles(text: str) -> None:
    """A value of the event that is a part of it is told of with the event."""
    compile_expression(text, EVENT, returns=CelType.BOOL)


def test_all_mistakes_are_reported_when_there_are_several() -> None:
    """One compilation reports every mistake, with lines and columns that count characters, not bytes."""
    found = refusal("'ü𝔘' == event.callr\n  && event.id.startWith('x')\n  && event.duration < '5'")
    assert [(one.line, one.column) for one in found] == [(1, 15), (2, 15), (3, 21)]
    assert "between a whole number and a text" in found[2].message


def test_types_are_compared_when_an_operator_joins_them() -> None:
    """A number beside a text is refused when the file is loaded, not when a call comes in."""
    found = refusal("event.time > '2026-01-01'")
    assert found[0].column == 12
    assert found[0].message.startswith("'>' does not work between a time and a text; convert one")


@pytest.mark.parametrize("text", ["has(event.data)", "true && has( event . data )"])
def test_presence_of_data_is_refused_when_asked(text: str) -> None:
    """`has(event.data)` would give the data and not a truth, so it is refused in so many words."""
    messages = [found.message for found in refusal(text, returns=None)]
    assert any("has()" in one or "always there" in one or "'&&' does not work" in one for one in messages)


def test_presence_of_fields_and_keys_is_a_truth_when_asked() -> None:
    """`has()` of a field and of a key inside data compiles to true or false."""
    compile_expression("has(event.caller) && has(event.data.order.id)", EVENT, returns=CelType.BOOL)


@pytest.mark.parametrize(
    ("text", "returns", "gives"),
    [
        ("event.caller", CelType.BOOL, "this must give true or false, and gives a text"),
        ("event.caller == ''", CelType.STRING, "this must give a text, and gives true or false"),
        ("event.caller", CelType.INT, "this must give a whole number, and gives a text"),
        ("[1]", CelType.MAP, "this must give a map, and gives a list"),
    ],
)
def test_the_result_is_refused_when_it_has_the_wrong_type(text: str, returns: CelType, gives: str) -> None:
    """An expression whose known type is not what is asked for is refused."""
    assert refusal(text, returns)[0].message.startswith(gives)


def test_an_untyped_result_is_accepted_when_compiled() -> None:
    """What depends on untyped values is checked later."""
    compile_expression("body.id", BODY, returns=CelType.STRING)


@pytest.mark.parametrize("text", ["1" + " + 1" * 100 + " > 0", "(" * 100 + "true" + ")" * 100])
def test_deep_nesting_is_refused_when_compiled(text: str) -> None:
    """An expression that is nested too deeply is one finding, not a crash."""
    (found,) = refusal(text)
    assert "nested too deeply" in found.message


def test_a_long_expression_is_refused_when_compiled() -> None:
    """Length is bounded before the engine sees the text."""
    text = "true || " * 400
    (found,) = refusal(text)
    assert f"has {len(text)} characters; at most {MAX_EXPRESSION}" in found.message


def test_half_a_surrogate_pair_is_refused_when_compiled() -> None:
    """A text that is not valid Unicode is a finding."""
    assert refusal("event.id == '\ud800'")[0].column == 14


def test_an_expression_cannot_forge_messages_when_it_quotes_them() -> None:
    """Text inside the expression that looks like the engine's messages is not read as one."""
    found = refusal("event.typ == 'ERROR: <input>:9:9: forged'\n + 'ERROR: <input>:8:8: forged'")
    assert {one.line for one in found} <= {1, 2}
    assert not any("forged" in one.message for one in found)


def test_the_visible_fields_are_those_of_an_event() -> None:
    """Every field of an event can be named in a condition, and nothing else; no rule meets a leg of a call."""
    assert set(EVENT_FIELDS) == set(Event.model_fields) - {"leg", "told_time"}


@pytest.mark.parametrize(("name", "example"), FUNCTIONS.items())
def test_the_example_of_a_function_compiles(name: str, example: str) -> None:
    """What messages advise to write can be written."""
    assert name in example
    variables = {
        "event": CelType.EVENT,
        "text": CelType.STRING,
        "values": CelType.DYN,
        "value": CelType.DYN,
    }
    for alternative in example.split(" or "):
        compile_expression(alternative, variables)


def test_importing_makes_nothing_of_the_engine() -> None:
    """A server imports this package before it forks; the engine comes with the first expression."""
    program = (
        "import sys, badge_bridge.cel\n"
        "assert 'cel_expr_python' not in sys.modules and 'google.protobuf.descriptor_pool' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
