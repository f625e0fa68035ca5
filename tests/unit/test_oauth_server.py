"""What the authorisation server is asked, and what its answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import httpx
import pytest

from badge_bridge.errors import AccessRefused, OutcomeUnknown, PortalError, PortalUnreachable
from badge_bridge.portal.oauth import Application, check_server_url
from badge_bridge.portal.oauth.grant import scopes
from badge_bridge.portal.oauth.refusals import REFUSALS
from badge_bridge.portal.oauth.server import AuthorisationServer
from support.oauth_world import CLIENT_ID, CLIENT_SECRET, MEMBER_ID, application

REFRESHED = {
    "access_token": "a-new",
    "refresh_token": "r-new",
    "expires": 1_767_229_200,
    "expires_in": 3600,
    "client_endpoint": "https://acme.bitrix24.com/rest/",
    "domain": "oauth.bitrix24.tech",
    "member_id": MEMBER_ID,
    "scope": "crm,telephony",
    "server_endpoint": "https://oauth.bitrix24.tech/rest/",
    "status": "L",
    "user_id": 7,
}


def server(answer: httpx.Response | Exception, sent: list[httpx.Request] | None = None) -> AuthorisationServer:
    def give(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return AuthorisationServer(application(), transport=httpx.MockTransport(give))


@pytest.mark.parametrize(
    ("way", "grant_type", "name"),
    [("refresh", "refresh_token", "refresh_token"), ("exchange", "authorization_code", "code")],
)
async def test_the_documented_parameters_are_sent_when_tokens_are_asked_for(
    way: str, grant_type: str, name: str
) -> None:
    """Both requests are GET to the authorisation server itself, with the application's keys."""
    sent: list[httpx.Request] = []
    tokens = await getattr(server(httpx.Response(200, json=REFRESHED), sent), way)("v&=1")
    (request,) = sent
    assert request.method == "GET"
    assert str(request.url.copy_with(query=None)) == "https://oauth.bitrix24.tech/oauth/token/"
    assert parse_qs(request.url.query.decode()) == {
        "grant_type": [grant_type],
        "client_id": [CLIENT_ID],
        "client_secret": [CLIENT_SECRET],
        name: ["v&=1"],
    }
    assert (tokens.access_token, tokens.refresh_token, tokens.expires_in) == ("a-new", "r-new", 3600)
    assert (tokens.member_id, tokens.scope, tokens.status, tokens.user_id) == (MEMBER_ID, ("crm", "telephony"), "L", 7)


async def test_tokens_are_read_when_the_answer_is_that_to_a_code() -> None:
    """The answer to a code has neither `expires` nor `user_id`; numbers may come as text."""
    answer = {name: value for name, value in REFRESHED.items() if name not in ("expires", "user_id")}
    tokens = await server(httpx.Response(200, json={**answer, "expires_in": "3600"})).exchange("c")
    assert (tokens.expires_in, tokens.user_id) == (3600, None)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize("code", [*REFUSALS, "INVALID_GRANT"])
async def test_a_refusal_is_known_by_its_code_when_its_status_says_anything(code: str, status: int) -> None:
    """The statuses of these errors are not documented. Every refusal says who has to do what."""
    answer = httpx.Response(status, json={"error": code, "error_description": "because"})
    with pytest.raises(AccessRefused) as caught:
        await server(answer).refresh("r-old")
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.mend in str(caught.value)
    assert "{" not in caught.value.mend
    assert "because" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx.Response(400, json={"error": "strange"}), AccessRefused, "strange"),
        (httpx.Response(403, json={"error": ""}), AccessRefused, ""),
        (httpx.Response(503, json={"error": "strange"}), OutcomeUnknown, "strange"),
        (httpx.Response(429, json={"error": "strange"}), OutcomeUnknown, "strange"),
        (httpx.Response(502, text="<html>"), OutcomeUnknown, "HTTP 502"),
        (httpx.Response(404, text="gone"), OutcomeUnknown, "HTTP 404"),
        (httpx.Response(302, headers={"location": "https://evil.example/"}), OutcomeUnknown, "HTTP 302"),
        (httpx.Response(200, text="<html>"), OutcomeUnknown, "no tokens"),
        (httpx.Response(200, json=[]), OutcomeUnknown, "no tokens"),
        (httpx.Response(200, text="[" * 100_000), OutcomeUnknown, "answer too large"),
        (httpx.Response(200, text="[" * 60_000), OutcomeUnknown, "no tokens"),
        (httpx.Response(200, json={**REFRESHED, "refresh_token": ""}), OutcomeUnknown, "no tokens"),
        (httpx.Response(200, json={**REFRESHED, "expires_in": "soon"}), OutcomeUnknown, "no tokens"),
        (httpx.ReadTimeout(""), OutcomeUnknown, "timeout"),
        (httpx.ReadError(""), OutcomeUnknown, "broken connection"),
        (httpx.ConnectError(""), PortalUnreachable, "no connection"),
        (httpx.ConnectTimeout(""), PortalUnreachable, "no connection"),
    ],
    ids=range(17),
)
async def test_trouble_is_told_apart_when_there_are_no_tokens(
    answer: httpx.Response | Exception, kind: type[PortalError], code: str
) -> None:
    """Refused, not asked, or nobody knows: that decides whether the refresh token may still be good."""
    with pytest.raises(kind) as caught:
        await server(answer).refresh("r3fresh")
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert "r3fresh" not in str(caught.value)
    assert CLIENT_SECRET not in str(caught.value)
    assert caught.value.__cause__ is None or not hasattr(caught.value.__cause__, "request")


async def test_a_request_ends_when_the_server_never_answers() -> None:
    """A code is good for 30 s, and a renewal is held for a bounded time."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    server = AuthorisationServer(application(), transport=httpx.MockTransport(never), timeout=0.001)
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        await server.refresh("r-old")
    await server.aclose()


async def test_reading_stops_when_an_answer_has_no_end() -> None:
    """A server that sends for ever takes no more than a little memory."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 4096

    with pytest.raises(OutcomeUnknown, match="too large"):
        await server(httpx.Response(200, content=endless())).refresh("r-old")
    assert read <= 17


def test_scopes_are_read_when_separated_either_way() -> None:
    """The server separates them by commas, an installation by spaces."""
    assert scopes("crm,telephony") == scopes("crm telephony") == scopes(" crm, telephony ") == ("crm", "telephony")


@pytest.mark.parametrize(
    "url", ["https://oauth.bitrix24.tech", "https://oauth.bitrix.info/", "http://127.0.0.1:8090", "http://[::1]:1"]
)
def test_an_authorisation_server_is_accepted_when_it_is_bitrix24s_or_on_this_machine(url: str) -> None:
    """Both names of the real one, and a sandbox."""
    check_server_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "http://oauth.bitrix24.tech",
        "https://oauth.bitrix24.tech.evil.example",
        "https://x@oauth.bitrix24.tech",
    ],
)
def test_an_authorisation_server_is_refused_when_it_is_another(url: str) -> None:
    """It gets the application's secret, so it is one of few."""
    with pytest.raises(ValueError, match=r"server|URL"):
        application(server=url)


@pytest.mark.parametrize(
    ("domain", "home"),
    [
        ("acme.bitrix24.com", True),
        ("ACME.bitrix24.com", True),
        ("acme.bitrix24.com:443", True),
        ("neu.bitrix24.de", True),
        ("", False),
        ("evil.example", False),
        ("acme.bitrix24.com.evil.example", False),
        ("acme.bitrix24.com:8443", False),
    ],
)
def test_a_portal_is_at_home_when_its_domain_is_that_of_the_rules_file_or_trusted(domain: str, home: bool) -> None:
    """Hosts are compared as a whole."""
    assert application(trusted_hosts=("Neu.bitrix24.de",)).lives_at(domain) is home


def test_an_application_is_refused_when_its_portal_is_not_reached_by_https() -> None:
    """Its tokens would be sent in the clear."""
    with pytest.raises(ValueError, match="https"):
        Application("main", "http://acme.bitrix24.com", "id", "secret")
