"""Access tokens for Google's APIs.

On Cloud Run and Cloud Functions the metadata server gives one for the function's own service account. Elsewhere, such
as on an operator's machine, google-auth finds the Application Default Credentials; it is imported only then.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from badge_bridge.errors import GoogleError
from badge_bridge.http import AsyncBaseTransport, AsyncClient, HTTPError, authorities

__all__ = ["TokenSource", "access_tokens"]

TokenSource = Callable[[str], Awaitable[str]]
"""Gives an access token that is good for a while. It is given the one that an API has rejected, and is not to give that
again if it can be helped; or nothing.

Raises:
    GoogleError: there is none to be had; UNAVAILABLE where there may be one in a moment.
"""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Compute Engine docs, "About VM metadata": this header proves that no web page has made the request.
_METADATA = "http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
_METADATA_HEADERS = {"Metadata-Flavor": "Google"}
_TOO_MANY_REQUESTS = 429
_TIMEOUT = 2.0
"""Seconds for the metadata server, which runs on the same host; whoever asks has a delivery to answer."""

EARLY = 240.0
"""Seconds before its end that a token is renewed: the metadata server hands out the old one until 5 minutes before."""


def access_tokens(
    *, transport: AsyncBaseTransport | None = None, monotonic: Callable[[], float] = time.monotonic
) -> TokenSource:
    """The tokens of whatever this process runs as; one is kept until shortly before it ends, for everybody here.

    With a `transport` of one's own they are one's own; `monotonic` returns seconds from anywhere.
    """
    return _shared() if transport is None else _kept(transport, monotonic)


@functools.cache
def _shared() -> TokenSource:
    return _kept(None, time.monotonic)


def _kept(transport: AsyncBaseTransport | None, monotonic: Callable[[], float]) -> TokenSource:
    # Cloud Run, container runtime contract: K_SERVICE is always set there.
    fetch = _from_metadata if os.environ.get("K_SERVICE") else _from_default_credentials
    return _Kept(lambda: fetch(transport), monotonic)


class _Kept:
    """One token for all callers; those who come while it is being renewed wait for the same one."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float]]], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self, rejected: str) -> str:
        async with self._lock:
            if self._monotonic() >= self._until or rejected == self._token:
                self._token, seconds = await self._fetch()
                self._until = self._monotonic() + max(seconds - EARLY, 1.0)
            return self._token


async def _from_metadata(transport: AsyncBaseTransport | None) -> tuple[str, float]:
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    try:
        async with AsyncClient(verify=authorities(), transport=transport, trust_env=False, timeout=_TIMEOUT) as client:
            response = await client.get(_METADATA.format(host=host), headers=_METADATA_HEADERS)
    except HTTPError as error:
        raise GoogleError(0, "UNAVAILABLE", f"the metadata server gave no access token: {error!r}") from error
    if not response.is_success:
        passes = response.is_server_error or response.status_code == _TOO_MANY_REQUESTS
        what = f"the metadata server answered {response.status_code} instead of an access token"
        raise GoogleError(0, "UNAVAILABLE" if passes else "UNAUTHENTICATED", what)
    try:
        answer = response.json()
        return str(answer["access_token"]), float(answer["expires_in"])
    except (ValueError, KeyError, TypeError) as error:
        raise GoogleError(0, "UNAUTHENTICATED", f"the metadata server gave no access token: {error!r}") from error


async def _from_default_credentials(_: AsyncBaseTransport | None) -> tuple[str, float]:
    return await asyncio.to_thread(_default_token)


def _default_token() -> tuple[str, float]:
    import google.auth  # noqa: PLC0415 - not needed in a function
    import google.auth.exceptions  # noqa: PLC0415
    import google.auth.transport.requests  # noqa: PLC0415

    try:
        found: tuple[Any, Any] = google.auth.default(scopes=[_SCOPE])
        credentials = found[0]
        credentials.refresh(google.auth.transport.requests.Request())
    except google.auth.exceptions.GoogleAuthError as error:
        if error.retryable or isinstance(error, google.auth.exceptions.TransportError):
            raise GoogleError(0, "UNAVAILABLE", f"Google Cloud gave no access token: {error}") from error
        remedy = "`gcloud auth application-default login` makes some"
        raise GoogleError(0, "UNAUTHENTICATED", f"no credentials for Google Cloud: {error}; {remedy}") from error
    # google-auth's times are UTC without saying so.
    seconds = (
        (credentials.expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() if credentials.expiry else 0.0
    )
    return str(credentials.token), seconds
