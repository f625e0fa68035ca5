"""The runbooks of a portal that refuses, played from the trouble to its end."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from support.on_call import ANNA, ANNAS_DEAL, on_call
from support.programs import until
from support.runbooks import Runbook

pytestmark = pytest.mark.slow


def test_dead_letters_are_tried_again_when_their_cause_is_mended(tmp_path: Path) -> None:
    """The portal has no method that puts anything on a card; when it has it, one command brings the badge, and the same
    again brings no second one.
    """
    book = Runbook("Dead letters")
    with on_call(tmp_path) as bridge:
        bridge.install()
        bridge.ask("POST", "faults", method="crm.activity.configurable.add", fault="ERROR_METHOD_NOT_FOUND", times=9)
        assert bridge.missed("one") == 200
        key = bridge.event(ANNA, "dead")
        assert book.says("1 dead letter: given up, and tried again only when redriven") in bridge.page()
        assert bridge.is_alarming("BadgeBridgeDead")

        assert key in bridge.follows(book, "badge-bridge events list --in dead")
        assert "the portal has no such method" in bridge.page("/events?state=dead")
        assert "1 event given up" in bridge.follows(book, "badge-bridge doctor")
        bridge.ask("DELETE", "faults")
        bridge.follows(book, "badge-bridge events redrive --in dead --yes")
        bridge.event(ANNA, "done")
        assert book.says("No events.") in bridge.typed("badge-bridge events list --in dead")
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}

        book.says("A badge that is on its card already is not put there twice")
        activities = len(bridge.ask("GET", "state")["activities"])
        bridge.typed(f"badge-bridge events redrive {key}")
        bridge.event(ANNA, "done", attempts=3)
        assert len(bridge.ask("GET", "state")["activities"]) == activities
    assert book.untyped == set()


def test_authorisation_that_is_gone_comes_back_and_what_waited_goes_on(tmp_path: Path) -> None:
    """Once the application is uninstalled and installed again, once its tokens are lost and the link of `authorize` is
    opened.
    """
    book = Runbook("The portal's authorisation is gone")
    installed, opened = book.log
    with on_call(tmp_path) as bridge:
        bridge.install()
        bridge.ask("POST", "uninstall")
        gone = "portal main: the application was uninstalled in Bitrix24; no badge can be set there until it is installed again"
        bridge.hears(book.says(gone))
        assert bridge.missed("one") == 200
        until(lambda: bridge.waiting("main") == 1, what="an event that waits for the portal")
        assert book.says("Portal main is paused: the application is not installed in the portal") in bridge.page()
        bridge.follows(book, "badge-bridge doctor --portal main")

        bridge.install()
        assert bridge.event(ANNA, "done")
        for line in (installed, opened):
            bridge.hears(line)
        well = bridge.typed("badge-bridge doctor --portal main")
        assert re.search(f"credential {book.says('accepted: the token of an application')}", well), well
        assert book.says("none wait") in bridge.typed("badge-bridge stats")
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}

        (application,) = bridge.ask("GET", "state")["applications"]
        bridge.ask(
            "POST", "seed", tokens=[], grants=[], applications=[{**application, "handler": f"{bridge.url}/install"}]
        )
        assert bridge.missed("two") == 200
        until(lambda: bridge.waiting("main") == 1, what="an event that waits for the portal")
        link = bridge.follows(book, "badge-bridge authorize main").strip()
        page = httpx.get(link, follow_redirects=True, trust_env=False, timeout=30)
        assert page.status_code == 200, page.text
        until(lambda: bridge.waiting("main") == 0, what="the end of the backlog")
        bridge.event(ANNA, "done")
    assert book.untyped == set()
