"""How an attempt ends: one word for the whole event from what its rules came to. Pure.

The rule that is not finished decides: as long as one has to be tried again, the event waits; what the others reached
is written down and not done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.retry import Decision, GiveUp, RetryAt, WaitForLane
from badge_bridge.store.protocol import Claim, Settlement

__all__ = ["Attempt", "settle"]

_REACHED = frozenset({"ensured", "badged", "cleared"})


@dataclass(slots=True)
class Attempt:
    """What happens in one attempt, gathered while it runs."""

    claim: Claim
    started_at: float
    ignored_because: str = ""
    """Why no rule acts, where none does."""
    outcomes: list[Outcome] = field(default_factory=list)
    asked: list[Exchange] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    """What to do about each rule that did not reach its end."""


def settle(attempt: Attempt, *, ended_at: float, rules_hash: str) -> Settlement:
    """The settlement of an attempt that ended at `ended_at` (unix seconds)."""
    return replace(
        _word(attempt, ended_at),
        outcomes=tuple(attempt.outcomes),
        asked=tuple(attempt.asked),
        rules_hash=rules_hash,
    )


def _word(attempt: Attempt, ended_at: float) -> Settlement:
    retries = [decision for decision in attempt.decisions if isinstance(decision, RetryAt)]
    if retries:
        first = min(retries, key=lambda decision: decision.due)
        return Settlement(state="waiting", ended_at=ended_at, due=first.due, reason=first.reason, failed=True)
    for decision in attempt.decisions:
        if isinstance(decision, WaitForLane):
            return Settlement(
                state="waiting", ended_at=ended_at, due=decision.due, lane=decision.lane, reason=decision.reason
            )
    for decision in attempt.decisions:
        if isinstance(decision, GiveUp):
            return Settlement(state="dead", ended_at=ended_at, reason=decision.reason, failed=True)
    outcomes = [*attempt.claim.outcomes, *attempt.outcomes]
    for outcome in outcomes:
        if outcome.result == "failed":
            return Settlement(state="dead", ended_at=ended_at, reason=outcome.reason)
    if any(outcome.result in _REACHED for outcome in outcomes):
        return Settlement(state="done", ended_at=ended_at)
    return Settlement(state="ignored", ended_at=ended_at, reason=attempt.ignored_because)
