"""What an operator types into the search form, and what the store is asked for then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.console.answers import Senseless
from badge_bridge.console.searching import read_search
from badge_bridge.store.wanted import Wanted
from support.operators import RULES, read_rules

NOW = datetime(2026, 11, 27, 21, 0, tzinfo=UTC).timestamp()
TWO_COUNTRIES = RULES.replace("id: body.id}\nbadges", "id: body.id}\n    country: US\nbadges")


def wanted(rules: str = RULES, **given: str) -> Wanted:
    return read_search(given).wanted(read_rules(rules), now=NOW)


def test_only_joined_legs_are_left_out_when_the_form_is_empty() -> None:
    """A form sends all its fields, the empty ones too."""
    empty = wanted(phone="", since=" ", until="", within="", source="", type="", state="", outcome="", rule="", legs="")
    assert empty == Wanted(legs=False)
    assert wanted(legs="1") == Wanted()


@pytest.mark.parametrize(
    "phone", ["+4930901820", "030 901820", "030/90 18-20", "(030) 901820", "0049 30 901820", "tel:+4930901820"]
)
def test_number_is_found_when_it_is_written_in_any_way(phone: str) -> None:
    """Who reads a number off a slip of paper types it as it is there."""
    assert wanted(phone=phone).customer == "+4930901820"


@pytest.mark.parametrize("text", ["anna@example.com", "Anna", "anonymous"])
def test_customer_is_looked_for_as_written_when_it_is_no_number(text: str) -> None:
    """Orders have an e-mail address, and some events a name."""
    assert wanted(phone=text).customer == text


def test_numbers_are_named_when_it_may_be_several() -> None:
    """Where the sources are in two countries, a national number is one in each."""
    with pytest.raises(Senseless) as caught:
        wanted(TWO_COUNTRIES, phone="202 555 0143")
    assert caught.value.field == "phone"
    assert "may be +492025550143 or +12025550143" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"source": "pbx"}, {"source": "pbx"}),
        ({"type": "call.missed", "rule": "missed call"}, {"type": "call.missed", "rule": "missed call"}),
        ({"state": "dead"}, {"state": "dead"}),
        ({"outcome": "badged"}, {"result": "badged"}),
        ({"within": "hour"}, {"since": NOW - 3600}),
        (
            {"within": "month", "until": "2026-11-01"},
            {"since": NOW - 30 * 86400, "until": NOW - 26 * 86400 - 21 * 3600},
        ),
        ({"since": "2026-11-27T20:00"}, {"since": NOW - 3600}),
        ({"since": "2026-11-27T20:00:30.500Z"}, {"since": NOW - 3569.5}),
        ({"until": "2026-11-27T21:00+01:00"}, {"until": NOW - 3600}),
        ({"since": "2026-11-27T20:00", "within": "day"}, {"since": NOW - 3600}),
        ({"since": "yesterday 9pm"}, {"since": NOW - 86400}),
    ],
)
def test_field_narrows_the_search_when_it_is_filled_in(given: dict[str, str], meant: dict[str, Any]) -> None:
    """A time is in UTC unless it says otherwise, and counts before how long ago."""
    assert wanted(**given) == Wanted(**meant, legs=False)


@pytest.mark.parametrize(
    ("typed", "named"), [("\u00e9t\u00e9", "e\u0301te\u0301"), ("e\u0301te\u0301", "\u00e9t\u00e9")]
)
def test_rule_is_found_when_its_name_looks_the_same(typed: str, named: str) -> None:
    """One keyboard writes an accent as a part of its letter, another one behind it."""
    assert wanted(RULES.replace("name: missed call", f"name: {named}"), rule=typed).rule == named
    assert wanted(rule=typed).rule == typed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phone", "12"),
        ("state", "lost"),
        ("outcome", "won"),
        ("within", "year"),
        ("since", "soon"),
        ("until", "2026-13-01T00:00"),
        ("rule", "x" * 501),
        ("legs", "yes"),
    ],
)
def test_field_is_named_when_it_makes_no_sense(name: str, value: str) -> None:
    """The page can show it, and the reason."""
    with pytest.raises(Senseless) as caught:
        wanted(**{name: value})
    assert caught.value.field == name


def test_end_is_refused_when_it_is_not_later_than_the_beginning() -> None:
    """Nothing can be found, and it is a slip of the hand."""
    with pytest.raises(Senseless, match="until 2026-11-27T19:00 is not later than since 2026-11-27T20:00") as caught:
        wanted(since="2026-11-27T20:00", until="2026-11-27T19:00")
    assert str(caught.value).endswith("they were understood as 2026-11-27 19:00:00 UTC and 2026-11-27 20:00:00 UTC")
    assert caught.value.field == "until"
    with pytest.raises(Senseless, match="until 2026-11-27T19:00 is not later than since 1h"):
        wanted(within="hour", until="2026-11-27T19:00")


def test_search_is_the_same_when_it_went_through_an_address() -> None:
    """A page's links keep what was looked for, and leave out what is empty."""
    search = read_search({"phone": "+49 30 90", "rule": "a&b=c", "since": "2026-11-27T20:00"})
    assert search.query(before="1.5:pbx:1") == (
        "phone=%2B49+30+90&since=2026-11-27T20%3A00&rule=a%26b%3Dc&before=1.5%3Apbx%3A1"
    )
