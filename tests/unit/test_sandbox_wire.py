"""Forms of a request that the sandbox takes, and those it refuses."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.phpform import parse_form
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_SECRET, ADMINISTRATOR_TOKEN
from badge_bridge.sandbox.wire import MAX_BODY

WEBHOOK = f"/rest/1/{ADMINISTRATOR_SECRET}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def portal() -> SandboxPortal:
    return SandboxPortal()


@pytest.fixture
async def client(portal: SandboxPortal) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as made:
        yield made


@pytest.mark.parametrize("path", ["profile", "profile.json", "PROFILE.JSON", "profile/"])
async def test_method_is_found_with_suffix_and_in_any_case(client: httpx.AsyncClient, path: str) -> None:
    """`.json` is optional and letters count in any case, in both URL forms."""
    by_webhook = await client.post(f"{WEBHOOK}/{path}")
    by_token = await client.post(f"/rest/{path}", json={"auth": ADMINISTRATOR_TOKEN})
    assert by_webhook.json()["result"] == by_token.json()["result"]
    assert by_token.json()["result"]["NAME"] == "Ada"


async def test_token_is_taken_from_json_form_and_query(client: httpx.AsyncClient) -> None:
    """`auth` is a parameter like any other, wherever parameters may be."""
    answers = [
        await client.post("/rest/profile", json={"auth": ADMINISTRATOR_TOKEN}),
        await client.post("/rest/profile", data={"auth": ADMINISTRATOR_TOKEN}),
        await client.post("/rest/profile", params={"auth": ADMINISTRATOR_TOKEN}),
        await client.get("/rest/profile", params={"auth": ADMINISTRATOR_TOKEN}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]


async def test_bearer_header_is_no_credential(client: httpx.AsyncClient) -> None:
    """An Authorization header is not part of the documented contract."""
    answer = await client.post("/rest/profile", headers={"Authorization": f"Bearer {ADMINISTRATOR_TOKEN}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")


@pytest.mark.parametrize("form", ["json", "form", "query", "get"])
async def test_parameters_mean_the_same_in_every_form(client: httpx.AsyncClient, form: str) -> None:
    """A map of languages arrives as JSON or with PHP brackets."""
    badge = {"code": "b", "title": {"en": "Call", "de": "Anruf"}, "value": "Missed & gone", "type": "failure"}
    flat = {"code": "b", "title[en]": "Call", "title[de]": "Anruf", "value": "Missed & gone", "type": "failure"}
    path = f"{WEBHOOK}/crm.activity.badge.add"
    match form:
        case "json":
            answer = await client.post(path, json=badge)
        case "form":
            answer = await client.post(path, data=flat)
        case "query":
            answer = await client.post(path, params=flat)
        case _:
            answer = await client.get(path, params=flat)
    assert answer.json()["result"] == {"badge": badge}


async def test_body_wins_when_a_parameter_is_also_in_the_query(client: httpx.AsyncClient) -> None:
    """The query fills in only what the body leaves out."""
    answer = await client.post("/rest/method.get?name=profile&auth=wrong", json={"auth": ADMINISTRATOR_TOKEN})
    assert answer.json()["result"] == {"isExisting": True, "isAvailable": True}


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("a=1&b=two%20words", {"a": "1", "b": "two words"}),
        ("a=1&a=2", {"a": "2"}),
        ("a[]=x&a[]=y", {"a": ["x", "y"]}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[1]=x&a[]=y", {"a": {"1": "x", "2": "y"}}),
        ("a[b][c]=x&a[b][d]=y", {"a": {"b": {"c": "x", "d": "y"}}}),
        ("a[][id]=1&a[][id]=2", {"a": [{"id": "1"}, {"id": "2"}]}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b=1", {"a": "1"}),
        ("some.name=1", {"some_name": "1"}),
        ("[a]=1&=2&x=", {"x": ""}),
        ("e=%C3%A4%FF", {"e": "ä\ufffd"}),
    ],
)
def test_form_is_read_as_php_reads_it(text: str, params: dict[str, Any]) -> None:
    """Brackets nest, the last of a name wins, 0, 1, 2 make a list."""
    assert parse_form(text) == params


def test_form_field_is_left_out_when_it_nests_too_deeply() -> None:
    """A hostile key costs nothing and breaks nothing."""
    assert parse_form(f"a{'[b]' * 5000}=1&c=2") == {"c": "2"}


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        (f"{WEBHOOK}/profile.xml", 400, "INVALID_REQUEST"),
        (f"{WEBHOOK}/", 404, "ERROR_METHOD_NOT_FOUND"),
        ("/rest/", 404, "ERROR_METHOD_NOT_FOUND"),
        (f"/rest/one/{ADMINISTRATOR_SECRET}/profile", 404, "ERROR_METHOD_NOT_FOUND"),
        (f"{WEBHOOK}/profile/more", 404, "ERROR_METHOD_NOT_FOUND"),
    ],
)
async def test_path_of_no_known_form_is_refused(
    client: httpx.AsyncClient, portal: SandboxPortal, path: str, status: int, error: str
) -> None:
    """The answer is a clear error, and a secret in a misshapen path does not reach the log."""
    answer = await client.post(path)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ADMINISTRATOR_SECRET not in json.dumps([entry.to_json() for entry in portal.journal.since()])


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_verbs_are_refused(client: httpx.AsyncClient, verb: str) -> None:
    """The portal takes GET and POST and says so."""
    answer = await client.request(verb, f"{WEBHOOK}/profile")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[1]", b'"text"', b"\xff", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"[" * 100_000),
        b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}",
    ],
)
async def test_json_body_is_refused_when_it_cannot_be_read(
    client: httpx.AsyncClient, portal: SandboxPortal, body: bytes
) -> None:
    """Broken, not an object, or not to be written as JSON again: INVALID_REQUEST, and the log can still be shown."""
    answer = await client.post(f"{WEBHOOK}/profile", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_REQUEST")
    assert (await client.get("/_sandbox/requests")).json()["requests"][0]["status"] == 400


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "text/plain", None])
async def test_body_of_another_type_is_refused_with_advice(client: httpx.AsyncClient, content_type: str | None) -> None:
    """The sandbox says which types it reads."""
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await client.post(f"{WEBHOOK}/profile", content=b"a=1", headers=headers)
    assert answer.status_code == 415
    assert "JSON" in answer.json()["error_description"].upper()


async def test_body_is_refused_when_it_is_too_long(client: httpx.AsyncClient) -> None:
    """More than four mebibytes are not read."""
    answer = await client.post(f"{WEBHOOK}/profile", content=b"a" * (MAX_BODY + 1), headers=FORM)
    assert answer.status_code == 413


async def test_log_shows_calls_without_secrets(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """Credential kind and user are logged; secret and token are not, wherever they were."""
    await client.post(f"{WEBHOOK}/crm.activity.badge.get.json", json={"code": "x"})
    await client.get("/rest/profile", params={"auth": ADMINISTRATOR_TOKEN, "AUTH": ADMINISTRATOR_TOKEN})
    await client.post("/rest/profile", json={"auth": "unknown-token"})

    entries = [entry.to_json() for entry in portal.journal.since()]
    assert [(e["number"], e["http"], e["method"], e["credential"], e["user"]) for e in entries] == [
        (1, "POST", "crm.activity.badge.get", "webhook", 1),
        (2, "GET", "profile", "oauth", 1),
        (3, "POST", "profile", "oauth", None),
    ]
    assert [(e["params"], e["status"], e["error"], e["carried_out"]) for e in entries] == [
        ({"code": "x"}, 400, "NOT_FOUND", False),
        ({}, 200, None, True),
        ({}, 401, "NO_AUTH_FOUND", False),
    ]
    assert entries[1]["result"]["NAME"] == "Ada"
    shown = json.dumps(entries)
    assert not [secret for secret in (ADMINISTRATOR_SECRET, ADMINISTRATOR_TOKEN, "unknown-token") if secret in shown]
