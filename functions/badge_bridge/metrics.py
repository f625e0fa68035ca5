"""`GET /metrics`: what `meters` has counted and how things stand, as Prometheus or OpenMetrics wants to read it.

prometheus_client writes it and adds what it knows of the process. It comes with the command line and takes 8 ms to
import beside what `serve` imports. Functions do without: they come and go by the dozen, each with counts of its own,
and have metrics from their log lines instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from badge_bridge import __version__
from badge_bridge.errors import StoreUnavailable
from badge_bridge.meters import Counter, Histogram, Labels, Meters
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.protocol import Store

__all__ = ["GAUGES", "PREFIX", "Metrics"]

logger = logging.getLogger("badge_bridge.server")

PREFIX = "badge_bridge"


@dataclass(frozen=True, slots=True)
class Gauge:
    """How something stands: a name without the prefix, what it means, and its labels."""

    name: str
    help: str
    labels: Labels = ()


UP = Gauge(
    "store_up",
    "1 where the store can be read and written, else 0; where it cannot be read, what it would tell is missing.",
)
EVENTS = Gauge("events", "Events that have not ended, and dead ones that nobody has tried again.", ("state",))
WAITING = Gauge("events_waiting", "Events that wait, by the lane that they wait for; empty for none.", ("lane",))
OLDEST = Gauge(
    "oldest_waiting_seconds",
    "Since the oldest event that waits was received, however lately it was redriven; 0 where none waits.",
)
PAUSED = Gauge(
    "lane_paused_until_timestamp_seconds",
    "Until when a portal, or one of its methods, is paused; gone once a call succeeds again.",
    ("lane",),
)

GAUGES = (UP, EVENTS, WAITING, OLDEST, PAUSED)


@dataclass(slots=True)
class Metrics:
    """Writes the page. `rules_hash` is that of the rules in use, `lanes` are those that may be paused, both asked for
    each page; `clock` returns unix seconds.
    """

    meters: Meters
    store: Store
    rules_hash: Callable[[], str]
    clock: Callable[[], float]
    lanes: Callable[[], Sequence[str]] = tuple
    _of_process: CollectorRegistry = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._of_process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._of_process)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, in the format that a header `Accept` asks for."""
        families = [*self._counted(), *await self._now(), *self._of_process.collect()]
        write, content_type = choose_encoder(accept)
        return write(_Families(families)), content_type

    def _counted(self) -> Iterator[Metric]:
        yield _info({"version": __version__, "rules_hash": self.rules_hash()})
        yield from map(_counter, self.meters.counters())
        yield from map(_histogram, self.meters.histograms())

    async def _now(self) -> list[Metric]:
        up = 1
        try:
            await self.store.ping()
        except StoreUnavailable as error:
            logger.warning("/metrics tells that the store is down: %s", error)
            up = 0
        try:
            pauses = await self.store.paused(self.lanes())
            backlog = await self.store.backlog()
        except StoreUnavailable as error:
            logger.warning("/metrics goes without what the store would tell: %s", error)
            return [_gauge(UP, {(): 0})]
        paused: dict[Labels, float] = {(one.lane,): one.until for one in pauses}
        return [_gauge(UP, {(): up}), _gauge(PAUSED, paused), *self._left(backlog)]

    def _left(self, backlog: Backlog) -> Iterator[Metric]:
        waiting = sum(backlog.waiting.values())
        yield _gauge(EVENTS, {("waiting",): waiting, ("working",): backlog.working, ("dead",): backlog.dead})
        lanes: dict[Labels, float] = {(lane,): count for lane, count in backlog.waiting.items()}
        yield _gauge(WAITING, {("",): 0} | lanes)
        since = 0.0 if backlog.oldest is None else max(self.clock() - backlog.oldest, 0.0)
        yield _gauge(OLDEST, {(): since})


@dataclass(frozen=True, slots=True)
class _Families:
    """What the library takes for a registry."""

    families: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


def _info(facts: dict[str, str]) -> Metric:
    return InfoMetricFamily(f"{PREFIX}_build", "What runs, and the hash of its rules file.", facts)


def _counter(counter: Counter) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{counter.name}", counter.help, labels=counter.labels)
    for labels, value in counter.values.items():
        family.add_metric(labels, value)
    return family


def _gauge(gauge: Gauge, values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help, labels=gauge.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}_{histogram.name}", histogram.help, labels=histogram.labels)
    bounds = [*map(str, histogram.bounds), "+Inf"]
    for labels, series in histogram.series.items():
        family.add_metric(labels, list(zip(bounds, series.cumulative, strict=True)), series.sum)
    return family
