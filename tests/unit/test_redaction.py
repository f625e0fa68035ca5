"""What the redactor takes out, and what it must leave."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from badge_bridge.errors import PortalError
from badge_bridge.events import event_key
from badge_bridge.observability.redaction import HIDDEN, Redactor, mask_phone
from badge_bridge.portal import AccessToken
from badge_bridge.portal.answers import read
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.wire import Answer
from badge_bridge.sandbox.errors import ERRORS

KNOWN = {known.code.casefold(): known for known in ERRORS.values()}
"""What the sandbox answers with, as the portal does."""
CREDENTIAL = AccessToken("https://acme.bitrix24.com", "t0k3n-of-acme")
KEY = event_key("reception", ["CA1", "completed"])
PHONE = "+49301234567"
MASKED = "+49*******67"


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+49301234567", "+49*******67"),
        ("+15558675309", "+15*******09"),
        ("4930123456", "493*****56"),
        ("123456789", "*********"),
        ("102", "***"),
        ("", ""),
    ],
)
def test_mask_phone_keeps_three_and_two_when_five_are_hidden(number: str, masked: str) -> None:
    """A number keeps its first three and last two characters, or nothing where that would hide fewer than five."""
    assert mask_phone(number) == masked


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("GET https://a.b/rest/7/q1w2e3r4/crm.badge.get.json?auth=zz&n=1 failed", "GET https://a.b/rest/7/***/crm.badge.get.json?*** failed"),
        ("url 'https://a.b/x?phone=1&token=t'.", "url 'https://a.b/x?***'."),
        ("POST /hooks/x?flag HTTP/1.1", "POST /hooks/x?*** HTTP/1.1"),
        ("hooks?sign=abc", "hooks?***"),
        ("/rest/api/7/q1w2e3r4/m", "/rest/api/7/***/m"),
        ("to=https%3A%2F%2Fa.b%2Frest%2F7%2Fq1w2e3r4%2Fm", "to=https%3A%2F%2Fa.b%2Frest%2F7%2F***%2Fm"),
        ("amqp://user:pa:ss@w0rd@host/x", "amqp://***@host/x"),
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer ***"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic ***"),
        ("Authorization: Token 9944b09199c62bcf", "Authorization: Token ***"),
        ("[('authorization', 'Bearer abc'), ('host', 'h')]", "[('authorization', ***), ('host', 'h')]"),
        ("[(b'x-api-key', b'abc')]", "[(b'x-api-key', ***)]"),
        ("auth[access_token]=abc&auth%5Bapplication_token%5D=def&auth[domain]=d", "auth[access_token]=***&auth%5Bapplication_token%5D=***&auth[domain]=d"),
        ("auth=abc, member=1", "auth=***, member=1"),
        ('{"refresh_token": "a\\"b", "n": 1}', '{"refresh_token": ***, "n": 1}'),
        ('{"auth_token": 12345678, "n": 1}', '{"auth_token": ***, "n": 1}'),
        ("'secret': q1w2e3r4t5y6", "'secret': ***"),
        ("{'auth': {'a': 'b'}, 'n': 1}", "{'auth': ***, 'n': 1}"),
        ("client_secrets=['abc', 'def'] n=1", "client_secrets=*** n=1"),
        ("token: abc123def456ghi", "token: ***"),
        ("body eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end", "body *** end"),
        (f"call from {PHONE}.", f"call from {MASKED}."),
        ("To=%2B49301234567&x=1", f"To={MASKED}&x=1"),
        ("sip:+49301234567@host", f"sip:{MASKED}@host"),
        ("+49 30 123-4567 and +1 (555) 867-5309", f"{MASKED} and +15*******09"),
        (f"call from {PHONE}{PHONE}", f"call from {MASKED}{MASKED}"),
        ("dial 0301234567 or 0049301234567.", "dial 030*****67 or 004********67."),
        ("rang (030) 123-4567, then 0171 234 5678 and 030/1234567", "rang 030*****67, then 017******78 and 030*****67"),
        ("0049 30 1234567 and 030-1234567.", "004********67 and 030*****67."),
        ("n=Anna%20%28%2B49%2030%201234567%2C%200301234567%29", f"n=Anna%20%28{MASKED}%2C%20030*****67%29"),
        ("r=a%253D%252B49301234567%26b", f"r=a%253D{MASKED}%26b"),
        ("caller=4930123456 callee: '030 123 4567'", "caller=493*****56 callee: '030*****67'"),
        ("{'From': '4930123456'}", "{'From': '493*****56'}"),
    ],
)  # fmt: skip
def test_text_hides_what_is_secret_by_its_shape(text: str, cleaned: str) -> None:
    """Queries, webhook paths, credentials, tokens and phone numbers are hidden, and the rest of the text is kept."""
    assert Redactor().text(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        f"done {event_key('reception', ['CA1', 'completed'])} call.missed -> missed call: ensured bb_missedCall (added)",
        "key reception:12345678901234567890123456789012 taken",
        "due 1763778600 at 2026-11-22T10:00:00+00:00, 2026-11-22 10:00:05.123+0100",
        "05.12.2026 10:00 or 01/02/2026 09:30, 007 of 12, 0 5 10 15 20 25 30 35",
        "between 10:00:05+0100 2026-11-22 and 10:00:05+0100 22/11/2026",
        "listening on http://127.0.0.1:8080/hooks/reception",
        "from: 192.168.100.200:49152 to=2026-11-22T10:00 from=1763778600.123",
        "order 1234567890 and id 20261122123456",
        "signature: missing; token: expired; the secret is too short",
        "bearer token in the Authorization header, basic authentication, the Basic plan",
        "what? why?yes (really?)",
        "rest/crm.activity.badge.add and /rest/crm.activity.badge.get",
        "author=Bob keyed=1 0.0301234567 1.5e+12",
        "hmac-sha1 over url and form",
        "crm.activity.badge.add: ERROR_CORE (400)",
        "refused: 'the scope of the access token': credential lacks it",
        "'no token': 401 and \"your secret\": application 2 is denied",
        "00112233-4455-6677-8899-001122334455",
    ],
)
def test_text_keeps_what_an_operator_searches_for(text: str) -> None:
    """Event keys, ids, times, ports, addresses and sentences about credentials stay as they are."""
    assert Redactor().text(text) == text


@pytest.mark.parametrize("method", ["crm.activity.badge.get", "crm.activity.badge.add", "voximplant.statistic.get"])
@pytest.mark.parametrize("code", sorted({*CODES, *KNOWN, "no such code"}))
def test_text_keeps_what_a_portal_says(code: str, method: str) -> None:
    """Every message about a portal's refusal, with any description that a portal gives, stays as it is."""
    for known in KNOWN.values():
        told = {"error": code, "error_description": known.description}
        answer = Answer(known.status, json.dumps(told).encode())
        with pytest.raises(PortalError) as refused:
            read(answer, portal="main", method=method, credential=CREDENTIAL)
        for text in (str(refused.value), f"dead {KEY} call.missed -> given up after attempt 1: {refused.value}"):
            assert Redactor(secrets=[CREDENTIAL.secret]).text(text) == text


@pytest.mark.parametrize("spelling", ["p@ss/word 1", "p%40ss%2Fword%201", "p%40ss/word%201"])
def test_text_hides_a_known_secret_when_it_is_encoded(spelling: str) -> None:
    """A configured secret is found plain and percent-encoded, whatever stands around it."""
    assert Redactor(secrets=["p@ss/word 1"]).text(f"x{spelling}y") == f"x{HIDDEN}y"


def test_text_hides_a_known_secret_when_it_is_escaped() -> None:
    """A configured secret with quotes is found in JSON and in repr, one of several lines in each of its long lines."""
    secret = 'first"line-of-the-key\nsecond\\line-of-the-key'
    redactor = Redactor(secrets=[secret])
    for text in (json.dumps(secret), repr(secret), secret.splitlines()[1]):
        assert "line-of-the-key" not in redactor.text(text)


def test_text_keeps_words_when_a_secret_is_shorter_than_six() -> None:
    """A short configured value is not replaced, as it would be found in every other word."""
    assert Redactor(secrets=["on", "", "12345"]).text("not on 12345") == "not on 12345"


def test_text_keeps_phone_numbers_when_told_so() -> None:
    """With show_phone_numbers only secrets are hidden."""
    redactor = Redactor(show_phone_numbers=True)
    assert redactor.text(f"caller={PHONE} token=abc") == f"caller={PHONE} token={HIDDEN}"
    assert redactor.fields({"caller": PHONE}) == {"caller": PHONE}


def test_text_hides_the_input_when_a_pydantic_error_repeats_it() -> None:
    """The value that a validation error quotes is the sender's and is not repeated."""

    class Model(BaseModel):
        n: int

    with pytest.raises(ValidationError) as raised:
        Model.model_validate({"n": "my-private-word"})
    cleaned = Redactor().text(str(raised.value))
    assert "my-private-word" not in cleaned
    assert "valid integer" in cleaned


def test_text_has_no_half_of_a_secret_when_it_is_cut() -> None:
    """A text that is too long is cut after cleaning, so a secret across the cut leaves nothing."""
    redactor = Redactor(secrets=["abcdefghij"])
    cut = redactor.text("x" * 95 + "abcdefghij" + "y" * 1000, limit=100)
    assert cut == "x" * 95 + HIDDEN + "yy…"


def test_text_escapes_characters_that_could_forge_lines() -> None:
    """Escape sequences, line separators, direction marks and lone surrogates become visible text."""
    assert Redactor().text("a\x1b[2J\u2028b\r\u202ec\ud800\x85") == "a\\x1b[2J\\u2028b\\x0d\\u202ec\\ud800\\x85"


@given(st.text(alphabet="+0123456789 ()?=&/:@'\"-.%2Bbasicbearertokenauthrest{}[],\\\n"))
def test_text_is_the_same_when_cleaned_twice(text: str) -> None:
    """Cleaning what is clean changes nothing."""
    redactor = Redactor(secrets=["s3cr3t-value"])
    once = redactor.text(text)
    assert redactor.text(once) == once


@given(
    st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True),
    st.sampled_from(["{}", "from {} to", "a={}&b", '"{}"', "tel:{},"]),
)
def test_text_never_has_an_e164_number(number: str, around: str) -> None:
    """Every number of 8 to 15 digits with a plus is masked, whatever stands around it."""
    assert number not in Redactor().text(around.format(number))


@pytest.mark.parametrize(
    "piece", ["?", "? ", "://", "1 ", "(1", "token", "token ", "'token',", "'token':a", "'token': a", "secret=[", "/rest/1/", "+1", "input_value=", "a.", "\\'", "eyJaaaaaaaa.", "0", " ", "%20", "%2B1", "(0", "030 ", "%2525"]
)  # fmt: skip
def test_text_takes_linear_time_when_the_sender_tries_otherwise(piece: str) -> None:
    """Long texts of what each pattern begins with are cleaned in well under a second."""
    started = time.process_time()
    Redactor().text(piece * (16_000 // len(piece)))
    assert time.process_time() - started < 0.5


def test_fields_are_masked_by_their_names() -> None:
    """Bare digits are phone numbers in fields that hold phone numbers, also nested, as numbers and in other spellings."""
    fields = {
        "caller": "4930123456",
        "forwardedFrom": 4930123456,
        "line": {"number": "030/1234567", "name": "Reception"},
        "to": ["(555) 867-5309", "102"],
        "From": f"sip:{PHONE}@host",
        "subject": "anonymous",
    }
    assert Redactor().fields(fields) == {
        "caller": "493*****56",
        "forwardedFrom": "493*****56",
        "line": {"number": "030*****67", "name": "Reception"},
        "to": ["555*****09", "102"],
        "From": f"sip:{MASKED}@host",
        "subject": "anonymous",
    }


@pytest.mark.parametrize("between", ["_", "|", ":", "\u200b", " : ", "·"])
@pytest.mark.parametrize("parts", [["+49", "30", "12345678"], ["+49", "30", "1234", "5678"], ["030", "1234", "5678"]])
def test_number_in_its_field_is_masked_whatever_stands_between_its_digits(between: str, parts: list[str]) -> None:
    """A sender writes it as he likes; five digits are left at most. Short ones stay."""
    told = Redactor().fields({"caller": between.join(parts), "to": "extension 12, desk 7"})
    assert sum(letter.isdigit() for letter in told["caller"]) <= 5
    assert "*" in told["caller"]
    assert told["to"] == "extension 12, desk 7"


def test_fields_are_hidden_when_their_name_says_secret() -> None:
    """Whatever is in a field such as auth or access_token is hidden, except that it is unset."""
    fields = {
        "auth": {"x": "abc"},
        "accessToken": "abc",
        "API_KEY": 5,
        "token": None,
        "password": "",
        "rules_hash": "abc",
    }
    assert Redactor().fields(fields) == {
        "auth": HIDDEN,
        "accessToken": HIDDEN,
        "API_KEY": HIDDEN,
        "token": None,
        "password": "",
        "rules_hash": "abc",
    }


def test_fields_keep_ordinary_values() -> None:
    """The fields of an ordinary line come out as they went in."""
    fields: dict[str, Any] = {
        "key": event_key("reception", ["1"]),
        "attempt": 1,
        "number": 20261122123456789,
        "took_ms": 12.5,
        "due": "2026-11-22T10:00:05Z",
        "at": 1763778600,
        "port": 49152,
        "rules": [{"rule": "missed call", "badge": "bb_missedCall", "ok": True, "none": None}],
        "empty": {},
    }
    assert Redactor().fields(fields) == fields


def test_fields_hide_secrets_in_names_and_nested_strings() -> None:
    """A known secret is found in a field's name and in strings at any depth."""
    cleaned = Redactor(secrets=["s3cr3t-value"]).fields(
        {"a s3cr3t-value b": [{"x": ("s3cr3t-value", {"s3cr3t-value"})}]}
    )
    assert cleaned == {f"a {HIDDEN} b": [{"x": [HIDDEN, [HIDDEN]]}]}


def test_fields_become_json_when_values_are_not() -> None:
    """NaN, infinity, dates, bytes, huge numbers, strange keys and objects without a text become text."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    fields = {
        "nan": float("nan"),
        "inf": float("-inf"),
        "time": datetime(2026, 11, 22, tzinfo=UTC),
        "body": b"secret body",
        "huge": 1 << 70,
        (1, 2): Broken(),
    }
    cleaned = Redactor().fields(fields)
    assert cleaned == {
        "nan": "nan",
        "inf": "-inf",
        "time": "2026-11-22 00:00:00+00:00",
        "body": "<11 bytes>",
        "huge": "0x400000000000000000…",
        "(1, 2)": "<Broken>",
    }
    json.dumps(cleaned, allow_nan=False)


def test_fields_are_bounded_when_they_are_endless() -> None:
    """A structure that contains itself, or too many values, is cut."""
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert "…" in json.dumps(Redactor().fields(loop), ensure_ascii=False)
    assert len(Redactor().fields({"many": list(range(100_000))})["many"]) < 1000
