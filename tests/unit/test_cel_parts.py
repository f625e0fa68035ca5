"""Splitting a condition into the parts that decide it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.cel.parts import Part, split, without_texts


def shown(part: Part) -> object:
    """The tree as nested tuples: (operator, parts), or the text of a leaf."""
    return (part.operator, *map(shown, part.parts)) if part.parts else part.text


@pytest.mark.parametrize(
    ("condition", "tree"),
    [
        ("a", "a"),
        ("  a\n", "a"),
        ("a && b", ("&&", "a", "b")),
        ("a && b && c", ("&&", "a", "b", "c")),
        ("a || b && c || d", ("||", "a", ("&&", "b", "c"), "d")),
        ("(a || b) && c", ("&&", ("||", "a", "b"), "c")),
        ("((a))", "a"),
        ("!(a || b)", ("!", ("||", "a", "b"))),
        ("! ( a )", ("!", "a")),
        ("!!(a && b)", ("!", ("!", ("&&", "a", "b")))),
        ("!a", "!a"),
        ("!f(a && b)", "!f(a && b)"),
        ("!(a) == b", "!(a) == b"),
        ("(a) == (b)", "(a) == (b)"),
        ("(a) || (b)", ("||", "a", "b")),
        ("f(a && b, c || d)", "f(a && b, c || d)"),
        ("x.all(y, y && z) && c", ("&&", "x.all(y, y && z)", "c")),
        ("[a && b][0] || c", ("||", "[a && b][0]", "c")),
        ("{'a': b ? c : d}['a'] && e", ("&&", "{'a': b ? c : d}['a']", "e")),
        ("a ? b : c", ("?:", "a", "b", "c")),
        ("a && b ? c || d : e", ("?:", ("&&", "a", "b"), ("||", "c", "d"), "e")),
        ("a ? b : c ? d : e", ("?:", "a", "b", ("?:", "c", "d", "e"))),
        ("a ? (b ? c : d) : e", ("?:", "a", ("?:", "b", "c", "d"), "e")),
        ("(a ? b : c) && d", ("&&", ("?:", "a", "b", "c"), "d")),
        ("a == 'x && y' || b", ("||", "a == 'x && y'", "b")),
        (r"a == 'it\'s || so' && b", ("&&", r"a == 'it\'s || so'", "b")),
        (r"a == r'\' && b", ("&&", r"a == r'\'", "b")),
        (r'a == R"\" || b', ("||", r'a == R"\"', "b")),
        ("a == '''x' || ''' && b", ("&&", "a == '''x' || '''", "b")),
        ('a == """ " && " """ && b', ("&&", 'a == """ " && " """', "b")),
        ("a == b'&&' || c", ("||", "a == b'&&'", "c")),
        ('a == "\'" || b == "\'"', ("||", 'a == "\'"', 'b == "\'"')),
        ("a // || b\n && c", ("&&", "a", "c")),
        ("a && // why ')\n b", ("&&", "a", "b")),
        ("a == 'http://x' && b", ("&&", "a == 'http://x'", "b")),
        ("(a && b) // done", ("&&", "a", "b")),
    ],
)
def test_a_condition_is_split_as_the_grammar_says(condition: str, tree: object) -> None:
    """Operators in texts, comments, calls, lists and maps split nothing; parentheses are opened."""
    assert shown(split(condition)) == tree


def _all(part: Part) -> list[Part]:
    return [part, *(inner for one in part.parts for inner in _all(one))]


@given(st.text(alphabet="ab&|!?:()[]{}'\"\\r /\n.", max_size=60))
def test_every_part_stands_where_it_says_whatever_the_text(text: str) -> None:
    """A text that is no condition does no harm, and no part is made up."""
    for part in _all(split(text)):
        assert text[part.start : part.start + len(part.text)] == part.text
    assert len(without_texts(text)) == len(text)


def test_deep_nesting_is_left_in_one_part() -> None:
    """Parentheses are opened to a bound, not as deep as a hostile file can nest them."""
    part = split("(" * 900 + "a" + ")" * 900)
    assert part.text.startswith("((((")
    assert not part.parts
