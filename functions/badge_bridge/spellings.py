"""A telephone number as people type it, and the ways in which it may stand in what was received."""

from __future__ import annotations

import re

from badge_bridge.errors import SettingsError
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.phone_numbers import read_number

__all__ = ["Spellings", "one_number", "readings"]

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_BETWEEN = r"(?:[\s().\-/\xa0\u2009\u202f]|%20|%28|%29|\\u00a0|\\t){0,3}"
"""What may stand between two digits, in JSON and in a form too."""
_BETWEEN_BYTES = rb"(?:[\s().\-/]|\xc2\xa0|\xe2\x80\x89|\xe2\x80\xaf|%20|%28|%29|\\u00a0|\\t){0,3}"
_TRUNK = "0"
"""People write it in brackets behind the country's code, `+49 (0)30 123456`, where nobody dials it."""
_ABROAD = ("00", "011", "810", "010")
"""What stands for the plus: in most countries, in North America and Australia, in Russia, in Japan."""


def readings(rules: RulesFile, phone: str) -> list[str]:
    """What the sources make of a number, each as it reads national ones, and the number as it is written."""
    countries = dict.fromkeys((None, *(getattr(source, "country", None) for source in rules.sources.values())))
    read = [
        read_number(phone, country, may_lack_plus=lacking).text for country in countries for lacking in (False, True)
    ]
    return [number for number in dict.fromkeys(read) if number]


def one_number(rules: RulesFile, phone: str) -> str:
    """The one number that is meant, as E.164.

    Raises:
        SettingsError: it is no number, or it may be one of several countries.
    """
    found = [number for number in readings(rules, phone) if _E164.fullmatch(number)]
    if not found:
        raise SettingsError(f"{phone!r} is no telephone number; write it with its country's code, such as +4930123456")
    if len(found) > 1:
        raise SettingsError(f"{phone!r} may be {' or '.join(found)}; write it as one of these")
    return found[0]


class Spellings:
    """Finds one number (E.164): international and national, with whatever people write between its digits.

    A longer number that begins or ends with the same digits is another one.
    """

    def __init__(self, number: str) -> None:
        import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be sought

        parsed = phonenumbers.parse(number, None)
        code, rest = str(parsed.country_code), str(phonenumbers.national_significant_number(parsed))
        written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        national = re.sub(r"\D", "", written)
        self.number = number
        self._in_text = re.compile(_pattern(code, rest, national))
        self._in_bytes = re.compile(_pattern(code, rest, national).encode().replace(_BETWEEN.encode(), _BETWEEN_BYTES))

    def in_text(self, text: str) -> bool:
        return self._in_text.search(text) is not None

    def in_bytes(self, content: bytes) -> int | None:
        """The position of the first find in bytes that hold text in UTF-8; None where there is none."""
        found = self._in_bytes.search(content)
        return found.start() if found else None


def _pattern(code: str, rest: str, national: str) -> str:
    """`national` begins with the trunk prefix of a country that has one, and where it has none, is `rest`.

    What stands before the first digit is looked at behind it: a search is ten times as fast where it can begin with a
    digit that is given.
    """
    first = code[0]
    begins = "|".join((f"(?<![0-9]{first})", *(f"(?<={abroad}{first})" for abroad in _ABROAD)))
    digits = _BETWEEN.join(code[1:])
    between = _BETWEEN if digits else ""
    international = f"{first}(?:{begins}){between}{digits}{_BETWEEN}(?:{_TRUNK}{_BETWEEN})?{_BETWEEN.join(rest)}"
    at_home = f"{national[0]}(?<![0-9]{national[0]}){_BETWEEN}{_BETWEEN.join(national[1:])}"
    return f"(?:{international}|{at_home})(?!-?[0-9])"
