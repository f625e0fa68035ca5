"""Rules as somebody has just written them, over a delivery or a stored event. Nothing is stored and nothing is sent.

Secrets stay out of it: the rules that are tried are checked with placeholders, and a delivery is verified by the source
of now wherever its entry is still the same. One whose entry was changed is not verified, but for that judged all the
same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from badge_bridge.console.event import LISTED
from badge_bridge.errors import Finding, RulesError
from badge_bridge.explain import EventExplained, Explanation
from badge_bridge.explain_json import as_json
from badge_bridge.previews import preview
from badge_bridge.rulesfile import Draft, RulesFile
from badge_bridge.rulesfile.examining import Examined, examine
from badge_bridge.sources import OPTIONS, Source, build_all
from badge_bridge.whole_life import listed

__all__ = ["WEIGHED", "Tried", "as_data", "judgement", "tried_rules", "written"]

WEIGHED = 20
"""Rules that do not match of which it is said which part of the condition failed."""

MOST_RULES = 200
"""Rules for an event whose judgement is told: thousands are more than anybody reads, or a browser shows."""

_CHANGED = "not verified: the entry of its source is another one here, and secrets are not known to this page"
_UNKNOWN = "not verified: this process takes no deliveries, and does not know the secrets of sources"
_SECRET = 8
"""Characters of a secret that is looked for; a shorter one may stand in the text by chance."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Rules that can be tried, and what takes deliveries for them. `unverified` are sources that cannot check any."""

    rules: RulesFile
    sources: Mapping[str, Source[Any]]
    unverified: Mapping[str, str] = field(default_factory=dict)
    """Sources that can check nothing, with why."""
    findings: Sequence[Finding] = ()
    """What is probably not meant in the rules, and what is to be known."""


def tried_rules(text: str, now: RulesFile, *, tokens: Mapping[str, Sequence[str]], knows_secrets: bool = True) -> Tried:
    """The rules that are written in `text`; it takes about three milliseconds a rule. `tokens` are what the
    installation of an application has brought for each source; the rules of now may be without their secrets.

    Raises:
        RulesError: with every mistake.
    """
    live = build_all(now.sources)
    for name, offered in tokens.items():
        if offered:
            live[name].offer_secrets(offered)
    draft = Draft(text.encode("utf-8", "replace"), now.filename)
    examined = examine(draft, providers=OPTIONS, environ=None, known={})
    if text == written(now):
        return Tried(now, live, {} if knows_secrets else dict.fromkeys(live, _UNKNOWN), _of_good(examined))
    rules = examined.rules
    if rules is None:
        raise RulesError(examined.findings)
    before = Draft(now.content, now.filename).sources
    same = {name for name, entry in draft.sources.items() if name in live and before[name] == entry}
    sources, unverified = {}, {}
    for name, options in rules.sources.items():
        if name in same:
            sources[name] = live[name]
        else:
            unverified[name] = _CHANGED
            sources |= _with_placeholders(name, options)
    if not knows_secrets:
        unverified = dict.fromkeys(rules.sources, _UNKNOWN)
    return Tried(rules, sources, unverified, examined.findings)


def _of_good(examined: Examined) -> Sequence[Finding]:
    """Without mistakes: rules that are in use have none, but where the text shows *** instead of what is written."""
    return () if examined.rules is None else examined.findings


def _with_placeholders(name: str, options: BaseModel) -> Mapping[str, Source[Any]]:
    """A source that can read deliveries; none where a placeholder stands for what it cannot do without."""
    try:
        return build_all({name: options})
    except Exception:  # noqa: BLE001 - no provider promises anything for a placeholder
        return {}


def written(rules: RulesFile) -> str:
    """The text of a rules file, as somebody may see it who is not to know its secrets.

    They do not belong into the file, but one may stand in a comment all the same.
    """
    text = rules.content.decode("utf-8-sig").replace("\r\n", "\n")
    for secret in sorted(rules.secrets, key=len, reverse=True):
        if len(secret) >= _SECRET:
            text = text.replace(secret, "***")
    return text


def judgement(explanation: Explanation, tried: Tried) -> dict[str, Any]:
    """What is told of it: the explanation, and what the badges of the rules that matched look like."""
    parts = [_first(event) for event in explanation.events]
    explanation = replace(explanation, events=[event for event, _, _ in parts])
    told = [
        replace(one, verified="", refused=tried.unverified[one.source], status=0)
        if one.source in tried.unverified and one.handshake is None
        else one
        for one in explanation.deliveries
    ]
    matched = {rule.rule.badge for event in explanation.events for rule in event.rules if rule.result == "matched"}
    kept = [listed(event, LISTED) for event in explanation.events]
    shown = as_json(replace(explanation, deliveries=told, events=[event for event, _ in kept]))
    return {
        **shown,
        "events": [
            {**event, "left_out": left, "matched": matched, "more": more}
            for event, (_, left), (_, matched, more) in zip(shown["events"], kept, parts, strict=True)
        ],
        "badges": {name: preview(badge) for name, badge in tried.rules.badges.items() if name in matched},
    }


def _first(one: EventExplained) -> tuple[EventExplained, int, int]:
    """The event with no more than `MOST_RULES` of the rules that are for it, those that match before the others; how
    many match, and how many were left out.
    """
    told = [rule for rule in one.rules if rule.clears or rule.result not in ("other type", "other source")]
    matched = [rule for rule in told if rule.result == "matched"]
    left = {rule.rule.name for rule in [*matched, *(rule for rule in told if rule.result != "matched")][MOST_RULES:]}
    return replace(one, rules=[rule for rule in one.rules if rule.rule.name not in left]), len(matched), len(left)


def as_data(finding: Finding) -> dict[str, Any]:
    """A finding, and of its line what may be shown, in which the marked part begins at `start` and ends at `stop`."""
    excerpt = finding.excerpt
    told = {name: getattr(finding, name) for name in ("line", "column", "severity", "code", "message", "help")}
    shown = None if excerpt is None else {"text": excerpt.text, "start": excerpt.start, "stop": excerpt.end}
    return {**told, "excerpt": shown}
