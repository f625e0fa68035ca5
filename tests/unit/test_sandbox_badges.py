"""`crm.activity.badge.*` in the sandbox: rights, errors, and the behaviours that can be switched."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import (
    ADMINISTRATOR_SECRET,
    ADMINISTRATOR_TOKEN,
    EXPIRED_TOKEN,
    MANAGER_SECRET,
    MANAGER_TOKEN,
    OUTSIDER_TOKEN,
    TELEPHONY_ONLY_TOKEN,
    Badge,
)

MISSED: dict[str, Any] = {"code": "missedCall", "title": "Call status", "value": "Missed", "type": "failure"}
BY_LANGUAGE: dict[str, Any] = {
    **MISSED,
    "title": {"fr": "Appel", "de": "Anruf"},
    "value": {"de": "Verpasst", "en": "Missed"},
}


@pytest.fixture
def portal() -> SandboxPortal:
    return SandboxPortal(clock=lambda: 1_795_000_000.25)


@pytest.fixture
async def client(portal: SandboxPortal) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as made:
        yield made


class RefusedError(Exception):
    def __init__(self, status: int, code: str, description: str) -> None:
        self.status, self.code, self.description = status, code, description
        super().__init__(status, code, description)


async def call(client: httpx.AsyncClient, method: str, token: str = ADMINISTRATOR_TOKEN, **params: Any) -> Any:
    answer = await client.post(f"/rest/{method}", json={**params, "auth": token})
    body = answer.json()
    if "error" in body:
        raise RefusedError(answer.status_code, body["error"], body["error_description"])
    assert answer.status_code == 200
    return body["result"]


async def refusal(
    client: httpx.AsyncClient, method: str, token: str = ADMINISTRATOR_TOKEN, **params: Any
) -> tuple[int, str]:
    with pytest.raises(RefusedError) as caught:
        await call(client, method, token, **params)
    return caught.value.status, caught.value.code


async def switch(client: httpx.AsyncClient, **variants: Any) -> None:
    (await client.post("/_sandbox/seed", json={"variants": variants})).raise_for_status()


async def test_badge_can_be_read_when_it_was_added(client: httpx.AsyncClient) -> None:
    """add, get and list show the same badge, and delete takes it away."""
    assert await call(client, "crm.activity.badge.add", **MISSED) == {"badge": MISSED}
    assert await call(client, "crm.activity.badge.get", code="missedCall") == {"badge": MISSED}
    assert await call(client, "crm.activity.badge.list") == {"badges": [MISSED]}
    assert await call(client, "crm.activity.badge.delete", code="missedCall") is True
    assert await call(client, "crm.activity.badge.list") == {"badges": []}


async def test_list_counts_the_badges_beside_the_result(client: httpx.AsyncClient) -> None:
    """`total` stands in the envelope, not in `result`."""
    await call(client, "crm.activity.badge.add", **MISSED)
    answer = await client.post("/rest/crm.activity.badge.list", json={"auth": ADMINISTRATOR_TOKEN})
    assert answer.json()["total"] == 1


@pytest.mark.parametrize("kind", ["success", "failure", "warning", "primary", "secondary"])
async def test_add_takes_every_documented_type(client: httpx.AsyncClient, kind: str) -> None:
    """The five types of the documentation are accepted."""
    assert (await call(client, "crm.activity.badge.add", **{**MISSED, "type": kind}))["badge"]["type"] == kind


@pytest.mark.parametrize("method", ["crm.activity.badge.add", "crm.activity.badge.delete"])
@pytest.mark.parametrize("token", [MANAGER_TOKEN, OUTSIDER_TOKEN])
async def test_writing_is_refused_when_the_user_is_no_crm_administrator(
    client: httpx.AsyncClient, method: str, token: str
) -> None:
    """A manager may not add or delete, whatever the parameters."""
    assert await refusal(client, method, token, **MISSED) == (400, "ACCESS_DENIED")


async def test_reading_is_allowed_when_the_user_is_a_manager(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """Get and list are open to any user of the CRM."""
    await call(client, "crm.activity.badge.add", **MISSED)
    assert await call(client, "crm.activity.badge.get", MANAGER_TOKEN, code="missedCall") == {"badge": MISSED}
    assert await call(client, "crm.activity.badge.list", MANAGER_TOKEN) == {"badges": [MISSED]}


@pytest.mark.parametrize("method", ["crm.activity.badge.get", "crm.activity.badge.list"])
async def test_reading_is_refused_when_the_user_has_no_crm_access(client: httpx.AsyncClient, method: str) -> None:
    """ACCESS_DENIED is also documented for get and list."""
    assert await refusal(client, method, OUTSIDER_TOKEN, code="missedCall") == (400, "ACCESS_DENIED")


@pytest.mark.parametrize("missing", ["code", "title", "value", "type"])
async def test_add_is_refused_when_a_parameter_is_missing(client: httpx.AsyncClient, missing: str) -> None:
    """Each of the four parameters is required, and its name is in the description."""
    params = {name: value for name, value in MISSED.items() if name != missing}
    with pytest.raises(RefusedError) as caught:
        await call(client, "crm.activity.badge.add", **params)
    assert (caught.value.status, caught.value.code) == (400, "REQUIRED_ARG_MISSING")
    assert missing in caught.value.description


@pytest.mark.parametrize("name", ["code", "title", "value", "type"])
@pytest.mark.parametrize("empty", ["", None, [], {}, True, {"en": ""}])
async def test_add_is_refused_when_a_parameter_is_empty(client: httpx.AsyncClient, name: str, empty: Any) -> None:
    """Neither an empty text nor a value that is no text fills a field."""
    assert await refusal(client, "crm.activity.badge.add", **{**MISSED, name: empty}) == (400, "REQUIRED_ARG_MISSING")
    assert await call(client, "crm.activity.badge.list") == {"badges": []}


@pytest.mark.parametrize("method", ["crm.activity.badge.get", "crm.activity.badge.delete"])
@pytest.mark.parametrize("params", [{"code": "noSuchBadge"}, {"code": ["missedCall"]}, {}])
async def test_unknown_badge_is_not_found(client: httpx.AsyncClient, method: str, params: dict[str, Any]) -> None:
    """Get and delete answer NOT_FOUND, also without a usable code."""
    await call(client, "crm.activity.badge.add", **MISSED)
    assert await refusal(client, method, **params) == (400, "NOT_FOUND")


@pytest.mark.parametrize("code", ["BX_INVALID_VALUE", "ALREADY_EXISTS", "", "100"])
async def test_second_add_is_refused_with_the_chosen_code_when_the_code_is_taken(
    client: httpx.AsyncClient, code: str
) -> None:
    """The error of a taken code is a variant, for clients may not depend on it; the first badge stays."""
    await switch(client, duplicate_code_error=code)
    await call(client, "crm.activity.badge.add", **MISSED)
    assert await refusal(client, "crm.activity.badge.add", **{**MISSED, "value": "Other"}) == (400, code)
    assert await call(client, "crm.activity.badge.get", code="missedCall") == {"badge": MISSED}


async def test_badge_methods_work_by_webhook_unless_the_variant_refuses(client: httpx.AsyncClient) -> None:
    """Whether an inbound webhook may call badge methods is a variant; refused is ERROR_WRONG_CONTEXT."""
    path = f"/rest/1/{ADMINISTRATOR_SECRET}/crm.activity.badge.list"
    assert (await client.post(path)).status_code == 200

    await switch(client, badges_by_webhook="refused")

    answer = await client.post(path)
    assert (answer.status_code, answer.json()["error"]) == (400, "ERROR_WRONG_CONTEXT")
    assert await call(client, "crm.activity.badge.list") == {"badges": []}


async def test_texts_come_back_as_passed_when_they_are_maps_of_languages(client: httpx.AsyncClient) -> None:
    """By default add, get and list show the map that was passed."""
    assert await call(client, "crm.activity.badge.add", **BY_LANGUAGE) == {"badge": BY_LANGUAGE}
    assert await call(client, "crm.activity.badge.get", code="missedCall") == {"badge": BY_LANGUAGE}
    assert await call(client, "crm.activity.badge.list") == {"badges": [BY_LANGUAGE]}


@pytest.mark.parametrize(
    ("language", "title", "value"),
    [("de", "Anruf", "Verpasst"), ("pl", "Appel", "Missed"), ("fr", "Appel", "Missed")],
)
async def test_texts_are_resolved_when_the_variant_says_so(
    client: httpx.AsyncClient, language: str, title: str, value: str
) -> None:
    """One text each: the portal's language, else English, else the first of the map."""
    await client.post("/_sandbox/seed", json={"language": language, "variants": {"badge_texts": "resolved"}})
    shown = {**MISSED, "title": title, "value": value}
    assert await call(client, "crm.activity.badge.add", **BY_LANGUAGE) == {"badge": shown}
    assert await call(client, "crm.activity.badge.get", code="missedCall") == {"badge": shown}
    assert await call(client, "crm.activity.badge.list") == {"badges": [shown]}


async def test_unknown_type_is_refused_or_accepted_as_the_variant_says(client: httpx.AsyncClient) -> None:
    """The five types are enforced by default only."""
    params = {**MISSED, "type": "purple"}
    assert await refusal(client, "crm.activity.badge.add", **params) == (400, "WRONG_TYPE_VALUE")
    await switch(client, unknown_badge_type="accepted")
    assert await call(client, "crm.activity.badge.add", **params) == {"badge": params}


async def test_unknown_language_is_refused_or_accepted_as_the_variant_says(client: httpx.AsyncClient) -> None:
    """A map may only have languages that the portal knows, by default."""
    params = {**MISSED, "title": {"xx": "?"}}
    with pytest.raises(RefusedError) as caught:
        await call(client, "crm.activity.badge.add", **params)
    assert (caught.value.code, caught.value.description) == ("0", "Language `xx` was not found")
    await switch(client, unknown_language="accepted")
    assert await call(client, "crm.activity.badge.add", **params) == {"badge": params}


async def test_long_code_is_refused_unless_the_variant_has_no_limit(client: httpx.AsyncClient) -> None:
    """Thirty characters are the limit, by default."""
    await call(client, "crm.activity.badge.add", **{**MISSED, "code": "c" * 30})
    assert await refusal(client, "crm.activity.badge.add", **{**MISSED, "code": "c" * 31}) == (400, "0")
    await switch(client, badge_code_limit=None)
    assert await call(client, "crm.activity.badge.add", **{**MISSED, "code": "c" * 31})


async def test_missing_parameter_is_error_100_when_the_variant_says_so(client: httpx.AsyncClient) -> None:
    """Absent is 100 then, empty remains REQUIRED_ARG_MISSING."""
    await switch(client, missing_parameter_error="100")
    assert await refusal(client, "crm.activity.badge.add", code="x") == (400, "100")
    assert await refusal(client, "crm.activity.badge.add", **{**MISSED, "title": ""}) == (400, "REQUIRED_ARG_MISSING")


@pytest.mark.parametrize(
    ("token", "by_kind", "all_401"),
    [
        ("no-such-token", (401, "NO_AUTH_FOUND"), (401, "NO_AUTH_FOUND")),
        ("", (401, "NO_AUTH_FOUND"), (401, "NO_AUTH_FOUND")),
        (EXPIRED_TOKEN, (401, "expired_token"), (401, "expired_token")),
        (TELEPHONY_ONLY_TOKEN, (403, "insufficient_scope"), (401, "insufficient_scope")),
    ],
)
async def test_bad_token_is_refused_with_its_system_error(
    client: httpx.AsyncClient, token: str, by_kind: tuple[int, str], all_401: tuple[int, str]
) -> None:
    """Each has its code; the status depends on the edition of the vendor's table."""
    assert await refusal(client, "crm.activity.badge.list", token) == by_kind
    await switch(client, system_errors="all-401")
    assert await refusal(client, "crm.activity.badge.list", token) == all_401


@pytest.mark.parametrize("path", ["1/wrong", f"7/{ADMINISTRATOR_SECRET}", f"99/{ADMINISTRATOR_SECRET}"])
async def test_wrong_webhook_is_refused(client: httpx.AsyncClient, path: str) -> None:
    """A secret counts only together with its user; the code depends on the edition of the vendor's table."""
    answer = await client.post(f"/rest/{path}/profile")
    assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")
    await switch(client, system_errors="all-401")
    answer = await client.post(f"/rest/{path}/profile")
    assert (answer.status_code, answer.json()["error"]) == (401, "INVALID_CREDENTIALS")


async def test_webhook_is_refused_when_it_has_expired(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """After its date a webhook code is an authorisation error."""
    expired = portal.seed.webhooks[0].model_copy(update={"expires_at": portal.clock()})
    portal.reseed(portal.seed.model_copy(update={"webhooks": (expired,)}))
    answer = await client.post(f"/rest/1/{ADMINISTRATOR_SECRET}/profile")
    assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")


async def test_dismissed_user_is_refused_with_his_credentials(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """A credential of a user who is no longer active is INVALID_CREDENTIALS."""
    users = tuple(user.model_copy(update={"active": user.id != 1}) for user in portal.seed.users)
    portal.reseed(portal.seed.model_copy(update={"users": users}))
    assert await refusal(client, "profile") == (403, "INVALID_CREDENTIALS")


async def test_plain_http_is_refused_when_https_is_required(portal: SandboxPortal, client: httpx.AsyncClient) -> None:
    """The real portal wants https; the sandbox only when told to."""
    await switch(client, https_required=True)
    assert await refusal(client, "profile") == (400, "INVALID_REQUEST")
    transport = httpx.ASGITransport(create_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="https://sandbox") as secure:
        assert (await call(secure, "profile"))["ID"] == "1"


async def test_unknown_method_is_not_found(client: httpx.AsyncClient) -> None:
    """404 with its own code, once the credential is good."""
    assert await refusal(client, "crm.activity.badge.update") == (404, "ERROR_METHOD_NOT_FOUND")


async def test_probes_tell_what_a_credential_is_good_for(client: httpx.AsyncClient) -> None:
    """profile, scope, method.get and app.info work in the base scope."""
    assert (await call(client, "profile", MANAGER_TOKEN))["ADMIN"] is False
    assert await call(client, "scope", TELEPHONY_ONLY_TOKEN) == ["telephony"]
    assert await call(client, "scope", TELEPHONY_ONLY_TOKEN, full=True) == ["crm", "telephony"]
    known = {"isExisting": True, "isAvailable": False}
    assert await call(client, "method.get", TELEPHONY_ONLY_TOKEN, name="crm.activity.badge.get") == known
    unknown = {"isExisting": False, "isAvailable": False}
    assert await call(client, "method.get", name="crm.activity.badge.GET") == unknown
    assert (await call(client, "app.info"))["STATUS"] == "L"


async def test_app_info_is_refused_when_asked_by_webhook(client: httpx.AsyncClient) -> None:
    """A webhook belongs to no application."""
    answer = await client.post(f"/rest/7/{MANAGER_SECRET}/app.info")
    assert (answer.status_code, answer.json()["error"]) == (400, "ACCESS_DENIED")
    assert "Application context required" in answer.json()["error_description"]


async def test_time_has_every_field_when_a_call_succeeds() -> None:
    """Seconds as numbers, dates with a zone and without fractions, and the method's metered run time."""
    ticks = iter([100.5, 100.75, 101.0, 101.5, 102.0, 103.5, 104.0])
    portal = SandboxPortal(clock=lambda: next(ticks))
    transport = httpx.ASGITransport(create_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        answer = await client.post("/rest/profile", json={"auth": ADMINISTRATOR_TOKEN})
    assert answer.json()["time"] == {
        "start": 101.0,
        "finish": 102.0,
        "duration": 1.0,
        "processing": 0.5,
        "date_start": "1970-01-01T00:01:41+00:00",
        "date_finish": "1970-01-01T00:01:42+00:00",
        "operating_reset_at": 660,
        "operating": 0.5,
    }


async def test_seeded_badges_are_listed(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """Codes of other applications may be in the registry from the start."""
    foreign = Badge(code="other_app", title="Other", value="App", type="primary")
    portal.reseed(portal.seed.model_copy(update={"badges": (foreign,)}))
    assert await call(client, "crm.activity.badge.list") == {"badges": [foreign.model_dump()]}
