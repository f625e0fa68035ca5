"""The events that an operator looks for, newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from badge_bridge.console.answers import Senseless
from badge_bridge.console.desk import Desk
from badge_bridge.console.sessions import Session
from badge_bridge.life import read_state, summary
from badge_bridge.store.wanted import Wanted

__all__ = ["MOST", "events"]

MOST = 1000
"""Events on one page."""

_FILTERS = ("state", "source", "type", "limit", "before")
# A page ends at a moment and a key, since several events may have come at the same moment.
_BEFORE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?):(.+)", re.DOTALL)


async def events(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    query = request.query_params
    unknown = [name for name in query if name not in _FILTERS]
    if unknown:
        raise Senseless(f"there is no parameter {unknown[0]!r}; there are {', '.join(_FILTERS)}", unknown[0])
    wanted = Wanted(
        state=read_state(query.get("state") or None),
        source=query.get("source") or None,
        type=query.get("type") or None,
    )
    found = await desk.store.list(
        wanted,
        limit=_limit(query.get("limit") or "50"),
        before=_before(query.get("before") or ""),
    )
    more = f"{found.more[0]!r}:{found.more[1]}" if found.more else None
    return {"events": [summary(one) for one in found.events], "more": more}


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST):
        raise Senseless(f"limit must be a whole number from 1 to {MOST}", "limit")
    return int(text)


def _before(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    found = _BEFORE.fullmatch(text)
    if found is None:
        raise Senseless("before must be what the page before gave as more", "before")
    return float(found[1]), found[2]
