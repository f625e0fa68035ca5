"""What the portal sends us, and how it is noticed that it has ceased to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from badge_bridge.errors import PortalPaused, PortalUnreachable
from badge_bridge.portal.oauth import Handlers, OAuthKeyring, Subscriptions, open_subscriptions
from badge_bridge.portal.oauth.binding import CALLS, LIFE, TEST, install_beside
from badge_bridge.portal.oauth.subscribing import AGAIN, DELAYS, DOUBT_AGAIN, LOOK_AGAIN
from support.oauth_world import HANDLERS, HOOK, KEY, MEMBER_ID, PORTAL, World, application

ALL_BOUND = [(event, HOOK) for event in CALLS] + [(event, HANDLERS.life) for event in LIFE]


@pytest.fixture
def world() -> World:
    return World()


def opened(
    world: World, keyring: OAuthKeyring | None = None, *, call: Any = None, handlers: Handlers = HANDLERS
) -> Subscriptions:
    return open_subscriptions(
        application(),
        keyring or world.keyring(),
        store=world.store,
        keys=(KEY,),
        call=call or world.call,
        handlers=handlers,
        clock=world.clock,
        ids=world.ids,
    )


async def running(world: World, **changes: Any) -> Subscriptions:
    """Those of a process that has started on an installation with all its handlers."""
    await world.install(**changes)
    world.handlers = list(ALL_BOUND)
    keyring = world.keyring()
    await keyring.look()
    subscriptions = opened(world, keyring)
    await subscriptions.ensure()
    assert world.asked == ["event.get"]
    world.asked.clear()
    return subscriptions


async def test_handlers_are_bound_again_when_an_update_dropped_them_and_was_lost(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour later at the latest; and the portal is asked for the application token, which may be another one."""
    subscriptions = await running(world)
    world.handlers = []
    world.now += LOOK_AGAIN - 1
    await subscriptions.ensure()
    assert world.asked == []
    world.now += 1
    await subscriptions.ensure()
    assert world.handlers == [*ALL_BOUND, (TEST, HANDLERS.life)]
    assert len(world.sent_tests) == 1
    assert "ceased to send ONVOXIMPLANTCALLEND" in caplog.text


async def test_the_token_is_asked_for_when_the_bridge_stood_still_during_the_update(world: World) -> None:
    """A process that finds its handlers gone when it starts knows of no update, and the stored token may be stale."""
    await world.install(application_token="of before")
    keyring = world.keyring()
    await keyring.look()
    subscriptions = opened(world, keyring)
    await subscriptions.ensure()
    assert world.handlers == [*ALL_BOUND, (TEST, HANDLERS.life)]
    assert len(world.sent_tests) == 1
    world.now += AGAIN
    await subscriptions.ensure()
    assert len(world.sent_tests) == 2, "the test event is asked for again where it does not come"
    form = {**world.form(TEST), "data": {"QUERY": dict(world.sent_tests[-1])}}
    await world.installer(world.keyring()).proven_by_test(form)
    world.now += AGAIN
    await subscriptions.ensure()
    assert len(world.sent_tests) == 2, "and not where it has come"


async def test_no_test_is_asked_for_when_an_installation_binds_for_the_first_time(world: World) -> None:
    """What was never bound is not gone, whether it is bound at once or with a later attempt."""
    await world.install()
    keyring = world.keyring()
    await keyring.look()
    subscriptions = opened(world, keyring)
    world.unknown_events = {"ONVOXIMPLANTCALLSTART"}
    await subscriptions.settle_in()
    world.unknown_events = set()
    world.now += DELAYS[0]
    await subscriptions.ensure()
    assert sorted(world.handlers) == sorted(ALL_BOUND)
    assert world.sent_tests == []


@pytest.mark.parametrize(("member_id", "domain"), [(MEMBER_ID, ""), ("", PORTAL)])
async def test_the_token_is_asked_for_when_a_delivery_of_our_portal_had_a_wrong_one(
    world: World, member_id: str, domain: str
) -> None:
    """Once in a while: anybody can send such a delivery."""
    subscriptions = await running(world)
    for _ in range(20):
        subscriptions.doubt(member_id=member_id, domain=domain)
        await subscriptions.ensure()
        world.now += 1
    assert world.asked == ["event.get", "event.bind", "event.test"]
    form = {**world.form(TEST), "data": {"QUERY": dict(world.sent_tests[-1])}}
    await world.installer(world.keyring()).proven_by_test(form)
    world.now += DOUBT_AGAIN
    subscriptions.doubt(member_id=member_id, domain=domain)
    await subscriptions.ensure()
    assert len(world.sent_tests) == 2


async def test_one_test_is_asked_for_when_several_processes_refuse_deliveries(world: World) -> None:
    """They agree by the store."""
    several = [await running(world)]
    for _ in range(3):
        world.now += AGAIN
        keyring = world.keyring()
        await keyring.look()
        several.append(opened(world, keyring))
        await several[-1].ensure()
    for subscriptions in several:
        subscriptions.doubt(member_id=MEMBER_ID, domain="")
        await subscriptions.ensure()
    assert len(world.sent_tests) == 1


@pytest.mark.parametrize(
    ("member_id", "domain"), [("b" * 32, ""), ("", "evil.example"), ("", "evil.bitrix24.com"), ("", "")]
)
async def test_nothing_is_asked_when_a_delivery_names_another_portal(world: World, member_id: str, domain: str) -> None:
    """It is nothing that our portal could mend."""
    subscriptions = await running(world)
    subscriptions.doubt(member_id=member_id, domain=domain)
    await subscriptions.ensure()
    assert world.asked == []


async def test_a_portal_that_was_paused_is_asked_again_soon(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """After 15, 30, 60, 120 seconds, and then each 300; the log says it once."""
    asked_at: list[float] = []
    start = world.now

    async def paused(method: str, params: Mapping[str, Any]) -> Any:
        asked_at.append(world.now - start)
        raise PortalPaused("portal main: waits", portal="main", method=method, lane="main", until=world.now + 60)

    await world.install()
    keyring = world.keyring()
    await keyring.look()
    subscriptions = opened(world, keyring, call=paused)
    await subscriptions.settle_in()
    while world.now < start + 1200:
        world.now += 15
        await subscriptions.ensure()
    assert asked_at == [0, 15, 45, 105, 225, 525, 825, 1125]
    assert caplog.text.count("portal main: it could not be asked to send its events") == 1
    assert "portal main: waits" not in caplog.text


async def test_it_is_told_which_events_are_not_bound(world: World) -> None:
    """For whoever looks beside a running serve; nothing is changed."""
    subscriptions = opened(world)
    world.handlers = list(ALL_BOUND)
    assert await subscriptions.unbound() == ()
    world.handlers.remove(("ONVOXIMPLANTCALLEND", HOOK))
    assert await subscriptions.unbound() == ("ONVOXIMPLANTCALLEND",)
    world.handlers = []
    assert await subscriptions.unbound() == (*CALLS, *LIFE)
    assert await opened(world, handlers=Handlers(life=HANDLERS.life)).unbound() == LIFE
    assert set(world.asked) == {"event.get"}


async def test_an_event_that_a_portal_need_not_offer_is_not_told_when_it_is_the_only_one(world: World) -> None:
    """ONAPPUPDATE is not offered by every portal."""
    world.handlers = [one for one in ALL_BOUND if one[0] != "ONAPPUPDATE"]
    assert await opened(world).unbound() == ()


async def test_it_is_told_that_events_of_life_cannot_be_bound(world: World) -> None:
    """Without an address of ours nothing is bound, and that is a finding."""
    assert await opened(world, handlers=Handlers()).unbound() == LIFE


async def test_unbound_raises_when_the_portal_does_not_say(world: World) -> None:
    """An unknown is no finding."""

    async def gone(method: str, params: Mapping[str, Any]) -> Any:
        raise PortalUnreachable("portal main: no connection", portal="main", method=method)

    with pytest.raises(PortalUnreachable):
        await opened(world, call=gone).unbound()


async def test_it_is_told_whether_the_application_token_is_known(world: World) -> None:
    """By what is stored now."""
    subscriptions = opened(world)
    assert not await subscriptions.knows_token()
    await world.install(application_token="")
    assert not await subscriptions.knows_token()
    await world.install()
    assert await subscriptions.knows_token()


async def test_calls_are_not_asked_for_when_no_source_takes_them(world: World) -> None:
    """The events of the application's life are bound all the same."""
    await world.install()
    keyring = world.keyring()
    await keyring.look()
    await opened(world, keyring, handlers=Handlers(life=HANDLERS.life)).ensure()
    assert [event for event, _ in world.handlers if event != TEST] == list(LIFE)


async def test_calls_are_asked_for_at_once_when_the_rules_file_has_got_a_source_for_them(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A moment after the rules of before were looked after; and nothing is taken for an update that was lost."""
    await world.install()
    world.handlers = [(event, url) for event, url in ALL_BOUND if event in LIFE]
    keyring = world.keyring()
    await keyring.look()
    await opened(world, keyring, handlers=Handlers(life=HANDLERS.life)).ensure()
    assert [event for event, _ in world.handlers] == list(LIFE)
    await opened(world, keyring).ensure()
    assert sorted(world.handlers) == sorted(ALL_BOUND)
    assert "ceased to send" not in caplog.text
    assert world.sent_tests == []


async def test_it_is_said_once_when_the_address_of_the_bridge_is_not_known(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """With the line to write; calls are bound all the same."""
    await world.install()
    keyring = world.keyring()
    await keyring.look()
    subscriptions = opened(world, keyring, handlers=Handlers(calls=HOOK))
    for _ in range(5):
        await subscriptions.ensure()
        world.now += LOOK_AGAIN
    assert caplog.text.count("install_url: https://<this bridge>/install at portals.main") == 1
    assert [event for event, _ in world.handlers] == list(CALLS)


@pytest.mark.parametrize(
    ("hook", "install"),
    [
        ("https://b.example.com/hooks/portal", "https://b.example.com/install"),
        ("https://b.example.com/bridge/hooks/portal/", "https://b.example.com/bridge/install"),
        ("https://b.example.com/webhooks-in/portal", ""),
        ("https://b.example.com/hooks/portal/more", ""),
        ("https://b.example.com/hooks/", ""),
    ],
)
def test_the_installation_page_is_beside_the_hooks(hook: str, install: str) -> None:
    """Where a proxy rewrites paths, nobody can tell what it makes of ours."""
    assert install_beside(hook) == install
