"""The portal is away for a day, and comes back: what waited drains by age, and what comes in now is not kept waiting."""

from __future__ import annotations

import pytest

from support.outage_run import Plan, run_outage
from support.portals import run_virtually

SIDE_BY_SIDE = 256
"""Events that a process works on at a time."""


@pytest.mark.slow
def test_a_day_without_the_portal_costs_no_event_and_keeps_no_new_one_waiting() -> None:
    """What waited is done in the order of its age, new events within seconds, and the portal never has to refuse."""

    async def story() -> None:
        report = await run_outage(Plan(events=6_000))
        assert report.mistakes() == []
        assert report.fullest_bucket() < 50
        assert report.out_of_turn()[1] <= SIDE_BY_SIDE
        assert report.per_request >= 19, "what waited was looked up anew"
        waits = report.waits()
        assert len(waits) > 100, "too few came to tell anything"
        assert waits[-1] < 20 < report.seconds / 2, "they waited for the backlog"

    run_virtually(story())
