"""What becomes of a call, with every store: it is judged, in one event, whoever dies and whatever the clock does.

What is promised of a clock that is set: a call is judged in one event, at the latest when the clock of now comes to the
time that was set by the one of before. It does not wait for that where it is told of once more: that leg is read, with
all others, after the grace time by the clock of now. A clock that jumps ahead may have a call judged before its end,
as one of unknown outcome; its end then judges it anew, in the same event.
"""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge import retry
from badge_bridge.plural import counted
from badge_bridge.store.protocol import LONGEST_LEASE, Store
from badge_bridge.store.wanted import Wanted
from support.bridge_by_hand import ENDS, RINGS, ByHand, key_of, leg_event
from support.portals import START

HOUR = 3600.0
UNANSWERED = "call.failed"
LAST: dict[str, Any] = {**ENDS, "ends": "call"}


async def let_die(bridge: ByHand, number: int) -> None:
    """Whoever takes up a leg vanishes, until nobody takes it up any more."""
    while await bridge.state(number) != "dead":
        claim = await bridge.store.claim(key_of(number), now=bridge.now, lease=60)
        assert claim is not None
        if claim.failures > len(retry.SCHEDULE):
            await bridge.pipeline.process(claim)
        bridge.now += LONGEST_LEASE + 1


async def assert_judged_once(bridge: ByHand, kind: str, *, legs: int, attempts: int = 1) -> None:
    """In one event, from all legs, that was worked on so often."""
    (judged,) = await bridge.judgements()
    assert (judged.event.type, judged.state, judged.attempts) == (kind, "ignored", attempts)
    assert judged.verified.startswith(f"from {counted(legs, 'delivery', 'deliveries')}:")
    assert not (await bridge.store.list(Wanted(state="waiting"))).events
    assert not (await bridge.store.list(Wanted(state="working"))).events


@pytest.fixture
def bridge(store: Store) -> ByHand:
    return ByHand(store)


@pytest.mark.parametrize("redriven", [1, 2])
async def test_call_whose_keeper_has_died_is_judged_when_one_of_its_legs_is_redriven(
    bridge: ByHand, redriven: int
) -> None:
    """Be it the dead one or one that was left to it; a second redrive of either changes nothing."""
    await bridge.tell(leg_event(1, **RINGS))
    await bridge.tell(leg_event(2, **ENDS), leg_event(1, **RINGS), leg_event(3, **ENDS))
    await bridge.tell(leg_event(4, **LAST))
    bridge.now += 60
    await let_die(bridge, 1)
    assert [await bridge.state(number) for number in (1, 2, 3, 4)] == ["dead", "joined", "joined", "joined"]
    await bridge.work_to_the_end()
    assert not await bridge.judgements()

    assert await bridge.store.redrive(key_of(redriven), now=bridge.now)
    await bridge.work_to_the_end()

    await assert_judged_once(bridge, UNANSWERED, legs=4)
    assert await bridge.state(1) == ("joined" if redriven == 1 else "dead")
    for number in (1, 2):
        assert await bridge.store.redrive(key_of(number), now=bridge.now)
        await bridge.work_to_the_end()
        assert await bridge.state(number) == "joined"
    await assert_judged_once(bridge, UNANSWERED, legs=4)


async def test_call_whose_keeper_has_died_is_judged_by_the_leg_that_comes_next(bridge: ByHand) -> None:
    """It waits in the place of the dead one, and reads all."""
    await bridge.tell(leg_event(1, **RINGS), leg_event(2, **ENDS))
    bridge.now += 60
    await let_die(bridge, 1)
    await bridge.tell(leg_event(1, **RINGS), leg_event(3, **LAST))
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=3)


async def test_joined_leg_that_is_redriven_is_left_to_the_one_that_waits(bridge: ByHand) -> None:
    """While the call goes on it neither judges nor waits beside the keeper; once judged, it changes nothing."""
    await bridge.tell(leg_event(1, **RINGS), leg_event(2, **RINGS))
    await bridge.store.redrive(key_of(2), now=bridge.now)
    await bridge.work()
    assert [await bridge.state(number) for number in (1, 2)] == ["waiting", "joined"]
    assert not await bridge.judgements()
    await bridge.tell(leg_event(3, **LAST))
    await bridge.work_to_the_end()
    await bridge.store.redrive(key_of(2), now=bridge.now)
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=3)


async def test_leg_that_is_redriven_after_its_keeper_died_is_found_by_what_comes_next(bridge: ByHand) -> None:
    """It waits for the call's end by itself, and is settled with the judgement that a later leg brings."""
    await bridge.tell(leg_event(1, **RINGS), leg_event(2, **ENDS))
    bridge.now += 60
    await let_die(bridge, 1)
    began = bridge.now
    await bridge.store.redrive(key_of(2), now=bridge.now)
    await bridge.work()
    assert [await bridge.state(number) for number in (1, 2)] == ["dead", "waiting"]
    await bridge.tell(leg_event(3, **LAST))
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=3)
    assert bridge.now <= began + 60


@pytest.mark.parametrize("ended_before", [False, True])
async def test_clock_that_is_set_back_delays_no_call_that_is_told_of_again(bridge: ByHand, ended_before: bool) -> None:
    """The next leg is read after its own grace time, and with it what was placed by the clock of before."""
    await bridge.tell(leg_event(1, **RINGS), leg_event(2, **(ENDS if ended_before else RINGS)))
    bridge.now -= HOUR
    await bridge.tell(leg_event(3, **LAST))
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=3)
    assert bridge.now <= START - HOUR + 60
    bridge.now += HOUR
    await bridge.tell(leg_event(4, **ENDS))
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=4)


async def test_clock_that_is_set_back_delays_a_call_by_as_much_at_most(bridge: ByHand) -> None:
    """Of which nothing is told after: nobody can know that the time that was set for it is of another clock."""
    await bridge.tell(leg_event(1, **RINGS), leg_event(2, **LAST))
    bridge.now -= HOUR
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=2)
    assert bridge.now <= START + 60


async def test_clock_that_is_set_back_while_a_leg_is_worked_on_loses_no_call(bridge: ByHand) -> None:
    """The lease of the clock of before is over, and the leg is taken up again at once."""
    await bridge.tell(leg_event(1, **LAST))
    bridge.now += 60
    assert await bridge.store.claim(key_of(1), now=bridge.now, lease=60)
    bridge.now -= HOUR
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=1)
    assert bridge.now <= START - HOUR + 120


@pytest.mark.parametrize("set_right", [False, True])
async def test_clock_that_jumps_ahead_leaves_one_judgement_that_the_end_corrects(
    bridge: ByHand, set_right: bool
) -> None:
    """A call that seems to have gone on for longer than any is judged as unknown, and anew once its end is told of."""
    await bridge.tell(leg_event(1, **RINGS))
    bridge.now += 5 * HOUR
    await bridge.work()
    (early,) = await bridge.judgements()
    assert early.event.type == "call.unknown"
    if set_right:
        bridge.now -= 5 * HOUR
    before = bridge.now
    await bridge.tell(leg_event(2, **LAST))
    await bridge.work_to_the_end()
    await assert_judged_once(bridge, UNANSWERED, legs=2, attempts=2)
    assert bridge.now <= before + 60
