"""Trying ended events again for an operator: with the rules of now, or with those that they were judged by then."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from badge_bridge.archive import is_kept
from badge_bridge.plural import counted
from badge_bridge.store.protocol import Store, StoredEvent

__all__ = ["KINDS", "By", "Kind", "Refusal", "left_alone", "redrive", "redrive_each", "rules_of_then"]

logger = logging.getLogger("badge_bridge.redriving")

_SIDE_BY_SIDE = 50
"""Events that are written together."""

By = Literal["console", "command"]
"""By which way somebody asks for it."""

Kind = Literal["gone", "open", "leg", "unjudged", "unkept"]
"""Of reasons why an event is left as it is."""

KINDS: Sequence[Kind] = get_args(Kind)

_OF_SEVERAL: Mapping[Kind, str] = {
    "gone": "not in the store any more",
    "open": "not ended yet",
    "leg": "a leg of a call, which no rules judge; redrive the call's event",
    "unjudged": "never judged by rules, so that there are none of then; redrive with those of now",
    "unkept": "judged by rules of then that are not kept; redrive with those of now",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event is left as it is: the kind of reason, and in words."""

    kind: Kind
    text: str


async def redrive_each(
    store: Store,
    keys: Sequence[str],
    *,
    clock: Callable[[], float],
    then: bool,
    by: By,
    told: Callable[[int], None] | None = None,
) -> Mapping[str, Refusal | None]:
    """`redrive` of several: by key, why it was left alone, or None where it is tried again. The log says in one line
    how many there were. `clock` returns unix seconds; `told` hears now and then how many are done.

    Raises:
        StoreUnavailable: the store cannot be read or written; what was done until then is done.
    """
    said: dict[str, Refusal | None] = {}
    keys = [*dict.fromkeys(keys)]  # one that is named twice would be refused the second time
    try:
        for start in range(0, len(keys), _SIDE_BY_SIDE):
            some = keys[start : start + _SIDE_BY_SIDE]
            came = await asyncio.gather(*(redrive(store, key, now=clock(), then=then, by=by) for key in some))
            said.update(zip(some, came, strict=True))
            if told is not None:
                told(len(said))
    finally:
        if said:
            logger.info("%s", _in_a_line(said, then=then, by=by))
    return said


def left_alone(kinds: Mapping[Kind, int]) -> str:
    """How many were left as they are and why, in half sentences, the most first; empty where there are none."""
    most_first = sorted(kinds.items(), key=lambda one: (-one[1], one[0]))
    return "; ".join(f"{count:,} {_OF_SEVERAL[kind]}" for kind, count in most_first)


async def redrive(store: Store, key: str, *, now: float, then: bool = False, by: By) -> Refusal | None:
    """Make an ended event due again; why that was not done, or None where it was.

    With `then` it is judged by the rules file of the last attempt that has ended (`rules_of_then`), else by that of
    whoever works on it. `now` is in unix seconds; `by` is kept with the event.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    rules = ""
    if then:
        event = await store.get(key)
        if event is None or event.state in ("waiting", "working"):
            return _why_not(event)
        if event.event.leg is not None:
            why = "it is one leg of a call, and no rules judge it; redrive the call's event, which its reason names"
            return Refusal("leg", why)
        rules = rules_of_then(event)
        if not rules:
            why = "no attempt at it was judged by rules, so there are none of then; redrive it with those of now"
            return Refusal("unjudged", why)
        if not await is_kept(store, rules):
            why = f"its rules of then (hash {rules}) are not kept; redrive it with those of now"
            return Refusal("unkept", why)
    if await store.redrive(key, now=now, rules=rules, by=by):
        return None
    return _why_not(await store.get(key))


def rules_of_then(event: StoredEvent) -> str:
    """The hash of the rules file that the last ended attempt at an event was judged by; empty where there is none."""
    return next((one.rules_hash for one in reversed(event.history) if one.rules_hash), event.rules_hash)


def _why_not(event: StoredEvent | None) -> Refusal:
    if event is None:
        return Refusal("gone", "there is no such event")
    return Refusal("open", f"it has not ended, it is {event.state}")


def _in_a_line(said: Mapping[str, Refusal | None], *, then: bool, by: By) -> str:
    refused = Counter(refusal.kind for refusal in said.values() if refusal)
    count = len(said) - refused.total()
    which = f"with the rules of {'then' if then else 'now'}"
    one = f" ({next(iter(said))})" if len(said) == 1 else ""
    left = f"; left alone: {left_alone(refused)}" if refused else ""
    way = "from the console" if by == "console" else "by a command"
    return f"{counted(count, 'event')} redriven {way}{one}, {which}{left}"
