"""Requests to the portal for each event, for a backlog of missed calls through the portal's real limits.

On a virtual clock that the bridge and the sandbox share, so the figures are the same on every machine. Compared with
adds that the portal takes singly, and with a client that makes its four calls for each event one by one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from badge_bridge.portal import Facts, build_layout, content

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.company import FIRST_ITEM, Company, number_of, open_company, over_limit
from support.portals import run_virtually, virtual_clock

EVENTS = 1000
NAIVE = 50


async def drained(variants: dict[str, Any] | None = None) -> None:
    async with open_company(customers=EVENTS, variants=variants) as company:
        before, started = company.requests, asyncio.get_running_loop().time()
        for customer in range(1, EVENTS + 1):
            await company.report(number_of(customer))
        await company.ended()
        seconds = asyncio.get_running_loop().time() - started
        what = "adds sent singly" if variants else "batches by pressure"
        tell(what, EVENTS, company.requests - before, seconds, company)


async def naive() -> None:
    """Get the badge, find the customer, list his deals, add the activity: each call by itself."""
    async with open_company(customers=NAIVE) as company:
        client = company.bridge.portals["main"].client
        await client.call("crm.activity.badge.add", {"code": "bb_n", "title": "t", "value": "v", "type": "failure"})
        before, started = company.requests, asyncio.get_running_loop().time()
        for customer in range(1, NAIVE + 1):
            number = number_of(customer)
            await client.call("crm.activity.badge.get", {"code": "bb_n"})
            await client.call("crm.duplicate.findbycomm", {"type": "PHONE", "values": [number]})
            deals = {"entityTypeId": 2, "filter": {"contactId": FIRST_ITEM + customer, "stageSemanticId": "P"}}
            await client.call("crm.item.list", deals)
            await client.call("crm.activity.configurable.add", _activity(customer))
        seconds = asyncio.get_running_loop().time() - started
        tell("one call at a time", NAIVE, company.requests - before, seconds, company)


def _activity(customer: int) -> dict[str, Any]:
    facts = Facts(time=datetime.fromtimestamp(virtual_clock(), UTC))
    layout = build_layout(title="Missed call", text=None, facts=facts, icon="call", logo="call-incoming")
    parts = json.loads(content(badge="bb_n", origin_id=f"naive-{customer}", responsible=1, layout=layout))
    return {"ownerTypeId": 2, "ownerId": FIRST_ITEM + customer, **parts}


def tell(what: str, events: int, requests: int, seconds: float, company: Company) -> None:
    print(
        f"{what:<20} {events:5} events {requests:6} requests {events / requests:6.2f} events a request"
        f" {seconds:8.1f} s at 2/s, burst 50; refused for the limit: {over_limit(company.portal)}"
    )


def main() -> None:
    logging.disable(logging.ERROR)
    run_virtually(drained())
    run_virtually(drained({"configurable_in_batch": "refused"}))
    run_virtually(naive())


if __name__ == "__main__":
    main()
