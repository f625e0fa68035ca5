"""How each portal is: its limit, what of it is paused, and what it answered lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from badge_bridge.meters import Answer, Meters
from badge_bridge.moments import iso
from badge_bridge.portal.portal import Portal, lanes_of
from badge_bridge.resuming import in_json
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import Pause, Store

__all__ = ["portal_health"]


async def portal_health(
    rules: RulesFile, store: Store, *, portals: Mapping[str, Portal] | None, meters: Meters | None, now: float
) -> list[dict[str, Any]]:
    """Each portal of the rules file. Where this process speaks to none, what others left in the store is all there is:
    `limit` and `answers` are None then.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    return [
        {
            "portal": name,
            "url": rules.portals[name].url,
            "limit": await _limit((portals or {}).get(name), meters),
            "paused": [_paused(pause, now) for pause in await store.paused(lanes_of(name))],
            "answers": None if meters is None else [_answer(one) for one in meters.answers.get(name, ())],
            "results": None if meters is None else _results(meters, name),
            "error": _answer(meters.errors[name]) if meters is not None and name in meters.errors else None,
        }
        for name in rules.portals
    ]


async def _limit(portal: Portal | None, meters: Meters | None) -> dict[str, Any] | None:
    """How full the bucket is; and how many requests have found it full, as far as a wait that short can tell."""
    if portal is None or portal.client.limiter is None or meters is None:
        return None
    filled = await portal.client.limiter.filled()
    waits = meters.waiting.series.get((portal.name,))
    return {
        "requests": round(filled.requests, 1),
        "burst": filled.burst,
        "rate": filled.rate,
        "waited": 0 if waits is None else sum(waits.counts[1:]),
        "waited_seconds": 0.0 if waits is None else round(waits.sum, 1),
    }


def _paused(pause: Pause, now: float) -> dict[str, Any]:
    return {**in_json(pause), "is_over": pause.until <= now, "failures": pause.failures}


def _answer(one: Answer) -> dict[str, Any]:
    return {
        "at": iso(one.at),
        "result": one.result,
        "seconds": round(one.seconds, 3),
        "commands": one.commands,
        "error": one.error,
    }


def _results(meters: Meters, portal: str) -> dict[str, int]:
    """How often requests came to what, since the process began."""
    return {result: count for (name, result), count in meters.requests.values.items() if name == portal}
