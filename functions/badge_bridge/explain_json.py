"""An explanation as JSON: the same that the terminal shows."""

from __future__ import annotations

from typing import Any

from badge_bridge.explain import DeliveryExplained, EventExplained, Explanation, Made
from badge_bridge.life import life
from badge_bridge.moments import iso
from badge_bridge.on_cards import as_json as as_dict
from badge_bridge.rulesfile.deciding import Read, Weighed
from badge_bridge.rulesfile.explaining import RuleExplained
from badge_bridge.sources.joining import LegEvent
from badge_bridge.telling import of_leg

__all__ = ["as_json", "leg_as_json", "rule_as_json"]


def as_json(explanation: Explanation) -> dict[str, Any]:
    """Everything that is told, in the order in which it happens."""
    return {
        "rules_file": explanation.rules.filename,
        "rules_hash": explanation.rules.hash,
        "genuine": explanation.genuine,
        "deliveries": [_delivery(one, explanation) for one in explanation.deliveries],
        "stored": life(explanation.stored, explanation.events[0].cards) if explanation.stored else None,
        "events": [_event(one, explanation) for one in explanation.events],
    }


def _delivery(one: DeliveryExplained, explanation: Explanation) -> dict[str, Any]:
    return {
        "source": one.source,
        "method": one.delivery.method,
        "path": one.delivery.path,
        "bytes": len(one.delivery.body),
        "status": one.status,
        "verified": one.verified,
        "refused": one.refused,
        "handshake": one.handshake is not None,
        "unreadable": one.unreadable,
        "events": [_made(made, explanation) for made in one.made],
    }


def _made(made: Made, explanation: Explanation) -> dict[str, Any]:
    return {
        "key": made.key,
        "repeats": made.repeats,
        "stored_as": _state(made.key, explanation),
        "event": made.event.model_dump(mode="json"),
    }


def _state(key: str, explanation: Explanation) -> str | None:
    """The state of an event that the store has already."""
    known = (explanation.known or {}).get(key)
    return known.state if known else None


def _event(one: EventExplained, explanation: Explanation) -> dict[str, Any]:
    return {
        "key": one.key,
        "stored_as": _state(one.key, explanation),
        "joined_from": [leg_as_json(leg) for leg in one.legs],
        "cards": [as_dict(card) for card in one.cards],
        "customer": one.event.customer,
        "event": one.event.model_dump(mode="json"),
        "rules": [rule_as_json(rule) for rule in one.rules],
    }


def leg_as_json(one: LegEvent) -> dict[str, Any]:
    """One leg of a call; what it says in words alone, since the facts are told in terms of ours, which change."""
    return {"key": one.key, "time": iso(one.event.time.timestamp()), "said": of_leg(one.leg)}


def rule_as_json(one: RuleExplained) -> dict[str, Any]:
    """What one rule says to an event."""
    rule = one.rule
    return {
        "rule": rule.name,
        "line": rule.line,
        "result": one.result,
        "on": list(rule.on),
        "sources": list(rule.sources),
        "when": rule.when,
        "condition": _weighed(one.condition) if one.condition else None,
        "badge": rule.badge,
        "portal": rule.portal,
        "card": one.card,
        "title": one.title,
        "until": list(rule.clear.on) if rule.clear else [],
        "clears": one.clears,
        "same": one.same,
    }


def _weighed(one: Weighed) -> dict[str, Any]:
    return {
        "text": one.text,
        "line": one.line,
        "column": one.column,
        "value": one.value,
        "decides": one.decides,
        "problem": str(one.problem) if one.problem else "",
        "operator": one.operator,
        "reads": [_read(read) for read in one.reads],
        "parts": [_weighed(part) for part in one.parts],
    }


def _read(read: Read) -> dict[str, Any]:
    return {"field": read.field, "there": read.there, "value": _value(read.value)}


def _value(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
