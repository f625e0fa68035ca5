"""The runbook of a paused portal, played from the trouble to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.on_call import ANNA, ANNAS_DEAL, on_call
from support.programs import until
from support.runbooks import Runbook


@pytest.mark.slow
def test_runbook_of_the_pause_leads_to_its_end_when_it_is_followed(tmp_path: Path) -> None:
    """Three calls wait for a portal that is blocked for a quarter of an hour; the block is lifted, and with the last
    command all three are done long before that time, with the badge on the card.
    """
    book = Runbook("The portal is paused and the backlog grows")
    with on_call(tmp_path) as bridge:
        bridge.install()
        bridge.ask("POST", "faults", method="*", fault="OVERLOAD_LIMIT", times=1000)
        callers = [ANNA, "+49301234561", "+49301234562"]
        assert [bridge.missed(caller, caller) for caller in callers] == [200, 200, 200]
        until(lambda: bridge.waiting("main") == 3, what="three events that wait for the portal")
        page = bridge.page()
        assert all(book.says(part) in page for part in ("Portal main is paused", "(OVERLOAD_LIMIT)")), page
        assert bridge.is_alarming("BadgeBridgeBehind")

        bridge.follows(book, "badge-bridge stats")
        bridge.follows(book, "badge-bridge doctor --portal main")
        bridge.ask("DELETE", "faults")  # as Bitrix24's support does
        bridge.follows(book, "badge-bridge resume main")
        until(lambda: bridge.waiting("main") == 0, what="the end of the backlog")
        assert book.says("none wait") in bridge.typed("badge-bridge stats")
        bridge.hears("lane main is tried 800 s early: its pause was ended by hand")
        bridge.hears(book.says("portal main: lane main is open again"))
        ended = [bridge.event(ANNA, "done"), *(bridge.event(caller, "ignored") for caller in callers[1:])]
        assert len(set(ended)) == 3
        assert bridge.badges() == {ANNAS_DEAL: "Missed"}
    assert book.untyped == set()
