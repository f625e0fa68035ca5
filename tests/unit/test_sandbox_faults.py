"""Faults of the sandbox: what each does to a request, when it strikes, and how it is ordered."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.errors import ERRORS
from badge_bridge.sandbox.faults import KINDS
from badge_bridge.sandbox.journal import Entry
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
MISSED: dict[str, Any] = {"code": "missedCall", "title": "Call status", "value": "Missed", "type": "failure"}


class Waiting:
    """Stands in for sleeping: notes how long was asked for, and what was known when it began."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.look: Callable[[], Any] = lambda: None
        self.seen: list[Any] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.seen.append(self.look())
        await asyncio.sleep(0)


@pytest.fixture
def portal() -> SandboxPortal:
    return SandboxPortal()


@pytest.fixture
def waiting(portal: SandboxPortal) -> Waiting:
    waiting = Waiting()
    waiting.look = lambda: [badge.code for badge in portal.seed.badges]
    return waiting


@pytest.fixture
async def client(portal: SandboxPortal, waiting: Waiting) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(portal, sleep=waiting))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as made:
        yield made


async def order(client: httpx.AsyncClient, fault: str, **more: Any) -> None:
    (await client.post("/_sandbox/faults", json={"fault": fault, **more})).raise_for_status()


async def ask(client: httpx.AsyncClient, method: str = ADD, **params: Any) -> httpx.Response:
    return await client.post(f"/rest/{method}", json={**(params or MISSED), "auth": ADMINISTRATOR_TOKEN})


def codes(portal: SandboxPortal) -> list[str]:
    return [badge.code for badge in portal.seed.badges]


@pytest.mark.parametrize("code", sorted(ERRORS))
async def test_error_code_is_answered_instead_of_the_method(
    client: httpx.AsyncClient, portal: SandboxPortal, code: str
) -> None:
    """Each known code comes with its status and description, and nothing is carried out."""
    await order(client, code)
    answer = await ask(client)
    assert answer.status_code == ERRORS[code].status
    assert answer.json() == {"error": code, "error_description": ERRORS[code].description}
    assert codes(portal) == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("QUERY_LIMIT_EXCEEDED", 503),
        ("OVERLOAD_LIMIT", 503),
        ("OPERATION_TIME_LIMIT", 429),
        ("INTERNAL_SERVER_ERROR", 500),
        ("ERROR_UNEXPECTED_ANSWER", 500),
        ("ERROR_BATCH_METHOD_NOT_ALLOWED", 405),
        ("ERROR_BATCH_LENGTH_EXCEEDED", 400),
        ("NO_AUTH_FOUND", 401),
        ("INVALID_REQUEST", 400),
        ("INVALID_CREDENTIALS", 403),
        ("insufficient_scope", 403),
        ("expired_token", 401),
        ("user_access_error", 403),
        ("ERROR_MANIFEST_IS_NOT_AVAILABLE", 404),
        ("PORTAL_DELETED", 500),
        ("ERROR_METHOD_NOT_FOUND", 404),
        ("METHOD_CONFIRM_WAITING", 401),
        ("METHOD_CONFIRM_DENIED", 403),
    ],
)
def test_system_error_has_its_documented_status(code: str, status: int) -> None:
    """The table agrees with the vendor's."""
    assert ERRORS[code].status == status


async def test_system_errors_follow_the_variant_when_they_are_faults(client: httpx.AsyncClient) -> None:
    """In the later edition of the vendor's table most are 401 and a deleted portal is 403."""
    await client.post("/_sandbox/seed", json={"variants": {"system_errors": "all-401"}})
    for fault in ("OVERLOAD_LIMIT", "PORTAL_DELETED", "QUERY_LIMIT_EXCEEDED"):
        await order(client, fault)
    assert [(await ask(client)).status_code for _ in range(3)] == [401, 403, 503]


async def test_access_denied_means_the_plan_when_ordered_with_403(client: httpx.AsyncClient) -> None:
    """An order may change the status of an error code."""
    await order(client, "ACCESS_DENIED", status=403)
    answer = await ask(client)
    assert (answer.status_code, answer.json()["error"]) == (403, "ACCESS_DENIED")


async def test_held_answer_comes_late_when_the_fault_is_timeout_after_commit(
    client: httpx.AsyncClient, portal: SandboxPortal, waiting: Waiting
) -> None:
    """The badge is there while the answer is held, for longer than the portal's own limit of 60 s."""
    await order(client, "timeout-after-commit")
    answer = await ask(client)
    assert waiting.seen == [["missedCall"]]
    assert waiting.asked[0] > 60
    assert answer.json()["result"] == {"badge": MISSED}


async def test_nothing_is_carried_out_when_the_fault_is_timeout_before(
    client: httpx.AsyncClient, portal: SandboxPortal, waiting: Waiting
) -> None:
    """After the wait a gateway's page answers, and the badge was never added."""
    await order(client, "timeout-before", seconds=7)
    answer = await ask(client)
    assert waiting.asked == [7]
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")
    assert codes(portal) == []


async def test_answer_is_late_but_right_when_the_fault_is_slow(client: httpx.AsyncClient, waiting: Waiting) -> None:
    """The method runs after the wait."""
    await order(client, "slow", seconds=1.5)
    assert (await ask(client)).json()["result"] == {"badge": MISSED}
    assert (waiting.asked, waiting.seen) == ([1.5], [[]])


@pytest.mark.parametrize(("fault", "carried_out"), [("drop-before", []), ("drop-after-commit", ["missedCall"])])
async def test_drop_is_an_exception_when_the_server_cannot_break_connections(
    client: httpx.AsyncClient, portal: SandboxPortal, fault: str, carried_out: list[str]
) -> None:
    """In process there is no connection to break; whether the method ran is as named."""
    await order(client, fault)
    with pytest.raises(ConnectionAbortedError):
        await ask(client)
    assert codes(portal) == carried_out


async def landed(portal: SandboxPortal) -> Entry:
    """The first entry of the log once its call was carried out, after its request has ended."""
    entry = next(portal.journal.since())
    while not entry.carried_out:  # noqa: ASYNC110 - nothing tells when late work is done
        await asyncio.sleep(0)
    return entry


async def test_method_runs_after_the_client_has_left_when_the_fault_is_commit_late(
    client: httpx.AsyncClient, portal: SandboxPortal, waiting: Waiting
) -> None:
    """The connection breaks at once; the badge is there 40 seconds later, as the log tells then."""
    await order(client, "commit-late")
    with pytest.raises(ConnectionAbortedError):
        await ask(client)
    assert codes(portal) == []
    entry = await landed(portal)
    assert (codes(portal), waiting.asked, entry.status) == (["missedCall"], [40], None)


async def test_method_runs_after_the_gateway_has_answered_when_the_fault_is_http_504(
    client: httpx.AsyncClient, portal: SandboxPortal, waiting: Waiting
) -> None:
    """An HTML page with 504 after a while; the badge is there after as long again."""
    await order(client, "http-504", seconds=15)
    answer = await ask(client)
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")
    entry = await landed(portal)
    assert (waiting.asked, waiting.seen) == ([15, 15], [[], []])
    assert (codes(portal), entry.status) == (["missedCall"], 504)


class Gate:
    """Stands in for sleeping: nobody wakes before it is opened."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.opened = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.opened.wait()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def slow_client(portal: SandboxPortal, gate: Gate) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(portal, sleep=gate))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as made:
        yield made


async def test_late_work_is_done_when_the_token_has_expired_meanwhile(
    slow_client: httpx.AsyncClient, portal: SandboxPortal, gate: Gate
) -> None:
    """The portal has let the call in before; a later call with the token is refused."""
    token = portal.records.tokens[ADMINISTRATOR_TOKEN]
    portal.records.tokens["short"] = token.model_copy(update={"access_token": "short", "expires_at": 2e10})
    await order(slow_client, "commit-late")
    await order(slow_client, "expired_token")
    body = {**MISSED, "auth": "short"}
    with pytest.raises(ConnectionAbortedError):
        await slow_client.post(f"/rest/{ADD}", json=body)
    refused = [(await slow_client.post("/rest/profile", json=body)).json()["error"] for _ in range(2)]
    assert (refused, codes(portal)) == (["expired_token"] * 2, [])
    gate.opened.set()
    await landed(portal)
    assert codes(portal) == ["missedCall"]


async def test_late_work_is_forgotten_when_the_portal_goes_back_to_the_start(
    slow_client: httpx.AsyncClient, portal: SandboxPortal, gate: Gate
) -> None:
    """Nothing that was asked before the reset is done after it."""
    await order(slow_client, "commit-late")
    with pytest.raises(ConnectionAbortedError):
        await ask(slow_client)
    await asyncio.sleep(0)
    await slow_client.post("/_sandbox/reset")
    gate.opened.set()
    await asyncio.sleep(0)
    assert (gate.asked, codes(portal)) == ([40], [])


async def test_page_comes_instead_of_json_when_the_fault_is_html(client: httpx.AsyncClient) -> None:
    """With 200, or with the status that was ordered."""
    await order(client, "html")
    await order(client, "html", status=502)
    first, second = await ask(client), await ask(client)
    assert [answer.status_code for answer in (first, second)] == [200, 502]
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    with pytest.raises(json.JSONDecodeError):
        first.json()


async def test_error_rides_on_200_when_the_fault_says_so(client: httpx.AsyncClient) -> None:
    """An error object with HTTP 200, of any code."""
    await order(client, "error-on-200")
    await order(client, "error-on-200", code="QUERY_LIMIT_EXCEEDED")
    first, second = await ask(client), await ask(client)
    assert [answer.status_code for answer in (first, second)] == [200, 200]
    assert [answer.json()["error"] for answer in (first, second)] == ["INTERNAL_SERVER_ERROR", "QUERY_LIMIT_EXCEEDED"]


async def test_error_code_is_empty_when_the_fault_is_empty_error(client: httpx.AsyncClient) -> None:
    """Some methods of the real portal say why only in the description."""
    await order(client, "empty-error")
    answer = await ask(client)
    assert (answer.status_code, answer.json()) == (400, {"error": "", "error_description": "Access denied."})


async def test_body_is_empty_when_the_fault_is_http_500(client: httpx.AsyncClient) -> None:
    """A bare 500 tells nothing."""
    await order(client, "http-500")
    answer = await ask(client)
    assert (answer.status_code, answer.content) == (500, b"")


async def test_another_actor_wins_when_the_fault_is_race_add(client: httpx.AsyncClient, portal: SandboxPortal) -> None:
    """Get says NOT_FOUND, add is refused, and afterwards the badge is there."""
    await order(client, "race-add")
    assert (await ask(client, GET, code="missedCall")).json()["error"] == "NOT_FOUND"
    assert (await ask(client)).json()["error"] == "BX_INVALID_VALUE"
    assert (await ask(client, GET, code="missedCall")).json()["result"] == {"badge": MISSED}
    assert portal.faults.struck == {"race-add": 1}


async def test_race_changes_nothing_when_the_add_is_wrong_itself(
    client: httpx.AsyncClient, portal: SandboxPortal
) -> None:
    """The other actor adds the same badge, so he cannot add an impossible one either."""
    await order(client, "race-add")
    assert (await ask(client, ADD, code="missedCall")).json()["error"] == "REQUIRED_ARG_MISSING"
    assert codes(portal) == []


async def test_fault_strikes_its_method_after_some_and_so_often(client: httpx.AsyncClient) -> None:
    """`method` in any case of letters, `after` and `times` choose the requests; the rest go through."""
    await order(client, "http-500", method=GET.upper(), after=1, times=2)
    asked = [await ask(client, method, code="x") for method in (GET, "profile", GET, "profile", GET, GET)]
    assert [answer.status_code for answer in asked] == [400, 200, 500, 200, 500, 400]


async def test_faults_strike_one_at_a_time_in_the_order_they_were_given(client: httpx.AsyncClient) -> None:
    """A fault that waits for its turn does not keep a later one from striking."""
    await order(client, "http-500", after=1)
    await order(client, "QUERY_LIMIT_EXCEEDED", times=2)
    statuses = [(await ask(client, "profile", x="1")).status_code for _ in range(4)]
    assert statuses == [503, 500, 503, 200]


async def test_state_counts_the_faults_that_struck(client: httpx.AsyncClient) -> None:
    """What is still to come and what has happened are both visible, and the log names the fault."""
    await order(client, "http-500", times=3)
    await ask(client)
    state = (await client.get("/_sandbox/state")).json()
    assert state["faults"] == {
        "pending": [{"method": "*", "fault": "http-500", "times": 2, "after": 0}],
        "struck": {"http-500": 1},
    }
    entry = (await client.get("/_sandbox/requests")).json()["requests"][0]
    assert (entry["fault"], entry["status"], entry["carried_out"]) == ("http-500", 500, False)


async def test_faults_are_forgotten_when_deleted(client: httpx.AsyncClient) -> None:
    """DELETE takes back what was ordered."""
    await order(client, "http-500", times=1000)
    assert (await client.delete("/_sandbox/faults")).json() == {"pending": [], "struck": {}}
    assert (await ask(client)).status_code == 200


@pytest.mark.parametrize(
    ("body", "listed"),
    [
        (b'{"fault": "no-such-fault"}', "faults"),
        (b'{"fault": "http-500", "times": 0}', "findings"),
        (b'{"fault": "http-500", "speed": 1}', "findings"),
        (b'{"times": 1}', "faults"),
        (b'{"fault": "http-500", "method": "crm.activity.badge.ad"}', "methods"),
        (b'{"fault": "race-add", "method": "profile"}', "error_description"),
        (b'{"fault": "slow", "seconds": -1}', "findings"),
        (b"not json", "error_description"),
        (b"[]", "error_description"),
        (b"", "error_description"),
    ],
)
async def test_order_is_refused_with_advice_when_it_is_wrong(
    client: httpx.AsyncClient, portal: SandboxPortal, body: bytes, listed: str
) -> None:
    """400, with the names there are or what is wrong where; nothing is ordered."""
    answer = await client.post("/_sandbox/faults", content=body)
    assert answer.status_code == 400
    assert answer.json()[listed]
    assert portal.faults.to_json()["pending"] == []


async def test_all_names_are_listed_when_a_fault_is_unknown(client: httpx.AsyncClient) -> None:
    """The list is the table itself."""
    assert (await client.post("/_sandbox/faults", json={"fault": "?"})).json()["faults"] == sorted(KINDS)
