"""Requests to the portal for each event, for a backlog of missed calls through the portal's real limits.

On a virtual clock that the bridge and the sandbox share, so the figures are the same on every machine. Compared with
adds that the portal takes singly, and with a client that makes its four calls for each event one by one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from badge_bridge.portal import Facts, build_layout, content

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.company import FIRST_ITEM, Company, number_of, open_company, over_limit
from support.portals import run_virtually, virtual_clock

EVENTS = 1000
NAIVE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What so many events have taken: requests, and virtual seconds."""

    events: int
    requests: int
    seconds: float
    refused: int
    """Requests that the portal refused for its limit."""

    @property
    def per_request(self) -> float:
        """Events done for each request."""
        return self.events / self.requests


def drained(customers: Sequence[int], variants: Mapping[str, Any] | None = None) -> Asked:
    """A call of each of these customers, numbered from 1, all waiting at once.

    Raises:
        AssertionError: one of them has not got its badge, or two.
    """

    async def story(company: Company) -> None:
        for customer in customers:
            await company.report(number_of(customer))
        states = {event.state for event in await company.ended()}
        assert states == {"done"}, states
        badges = company.activities()
        assert len(badges) == badges.total() == len(customers), "each has one badge"

    return _counted(story, len(customers), customers=max(customers), variants=variants)


def one_by_one(events: int = NAIVE) -> Asked:
    """Get the badge, find the customer, list his deals, add the activity: each call by itself."""

    async def story(company: Company) -> None:
        client = company.bridge.portals["main"].client
        for customer in range(1, events + 1):
            number = number_of(customer)
            await client.call("crm.activity.badge.get", {"code": "bb_n"})
            await client.call("crm.duplicate.findbycomm", {"type": "PHONE", "values": [number]})
            deals = {"entityTypeId": 2, "filter": {"contactId": FIRST_ITEM + customer, "stageSemanticId": "P"}}
            await client.call("crm.item.list", deals)
            await client.call("crm.activity.configurable.add", _activity(customer))

    async def prepare(company: Company) -> None:
        client = company.bridge.portals["main"].client
        await client.call("crm.activity.badge.add", {"code": "bb_n", "title": "t", "value": "v", "type": "failure"})

    return _counted(story, events, customers=events, prepare=prepare)


def _counted(
    story: Callable[[Company], Awaitable[None]],
    events: int,
    *,
    customers: int,
    variants: Mapping[str, Any] | None = None,
    prepare: Callable[[Company], Awaitable[None]] | None = None,
) -> Asked:
    found: list[Asked] = []

    async def run() -> None:
        async with open_company(customers=customers, variants=variants) as company:
            if prepare is not None:
                await prepare(company)
            before, started = company.requests, asyncio.get_running_loop().time()
            await story(company)
            seconds = asyncio.get_running_loop().time() - started
            found.append(Asked(events, company.requests - before, seconds, over_limit(company.portal)))

    run_virtually(run())
    return found[0]


def _activity(customer: int) -> dict[str, Any]:
    facts = Facts(time=datetime.fromtimestamp(virtual_clock(), UTC))
    layout = build_layout(title="Missed call", text=None, facts=facts, icon="call", logo="call-incoming")
    parts = json.loads(content(badge="bb_n", origin_id=f"naive-{customer}", responsible=1, layout=layout))
    return {"ownerTypeId": 2, "ownerId": FIRST_ITEM + customer, **parts}


def tell(what: str, asked: Asked) -> None:
    print(
        f"{what:<20} {asked.events:5} events {asked.requests:6} requests {asked.per_request:6.2f} events a request"
        f" {asked.seconds:8.1f} s at 2/s, burst 50; refused for the limit: {asked.refused}"
    )


def main() -> None:
    logging.disable(logging.ERROR)
    everybody = range(1, EVENTS + 1)
    tell("batches by pressure", drained(everybody))
    tell("adds sent singly", drained(everybody, {"configurable_in_batch": "refused"}))
    tell("one call at a time", one_by_one())


if __name__ == "__main__":
    main()
