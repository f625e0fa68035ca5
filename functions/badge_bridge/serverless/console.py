"""`console`: what is stored, for an operator who may read everything, phone numbers included.

It does not ask who calls. People do, so INVOKERS is not for them: the platform's access control decides, and lets
nobody in who is not named there. It reads the rules without their secrets, speaks to no portal, and changes nothing.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge.console.desk import Desk
from badge_bridge.console.pages import Pages
from badge_bridge.probes import HEALTH, health
from badge_bridge.serverless.opening import Opening, read_rules_alone
from badge_bridge.settings import Settings
from badge_bridge.store import opened_store

__all__ = ["answer"]


async def answer(request: Request) -> Response:
    return await _opening.answer(request, _handle)


async def _handle(request: Request, desk: Desk) -> Response:
    if request.scope["path"] in HEALTH:
        return await health(request, desk.store)
    return await Pages(desk).answer(request, None)


async def _open(stack: AsyncExitStack, settings: Settings) -> Desk:
    rules = await read_rules_alone(settings)
    store = await stack.enter_async_context(opened_store(settings.state))
    return Desk(store, rules_of_now=lambda: rules, may_change=False, knows_secrets=False)


_opening = Opening(_open)
