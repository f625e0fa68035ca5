"""Bodies: forms, brackets and JSON are read within limits, everything else is Malformed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.errors import Malformed, UnsupportedMediaType
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
names = text.filter(lambda name: name and not set(name) & set("[]"))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
documents = st.dictionaries(
    text,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
    ),
    max_size=4,
)
trees = st.dictionaries(
    names,
    st.recursive(text, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=6),
    max_size=4,
)


def delivery(*headers: tuple[str, str]) -> Delivery:
    return Delivery("POST", "", headers, b"", 0.0)


def encoded(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """A tree as PHP's http_build_query writes it."""
    pairs = []
    for name, value in tree.items():
        key = f"{prefix}[{name}]" if prefix else name
        pairs += encoded(value, key) if isinstance(value, dict) else [f"{quote_plus(key)}={quote_plus(value)}"]
    return pairs


def test_form_keeps_empty_values_order_and_repeats() -> None:
    """What is signed includes empty values and repeated keys."""
    assert bodies.form(b"b=&a=1&a=%C3%BC+%26") == (("b", ""), ("a", "1"), ("a", "ü &"))
    assert bodies.form(b"") == ()
    assert bodies.flat(bodies.form(b"b=&a=1&a=2")) == {"b": "", "a": ["1", "2"]}


def test_query_takes_bare_names() -> None:
    """A query may have names without a value."""
    assert bodies.query("debug&a=1") == (("debug", ""), ("a", "1"))
    assert bodies.query("") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"a=%ff",
        b"a=%C3",
        b"a",
        b"a=1&",
        b"&".join(b"%d=" % number for number in range(1_001)),
        b"&" * 1_000_000,
    ],
    ids=[
        "not utf-8",
        "escaped not utf-8",
        "cut utf-8",
        "no pair",
        "empty pair",
        "1,001 fields",
        "a million separators",
    ],
)
def test_form_is_malformed_when_it_is_not_pairs_within_limits(body: bytes) -> None:
    """A form is UTF-8 pairs, at most 1,000 of them."""
    with pytest.raises(Malformed):
        bodies.form(body)


def test_form_may_have_1000_fields() -> None:
    """The limit is the number of fields itself."""
    assert len(bodies.form(b"&".join(b"%d=" % number for number in range(1_000)))) == 1_000


@given(trees)
def test_brackets_are_read_as_php_writes_them(tree: dict[str, Any]) -> None:
    """Any tree that PHP would write as a form comes back."""
    assert bodies.nested(bodies.form("&".join(encoded(tree)).encode())) == tree


def test_empty_brackets_count() -> None:
    """`a[]` is a list to PHP; its places become the keys 0, 1, ..."""
    assert bodies.nested(bodies.form(b"a[]=x&a[]=y&b[c][]=z")) == {"a": {"0": "x", "1": "y"}, "b": {"c": {"0": "z"}}}


@pytest.mark.parametrize(
    "body",
    [
        b"a[=1",
        b"a]=1",
        b"[a]=1",
        b"a[b]c=1",
        b"=1",
        b"a[[b]]=1",
        b"a=1&a[b]=1",
        b"a[b]=1&a=1",
        b"a=1&a=2",
        b"a[b]=1&a[b]=1",
        b"a" + b"[b]" * 40 + b"=1",
    ],
    ids=[
        "open",
        "close",
        "no name",
        "text after",
        "nothing",
        "brackets in brackets",
        "value then group",
        "group then value",
        "repeated",
        "repeated inside",
        "deep",
    ],
)
def test_brackets_are_malformed_when_they_contradict(body: bytes) -> None:
    """A field that could be read in two ways is refused: the token that was checked must be the one that is read."""
    with pytest.raises(Malformed):
        bodies.nested(bodies.form(body))


@given(documents)
def test_json_is_read_as_it_was_written(document: dict[str, Any]) -> None:
    """Any JSON object within the limits comes back, in UTF-8 and with escapes."""
    assert bodies.json_object(json.dumps(document).encode()) == document
    assert bodies.json_object(json.dumps(document, ensure_ascii=False).encode()) == document


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "line 1, column 2"),
        (b'{"a":1}x', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON: it begins with a byte order mark"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a":1,"a":1}', "repeated key"),
        (b'{"a":{"b":1,"\\u0062":2}}', "repeated key"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":9223372036854775808}', "64 bits"),
        (b'{"a":-9223372036854775809}', "64 bits"),
        (b'{"a":' + b"9" * 1_000_000 + b"}", "64 bits"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'{"a":' * 31 + b"{}" + b"}" * 31, ""),
        (b'{"a":' * 32 + b"{}" + b"}" * 32, "deeper than 32"),
        (b'{"a":' * 4_000 + b"1" + b"}" * 4_000, "deeper than 32"),
        (b'{"a":' + b"[" * 4_000 + b"]" * 4_000 + b"}", "deeper than 32"),
        (json.dumps({str(number): 1 for number in range(10_000)}).encode(), "more than 5,000 values"),
        (json.dumps({"a": [0] * 10_000}).encode(), "more than 5,000 values"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value[:16]!r} {len(value)}",
)
def test_json_is_malformed_when_it_is_not_an_object_within_limits(body: bytes, reason: str) -> None:
    """Each way of being wrong is refused with its reason; the deepest that is allowed is read."""
    if not reason:
        assert bodies.json_object(body)
        return
    with pytest.raises(Malformed, match=reason):
        bodies.json_object(body)


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; Charset=UTF-8", "application/json"),
        ('application/json; charset="utf-8"', "application/json"),
        (" text/plain ;x=y", "text/plain"),
        ("", ""),
    ],
)
def test_media_type_is_read_without_parameters(header: str, media: str) -> None:
    """Letter case and parameters do not matter."""
    assert bodies.media_type(delivery(("content-type", header))) == media


def test_media_type_of_another_character_set_is_unsupported() -> None:
    """Only UTF-8 is read; anything else would be guessed. What the header says may be anything, and is not repeated."""
    with pytest.raises(UnsupportedMediaType, match="UTF-8") as refused:
        bodies.media_type(delivery(("content-type", "application/json; charset=windows-1251")))
    assert "1251" not in str(refused.value)


def test_media_type_is_none_when_headers_contradict() -> None:
    """Two different content types are none."""
    assert bodies.media_type(delivery(("content-type", "application/json"), ("content-type", "text/plain"))) == ""


@pytest.mark.parametrize(
    ("media", "expected"),
    [("application/json", True), ("application/cloudevents+json", True), ("text/plain", False), ("text/x+json", False)],
)
def test_json_is_recognised_by_its_suffix(media: str, expected: bool) -> None:
    """Formats that are built on JSON are read as JSON."""
    assert bodies.is_json(media) is expected


WIDE = (b'{"a":[' + b"0," * 5_001 + b"0]}", b'{"a":' + b"[" * 5_001, b"{" + b'"a":{},' * 5_001 + b'"b":1}')


@pytest.mark.parametrize("body", WIDE)
def test_no_value_is_made_of_a_body_that_has_too_many(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a body cheap to send and dear to read is counted before it is read."""
    monkeypatch.setattr(json, "loads", lambda *_args, **_options: pytest.fail("the body was read"))
    with pytest.raises(Malformed, match="more than 5,000 values"):
        bodies.json_object(body)


def test_marks_inside_a_text_are_no_values() -> None:
    """Commas and brackets of a text count for nothing, escaped quotes do not end it, and no text makes counting slow."""
    inside = ',[{"\\' * 6_000
    assert bodies.json_object(json.dumps({"a": inside}).encode()) == {"a": inside}
    for endless in (b'{"a":"' + b'\\"' * 500_000, b'{"a":"' + b"," * 1_000_000, b'"\\' * 300_000 + b"," * 6_000):
        with pytest.raises(Malformed):
            bodies.json_object(endless)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"a=1&auth[token]=x%20y+z&b=2", "x y z"),
        (b"auth%5Btoken%5D=x", "x"),
        (b"%61%75%74%68%5b%74%6f%6b%65%6e%5d=x", "x"),
        (b"auth[token]=", ""),
        (b"auth[token]", ""),
        (b"token=x&auth[tokens]=y", None),
        (b"auth[token]=x&auth%5Btoken%5D=x", None),
        (b"auth[token]=%ff", None),
        (b"auth[token]=" + b"x" * 3_001, None),
        (b"", None),
    ],
)
def test_one_field_is_found_without_reading_the_others(body: bytes, value: str | None) -> None:
    """However its name is escaped; missing, repeated, unreadable or long, it is none."""
    assert bodies.form_field(body, "auth[token]") == value


def test_one_field_of_too_many_is_not_looked_for() -> None:
    """The bound is that of forms."""
    with pytest.raises(Malformed, match="more than 1,000 fields"):
        bodies.form_field(b"&".join([b"a=1"] * 1_001), "a")


def test_other_fields_are_not_decoded_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has signed for costs next to nothing: only what can be the name, and its value, is decoded."""
    decoded: list[str] = []
    plain = unquote_plus

    def counting(text: str, errors: str) -> str:
        decoded.append(text)
        return plain(text, errors=errors)

    monkeypatch.setattr("badge_bridge.sources.bodies.unquote_plus", counting)
    assert bodies.form_field(b"a=" + b"%41" * 300_000 + b"&%41%41=1&token=x", "token") == "x"
    assert decoded == ["%41%41", "token", "x"]
