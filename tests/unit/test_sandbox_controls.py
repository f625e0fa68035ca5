"""The sandbox's controls, its log, its meter, and the file that keeps its state."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.application_seed import Sending
from badge_bridge.sandbox.controls import control_routes
from badge_bridge.sandbox.errors import SandboxError
from badge_bridge.sandbox.faults import KINDS, FaultOrder
from badge_bridge.sandbox.holding import Holds
from badge_bridge.sandbox.journal import Journal
from badge_bridge.sandbox.metering import Limits, OperatingMeter
from badge_bridge.sandbox.methods import METHODS
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import (
    ADMINISTRATOR_SECRET,
    ADMINISTRATOR_TOKEN,
    APPLICATION_SECRET,
    APPLICATION_TOKEN,
    CLIENT_ID,
    REFRESH_TOKEN,
    Seed,
    default_seed,
)
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.variants import Variants
from badge_bridge.sources import OPTIONS

MISSED: dict[str, Any] = {"code": "missedCall", "title": {"en": "Call"}, "value": "Missed", "type": "failure"}


@pytest.fixture
def portal() -> SandboxPortal:
    return SandboxPortal()


@pytest.fixture
async def client(portal: SandboxPortal) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as made:
        yield made


async def add_badge(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/rest/crm.activity.badge.add", json={**MISSED, "auth": ADMINISTRATOR_TOKEN})


def in_process(portal: SandboxPortal) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(portal)), base_url="http://sandbox")


async def test_state_shows_a_small_company_when_nothing_was_seeded(client: httpx.AsyncClient) -> None:
    """Users, contacts with phones, companies, open, won and lost deals, leads."""
    state = (await client.get("/_sandbox/state")).json()
    assert {deal["semantic"] for deal in state["deals"]} == {"P", "S", "F"}
    assert all(contact["phones"] for contact in state["contacts"])
    assert state["companies"]
    assert state["leads"]
    assert {user["crm"] for user in state["users"]} == {"administrator", "user", "none"}


async def test_state_shows_a_badge_when_it_was_added(client: httpx.AsyncClient) -> None:
    """The state is the present one."""
    await add_badge(client)
    assert (await client.get("/_sandbox/state")).json()["badges"] == [MISSED]


async def test_seed_replaces_only_what_it_names(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """Deals are replaced as a whole, a variant is set alone, contacts stay."""
    body = {"deals": [{"id": 5, "title": "Only", "contact_ids": [1]}], "variants": {"badge_texts": "resolved"}}
    state = (await client.post("/_sandbox/seed", json=body)).json()
    assert [deal["id"] for deal in state["deals"]] == [5]
    assert portal.seed.contacts == default_seed().contacts
    assert portal.seed.variants.badge_texts == "resolved"
    assert portal.seed.variants.duplicate_code_error == default_seed().variants.duplicate_code_error


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"deals": [{"id": 0, "title": "x"}]}, "deals.0.id"),
        ({"variants": {"badge_texts": "upside-down"}}, "variants.badge_texts"),
        ({"variants": {"no_such": 1}}, "variants.no_such"),
        ({"variants": 7}, "variants"),
        ({"dealz": []}, "dealz"),
        ({"contacts": []}, ""),
        ({"users": []}, ""),
        ({"companies": [{"id": 1, "title": "a"}, {"id": 1, "title": "b"}]}, ""),
    ],
)
async def test_seed_is_refused_with_the_place_when_it_is_wrong(
    client: httpx.AsyncClient, portal: SandboxPortal, body: dict[str, Any], at: str
) -> None:
    """Unknown names, bad values, repeats and dangling references change nothing."""
    answer = await client.post("/_sandbox/seed", json=body)
    assert answer.status_code == 400
    assert answer.json()["findings"][0]["at"] == at
    assert portal.seed == default_seed()


@pytest.mark.parametrize(
    ("verb", "path"),
    [("POST", "state"), ("POST", "requests"), ("GET", "seed"), ("PUT", "faults"), ("GET", "reset"), ("PUT", "seed")],
)
async def test_control_refuses_the_wrong_verb(client: httpx.AsyncClient, verb: str, path: str) -> None:
    """405, naming the right one and where all of them are listed."""
    answer = await client.request(verb, f"/_sandbox/{path}")
    assert answer.status_code == 405
    assert verb not in answer.headers["allow"]
    assert answer.json()["error"] == "method_not_allowed"
    assert "GET /_sandbox/ " in answer.json()["error_description"]


@pytest.mark.parametrize("path", ["/_sandbox/faultz", "/favicon.ico", "/rest.json"])
async def test_unknown_path_is_answered_with_the_way_to_the_guide(client: httpx.AsyncClient, path: str) -> None:
    """404 as JSON, which says where everything is listed."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert f"no GET {path}; GET /_sandbox/ " in answer.json()["error_description"]


@pytest.mark.parametrize("path", ["/", "/_sandbox", "/_sandbox/"])
async def test_guide_is_found_when_only_the_address_is_known(client: httpx.AsyncClient, path: str) -> None:
    """The root leads to it, and it is not counted as a request to the portal."""
    guide = (await client.get(path, follow_redirects=True)).json()
    assert {"controls", "credentials", "methods", "faults", "fault_parameters", "variants"} < guide.keys()
    assert (await client.get("/_sandbox/requests")).json()["last"] == 0


async def test_guide_lists_every_control_that_there_is(portal: SandboxPortal, client: httpx.AsyncClient) -> None:
    """Each verb of each path below /_sandbox/, once, with words beside it."""
    controls = (await client.get("/_sandbox/")).json()["controls"]
    routes = [route for route in control_routes(portal, Holds(), Sender()) if route.path != "/"]
    assert sorted(controls) == sorted(
        f"{verb} {route.path}" for route in routes for verb in (route.methods or ()) if verb != "HEAD"
    )
    assert all(controls.values())


async def test_guide_explains_all_that_can_be_ordered(client: httpx.AsyncClient) -> None:
    """Every method and fault, every parameter with its default, every variant with its values and what it is now."""
    await client.post("/_sandbox/seed", json={"variants": {"badge_texts": "resolved", "badge_code_limit": None}})
    guide = (await client.get("/_sandbox/")).json()
    assert {name.lower() for name in guide["methods"]} == set(METHODS)
    assert set(guide["faults"]) == set(KINDS)
    assert set(guide["fault_parameters"]) == set(FaultOrder.model_fields)
    assert set(guide["variants"]) == set(Variants.model_fields)
    for about in (*guide["fault_parameters"].values(), *guide["variants"].values()):
        assert about["meaning"]
        assert about["values"]
    assert guide["fault_parameters"]["times"] == {
        "meaning": "How many requests it strikes.",
        "values": "a whole number from 1",
        "default": 1,
    }
    assert "default" not in guide["fault_parameters"]["fault"]
    texts, limit = guide["variants"]["badge_texts"], guide["variants"]["badge_code_limit"]
    assert (texts["values"], texts["default"], texts["now"]) == (["as-passed", "resolved"], "as-passed", "resolved")
    assert (limit["values"], limit["default"], limit["now"]) == ("a whole number from 1 or null", 30, None)
    assert guide["variants"]["https_required"]["values"] == [False, True]


async def test_guide_shows_credentials_that_work(client: httpx.AsyncClient) -> None:
    """Each webhook URL and each token that is not expired can be used as it stands there."""
    credentials = (await client.get("/_sandbox/")).json()["credentials"]
    assert len(credentials["webhooks"]) == len(default_seed().webhooks)
    for hook in credentials["webhooks"]:
        assert (await client.post(hook["url"] + "profile")).json()["result"]["ID"] == str(hook["user"])
    for token in credentials["tokens"]:
        answer = await client.post("/rest/profile", json={"auth": token["access_token"]})
        assert (answer.json().get("error") == "expired_token") is token["expired"]
    assert {token["expired"] for token in credentials["tokens"]} == {False, True}


async def test_guide_shows_what_an_application_needs(client: httpx.AsyncClient) -> None:
    """Its keys, a token to renew, and lines for a rules file that can be loaded as they stand."""
    client.base_url = "http://127.0.0.1:8090"
    guide = (await client.get("/_sandbox/")).json()
    (application,) = guide["credentials"]["applications"]
    assert (application["client_id"], application["client_secret"]) == (CLIENT_ID, APPLICATION_SECRET)
    assert application["application_token"] == APPLICATION_TOKEN
    assert [one["refresh_token"] for one in guide["credentials"]["refresh_tokens"]] == [REFRESH_TOKEN]
    rest = """
sources: {pbx: {provider: generic, verify: {scheme: bearer}, secrets: ["${TOKEN}"], event: {type: body.t, id: body.i}}}
badges: {missed: {title: t, value: v, type: failure}}
rules: [{name: r, on: x, badge: missed}]
"""
    environ = {**guide["environment"], "TOKEN": "pbx-token-0123456789"}
    loaded = parse("\n".join(guide["rules_file"]) + rest, "r", providers=OPTIONS, environ=environ).portals["main"]
    assert loaded.app is not None
    assert loaded.app.client_secret.get_secret_value() == APPLICATION_SECRET
    assert loaded.url == loaded.app.server == str(client.base_url).rstrip("/")


async def test_guide_explains_what_the_portal_as_a_whole_is_like(client: httpx.AsyncClient) -> None:
    """Its name, limits, sending and kind of CRM, each with its meaning, its values, and what it is now."""
    await client.post("/_sandbox/seed", json={"sending": {"drop": 0.5}, "limits": None, "crm_mode": 2})
    settings = (await client.get("/_sandbox/")).json()["settings"]
    assert set(settings) == {"renamed_to", "crm_mode", "limits", "sending"}
    assert all(about["meaning"] and about["values"] for about in settings.values())
    assert set(settings["sending"]["values"]) == set(Sending.model_fields)
    assert set(settings["limits"]["values"]) == set(Limits.model_fields)
    assert settings["sending"]["now"]["drop"] == 0.5
    assert (settings["limits"]["now"], settings["crm_mode"]["now"]) == (None, 2)


async def test_a_browser_comes_back_to_the_usual_port_when_nothing_was_set_up(client: httpx.AsyncClient) -> None:
    """A bridge that is started as it comes can be let in."""
    answer = await client.get("/oauth/authorize/", params={"client_id": CLIENT_ID, "state": "s"})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("http://127.0.0.1:8080/install?code=")


async def test_faults_show_what_is_pending_and_what_has_struck(client: httpx.AsyncClient) -> None:
    """Looking changes nothing."""
    await client.post("/_sandbox/faults", json={"fault": "http-500", "times": 2})
    await add_badge(client)
    seen = [(await client.get("/_sandbox/faults")).json() for _ in range(2)]
    pending = {"method": "*", "fault": "http-500", "times": 1, "after": 0}
    assert seen == [{"pending": [pending], "struck": {"http-500": 1}}] * 2


async def test_reset_goes_back_to_the_start(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """Content, variants, faults and log are as when the portal was made."""
    await add_badge(client)
    await client.post("/_sandbox/seed", json={"leads": []})
    await client.post("/_sandbox/faults", json={"fault": "http-500"})
    state = (await client.post("/_sandbox/reset")).json()
    assert (state["faults"], state["requests"]) == ({"pending": [], "struck": {}}, 0)
    assert portal.seed == default_seed()


async def test_state_counts_how_often_an_answer_hung_on_a_variant(
    client: httpx.AsyncClient, portal: SandboxPortal
) -> None:
    """Only where another value would have made another answer; what is set anew is counted anew."""
    url = portal.webhook_url("http://sandbox")
    for code in ("first", "first", "second", "first"):
        await client.post(f"{url}crm.activity.badge.add", json={**MISSED, "code": code})
    await client.post(f"{url}crm.item.list", json={"entityTypeId": 2, "filter": {"0": {"@contactIds": [1]}}})
    await client.post(f"{url}crm.item.list", json={"entityTypeId": 2, "filter": {"id": 1}})
    state = (await client.get("/_sandbox/state")).json()
    assert state["variants_met"] == {
        "https_required": 6,
        "badges_by_webhook": 4,
        "badge_texts": 2,
        "duplicate_code_error": 2,
        "contact_ids_filter": 1,
    }
    assert state["variants_met"].keys() <= Variants.model_fields.keys()
    state = (await client.post("/_sandbox/seed", json={"variants": {"badge_texts": "resolved"}})).json()
    assert state["variants_met"] == {}


async def test_requests_can_be_asked_for_by_number_and_method(client: httpx.AsyncClient) -> None:
    """`since` leaves out what was seen, `method` what is of no interest."""
    for method in ("profile", "scope", "profile"):
        await client.post(f"/rest/{method}", json={"auth": ADMINISTRATOR_TOKEN})

    async def numbers(**query: Any) -> list[int]:
        body = (await client.get("/_sandbox/requests", params=query)).json()
        assert body["last"] == 3
        return [entry["number"] for entry in body["requests"]]

    assert await numbers() == [1, 2, 3]
    assert await numbers(since=1) == [2, 3]
    assert await numbers(since=99) == []
    assert await numbers(method="Profile") == [1, 3]
    assert await numbers(method="profile", since=1) == [3]


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "²"])
async def test_requests_are_refused_when_since_is_no_number(client: httpx.AsyncClient, since: str) -> None:
    """400 with an explanation."""
    answer = await client.get("/_sandbox/requests", params={"since": since})
    assert (answer.status_code, "since" in answer.json()["error_description"]) == (400, True)


def test_journal_keeps_the_last_entries_when_it_is_full() -> None:
    """Numbers go on, and `since` still counts from the right one."""
    journal = Journal(size=3)
    for moment in range(5):
        journal.open(time=moment, http="POST")
    assert [entry.number for entry in journal.since()] == [3, 4, 5]
    assert [entry.number for entry in journal.since(4)] == [5]


def test_meter_forgets_a_minute_after_ten() -> None:
    """The sum covers ten minutes; the reset time is when the oldest of them drops out."""
    meter = OperatingMeter()
    key = ("crm.activity.badge.add", "app")
    assert meter.add(key, 2.0, now=30.0) == (2.0, 600)
    assert meter.add(key, 1.0, now=70.0) == (3.0, 600)
    assert meter.add(key, 0.5, now=599.0) == (3.5, 600)
    assert meter.add(key, 0.5, now=600.0) == (2.0, 660)
    assert meter.add(("scope", "app"), 0.25, now=600.0) == (0.25, 1200)


def test_webhook_url_is_that_of_the_user(portal: SandboxPortal) -> None:
    """It has the form the portal's settings page shows; a user without a webhook has none."""
    assert portal.webhook_url("http://127.0.0.1:8090/") == f"http://127.0.0.1:8090/rest/1/{ADMINISTRATOR_SECRET}/"
    with pytest.raises(LookupError, match="user 9"):
        portal.webhook_url("http://127.0.0.1:8090", user_id=9)


async def test_state_file_has_every_change_when_the_portal_is_made_again(tmp_path: Path) -> None:
    """Badges, seeds and variants outlive the process; deleting does too."""
    path = tmp_path / "sandbox.json"
    async with in_process(SandboxPortal(state_file=path)) as client:
        await add_badge(client)
        await client.post("/_sandbox/seed", json={"leads": [], "variants": {"https_required": False}})
    again = SandboxPortal(state_file=path)
    assert [badge.model_dump() for badge in again.seed.badges] == [MISSED]
    assert again.seed.leads == ()

    async with in_process(again) as client:
        await client.post("/rest/crm.activity.badge.delete", json={"code": "missedCall", "auth": ADMINISTRATOR_TOKEN})
    assert SandboxPortal(state_file=path).seed.badges == ()


async def test_state_file_goes_back_when_the_portal_is_reset(tmp_path: Path) -> None:
    """Reset means the seed the portal was made with, not what the file said."""
    path = tmp_path / "sandbox.json"
    seed = default_seed().model_copy(update={"leads": ()})
    async with in_process(SandboxPortal(seed, state_file=path)) as client:
        await add_badge(client)
        await client.post("/_sandbox/reset")
    assert SandboxPortal(state_file=path).seed == seed


async def test_race_is_kept_too_when_there_is_a_state_file(tmp_path: Path) -> None:
    """What the other actor added is as durable as anything else."""
    path = tmp_path / "sandbox.json"
    async with in_process(SandboxPortal(state_file=path)) as client:
        await client.post("/_sandbox/faults", json={"fault": "race-add"})
        assert (await add_badge(client)).status_code == 400
    assert [badge.code for badge in SandboxPortal(state_file=path).seed.badges] == ["missedCall"]


def test_state_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A reader that has the old file open keeps the old content, and no other file is left behind."""
    path = tmp_path / "sandbox.json"
    portal = SandboxPortal(state_file=path)
    with path.open() as old:
        portal.reseed(portal.seed.model_copy(update={"leads": ()}))
        assert Seed.model_validate_json(old.read()) == default_seed()
    assert Seed.model_validate_json(path.read_bytes()).leads == ()
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"users": 1}', json.dumps({"badges": [{"code": "x"}]})])
def test_portal_is_not_made_when_its_state_file_is_corrupt(tmp_path: Path, content: str) -> None:
    """The error names the file and says what to do; the file stays as it is."""
    path = tmp_path / "sandbox.json"
    path.write_text(content)
    with pytest.raises(SandboxError, match=r"sandbox\.json.*move it away"):
        SandboxPortal(state_file=path)
    assert path.read_text() == content


def test_portal_is_not_made_when_its_state_file_cannot_be_used(tmp_path: Path) -> None:
    """A directory in its place, or a missing directory, is named."""
    with pytest.raises(SandboxError, match="cannot be read"):
        SandboxPortal(state_file=tmp_path)
    with pytest.raises(SandboxError, match="cannot be written"):
        SandboxPortal(state_file=tmp_path / "missing" / "sandbox.json")


async def test_call_fails_when_its_change_cannot_be_kept(tmp_path: Path) -> None:
    """A change that is not on disk is not reported as done; a control says why."""
    directory = tmp_path / "state"
    directory.mkdir()
    portal = SandboxPortal(state_file=directory / "sandbox.json")
    (directory / "sandbox.json").unlink()
    directory.rmdir()
    async with in_process(portal) as client:
        answer = await add_badge(client)
        control = await client.post("/_sandbox/seed", json={"leads": []})
    assert (answer.status_code, answer.json()["error"]) == (500, "INTERNAL_SERVER_ERROR")
    assert (control.status_code, "cannot be written" in control.json()["error_description"]) == (500, True)
