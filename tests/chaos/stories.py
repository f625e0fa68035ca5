"""What is told in a run: stories of calls, made from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from chaos.calls import FIRST_ITEM, Call, Customer, Forgery
from chaos.deliveries import SOURCES

__all__ = ["FORGERIES", "KINDS", "Story", "stories"]

TIMED = tuple(name for name in SOURCES if name != "reception")
"""The sources whose calls say when they began."""
ANSWERED = ("shop", "gate", "pbx")
"""The sources that also tell of answered calls here."""

FORGERIES: dict[Forgery, tuple[str, ...]] = {
    "wrong secret": SOURCES,
    "altered body": ("shop", "gate", "reception", "office"),
    "unsigned": ("shop", "gate", "pbx", "reception", "office"),
    "replayed late": ("shop",),
}
"""What each source can see: a bare token covers no body."""


@dataclass(frozen=True, slots=True)
class Story:
    """Calls of one customer, in the order in which they are delivered; `repeats` says how often each is sent again, and
    `together` whether at the same moment. What comes `later` is told of when the round is over, and there is time for a
    badge to be on the card by then.
    """

    calls: Sequence[Call]
    later: Sequence[Call] = ()
    repeats: int = 0
    together: bool = False

    def beginning(self, at: float) -> Story:
        """The story in a round that begins at `at` (unix seconds)."""
        return replace(self, calls=_moved(self.calls, at), later=_moved(self.later, at))

    @property
    def rest(self) -> Story:
        """What comes later, as a story of its own."""
        return replace(self, calls=self.later, later=())


def _moved(calls: Sequence[Call], by: float) -> list[Call]:
    return [replace(call, time=call.time + by) for call in calls]


def stories(seed: int, rounds: int, *, each: int) -> list[list[Story]]:
    """What happens in so many rounds: `each` stories in each, every one of another customer."""
    rng = Random(f"stories {seed}")  # noqa: S311 - repeatable, not secret
    kinds = [place % len(KINDS) for place in range(each * rounds)]
    told = [_story(rng, number, KINDS[kind]) for number, kind in enumerate(kinds, start=1)]
    return [told[turn * each : (turn + 1) * each] for turn in range(rounds)]


KINDS = ("plain", "returned", "forged", "early", "twice", "plain", "before", "stranger", "forged", "plain", "between")


def _story(rng: Random, number: int, kind: str) -> Story:
    customer = Customer(number, None if kind == "stranger" else FIRST_ITEM + number)
    repeats, together = rng.choice([(0, False), (1, False), (1, True), (2, True)])
    calls = _calls(rng, kind, customer)
    apart = 1 if kind == "returned" else len(calls)
    return Story(calls[:apart], calls[apart:], repeats, together)


def _calls(rng: Random, kind: str, customer: Customer) -> list[Call]:
    def missed(number: int, after: float = 0) -> Call:
        return Call(f"call-{customer.number}-{number}", rng.choice(TIMED), customer, "missed", after)

    def answered(number: int, after: float) -> Call:
        return Call(f"call-{customer.number}-{number}", rng.choice(ANSWERED), customer, "answered", after)

    if kind == "forged":
        forgery = rng.choice(tuple(FORGERIES))
        return [Call(f"forged-{customer.number}", rng.choice(FORGERIES[forgery]), customer, forgery=forgery)]
    told = {
        "returned": lambda: [missed(1), answered(2, 60)],
        # What clears is told of first, the missed call after it.
        "early": lambda: [answered(1, 60), missed(2)],
        # It was answered before it was missed, which clears nothing.
        "before": lambda: [answered(1, -60), missed(2)],
        "twice": lambda: [missed(1), missed(2, 30)],
        "between": lambda: [missed(1), missed(2, 60), answered(3, 30)],
    }
    if kind in told:
        return told[kind]()
    return [Call(f"call-{customer.number}-1", rng.choice(SOURCES), customer)]
