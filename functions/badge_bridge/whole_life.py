"""Everything that is told of one event, for the page of the console, its JSON and `events show`: what happened, what it
means, what the rules of now say, and what to do next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from badge_bridge.archive import is_kept
from badge_bridge.events import event_key
from badge_bridge.explain import EventExplained, judge_stored, legs_of
from badge_bridge.explain_json import leg_as_json, rule_as_json
from badge_bridge.life import life
from badge_bridge.moments import iso
from badge_bridge.on_cards import OnCard, on_cards
from badge_bridge.portal.reasons import parse
from badge_bridge.previews import preview
from badge_bridge.redriving import rules_of_then
from badge_bridge.rulesfile import Badge, RulesFile
from badge_bridge.rulesfile.secrets import UNKNOWN_PORTAL
from badge_bridge.sources.joining import LegEvent
from badge_bridge.sources.legs import judged_identity
from badge_bridge.store.protocol import Attachment, Attempt, Pause, State, Store, StoredEvent
from badge_bridge.telling import came_of, ended, next_step, redriven

__all__ = ["ENDED", "WholeLife", "came_of_one", "judged_as", "listed", "whole_life"]

ENDED = frozenset(get_args(State)) - {"waiting", "working"}
"""The states from which an event can be redriven."""

_OF_A_LEG = "no rule meets a leg of a call: they meet what the call was judged as"


@dataclass(frozen=True, slots=True)
class WholeLife:
    """What the store has of one event, and what the rules of now say to it."""

    stored: StoredEvent
    pause: Pause | None
    """That of the lane it waits for."""
    cards: Sequence[OnCard]
    rows: Sequence[Attachment]
    """The event's in the ledger."""
    legs: Sequence[LegEvent]
    """Those of the call that it is, or is a leg of, as far as they are told yet."""
    is_then_kept: bool
    """The rules that it was judged by are kept, so that it can be redriven with them."""
    rules: RulesFile | None
    judged: EventExplained | None
    """What the rules of now say; None where that is not told."""
    unjudged: str = ""
    """Why it is not told."""

    @property
    def badges(self) -> Mapping[str, Badge]:
        """Those of the rules of now, by code."""
        return {badge.code: badge for badge in self.rules.badges.values()} if self.rules else {}

    def came_of(self, now: float) -> str:
        """As `telling.came_of`; `now` in unix seconds."""
        return came_of(self.stored, self.rows, self.badges, now=now)

    def next_step(self, now: float) -> str:
        """As `telling.next_step`."""
        return next_step(self.stored, self.pause, now=now)

    def looks(self) -> Mapping[str, Mapping[str, Any]]:
        """What the badges look like that it came to, by code, as far as the rules file has them."""
        codes = {card.badge for card in self.cards} | {outcome.badge for outcome in self.stored.outcomes}
        return {code: preview(self.badges[code]) for code in sorted(codes & self.badges.keys())}

    def as_json(self, *, now: float, may_change: bool, most: int | None = None) -> dict[str, Any]:
        """All of it. Of rules that are for other events at most `most` are listed; `may_change` says whether whoever
        asks may write to the store.
        """
        stored, told = self.stored, life(self.stored, self.cards)
        can_redrive = may_change and stored.state in ENDED
        return {
            **told,
            "age": now - stored.received_at,
            "late": stored.received_at - stored.event.time.timestamp(),
            "customer": stored.event.customer,
            "came_of": self.came_of(now),
            "next": self.next_step(now),
            "pause": _pause(self.pause),
            "judged_as": judged_as(stored),
            "joined_from": [leg_as_json(leg) for leg in self.legs],
            "history": [
                _attempt(attempt, written) for attempt, written in zip(stored.history, told["history"], strict=True)
            ],
            "cards": [{**card, "href": _href(self.rules, card["portal"], card["owner"])} for card in told["cards"]],
            "badges": self.looks(),
            "judgement": self._judgement(most),
            "judgement_unknown": self.unjudged,
            "can_redrive": can_redrive,
            "can_redrive_then": can_redrive and self.is_then_kept,
        }

    def _judgement(self, most: int | None) -> Mapping[str, Any] | None:
        """What each rule says; of rules for other events there may be very many."""
        if self.rules is None or self.judged is None:
            return None
        kept, left_out = (self.judged, 0) if most is None else listed(self.judged, most)
        return {
            "rules_file": self.rules.filename,
            "rules_hash": self.rules.hash,
            "by_rules_of_then": _is_of_then(self.stored, self.rules),
            "rules": [rule_as_json(rule) for rule in kept.rules],
            "left_out": left_out,
        }


async def came_of_one(store: Store, one: StoredEvent, badges: Mapping[str, Badge], *, now: float) -> str:
    """As `telling.came_of` in a list, of an event of a `Listing`: that has no outcomes, and of what is done they say
    what.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    whole: StoredEvent | None = None
    rows: Sequence[Attachment] = ()
    if one.state == "done":
        whole, rows = await asyncio.gather(store.get(one.key), store.attachments(one.key))
    return came_of(whole or one, rows, badges, now=now, in_a_list=True)


async def whole_life(
    store: Store, stored: StoredEvent, rules: RulesFile | str, *, weighed: int | None = None
) -> WholeLife:
    """All that is told of an event by the rules of now; `rules` may be why they are not known. `weighed` as in
    `explain_rules`.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    pauses = await store.paused([stored.lane]) if stored.lane else []
    legs = await legs_of(stored, store)
    then = "" if stored.event.leg is not None else rules_of_then(stored)
    known = None if isinstance(rules, str) else rules
    judged, unjudged = None, ""
    if stored.event.leg is not None:
        unjudged = _OF_A_LEG
    elif isinstance(rules, str):
        unjudged = rules
    else:
        (judged,) = judge_stored(rules, stored, legs=legs, weighed=weighed).events
    return WholeLife(
        stored=stored,
        pause=next(iter(pauses), None),
        cards=await on_cards(store, stored.key),
        rows=await store.attachments(stored.key),
        legs=legs,
        is_then_kept=bool(then) and await is_kept(store, then),
        rules=known,
        judged=judged,
        unjudged=unjudged,
    )


def judged_as(stored: StoredEvent) -> str | None:
    """Of a leg, the key of the event that its call is judged as."""
    leg = stored.event.leg
    return event_key(stored.event.source, judged_identity(leg.call)) if leg else None


def listed(one: EventExplained, most: int) -> tuple[EventExplained, int]:
    """The same with no more than so many of the rules that are for other events, and how many were left out."""
    others = [rule for rule in one.rules if rule.result in {"other type", "other source"} and not rule.clears]
    dropped = {rule.rule.name for rule in others[most:]}
    return replace(one, rules=[rule for rule in one.rules if rule.rule.name not in dropped]), len(dropped)


def _is_of_then(stored: StoredEvent, rules: RulesFile) -> bool | None:
    """Whether the event was last judged by these rules; None where it was not judged yet."""
    return stored.rules_hash == rules.hash if stored.rules_hash else None


def _attempt(attempt: Attempt, written: Mapping[str, Any]) -> Mapping[str, Any]:
    took = None if attempt.ended_at is None else attempt.ended_at - attempt.started_at
    again = None if attempt.redriven is None else {**written["redriven"], "said": redriven(attempt.redriven)}
    return {**written, "took": took, "said": ended(attempt), "redriven": again}


def _pause(pause: Pause | None) -> Mapping[str, Any] | None:
    if pause is None:
        return None
    reason = parse(pause.reason)
    return {"lane": pause.lane, "until": iso(pause.until), "failures": pause.failures, "reason": reason.message}


def _href(rules: RulesFile | None, portal: str, owner: str) -> str | None:
    """Where the card is in the portal, for a browser; None where that is not known."""
    known = rules.portals.get(portal) if rules else None
    if known is None or known.url == UNKNOWN_PORTAL:
        return None
    kind, _, number = owner.partition(" ")
    return f"{known.url}/crm/{kind}/details/{number}/"
