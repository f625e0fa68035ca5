"""In which spellings a number is looked for."""

from __future__ import annotations

import pytest

from badge_bridge.portal.phone_variants import MOST_VARIANTS, phone_variants


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            "+4930123456",
            {"+4930123456", "4930123456", "004930123456", "030123456", "30123456", "+49 30 123456", "030 123456"},
        ),
        (
            "+79161234567",
            {
                "+79161234567",
                "79161234567",
                "89161234567",
                "9161234567",
                "+7 916 123-45-67",
                "8 (916) 123-45-67",
                "+7 (916) 123-45-67",
            },
        ),
        ("+77011234567", {"+77011234567", "77011234567", "87011234567", "7011234567"}),
        ("+390612345678", {"+390612345678", "390612345678", "0612345678", "06 1234 5678"}),
        ("+12125550123", {"+12125550123", "12125550123", "2125550123", "(212) 555-0123", "+1 (212) 555-0123"}),
    ],
)
def test_a_number_is_looked_for_in_the_forms_that_people_store(number: str, expected: set[str]) -> None:
    """E.164 and bare digits, with and without the country's code and the trunk prefix, plain and as people write it."""
    variants = phone_variants(number)
    assert expected <= set(variants)
    assert variants[0] == number


@pytest.mark.parametrize("number", ["+4930123456", "+79161234567", "+12125550123", "+5511987654321", "+442071838750"])
def test_no_more_values_than_one_call_takes_and_none_twice(number: str) -> None:
    """The portal takes twenty values; a spelling that comes out twice is sent once."""
    variants = phone_variants(number)
    assert len(variants) == len(set(variants)) <= MOST_VARIANTS


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("030 123456", ("030 123456", "030123456")),
        ("101", ("101",)),
        ("+999", ("+999", "999")),
        (" +", ()),
        ("", ()),
        ("anna", ()),
    ],
)
def test_what_is_not_e164_is_looked_for_as_received(number: str, expected: tuple[str, ...]) -> None:
    """Nothing is guessed about a number whose country is unknown, and a text without digits is no number."""
    assert phone_variants(number) == expected
