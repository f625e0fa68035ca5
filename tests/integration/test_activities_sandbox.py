"""Activities against the sandbox: added, found among many and completed, whatever the portal does with our mark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from badge_bridge.errors import NotFound
from badge_bridge.portal import (
    AccessToken,
    Added,
    Badge,
    Facts,
    NewActivity,
    Owner,
    Portal,
    build_layout,
    content,
    open_portal,
    origin_of,
)
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.store.memory import MemoryStore
from support.sandbox_calls import changed

NOW = 1_795_000_000.0
BADGE = Badge("bb_missed", "Call status", "Missed", "failure")
DEAL = Owner("deal", 41)


def new(event: str, owner: Owner = DEAL, *, title: str | dict[str, str] = "Missed call") -> NewActivity:
    facts = Facts(time=datetime(2026, 11, 25, 12, tzinfo=UTC), caller="+4930901820")
    layout = build_layout(
        title=title, text="A & B\n+50 %", facts=facts, icon="call", logo="call-incoming", call_back="+4930901820"
    )
    origin = origin_of(event, "missed call")
    return NewActivity(owner, BADGE, origin, content(badge=BADGE.code, origin_id=origin, responsible=1, layout=layout))


@asynccontextmanager
async def opened(**variants: Any) -> AsyncIterator[tuple[Portal, SandboxPortal]]:
    sandbox = SandboxPortal(changed(limits=None, variants=variants), clock=lambda: NOW)
    store = MemoryStore()
    await store.open()
    portal = open_portal(
        "main",
        AccessToken("http://127.0.0.1:8081", ADMINISTRATOR_TOKEN),
        pauses=store,
        clock=lambda: NOW,
        random=lambda: 0.5,
        transport=httpx.ASGITransport(create_app(sandbox)),
    )
    try:
        await portal.badges.ensure(BADGE)
        yield portal, sandbox
    finally:
        await portal.aclose()
        await store.close()


@pytest.mark.parametrize("in_lists", ["carried", "left-out"])
@pytest.mark.parametrize("by_mark", ["works", "ignored", "refused"])
async def test_the_last_of_120_activities_of_a_deal_is_found(by_mark: str, in_lists: str) -> None:
    """Behind two full pages, and only that one; what is not there is not found."""
    async with opened(origin_filter=by_mark, origin_in_lists=in_lists) as (portal, _):
        for number in range(120):
            await portal.activities.add(new(f"pbx:{number}"), look_first=False)
        last = await portal.activities.add(new("pbx:last"), look_first=False)
        assert await portal.activities.add(new("pbx:last"), look_first=True) == Added(last.id, "found")
        gone = new("pbx:none").origin_id
        assert await portal.activities.find(gone, owner_type=DEAL.type_id, owner_id=DEAL.id) is None


@pytest.mark.parametrize(
    ("variants", "title"),
    [({}, "Missed call"), ({"tel_links": "refused"}, "Missed call"), ({}, {"en": "Missed", "xx": "?"})],
    ids=["all taken", "no call button", "a language that is missing"],
)
async def test_an_activity_is_added_and_completed_once_whatever_the_portal_refuses(
    variants: dict[str, str], title: str | dict[str, str]
) -> None:
    """The badge gets onto the card and off it again; completing twice changes nothing, deleted is gone."""
    async with opened(**variants) as (portal, sandbox):
        activity = new("pbx:1", title=title)
        added = await portal.activities.add(activity, look_first=False)
        (made,) = [one for one in sandbox.records.crm.activities.values() if one.origin_id == activity.origin_id]
        assert (made.id, made.badge_code, made.completed) == (added.id, "bb_missed", False)
        assert await portal.activities.complete(added.id, activity.content) == "completed"
        assert await portal.activities.complete(added.id, activity.content) == "completed"
        (made,) = [one for one in sandbox.records.crm.activities.values() if one.origin_id == activity.origin_id]
        assert made.completed
        await portal.client.call("crm.activity.delete", {"id": added.id})
        assert await portal.activities.complete(added.id, activity.content) == "gone"


async def test_the_badge_is_made_anew_when_somebody_has_deleted_it() -> None:
    """It is known for ten minutes; the portal's refusal ends that."""
    async with opened() as (portal, _):
        await portal.client.call("crm.activity.badge.delete", {"code": BADGE.code})
        assert (await portal.activities.add(new("pbx:1"), look_first=False)).how == "added"
        assert await portal.client.call("crm.activity.badge.get", {"code": BADGE.code})


async def test_an_owner_that_is_not_there_is_told() -> None:
    """Whichever of its codes the portal says it with, nothing is added."""
    async with opened() as (portal, sandbox):
        before = len(sandbox.records.crm.activities)
        with pytest.raises(NotFound, match="deal 999999"):
            await portal.activities.add(new("pbx:1", Owner("deal", 999_999)), look_first=False)
        assert len(sandbox.records.crm.activities) == before
