"""One event: its whole life, and what the rules of now say to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from starlette.requests import Request

from badge_bridge.console.answers import NotThere
from badge_bridge.console.desk import Desk
from badge_bridge.console.sessions import Session
from badge_bridge.events import event_key
from badge_bridge.explain import EventExplained, Explanation, explain_stored
from badge_bridge.explain_json import as_json
from badge_bridge.life import life
from badge_bridge.moments import iso
from badge_bridge.on_cards import on_cards
from badge_bridge.portal.reasons import parse
from badge_bridge.previews import preview
from badge_bridge.rulesfile import RulesFile
from badge_bridge.sources.legs import judged_identity
from badge_bridge.store.protocol import Attempt, Pause, State, StoredEvent
from badge_bridge.telling import came_of, ended, next_step, redriven

__all__ = ["ENDED", "LISTED", "WEIGHED", "event", "listed"]

WEIGHED = 20
"""Rules that do not match of which it is told which part of the condition failed."""

LISTED = 20
"""Rules for other events that are listed."""

ENDED = frozenset(get_args(State)) - {"waiting", "working"}
"""The states from which an event can be redriven."""


async def event(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console/events/KEY`: what `events show --json` prints, and what it means.

    Raises:
        NotThere: there is no such event.
        StoreUnavailable: the store cannot be read.
    """
    key = request.path_params["key"]
    stored = await desk.store.get(key)
    if stored is None:
        raise NotThere("there is no such event; it may have been deleted, as `retention` in the rules file says")
    rules, now = desk.rules, desk.clock()
    badges = {badge.code: badge for badge in rules.badges.values()}
    pause = next(iter(await desk.store.paused([stored.lane])), None) if stored.lane else None
    cards = await on_cards(desk.store, key)
    told = life(stored, cards)
    leg = stored.event.leg
    codes = {card.badge for card in cards} | {outcome.badge for outcome in stored.outcomes}
    return {
        **told,
        "age": now - stored.received_at,
        "late": stored.received_at - stored.event.time.timestamp(),
        "came_of": came_of(stored, await desk.store.attachments(key), badges, now=now),
        "next": next_step(stored, pause, now=now),
        "pause": _pause(pause),
        "judged_as": event_key(stored.event.source, judged_identity(leg.call)) if leg else None,
        "history": [
            {**written, "took": _took(attempt), "said": ended(attempt), "redriven": _redriven(attempt, written)}
            for attempt, written in zip(stored.history, told["history"], strict=True)
        ],
        "cards": [{**card, "href": _href(rules, card["portal"], card["owner"])} for card in told["cards"]],
        "badges": {code: preview(badges[code]) for code in sorted(codes & badges.keys())},
        "judgement": _judgement(await explain_stored(rules, stored, store=desk.store, weighed=WEIGHED)),
        "can_redrive": desk.may_change and stored.state in ENDED,
    }


def _judgement(explanation: Explanation) -> Mapping[str, Any]:
    """What each rule says, as `explain --json` has it; of rules for other events there may be very many."""
    (one,) = explanation.events
    kept, left_out = listed(one)
    shown = as_json(replace(explanation, events=[kept]))
    return {
        "rules_file": shown["rules_file"],
        "rules_hash": shown["rules_hash"],
        "by_rules_of_then": _is_of_then(explanation.stored, explanation.rules),
        **shown["events"][0],
        "left_out": left_out,
    }


def listed(one: EventExplained) -> tuple[EventExplained, int]:
    """The same with no more than `LISTED` of the rules that are for other events, and how many were left out."""
    others = [rule for rule in one.rules if rule.result in {"other type", "other source"} and not rule.clears]
    dropped = {rule.rule.name for rule in others[LISTED:]}
    return replace(one, rules=[rule for rule in one.rules if rule.rule.name not in dropped]), len(dropped)


def _is_of_then(stored: StoredEvent | None, rules: RulesFile) -> bool | None:
    """Whether the event was last judged by these rules; None where it was not judged yet."""
    return None if stored is None or not stored.rules_hash else stored.rules_hash == rules.hash


def _redriven(attempt: Attempt, written: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return None if attempt.redriven is None else {**written["redriven"], "said": redriven(attempt.redriven)}


def _took(attempt: Attempt) -> float | None:
    return None if attempt.ended_at is None else attempt.ended_at - attempt.started_at


def _pause(pause: Pause | None) -> Mapping[str, Any] | None:
    if pause is None:
        return None
    reason = parse(pause.reason)
    return {"lane": pause.lane, "until": iso(pause.until), "failures": pause.failures, "reason": reason.message}


def _href(rules: RulesFile, portal: str, owner: str) -> str | None:
    """Where the card is in the portal, for a browser."""
    known = rules.portals.get(portal)
    kind, _, number = owner.partition(" ")
    return f"{known.url}/crm/{kind}/details/{number}/" if known else None
