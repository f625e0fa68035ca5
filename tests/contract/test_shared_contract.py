"""What every store lets all processes share: buckets, notes and holds.

Where the protocol leaves a choice, the choice is a test here:

- A bucket that nobody drew from is empty. A refusal counts nothing, and says how long at least a millisecond.
- Where the clock was set back, a level drains once for what the clock shows twice.
- A hold is over when its time is, whoever had it; asking again never shortens it. Nobody has to let go to hold again.
- Letting go asks for no time: a hold that is over is still its holder's to give back, until somebody else takes it.
- Whoever opens a store that nobody else has open finds every hold let go that does not outlive its holder.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badge_bridge.errors import StoreUnavailable
from badge_bridge.holding import LASTING
from badge_bridge.store.protocol import LONGEST_LEASE, Note, Store
from badge_bridge.store.sqlite import SqliteStore
from support.stores import LATER, NOW, ODD_TEXTS, STORES, knows_who_is_gone

TODAY = 1_767_225_600.25
"""A moment as large as today's, where a second has fewer digits behind its point than in 1970."""

BUCKETS = (f"portal {number}" for number in itertools.count())


@pytest.fixture(params=[pytest.param("firestore", marks=pytest.mark.slow), "sqlite"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes with one file or database, as far as that can tell."""
    if request.param == "firestore":
        request.getfixturevalue("firestore")
    one, other = STORES[request.param](tmp_path), STORES[request.param](tmp_path)
    await one.open()
    await other.open()
    yield one, other
    await one.close()
    await other.close()


async def draws(store: Store, times: int, *, now: float = NOW, rate: float = 2.0, burst: int = 5) -> list[float]:
    return [await store.draw("main", now=now, rate=rate, burst=burst) for _ in range(times)]


# Buckets


async def test_draw_lets_burst_through_when_bucket_is_empty(store: Store) -> None:
    """So many at once as it holds, and from then on one for each that has drained."""
    assert await draws(store, 7) == [0.0] * 5 + [0.5, 0.5]

    assert await draws(store, 1, now=NOW + 0.25) == [0.25]
    assert await draws(store, 2, now=NOW + 0.5) == [0.0, 0.5]
    assert await draws(store, 4, now=NOW + 2) == [0.0, 0.0, 0.0, 0.5]


async def test_draw_lets_no_more_than_burst_through_when_nobody_asked_for_long(store: Store) -> None:
    """A bucket does not become emptier than empty."""
    await draws(store, 3)

    assert await draws(store, 7, now=NOW + 86_400) == [0.0] * 5 + [0.5, 0.5]


async def test_level_says_what_has_not_drained_when_somebody_looks(store: Store) -> None:
    """A look at a bucket counts nothing in it, finds it emptier the later it comes, and never fuller than it is."""
    limit: dict[str, Any] = {"rate": 2.0, "burst": 5}
    assert await store.level("main", now=NOW, **limit) == 0.0
    await draws(store, 4)

    assert [await store.level("main", now=NOW + seconds, **limit) for seconds in (0, 0.5, 60)] == [4.0, 3.0, 0.0]
    assert await store.level("other", now=NOW, **limit) == 0.0
    assert await store.level("main", now=NOW - 1, **limit) == 4.0
    assert await draws(store, 2) == [0.0, 0.5]


async def test_draw_keeps_buckets_apart_when_names_differ(store: Store) -> None:
    """A portal that is at its limit takes nothing from another one."""
    await draws(store, 6)

    assert await store.draw("other", now=NOW, rate=2, burst=1) == 0.0
    assert await store.draw("other", now=NOW, rate=0.1, burst=1) == pytest.approx(10)


async def test_draw_goes_by_new_limits_when_they_changed(store: Store) -> None:
    """After the limits were lowered a fuller bucket drains to them first; after they were raised there is room."""
    await draws(store, 5)

    assert await draws(store, 1, burst=2, rate=1) == [4.0]
    assert await draws(store, 3, burst=7) == [0.0, 0.0, 0.5]


async def test_draw_never_exceeds_burst_when_many_ask_together(store: Store) -> None:
    """Of 200 at one moment exactly the burst gets through."""
    waits = await asyncio.gather(*(store.draw("main", now=NOW, rate=2, burst=50) for _ in range(200)))

    assert waits.count(0.0) == 50
    assert {wait for wait in waits if wait} == {0.5}


async def test_draw_never_exceeds_burst_when_two_processes_ask_together(pair: tuple[Store, Store]) -> None:
    """The bucket belongs to the portal, not to the process."""
    waits = await asyncio.gather(*(store.draw("main", now=NOW, rate=2, burst=50) for store in pair * 60))

    assert waits.count(0.0) == 50


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 8)), min_size=1, max_size=8),
)
async def test_draw_lets_no_more_than_its_limit_through_when_asked_at_any_moments(
    store: Store, rate: float, burst: int, steps: Sequence[tuple[float, int]]
) -> None:
    """Between any two moments no more get through than the burst and what drains meanwhile; an empty bucket
    lets its burst through.
    """
    bucket, now = next(BUCKETS), TODAY
    let_through: list[float] = []
    for seconds, times in steps:
        now += seconds
        for _ in range(times):
            wait = await store.draw(bucket, now=now, rate=rate, burst=burst)
            if wait:
                assert 0.001 <= wait <= max(1 / rate, 0.001) + 0.001
            else:
                let_through.append(now)

    for first, last in itertools.combinations_with_replacement(range(len(let_through)), 2):
        most = burst + rate * (let_through[last] - let_through[first])
        assert last - first + 1 <= most + 1e-3
    assert let_through.count(TODAY + steps[0][0]) >= min(steps[0][1], burst)


async def test_draw_gets_through_when_it_waited_as_told(store: Store) -> None:
    """Who waits for as long as he is told, and no clock is ever exact, is let through soon and not asked to wait for 0."""
    now, rate = TODAY, 3.0
    await draws(store, 5, now=now, rate=rate)
    asked = 0
    for _ in range(20):
        while wait := (await draws(store, 1, now=now, rate=rate))[0]:
            assert now + wait > now
            now += wait
            asked += 1

    assert asked <= 40
    assert now - TODAY == pytest.approx(20 / rate, abs=0.05)


async def test_draw_does_not_drain_when_clock_is_set_back_by_little(store: Store) -> None:
    """What the clock shows for the second time has drained already, or the limit would be exceeded."""
    await draws(store, 5)

    assert await draws(store, 2, now=NOW - 2) == [2.5, 2.5]
    assert await draws(store, 1, now=NOW) == [0.5]
    assert await draws(store, 2, now=NOW + 0.5) == [0.0, 0.5]


async def test_draw_counts_what_there_is_room_for_when_clock_is_set_back(store: Store) -> None:
    """A bucket with room lets requests through, and they drain no sooner than those before them."""
    await draws(store, 3)

    assert await draws(store, 3, now=NOW - 1) == [0.0, 0.0, 1.5]
    assert await draws(store, 1, now=NOW) == [0.5]


async def test_draw_waits_for_one_bucket_when_clock_is_set_back_by_a_year(store: Store) -> None:
    """A level of next year holds everybody up for as long as a full bucket drains, and not until next year."""
    await draws(store, 5, now=LATER)

    assert await draws(store, 1) == [2.5 + 0.5]
    assert await draws(store, 1, now=NOW + 2) == [0.5 + 0.5]
    assert await draws(store, 2, now=NOW + 3) == [0.0, 0.5]


@pytest.mark.parametrize("text", [*ODD_TEXTS, "half \udc00"])
async def test_shared_names_work_when_they_are_unusual(store: Store, text: str) -> None:
    """Any text names a bucket, a note or a hold; what no encoding can carry is kept as U+FFFD."""
    kept = text.replace("\udc00", "\ufffd")

    assert await store.draw(text, now=NOW, rate=1, burst=1) == 0.0
    assert await store.draw(kept, now=NOW, rate=1, burst=1) == 1.0
    assert await store.write_note(text, text, version=0) is True
    assert await store.note(kept) == await store.note(text) == Note(kept, 1)
    assert await store.hold(text, holder=text, now=NOW, seconds=5) is True
    assert await store.hold(kept, holder="another", now=NOW, seconds=5) is False
    assert await store.let_go(text, holder=text) is True


# Notes


async def test_note_is_none_when_nothing_was_written(store: Store) -> None:
    """A name that nobody wrote under has no note, and none of a version that it never had can be replaced."""
    assert await store.note("main") is None
    assert await store.write_note("main", "x", version=1) is False
    assert await store.note("main") is None


async def test_write_note_counts_versions_when_each_knows_the_last(store: Store) -> None:
    """The first writing makes version 1; each one after it names the version that it read."""
    assert await store.write_note("main", "one", version=0) is True
    assert await store.note("main") == Note("one", 1)
    assert await store.write_note("main", "two", version=1) is True
    assert await store.write_note("main", "two", version=2) is True

    assert await store.note("main") == Note("two", 3)
    assert await store.note("other") is None


@pytest.mark.parametrize("version", [0, 1, 3, -1])
async def test_write_note_is_refused_when_version_is_not_the_last(store: Store, version: int) -> None:
    """Who read an older version, or none, writes nothing over a newer one."""
    await store.write_note("main", "one", version=0)
    await store.write_note("main", "two", version=1)

    assert await store.write_note("main", "late", version=version) is False

    assert await store.note("main") == Note("two", 2)


@pytest.mark.parametrize("version", [0, 1])
async def test_write_note_is_for_one_when_64_write_one_version(store: Store, version: int) -> None:
    """Of 64 that write the same version at once one is the winner, and his text is the one that is kept."""
    if version:
        await store.write_note("main", "before", version=0)

    answers = await asyncio.gather(*(store.write_note("main", f"{n}", version=version) for n in range(64)))

    assert sorted(answers) == [False] * 63 + [True]
    assert await store.note("main") == Note(f"{answers.index(True)}", version + 1)


async def test_write_note_is_for_one_when_two_processes_write_one_version(pair: tuple[Store, Store]) -> None:
    """The same goes for processes; each sees at once what the other one wrote."""
    for version in range(8):
        answers = await asyncio.gather(
            *(store.write_note("main", f"{n}", version=version) for n, store in enumerate(pair * 4))
        )
        assert answers.count(True) == 1
        assert [await store.note("main") for store in pair] == [Note(f"{answers.index(True)}", version + 1)] * 2


# Holds


async def test_hold_is_for_one_when_64_ask(store: Store) -> None:
    """Of 64 at once one is given the name, and the others once he let go or his time is over."""
    answers = await asyncio.gather(*(store.hold("refresh", holder=f"{n}", now=NOW, seconds=30) for n in range(64)))

    assert sorted(answers) == [False] * 63 + [True]
    assert await store.hold("refresh", holder="late", now=NOW + 29, seconds=30) is False
    assert await store.hold("another name", holder="late", now=NOW, seconds=30) is True
    assert await store.let_go("refresh", holder=f"{answers.index(True)}") is True
    assert await store.hold("refresh", holder="late", now=NOW + 29, seconds=30) is True


async def test_hold_that_outlives_its_holder_ends_by_its_time_alone(store: Store) -> None:
    """What was asked of a portal may still be going on there when a new process opens the store."""
    names = ("aaa", f"{LASTING}lead", "refresh")
    for name in names:
        assert await store.hold(name, holder="a", now=NOW, seconds=30) is True
    await store.close()
    await store.open()
    taken = [name for name in names if await store.hold(name, holder="b", now=NOW + 1, seconds=30)]
    assert taken == (["aaa", "refresh"] if knows_who_is_gone(store) else [])
    assert await store.hold(f"{LASTING}lead", holder="b", now=NOW + 31, seconds=30) is True


async def test_hold_is_for_one_when_two_processes_ask(pair: tuple[Store, Store]) -> None:
    """Two processes never do at once what only one may do."""
    answers = await asyncio.gather(
        *(store.hold("refresh", holder=f"{n}", now=NOW, seconds=30) for n, store in enumerate(pair * 8))
    )

    assert answers.count(True) == 1
    holder = answers.index(True)
    assert await pair[1 - holder % 2].let_go("refresh", holder=f"{holder}") is True


async def test_hold_ends_when_its_time_is_over(store: Store) -> None:
    """From the last second on another one may have it, and whoever had it has nothing to give back any more."""
    await store.hold("refresh", holder="a", now=NOW, seconds=30)

    assert await store.hold("refresh", holder="b", now=NOW + 30, seconds=30) is True
    assert await store.let_go("refresh", holder="a") is False
    assert await store.hold("refresh", holder="a", now=NOW + 31, seconds=30) is False
    assert await store.let_go("refresh", holder="b") is True
    assert await store.let_go("refresh", holder="b") is False


async def test_hold_is_lengthened_when_its_holder_asks_again(store: Store) -> None:
    """The holder may go on, and asking for less than he has takes nothing from him."""
    await store.hold("refresh", holder="a", now=NOW, seconds=30)

    assert await store.hold("refresh", holder="a", now=NOW + 20, seconds=30) is True
    assert await store.hold("refresh", holder="a", now=NOW + 21, seconds=1) is True

    assert await store.hold("refresh", holder="b", now=NOW + 49, seconds=30) is False
    assert await store.hold("refresh", holder="b", now=NOW + 50, seconds=30) is True


async def test_hold_is_given_back_when_it_is_over_but_nobody_took_it(store: Store) -> None:
    """Who comes late has still had it alone."""
    await store.hold("refresh", holder="a", now=NOW, seconds=1)

    assert await store.let_go("refresh", holder="a") is True


async def test_hold_lasts_no_longer_than_the_longest_lease_when_more_is_asked(store: Store) -> None:
    """A hold for a day ends with the longest that there is, by a clock that was set back by a little as well."""
    await store.hold("refresh", holder="a", now=NOW, seconds=86_400)

    assert await store.hold("refresh", holder="b", now=NOW, seconds=1) is False
    assert await store.hold("refresh", holder="b", now=NOW + LONGEST_LEASE - 1, seconds=1) is False
    assert await store.hold("refresh", holder="b", now=NOW + LONGEST_LEASE, seconds=1) is True


async def test_hold_is_over_when_clock_is_set_back(store: Store) -> None:
    """A hold of next year keeps nobody waiting, and its holder's next one begins now."""
    await store.hold("one", holder="a", now=LATER, seconds=30)
    await store.hold("two", holder="a", now=LATER, seconds=30)

    assert await store.hold("one", holder="b", now=NOW, seconds=30) is True
    assert await store.hold("two", holder="a", now=NOW, seconds=30) is True
    assert await store.hold("two", holder="b", now=NOW + 29, seconds=30) is False
    assert await store.hold("two", holder="b", now=NOW + 30, seconds=30) is True


async def test_hold_is_kept_when_another_process_reads_its_clock_first_and_comes_second(store: Store) -> None:
    """A moment less on the clock, or a shorter hold of his own, does not let one process take another's turn."""
    await store.hold("refresh", holder="a", now=NOW + 0.5, seconds=90)

    assert await store.hold("refresh", holder="b", now=NOW, seconds=10) is False


# Opening and closing


async def test_shared_is_there_when_store_is_reopened(store: Store) -> None:
    """Notes and levels outlive the process; what it held is let go where nobody is left to do so."""
    await store.write_note("main", "tokens", version=0)
    await draws(store, 5)
    await store.hold("refresh", holder="a", now=NOW, seconds=60)

    await store.close()
    await store.open()

    assert await store.note("main") == Note("tokens", 1)
    assert await draws(store, 1) == [0.5]
    assert await store.hold("refresh", holder="b", now=NOW, seconds=60) is knows_who_is_gone(store)
    assert await store.hold("refresh", holder="b", now=NOW + 60, seconds=60) is True


async def test_hold_is_kept_when_another_process_opens_the_file(tmp_path: Path) -> None:
    """Only who is alone with the file knows that whoever held something is gone."""
    first, second = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "state.db")
    await first.open()
    await first.hold("refresh", holder="a", now=NOW, seconds=60)

    await second.open()

    assert await second.hold("refresh", holder="b", now=NOW, seconds=60) is False
    await first.close()
    await second.close()


async def test_shared_is_unavailable_when_store_is_not_open(store: Store) -> None:
    """A closed store says so instead of letting everybody through."""
    await store.close()

    for asked in (
        store.draw("main", now=NOW, rate=2, burst=5),
        store.note("main"),
        store.write_note("main", "x", version=0),
        store.hold("refresh", holder="a", now=NOW, seconds=5),
        store.let_go("refresh", holder="a"),
    ):
        with pytest.raises(StoreUnavailable, match="not open"):
            await asked
