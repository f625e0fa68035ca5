"""The marks under which activities and leads are found again."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.portal.origins import lead_origin_of, origin_of

PHONE = "+4930901820"


def test_a_mark_is_the_same_for_ever() -> None:
    """One that changed with a release would no longer find what the release before has added."""
    assert origin_of("reception:1", "missed call") == "adda3ebdd2efc9b0e2a0f1accb2a439d"


@given(key=st.text(), rule=st.text())
def test_a_mark_is_short_and_says_nothing(key: str, rule: str) -> None:
    """32 hexadecimal digits, whatever a sender or a rules file has in its names."""
    assert re.fullmatch("[0-9a-f]{32}", origin_of(key, rule))


@given(
    one=st.tuples(st.text("a\n\\'"), st.text("a\n\\'")),
    other=st.tuples(st.text("a\n\\'"), st.text("a\n\\'")),
)
def test_marks_differ_when_event_or_rule_differ(one: tuple[str, str], other: tuple[str, str]) -> None:
    """No line break or quote makes two pairs look like one."""
    assert (origin_of(*one) == origin_of(*other)) == (one == other)


def test_half_a_surrogate_pair_has_a_mark() -> None:
    """A sender's JSON may hold one, which UTF-8 cannot say."""
    assert origin_of("\ud800", "r") != origin_of("\ud801", "r")


def test_a_lead_is_marked_by_number_else_by_address() -> None:
    """Addresses are compared without their case; a customer with neither has no mark, and no mark tells the number."""
    assert lead_origin_of(PHONE, "anna@example.com") == lead_origin_of(PHONE, "")
    assert lead_origin_of("", "Anna@Example.com") == lead_origin_of("", "anna@example.com")
    assert lead_origin_of("", "") == ""
    marks = {lead_origin_of(PHONE, ""), lead_origin_of("", PHONE), origin_of("lead", PHONE)}
    assert len(marks) == 3
    assert all(PHONE[1:] not in mark for mark in marks)
