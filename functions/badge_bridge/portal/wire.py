"""The HTTP leg: one POST, one answer, and what can go wrong between them.

The one question that matters about a failure is whether the portal can have carried the call out: it cannot where no
connection was made (`PortalUnreachable`); it may have in every other case (`OutcomeUnknown`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from badge_bridge import __version__
from badge_bridge.errors import OutcomeUnknown, PortalUnreachable
from badge_bridge.http import (
    AsyncBaseTransport,
    AsyncClient,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    Limits,
    PoolTimeout,
    Response,
    Timeout,
    TimeoutException,
    keep_addresses_out_of_logs,
)
from badge_bridge.portal import batch
from badge_bridge.portal.credentials import Credential
from badge_bridge.portal_address import host_of, origin_of

__all__ = ["ANSWER_LIMIT", "CONNECTIONS", "DEADLINE", "Answer", "Wire"]

CONNECTIONS = 8
"""Requests that are under way at a time; a portal takes two to five a second (Bitrix24 docs, "Limits")."""

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes; an answer with 50 large CRM items stays far below."""

DEADLINE = 60.0
"""Seconds for one request in all: Bitrix24 ends it after 60 s itself (Bitrix24 docs, "Limits")."""

_TIMEOUT = Timeout(connect=5, read=30, write=10, pool=5)
_BATCH_TIMEOUT = Timeout(connect=5, read=DEADLINE, write=10, pool=5)
"""Seconds. Fifty commands may take long, and fifty outcomes that nobody knows cost more than the wait."""

_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": f"badge-bridge/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `location` is where a redirect points to, empty without one."""

    status: int
    body: bytes
    location: str = ""


class Wire:
    """Sends requests to one portal. `transport` replaces the network; `deadline` is in seconds."""

    def __init__(self, portal: str, *, transport: AsyncBaseTransport | None = None, deadline: float = DEADLINE) -> None:
        self._portal = portal
        self._transport = transport
        self._deadline = deadline
        self._client: AsyncClient | None = None

    async def post(
        self, credential: Credential, method: str, params: Mapping[str, Any], *, origin: str | None = None
    ) -> Answer:
        """POST one request and read its answer, whatever its status.

        `origin` (`https://<host>`) is where the portal lives now, if not where the credential says.

        Raises:
            PortalUnreachable: no connection; the request was not sent.
            OutcomeUnknown: no answer, half an answer or one that is too large. `code` says which in two words.
        """
        client = self._open()
        content = json.dumps(credential.body(params), allow_nan=False).encode()
        timeout = _BATCH_TIMEOUT if method == batch.METHOD else _TIMEOUT
        address = credential.address(method)
        if origin is not None:
            address = origin + address.removeprefix(origin_of(address))
        try:
            async with (
                asyncio.timeout(self._deadline),
                client.stream("POST", address, content=content, timeout=timeout) as response,
            ):
                body = await self._body(response, method)
                return Answer(response.status_code, body, response.headers.get("location", ""))
        except (ConnectError, ConnectTimeout, PoolTimeout) as error:
            raise self._unreachable(credential, method, host_of(address), error) from error
        except (TimeoutException, TimeoutError) as error:
            raise self._unknown(method, "timeout", "the portal did not answer in time") from error
        except HTTPError as error:
            raise self._unknown(
                method, "broken connection", f"the connection broke ({type(error).__name__})"
            ) from error

    async def aclose(self) -> None:
        """Close the connections. The next call would open new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def _open(self) -> AsyncClient:
        # Made with the first call and not before: this object may be built in a process that forks afterwards, and
        # making a client costs some 60 ms, most of it for the one SSL context.
        if self._client is None:
            keep_addresses_out_of_logs()
            self._client = AsyncClient(
                transport=self._transport,
                headers=_HEADERS,
                limits=Limits(max_connections=CONNECTIONS, max_keepalive_connections=4, keepalive_expiry=30),
                follow_redirects=False,
                # A session cookie would tie our calls to one PHP session, whose lock lets them run one at a time.
                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._client

    async def _body(self, response: Response, method: str) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_LIMIT:
                raise self._unknown(
                    method, "answer too large", f"the answer is larger than {ANSWER_LIMIT // 1024**2} MiB"
                )
        return bytes(body)

    def _unreachable(self, credential: Credential, method: str, host: str, error: HTTPError) -> PortalUnreachable:
        if isinstance(error, ConnectTimeout):
            why = "no answer to the connection attempt within 5 s"
        else:
            why = str(error).replace(credential.secret, "***") or type(error).__name__
        return PortalUnreachable(
            f"portal {self._portal}: {method} was not sent, no connection to {host}: {why}",
            portal=self._portal,
            method=method,
            code="no connection",
        )

    def _unknown(self, method: str, code: str, what: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"portal {self._portal}: {method}: {what}; whether it was carried out is not known",
            portal=self._portal,
            method=method,
            code=code,
        )
