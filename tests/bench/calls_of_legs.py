"""How many calls a second are processed, told of by one event and by three legs: `python tests/bench/calls_of_legs.py`.

No rule matches the calls, so that it is the store and the joining that are measured, and no portal. Rounds of all kinds
are interleaved, so that a noisy machine treats them alike; the medians are printed, with how many claims a call took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from badge_bridge.calls import Calls
from badge_bridge.events import LEG, Event, Leg, call_join
from badge_bridge.pipeline import Pipeline
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.loading import parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Store
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.wanted import Wanted
from support.company import RULES
from support.every_source import source_of

NOW = 1_763_778_600.0
AFTER_GRACE = NOW + 6
STATES: Sequence[dict[str, Any]] = (
    {"state": "started"},
    {"state": "ringing"},
    {"state": "ended", "ends": "leg", "outcome": "no_answer"},
)
SIDE_BY_SIDE = 16


def event(number: int, **fields: Any) -> Event:
    return Event(
        source="s",
        provider="zoom",
        time=datetime.fromtimestamp(NOW, UTC),
        direction="inbound",
        caller=f"+49{number:09d}",
        subject=f"+49{number:09d}",
        data={"body": "b" * 300},
        **fields,
    )


def one_event(number: int, calls: Calls) -> list[Accepted]:
    told = event(number, id=str(number), type="call.missed")
    return [Accepted(f"s:{number}", told, "", NOW, joins=(f"customer\n{told.customer}",))]


def three_legs(number: int, calls: Calls) -> list[Accepted]:
    accepted = []
    for name, fields in enumerate(STATES):
        leg = Leg(call=str(number), leg="1", party="agent", **fields)
        told = event(number, id=f"{number}.{name}", type=LEG, leg=leg)
        place = calls.place(told, NOW)
        accepted.append(Accepted(f"s:{told.id}", told, "", NOW, joins=(call_join(told),), leg=place))
    return accepted


async def rate(store: Store, rules: RulesFile, told: Any, calls: int) -> tuple[float, float, float]:
    """Calls a second, without and with accepting what tells of them, and claims for each."""
    moment = NOW
    sources = {"s": source_of("zoom")}

    async def wake(keys: Sequence[str]) -> None:
        pass

    given: dict[str, Any] = {"rules": rules, "sources": sources, "store": store, "clock": lambda: moment}
    pipeline = Pipeline(**given, portals={}, wake=wake, random=lambda: 0.5)
    joining = Calls(**given)
    deliveries = [[one] for number in range(calls) for one in told(number, joining)]
    claims = 0
    began = time.perf_counter()
    for start in range(0, len(deliveries), SIDE_BY_SIDE):
        await asyncio.gather(*(store.accept(batch) for batch in deliveries[start : start + SIDE_BY_SIDE]))
    accepted = time.perf_counter()
    for now in (NOW, AFTER_GRACE):
        moment = now
        while found := await pipeline.sweep(SIDE_BY_SIDE):
            claims += len(found)
            await asyncio.gather(*(pipeline.process(claim) for claim in found))
    done = time.perf_counter()
    judged = await store.list(Wanted(type="call.missed", state="ignored"), limit=calls + 1)
    assert len(judged.events) == calls, "every call is told of as one event"
    return calls / (done - accepted), calls / (done - began), claims / calls


async def measure(folder: Path, calls: int, rounds: int) -> dict[str, object]:
    secrets = {"CLIENT_SECRET": "x" * 40, "PBX_TOKEN": "x" * 32}
    rules = parse(RULES.replace("on: call.missed", "on: call.busy"), environ=secrets, providers=OPTIONS)
    found = defaultdict[str, list[tuple[float, float, float]]](list)
    for turn in range(rounds):
        for name, told in (("one event", one_event), ("three legs", three_legs)):
            stores: dict[str, Store] = {"memory": MemoryStore(), "sqlite": SqliteStore(folder / f"{name} {turn}.db")}
            for kind, store in stores.items():
                await store.open()
                found[f"{kind}, {name}"].append(await rate(store, rules, told, calls))
                await store.close()
    result: dict[str, Any] = {}
    for name, figures in found.items():
        processed, whole, claims = (statistics.median(column) for column in zip(*figures, strict=True))
        result[name] = {"calls_processed": round(processed), "with_accepting": round(whole), "claims": round(claims, 2)}
    for kind in ("memory", "sqlite"):
        one, three = result[f"{kind}, one event"], result[f"{kind}, three legs"]
        result[f"{kind}, ratio"] = {
            name: round(one[name] / three[name], 1) for name in ("calls_processed", "with_accepting")
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=600, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to put the files; the disk that is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        result = uvloop.run(measure(Path(folder), arguments.calls, arguments.rounds))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
