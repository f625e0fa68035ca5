"""The audit: what each call must have come to, worked out from what happened, and compared with the three books.

Nothing of the bridge's is used here. A call that was answered takes the badges away of the same customer's earlier
calls, by when the calls began and not by when they were told of. Pure: books go in, sentences come out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.books import Activity, Event, Sent, Store
from chaos.calls import Call

__all__ = ["Card", "audit", "audit_dead", "expected_on_cards"]

LEG = "call.leg"
"""The type of an event that tells of a part of a call, whose judgement is another event."""
LEGGED = "reception"
"""The source that tells of calls so."""

DEAL = 2
MOST_FAILURES = 8
"""After one more an event is given up, whatever they were. That one is not counted where another rule of the event has
waited for the portal in the same attempt."""

SAID = {"ERROR_WRONG_APPLICATION": "was made by another application", "empty-error": "an error without a code"}
"""Refusals that the bridge tells in words of its own, or tells so too."""


@dataclass(frozen=True, slots=True)
class Card:
    """An activity that must be on a card: open, or where it is `cleared` completed or not there at all."""

    owner: tuple[int, int]
    title: str
    cleared: bool


def expected_on_cards(told: Sequence[Call]) -> list[Card]:
    """What these calls, all of them genuine and known to the bridge, come to."""
    answered: dict[int, list[float]] = defaultdict(list)
    for call in told:
        if call.outcome == "answered":
            answered[call.customer.number].append(call.time)
    cards = []
    for call in told:
        if call.outcome == "missed" and call.customer.deal is not None:
            owner = DEAL, call.customer.deal
            cleared = any(time > call.time for time in answered[call.customer.number])
            cards.append(Card(owner, f"Missed call {call.event_id}", cleared))
            if call.source == "portal":
                cards.append(Card(owner, f"Follow up {call.event_id}", cleared=False))
    return cards


def audit(sent: Sent, store: Store, activities: Sequence[Activity]) -> list[str]:
    """What is wrong when all is over, in sentences; nothing where all three books agree with what happened."""
    genuine = [call for call in sent.begun.values() if not call.forgery]
    stored = {(event.source, event.name) for event in store.events}
    told = [call for call in genuine if (call.source, call.event_id) in stored]
    return [
        *sent.wrong,
        *_lost(sent, stored),
        *_strange(sent, store.events),
        *_doubled(store.events),
        *_not_ended(store, {(call.source, call.event_id): call for call in told}),
        *_attempts(store),
        *_cards(expected_on_cards(told), activities),
        *_ledger(store, activities),
    ]


def audit_dead(dead: Sequence[Event], struck: Collection[str]) -> list[str]:
    """Events that are dead although the portal refused nothing for good, and they did not fail too often."""
    told = [re.escape(word) for kind in struck for word in (kind, SAID.get(kind, kind))]
    refused = re.compile(rf"(?<![\w-])({'|'.join(told)})(?![\w-])", re.IGNORECASE)
    return [
        f"dead without a cause: {event.key}: {event.reason}"
        for event in dead
        if event.failures < MOST_FAILURES and not refused.search(event.reason)
    ]


def _lost(sent: Sent, stored: Collection[tuple[str, str]]) -> Iterator[str]:
    for name in sent.heard:
        call = sent.begun[name]
        if (call.source, call.event_id) not in stored:
            yield f"lost: {name} ({call.source}) was answered 2xx and is not in the store"


def _strange(sent: Sent, events: Sequence[Event]) -> Iterator[str]:
    by_name = {(call.source, call.event_id): call for call in sent.begun.values()}
    for event in events:
        call = by_name.get((event.source, event.name))
        if call is None:
            yield f"strange: {event.key} ({event.name}) is in the store and was never sent"
        elif call.forgery:
            yield f"forged: {event.name} ({call.forgery}, {event.source}) is in the store"


def _doubled(events: Sequence[Event]) -> Iterator[str]:
    count = Counter((event.source, event.name, event.type == LEG) for event in events)
    for (source, name, _), times in count.items():
        if times > 1:
            yield f"doubled: {name} ({source}) is {times} events"


def _not_ended(store: Store, told: Mapping[tuple[str, str], Call]) -> Iterator[str]:
    for event in store.events:
        call = told.get((event.source, event.name))
        if call is None:
            continue
        if event.type == LEG:
            allowed = {"joined"}
        elif call.outcome == "answered":
            allowed = {"done", "ignored"}
        else:
            # A call of a stranger may be one that was cleared before anybody looked for his card.
            allowed = {"done"} if call.customer.deal is not None else {"ignored"}
        if event.state not in allowed:
            yield f"ended badly: {event.key} ({event.name}) is {event.state}: {event.reason}"
    judged = {(event.source, event.name) for event in store.events if event.type != LEG}
    for source, name in told:
        if source == LEGGED and (source, name) not in judged:
            yield f"ended badly: {name} ({source}) was never judged"


def _attempts(store: Store) -> Iterator[str]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for attempt in store.attempts:
        numbers[attempt.key].append(attempt.number)
        if attempt.result == "working":
            yield f"attempts: number {attempt.number} of {attempt.key} has no end"
    for event in store.events:
        if numbers[event.key] != list(range(1, event.attempts + 1)):
            yield f"attempts: {event.key} counts {event.attempts} and has the numbers {numbers[event.key]}"


def _cards(expected: Sequence[Card], activities: Sequence[Activity]) -> Iterator[str]:
    there: dict[str, list[Activity]] = defaultdict(list)
    for activity in activities:
        there[activity.title].append(activity)
    for card in expected:
        found = there.pop(card.title, [])
        if len(found) > 1:
            yield f"doubled: {card.title!r} is on cards {len(found)} times"
        if any(activity.owner != card.owner for activity in found):
            yield f"misplaced: {card.title!r} is not on the card {card.owner}"
        if card.cleared and not all(activity.completed for activity in found):
            yield f"not cleared: {card.title!r} is still open, and the customer was spoken to later"
        if not card.cleared and not found:
            yield f"lost: {card.title!r} is on no card"
        if not card.cleared and any(activity.completed for activity in found):
            yield f"cleared: {card.title!r} was completed, and nobody has spoken to the customer since"
    for title, found in there.items():
        yield f"strange: {title!r} is on cards {len(found)} times, and belongs to no missed call"


def _ledger(store: Store, activities: Sequence[Activity]) -> Iterator[str]:
    """Each activity is known by its id, and as it is."""
    there = {activity.id: activity for activity in activities}
    known: Counter[int] = Counter()
    for row in store.attachments:
        if row.activity is None:
            yield f"ledger: {row.key} ({row.rule}) may be attached, and nobody knows"
            continue
        known[row.activity] += 1
        activity = there.get(row.activity)
        if activity is None or activity.completed is not bool(row.closed):
            yield f"ledger: activity {row.activity} of {row.key} is not as the ledger says"
    for number in there:
        if known[number] != 1:
            yield f"ledger: activity {number} is known {known[number]} times"
