"""Who called whom: numbers as E.164 where they can be read, and what stands in for a number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from badge_bridge.events import Direction
from badge_bridge.sources.e164 import is_e164

__all__ = ["Number", "Parties", "parties", "plain", "read_number", "with_plus"]

_WITHHELD = frozenset(
    {
        "anonymous",
        "blocked",
        "not available",
        "private",
        "restricted",
        "unavailable",
        "unknown",
        "withheld",
    }
)
_KEYPAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_KEYED = tuple(word.translate(_KEYPAD) for word in _WITHHELD if word.isalpha())
_WITHHELD_DIGITS = frozenset(f"+{digits}" for digits in _KEYED)
"""Twilio writes such a word as the digits of a telephone keypad: `+266696687` spells anonymous."""
_FILLED_IN = re.compile(r"(?:no )?(?:the )?(.*?)(?: (?:number|caller(?: id)?))?", re.DOTALL)
"""`Private Number`, `Unknown caller`: the word that says it."""
_NOBODY = frozenset({"no caller id", "no number", "caller id"})

_URI = re.compile(r"(?:sips?:(?P<user>[^@?]+)@[^;?]*|tel:(?P<number>[^@;?]+))(?P<rest>[^?]*)", re.IGNORECASE)
_EXT = re.compile(r";ext=(\d{1,7})", re.ASCII | re.IGNORECASE)
_WITHOUT_USER = re.compile(r"sips?:", re.IGNORECASE)
_AT_HOST = re.compile(r"([^@\s]{1,100})@[A-Za-z0-9.\[\]:-]{1,255}")
"""A SIP address without its scheme."""
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\d{4}-\d\d-\d\d", re.ASCII)
"""An address of a network, or a date: no telephone number is written so."""
_ZEROS = re.compile(r"\+?[0\s]+")
_IN_BRACKETS = re.compile(r"[^<>]{0,200}<([^<>]{1,200})>(?:;[^<>]{0,200})?")
"""A name before the address (RFC 3261, name-addr): `"Anna" <sip:+4930123456@example.com>`."""
_EXTENSION = re.compile(r"(.{5,32}?)\s*(?:;ext=|,?\s*(?:ext|extn|x)\.?\s*)(\d{1,7})", re.IGNORECASE | re.ASCII)
_LOOKS_LIKE_NUMBER = re.compile(r"\+?[\d\s().\-/]{5,32}")


_NATIONAL = 11
_ELEVEN_DIGITS = frozenset({1, 7})
_INTERNATIONAL = re.compile(r"[1-9]\d{6,14}", re.ASCII)
_INTERNATIONAL_DIGITS = re.compile(r"[1-9]\d{10,14}", re.ASCII)


class Number(NamedTuple):
    """`text` is E.164, or as received where it cannot be read, or "" where the caller hides; then `withheld` is set."""

    text: str
    withheld: bool = False
    extension: str = ""
    """Digits behind a number that could be read: who is meant at that number, and not part of it."""


_NOTHING = Number("")

_LOOKS = {"\u2212": "-", "\uff0b": "+", "\ufe62": "+"}
"""The sign of arithmetic, which some keyboards and pages have for a hyphen, and the plus as wide as Chinese is."""


def plain(written: str) -> str:
    """A number as it looks: address books put invisible marks of direction around one, and pages have hyphens and
    spaces at which no line ends.
    """
    return written if written.isascii() else "".join(_as_it_looks(character) for character in written)


def _as_it_looks(character: str) -> str:
    if character.isascii():
        return character
    kinds = {"Cf": "", "Pd": "-", "Zs": " "}
    return _LOOKS.get(character) or kinds.get(unicodedata.category(character), character)


def read_number(value: str, country: str | None, *, may_lack_plus: bool = False) -> Number:
    """Read a telephone number, with an extension or without, a `sip:` or `tel:` URI around one, with a name or without,
    or a word that says that it is withheld; as it looks (`plain`).

    `country` (ISO 3166-1, such as DE) tells how to read national numbers. A name in a URI (`sip:anna@example.com`,
    `client:anna`) and a short extension stay as received. `may_lack_plus` says that the sender leaves out the plus of
    international numbers at times.
    """
    received = value.strip()
    if not received:
        return _NOTHING
    if is_e164(received):
        hides = received in _WITHHELD_DIGITS
        return Number("" if hides else received, withheld=hides)
    user, extension = _user_of(plain(received).strip())
    if _hides(user, may_lack_plus=may_lack_plus):
        return Number("", withheld=True)
    if not _LOOKS_LIKE_NUMBER.fullmatch(user) or _DOTTED.fullmatch(user):
        return Number(received)
    number = (_without_plus(user, country) if may_lack_plus else None) or _e164(user, country)
    return Number(number, extension=extension) if number else Number(received)


def _user_of(received: str) -> tuple[str, str]:
    """Whom an address is of, without its name, scheme, password and host; and an extension behind it."""
    named = _IN_BRACKETS.fullmatch(received)
    address = (named[1] if named else received).strip()
    uri = _URI.match(address)
    if uri:
        # RFC 3261, section 19.1.1: a password, and for telephone numbers parameters, stand before the host.
        told = uri["user"] or uri["number"]
        behind = _EXT.search(told + uri["rest"])
        user, extension = unquote(re.split("[:;]", told)[0]).strip(), behind[1] if behind else ""
    elif _WITHOUT_USER.match(address):
        return "", ""  # a host alone, as of somebody who is not told of
    else:
        at_host = _AT_HOST.fullmatch(address)
        user, extension = at_host[1] if at_host else address, ""
    user = user.partition("@")[0] if uri else user
    extended = None if extension else _EXTENSION.fullmatch(user)
    return (extended[1], extended[2]) if extended else (user, extension)


def _hides(user: str, *, may_lack_plus: bool) -> bool:
    """Whether it stands where a number would, and says that there is none to be told."""
    word = user.lower()
    said = _FILLED_IN.fullmatch(word)
    if word in _NOBODY or (said and said[1] in _WITHHELD) or _ZEROS.fullmatch(user):
        return True
    return (f"+{user}" if may_lack_plus and user.isdigit() else user) in _WITHHELD_DIGITS


def with_plus(digits: str) -> str:
    """An international number of a sender that never writes the plus; anything else as it is."""
    return f"+{digits}" if _INTERNATIONAL.fullmatch(digits) else digits


@lru_cache(maxsize=1024)
def _without_plus(text: str, country: str | None) -> str | None:
    """The digits of an international number as one: of the source's country, or where they are no national number."""
    import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be read

    if not _INTERNATIONAL_DIGITS.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(f"+{text}", None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    if country is None:
        # Eleven digits may be a national number with its trunk prefix, such as 8 495 123 45 67 in Russia; those of
        # North America and of Russia have eleven with the country's code.
        return f"+{text}" if len(text) > _NATIONAL or number.country_code in _ELEVEN_DIGITS else None
    if number.country_code != phonenumbers.country_code_for_region(country):
        national = phonenumbers.parse(text, country)
        if phonenumbers.is_valid_number(national):
            return None
    return f"+{text}"


@lru_cache(maxsize=1024)  # our own lines come again and again
def _e164(text: str, country: str | None) -> str | None:
    import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be read

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    # Possible, not valid: numbering plans change more often than the tables that are installed.
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


class Parties(NamedTuple):
    """The two ends of a call; `line` is ours, `subject` the customer's."""

    caller: str
    callee: str
    line: str
    subject: str
    withheld: bool
    """The caller hides his number."""
    extensions: Mapping[str, str]
    """Of the caller and the callee, where a number has one."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """What an event's `data` has beside the body, and only where it is so: `caller_withheld`, true;
        `caller_extension` and `callee_extension`, digits.
        """
        hidden: dict[str, Any] = {"caller_withheld": True} if self.withheld else {}
        return hidden | {f"{end}_extension": digits for end, digits in self.extensions.items()}


def parties(
    direction: Direction, *, caller: str, callee: str, country: str | None, may_lack_plus: bool = False
) -> Parties:
    """Read both numbers (`read_number`) and tell ours from the customer's by the direction.

    Where the direction is not known, the caller is taken for the customer and no line is named.
    """
    calling = read_number(caller, country, may_lack_plus=may_lack_plus)
    called = read_number(callee, country, may_lack_plus=may_lack_plus)
    ends = {
        "inbound": (called.text, calling.text),
        "outbound": (calling.text, called.text),
        "internal": ("", ""),
        "": ("", calling.text),
    }
    line, subject = ends[direction]
    extensions = {end: one.extension for end, one in (("caller", calling), ("callee", called)) if one.extension}
    return Parties(calling.text, called.text, line, subject, withheld=calling.withheld, extensions=extensions)
