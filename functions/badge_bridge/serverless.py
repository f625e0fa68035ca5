"""One bridge per process under the functions framework, which has no start-up hook: the first request opens it."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from contextvars import Context

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.errors import BridgeError
from badge_bridge.observability import logs
from badge_bridge.observability.start_line import log_cannot_start
from badge_bridge.rulesfile import load
from badge_bridge.server import handle
from badge_bridge.settings import Settings
from badge_bridge.sources import OPTIONS

__all__ = ["receive"]

_Opened = tuple[Bridge, AsyncExitStack]
"""The bridge, and what would close it: held so that it is not closed by being forgotten."""

_opening: asyncio.Task[_Opened] | None = None


async def receive(request: Request) -> Response:
    """Answer one request as `badge-bridge serve` would; 503 as long as the bridge cannot be opened."""
    first = _opening is None
    try:
        bridge = await _bridge()
    except BridgeError as error:
        log_cannot_start(error)
        return JSONResponse({"error": "not ready"}, status_code=503, headers={"Retry-After": "30"})
    response = await handle(request, bridge)
    if first:
        # google-cloud-logging takes longer to import than everything else here together, so nobody waits for it.
        response.background = BackgroundTask(logs.upgrade)
    return response


async def _bridge() -> Bridge:
    """The bridge of this process. Callers that arrive while it is being opened share one opening; a failed one is
    tried again by the next caller.
    """
    global _opening  # noqa: PLW0603 - what lives as long as the process has no other home under this framework
    if _opening is None or (_opening.done() and not _opening.cancelled() and _opening.exception() is not None):
        # In a context of its own: the worker outlives this request and must not log under its trace.
        _opening = asyncio.create_task(_open(), name="open the bridge", context=Context())
    bridge, _ = await asyncio.shield(_opening)
    return bridge


async def _open() -> _Opened:
    settings = Settings.from_environ(os.environ)
    # Twice: what is wrong with the rules file must be told in the right form, and its secrets are known only after it.
    _configure_logs(settings, secrets=frozenset())
    rules = load(settings.rules, providers=OPTIONS, environ=os.environ)
    _configure_logs(settings, secrets=rules.secrets | set(settings.encryption_keys))
    # Nobody calls us when the process is stopped. What was running then is taken over through its lease.
    stack = AsyncExitStack()
    bridge = await stack.enter_async_context(
        open_bridge(rules, state=settings.state, concurrency=settings.concurrency, keys=settings.encryption_keys)
    )
    return bridge, stack


def _configure_logs(settings: Settings, *, secrets: frozenset[str]) -> None:
    logs.configure(
        settings.log_format or "gcp",
        settings.log_level,
        show_phone_numbers=settings.show_phone_numbers,
        secrets=secrets,
    )
