"""What a month costs on Google Cloud, by what one event of each kind needs: arithmetic, and no prices but those given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from support.firestore_bill import Cost
from support.firestore_run import LEGS, Kind, Run

__all__ = ["FREE", "PRICES", "Month", "Prices", "month"]

DAYS = 30.0
SWEEPS = DAYS * 1440
_KIB, _GIB, _TIB = 1024.0, 1024.0**3, 1024.0**4

DELIVERIES = {"missed": 1, "returned": 1, "answered": 1, "unmatched": 1, "repeated": 1, "pushed again": 0, "legs": LEGS}
"""How often `receive` is called for one of each kind."""

DOCUMENTS = {
    kind: 0 if kind == "repeated" else 1 + LEGS if kind == "legs" else count for kind, count in DELIVERIES.items()
}
"""How many events are stored for one of each kind, and deleted when they have been kept long enough."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, or what is free. Firestore's are for 100,000 documents, and free a day; all others free a month."""

    reads: float
    writes: float
    deletes: float
    pubsub_tib: float
    """Published and delivered, each request at least 1 KiB."""
    million_requests: float
    vcpu_second: float
    gib_second: float
    logs_gib: float


PRICES = Prices(0.06, 0.18, 0.02, 40.0, 0.40, 0.000024, 0.0000025, 0.50)
FREE = Prices(50_000, 20_000, 20_000, 10 / 1024, 2.0, 180_000, 360_000, 50.0)


@dataclass(frozen=True, slots=True)
class Load:
    """How a month goes. `mix` says which share of the events is of which kind; they come at random in `hours`. A delivery
    takes `receive_seconds`, a round trip to Firestore `store_seconds`, a request to the portal `portal_seconds`.
    """

    mix: Mapping[str, float]
    hours: float
    receive_seconds: float
    store_seconds: float
    portal_seconds: float
    sweep_seconds: float
    vcpu: float
    gib: float
    log_bytes: float
    retained: bool


@dataclass(frozen=True, slots=True)
class Month:
    """`used` in the units of `Prices`, dollars beyond what is free and without that."""

    used: Prices
    billed: Prices
    full: Prices

    @property
    def total(self) -> float:
        return sum(_values(self.billed))

    @property
    def total_without_free(self) -> float:
        return sum(_values(self.full))


def month(run: Run, load: Load, events: float, *, prices: Prices = PRICES, free: Prices = FREE) -> Month:
    used = _used(run, load, events)
    daily = (one * DAYS / 1e5 for one in (free.reads, free.writes, free.deletes))
    allowance = Prices(*daily, *_values(free)[3:])
    beyond = [max(0.0, one - left) for one, left in zip(_values(used), _values(allowance), strict=True)]
    billed = Prices(*(one * price for one, price in zip(beyond, _values(prices), strict=True)))
    full = Prices(*(one * price for one, price in zip(_values(used), _values(prices), strict=True)))
    return Month(used, billed, full)


def process_seconds(run: Run, load: Load, events: float) -> float:
    """How long `process` works on a month's events and waits for them, one after the other."""

    def seconds(kind: Kind) -> float:
        trips = sum(cost.calls for method, cost in kind.costs.items() if method != "accept")
        return trips * load.store_seconds + kind.requests * load.portal_seconds + kind.waited

    return sum(events * share * seconds(run.kinds[kind]) for kind, share in load.mix.items())


def busy_seconds(work: float, hours: float) -> float:
    """How long an instance is busy with requests that take `work` seconds in all and come at random in so many hours.

    Those that overlap share it, so many requests cost less than their number says; where one instance cannot hold
    them, this is too little.
    """
    window = hours * 3600.0
    return -math.expm1(-work / window) * window


def _used(run: Run, load: Load, events: float) -> Prices:
    cost = sum((run.kinds[kind].cost * (events * share) for kind, share in load.mix.items()), Cost())
    cost += run.kinds["sweep"].cost * SWEEPS
    deliveries = sum(events * share * DELIVERIES[kind] for kind, share in load.mix.items())
    messages = sum(events * share * run.kinds[kind].messages for kind, share in load.mix.items())
    messages += sum(events * share for kind, share in load.mix.items() if kind == "pushed again")
    seconds = (
        busy_seconds(deliveries * load.receive_seconds, load.hours)
        + busy_seconds(process_seconds(run, load, events), load.hours)
        + SWEEPS * load.sweep_seconds
    )
    if load.retained:
        documents = sum(events * share * DOCUMENTS[kind] for kind, share in load.mix.items())
        cost += run.kinds["forgotten"].cost * documents
    return Prices(
        reads=cost.reads / 1e5,
        writes=cost.writes / 1e5,
        deletes=cost.deletes / 1e5,
        pubsub_tib=2 * messages * _KIB / _TIB,
        million_requests=(deliveries + messages + SWEEPS) / 1e6,
        vcpu_second=seconds * load.vcpu,
        gib_second=seconds * load.gib,
        logs_gib=(deliveries + messages) * load.log_bytes / _GIB,
    )


def _values(prices: Prices) -> list[float]:
    return [getattr(prices, name) for name in Prices.__slots__]
