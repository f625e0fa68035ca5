"""`console`: what is stored, for an operator who may read everything, phone numbers included.

It does not ask who calls. People do, so INVOKERS is not for them: the platform's access control decides, and lets
nobody in who is not named there.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge.console import handle
from badge_bridge.probes import HEALTH, health
from badge_bridge.serverless.opening import Opening
from badge_bridge.settings import Settings
from badge_bridge.store import opened_store
from badge_bridge.store.protocol import Store

__all__ = ["answer"]


async def answer(request: Request) -> Response:
    return await _opening.answer(request, _handle)


async def _handle(request: Request, store: Store) -> Response:
    return await (health if request.scope["path"] in HEALTH else handle)(request, store)


async def _open(stack: AsyncExitStack, settings: Settings) -> Store:
    return await stack.enter_async_context(opened_store(settings.state))


_opening = Opening(_open)
