"""An explanation as text for a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from badge_bridge.events import Event
from badge_bridge.explain import DeliveryExplained, EventExplained, Explanation, Made
from badge_bridge.plural import counted
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.deciding import Read, Weighed, deciding_parts
from badge_bridge.rulesfile.explaining import RuleExplained
from badge_bridge.sources.joining import LegEvent
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.telling import of_leg, unbelieved
from badge_bridge.terminal import card_line, clock, outcome_line
from badge_bridge.terminal_text import plain

__all__ = ["WEIGHED", "print_explanation", "print_legs", "print_rules"]

_MARKS = {"matched": ("✓", "green"), "not matched": ("✗", "yellow"), "error": ("!", "red")}
_HIDDEN = {
    "not matched": "did not match",
    "other type": "are for other types of events",
    "other source": "are for other sources",
}
_SHOWN = 20
"""Rules of one of these kinds that are listed, and legs; more are counted."""
WEIGHED = _SHOWN
"""Conditions of rules that do not match of which anything is shown."""
_LONGEST = 100
"""Characters of a value that are shown."""


def print_explanation(explanation: Explanation, *, every_rule: bool = False) -> None:
    """The whole judgement, step by step; `every_rule` lists also those of many that do nothing."""
    console = Console(soft_wrap=True, highlight=False)
    for number, delivery in enumerate(explanation.deliveries, start=1):
        _print_delivery(console, delivery, explanation, number)
    if explanation.stored is not None:
        _print_stored(console, explanation.stored, explanation)
    for event in explanation.events:
        _print_event(console, event, explanation)
        print_rules(console, event, explanation.rules, every_rule=every_rule)


def _line(console: Console, name: str, value: str, style: str = "") -> None:
    console.print(Text(f"  {name:<11}"), plain(value, style), sep="")


def _print_delivery(console: Console, one: DeliveryExplained, explanation: Explanation, number: int) -> None:
    count = len(explanation.deliveries)
    heading = "delivery" if count == 1 else f"delivery {number} of {count}"
    console.print(Text(heading, style="bold"), plain(f"to {one.source}{one.delivery.path}"))
    _line(console, "request", f"{one.delivery.method}, {len(one.delivery.body):,} bytes")
    if one.handshake is not None:
        _line(console, "handshake", f"a check of the endpoint, answered with {one.status}; it makes no event")
        return
    if one.verified:
        _line(console, "verified", one.verified, "green")
    if one.refused:
        _line(console, "refused", f"{one.status}: {one.refused}", "red")
    if one.unreadable:
        _line(console, "unreadable", one.unreadable if one.refused else f"{one.status}: {one.unreadable}", "red")
    elif not one.made:
        _line(console, "makes", "no event")
    if one.refused and one.made:
        _line(console, "", "if it were genuine, it would mean this:", "bright_black")
    for made in one.made:
        _line(console, "makes", f"{_what(made.event)}, key {made.key}{_repeat(made, explanation.known or {})}")


def _repeat(made: Made, known: Mapping[str, StoredEvent]) -> str:
    if made.repeats:
        return " (a duplicate of one above)"
    stored = known.get(made.key)
    if stored is None:
        return ""
    return f" (a duplicate: stored on {clock(stored.received_at)}, {stored.state})"


def _what(event: Event) -> str:
    if event.leg is None:
        return event.type
    return f"one leg of call {event.leg.call}: {of_leg(event.leg)}"


def _print_stored(console: Console, stored: StoredEvent, explanation: Explanation) -> None:
    console.print(Text("stored event", style="bold"), plain(stored.key))
    _line(console, "received", clock(stored.received_at))
    _line(console, "verified", stored.verified, "green")
    if stored.event.leg is not None:
        _line(console, "is", _what(stored.event))
    _line(console, "state", stored.state + (f": {stored.reason}" if stored.reason else ""))
    for outcome in stored.outcomes:
        _line(console, f"attempt {outcome.attempt}", outcome_line(outcome))
    for card in (card for event in explanation.events for card in event.cards):
        _line(console, "card", card_line(card), "" if card.state == "there" else "yellow")
    if stored.rules_hash and stored.rules_hash != explanation.rules.hash:
        said = f"others then (hash {stored.rules_hash}); redrive tries it again with those of now, or --with then"
        _line(console, "rules", said, "yellow")


def _print_event(console: Console, one: EventExplained, explanation: Explanation) -> None:
    event = one.event
    console.print(Text("event", style="bold"), plain(event.type, "bold"), *_judged_from(one))
    print_legs(console, one.legs)
    known = (explanation.known or {}).get(one.key)
    facts = [
        ("key", one.key + (f" (stored on {clock(known.received_at)}, {known.state})" if known and one.legs else "")),
        ("id", event.id),
        ("source", f"{event.source} ({event.provider})"),
        ("happened", _happened(event)),
        ("direction", event.direction),
        ("outcome", event.outcome),
        ("reason", event.reason),
        ("caller", event.caller),
        ("callee", event.callee),
        ("line", event.line),
        ("duration", "" if event.duration is None else f"{event.duration} s"),
        ("email", event.email),
        ("customer", event.customer or "not known"),
    ]
    for name, value in facts:
        if value:
            _line(console, name, value)


def _happened(event: Event) -> str:
    when = clock(event.time.timestamp())
    if event.told_time is None:
        return when
    return f"{when}, when it was received, {unbelieved(event.told_time.isoformat())}"


def _judged_from(one: EventExplained) -> Sequence[Text]:
    if not one.legs:
        return ()
    return (plain(f"judged from {counted(len(one.legs), 'leg')}"),)


def print_legs(console: Console, legs: Sequence[LegEvent]) -> None:
    """What was told of a call, one line for each leg."""
    for leg in legs[:_SHOWN]:
        when = clock(leg.event.time.timestamp())
        _line(console, "leg", f"{of_leg(leg.leg)} ({when}, key {leg.key})")
    if len(legs) > _SHOWN:
        _line(console, "", f"and {len(legs) - _SHOWN} more")


def print_rules(console: Console, event: EventExplained, rules: RulesFile, *, every_rule: bool) -> None:
    """What each rule of a file says to an event."""
    results: Counter[str] = Counter(one.result for one in event.rules)
    told = f"{results['matched']} of {counted(len(event.rules), 'rule')} matched"
    console.print(Text("rules", style="bold"), plain(f"{rules.filename} (hash {rules.hash}): {told}"))
    hidden = () if every_rule else tuple(result for result in _HIDDEN if results[result] > _SHOWN)
    for one in event.rules:
        if one.result in hidden and not one.clears:
            continue
        mark, style = _MARKS.get(one.result, ("·", "bright_black"))
        said = _said(one, event.event)
        console.print(Text(f"  {mark}", style), plain(one.rule.name, "bold"), plain(f"(line {one.rule.line})"), said)
        for line, colour in _details(one, rules):
            console.print(Text("      "), plain(line, colour), sep="")
    for result in hidden:
        told = f"{results[result]:,} rules {_HIDDEN[result]}; --every-rule lists them"
        console.print(plain(f"  · {told}", "bright_black"))


def _said(one: RuleExplained, event: Event) -> Text:
    if one.result == "other type":
        return plain(f"is for {', '.join(one.rule.on)}, and this is {event.type}", "bright_black")
    if one.result == "other source":
        return plain(f"is for {', '.join(one.rule.sources)}, and this is from {event.source}", "bright_black")
    if one.result == "error":
        return plain("does not match: its condition cannot be evaluated", "red")
    return plain(one.result, _MARKS[one.result][1])


def _details(one: RuleExplained, rules: RulesFile) -> Iterator[tuple[str, str]]:
    if one.condition is not None:
        for depth, part in deciding_parts(one.condition):
            yield f"{'  ' * depth}{'since ' if depth else ''}{_part(part, rules.filename)}", ""
    if one.result == "matched":
        badge = rules.badges[one.rule.badge]
        portal = f" in portal {one.rule.portal}" if len(rules.portals) > 1 else ""
        if one.rule.attach is None:
            yield f"makes sure that badge {badge.name} ({badge.code}) exists{portal}", ""
        else:
            yield f"puts badge {badge.name} ({badge.code}) on a card{portal}: {one.card}", ""
            yield f"titled {_text(one.title)}", ""
        if one.rule.clear is not None:
            until = f"a later {' or '.join(one.rule.clear.on)}"
            yield f"until {until} of the same: {one.same}" if one.same else f"for ever: nothing joins {until} to it", ""
    if one.clears:
        if one.same:
            yield f"takes away what this rule has put on cards before for the same: {one.same}", "green"
        else:
            yield "would take away what this rule has put on cards, but nothing joins the two", "yellow"


def _part(part: Weighed, filename: str) -> str:
    place = f"{filename}:{part.line}:{part.column}: "
    looked = "; ".join(_read(read) for read in part.reads)
    if part.problem is not None:
        return f"{place}{part.text}  cannot be evaluated: {part.problem.message}" + (f"; {looked}" if looked else "")
    found = {None: "cannot be evaluated", True: "is true", False: "is false"}[part.value]
    return f"{place}{part.text}  {found}" + (f": {looked}" if looked else "")


def _read(read: Read) -> str:
    if not read.there:
        return f"there is no {read.field}"
    return f"{read.field} is {_short(read.value)}"


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _text(title: str | Mapping[str, str]) -> str:
    return title if isinstance(title, str) else ", ".join(f"{language}: {text}" for language, text in title.items())
