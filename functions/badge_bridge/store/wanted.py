"""Which events an operator looks for, and what is counted for him."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from badge_bridge.events import Event, customer_join, joining
from badge_bridge.outcomes import Outcome, Result, latest

if TYPE_CHECKING:
    from badge_bridge.store.protocol import Settlement, State

__all__ = [
    "MOST_PASSED_OVER",
    "MOST_STRETCHES",
    "REACHED_WHEN_DONE",
    "Place",
    "Tally",
    "Uses",
    "Wanted",
    "is_waiting_leg",
    "joins_of",
    "late_join",
    "reached_of",
    "results_of",
    "shares",
    "stretches",
]

MOST_PASSED_OVER = 5_000
"""Events that one page looks at in vain, so that no page is slow, whatever is asked for."""

MOST_STRETCHES = 1_500
"""Stretches of one `Store.tally`: a day by minutes, and some."""

REACHED_WHEN_DONE: Sequence[Result] = ("badged", "cleared", "ensured")
"""What at least one rule has come to for an event that is done. An event counts as the first of these that one has."""

Place = tuple[float, str]
"""Where an event stands in a list: `received_at` and the key, since several may have come at the same moment."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted: those that meet all of what is said. None leaves all."""

    state: State | None = None
    source: str | None = None
    type: str | None = None
    customer: str | None = None
    """What `Event.customer` holds or has held: an E.164 number, or as the provider wrote it. Of the legs of a
    call only the one is found that waits for the call's end; then it is the call's own event. What no rule is for is
    found once it has ended as ignored."""
    rule: str | None = None
    """A rule that has an outcome for the event."""
    result: Result | None = None
    """What a rule came to, whether that is `rule` or any: the latest outcome of each rule counts
    (`outcomes.latest`)."""
    since: float | None = None
    """Received then or later, in unix seconds."""
    until: float | None = None
    """Received before then."""
    legs: bool = True
    """False leaves out the legs of calls that have ended as joined, where neither `state` nor `type` asks for them:
    the call's own event tells what they do. The leg that waits for its call stays."""

    @property
    def leaves_out_joined(self) -> bool:
        return not self.legs and self.state is None and self.type is None

    def start(self, before: Place | None) -> Place:
        """Behind which place the next page begins: all that is wanted there is older."""
        latest = (math.inf if self.until is None else self.until, "")
        return latest if before is None else min(before, latest)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events were received in a stretch of time and are in this state now; at least one."""

    start: float
    """The stretch's first moment, in unix seconds."""
    state: State
    count: int
    result: Result | None = None
    """Of those that are done, which of `REACHED_WHEN_DONE` they count as; None where their outcomes cannot be read, and
    in other states.
    """


@dataclass(frozen=True, slots=True)
class Uses:
    """How often a badge was put on a card of a portal; at least once."""

    portal: str
    badge: str
    """The badge's code."""
    count: int
    latest: float
    """When the latest of the events happened, in unix seconds."""


def is_waiting_leg(event: Event, state: State, customer: str) -> bool:
    """Whether it is a customer's leg that waits for the end of its call, which nothing else tells of so far."""
    return state == "waiting" and event.leg is not None and event.customer == customer


def stretches(since: float, until: float, width: float) -> Iterator[tuple[float, float]]:
    """The stretches of so many seconds from a moment (inclusive) to another (exclusive), the last one perhaps shorter.

    Raises:
        ValueError: a stretch has no length, or there are more than `MOST_STRETCHES`.
    """
    if width <= 0:
        raise ValueError("a stretch of time must have a length")
    count = max(math.ceil((until - since) / width), 0)
    if count > MOST_STRETCHES:
        raise ValueError(f"{count} stretches are more than the {MOST_STRETCHES} that are counted at once")
    for number in range(count):
        yield since + number * width, min(since + (number + 1) * width, until)


def shares(done: int, reached: Mapping[Result, int]) -> Mapping[Result | None, int] | None:
    """How many of the events that are done count as what, as far as that can be told from how often each result was
    reached by some rule for any event of that time; None where each of them has to be looked at.

    Each that is done has one such outcome at least. So where all outcomes have one result, that is what they count as;
    and where there are no more outcomes than events, each event has a single one.
    """
    there: dict[Result | None, int] = {one: count for one in REACHED_WHEN_DONE if (count := reached.get(one, 0))}
    if len(there) == 1 and sum(there.values()) >= done:
        return dict.fromkeys(there, done)
    return there if sum(there.values()) == done else None


def results_of(reached: Iterable[Iterable[Result]]) -> Mapping[Result | None, int]:
    """The same of events of which each is looked at: the results of its rules."""
    counted_as = Counter(next((one for one in REACHED_WHEN_DONE if one in results), None) for results in reached)
    return {one: counted_as[one] for one in (*REACHED_WHEN_DONE, None) if counted_as[one]}


def reached_of(outcomes: Iterable[Outcome]) -> frozenset[tuple[str, Result]]:
    """The rules and results that an event is found by, of its outcomes in the order of their attempts.

    A rule that was tried again counts with its latest outcome. It has two where it put a badge on one card and took
    another one off.
    """
    return frozenset((outcome.rule, outcome.result) for outcome in latest(outcomes))


def joins_of(customer: str) -> Sequence[str]:
    """The values among an event's joins by which a customer's events are found; none where the customer is empty."""
    return (customer_join(customer), joining("found", customer)) if customer else ()


def late_join(event: Event, settlement: Settlement) -> str:
    """The one of them that an event gets as it ends, where no rule is for it; else, or without a customer, empty.

    Another one than that of the rules, which must not meet an event that none of them is for.
    """
    is_for_none = settlement.state == "ignored" and not settlement.outcomes
    return joining("found", event.customer) if is_for_none else ""
