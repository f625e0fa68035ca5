"""Where an API of Google's is called: at Google, or at an emulator that the environment names."""

from __future__ import annotations

from collections.abc import Mapping

from badge_bridge.gcp.rest import GoogleApi
from badge_bridge.gcp.tokens import TokenSource
from badge_bridge.http import AsyncBaseTransport

__all__ = ["api_at"]


def api_at(
    base: str,
    *,
    emulator: str,
    environ: Mapping[str, str],
    tokens: TokenSource,
    of_emulator: TokenSource | None = None,
    transport: AsyncBaseTransport | None = None,
) -> GoogleApi:
    """The API at `base`; with other tokens, or with none, at what the variable `emulator` holds, with or without http://
    before it.
    """
    host = environ.get(emulator, "").strip().rstrip("/")
    if not host:
        return GoogleApi(base, tokens=tokens, transport=transport)
    return GoogleApi(host if "://" in host else f"http://{host}", tokens=of_emulator, transport=transport, nearby=True)
