"""Many events while the portal fails at random, and the books compared afterwards: used by a test and a benchmark."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.mixing import MixOrder
from support.company import FIRST_ITEM, Company, number_of, open_company

__all__ = ["FAULTS", "VARIANTS", "Books", "run_with_faults"]

FAULTS = (
    "timeout-after-commit",
    "drop-after-commit",
    "drop-before",
    "http-500",
    "INTERNAL_SERVER_ERROR",
    "QUERY_LIMIT_EXCEEDED",
    "OVERLOAD_LIMIT",
    "OPERATION_TIME_LIMIT",
    "expired_token",
)
SHARE = 0.02
"""The share of requests that each of them strikes. With batches a request is up to fifty commands, so an event meets
many."""
SHARE_OF_MANY = 0.016
"""The same for a thousand events and more. They make requests enough for each fault to strike, and among so many one
would otherwise fail nine times in a row by chance, which makes it dead, as it should."""
SHARE_ALONE = 0.01
"""The same where adds are sent alone: then there are several requests for each event instead of several events for each
request."""

VARIANTS: tuple[Mapping[str, Any], ...] = (
    {"duplicate_code_error": ""},
    {"badge_texts": "resolved"},
    {"badges_by_webhook": "refused"},
    {"unknown_badge_code": "NOT_FOUND"},
    {"unknown_badge_code": "accepted"},
    {"partial_update": "refused"},
    {"completing_twice": "NOT_FOUND"},
    {"completing_twice": "WRONG_FIELD_VALUE"},
    {"configurable_in_batch": "refused"},
    {"tel_links": "refused"},
    {"origin_filter": "ignored"},
    {"origin_filter": "refused"},
    {"origin_filter": "refused", "origin_in_lists": "left-out"},
    {"contact_ids_filter": "refused"},
    {"system_errors": "all-401"},
    {"old_refresh_token": "lives"},
)
"""What the portal's documentation leaves open, one deviation from the sandbox's defaults at a time."""


@dataclass(frozen=True, slots=True)
class Books:
    """What is left when all events have ended.

    `once` has the customers who called in vain and were not called back, `returned` those who were; `activities` how
    many the portal has for each customer, `open` how many of them carry their badge still. `struck` counts the faults,
    `installed` says whether the tokens are still good.
    """

    once: frozenset[int]
    returned: frozenset[int]
    states: Counter[str]
    activities: Counter[int]
    open: Counter[int]
    struck: Counter[str]
    installed: bool
    requests: int

    def mistakes(self) -> list[str]:
        """What is wrong, in words; nothing where each missed call has one activity, and each returned one no badge."""
        found = []
        if set(self.states) != {"done"} and set(self.states) != {"done", "ignored"}:
            found.append(f"not all events ended well: {dict(self.states)}")
        lost = [customer for customer in self.once if not self.open[customer]]
        if lost:
            found.append(f"{len(lost)} missed calls have no badge")
        doubled = [customer for customer, count in self.activities.items() if count > 1]
        if doubled:
            found.append(f"{len(doubled)} missed calls have more than one activity")
        uncleared = [customer for customer in self.returned if self.open[customer]]
        if uncleared:
            found.append(f"{len(uncleared)} returned calls still have their badge")
        if not self.installed:
            found.append("the tokens are lost")
        return found


async def run_with_faults(events: int, *, variants: Mapping[str, Any] | None = None, seed: int = 7) -> Books:
    """Report so many missed calls, each of another customer, while faults strike, and wait until all have ended.

    Every tenth is called back ten minutes later, and half-way somebody deletes the badge in the portal.
    """
    returned = frozenset(range(10, events + 1, 10))
    async with open_company(customers=events, variants=variants) as company:
        alone = company.portal.records.variants.configurable_in_batch == "refused"
        share = SHARE_ALONE if alone else SHARE_OF_MANY if events >= 1000 else SHARE
        company.portal.faults.mix(MixOrder(mix=dict.fromkeys(FAULTS, share), seed=seed))
        clock = asyncio.get_running_loop()
        together = max(4, events // 100)
        for customer in range(1, events + 1):
            await company.report(number_of(customer), at=clock.time())
            if customer % together == 0:
                await asyncio.sleep(30)  # a stream and not one burst, so that there are many requests to strike
            if customer == events // 2:
                company.portal.records.badges.clear()
        await asyncio.sleep(600)
        for customer in returned:
            await company.report(number_of(customer), "answered", at=clock.time())
        ended = await company.ended()
        ours = [one for one in company.portal.records.crm.activities.values() if one.originator_id == "badge-bridge"]
        return Books(
            once=frozenset(range(1, events + 1)) - returned,
            returned=returned,
            states=Counter(event.state for event in ended),
            activities=Counter(one.owner_id - FIRST_ITEM for one in ours),
            open=Counter(one.owner_id - FIRST_ITEM for one in ours if not one.completed),
            struck=Counter(company.portal.faults.struck),
            installed=await _still_let_in(company),
            requests=company.requests,
        )


async def _still_let_in(company: Company) -> bool:
    """Whether the tokens are still good for a call, once nothing strikes any more."""
    company.portal.faults.clear()
    profile = await company.bridge.portals["main"].client.call("profile")
    return bool(profile["ID"])
