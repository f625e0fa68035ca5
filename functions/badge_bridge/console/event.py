"""One event: its whole life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from badge_bridge.console.answers import NotThere
from badge_bridge.console.desk import Desk
from badge_bridge.console.sessions import Session
from badge_bridge.life import life
from badge_bridge.on_cards import on_cards

__all__ = ["event"]


async def event(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    key = request.path_params["key"]
    stored = await desk.store.get(key)
    if stored is None:
        raise NotThere("there is no such event")
    return life(stored, await on_cards(desk.store, key))
