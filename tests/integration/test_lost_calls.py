"""A portal whose sender drops half of its events: every missed call still gets its badge, and only one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.sandbox.telephony import CallOrder
from badge_bridge.server import create_app as create_bridge
from support.company import RULES, Company, number_of, open_company, ours
from support.portals import run_virtually, virtual_clock
from support.programs import badge_bridge, free_port, program, sandbox, serving_environ, until
from support.two_ways import TELEPHONY, TwoWays

CALLS = 60
PATIENCE = 180.0
"""Seconds: an add that was under way when its process was killed is in doubt for one minute, and looks come once in
another."""
UNRELIABLE = {"drop": 0.5, "duplicate": 0.3, "delay": 20.0, "seed": 7}


def test_every_missed_call_gets_one_badge_although_half_of_the_events_are_dropped() -> None:
    """Others come twice, or later than their calls are fetched; calls back whose event is lost take badges off."""

    async def story() -> None:
        networks: list[TwoWays] = []

        def network(portal: SandboxPortal, latency: float) -> TwoWays:
            networks.append(TwoWays(portal, latency))
            return networks[-1]

        async with open_company(
            customers=CALLS, network=network, rules=RULES.replace("badges:", TELEPHONY, 1)
        ) as company:
            (net,) = networks
            net.back.bridge = httpx.ASGITransport(create_bridge(company.bridge))
            net.portal.reseed(
                type(net.portal.seed).model_validate({**net.portal.seed.model_dump(), "sending": UNRELIABLE})
            )
            await asyncio.sleep(30)  # the portal is seen for the first time
            for customer in range(1, CALLS + 1):
                await happen(company, net, number_of(customer))
            await asyncio.sleep(300)
            fates = Counter(one.fate for one in net.sender.since() if one.event == "ONVOXIMPLANTCALLEND")
            assert fates["dropped"] >= CALLS // 4
            assert fates["duplicate"] >= 3
            events = [one for one in await company.ended() if one.event.type == "call.missed"]
            assert len(events) == CALLS
            assert len({one.event.id for one in events}) == CALLS
            ways = Counter(one.verified.partition(":")[0] for one in events)
            assert ways["fetched from the portal"] >= CALLS // 4
            assert ways["application token"] >= 3
            assert list(company.activities().values()) == [1] * CALLS
            for customer in range(1, CALLS + 1):
                await happen(company, net, number_of(customer), call_type=1, code="200", duration=5)
            await asyncio.sleep(300)
            await company.ended()
            activities = ours(net.portal)
            assert len(activities) == CALLS
            assert all(one.completed for one in activities)

    run_virtually(story())


async def happen(company: Company, net: TwoWays, number: str, **order: Any) -> None:
    """A call that has begun now ends, ten seconds later."""
    begun = virtual_clock()
    await asyncio.sleep(10)
    company.portal.office.call(CallOrder(phone_number=number, started_at=begun, **order))
    company.portal.office.hand_over(net.sender)


LIVE_RULES = """
portals:
  main:
    url: {portal}
    oauth: {{access_token: "${{TOKEN}}"}}
sources:
  telephony: {{provider: bitrix24, secrets: ["${{SECRET}}"]}}
badges:
  missedCall: {{title: Call, value: Missed, type: failure}}
rules:
  - {{name: missed call, on: call.missed, badge: missedCall, attach: {{to: [contact]}}}}
"""
SECRET = "outgoing-webhook-token"


@pytest.mark.slow
def test_lost_calls_are_fetched_after_the_process_was_killed(tmp_path: Path) -> None:
    """Programs on real sockets: killed with SIGKILL amid the calls, the next process fetches what was lost before it
    and while nobody was there.
    """
    with sandbox() as (portal, webhook):
        rules = LIVE_RULES.format(portal=portal)
        port = free_port()
        numbers = [f"+4930{23125000000 + customer}" for customer in range(CALLS)]
        post(
            portal,
            "seed",
            contacts=[{"id": 1000 + at, "name": f"Customer {at}", "phones": [one]} for at, one in enumerate(numbers)],
            deals=[],
            leads=[],
            companies=[],
            activities=[],
            calls=[],
            sending={**UNRELIABLE, "delay": 0.2},
            outgoing_webhooks=[
                {
                    "url": f"http://127.0.0.1:{port}/hooks/telephony",
                    "events": ["ONVOXIMPLANTCALLEND"],
                    "application_token": SECRET,
                }
            ],
        )
        file = tmp_path / "rules.yaml"
        file.write_text(rules, "utf-8")
        env = {**serving_environ(tmp_path, webhook), "TOKEN": ADMINISTRATOR_TOKEN, "SECRET": SECRET}
        command = badge_bridge("serve", "--rules", str(file), "--port", str(port))
        with program(command, env=env) as running:
            running.find(r"listening on ")
            running.find(r"from now on calls whose event does not come are fetched")
            for number in numbers[: CALLS // 2]:
                post(portal, "calls", phone_number=number)
            running.kill()
        for number in numbers[CALLS // 2 : -10]:
            post(portal, "calls", phone_number=number)
        with program(command, env=env) as running:
            running.find(r"fetched \d+ calls whose event had not come")
            found = until(lambda: badges(portal, CALLS - 10), what=f"{CALLS - 10} badges", deadline=PATIENCE)
        assert set(found.values()) == {1}
        # Stopped after it has fetched: the next process asks for nothing that it has, and for all that came since.
        for number in numbers[-10:]:
            post(portal, "calls", phone_number=number)
        with program(command, env=env) as running:
            running.find(r"listening on ")
            found = until(lambda: badges(portal, CALLS), what=f"{CALLS} badges", deadline=PATIENCE)
            with program(badge_bridge("events", "list", "--limit", "1000", "--json"), env=env) as listing:
                assert listing.process.wait(30) == 0
                listed = json.loads(listing.drain())
        assert set(found.values()) == {1}
        assert Counter(one["type"] for one in listed) == {"call.missed": CALLS}


def post(portal: str, control: str, **body: Any) -> None:
    httpx.post(f"{portal}/_sandbox/{control}", json=body, trust_env=False).raise_for_status()


def badges(portal: str, count: int) -> dict[int, int]:
    """How many activities of ours each contact has, once there are so many contacts that have one."""
    state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
    found = Counter(one["owner_id"] for one in state["activities"] if one["originator_id"] == "badge-bridge")
    return dict(found) if len(found) >= count else {}
