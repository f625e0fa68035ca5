"""A call on the wire: what is sent, what can go wrong, what is recorded."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

import httpx
import pytest

from badge_bridge import __version__
from badge_bridge.errors import (
    AccessRefused,
    NotFound,
    OutcomeUnknown,
    PortalPaused,
    PortalUnreachable,
)
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import AccessToken, Credential, InboundWebhook, Portal, open_portal
from badge_bridge.portal.wire import ANSWER_LIMIT, CONNECTIONS, Wire
from badge_bridge.store.memory import MemoryStore

WEBHOOK = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")
Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def portal(store: MemoryStore) -> Callable[..., Portal]:
    """Open a portal whose answers a function makes."""

    def opened(
        handler: Handler | httpx.AsyncBaseTransport, credential: Credential = WEBHOOK, *, largest_batch: int = 50
    ) -> Portal:
        transport = handler if isinstance(handler, httpx.AsyncBaseTransport) else httpx.MockTransport(handler)
        return open_portal(
            "main",
            credential,
            pauses=store,
            clock=lambda: 1_000_000.0,
            random=lambda: 0.5,
            transport=transport,
            largest_batch=largest_batch,
        )

    return opened


def ok(result: object) -> httpx.Response:
    return httpx.Response(200, json={"result": result, "time": {"start": 1.5}})


async def test_a_call_is_a_json_post_when_it_is_sent(portal: Callable[..., Portal]) -> None:
    """Method, address, headers and body are what the portal documents; the result comes back."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return ok({"badge": {}})

    result = await portal(answer).client.call("crm.activity.badge.get", {"code": "bb", "title": {"de": "Ü"}})
    assert result == {"badge": {}}
    (request,) = sent
    assert request.method == "POST"
    assert str(request.url) == "https://acme.bitrix24.com/rest/7/s3cr3tw0rd/crm.activity.badge.get"
    assert json.loads(request.content) == {"code": "bb", "title": {"de": "Ü"}}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"] == f"badge-bridge/{__version__}"
    assert request.extensions["timeout"] == {"connect": 5, "read": 30, "write": 10, "pool": 5}


async def test_an_access_token_is_in_the_body_and_nowhere_else_when_a_call_is_sent(
    portal: Callable[..., Portal],
) -> None:
    """The token appears neither in the address nor in a header."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return ok(True)

    await portal(answer, AccessToken("https://acme.bitrix24.com", "t0k3n")).client.call("profile")
    (request,) = sent
    assert json.loads(request.content) == {"auth": "t0k3n"}
    assert "t0k3n" not in str(request.url) + str(request.headers.raw)


async def test_each_exchange_is_recorded_when_calls_succeed_and_fail(store: MemoryStore) -> None:
    """`asked` gets method, answer and milliseconds of every call that was sent, in order."""
    answers: Iterator[httpx.Response | Exception] = iter(
        [
            ok(True),
            httpx.Response(400, json={"error": "NOT_FOUND", "error_description": "Not found."}),
            httpx.Response(400, json={"error": "", "error_description": "Sorry."}),
            httpx.Response(502, text="<html>"),
            httpx.ReadTimeout("slow"),
            httpx.ConnectError("no route"),
        ]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    ticks = iter(range(100))
    portal = open_portal(
        "main",
        WEBHOOK,
        pauses=store,
        clock=lambda: 0.0,
        transport=httpx.MockTransport(answer),
        timer=lambda: next(ticks) / 8,
    )
    asked: list[Exchange] = []
    await portal.client.call("profile", asked=asked)
    for _ in range(5):
        with pytest.raises(Exception, match="portal main: profile"):
            await portal.client.call("profile", asked=asked)
    assert [exchange.answer for exchange in asked] == [
        "ok",
        "NOT_FOUND",
        "HTTP 400",
        "HTTP 502",
        "timeout",
        "no connection",
    ]
    assert {(exchange.method, exchange.milliseconds) for exchange in asked} == {("profile", 125.0)}


@pytest.mark.parametrize(
    ("trouble", "kind", "code"),
    [
        (httpx.ConnectError("All connection attempts failed"), PortalUnreachable, "no connection"),
        (httpx.ConnectTimeout(""), PortalUnreachable, "no connection"),
        (httpx.PoolTimeout(""), PortalUnreachable, "no connection"),
        (httpx.ReadTimeout(""), OutcomeUnknown, "timeout"),
        (httpx.WriteTimeout(""), OutcomeUnknown, "timeout"),
        (httpx.ReadError(""), OutcomeUnknown, "broken connection"),
        (httpx.WriteError(""), OutcomeUnknown, "broken connection"),
        (
            httpx.RemoteProtocolError("Server disconnected without sending a response."),
            OutcomeUnknown,
            "broken connection",
        ),
        (httpx.DecodingError("not gzip"), OutcomeUnknown, "broken connection"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_a_failure_tells_whether_the_call_was_sent_when_there_is_no_answer(
    trouble: Exception, kind: type[Exception], code: str
) -> None:
    """Without a connection nothing was sent; once sent, nobody knows. The cause is kept, the address is not shown."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise trouble

    wire = Wire("main", transport=httpx.MockTransport(answer))
    with pytest.raises(kind) as caught:
        await wire.post(WEBHOOK, "profile", {})
    assert type(caught.value) is kind
    assert caught.value.__cause__ is trouble
    assert getattr(caught.value, "code", None) == code
    assert "s3cr3tw0rd" not in str(caught.value)
    await wire.aclose()


async def test_a_portal_is_unreachable_when_nobody_listens_on_its_port(store: MemoryStore) -> None:
    """A refused connection over the real network stack was surely not sent, and pauses the portal."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{reserved.getsockname()[1]}/rest/1/s3cr3tw0rd/"
        portal = open_portal("main", InboundWebhook(address), pauses=store, clock=lambda: 100.0, random=lambda: 0.5)
        with pytest.raises(PortalPaused) as caught:
            await portal.client.call("profile")
        await portal.aclose()
    assert isinstance(caught.value.__cause__, PortalUnreachable)
    assert (caught.value.lane, caught.value.until) == ("main", 105.0)
    assert "s3cr3tw0rd" not in str(caught.value)


async def test_an_answer_is_given_up_when_it_is_too_large(portal: Callable[..., Portal]) -> None:
    """Reading stops at the limit; what was sent may have been carried out."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65536

    with pytest.raises(OutcomeUnknown, match="larger than 4 MiB"):
        await portal(lambda request: httpx.Response(200, content=endless())).client.call("profile")
    assert read <= ANSWER_LIMIT / 65536 + 1


async def test_an_answer_is_read_when_it_is_as_large_as_allowed(portal: Callable[..., Portal]) -> None:
    """The limit itself is still fine."""
    content = json.dumps({"result": ""}).encode()
    padded = content[:-2] + b"x" * (ANSWER_LIMIT - len(content)) + content[-2:]
    result = await portal(lambda request: httpx.Response(200, content=padded)).client.call("profile")
    assert len(result) == ANSWER_LIMIT - len(content)


async def test_a_call_ends_when_the_answer_trickles_past_the_deadline() -> None:
    """Every single read may be quick; all together must not take for ever."""

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    wire = Wire("main", transport=httpx.MockTransport(answer), deadline=0.001)
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        await wire.post(WEBHOOK, "profile", {})
    await wire.aclose()


async def test_nothing_is_sent_to_a_new_host_when_nobody_vouches_for_it(portal: Callable[..., Portal]) -> None:
    """A redirect to anywhere is not followed: the credential stays with the host that the rules file names."""
    asked_hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked_hosts.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://renamed.example.com/rest/7/s3cr3tw0rd/profile"})

    with pytest.raises(PortalPaused, match=r"renamed\.example\.com") as caught:
        await portal(answer).client.call("profile")
    assert asked_hosts == ["acme.bitrix24.com"]
    assert isinstance(caught.value.__cause__, AccessRefused)
    assert "s3cr3tw0rd" not in str(caught.value)


async def test_an_error_counts_when_it_rides_on_200(portal: Callable[..., Portal]) -> None:
    """HTTP 200 with an error in it is an error."""
    with pytest.raises(NotFound):
        await portal(lambda request: httpx.Response(200, json={"error": "NOT_FOUND"})).client.call("profile")


async def test_cookies_are_not_sent_back_when_the_portal_sets_some(portal: Callable[..., Portal]) -> None:
    """A PHP session must not tie our calls together."""
    cookies: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("cookie"))
        return httpx.Response(200, json={"result": 1}, headers={"set-cookie": "PHPSESSID=abc; path=/"})

    client = portal(answer).client
    await client.call("profile")
    await client.call("profile")
    assert cookies == [None, None]


async def test_no_log_line_holds_a_secret_when_everything_is_logged(
    portal: Callable[..., Portal], caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP library logs addresses; a webhook's address is its password."""
    caplog.set_level(logging.DEBUG)
    answers = iter([ok(1), httpx.Response(401, json={"error": "NO_AUTH_FOUND", "error_description": "s3cr3tw0rd"})])
    client = portal(lambda request: next(answers)).client
    await client.call("profile")
    with pytest.raises(PortalPaused):
        await client.call("profile")
    assert "NO_AUTH_FOUND" in caplog.text
    assert "s3cr3tw0rd" not in caplog.text


async def test_calls_wait_for_their_turn_when_many_come_together(portal: Callable[..., Portal]) -> None:
    """No more requests are under way at a time than there are connections."""
    running = most = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(50):
            await asyncio.sleep(0)
        running -= 1
        return ok(1)

    client = portal(answer, largest_batch=1).client
    await asyncio.gather(*(client.call("profile") for _ in range(50)))
    assert most == CONNECTIONS


async def test_an_exchange_is_recorded_when_its_call_is_cancelled(portal: Callable[..., Portal]) -> None:
    """What was asked is known even if nobody waited for the answer."""
    sent = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        sent.set()
        await asyncio.Event().wait()
        raise AssertionError

    asked: list[Exchange] = []
    call = asyncio.create_task(portal(answer).client.call("profile", asked=asked))
    await sent.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [exchange.answer for exchange in asked] == ["cancelled"]


def test_a_portal_works_in_a_later_event_loop_when_it_was_opened_before_any() -> None:
    """A module may be loaded, and its process forked, before the loop runs that makes the calls."""
    store = MemoryStore()
    portal = open_portal("main", WEBHOOK, pauses=store, transport=httpx.MockTransport(lambda request: ok("hello")))

    async def use() -> object:
        await store.open()
        try:
            return await portal.client.call("profile")
        finally:
            await portal.aclose()

    assert asyncio.run(use()) == "hello"


async def test_closing_closes_the_transport_when_calls_were_made() -> None:
    """No connection is left open."""

    class Closing(httpx.AsyncBaseTransport):
        closed = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return ok(1)

        async def aclose(self) -> None:
            self.closed += 1

    transport = Closing()
    wire = Wire("main", transport=transport)
    await wire.aclose()
    assert transport.closed == 0
    await wire.post(WEBHOOK, "profile", {})
    await wire.aclose()
    await wire.aclose()
    assert transport.closed == 1
