"""`install`: the page `/install`, by which OAuth applications get into their portals (`installation.py`)."""

from __future__ import annotations

from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.bridge import Bridge
from badge_bridge.probes import HEALTH
from badge_bridge.server import handle
from badge_bridge.serverless.opening import Opening, open_whole
from badge_bridge.settings import Settings

__all__ = ["answer"]

_PAGES = HEALTH | {"/install"}


async def answer(request: Request) -> Response:
    return await _opening.answer(request, _handle)


async def _handle(request: Request, bridge: Bridge) -> Response:
    if request.scope["path"] not in _PAGES:
        return JSONResponse({"error": "there is nothing at this path"}, status_code=404)
    return await handle(request, bridge)


async def _open(stack: AsyncExitStack, settings: Settings) -> Bridge:
    return await open_whole(stack, settings)


_opening = Opening(_open)
