"""What doctor says of the events that a portal sends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from badge_bridge.portal.doctor.events import Events


@dataclass
class Scripted:
    """Subscriptions that are as they are told."""

    missing: tuple[str, ...] = ()
    known: bool = True
    can_test: bool = True

    async def unbound(self) -> tuple[str, ...]:
        return self.missing

    async def knows_token(self) -> bool:
        return self.known


@pytest.mark.parametrize(
    ("subscribed", "status", "words"),
    [
        (None, "skipped", "without an application"),
        (Scripted(), "ok", "bound"),
        (Scripted(known=False), "failed", "application token"),
        (Scripted(("ONVOXIMPLANTCALLEND",)), "failed", "ONVOXIMPLANTCALLEND"),
        (Scripted(("ONAPPUPDATE",), can_test=False), "failed", "portals.main"),
    ],
    ids=["webhook", "well", "token", "calls", "address"],
)
async def test_events_are_looked_at(subscribed: Scripted | None, status: str, words: str) -> None:
    """Each trouble has its mend; what is well has none."""
    verdict = await Events("main", subscribed).look()
    assert verdict.status == status
    assert words in f"{verdict.found} {verdict.mend}"
    assert bool(verdict.mend) == (status == "failed")
