"""An update of the application whose event gets lost, against the sandbox portal, on virtual time."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import CLIENT_ID
from badge_bridge.sandbox.telephony import CallOrder
from badge_bridge.server import create_app as create_bridge
from support.company import RULES, Company, open_company
from support.portals import run_virtually
from support.two_ways import TELEPHONY, TwoWays


async def call(company: Company, network: TwoWays) -> int:
    """Let a call be missed; what the bridge answers to its event, 0 where the portal sends none."""
    answers = network.back.statuses
    before = len(answers)
    company.portal.office.call(CallOrder(phone_number="+4917139200011"))
    company.portal.office.hand_over(network.sender)
    await asyncio.sleep(30)
    return answers[before] if len(answers) > before else 0


@pytest.mark.parametrize(("handlers", "lost"), [("dropped", 0), ("kept", 401)])
def test_calls_are_taken_again_when_the_update_was_never_heard_of(handlers: str, lost: int) -> None:
    """Its handlers may be gone or its application token another one; the bridge finds out either way."""

    async def story() -> None:
        made: list[TwoWays] = []

        def network(portal: SandboxPortal, latency: float) -> TwoWays:
            made.append(TwoWays(portal, latency))
            return made[0]

        variants = {"handlers_after_update": handlers}
        rules = RULES.replace("badges:", TELEPHONY, 1)
        async with open_company(rules=rules, network=network, variants=variants) as company:
            ways = made[0]
            ways.back.bridge = httpx.ASGITransport(create_bridge(company.bridge))
            assert await call(company, ways) == 200
            company.portal.office.update(CLIENT_ID, url=None, user_id=1)
            company.portal.office._outgoing.clear()
            assert await call(company, ways) == lost
            await asyncio.sleep(3600 if lost == 0 else 60)
            assert await call(company, ways) == 200

    run_virtually(story())
