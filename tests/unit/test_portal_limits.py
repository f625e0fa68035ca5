"""Counting requests before they are sent."""

from __future__ import annotations

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.portal.limits import Filled, Limiter, usable
from badge_bridge.store.memory import MemoryStore
from support.portals import LeakyBuckets


class Time:
    """Time that passes by sleeping, and what was slept."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def limiter(store: object, time: Time) -> Limiter:
    return Limiter("main", store, rate=2, burst=50, clock=time, sleep=time.sleep)  # type: ignore[arg-type]


async def test_a_burst_passes_at_once_and_then_two_a_second_when_many_requests_come() -> None:
    """Fifty without a wait, each further one half a second after the one before."""
    time, buckets = Time(), LeakyBuckets()
    ours = limiter(buckets, time)
    for _ in range(50):
        await ours.admitted()
    assert time.slept == []
    for _ in range(4):
        await ours.admitted()
    assert time.slept == pytest.approx([0.5] * 4)
    assert buckets.drawn == 54


async def test_two_processes_share_a_bucket_when_they_have_the_same_store() -> None:
    """What one has used up the other has not."""
    time, buckets = Time(), LeakyBuckets()
    one, other = limiter(buckets, time), limiter(buckets, time)
    for _ in range(25):
        await one.admitted()
        await other.admitted()
    await other.admitted()
    assert time.slept == pytest.approx([0.5])


async def test_it_is_asked_again_when_somebody_else_took_the_room() -> None:
    """A wait is no reservation."""

    class Busy(LeakyBuckets):
        waits = iter([0.5, 0.25, 0.0])

        async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
            assert (bucket, rate, burst) == ("main", 2, 50)
            return next(self.waits)

    time = Time()
    await limiter(Busy(), time).admitted()
    assert time.slept == [0.5, 0.25]


@pytest.mark.parametrize(("told", "slept"), [(1e-12, 0.001), (1e9, 25.0), (float("inf"), 25.0)])
async def test_a_sleep_is_bounded_when_the_store_tells_nonsense(told: float, slept: float) -> None:
    """Neither a busy loop nor an hour for a bucket that is empty after 25 s."""

    class Odd(LeakyBuckets):
        waits = iter([told, 0.0])

        async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
            return next(self.waits)

    time = Time()
    await limiter(Odd(), time).admitted()
    assert time.slept == [slept]


async def test_nobody_is_admitted_when_the_store_is_unavailable() -> None:
    """A request that cannot be counted is not sent."""

    class Broken(LeakyBuckets):
        async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
            raise StoreUnavailable("the disk is full")

    with pytest.raises(StoreUnavailable):
        await limiter(Broken(), Time()).admitted()


async def test_limit_says_how_full_it_is_when_somebody_looks() -> None:
    """What was drawn shows, drains, and is shown together with what fits."""
    time, store = Time(), MemoryStore()
    await store.open()
    ours = limiter(store, time)
    for _ in range(4):
        await ours.admitted()
    time.now += 1
    assert await ours.filled() == Filled(requests=2.0, burst=50, rate=2)


@pytest.mark.parametrize(("burst", "used"), [(1, 1), (2, 1), (50, 48), (250, 240)])
def test_a_little_of_a_burst_is_left_unused_when_it_is_more_than_one(burst: int, used: int) -> None:
    """Requests that arrive closer together than they left must still find room."""
    assert usable(burst) == used
