"""Sends requests of all kinds to all sources through the HTTP surface, and counts what became of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from starlette.requests import Request

from badge_bridge.body_budget import BodyBudget
from badge_bridge.bridge import Bridge
from badge_bridge.pipeline import Pipeline
from badge_bridge.rulesfile import parse
from badge_bridge.server import handle
from badge_bridge.sources import OPTIONS, Source
from badge_bridge.sources.base import Delivery
from badge_bridge.store.memory import MemoryStore
from support.every_source import NOW, call
from support.mutations import garbage, mutated
from support.senders import SENDERS

CONTROLS = 0.01
MUTATIONS = 0.6

RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources: {s: {provider: generic, verify: {scheme: bearer}, secrets: ["${TOKEN}"], event: {type: "'x'", id: body.id}}}
badges: {b: {title: t, value: v, type: failure}}
rules: [{name: r, on: call.missed, badge: b}]
"""


@dataclass
class Report:
    """What was sent, by sender and kind, and what was wrong with the answers."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def of(self, kind: str) -> int:
        return sum(count for (_, one), count in self.sent.items() if one == kind)

    def table(self) -> str:
        kinds = sorted({kind for _, kind in self.sent})
        senders = sorted({sender for sender, _ in self.sent})
        lines = [f"{'sender':38}" + "".join(f"{kind:>12}" for kind in kinds)]
        lines += [f"{sender:38}" + "".join(f"{self.sent[sender, kind]:>12,}" for kind in kinds) for sender in senders]
        lines.append(f"{'all':38}" + "".join(f"{self.of(kind):>12,}" for kind in kinds))
        return "\n".join(lines)


class Surface:
    """The HTTP surface of a bridge with these sources, without portals and with a clock in hand."""

    def __init__(self, sources: dict[str, Source[Any]]) -> None:
        rules = parse(RULES, providers=OPTIONS, environ={"HOOK": "http://127.0.0.1:1/rest/1/x/", "TOKEN": "t" * 20})
        self.now = NOW
        self.store = MemoryStore()
        pipeline = Pipeline(
            rules=rules,
            sources=sources,
            portals={},
            store=self.store,
            wake=_nobody,
            clock=lambda: self.now,
            random=lambda: 0.5,
        )
        parts = SimpleNamespace(
            pipeline=pipeline, bodies=BodyBudget(), installers={}, clock=lambda: self.now, store=self.store
        )
        self.bridge = cast("Bridge", parts)

    async def send(self, name: str, delivery: Delivery) -> int:
        """The status of the answer; an error that is not ours is raised."""
        self.now = delivery.received_at
        scope = {
            "type": "http",
            "method": delivery.method,
            "path": f"/hooks/{name}{delivery.path}",
            "query_string": delivery.query.encode("latin-1"),
            "headers": [(key.encode("latin-1"), value.encode("latin-1")) for key, value in delivery.headers],
        }
        parts = iter([{"type": "http.request", "body": delivery.body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(parts)

        return (await handle(Request(scope, receive), self.bridge)).status_code


async def _nobody(keys: Sequence[str]) -> None:
    """Wakes nobody: nothing is processed here."""


async def run(requests: int, seed: int) -> Report:
    """So many requests, spread over all senders; 1 % are valid deliveries, at least half valid ones with one change."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    surface, report = Surface({name: sender.source for name, sender in SENDERS.items()}), Report()
    await surface.store.open()
    valid = {
        name: [
            delivery
            for number in range(20)
            for delivery in sender.calls(call(("missed", "answered")[number % 2], number=number))
        ]
        for name, sender in SENDERS.items()
    }
    names = list(SENDERS)
    for number in range(requests):
        name = names[number % len(names)]
        source, base = SENDERS[name].source, rng.choice(valid[name])
        chance = rng.random()
        if chance < CONTROLS or number < len(names):
            kind, what, delivery = "control", "control", base
        elif chance < CONTROLS + MUTATIONS:
            kind, (what, delivery) = "one change", mutated(base, source, rng)
        else:
            kind, what, delivery = "garbage", "garbage", replace(garbage(NOW, rng), path=base.path)
        before = len(surface.store._rows)
        try:
            status = await surface.send(name, delivery)
        except Exception as error:  # noqa: BLE001 - what would have been a 500
            status, what = 500, f"{what}: {type(error).__name__}: {error}"
        report.sent[name, kind] += 1
        report.statuses[status] += 1
        stored = len(surface.store._rows) > before
        accepted = 200 <= status < 300
        if status >= 500 or accepted != (kind == "control") or (stored and kind != "control"):
            report.wrong.append(f"number {number}, {name}, {what}: {status} {delivery}"[:1500])
    return report
