"""The whole judgement of deliveries or of a stored event, step by step, with nothing stored and nothing sent.

    deliveries -> how each was verified -> what it was read as -> the call that its legs come to -> what each rule says

The steps are those of `pipeline.accept` and `pipeline.process`, made of the same parts; one that fails does not hide
those after it: of a delivery that would be refused it is told as well what it would have meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from badge_bridge.customers import card_of
from badge_bridge.errors import DeliveryRefused
from badge_bridge.events import Event, Leg, call_join, event_key
from badge_bridge.on_cards import OnCard, on_cards
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.explaining import RuleExplained, explain_rules
from badge_bridge.sources import Delivery, Reading, Reply, Source
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.sources.legs import MOST_LEGS, judged_identity
from badge_bridge.sources.receiving import find, read
from badge_bridge.store.protocol import Store, StoredEvent

__all__ = [
    "DeliveryExplained",
    "EventExplained",
    "Explanation",
    "Made",
    "explain_deliveries",
    "explain_stored",
    "judge_deliveries",
    "judge_stored",
    "known_among",
    "legs_of",
]


@dataclass(frozen=True, slots=True)
class Made:
    """One event that was read from a delivery."""

    key: str
    event: Event
    repeats: bool = False
    """Another delivery of these has the same key: one of them is a duplicate."""


@dataclass(frozen=True, slots=True)
class DeliveryExplained:
    """What would become of one delivery."""

    source: str
    delivery: Delivery
    verified: str = ""
    """How, in a few words; empty where it would be refused, or is a handshake."""
    status: int = 0
    """What it would be answered with."""
    refused: str = ""
    """Why it would be refused. The sender of an unsigned one is not told."""
    handshake: Reply | None = None
    """The answer to a check of the endpoint, which makes no event."""
    unreadable: str = ""
    """Why no event can be read from it."""
    made: Sequence[Made] = ()


@dataclass(frozen=True, slots=True)
class EventExplained:
    """What the rules say to one event."""

    key: str
    event: Event
    rules: Sequence[RuleExplained]
    legs: Sequence[LegEvent] = ()
    """Those that it was judged from."""
    cards: Sequence[OnCard] = ()
    """Where its badges are, of a stored one."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to `explain`."""

    rules: RulesFile
    deliveries: Sequence[DeliveryExplained] = ()
    stored: StoredEvent | None = None
    """The event that was asked for, where it is a stored one."""
    events: Sequence[EventExplained] = ()
    known: Mapping[str, StoredEvent] | None = None
    """Which of the events the store has already, by key; None where no store was looked at."""

    @property
    def genuine(self) -> bool:
        """Whether every delivery would be taken."""
        return all(not one.refused and not one.unreadable for one in self.deliveries)


async def explain_deliveries(
    rules: RulesFile,
    sources: Mapping[str, Source[Any]],
    deliveries: Sequence[tuple[str, Delivery]],
    *,
    store: Store | None = None,
    weighed: int | None = None,
) -> Explanation:
    """Explain deliveries, each with the name of its source. Those that tell of one call are judged together. `weighed`
    as in `explain_rules`.
    """
    explanation = judge_deliveries(rules, sources, deliveries, weighed=weighed)
    return explanation if store is None else replace(explanation, known=await known_among(explanation, store))


def judge_deliveries(
    rules: RulesFile,
    sources: Mapping[str, Source[Any]],
    deliveries: Sequence[tuple[str, Delivery]],
    *,
    weighed: int | None = None,
) -> Explanation:
    """As `explain_deliveries`, without a look at what is stored: nothing is waited for, so that a thread may do it."""
    seen: set[str] = set()
    told = [_explain_delivery(sources, name, delivery, seen) for name, delivery in deliveries]
    events = _judged([(one.delivery.received_at, made) for one in told for made in one.made], rules, weighed)
    return Explanation(rules, deliveries=told, events=events)


async def known_among(explanation: Explanation, store: Store) -> Mapping[str, StoredEvent]:
    """Which of the events that were made the store has already, by key.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    keys = {made.key for one in explanation.deliveries for made in one.made}
    keys |= {one.key for one in explanation.events}
    return {key: stored for key in keys if (stored := await store.get(key)) is not None}


async def explain_stored(
    rules: RulesFile, stored: StoredEvent, *, store: Store, weighed: int | None = None
) -> Explanation:
    """Explain a stored event by the rules of now. Of a leg, the whole call is explained, as far as it is told yet."""
    explanation = judge_stored(rules, stored, legs=await legs_of(stored, store), weighed=weighed)
    (explained,) = explanation.events
    return replace(explanation, events=[replace(explained, cards=await on_cards(store, explained.key))])


async def legs_of(stored: StoredEvent, store: Store) -> Sequence[LegEvent]:
    """The legs of a stored event's call, as far as it is told yet; none where it is no call of legs.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    event = stored.event
    if event.leg is None and "legs" not in event.data:
        return ()
    one = event if event.leg else event.model_copy(update={"leg": Leg(call=event.id)})
    found = await store.related(call_join(one), limit=MOST_LEGS)
    told = sorted(found, key=lambda leg: leg.received_at)
    return [LegEvent(leg.key, leg.received_at, leg.event) for leg in told if leg.event.leg is not None]


def judge_stored(
    rules: RulesFile, stored: StoredEvent, *, legs: Sequence[LegEvent], weighed: int | None = None
) -> Explanation:
    """As `explain_stored`, with the `legs_of` it, and without its cards: nothing is waited for."""
    if stored.event.leg is not None:
        (explained,) = _judged([(leg.received_at, Made(leg.key, leg.event)) for leg in legs], rules, weighed)
    else:
        explained = _explained(stored.key, stored.event, rules, weighed, legs)
    return Explanation(rules, stored=stored, events=[explained])


def _explain_delivery(
    sources: Mapping[str, Source[Any]], name: str, delivery: Delivery, seen: set[str]
) -> DeliveryExplained:
    try:
        source = find(sources, name, delivery.method, delivery.path)
        handshake = source.handshake(delivery)
    except DeliveryRefused as refusal:
        return DeliveryExplained(name, delivery, status=refusal.status, refused=str(refusal))
    if handshake is not None:
        return DeliveryExplained(name, delivery, status=handshake.status, handshake=handshake)
    verified, refused, status, unreadable = "", "", source.reply().status, ""
    made: Sequence[Made] = ()
    try:
        verified = source.verify(delivery)
    except DeliveryRefused as refusal:
        refused, status = str(refusal), refusal.status
    try:
        made = [_made(source.name, reading, seen) for reading in read(source, delivery)]
    except DeliveryRefused as refusal:
        unreadable = str(refusal)
        status = status if refused else refusal.status
    except Exception:
        if not refused:
            raise
        # Providers read what was verified; of anything else, nothing is promised.
        unreadable = "what only the provider can have signed is not there"
    return DeliveryExplained(
        name, delivery, verified=verified, status=status, refused=refused, unreadable=unreadable, made=made
    )


def _made(source: str, reading: Reading, seen: set[str]) -> Made:
    key = event_key(source, reading.identity)
    repeats = key in seen
    seen.add(key)
    return Made(key, reading.event, repeats)


def _judged(made: Iterable[tuple[float, Made]], rules: RulesFile, weighed: int | None) -> list[EventExplained]:
    """The events that rules meet: those that are no legs, and one for each call."""
    whole: dict[str, EventExplained] = {}
    calls: dict[str, dict[str, LegEvent]] = {}
    for received_at, one in made:
        if one.event.leg is None:
            whole.setdefault(one.key, _explained(one.key, one.event, rules, weighed))
        else:
            calls.setdefault(call_join(one.event), {}).setdefault(one.key, LegEvent(one.key, received_at, one.event))
    for legs in calls.values():
        event = judged_event(list(legs.values()))
        key = event_key(event.source, judged_identity(event.id))
        whole.setdefault(key, _explained(key, event, rules, weighed, legs=tuple(legs.values())))
    return list(whole.values())


def _explained(
    key: str, event: Event, rules: RulesFile, weighed: int | None, legs: Sequence[LegEvent] = ()
) -> EventExplained:
    return EventExplained(key, event, explain_rules(rules, event, card_of=card_of, weighed=weighed), legs)
