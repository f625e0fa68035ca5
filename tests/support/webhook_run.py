"""A bridge that has only a webhook and registers badges, while the portal fails at random and refuses that at first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from badge_bridge.portal.badges import KNOWN_FOR
from support.company import BADGES_BY_WEBHOOK, number_of, open_company
from support.fault_run import FAULTS, LATEST_COMMIT, RACE, strike

__all__ = ["STRIKING", "Registry", "run_by_webhook"]

VARIANT = "badges_by_webhook"
STRIKING = tuple(fault for fault in FAULTS if fault != "expired_token")
"""A webhook's secret does not expire."""
SHARE = 0.01
WITHIN = 60
"""Requests within which each fault strikes for the first time."""
BETWEEN = 900.0
"""Seconds between two calls: longer than a badge is taken for granted, so that each leads to a look."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What is left: how the events stood when the portal still refused, and how they ended once it did not."""

    refused: Counter[str]
    reasons: Sequence[str]
    ended: Counter[str]
    badges: Sequence[str]
    struck: Counter[str]
    met: Counter[str]
    requests: int

    def mistakes(self) -> list[str]:
        """What is wrong, in words; nothing where all have waited, knowing for what, and ended well afterwards."""
        said = []
        if set(self.refused) != {"waiting"} or not any("Local application" in reason for reason in self.reasons):
            said.append(f"while it was refused not all have waited for another credential: {dict(self.refused)}")
        if set(self.ended) != {"done"}:
            said.append(f"not all events ended well: {dict(self.ended)}")
        if list(self.badges) != ["bb_missedCall"]:
            said.append(f"the badges are {list(self.badges)}")
        return said

    def untried(self) -> list[str]:
        """What the run has not proved, since it never happened."""
        never = [f"{fault} never struck" for fault in (*STRIKING, RACE) if not self.struck[fault]]
        return never if self.met[VARIANT] else [*never, f"{VARIANT} was never met"]


async def run_by_webhook(events: int, *, seed: int = 7) -> Registry:
    """Report so many missed calls, one after another, and wait until all have ended.

    For the first tenth of them the portal refuses webhooks its badges. Once an hour somebody deletes the badge.
    """
    async with open_company(rules=BADGES_BY_WEBHOOK, variants={VARIANT: "refused"}) as company:
        portal = company.portal
        strike(portal, STRIKING, share=SHARE, seed=seed, within=WITHIN)
        clock = asyncio.get_running_loop()
        for call in range(1, events + 1):
            if call == events // 10:
                before = await company.events()
                met = Counter(portal.records.met)
                portal.records.variants = portal.records.variants.model_copy(update={VARIANT: "allowed"})
            await company.report(number_of(call), at=clock.time())
            await asyncio.sleep(BETWEEN)
            if call % 4 == 0:
                portal.records.badges.clear()
        await company.ended(every=60)
        # What was deleted after the last look is registered again for the next call.
        await asyncio.sleep(max(KNOWN_FOR, LATEST_COMMIT))
        await company.report(number_of(events + 1), at=clock.time())
        ended = await company.ended(every=60)
        return Registry(
            refused=Counter(event.state for event in before),
            reasons=[event.reason for event in before],
            ended=Counter(event.state for event in ended),
            badges=tuple(portal.records.badges),
            struck=Counter(portal.faults.struck),
            met=met,
            requests=company.requests,
        )
