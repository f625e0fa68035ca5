"""Texts with fields of the event in them: what they become, and which mistakes are found in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.events import Event
from badge_bridge.rulesfile import Template
from badge_bridge.rulesfile.templates import MAX_FILLED, PLACEHOLDERS, literal, mistakes, position


def event(**fields: Any) -> Event:
    basics = {"id": "1", "source": "reception", "provider": "twilio", "type": "call.missed"}
    return Event(**{**basics, "time": datetime(2026, 1, 31, 14, 5, 59, tzinfo=UTC), **fields})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Missed call from {caller}", "Missed call from +4930123"),
        ("{caller}{line}", "+4930123+4930456"),
        ("{source}: {type} by {provider}", "reception: call.missed by twilio"),
        ("at {time}", "at 2026-01-31 14:05 UTC"),
        ("after {duration}", "after 35 s"),
        ("{email}, {reason}", "unknown, unknown"),
        ("{{caller}} is {caller}", "{caller} is +4930123"),
        ("}}{{", "}{"),
        ("no field", "no field"),
    ],
)
def test_fields_take_the_place_of_their_names(text: str, filled: str) -> None:
    """A field is put where its name stands; what is unset reads as unknown; doubled braces are braces."""
    assert Template(text).fill(event(caller="+4930123", line="+4930456", duration=35)) == filled


def test_each_language_is_filled_with_its_own_word_for_unknown() -> None:
    """A withheld number is unknown in the language of the text, and in English where we do not know the word."""
    texts = {"en": "From {caller}", "de": "Von {caller}", "de-AT": "Von {caller}", "sv": "Från {caller}"}
    assert Template(texts).fill(event()) == {
        "en": "From unknown", "de": "Von unbekannt", "de-AT": "Von unbekannt", "sv": "Från unknown",
    }  # fmt: skip


def test_zero_seconds_are_not_unknown() -> None:
    """A call of 0 seconds has a known duration; one without does not."""
    assert Template("{duration}").fill(event(duration=0)) == "0 s"
    assert Template("{duration}").fill(event()) == "unknown"


@pytest.mark.parametrize("hidden", ["\n", "\r\n", "\t \x00", "\u2028", "\u202e", "\ud800", "\u200b"])
def test_a_filled_text_is_one_line_without_invisible_signs(hidden: str) -> None:
    """What a sender puts into a field can neither break the line nor turn its direction nor fail to be written."""
    assert Template("a {reason}").fill(event(reason=f"b{hidden}c")) == "a b c"
    assert Template("a {reason}").fill(event(reason=hidden)) == "a unknown"


def test_a_filled_text_is_cut_when_it_is_long() -> None:
    """A field of any length leaves a text that a portal takes, and shows that something is missing."""
    filled = Template("{reason}!").fill(event(reason="x" * 5000))
    assert filled == "x" * (MAX_FILLED - 1) + "…"
    assert Template("{reason}").fill(event(reason="x" * MAX_FILLED)) == "x" * MAX_FILLED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a {callr} b", [(2, "an event has no field 'callr' for a text; did you mean 'caller'?")]),
        ("{event.caller}", [(0, "a placeholder is the name of a field alone; write {caller}")]),
        ("{ caller }", [(0, "a placeholder is the name of a field alone; write {caller}")]),
        ("{caller!r:>9}", [(0, "a placeholder is the name of a field alone; write {caller}")]),
        ("{caller.upper()}", [(0, "a placeholder is the name of a field alone; write {caller}")]),
        ("{data.order}", [(0, f"a text cannot hold the data of an event; known are {', '.join(PLACEHOLDERS)}")]),
        ("{}", [(0, f"an event has no field '' for a text; known are {', '.join(PLACEHOLDERS)}")]),
        ("a { b", [(2, "this { belongs to no placeholder; write {caller} for a field, {{ for a brace")]),
        ("a } b", [(2, "this } belongs to no placeholder; write {caller} for a field, }} for a brace")]),
        (
            "{a{caller}",
            [(0, "this { belongs to no placeholder; write {caller} for a field, {{ for a brace")],
        ),
        ("{callr} {callee} {lin}", [
            (0, "an event has no field 'callr' for a text; did you mean 'caller'?"),
            (17, "an event has no field 'lin' for a text; did you mean 'line'?"),
        ]),
        ("{{callr}}", []),
    ],
)  # fmt: skip
def test_every_mistake_is_found_at_its_place(text: str, found: list[tuple[int, str]]) -> None:
    """A placeholder that names no field, and a brace that belongs to none, are found where they stand."""
    assert [(mistake.offset, mistake.message) for mistake in mistakes(text)] == found


def test_every_field_but_data_can_be_named() -> None:
    """Each placeholder that is offered is a field of the event and gives a text."""
    text = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    assert not list(mistakes(text))
    assert "{" not in str(Template(text).fill(event()))
    assert set(PLACEHOLDERS) == set(Event.model_fields) - {"data", "leg", "told_time"}


def test_a_position_counts_lines_and_columns_from_one() -> None:
    """An offset in a text of several lines becomes a line and a column."""
    assert [position("ab\ncd", offset) for offset in (0, 1, 3, 4)] == [(1, 1), (1, 2), (2, 1), (2, 2)]


@given(st.text(alphabet="ab{} ", max_size=20))
def test_a_literal_text_stands_for_itself(text: str) -> None:
    """Whatever is in a rule's name, as a template it has no mistakes and becomes itself, on one line."""
    assert not list(mistakes(literal(text)))
    assert Template(literal(text)).fill(event()) == " ".join(text.split())


@given(st.text(alphabet="ac{}\n. ", max_size=30), st.text(max_size=300))
def test_a_text_without_mistakes_can_always_be_filled(text: str, value: str) -> None:
    """Whatever is accepted can be filled with whatever comes, to one line of bounded length."""
    accepted = text.replace("{a}", "{caller}")
    if not list(mistakes(accepted)):
        filled = Template(accepted).fill(event(caller=value))
        assert isinstance(filled, str)
        assert len(filled) <= MAX_FILLED
        assert filled.isprintable()
