"""What every rule of the file says to an event, and why: those that it does not concern included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from badge_bridge.cel import EvaluationError
from badge_bridge.events import Event
from badge_bridge.rulesfile.deciding import Weighed, weigh
from badge_bridge.rulesfile.index import Index
from badge_bridge.rulesfile.rules import Attach, Rule, RulesFile

__all__ = ["RuleExplained", "explain_rules"]

Result = Literal["matched", "not matched", "error", "other type", "other source"]


@dataclass(frozen=True, slots=True)
class RuleExplained:
    """What one rule says to an event. `error`: its condition gave neither true nor false."""

    rule: Rule
    result: Result
    condition: Weighed | None = None
    """Every part of the condition; None where the rule has none, the event is none of its, or it was not weighed."""
    card: str = ""
    """Where a rule that matches would put its badge."""
    title: str | Mapping[str, str] = ""
    """What the entry would say."""
    clears: bool = False
    """Whether the event takes this rule's badge away, where `same` is that of the event it was put there for."""
    same: str = ""
    """What joins the event with others for this rule; empty where nothing does."""


def explain_rules(
    rules: RulesFile, event: Event, *, card_of: Callable[[Attach, Event], str], weighed: int | None = None
) -> Sequence[RuleExplained]:
    """All rules, in the order of the file; `card_of` says in words where a badge would be put. Of those that do not
    match, so many have the parts of their conditions weighed, which takes a millisecond for each. Never raises.
    """
    left = len(rules.rules) if weighed is None else weighed
    judged = {judgement.rule.name: judgement for judgement in rules.judge(event)}
    clearing = {rule.name for rule in rules.clearing(event)}
    explained = []
    for written in rules.rules:
        judgement = judged.get(written.name)
        rule = judgement.rule if judgement else written
        result: Result = judgement.result if judgement else _unconcerned(rule, event)
        matched = result == "matched"
        left -= result == "not matched"
        is_weighed = left >= 0 or result != "not matched"
        explained.append(
            RuleExplained(
                rule=rule,
                result=result,
                condition=weigh(rule.condition, event) if judgement and rule.condition and is_weighed else None,
                card=card_of(rule.attach, event) if matched and rule.attach else "",
                title=rule.attach.title.fill(event) if matched and rule.attach else "",
                clears=rule.name in clearing,
                same=_same(rule, event) if rule.clear and (matched or rule.name in clearing) else "",
            )
        )
    return explained


def _unconcerned(rule: Rule, event: Event) -> Result:
    for_type = Index([(rule, rule.on, ())]).concerned(event.type)
    return "other source" if any(for_type) else "other type"


def _same(rule: Rule, event: Event) -> str:
    try:
        joined = rule.join(event)
    except EvaluationError:
        return ""
    return joined.partition("\n")[2]
