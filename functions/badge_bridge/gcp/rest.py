"""One Google API: JSON calls over REST, with a token, and its errors as `GoogleError`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from badge_bridge.errors import GoogleError
from badge_bridge.gcp.tokens import TokenSource
from badge_bridge.http import AsyncBaseTransport, AsyncClient, HTTPError, Limits, Response, Timeout, authorities

__all__ = ["GoogleApi", "again_where_lost"]

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds that one call may take; callers with less time say so."""

_UNAUTHORIZED = 401

_LIMITS = Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=55.0)


class GoogleApi:
    """`base` is what every path is appended to; `tokens` None is for an emulator that wants none. What is `nearby` is
    reached without a proxy.
    """

    def __init__(
        self,
        base: str,
        *,
        tokens: TokenSource | None,
        transport: AsyncBaseTransport | None = None,
        nearby: bool = False,
    ) -> None:
        self._base = base
        self._tokens = tokens
        self._transport = transport
        self._nearby = nearby
        self._client: AsyncClient | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - it is the library's, which tells connecting from reading
    ) -> Any:
        """What the API answers, parsed; None where the answer has no body.

        Raises:
            GoogleError: it refused, with its own status; or it could not be reached in time, with status 0.
        """
        response = await self.fetch(method, path, json=json, params=params, timeout=timeout)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise GoogleError(response.status_code, "INTERNAL", "the answer is no JSON") from error

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - see `call`
    ) -> Response:
        """As `call`, for answers that are no JSON."""
        token = await self._tokens("") if self._tokens else ""
        response = await self._send(method, path, json=json, params=params, timeout=timeout, token=token)
        if response.status_code == _UNAUTHORIZED and self._tokens:
            # The token was withdrawn before its time, such as when the account's rights were changed.
            token = await self._tokens(token)
            response = await self._send(method, path, json=json, params=params, timeout=timeout, token=token)
        if response.is_success:
            return response
        raise _refusal(response)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any,
        params: Mapping[str, str] | None,
        timeout: float,  # noqa: ASYNC109 - see `call`
        token: str,
    ) -> Response:
        if self._client is None:
            self._client = AsyncClient(
                # Reading the authorities takes 30 ms; where nothing is encrypted, nothing is proven by them either.
                verify=authorities() if self._base.startswith("https:") else False,
                transport=self._transport,
                limits=_LIMITS,
                trust_env=not self._nearby,
            )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return await self._client.request(
                method, self._base + path, json=json, params=params, headers=headers, timeout=Timeout(timeout)
            )
        except HTTPError as error:
            raise GoogleError(0, "UNAVAILABLE", f"{type(error).__name__} {error}".strip()) from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def again_where_lost(call: Callable[[], Awaitable[T]]) -> T:
    """What the call answers; where the connection was lost it is made once more, so it must bear being made twice.

    An instance without requests gets no CPU, and finds the connections that it kept closed by the other side.
    """
    try:
        return await call()
    except GoogleError as error:
        if error.code:
            raise
        return await call()


def _refusal(response: Response) -> GoogleError:
    """What `{"error": {"code", "status", "message"}}` says (Cloud APIs, "Errors"); streams wrap it in a list."""
    try:
        answer = response.json()
        error = (answer[0] if isinstance(answer, list) else answer)["error"]
        return GoogleError(response.status_code, str(error["status"]), str(error.get("message", "")))
    except (ValueError, KeyError, TypeError, IndexError):
        return GoogleError(response.status_code, "UNKNOWN", response.reason_phrase)
