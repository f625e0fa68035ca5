"""The life of one event as text for a terminal, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from badge_bridge.outcomes import Exchange
from badge_bridge.plural import counted
from badge_bridge.store.protocol import Attempt, StoredEvent
from badge_bridge.telling import in_short, lateness, plainly, redriven
from badge_bridge.terminal import card_line, clock, outcome_line, state_shown, zone_name
from badge_bridge.terminal_explain import print_legs, print_rules
from badge_bridge.terminal_text import json_shown, plain
from badge_bridge.whole_life import WholeLife

__all__ = ["pill", "print_event"]

_PILLS = {
    "success": "white on green",
    "failure": "white on red",
    "warning": "black on yellow",
    "primary": "black on bright_cyan",
    "secondary": "white on bright_black",
}


def print_event(whole: WholeLife, *, now: float, command: str = "", every_rule: bool = False) -> None:
    """One event with all that is known of it, and at the end what to do next, and the `command` that does it. `now` is
    in unix seconds.
    """
    stored, looks = whole.stored, whole.looks()
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(stored.key, style="bold"), state_shown(stored), Text(f"(times in {zone_name()})"))
    # What it waits for is told by what comes next, and by its attempts.
    if stored.state != "waiting":
        console.print(plain(f"  {whole.came_of(now)}"))
    for name, value in _facts(stored):
        console.print(Text(f"  {name:<10}"), plain(value), sep="")
    if whole.legs:
        console.print(Text("legs", style="bold"), plain(_of_legs(whole)))
        print_legs(console, whole.legs)
    _print_rules(console, whole, every_rule=every_rule)
    told = set() if stored.state == "waiting" else {stored.reason}
    for attempt in stored.history:
        _print_attempt(console, stored, attempt, told)
    for card in whole.cards:
        console.print(plain(f"card      {card_line(card)}"))
        if card.badge in looks:
            console.print(Text("          "), pill(looks[card.badge]), sep="")
    after = [one for one in (whole.next_step(now).replace("`", ""), command) if one]
    for name, sentence in zip(("next", ""), after, strict=False):
        console.print(Text(f"{name:<10}", style="bold"), plain(sentence), sep="")
    if stored.event.data:
        console.print(Text("data", style="bold"))
        console.print(json_shown(dict(stored.event.data)))


def pill(look: Mapping[str, Any]) -> Text:
    """A badge as it looks on a card, its caption and its text in its colour, in each language that it is written in."""
    shown = Text()
    for text in look["texts"]:
        if shown:
            shown.append("   ")
        shown.append_text(plain(f"{text['title']} "))
        shown.append_text(plain(f" {text['value']} ", _PILLS[look["type"]]))
        if text["language"]:
            shown.append_text(plain(f" ({text['language']})", "bright_black"))
    return shown


def _print_rules(console: Console, whole: WholeLife, *, every_rule: bool) -> None:
    if whole.rules is None or whole.judged is None:
        console.print(Text("rules", style="bold"), plain(whole.unjudged, "yellow"))
        return
    print_rules(console, whole.judged, whole.rules, every_rule=every_rule)
    then = whole.stored.rules_hash
    if then and then != whole.rules.hash:
        console.print(plain(f"  others then (hash {then}); redrive tries it with those of now", "yellow"))


def _of_legs(whole: WholeLife) -> str:
    count = counted(len(whole.legs), "leg")
    known = "is" if len(whole.legs) == 1 else "are"
    return f"{count} of its call {known} known" if whole.stored.event.leg else f"joined from {count}"


def _print_attempt(console: Console, stored: StoredEvent, attempt: Attempt, told: set[str]) -> None:
    """`told` are reasons that stand further above in full."""
    console.print(Text(f"attempt {attempt.number}", style="bold"), Text(_when(attempt)))
    for exchange in attempt.asked:
        console.print(plain(f"  asked     {_exchange(exchange)}"))
    for outcome in stored.outcomes:
        if outcome.attempt == attempt.number:
            console.print(plain(f"  rule      {outcome_line(outcome, brief=outcome.reason in told)}"))
            told.add(outcome.reason)
    reason = in_short(attempt.reason) if attempt.reason in told else plainly(attempt.reason)
    console.print(plain(f"  ended     {attempt.result}{f': {reason}' if reason else ''}"))
    told.add(attempt.reason)
    if attempt.redriven is not None:
        at = clock(attempt.redriven.at)
        console.print(Text("redriven ", style="bold"), plain(f"{at} {redriven(attempt.redriven)}"))


def _facts(stored: StoredEvent) -> list[tuple[str, str]]:
    event = stored.event
    told = event.told_time.isoformat() if event.told_time else None
    late = lateness(stored.received_at - event.time.timestamp(), told)
    facts = [
        ("received", f"{clock(stored.received_at)}, {late}"),
        ("verified", stored.verified),
        ("source", f"{event.source} ({event.provider})"),
        ("type", event.type),
        ("direction", event.direction),
        ("outcome", event.outcome),
        ("reason", event.reason),
        ("happened", clock(event.time.timestamp())),
        ("id", event.id),
        ("caller", event.caller),
        ("callee", event.callee),
        ("line", event.line),
        ("duration", "" if event.duration is None else f"{event.duration} s"),
        ("email", event.email),
        ("customer", event.customer),
        ("rules", stored.rules_hash),
        ("redriven", stored.redriven_with and f"with the rules {stored.redriven_with}"),
    ]
    return [(name, value) for name, value in facts if value]


def _when(attempt: Attempt) -> str:
    if attempt.ended_at is None:
        return f"{clock(attempt.started_at)}"
    return f"{clock(attempt.started_at)}, {(attempt.ended_at - attempt.started_at) * 1000:.0f} ms"


def _exchange(exchange: Exchange) -> str:
    together = f", {exchange.together} together" if exchange.together > 1 else ""
    asked = f"{exchange.method} {exchange.about}".rstrip()
    if exchange.answer == "ok":
        came = exchange.said or exchange.answer
    else:
        came = f"{exchange.answer}: {exchange.said}" if exchange.said else exchange.answer
    return f"{asked} -> {came} ({exchange.milliseconds:.0f} ms{together})"
