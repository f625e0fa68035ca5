"""How each source is: when something last came, what was taken and refused, and what looks wrong about it."""

from __future__ import annotations

from typing import Any

from badge_bridge.ahead import latest_tells, see
from badge_bridge.meters import AT_THE_DOOR, REMEMBERED, Meters, Refusal
from badge_bridge.moments import iso, span
from badge_bridge.plural import counted
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.protocol import Store, StoredEvent
from badge_bridge.store.wanted import Wanted

__all__ = ["QUIET", "RECENT", "source_health", "strangers"]

QUIET = 3 * 86_400.0
"""Seconds without a delivery after which somebody should look: longer than a weekend, shorter than a week."""

RECENT = 3600.0
"""Seconds for which a refusal is something to look at, while no event has come since."""

REPEATED, LATELY = 3, 86_400.0
"""So many refusals within so many seconds are something to look at also when the latest is longer ago: a provider with
a wrong secret may deliver every few hours. One by itself may be anybody's, and a quiet source has no event soon."""

_UNHEARD = "nothing has come yet; enter its URL at the provider, or send a sample with badge-bridge sign"
# No trouble: so is every source of a bridge that was set up a minute ago, and one that nobody calls for months.


async def source_health(rules: RulesFile, store: Store, *, meters: Meters | None, now: float) -> list[dict[str, Any]]:
    """Each source of the rules file; what a process counts is None where others take the deliveries.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    return [await _source(name, rules, store, meters, now) for name in rules.sources]


def strangers(meters: Meters | None) -> dict[str, Any] | None:
    """What was sent to sources that are not configured; None where nothing was."""
    if meters is None or "" not in meters.refusals:
        return None
    refused = {kind: count for kind, count in _refused(meters, "").items() if kind not in AT_THE_DOOR}
    return {"refused": refused, "refusal": _refusal(meters.refusals[""])}


async def _source(name: str, rules: RulesFile, store: Store, meters: Meters | None, now: float) -> dict[str, Any]:
    found = await store.list(Wanted(source=name), limit=1)
    latest = found.events[0] if found.events else None
    last = latest.received_at if latest else None
    refusal = None if meters is None else meters.refusals.get(name)
    refuses = "" if meters is None or refusal is None else _refuses(meters, name, refusal, last, now)
    return {
        "source": name,
        "provider": getattr(rules.sources[name], "provider", ""),
        "path": f"/hooks/{name}",
        "last": None if last is None else iso(last),
        "received": None if meters is None else _received(meters, name),
        "refused": None if meters is None else _refused(meters, name),
        "refusal": None if refusal is None else {**_refusal(refusal), "is_over": not refuses},
        "warnings": [*filter(None, [refuses, _ahead(latest, rules.sources[name]), _silent(last, now)])],
        "hint": _UNHEARD if last is None and not refuses else "",
    }


def _received(meters: Meters, source: str) -> dict[str, int]:
    return {result: count for (name, result), count in meters.received.values.items() if name == source}


def _refused(meters: Meters, source: str) -> dict[str, int]:
    return {kind: count for (name, kind), count in meters.refused.values.items() if name == source and count}


def _refusal(one: Refusal) -> dict[str, Any]:
    return {"at": iso(one.at), "kind": one.kind, "reason": one.reason}


def _refuses(meters: Meters, source: str, refusal: Refusal, last: float | None, now: float) -> str:
    """That it refuses what comes, in words; empty where an event came since `refusal`, the latest, or where that is
    long ago and was not one of several.
    """
    if last is not None and last >= refusal.at:
        return ""
    lately = meters.refused_since(source, now - LATELY)
    if refusal.at > now - RECENT:
        when, count = "hour", meters.refused_since(source, now - RECENT)
    elif lately >= REPEATED:
        when, count = "24 hours", lately
    else:
        return ""
    many = counted(count, "delivery was", "deliveries were")
    if count == REMEMBERED:
        many = many.replace(" ", " or more ", 1)
    why = refusal.reason if count == 1 else f"the latest: {refusal.reason}"
    return f"{many} refused in the last {when}, and no event has come since: {why}"


def _silent(last: float | None, now: float) -> str:
    if last is None or now - last <= QUIET:
        return ""
    return f"nothing for {span(now - last)}; see whether the provider still has its URL"


def _ahead(latest: StoredEvent | None, options: object) -> str:
    told = "" if latest is None else latest_tells(latest.event, latest.received_at)
    return told and f"{told}: see {see(options)}"
