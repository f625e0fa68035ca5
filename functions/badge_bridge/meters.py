"""What a process counts while it works: plain numbers, for whoever shows them (`metrics.py`).

Passed in as clocks are, and touched in one event loop only, so nothing is locked: a count takes 0.15 us where a
library's takes twice to five times as long, and a function that shows no metrics imports nothing for them. A label is a
name of the rules file or a word of ours, never what came over the wire, so that nobody outside can add series.

Of what a person asks "when?" about, the latest is kept beside the counts (`Answer`, `Refusal`); that is for pages, and
shown by no metric.

Names are what Prometheus shows, without the prefix and, of counters, without `_total`.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from badge_bridge.errors import NotFound

__all__ = [
    "AT_THE_DOOR",
    "REMEMBERED",
    "Answer",
    "Counter",
    "Histogram",
    "Labels",
    "Meters",
    "Refusal",
    "Series",
    "kind",
]

Labels = tuple[str, ...]

_INSIDE_A_NAME = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def kind(error: BaseException) -> str:
    """An error's kind as a label: `body_too_large`. What it says may be anything; how many kinds there are is known."""
    return _INSIDE_A_NAME.sub("_", type(error).__name__).lower()


@dataclass(eq=False, slots=True)
class Counter:
    """How often something happened, by the values of its labels."""

    name: str
    help: str
    labels: Labels = ()
    values: dict[Labels, int] = field(default_factory=dict)

    def add(self, *labels: str, by: int = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + by

    def expect(self, *labels: str) -> None:
        """Begin at 0: of a series that begins at 1, Prometheus sees no increase."""
        self.values.setdefault(labels, 0)


@dataclass(eq=False, slots=True)
class Series:
    """One distribution: how many fell between two bounds, and the sum of all."""

    counts: list[int]
    sum: float = 0.0

    @property
    def cumulative(self) -> list[int]:
        """How many were at most each bound, and how many there were in all."""
        return list(accumulate(self.counts))


@dataclass(eq=False, slots=True)
class Histogram:
    """How large something was, by the values of its labels; `bounds` are inclusive and grow."""

    name: str
    help: str
    labels: Labels
    bounds: Sequence[float]
    series: dict[Labels, Series] = field(default_factory=dict)

    def observe(self, amount: float, *labels: str) -> None:
        one = self.series.get(labels)
        if one is None:
            one = self.series[labels] = Series([0] * (len(self.bounds) + 1))
        # A clock that was set back in between has made a time negative.
        amount = max(amount, 0.0)
        one.counts[bisect_left(self.bounds, amount)] += 1
        one.sum += amount


FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""Seconds of what a sender waits for; some hang up after 3, all after 15."""

SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds of a request to a portal, which is given up after a minute."""

LONG = (0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
"""Seconds from a call to its badge: moments where all is well, hours where a portal was away."""

TOGETHER = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0)
"""Commands in a request; a portal takes 50."""

ENDS = ("done", "ignored", "joined", "retry", "paused", "dead")
"""How attempts end: terminal states, and of those that leave their event waiting, whether they count towards dead."""


RELOADS = ("reloaded", "unchanged", "refused")
"""What reading the rules again comes to: others are in use now, it was asked for and they are the same, or they are no
good and those of before stay in use."""


REFUSALS = ("unauthenticated", "outside_window", "malformed", "impossible", "body_too_large", "store_unavailable")
"""Why a source may refuse deliveries, as far as somebody is woken by it or looks for it; there are more."""

AT_THE_DOOR = ("not_http", "head_too_long", "head_too_slow")
"""Why what was sent may come to no source."""


LATEST = 20
"""Answers of a portal that are remembered."""

REMEMBERED = 100
"""Refusals of a source of which it is remembered when they were."""

_LONGEST = 500
"""Characters of what is said of a refusal: a sender may have put anything into it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request to a portal came to: `ok` or the kind of error, with what it says. Of several commands in it the
    gravest refusal counts.
    """

    at: float
    """Unix seconds."""
    result: str
    seconds: float
    commands: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a delivery was not accepted: the kind of error, and what our log says."""

    at: float
    kind: str
    reason: str


class Meters:
    """All of them. `clock` returns unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.since = clock()
        """When counting began, in unix seconds."""
        self.answers: dict[str, deque[Answer]] = {}
        """The latest of each portal, oldest first."""
        self.errors: dict[str, Answer] = {}
        """The latest of each portal that somebody should know about."""
        self.refusals: dict[str, Refusal] = {}
        """The latest of each source; of those that are not configured under an empty name."""
        self._refused_at: dict[str, deque[float]] = {}
        self.received = Counter(
            "events_received",
            "Events by what became of them: accepted, duplicate, or fetched where no delivery had told of them.",
            ("source", "result"),
        )
        self.refused = Counter(
            "deliveries_refused",
            "Deliveries that were not accepted, by why. A source not configured, or not reached, is an empty one.",
            ("source", "reason"),
        )
        self.turned_away = Counter(
            "connections_refused",
            "Connections for deliveries that were ended for new ones or found no room.",
        )
        self.accepting = Histogram(
            "accept_seconds", "From having a delivery to having its events stored.", ("source",), FAST
        )
        self.storing = Histogram(
            "store_write_seconds", "What of that the store took to write events durably.", (), FAST
        )
        self.taken = Counter("events_taken", "Events that were leased to be worked on.")
        self.attempts = Counter(
            "attempts",
            "Attempts by how they ended; retry counts towards dead, paused waits for a portal.",
            ("source", "result"),
        )
        self.outcomes = Counter(
            "outcomes",
            "What rules came to, by rule, role, badge and portal.",
            ("rule", "role", "badge", "portal", "result"),
        )
        self.done = Histogram(
            "event_done_seconds",
            "From receiving an event to the end of the attempt that did what the rules say.",
            ("source",),
            LONG,
        )
        self.requests = Counter(
            "portal_requests",
            "Requests to a portal by what they came to: ok, or the kind of error.",
            ("portal", "result"),
        )
        self.commands = Counter(
            "portal_commands",
            "Method calls in these requests, those that were sent again included.",
            ("portal", "method"),
        )
        self.answering = Histogram("portal_request_seconds", "What a portal took to answer.", ("portal",), SLOW)
        self.together = Histogram("portal_batch_commands", "Method calls in one request.", ("portal",), TOGETHER)
        self.waiting = Histogram(
            "limiter_wait_seconds", "What a request waited for room in the portal's limit.", ("portal",), SLOW
        )
        self.reloads = Counter(
            "rules_reloads",
            "Times that the rules file was read again: reloaded, unchanged, or refused for its mistakes.",
            ("result",),
        )

    def answered(self, portal: str, methods: Sequence[str], *, seconds: float, error: BaseException | None) -> Answer:
        """Count a request with the methods that it called, and what it came to."""
        result = "ok" if error is None else kind(error)
        self.requests.add(portal, result)
        self.answering.observe(seconds, portal)
        self.together.observe(len(methods), portal)
        for method in methods:
            self.commands.add(portal, method)
        answer = Answer(self._clock(), result, seconds, len(methods), "" if error is None else str(error))
        self.answers.setdefault(portal, deque(maxlen=LATEST)).append(answer)
        if error is not None and not isinstance(error, NotFound):  # whoever asks whether there is a badge hears that
            self.errors[portal] = answer
        return answer

    def refused_within(self, portal: str, answer: Answer, error: BaseException) -> None:
        """One of several commands was refused in a request that was answered well: what is remembered of it is the
        refusal. It stays counted as it was.
        """
        told = replace(answer, result=kind(error), error=str(error))
        latest = self.answers[portal]
        self.answers[portal] = deque((told if one is answer else one for one in latest), latest.maxlen)
        self.errors[portal] = told

    def unsent(self, portal: str, error: BaseException) -> None:
        """Nothing was sent, for want of a credential: that is the last error, and no answer."""
        self.errors[portal] = Answer(self._clock(), kind(error), seconds=0.0, commands=0, error=str(error))

    def refuse(self, source: str, error: BaseException) -> None:
        """Count a delivery that was not accepted; `source` is empty where it is not configured."""
        self.refused.add(source, kind(error))
        self.refusals[source] = latest = Refusal(self._clock(), kind(error), str(error)[:_LONGEST])
        self._refused_at.setdefault(source, deque(maxlen=REMEMBERED)).append(latest.at)

    def refused_since(self, source: str, since: float) -> int:
        """How many deliveries of a source were refused since then (unix seconds, exclusive): at most `REMEMBERED`, of
        which there may have been more.
        """
        return sum(at > since for at in self._refused_at.get(source, ()))

    def counters(self) -> Iterable[Counter]:
        return [one for one in vars(self).values() if isinstance(one, Counter)]

    def histograms(self) -> Iterable[Histogram]:
        return [one for one in vars(self).values() if isinstance(one, Histogram)]

    def expect(self, *, sources: Iterable[str], portals: Iterable[str]) -> None:
        """Show from the start what these names may come to."""
        self.taken.expect()
        self.turned_away.expect()
        for reason in AT_THE_DOOR:
            self.refused.expect("", reason)
        for result in RELOADS:
            self.reloads.expect(result)
        for source in sources:
            for result in ("accepted", "duplicate"):
                self.received.expect(source, result)
            for reason in REFUSALS:
                self.refused.expect(source, reason)
            for end in ENDS:
                self.attempts.expect(source, end)
        for portal in portals:
            self.requests.expect(portal, "ok")
