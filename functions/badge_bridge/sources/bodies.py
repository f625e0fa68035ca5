"""Reads the bodies that providers send: forms, forms with PHP brackets, JSON. All of them within limits.

What comes out is plain JSON-like data: dicts with text keys, lists, text, finite numbers, booleans and None. Text can
always be written as UTF-8, whole numbers fit 64 bits. Nothing here knows what a field means.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from badge_bridge.errors import Malformed, UnsupportedMediaType
from badge_bridge.sources.base import Delivery

__all__ = [
    "FORM",
    "JSON",
    "Fields",
    "flat",
    "form",
    "form_field",
    "is_json",
    "json_object",
    "media_type",
    "nested",
    "query",
]

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

Fields = Sequence[tuple[str, str]]
"""Decoded pairs of a form or a query in the order of arrival, repeats included."""

_MAX_FIELDS = 1_000
_LONGEST_SHORT_VALUE = 3_000
"""Bytes, as it is written, of a value that is looked for by itself, such as a token."""
_MAX_VALUES = 5_000
"""For JSON, containers included; a large webhook of GitHub has about 1,000."""
_MAX_DEPTH = 32
_TOO_MANY = f"the body has more than {_MAX_VALUES:,} values"
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Goes over each character once, also where a text does not end."""
_INT64 = range(-(2**63), 2**63)
_BRACKETS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)


def media_type(delivery: Delivery) -> str:
    """The body's media type in lower case without parameters, "" where none is said.

    Raises:
        UnsupportedMediaType: the body is in another character set than UTF-8.
    """
    header = delivery.header("content-type") or ""
    charset = _CHARSET.search(header)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("the character set must be UTF-8, not what Content-Type says")
    return header.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    return media == JSON or (media.startswith("application/") and media.endswith("+json"))


def form(body: bytes) -> Fields:
    """The pairs of a form. Empty values count, and every pair needs its `=`: senders that sign a form write it.

    Raises:
        Malformed: not UTF-8, not pairs, or too many of them.
    """
    return _pairs(_text(body), strict=True) if body else ()


def form_field(body: bytes, name: str) -> str | None:
    """The one short value of a field of a form, with no other decoded; None where it is missing, repeated or long.

    For what tells who sends: decoding a whole form of 1 MiB of escapes takes a third of a second, which nobody may ask
    for without a token.

    Raises:
        Malformed: too many fields.
    """
    _check_count(body.count(b"&"))
    lengths = range(len(name), 3 * len(name.encode()) + 1)  # escapes take three bytes for one
    found = None
    for pair in body.split(b"&"):
        key, _, value = pair.partition(b"=")
        if len(key) in lengths and _decoded(key) == name:
            if found is not None:
                return None
            found = value
    return _decoded(found) if found is not None and len(found) <= _LONGEST_SHORT_VALUE else None


def query(text: str) -> Fields:
    """The pairs of a query string; a bare name counts as empty.

    Raises:
        Malformed: not UTF-8, or too many pairs.
    """
    return _pairs(text, strict=False)


def flat(fields: Fields) -> dict[str, Any]:
    """A dict of the pairs; a repeated key has a list of its values."""
    values: dict[str, list[str]] = {}
    for key, value in fields:
        values.setdefault(key, []).append(value)
    return {key: several[0] if len(several) == 1 else several for key, several in values.items()}


def nested(fields: Fields) -> dict[str, Any]:
    """A nested dict of keys with PHP brackets: `data[CALL_ID]=1` is `{"data": {"CALL_ID": "1"}}`, `a[]` counts from 0.

    PHP lets the last of contradicting fields win. Here they are an error: which one a token was checked in, and which
    one is read, must not differ.

    Raises:
        Malformed: brackets that do not close, contradicting or repeated fields, too deep.
    """
    tree: dict[str, Any] = {}
    for key, value in fields:
        match = _BRACKETS.fullmatch(key)
        if match is None:
            raise Malformed("a field's name has brackets that do not close")
        if match[2].count("[") >= _MAX_DEPTH:
            raise Malformed(f"a field is nested deeper than {_MAX_DEPTH} levels")
        path = [match[1], *match[2][1:-1].split("][")] if match[2] else [match[1]]
        _plant(tree, path, value)
    return tree


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body holds.

    Raises:
        Malformed: not UTF-8, not JSON (RFC 8259), not an object, a repeated key, a number that is not finite or does
            not fit, text that is not Unicode, too deep or too large.
    """
    text = _text(body)
    _check_marks(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if text.startswith("\ufeff"):
            raise Malformed("the body is not JSON: it begins with a byte order mark") from error
        raise Malformed(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Malformed(f"the body is nested deeper than {_MAX_DEPTH} levels") from error
    if not isinstance(value, dict):
        raise Malformed("the body must be a JSON object")
    if not _is_within_bounds(text):
        _check_bounds(value)
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 at byte {error.start}") from error


@lru_cache(maxsize=1)  # a delivery is verified and read in one go, and both need its form
def _pairs(text: str, *, strict: bool) -> Fields:
    _check_count(text.count("&"))
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, strict_parsing=strict, errors="strict"))
    except UnicodeDecodeError as error:
        raise Malformed("a field is not UTF-8") from error
    except ValueError as error:
        raise Malformed("the body is not a form of name=value pairs") from error


def _check_count(separators: int) -> None:
    if separators >= _MAX_FIELDS:
        raise Malformed(f"there are more than {_MAX_FIELDS:,} fields")


def _decoded(written: bytes) -> str | None:
    try:
        return unquote_plus(written.decode("utf-8"), errors="strict")
    except UnicodeDecodeError:
        return None


def _plant(tree: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Put a value at its place in the tree."""
    node = tree
    for step in path[:-1]:
        node = node.setdefault(_index(node, step), {})
        if not isinstance(node, dict):
            raise Malformed(f"the field {path[0][:40]} is a value and a group at once")
    leaf = _index(node, path[-1])
    if leaf in node:
        raise Malformed(f"the field {path[0][:40]} is repeated")
    node[leaf] = value


def _index(node: dict[str, Any], step: str) -> str:
    return step or str(len(node))


def _check_marks(text: str) -> None:
    """Refuse what has too many values before the first of them is made: reading 1 MiB of zeros takes half a second.

    A value has a bracket or a comma of its own or is the first in another one, so that twice the limit can get past. Of
    texts there are no more than two for a value, its key and itself, so that no more of them are looked at.
    """
    if len(text) > _MAX_VALUES and _most_marks(text) > _MAX_VALUES:
        outside, texts = _STRING.subn("", text, 2 * _MAX_VALUES + 1)
        if texts > 2 * _MAX_VALUES or _most_marks(outside) > _MAX_VALUES:
            raise Malformed(_TOO_MANY)


def _most_marks(text: str) -> int:
    return max(text.count(","), text.count("[") + text.count("{"))


def _is_within_bounds(text: str) -> bool:
    """Whether so little is written that its values need not be looked at: no bracket more than may stand inside each
    other, a comma or a bracket for each value but the first, and no escape that could be half of a surrogate pair.
    """
    opened = text.count("{") + text.count("[")
    return opened < _MAX_DEPTH and opened + text.count(",") < _MAX_VALUES and "\\u" not in text


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("the body has an object with a repeated key")
    return members


def _whole_number(text: str) -> int:
    # Python refuses to read thousands of digits with an error of its own, so the length is looked at first.
    number = int(text) if len(text) <= 20 else None
    if number is None or number not in _INT64:
        raise Malformed("the body has a whole number of more than 64 bits")
    return number


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("the body has a number that is too large")
    return number


def _refuse_constant(name: str) -> float:
    raise Malformed(f"the body has {name}, which is not JSON")


# Made once: `json.loads` with hooks makes one for each call, which takes as long as to read a small body.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_repeats,
    parse_int=_whole_number,
    parse_float=_finite_number,
    parse_constant=_refuse_constant,
)


def _check_bounds(root: dict[str, Any]) -> None:
    """Refuse what is too deep, too large, or has text that cannot be written (half of a surrogate pair)."""
    level: list[Any] = [root]
    values = 0
    for _ in range(_MAX_DEPTH):
        values += len(level)
        if values > _MAX_VALUES:
            raise Malformed(_TOO_MANY)
        for text in level:
            if isinstance(text, str):
                _check_text(text)
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise Malformed(f"the body is nested deeper than {_MAX_DEPTH} levels")


def _children(node: Any) -> Sequence[Any]:
    if isinstance(node, dict):
        for key in node:
            _check_text(key)
        return list(node.values())
    return node if isinstance(node, list) else ()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("the body has text that is not Unicode (half of a surrogate pair)") from error
