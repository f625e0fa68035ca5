"""How an application gets into a portal, stays there and leaves: what is believed, and what is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from badge_bridge.errors import (
    AccessRefused,
    LimitReached,
    OutcomeUnknown,
    PortalPaused,
    StoreUnavailable,
    Unauthenticated,
)
from badge_bridge.portal.oauth import Handlers, InstallationBusy, Installer, Tickets
from badge_bridge.portal.oauth.binding import CALLS, LIFE, TEST, bind_events
from badge_bridge.portal.oauth.proving import BURST, PATIENCE, RATE, WAITING
from badge_bridge.portal.oauth.subscribing import AGAIN
from badge_bridge.portal.oauth.tickets import LIFETIME
from support.oauth_world import (
    APPLICATION_TOKEN,
    HANDLERS,
    HOOK,
    KEY,
    MEMBER_ID,
    OTHER_KEY,
    PORTAL,
    World,
    application,
)

ALL_BOUND = [(event, HOOK) for event in CALLS] + [(event, "https://bridge.example.com/install") for event in LIFE]
LANES = {"pause", "probe", "resume", "paused"}


@pytest.fixture
def world() -> World:
    return World()


async def test_a_genuine_installation_is_stored_and_bound_when_it_is_proven(world: World) -> None:
    """The token was accepted by the portal of the rules file; then the portal is asked for its events."""
    keyring = world.keyring()
    await world.installer(keyring).install(world.form())
    grant = await world.stored()
    assert grant is not None
    assert world.asked[:2] == ["app.info", "profile"]
    assert (grant.member_id, grant.host, grant.user_id, grant.scope) == (MEMBER_ID, PORTAL, 7, ("crm", "telephony"))
    assert (grant.application_token, grant.status, grant.generation) == (APPLICATION_TOKEN, "L", 1)
    assert grant.expires_at == world.now + 3600
    assert world.handlers == ALL_BOUND
    assert (await keyring.current()).secret == grant.access_token


async def test_everybody_is_told_when_an_installation_has_come(world: World) -> None:
    """Lanes that were paused for the lack of it open at once, under a new mark."""
    marks: list[str] = []
    keyring = world.keyring()

    async def changed() -> None:
        marks.append(keyring.mark)

    before = keyring.mark
    await world.installer(keyring, changed=changed).install(world.form())
    assert marks == [keyring.mark]
    assert before != keyring.mark


FORGERIES: dict[str, dict[str, str]] = {
    "a token that the portal does not know": {"access_token": "forged"},
    "no access token": {"access_token": ""},
    "a token with a line break": {"access_token": "a\r\nb"},
    "no refresh token": {"refresh_token": ""},
    "no application token": {"application_token": ""},
    "no member_id": {"member_id": ""},
    "another portal": {"domain": "evil.example"},
    "no domain": {"domain": ""},
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_installation_is_neither_stored_nor_pauses_anything(
    world: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is written and no lane is touched; `client_endpoint` and `server_endpoint` are never asked."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Unauthenticated):
        await world.installer().install(world.form(**FORGERIES[name]))
    assert await world.stored() is None
    assert world.store.notes == {}
    assert not LANES & set(world.store.calls)
    assert world.handlers == []
    assert not [url for url in world.urls if "evil" in url]
    assert not [secret for secret in world.secrets() if secret in caplog.text]


async def test_the_installation_of_before_stays_when_a_forged_one_comes(world: World) -> None:
    """A forger cannot take a portal over, nor cut it off."""
    grant = await world.install()
    with pytest.raises(Unauthenticated):
        await world.installer().install(world.form(access_token="forged", application_token="mine now"))
    assert await world.stored() == grant


@pytest.mark.parametrize(
    "info",
    [{"CODE": "local.another", "STATUS": "L"}, {"CODE": "partner.app", "STATUS": "F"}, {}],
    ids=["local", "market", "none"],
)
async def test_a_token_of_another_application_is_refused_when_it_is_good_in_the_portal(
    world: World, info: dict[str, Any]
) -> None:
    """Whoever has an application in the portal cannot pass it off as ours."""
    world.info = info
    with pytest.raises(Unauthenticated, match="another application"):
        await world.installer().install(world.form())
    assert await world.stored() is None


async def test_a_token_of_a_common_user_is_refused_when_it_installs(world: World) -> None:
    """Only administrators install; a user with a token must not give us his application token."""
    world.admin = False
    with pytest.raises(Unauthenticated, match="no administrator"):
        await world.installer().install(world.form())
    assert await world.stored() is None


async def test_a_portal_of_a_trusted_name_is_asked_at_the_address_of_the_rules_file(world: World) -> None:
    """A domain that is trusted is believed as a name, and the token still goes where the rules file says."""
    app = application(trusted_hosts=("renamed.bitrix24.com",))
    await world.installer(app=app).install(world.form(domain="Renamed.bitrix24.com"))
    grant = await world.stored()
    assert grant is not None
    assert grant.host == "renamed.bitrix24.com"
    assert {urlsplit(url).hostname for url in world.urls} == {PORTAL}


RENAMED = "acme-crm.bitrix24.de"


@pytest.mark.parametrize("domain", [PORTAL, RENAMED])
async def test_an_installation_is_proven_where_the_portal_was_renamed_to(world: World, domain: str) -> None:
    """The proof follows the redirect as calls do, once; the form may have the new name or the old one."""
    world.moved_to = RENAMED
    await world.installer().install(world.form(domain=domain))
    assert await world.stored() is not None
    assert world.asked[:2] == ["app.info", "profile"]
    assert world.redirected == 1


async def test_a_person_lets_a_renamed_portal_in_when_he_follows_the_link(world: World) -> None:
    """The portal's own page sends him on, and the code comes from the new name."""
    world.moved_to = RENAMED
    await authorize(world, world.installer(), domain=RENAMED)
    assert await world.stored() is not None


@pytest.mark.parametrize("host", ["evil.example", "bitrix24.com.evil.example", "a.b.bitrix24.com"])
async def test_a_redirect_is_not_followed_when_calls_would_not_follow_it(world: World, host: str) -> None:
    """The access token goes nowhere else."""
    world.moved_to = host
    with pytest.raises(Unauthenticated):
        await world.installer().install(world.form())
    assert await world.stored() is None
    assert {urlsplit(url).hostname for url in world.urls} == {PORTAL}


async def test_few_forgeries_reach_the_portal_when_a_flood_of_them_comes(world: World) -> None:
    """What a forger can spend of the portal's limits is a few calls at once, and one in ten seconds after that."""
    installer = world.installer()
    start = world.now

    async def forge() -> BaseException:
        with pytest.raises((Unauthenticated, InstallationBusy)) as caught:
            await installer.install(world.form(access_token="forged"))
        return caught.value

    said = []
    for _ in range(20):
        said += [type(error) for error in await asyncio.gather(*(forge() for _ in range(10)))]
        world.now += 0.5
    asked = world.asked.count("app.info")
    assert asked <= BURST + (world.now - start) * RATE
    assert asked == said.count(Unauthenticated)
    assert said.count(InstallationBusy) > 100
    assert set(world.asked) == {"app.info"}


async def test_one_proof_is_made_at_a_time_when_installations_come_together(world: World) -> None:
    """A few of the others wait for their turn; the rest are asked to come back and cost nothing."""
    running = most = 0

    async def admitted() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    installer = world.installer(admitted=admitted)
    said = await asyncio.gather(
        *(installer.install(world.form(access_token="forged")) for _ in range(WAITING + 5)), return_exceptions=True
    )
    assert [type(error) for error in said] == [
        *[Unauthenticated] * (WAITING + 1),
        *[InstallationBusy] * 4,
    ]
    assert most == 1
    assert InstallationBusy.status == 503


async def test_the_genuine_installation_gets_its_turn_when_forgeries_came_before_it(world: World) -> None:
    """Bitrix24 does not send it again, so it waits for some seconds."""
    installer = world.installer()
    forged = [installer.install(world.form(access_token="forged")) for _ in range(BURST)]
    *refused, genuine = await asyncio.gather(*forged, installer.install(world.form()), return_exceptions=True)
    assert [type(error) for error in refused] == [Unauthenticated] * BURST
    assert genuine is None
    assert await world.stored() is not None
    assert sum(world.slept) == pytest.approx(1 / RATE)


async def test_an_installation_waits_no_longer_than_its_sender_may(world: World) -> None:
    """Where there is no room in time, nothing is asked."""
    world.store.levels["oauth/main/proofs"] = (BURST + PATIENCE * RATE, world.now)
    with pytest.raises(InstallationBusy):
        await world.installer().install(world.form())
    assert world.asked == []
    assert world.slept == []


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("no route"),
        httpx.Response(503, json={"error": "QUERY_LIMIT_EXCEEDED"}),
        httpx.Response(502, text="<html>"),
    ],
    ids=["no connection", "limit", "html"],
)
async def test_the_portal_is_asked_again_when_it_does_not_answer(world: World, trouble: Any) -> None:
    """Bitrix24 announces an installation once, so a moment's trouble must not lose it."""
    world.portal_scripted = [trouble, trouble]
    await world.installer().install(world.form())
    assert await world.stored() is not None
    assert world.slept == [1.0, 2.0]


async def test_an_installation_is_given_up_when_the_portal_does_not_answer_at_all(world: World) -> None:
    """It is not believed, and the caller can say that it was not looked at."""
    world.portal_scripted = [httpx.Response(502, text="<html>")] * 3
    with pytest.raises(OutcomeUnknown):
        await world.installer().install(world.form())
    assert await world.stored() is None


async def test_nothing_is_half_done_when_the_store_cannot_write(world: World) -> None:
    """The sender hears that it is to be sent again."""
    world.store.broken = {"write_note"}
    with pytest.raises(StoreUnavailable):
        await world.installer().install(world.form())
    assert world.handlers == []


async def test_an_installation_replaces_what_cannot_be_decrypted_when_the_key_was_lost(world: World) -> None:
    """That is the way back after a lost key."""
    await world.install()
    installer = world.installer(keys=(OTHER_KEY,))
    await installer.install(world.form())
    grant = await world.stored()
    assert grant is not None
    assert grant.generation == 2


async def test_binding_goes_on_when_single_events_are_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An installation stands without them; what is missing is told and asked for again, later and not each second."""
    world.unknown_events = {"ONVOXIMPLANTCALLSTART", "ONAPPUPDATE"}
    keyring = world.keyring()
    installer = world.installer(keyring)
    await installer.install(world.form())
    assert await world.stored() is not None
    assert [event for event, _ in world.handlers] == ["ONVOXIMPLANTCALLEND", "ONAPPUNINSTALL"]
    assert "ONVOXIMPLANTCALLSTART is not bound" in caplog.text
    assert "ONAPPUPDATE is not bound" not in caplog.text
    world.unknown_events = set()
    asked = len(world.asked)
    await installer.subscriptions.ensure()
    assert len(world.asked) == asked
    world.now += AGAIN
    await installer.subscriptions.ensure()
    assert sorted(world.handlers) == sorted(ALL_BOUND)
    asked = len(world.asked)
    world.now += AGAIN
    await installer.subscriptions.ensure()
    assert len(world.asked) == asked


async def test_an_event_counts_as_bound_when_another_process_has_just_bound_it(world: World) -> None:
    """Two processes that bind together are both content."""
    seen = False

    async def call(method: str, params: Mapping[str, Any]) -> Any:
        nonlocal seen
        if method == "event.get" and not seen:
            seen = True
            return []
        return await world.call(method, params)

    world.handlers = list(ALL_BOUND)
    bound = await bind_events(call, HANDLERS)
    assert bound.missing == {}
    assert bound.bound == (*CALLS, *LIFE)
    assert sorted(world.handlers) == sorted(ALL_BOUND)


async def test_nothing_is_bound_anew_when_all_handlers_are_there(world: World) -> None:
    """A start costs one question."""
    world.handlers = list(ALL_BOUND)
    keyring = world.keyring()
    await world.install()
    await keyring.look()
    await world.installer(keyring).subscriptions.ensure()
    assert world.asked == ["event.get"]


async def test_one_process_binds_when_several_start(world: World) -> None:
    """A fleet of functions does not ask the portal once each."""
    await world.install()
    for _ in range(5):
        keyring = world.keyring()
        await keyring.look()
        await world.installer(keyring).subscriptions.ensure()
    assert world.asked.count("event.get") == 1


async def test_binding_is_told_and_tried_again_when_the_portal_is_paused(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A portal that rests does not undo the installation."""

    async def paused(method: str, params: Mapping[str, Any]) -> Any:
        raise PortalPaused("portal main: waits", portal="main", method=method, lane="main", until=world.now + 60)

    installer = world.installer(call=paused)
    await installer.install(world.form())
    assert await world.stored() is not None
    assert "portal main: it could not be asked to send its events, and is asked again soon: waits" in caplog.text


async def test_it_is_said_when_the_bridge_does_not_know_its_own_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be bound then; the installation stands, and nobody asks again and again."""
    keyring = world.keyring()
    installer = world.installer(keyring, handlers=Handlers())
    await installer.install(world.form())
    world.now += AGAIN
    await installer.subscriptions.ensure()
    assert caplog.text.count("public_url") == 1
    assert world.handlers == []


async def test_handlers_are_bound_again_when_an_update_carries_the_application_token(world: World) -> None:
    """An update drops all handlers; whoever knows the application token is the portal."""
    await world.install()
    await world.installer().updated(world.form("ONAPPUPDATE", access_token=""))
    assert world.handlers == ALL_BOUND
    assert "app.info" not in world.asked


@pytest.mark.parametrize("event", ["ONAPPUPDATE", "ONAPPINSTALL"])
async def test_another_application_token_is_believed_when_the_portal_confirms_it(world: World, event: str) -> None:
    """A form proves its access token only; the portal is asked for a test event, and what that brings counts."""
    before = await world.install()
    installer = world.installer()
    form = world.form(event, application_token="another")
    await (installer.updated(form) if event == "ONAPPUPDATE" else installer.install(form))
    known = await world.stored()
    assert known is not None
    assert known.application_token == before.application_token
    assert world.asked[:2] == ["app.info", "profile"]
    await installer.proven_by_test(asked_for_test(world, application_token="another"))
    after = await world.stored()
    assert after is not None
    assert (after.application_token, after.token_proven_at) == ("another", world.now)
    assert world.handlers == ALL_BOUND
    assert (after.generation, after.refresh_token == before.refresh_token) == (
        (1, True) if event == "ONAPPUPDATE" else (2, False)
    )


@pytest.mark.parametrize("event", ["ONAPPUPDATE", "ONAPPINSTALL"])
async def test_another_application_token_is_kept_when_the_portal_cannot_be_asked_for_a_test(
    world: World, event: str
) -> None:
    """Where our own address is not known, a proven form is the best that can be had."""
    await world.install()
    installer = world.installer(handlers=Handlers())
    form = world.form(event, application_token="another")
    await (installer.updated(form) if event == "ONAPPUPDATE" else installer.install(form))
    after = await world.stored()
    assert after is not None
    assert after.application_token == "another"


async def test_an_installation_of_another_portal_is_refused_when_there_is_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """member_id is nothing that the access token proves; it stays for as long as the portal does."""
    before = await world.install()
    with pytest.raises(Unauthenticated, match=r"member_id is another .* badge-bridge authorize main"):
        await world.installer().install(world.form(member_id="b" * 32))
    assert await world.stored() == before
    assert world.asked == []


async def test_an_installation_of_another_portal_is_taken_when_the_application_is_another(world: World) -> None:
    """Whoever moves the rules file to another portal has another application there."""
    await world.install(client_id="local.old", member_id="b" * 32)
    await world.installer().install(world.form())
    after = await world.stored()
    assert after is not None
    assert after.member_id == MEMBER_ID


@pytest.mark.parametrize(
    "auth",
    [
        {"application_token": "another", "access_token": "forged"},
        {"application_token": "another", "access_token": ""},
        {"application_token": "another", "member_id": "b" * 32},
        {"application_token": "another", "domain": "evil.example"},
        {"application_token": ""},
        {"member_id": "b" * 32, "access_token": "forged"},
    ],
    ids=range(6),
)
async def test_a_forged_update_changes_nothing(world: World, auth: dict[str, str]) -> None:
    """Neither the application token nor the handlers, and no lane is touched."""
    before = await world.install()
    with pytest.raises(Unauthenticated):
        await world.installer().updated(world.form("ONAPPUPDATE", **auth))
    assert await world.stored() == before
    assert world.handlers == []
    assert not LANES & set(world.store.calls)


async def test_the_portal_is_asked_when_an_update_proves_nothing_and_names_it(world: World) -> None:
    """It may be genuine, such as one that nobody's token came with; what the portal says then is proof enough."""
    await world.install()
    world.handlers = list(ALL_BOUND)
    keyring = world.keyring()
    await keyring.look()
    installer = world.installer(keyring)
    await installer.subscriptions.ensure()
    world.handlers = []
    with pytest.raises(Unauthenticated):
        await installer.updated(world.form("ONAPPUPDATE", access_token="", application_token="another"))
    await installer.subscriptions.ensure()
    await installer.proven_by_test(asked_for_test(world, application_token="another"))
    after = await world.stored()
    assert after is not None
    assert after.application_token == "another"
    assert world.handlers == ALL_BOUND


async def test_an_update_installs_when_nothing_is_stored(world: World) -> None:
    """An installation that was missed is made up for by the next proven event with tokens."""
    await world.installer().updated(world.form("ONAPPUPDATE"))
    assert await world.stored() is not None
    assert "app.info" in world.asked


async def test_the_grant_is_removed_when_the_application_is_uninstalled(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """It carries no usable token; the application token proves it. The log is loud."""
    await world.install()
    keyring = world.keyring()
    await keyring.current()
    before = keyring.mark
    await world.installer(keyring).uninstalled(world.form("ONAPPUNINSTALL", access_token="", refresh_token=""))
    assert await world.stored() is None
    assert [record.levelname for record in caplog.records if "uninstalled" in record.message] == ["ERROR"]
    with pytest.raises(AccessRefused, match="not installed"):
        await keyring.current()
    assert keyring.mark != before
    assert world.asked == []


@pytest.mark.parametrize("auth", [{"application_token": "x"}, {"application_token": ""}, {"member_id": "x"}], ids=str)
async def test_a_forged_uninstallation_changes_nothing(world: World, auth: dict[str, str]) -> None:
    """A good access token proves no uninstallation: the application token has to be there."""
    before = await world.install()
    with pytest.raises(Unauthenticated):
        await world.installer().uninstalled(world.form("ONAPPUNINSTALL", **auth))
    assert await world.stored() == before


@pytest.mark.parametrize("known", [True, False], ids=["installed without a token", "not installed"])
async def test_an_uninstallation_is_refused_when_no_application_token_is_known(world: World, known: bool) -> None:
    """An empty token is not equal to an unknown one."""
    if known:
        await world.install(application_token="")
    with pytest.raises(Unauthenticated):
        await world.installer().uninstalled(world.form("ONAPPUNINSTALL", application_token=""))


def asked_for_test(world: World, **auth: str) -> dict[str, Any]:
    """The test event that the portal was asked for last."""
    return {**world.form(TEST, **auth), "data": {"QUERY": dict(world.sent_tests[-1]), "LANGUAGE_ID": "en"}}


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


async def authorize(world: World, installer: Installer, **changes: str) -> None:
    world.codes.add("c0de")
    told = {"code": "c0de", "state": state_of(installer.authorize_url()), "domain": PORTAL, **changes}
    await installer.authorized(**told)


async def test_a_person_lets_the_application_in_when_he_follows_the_link(world: World) -> None:
    """The link goes to the portal's own page; the code that comes back is exchanged, and its token proven."""
    installer = world.installer()
    url = urlsplit(installer.authorize_url())
    assert (url.scheme, url.netloc, url.path) == ("https", PORTAL, "/oauth/authorize/")
    assert parse_qs(url.query)["client_id"] == [application().client_id]
    await authorize(world, installer)
    grant = await world.stored()
    assert grant is not None
    assert world.asked[:3] == ["token", "app.info", "profile"]
    assert (grant.member_id, grant.application_token, grant.user_id) == (MEMBER_ID, "", 7)
    assert grant.scope == ("crm", "telephony")
    assert set(ALL_BOUND) <= set(world.handlers)


async def test_a_state_is_refused_when_it_was_used_before(world: World) -> None:
    """A link that somebody else finds in a history lets nothing in."""
    installer = world.installer()
    state = state_of(installer.authorize_url())
    await authorize(world, installer, state=state)
    before = await world.stored()
    asked = len(world.asked)
    with pytest.raises(Unauthenticated, match="used before"):
        await authorize(world, world.installer(), state=state)
    assert await world.stored() == before
    assert len(world.asked) == asked


@pytest.mark.parametrize(
    "changes",
    [
        {"state": ""},
        {"state": "main.authorize.99999999999.x.AAAA"},
        {"state": Tickets("other", (KEY,)).issue("authorize", nonce="x", now=World().now)},
        {"state": Tickets("main", (OTHER_KEY,)).issue("authorize", nonce="x", now=World().now)},
        {"state": Tickets("main", (KEY,)).issue("authorize", nonce="x", now=World().now - LIFETIME)},
        {"state": Tickets("main", (KEY,)).issue("test", nonce="x", now=World().now)},
        {"domain": "evil.example"},
        {"code": ""},
        {"code": "a\nb"},
    ],
    ids=range(9),
)
async def test_a_code_is_not_exchanged_when_we_did_not_ask_for_it(world: World, changes: dict[str, str]) -> None:
    """Somebody else's code would let us act in somebody else's name."""
    with pytest.raises(Unauthenticated):
        await authorize(world, world.installer(), **changes)
    assert world.asked == []
    assert await world.stored() is None


async def test_the_refusal_is_told_when_a_code_is_dead(world: World) -> None:
    """A code lasts 30 seconds."""
    with pytest.raises(AccessRefused) as caught:
        await authorize(world, world.installer(), code="old")
    assert caught.value.code == "invalid_grant"


async def test_a_code_of_another_portal_is_not_stored_when_its_token_is_not_good_here(world: World) -> None:
    """The portal of the rules file has to accept the token, whatever the redirect said."""
    world.portal_scripted = [httpx.Response(401, json={"error": "NO_AUTH_FOUND"})]
    with pytest.raises(Unauthenticated, match="does not accept"):
        await authorize(world, world.installer())
    assert await world.stored() is None


async def test_an_authorisation_does_not_wait_when_forgers_use_up_all_proofs(world: World) -> None:
    """Its link is signed by us, so it stands behind no stranger."""
    installer = world.installer()
    world.store.levels["oauth/main/proofs"] = (1000, world.now)
    await authorize(world, installer)
    assert await world.stored() is not None
    assert world.slept == []


async def test_the_installation_of_an_administrator_stays_when_an_employee_follows_the_link(world: World) -> None:
    """The bridge would act with his rights from then on."""
    before = await world.install()
    world.admin = False
    with pytest.raises(Unauthenticated, match=r"user 7 of the portal, who is no administrator.*to open the link"):
        await authorize(world, world.installer())
    assert await world.stored() == before


async def test_the_application_token_is_learnt_by_a_test_event_when_a_code_brought_none(world: World) -> None:
    """Only the portal can know the ticket that we gave it, so the token beside it is genuine."""
    keyring = world.keyring()
    installer = world.installer(keyring)
    await authorize(world, installer)
    assert (TEST, HANDLERS.life) in world.handlers
    await world.installer(world.keyring()).proven_by_test(asked_for_test(world))  # by any process
    grant = await world.stored()
    assert grant is not None
    assert grant.application_token == APPLICATION_TOKEN
    assert world.handlers == ALL_BOUND
    asked = len(world.asked)
    world.now += AGAIN
    await installer.subscriptions.ensure()
    assert world.asked[asked:] == ["event.get"]


async def test_the_test_event_is_asked_for_again_when_it_does_not_come(world: World) -> None:
    """Without the application token no event of the portal can be believed."""
    keyring = world.keyring()
    installer = world.installer(keyring)
    await authorize(world, installer)
    world.now += AGAIN
    await installer.subscriptions.ensure()
    assert len(world.sent_tests) == 2


@pytest.mark.parametrize(
    ("ticket", "auth"),
    [
        ("", {}),
        ("x", {}),
        (Tickets("main", (OTHER_KEY,)).issue("test", nonce="x", now=World().now), {}),
        (Tickets("main", (KEY,)).issue("authorize", nonce="x", now=World().now), {}),
        (Tickets("main", (KEY,)).issue("test", nonce="x", now=World().now - LIFETIME), {}),
        (Tickets("main", (KEY,)).issue("test", nonce="x", now=World().now), {"member_id": "b" * 32}),
        (Tickets("main", (KEY,)).issue("test", nonce="x", now=World().now), {"application_token": ""}),
    ],
    ids=range(7),
)
async def test_a_forged_test_event_teaches_nothing(world: World, ticket: str, auth: dict[str, str]) -> None:
    """Whoever could choose our application token could send us any event."""
    before = await world.install(application_token="")
    form = {**world.form(TEST, **auth), "data": {"QUERY": {"badge_bridge": ticket}}}
    with pytest.raises(Unauthenticated):
        await world.installer().proven_by_test(form)
    assert await world.stored() == before


async def test_the_known_application_token_stays_when_the_same_portal_is_authorised_again(world: World) -> None:
    """A code brings none, and the installation is still the same application in the same portal."""
    await world.install()
    await authorize(world, world.installer())
    grant = await world.stored()
    assert grant is not None
    assert (grant.application_token, grant.generation) == (APPLICATION_TOKEN, 2)
    assert world.sent_tests == []


@pytest.mark.parametrize("form", [{}, {"auth": "x"}, {"event": {"a": "b"}, "auth": {"domain": {"x": "y"}}, "data": []}])
async def test_a_form_proves_nothing_when_its_fields_are_no_texts(world: World, form: dict[str, Any]) -> None:
    """Brackets make groups of what should be texts; they read as missing."""
    await world.install()
    installer = world.installer()
    for take in (installer.install, installer.updated, installer.uninstalled, installer.proven_by_test):
        with pytest.raises(Unauthenticated):
            await take(form)


async def test_a_limit_is_told_when_the_portal_has_no_room_for_a_proof(world: World) -> None:
    """It is not a forgery, and the sender may come back."""
    world.portal_scripted = [httpx.Response(503, json={"error": "QUERY_LIMIT_EXCEEDED"})] * 3
    with pytest.raises(LimitReached):
        await world.installer().install(world.form())
