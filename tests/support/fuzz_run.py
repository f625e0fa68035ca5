"""Sends requests of all kinds to all sources through the HTTP surface, and counts what became of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Literal, cast

from starlette.requests import Request

from badge_bridge.body_budget import BodyBudget
from badge_bridge.pipeline import Pipeline
from badge_bridge.rulesfile import parse
from badge_bridge.server import Served, handle
from badge_bridge.sources import OPTIONS, PROVIDERS, Source
from badge_bridge.sources.base import Delivery
from badge_bridge.store.memory import MemoryStore
from support.every_source import NOW, call
from support.handshakes import HANDSHAKES, SIGNED, changed_handshake, handshake
from support.mutations import garbage, mutated
from support.senders import SENDERS

Kind = Literal["control", "one change", "garbage", "handshake"]
KINDS: Sequence[Kind] = ("control", "one change", "garbage", "handshake")

LEAST: Mapping[Kind, float] = {"control": 0.01, "one change": 0.5}
"""The shares without which a run proves little: of all requests, and of those to each provider."""

RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources: {s: {provider: generic, verify: {scheme: bearer}, secrets: ["${TOKEN}"], event: {type: "'x'", id: body.id}}}
badges: {b: {title: t, value: v, type: failure}}
rules: [{name: r, on: call.missed, badge: b}]
"""


@dataclass
class Report:
    """What was sent, by sender and kind, and what was wrong with the answers or with the run itself."""

    sent: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def of(self, kind: Kind, provider: str = "") -> int:
        """So many of a kind, to one provider or to all."""
        return sum(
            count
            for (sender, one), count in self.sent.items()
            if one == kind and provider in ("", SENDERS[sender].provider)
        )

    def lacks(self) -> Iterator[str]:
        """The shares that are too small, in sentences."""
        for provider in ("", *PROVIDERS):
            total = sum(self.of(kind, provider) for kind in KINDS)
            for kind, least in LEAST.items():
                if not total or self.of(kind, provider) < least * total:
                    sent = f"{self.of(kind, provider):,} of {total:,} requests to {provider or 'all providers'}"
                    yield f"too few of the kind '{kind}': {sent}; at least {least:.0%} are needed"

    def table(self) -> str:
        """The numbers for each provider, its senders taken together."""
        senders = Counter(sender.provider for sender in SENDERS.values())
        lines = [f"{'provider':14}{'senders':>8}" + "".join(f"{kind:>12}" for kind in KINDS)]
        for provider, number in (*sorted(senders.items()), ("", len(SENDERS))):
            counts = "".join(f"{self.of(kind, provider):>12,}" for kind in KINDS)
            lines.append(f"{provider or 'all':14}{number:>8}{counts}")
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
            accepting=pipeline.accepting, bodies=BodyBudget(), installers={}, clock=lambda: self.now, store=self.store
        )
        self.bridge = cast("Served", parts)

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


def kind_of(turn: int, provider: str) -> Kind:
    """What a sender sends in its turn: of a hundred one control and sixty with one change, however short the run is."""
    if turn % 100 == 0:
        return "control"
    if turn % 10 == 4 and provider in HANDSHAKES:
        return "handshake"
    return "garbage" if turn % 10 in (0, 2, 4, 8) else "one change"


async def run(requests: int, seed: int) -> Report:
    """So many requests, spread over all senders: valid deliveries (controls), valid ones with one change, garbage, and
    what providers check an endpoint with.

    Nothing but the controls may be stored, nor accepted; a check of an endpoint may be answered where it proves nothing.
    Nothing may end in 5xx, and no kind may fall short.
    """
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
        turn, name = number // len(names), names[number % len(names)]
        sender, base = SENDERS[name], rng.choice(valid[name])
        kind = kind_of(turn, sender.provider)
        what: str = kind
        welcome = kind == "control"
        match kind:
            case "control":
                delivery = base
            case "one change":
                what, delivery = mutated(base, sender.source, rng)
            case "garbage":
                delivery = replace(garbage(NOW, rng), path=base.path)
            case "handshake" if welcome := rng.random() < 0.2:
                delivery = handshake(sender, base)
            case "handshake":
                what, delivery = changed_handshake(sender, base, rng)
        before = len(surface.store._rows)
        try:
            status = await surface.send(name, delivery)
        except Exception as error:  # noqa: BLE001 - what would have been a 500
            status, what = 500, f"{what}: {type(error).__name__}: {error}"
        report.sent[name, kind] += 1
        report.statuses[status] += 1
        stored = len(surface.store._rows) > before
        accepted = 200 <= status < 300
        answered_rightly = accepted == welcome or (kind == "handshake" and sender.provider not in SIGNED and accepted)
        stored_rightly = (stored or turn > 0) if kind == "control" else not stored
        if status >= 500 or not answered_rightly or not stored_rightly:
            report.wrong.append(f"number {number}, {name}, {what}: {status} {delivery}"[:1500])
    report.wrong += report.lacks()
    return report
