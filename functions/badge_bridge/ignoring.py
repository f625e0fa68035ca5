"""Why an event was ignored, as the store keeps it: one line of text, of which others read again what kind of why it is.

    no rule is for call.answered from reception
    could not be evaluated: late (rules.yaml:9:5: there is no event.duration); the condition is not true: missed call
    no open badge of an earlier event that it would clear: missed call

An event that matched a rule, and of which no card was found, has the outcome of that rule as its reason instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from badge_bridge.events import Event
from badge_bridge.rulesfile import Judgement, Rule

__all__ = ["Why", "why", "why_ignored"]

Why = Literal["no rule", "not evaluated", "not true", "nothing to clear"]

_SAID: dict[Why, str] = {
    "no rule": "no rule is for ",
    "not evaluated": "could not be evaluated: ",
    "not true": "the condition is not true: ",
    "nothing to clear": "no open badge of an earlier event that it would clear: ",
}
"""What comes first is what somebody should look at first."""


def why_ignored(event: Event, judgements: Sequence[Judgement], clearing: Sequence[Rule]) -> str:
    """Why nothing is done, for an event that no rule matches, and for which none has anything to clear. Where one
    matches, nothing: its outcome says it.
    """
    if any(judgement.result == "matched" for judgement in judgements):
        return ""
    if not judgements and not clearing:
        return f"{_SAID['no rule']}{event.type} from {event.source}"
    untrue = [judgement.rule.name for judgement in judgements if judgement.result == "not matched"]
    said = [f"{_SAID['not evaluated']}{one.rule.name} ({one.problem})" for one in judgements if one.problem]
    if untrue:
        said.append(f"{_SAID['not true']}{', '.join(untrue)}")
    if clearing:
        said.append(f"{_SAID['nothing to clear']}{', '.join(rule.name for rule in clearing)}")
    return "; ".join(said)


def why(reason: str) -> Why | None:
    """Which of these it was, the first where there were several; None where it is the outcome of a rule."""
    return next((one for one, said in _SAID.items() if reason.startswith(said)), None)
