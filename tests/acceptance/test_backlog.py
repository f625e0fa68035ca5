"""A backlog drains through the portal's limits in full batches, and an idle portal makes nobody wait.

The whole bridge, from the signed delivery to the activity on the card, on a virtual clock that both sides share.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from support.company import LATENCY, number_of, open_company, over_limit
from support.portals import run_virtually


def test_a_backlog_of_a_thousand_calls_takes_full_batches() -> None:
    """At least 15 events per request through 2 a second and a burst of 50, none of them refused; one activity each."""

    async def story() -> None:
        async with open_company(customers=1000) as company:
            before = company.requests
            for customer in range(1, 1001):
                await company.report(number_of(customer))
            events = await company.ended()
            requests = company.requests - before
            assert Counter(event.state for event in events) == {"done": 1000}
            assert 1000 / requests >= 15, f"{requests} requests"
            assert over_limit(company.portal) == 0
            assert list(company.activities().values()) == [1] * 1000

    run_virtually(story())


def test_one_event_waits_for_nothing_but_its_round_trips_when_the_portal_is_idle() -> None:
    """The badge and the customer are asked for side by side, so a new badge on a card takes three round trips."""

    async def story() -> None:
        async with open_company(customers=1) as company:
            await asyncio.sleep(60)
            await company.report(number_of(1))
            (event,) = await company.ended()
            assert event.settled_at is not None
            assert round((event.settled_at - event.received_at) / LATENCY, 3) == 3
            asked = [(one.method, one.together) for attempt in event.history for one in attempt.asked]
            assert asked == [
                ("crm.activity.badge.get", 2),
                ("crm.duplicate.findbycomm", 2),
                ("crm.activity.badge.add", 2),
                ("crm.item.list", 2),
                ("crm.activity.configurable.add", 1),
            ]

    run_virtually(story())
