"""Access tokens for Google's APIs.

On Cloud Run and Cloud Functions the metadata server gives one for the function's own service account. Elsewhere, such
as on an operator's machine, google-auth finds the Application Default Credentials; it is imported only then.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from badge_bridge.errors import GoogleError
from badge_bridge.http import AsyncBaseTransport, AsyncClient, HTTPError, authorities

__all__ = ["TokenSource", "access_tokens"]

TokenSource = Callable[[], Awaitable[str]]
"""Gives an access token that is good for a while.

Raises:
    GoogleError: there is none to be had.
"""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Compute Engine docs, "About VM metadata": this header proves that no web page has made the request.
_METADATA = "http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
_METADATA_HEADERS = {"Metadata-Flavor": "Google"}
_TIMEOUT = 5.0

EARLY = 240.0
"""Seconds before its end that a token is renewed: the metadata server hands out the old one until 5 minutes before."""


def access_tokens(*, transport: AsyncBaseTransport | None = None) -> TokenSource:
    """The tokens of whatever this process runs as; one is kept until shortly before it ends."""
    # Cloud Run, container runtime contract: K_SERVICE is always set there.
    fetch = _from_metadata if os.environ.get("K_SERVICE") else _from_default_credentials
    return _Kept(lambda: fetch(transport))


class _Kept:
    """One token for all callers; those who come while it is being renewed wait for the same one."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float]]]) -> None:
        self._fetch = fetch
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._token, seconds = await self._fetch()
                self._until = time.monotonic() + max(seconds - EARLY, 1.0)
            return self._token


async def _from_metadata(transport: AsyncBaseTransport | None) -> tuple[str, float]:
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    try:
        async with AsyncClient(verify=authorities(), transport=transport, trust_env=False, timeout=_TIMEOUT) as client:
            response = await client.get(_METADATA.format(host=host), headers=_METADATA_HEADERS)
        response.raise_for_status()
        answer = response.json()
        return str(answer["access_token"]), float(answer["expires_in"])
    except (HTTPError, ValueError, KeyError, TypeError) as error:
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
        remedy = "`gcloud auth application-default login` makes some"
        raise GoogleError(0, "UNAUTHENTICATED", f"no credentials for Google Cloud: {error}; {remedy}") from error
    # google-auth's times are UTC without saying so.
    seconds = (
        (credentials.expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() if credentials.expiry else 0.0
    )
    return str(credentials.token), seconds
