"""A person's number is found however it is written, and nobody else's is taken for it."""

from __future__ import annotations

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.spellings import Spellings, one_number

RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources:
  s: {provider: twilio, secrets: ["${TOKEN}"], public_url: "https://a.example/hooks/s", country: DE}
badges: {b: {title: t, value: v, type: failure}}
rules: [{name: r, on: call.missed, badge: b}]
"""
FRENCH = '  f: {provider: twilio, secrets: ["${TOKEN}"], public_url: "https://a.example/hooks/f", country: FR}\nbadges:'


def rules(text: str = RULES) -> RulesFile:
    return parse(text, providers=OPTIONS, environ=None)


BERLIN = [
    "+4930123456",
    "4930123456",
    "004930123456",
    "01149 30 123456",
    "+49 30 123456",
    "+49 (0)30 12 34 56",
    "030123456",
    "030/123456",
    "(030) 12-34-56",
    "030.123.456",
    "%2B49%2030%20123456",
    "From=%2B4930123456&To=1",
    "+49\u00a030\u202f123456",
    "+49\\u00a030 123456",
    '{"from": 4930123456, "n": 1}',
    "sip:+4930123456@example.com",
    "customer\n+4930123456",
    "+4930123456;ext=12",
]
NEW_YORK = ["+12125550100", "1-212-555-0100", "(212) 555-0100", "212.555.0100", "2125550100", "tel:+1-212-555-0100"]


@pytest.mark.parametrize(
    ("number", "text"), [("+4930123456", text) for text in BERLIN] + [("+12125550100", text) for text in NEW_YORK]
)
def test_number_is_found_when_it_is_written_in_any_way(number: str, text: str) -> None:
    """In a text, and in the bytes of a file at the place where it stands."""
    spellings = Spellings(number)
    found = spellings.in_bytes(f"Ω{text}".encode())
    assert spellings.in_text(text)
    assert found is not None
    assert f"Ω{text}".encode()[found:].decode()[0] in number + "0"


@pytest.mark.parametrize(
    "text",
    [
        "+493012345678",
        "+49 30 1234567",
        "030 123456-12",
        "14930123456",
        "1030123456",
        "30123456",
        "+4931123456",
        "+49 30 12345",
        "4930123_456",
        "",
    ],
)
def test_number_is_not_found_when_it_is_another_one(text: str) -> None:
    """A longer number that has the same digits in it, one digit less, or the digits of an order."""
    spellings = Spellings("+4930123456")
    assert not spellings.in_text(text)
    assert spellings.in_bytes(text.encode()) is None


@pytest.mark.parametrize("text", ["+4930123456", "030 123456", "4930123456", "tel:+49-30-123456"])
def test_number_is_read_as_a_source_reads_it(text: str) -> None:
    """Also as it is dialled in the country of a source."""
    assert one_number(rules(), text) == "+4930123456"


@pytest.mark.parametrize("text", ["anna", "12", "", "anonymous"])
def test_text_that_is_no_number_is_refused(text: str) -> None:
    """What nobody can look for with certainty is not erased by a guess."""
    with pytest.raises(SettingsError, match="is no telephone number; write it with its country's code"):
        one_number(rules(), text)


def test_number_that_may_be_two_peoples_is_refused() -> None:
    """Sources of two countries read it in two ways, and only one of them is meant."""
    with pytest.raises(SettingsError, match=r"may be \+4930123456 or \+33030123456; write it as one of these"):
        one_number(rules(RULES.replace("badges:", FRENCH)), "030 123456")
