"""What becomes of a call and of later ones, for every code that the documentation names and some that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import pytest

from badge_bridge.errors import PortalError, PortalPaused
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import AccessToken, Credential, PortalClient
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.lanes import Lanes
from badge_bridge.retry import GiveUp, RetryAt, Wait, decide
from badge_bridge.store.memory import MemoryStore
from support.portals import START, BatchingPortal

ADD = "crm.activity.badge.add"
NOW = START + 1


class Row(NamedTuple):
    """`code` with the HTTP status of its answer; what the event does after it; which lane rests, for how long; a word
    that the message must have, which names the mend where a person has to act.
    """

    code: str
    status: int
    decision: type[RetryAt | Wait | GiveUp]
    lane: str = ""
    seconds: float = 0
    word: str = ""


DEAD, RETRY, WAIT = GiveUp, RetryAt, Wait
PORTAL, METHOD = "main", f"main/{ADD}"
WHERE_RIGHTS_ARE = "CRM > Settings > Access permissions"
APPLICATION = "Local application"
FAULT = "This is a fault of the bridge: report it"

ROWS = [
    # any method (Bitrix24 docs, "System errors", "Limits", "Method confirmation")
    Row("INTERNAL_SERVER_ERROR", 500, RETRY, word="not known"),
    Row("ERROR_UNEXPECTED_ANSWER", 500, RETRY, word="not known"),
    Row("QUERY_LIMIT_EXCEEDED", 503, WAIT, PORTAL, 1, "too many calls"),
    Row("OPERATION_TIME_LIMIT", 429, WAIT, METHOD, 605, "run time"),
    Row("OVERLOAD_LIMIT", 503, WAIT, PORTAL, 900, "has to contact them"),
    Row("ERROR_BATCH_METHOD_NOT_ALLOWED", 405, DEAD, word="sends it alone then"),
    Row("ERROR_BATCH_LENGTH_EXCEEDED", 400, DEAD, word="sends fewer then"),
    Row("NO_AUTH_FOUND", 401, WAIT, PORTAL, 30, "variable that portals.main names"),
    Row("INVALID_REQUEST", 400, DEAD, word="begin with https://"),
    Row("ACCESS_DENIED", 403, WAIT, METHOD, 30, WHERE_RIGHTS_ARE),
    Row("INVALID_CREDENTIALS", 403, WAIT, PORTAL, 30, WHERE_RIGHTS_ARE),
    Row("insufficient_scope", 403, WAIT, METHOD, 30, "adds the permission crm"),
    Row("user_access_error", 403, WAIT, PORTAL, 30, "opens the application to the user"),
    Row("ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, DEAD, word=FAULT),
    Row("PORTAL_DELETED", 500, WAIT, PORTAL, 30, "opens the public part again"),
    Row("ERROR_METHOD_NOT_FOUND", 404, DEAD, word="Settings > Module updates"),
    Row("METHOD_CONFIRM_WAITING", 401, WAIT, METHOD, 30, "confirms the request"),
    Row("METHOD_CONFIRM_DENIED", 403, WAIT, METHOD, 30, "makes a new credential"),
    Row("WRONG_AUTH_TYPE", 403, WAIT, METHOD, 30, APPLICATION),
    # badges and configurable activities (Bitrix24 docs, "crm.activity.badge.*", "crm.activity.configurable.*")
    Row("REQUIRED_ARG_MISSING", 400, DEAD, word="give it a text under badges"),
    Row("NOT_FOUND", 400, DEAD, word="events redrive lets the bridge look again"),
    Row("ERROR_WRONG_CONTEXT", 400, WAIT, METHOD, 30, APPLICATION),
    Row("ERROR_WRONG_APPLICATION", 400, DEAD, word="complete the activity by hand"),
    Row("100", 400, DEAD, word=FAULT),
    Row("WRONG_FIELD_VALUE", 400, DEAD, word="crm.timeline.logo.list"),
    Row("INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE", 400, DEAD, word=FAULT),
    Row("ERROR_EMPTY_LAYOUT", 400, DEAD, word=FAULT),
    Row("FIELD_IS_REQUIRED", 400, DEAD, word=FAULT),
    Row("FIELD_IS_REDUNDANT", 400, DEAD, word=FAULT),
    Row("ENUM_FIELD", 400, DEAD, word="crm.timeline.icon.list"),
    Row("TOO_MANY_ITEMS", 400, DEAD, word=FAULT),
    Row("KEY_CONTAIN_WRONG_SYMBOLS", 400, DEAD, word=FAULT),
    Row("WRONG_LANG", 400, DEAD, word="Install the language in the portal"),
    Row("CANT_CHANGE_PROVIDER_TYPE_ID", 400, DEAD, word=FAULT),
    Row("WRONG_TYPE_VALUE", 400, DEAD, word="Write success, failure"),
    Row("BX_INVALID_VALUE", 400, DEAD, word="badge-bridge sync shows"),
    Row("0", 400, DEAD, word="a code that is too long"),
    # searching owners, binding events (Bitrix24 docs, "crm.item.list", "event.bind")
    Row("INVALID_ARG_VALUE", 400, DEAD, word="attach.owner"),
    Row("INVALID_ARGUMENT", 400, DEAD, word="attach.owner"),
    Row("ERROR_CORE", 400, DEAD, word="Mend what the portal names"),
    Row("allowed_only_intranet_user", 403, WAIT, METHOD, 30, "as an employee"),
    Row("ERROR_EVENT_NOT_FOUND", 400, DEAD, word="adds the permission telephony"),
    Row("Unable to set event handler", 400, DEAD, word="nothing is to be done"),
    Row("ERROR_ARGUMENT", 400, DEAD, word=FAULT),
    Row("ERROR_WRONG_HANDLER_URL", 400, DEAD, word="reachable from outside"),
    Row("ERROR_UNSUPPORTED_PROTOCOL", 400, DEAD, word="begin with https://"),
    # the authorisation server (Bitrix24 docs, "OAuth 2.0"); its invalid_request and insufficient_scope stand above
    Row("expired_token", 401, WAIT, PORTAL, 30, "badge-bridge authorize main"),
    Row("invalid_client", 400, WAIT, PORTAL, 30, "client_secret"),
    Row("invalid_grant", 400, WAIT, PORTAL, 30, "badge-bridge authorize main"),
    Row("invalid_scope", 400, WAIT, PORTAL, 30, "badge-bridge authorize main"),
    Row("PAYMENT_REQUIRED", 402, WAIT, PORTAL, 30, "commercial plan"),
    # what no table has: an empty code, digits, a sentence
    Row("", 400, DEAD, word="Mend what the portal names"),
    Row("", 401, WAIT, PORTAL, 30, "variable that portals.main names"),
    Row("", 403, WAIT, METHOD, 30, WHERE_RIGHTS_ARE),
    Row("", 429, WAIT, PORTAL, 1, "too many calls"),
    Row("", 503, RETRY, word="not known"),
    Row("4711", 400, DEAD, word="Mend what the portal names"),
    Row("4711", 500, RETRY, word="not known"),
    Row("Could not find the thing, sorry.", 400, DEAD, word="Mend what the portal names"),
]


class Renewable:
    """A keyring that has a second token, and none after it."""

    mark = "0000000a"

    def __init__(self) -> None:
        self.renewed = 0

    async def current(self) -> Credential:
        return AccessToken("https://acme.bitrix24.com", "t0k3n-1")

    async def renew(self, stale: Credential) -> Credential | None:
        self.renewed += 1
        return AccessToken("https://acme.bitrix24.com", "t0k3n-2")


class Scene:
    """A client whose portal says one thing to everything."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.keyring = Renewable()
        self.portal = BatchingPortal(lambda method, params: {"result": True})
        lanes = Lanes("main", store, keyring=self.keyring, clock=lambda: START, random=lambda: 0.5)
        self.client = PortalClient("main", self.keyring, lanes=lanes, transport=self.portal, deadline=0.05)

    async def error(self) -> PortalError:
        with pytest.raises(PortalError) as caught:
            await self.client.call(ADD, {"code": "bb"})
        return caught.value

    async def check(self, error: BaseException, row: Row) -> None:
        assert isinstance(error, PortalError)
        decision = decide(error, failures=0, now=NOW, random=lambda: 0.5)
        assert type(decision) is row.decision
        assert row.word in str(error)
        assert f"portal main: {ADD}" in str(error)
        assert error.code.casefold() == row.code.casefold()
        if row.decision is GiveUp:
            # Nobody will try it again until a person has done something.
            mend = CODES.get(row.code.casefold(), CODES["error_core"]).mend.format(portal="main", scope="crm")
            assert mend
            assert str(error).endswith(mend)
        paused = [(pause.lane, pause.until - START) for pause in await self.store.paused([PORTAL, METHOD])]
        assert paused == ([(row.lane, row.seconds)] if row.lane else [])
        if row.lane:
            assert isinstance(error, PortalPaused)
            assert error.lane == row.lane


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    store = MemoryStore()
    await store.open()
    scene = Scene(store)
    yield scene
    await scene.client.aclose()
    await store.close()


def name(row: Row) -> str:
    return f"{row.code or 'empty'}-{row.status}"


def content(row: Row) -> dict[str, Any]:
    return {"error": row.code, "error_description": "So it is."}


def test_every_code_that_is_known_has_a_row() -> None:
    """A code that is added shows here what becomes of calls that meet it."""
    assert set(CODES) <= {row.code.casefold() for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=name)
async def test_a_code_decides_what_becomes_of_a_call_when_it_is_sent_alone(scene: Scene, row: Row) -> None:
    """Retry, wait for the portal or the method, or dead; an expired token alone is renewed and tried again."""
    scene.portal.instead = [httpx.Response(row.status, json=content(row)) for _ in range(2)]
    await scene.check(await scene.error(), row)
    assert len(scene.portal.received) == (2 if row.code == "expired_token" else 1)
    assert scene.keyring.renewed == (1 if row.code == "expired_token" else 0)


SAID_OF_THE_BATCH = {"error_batch_method_not_allowed", "error_batch_length_exceeded"}
"""These do not end a call: it is sent in another way (test_portal_together.py)."""


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.code.casefold() in set(CODES) - SAID_OF_THE_BATCH], ids=name
)
async def test_a_code_means_the_same_when_it_is_said_of_a_command_in_a_batch(scene: Scene, row: Row) -> None:
    """Although the answer is HTTP 200, and the other command succeeds."""
    # The portal is known to take both in a batch, so that a refusal there is one of the call.
    await asyncio.gather(scene.client.call(ADD, {"code": "known"}), scene.client.call("profile"))

    def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        return content(row) if method == ADD else {"result": 1}

    scene.portal.answer = answer
    calls = [scene.client.call(ADD, {"code": "bb"}), scene.client.call("profile")]
    failed, succeeded = await asyncio.gather(*calls, return_exceptions=True)
    assert succeeded == 1
    assert isinstance(failed, PortalError)
    await scene.check(failed, row)
    assert len(scene.portal.received) == 2


class Lost(NamedTuple):
    """Trouble without a REST answer: what comes instead, what the event does, which lane rests, and what is said."""

    trouble: httpx.Response | Exception
    decision: type[RetryAt | Wait | GiveUp]
    lane: str
    code: str


LOST = {
    "html": Lost(httpx.Response(200, text="<html>Sign in</html>"), RETRY, "", "no REST answer"),
    "bad gateway": Lost(httpx.Response(502, text="<html>"), RETRY, "", "HTTP 502"),
    "maintenance": Lost(httpx.Response(404, json={"message": "Down"}), RETRY, "", "HTTP 404"),
    "broken before or after the commit": Lost(httpx.ReadError("reset"), RETRY, "", "broken connection"),
    "half an answer": Lost(httpx.RemoteProtocolError("incomplete"), RETRY, "", "broken connection"),
    "timeout": Lost(httpx.ReadTimeout("slow"), RETRY, "", "timeout"),
    "no connection": Lost(httpx.ConnectError("refused"), WAIT, PORTAL, "no connection"),
    "redirect": Lost(httpx.Response(302, headers={"location": "/login/"}), WAIT, PORTAL, "redirected"),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
async def test_what_was_sent_and_lost_is_tried_again_and_what_was_not_sent_waits(scene: Scene, lost: Lost) -> None:
    """Without an answer of REST nobody knows whether the call was carried out, unless there was no connection."""
    scene.portal.instead = [lost.trouble]
    asked: list[Exchange] = []
    with pytest.raises(PortalError) as caught:
        await scene.client.call(ADD, asked=asked)
    await scene.check(caught.value, Row(lost.code, 0, lost.decision, lost.lane, 30 if lost.code == "redirected" else 5))
    assert [exchange.answer for exchange in asked] == [lost.code]
    assert len(scene.portal.received) == 1


async def test_a_call_is_tried_again_when_the_portal_lets_its_time_pass(scene: Scene) -> None:
    """The deadline of a request ends the wait, and the outcome is unknown."""
    scene.portal.gate = asyncio.Event()
    error = await scene.error()
    await scene.check(error, Row("timeout", 0, RETRY))
    assert "did not answer in time" in str(error)
