"""Phone numbers: E.164 where they can be read, as received where not, empty where withheld."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.events import Direction
from badge_bridge.sources.phone_numbers import Number, parties, read_number, with_plus


@pytest.mark.parametrize(
    ("value", "country", "expected"),
    [
        ("+4930123456", None, "+4930123456"),
        (" +49 (30) 123-456 ", None, "+4930123456"),
        ("030 123456", "DE", "+4930123456"),
        ("0049 30 123456", "DE", "+4930123456"),
        ("030 123456", None, "030 123456"),
        ("+1 555-867-5309", None, "+15558675309"),
        ("(555) 867-5309", "US", "+15558675309"),
        ("8 (495) 123-45-67", "RU", "+74951234567"),
        ("79991234567", "RU", "+79991234567"),
        ("102", "DE", "102"),
        ("867-5309", "US", "867-5309"),
        ("+1", None, "+1"),
        ("+999123456789", None, "+999123456789"),
        ("sip:+4930123456@pbx.example.com;transport=tls", None, "+4930123456"),
        ("SIPS:030123456@pbx.example.com", "DE", "+4930123456"),
        ("tel:+4930123456", None, "+4930123456"),
        ("sip:102@pbx.example.com", "DE", "sip:102@pbx.example.com"),
        ("sip:anna@example.com", "DE", "sip:anna@example.com"),
        ("client:anna", "DE", "client:anna"),
        ("client:1234567", "DE", "client:1234567"),
        ("REST_APP:12", "DE", "REST_APP:12"),
        ("1-800-FLOWERS", "US", "1-800-FLOWERS"),
        ("", "DE", ""),
        ("9" * 100_000, "DE", "9" * 100_000),
        ("\u202a+4930123456\u202c", None, "+4930123456"),
        ("+49 (30) 123\u2011456", None, "+4930123456"),
        ("\uff0b\uff14\uff19 30 123456", None, "+4930123456"),
        ("030\u00a0123456\u200b", "DE", "+4930123456"),
        ("anna\u200b", "DE", "anna\u200b"),
    ],
    ids=lambda value: ascii(value)[:32],
)
def test_number_is_read_with_its_country(value: str, country: str | None, expected: str) -> None:
    """What is a number becomes E.164; what is not, or could be several, stays as received."""
    assert read_number(value, country) == Number(expected)


@pytest.mark.parametrize(
    ("value", "country", "expected"),
    [
        ("4917139200011", None, "+4917139200011"),
        ("4917139200011", "DE", "+4917139200011"),
        ("12025550143", "US", "+12025550143"),
        ("79161234567", "RU", "+79161234567"),
        ("89161234567", "RU", "+79161234567"),
        ("13802138000", "CN", "+8613802138000"),
        ("017139200011", "DE", "+4917139200011"),
        ("+4917139200011", "DE", "+4917139200011"),
        ("2025550143", None, "2025550143"),
        ("89161234567", None, "89161234567"),
        ("84951234567", None, "84951234567"),
        ("84951234567", "RU", "+74951234567"),
        ("79161234567", None, "+79161234567"),
        ("12025550143", None, "+12025550143"),
        ("101", "DE", "101"),
    ],
)
def test_a_number_whose_plus_was_left_out_is_read_where_that_may_be(
    value: str, country: str | None, expected: str
) -> None:
    """A number of the source's own country, or one that is no national number; ten digits could be anything."""
    assert read_number(value, country, may_lack_plus=True) == Number(expected)


@pytest.mark.parametrize(
    "value",
    [
        "anonymous",
        "Anonymous",
        "RESTRICTED",
        "Private",
        "unavailable",
        "unknown",
        "withheld",
        "Blocked",
        "Not available",
        "sip:anonymous@anonymous.invalid",
        "+266696687",
        "+7378742833",
        "+86282452253",
        "+2562533",
        "+8656696",
        "Private Number",
        "Unknown caller",
        "No Caller ID",
        "anonymous@anonymous.invalid",
        "Anonymous <anonymous>",
        "<unknown>",
        "sip:anonymous%40x@h",
        "0000000000",
        "0",
    ],
)
def test_hidden_caller_is_empty(value: str) -> None:
    """A word that stands for a hidden number, also as keypad digits, is no number and is said to be withheld."""
    assert read_number(value, "DE") == Number("", withheld=True)


@pytest.mark.parametrize(
    "value",
    [
        "sip:192.168.1.10",
        "sips:pbx.example.com",
        "192.168.1.10",
        "2025-11-22",
        "the dentist's number",
        "anna@example.com",
    ],
)
def test_what_only_has_digits_is_no_number(value: str) -> None:
    """A host without a user, the address of a machine or a date is left as it is: no customer is made up of it."""
    assert read_number(value, "DE") == Number(value)


def test_keypad_digits_count_without_their_plus_where_it_may_be_lacking() -> None:
    """Elsewhere they are a number of somebody's."""
    assert read_number("266696687", "DE", may_lack_plus=True).withheld
    assert not read_number("7378742833", "US").withheld


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("447700900000", "+447700900000"),
        ("4989654321", "+4989654321"),
        ("+447700900000", "+447700900000"),
        ("12345", "12345"),
        ("07700900000", "07700900000"),
        ("sip:anna@example.com", "sip:anna@example.com"),
        ("", ""),
    ],
)
def test_plus_is_put_before_international_digits(written: str, text: str) -> None:
    """For a sender that never writes it; what else it writes stays."""
    assert with_plus(written) == text


@given(st.text(max_size=60), st.sampled_from([None, "DE", "US", "RU", "ZZ"]))
def test_any_text_is_read_to_a_fixed_point(value: str, country: str | None) -> None:
    """Whatever a provider sends, reading never fails, and a number that was read once stays the same."""
    once = read_number(value, country)
    if once.text.startswith("+") and not once.withheld:
        assert read_number(once.text, country).text == once.text


@pytest.mark.parametrize(
    ("direction", "line", "subject"),
    [
        ("inbound", "+4989654321", "+4930123456"),
        ("outbound", "+4930123456", "+4989654321"),
        ("internal", "", ""),
        ("", "", "+4930123456"),
    ],
)
def test_direction_tells_the_line_from_the_customer(direction: Direction, line: str, subject: str) -> None:
    """Our number is the called one of an incoming call and the calling one of an outgoing call."""
    ends = parties(direction, caller="+4930123456", callee="+4989654321", country=None)
    assert (ends.line, ends.subject) == (line, subject)
    assert ends.notes == {}


def test_hidden_caller_is_noted() -> None:
    """That a caller hides his number is something rules may ask for."""
    ends = parties("inbound", caller="anonymous", callee="+4989654321", country=None)
    assert (ends.caller, ends.subject, ends.notes) == ("", "", {"caller_withheld": True})


@pytest.mark.parametrize(
    ("received", "text", "extension"),
    [
        ("+49 30 901820 ext. 12", "+4930901820", "12"),
        ("030 901820 x12", "+4930901820", "12"),
        ("+4930901820;ext=12", "+4930901820", "12"),
        ("tel:+49-30-901820;ext=12", "+4930901820", "12"),
        ("sip:+4930901820;ext=7@pbx.example.com", "+4930901820", "7"),
        ("sip:%2B4930901820@pbx.example.com", "+4930901820", ""),
        ('"Anna M" <sip:+4930901820@pbx.example.com;user=phone>', "+4930901820", ""),
        ("<sip:+4930901820@pbx.example.com>", "+4930901820", ""),
        ('"Anna" <sip:+4930901820@pbx.example.com>;tag=1', "+4930901820", ""),
        ("sip:+4930901820:secret@pbx.example.com:5060", "+4930901820", ""),
        ("+4930901820@pbx.example.com", "+4930901820", ""),
        ("sip:101@pbx.example.com", "sip:101@pbx.example.com", ""),
        ("101", "101", ""),
        ("Max 12", "Max 12", ""),
        ("<sip:anna@example.com>", "<sip:anna@example.com>", ""),
        ('"x" <sip:anonymous@anonymous.invalid>', "", ""),
    ],
)
def test_extension_and_address_around_a_number_are_told_apart(received: str, text: str, extension: str) -> None:
    """An extension is no part of the number by which a customer is found; an address around it is none either."""
    number = read_number(received, "DE")
    assert (number.text, number.extension) == (text, extension)


def test_extensions_stand_in_the_notes() -> None:
    """Whose telephone it was within a company is kept, beside the number."""
    ends = parties("inbound", caller="+4930901820 ext 5", callee="+4989654321;ext=101", country=None)
    assert (ends.subject, ends.line) == ("+4930901820", "+4989654321")
    assert ends.notes == {"caller_extension": "5", "callee_extension": "101"}
