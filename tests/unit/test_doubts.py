"""How long an add without an answer stays in doubt, whatever the wall clock does."""

from __future__ import annotations

from dataclasses import dataclass

from badge_bridge.doubts import CERTAIN_AFTER, Doubts
from support.portals import START

BUDGET = 75.0
LONGEST = BUDGET + CERTAIN_AFTER


@dataclass
class Clocks:
    """The wall clock is the steady one and what it was put forward by."""

    passed: float = 0.0
    ahead: float = 0.0

    def doubts(self) -> Doubts:
        return Doubts(clock=lambda: START + self.passed + self.ahead, steady=lambda: 7.0 + self.passed, budget=BUDGET)


def test_doubt_lasts_as_long_as_the_portal_may_work_when_no_clock_jumps() -> None:
    """Counted from when the add left, also by a process that began later."""
    clocks = Clocks()
    doubts = clocks.doubts()
    clocks.passed = 30
    look = doubts.look()
    assert look.now == START + 30
    assert look.ends(START - 10) == START - 10 + CERTAIN_AFTER


def test_no_doubt_ends_for_the_longest_one_when_the_clock_was_put_forward() -> None:
    """By the steady clock, and from when that is seen: nobody knows when it was done."""
    clocks = Clocks()
    doubts = clocks.doubts()
    sent_at = doubts.look().now
    clocks.passed, clocks.ahead = 2, 3600
    seen = doubts.look()
    assert seen.ends(sent_at) == seen.now + LONGEST
    clocks.passed += LONGEST - 1
    look = doubts.look()
    assert look.ends(sent_at) == look.now + 1
    clocks.passed += 1
    look = doubts.look()
    assert look.ends(sent_at) == look.now
    assert look.ends(look.now) == look.now + CERTAIN_AFTER


def test_clock_that_is_put_forward_before_the_first_look_is_seen() -> None:
    """What an earlier process left in doubt is not believed to be over either."""
    clocks = Clocks()
    doubts = clocks.doubts()
    clocks.ahead = 3600
    look = doubts.look()
    assert look.ends(START) == look.now + LONGEST


def test_clock_that_is_put_back_and_forward_again_is_seen_each_time_it_gains() -> None:
    """Put back it lengthens doubts by itself; what it gains from there shortens them."""
    clocks = Clocks()
    doubts = clocks.doubts()
    clocks.ahead = -3600
    look = doubts.look()
    assert look.ends(look.now) == look.now + CERTAIN_AFTER
    clocks.ahead = 0
    look = doubts.look()
    assert look.ends(look.now) == look.now + LONGEST


def test_clock_that_gains_little_by_little_is_seen_once_that_adds_up() -> None:
    """Two clocks are never read at one moment, so that less than a second proves nothing."""
    clocks = Clocks()
    doubts = clocks.doubts()
    clocks.ahead = 0.9
    look = doubts.look()
    assert look.ends(look.now) == look.now + CERTAIN_AFTER
    clocks.ahead = 1.8
    look = doubts.look()
    assert look.ends(look.now) == look.now + LONGEST


def test_add_left_before_its_attempt_ended_when_the_event_is_another_ones() -> None:
    """It may have waited for its turn as long as an attempt lasts; that one is over, so it left by now at the latest."""
    look = Clocks().doubts().look()
    assert look.left(look.now - 1) == look.now - 1
    assert look.left(look.now + BUDGET) == look.now


def test_add_may_leave_yet_when_it_was_written_down_before_the_clock_was_put_back() -> None:
    """The lease of an attempt that works on has ended for that, and nobody else can tell how long ago it began."""
    clocks = Clocks()
    doubts = clocks.doubts()
    sent_at = doubts.look().now + BUDGET
    clocks.ahead = -3600
    look = doubts.look()
    assert look.left(sent_at) == look.now + BUDGET
    assert look.ends(look.left(sent_at)) == look.now + LONGEST
