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
    "030 123456-12",
    "4930123_456",
]
MOBILE = [
    "in-100-4917139200011-20261127-090000.wav",
    "in-100-017139200011-20261127-090000-12.wav",
    "20261127-090000-4917139200011-4930901820.wav",
    "b6-4917139200011-1",
    "rec_0171_39200011_1",
    "0171 \u2013 392 00011",
    "0171\u2011392\u201100011",
    "0171\\/39200011",
    "0171 \\u2013 39200011",
    "\\\\u00220171 39200011",
    "\\u00a00171 39200011",
    "\\x220171 39200011",
    "+49&nbsp;171&nbsp;39200011",
    "&#43;49&#160;171&#xA0;39200011",
    "%7B%22from%22%3A%224917139200011%22%7D",
    "%220171392%2000011%22",
    "%25220171392%252000011%2522",
    "0171+%E2%80%93+39200011",
    "0171%C2%A0392%C2%A000011",
    "0004917139200011",
    '["49", "17139200011"]',
    '{"country": "49", "number": "17139200011"}',
]
BUENOS_AIRES = ["+54 9 11 2345-6789", "011 15-2345-6789"]
NEW_YORK = [
    "+12125550100",
    "1-212-555-0100",
    "(212) 555-0100",
    "call (212) 555-0100 back",
    "212.555.0100",
    "%28212%29%20555-0100",
    "tel:+1-212-555-0100",
]
COPENHAGEN = ["+45 20 26 11 27", "20 26 11 27", "20-26-11-27", '{"phone": "20261127"}']
ROME = ["+390612345678", "06 1234 5678", "in-0612345678-20261127.wav"]
AS_A_NUMBER = [
    '{"caller": "1795846705"}',
    '{"caller":"1795846705","callee":""}',
    '{"subject": "1795846705"}',
    '{"line": "1795846705"}',
    '{"callee": "179 5846705"}',
    '{"data": {"From": "(179) 58467-05 "}}',
    '{"phone_number": 1795846705, "n": 1}',
    '{"customerPhone":1795846705}',
    '{"caller_id": "1795846705"}',
    '{"CallerID": "1795846705"}',
    '{"PHONE_NUMBER": "1795846705"}',
    '{"mobile phone": "tel:1795846705"}',
    '{"from": "sip:1795846705@pbx.example"}',
    '{"phones": ["+4930123456", "1795846705"]}',
    '{"phones": [30123456, 1795846705]}',
    '{"from": {"number": "1795846705"}}',
    '{"number": "1795846705"}',
    '{"participants": [{"type": "phone", "number": "1795846705"}]}',
    '{"raw": "{\\"from\\": \\"1795846705\\"}"}',
    '{"raw": "{\\u0022from\\u0022: \\u00221795846705\\u0022}"}',
    "%7B%22from%22%3A%221795846705%22%7D",
    "%257B%2522from%2522%253A%25221795846705%2522%257D",
    "From=1795846705&To=1",
    "a=1&call%5Bfrom%5D=1795846705",
    "https://a.example/?x=1&phone=1795846705",
    "<from>1795846705</from>",
    '<ns:Caller type="e">179 584 6705</ns:Caller>',
    '<call from="1795846705"/>',
    "&lt;caller&gt;1795846705&lt;/caller&gt;",
    "customer\n1795846705",
    "customer\n1795846705A\u00da",
]
OF_OTHERS = [
    "externalCall.sandbox.1795846705.3",
    '{"CALL_ID": "externalCall.sandbox.1795846705.3"}',
    '{"sent_at": 1795846705}',
    '{"timestamp": "1795846705", "caller": "+4930555"}',
    '{"called_at": 1795846705}',
    '{"from_time": 1795846705, "valid_to": 1795846705}',
    '{"order_number": 1795846705}',
    '{"order": {"number": "1795846705"}}',
    '{"orders": [{"total": {"a": 1}, "number": 1795846705}]}',
    '{"line_id": "1795846705"}',
    '{"customer": "1795846705"}',
    '{"id": "1795846705"}',
    '{"leg": {"call": "1795846705"}}',
    '{"caller": "1795846705.3"}',
    '{"caller": "1795846705-2"}',
    '{"caller": "+1795846705"}',
    '{"caller": "+43 1795846705"}',
    '{"caller": "order 1795846705"}',
    '{"caller": "1795846705 is the order"}',
    '{"caller": 1795846705.25}',
    '{"phones": [], "at": 1795846705}',
    "from=+1795846705",
    "from=1795846705-1",
    "at=1795846705&from=1",
    "<at>1795846705</at>",
    "<from>at 1795846705</from>",
    "in-100-1795846705-20261127.wav",
    "order 179 584 6705",
    "customer\n1795846705.3",
    "same\n1795846705",
    "event.data.customer\n1795846705",
    "call\ns\n1795846705",
]


@pytest.mark.parametrize(
    ("number", "text"),
    [("+4930123456", text) for text in BERLIN]
    + [("+4917139200011", text) for text in MOBILE]
    + [("+5491123456789", text) for text in BUENOS_AIRES]
    + [("+12125550100", text) for text in NEW_YORK]
    + [("+4520261127", text) for text in COPENHAGEN]
    + [("+390612345678", text) for text in ROME]
    + [("+491795846705", text) for text in AS_A_NUMBER],
)
def test_number_is_found_when_it_is_written_in_any_way(number: str, text: str) -> None:
    """In a text, and in the bytes of a file at the place where it stands."""
    spellings = Spellings(number)
    found = spellings.in_bytes(f"Ω\n{text}".encode())
    assert spellings.in_text(text)
    assert found is not None
    assert f"Ω\n{text}".encode()[found:].decode()[0] in number + "0"


@pytest.mark.parametrize(
    ("number", "text"),
    [("+491795846705", text) for text in OF_OTHERS]
    + [
        ("+4520261127", text)
        for text in ("in-100-20261127-090000.wav", '{"date": "20261127"}', "on 2026-11-27", '{"from": "2026-11-27"}')
    ]
    + [("+12125550100", text) for text in ('{"order": 2125550100}', "order 2125550100", "+43 212 555 0100")],
)
def test_time_or_an_order_is_not_taken_for_a_number(number: str, text: str) -> None:
    """The number's digits without what is dialled before them stand in other people's events by chance."""
    spellings = Spellings(number)
    assert not spellings.in_text(text)
    assert spellings.in_bytes(text.encode()) is None
    assert spellings.in_bytes(f"{text}\x00{text}".encode()) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("+4917139200011", "171 39200011"),
        ("+491795846705", " (179) 584 6705"),
        ("+5491123456789", "91123456789"),
        ("+12125550100", "2125550100"),
    ],
)
def test_whole_text_counts_as_a_number(number: str, text: str) -> None:
    """It is a column of its own, such as that of a badge's customer; in a file nothing says where it begins."""
    spellings = Spellings(number)
    assert spellings.in_text(text)
    assert spellings.in_bytes(text.encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        "+43 171 39200011",
        "+43 (171) 39200011",
        "0043-171-39200011",
        "%2B43%20171%2039200011",
        "171392000112",
        "2017139200011",
        "in-100-491713920001120-20261127-090000.wav",
        "%2B24917139200011",
        "171:39200011",
        "0171 abc 39200011",
    ],
)
def test_longer_number_is_another_one(text: str) -> None:
    """Also one of another country that ends with the same digits, and what is no telephone number at all."""
    spellings = Spellings("+4917139200011")
    assert not spellings.in_text(text)
    assert spellings.in_bytes(text.encode()) is None


def test_number_is_found_behind_a_longer_one() -> None:
    """What looks like it at first does not hide it, nor do its own digits once more."""
    assert Spellings("+4930303030303").in_text("+43 30303030303, 303030303030, 0 30303030303")


@pytest.mark.parametrize(
    ("number", "digits"), [("+4920261127", "20261127"), ("+4917139200011", ""), ("+3545551234", "")]
)
def test_short_number_is_not_sought_without_its_prefix(number: str, digits: str) -> None:
    """It may as well be a date, which stands in everybody's events; where there is no prefix, it is dialled so."""
    spellings = Spellings(number)
    assert spellings.not_sought == digits
    assert not digits or not spellings.in_text(f"in-100-{digits}-090000.wav")


@pytest.mark.parametrize(
    "text",
    [
        "+493012345678",
        "+49 30 1234567",
        "14930123456",
        "1030123456",
        "30123456",
        "+4931123456",
        "+49 30 12345",
        "+43 30 123456",
        "+43 030 123456",
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


@pytest.mark.parametrize(
    "text",
    [
        "\u202a+4930123456\u202c",
        "+49\u201130\u2011123456",
        "+49\u00a030\u202f12\u200b34\u206056",
        "030 \u2013 123456",
        "030\u2212123456\ufeff",
        "\uff0b49 30 123456",
        "49 30 123456",
    ],
    ids=ascii,
)
def test_number_is_read_as_it_looks_when_it_was_pasted(text: str) -> None:
    """Marks that nobody sees are left out, and every dash and space is one."""
    assert one_number(rules(), text) == "+4930123456"


@pytest.mark.parametrize("text", ["anna", "12", "", "anonymous"])
def test_text_that_is_no_number_is_refused(text: str) -> None:
    """What nobody can look for with certainty is not erased by a guess."""
    with pytest.raises(SettingsError, match="is no telephone number; write it whole and with its country's code"):
        one_number(rules(), text)


@pytest.mark.parametrize("text", ["4917139200011", " 12125550143 "])
def test_number_without_its_plus_is_no_number_that_nobody_has(text: str) -> None:
    """+494917139200011 could be one by its length, and +3312125550143 is too long for any in use; nobody means them."""
    assert one_number(rules(RULES.replace("badges:", FRENCH)), text) == f"+{text.strip()}"


def test_number_that_may_be_two_peoples_is_refused() -> None:
    """Sources of two countries read it in two ways, and only one of them is meant; or it is one at home, too."""
    with pytest.raises(SettingsError, match=r"may be \+442079460123 or \+49442079460123; write it as one of these"):
        one_number(rules(), "442079460123")
    with pytest.raises(SettingsError, match=r"may be \+4930123456 or \+33030123456; write it as one of these"):
        one_number(rules(RULES.replace("badges:", FRENCH)), "030 123456")
