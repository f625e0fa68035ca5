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
    lengths: frozenset[int]
    """Digits that a national number may have."""
    prefix: re.Pattern[str] | None
    """What the parser takes away from the beginning of a national number."""


def is_e164(text: str) -> bool:
    """Whether the parser would give back this text; False may also mean that only the parser knows."""
    if not _DIGITS.fullmatch(text):
        return False
    for size in range(1, _LONGEST_CODE + 1):
        plan = _plan(int(text[1 : 1 + size]))
        if plan is not None:
            national = text[1 + size :]
            if len(national) not in plan.lengths or national[0] == "0":
                return False
            return plan.prefix is None or not plan.prefix.match(national)
    return False


@cache  # for at most a thousand codes
def _plan(code: int) -> _Plan | None:
    import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be read

    if code not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.general_desc is None:
        return None
    written = metadata.national_prefix_for_parsing
    lengths = frozenset(length for length in metadata.general_desc.possible_length if length > 1)
    return _Plan(lengths, re.compile(written) if written else None)
