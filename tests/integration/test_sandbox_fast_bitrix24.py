"""A second independent client against the sandbox: asynchronous, gathers calls into batches, renews tokens by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fast_bitrix24 import BitrixAsync

from badge_bridge.http import AsyncClient
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import APPLICATION_SECRET, CLIENT_ID, Deal, default_seed
from badge_bridge.sandbox.serving import SandboxServer

DEALS = 120


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    seed = default_seed()
    deals = [Deal(id=number, title=f"Deal {number}") for number in range(101, 101 + DEALS)]
    content = {**seed.model_dump(), "deals": [one.model_dump() for one in deals]}
    async with SandboxServer(SandboxPortal(type(seed).model_validate(content))) as started:
        yield started


async def test_client_reads_all_pages_of_a_list(server: SandboxServer) -> None:
    """It takes the total of the first page and asks for the others in one batch."""
    client = BitrixAsync(server.portal.webhook_url(server.url), verbose=False)
    deals = await client.get_all("crm.deal.list", {"select": ["ID", "TITLE"], "filter": {"CLOSED": "N"}})
    assert {deal["ID"] for deal in deals} == {str(number) for number in range(101, 101 + DEALS)}
    assert [entry.method for entry in server.portal.journal.since()] == ["crm.deal.list", "batch"]


async def test_client_adds_badges_in_a_batch_and_lists_them(server: SandboxServer) -> None:
    """Several items of one method become commands of one batch; it unwraps objects with one key, such as `badge`."""
    client = BitrixAsync(server.portal.webhook_url(server.url), verbose=False)
    badges = [{"code": f"b{number}", "title": "t&=é", "value": "v", "type": "failure"} for number in range(3)]
    added = await client.call("crm.activity.badge.add", badges)
    assert list(added) == badges
    listed = await client.call("crm.activity.badge.list", raw=True)
    assert listed["result"]["badges"] == badges


async def test_client_renews_its_token_when_the_portal_says_that_it_has_expired(server: SandboxServer) -> None:
    """It asks its caller for a token and gets one by the refresh token, which the sandbox replaces each time."""
    tokens: dict[str, Any] = await fresh(
        server, grant_type="authorization_code", code=server.portal.office.authorise(CLIENT_ID, 1)["code"]
    )
    given: list[str] = []

    async def token() -> str:
        if given:
            tokens.update(await fresh(server, grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
        given.append(tokens["access_token"])
        return given[-1]

    client = BitrixAsync(f"{server.url}/rest/", token_func=token, verbose=False)
    assert (await client.call("profile", raw=True))["result"]["ADMIN"] is True
    server.portal.faults.add(FaultOrder(method="profile", fault="expired_token"))
    assert (await client.call("profile", raw=True))["result"]["ADMIN"] is True
    assert len(set(given)) == 2


async def fresh(server: SandboxServer, **asked: str) -> dict[str, Any]:
    async with AsyncClient(trust_env=False) as client:
        params = {"client_id": CLIENT_ID, "client_secret": APPLICATION_SECRET, **asked}
        answer = await client.get(f"{server.url}/oauth/token/", params=params)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found
