"""The doctor's steps on real sockets: names, connections, certificates, HTTP."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from badge_bridge.portal.doctor import RealNetwork
from badge_bridge.portal.doctor.network import Unheard
from badge_bridge.portal.wire import ANSWER_LIMIT
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.serving import SandboxServer
from badge_bridge.sandbox.tls import Tls, throwaway_tls

DAY = 86400


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return throwaway_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def trusting(tls: Tls) -> RealNetwork:
    return RealNetwork(context=ssl.create_default_context(cafile=str(tls.ca)))


@asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> RealNetwork:
    return RealNetwork(transport=httpx.MockTransport(answer))


async def test_a_port_that_listens_can_be_connected_to_and_another_cannot() -> None:
    """What the operating system says is passed on."""
    async with SandboxServer(SandboxPortal()) as server:
        await RealNetwork().connect("127.0.0.1", server.port)
    async with closed_port() as port:
        with pytest.raises(ConnectionRefusedError):
            await RealNetwork().connect("127.0.0.1", port)


async def test_a_certificate_of_a_trusted_authority_tells_its_end(tls: Tls) -> None:
    """The time at which it expires, in unix seconds."""
    async with SandboxServer(SandboxPortal(), tls=tls) as server:
        expires = await trusting(tls).certificate("127.0.0.1", server.port)
    assert expires > time.time() + DAY


async def test_a_certificate_of_another_authority_is_refused(tls: Tls) -> None:
    """With the code of OpenSSL that the doctor has words for."""
    async with SandboxServer(SandboxPortal(), tls=tls) as server:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await RealNetwork(context=ssl.create_default_context()).certificate("127.0.0.1", server.port)
    assert caught.value.verify_code in {18, 19, 20}


async def test_a_certificate_for_another_name_is_refused(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that is asked for has to be in it."""
    elsewhere = asyncio.open_connection

    async def to_loopback(host: str, port: int, **how: object) -> object:
        assert host == "acme.bitrix24.com"
        return await elsewhere("127.0.0.1", port, **how)  # type: ignore[arg-type]

    async with SandboxServer(SandboxPortal(), tls=tls) as server:
        monkeypatch.setattr(asyncio, "open_connection", to_loopback)
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await trusting(tls).certificate("acme.bitrix24.com", server.port)
    assert caught.value.verify_code == 62


async def test_a_plain_http_port_speaks_no_tls() -> None:
    """It is an error of TLS, not an endless wait."""
    async with SandboxServer(SandboxPortal()) as server:
        with pytest.raises(ssl.SSLError):
            await RealNetwork(context=ssl.create_default_context()).certificate("127.0.0.1", server.port)


async def test_authorities_of_the_environment_are_trusted(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE, which the doctor tells people to set, works for the doctor as it does for calls."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca))
    async with SandboxServer(SandboxPortal(), tls=tls) as server:
        assert await RealNetwork().certificate("127.0.0.1", server.port) > time.time()
        heard = await RealNetwork().post(f"{server.url}/rest/profile", {})
    assert heard.status == 401


async def test_an_answer_is_read_whatever_its_status() -> None:
    """Status, body, type, and the time that the server says it is."""
    async with SandboxServer(SandboxPortal()) as server:
        heard = await RealNetwork().post(f"{server.url}/rest/profile", {})
    assert heard.status == 401
    assert b"NO_AUTH_FOUND" in heard.body
    assert heard.content_type.startswith("application/json")
    assert heard.date is not None
    assert abs(heard.date - time.time()) < 60


async def test_a_redirect_is_told_and_not_followed() -> None:
    """Whither is for a person to judge."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://new.example.com/", "Date": "not a date"})

    heard = await answering(answer).post("https://acme.bitrix24.com/rest/profile", {})
    assert (heard.status, heard.location, heard.date) == (302, "https://new.example.com/", None)
    assert asked == ["https://acme.bitrix24.com/rest/profile"]


async def test_no_answer_names_no_address() -> None:
    """The URL of a webhook is its password."""
    async with closed_port() as port:
        with pytest.raises(Unheard) as caught:
            await RealNetwork().post(f"http://127.0.0.1:{port}/rest/1/abcdefabcdefabcd/profile", {})
    assert str(caught.value) == "the connection failed (ConnectError)"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_an_answer_without_end_is_given_up() -> None:
    """As much is read as of any other answer of the portal."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    with pytest.raises(Unheard, match="does not end"):
        await answering(lambda _: httpx.Response(200, content=body())).post("https://acme.bitrix24.com/", {})
    whole = await answering(lambda _: httpx.Response(200, content=bytes(ANSWER_LIMIT))).post("https://a.example/", {})
    assert len(whole.body) == ANSWER_LIMIT


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy.example.com:3128"}, "https://acme.bitrix24.com", "proxy.example.com:3128"),
        ({"HTTPS_PROXY": "http://user:secret@proxy.example.com:3128"}, "https://a.example", "proxy.example.com:3128"),
        ({"ALL_PROXY": "socks5://127.0.0.1:1080"}, "https://acme.bitrix24.com", "127.0.0.1:1080"),
        ({"HTTPS_PROXY": "proxy.example.com:3128", "NO_PROXY": "bitrix24.com"}, "https://acme.bitrix24.com", ""),
        ({"HTTP_PROXY": "http://proxy.example.com:3128"}, "https://acme.bitrix24.com", ""),
        ({}, "https://acme.bitrix24.com", ""),
    ],
)
def test_a_proxy_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], url: str, proxy: str
) -> None:
    """The environment decides, as it does for calls."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert RealNetwork().proxy(url) == proxy
