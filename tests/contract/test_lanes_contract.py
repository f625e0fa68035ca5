"""Paused lanes, the time of the next work, and a clock that is set back."""

from __future__ import annotations

import asyncio

from badge_bridge import pipeline, retry
from badge_bridge.errors import LimitReached
from badge_bridge.portal.lanes import PROBE_HOLD
from badge_bridge.portal.pausing import pause_length
from badge_bridge.store.protocol import (
    LONGEST_LEASE,
    LONGEST_PAUSE,
    LONGEST_WAIT,
    LONGEST_YIELD,
    Pause,
    Store,
)
from support.stores import LATER, NOW, claimed, ended, item, wait_for_lane

# Lanes


async def test_pause_keeps_events_back_when_they_wait_for_lane(store: Store) -> None:
    """An event that waits for a paused lane is not handed out, others are."""
    await store.pause("main", until=NOW + 100, reason="portal is down")
    await wait_for_lane(store, "s:1")
    await store.accept([item("s:2", received_at=NOW + 9)])

    assert await store.claim("s:1", now=NOW + 50, lease=60) is None
    assert [claim.key for claim in await store.claim_due(now=NOW + 50, lease=60, limit=10)] == ["s:2"]


async def test_claim_due_lets_new_events_in_when_a_lane_has_a_backlog(store: Store) -> None:
    """After an outage what comes in now shares the places with what has waited, which goes by its age."""
    await store.pause("main", until=NOW + 100, reason="portal is down")
    await wait_for_lane(store, *[f"s:old-{number}" for number in range(8)])
    await store.resume("main")
    await store.accept([item(f"s:new-{number}", received_at=NOW + 100 + number) for number in range(2)])

    first = await store.claim_due(now=NOW + 110, lease=60, limit=6)
    last = await store.claim_due(now=NOW + 110, lease=60, limit=6)

    assert [claim.key for claim in first] == [
        f"s:{one}" for one in ("old-0", "old-1", "old-2", "old-3", "new-0", "new-1")
    ]
    assert [claim.key for claim in last] == [f"s:old-{number}" for number in range(4, 8)]


async def test_claim_due_gives_each_lane_its_turn_when_there_is_one_place_at_a_time(store: Store) -> None:
    """Neither a backlog nor a flood of new events keeps the other from going on."""
    await store.pause("main", until=NOW + 100, reason="portal is down")
    await wait_for_lane(store, *[f"s:old-{number}" for number in range(4)])
    await store.resume("main")
    await store.accept([item(f"s:new-{number}", received_at=NOW + 100 + number) for number in range(4)])

    taken = [claim.key for _ in range(4) for claim in await store.claim_due(now=NOW + 110, lease=60, limit=1)]

    assert sorted(taken) == ["s:new-0", "s:new-1", "s:old-0", "s:old-1"]


async def test_claim_due_changes_nothing_when_none_is_wanted(store: Store) -> None:
    """A limit of 0 takes no lease back either."""
    await store.accept([item()])
    await claimed(store)
    assert await store.claim_due(now=NOW + 10_000, lease=60, limit=0) == []
    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.failures) == ("working", 0)


async def test_pause_keeps_nothing_back_when_another_lane_is_paused(store: Store) -> None:
    """Lanes are independent, a method's lane of its portal's included."""
    await store.pause("main", until=NOW + 100, reason="x")
    await store.pause("main/a", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", lane="main/b")

    assert await store.claim("s:1", now=NOW, lease=60) is not None


async def test_resume_lets_all_go_when_lane_was_paused(store: Store) -> None:
    """After a resume every event of the lane is due, oldest first, those that had a time of their own included."""
    await store.pause("main", until=NOW + 500, reason="x")
    await wait_for_lane(store, "s:led-to-it", due=NOW + 502)
    await wait_for_lane(store, "s:new", "s:newer")

    assert await store.resume("main") is True
    assert await store.resume("main") is False

    assert await store.next_due(now=NOW + 1) == NOW + 1
    claims = await store.claim_due(now=NOW + 1, lease=60, limit=10)
    assert [(claim.key, claim.lane) for claim in claims] == [("s:led-to-it", ""), ("s:new", ""), ("s:newer", "")]
    assert await store.paused(["main"]) == []


async def test_resume_lets_one_go_when_it_is_asked_for_by_its_key(store: Store) -> None:
    """Whoever is told of one event, as a function is by a task, gets it at once."""
    await store.pause("main", until=NOW + 500, reason="x")
    await wait_for_lane(store, "s:1", due=NOW + 502)
    assert await store.claim("s:1", now=NOW + 1, lease=60) is None
    await store.resume("main")
    assert await store.claim("s:1", now=NOW + 1, lease=60) is not None


async def test_resume_hastens_nothing_when_it_waits_for_no_lane(store: Store) -> None:
    """A retry, or what waits for another lane, keeps its time."""
    await store.pause("main", until=NOW + 500, reason="x")
    await store.pause("other", until=NOW + 500, reason="x")
    await store.accept([item("s:retry")])
    await store.settle(await claimed(store, "s:retry"), ended("waiting", due=NOW + 100))
    await wait_for_lane(store, "s:other", lane="other", due=NOW + 502)
    await store.resume("main")
    assert await store.next_due(now=NOW + 1) == NOW + 100
    assert await store.claim_due(now=NOW + 1, lease=60, limit=10) == []


async def test_shorten_lets_one_go_when_pause_would_have_lasted(store: Store) -> None:
    """The lane is half open from then on: one event goes before the others, and the pause is not forgotten."""
    await store.pause("main", until=NOW + 900, reason="x")
    await wait_for_lane(store, "s:1", "s:2")

    assert await store.shorten("main", until=NOW + 10) is True

    assert await store.next_due(now=NOW) == NOW + 10
    assert await store.claim_due(now=NOW + 9, lease=60, limit=10) == []
    (probe,) = await store.claim_due(now=NOW + 10, lease=60, limit=10)
    assert (probe.key, probe.lane) == ("s:1", "main")
    assert await store.paused(["main"]) == [Pause("main", NOW + 10, 1, "x")]
    assert (await store.pause("main", until=NOW + 100, reason="y")).failures == 2


async def test_shorten_hastens_the_event_whose_call_led_to_the_pause_when_it_is_alone(store: Store) -> None:
    """Its time was reckoned from the end that the pause had then; it only lets others go before it."""
    await store.pause("main", until=NOW + 900, reason="x")
    await wait_for_lane(store, "s:1", due=NOW + 902)
    await store.shorten("main", until=NOW + 10)

    due = await store.next_due(now=NOW + 11)

    assert due is not None
    assert NOW + 11 < due <= NOW + 10 + LONGEST_YIELD
    assert await store.claim_due(now=NOW + 11, lease=60, limit=10) == []
    assert [claim.key for claim in await store.claim_due(now=due, lease=60, limit=10)] == ["s:1"]


async def test_shorten_changes_nothing_when_the_pause_ends_before_or_there_is_none(store: Store) -> None:
    """It never lengthens a pause and begins none."""
    await store.pause("main", until=NOW + 10, reason="x")
    assert await store.shorten("main", until=NOW + 10) is False
    assert await store.shorten("main", until=NOW + 20) is False
    assert await store.shorten("other", until=NOW) is False
    assert await store.paused(["main", "other"]) == [Pause("main", NOW + 10, 1, "x")]


async def test_shorten_ends_a_pause_when_clock_was_set_back_since(store: Store) -> None:
    """A pause that a clock a year ahead has written can be ended as well."""
    await store.pause("main", until=LATER, reason="x")
    assert await store.shorten("main", until=NOW) is True
    assert await store.probe("main", now=NOW, hold=5) is True


async def test_pause_lets_one_go_when_its_time_is_over(store: Store) -> None:
    """A half-open lane hands out its oldest event as a probe and no other while that one is under lease."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2", "s:3")

    assert await store.claim_due(now=NOW + 99.9, lease=60, limit=10) == []
    (probe,) = await store.claim_due(now=NOW + 100, lease=60, limit=10)

    assert probe.key == "s:1"
    assert await store.claim_due(now=NOW + 101, lease=60, limit=10) == []
    assert await store.claim("s:2", now=NOW + 101, lease=60) is None


async def test_pause_lets_next_go_when_probe_ended_without_verdict(store: Store) -> None:
    """A probe that ended without pausing or resuming the lane makes room for the next."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    (first,) = await store.claim_due(now=NOW + 100, lease=60, limit=10)
    await store.settle(first, ended("ignored"))

    assert [claim.key for claim in await store.claim_due(now=NOW + 101, lease=60, limit=10)] == ["s:2"]


async def test_pause_lets_one_go_when_probe_was_lost(store: Store) -> None:
    """The lease of a probe is its time limit."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    await store.claim_due(now=NOW + 100, lease=60, limit=10)

    (probe,) = await store.claim_due(now=NOW + 160, lease=60, limit=10)

    assert (probe.key, probe.failures) == ("s:1", 1)


async def test_probe_is_tried_again_when_it_was_lost_after_its_lane_was_resumed(store: Store) -> None:
    """Whoever held it was killed, the lane was resumed, and for a while nothing waited for the lane."""
    await store.pause("main", until=NOW + 10, reason="x")
    await wait_for_lane(store, "s:1")
    await store.claim_due(now=NOW + 10, lease=60, limit=10)
    await store.resume("main")
    assert await store.claim_due(now=NOW + 11, lease=60, limit=10) == []

    await store.accept([item("s:2", received_at=NOW + 20)])
    assert [claim.key for claim in await store.claim_due(now=NOW + 70, lease=60, limit=1)] == ["s:1"]


async def test_probe_is_remembered_when_its_lane_was_resumed_and_paused_again(store: Store) -> None:
    """As long as it is under lease, no second one goes, whoever has looked at the lane in between."""
    await store.pause("main", until=NOW + 5, reason="x")
    await wait_for_lane(store, "s:1")
    assert len(await store.claim_due(now=NOW + 10, lease=60, limit=9)) == 1
    await store.resume("main")
    assert await store.claim_due(now=NOW + 11, lease=60, limit=9) == []
    await store.pause("main", until=NOW + 12, reason="again")
    await wait_for_lane(store, "s:2")
    assert await store.claim_due(now=NOW + 20, lease=60, limit=9) == []


async def test_claim_names_its_lane_when_a_half_open_lane_let_it_through(store: Store) -> None:
    """Whoever holds a probe can tell; an event of an open lane, or of one that was resumed, names none."""
    await store.pause("main", until=NOW + 10, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    (probe,) = await store.claim_due(now=NOW + 10, lease=60, limit=10)
    assert probe.lane == "main"
    await store.resume("main")
    (free,) = await store.claim_due(now=NOW + 10, lease=60, limit=10)
    assert free.lane == ""


async def test_pause_lets_one_of_each_go_when_several_lanes_are_half_open(store: Store) -> None:
    """Each half-open lane has its own probe, and none takes the place of events that are free to go."""
    for lane in ("main", "other"):
        await store.pause(lane, until=NOW + 10, reason="x")
        await wait_for_lane(store, f"{lane}:1", f"{lane}:2", lane=lane)
    await store.accept([item("s:1", received_at=NOW + 5), item("s:2", received_at=NOW + 6)])

    claims = await store.claim_due(now=NOW + 20, lease=60, limit=10)

    assert [claim.key for claim in claims] == ["main:1", "other:1", "s:1", "s:2"]


async def test_pause_lets_none_go_when_somebody_holds_the_probe(store: Store) -> None:
    """While somebody else probes the lane, its events stay."""
    await store.pause("main", until=NOW + 10, reason="x")
    await wait_for_lane(store, "s:1")
    assert await store.probe("main", now=NOW + 20, hold=30) is True

    assert await store.claim_due(now=NOW + 49, lease=60, limit=10) == []
    assert await store.claim("s:1", now=NOW + 49, lease=60) is None
    assert await store.claim("s:1", now=NOW + 50, lease=60) is not None


async def test_probe_is_for_one_when_many_ask(store: Store) -> None:
    """One caller becomes the probe, until its hold is over."""
    await store.pause("main", until=NOW + 10, reason="x")

    answers = await asyncio.gather(*(store.probe("main", now=NOW + 10, hold=5) for _ in range(16)))

    assert sorted(answers) == [False] * 15 + [True]
    assert await store.probe("main", now=NOW + 14.9, hold=5) is False
    assert await store.probe("main", now=NOW + 15, hold=5) is True


async def test_probe_is_refused_when_pause_is_not_over_or_none(store: Store) -> None:
    """There is nothing to probe before a pause is over, nor where there is none."""
    await store.pause("main", until=NOW + 10, reason="x")

    assert await store.probe("main", now=NOW + 9.9, hold=5) is False
    assert await store.probe("other", now=NOW + 100, hold=5) is False


async def test_pause_counts_and_lengthens_when_repeated(store: Store) -> None:
    """Each further pause counts a failure, never shortens, keeps the latest reason and frees the probe."""
    assert await store.pause("main", until=NOW + 10, reason="a") == Pause("main", NOW + 10, 1, "a")
    await store.probe("main", now=NOW + 10, hold=1000)
    assert await store.pause("main", until=NOW + 50, reason="b") == Pause("main", NOW + 50, 2, "b")
    assert await store.pause("main", until=NOW + 20, reason="c") == Pause("main", NOW + 50, 3, "c")

    assert await store.paused(["main"]) == [Pause("main", NOW + 50, 3, "c")]
    assert await store.probe("main", now=NOW + 50, hold=5) is True


async def test_pause_starts_at_one_when_lane_was_resumed(store: Store) -> None:
    """A resumed lane has no past."""
    await store.pause("main", until=NOW + 10, reason="a")
    await store.pause("main", until=NOW + 10, reason="a")
    await store.resume("main")

    assert (await store.pause("main", until=NOW + 5, reason="b")).failures == 1


async def test_paused_lists_asked_lanes_when_some_are_paused(store: Store) -> None:
    """Pauses are listed by lane, each once, whether their time is over or not."""
    for lane in ("b", "a", "c"):
        await store.pause(lane, until=0, reason=lane)

    assert [pause.lane for pause in await store.paused(["c", "none", "a", "c"])] == ["a", "c"]
    assert await store.paused([]) == []


# The time of the next work


async def test_next_due_is_none_when_nothing_can_become_due(store: Store) -> None:
    """An empty store and one where all events have ended have nothing to wait for."""
    assert await store.next_due(now=NOW) is None
    await store.accept([item()])
    await store.settle(await claimed(store), ended())
    assert await store.next_due(now=NOW) is None


async def test_next_due_is_earliest_when_events_wait_retry_and_are_leased(store: Store) -> None:
    """The next time is that of the first event to become due or of the first lease to end."""
    await store.accept([item("s:retry"), item("s:leased"), item("s:new")])
    retry = await claimed(store, "s:retry")
    await store.settle(retry, ended("waiting", due=NOW + 100))
    leased = await claimed(store, "s:leased", lease=70)
    assert await store.next_due(now=NOW + 1) == NOW + 1

    await store.settle(await claimed(store, "s:new"), ended())
    assert await store.next_due(now=NOW + 1) == NOW + 70

    await store.settle(leased, ended())
    assert await store.next_due(now=NOW + 1) == NOW + 100
    assert await store.next_due(now=NOW + 101) == NOW + 101


async def test_next_due_is_end_of_pause_when_events_wait_for_lane(store: Store) -> None:
    """Events of a paused lane wait for its pause, for who holds its probe, and for the lease of its probe."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    assert await store.next_due(now=NOW) == NOW + 100

    await store.probe("main", now=NOW + 100, hold=30)
    assert await store.next_due(now=NOW) == NOW + 130

    await store.claim_due(now=NOW + 130, lease=40, limit=10)
    assert await store.next_due(now=NOW) == NOW + 170

    await store.resume("main")
    assert await store.next_due(now=NOW) == NOW


# A clock that is set back


async def test_claim_due_takes_all_when_clock_is_set_back(store: Store) -> None:
    """What was planned by a clock a year ahead is due once the clock is right: ready, waiting or under lease."""
    await store.accept([item(f"s:{state}", received_at=LATER) for state in ("leased", "ready", "retry")])
    await claimed(store, "s:leased", now=LATER)
    await store.settle(await claimed(store, "s:retry", now=LATER), ended("waiting", ended_at=LATER, due=LATER + 30))

    assert await store.next_due(now=NOW) == NOW
    claims = await store.claim_due(now=NOW, lease=60, limit=10)

    assert [(claim.key, claim.failures) for claim in claims] == [("s:leased", 1), ("s:ready", 0), ("s:retry", 0)]
    assert await store.next_due(now=NOW) == NOW + 60


async def test_next_due_sees_one_of_the_future_when_others_are_of_the_present(store: Store) -> None:
    """One retry or lease that the earlier clock left behind is not hidden by those of the clock of now."""
    await store.accept([item(f"s:{number}") for number in range(3)])
    for key, due in (("s:0", NOW + 50), ("s:1", LATER), ("s:2", NOW + 70)):
        await store.settle(await claimed(store, key), ended("waiting", due=due))
    assert await store.next_due(now=NOW) == NOW
    (found,) = await store.claim_due(now=NOW, lease=60, limit=10)
    assert found.key == "s:1"
    assert await store.next_due(now=NOW) == NOW + 50

    await store.accept([item("s:3")])
    await claimed(store, "s:3", now=LATER)
    assert await store.next_due(now=NOW) == NOW


async def test_claim_takes_one_when_clock_is_set_back(store: Store) -> None:
    """A single event that is asked for by its key is due, too."""
    await store.accept([item("s:leased"), item("s:retry")])
    await claimed(store, "s:leased", now=LATER)
    await store.settle(await claimed(store, "s:retry"), ended("waiting", due=LATER))

    assert (await claimed(store, "s:leased")).failures == 1
    assert (await claimed(store, "s:retry")).failures == 0


async def test_pause_is_over_when_clock_is_set_back(store: Store) -> None:
    """A lane that was paused, and probed, by a clock a year ahead is half open, for those who read its pause too."""
    await store.pause("main", until=LATER, reason="x")
    await store.probe("main", now=LATER, hold=60)
    await wait_for_lane(store, "s:1", "s:2")

    assert await store.next_due(now=NOW) == NOW
    (probe,) = await store.claim_due(now=NOW, lease=60, limit=10)

    assert (probe.key, probe.lane) == ("s:1", "main")
    assert [pause.until for pause in await store.paused(["main"])] == [NOW]
    assert await store.next_due(now=NOW) == NOW + 60


async def test_probe_is_given_when_clock_is_set_back(store: Store) -> None:
    """Neither a pause nor a held probe of next year keeps a caller from probing now."""
    await store.pause("main", until=LATER, reason="x")
    assert await store.probe("main", now=NOW, hold=60) is True
    await store.pause("main", until=NOW, reason="x")
    await store.probe("main", now=LATER, hold=60)

    assert await store.probe("main", now=NOW, hold=60) is True


async def test_nothing_is_early_when_it_is_the_longest_there_is(store: Store) -> None:
    """The longest wait, pause and lease are kept to, by a clock that was set back by a little as well."""
    await store.pause("main", until=NOW + LONGEST_PAUSE, reason="x")
    await wait_for_lane(store, "s:lane")
    await store.accept([item("s:wait"), item("s:lease")])
    await store.settle(await claimed(store, "s:wait"), ended("waiting", due=NOW + LONGEST_WAIT))
    lease = await claimed(store, "s:lease", lease=10 * LONGEST_LEASE)

    assert lease.leased_until == NOW + LONGEST_LEASE
    assert await store.next_due(now=NOW) == NOW + LONGEST_LEASE
    assert await store.claim_due(now=NOW, lease=1, limit=10) == []
    assert await store.settle(lease, ended()) is True


async def test_lease_is_kept_when_another_process_reads_its_clock_first_and_comes_second(store: Store) -> None:
    """A moment less on the clock, or a shorter lease of his own, does not let one worker take another's event."""
    await store.accept([item()])
    claim = await claimed(store, now=NOW + 0.5, lease=90)

    assert await store.claim_due(now=NOW, lease=60, limit=10) == []
    assert await store.claim("s:1", now=NOW, lease=60) is None
    assert await store.settle(claim, ended()) is True


def test_limits_are_beyond_all_that_is_planned() -> None:
    """No retry, pause, lease or hold is long enough to be taken for one of a clock that was set back."""
    assert max(retry.SCHEDULE) * (1 + retry.JITTER) <= LONGEST_WAIT
    overloaded = LimitReached("x", portal="main", method="m")
    overloaded.code = "OVERLOAD_LIMIT"
    assert pause_length(overloaded, failures=99, now=NOW, operating_reset_at=None, random=1) <= LONGEST_PAUSE
    assert max(pipeline.LEASE, PROBE_HOLD) < LONGEST_LEASE
    assert retry.YIELD <= LONGEST_YIELD
