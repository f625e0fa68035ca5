"""What an operator is told to do about an event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from badge_bridge.events import Leg, event_key
from badge_bridge.next_steps import LATE, next_step
from badge_bridge.portal.reasons import Reason
from badge_bridge.sources.legs import judged_identity
from badge_bridge.store.protocol import Attempt, Pause, StoredEvent
from support.stores import NOW, item

EVENT = item().event
STORED = StoredEvent(
    key="s:1",
    event=EVENT,
    verified="hmac-sha1",
    received_at=NOW,
    state="done",
    reason="",
    attempts=1,
    failures=0,
    due=NOW,
    lane="",
    settled_at=NOW,
    rules_hash="",
)
PAUSE = Pause("main", NOW + 60, 1, str(Reason("X", "portal main: no answer", "3fa9c1d2")))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("done", ""),
        ("working", "look again"),
        ("dead", "badge-bridge events redrive s:1"),
        ("ignored", "badge-bridge explain s:1"),
        ("joined", ""),
    ],
)
def test_next_step_names_the_command_that_helps(state: str, said: str) -> None:
    """What has ended well needs nothing; what has not says how to go on."""
    told = next_step(replace(STORED, state=state), None, now=NOW)  # type: ignore[arg-type] # one of the literals
    assert (said in told) if said else told == ""


def test_event_of_a_paused_portal_is_told_of_with_the_pause() -> None:
    """With the reason where the event has not met it itself, and with the command that looks at that portal."""
    waiting = replace(STORED, state="waiting", lane="main/crm.activity.badge.add")
    told = next_step(waiting, PAUSE, now=NOW)
    assert "usable again; it is paused until 1970-01-12 13:47:40 UTC: portal main: no answer." in told
    assert told.endswith("badge-bridge doctor --portal main")
    met = Attempt(1, NOW, NOW, "waiting", "portal main: no answer", ())
    assert "no answer" not in next_step(replace(waiting, history=(met,)), PAUSE, now=NOW)


def test_event_that_nobody_takes_is_told_of() -> None:
    """An event that is due is taken up within a second or two, where anybody runs."""
    waiting = replace(STORED, state="waiting")
    assert "nobody has taken it up: see that serve runs" in next_step(waiting, None, now=NOW + LATE + 1)
    assert next_step(waiting, None, now=NOW) == "It is tried again by itself at 1970-01-12 13:46:40 UTC."


def test_leg_names_the_event_of_its_call() -> None:
    """Rules never meet a leg, so whoever asks has to look at the call."""
    leg = replace(
        STORED, state="joined", event=EVENT.model_copy(update={"leg": Leg(call="CA1"), "source": "reception"})
    )
    judged = event_key("reception", judged_identity("CA1"))
    assert next_step(leg, None, now=NOW).endswith(f"badge-bridge events show {judged}")
    assert "from all its legs" in next_step(replace(leg, state="waiting"), None, now=NOW)
