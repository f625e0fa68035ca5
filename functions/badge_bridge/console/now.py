"""How things stand now: what came in the last hour, what waits and for what, and how portals and sources are."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge import __version__
from badge_bridge.console.answers import NotThere, refused
from badge_bridge.console.bars import ORDER
from badge_bridge.console.desk import Desk, NotReloaded
from badge_bridge.console.portal_health import portal_health
from badge_bridge.console.rendering import fragment
from badge_bridge.console.sessions import Session
from badge_bridge.console.source_health import source_health, strangers
from badge_bridge.console.stream import Write
from badge_bridge.moments import iso, span
from badge_bridge.plural import counted
from badge_bridge.portal.reasons import in_words
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.wanted import Tally

__all__ = ["live", "live_page", "look", "now"]

MINUTE = 60.0
SHOWN = 60
"""Minutes of the chart."""

LONG = 120.0
"""Seconds since it was received after which somebody should look at an event that waits: sweeps are a minute apart."""


async def now(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console`."""
    return await look(desk)


async def live(desk: Desk, request: Request, session: Session | None) -> Response:
    """The same again and again, as events, while the session lasts; not where other processes do the work."""
    return _stream(desk, request, session, dict)


async def live_page(desk: Desk, request: Request, session: Session | None) -> Response:
    """As `live`, but what the page shows: its script need not ask for it, and nothing is drawn in two ways."""
    # Its forms have the session's token. What was pressed is told by the page alone.
    values = {"session": session, "may_change": desk.may_change, "done": None}
    return _stream(desk, request, session, lambda told: fragment("now.html", "main", {**values, "data": told}))


def _stream(desk: Desk, request: Request, session: Session | None, write: Write) -> Response:
    if desk.meters is None:
        raise NotThere("there are no live figures here; load the page again to see what has changed")
    stream = desk.streams.open(lambda: look(desk), write, lambda: session is None or session.lasts())
    if stream is None:
        return refused(request, 503, "as many watch as can; load the page again to see what has changed")
    return stream


async def look(desk: Desk) -> dict[str, Any]:
    """Everything at one moment.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    at, rules = desk.clock(), desk.rules
    until = math.floor(at / MINUTE) * MINUTE + MINUTE
    since = until - SHOWN * MINUTE
    tallied = await desk.store.tally(since=since, until=until, width=MINUTE)
    backlog = await desk.store.backlog()
    minutes = _minutes(tallied, since)
    told: dict[str, Any] = {
        "at": iso(at),
        "version": __version__,
        "live": desk.meters is not None,
        "minutes": minutes,
        "hour": {name: count for name in ORDER if (count := sum(one["events"].get(name, 0) for one in minutes))},
        "backlog": _backlog(backlog, at),
        "portals": await portal_health(rules, desk.store, portals=desk.portals, meters=desk.meters, now=at),
        "sources": await source_health(rules, desk.store, meters=desk.meters, now=at),
        "strangers": strangers(desk.meters),
        "counted_since": None if desk.meters is None else iso(desk.meters.since),
        "rules": {
            "file": rules.filename,
            "hash": rules.hash,
            "sources": len(rules.sources),
            "badges": len(rules.badges),
            "rules": len(rules.rules),
            "kept": _kept(desk.not_reloaded),
        },
    }
    return {**told, "troubles": [*await _of_store(desk, at), *_troubles(told)]}


def _minutes(tallied: Sequence[Tally], since: float) -> list[dict[str, Any]]:
    """Every minute of the chart, those without events included; legs that were joined are counted with their call."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for one in tallied:
        found[round((one.start - since) / MINUTE)][_outcome(one)] += one.count
    return [
        {
            "start": iso(since + number * MINUTE),
            "events": {name: found[number][name] for name in ORDER if name in found[number]},
        }
        for number in range(SHOWN)
    ]


def _outcome(one: Tally) -> str:
    """The name that they are counted by. A dead letter is there because something failed for good."""
    return one.result or ("failed" if one.state == "dead" else one.state)


def _backlog(backlog: Backlog, at: float) -> dict[str, Any]:
    oldest = backlog.oldest
    return {
        "waiting": sum(backlog.waiting.values()),
        "lanes": [{"lane": lane, "waiting": count} for lane, count in sorted(backlog.waiting.items())],
        "working": backlog.working,
        "dead": backlog.dead,
        "oldest": None if oldest is None else iso(oldest),
        "oldest_seconds": None if oldest is None else round(max(at - oldest, 0.0), 1),
    }


def _kept(not_reloaded: NotReloaded | None) -> dict[str, Any] | None:
    """Why the newest rules file is not in use; None where it is."""
    if not_reloaded is None:
        return None
    return {
        "at": iso(not_reloaded.at),
        "reason": not_reloaded.reason,
        "findings": [{"line": one.line, "column": one.column, "message": one.message} for one in not_reloaded.findings],
    }


async def _of_store(desk: Desk, at: float) -> list[dict[str, str]]:
    """What is wrong with the store itself; a function asks nobody, for it writes nothing."""
    if desk.meters is None:
        return []
    return [_trouble(text, "") for text in await desk.store_health.look(desk.store, desk.room_of_now, now=at)]


def _troubles(told: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What somebody should look at, in words; the worst first. `href` is where, within the console; empty
    where no page says more.
    """
    backlog = told["backlog"]
    if told["rules"]["kept"]:
        yield _trouble("the newest rules file cannot be used; the rules of before are still at work", "#rules")
    if backlog["dead"]:
        what = counted(backlog["dead"], "dead letter")
        yield _trouble(f"{what}: given up, and tried again only when redriven", "/console/events?state=dead")
    for portal in told["portals"]:
        for pause in portal["paused"]:
            if not pause["is_over"]:
                what = _what_rests(portal["portal"], pause["lane"])
                yield _trouble(f"{what} is paused: {in_words(pause['code'])}", "#portals")
    if backlog["oldest_seconds"] is not None and backlog["oldest_seconds"] > LONG:
        ago = span(backlog["oldest_seconds"])
        yield _trouble(f"the oldest event that waits was received {ago} ago", "/console/events?state=waiting")
    for source in told["sources"]:
        for warning in source["warnings"]:
            yield _trouble(f"source {source['source']}: {warning}", "#sources")


def _what_rests(portal: str, lane: str) -> str:
    """`portal main`, or `portal main: crm.item.list` of one method."""
    method = lane.removeprefix(portal).removeprefix("/")
    return f"portal {portal}: {method}" if method else f"portal {portal}"


def _trouble(text: str, href: str) -> dict[str, str]:
    return {"text": text, "href": href}
