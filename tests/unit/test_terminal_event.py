"""The life of one event in a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge.customers import card_of
from badge_bridge.explain import EventExplained
from badge_bridge.on_cards import OnCard
from badge_bridge.previews import preview
from badge_bridge.rulesfile import Badge, parse
from badge_bridge.rulesfile.explaining import explain_rules
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Attempt, Redrive, StoredEvent
from badge_bridge.terminal import clock
from badge_bridge.terminal_event import pill, print_event
from support.stores import NOW, item

RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources: {reception: {provider: zoom, secrets: ["${TOKEN}"]}}
badges: {missed: {title: {en: Call, de: Anruf}, value: {en: Missed, de: Verpasst}, type: failure}}
rules: [{name: r, on: call.missed, badge: missed}]
"""


@pytest.mark.parametrize(
    ("title", "value", "shown"),
    [
        ("Call", "Missed", "Call  Missed "),
        (
            {"en": "Call", "de": "Anruf"},
            {"en": "Missed", "de": "Verpasst"},
            "Call  Missed  (en)   Anruf  Verpasst  (de)",
        ),
        ("Call", {"en": "Missed"}, "Call  Missed  (en)"),
        ({"en": "Call"}, {"en": "Missed", "de": "Verpasst"}, "Call  Missed  (en)   Call  Verpasst  (de)"),
        ("\x1b[2J", "a\nb", "?[2J  a b "),
    ],
)
def test_pill_has_the_badge_in_each_of_its_languages(title: Any, value: Any, shown: str) -> None:
    """Its caption and its text, in which nothing is obeyed by the terminal."""
    assert pill(preview(Badge("missed", "bb_missed", title, value, "failure"))).plain == shown


def test_pill_has_the_colour_of_its_type() -> None:
    """As the portal paints it."""
    assert [str(span.style) for span in pill(preview(Badge("m", "m", "Call", "Missed", "failure"))).spans] == [
        "white on red"
    ]


def test_life_shows_that_the_event_was_redriven(capsys: pytest.CaptureFixture[str]) -> None:
    """After the attempt that it followed, by which way and with which rules."""
    event = item().event
    attempt = Attempt(1, NOW, NOW + 1, "dead", "refused", (), redriven=Redrive(NOW + 9, "console", ""))
    stored = StoredEvent("s:1", event, "", NOW, "waiting", "", 1, 0, NOW, "", None, "", history=(attempt,))
    print_event(stored, [], "not told", came="", after=[], looks={})
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("  ended     dead: refused")
    assert lines[at + 1] == f"redriven  {clock(NOW + 9)} from the console, with the rules of now"


def test_life_shows_the_badge_as_the_card_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the card that it is on; what to do next stands before what was received as it came."""
    event = item(data={"a": 1}).event
    stored = StoredEvent("s:1", event, "hmac-sha1", NOW, "done", "", 1, 0, NOW, "", NOW, "")
    rules = parse(RULES, "rules.yaml", providers=OPTIONS, environ=None)
    explained = EventExplained("s:1", event, explain_rules(rules, event, card_of=card_of))
    card = OnCard("r", "bb_missed", "main", "deal 41", 7, "there")
    looks = {"bb_missed": preview(rules.badges["missed"])}
    print_event(stored, [card], (rules, explained), came="Fine.", after=["", "redrive it"], looks=looks)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    at = lines.index("card      r: bb_missed on deal 41, activity 7: it is there")
    assert lines[at + 1] == "Call  Missed  (en)   Anruf  Verpasst  (de)"
    assert lines[at + 2 : at + 4] == ["next      redrive it", "data"]
    assert lines[1] == "Fine."
