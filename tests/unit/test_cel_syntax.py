"""What is told of an expression that cannot be parsed: what somebody mistyped, where, and what to write."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.cel import CelError, CelFinding, CelType, compile_expression

RAW = re.compile(
    r"mismatched|extraneous|viable|<EOF>|expecting|token recognition|[Ss]yntax|<input>|\*error\*|IDENTIFIER|overload"
)
"""Words of the parser's own messages."""

MISTAKES: list[tuple[str, int, str]] = [
    # quotes
    ("event.caller == '1", 17, "the text that begins here has no end; close it with '"),
    ('event.caller == "1\'', 17, 'the text that begins here has no end; close it with "'),
    ("event.caller == 1'", 18, "the text that begins here has no end; close it with '"),
    ("event.caller.startsWith('+49)", 25, "the text that begins here has no end; close it with '"),
    ("event.data['a] == 1", 12, "the text that begins here has no end; close it with '"),
    ("event.caller == \u20181\u2019", 17, "\u2018 is no quote here; write ' before and behind a text"),
    ("event.caller == \u201c1\u201d", 17, "\u201c is no quote here; write ' before and behind a text"),
    ("event.caller == `1`", 17, "` is no quote here; write ' before and behind a text"),
    ("event.caller == ''1''", 17, "'' is a text with nothing in it; write one quote on either side of a text"),
    ("event.reason == 'it's'", 20, 'the text ends here; where this quote is part of it, begin and end it with "'),
    ("event.caller.matches('^\\d+$')", 24, "\\d means nothing in a text; write \\\\ for a backslash"),
    ("event.caller == '\\x41\\d'", 22, "\\d means nothing in a text; write \\\\ for a backslash"),
    # signs of other languages
    ("event.caller = '1'", 14, "'=' is not known here; write =="),
    ("event.caller === '1'", 14, "'===' is not known here; write =="),
    ("event.caller !== '1'", 14, "'!==' is not known here; write !="),
    ("event.caller <> '1'", 14, "'<>' is not known here; write !="),
    ("event.duration => 5", 16, "'=>' is not known here; write >="),
    ("event.duration =< 5", 16, "'=<' is not known here; write <="),
    ("event.caller !=> '1'", 14, "'!=>' is not known here; write != or >="),
    ("event.caller =~ '^1'", 14, "'=~' is not known here; write text.matches('^[0-9]+$')"),
    ("event.caller ! = '1'", 14, "'! =' has a blank in it or is too long; write !="),
    ("event.caller == '1' & true", 21, "'&' is not known here; write &&"),
    ("event.caller == '1' | true", 21, "'|' is not known here; write ||"),
    ("event.caller == '1';", 20, "';' cannot stand here; remove it, and join two conditions with && or ||"),
    ("event.caller == '1' # boss", 21, "# begins no comment in an expression; write the comment into a line of its own, outside of it"),
    ("${CALLER} == '1'", 1, "'$' cannot stand here; write a field by its name, such as event.caller"),
    ("{{ event.caller }} == '1'", 1, "braces cannot stand around a field; write it by its name, such as event.caller"),
    ("/^1/.test(event.caller)", 1, "a pattern is a text here; write text.matches('^[0-9]+$')"),
    ("event.data.exists(t => t == 'x')", 21, "'=>' is not known here; write a comma, such as values.exists(x, x > 1)"),
    # words of other languages
    ("event.caller == '1' and event.line == '2'", 21, "'and' is not known here; write &&"),
    ("event.caller == '1' OR event.line == '2'", 21, "'OR' is not known here; write ||"),
    ("not event.caller == '1'", 1, "'not' is not known here; write !"),
    ("event.caller not in ['1']", 14, "'not in' is not known here; write !(event.caller in ['1', '2'])"),
    ("event.caller !in ['1']", 14, "'!' stands before what is denied; write !(event.caller in ['1', '2'])"),
    ("event.caller is null", 14, "'is' is not known here; write =="),
    ("event.caller contains '1'", 14, "'contains' cannot stand here; write text.contains('shop')"),
    ("event.caller starts with '1'", 14, "'starts' is not known here; write text.startsWith('+49')"),
    ("event.duration between 1 and 2", 16, "'between' is not known here; write two comparisons, such as event.duration >= 1 && event.duration <= 5"),
    ("if event.caller == '1'", 1, "an expression does not begin with 'if'; leave it out, and write such as event.duration < 5"),
    ("event.caller == '1' then true", 21, "'then' is not known here; write condition ? 'this' : 'that'"),
    # brackets
    ("(event.caller == '1'", 21, "the expression ends before what was opened is closed; add ')'"),
    ("event.caller in ['1', '2'", 26, "the expression ends before what was opened is closed; add ']'"),
    ("event.caller == '1')", 20, "')' closes nothing; remove it, or add '(' before it"),
    ("event.data.tags['a')", 20, "'[' is not closed before this ')'; add ']'"),
    ("event.caller in ('1', '2')", 21, "several values stand in a list; write in ['1', '2']"),
    ("event.caller in '1', '2'", 20, "several values stand in a list; write in ['1', '2']"),
    ("event.caller.startsWith '1'", 25, "parentheses are missing behind startsWith; write text.startsWith('+49')"),
    ("event.caller == '1' && ()", 24, "nothing is between these parentheses; write a condition into them, or remove them"),
    # something missing, or too much
    ("event.caller ==", 16, "the expression ends too early; something is missing at its end"),
    ("event.caller == '1' &&", 23, "the expression ends too early; something is missing at its end"),
    ("event.", 7, "the expression ends too early; something is missing at its end"),
    ("== '1'", 1, "nothing is before '=='; add a value or a condition there, or remove it"),
    ("event.caller == && true", 17, "nothing is between '==' and '&&'; add a value or a condition there, or remove one of them"),
    ("event.duration > 1 && < 5", 23, "nothing is before '<'; write what is compared once more, such as event.duration > 1 && event.duration < 5"),
    ("event.caller == +49301", 17, "'+' cannot stand before a number; a telephone number is a text, so write '+49301'"),
    ("event.caller == 030 1234", 21, "this number stands right behind another one; put quotes around a telephone number"),
    ("event.caller == '1' event.line == '2'", 21, "an operator is missing before 'event'; add && or || between two conditions, == between two values"),
    ("event.caller == '1', event.line == '2'", 20, "a comma cannot stand here; join two conditions with && or ||"),
    ("event.type in ['a' 'b']", 20, "a comma is missing before 'b'; add it"),
    ("event.type in ['a',, 'b']", 20, "something is missing between ',' and this comma; add it, or remove the comma"),
    ("event.duration > 5s", 19, "a number has no unit; event.duration counts seconds, and a length of time is duration('90s')"),
    ("event.duration > 1,5", 19, "a decimal number has a point, and no other sign; write 1.5"),
    ("event.time > 09:00", 16, "a time of day cannot be written like this; write event.time.getHours('Europe/Berlin') >= 9"),
    ("event..caller == '1'", 6, "'..' is not known here; write one dot, such as event.caller"),
    ("event.data.tags.0 == 1", 16, "a place in a list is written in brackets; write [0] instead of .0"),
    ("event.data.'first name' == 'x'", 11, "such a key is written in brackets; write ['first name'] instead of .'first name'"),
    ("event.data.in == 1", 11, "such a key is written in brackets; write ['in'] instead of .in"),
    ("event.caller?.x == '1'", 13, "'?.' is not known here; write has(event.data.key) before it is used"),
    ("event.type == call.missed", 15, "there is no 'call'; put quotes around a text, so write 'call.missed'"),
]  # fmt: skip


def refusal(text: str) -> tuple[CelFinding, ...]:
    with pytest.raises(CelError) as caught:
        compile_expression(text, {"event": CelType.EVENT}, returns=CelType.BOOL)
    return caught.value.findings


@pytest.mark.parametrize(("text", "column", "said"), MISTAKES, ids=[text for text, _, _ in MISTAKES])
def test_what_was_mistyped_is_told_once_with_its_place_and_what_to_write(text: str, column: int, said: str) -> None:
    """In words of whoever writes a condition, and none of the parser's."""
    assert refusal(text) == (CelFinding(1, column, said),)
    assert not RAW.search(said)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("event.caller = '1' and event.line => '2' or not event.caller <> ''", [14, 20, 35, 42, 45, 62]),
        ("(event.caller = '1' and true", [15, 21, 29]),
        ("event.caller = '1' and", [14, 20, 23]),
        ("event.caller = '1' event.line = '2'", [14, 20]),
        ("event.caller & & true", [14]),
        ("event.duration between 1 and 2", [16]),
    ],
)
def test_every_sign_of_another_language_is_told_at_once(text: str, places: list[int]) -> None:
    """Up to where nobody knows any more what was meant."""
    assert [found.column for found in refusal(text)] == places


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("event.caller == '1'\nevent.line == '2'", 2, 1),
        ("event.caller == '1'\n  and event.line == '2'", 2, 3),
        ("event.caller == '1' &&\n", 1, 23),
        ("(event.caller == '1'\n&& event.line == '2'\n", 2, 21),
    ],
)
def test_place_is_in_its_own_line_when_there_are_several(text: str, line: int, column: int) -> None:
    """As an editor counts."""
    (found,) = refusal(text)
    assert (found.line, found.column) == (line, column)


PIECES = [
    "event",
    "event.caller",
    "event.data",
    "call",
    "'a'",
    '"b"',
    "'",
    '"',
    "1",
    "1.5",
    "0x",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ":",
    "?",
    ";",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "=",
    "=>",
    "<",
    ">",
    "in",
    "and",
    "or",
    "not",
    "if",
    "return",
    "has",
    "size",
    "true",
    "null",
    "+",
    "-",
    "*",
    "/",
    "%",
    "#",
    "@",
    "$",
    "\\",
    "`",
    "x",
    "exists",
    "\n",
    "r'",
    "'''",
    "/*",
    "//",
    "99999999999999999999",
    "9u",
    "\u2018",
    "é",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=9), st.sampled_from(["", " "]))
def test_nothing_of_the_parser_shows_whatever_is_typed(pieces: list[str], between: str) -> None:
    """There is a sentence for it, at a place that there is."""
    text = between.join(pieces)
    try:
        compile_expression(text, {"event": CelType.EVENT})
    except CelError as error:
        lines = text.split("\n")
        for found in error.findings:
            assert not RAW.search(found.message), found
            assert 1 <= found.line <= len(lines), found
            assert 1 <= found.column <= len(lines[found.line - 1]) + 1, found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event-caller == '1'", "there is no 'caller'; did you mean 'event.caller'?"),
        ("0x99999999999999999999 > 1", "this whole number is too large; it must fit into 64 bits"),
        ("[1].exists(1, true)", "exists() begins with a name of yours; write values.exists(x, x > 1)"),
    ],
)
def test_what_follows_from_a_mistake_is_not_told_beside_it(text: str, said: Any) -> None:
    """An operator that has nothing to work on, since a name inside of it is unknown, is none of its own."""
    assert [found.message for found in refusal(text)] == [said]
