"""The life of one event in a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from badge_bridge.events import Leg
from badge_bridge.explain import judge_stored
from badge_bridge.on_cards import OnCard
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.previews import preview
from badge_bridge.rulesfile import Badge, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.joining import LegEvent
from badge_bridge.store.protocol import Attempt, Redrive, StoredEvent
from badge_bridge.terminal import clock
from badge_bridge.terminal_event import pill, print_event
from badge_bridge.whole_life import WholeLife
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


def whole(stored: StoredEvent, **fields: Any) -> WholeLife:
    rules = parse(RULES, "rules.yaml", providers=OPTIONS, environ=None)
    (judged,) = judge_stored(rules, stored, legs=()).events
    given: dict[str, Any] = {"pause": None, "cards": [], "rows": [], "legs": [], "is_then_kept": False}
    return WholeLife(stored, **{**given, "rules": rules, "judged": judged, **fields})


def stored(state: Any = "done", *, received_at: float = NOW, data: Any = None, **fields: Any) -> StoredEvent:
    event = item(data=data or {}).event
    given = {"reason": "", "attempts": 1, "failures": 0, "due": NOW, "lane": "", "settled_at": NOW, "rules_hash": ""}
    return StoredEvent("s:1", event, "hmac-sha1", received_at, state, **{**given, **fields})


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_life_shows_that_the_event_was_redriven(capsys: pytest.CaptureFixture[str]) -> None:
    """After the attempt that it followed, by which way and with which rules."""
    attempt = Attempt(1, NOW, NOW + 1, "dead", "refused", (), redriven=Redrive(NOW + 9, "console", ""))
    print_event(whole(stored("waiting", history=(attempt,))), now=NOW)
    lines = lines_of(capsys)
    at = lines.index("ended     dead: refused")
    assert lines[at + 1] == f"redriven  {clock(NOW + 9)} from the console, with the rules of now"


def test_life_tells_a_reason_once_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """Above all; each attempt and each rule that met it says its first sentence, and another reason in full."""
    reason = "refused. Ask for the right."
    failed = [Outcome(rule="r", result="failed", reason=reason, attempt=number) for number in (1, 2)]
    attempts = [Attempt(number, NOW, NOW, "dead", reason, ()) for number in (1, 2)]
    other = Attempt(3, NOW, NOW, "waiting", "busy. Wait for it.", ())
    print_event(whole(stored("dead", reason=reason, history=(*attempts, other), outcomes=tuple(failed))), now=NOW)
    lines = lines_of(capsys)
    assert [line for line in lines if "Ask for the right" in line] == ["Refused. Ask for the right."]
    assert lines.count("ended     dead: refused …") == 2
    assert "ended     waiting: busy. Wait for it." in lines


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"answer": "ok"}, "m -> ok (12 ms)"),
        ({"about": "of bb_x", "answer": "ok"}, "m of bb_x -> ok (12 ms)"),
        ({"about": "of contact 3", "answer": "ok", "said": "deal 41"}, "m of contact 3 -> deal 41 (12 ms)"),
        ({"about": "of bb_x", "answer": "NOT_FOUND"}, "m of bb_x -> NOT_FOUND (12 ms)"),
        ({"answer": "ODD", "said": "No.\x1b[2J", "together": 3}, "m -> ODD: No.?[2J (12 ms, 3 together)"),
    ],
)
def test_life_shows_what_was_asked_and_what_came_back(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any], shown: str
) -> None:
    """What came back stands for `ok`; an error code stays, with the portal's words behind it."""
    asked = (Exchange(method="m", milliseconds=12.4, **fields),)
    print_event(whole(stored(history=(Attempt(1, NOW, NOW, "done", "", asked),))), now=NOW)
    assert f"asked     {shown}" in lines_of(capsys)


def test_life_shows_how_late_the_event_was_received(capsys: pytest.CaptureFixture[str]) -> None:
    """A call that is told of three hours later is another trouble than one that is not told of."""
    one = stored(received_at=item().event.time.timestamp() + 10_800)
    print_event(whole(one), now=NOW)
    assert f"received  {clock(one.received_at)}, 3 h after it happened" in lines_of(capsys)


def test_life_shows_what_was_read_of_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    """How the call ended and how long it took stand there as on its page."""
    one = replace(stored(), event=item(outcome="missed", duration=3).event)
    print_event(whole(one), now=NOW)
    lines = lines_of(capsys)
    assert "outcome   missed" in lines
    assert "duration  3 s" in lines


def test_life_shows_the_legs_that_a_call_was_joined_from(capsys: pytest.CaptureFixture[str]) -> None:
    """Each in a line, with its key, below how many there are."""
    legs = [
        LegEvent(f"s:{number}", NOW, item(type="call.leg", leg=Leg(call="7", state="ended", ends="call")).event)
        for number in (2, 3)
    ]
    print_event(whole(stored(), legs=legs), now=NOW)
    lines = lines_of(capsys)
    at = lines.index("legs joined from 2 legs")
    assert [line.rpartition("key ")[2] for line in lines[at + 1 : at + 3]] == ["s:2)", "s:3)"]


@pytest.mark.parametrize(
    ("count", "said"), [(1, "legs 1 leg of its call is known"), (2, "legs 2 legs of its call are known")]
)
def test_life_of_a_leg_counts_those_of_its_call(capsys: pytest.CaptureFixture[str], count: int, said: str) -> None:
    """One is known, several are."""
    leg = item(type="call.leg", leg=Leg(call="7", state="ended", ends="call")).event
    legs = [LegEvent(f"s:{number}", NOW, leg) for number in range(count)]
    print_event(replace(whole(stored(), legs=legs), stored=replace(stored("joined"), event=leg)), now=NOW)
    assert said in lines_of(capsys)


def test_life_says_what_lies_over_the_badge(capsys: pytest.CaptureFixture[str]) -> None:
    """A card shows one badge alone, so that whoever looks for this one knows by what it is hidden."""
    card = OnCard("r", "bb_missed", "main", "deal 41", 7, "there", newer_badge="bb_paid", newer_event="shop:1")
    print_event(whole(stored("done"), cards=[card]), now=NOW)
    (line,) = [line for line in lines_of(capsys) if line.startswith("card ")]
    assert line.endswith("; the newer badge bb_paid lies over it (event shop:1)")


def test_life_shows_the_badge_as_the_card_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the card that it is on; what to do next stands before what was received as it came."""
    card = OnCard("r", "bb_missed", "main", "deal 41", 7, "there")
    one = stored("dead", reason="refused", data={"a": 1})
    print_event(whole(one, cards=[card]), now=NOW, command="redrive it so")
    lines = lines_of(capsys)
    there = "it is there, unless somebody took it off in the portal"
    at = lines.index(f"card      r: bb_missed on deal 41, activity 7: {there}")
    assert lines[at + 1] == "Call  Missed  (en)   Anruf  Verpasst  (de)"
    assert lines[at + 2].startswith("next      It is not tried again by itself.")
    assert lines[at + 3 : at + 5] == ["redrive it so", "data"]
    assert lines[1] == "Refused."
