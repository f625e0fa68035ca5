"""The way into the sandbox: batches, limits, tokens, the life of an application, events, a new address, chance."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import (
    ADMINISTRATOR_SECRET,
    APPLICATION_SECRET,
    APPLICATION_TOKEN,
    CLIENT_ID,
    REFRESH_TOKEN,
)
from badge_bridge.sandbox.sending import Sender
from support.sandbox_calls import Caller, Refused, changed

HOOK = "http://127.0.0.1:8080/hooks/portal"
MISSED = "code=bb&title=t&value=v&type=failure"


class Clock:
    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


def caller(clock: Clock | None = None, **parts: Any) -> Caller:
    return Caller(SandboxPortal(changed(**parts), clock=clock or Clock()))


async def test_commands_of_a_batch_have_their_own_results_and_errors() -> None:
    """HTTP 200 whatever fails; what is empty is an array; order is that of the commands."""
    answer = await caller().call(
        "batch",
        cmd={"who": "profile", "no": "crm.activity.badge.get?code=x", "add": f"crm.activity.badge.add?{MISSED}"},
    )
    assert answer["result"]["who"]["ADMIN"] is True
    assert answer["result"]["add"]["badge"]["code"] == "bb"
    assert answer["result_error"]["no"]["error"] == "NOT_FOUND"
    assert answer["result_next"] == []
    assert set(answer["result_time"]) == {"who", "add"}
    empty = await caller().call("batch", cmd={})
    assert (empty["result"], empty["result_error"]) == ([], [])


async def test_a_batch_stops_at_the_first_error_when_it_is_told_to() -> None:
    """Later commands appear nowhere."""
    commands = {"a": "crm.activity.badge.get?code=x", "b": "profile"}
    answer = await caller().call("batch", halt=1, cmd=commands)
    assert (answer["result"], list(answer["result_error"])) == ([], ["a"])


async def test_a_command_may_name_the_result_of_an_earlier_one() -> None:
    """What cannot be resolved is passed on as it is written."""
    commands = {
        "add": f"crm.activity.badge.add?{MISSED}",
        "get": "crm.activity.badge.get?code=$result[add][badge][code]",
        "odd": "crm.activity.badge.get?code=$result[nobody][x]",
    }
    answer = await caller().call("batch", cmd=commands)
    assert answer["result"]["get"]["badge"]["code"] == "bb"
    assert "odd" in answer["result_error"]


async def test_more_than_fifty_commands_and_batches_in_batches_are_refused_each_for_itself() -> None:
    """The fifty before them are carried out."""
    commands = {f"c{number}": "profile" for number in range(51)}
    answer = await caller().call("batch", cmd=commands)
    assert len(answer["result"]) == 50
    assert answer["result_error"]["c50"]["error"] == "ERROR_BATCH_LENGTH_EXCEEDED"
    nested = await caller().call("batch", cmd={"a": "batch?cmd[x]=profile"})
    assert nested["result_error"]["a"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


async def test_adding_activities_in_a_batch_can_be_switched_off() -> None:
    """The documentation does not forbid it."""
    refusing = caller(variants={"configurable_in_batch": "refused"})
    answer = await refusing.call("batch", cmd={"a": "crm.activity.configurable.add?ownerTypeId=2"})
    assert answer["result_error"]["a"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


async def test_requests_beyond_the_burst_are_refused_until_the_bucket_has_drained() -> None:
    """Two a second leave it; a batch counts once; a refused request does not count."""
    clock = Clock()
    portal = caller(clock)
    for _ in range(50):
        await portal.call("batch", cmd={"a": "profile", "b": "profile"})
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await portal.call("profile")
        assert (refused.value.status, refused.value.code) == (503, "QUERY_LIMIT_EXCEEDED")
    clock.now += 0.5
    await portal.call("profile")
    assert await portal.code("profile") == "QUERY_LIMIT_EXCEEDED"


async def test_a_method_that_has_run_too_long_is_refused_until_its_oldest_minute_is_forgotten() -> None:
    """The call that crosses the ceiling is carried out; other methods go on."""
    clock = Clock()
    limits = {"rate": 100, "burst": 1000, "operating": 10, "run_times": {"profile": 6}}
    portal = caller(clock, limits=limits)
    await portal.call("profile")
    crossing = await portal.envelope("profile")
    assert crossing["time"]["operating"] == pytest.approx(12)
    with pytest.raises(Refused) as refused:
        await portal.call("profile")
    assert (refused.value.status, refused.value.code) == (429, "OPERATION_TIME_LIMIT")
    await portal.call("scope")
    clock.now = crossing["time"]["operating_reset_at"] + 1
    await portal.call("profile")


async def token(portal: Caller, **asked: str) -> httpx.Response:
    params = {"client_id": CLIENT_ID, "client_secret": APPLICATION_SECRET, **asked}
    return await portal.http.get("/oauth/token/", params=params)


async def test_a_refresh_token_is_replaced_by_each_use() -> None:
    """The old one is dead at once; the new access token is good for an hour."""
    clock = Clock()
    portal = caller(clock)
    got = (await token(portal, grant_type="refresh_token", refresh_token=REFRESH_TOKEN)).json()
    assert got["domain"] == "oauth.bitrix24.tech"
    assert (got["scope"], got["expires_in"], got["user_id"]) == ("crm,telephony", 3600, 1)
    again = await token(portal, grant_type="refresh_token", refresh_token=REFRESH_TOKEN)
    assert again.json()["error"] == "invalid_grant"
    portal.token = got["access_token"]
    await portal.call("profile")
    clock.now += 3601
    assert await portal.code("profile") == "expired_token"
    assert (
        "access_token" in (await token(portal, grant_type="refresh_token", refresh_token=got["refresh_token"])).json()
    )


async def test_the_authorisation_server_has_the_name_and_the_statuses_that_are_seeded() -> None:
    """The vendor's pages show two names, and no statuses of errors."""
    variants = {"auth_host": "oauth.bitrix.info", "oauth_error_status": 418}
    portal = caller(Clock(), variants=variants)
    got = (await token(portal, grant_type="refresh_token", refresh_token=REFRESH_TOKEN)).json()
    assert (got["domain"], got["server_endpoint"]) == ("oauth.bitrix.info", "https://oauth.bitrix.info/rest/")
    again = await token(portal, grant_type="refresh_token", refresh_token=REFRESH_TOKEN)
    assert (again.status_code, again.json()["error"]) == (418, "invalid_grant")


async def test_a_code_is_good_once_and_for_thirty_seconds() -> None:
    """The browser comes back to the application with it."""
    clock = Clock()
    applications = [{**one.model_dump(), "handler": "http://127.0.0.1:8080/install"} for one in changed().applications]
    portal = caller(clock, applications=applications)

    async def code() -> str:
        answer = await portal.http.get("/oauth/authorize/", params={"client_id": CLIENT_ID, "state": "s&1"})
        assert answer.status_code == 302
        query = dict(parse_qsl(answer.headers["location"].partition("?")[2]))
        assert query["state"] == "s&1"
        return query["code"]

    once = await code()
    assert (await token(portal, grant_type="authorization_code", code=once)).status_code == 200
    assert (await token(portal, grant_type="authorization_code", code=once)).json()["error"] == "invalid_grant"
    late = await code()
    clock.now += 30
    assert (await token(portal, grant_type="authorization_code", code=late)).json()["error"] == "invalid_grant"


async def test_wrong_keys_get_no_token() -> None:
    """Neither does an application that is not installed."""
    portal = caller()
    wrong = {"client_secret": "wrong", "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
    assert (await token(portal, **wrong)).json()["error"] == "invalid_client"


async def test_events_are_bound_listed_and_unbound_by_the_application() -> None:
    """Twice the same handler is refused; a webhook may not bind."""
    portal = caller()
    assert await portal.call("event.bind", event="OnVoximplantCallEnd", handler=HOOK) is True
    with pytest.raises(Refused, match="Unable to set event handler"):
        await portal.call("event.bind", event="ONVOXIMPLANTCALLEND", handler=HOOK)
    assert await portal.code("event.bind", event="ONNOTHING", handler=HOOK) == "ERROR_EVENT_NOT_FOUND"
    listed = await portal.call("event.get")
    assert listed == [{"event": "ONVOXIMPLANTCALLEND", "handler": HOOK, "auth_type": "0", "offline": 0}]
    assert await portal.call("event.unbind", event="ONVOXIMPLANTCALLEND", handler=HOOK) == {"count": 1}
    webhook = Caller(portal.portal, webhook=f"1/{ADMINISTRATOR_SECRET}")
    assert await webhook.code("event.bind", event="ONVOXIMPLANTCALLEND", handler=HOOK) == "WRONG_AUTH_TYPE"


class Hook:
    """A handler that keeps what it was sent."""

    def __init__(self, status: int = 200) -> None:
        self.forms: list[dict[str, str]] = []
        self._status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.forms.append(dict(parse_qsl(request.content.decode())))
        return httpx.Response(self._status)


def sending(hook: Hook, portal: SandboxPortal) -> tuple[Sender, httpx.AsyncClient]:
    sender = Sender(transport=httpx.MockTransport(hook), clock=portal.clock)
    app = create_app(portal, sender=sender)
    return sender, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox")


async def test_an_installation_is_posted_with_tokens_that_work() -> None:
    """A form with brackets; the scope is separated by spaces there."""
    hook, portal = Hook(), SandboxPortal(clock=Clock())
    sender, client = sending(hook, portal)
    sent = (await client.post("/_sandbox/install", json={"url": "http://127.0.0.1:8080/install"})).json()
    assert (sent["status"], sent["event"]) == (200, "ONAPPINSTALL")
    (form,) = hook.forms
    assert form["event"] == "ONAPPINSTALL"
    assert form["auth[application_token]"] == APPLICATION_TOKEN
    assert form["auth[scope]"] == "crm telephony"
    assert "auth[user_id]" not in form
    assert (await Caller(portal, token=form["auth[access_token]"]).call("app.info"))["CODE"] == CLIENT_ID
    await sender.close()


async def test_an_uninstallation_kills_tokens_and_handlers_and_tells_whoever_asked() -> None:
    """No usable token comes with it: the application token is the only proof."""
    hook, portal = Hook(), SandboxPortal(clock=Clock())
    sender, client = sending(hook, portal)
    await client.post("/_sandbox/install", json={"url": "http://127.0.0.1:8080/install"})
    access = Caller(portal, token=hook.forms[0]["auth[access_token]"])
    await access.call("event.bind", event="ONAPPUNINSTALL", handler=HOOK)
    await client.post("/_sandbox/uninstall", json={})
    await sender.idle()
    form = hook.forms[-1]
    assert (form["event"], form["auth[application_token]"]) == ("ONAPPUNINSTALL", APPLICATION_TOKEN)
    assert "auth[access_token]" not in form
    assert await access.code("profile") == "NO_AUTH_FOUND"
    assert portal.seed.handlers == ()
    await sender.close()


async def test_an_update_brings_another_application_token() -> None:
    """Handlers are dropped with it, as the documentation warns."""
    hook, portal = Hook(), SandboxPortal(clock=Clock())
    sender, client = sending(hook, portal)
    await client.post("/_sandbox/install", json={"url": "http://127.0.0.1:8080/install"})
    await client.post("/_sandbox/update", json={"url": "http://127.0.0.1:8080/install"})
    await sender.idle()
    assert hook.forms[-1]["event"] == "ONAPPUPDATE"
    assert hook.forms[-1]["auth[application_token]"] != APPLICATION_TOKEN
    await sender.close()


async def test_a_call_is_told_once_whatever_the_handler_answers() -> None:
    """All values are texts; nothing is sent again."""
    hook, portal = Hook(status=500), SandboxPortal(clock=Clock())
    sender, client = sending(hook, portal)
    await Caller(portal).call("event.bind", event="ONVOXIMPLANTCALLEND", handler=HOOK)
    row = (await client.post("/_sandbox/calls", json={"phone_number": "+4917139200011"})).json()
    await sender.idle()
    (form,) = hook.forms
    assert form["data[CALL_ID]"] == row["call_id"]
    assert (form["data[CALL_TYPE]"], form["data[CALL_FAILED_CODE]"]) == ("2", "304")
    await sender.close()


@pytest.mark.parametrize(("share", "sent"), [("drop", 0), ("duplicate", 2)])
async def test_the_sender_can_lose_and_repeat_events(share: str, sent: int) -> None:
    """As the real one may; what became of each is listed."""
    hook, portal = Hook(), SandboxPortal(changed(sending={share: 1.0, "seed": 1}), clock=Clock())
    sender, client = sending(hook, portal)
    await Caller(portal).call("event.bind", event="ONVOXIMPLANTCALLEND", handler=HOOK)
    await client.post("/_sandbox/calls", json={"phone_number": "+4917139200011"})
    await sender.idle()
    assert len(hook.forms) == sent
    listed = (await client.get("/_sandbox/events")).json()["events"]
    assert {one["fate"] for one in listed} >= {"dropped" if share == "drop" else "duplicate"}
    await sender.close()


async def test_nothing_is_sent_beyond_this_machine() -> None:
    """A sandbox with somebody's real address in it does no harm."""
    portal = caller()
    refused = await portal.code("event.bind", event="ONVOXIMPLANTCALLEND", handler="https://bridge.example.com/hooks/x")
    assert refused == "ERROR_WRONG_HANDLER_URL"
    answer = await portal.http.post("/_sandbox/install", json={"url": "https://bridge.example.com/install"})
    assert answer.status_code == 400


async def test_a_renamed_portal_only_points_to_its_new_address() -> None:
    """302 with the same path, and nothing is carried out there."""
    portal = caller(renamed_to="http://new.example")
    answer = await portal.http.post("/rest/crm.activity.badge.add", json={"auth": portal.token})
    assert (answer.status_code, answer.headers["location"]) == (302, "http://new.example/rest/crm.activity.badge.add")
    there = await portal.http.post("http://new.example/rest/profile", json={"auth": portal.token})
    assert there.status_code == 200


async def test_faults_strike_by_chance_and_the_same_way_for_the_same_seed() -> None:
    """Each is counted; an empty mix ends it."""

    async def run() -> tuple[list[int], dict[str, int]]:
        portal = caller(limits=None)
        mix = {"mix": {"http-500": 0.3, "NOT_FOUND": 0.2}, "seed": 7}
        assert (await portal.http.post("/_sandbox/faults", json=mix)).status_code == 200
        answers = [await portal.http.post("/rest/profile", json={"auth": portal.token}) for _ in range(50)]
        struck = (await portal.http.get("/_sandbox/faults")).json()["struck"]
        await portal.http.post("/_sandbox/faults", json={"mix": {}})
        assert (await portal.call("profile"))["ID"] == "1"
        return [answer.status_code for answer in answers], struck

    first, struck = await run()
    assert struck["http-500"] == first.count(500) > 0
    assert struck["NOT_FOUND"] == first.count(400) > 0
    assert (await run())[0] == first


async def test_an_ordered_fault_strikes_its_command_inside_a_batch() -> None:
    """An error strikes the one command; what happens to a connection strikes them all."""
    portal = caller()
    await portal.http.post("/_sandbox/faults", json={"method": "profile", "fault": "INTERNAL_SERVER_ERROR"})
    answer = await portal.call("batch", cmd={"a": "profile", "b": "scope"})
    assert answer["result_error"]["a"]["error"] == "INTERNAL_SERVER_ERROR"
    assert "b" in answer["result"]
    await portal.http.post("/_sandbox/faults", json={"method": "profile", "fault": "http-500"})
    whole = await portal.http.post("/rest/batch", json={"auth": portal.token, "cmd": {"a": "profile", "b": "scope"}})
    assert whole.status_code == 500


async def test_an_expired_token_is_really_expired_after_the_fault() -> None:
    """So that a client has to renew it, and can."""
    portal = caller()
    got = (await token(portal, grant_type="refresh_token", refresh_token=REFRESH_TOKEN)).json()
    portal.token = got["access_token"]
    await portal.http.post("/_sandbox/faults", json={"method": "profile", "fault": "expired_token"})
    assert await portal.code("profile") == "expired_token"
    assert await portal.code("scope") == "expired_token"
