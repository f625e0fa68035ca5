"""What is decided after a failure."""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    PortalPaused,
    StoreUnavailable,
)
from badge_bridge.retry import JITTER, SCHEDULE, YIELD, GiveUp, NotSent, RetryAt, Wait, decide

WHERE: Any = {"portal": "main", "method": "crm.activity.badge.add"}


@pytest.mark.parametrize("failures", range(len(SCHEDULE)))
@pytest.mark.parametrize(("random", "factor"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
def test_passing_failure_is_tried_again_after_a_growing_delay(failures: int, random: float, factor: float) -> None:
    """Each failure waits for the next delay of the schedule, spread by the jitter and never in the past."""
    decision = decide(OutcomeUnknown("timeout", **WHERE), failures=failures, now=1000.0, random=lambda: random)
    assert isinstance(decision, RetryAt)
    assert decision.due == pytest.approx(1000.0 + SCHEDULE[failures] * factor)


def test_event_is_dead_after_the_last_delay() -> None:
    """When the schedule is used up the event is given up, and the reason names the last failure."""
    decision = decide(OutcomeUnknown("timeout", **WHERE), failures=len(SCHEDULE), now=0, random=lambda: 0.5)
    assert isinstance(decision, GiveUp)
    assert "9 attempts failed" in decision.reason
    assert "timeout" in decision.reason


def test_paused_portal_uses_up_no_attempt() -> None:
    """However often an event failed before, a paused lane makes it wait and not die."""
    error = PortalPaused("paused", lane="main", until=2000.0, **WHERE)
    assert decide(error, failures=99, now=7.0, random=lambda: 0.5) == Wait("main", 7.0, 2000.0, "paused")


def test_event_whose_own_call_paused_the_portal_lets_others_probe_it_first() -> None:
    """The reason of a pause comes back a little after the pause is over."""
    error = PortalPaused("paused", lane="main", until=2000.0, **WHERE)
    error.__cause__ = OutcomeUnknown("timeout", **WHERE)
    assert decide(error, failures=0, now=7.0, random=lambda: 0.5) == Wait("main", 2000.0 + YIELD, 2000.0, "paused")


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), NotSent("not its turn")])
def test_trouble_of_our_own_uses_up_no_attempt(error: Exception) -> None:
    """What is no fault of the event nor of the portal is tried again soon and counts for nothing."""
    decision = decide(error, failures=99, now=100.0, random=lambda: 0.5)
    assert decision == Wait("", 100.0 + SCHEDULE[0], 100.0 + SCHEDULE[0], str(error))


@pytest.mark.parametrize("error", [CallRefused("wrong", **WHERE), NotFound("gone", **WHERE)])
def test_refusal_for_good_is_not_tried_again(error: Exception) -> None:
    """What the portal will refuse again next time is given up at once."""
    assert isinstance(decide(error, failures=0, now=0, random=lambda: 0.5), GiveUp)


@pytest.mark.parametrize(
    "error",
    [
        LimitReached("busy", **WHERE),
        AccessRefused("no right", code="ACCESS_DENIED", status=400, mend="grant it", **WHERE),
        RuntimeError("a bug of ours"),
    ],
)
def test_failure_that_could_not_pause_a_lane_is_tried_again(error: Exception) -> None:
    """Limits, missing rights and bugs of ours do not kill an event at once."""
    assert isinstance(decide(error, failures=0, now=0, random=lambda: 0.5), RetryAt)
