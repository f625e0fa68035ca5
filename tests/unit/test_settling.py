"""One word for the whole event from what its rules came to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from badge_bridge.events import Event
from badge_bridge.outcomes import Asked, Outcome
from badge_bridge.retry import Decision, GiveUp, RetryAt, Wait
from badge_bridge.settling import Progress, settle
from badge_bridge.store.protocol import Claim

NOW = 1000.0
EVENT = Event(id="1", source="s", provider="p", type="t", time=datetime(2026, 11, 22, tzinfo=UTC))
RETRY = RetryAt(NOW + 30, "timeout")
LATER = RetryAt(NOW + 120, "timeout again")
WAIT = Wait("main", NOW, NOW + 60, "paused")
LONG = Wait("other", NOW, NOW + 14_400, "over its limits")
DEAD = GiveUp("refused")
ENSURED = Outcome(rule="a", result="ensured")
IGNORED = Outcome(rule="b", result="ignored", reason="could not be evaluated")
FAILED = Outcome(rule="c", result="failed", reason="refused")


def progress(decisions: list[Decision], outcomes: list[Outcome], earlier: tuple[Outcome, ...] = ()) -> Progress:
    claim = Claim("s:1", EVENT, "token", 1, 0, NOW, NOW + 90, outcomes=earlier)
    return Progress(claim, NOW, "no rule", outcomes, Asked(), decisions)


@pytest.mark.parametrize(
    ("decisions", "outcomes", "state", "due", "lane", "failed"),
    [
        ([], [ENSURED], "done", 0.0, "", False),
        ([], [ENSURED, IGNORED], "done", 0.0, "", False),
        ([], [], "ignored", 0.0, "", False),
        ([], [IGNORED], "ignored", 0.0, "", False),
        ([LATER, RETRY], [ENSURED], "waiting", NOW + 30, "", True),
        ([WAIT, RETRY], [], "waiting", NOW + 30, "", True),
        ([LONG, WAIT], [], "waiting", NOW, "main", False),
        ([WAIT, LONG], [], "waiting", NOW, "main", False),
        ([DEAD, WAIT], [FAILED], "waiting", NOW, "main", False),
        ([DEAD, RETRY], [FAILED], "waiting", NOW + 30, "", True),
        ([DEAD], [FAILED, ENSURED], "dead", 0.0, "", True),
    ],
)
def test_unfinished_rule_decides_when_rules_end_differently(
    decisions: list[Decision], outcomes: list[Outcome], state: str, due: float, lane: str, failed: bool
) -> None:
    """An event waits as long as one of its rules has to be tried again, for what comes first."""
    settlement = settle(progress(decisions, outcomes), ended_at=NOW, rules_hash="abc")
    assert (settlement.state, settlement.due, settlement.lane, settlement.failed) == (state, due, lane, failed)
    assert settlement.outcomes == tuple(outcomes)
    assert settlement.rules_hash == "abc"


def test_failure_of_an_earlier_attempt_is_not_forgotten() -> None:
    """A rule that failed for good while another was tried again makes the event dead in the end."""
    settlement = settle(progress([], [ENSURED], earlier=(FAILED,)), ended_at=NOW, rules_hash="")
    assert (settlement.state, settlement.reason) == ("dead", "refused")


def test_event_is_done_when_only_an_earlier_attempt_reached_anything() -> None:
    """What was reached before counts."""
    assert settle(progress([], [], earlier=(ENSURED,)), ended_at=NOW, rules_hash="").state == "done"


def test_ignored_event_says_why_of_each_rule_that_did_nothing() -> None:
    """Once where they say the same."""
    nobody = Outcome(rule="a", result="ignored", badge="bb_a", reason="nobody found by phone")
    told = Progress(progress([], []).claim, NOW, "", [nobody, IGNORED, nobody], Asked(), [])
    assert settle(told, ended_at=NOW, rules_hash="").reason == "nobody found by phone; could not be evaluated"
