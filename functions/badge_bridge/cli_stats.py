"""`badge-bridge stats`: how many events came, what they came to, and what is left to do."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge.cli_options import JsonOption, StateOption, opened_store, read_settings, run
from badge_bridge.errors import SettingsError
from badge_bridge.moments import iso, span
from badge_bridge.plural import counted
from badge_bridge.typed_times import in_words, read_time

if TYPE_CHECKING:
    from badge_bridge.settings import Settings
    from badge_bridge.store.backlog import Backlog
    from badge_bridge.store.census import Census

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("stats")(stats)


def stats(
    since: Annotated[str, typer.Option(help="Of events received then or later, as for events list.")] = "24h",
    until: Annotated[
        str | None, typer.Option(help="Of events received before then. Default: now.", show_default=False)
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count what came in, by source and state, what the rules came to, the badges put on cards, and what is left."""
    from badge_bridge.terminal_stats import print_stats

    now = time.time()
    start = read_time(since, now=now)
    end = now if until is None else read_time(until, now=now)
    if end <= start:
        raise SettingsError(f"--until {until or 'now'} is not later than --since {since}")
    counts = run(_count(read_settings(None, state), start, end))
    told = _as_json(counts, start, end)
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        print_stats(told, _heading(told["events"], told["legs"], start), [*_now(counts, now)])


@dataclass(frozen=True, slots=True)
class _Counts:
    census: Census
    badges: Counter[tuple[str, str]]
    """How often they were put on cards, by portal and code."""
    backlog: Backlog


async def _count(settings: Settings, since: float, until: float) -> _Counts:
    async with opened_store(settings, to_read=True) as store:
        badges = Counter({(one.portal, one.badge): one.count for one in await store.uses(since=since)})
        badges -= Counter({(one.portal, one.badge): one.count for one in await store.uses(since=until)})
        return _Counts(await store.census(since=since, until=until), badges, await store.backlog())


def _as_json(counts: _Counts, since: float, until: float) -> dict[str, Any]:
    sources: dict[tuple[str, str], dict[str, int]] = {}
    for (source, kind, state), count in sorted(counts.census.events.items()):
        sources.setdefault((source, kind), {})[state] = count
    rules: dict[str, dict[str, int]] = {}
    for (rule, result), count in sorted(counts.census.reached.items()):
        rules.setdefault(rule, {})[result] = count
    backlog = counts.backlog
    legs = sum(count for (_, _, state), count in counts.census.events.items() if state == "joined")
    return {
        "since": iso(since),
        "until": iso(until),
        "events": counts.census.events.total() - legs,
        "legs": legs,
        "attempts": counts.census.attempts,
        "sources": [{"source": source, "type": kind, "states": states} for (source, kind), states in sources.items()],
        "rules": [{"rule": rule, "results": results} for rule, results in rules.items()],
        "badges": [
            {"portal": portal, "badge": badge, "count": count}
            for (portal, badge), count in sorted(counts.badges.items())
        ],
        "now": {
            "waiting": sum(backlog.waiting.values()),
            "waiting_for": {lane: count for lane, count in sorted(backlog.waiting.items()) if lane},
            "oldest_waiting": None if backlog.oldest is None else iso(backlog.oldest),
            "working": backlog.working,
            "dead": backlog.dead,
        },
    }


def _heading(events: int, legs: int, since: float) -> str:
    """A call of several legs is one event, as `events list` has it."""
    beside = f", beside {counted(legs, 'leg')} of calls" if legs else ""
    return f"{counted(events, 'event')} received since {in_words(since)}{beside}"


def _now(counts: _Counts, now: float) -> Iterator[str]:
    """What is left to do, whenever it was received."""
    backlog = counts.backlog
    waiting = sum(backlog.waiting.values())
    if backlog.oldest is None:
        yield "none wait"
    else:
        received = f"{span(now - backlog.oldest)} ago, at {in_words(backlog.oldest)}"
        yield f"{waiting:,} waiting, the oldest received {received}"
    for lane, count in sorted(backlog.waiting.items()):
        if lane:
            portal = lane.partition("/")[0]
            mend = (
                f"badge-bridge doctor --portal {portal} says what to mend, badge-bridge resume {portal} ends the pause"
            )
            yield f"{count:,} of them for {lane}: {mend}"
    yield f"{backlog.working:,} being worked on"
    again = ": badge-bridge events list --in dead shows them, events redrive tries them again"
    yield f"{backlog.dead:,} dead{again if backlog.dead else ''}"
