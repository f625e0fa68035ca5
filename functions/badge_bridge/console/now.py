"""How things stand now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from badge_bridge.console.desk import Desk
from badge_bridge.console.sessions import Session

__all__ = ["now"]


async def now(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    return {"rules": desk.rules.hash}
