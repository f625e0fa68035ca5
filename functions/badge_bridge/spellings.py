"""A telephone number as people type it, and the ways in which it may stand in what was received."""

from __future__ import annotations

import re

from badge_bridge.errors import SettingsError
from badge_bridge.number_values import is_a_value
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.phone_numbers import plain, read_number

__all__ = ["E164", "Spellings", "likely_numbers", "one_number", "plain", "readings"]

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""How every number of E.164 looks; not all that look so are in use."""
_BETWEEN = (
    rb"""(?:[\s()\[\].,\-/_*+'"|~]"""
    rb"|[\xc2-\xf4][\x80-\xbf]{1,3}"  # a character outside of ASCII: no-break spaces, dashes, dots
    rb"|%(?:25)?[0-9A-Fa-f]{2}(?:%(?:25)?[89ABab][0-9A-Fa-f]){0,3}"
    rb"""|\\{1,8}(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[bfnrt/"'])"""
    rb"|&(?:[A-Za-z]{2,8}|\#[0-9]{1,6}|\#[Xx][0-9A-Fa-f]{1,5});"
    rb"){0,4}+"
)
"""What may stand between two digits: as written, and in a form, in JSON, and in HTML."""
_APART = rb"(?:[\s().\-/_]|\xc2\xa0|\xe2\x80[\x90-\x95\xaf]|%(?:25)?(?:20|28|29)|\+(?=[0-9(])){1,4}+"
"""What people put between the groups of a number."""
_BEGINS = (
    rb"(?:(?<![0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=%25[0-9A-Fa-f]{2})"
    rb"|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\x[0-9A-Fa-f]{2}))"
)
"""No digit stands before; that of an escape is none."""
_FOREIGN = re.compile(
    rb"(?:\+|%2[Bb]|\\u002[Bb]|(?<![0-9])00)[1-9][0-9]{0,2}(?:[\s().\-/]|\xc2\xa0|%20|%28|%29){1,3}\Z"
)
"""The code of a country, behind which a number of another one is a number there."""
_TRUNK = b"0"
"""People write it in brackets behind the country's code, `+49 (0)30 123456`, where nobody dials it."""
_ABROAD = b"|".join((b"00", b"011", b"810", b"010"))
"""What stands for the plus: in most countries, in North America and Australia, in Russia, in Japan."""
_SHORT = 9
"""A number of fewer digits, without its trunk prefix, may as well be a date (20261127), a time or an order."""
_BEFORE = 128
"""How many bytes are looked at for what a number begins with."""


def readings(rules: RulesFile, phone: str) -> list[str]:
    """What the sources make of a number, each as it reads national ones, and the number as it is written."""
    countries = dict.fromkeys((None, *(getattr(source, "country", None) for source in rules.sources.values())))
    read = [
        read_number(phone, country, may_lack_plus=lacking).text for country in countries for lacking in (False, True)
    ]
    return [number for number in dict.fromkeys(read) if number]


def likely_numbers(rules: RulesFile, phone: str) -> list[str]:
    """What a person may have meant, as E.164. Where the digits lack nothing but the plus, they are no number of another
    country that is in no use there, nor one at home that begins with its country's code a second time.
    """
    phone = plain(phone).strip()
    if (digits := phone.replace(" ", "")).isdigit():
        phone = digits  # with blanks between them, too, they may be those of an international number
    found = [number for number in readings(rules, phone) if E164.fullmatch(number)]
    international = f"+{phone}"
    if international not in found:
        return found
    return [number for number in found if number == international or _is_apart(number, international)]


def _is_apart(number: str, international: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - as above

    parsed = phonenumbers.parse(number, None)
    is_twice = international.startswith(f"+{parsed.country_code}") and number.endswith(international[1:])
    return not is_twice and phonenumbers.is_valid_number(parsed)


def one_number(rules: RulesFile, phone: str) -> str:
    """The one number that is meant, as E.164.

    Raises:
        SettingsError: it is no number, or it may be one of several countries.
    """
    found = likely_numbers(rules, phone)
    if not found:
        raise SettingsError(
            f"{phone!r} is no telephone number; write it whole and with its country's code, such as +4930123456"
        )
    if len(found) > 1:
        raise SettingsError(f"{phone!r} may be {' or '.join(found)}; write it as one of these")
    return found[0]


class Spellings:
    """Finds one number (E.164): international and national, with whatever people and programs write between its digits.

    A longer number that begins or ends with the same digits is another one. Digits behind a hyphen do not make it
    longer: they may be an extension, but in the name of a recording they are its date.

    Its digits without its country's code and without what is dialled before them at home may as well be a time
    (1795846705), part of a call's id or an order. They count where they stand as a number would: as the whole value of
    a field that holds numbers (`number_values`), as a whole text, and, in a country where that is how one dials, in the
    groups in which people write them there.
    """

    def __init__(self, number: str) -> None:
        import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be sought

        parsed = phonenumbers.parse(number, None)
        code, rest = str(parsed.country_code), str(phonenumbers.national_significant_number(parsed))
        written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        national = re.sub(r"\D", "", written)
        self.number = number
        self.not_sought = rest if len(rest) < _SHORT and national != rest else ""
        """The digits that are not sought without what belongs before them; empty where they are."""
        self._ways = [_Way(_spaced(rest), code=code, is_value=not self.not_sought)]
        if national != rest or rest.startswith("0"):
            self._ways.append(_Way(_spaced(national), is_dialled=True))
        elif len(groups := re.findall(r"\d+", written)) > 1:
            self._ways.append(_Way(_APART.join(map(_spaced, groups)), is_dialled=True))
        self._whole = None if self.not_sought else re.compile(rb"[\s(]*%b[\s)]*" % _spaced(rest))

    def in_text(self, text: str) -> bool:
        content = text.encode("utf-8", "surrogatepass")
        return self.in_bytes(content) is not None or bool(self._whole and self._whole.fullmatch(content))

    def in_bytes(self, content: bytes) -> int | None:
        """The position of the first find in bytes that hold text in UTF-8; None where there is none.

        Of several texts one behind the other, nothing says where one begins: what counts as a whole text alone is not
        found.
        """
        return min((found for way in self._ways if (found := way.find(content)) is not None), default=None)


class _Way:
    """The digits that every spelling of a kind ends with, and what may stand before them.

    They are sought first, since a search is many times as fast where it begins with a digit that is given.
    """

    def __init__(self, digits: bytes, *, code: str = "", is_dialled: bool = False, is_value: bool = False) -> None:
        self._digits = re.compile(digits + rb"(?![0-9])")
        self._code = re.compile(_international(code) + rb"\Z") if code else None
        """What is dialled from abroad before the digits."""
        self._nothing = re.compile(_BEGINS + rb"\Z") if is_dialled else None
        """The digits are dialled as they are."""
        self._is_value = is_value
        """They count as the value of a field that holds numbers."""

    def find(self, content: bytes) -> int | None:
        at = 0
        while digits := self._digits.search(content, at):
            begins = self._begin(content, digits.start(), digits.end())
            if begins is not None:
                return begins
            at = digits.start() + 1
        return None

    def _begin(self, content: bytes, start: int, end: int) -> int | None:
        since = max(0, start - _BEFORE)
        if self._code and (found := self._code.search(content, since, start)):
            return found.start()
        if self._nothing and self._nothing.match(content, start, start) and not _FOREIGN.search(content, since, start):
            return start
        return start if self._is_value and is_a_value(content, start, end) else None


def _international(code: str) -> bytes:
    return rb"(?:%b|(?:%b)%b)%b%b(?:%b%b)?" % (_BEGINS, _ABROAD, _BETWEEN, _spaced(code), _BETWEEN, _TRUNK, _BETWEEN)


def _spaced(digits: str) -> bytes:
    return _BETWEEN.join(digit.encode() for digit in digits)
