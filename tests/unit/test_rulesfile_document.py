"""Reading YAML: what plain scalars mean, what is refused, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from badge_bridge.errors import RulesError
from badge_bridge.rulesfile.document import MAX_BYTES, read
from badge_bridge.rulesfile.positions import inside

ATTACKS = Path(__file__).parents[1] / "data" / "rules" / "attacks"


def findings(content: bytes | str) -> list[str]:
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(RulesError) as caught:
        read(data, "r")
    return [str(finding) for finding in caught.value.findings]


def noted(text: str) -> list[str]:
    return [str(finding) for finding in read(text.encode(), "r").findings]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("22:30", "22:30"),
        ("0123", "0123"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("+4930123456", "+4930123456"),
        ("+1", "+1"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("12345678901234567890", "12345678901234567890"),
        ("<<", "<<"),
        ("=", "="),
        ("a#b", "a#b"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1", 1),
        ("-7", -7),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_a_plain_scalar_is_read_as_yaml_1_2_when_resolved(written: str, value: object) -> None:
    """Words, times, dates and phone numbers stay text; only true, false, null and decimal numbers are more."""
    read_back = read(f"a: {written}\n".encode(), "r").data["a"]
    assert read_back == value
    assert type(read_back) is type(value)


def test_keys_are_texts_when_they_look_like_something_else() -> None:
    """Keys are what is written: on, no, 1 and null are texts."""
    assert read(b"on: 1\nno: 2\n1: 3\nnull: 4\n", "r").data == {"on": 1, "no": 2, "1": 3, "null": 4}


def test_positions_are_kept_when_read() -> None:
    """Every key and value knows its line and column, counted in characters."""
    document = read("\ufeffa: 1\nrules:\n  - {ü𝔘: x, b: [1, 2]}\n".encode(), "r")
    assert (document.values["rules", 0, "b"].line, document.values["rules", 0, "b"].column) == (3, 16)
    assert document.keys["rules", 0, "b"].column == 13
    assert document.values["rules", 0, "b", 1].column == 20


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "r:1:1: the file is empty; write the keys portals, sources, badges and rules"),
        ("# nothing\n", "r:2:1: the file is empty; write the keys portals, sources, badges and rules"),
        (
            "- a\n- b\n",
            "r:1:1: this is not a rules file; write the keys portals, sources, badges and rules, each with what belongs to it",
        ),
        (
            "just text",
            "r:1:1: this is not a rules file; write the keys portals, sources, badges and rules, each with what belongs to it",
        ),
        ("a:\n\tb: 1\n", "r:2:1: a tab cannot be used to indent; use spaces"),
        ("a: @b\n", "r:1:4: a value cannot begin with @; put quotes around it"),
        ("a: b: c\n", "r:1:5: a colon cannot stand here; quote the value, or correct the indentation"),
        ("a: 'b\nc: d\n", "r:1:4: the quote that begins here is never closed"),
        ('a: "\\d"\n', "r:1:5: this escape is not known; write \\\\ for a backslash, or use single quotes"),
        ("a: [1, 2\nb: 3\n", "r:2:2: a list or a mapping in brackets is not closed; write a comma, ] or }"),
        ("a: {b: ${NAME}}\n", 'r:1:9: write "${NAME}" in quotes inside of braces'),
        ("a: *\n", "r:1:5: a value that begins with * or & needs quotes around it"),
        ("a: 1\n  b: 2\n", "r:2:4: a colon cannot stand here; quote the value, or correct the indentation"),
        ("a: 'x' y\n", "r:1:8: this does not fit the lines above; correct the indentation or the quotes"),
        ("{a: 1}: 2\n", "r:1:1: a key must be a text; put quotes around a value that begins with { or [ or *"),
        ("a: \x07\n", "r:1:4: the character U+0007 cannot stand in a file; remove it"),
        (b"a: 1\nb: \xff\n", "r:2:4: the byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: ü".encode("utf-16"), "r:1:1: the file is written in UTF-16; save it as UTF-8"),
        (
            b"a: " + b"x" * MAX_BYTES,
            "r:1:1: the file has more than 1048576 bytes (1 MiB), and no more are read; name the rules file",
        ),
        ("%YAML 3.0\n---\na: 1\n", "r:1:1: this is not YAML: found incompatible YAML document"),
    ],
)
def test_a_file_is_refused_with_its_position_when_it_cannot_be_read(content: bytes | str, found: str) -> None:
    """What is no single YAML mapping is one finding with a position and what to do."""
    assert findings(content) == [found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", ["r:3:1: 'a' is already set in line 1; keep one of them"]),
        (
            "a: !!python/object/apply:os.system [id]\n",
            ["r:1:4: a value that begins with ! is a YAML tag; put quotes around it, or remove the tag"],
        ),
        ("a: !has(x)\n", ["r:1:4: a value that begins with ! is a YAML tag; put quotes around it, or remove the tag"]),
        ("a: ! b\n", ["r:1:4: a value that begins with ! is a YAML tag; put quotes around it, or remove the tag"]),
        ("a: &n 1\n", ["r:1:4: '&n' names a value for repetition, which a rules file cannot; remove it"]),
        (
            "a: &n {b: *n}\n",
            [
                "r:1:4: '&n' names a value for repetition, which a rules file cannot; remove it",
                "r:1:11: '*n' would repeat another value, which a rules file cannot; write it out",
            ],
        ),
        ("a: 1\n---\nb: 2\n", ["r:2:1: a second document begins here; remove the --- and what is double"]),
        (
            "a: {b: 1, b: {c: !x 2}}\n",
            [
                "r:1:11: 'b' is already set in line 1; keep one of them",
                "r:1:18: a value that begins with ! is a YAML tag; put quotes around it, or remove the tag",
            ],
        ),
    ],
)
def test_a_mistake_is_noted_and_reading_goes_on_when_nothing_is_lost(text: str, found: list[str]) -> None:
    """Duplicate keys, tags, anchors, aliases and further documents are noted, so that the rest is checked too."""
    assert noted(text) == found


def test_a_repeated_key_keeps_its_first_value_when_read() -> None:
    """The first value stands, and its position is not that of the second."""
    document = read(b"a: 1\na: {b: 2}\n", "r")
    assert document.data == {"a": 1}
    assert document.values[("a",)].line == 1
    assert ("a", "b") not in document.values


@pytest.mark.parametrize("path", sorted(ATTACKS.iterdir()), ids=lambda path: path.stem)
def test_an_attack_ends_in_findings_when_read(path: Path) -> None:
    """A hostile file is refused with a position; its aliases are not followed and its tags not obeyed."""
    try:
        found = list(read(path.read_bytes(), "r").findings)
    except RulesError as error:
        found = list(error.findings)
    assert found
    assert all(finding.line > 0 and finding.column > 0 for finding in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: " + "[" * 500, "r:1:36: values are nested more than 32 levels deep here; a rules file needs five"),
        ("- " * 5000 + "a", "r:1:65: values are nested more than 32 levels deep here; a rules file needs five"),
        ("a: [" + "1," * 200_001 + "1]", "r:1:400000: the file has more than 200000 values; split it"),
    ],
)
def test_depth_and_size_are_bounded_when_read(text: str, found: str) -> None:
    """Nesting and the number of values end the reading before they cost anything."""
    (only,) = findings(text)
    assert only.partition(": ")[2] == found.partition(": ")[2]


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("a: x.typ\n", 1, 3, (1, 6)),
        ("a: 'x''y.typ'\n", 1, 5, (1, 10)),
        ('a: "x\\"\\u00e9y"\n', 1, 4, (1, 14)),
        ('a: "x\\ny.typ"\n', 2, 3, (1, 10)),
        ("a: |\n  x\n    y.typ\n", 2, 5, (3, 7)),
        ("a: |2\n    x\n  y.typ\n", 2, 3, (3, 5)),
        ("a: |-\n\n  x\n  y.typ", 3, 3, (4, 5)),
        ("a: >\n  x\n  y.typ\n", 1, 5, (3, 5)),
        ("a: >-\n  x\n  y.typ\n\n", 1, 1, (2, 3)),
        ("a: >-  # why\n    x\n    y.typ\n", 1, 5, (3, 7)),
        ("a: >\n  x\n   y.typ\n", 1, 5, None),
        ("a: >\n  x\n\n  y.typ\n", 1, 3, None),
        ("a: x\n  y.typ\n", 1, 5, (2, 5)),
        ("a: x\n   y.typ\n", 1, 1, (1, 4)),
        ("a: x\n\n  y.typ\n", 2, 3, None),
        ("a: 'x\n  y.typ'\n", 1, 5, None),
    ],
)
def test_an_inner_position_is_found_in_the_file_when_lines_are_kept(
    text: str, line: int, column: int, expected: tuple[int, int] | None
) -> None:
    """A position inside a value becomes one in the file, exactly, wherever the value's lines are as written."""
    document = read(text.encode(), "r")
    place = document.values[("a",)]
    assert inside(place, text[place.start : place.end], document.data["a"], line, column) == expected
