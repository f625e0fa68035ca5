"""The vendor's own Python SDK against the sandbox: an implementation of the wire format that is not ours.

It insists on https and is blocking, so it runs in a thread and trusts the sandbox's authority through the environment.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from b24pysdk import BitrixApp, BitrixToken, BitrixWebhook
from b24pysdk.api.requesters.bitrix_oauth_requester import BitrixOAuthRequester
from b24pysdk.errors import BitrixAPIError

from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import (
    ADMINISTRATOR_SECRET,
    ADMINISTRATOR_TOKEN,
    APPLICATION_SECRET,
    CLIENT_ID,
    EXPIRED_TOKEN,
    MANAGER_SECRET,
    MANAGER_TOKEN,
    TELEPHONY_ONLY_TOKEN,
)
from badge_bridge.sandbox.serving import SandboxServer
from badge_bridge.sandbox.tls import throwaway_tls

MISSED: dict[str, Any] = {"code": "missedCall", "title": "Call status", "value": "Missed", "type": "failure"}
BY_LANGUAGE: dict[str, Any] = {**MISSED, "code": "byLanguage", "value": {"en": "Missed", "de": "Verpasst"}}

MakeClient = Callable[[str, str], Any]


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SandboxServer]:
    tls = throwaway_tls(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca))
    async with SandboxServer(SandboxPortal(), tls=tls) as started:
        yield started


def webhook(domain: str, credential: str) -> Any:
    return BitrixWebhook(domain=domain, webhook_token=credential).get_client()


def oauth(domain: str, credential: str) -> Any:
    application = BitrixApp(client_id="local.sandbox-application", client_secret="unused")
    return BitrixToken(domain=domain, auth_token=credential, bitrix_app=application).get_client()


def refusal(request: Any) -> tuple[int, str]:
    with pytest.raises(BitrixAPIError) as caught:
        _ = request.result
    return caught.value.response.status_code, caught.value.error


def use_badges(client: Any) -> None:
    badge = client.crm.activity.badge
    assert badge.add(**MISSED).result == {"badge": MISSED}
    assert badge.add(**BY_LANGUAGE).result == {"badge": BY_LANGUAGE}
    assert badge.get(code="missedCall").result == {"badge": MISSED}
    assert badge.list().result == {"badges": [MISSED, BY_LANGUAGE]}
    assert refusal(badge.add(**MISSED)) == (400, "BX_INVALID_VALUE")
    assert badge.delete(code="missedCall").result is True
    assert refusal(badge.get(code="missedCall")) == (400, "NOT_FOUND")
    time = badge.list().response.time
    assert time.date_start.tzinfo is not None
    assert time.operating_reset_at > time.date_start
    assert client.profile().result["ADMIN"] is True
    assert client.scope().result == ["crm", "telephony"]


@pytest.mark.parametrize(
    ("make", "credential", "kind"),
    [(webhook, f"1/{ADMINISTRATOR_SECRET}", "webhook"), (oauth, ADMINISTRATOR_TOKEN, "oauth")],
)
async def test_sdk_adds_gets_lists_and_deletes_badges(
    server: SandboxServer, make: MakeClient, credential: str, kind: str
) -> None:
    """With a webhook and with an OAuth token, on addresses that the SDK makes itself."""
    await asyncio.to_thread(use_badges, make(f"127.0.0.1:{server.port}", credential))
    assert {entry.credential for entry in server.portal.journal.since()} == {kind}
    assert [badge.code for badge in server.portal.seed.badges] == ["byLanguage"]


@pytest.mark.parametrize(
    ("make", "credential", "expected"),
    [
        (webhook, f"7/{MANAGER_SECRET}", (400, "ACCESS_DENIED")),
        (oauth, MANAGER_TOKEN, (400, "ACCESS_DENIED")),
        (oauth, TELEPHONY_ONLY_TOKEN, (403, "insufficient_scope")),
        (webhook, "1/wrong", (401, "NO_AUTH_FOUND")),
        (oauth, "wrong", (401, "NO_AUTH_FOUND")),
    ],
)
async def test_sdk_recognises_refusals(
    server: SandboxServer, make: MakeClient, credential: str, expected: tuple[int, str]
) -> None:
    """The SDK reads the sandbox's errors as the portal's own."""
    request = make(f"127.0.0.1:{server.port}", credential).crm.activity.badge.add(**MISSED)
    assert await asyncio.to_thread(refusal, request) == expected


async def test_sdk_recognises_an_expired_token(server: SandboxServer) -> None:
    """A token without a refresh token stays expired, and the SDK names it so."""
    request = oauth(f"127.0.0.1:{server.port}", EXPIRED_TOKEN).crm.activity.badge.list()
    assert await asyncio.to_thread(refusal, request) == (401, "expired_token")


def batched(client: Any) -> Any:
    requests = {
        "who": client.profile(),
        "none": client.crm.activity.badge.get(code="nobody"),
        "added": client.crm.activity.badge.add(**BY_LANGUAGE),
        "there": client.crm.activity.badge.get(code="byLanguage"),
    }
    return client.call_batch(requests).response.result


@pytest.mark.parametrize(
    ("make", "credential"),
    [(webhook, f"1/{ADMINISTRATOR_SECRET}"), (oauth, ADMINISTRATOR_TOKEN)],
    ids=["webhook", "oauth"],
)
async def test_sdk_sends_a_batch_and_reads_each_answer(
    server: SandboxServer, make: MakeClient, credential: str
) -> None:
    """One request; each command has its own result or error, texts by language survive the query string."""
    answer = await asyncio.to_thread(batched, make(f"127.0.0.1:{server.port}", credential))
    assert answer.result["who"]["ADMIN"] is True
    assert answer.result_error["none"]["error"] == "NOT_FOUND"
    assert answer.result["there"] == {"badge": BY_LANGUAGE}
    (request,) = server.portal.journal.since()
    assert request.method == "batch"


async def test_sdk_exchanges_a_code_and_renews_an_expired_token(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole code flow, then a token that expires: the SDK renews it by itself, with the latest refresh token."""
    monkeypatch.setattr(BitrixOAuthRequester, "_OAUTH_TOKEN_URL", f"{server.url}/oauth/token/")
    application = BitrixApp(client_id=CLIENT_ID, client_secret=APPLICATION_SECRET)
    code = server.portal.office.authorise(CLIENT_ID, 1)["code"]
    got = await asyncio.to_thread(application.get_oauth_token, code)
    token = BitrixToken(
        domain=f"127.0.0.1:{server.port}",
        auth_token=got.oauth_token.access_token,
        refresh_token=got.oauth_token.refresh_token,
        bitrix_app=application,
    )
    client = token.get_client()
    assert (await asyncio.to_thread(lambda: client.profile().result))["ID"] == "1"
    for _ in range(2):
        before = token.auth_token
        server.portal.faults.add(FaultOrder(method="profile", fault="expired_token"))
        assert (await asyncio.to_thread(lambda: client.profile().result))["ID"] == "1"
        assert token.auth_token != before
