"""The words of the console: what they mean, for whoever meets one for the first time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from badge_bridge.console.desk import Desk
from badge_bridge.console.sessions import Session
from badge_bridge.words import WORDS

__all__ = ["words"]


async def words(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console/words`."""
    return {"words": [{"word": word, "meaning": meaning} for word, meaning in WORDS]}
