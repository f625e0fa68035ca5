"""The runbooks of calls whose badge is missing or stays, played from the trouble to its end."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from support.on_call import ANNA, ANNAS_DEAL, OnCall, on_call
from support.programs import until
from support.runbooks import Runbook

pytestmark = pytest.mark.slow

FREEPHONE = "+498001234567"
"""The number that the runbooks search for: the condition of the README's rules file leaves such callers out."""
CONDITION = "!event.caller.startsWith('+49800')"
MENDED = "!event.caller.startsWith('+49900')"


def enter_in_crm(bridge: OnCall, number: str) -> None:
    """Let somebody add this number to Anna's in the CRM."""
    anna, *others = bridge.ask("GET", "state")["contacts"]
    bridge.ask("POST", "seed", contacts=[{**anna, "phones": [*anna["phones"], number]}, *others])


def test_call_that_never_showed_up_is_found_by_its_number_and_gets_its_badge(tmp_path: Path) -> None:
    """The list says what came of the call, the runbook that it leads to what to do; of a call whose legs wait, the list
    knows more within seconds.
    """
    book = Runbook("A customer's call never showed up")
    with on_call(tmp_path) as bridge:
        bridge.install()
        enter_in_crm(bridge, FREEPHONE)
        assert bridge.missed("one", FREEPHONE) == 200
        key = bridge.event(FREEPHONE, "ignored")
        assert bridge.badges() == {}
        assert key in bridge.follows(book, "badge-bridge events list --phone")
        assert "The condition is not true: missed call" in bridge.page(f"/events?phone={quote(FREEPHONE)}")

        bridge.takes_up((CONDITION, MENDED))
        bridge.typed(f"badge-bridge events redrive {key}")
        bridge.event(FREEPHONE, "done")
        life = bridge.follows(book, "badge-bridge events show", KEY=key)
        assert re.search(rf"missed call\b.* {book.says('badged')}\b", life), life
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}

        book.says("A `call.leg` that waits is judged within seconds")
        assert bridge.missed("two", status="in-progress", dialled="no-answer") == 200
        bridge.event(ANNA, "waiting", type="call.leg")
        bridge.event(ANNA, "done", type="call.missed")
    assert book.untyped == {"badge-bridge fetch"}, "it is typed for a call of which no event came, below"


def test_call_that_the_portal_never_told_of_is_fetched_and_gets_its_badge(tmp_path: Path) -> None:
    """Its event was dropped; what `serve` asks for once a minute, the command asks for at once."""
    book = Runbook("A customer's call never showed up")
    with on_call(tmp_path) as bridge:
        bridge.install()
        bridge.typed("badge-bridge fetch")  # from here on calls are fetched
        bridge.ask("POST", "seed", sending={"drop": 1.0})
        bridge.ask("POST", "calls", phone_number=ANNA)
        assert bridge.ask("GET", "events")["events"][-1]["fate"] == "dropped"
        book.says("let `badge-bridge fetch` ask the portal for it at once")
        bridge.follows(book, "badge-bridge fetch")
        key = bridge.event(ANNA, "done")
        assert re.search(
            rf"missed call\b.* {book.says('badged')}\b", bridge.follows(book, "badge-bridge events show", KEY=key)
        )
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}
    (listed,) = book.untyped
    assert listed.startswith("badge-bridge events list"), (
        "it is typed above, and shows nothing until serve has asked, too"
    )


def test_event_that_has_ended_without_a_badge_is_tried_again_until_it_has_one(tmp_path: Path) -> None:
    """First no rule matches, and the part that decided is named; then nobody in the CRM has the number."""
    book = Runbook("The event has ended, but no badge is on the card")
    with on_call(tmp_path) as bridge:
        bridge.install()
        assert bridge.missed("one", FREEPHONE) == 200
        key = bridge.event(FREEPHONE, "ignored")
        short = key[: len("reception:") + 6]
        again = {"reception:068e": short}
        bridge.follows(book, "badge-bridge events show", **again)
        assert f"{CONDITION} is false" in bridge.page(f"/events/{key}")

        bridge.takes_up((CONDITION, MENDED))
        bridge.follows(book, "badge-bridge events redrive", **again)
        nobody = book.says("no open deal, open lead, contact or company: nobody found by phone")
        until(lambda: nobody in bridge.typed(f"badge-bridge events list {short}"), what="an event of nobody")
        assert nobody in bridge.typed(f"badge-bridge events show {short}")
        assert nobody in bridge.page(f"/events/{key}")

        enter_in_crm(bridge, FREEPHONE)
        bridge.follows(book, "badge-bridge events redrive", **again)
        assert bridge.event(FREEPHONE, "done") == key
        book.says("the list says `done`, and the event's page shows the badge as it looks on the card")
        assert re.search(rf"Deal {ANNAS_DEAL} Call status MISSED", bridge.page(f"/events/{key}"), re.IGNORECASE)
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}

        assert bridge.missed("two", at=time.time() + 3 * 3600) == 200
        bridge.event(ANNA, "done")
        book.says("the source of the other event tells times which lie ahead")
        doctor = bridge.follows(book, "badge-bridge doctor")
        assert re.search(r"times of reception\b.* 3 h ahead", doctor), doctor
    assert book.untyped == set()


def test_badge_that_stays_is_taken_off_by_hand_and_the_next_one_by_a_call(tmp_path: Path) -> None:
    """No source tells of calls that go out until the portal's telephony is one; an answered call that is told of and
    clears nothing says why.
    """
    book = Runbook("The badge stays, although the call was returned")
    (cleared,) = book.log
    with on_call(tmp_path) as bridge:
        rules = bridge.rules.read_text("utf-8")
        portal = rules[rules.index("  portal:  ") : rules.index("\nbadges:")]
        bridge.takes_up((portal, ""))
        bridge.install()
        assert bridge.missed("one") == 200
        bridge.event(ANNA, "done")
        call_back(bridge, ago=180)
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}

        bridge.follows(book, "badge-bridge events list --phone")
        bridge.follows(book, "badge-bridge clear")
        assert bridge.badges() == {}
        over = book.says("there is no open badge of a customer with this number")
        assert over in bridge.typed(book.command("badge-bridge clear"))

        book.says("a source that is added while `serve` runs is heard within seconds")
        bridge.takes_up(("\nbadges:", f"{portal}\nbadges:"))
        until(
            lambda: any("hooks/portal" in one["url"] for one in bridge.ask("GET", "state")["handlers"]), what="events"
        )
        call_back(bridge, ago=150)
        key = bridge.event(ANNA, "ignored", type="call.answered")
        why = book.says("No open badge of an earlier event")
        assert why in bridge.follows(book, "badge-bridge events show", KEY=key)
        ring_in_vain(bridge, ago=120)
        call_back(bridge, ago=90)
        bridge.hears(cleared)
        assert bridge.badges() == {}

        bridge.takes_up(("    clear:\n      on: [call.answered]\n", ""))
        ring_in_vain(bridge, ago=60)
        call_back(bridge, ago=30)
        key = bridge.event(ANNA, "ignored", type="call.answered")
        why = book.says("No rule is for call.answered")
        assert why in bridge.follows(book, "badge-bridge events show", KEY=key)
    assert book.untyped == set()


def ring_in_vain(bridge: OnCall, *, ago: float) -> None:
    """Let Anna have called the portal's telephony so many seconds ago, and wait for the badge."""
    bridge.ask("POST", "calls", phone_number=ANNA, started_at=time.time() - ago)
    until(lambda: bridge.badges() == {ANNAS_DEAL: "Missed"}, what="the badge on Anna's card")


def call_back(bridge: OnCall, *, ago: float) -> None:
    """Let somebody have called her from the portal so many seconds ago, and her have answered."""
    bridge.ask("POST", "calls", phone_number=ANNA, call_type=1, code="200", started_at=time.time() - ago)
