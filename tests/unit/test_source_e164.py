"""Numbers that are E.164 already are taken without the parser, and only those that it would give back as they are."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.sources.e164 import is_e164
from badge_bridge.sources.phone_numbers import Number, read_number

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def parsed(text: str, country: str | None) -> str | None:
    """What the library makes of a number by itself."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(
    code=st.sampled_from(CODES),
    national=st.text("0123456789", min_size=1, max_size=14),
    country=st.sampled_from([None, "DE", "US", "RU", "IT"]),
)
def test_number_that_is_taken_unparsed_is_what_the_parser_gives_back(
    code: int, national: str, country: str | None
) -> None:
    """Of all countries, lengths and prefixes, none is taken that the parser would refuse or write in another way."""
    text = f"+{code}{national}"

    assert not is_e164(text) or parsed(text, country) == text


@pytest.mark.parametrize("region", ["DE", "US", "GB", "FR", "RU", "IT", "BR", "IN", "AU", "JP", "MX", "AE"])
def test_example_of_a_country_is_taken_unparsed(region: str) -> None:
    """An ordinary mobile number is what this is for."""
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None

    assert is_e164(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "4930123456",
        "+49 30 123456",
        "+4903012345678",
        "+4930",
        "+49301234567890123",
        "+9990000000",
        "+٤٩٣٠١٢٣٤٥٦",
    ],
)
def test_other_numbers_are_left_to_the_parser(text: str) -> None:
    """Without a plus, with spaces or a national prefix, of impossible lengths, of no country, in other digits."""
    assert not is_e164(text)


def test_keypad_word_is_withheld_although_it_is_written_like_a_number() -> None:
    """`anonymous` as digits of a keypad is nobody's number."""
    assert read_number("+266696687", None) == Number("", withheld=True)
