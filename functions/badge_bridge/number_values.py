"""Whether digits stand as a telephone number would: as the whole value of a field that holds numbers."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

from badge_bridge.number_fields import holds_a_number

__all__ = ["is_a_value"]

_BEFORE, _BEHIND = 384, 48
"""How many bytes are looked at for the field's name, and for the value's end."""
_NAME = r"(?P<name>[A-Za-z][\w.:$\[\]-]{0,63}+)"
_KEY = r"""["'](?P<name>[A-Za-z][\w .:$\[\]-]{0,63}+)["']\s{0,8}:\s{0,8}(?:\[[^\[\]{}]*)?"""
_APART = r"""(?:\A|[\s?&;,/("'])"""
_OPENS = r"(?:tel:|sips?:)?[\s(]{0,3}\Z"
_CLOSES = r"[\s)]{0,3}"
_MAY_OPEN = re.compile(rf"[\"':,\[=>]\s*{_OPENS}")
"""Looked for first, in the last few characters: whoever sends a number a thousand times must not hold up the search."""
_LAST = 16
_WAYS = tuple(
    (re.compile(before), re.compile(behind))
    for before, behind in (
        (rf"{_KEY}[\"']{_OPENS}", rf"{_CLOSES}[\"'@]"),  # a text in JSON, also in a list
        (rf"{_KEY}[\s(]{{0,3}}\Z", rf"{_CLOSES}(?:[,}}\]]|\Z)"),  # a number in JSON
        (rf"{_APART}{_NAME}={_OPENS}", rf"{_CLOSES}(?:[\s@&;,\"'<]|\Z)"),  # a form, an address
        (rf"{_APART}{_NAME}=[\"']{_OPENS}", rf"{_CLOSES}[\"'@]"),  # what an element of XML says besides
        (rf"<{_NAME}(?:\s[^<>]*)?>{_OPENS}", rf"{_CLOSES}[@<]"),  # an element
    )
)
"""What stands before and behind the whole value of a field, in the ways in which it is written."""
_OBJECT = re.compile(r"""["'](?P<name>[A-Za-z][\w .:$-]{0,63}+)["']\s{0,8}:\s{0,8}(?:\[[^\[\]]*)?\Z""")
_OF_A_CUSTOMER = re.compile(r"(?<!\.)customer\n\Z")
"""What joins the events of a customer (`events.customer_join`); `event.data.customer` is a field, and may be an id."""
_DATE = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""Eight digits, as a number has them in some countries, and nobody writes it so."""
_GOES_ON = re.compile(r"[.:_-]?\w")
_ESCAPED = re.compile(r"\\{1,8}(?:u00(?P<code>[0-7][0-9A-Fa-f])|(?P<letter>[nrt])|(?P<itself>[\"'/]))")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


def is_a_value(content: bytes, start: int, end: int) -> bool:
    """Whether the digits from `start` to `end` are the whole value of such a field, or the customer whose events join.

    They may have brackets and spaces around them, and be escaped as JSON, forms, addresses and HTML do.
    """
    if _DATE.fullmatch(content, start, end):
        return False
    before = _plain(content[max(0, start - _BEFORE) : start])
    # An escape that begins right behind the digits is a whole one; of one that is cut off at the end, nothing is made.
    raw = content[end : end + _BEHIND]
    behind = _plain(raw)
    if _OF_A_CUSTOMER.search(before):
        # In a file, the next column follows at once, with any byte but a digit.
        return not (raw[:1] in b".:_-" and _GOES_ON.match(behind))
    return _MAY_OPEN.search(before[-_LAST:]) is not None and any(
        closes.match(behind)
        and (found := opens.search(before)) is not None
        and holds_a_number(found["name"], within=_within(before[: found.start()]))
        for opens, closes in _WAYS
    )


def _within(before: str) -> str:
    """The name of the object of JSON that is open at the end of a text; empty where that is not to be seen."""
    depth = 0
    for place in range(len(before) - 1, -1, -1):
        depth += {"}": 1, "{": -1}.get(before[place], 0)
        if depth < 0:
            found = _OBJECT.search(before[:place])
            return found["name"] if found else ""
    return ""


def _plain(piece: bytes) -> str:
    text = piece.decode("utf-8", "replace")
    text = html.unescape(unquote(unquote(text)))
    return _ESCAPED.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    if found["code"]:
        return chr(int(found["code"], 16))
    return _LETTERS.get(found["letter"] or "", found["itself"] or "")
