"""`/install` over HTTP: forms of Bitrix24, and the browser that comes back from a link."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from badge_bridge.bridge import open_bridge
from badge_bridge.errors import Unauthenticated
from badge_bridge.installation import MAX_BODY, handle_install
from badge_bridge.portal.oauth import Installer
from badge_bridge.portal.oauth.proving import WAITING
from badge_bridge.rulesfile import parse
from badge_bridge.server import create_app
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import Delivery
from badge_bridge.store import opened_store
from support.deliveries import RULES, environ
from support.oauth_world import PORTAL, World, application

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def installers(world: World) -> dict[str, Installer]:
    other = application(portal="other", address="https://other.bitrix24.com")
    return {"other": world.installer(app=other), "main": world.installer()}


@pytest.fixture
async def client(world: World, installers: dict[str, Installer]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a whole bridge whose portals are reached by OAuth applications."""
    rules = parse(RULES, "rules.yaml", providers=OPTIONS, environ=environ("https://acme.bitrix24.com/rest/1/abc/"))
    async with (
        opened_store("memory:") as store,
        # Not at work: nobody else shall ask the portals.
        open_bridge(rules, store, concurrency=1, transport=world.transport, clock=world.clock, at_work=False) as bridge,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(replace(bridge, installers=installers))),
            base_url="https://bridge.example.com",
        ) as client,
    ):
        yield client


def encoded(form: Mapping[str, Any], prefix: str = "") -> str:
    """The form with PHP brackets, as Bitrix24 sends it."""
    pairs: list[tuple[str, str]] = []

    def walk(node: Any, name: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{name}[{key}]" if name else key)
        else:
            pairs.append((name, node))

    walk(form, prefix)
    return urlencode(pairs)


async def post(client: httpx.AsyncClient, form: Mapping[str, Any]) -> httpx.Response:
    return await client.post("/install", content=encoded(form), headers=FORM)


async def test_a_genuine_installation_is_answered_with_200(client: httpx.AsyncClient, world: World) -> None:
    """It is found by its domain, proven and stored."""
    answer = await post(client, world.form())
    assert (answer.status_code, answer.content) == (200, b"")
    assert await world.stored() is not None


async def test_the_whole_life_of_an_application_is_taken_when_it_is_posted(
    client: httpx.AsyncClient, world: World
) -> None:
    """Installed, updated, uninstalled: upper or lower case, the latter two by the application token."""
    for event in ("onAppInstall", "ONAPPUPDATE"):
        assert (await post(client, world.form(event))).status_code == 200
    assert await world.stored() is not None
    gone = world.form("OnAppUninstall", access_token="", refresh_token="", domain="renamed.bitrix24.com")
    assert (await post(client, gone)).status_code == 200
    assert await world.stored() is None


async def test_an_unproven_form_is_refused_without_a_word(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """401 with nothing in it, whatever was wrong; our log says what, without secrets."""
    caplog.set_level(logging.DEBUG)
    for changes in ({"access_token": "forged"}, {"domain": "evil.example"}, {"refresh_token": ""}):
        answer = await post(client, world.form(**changes))
        assert (answer.status_code, answer.content) == (401, b"")
    for event in ("ONAPPUNINSTALL", "ONAPPTEST"):
        answer = await post(client, world.form(event))
        assert (answer.status_code, answer.content) == (401, b"")
    assert await world.stored() is None
    assert "refused 401 for /install" in caplog.text
    assert not [secret for secret in world.secrets() if secret in caplog.text]


async def test_a_sender_is_asked_to_come_back_when_the_portal_or_the_store_does_not_answer(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """503, and the log says how to go on, since Bitrix24 does not send an installation again."""
    world.portal_scripted = [httpx.Response(502, text="<html>")] * 3
    answer = await post(client, world.form())
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert "badge-bridge authorize main" in caplog.text
    world.store.broken = {"write_note"}
    assert (await post(client, world.form())).status_code == 503


async def test_a_sender_is_asked_to_come_back_when_many_installations_come(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A flood is answered without asking the portal, and the log says how to go on if one of it was genuine."""
    together = WAITING + 4
    answers = await asyncio.gather(*(post(client, world.form(access_token="forged")) for _ in range(together)))
    assert sorted(answer.status_code for answer in answers) == [401] * (WAITING + 1) + [503] * 3
    lost = [record for record in caplog.records if record.name == "badge_bridge.install"]
    assert {record.levelname for record in lost} == {"ERROR"}
    assert "if this was an installation: badge-bridge authorize main" in lost[0].message


async def test_a_renamed_portal_is_found_when_another_one_cannot_be_asked(
    client: httpx.AsyncClient, world: World
) -> None:
    """Its new name is nobody's in the rules file, so each portal is tried, whatever becomes of the others."""
    world.store.levels["oauth/other/proofs"] = (1000, world.now)
    assert (await post(client, world.form(domain="acme-crm.bitrix24.com"))).status_code == 200
    assert await world.stored() is not None


async def test_a_forged_installation_is_one_clear_line(world: World, installers: dict[str, Installer]) -> None:
    """It names the portal once, and nothing of it sends anybody to look for credentials in the rules file."""
    body = encoded(world.form(access_token="forged")).encode()
    delivery = Delivery("POST", "", [("content-type", FORM["Content-Type"])], body, world.now)
    with pytest.raises(Unauthenticated) as caught:
        await handle_install(delivery, installers.values())
    assert str(caught.value) == "portal main: the portal does not accept its access token (app.info: expired_token)"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        ("event=ONCRMDEALADD", FORM, 422),
        ("", FORM, 422),
        ("event=ONAPPINSTALL&auth[", FORM, 400),
        ('{"event": "ONAPPINSTALL"}', {"Content-Type": "application/json"}, 400),
        ("event=ONAPPINSTALL", {**FORM, "Content-Encoding": "gzip"}, 415),
        ("a=" + "x" * MAX_BODY, FORM, 413),
    ],
)
async def test_a_body_is_refused_when_it_is_not_such_a_form(
    client: httpx.AsyncClient, content: str, headers: dict[str, str], status: int
) -> None:
    """The same answers as for deliveries."""
    answer = await client.post("/install", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_other_methods_are_refused(client: httpx.AsyncClient) -> None:
    """The page takes GET and POST."""
    answer = await client.put("/install")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_there_is_no_such_page_when_no_portal_has_an_application(
    client: httpx.AsyncClient, installers: dict[str, Installer]
) -> None:
    """A bridge with inbound webhooks only takes no installations."""
    installers.clear()
    assert (await client.get("/install")).status_code == 404


def query(world: World, installer: Installer, **changes: str) -> dict[str, str]:
    world.codes.add("c0de")
    state = parse_qs(urlsplit(installer.authorize_url()).query)["state"][0]
    return {"code": "c0de", "state": state, "domain": PORTAL, "member_id": "m", "scope": "crm", **changes}


async def test_a_person_reads_that_it_is_done_when_the_browser_comes_back(
    client: httpx.AsyncClient, world: World, installers: dict[str, Installer]
) -> None:
    """Two sentences, nothing secret, and nothing that a browser would load, keep or pass on."""
    answer = await client.get("/install", params=query(world, installers["main"]))
    assert answer.status_code == 200
    assert "may now act in portal main" in answer.text
    assert not [secret for secret in (*world.secrets(), "c0de") if secret in answer.text]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert await world.stored() is not None


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"state": "<script>"}, 401, "not valid"),
        ({"state": ""}, 401, "not valid"),
        ({"domain": "evil.example"}, 401, "another portal"),
        ({"code": ""}, 401, "no code"),
        ({"code": "dead"}, 502, "badge-bridge authorize main"),
    ],
    ids=range(5),
)
async def test_a_person_reads_what_went_wrong_when_the_link_does_not_work(
    client: httpx.AsyncClient,
    world: World,
    installers: dict[str, Installer],
    changes: dict[str, str],
    status: int,
    says: str,
) -> None:
    """And what to do, without a word that somebody else has written."""
    answer = await client.get("/install", params=query(world, installers["main"], **changes))
    assert answer.status_code == status
    assert says in answer.text
    assert "badge-bridge authorize" in answer.text
    assert "<script>" not in answer.text
    assert await world.stored() is None


async def test_a_link_that_is_not_valid_is_told_with_its_possible_causes(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The command may have run with other settings than the server; a bare visit is nothing to tell."""
    assert (await client.get("/install")).status_code == 401
    assert "ENCRYPTION_KEY" not in caplog.text
    answer = await client.get("/install", params={"code": "c0de", "state": "s0me"})
    assert "another ENCRYPTION_KEY than serve" in answer.text
    assert [record.levelname for record in caplog.records if "another ENCRYPTION_KEY" in record.message] == ["WARNING"]
    assert "s0me" not in caplog.text


async def test_a_person_reads_who_has_to_open_the_link_when_he_is_no_administrator(
    client: httpx.AsyncClient, world: World, installers: dict[str, Installer], caplog: pytest.LogCaptureFixture
) -> None:
    """On the page and in the log."""
    world.admin = False
    answer = await client.get("/install", params=query(world, installers["main"]))
    assert answer.status_code == 401
    for text in (answer.text, caplog.text):
        assert "a portal administrator has to install the application, or to open the link" in text
    assert await world.stored() is None


async def test_a_person_reads_that_it_was_used_when_a_link_is_opened_twice(
    client: httpx.AsyncClient, world: World, installers: dict[str, Installer]
) -> None:
    """A replayed address changes nothing."""
    params = query(world, installers["main"])
    assert (await client.get("/install", params=params)).status_code == 200
    before = await world.stored()
    world.codes.add("c0de")
    answer = await client.get("/install", params=params)
    assert answer.status_code == 401
    assert "used before" in answer.text
    assert await world.stored() == before


async def test_a_person_reads_to_try_again_when_somebody_does_not_answer(
    client: httpx.AsyncClient, world: World, installers: dict[str, Installer]
) -> None:
    """Neither an outage of Bitrix24 nor one of the store is a traceback."""
    world.scripted = [httpx.ReadTimeout("slow")]
    assert (await client.get("/install", params=query(world, installers["main"]))).status_code == 502
    world.store.broken = {"write_note"}
    answer = await client.get("/install", params=query(world, installers["main"]))
    assert answer.status_code == 503
    assert "cannot be stored" in answer.text
