"""What a badge looks like to readers of each language."""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge.portal.badges import Badge
from badge_bridge.previews import preview


@pytest.mark.parametrize(
    ("title", "value", "texts"),
    [
        ("Call", "Missed", [("", "Call", "Missed")]),
        ({"en": "Call", "de": "Anruf"}, "Missed", [("en", "Call", "Missed"), ("de", "Anruf", "Missed")]),
        (
            {"en": "Call", "de": "Anruf"},
            {"de": "Verpasst", "en": "Missed"},
            [("en", "Call", "Missed"), ("de", "Anruf", "Verpasst")],
        ),
        ({"de": "Anruf"}, {"fr": "Manqué"}, [("de", "Anruf", "Manqué"), ("fr", "Anruf", "Manqué")]),
        ({"en": "Call", "de": "Anruf"}, {"en": "Missed"}, [("en", "Call", "Missed"), ("de", "Anruf", "Missed")]),
    ],
)
def test_badge_is_shown_once_for_each_language_that_it_names(title: Any, value: Any, texts: list[Any]) -> None:
    """Where one of the two texts lacks a language, its readers see English, or else the first, as in the portal."""
    shown = preview(Badge("bb_missedCall", title, value, "failure"))
    assert (shown["code"], shown["type"]) == ("bb_missedCall", "failure")
    assert [tuple(one.values()) for one in shown["texts"]] == texts
