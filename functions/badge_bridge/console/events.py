"""The events that an operator looks for, newest first, and what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from starlette.requests import Request

from badge_bridge import life
from badge_bridge.console.answers import Senseless, Shown
from badge_bridge.console.desk import Desk
from badge_bridge.console.searching import NAMES, find, read_search
from badge_bridge.console.sessions import Session
from badge_bridge.errors import SettingsError
from badge_bridge.events import CALL_TYPES
from badge_bridge.life import summary, write_place
from badge_bridge.moments import iso
from badge_bridge.outcomes import Result
from badge_bridge.rulesfile import Badge, RulesFile
from badge_bridge.spellings import likely_numbers
from badge_bridge.store.protocol import State, Store, StoredEvent
from badge_bridge.whole_life import came_of_one

__all__ = ["MOST", "events", "read_place"]

MOST = 1000
"""Events on one page."""

_SUGGESTED = 200
"""Names of rules and types that a form suggests."""

_PARAMETERS = (*NAMES, "limit", "before")


async def events(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any] | Shown:  # noqa: ARG001 - as all pages
    """The data of `/console/events`; with the status 400 where a field of the form makes no sense.

    Raises:
        Senseless: another parameter makes no sense.
        StoreUnavailable: the store cannot be read.
    """
    query = request.query_params
    unknown = [name for name in query if name not in _PARAMETERS]
    if unknown:
        raise Senseless(f"there is no parameter {unknown[0][:50]!r}; there are {', '.join(_PARAMETERS)}", unknown[0])
    search, rules, now = read_search(query), desk.rules, desk.clock()
    told: dict[str, Any] = {
        "search": asdict(search),
        "customer": None,
        "latest": None,
        "events": [],
        "notes": [],
        "more": None,
        "reached": None,
        "choices": _choices(rules),
        "can_redrive": desk.may_change,
    }
    limit, before = _limit(query.get("limit") or "50"), read_place(query.get("before") or "")
    try:
        found = await find(desk.store, search, rules, now=now, limit=limit, before=before)
    except Senseless as error:
        numbers = likely_numbers(rules, search.phone) if error.field == "phone" else []
        return Shown({**told, "error": str(error), "field": error.field, "numbers": numbers}, 400)
    badges = {badge.code: badge for badge in rules.badges.values()}
    return {
        **told,
        "customer": found.customer,
        "latest": None if found.latest is None else iso(found.latest),
        "events": await asyncio.gather(*(_row(desk.store, one, badges, now) for one in found.page.events)),
        "notes": found.notes,
        "more": write_place(found.page.more) if found.page.more else None,
        "reached": None if found.page.reached is None else iso(found.page.reached),
    }


async def _row(store: Store, one: StoredEvent, badges: Mapping[str, Badge], now: float) -> dict[str, Any]:
    return {
        **summary(one),
        "customer": one.event.customer,
        "happened": iso(one.event.time.timestamp()),
        "came_of": await came_of_one(store, one, badges, now=now),
    }


def _choices(rules: RulesFile) -> Mapping[str, Any]:
    """What the fields of the form may hold, as far as the rules know it."""
    types = {type_ for rule in rules.rules for type_ in rule.on if not type_.endswith("*")}
    return {
        "sources": sorted(rules.sources),
        "types": sorted({*CALL_TYPES, *types})[:_SUGGESTED],
        "states": list(get_args(State)),
        "outcomes": list(get_args(Result)),
        "rules": [rule.name for rule in rules.rules][:_SUGGESTED],
    }


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST):
        raise Senseless(f"limit must be a whole number from 1 to {MOST}", "limit")
    return int(text)


def read_place(text: str) -> tuple[float, str] | None:
    """As `life.read_place`, of a parameter.

    Raises:
        Senseless: nobody has written it so.
    """
    try:
        return life.read_place(text or None)
    except SettingsError as error:
        raise Senseless("before must be what the page before gave as more", "before") from error
