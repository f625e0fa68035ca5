"""Ensuring at the start what the rules will need: in one request, told line by line, and never in the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from badge_bridge.ensuring import Ensuring, ensure_all
from badge_bridge.portal import InboundWebhook, Portal, open_portal
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.memory import MemoryStore
from support.portals import BatchingPortal, Said

GET, ADD = "crm.activity.badge.get", "crm.activity.badge.add"
Opened = Callable[..., dict[str, Portal]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Opens portals by name, each on a transport."""
    async with AsyncExitStack() as stack:
        pauses = MemoryStore()
        await pauses.open()
        stack.push_async_callback(pauses.close)

        def open_all(**transports: BatchingPortal) -> dict[str, Portal]:
            portals = {}
            for name, transport in transports.items():
                webhook = InboundWebhook(f"https://{name}.bitrix24.com/rest/1/abcdefabcdefabcd/")
                portals[name] = open_portal(name, webhook, pauses=pauses, transport=transport)
                stack.push_async_callback(portals[name].aclose)
            return portals

        yield open_all


def rules(names: tuple[str, ...] = ("a", "b", "c")) -> RulesFile:
    lines = [f"  {name}: {{title: t, value: v, type: failure}}" for name in names]
    acting = [f"  - {{name: {name}, on: call.missed, badge: {name}}}" for name in names]
    text = """
portals:
  main: {webhook: "${HOOK}"}
sources:
  reception: {provider: twilio, secrets: ["${TOKEN}"], public_url: https://b.example.com/hooks/reception}
badges:
"""
    return parse("\n".join([text.rstrip(), *lines, "rules:", *acting, ""]), "r", providers=OPTIONS, environ=None)


def registry(*there: str, refuse: tuple[str, ...] = ()) -> BatchingPortal:
    """A portal that has the badges `there`, and refuses to add those to `refuse`."""
    badges: dict[str, Any] = {code: {"code": code, "title": "t", "value": "v", "type": "failure"} for code in there}

    def answer(method: str, params: dict[str, Any]) -> Said:
        code = params["code"]
        if method == ADD and code in refuse:
            return {"error": "ACCESS_DENIED", "error_description": "no"}
        if method == ADD:
            badges[code] = params
        if code not in badges:
            return {"error": "NOT_FOUND", "error_description": "no"}
        return {"result": {"badge": badges[code]}}

    return BatchingPortal(answer)


async def test_badges_are_got_together_and_the_missing_ones_added(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """The gets leave in one request; each badge has its result and its line."""
    caplog.set_level(logging.INFO, "badge_bridge.ensure")
    portal = registry("bb_b")
    results = await ensure_all(opened(main=portal), rules())
    first, *others = portal.requests
    assert sorted((method, params["code"]) for method, params in first) == [(GET, f"bb_{name}") for name in "abc"]
    assert {(method, params["code"]) for request in others for method, params in request} == {
        (ADD, "bb_a"),
        (ADD, "bb_c"),
    }
    assert [(one.code, one.ensured and one.ensured.how) for one in results] == [
        ("bb_a", "added"),
        ("bb_b", "present"),
        ("bb_c", "added"),
    ]
    assert sorted(record.getMessage() for record in caplog.records if record.name == "badge_bridge.ensure") == [
        "portal main: badge bb_a is added",
        "portal main: badge bb_b is present",
        "portal main: badge bb_c is added",
    ]


async def test_a_refusal_is_a_warning_with_its_mend_and_stops_nothing(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """Who lacks the right reads where it is granted; what is there already is fine all the same."""
    results = await ensure_all(opened(main=registry("bb_b", refuse=("bb_a",))), rules(names=("a", "b")))
    assert [(one.code, one.error is None) for one in results] == [("bb_a", False), ("bb_b", True)]
    (warned,) = [record for record in caplog.records if record.name == "badge_bridge.ensure"]
    assert warned.levelno == logging.WARNING
    assert "badge bb_a is not ensured yet" in warned.getMessage()
    assert "CRM > Settings > Access permissions" in warned.getMessage()


async def test_a_fault_of_ours_does_not_prevent_the_start(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody expected is logged with its traceback, and returned."""

    def broken(method: str, params: dict[str, Any]) -> Said:
        raise ZeroDivisionError

    portals = opened(main=BatchingPortal(broken))
    (result,) = await ensure_all(portals, rules(names=("a",)))
    assert result.ensured is None
    assert isinstance(result.error, ZeroDivisionError)
    assert any(record.exc_info and "failed unexpectedly" in record.getMessage() for record in caplog.records)


async def test_each_portal_is_asked_for_its_own_badges(opened: Opened) -> None:
    """A portal for which no rule acts hears nothing."""
    busy, idle = registry("bb_a"), registry()
    results = await ensure_all(opened(main=busy, other=idle), rules(names=("a",)))
    assert [one.portal for one in results] == ["main"]
    assert idle.requests == []


async def test_badges_are_ensured_again_when_the_application_is_installed_later(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """In that portal alone, and all of them; before the start there is nothing to repeat."""
    caplog.set_level(logging.INFO, "badge_bridge.ensure")
    ensuring = Ensuring()
    ensuring.again("main")
    assert ensuring._running == {}
    ensuring.start(rules(names=("a",)), opened(main=registry(), other=registry()))
    await asyncio.gather(*ensuring._running.values())
    assert [record.getMessage() for record in caplog.records] == ["portal main: badge bb_a is added"]
    ensuring.again("main")
    await asyncio.gather(*ensuring._running.values())
    assert len(caplog.records) == 2
    await ensuring.stop()


async def test_what_is_under_way_ends_when_the_bridge_stops(opened: Opened) -> None:
    """A portal that does not answer keeps nobody."""
    ensuring = Ensuring()
    ensuring.start(rules(names=("a",)), opened(main=registry()))
    ensuring.again("main")
    await ensuring.stop()
    assert all(task.done() for task in ensuring._running.values())
