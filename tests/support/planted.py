"""Secrets and phone numbers that are recognised wherever they come out, in whatever spelling."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote, quote_plus, unquote_plus

__all__ = ["NUMBERS", "NUMBERS_IN_A_TEXT", "Planted"]

_MARK = "2255501"
"""Seven digits that all planted numbers have in common, and that nothing else has."""

NUMBERS = {
    "with a plus": f"+4930{_MARK}01",
    "without a plus": f"4930{_MARK}02",
    "with zeros": f"004930{_MARK}03",
    "national": f"030{_MARK}04",
    "with spaces": "+49 30 2255 50105",
    "with brackets": "(030) 2255-50106",
    "with dashes": "+49-30-2255-501-07",
    "with dots": "+49.30.2255.50108",
    "in an address": f"%2B4930{_MARK}09",
}
"""Phone numbers as people and programs write them. Bare digits are known for one by the name of their field only."""

NUMBERS_IN_A_TEXT = ", ".join(number for name, number in NUMBERS.items() if name != "without a plus")
"""All but the one that nothing tells from an id."""

_SEPARATORS = re.compile(r"[\s().,/\\-]+")
_NUMBER = re.compile(rf"{_MARK}\d\d")


@dataclass
class Planted:
    """What was planted, by what it is; `used` are the names of what has really been where it was planted."""

    secrets: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def secret(self, name: str, value: str = "") -> str:
        """Plant a secret: this one, or one that is made up."""
        planted = value or f"pl4nted{len(self.secrets):03}-{name.replace(' ', '-')}-{len(self.secrets):03}s3cr3t"
        self.secrets[name] = planted
        return planted

    def note(self, text: str) -> None:
        """Take notice of what is in a text that was sent to the bridge or given to it."""
        self.used.update(self._secrets_in(text), self._numbers_in(text))

    def shown(self, text: str, *, numbers_too: bool = True) -> list[str]:
        """What of it a text shows, half a secret included."""
        return [*self._secrets_in(text), *(self._numbers_in(text) if numbers_too else ())]

    @property
    def unused(self) -> set[str]:
        return {*self.secrets, *NUMBERS} - self.used

    def _secrets_in(self, text: str) -> Iterator[str]:
        for name, value in self.secrets.items():
            if any(spelling in text for spelling in _spellings(value)):
                yield name

    def _numbers_in(self, text: str) -> Iterator[str]:
        found = set(_NUMBER.findall(_SEPARATORS.sub("", unquote_plus(text)))) if "2255" in text else set()
        for name, number in NUMBERS.items():
            if _SEPARATORS.sub("", number)[-9:] in found:
                yield name


@cache
def _spellings(value: str) -> frozenset[str]:
    half = len(value) // 2
    halves = {value[:half], value[half:]} if half >= 8 else set()
    encoded = {
        base64.b64encode(value.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
        json.dumps(value)[1:-1],
        quote(value, safe=""),
        quote_plus(value),
        value.encode().hex(),
    }
    return frozenset({value} | halves | encoded)
