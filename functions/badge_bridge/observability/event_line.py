"""The lines that matter: one per delivery, and one per processed attempt of an event.

An operator reads the message, a program the fields. Neither has headers, bodies, addresses or queries, and of phone
numbers only the caller's, which is masked unless the settings say otherwise: an event is named by its key, and
`badge-bridge events show <key>` tells the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from badge_bridge.observability.floods import FloodGate
from badge_bridge.outcomes import NOT_EVALUATED, Exchange, Outcome

__all__ = ["log_accept", "log_event", "log_left_out"]

_deliveries = logging.getLogger("badge_bridge.deliveries")
_events = logging.getLogger("badge_bridge.events")

_refused = FloodGate()

_DELIVERY_LEVELS = {"accepted": logging.DEBUG, "duplicate": logging.INFO, "refused": logging.WARNING}
"""What is accepted gets its line when it is processed; a second one would be the costliest part of accepting it."""

_MOST_SHOWN = 3
"""Outcomes in the message; the fields have all."""
_MOST_ASKED = 6
"""Requests to the portal that a readable line shows; the fields have all."""
_TROUBLE = frozenset({"failed", "ignored"})
"""Results that are told first. A rule whose condition is false has no outcome: `ignored` is one whose condition has no
answer, or that found no card."""


def log_event(
    *,
    key: str,
    source: str,
    provider: str,
    type: str,  # noqa: A002 - the field's name everywhere else
    state: Literal["done", "ignored", "joined", "waiting", "dead"],
    attempt: int,
    failures: int,
    waited: float,
    took: float,
    outcomes: Sequence[Outcome] = (),
    asked: Sequence[Exchange] = (),
    reason: str = "",
    due: float | None = None,
    failed: bool = False,
    lane: str = "",
    rules_hash: str = "",
    caller: str = "",
) -> None:
    """Log how one attempt of an event ended.

    ERROR where it is dead; WARNING where it waits because it failed or its lane is paused, and where the condition of a
    rule could not be evaluated; otherwise INFO.

    Args:
        key: the event's key in the store.
        source: the event's source.
        provider: the source's provider.
        type: the event's type.
        state: what the event was settled as.
        attempt: number of this attempt, from 1.
        failures: attempts that count towards dead, this one included.
        waited: seconds from receiving the event to the start of this attempt.
        took: seconds this attempt took.
        outcomes: what each rule did in this attempt.
        asked: what the portal was asked and answered in this attempt.
        reason: why it was ignored, waits or is dead.
        due: with `waiting`, the unix time before which it is not tried again.
        failed: with `waiting`, whether this attempt counts towards dead.
        lane: with `waiting`, the paused lane it waits for.
        rules_hash: the hash of the rules file it was judged by.
        caller: the caller's number, in full; whether it is masked is a setting.
    """
    unreadable = sum(outcome.not_evaluated for outcome in outcomes)
    level = _event_level(state, troubled=failed or bool(lane), unreadable=unreadable)
    if not _events.isEnabledFor(level):
        return
    fields = _without_empty(
        {
            "kind": "event",
            "key": key,
            "source": source,
            "provider": provider,
            "type": type,
            "caller": caller,
            "state": state,
            "reason": reason,
            "attempt": attempt,
            "failures": failures or None,
            "unreadable": unreadable or None,
            "rules": [_outcome_fields(outcome) for outcome in outcomes],
            "asked": [_exchange_fields(exchange) for exchange in asked],
            "asked_ms": round(sum(exchange.milliseconds for exchange in asked), 1) if asked else None,
            "waited_ms": _milliseconds(waited),
            "took_ms": _milliseconds(took),
            "due": _moment(due),
            "lane": lane,
            "rules_hash": rules_hash,
        }
    )
    what = _what_happened(outcomes, state=state, reason=reason, attempt=attempt, lane=lane)
    _write(_events, level, f"{state} {key} {type} -> {what}", fields, console=_EVENT_CONSOLE)


def log_accept(
    *,
    source: str,
    result: Literal["accepted", "duplicate", "refused"],
    status: int,
    provider: str = "",
    key: str = "",
    type: str = "",  # noqa: A002 - the field's name everywhere else
    verified: str = "",
    reason: str = "",
    took: float | None = None,
    gate: FloodGate = _refused,
) -> None:
    """Log what became of a delivery; for one that carries several events, once per event. Accepted ones are DEBUG.

    Refused ones are WARNING and are rationed by `gate` per source and status, as anybody can send them; pass the empty
    string as the source of a delivery to one that is not configured, since its name is the sender's invention.

    Args:
        source: the source's name in the rules file.
        result: what became of it.
        status: the HTTP status that the sender got; 0 where the bridge has fetched the event by itself.
        provider: the source's provider.
        key: the event's key, unless refused.
        type: the event's type, unless refused.
        verified: how the delivery was verified, in words.
        reason: why it was refused; for the operator, so it may say more than the sender was told.
        took: seconds from the first byte to the answer.
        gate: counts refused deliveries.
    """
    if result == "refused":
        log_left_out(gate=gate)
        if not gate.passes((source, status)):
            return
    level = _DELIVERY_LEVELS[result]
    if not _deliveries.isEnabledFor(level):
        return
    fields = _without_empty(
        {
            "kind": "delivery",
            "key": key,
            "source": source,
            "provider": provider,
            "type": type,
            "result": result,
            "status": status or None,
            "verified": verified,
            "reason": reason,
            "took_ms": None if took is None else _milliseconds(took),
        }
    )
    message = f"{result} {key} {type}" if key else f"{result} {status} for {source or 'an unknown source'}"
    _write(_deliveries, level, f"{message}: {reason}" if reason else message, fields, console=_ACCEPT_CONSOLE)


def log_left_out(*, gate: FloodGate = _refused) -> None:
    """Log how many lines about refused deliveries were left out, for the floods that are over.

    Asked by whoever looks for what is due. A `receive` with Pub/Sub never does: there it is told with the next delivery
    that is refused.
    """
    for flood in gate.over():
        source, status = flood.kind if isinstance(flood.kind, tuple) else ("", None)
        message = (
            f"refused {status or 'in several ways'} for {source or 'unknown sources'}: "
            f"{flood.lines} more within {flood.seconds:g} s"
        )
        fields = {"kind": "refused", "source": source, "status": status, "left_out": flood.lines}
        _write(_deliveries, logging.WARNING, message, _without_empty(fields), console={})


def _event_level(state: str, *, troubled: bool, unreadable: int) -> int:
    if state == "dead":
        return logging.ERROR
    return logging.WARNING if unreadable or (state == "waiting" and troubled) else logging.INFO


def _what_happened(outcomes: Sequence[Outcome], *, state: str, reason: str, attempt: int, lane: str) -> str:
    told = [
        _told(outcome, reason)
        for outcome in sorted(outcomes, key=lambda outcome: outcome.result not in _TROUBLE)
        if not _is_told_by(reason, outcome)
    ]
    if len(told) > _MOST_SHOWN:
        told[_MOST_SHOWN:] = [f"and {len(told) - _MOST_SHOWN} more rules"]
    if state == "waiting":
        told.append(f"{f'paused with {lane}' if lane else 'again later'} (attempt {attempt})")
    elif state == "dead":
        told.append(f"given up after attempt {attempt}")
    text = "; ".join(told)
    if reason:
        return f"{text}: {reason}" if text else reason
    return text or "no rule had anything to do"


def _told(outcome: Outcome, reason: str) -> str:
    """`missed call: ensured bb_missedCall (added)`; without what the event's own reason says at the end of the line."""
    badge = f" {outcome.badge}" if outcome.badge else ""
    is_said = outcome.result == "failed" and outcome.reason in reason
    why = f" ({outcome.reason})" if outcome.reason and not is_said else ""
    return f"{outcome.rule}: {outcome.result}{badge}{why}"


def _is_told_by(reason: str, outcome: Outcome) -> bool:
    """Whether the event's reason tells this outcome: it is the same, or names the rule beside the same problem, as
    `could not be evaluated: late (rules.yaml:9:5: ...)` does.
    """
    if not outcome.not_evaluated:
        return outcome.result == "ignored" and bool(outcome.reason) and outcome.reason in reason
    problem = outcome.reason.removeprefix(NOT_EVALUATED)
    return bool(problem) and problem in reason and outcome.rule in reason


def _asked_in_short(asked: Sequence[Any]) -> str:
    """`badge.get=NOT_FOUND, badge.add=ok`."""
    # What is not a mapping stands for a rest that was cut off.
    told = [
        f"{str(one.get('method', '')).removeprefix('crm.activity.')}={one.get('answer', '')}"
        for one in asked
        if isinstance(one, Mapping)
    ]
    if len(told) > _MOST_ASKED:
        told[_MOST_ASKED:] = [f"and {len(told) - _MOST_ASKED} more"]
    return ", ".join(told)


def _outcome_fields(outcome: Outcome) -> dict[str, Any]:
    return _without_empty(
        {
            "rule": outcome.rule,
            "result": outcome.result,
            "badge": outcome.badge,
            "portal": outcome.portal,
            "reason": outcome.reason,
        }
    )


def _exchange_fields(exchange: Exchange) -> dict[str, Any]:
    return {"method": exchange.method, "answer": exchange.answer, "ms": round(exchange.milliseconds, 1)}


def _milliseconds(seconds: float) -> float:
    return round(max(float(seconds), 0.0) * 1000, 1)


def _moment(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


_Console = Mapping[str, Callable[[Any], object] | None]
"""The fields of a readable line, each with what puts it in short (see `formats.ConsoleFormatter`)."""

_EVENT_CONSOLE: _Console = {
    **dict.fromkeys(("provider", "caller", "attempt", "failures", "unreadable")),
    "asked": _asked_in_short,
    **dict.fromkeys(("asked_ms", "waited_ms", "took_ms", "due")),
}
_ACCEPT_CONSOLE: _Console = dict.fromkeys(("provider", "status", "verified", "took_ms"))


def _write(logger: logging.Logger, level: int, message: str, fields: Mapping[str, Any], *, console: _Console) -> None:
    # The place is the caller of log_event or log_accept, two frames up.
    logger.log(level, "%s", message, extra={"json_fields": fields, "console_fields": console}, stacklevel=3)
