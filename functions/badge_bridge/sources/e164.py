"""Numbers that are E.164 already, told from the tables of `phonenumbers` without its parser.

Most senders write `+4930123456`, each time another one. To parse it, judge it and write it again as it was takes the
library some 80 us. What it would do is known for a number that begins with a country's code, has a length that is
possible there, and no prefix that is dialled only inside of the country; every other number is for the parser.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = ["is_e164"]

_DIGITS = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST_CODE = 3


class _Plan(NamedTuple):
    size: int
    """Digits of the country's code."""
    lengths: frozenset[int]
    """Digits that a national number may have."""
    prefix: re.Pattern[str] | None
    """What the parser takes away from the beginning of a national number."""


def is_e164(text: str) -> bool:
    """Whether the parser would give back this text; False may also mean that only the parser knows."""
    if not _DIGITS.fullmatch(text):
        return False
    plan = _plan(text[1 : 1 + _LONGEST_CODE])
    if plan is None:
        return False
    national = text[1 + plan.size :]
    if len(national) not in plan.lengths or national[0] == "0":
        return False
    return plan.prefix is None or not plan.prefix.match(national)


@cache  # for at most a thousand beginnings
def _plan(digits: str) -> _Plan | None:
    """That of the country with whose code these digits begin."""
    import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be read

    codes = [int(digits[:size]) for size in range(1, _LONGEST_CODE + 1)]
    code = next((code for code in codes if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), None)
    if code is None:
        return None
    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.general_desc is None:
        return None
    written = metadata.national_prefix_for_parsing
    lengths = frozenset(length for length in metadata.general_desc.possible_length if length > 1)
    return _Plan(len(str(code)), lengths, re.compile(written) if written else None)
