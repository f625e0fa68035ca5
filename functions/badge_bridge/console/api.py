"""The console's pages as JSON.

400  a parameter makes no sense             404  no such event or page
405  the console is read, by GET            503  the store cannot be read
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.errors import SettingsError, StoreUnavailable
from badge_bridge.life import life, read_state, summary
from badge_bridge.on_cards import on_cards
from badge_bridge.reading import refused_unless_read
from badge_bridge.store.protocol import Store
from badge_bridge.store.wanted import Wanted

__all__ = ["handle"]

logger = logging.getLogger("badge_bridge.console")

LIST = "/console/api/events.json"
_EVENT = re.compile(r"/console/api/events/(.+)\.json", re.DOTALL)

MOST = 1000
"""Events on one page."""

_FILTERS = ("state", "source", "type", "limit", "before")
# A page ends at a moment and a key, since several events may have come at the same moment.
_BEFORE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?):(.+)", re.DOTALL)
# What is shown is a customer's.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class _Senseless(ValueError):
    """A parameter that makes no sense; the text says why."""


async def handle(request: Request, store: Store) -> Response:
    """Answer one request of any method and path."""
    path = request.scope["path"]
    event = _EVENT.fullmatch(path)
    if path != LIST and event is None:
        return _said({"error": "there is nothing at this path"}, 404)
    if (refusal := refused_unless_read(request)) is not None:
        return refusal
    try:
        return await (_list(request.query_params, store) if event is None else _show(event[1], store))
    except (_Senseless, SettingsError) as error:
        return _said({"error": str(error)}, 400)
    except StoreUnavailable as error:
        logger.warning("the console answers 503: %s", error)
        return _said({"error": "the store cannot be read now"}, 503)


async def _list(query: Mapping[str, str], store: Store) -> Response:
    unknown = [name for name in query if name not in _FILTERS]
    if unknown:
        raise _Senseless(f"there is no parameter {unknown[0]!r}; there are {', '.join(_FILTERS)}")
    wanted = Wanted(
        state=read_state(query.get("state") or None),
        source=query.get("source") or None,
        type=query.get("type") or None,
    )
    found = await store.list(
        wanted,
        limit=_limit(query.get("limit") or "50"),
        before=_before(query.get("before") or ""),
    )
    more = f"{found.more[0]!r}:{found.more[1]}" if found.more else None
    return _said({"events": [summary(event) for event in found.events], "more": more})


async def _show(key: str, store: Store) -> Response:
    event = await store.get(key)
    if event is None:
        return _said({"error": "there is no such event"}, 404)
    return _said(life(event, await on_cards(store, key)))


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST):
        raise _Senseless(f"limit must be a whole number from 1 to {MOST}")
    return int(text)


def _before(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    found = _BEFORE.fullmatch(text)
    if found is None:
        raise _Senseless("before must be what the page before gave as more")
    return float(found[1]), found[2]


def _said(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status_code=status, headers=_HEADERS)
