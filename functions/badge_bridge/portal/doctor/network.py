"""The way to a portal, step by step, as the calls of the bridge take it in one."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from badge_bridge import __version__
from badge_bridge.http import (
    AsyncBaseTransport,
    AsyncClient,
    HTTPError,
    Timeout,
    create_ssl_context,
    keep_addresses_out_of_logs,
)
from badge_bridge.portal.wire import ANSWER_LIMIT

__all__ = ["Counted", "Heard", "Network", "RealNetwork", "Unheard"]

PATIENCE = 10.0
"""Seconds for each step."""


class Unheard(Exception):
    """No answer, or not a whole one; the message says why and names no address."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An HTTP answer. `date` is unix seconds, None without a readable `Date`; `location` is empty without one."""

    status: int
    body: bytes
    content_type: str = ""
    location: str = ""
    date: float | None = None


class Network(Protocol):
    """What a doctor asks of the network."""

    def proxy(self, url: str) -> str:
        """The host of the proxy that calls to this URL take; empty where they go straight."""

    async def connect(self, host: str, port: int) -> None:
        """Find the host and open a connection.

        Raises:
            OSError: `socket.gaierror` where the name is not known, `TimeoutError` after `PATIENCE`.
        """

    async def certificate(self, host: str, port: int) -> float:
        """When the host's certificate, which is checked as calls check it, expires: unix seconds.

        Raises:
            ssl.SSLError: it is not trusted, or the host does not speak TLS.
            OSError: the connection ended before.
        """

    async def post(self, url: str, body: Mapping[str, Any]) -> Heard:
        """POST JSON and read the answer, whatever its status.

        Raises:
            Unheard: there was none.
        """


class RealNetwork:
    """The real one. `transport` replaces HTTP, `context` the authorities that are trusted."""

    def __init__(self, *, transport: AsyncBaseTransport | None = None, context: ssl.SSLContext | None = None) -> None:
        self._transport = transport
        self._context = context

    def proxy(self, url: str) -> str:
        parts = urlsplit(url)
        proxies = getproxies()
        address = proxies.get(parts.scheme) or proxies.get("all") or ""
        if not address or proxy_bypass(parts.hostname or ""):
            return ""
        # Without its user and password, if it has any.
        return urlsplit(address).netloc.rpartition("@")[2] or address.rpartition("@")[2]

    async def connect(self, host: str, port: int) -> None:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()

    async def certificate(self, host: str, port: int) -> float:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=self._trusted(), server_hostname=host)
        try:
            shown = writer.get_extra_info("peercert") or {}
            return float(ssl.cert_time_to_seconds(shown["notAfter"]))
        finally:
            writer.transport.abort()

    async def post(self, url: str, body: Mapping[str, Any]) -> Heard:
        keep_addresses_out_of_logs()
        headers = {"Accept": "application/json", "User-Agent": f"badge-bridge/{__version__} (doctor)"}
        try:
            async with (
                asyncio.timeout(3 * PATIENCE),
                AsyncClient(
                    transport=self._transport,
                    verify=self._trusted(),
                    timeout=Timeout(PATIENCE),
                    headers=headers,
                    follow_redirects=False,
                ) as client,
                client.stream("POST", url, json=dict(body)) as response,
            ):
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > ANSWER_LIMIT:
                        raise Unheard("the answer does not end")
        except TimeoutError:
            raise Unheard("no answer in time") from None
        except HTTPError as error:
            raise Unheard(f"the connection failed ({type(error).__name__})") from None
        return Heard(
            status=response.status_code,
            body=bytes(content),
            content_type=response.headers.get("content-type", ""),
            location=response.headers.get("location", ""),
            date=_moment(response.headers.get("date", "")),
        )

    def _trusted(self) -> ssl.SSLContext:
        """As for calls: the authorities of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else those that come with the client."""
        if self._context is None:
            self._context = create_ssl_context()
        return self._context


@dataclass(frozen=True, slots=True)
class Counted:
    """A network whose requests count among those of the bridge: `admitted` returns once one has been counted."""

    inner: Network
    admitted: Callable[[], Awaitable[None]]

    def proxy(self, url: str) -> str:
        return self.inner.proxy(url)

    async def connect(self, host: str, port: int) -> None:
        await self.inner.connect(host, port)

    async def certificate(self, host: str, port: int) -> float:
        return await self.inner.certificate(host, port)

    async def post(self, url: str, body: Mapping[str, Any]) -> Heard:
        await self.admitted()
        return await self.inner.post(url, body)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body; None for anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _moment(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def clock_text(unix: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(unix))
