"""Trying an ended event again for an operator: with the rules of now, or with those that it was judged by then."""

from __future__ import annotations

from badge_bridge.archive import is_kept
from badge_bridge.store.protocol import Store, StoredEvent

__all__ = ["redrive", "rules_of_then"]


async def redrive(store: Store, key: str, *, now: float, then: bool = False) -> str:
    """Make an ended event due again; why that was not done, in words, or nothing where it was.

    With `then` it is judged by the rules file of the last attempt that has ended (`rules_of_then`), else by that of
    whoever works on it. `now` is in unix seconds.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    rules = ""
    if then:
        event = await store.get(key)
        if event is None or event.state in ("waiting", "working"):
            return _why_not(event)
        if event.event.leg is not None:
            return "it is one leg of a call, and no rules judge it; redrive the call's event, which its reason names"
        rules = rules_of_then(event)
        if not rules:
            return "no attempt at it was judged by rules, so there are none of then; redrive it with those of now"
        if not await is_kept(store, rules):
            return f"its rules of then (hash {rules}) are not kept; redrive it with those of now"
    if await store.redrive(key, now=now, rules=rules):
        return ""
    return _why_not(await store.get(key))


def rules_of_then(event: StoredEvent) -> str:
    """The hash of the rules file that the last ended attempt at an event was judged by; empty where there is none."""
    return next((one.rules_hash for one in reversed(event.history) if one.rules_hash), event.rules_hash)


def _why_not(event: StoredEvent | None) -> str:
    return "there is no such event" if event is None else f"it has not ended, it is {event.state}"
