"""What must never be in a log line, and how it is taken out.

Two layers. The code that logs passes no secrets, tokens, URLs with queries or phone numbers on purpose; this module is
the second layer, for what slips in through an exception's text, a third party's message or a provider's field. It
works on text and on the names of fields:

- secrets that the configuration knows, by value, plain, percent-encoded and escaped;
- what is secret by its shape: the query of a URL, `user:password@`, the secret in the path of a Bitrix24 webhook
  (`/rest/<user>/<secret>/`), `Bearer ...`, `Basic ...`, JSON Web Tokens, `auth=`, `access_token=` and their like, and
  the input that a pydantic error repeats;
- phone numbers: with a plus (or its `%2B`) anywhere, national ones with a leading zero anywhere, and bare digits in
  fields that hold phone numbers (`caller`, `from`, ...).

Bare digits elsewhere stay: ids, ports, unix times and the hex of event keys are what an operator searches for.

Everything is linear in the length of the text, because senders that prove nothing choose some of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from badge_bridge.observability.shapes import (
    HIDDEN,
    hide_secrets,
    is_ordinary,
    kind_of_field,
    mask_bare_numbers,
    mask_numbers,
    mask_phone,
)

__all__ = ["HIDDEN", "Redactor", "mask_phone"]

_SHORTEST_SECRET = 6
"""Shorter values are left alone: replacing every `on` or `1234` would make lines unreadable and hide nothing."""
_LONGEST_TEXT = 16_000
_MOST_NODES = 500
_DEEPEST = 8
_SHORT = 40
"""Longer strings are seldom the same twice, so remembering that they are harmless is no use."""
_NUMBERS = (bool, int, float)
_MAPPINGS = (dict, Mapping)  # dict first: asking an abstract class takes much longer
_COLLECTIONS = (list, tuple, AbstractSet)
_CUT = "…"
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
# Characters that move a terminal's cursor, start a line for some reader, reorder text, or cannot be encoded.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Redactor:
    """Takes secrets and phone numbers out of texts and fields.

    `secrets` are values that never may be shown (those shorter than six characters are ignored);
    `show_phone_numbers` leaves phone numbers as they are.
    """

    def __init__(self, *, secrets: Collection[str] = (), show_phone_numbers: bool = False) -> None:
        self._secrets = _spellings(secrets)
        self._secret = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None
        self._phones = not show_phone_numbers
        # The same few words (states, rules, methods, names of fields) come back in every line.
        self._known_harmless = lru_cache(maxsize=2048)(self._harmless)

    def text(self, text: str, *, limit: int = _LONGEST_TEXT) -> str:
        """The text without what must not be shown and without control characters other than newline and tab.

        A text longer than `limit` characters is cut, after it was cleaned, so that no half of a secret is left over.
        """
        if len(text) > limit:
            return self.text(text[: 2 * limit], limit=2 * limit)[:limit] + _CUT
        if self._harmless(text):
            return text
        return _UNSAFE.sub(_escape, self._scrub(text))

    def fields(self, fields: Mapping[Any, Any]) -> dict[str, Any]:
        """The fields as plain JSON values, cleaned: strings by `text`, values by the names of their fields.

        What JSON does not know becomes text: a datetime, NaN and infinity (there are no such numbers in JSON), any
        other object. Bytes are only counted. Depth and number of values are bounded; what is beyond reads `…`.
        """
        copier = _Copier(harmless=self._known_harmless, phones=self._phones)
        plain = copier.mapping(fields, depth=0)
        doubtful = " ".join(copier.doubtful)
        if not doubtful or (len(doubtful) <= _LONGEST_TEXT and self._harmless(doubtful)):
            return plain
        return {self.text(name): self._deep(value) for name, value in plain.items()}

    def _deep(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._deep(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._deep(item) for item in value]
        return value

    def _harmless(self, text: str) -> bool:
        if not is_ordinary(text):
            return False
        for secret in self._secrets:  # noqa: SIM110 - any() with a generator costs more than the whole loop
            if secret in text:
                return False
        return True

    def _scrub(self, text: str) -> str:
        if self._secret is not None:
            text = self._secret.sub(HIDDEN, text)
        text = hide_secrets(text)
        return mask_numbers(text) if self._phones else text


class _Copier:
    """Copies fields into plain JSON values, masks by the names of fields, and collects the strings to look at."""

    def __init__(self, *, harmless: Callable[[str], bool], phones: bool) -> None:
        self.doubtful: list[str] = []
        self._harmless = harmless
        self._phones = phones
        self._left = _MOST_NODES

    def mapping(self, fields: Mapping[Any, Any], *, depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, value in fields.items():
            if self._left <= 0:
                copy[_CUT] = _CUT
                break
            name = self._string(key if isinstance(key, str) else _as_text(key))
            kind = kind_of_field(name) if len(name) <= _SHORT else kind_of_field.__wrapped__(name)
            if not kind and type(value) is str:  # most are, and this runs for every line
                self._left -= 1
                copy[name] = self._string(value)
            elif kind == "secret" and not (value is None or isinstance(value, bool) or value == ""):
                self._left -= 1
                copy[name] = HIDDEN
            else:
                copy[name] = self._value(value, depth + 1, phone=self._phones and kind == "phone")
        return copy

    def _value(self, value: Any, depth: int, *, phone: bool) -> Any:
        self._left -= 1
        if isinstance(value, str):
            return self._phone(value) if phone else self._string(value)
        if value is None or isinstance(value, _NUMBERS):
            return _number(value, phone=phone)
        if depth >= _DEEPEST or self._left <= 0:
            return _CUT
        if isinstance(value, _MAPPINGS):
            return self.mapping(value, depth=depth)
        if isinstance(value, _COLLECTIONS):
            return self._items(value, depth, phone=phone)
        return self._value(_as_text(value), depth, phone=phone)

    def _items(self, values: Iterable[Any], depth: int, *, phone: bool) -> list[Any]:
        copy: list[Any] = []
        for value in values:
            if self._left <= 0:
                copy.append(_CUT)
                break
            copy.append(self._value(value, depth + 1, phone=phone))
        return copy

    def _phone(self, text: str) -> str:
        if _E164.fullmatch(text):
            return mask_phone(text)  # five digits are left, so there is nothing else to look for
        return self._string(mask_bare_numbers(text))

    def _string(self, text: str) -> str:
        if len(text) > _SHORT or not self._harmless(text):
            self.doubtful.append(text)
        return text


def _number(value: float | None, *, phone: bool) -> float | str | None:
    """A number, boolean or None as JSON can hold it, or as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if phone and 10**7 <= value < 10**15:
        return mask_phone(str(int(value)))
    return value if abs(value) < 2**64 else f"{int(value):#x}"[:34] + _CUT


def _as_text(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ must not break logging
        return f"<{type(value).__name__}>"


def _spellings(secrets: Collection[str]) -> tuple[str, ...]:
    """Each secret as it may be met: plain, percent-encoded, escaped by JSON or repr, and a long one's single lines."""
    found: set[str] = set()
    for secret in secrets:
        lines = (line for line in secret.splitlines() if len(line) > 15)
        for text in (secret, secret.strip(), *lines):
            if len(text) >= _SHORTEST_SECRET:
                found |= {text, quote(text, safe=""), quote(text), json.dumps(text)[1:-1], repr(text)[1:-1]}
    return tuple(sorted(found, key=len, reverse=True))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
