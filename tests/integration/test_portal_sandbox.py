"""The portal client against the sandbox on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from badge_bridge.errors import AccessRefused, LimitReached, OutcomeUnknown, PortalPaused
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import AccessToken, Badge, Credential, Ensured, InboundWebhook, Portal, open_portal
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import (
    ADMINISTRATOR_TOKEN,
    EXPIRED_TOKEN,
    MANAGER_TOKEN,
    TELEPHONY_ONLY_TOKEN,
    default_seed,
)
from badge_bridge.sandbox.serving import SandboxServer
from badge_bridge.sandbox.variants import Variants
from badge_bridge.store.memory import MemoryStore

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
MISSED = Badge("bb_missed", {"en": "Call status", "de": "Anruf"}, {"en": "Missed", "de": "Verpasst"}, "failure")
SHORT = 1.0
"""Seconds for a call whose answer never comes; long for the others on loopback."""


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A sandbox, a store, and the portals opened on them."""

    def __init__(self, sandbox: SandboxPortal, server: SandboxServer, store: MemoryStore) -> None:
        self.sandbox = sandbox
        self.server = server
        self.store = store
        self.clock = Clock()
        self.opened: list[Portal] = []

    def portal(self, credential: Credential | None = None, *, deadline: float = 30.0) -> Portal:
        credential = credential or InboundWebhook(self.sandbox.webhook_url(self.server.url))
        portal = open_portal(
            "main", credential, pauses=self.store, clock=self.clock, random=lambda: 0.5, deadline=deadline
        )
        self.opened.append(portal)
        return portal

    def token(self, token: str) -> Portal:
        return self.portal(AccessToken(self.server.url, token))

    def fault(self, method: str, fault: str, times: int = 1) -> None:
        self.sandbox.faults.add(FaultOrder(method=method, fault=fault, times=times))

    def vary(self, variants: Variants) -> None:
        self.sandbox.reseed(self.sandbox.seed.model_copy(update={"variants": variants}))

    def asked(self) -> list[str]:
        """What the sandbox was asked, by the last part of the method."""
        return [entry.method.rsplit(".", 1)[1] for entry in self.sandbox.journal.since()]

    def codes(self) -> list[str]:
        return [badge.code for badge in self.sandbox.seed.badges]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    store = MemoryStore()
    await store.open()
    sandbox = SandboxPortal(default_seed())
    async with SandboxServer(sandbox) as server:
        stage = Stage(sandbox, server, store)
        yield stage
        for portal in stage.opened:
            await portal.aclose()
    await store.close()


@pytest.mark.parametrize("how", ["webhook", "token"])
async def test_a_badge_is_looked_up_added_and_known_when_all_goes_well(stage: Stage, how: str) -> None:
    """get, NOT_FOUND, add; then the portal has it, and it is known without asking."""
    portal = stage.portal() if how == "webhook" else stage.token(ADMINISTRATOR_TOKEN)
    asked: list[Exchange] = []
    assert await portal.badges.ensure(MISSED, asked=asked) == Ensured("bb_missed", "added")
    assert [(exchange.method, exchange.answer) for exchange in asked] == [(GET, "NOT_FOUND"), (ADD, "ok")]
    assert all(exchange.milliseconds > 0 for exchange in asked)
    assert (await portal.badges.ensure(MISSED)).how == "known"
    assert "bb_missed" in stage.codes()
    assert stage.asked() == ["get", "add"]


@pytest.mark.parametrize("texts", ["as-passed", "resolved"])
async def test_no_drift_is_seen_when_the_portal_gives_back_all_texts_or_one(stage: Stage, texts: str) -> None:
    """Both ways of answering that the documentation leaves open read as the same badge."""
    stage.vary(Variants.model_validate({"badge_texts": texts}))
    await stage.portal().badges.ensure(MISSED)
    assert await stage.portal().badges.ensure(MISSED) == Ensured("bb_missed", "present")


async def test_two_hundred_events_add_a_badge_once_when_they_come_together(stage: Stage) -> None:
    """One get and one add reach the portal."""
    badges = stage.portal().badges
    await asyncio.gather(*(badges.ensure(MISSED) for _ in range(200)))
    assert stage.asked() == ["get", "add"]


@pytest.mark.parametrize("fault", ["timeout-after-commit", "drop-after-commit"])
async def test_a_badge_is_found_when_the_answer_of_its_add_got_lost(stage: Stage, fault: str) -> None:
    """The add was carried out; a second look finds it instead of adding again."""
    stage.fault(ADD, fault)
    asked: list[Exchange] = []
    assert (await stage.portal(deadline=SHORT).badges.ensure(MISSED, asked=asked)).how == "present"
    lost = "timeout" if fault.startswith("timeout") else "broken connection"
    assert [exchange.answer for exchange in asked] == ["NOT_FOUND", lost, "ok"]
    assert stage.codes().count("bb_missed") == 1


@pytest.mark.parametrize("fault", ["timeout-before", "drop-before", "http-500", "INTERNAL_SERVER_ERROR", "html"])
async def test_the_outcome_is_unknown_when_an_add_got_lost_on_the_way(stage: Stage, fault: str) -> None:
    """Not there on the second look: unknown, and the next attempt adds it."""
    stage.fault(ADD, fault)
    badges = stage.portal(deadline=SHORT).badges
    with pytest.raises(OutcomeUnknown) as caught:
        await badges.ensure(MISSED)
    assert caught.value.method == ADD
    assert (await badges.ensure(MISSED)).how == "added"


@pytest.mark.parametrize("duplicate", ["BX_INVALID_VALUE", "ERROR_EXISTS", "", "100"])
async def test_a_race_ends_well_when_somebody_else_adds_in_between(stage: Stage, duplicate: str) -> None:
    """Whatever the portal calls a duplicate, the badge is there on the second look."""
    stage.vary(Variants(duplicate_code_error=duplicate))
    stage.fault(ADD, "race-add")
    assert (await stage.portal().badges.ensure(MISSED)).how == "present"
    assert stage.asked() == ["get", "add", "get"]


async def test_the_portal_rests_a_second_when_its_rate_limit_is_reached(stage: Stage) -> None:
    """QUERY_LIMIT_EXCEEDED pauses the portal; the probe after it succeeds and opens it again."""
    stage.fault(GET, "QUERY_LIMIT_EXCEEDED")
    badges = stage.portal().badges
    with pytest.raises(PortalPaused) as caught:
        await badges.ensure(MISSED)
    assert isinstance(caught.value.__cause__, LimitReached)
    assert (caught.value.lane, caught.value.until) == ("main", stage.clock.now + 1)
    with pytest.raises(PortalPaused):
        await badges.ensure(MISSED)
    assert stage.asked() == ["get"]
    stage.clock.now += 1
    assert (await badges.ensure(MISSED)).how == "added"
    assert await stage.store.paused(["main"]) == []


async def test_adding_rests_when_the_user_has_no_crm_administrator_access(stage: Stage) -> None:
    """A manager may look badges up; adding waits in its own lane, and the message says who grants the right."""
    badges = stage.token(MANAGER_TOKEN).badges
    with pytest.raises(PortalPaused, match="CRM administrator access") as caught:
        await badges.ensure(MISSED)
    assert caught.value.lane == f"main/{ADD}"
    assert stage.asked() == ["get", "add", "get"]
    stage.clock.now += 30
    with pytest.raises(PortalPaused) as again:
        await badges.ensure(MISSED)
    assert again.value.until == stage.clock.now + 60


@pytest.mark.parametrize("edition", ["by-kind", "all-401"])
@pytest.mark.parametrize(
    ("token", "lane", "word"),
    [
        (TELEPHONY_ONLY_TOKEN, f"main/{GET}", "permission crm"),
        (EXPIRED_TOKEN, "main", "expired"),
        ("never-issued", "main", "NO_AUTH_FOUND"),
    ],
    ids=["scope", "expired", "unknown"],
)
async def test_a_lane_rests_when_the_token_is_refused(
    stage: Stage, token: str, lane: str, word: str, edition: str
) -> None:
    """Each refusal pauses what it concerns and says what is missing, in both editions of the portal's statuses."""
    stage.vary(Variants.model_validate({"system_errors": edition}))
    with pytest.raises(PortalPaused, match=word) as caught:
        await stage.token(token).badges.ensure(MISSED)
    assert isinstance(caught.value.__cause__, AccessRefused)
    assert caught.value.lane == lane


async def test_a_badge_is_ensured_at_once_when_the_credential_was_mended_and_the_bridge_restarted(stage: Stage) -> None:
    """The pause that the old credential left in the store does not hold up the new one; nor does a later start."""
    with pytest.raises(PortalPaused):
        await stage.token(EXPIRED_TOKEN).badges.ensure(MISSED)
    mended = stage.token(ADMINISTRATOR_TOKEN)
    await mended.start()
    assert (await mended.badges.ensure(MISSED)).how == "added"
    restarted = stage.token(ADMINISTRATOR_TOKEN)
    await restarted.start()
    assert (await restarted.badges.ensure(MISSED)).how == "present"


async def test_badges_ask_for_an_application_when_the_portal_refuses_webhooks(stage: Stage) -> None:
    """ERROR_WRONG_CONTEXT says that an OAuth credential is needed."""
    stage.vary(Variants(badges_by_webhook="refused"))
    with pytest.raises(PortalPaused, match="Local application"):
        await stage.portal().badges.ensure(MISSED)


async def test_the_portal_rests_when_nothing_comes_back_three_times(stage: Stage) -> None:
    """Three broken connections in a row are the portal's trouble, and use up no further attempts."""
    stage.fault("*", "drop-before", times=3)
    client = stage.portal().client
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await client.call(GET, {"code": "bb_missed"})
    with pytest.raises(PortalPaused) as caught:
        await client.call(GET, {"code": "bb_missed"})
    assert caught.value.lane == "main"
