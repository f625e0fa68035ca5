"""What secrets and phone numbers look like, in text and by the names of fields; see `redaction` for what is done.

Every pattern takes linear time: what follows a prefix is a class of characters, or is bounded.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from badge_bridge.number_fields import PHONE_NAMES, words_of

__all__ = ["HIDDEN", "hide_secrets", "is_ordinary", "kind_of_field", "mask_bare_numbers", "mask_numbers", "mask_phone"]

HIDDEN = "***"


def mask_phone(number: str) -> str:
    """`+49301234567` as `+49*******67`: three characters and two stay where five or more are hidden, else none."""
    hidden = len(number) - 5
    if hidden < 5:
        return "*" * len(number)
    return f"{number[:3]}{'*' * hidden}{number[-2:]}"


# fmt: off
_SECRET_WORDS = frozenset({
    "apikey", "auth", "authorization", "cookie", "cookies", "credential", "credentials", "passphrase", "passwd",
    "password", "secret", "secrets", "signature", "token", "tokens",
})
# fmt: on

_CREDENTIAL = (
    r"(?:token|secret|passwor[dt]|passwd|passphrase|(?:api|secret|private)[_-]?key|signature|authorization"
    r"|(?<![a-z])auth)s?(?:\]|%5D)?"
)
_STRING = r"b?\\?(?:\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?)"
_ENCLOSED = rf"(?:{_STRING}|\[[^\]\n]*\]?|\{{[^}}\n]*\}}?|\([^)\n]*\)?)"
_BARE = r"[^\s\"'&,;)}\]]"
# Prose may follow a quoted sentence that ends in such a name: `'... than the access token': Bitrix24 has blocked ...`.
_LIKE_A_SECRET = rf"(?=\d{{6}}|(?={_BARE}{{12}})[^\s\"'&,;)}}\]\d]*\d)"
_VALUE = rf"(?:{_ENCLOSED}|{_BARE}+)"
_BETWEEN = r"(?:[ .()/-]|%2[089DEFdef]){0,3}"
"""What people put between the digits of a number, also as an address has it."""
_NUMBER = (
    # Not a date, an IPv4 address or a unix time with a fraction, which are digits with separators too.
    r"(?!\d{4}-\d\d-\d\d)(?!\d{1,3}(?:\.\d{1,3}){3}(?!\d))(?!\d{10}\.\d)"
    rf"\(?\d(?:{_BETWEEN}\d){{7,14}}(?!\w)"
)

_USERINFO = re.compile(r"://[^\s/?#\"'<>]*@")
_QUERY = re.compile(r"\?([^\s\"<>]+)")
_REST_PATH = re.compile(r"((?:/|%2F)rest(?:/|%2F)(?:api(?:/|%2F))?\d+(?:/|%2F))[^/\s\"'?#<>%]+", re.IGNORECASE)
_BEARER = re.compile(
    # The words after which `bearer` is prose: "bearer token in the header".
    r"\b(bearer)[ \t]+(?!(?:tokens?|auth\w*|credentials?|schemes?|headers?|secrets?|access|and|or|is|was|in|for|not)\b)"
    r"[\w+/=.~-]+",
    re.IGNORECASE,
)
_BASIC = re.compile(r"\b(basic)[ \t]+([A-Za-z0-9+/=_-]+)", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"\b(token|digest|apikey)[ \t]+(?=[\w+/=.~-]*\d)[\w+/=.~-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")
_ASSIGNED = re.compile(rf"({_CREDENTIAL}[\"']?\s*=(?!=)\s*){_VALUE}", re.IGNORECASE)
_QUOTED = re.compile(
    rf"({_CREDENTIAL}\\?[\"']\s*)(?:(:\s*)(?:{_ENCLOSED}|{_LIKE_A_SECRET}{_BARE}+)|(,\s*){_STRING})", re.IGNORECASE
)
_COLON = re.compile(rf"({_CREDENTIAL}\s*:\s*)(?=[\w+/=.~-]*\d)[\w+/=.~-]{{12,}}", re.IGNORECASE)
_PYDANTIC_INPUT = re.compile(r"input_value=.{0,400}?, input_type=", re.DOTALL)
_PLUS = r"(?:\+|%(?:25){0,3}2[Bb])"
"""As it is, or as one address has it, or as an address inside an address does."""
_PLUS_NUMBER = re.compile(
    # Directly behind a digit only without separators: `10:00:05+0100 2026-11-22` is a time before a date.
    rf"(?<!\d[eE])(?:{_PLUS}\d{{8,15}}(?!\d)|(?:(?<!\d)|(?<=%\d\d)){_PLUS}\d(?:{_BETWEEN}\d){{7,14}}(?!\d))"
)
_LEADING_PLUS = re.compile(rf"\A{_PLUS}")
_NATIONAL_NUMBER = re.compile(
    # In one piece; or in several, the first of which has brackets or at least three digits, unlike a day or an hour.
    r"(?:(?<![\w.:+-])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))(?:0{1,2}[1-9]\d{7,12}"
    rf"|(?=(?:\(|%28)?0(?:{_BETWEEN}\d){{8,14}}(?!\d))(?:\(0\d{{1,5}}\)|%280\d{{1,5}}%29|0\d{{2,5}})"
    r"(?:(?:[ ./-]|%2[0DEFdef]){1,3}\d{1,8}){1,5})(?![\w-]|[.:]\w)"
)
_NAMED_NUMBER = re.compile(
    rf"((?:{'|'.join(PHONE_NAMES)})(?:\]|%5D)?(?:[\"']?\s*[=:]|[\"']\s*,)\s*b?[\"']?)({_NUMBER})", re.IGNORECASE
)
_BARE_NUMBER = re.compile(rf"(?<![\w.+])\+?{_NUMBER}")
# In a field that holds numbers: eight digits and more with whatever a sender has put between them that is no letter,
# and is not masked yet.
_LOOSE_NUMBER = re.compile(r"\+?[0-9](?:[^0-9A-Za-z*]{0,3}[0-9]){7,}")

# What needs a closer look. A text without any of these marks, runs of digits and words passes as it is.
_MARKS = re.compile(r"[?=@+%'\"]")
_DIGITS = re.compile(r"(?<!\w)(?![0-9]{4}-[0-9]{2}-)[0-9](?:[ .()/-]{0,2}[0-9]){6}")
_WORDS = re.compile(r"api|auth|basic|bearer|digest|eyj|passp|passw|private|rest/|secret|signature|token")
_ANY_NUMBER = re.compile(rf"[0-9](?:{_BETWEEN}[0-9]){{7}}")


@lru_cache(maxsize=512)
def kind_of_field(name: str) -> str:
    """What a field of this name holds: `phone`, `secret` or, as a rule, nothing special."""
    words = words_of(name)
    if words & _SECRET_WORDS or ("key" in words and words & {"api", "private"}):
        return "secret"
    return "phone" if words.intersection(PHONE_NAMES) else ""


def is_ordinary(text: str) -> bool:
    """Whether nothing in the text can be a secret by its shape, a phone number or an unusual character.

    This is asked for nearly every string of every line, so it is quick and errs towards a closer look.
    """
    return text.isprintable() and not (_MARKS.search(text) or _DIGITS.search(text) or _WORDS.search(text.lower()))


def hide_secrets(text: str) -> str:
    """The text without what is secret by its shape."""
    lower = text.lower()
    for needles, pattern, replacement in _SHAPES:
        for needle in needles:
            if needle in lower:
                text = pattern.sub(replacement, text)
                break
    return text


def mask_numbers(text: str) -> str:
    """The text with phone numbers masked: with a plus, with a leading zero, or behind a name such as `caller=`."""
    if not _ANY_NUMBER.search(text):
        return text
    text = _NAMED_NUMBER.sub(lambda found: found[1] + _masked(found[2]), text)
    text = _PLUS_NUMBER.sub(lambda found: _masked(found[0]), text)
    return _NATIONAL_NUMBER.sub(lambda found: _masked(found[0]), text)


def mask_bare_numbers(text: str) -> str:
    """The value of a field that holds phone numbers with every run of digits masked that can be one."""
    text = _BARE_NUMBER.sub(lambda found: _masked(found[0]), text)
    return _LOOSE_NUMBER.sub(lambda found: _masked(found[0]), text)


def _without_query(found: re.Match[str]) -> str:
    """Hide what follows a question mark, where it is the query of a URL or path and not punctuation."""
    query = found[1]
    end = query.rstrip("'),;.:!?]}")
    before = found.string[max(0, found.start() - 2048) : found.start()].rsplit(maxsplit=1)
    after_url = bool(before) and "/" in before[-1] and not found.string[found.start() - 1].isspace()
    if not end or not ("=" in end or after_url):
        return found[0]
    return f"?{HIDDEN}{query[len(end) :]}"


def _without_credentials(found: re.Match[str]) -> str:
    """Hide `user:password` in base64 (RFC 7617), and leave sentences about basic authentication alone."""
    text = found[2]
    try:
        credentials = b":" in base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if "-" in text else None)
    except (binascii.Error, ValueError):
        credentials = False
    if credentials or any(letter.isdigit() or letter in "=+" for letter in text):
        return f"{found[1]} {HIDDEN}"
    return found[0]


def _masked(number: str) -> str:
    """The number masked, its separators left out; an international one keeps its plus, `%2B` becomes one."""
    digits, international = _LEADING_PLUS.subn("", number)
    return mask_phone("+" * international + re.sub(r"\D", "", unquote(digits)))


_NAMES = ("token", "secret", "passw", "passp", "key", "signature", "auth")

_SHAPES: tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (("://",), _USERINFO, f"://{HIDDEN}@"),
    (("?",), _QUERY, _without_query),
    (("rest",), _REST_PATH, rf"\g<1>{HIDDEN}"),
    (("input_value",), _PYDANTIC_INPUT, f"input_value={HIDDEN}, input_type="),
    (("bearer",), _BEARER, rf"\g<1> {HIDDEN}"),
    (("basic",), _BASIC, _without_credentials),
    (("token", "digest", "apikey"), _OTHER_SCHEME, rf"\g<1> {HIDDEN}"),
    (("eyj",), _JWT, HIDDEN),
    (_NAMES, _ASSIGNED, rf"\g<1>{HIDDEN}"),
    (_NAMES, _QUOTED, lambda found: f"{found[1]}{found[2] or found[3]}{HIDDEN}"),
    (_NAMES, _COLON, rf"\g<1>{HIDDEN}"),
)
"""What is secret by its shape: the words (one of them must be there, in lower case), the pattern, what replaces it.

In this order: the parts of URLs first, since what they hide would otherwise be found piece by piece."""
