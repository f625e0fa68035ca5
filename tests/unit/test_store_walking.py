"""Walking through several ordered lists at once finds what is in all of them, and is as short as the rarest allows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.store.walking import Seek, any_of, in_all, listed
from badge_bridge.store.wanted import Place

BEHIND_ALL = (float("inf"), "")
STARTS = [BEHIND_ALL, (3.0, ""), (3.0, "a"), (2.5, "x"), (0.0, "")]
PLACES = st.lists(st.tuples(st.integers(0, 4).map(float), st.sampled_from(["", "a", "a\0", "b"])), unique=True)


def walked(lists: Sequence[Seek], start: Place = BEHIND_ALL) -> list[Place]:
    return [step.place for step in in_all(lists, start) if step.in_all]


@given(lists=st.lists(st.lists(PLACES, max_size=3), min_size=1, max_size=4), start=st.sampled_from(STARTS))
def test_walk_finds_what_is_in_all_lists_newest_first(lists: list[list[list[Place]]], start: Place) -> None:
    """Each list may be made of several, of which one is enough; each place is found once."""
    seeks = [any_of([listed(sorted(places)) for places in parts]) for parts in lists]
    sets = [set(itertools.chain.from_iterable(parts)) for parts in lists]

    assert walked(seeks, start) == sorted((place for place in set.intersection(*sets) if place < start), reverse=True)


def test_walk_is_as_short_as_the_rarest_list() -> None:
    """Whichever it is: a thousand events of one kind are leapt over to the one that is of another kind, too."""
    many = listed([(float(number), "a") for number in range(1000)])
    few = listed([(10.0, "a"), (20.5, "a")])
    for lists in ([many, few], [few, many]):
        steps = list(in_all(lists, BEHIND_ALL))
        assert [step.place for step in steps if step.in_all] == [(10.0, "a")]
        assert len(steps) <= 5


def test_walk_says_what_it_looked_at_in_vain() -> None:
    """Each such place once, so that whoever walks can stop."""
    odd = listed([(float(number), "a") for number in range(1, 100, 2)])
    even = listed([(float(number), "a") for number in range(0, 100, 2)])
    steps = list(in_all([odd, even], BEHIND_ALL))
    assert [step.place[0] for step in steps] == [float(number) for number in range(99, -1, -1)]
    assert not any(step.in_all for step in steps)
