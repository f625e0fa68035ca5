"""How an attempt ends: one word for the whole event from what its rules came to. Pure.

The rule that is not finished decides: as long as one has to be tried again, the event waits; what the others reached
is written down and not done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from badge_bridge.outcomes import Asked, Outcome, Result, Role
from badge_bridge.retry import Decision, GiveUp, RetryAt, Wait
from badge_bridge.store.protocol import Claim, Settlement

__all__ = ["Progress", "settle"]

_REACHED = frozenset({"ensured", "badged", "cleared"})


@dataclass(slots=True)
class Progress:
    """What happens in one attempt, gathered while it runs."""

    claim: Claim
    started_at: float
    ignored_because: str = ""
    """Why no rule acts, where none does."""
    outcomes: list[Outcome] = field(default_factory=list)
    asked: Asked = field(default_factory=Asked)
    decisions: list[Decision] = field(default_factory=list)
    """What to do about each rule that did not reach its end."""
    joined: Settlement | None = None
    """How the attempt ends where the event is a leg of a call."""
    judged: str = ""
    """The key of the call's judgement, where the leg brought something new."""
    is_settled: bool = False
    """That the attempt ended as `joined` is written down already."""

    def reached(
        self,
        rule: str,
        result: Result,
        *,
        reason: str,
        role: Role = "act",
        badge: str = "",
        portal: str = "",
        owner: str = "",
        activity: int | None = None,
    ) -> None:
        """Note the outcome of a rule."""
        outcome = Outcome(
            rule=rule,
            result=result,
            role=role,
            badge=badge,
            portal=portal,
            owner=owner,
            activity=activity,
            reason=reason,
            attempt=self.claim.attempt,
        )
        self.outcomes.append(outcome)


def settle(progress: Progress, *, ended_at: float, rules_hash: str) -> Settlement:
    """The settlement of an attempt that ended at `ended_at` (unix seconds)."""
    return replace(
        progress.joined or _word(progress, ended_at),
        outcomes=tuple(progress.outcomes),
        asked=tuple(progress.asked),
        rules_hash=rules_hash,
    )


def _word(progress: Progress, ended_at: float) -> Settlement:
    retries = [decision for decision in progress.decisions if isinstance(decision, RetryAt)]
    if retries:
        first = min(retries, key=lambda decision: decision.due)
        return Settlement(state="waiting", ended_at=ended_at, due=first.due, reason=first.reason, failed=True)
    waits = [decision for decision in progress.decisions if isinstance(decision, Wait)]
    if waits:
        # An event waits for one lane: the one that opens first, so that a rule that can act is not held by another.
        next_ = min(waits, key=lambda decision: decision.until)
        return Settlement(state="waiting", ended_at=ended_at, due=next_.due, lane=next_.lane, reason=next_.reason)
    for decision in progress.decisions:
        if isinstance(decision, GiveUp):
            return Settlement(state="dead", ended_at=ended_at, reason=decision.reason, failed=True)
    outcomes = [*progress.claim.outcomes, *progress.outcomes]
    for outcome in outcomes:
        if outcome.result == "failed":
            return Settlement(state="dead", ended_at=ended_at, reason=outcome.reason)
    if any(outcome.result in _REACHED for outcome in outcomes):
        return Settlement(state="done", ended_at=ended_at)
    ignored = "; ".join(dict.fromkeys(outcome.reason for outcome in outcomes if outcome.result == "ignored"))
    return Settlement(state="ignored", ended_at=ended_at, reason=progress.ignored_because or ignored)
