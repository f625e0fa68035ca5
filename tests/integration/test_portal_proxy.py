"""Which variables of the environment calls to a portal go by: a proxy, and the hosts that do without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from badge_bridge.errors import PortalError
from badge_bridge.portal import AccessToken
from badge_bridge.portal.wire import Wire

PORTAL = "https://127.0.0.1:9"
"""Nobody listens there, and nobody is asked for it by a proxy that hangs up."""


@asynccontextmanager
async def proxy(asked: list[bytes]) -> AsyncIterator[str]:
    """A proxy that notes what it is asked for and hangs up; its URL."""

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(("without", "line"), [("", [b"CONNECT 127.0.0.1:9 HTTP/1.1\r\n"]), ("127.0.0.1", [])])
async def test_calls_take_the_proxy_that_is_set_unless_the_host_does_without(
    monkeypatch: pytest.MonkeyPatch, without: str, line: list[bytes]
) -> None:
    """HTTPS_PROXY and NO_PROXY, as the table of settings says."""
    for name in ("https_proxy", "no_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked: list[bytes] = []
    async with proxy(asked) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("NO_PROXY", without)
        wire = Wire("main")
        with pytest.raises(PortalError):
            await wire.post(AccessToken(PORTAL, "t0k3n-t0k3n"), "profile", {})
        await wire.aclose()
    assert asked == line
