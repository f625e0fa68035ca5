"""One event: its whole life, and what the rules of now say to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from badge_bridge.console.answers import NotThere
from badge_bridge.console.desk import Desk
from badge_bridge.console.sessions import Session
from badge_bridge.filters import SeveralKeys, the_one
from badge_bridge.store.protocol import Store, StoredEvent
from badge_bridge.whole_life import whole_life

__all__ = ["LISTED", "WEIGHED", "event"]

WEIGHED = 20
"""Rules that do not match of which it is told which part of the condition failed."""

LISTED = 20
"""Rules for other events that are listed."""

_NAMED = 10
"""Keys that are named where several are meant."""


async def event(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console/events/KEY`: what `events show --json` prints. KEY may be what no other key begins with.

    Raises:
        NotThere: there is no such event, or there are several.
        StoreUnavailable: the store cannot be read.
    """
    stored = await _find(desk.store, request.path_params["key"])
    whole = await whole_life(desk.store, stored, desk.rules, weighed=WEIGHED)
    return whole.as_json(now=desk.clock(), may_change=desk.may_change, most=LISTED)


async def _find(store: Store, typed: str) -> StoredEvent:
    try:
        found = await the_one(store, typed, listed=_NAMED)
    except SeveralKeys as error:
        told = f"several keys begin so: {error}; take one of them, or type more of the one that is meant"
        raise NotThere(told) from error
    if found is None:
        raise NotThere("there is no such event; it may have been deleted, as `retention` in the rules file says")
    return found
