"""The authorisation server: a code or a refresh token goes in, a pair of tokens comes out.

It is asked directly and not through the portal, which passes such requests on in the cloud only. Both requests are GET
with all secrets in the URL, as documented (Bitrix24 docs, "OAuth 2.0"), so no URL and nothing that holds one (such as
the HTTP library's own errors, whose `request` has it) may get out of this module.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from badge_bridge import __version__
from badge_bridge.errors import AccessRefused, OutcomeUnknown, PortalUnreachable
from badge_bridge.http import (
    AsyncBaseTransport,
    AsyncClient,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    Limits,
    PoolTimeout,
    Timeout,
    TimeoutException,
    keep_addresses_out_of_logs,
)
from badge_bridge.portal.oauth.application import Application
from badge_bridge.portal.oauth.grant import Tokens, scopes
from badge_bridge.portal.oauth.refusals import REFUSALS, UNKNOWN
from badge_bridge.portal_address import host_of

__all__ = ["METHOD", "TIMEOUT", "AuthorisationServer"]

METHOD = "oauth.token"
"""How errors call what was asked."""

TIMEOUT = 20.0
"""Seconds for one request in all; a code is good for 30."""

_LARGEST = 64 * 1024
_LONG_NUMBER = re.compile(r"\d(?:[\s().-]{0,2}\d){6,}")
_PASSING = frozenset({408, 425, 429})


class _Answer(BaseModel):
    """`domain` and `server_endpoint` are the authorisation server's own, not the portal's, and are not read."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, max_length=2000)
    refresh_token: str = Field(min_length=1, max_length=2000)
    expires_in: float = Field(default=3600, ge=0, allow_inf_nan=False)
    member_id: str = ""
    scope: str = ""
    status: str = ""
    user_id: int | None = None


class AuthorisationServer:
    """Gets tokens for one application. `transport` replaces the network; `timeout` is in seconds.

    Its methods raise:
        AccessRefused: refused for good; `mend` says who has to do what.
        PortalUnreachable: no connection, so nothing was changed.
        OutcomeUnknown: no answer that can be understood; tokens may have been made that nobody knows.
    """

    def __init__(
        self, application: Application, *, transport: AsyncBaseTransport | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._application = application
        self._transport = transport
        self._timeout = timeout
        self._client: AsyncClient | None = None

    async def refresh(self, refresh_token: str) -> Tokens:
        """A new pair of tokens for a refresh token, which counts as dead afterwards."""
        return await self._get("refresh_token", "refresh_token", refresh_token)

    async def exchange(self, code: str) -> Tokens:
        """The first pair of tokens for a code, which is good for 30 s and once."""
        return await self._get("authorization_code", "code", code)

    async def aclose(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _get(self, grant_type: str, name: str, value: str) -> Tokens:
        query = {
            "grant_type": grant_type,
            "client_id": self._application.client_id,
            "client_secret": self._application.client_secret,
            name: value,
        }
        status, body = await self._send(query)
        content = _parse(body)
        if "error" in content:
            raise self._refusal(status, content, secrets=(value, self._application.client_secret))
        if status != 200:
            raise self._unknown(f"HTTP {status}", f"it answered with HTTP {status} and no reason", status=status)
        try:
            answer = _Answer.model_validate(content)
        except ValidationError:
            raise self._unknown("no tokens", "its answer has no tokens", status=status) from None
        return Tokens(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_in=answer.expires_in,
            member_id=answer.member_id,
            scope=scopes(answer.scope),
            status=answer.status,
            user_id=answer.user_id,
        )

    async def _send(self, query: Mapping[str, str]) -> tuple[int, bytes]:
        url = f"{self._application.server.rstrip('/')}/oauth/token/"
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout), self._open().stream("GET", url, params=query) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise self._unknown("answer too large", "its answer is too large")
                return response.status_code, bytes(body)
        except (HTTPError, TimeoutError) as error:
            trouble = error
        # Raised out here so that it is not chained: the library's error holds the request, and that holds the secrets.
        raise self._failure(trouble)

    def _open(self) -> AsyncClient:
        if self._client is None:
            keep_addresses_out_of_logs()
            self._client = AsyncClient(
                transport=self._transport,
                headers={"Accept": "application/json", "User-Agent": f"badge-bridge/{__version__}"},
                timeout=Timeout(connect=5, read=self._timeout, write=5, pool=5),
                limits=Limits(max_connections=2, max_keepalive_connections=0),
                follow_redirects=False,
            )
        return self._client

    def _failure(self, trouble: HTTPError | TimeoutError) -> PortalUnreachable | OutcomeUnknown:
        if isinstance(trouble, ConnectError | ConnectTimeout | PoolTimeout):
            return PortalUnreachable(
                f"portal {self._application.portal}: no connection to the authorisation server {self._host} "
                f"({type(trouble).__name__}); no token was renewed",
                portal=self._application.portal,
                method=METHOD,
                code="no connection",
            )
        if isinstance(trouble, TimeoutException | TimeoutError):
            return self._unknown("timeout", "it did not answer in time")
        return self._unknown("broken connection", f"the connection broke ({type(trouble).__name__})")

    def _refusal(
        self, status: int, content: Mapping[str, Any], *, secrets: tuple[str, ...]
    ) -> AccessRefused | OutcomeUnknown:
        code = _plain(content["error"], secrets)[:80]
        known = REFUSALS.get(code.casefold())
        if known is None and (status >= 500 or status in _PASSING):
            return self._unknown(code or f"HTTP {status}", f"it failed with HTTP {status}", status=status)
        says, mend = known or UNKNOWN
        mend = mend.format(portal=self._application.portal)
        description = _plain(content.get("error_description", ""), secrets)[:300]
        named = f"{code or 'an error without a code'} (HTTP {status})" + (f", {description!r}" if description else "")
        return AccessRefused(
            f"portal {self._application.portal}: the authorisation server {self._host} refused with {named}: {says}. "
            f"{mend}",
            portal=self._application.portal,
            method=METHOD,
            code=code,
            status=status,
            mend=mend,
        )

    def _unknown(self, code: str, what: str, *, status: int = 0) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"portal {self._application.portal}: the authorisation server {self._host}: {what}; whether it has made "
            "new tokens is not known",
            portal=self._application.portal,
            method=METHOD,
            code=code,
            status=status,
        )

    @property
    def _host(self) -> str:
        return host_of(self._application.server)


def _parse(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body, empty where there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _plain(text: object, secrets: tuple[str, ...]) -> str:
    """Text of the server on one line, without what it was sent in confidence and without what may be a number."""
    one_line = " ".join(str(text).split()) if isinstance(text, str | int) else ""
    for secret in secrets:
        one_line = one_line.replace(secret, "***")
    return _LONG_NUMBER.sub("*******", one_line)
