"""A request that is sent once more: with a renewed credential, or to the new host of a renamed portal."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from badge_bridge.errors import (
    AccessRefused,
    OutcomeUnknown,
    PortalError,
    PortalPaused,
    PortalUnreachable,
    StoreUnavailable,
)
from badge_bridge.meters import Meters
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import AccessToken, Credential, InboundWebhook, PortalClient
from badge_bridge.portal.keyring import FixedKeyring, Keyring
from badge_bridge.portal.lanes import Lanes
from badge_bridge.portal.limits import Limiter
from badge_bridge.store.memory import MemoryStore
from support.portals import START, BatchingPortal, LeakyBuckets, Said

GET = "crm.activity.badge.get"
HOME = "https://acme.bitrix24.com"
NEW = "https://renamed.bitrix24.com"
EXPIRED = {"error": "expired_token", "error_description": "The access token provided has expired."}


class Renewing:
    """A keyring whose tokens are t1, t2, ...; `trouble` is raised instead of giving one, `limit` ends renewing."""

    def __init__(self) -> None:
        self.number = 1
        self.renewals: list[str] = []
        self.trouble: Exception | None = None
        self.never: Exception | None = None
        self.limit = 9
        self.mark = "0000000a"

    @property
    def credential(self) -> AccessToken:
        return AccessToken(HOME, f"t{self.number}")

    async def current(self) -> Credential:
        if self.never is not None:
            raise self.never
        return self.credential

    async def renew(self, stale: Credential) -> Credential | None:
        self.renewals.append(stale.secret)
        if self.trouble is not None:
            raise self.trouble
        if self.number >= self.limit:
            return None
        self.number += 1
        return self.credential


class Scene:
    """A portal that takes one token and lives at one host, and a client with everything that it needs."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.valid = "t1"
        self.redirects: dict[str, str] = {}
        self.moved: list[str] = []
        self.buckets = LeakyBuckets()
        self.meters = Meters(lambda: START)
        self.keyring: Keyring = Renewing()
        scene = self

        class Guarded(BatchingPortal):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.url.host in scene.redirects:
                    self.received.append(request)
                    return httpx.Response(302, headers={"location": scene.redirects[request.url.host]})
                body = json.loads(await request.aread())
                if body.get("auth", scene.valid) != scene.valid:
                    self.received.append(request)
                    return httpx.Response(401, json=EXPIRED)
                return await super().handle_async_request(request)

        self.portal = Guarded(lambda method, params: self.said)
        self.said: Said = {"result": True}

    def client(self, keyring: Keyring | None = None, trusted_hosts: tuple[str, ...] = ()) -> PortalClient:
        keyring = keyring or self.keyring
        lanes = Lanes("main", self.store, keyring=keyring, clock=lambda: START, random=lambda: 0.5)
        return PortalClient(
            "main",
            keyring,
            lanes=lanes,
            limiter=Limiter("main", self.buckets, rate=2, burst=50, clock=lambda: START),
            trusted_hosts=trusted_hosts,
            on_moved=self.moved.append,
            transport=self.portal,
            timer=lambda: 0.0,
            meters=self.meters,
        )

    def seen(self) -> list[tuple[str, Any]]:
        """Host and token of each request."""
        return [(request.url.host, json.loads(request.content).get("auth")) for request in self.portal.received]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    store = MemoryStore()
    await store.open()
    yield Scene(store)
    await store.close()


async def test_a_call_is_sent_again_with_a_new_token_when_the_old_one_has_expired(scene: Scene) -> None:
    """Once, with the same parameters, counted like any request; both exchanges are recorded and nothing is paused."""
    scene.valid = "t2"
    client, asked = scene.client(), list[Exchange]()
    assert await client.call(GET, {"code": "bb"}, asked=asked) is True
    assert scene.seen() == [("acme.bitrix24.com", "t1"), ("acme.bitrix24.com", "t2")]
    assert [json.loads(request.content)["code"] for request in scene.portal.received] == ["bb", "bb"]
    assert [exchange.answer for exchange in asked] == ["expired_token", "ok"]
    assert scene.buckets.drawn == 2
    assert await scene.store.paused(["main"]) == []
    await client.call(GET)
    assert scene.seen()[2:] == [("acme.bitrix24.com", "t2")]
    await client.aclose()


async def test_a_batch_is_sent_again_whole_when_its_token_had_expired(scene: Scene) -> None:
    """Nothing of it was carried out; each command has both exchanges."""
    scene.valid = "t2"
    client = scene.client()
    lists: list[list[Exchange]] = [[], []]
    assert await asyncio.gather(*(client.call(GET, asked=asked) for asked in lists)) == [True, True]
    assert scene.portal.sizes == [2]
    assert [[(one.answer, one.together) for one in asked] for asked in lists] == [[("expired_token", 2), ("ok", 2)]] * 2
    await client.aclose()


async def test_the_credential_is_refused_when_the_renewed_one_has_expired_as_well(scene: Scene) -> None:
    """It is renewed once per call: more would be a loop."""
    scene.valid = "t3"
    client = scene.client()
    with pytest.raises(PortalPaused, match="badge-bridge authorize main") as caught:
        await client.call(GET)
    assert isinstance(caught.value.__cause__, AccessRefused)
    assert (caught.value.lane, caught.value.code) == ("main", "expired_token")
    assert isinstance(scene.keyring, Renewing)
    assert scene.keyring.renewals == ["t1"]
    await client.aclose()


@pytest.mark.parametrize("fixed", [True, False])
async def test_the_credential_is_refused_when_it_cannot_be_renewed(scene: Scene, *, fixed: bool) -> None:
    """A token given as it is waits for a person, and so does one whose keyring has no other."""
    scene.valid = "t9"
    renewing = Renewing()
    renewing.limit = 1
    client = scene.client(FixedKeyring(AccessToken(HOME, "t1"), "0000000b") if fixed else renewing)
    asked: list[Exchange] = []
    with pytest.raises(PortalPaused, match="expired") as caught:
        await client.call(GET, asked=asked)
    assert caught.value.lane == "main"
    assert [exchange.answer for exchange in asked] == ["expired_token"]
    assert len(scene.portal.received) == 1
    (pause,) = await scene.store.paused(["main"])
    assert pause.reason.endswith("[refused credential 0000000b]" if fixed else "[refused credential 0000000a]")
    await client.aclose()


def trouble(kind: type[PortalError], code: str, status: int = 0) -> PortalError:
    said = f"portal main: oauth.bitrix24.tech said {code}"
    if kind is AccessRefused:
        return AccessRefused(said, portal="main", method="oauth/token", code=code, status=status, mend="Authorise it.")
    return kind(said, portal="main", method="oauth/token", code=code, status=status)


@pytest.mark.parametrize("when", ["renewing", "asking"])
@pytest.mark.parametrize(
    ("error", "cause", "seconds"),
    [
        (trouble(AccessRefused, "invalid_grant", 400), AccessRefused, 30),
        (trouble(AccessRefused, "not_installed"), AccessRefused, 30),
        (trouble(AccessRefused, "SOMETHING_NEW", 403), AccessRefused, 30),
        (trouble(OutcomeUnknown, "timeout"), PortalUnreachable, 5),
        (trouble(PortalUnreachable, "no connection"), PortalUnreachable, 5),
    ],
    ids=["dead", "not installed", "unknown code", "timeout", "unreachable"],
)
async def test_the_portal_is_paused_when_there_is_no_credential(
    scene: Scene, error: PortalError, cause: type[PortalError], seconds: float, when: str
) -> None:
    """Whatever the authorisation server did, the call was not carried out: its outcome is known."""
    keyring = Renewing()
    scene.valid = "t2"
    if when == "renewing":
        keyring.trouble = error
    else:
        keyring.never = error
    client = scene.client(keyring)
    lists: list[list[Exchange]] = [[], []]
    results = await asyncio.gather(*(client.call(GET, asked=asked) for asked in lists), return_exceptions=True)
    for result, asked in zip(results, lists, strict=True):
        assert type(result) is PortalPaused
        assert isinstance(result.__cause__, cause)
        assert (result.lane, result.until, result.code) == ("main", START + seconds, error.code)
        assert GET in str(result)
        assert str(error).removeprefix("portal main: ") in str(result)
        assert str(result).count("portal main") == 1
        assert [exchange.answer for exchange in asked] == (["expired_token"] if when == "renewing" else [])
    (pause,) = await scene.store.paused(["main"])
    assert pause.failures == 1
    last = scene.meters.errors["main"]
    assert (last.at, last.commands, error.code in last.error) == (START, 0, True)
    assert len(scene.meters.answers.get("main", ())) == (1 if when == "renewing" else 0)
    await client.aclose()


async def test_lost_renewals_are_no_lost_calls_when_they_are_counted(scene: Scene) -> None:
    """Two of them and one lost call pause nothing but what they paused themselves."""
    keyring = Renewing()
    keyring.never = trouble(OutcomeUnknown, "timeout")
    client = scene.client(keyring)
    for _ in range(2):
        with pytest.raises(PortalPaused):
            await client.call(GET)
        await scene.store.resume("main")
    keyring.never = None
    scene.portal.instead = [httpx.ReadError("reset")]
    with pytest.raises(OutcomeUnknown) as caught:
        await client.call(GET)
    assert not isinstance(caught.value, PortalPaused)
    await client.aclose()


async def test_nothing_is_paused_when_the_store_of_tokens_is_unavailable(scene: Scene) -> None:
    """Nobody knows the credential; every call learns that by an error of its own."""
    keyring = Renewing()
    keyring.never = StoreUnavailable("the disk is full")
    client = scene.client(keyring)
    errors = await asyncio.gather(*(client.call(GET) for _ in range(3)), return_exceptions=True)
    assert {type(error) for error in errors} == {StoreUnavailable}
    assert len({id(error) for error in errors}) == 3
    assert scene.portal.received == []
    assert await scene.store.paused(["main"]) == []
    await client.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_renamed_portal_is_called_at_its_new_host_when_it_redirects(
    scene: Scene, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """The same body is posted to our path there, whatever the location's path; later calls go there at once."""
    scene.portal.instead = [httpx.Response(status, headers={"location": f"{NEW}/evil?auth=stolen"})]
    scene.said = {"result": {"badge": {}}}
    client, asked = scene.client(), list[Exchange]()
    assert await client.call(GET, {"code": "bb"}, asked=asked) == {"badge": {}}
    first, second = scene.portal.received
    assert (second.method, str(second.url)) == ("POST", f"{NEW}/rest/{GET}")
    assert second.content == first.content
    assert [exchange.answer for exchange in asked] == ["redirected", "ok"]
    assert scene.buckets.drawn == 2
    await client.call(GET)
    assert [request.url.host for request in scene.portal.received[1:]] == ["renamed.bitrix24.com"] * 2
    assert scene.moved == ["renamed.bitrix24.com"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "moved from acme.bitrix24.com to renamed.bitrix24.com" in record.getMessage()
    assert "portals.main in the rules file" in record.getMessage()
    await client.aclose()


async def test_a_webhooks_secret_is_called_at_the_new_host_and_not_logged_when_its_portal_was_renamed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Its path is the credential."""
    caplog.set_level(logging.DEBUG)
    scene.redirects = {"acme.bitrix24.com": f"{NEW}/"}
    client = scene.client(FixedKeyring(InboundWebhook(f"{HOME}/rest/7/s3cr3tw0rd/"), "0000000b"))
    await client.call(GET)
    assert str(scene.portal.received[-1].url) == f"{NEW}/rest/7/s3cr3tw0rd/{GET}"
    assert "s3cr3tw0rd" not in caplog.text
    await client.aclose()


@pytest.mark.parametrize(
    "location",
    ["https://evil.example/rest/", "http://renamed.bitrix24.com/", "/login/", f"{HOME}/login/", "", "https://[bad"],
)
async def test_nothing_is_sent_on_when_a_redirect_leads_to_a_host_that_nobody_vouches_for(
    scene: Scene, location: str
) -> None:
    """The portal is paused until somebody looks at its address."""
    scene.redirects = {"acme.bitrix24.com": location}
    client = scene.client()
    with pytest.raises(PortalPaused, match="redirects") as caught:
        await client.call(GET)
    assert isinstance(caught.value.__cause__, AccessRefused)
    assert caught.value.lane == "main"
    assert [host for host, _ in scene.seen()] == ["acme.bitrix24.com"]
    assert scene.moved == []
    await client.aclose()


async def test_a_host_of_the_rules_file_is_followed_when_a_portal_outside_the_cloud_moves(scene: Scene) -> None:
    """`trusted_hosts` vouches for it."""
    scene.redirects = {"acme.bitrix24.com": "https://crm.acme.example/"}
    client = scene.client(trusted_hosts=("crm.acme.example",))
    assert await client.call(GET) is True
    assert [host for host, _ in scene.seen()] == ["acme.bitrix24.com", "crm.acme.example"]
    await client.aclose()


@pytest.mark.parametrize("second", ["https://third.bitrix24.com/", f"{HOME}/"], ids=["chain", "circle"])
async def test_a_redirect_is_followed_once_when_the_new_host_redirects_again(scene: Scene, second: str) -> None:
    """Neither chains nor circles; where it led to is not remembered."""
    scene.redirects = {"acme.bitrix24.com": NEW, "renamed.bitrix24.com": second}
    client = scene.client()
    with pytest.raises(PortalPaused, match="redirects"):
        await client.call(GET)
    assert [host for host, _ in scene.seen()] == ["acme.bitrix24.com", "renamed.bitrix24.com"]
    assert scene.moved == []
    await client.aclose()


async def test_the_new_host_is_not_asked_twice_when_it_redirects_to_itself(scene: Scene) -> None:
    """A login page there is no new name."""
    scene.redirects = {"acme.bitrix24.com": NEW}
    client = scene.client()
    await client.call(GET)
    scene.redirects = {"renamed.bitrix24.com": f"{NEW}/login/"}
    with pytest.raises(PortalPaused, match="redirects"):
        await client.call(GET)
    assert [host for host, _ in scene.seen()][2:] == ["renamed.bitrix24.com"]
    await client.aclose()


async def test_a_portal_is_followed_again_when_it_is_renamed_a_second_time(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The host that is remembered may redirect like the first one."""
    scene.redirects = {"acme.bitrix24.com": NEW}
    client = scene.client()
    await client.call(GET)
    scene.redirects = {"renamed.bitrix24.com": "https://third.bitrix24.com/"}
    await client.call(GET)
    await client.call(GET)
    assert [host for host, _ in scene.seen()][2:] == ["renamed.bitrix24.com", *["third.bitrix24.com"] * 2]
    assert scene.moved == ["renamed.bitrix24.com", "third.bitrix24.com"]
    await client.aclose()


async def test_a_moved_portal_is_called_with_a_new_token_when_both_happen_at_once(scene: Scene) -> None:
    """Each is followed once, and the last answer counts."""
    scene.valid, scene.redirects = "t2", {"acme.bitrix24.com": NEW}
    client, asked = scene.client(), list[Exchange]()
    assert await client.call(GET, asked=asked) is True
    assert scene.seen() == [
        ("acme.bitrix24.com", "t1"),
        ("renamed.bitrix24.com", "t1"),
        ("renamed.bitrix24.com", "t2"),
    ]
    assert [exchange.answer for exchange in asked] == ["redirected", "expired_token", "ok"]
    assert scene.buckets.drawn == 3
    await client.aclose()


async def test_a_caller_who_leaves_during_the_renewal_finds_noted_that_his_call_was_under_way(scene: Scene) -> None:
    """The request may be sent once more without him, so it does not count as never sent."""
    entered, never = asyncio.Event(), asyncio.Event()

    class Slow(Renewing):
        async def renew(self, stale: Credential) -> Credential | None:
            entered.set()
            await never.wait()
            raise AssertionError

    scene.valid = "t2"
    client, asked = scene.client(Slow()), list[Exchange]()
    call = asyncio.create_task(client.call(GET, asked=asked))
    await entered.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert [exchange.answer for exchange in asked] == ["cancelled"]
    await client.aclose()
