"""The ways in which one telephone number may be written in a CRM.

`crm.duplicate.findbycomm` compares a number as a whole, so that one stored in another form is not found; but it takes
twenty values in one call (Bitrix24 docs, "crm.duplicate.findbycomm").
"""

from __future__ import annotations

import re

__all__ = ["E164", "MOST_VARIANTS", "phone_variants"]

E164 = re.compile(r"\+[1-9][0-9]{4,14}")
"""An international number, with its plus."""

MOST_VARIANTS = 20
"""Values that one call of `crm.duplicate.findbycomm` takes."""

_NO_DIGIT = re.compile(r"\D")


def phone_variants(number: str) -> tuple[str, ...]:
    """The spellings of a number, the likeliest first: for `+79161234567` also `79161234567`, `89161234567`, ...

    A number that is not E.164 is sought as it was received and by its digits: which country it belongs to nobody knows
    here. A text without digits is no number, and nothing is sought.
    """
    received = number.strip()
    digits = _NO_DIGIT.sub("", received)
    if not digits:
        return ()
    spellings = [received, digits, *(_of_e164(received) if received.startswith("+") else ())]
    return tuple(dict.fromkeys(spellings))[:MOST_VARIANTS]


def _of_e164(number: str) -> tuple[str, ...]:
    import phonenumbers  # noqa: PLC0415 - its tables are paid for when a number is to be sought

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return ()
    national = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL))
    international = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    code = str(parsed.country_code)
    bracket = national.find("(")
    return (
        _NO_DIGIT.sub("", national),  # with the trunk prefix: 0 in Germany, 8 in Russia, none in the United States
        str(phonenumbers.national_significant_number(parsed)),
        "00" + _NO_DIGIT.sub("", number),
        international,
        national,
        # Bitrix24 writes an area code in brackets behind the country code, without the trunk prefix.
        *((f"+{code} {national[bracket:]}",) if bracket >= 0 else ()),
        international.replace(" ", "-"),
    )
