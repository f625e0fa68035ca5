"""What is told in words of an event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.events import Event, Leg
from badge_bridge.outcomes import Outcome
from badge_bridge.portal.reasons import in_words
from badge_bridge.store.protocol import Attachment, Attempt, Pause, Redrive, StoredEvent
from badge_bridge.telling import came_of, ended, in_short, next_step, of_leg, plainly, redriven
from support.operators import read_rules

NOW = 1_795_345_200.0
BADGES = {badge.code: badge for badge in read_rules().badges.values()}
BADGED = Outcome(rule="missed call", result="badged", badge="bb_missedCall", owner="deal 41", activity=901)
ROW = Attachment("pbx:1", "missed call", "main", "bb_missedCall", 2, 41, NOW, "", "{}", activity=901)


def stored(state: str, **fields: Any) -> StoredEvent:
    leg = Leg(call="7") if fields.pop("is_leg", False) else None
    event = Event(
        id="1",
        source="pbx",
        provider="",
        type="call.missed",
        time=datetime.fromtimestamp(NOW, UTC),
        leg=leg,
        caller=fields.pop("caller", ""),
    )
    given = {"reason": "", "attempts": 1, "failures": 0, "due": NOW, "lane": "", "settled_at": None, "rules_hash": ""}
    return StoredEvent(
        **{"key": "pbx:1", "event": event, "verified": "", "received_at": NOW, "state": state, **given, **fields}
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (stored("working"), "Being worked on."),
        (stored("waiting", attempts=0), "Waits for its first attempt."),
        (stored("waiting", is_leg=True), "Waits for the rest of its call."),
        (stored("waiting", due=NOW + 90, reason="HTTP 500"), "Is tried again in 2 min: HTTP 500."),
        (stored("waiting", due=NOW - 1), "Is due again now."),
        (stored("waiting", lane="main", reason="no answer"), "Waits for main, which is paused: no answer."),
        (
            stored("waiting", lane="main", reason="portal main: profile waits for lane main: OVERLOAD_LIMIT"),
            f"Waits for main, which is paused: {in_words('OVERLOAD_LIMIT')}.",
        ),
        (
            stored("waiting", lane="main", reason="portal main: profile waits for lane main: not_installed"),
            "Waits for main, which is paused: the application is not installed in the portal.",
        ),
        (
            stored("waiting", lane="main", reason="portal main: the application is not installed. Install it."),
            "Waits for main, which is paused: the application is not installed. Install it.",
        ),
        (stored("done", outcomes=(BADGED,)), "Badge Missed is on deal 41."),
        (stored("done"), "Done."),
        (stored("ignored", reason="no rule is for call.busy"), "No rule is for call.busy."),
        (stored("dead", reason="the portal refused it"), "The portal refused it."),
        (stored("joined", reason="judged as call.missed in pbx:2"), "Judged as call.missed in pbx:2."),
        (stored("dead"), "Dead."),
    ],
    ids=lambda value: value if isinstance(value, str) else value.state,
)
def test_what_came_of_an_event_is_a_sentence(event: StoredEvent, said: str) -> None:
    """Whoever was asked on the phone can read it out."""
    assert came_of(event, [], BADGES, now=NOW) == said


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"result": "ensured"}, "Badge Missed exists in portal main."),
        ({"result": "cleared", "reason": "activity 901 on deal 41 completed"}, "Badge Missed: activity 901 on deal 41 completed."),
        ({"result": "cleared"}, "Badge Missed was taken off."),
        ({"result": "cleared", "owner": "deal 41"}, "Badge Missed was taken off deal 41."),
        ({"result": "cleared", "owner": "deal 41", "reason": "it was attached and cleared before"}, "Badge Missed on deal 41: it was attached and cleared before."),
        ({"result": "cleared", "owner": "deal 41", "reason": "activity 901 on deal 41 completed"}, "Badge Missed: activity 901 on deal 41 completed."),
        ({"result": "badged", "badge": "bb_gone"}, "Badge bb_gone is on deal 41."),
        ({"result": "failed", "reason": "no such card"}, "Missed call failed: no such card."),
        ({"result": "ignored", "reason": "the condition is not true"}, "Done."),
    ],
)  # fmt: skip
def test_outcome_of_a_rule_is_told_as_people_know_the_badge(outcome: dict[str, Any], said: str) -> None:
    """By what is written on the card, or by its code where the rules file has no such badge any more."""
    given = {"badge": "bb_missedCall", "portal": "main", "owner": "deal 41" if outcome["result"] == "badged" else ""}
    told = Outcome(**{"rule": "missed call", **given, **outcome})
    assert came_of(stored("done", outcomes=(told,)), [], BADGES, now=NOW) == said


def test_badge_is_told_to_be_off_when_it_was_taken_off_since() -> None:
    """What an attempt came to is not how the card is now."""
    row = Attachment("pbx:1", "missed call", "main", "bb_missedCall", 2, 41, NOW, "", "{}", closed_at=NOW + 5)
    event = stored("done", outcomes=(BADGED,))
    assert came_of(event, [ROW], BADGES, now=NOW) == "Badge Missed is on deal 41."
    assert came_of(event, [row], BADGES, now=NOW) == "Badge Missed was on deal 41, and was taken off since."


TAKEN_BACK = Outcome(
    rule="missed call",
    role="withdraw",
    result="cleared",
    badge="bb_missedCall",
    owner="deal 41",
    reason="activity 901 on deal 41 completed; rule 'missed call' does not match this event any more",
    attempt=2,
)
SAID_TAKEN_BACK = (
    "Badge Missed: activity 901 on deal 41 completed; rule 'missed call' does not match this event any more."
)


PUT_ON_ANEW = BADGED.model_copy(update={"attempt": 3})
MOVED = BADGED.model_copy(update={"attempt": 2, "owner": "deal 42"})


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ((BADGED, TAKEN_BACK), SAID_TAKEN_BACK),
        ((BADGED, TAKEN_BACK, PUT_ON_ANEW), "Badge Missed is on deal 41."),
        ((TAKEN_BACK, MOVED), f"{SAID_TAKEN_BACK} Badge Missed is on deal 42."),
    ],
    ids=["taken back", "put on anew", "moved in one attempt"],
)
def test_badge_that_was_taken_back_is_told_of_until_it_is_put_on_anew(outcomes: tuple[Outcome, ...], said: str) -> None:
    """Of a badge that is on the card nobody reads that its rule does not match."""
    assert came_of(stored("done", outcomes=outcomes), [], BADGES, now=NOW) == said


def test_last_outcome_counts_when_a_rule_had_several() -> None:
    """An event that was redriven says what came of it the last time."""
    refused = Outcome(rule="missed call", result="failed", reason="refused", attempt=1)
    assert came_of(stored("done", outcomes=(refused, BADGED)), [], BADGES, now=NOW) == "Badge Missed is on deal 41."


REFUSED = (
    "portal main: it was refused with ACCESS_DENIED: the user lacks a right. An administrator grants it in Bitrix24."
)


def test_reason_is_told_in_full_but_in_a_list() -> None:
    """There its first sentence says what it was, and a mark that there is more."""
    event = stored("dead", reason=REFUSED)
    assert came_of(event, [], BADGES, now=NOW) == f"P{REFUSED[1:]}"
    said = came_of(event, [], BADGES, now=NOW, in_a_list=True)
    assert said == "Portal main: it was refused with ACCESS_DENIED: the user lacks a right …"
    assert in_short("the condition is not true: r") == "the condition is not true: r"


def test_pause_tells_until_when_and_what_to_do_when_an_event_waits_for_it() -> None:
    """The reason is the portal's, without the mark of the credential."""
    pause = Pause(
        "main/crm.item.list", NOW + 300, 2, "ACCESS: portal main: the right is missing [refused credential 3fa9c1d2]"
    )
    said = next_step(stored("waiting", lane="main/crm.item.list"), pause, now=NOW)
    assert "that is tried in 5 min" in said
    assert "Paused because: The right is missing." in said
    assert "`badge-bridge doctor --portal main`; when it is mended, `badge-bridge resume main` ends the pause" in said
    assert "3fa9c1d2" not in said
    over = next_step(stored("waiting", lane="main/crm.item.list"), replace(pause, until=NOW), now=NOW)
    assert ("that is tried now" in over, "resume" in over) == (True, False)


@pytest.mark.parametrize(
    ("event", "part"),
    [
        (stored("dead"), "redrive it"),
        (stored("joined"), "the event that its legs were joined to"),
        (stored("working"), "in a moment"),
        (stored("waiting", due=NOW + 12), "by itself in 12 s"),
        (stored("waiting", due=NOW - 3600), "see that `serve` runs"),
        (stored("waiting", is_leg=True, due=NOW + 40), "in 40 s at the latest"),
        (stored("done"), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else value.state,
)
def test_next_step_is_told_when_something_is_left_to_do(event: StoredEvent, part: str) -> None:
    """Nobody has to know the states to know what to do."""
    said = next_step(event, None, now=NOW)
    assert part in said
    assert bool(said) == bool(part)


@pytest.mark.parametrize(
    ("reason", "caller", "part"),
    [
        ("no rule is for call.missed from pbx", "+4930901820", "write call.missed under `on` of one"),
        ("could not be evaluated: r (no field); the condition is not true: s", "+4930901820", "Mend the condition"),
        ("the condition is not true: r", "+4930901820", "which part of its condition failed"),
        ("no open badge of an earlier event that it would clear: r", "+4930901820", "Nothing is left to do, unless"),
        ("no open deal: nobody found by phone", "+4930901820", "Enter +4930901820 there at a contact"),
        ("there is neither a number nor an e-mail address to look for", "", "withholds his number"),
    ],
)
def test_next_step_of_an_ignored_event_mends_what_it_was_ignored_for(reason: str, caller: str, part: str) -> None:
    """A customer who is not in the CRM is no fault of a condition; and only what a redrive helps asks for one."""
    event = stored("ignored", reason=reason, caller=caller)
    said = next_step(event, None, now=NOW)
    assert part in said
    assert ("redrive the event" in said) == ("earlier event" not in reason)


@pytest.mark.parametrize(
    ("by", "rules", "said"),
    [
        ("console", "", "from the console, with the rules of now"),
        ("command", "f00d", "by a command, with the rules of then (f00d)"),
        ("", "", "with the rules of now"),
    ],
)
def test_redrive_is_told_by_its_way_and_its_rules(by: str, rules: str, said: str) -> None:
    """Whoever looks later sees that somebody did it, and how."""
    assert redriven(Redrive(NOW, by, rules)) == said


@pytest.mark.parametrize(
    ("result", "reason", "said"),
    [
        ("done", "", "Done."),
        ("ignored", "no rule", "Ignored: no rule."),
        ("waiting", "HTTP 500", "HTTP 500."),
        ("waiting", "", "It is tried again."),
        ("working", "", "Under way."),
        ("lost", "", "Whoever worked on it vanished, or took too long; somebody else has taken it up."),
        ("given back", "", "The process that worked on it was stopped; it was due again at once."),
    ],
)
def test_end_of_an_attempt_is_a_sentence(result: str, reason: str, said: str) -> None:
    """Also where it has no end."""
    assert ended(Attempt(1, NOW, None, result, reason, ())) == said


def test_end_of_an_attempt_that_found_its_portal_paused_has_no_code() -> None:
    """What waited, for what and why; the reason that programs read stays as it is."""
    reason = "portal main: crm.item.list waits for lane main: not_installed"
    said = "crm.item.list waits for main, which is paused: the application is not installed in the portal"
    assert plainly(reason) == said
    assert ended(Attempt(1, NOW, NOW, "waiting", reason, ())) == f"C{said[1:]}."
    assert plainly("no open deal") == "no open deal"


@pytest.mark.parametrize(
    ("leg", "said"),
    [
        ({"party": "agent", "state": "ended", "outcome": "no_answer", "ends": "leg"}, "somebody of ours, ended, no answer"),
        ({"party": "machine", "outcome": "busy", "ends": "leg"}, "a menu, a queue or a machine, busy, which ended"),
        ({"party": "customer", "state": "ended", "ends": "call"}, "the customer's connection, ended, with which the call ended"),
        ({"state": "answered", "human": True}, "answered, two people spoke"),
        ({}, "nothing that decides"),
    ],
)  # fmt: skip
def test_leg_is_told_in_the_same_words_wherever_it_is_shown(leg: dict[str, Any], said: str) -> None:
    """Who was at its end, where it stands and what ended, each once."""
    assert of_leg(Leg(call="7", **leg)) == said
